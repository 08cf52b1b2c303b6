/* Sorted sets in RDB files and DUMP payloads, and the type's operations.
 *
 *   RDB_ZSET_2         count, then member (string) and score (double) for each, the greatest first:
 *                      stock servers load that order fastest
 *   RDB_ZSET_LISTPACK  a string: the listpack as it is in memory
 *   RDB_ZSET           count, then member and score as text: up to Redis 3
 *   RDB_ZSET_ZIPLIST   a string: a ziplist of member, score, in order: up to Redis 6
 *
 * What comes in is built as a large set, which finds a member that is there twice, and becomes
 * small if it is within the limits. A listpack that is in order and within the limits is taken as
 * it is, once every score has been read and no member was found twice.
 */
#include "core/type/zset_rdb.h"

#include <math.h>

#include "core/base/buf.h"
#include "core/base/num.h"
#include "core/ds/listpack_check.h"
#include "core/ds/tree_walk.h"
#include "core/type/legacy.h"
#include "core/type/rdb.h"
#include "core/type/value.h"
#include "core/type/zset.h"
#include "core/type/zset_build.h"
#include "core/type/zset_cut.h"
#include "core/type/zset_large.h"

#define VERSION_OF_LISTPACKS 10

/* --- Out -------------------------------------------------------------------------------------- */

static uint8_t zset_tag(enum value_encoding encoding, const void *value unused, int version)
{
    return encoding == ENCODING_LISTPACK && version >= VERSION_OF_LISTPACKS ? RDB_ZSET_LISTPACK
                                                                            : RDB_ZSET_2;
}

static void put_pair(struct rdb_out *out, struct slice member, double score)
{
    rdb_put_string(out, member);
    rdb_put_double(out, score);
}

static bool zset_encode_begin(enum value_encoding encoding, const void *value, struct rdb_out *out)
{
    struct zset zset = {encoding, (void *)(uintptr_t)value};
    uint64_t count = zset_count(&zset);
    struct zset_walk walk;
    struct zset_pair pair;

    if (zset_tag(encoding, value, out->version) == RDB_ZSET_LISTPACK) {
        rdb_put_string(out, (struct slice){value, listpack_bytes(value)});
        return false;
    }
    rdb_put_len(out, count);
    if (encoding != ENCODING_LISTPACK)
        return count > 0;
    for (bool more = count > 0 && zset_walk_start(&walk, &zset, count - 1, &pair); more;
         more = zset_walk_previous(&walk, &pair))
        put_pair(out, pair.member, pair.score);
    return false;
}

/* The cursor counts the members that are behind it: leaves go out from the last to the first. */
static uint64_t zset_encode_node(enum value_encoding encoding unused, const void *value,
                                 uint64_t cursor, struct rdb_out *out)
{
    const struct zset_large *large = value;
    uint64_t count = zset_large_count(large), first;
    void *const *items;
    size_t in_leaf;

    kv_assert(cursor < count);
    in_leaf = tree_leaf(zset_large_tree(large), count - 1 - cursor, &items, &first);
    for (size_t i = in_leaf; i-- > 0;)
        put_pair(out, zset_item_member(items[i]), zset_item_score(items[i]));
    return first == 0 ? 0 : count - first;
}

/* --- In --------------------------------------------------------------------------------------- */

static int bad_score(struct rdb_in *in)
{
    return rdb_bad(in, "a score of a sorted set is not a number");
}

static int bad_twice(struct rdb_in *in)
{
    return rdb_bad(in, "a member of a sorted set is there twice");
}

static int read_pairs(uint8_t tag, struct rdb_in *in, struct zset_large *large)
{
    struct buf member = {0}; /* a slice is good until the next read only */
    struct zset_build build;
    uint64_t count = 0;
    int code = rdb_get_len(in, &count);

    zset_build_begin(&build, large, count);
    for (uint64_t i = 0; code == 0 && i < count; i++) {
        struct slice text;
        double score = 0;

        if ((code = rdb_get_string(in, &text)) != 0)
            break;
        buf_clear(&member);
        buf_append_slice(&member, text);
        code = tag == RDB_ZSET_2 ? rdb_get_double(in, &score) : rdb_get_double_text(in, &score);
        if (code == 0 && isnan(score))
            code = bad_score(in);
        if (code == 0 && !zset_build_add(&build, buf_slice(&member), score))
            code = bad_twice(in);
    }
    if (!zset_build_end(&build) && code == 0)
        code = bad_twice(in);
    buf_free(&member);
    return code;
}

/* The score at `at`; false if it is none. */
static bool read_score(const uint8_t *at, double *score)
{
    char digits[LISTPACK_DIGITS];
    int64_t number;

    if (at != NULL && listpack_get_int(at, &number)) {
        *score = (double)number;
        return true;
    }
    return at != NULL && num_parse_double(listpack_get(at, digits), score) && !isnan(*score);
}

