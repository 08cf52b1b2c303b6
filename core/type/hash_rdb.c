/* Hashes in RDB files.
 *
 *   tag                     what follows it
 *    4 HASH                 count; field, value ...
 *    9 HASH_ZIPMAP          a string: a zipmap                                   (read only)
 *   13 HASH_ZIPLIST         a string: a ziplist of fields and values             (read only)
 *   16 HASH_LISTPACK        a string: a listpack of fields and values
 *   22 HASH_METADATA_PRE    count; deadline, field, value ...                    (read only)
 *   23 HASH_LISTPACK_EX_PRE a string: a listpack of field, value, deadline ...   (read only)
 *   24 HASH_METADATA        first deadline, 8 bytes; count; after, field, value ...
 *   25 HASH_LISTPACK_EX     first deadline, 8 bytes; as 23                       (read only)
 *   22 in Valkey            count; field, value, deadline in 8 bytes ...         (read only)
 *
 * Counts, `after` and the deadlines of 22 are lengths of the RDB's kind. A deadline is a Unix time
 * in milliseconds; 0 says that there is none (in Valkey: -1). `after` is 0 for none, else 1 + how
 * much later than the first deadline.
 *
 * Written are 4, 16 and 24. What is read takes the form that the limits want, not the one it had.
 * A field that comes twice is damage.
 */
#include "core/type/hash_rdb.h"

#include "core/base/mem.h"
#include "core/ds/listpack.h"
#include "core/ds/listpack_check.h"
#include "core/type/hash.h"
#include "core/type/hash_table.h"
#include "core/type/legacy.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"

#define VERSION_WITH_DEADLINES 12
#define PRESIZE_MAX 1000000   /* fields that a count may make room for before they have come */
#define VALKEY_NO_DEADLINE (-1)

/* --- Writing ---------------------------------------------------------------------------------- */

static struct hash the_hash(enum value_encoding encoding, const void *value)
{
    return (struct hash){encoding, (void *)(uintptr_t)value};
}

static bool has_deadlines(enum value_encoding encoding, const void *value)
{
    return hash_first_deadline(the_hash(encoding, value)) != HASH_NO_DEADLINE;
}

uint8_t hash_rdb_tag(enum value_encoding encoding, const void *value, int version)
{
    if (version >= VERSION_WITH_DEADLINES && has_deadlines(encoding, value))
        return RDB_HASH_METADATA;
    return encoding == ENCODING_LISTPACK && version >= RDB_VERSION_USUAL ? RDB_HASH_LISTPACK
                                                                         : RDB_HASH;
}

int hash_rdb_version(enum value_encoding encoding, const void *value)
{
    return has_deadlines(encoding, value) ? VERSION_WITH_DEADLINES : RDB_VERSION_USUAL;
}

void hash_rdb_put(struct rdb_out *out, struct slice field, struct slice value, bool with_deadline,
                  int64_t deadline_ms, int64_t first_ms)
{
    if (with_deadline)
        rdb_put_len(out, deadline_ms == HASH_NO_DEADLINE ? 0
                                                         : (uint64_t)(deadline_ms - first_ms) + 1);
    rdb_put_string(out, field);
    rdb_put_string(out, value);
}

bool hash_rdb_begin(enum value_encoding encoding, const void *value, struct rdb_out *out)
{
    struct hash hash = the_hash(encoding, value);
    uint8_t tag = hash_rdb_tag(encoding, value, out->version);
    struct hash_walk walk;
    struct hash_item item;

    if (tag == RDB_HASH_LISTPACK) {
        rdb_put_string(out, (struct slice){value, listpack_bytes(value)});
        return false;
    }
    if (tag == RDB_HASH_METADATA)
        rdb_put_u64(out, (uint64_t)hash_first_deadline(hash));
    rdb_put_len(out, hash_count(hash));
    if (encoding != ENCODING_LISTPACK)
        return true;
    hash_walk_start(&walk, hash);
    while (hash_walk_next(&walk, &item))
        hash_rdb_put(out, item.field, item.value, false, 0, 0);
    return false;
}

struct node_env {
    struct rdb_out *out;
    bool with_deadline;
    int64_t first_ms;
};

static void put_node_item(void *env, const struct hash_item *item)
{
    const struct node_env *node = env;

    hash_rdb_put(node->out, item->field, item->value, node->with_deadline, item->deadline_ms,
                 node->first_ms);
}

uint64_t hash_rdb_node(enum value_encoding encoding, const void *value, uint64_t cursor,
                       struct rdb_out *out)
{
    struct hash hash = the_hash(encoding, value);
    struct node_env node = {
        out, hash_rdb_tag(encoding, value, out->version) == RDB_HASH_METADATA,
        hash_first_deadline(hash)};

