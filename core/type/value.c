/* The table of types. */
#include "core/type/value.h"

#include "core/base/attr.h"
#include "core/type/hash.h"
#include "core/type/list.h"
#include "core/type/set.h"
#include "core/type/stream_rdb.h"
#include "core/type/zset_rdb.h"

/* A type without functions has its value in the entry. A new type is one line here: its
 * `type_ops` in place of its name alone. */
static const struct type_ops *const types[TYPE_COUNT] = {
    [TYPE_STRING] = &(const struct type_ops){.name = "string"},
    [TYPE_LIST] = &list_ops,
    [TYPE_SET] = &set_ops,
    [TYPE_ZSET] = &zset_ops,
    [TYPE_HASH] = &hash_ops,
    [TYPE_STREAM] = &stream_ops,
};

static const char *const encodings[ENCODING_COUNT] = {
    [ENCODING_RAW] = "raw",
    [ENCODING_EMBSTR] = "embstr",
    [ENCODING_INT] = "int",
    [ENCODING_LISTPACK] = "listpack",
    [ENCODING_INTSET] = "intset",
    [ENCODING_HASHTABLE] = "hashtable",
    [ENCODING_SKIPLIST] = "skiplist",
    [ENCODING_QUICKLIST] = "quicklist",
    [ENCODING_STREAM] = "stream",
};

const struct type_ops *type_ops_of(enum value_type type)
{
    kv_assert(type < TYPE_COUNT);
    return types[type];
}

const char *type_name(enum value_type type)
{
    return type_ops_of(type)->name;
}

const char *encoding_name(enum value_encoding encoding)
{
    kv_assert(encoding < ENCODING_COUNT);
    return encodings[encoding];
}

size_t value_effort(const struct entry *entry)
{
    const struct type_ops *ops = type_ops_of(entry_type(entry));

    if (ops->effort == NULL)
        return 1;
    return 1 + ops->effort(entry_encoding(entry), entry_value(entry));
}

int64_t value_deadline(const struct entry *entry)
{
    const struct type_ops *ops = type_ops_of(entry_type(entry));

    if (ops->deadline == NULL)
        return ENTRY_NO_DEADLINE;
    return ops->deadline(entry_encoding(entry), entry_value(entry));
}
