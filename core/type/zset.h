/* Sorted sets: members with scores, ordered by score and then by member. Small ones are a listpack
 * of member, score, member, score ...; large ones a tree and a table (zset_large.h). Who uses them
 * by this header need not know which it is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/listpack.h"
#include "core/ds/tree_walk.h"
#include "core/type/entry.h"
#include "core/type/limits.h"

/* The value of an entry of TYPE_ZSET. What adds to it may change both fields: they are put back
 * into the entry by entry_set_value. */
struct zset {
    enum value_encoding encoding; /* ENCODING_LISTPACK or ENCODING_SKIPLIST */
    void *value;
};

static inline struct zset zset_of(const struct entry *entry)
{
    return (struct zset){entry_encoding(entry), entry_value(entry)};
}

/* Empty; `large` says how it begins. */
struct zset zset_new(bool large);
void zset_free(struct zset *zset);
uint64_t zset_count(const struct zset *zset);

/* Where a member is, or that it is not there: good until the next change. */
struct zset_spot {
    bool found;
    double score;  /* if it was found */
    uint64_t hash; /* the rest is zset.c's own */
    void *place;
};
struct zset_spot zset_find(const struct zset *zset, struct slice member);
/* Set the score of the member that `spot` was found for, or add it; a score is never NaN. A small
 * set becomes large at the limits. */
void zset_put(struct zset *zset, const struct zset_spot *spot, struct slice member, double score,
              const struct type_limits *limits);
/* Take out the member at `spot`. */
void zset_remove(struct zset *zset, const struct zset_spot *spot);
/* Take out `count` members from number `from` on. */
void zset_remove_range(struct zset *zset, uint64_t from, uint64_t count);
/* A large set that is within the limits becomes a small one: for one that was built in one go. */
void zset_settle(struct zset *zset, const struct type_limits *limits);

/* The number of the member at `spot`, which was found. */
uint64_t zset_rank(const struct zset *zset, const struct zset_spot *spot);
/* How many members have a score below `bound` (or equal to it, with `inclusive`). */
uint64_t zset_below_score(const struct zset *zset, double bound, bool inclusive);
/* The same for the members' bytes, in a set whose scores are all equal. */
uint64_t zset_below_member(const struct zset *zset, struct slice bound, bool inclusive);

/* A walk in either direction, good until the next change. */
struct zset_pair {
    struct slice member; /* good until the next change, or step (it may lie in `digits`) */
    double score;
    char digits[LISTPACK_DIGITS];
};
struct zset_walk {
    struct zset zset;
    const uint8_t *at;
    struct tree_walk tree;
};
/* Stand at number `rank`; false behind the last. Then step; false where there is none. */
bool zset_walk_start(struct zset_walk *walk, const struct zset *zset, uint64_t rank,
                     struct zset_pair *pair);
bool zset_walk_next(struct zset_walk *walk, struct zset_pair *pair);
bool zset_walk_previous(struct zset_walk *walk, struct zset_pair *pair);

/* As table_scan; a small set is visited in one call. The visitor changes nothing. */
uint64_t zset_scan(const struct zset *zset, uint64_t cursor,
                   void (*visit)(void *env, struct slice member, double score), void *env);

/* Assert the invariants: O(members). */
void zset_check(const struct zset *zset);
