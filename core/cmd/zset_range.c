/* Ranges of sorted sets, by rank, score or member: ZRANGE and its older relatives, ZRANGESTORE,
 * ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*. Whatever a range is given by, it becomes a run of ranks. */
#include <math.h>
#include <stdlib.h>

#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/ctx.h"

enum range_by { BY_RANK, BY_SCORE, BY_MEMBER, BY_UNKNOWN };
enum range_way { WAY_FORWARDS, WAY_BACKWARDS, WAY_UNKNOWN };

/* One end of a range. */
struct range_end {
    double score;
    struct slice member;
    int infinite; /* of members: -1 in front of all, 1 behind all */
    bool exclusive;
};

struct range {
    enum range_by by;
    int64_t start, stop; /* ranks */
    struct range_end min, max;
};

/* The ranks that a range selects. */
struct run {
    uint64_t from, count;
};

/* --- Reading ---------------------------------------------------------------------------------- */

/* As strtod reads it up to the end, or a zero byte; an empty text is 0. */
static bool read_score(struct ctx *ctx, struct slice text, struct range_end *end)
{
    char *copy, *rest;

    end->exclusive = text.len > 0 && text.data[0] == '(';
    if (end->exclusive)
        text = (struct slice){text.data + 1, text.len - 1};
    copy = arena_alloc(ctx->arena, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    end->score = strtod(copy, &rest);
    return *rest == '\0' && !isnan(end->score);
}

static bool read_member(struct slice text, struct range_end *end)
{
    char first = text.len > 0 ? text.data[0] : '\0';
    bool alone = text.len == 1 || (text.len > 1 && text.data[1] == '\0');

    if ((first == '-' || first == '+') && alone) {
        end->infinite = first == '-' ? -1 : 1;
        return true;
    }
    end->exclusive = first == '(';
    if (first != '(' && first != '[')
        return false;
    end->member = (struct slice){text.data + 1, text.len - 1};
    return true;
}

/* False if the error was replied. */
static bool read_range(struct ctx *ctx, struct slice min, struct slice max, struct range *range)
{
    range->min = range->max = (struct range_end){0};
    if (range->by == BY_RANK)
        return arg_i64(ctx, min, &range->start) && arg_i64(ctx, max, &range->stop);
    if (range->by == BY_SCORE) {
        if (read_score(ctx, min, &range->min) && read_score(ctx, max, &range->max))
            return true;
        reply_error(ctx, "ERR min or max is not a float");
        return false;
    }
    if (read_member(min, &range->min) && read_member(max, &range->max))
        return true;
    reply_error(ctx, "ERR min or max not valid string range item");
    return false;
}

/* --- Ranks ------------------------------------------------------------------------------------ */

/* How many members are in front of the range's beginning, or, if `past`, up to its end. */
static uint64_t members_below(const struct zset *zset, enum range_by by,
                              const struct range_end *end, bool past)
{
    if (by == BY_SCORE)
        return zset_below_score(zset, end->score, end->exclusive != past);
    if (end->infinite != 0)
        return end->infinite < 0 ? 0 : zset_count(zset);
    return zset_below_member(zset, end->member, end->exclusive != past);
}

static struct run ranks_of(const struct zset *zset, const struct range *range, bool backwards)
{
    int64_t count = (int64_t)zset_count(zset), start = range->start, stop = range->stop;
    uint64_t from, to;

    if (range->by != BY_RANK) {
        from = members_below(zset, range->by, &range->min, false);
        to = members_below(zset, range->by, &range->max, true);
        return (struct run){from, to > from ? to - from : 0};
    }
    if (start < 0)
        start = start < -count ? 0 : start + count;
    if (stop < 0)
        stop += count;
    if (stop >= count)
        stop = count - 1;
    if (start > stop || start >= count)
        return (struct run){0, 0};
    from = (uint64_t)(backwards ? count - 1 - stop : start);
    return (struct run){from, (uint64_t)(stop - start + 1)};
}

/* LIMIT: a negative count is none, a negative offset leaves nothing. */
static struct run limited(struct run run, bool backwards, int64_t offset, int64_t limit)
{
    uint64_t most;

    if (offset < 0 || (uint64_t)offset >= run.count)
        return (struct run){0, 0};
    most = run.count - (uint64_t)offset;
    if (limit >= 0 && (uint64_t)limit < most)
        most = (uint64_t)limit;
    if (!backwards)
        return (struct run){run.from + (uint64_t)offset, most};
    return (struct run){run.from + run.count - (uint64_t)offset - most, most};
}

/* --- ZRANGE ----------------------------------------------------------------------------------- */

struct zrange {
    struct range range;
    enum range_way way;
    bool store; /* into argument 1 */
    bool scores;
    int64_t offset, limit;
};

/* False if the error was replied. */
static bool zrange_read_options(struct ctx *ctx, struct zrange *request, int at)
{
    for (; at < ctx->argc; at++) {
        if (!request->store && ctx_arg_is(ctx, at, "withscores")) {
            request->scores = true;
        } else if (ctx_arg_is(ctx, at, "limit") && at + 2 < ctx->argc) {
            if (!arg_i64(ctx, ctx->argv[at + 1], &request->offset) ||
                !arg_i64(ctx, ctx->argv[at + 2], &request->limit))
                return false;
            at += 2;
        } else if (request->way == WAY_UNKNOWN && ctx_arg_is(ctx, at, "rev")) {
            request->way = WAY_BACKWARDS;
        } else if (request->range.by == BY_UNKNOWN && ctx_arg_is(ctx, at, "bylex")) {
            request->range.by = BY_MEMBER;
        } else if (request->range.by == BY_UNKNOWN && ctx_arg_is(ctx, at, "byscore")) {
            request->range.by = BY_SCORE;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    if (request->way == WAY_UNKNOWN)
        request->way = WAY_FORWARDS;
    if (request->range.by == BY_UNKNOWN)
        request->range.by = BY_RANK;
    if (request->limit != -1 && request->range.by == BY_RANK)
        reply_error(ctx, "ERR syntax error, LIMIT is only supported in combination with either "
                         "BYSCORE or BYLEX");
    else if (request->scores && request->range.by == BY_MEMBER)
        reply_error(ctx, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    else
        return true;
    return false;
}

static void zrange_store(struct ctx *ctx, const struct zset *zset, struct run run)
{
    const struct type_limits *limits = &ctx->engine->settings->limits;
    struct zset result = zset_new(false);
    struct zset_walk walk;
    struct zset_pair pair;

    if (run.count > 0)
        zset_walk_start(&walk, zset, run.from, &pair);
    for (uint64_t i = 0; i < run.count; i++) {
        struct zset_spot spot = zset_find(&result, pair.member);

        zset_put(&result, &spot, pair.member, pair.score, limits);
        if (i + 1 < run.count)
            zset_walk_next(&walk, &pair);
    }
    zset_store(ctx, ctx->argv[1], &result, "zrangestore");
}

static void zrange_go(struct ctx *ctx, struct zrange *request)
{
    int first = request->store ? 2 : 1; /* argument: of the key */
    struct run run = {0, 0};
    bool backwards, swapped;
    struct place place;
    struct zset zset = {0};

    request->limit = -1;
    if (!zrange_read_options(ctx, request, first + 3))
        return;
    backwards = request->way == WAY_BACKWARDS;
    swapped = backwards && request->range.by != BY_RANK; /* the greater end comes first */
    if (!read_range(ctx, ctx->argv[swapped ? first + 2 : first + 1],
                    ctx->argv[swapped ? first + 1 : first + 2], &request->range) ||
        !ctx_find_type(ctx, ctx->argv[first], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        run = ranks_of(&zset, &request->range, backwards);
        if (request->range.by != BY_RANK)
            run = limited(run, backwards, request->offset, request->limit);
    }
    if (request->store)
        zrange_store(ctx, &zset, run);
    else if (run.count == 0)
        reply_array(ctx, 0);
    else
        zset_reply_range(ctx, &zset, backwards ? run.from + run.count - 1 : run.from, run.count,
                         backwards, request->scores, ctx->session->resp == 3);
}

static void zrange_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_UNKNOWN, .way = WAY_UNKNOWN});
}

static void zrangestore_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_UNKNOWN, .way = WAY_UNKNOWN, .store = true});
}

