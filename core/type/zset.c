/* Sorted sets in both forms.
 *
 * A listpack holds member, score, member, score ... in order. A score that is a whole number is
 * stored as an integer where its digits are its text, any other as the shortest text that reads
 * back as the same number. Searching one is a walk: it has 128 members at most, by default.
 */
#include "core/type/zset.h"

#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ds/tree.h"
#include "core/type/zset_large.h"

#define ZSET_LISTPACK_BYTES_MAX (LISTPACK_BYTES_MAX / 2)

static inline bool is_small(const struct zset *zset)
{
    return zset->encoding == ENCODING_LISTPACK;
}

struct zset zset_new(bool large)
{
    if (large)
        return (struct zset){ENCODING_SKIPLIST, zset_large_new()};
    return (struct zset){ENCODING_LISTPACK, listpack_new(0)};
}

void zset_free(struct zset *zset)
{
    if (is_small(zset))
        listpack_free(zset->value);
    else
        zset_large_free(zset->value);
    zset->value = NULL;
}

uint64_t zset_count(const struct zset *zset)
{
    return is_small(zset) ? listpack_count(zset->value) / 2 : zset_large_count(zset->value);
}

/* --- Listpacks -------------------------------------------------------------------------------- */

/* The score in the element at `at`. */
static double small_score(const uint8_t *at)
{
    char digits[LISTPACK_DIGITS];
    int64_t number;
    double score;

    if (listpack_get_int(at, &number))
        return (double)number;
    /* What came in was checked (zset_rdb.c), and what we wrote can be read. */
    if (!num_parse_double(listpack_get(at, digits), &score))
        kv_assert(!"a score is a number");
    return score;
}

static struct slice score_text(double score, char text[static NUM_DOUBLE_MAX_CHARS])
{
    return (struct slice){text, num_format_double(text, score)};
}

static struct zset_spot small_find(const struct zset *zset, struct slice member)
{
    const uint8_t *listpack = zset->value;
    uint8_t *at = listpack_first(listpack);
    struct zset_spot spot = {0};

    if (at != NULL)
        at = listpack_find(listpack, at, member, 2);
    if (at != NULL) {
        spot.found = true;
        spot.place = at;
        spot.score = small_score(listpack_next(listpack, at));
    }
    return spot;
}

/* The first member that is not before this one; NULL at the end. */
static uint8_t *small_place(const uint8_t *listpack, struct slice member, double score)
{
    char digits[LISTPACK_DIGITS];
    uint8_t *at = listpack_first(listpack);

    while (at != NULL) {
        uint8_t *score_at = listpack_next(listpack, at);
        double other = small_score(score_at);

        if (other > score)
            break;
        if (other == score && slice_compare(listpack_get(at, digits), member) > 0)
            break;
        at = listpack_next(listpack, score_at);
    }
    return at;
}

static void small_insert(struct zset *zset, struct slice member, double score)
{
    char text[NUM_DOUBLE_MAX_CHARS];
    struct slice digits = score_text(score, text);
    uint8_t *listpack = zset->value, *at = small_place(listpack, member, score);

    if (at == NULL) {
        listpack = listpack_append(listpack, member);
        listpack = listpack_append(listpack, digits);
    } else {
        listpack = listpack_insert(listpack, at, true, member, &at);
        listpack = listpack_insert(listpack, at, false, digits, NULL);
    }
    zset->value = listpack;
}

static void small_remove(struct zset *zset, uint8_t *at, size_t count)
{
    zset->value = listpack_delete(zset->value, &at, count * 2);
}

static void small_to_large(struct zset *zset)
{
    struct zset_large *large = zset_large_new();
    struct zset_walk walk;
    struct zset_pair pair;

    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair))
        zset_large_insert(large, zset_large_hash(large, pair.member), pair.member, pair.score);
    listpack_free(zset->value);
    *zset = (struct zset){ENCODING_SKIPLIST, large};
}

static bool small_has_room(const struct zset *zset, struct slice member,
                           const struct type_limits *limits)
{
    const uint8_t *listpack = zset->value;

    return (int64_t)zset_count(zset) < limits->zset_entries &&
           (int64_t)member.len <= limits->zset_value_bytes &&
           listpack_bytes(listpack) + member.len < ZSET_LISTPACK_BYTES_MAX;
}

