/* What the commands of sorted sets share: changing one in place, storing a new one, and replying
 * with members and scores. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/type/zset.h"

struct ctx;
struct place;

/* The set at place->entry has been changed between ctx_change_begin and this: put back where it is
 * now, tell of the event, and remove the key if nothing is left. */
void zset_change_end(struct ctx *ctx, struct place *place, const struct zset *zset,
                     const char *event);
/* A whole new set is stored at a key, which it belongs to from here on; an empty one removes the
 * key. Replies how many members there are. */
void zset_store(struct ctx *ctx, struct slice key, struct zset *zset, const char *event);

/* ZADD, its arguments read: `count` scores, each for the member that is `step` - 1 arguments behind
 * the one at `first`, `first` + `step` ... Replies. */
struct zset_add {
    bool nx, xx, gt, lt, ch, incr;
    int first, step;
    double *scores;
    size_t count;
    int64_t added, updated; /* from here on the function's own */
    bool touched;           /* with INCR: a score was set or confirmed */
    double score;           /* then: which */
};
void zset_add(struct ctx *ctx, struct zset_add *add);

/* `pairs` members with their scores follow, by zset_reply_pair: flat, or, if `nested`, as an array
 * for each. */
void zset_reply_begin(struct ctx *ctx, size_t pairs, bool scores, bool nested);
void zset_reply_pair(struct ctx *ctx, const struct zset_pair *pair, bool scores, bool nested);
/* As RESP3 has them nested and RESP2 does not: members from number `from` on, `count` of them,
 * forwards or (`from` is the last) backwards. */
void zset_reply_range(struct ctx *ctx, const struct zset *zset, uint64_t from, uint64_t count,
                      bool backwards, bool scores, bool nested);