static void zrevrange_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_RANK, .way = WAY_BACKWARDS});
}

static void zrangebyscore_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_SCORE, .way = WAY_FORWARDS});
}

static void zrevrangebyscore_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_SCORE, .way = WAY_BACKWARDS});
}

static void zrangebylex_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_MEMBER, .way = WAY_FORWARDS});
}

static void zrevrangebylex_run(struct ctx *ctx)
{
    zrange_go(ctx, &(struct zrange){.range.by = BY_MEMBER, .way = WAY_BACKWARDS});
}

/* --- Counting and removing -------------------------------------------------------------------- */

static void count_range(struct ctx *ctx, enum range_by by)
{
    struct range range = {.by = by};
    struct place place;
    struct zset zset;
    uint64_t count = 0;

    if (!read_range(ctx, ctx->argv[2], ctx->argv[3], &range) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        count = ranks_of(&zset, &range, false).count;
    }
    reply_int(ctx, (int64_t)count);
}

static void zcount_run(struct ctx *ctx)
{
    count_range(ctx, BY_SCORE);
}

static void zlexcount_run(struct ctx *ctx)
{
    count_range(ctx, BY_MEMBER);
}

static void remove_range(struct ctx *ctx, enum range_by by, const char *event)
{
    struct range range = {.by = by};
    struct run run = {0, 0};
    struct place place;
    struct zset zset;

    if (!read_range(ctx, ctx->argv[2], ctx->argv[3], &range) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        run = ranks_of(&zset, &range, false);
    }
    if (run.count > 0) {
        ctx_change_begin(ctx, &place);
        zset_remove_range(&zset, run.from, run.count);
        zset_change_end(ctx, &place, &zset, event);
    }
    reply_int(ctx, (int64_t)run.count);
}