/* --- Members ---------------------------------------------------------------------------------- */

struct zset_spot zset_find(const struct zset *zset, struct slice member)
{
    const struct zset_large *large = zset->value;
    struct zset_spot spot = {0};
    struct table_slot *slot;

    if (is_small(zset))
        return small_find(zset, member);
    spot.hash = zset_large_hash(large, member);
    slot = zset_large_find(large, spot.hash, member);
    if (slot != NULL) {
        spot.found = true;
        spot.place = slot;
        spot.score = zset_item_score(zset_large_item(slot));
    }
    return spot;
}

void zset_put(struct zset *zset, const struct zset_spot *spot, struct slice member, double score,
              const struct type_limits *limits)
{
    uint64_t hash = spot->hash;

    if (is_small(zset)) {
        if (spot->found) {
            small_remove(zset, spot->place, 1);
            small_insert(zset, member, score);
            return;
        }
        if (small_has_room(zset, member, limits)) {
            small_insert(zset, member, score);
            return;
        }
        small_to_large(zset);
        hash = zset_large_hash(zset->value, member);
    } else if (spot->found) {
        zset_large_update(zset->value, zset_large_item(spot->place), score);
        return;
    }
    zset_large_insert(zset->value, hash, member, score);
}

void zset_remove(struct zset *zset, const struct zset_spot *spot)
{
    if (is_small(zset))
        small_remove(zset, spot->place, 1);
    else
        zset_large_remove(zset->value, spot->hash, spot->place);
}

void zset_remove_range(struct zset *zset, uint64_t from, uint64_t count)
{
    if (count == 0)
        return;
    if (is_small(zset))
        zset->value = listpack_delete_range(zset->value, (int64_t)from * 2, (size_t)count * 2);
    else
        for (uint64_t i = 0; i < count; i++)
            zset_large_remove_at(zset->value, from);
}

void zset_settle(struct zset *zset, const struct type_limits *limits)
{
    struct zset_walk walk;
    struct zset_pair pair;
    uint8_t *listpack;
    size_t bytes = 0;

    if (is_small(zset) || (int64_t)zset_count(zset) > limits->zset_entries)
        return;
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair)) {
        bytes += pair.member.len + NUM_DOUBLE_MAX_CHARS;
        if ((int64_t)pair.member.len > limits->zset_value_bytes || bytes > ZSET_LISTPACK_BYTES_MAX)
            return;
    }
    listpack = listpack_new(bytes);
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair)) {
        char text[NUM_DOUBLE_MAX_CHARS];

        listpack = listpack_append(listpack, pair.member);
        listpack = listpack_append(listpack, score_text(pair.score, text));
    }
    zset_large_free(zset->value);
    *zset = (struct zset){ENCODING_LISTPACK, listpack_shrink(listpack)};
}

/* --- Order ------------------------------------------------------------------------------------ */

uint64_t zset_rank(const struct zset *zset, const struct zset_spot *spot)
{
    const uint8_t *listpack = zset->value;
    uint64_t rank = 0;

    kv_assert(spot->found);
    if (!is_small(zset))
        return tree_rank(zset_large_tree(zset->value), zset_large_item(spot->place));
    for (const uint8_t *at = listpack_first(listpack); at != spot->place; rank++)
        at = listpack_next(listpack, listpack_next(listpack, at));
    return rank;
}

/* How many members at the beginning `before` is true for. */
static uint64_t small_partition(const struct zset *zset,
                                bool (*before)(const void *env, const struct zset_pair *pair),
                                const void *env)
{
    struct zset_walk walk;
    struct zset_pair pair;
    uint64_t rank = 0;

    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more && before(env, &pair);
         more = zset_walk_next(&walk, &pair))
        rank++;
    return rank;
}

struct score_bound {
    double score;
    bool inclusive;
};

static bool score_is_below(const struct score_bound *bound, double score)
{
    return bound->inclusive ? score <= bound->score : score < bound->score;
}

static bool pair_score_below(const void *env, const struct zset_pair *pair)
{
    return score_is_below(env, pair->score);
}

static bool item_score_below(const void *env, const void *item)
{
    return score_is_below(env, zset_item_score(item));
}

