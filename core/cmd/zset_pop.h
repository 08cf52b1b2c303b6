/* What the commands that take members from the ends of sorted sets share, those that wait for them
 * (zset_block.c) and those that don't. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct ctx;
struct place;

/* Take `count` members, which are there, from the set at `place`; from its end if `max`. */
void zset_take(struct ctx *ctx, struct place *place, bool max, uint64_t count);

/* The arguments of ZMPOP and BZMPOP from numkeys on, which is argument `first`. */
struct zset_mpop {
    int first, keys; /* argument of the first key; how many */
    bool max;
    int64_t count;
};
/* False if the error was replied. */
must_check bool zset_read_mpop(struct ctx *ctx, int first, struct zset_mpop *mpop);
/* The first of the keys that is there; place->entry NULL if none is. False if the error was
 * replied. Who has waited is not told of keys that have become something else. */
must_check bool zset_find_first(struct ctx *ctx, int first, int keys, struct place *place);
/* Take members from the set at `place` and reply as ZMPOP does. */
void zset_mpop(struct ctx *ctx, const struct zset_mpop *mpop, struct place *place);