static void zremrangebyrank_run(struct ctx *ctx)
{
    remove_range(ctx, BY_RANK, "zremrangebyrank");
}

static void zremrangebyscore_run(struct ctx *ctx)
{
    remove_range(ctx, BY_SCORE, "zremrangebyscore");
}

static void zremrangebylex_run(struct ctx *ctx)
{
    remove_range(ctx, BY_MEMBER, "zremrangebylex");
}

static const char *const zrange_history[] = {
    "6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options.",
    NULL,
};
static const char *const zrangebyscore_history[] = {
    "2.0.0", "Added the `WITHSCORES` modifier.",
    NULL,
};
static const char *const zrevrangebyscore_history[] = {
    "2.1.6", "`min` and `max` can be exclusive.",
    NULL,
};

const struct command commands_zset_range[] = {
    {.name = "zrange",
     .run = zrange_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members of a sorted set between two ranks, scores or members.",
     .syntax = "key:key start:string stop:string [sortby(byscore=BYSCORE|bylex=BYLEX)^6.2.0] "
               "[rev=REV^6.2.0] [offset_count{offset:integer count:integer}@LIMIT^6.2.0] "
               "[withscores=WITHSCORES]",
     .history = zrange_history},
    {.name = "zrangestore",
     .run = zrangestore_run,
     .arity = -5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 1, 0, 1), KEYS_RANGE(KEY_RO | KEY_ACCESS, 2, 0, 1)},
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(log N + M * log M) for M members stored out of N.",
     .summary = "Stores what ZRANGE would answer at a key.",
     .syntax = "dst:key src:key min:string max:string [sortby(byscore=BYSCORE|bylex=BYLEX)] "
               "[rev=REV] [offset_count{offset:integer count:integer}@LIMIT]"},
    {.name = "zrevrange",
     .run = zrevrange_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members between two ranks, the greatest score first.",
     .syntax = "key:key start:integer stop:integer [withscores=WITHSCORES]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` argument"},
    {.name = "zrangebyscore",
     .run = zrangebyscore_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "1.0.5",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members between two scores.",
     .syntax = "key:key min:double max:double [withscores=WITHSCORES^2.0.0] "
               "[offset_count{offset:integer count:integer}@LIMIT]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYSCORE` argument",
     .history = zrangebyscore_history},
    {.name = "zrevrangebyscore",
     .run = zrevrangebyscore_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.2.0",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members between two scores, the greatest first.",
     .syntax = "key:key max:double min:double [withscores=WITHSCORES] [offset_count{offset:integer"
               " count:integer}@LIMIT]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments",
     .history = zrevrangebyscore_history},
    {.name = "zrangebylex",
     .run = zrangebylex_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.8.9",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members between two members, in a set whose scores are all equal.",
     .syntax = "key:key min:string max:string [offset_count{offset:integer count:integer}@LIMIT]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYLEX` argument"},
    {.name = "zrevrangebylex",
     .run = zrevrangebylex_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.8.9",
     .complexity = "O(log N + M) for M members answered out of N.",
     .summary = "Answers the members between two members, the greatest first, in a set whose "
                "scores are all equal.",
     .syntax = "key:key max:string min:string [offset_count{offset:integer count:integer}@LIMIT]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments"},
    {.name = "zcount",
     .run = zcount_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(log N) with N members in the set.",
     .summary = "Answers how many members have a score between two.",
     .syntax = "key:key min:double max:double"},
    {.name = "zlexcount",
     .run = zlexcount_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.8.9",
     .complexity = "O(log N) with N members in the set.",
     .summary = "Answers how many members are between two members, in a set whose scores are all "
                "equal.",
     .syntax = "key:key min:string max:string"},
    {.name = "zremrangebyrank",
     .run = zremrangebyrank_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes the members between two ranks out of a sorted set.",
     .syntax = "key:key start:integer stop:integer"},
    {.name = "zremrangebyscore",
     .run = zremrangebyscore_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes the members between two scores out of a sorted set.",
     .syntax = "key:key min:double max:double"},
    {.name = "zremrangebylex",
     .run = zremrangebylex_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "sorted-set",
     .since = "2.8.9",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes the members between two members out of a sorted set whose scores are all "
                "equal.",
     .syntax = "key:key min:string max:string"},
    {.name = NULL},
};
