/* Members taken from the ends of sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP. */
#include "core/cmd/zset_pop.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/ctx.h"

void zset_take(struct ctx *ctx, struct place *place, bool max, uint64_t count)
{
    struct zset zset = zset_of(place->entry);

    ctx_change_begin(ctx, place);
    zset_remove_range(&zset, max ? zset_count(&zset) - count : 0, count);
    zset_change_end(ctx, place, &zset, max ? "zpopmax" : "zpopmin");
}

/* Reply with up to `most` members and take them. */
static void zset_pop(struct ctx *ctx, struct place *place, bool max, uint64_t most, bool nested)
{
    struct zset zset = zset_of(place->entry);
    uint64_t total = zset_count(&zset), count = most < total ? most : total;

    zset_reply_range(ctx, &zset, max ? total - 1 : 0, count, max, true, nested);
    if (count > 0)
        zset_take(ctx, place, max, count);
}

/* What follows the keys: MIN or MAX, and COUNT. False if the error was replied. */
static bool read_mpop_options(struct ctx *ctx, int at, struct zset_mpop *mpop)
{
    bool counted = false;

    mpop->count = 1;
    mpop->max = ctx_arg_is(ctx, at, "max");
    if (!mpop->max && !ctx_arg_is(ctx, at, "min")) {
        reply_syntax_error(ctx);
        return false;
    }
    for (at++; at < ctx->argc; at += 2) {
        if (counted || at + 1 == ctx->argc || !ctx_arg_is(ctx, at, "count")) {
            reply_syntax_error(ctx);
            return false;
        }
        counted = true;
        if (!num_parse_i64(ctx->argv[at + 1], &mpop->count) || mpop->count < 1) {
            reply_error(ctx, "ERR count should be greater than 0");
            return false;
        }
    }
    return true;
}

bool zset_read_mpop(struct ctx *ctx, int first, struct zset_mpop *mpop)
{
    int64_t keys;

    if (!num_parse_i64(ctx->argv[first], &keys) || keys < 1) {
        reply_error(ctx, "ERR numkeys should be greater than 0");
        return false;
    }
    mpop->first = first + 1;
    if (keys > ctx->argc - mpop->first - 1) {
        reply_syntax_error(ctx);
        return false;
    }
    mpop->keys = (int)keys;
    return read_mpop_options(ctx, mpop->first + mpop->keys, mpop);
}

bool zset_find_first(struct ctx *ctx, int first, int keys, struct place *place)
{
    place->entry = NULL;
    for (int i = 0; i < keys && place->entry == NULL; i++) {
        *place = ctx_find(ctx, ctx->argv[first + i], LOOKUP_WRITE);
        if (place->entry == NULL || entry_type(place->entry) == TYPE_ZSET)
            continue;
        place->entry = NULL;
        if (ctx->woken)
            continue;
        reply_wrong_type(ctx);
        return false;
    }
    return true;
}

void zset_mpop(struct ctx *ctx, const struct zset_mpop *mpop, struct place *place)
{
    reply_array(ctx, 2);
    reply_bulk(ctx, place->key);
    zset_pop(ctx, place, mpop->max, (uint64_t)mpop->count, true);
}

static void zpop(struct ctx *ctx, bool max)
{
    bool nested = ctx->argc > 2 && ctx->session->resp == 3;
    struct place place;
    int64_t count = 1;

    if (ctx->argc > 3) {
        reply_syntax_error(ctx);
        return;
    }
    if (ctx->argc == 3 && (!num_parse_i64(ctx->argv[2], &count) || count < 0)) {
        reply_error(ctx, "ERR value is out of range, must be positive");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_ZSET, &place))
        return;
    if (place.entry == NULL)
        reply_array(ctx, 0);
    else
        zset_pop(ctx, &place, max, (uint64_t)count, nested);
}

static void zpopmin_run(struct ctx *ctx)
{
    zpop(ctx, false);
}

static void zpopmax_run(struct ctx *ctx)
{
    zpop(ctx, true);
}

static void zmpop_run(struct ctx *ctx)
{
    struct zset_mpop mpop;
    struct place place;

    if (!zset_read_mpop(ctx, 1, &mpop) ||
        !zset_find_first(ctx, mpop.first, mpop.keys, &place))
        return;
    if (place.entry == NULL)
        reply_null_array(ctx);
    else
        zset_mpop(ctx, &mpop, &place);
}

const struct command commands_zset_pop[] = {
    {.name = "zpopmin",
     .run = zpopmin_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "sorted-set",
     .since = "5.0.0",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes the members with the least scores out of a sorted set and answers them.",
     .syntax = "key:key [count:integer]"},
    {.name = "zpopmax",
     .run = zpopmax_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "sorted-set",
     .since = "5.0.0",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes the members with the greatest scores out of a sorted set and answers them.",
     .syntax = "key:key [count:integer]"},
    {.name = "zmpop",
     .run = zmpop_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_MOVABLE_KEYS | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE, .first = 1,
               .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "7.0.0",
     .complexity = "O(K + M * log N) for K keys and M members taken out of N.",
     .summary = "Takes members from an end of the first of several sorted sets that is there.",
     .syntax = "numkeys:integer key:key... where(min=MIN|max=MAX) [count:integer@COUNT]"},
    {.name = NULL},
};