static int listpack_pairs(struct rdb_in *in, const uint8_t *listpack, struct zset_large *large)
{
    const uint8_t *at = listpack_first(listpack), *score_at;
    char digits[LISTPACK_DIGITS];
    struct zset_build build;
    int code = 0;

    zset_build_begin(&build, large, listpack_count(listpack) / 2);
    for (; code == 0 && at != NULL; at = listpack_next(listpack, score_at)) {
        double score;

        score_at = listpack_next(listpack, at);
        if (!read_score(score_at, &score)) {
            code = bad_score(in);
            break;
        }
        if (!zset_build_add(&build, listpack_get(at, digits), score))
            code = bad_twice(in);
    }
    if (!zset_build_end(&build) && code == 0)
        code = bad_twice(in);
    return code;
}

/* Every score can be read, members are in order, and all is within the limits. */
static bool is_in_order(const uint8_t *listpack, const struct type_limits *limits)
{
    char digits[LISTPACK_DIGITS], last_digits[LISTPACK_DIGITS];
    const uint8_t *score_at, *last = NULL;
    double last_score = 0;

    if ((int64_t)(listpack_count(listpack) / 2) > limits->zset_entries)
        return false;
    for (const uint8_t *at = listpack_first(listpack); at != NULL;
         at = listpack_next(listpack, score_at)) {
        double score;

        score_at = listpack_next(listpack, at);
        if (!read_score(score_at, &score) || (last != NULL && last_score > score))
            return false;
        if (last != NULL && last_score == score &&
            slice_compare(listpack_get(last, last_digits), listpack_get(at, digits)) >= 0)
            return false;
        last = at;
        last_score = score;
    }
    return !listpack_has_longer(listpack, (size_t)limits->zset_value_bytes);
}

/* The listpack is given up. */
static int from_listpack(struct rdb_in *in, uint8_t *listpack, struct zset *zset)
{
    int code;

    if (is_in_order(listpack, in->limits)) {
        *zset = (struct zset){ENCODING_LISTPACK, listpack};
        return in->foreign && listpack_has_twice(listpack, 2) ? bad_twice(in) : 0;
    }
    *zset = zset_new(true);
    code = listpack_pairs(in, listpack, zset->value);
    listpack_free(listpack);
    return code;
}

static int read_listpack(uint8_t tag, struct rdb_in *in, struct zset *zset)
{
    struct slice bytes;
    uint8_t *listpack;
    int code = rdb_get_string(in, &bytes);

    *zset = (struct zset){0};
    if (code != 0)
        return code;
    if (tag == RDB_ZSET_ZIPLIST) {
        listpack = ziplist_to_listpack(bytes);
        if (listpack == NULL)
            return rdb_bad(in, "a sorted set's ziplist is damaged");
    } else {
        if (!listpack_valid((const uint8_t *)bytes.data, bytes.len, true))
            return rdb_bad(in, "a sorted set's listpack is damaged");
        listpack = listpack_copy((const uint8_t *)bytes.data);
    }
    return from_listpack(in, listpack, zset);
}

static int zset_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding, void **value)
{
    struct zset zset;
    int code;

    if (tag == RDB_ZSET_LISTPACK || tag == RDB_ZSET_ZIPLIST) {
        code = read_listpack(tag, in, &zset);
    } else {
        zset = zset_new(true);
        code = read_pairs(tag, in, zset.value);
    }
    if (code != 0 || zset_count(&zset) == 0) {
        if (zset.value != NULL)
            zset_free(&zset);
        *value = NULL;
        return code;
    }
    zset_settle(&zset, in->limits);
    *encoding = zset.encoding;
    *value = zset.value;
    return 0;
}

/* --- The type --------------------------------------------------------------------------------- */

static void zset_free_value(enum value_encoding encoding, void *value)
{
    struct zset zset = {encoding, value};

    zset_free(&zset);
}

static void *zset_copy(enum value_encoding encoding, const void *value)
{
    if (encoding == ENCODING_LISTPACK)
        return listpack_copy(value);
    return zset_large_copy(value);
}

static size_t zset_memory(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? listpack_memory(value) : zset_large_memory(value);
}

static size_t zset_effort(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? 1 : zset_large_effort(value);
}

const struct type_ops zset_ops = {
    .name = "zset",
    .free = zset_free_value,
    .copy = zset_copy,
    .memory = zset_memory,
    .effort = zset_effort,
    .tag = zset_tag,
    .encode_begin = zset_encode_begin,
    .encode_node = zset_encode_node,
    .decode = zset_decode,
    .cut = &zset_cut_ops,
};
