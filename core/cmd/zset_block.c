/* Sorted sets that are waited for: BZPOPMIN, BZPOPMAX, BZMPOP. Each tries, and waits if there is
 * nothing; it runs again when one of its keys has got a sorted set. What it then took is recorded
 * as ZPOPMIN or ZPOPMAX of so many. */
#include "core/cmd/deadline.h"
#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/cmd/zset_pop.h"
#include "core/ctx.h"
#include "core/waiters.h"

static void record_pop(struct ctx *ctx, struct slice key, bool max, int64_t count)
{
    struct slice words[] = {max ? SLICE("ZPOPMAX") : SLICE("ZPOPMIN"), key,
                            ctx_digits(ctx, count)};

    ctx_effect(ctx, count == 1 ? 2 : 3, words);
}

static void blocking_pop(struct ctx *ctx, bool max)
{
    int keys = ctx->argc - 2;
    int64_t timeout_ms;
    struct place place;
    struct zset zset;
    struct zset_walk walk;
    struct zset_pair pair;

    if (!deadline_wait(ctx, ctx->argv[ctx->argc - 1], &timeout_ms) ||
        !zset_find_first(ctx, 1, keys, &place))
        return;
    if (place.entry == NULL) {
        waiters_block(ctx, keys, ctx->argv + 1, TYPE_ZSET, false, timeout_ms, reply_null_array);
        return;
    }
    zset = zset_of(place.entry);
    reply_array(ctx, 3);
    reply_bulk(ctx, place.key);
    if (zset_walk_start(&walk, &zset, max ? zset_count(&zset) - 1 : 0, &pair))
        zset_reply_pair(ctx, &pair, true, false);
    zset_take(ctx, &place, max, 1);
    record_pop(ctx, place.key, max, 1);
}

static void bzpopmin_run(struct ctx *ctx)
{
    blocking_pop(ctx, false);
}

static void bzpopmax_run(struct ctx *ctx)
{
    blocking_pop(ctx, true);
}

static void bzmpop_run(struct ctx *ctx)
{
    struct zset_mpop mpop;
    int64_t timeout_ms;
    struct place place;

    if (!zset_read_mpop(ctx, 2, &mpop) || !deadline_wait(ctx, ctx->argv[1], &timeout_ms) ||
        !zset_find_first(ctx, mpop.first, mpop.keys, &place))
        return;
    if (place.entry == NULL) {
        waiters_block(ctx, mpop.keys, ctx->argv + mpop.first, TYPE_ZSET, false, timeout_ms,
                      reply_null_array);
        return;
    }
    zset_mpop(ctx, &mpop, &place);
    record_pop(ctx, place.key, mpop.max, mpop.count);
}

static const char *const bzpopmin_history[] = {
    "6.0.0", "The timeout may have a fraction.",
    NULL,
};
static const char *const bzpopmax_history[] = {
    "6.0.0", "The timeout may have a fraction.",
    NULL,
};

const struct command commands_zset_block[] = {
    {.name = "bzpopmin",
     .run = bzpopmin_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_BLOCKING | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS | KEY_DELETE, 1, -2, 1)},
     .group = "sorted-set",
     .since = "5.0.0",
     .complexity = "O(K + log N) for K keys and N members.",
     .summary = "Takes the member with the least score out of the first sorted set that is there; "
                "waits if there is none.",
     .syntax = "key:key... timeout:double",
     .history = bzpopmin_history},
    {.name = "bzpopmax",
     .run = bzpopmax_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_BLOCKING | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS | KEY_DELETE, 1, -2, 1)},
     .group = "sorted-set",
     .since = "5.0.0",
     .complexity = "O(K + log N) for K keys and N members.",
     .summary = "Takes the member with the greatest score out of the first sorted set that is "
                "there; waits if there is none.",
     .syntax = "key:key... timeout:double",
     .history = bzpopmax_history},
    {.name = "bzmpop",
     .run = bzmpop_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_MOVABLE_KEYS | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 2,
               .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "7.0.0",
     .complexity = "O(K + M * log N) for K keys and M members taken out of N.",
     .summary = "Takes members from an end of the first sorted set that is there; waits if there "
                "is none.",
     .syntax = "timeout:double numkeys:integer key:key... where(min=MIN|max=MAX) "
               "[count:integer@COUNT]"},
    {.name = NULL},
};