    return hash_scan(hash, cursor, put_node_item, &node);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static int bad_twice(struct rdb_in *in)
{
    return rdb_bad(in, "a field of a hash is there twice");
}

/* A deadline of a field, as read; 0 or less is none. */
static int check_deadline(struct rdb_in *in, uint64_t number, int64_t *deadline_ms)
{
    if (number > INT64_MAX)
        return rdb_bad(in, "a field's deadline is out of range");
    *deadline_ms = number == 0 ? HASH_NO_DEADLINE : (int64_t)number;
    return 0;
}

static int get_first_deadline(struct rdb_in *in, uint64_t *first_ms)
{
    int code = rdb_get_u64(in, first_ms);

    if (code == 0 && *first_ms > INT64_MAX)
        return rdb_bad(in, "the first deadline of a hash is out of range");
    return code;
}

/* The deadline in front of a field. */
static int get_deadline(struct rdb_in *in, uint8_t tag, uint64_t first_ms, int64_t *deadline_ms)
{
    uint64_t number;
    int code = rdb_get_len(in, &number);

    if (code != 0)
        return code;
    if (tag == RDB_HASH_METADATA && number != 0 &&
        (number > INT64_MAX || __builtin_add_overflow(number - 1, first_ms, &number)))
        return rdb_bad(in, "a field's deadline is out of range");
    return check_deadline(in, number, deadline_ms);
}

static int get_valkey_deadline(struct rdb_in *in, int64_t *deadline_ms)
{
    uint64_t number;
    int code = rdb_get_u64(in, &number);

    if (code != 0)
        return code;
    if ((int64_t)number == VALKEY_NO_DEADLINE)
        number = 0;
    return check_deadline(in, number, deadline_ms);
}

/* A string read, kept beyond the next read. */
static int get_kept(struct rdb_in *in, struct buf *kept, struct slice *out)
{
    int code = rdb_get_string(in, out);

    if (code != 0)
        return code;
    buf_clear(kept);
    buf_append_slice(kept, *out);
    *out = buf_slice(kept);
    return 0;
}

struct reading {
    struct hash hash;
    struct buf field; /* the last field's name */
    uint64_t first_ms;
    bool large;       /* a table from the beginning */
    struct hash_table_ahead ahead;
};

/* False: it was there already. */
static bool add_pair(struct rdb_in *in, struct reading *reading, struct slice field,
                     struct slice value, int64_t deadline_ms)
{
    if (reading->large)
        return hash_table_add(reading->hash.value, &reading->ahead, field, value, deadline_ms);
    return hash_set(&reading->hash, in->limits, field, value, deadline_ms);
}

static int get_pair(struct rdb_in *in, uint8_t tag, struct reading *reading)
{
    int64_t deadline_ms = HASH_NO_DEADLINE;
    bool valkey = tag == RDB_HASH_2_VALKEY && in->valkey;
    struct buf value_kept = {0};
    struct slice field, value;
    int code = 0;

    if (tag != RDB_HASH && !valkey)
        code = get_deadline(in, tag, reading->first_ms, &deadline_ms);
    if (code == 0)
        code = get_kept(in, &reading->field, &field);
    if (code == 0)
        code = valkey ? get_kept(in, &value_kept, &value) : rdb_get_string(in, &value);
    if (code == 0 && valkey)
        code = get_valkey_deadline(in, &deadline_ms);
    if (code == 0 && !add_pair(in, reading, field, value, deadline_ms))
        code = bad_twice(in);
    buf_free(&value_kept);
    return code;
}

static int decode_pairs(uint8_t tag, struct rdb_in *in, struct hash *hash)
{
    struct reading reading = {.hash = hash_new()};
    uint64_t count = 0;
    int code = tag == RDB_HASH_METADATA ? get_first_deadline(in, &reading.first_ms) : 0;

    if (code == 0)
        code = rdb_get_len(in, &count);
    if (code == 0 && count > (uint64_t)in->limits->hash_entries) {
        reading.large = true;
        hash_convert(&reading.hash);
        hash_table_presize(reading.hash.value, count < PRESIZE_MAX ? count : PRESIZE_MAX);
    }
    while (code == 0 && count-- > 0)
        code = get_pair(in, tag, &reading);
    if (reading.large && !hash_table_add_end(reading.hash.value, &reading.ahead) && code == 0)
        code = bad_twice(in);
    buf_free(&reading.field);
    *hash = reading.hash;
    return code;
}

/* --- Reading listpacks ------------------------------------------------------------------------ */

/* A listpack of pairs becomes the hash; it is used up. */
static int take_pairs(struct rdb_in *in, uint8_t *listpack, struct hash *hash)
{
    const struct type_limits *limits = in->limits;
    size_t count = listpack_count(listpack);

    *hash = (struct hash){ENCODING_LISTPACK, listpack};
    if (count % 2 != 0)
        return rdb_bad(in, "a hash has a field without a value");
    if (count / 2 > (uint64_t)limits->hash_entries ||
        listpack_has_longer(listpack, (size_t)limits->hash_value_bytes)) {
        hash_convert(hash);
        return hash_count(*hash) == count / 2 ? 0 : bad_twice(in);
    }
    return listpack_has_twice(listpack, 2) ? bad_twice(in) : 0;
}

/* One field, value and deadline of a listpack; where the next one is. */
static int take_triple(struct rdb_in *in, const uint8_t *listpack, uint8_t **at, struct hash *hash)
{
    char digits[2][LISTPACK_DIGITS];
    int64_t deadline_ms = 0;
    uint8_t *value = listpack_next(listpack, *at);
    uint8_t *deadline = listpack_next(listpack, value);
    int code;

    if (!listpack_get_int(deadline, &deadline_ms) || deadline_ms < 0)
        return rdb_bad(in, "a field's deadline is out of range");
    code = check_deadline(in, (uint64_t)deadline_ms, &deadline_ms);
    if (code == 0 && !hash_set(hash, in->limits, listpack_get(*at, digits[0]),
                               listpack_get(value, digits[1]), deadline_ms))
        code = bad_twice(in);
    *at = listpack_next(listpack, deadline);
    return code;
}

static int take_triples(struct rdb_in *in, const uint8_t *listpack, struct hash *hash)
{
    size_t count = listpack_count(listpack);
    uint8_t *at = listpack_first(listpack);
    int code = 0;

    *hash = hash_new();
    if (count % 3 != 0)
        return rdb_bad(in, "a hash has a field without a value or deadline");
    hash_convert(hash);
    hash_table_presize(hash->value, count / 3);
    while (code == 0 && at != NULL)
        code = take_triple(in, listpack, &at, hash);
    return code;
}

static int decode_listpack(uint8_t tag, struct rdb_in *in, struct hash *hash)
{
    bool triples = tag == RDB_HASH_LISTPACK_EX || tag == RDB_HASH_LISTPACK_EX_PRE;
    uint64_t first_ms;
    struct slice bytes;
    int code = tag == RDB_HASH_LISTPACK_EX ? get_first_deadline(in, &first_ms) : 0;

    *hash = hash_new();
    if (code == 0)
        code = rdb_get_string(in, &bytes);
    if (code != 0)
        return code;
    if (!listpack_valid((const uint8_t *)bytes.data, bytes.len, true))
        return rdb_bad(in, "a hash is no listpack");
    hash_free(*hash);
    if (triples)
        return take_triples(in, (const uint8_t *)bytes.data, hash);
    return take_pairs(in, listpack_copy((const uint8_t *)bytes.data), hash);
}

static int decode_legacy(uint8_t tag, struct rdb_in *in, struct hash *hash)
{
    uint8_t *listpack;
    struct slice bytes;
    int code;

    *hash = hash_new();
    code = rdb_get_string(in, &bytes);
    if (code != 0)
        return code;
    listpack = tag == RDB_HASH_ZIPMAP ? zipmap_to_listpack(bytes) : ziplist_to_listpack(bytes);
    if (listpack == NULL)
        return rdb_bad(in, "a hash is no %s", tag == RDB_HASH_ZIPMAP ? "zipmap" : "ziplist");
    hash_free(*hash);
    return take_pairs(in, listpack, hash);
}

int hash_rdb_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding, void **value)
{
    struct hash hash;
    int code;

    switch (tag) {
    case RDB_HASH_ZIPMAP:
    case RDB_HASH_ZIPLIST: code = decode_legacy(tag, in, &hash); break;
    case RDB_HASH_LISTPACK:
    case RDB_HASH_LISTPACK_EX:
    case RDB_HASH_LISTPACK_EX_PRE: code = decode_listpack(tag, in, &hash); break;
    default: code = decode_pairs(tag, in, &hash); break;
    }
    *value = NULL;
    *encoding = hash.encoding;
    if (code != 0 || hash_count(hash) == 0)
        hash_free(hash);
    else
        *value = hash.value;
    return code;
}
