/* Values behind their tags: which type reads which tag, and how a value is written as a whole.
 *
 * Strings are read and written here; the other types bring their own functions (value.h). A tag
 * that no type reads is a newer version's, or a module's: the message says which.
 */
#include "core/type/rdb_value.h"

#include "core/base/fault.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "core/type/value.h"

/* The type that reads `tag`; TYPE_COUNT if none does. 22 and 23 are Redis' hashes with deadlines as
 * they were before 7.4 was final, 22 in Valkey its own. */
static enum value_type type_of_tag(uint8_t tag, bool valkey)
{
    switch (tag) {
    case RDB_STRING: return TYPE_STRING;
    case RDB_LIST:
    case RDB_LIST_ZIPLIST:
    case RDB_LIST_QUICKLIST:
    case RDB_LIST_QUICKLIST_2: return TYPE_LIST;
    case RDB_SET:
    case RDB_SET_INTSET:
    case RDB_SET_LISTPACK: return TYPE_SET;
    case RDB_ZSET:
    case RDB_ZSET_2:
    case RDB_ZSET_ZIPLIST:
    case RDB_ZSET_LISTPACK: return TYPE_ZSET;
    case RDB_HASH:
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST:
    case RDB_HASH_LISTPACK:
    case RDB_HASH_METADATA_PRE: return TYPE_HASH;
    case RDB_HASH_LISTPACK_EX_PRE:
    case RDB_HASH_METADATA:
    case RDB_HASH_LISTPACK_EX: return valkey ? TYPE_COUNT : TYPE_HASH;
    case RDB_STREAM:
    case RDB_STREAM_2:
    case RDB_STREAM_3: return TYPE_STREAM;
    default: return TYPE_COUNT;
    }
}

uint8_t rdb_tag_of(const struct entry *entry, int version)
{
    const struct type_ops *ops = type_ops_of(entry_type(entry));

    if (entry_type(entry) == TYPE_STRING)
        return RDB_STRING;
    kv_assert(ops->tag != NULL);
    return ops->tag(entry_encoding(entry), entry_value(entry), version);
}

int rdb_version_of(const struct entry *entry)
{
    const struct type_ops *ops = type_ops_of(entry_type(entry));

    if (ops->version == NULL)
        return RDB_VERSION_USUAL;
    return ops->version(entry_encoding(entry), entry_value(entry));
}

void rdb_put_value(struct rdb_out *out, const struct entry *entry)
{
    const struct type_ops *ops = type_ops_of(entry_type(entry));
    enum value_encoding encoding = entry_encoding(entry);
    uint64_t cursor = 0;
    char digits[24];

    if (entry_type(entry) == TYPE_STRING) {
        rdb_put_string(out, entry_string(entry, digits));
        return;
    }
    kv_assert(ops->encode_begin != NULL);
    if (ops->encode_begin(encoding, entry_value(entry), out)) {
        do
            cursor = ops->encode_node(encoding, entry_value(entry), cursor, out);
        while (cursor != 0);
    }
}

static int unknown_tag(struct rdb_in *in, uint8_t tag)
{
    int64_t offset = (int64_t)rdb_offset(in);
    const char *path = in->fault == NULL ? NULL : in->fault->path;

    if (tag == RDB_MODULE || tag == RDB_MODULE_2)
        return fault_set(in->fault, KV_EVERSION, path, offset,
                         "a value of a module (type %d): modules are not known here", tag);
    return fault_set(in->fault, KV_EVERSION, path, offset,
                     "a value of type %d, which is not known here", tag);
}

static int get_string_value(struct rdb_in *in, struct slice key, int64_t deadline_ms,
                            struct entry **entry)
{
    struct slice text;
    int code = rdb_get_string(in, &text);

    if (code == 0)
        *entry = entry_new_string(key, text, deadline_ms);
    return code;
}

int rdb_get_value(struct rdb_in *in, uint8_t tag, struct slice key, int64_t deadline_ms,
                  struct entry **entry, bool *empty)
{
    enum value_type type = type_of_tag(tag, in->valkey);
    enum value_encoding encoding = ENCODING_RAW;
    const struct type_ops *ops;
    void *value = NULL;
    int code;

    *entry = NULL;
    *empty = false;
    if (type == TYPE_STRING)
        return get_string_value(in, key, deadline_ms, entry);
    if (type == TYPE_COUNT)
        return unknown_tag(in, tag);
    ops = type_ops_of(type);
    if (ops->decode == NULL)
        return unknown_tag(in, tag);
    if ((code = ops->decode(tag, in, &encoding, &value)) != 0)
        return code;
    if (value == NULL)
        *empty = true;
    else
        *entry = entry_new_value(key, type, encoding, value, deadline_ms);
    return 0;
}