uint64_t zset_below_score(const struct zset *zset, double bound, bool inclusive)
{
    struct score_bound env = {bound, inclusive};

    if (is_small(zset))
        return small_partition(zset, pair_score_below, &env);
    return tree_partition(zset_large_tree(zset->value), item_score_below, &env);
}

struct member_bound {
    struct slice member;
    bool inclusive;
};

static bool member_is_below(const struct member_bound *bound, struct slice member)
{
    int order = slice_compare(member, bound->member);

    return bound->inclusive ? order <= 0 : order < 0;
}

static bool pair_member_below(const void *env, const struct zset_pair *pair)
{
    return member_is_below(env, pair->member);
}

static bool item_member_below(const void *env, const void *item)
{
    return member_is_below(env, zset_item_member(item));
}

uint64_t zset_below_member(const struct zset *zset, struct slice bound, bool inclusive)
{
    struct member_bound env = {bound, inclusive};

    if (is_small(zset))
        return small_partition(zset, pair_member_below, &env);
    return tree_partition(zset_large_tree(zset->value), item_member_below, &env);
}

/* --- Walks ------------------------------------------------------------------------------------ */

static bool small_pair(const struct zset_walk *walk, struct zset_pair *pair)
{
    if (walk->at == NULL)
        return false;
    pair->member = listpack_get(walk->at, pair->digits);
    pair->score = small_score(listpack_next(walk->zset.value, walk->at));
    return true;
}

static bool large_pair(const struct zset_item *item, struct zset_pair *pair)
{
    if (item == NULL)
        return false;
    pair->member = zset_item_member(item);
    pair->score = zset_item_score(item);
    return true;
}

bool zset_walk_start(struct zset_walk *walk, const struct zset *zset, uint64_t rank,
                     struct zset_pair *pair)
{
    walk->zset = *zset;
    if (!is_small(zset))
        return large_pair(tree_walk_start(&walk->tree, zset_large_tree(zset->value), rank), pair);
    walk->at = rank < zset_count(zset) ? listpack_seek(zset->value, (int64_t)rank * 2) : NULL;
    return small_pair(walk, pair);
}

bool zset_walk_next(struct zset_walk *walk, struct zset_pair *pair)
{
    if (!is_small(&walk->zset))
        return large_pair(tree_walk_next(&walk->tree), pair);
    walk->at = listpack_next(walk->zset.value, listpack_next(walk->zset.value, walk->at));
    return small_pair(walk, pair);
}

bool zset_walk_previous(struct zset_walk *walk, struct zset_pair *pair)
{
    const uint8_t *score;

    if (!is_small(&walk->zset))
        return large_pair(tree_walk_previous(&walk->tree), pair);
    score = listpack_previous(walk->zset.value, walk->at);
    walk->at = score == NULL ? NULL : listpack_previous(walk->zset.value, score);
    return small_pair(walk, pair);
}

struct scan {
    void (*visit)(void *env, struct slice member, double score);
    void *env;
};

static void scan_visit(void *env, void *item)
{
    const struct scan *scan = env;

    scan->visit(scan->env, zset_item_member(item), zset_item_score(item));
}

uint64_t zset_scan(const struct zset *zset, uint64_t cursor,
                   void (*visit)(void *env, struct slice member, double score), void *env)
{
    struct scan scan = {visit, env};
    struct zset_walk walk;
    struct zset_pair pair;

    if (!is_small(zset))
        return zset_large_scan(zset->value, cursor, scan_visit, &scan);
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair))
        visit(env, pair.member, pair.score);
    return 0;
}

void zset_check(const struct zset *zset)
{
    struct zset_walk walk;
    struct zset_pair pair;
    uint64_t rank = 0;

    if (!is_small(zset)) {
        zset_large_check(zset->value);
        return;
    }
    kv_assert(zset->encoding == ENCODING_LISTPACK);
    kv_assert(listpack_valid(zset->value, listpack_bytes(zset->value), true));
    kv_assert(listpack_count(zset->value) % 2 == 0);
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair)) {
        struct zset_spot spot = zset_find(zset, pair.member);

        kv_assert(spot.found);
        kv_assert(spot.score == pair.score);
        kv_assert(zset_rank(zset, &spot) == rank);
        rank++;
    }
}
