/* Unions, intersections and differences of sorted sets, and of sets, whose members all have the
 * score 1.
 *
 * But for differences, the smallest set comes first: what an intersection can hold at most is in
 * it. The result is a sorted set, which orders what is replied. */
#include <math.h>
#include <stdlib.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/ctx.h"
#include "core/type/set.h"

enum algebra_kind { KIND_UNION, KIND_INTERSECTION, KIND_DIFFERENCE };
enum aggregate { AGGREGATE_SUM, AGGREGATE_MIN, AGGREGATE_MAX };

/* A set or sorted set that takes part; an entry of NULL is an empty one. */
struct source {
    const struct entry *entry;
    bool is_set;
    struct zset zset;
    struct set set;
    double weight;
    uint64_t count;
    int turn; /* its place among the arguments */
};

struct algebra {
    enum algebra_kind kind;
    bool count_only; /* ZINTERCARD */
    bool store;      /* into argument 1 */
    bool scores;
    enum aggregate aggregate;
    int64_t limit; /* 0: none */
    struct source *sources;
    int count;
};

/* --- Sources ---------------------------------------------------------------------------------- */

static struct source source_of(const struct entry *entry, int turn)
{
    struct source source = {.entry = entry, .weight = 1, .turn = turn};

    if (entry == NULL)
        return source;
    source.is_set = entry_type(entry) == TYPE_SET;
    if (source.is_set) {
        source.set = set_of(entry);
        source.count = set_count(&source.set);
    } else {
        source.zset = zset_of(entry);
        source.count = zset_count(&source.zset);
    }
    return source;
}

static bool source_score(const struct source *source, struct slice member, double *score)
{
    struct zset_spot spot;

    if (source->entry == NULL)
        return false;
    if (source->is_set) {
        *score = 1;
        return set_has(&source->set, member);
    }
    spot = zset_find(&source->zset, member);
    *score = spot.score;
    return spot.found;
}

/* All members of a source in turn. */
struct source_walk {
    const struct source *source;
    bool begun;
    struct zset_walk zset;
    struct set_walk set;
};

static bool source_next(struct source_walk *walk, struct zset_pair *pair)
{
    const struct source *source = walk->source;
    bool begun = walk->begun;

    walk->begun = true;
    if (source->entry == NULL)
        return false;
    if (source->is_set) {
        if (!begun)
            set_walk_start(&walk->set, &source->set);
        pair->score = 1;
        return set_walk_next(&walk->set, &pair->member);
    }
    if (!begun)
        return zset_walk_start(&walk->zset, &source->zset, 0, pair);
    return zset_walk_next(&walk->zset, pair);
}

/* --- Arguments -------------------------------------------------------------------------------- */

static bool read_weights(struct ctx *ctx, struct algebra *algebra, int at)
{
    for (int i = 0; i < algebra->count; i++) {
        if (!num_parse_double(ctx->argv[at + i], &algebra->sources[i].weight)) {
            reply_error(ctx, "ERR weight value is not a float");
            return false;
        }
    }
    return true;
}

static bool read_aggregate(struct ctx *ctx, struct algebra *algebra, int at)
{
    if (ctx_arg_is(ctx, at, "sum"))
        algebra->aggregate = AGGREGATE_SUM;
    else if (ctx_arg_is(ctx, at, "min"))
        algebra->aggregate = AGGREGATE_MIN;
    else if (ctx_arg_is(ctx, at, "max"))
        algebra->aggregate = AGGREGATE_MAX;
    else {
        reply_syntax_error(ctx);
        return false;
    }
    return true;
}

static bool read_options(struct ctx *ctx, struct algebra *algebra, int at)
{
    bool weighs = algebra->kind != KIND_DIFFERENCE && !algebra->count_only;

    while (at < ctx->argc) {
        int left = ctx->argc - at - 1; /* arguments behind this one */

        if (weighs && left >= algebra->count && ctx_arg_is(ctx, at, "weights")) {
            if (!read_weights(ctx, algebra, at + 1))
                return false;
            at += algebra->count + 1;
        } else if (weighs && left >= 1 && ctx_arg_is(ctx, at, "aggregate")) {
            if (!read_aggregate(ctx, algebra, at + 1))
                return false;
            at += 2;
        } else if (!algebra->store && !algebra->count_only && ctx_arg_is(ctx, at, "withscores")) {
            algebra->scores = true;
            at++;
        } else if (algebra->count_only && left >= 1 && ctx_arg_is(ctx, at, "limit")) {
            if (!num_parse_i64(ctx->argv[at + 1], &algebra->limit) || algebra->limit < 0) {
                reply_error(ctx, "ERR LIMIT can't be negative");
                return false;
            }
            at += 2;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* The sources, and what follows them; false if the error was replied. */
static bool read_request(struct ctx *ctx, struct algebra *algebra)
{
    int at = algebra->store ? 2 : 1;
    int64_t count;

    if (!arg_i64(ctx, ctx->argv[at], &count))
        return false;
    if (count < 1) {
        reply_error(ctx, "ERR at least 1 input key is needed for '%s' command",
                    ctx->state->full_name);
        return false;
    }
    if (count > ctx->argc - at - 1) {
        reply_syntax_error(ctx);
        return false;
    }
    algebra->count = (int)count;
    algebra->sources = arena_alloc(ctx->arena, (size_t)count * sizeof(*algebra->sources));
    at++;
    for (int i = 0; i < algebra->count; i++, at++) {
        const struct entry *entry = ctx_find(ctx, ctx->argv[at], LOOKUP_READ).entry;

        if (entry != NULL && entry_type(entry) != TYPE_ZSET && entry_type(entry) != TYPE_SET) {
            reply_wrong_type(ctx);
            return false;
        }
        algebra->sources[i] = source_of(entry, i);
    }
    return read_options(ctx, algebra, at);
}

/* --- Computing -------------------------------------------------------------------------------- */

static double weighed(const struct source *source, double score)
{
    return source->weight * score;
}

/* Infinity less infinity, and infinity by zero, count as 0. */
static double zero_if_nan(double score)
{
    return isnan(score) ? 0 : score;
}

static double aggregated(enum aggregate aggregate, double score, double more)
{
    switch (aggregate) {
    case AGGREGATE_MIN: return more < score ? more : score;
    case AGGREGATE_MAX: return more > score ? more : score;
    default: return zero_if_nan(score + more);
    }
}

static void unite(struct ctx *ctx, const struct algebra *algebra, struct zset *result)
{
    const struct type_limits *limits = &ctx->engine->settings->limits;

    for (int i = 0; i < algebra->count; i++) {
        const struct source *source = &algebra->sources[i];
        struct source_walk walk = {.source = source};
        struct zset_pair pair;

        while (source_next(&walk, &pair)) {
            struct zset_spot spot = zset_find(result, pair.member);
            double score = zero_if_nan(weighed(source, pair.score));

            if (spot.found)
                score = aggregated(algebra->aggregate, spot.score, score);
            if (!spot.found || score != spot.score)
                zset_put(result, &spot, pair.member, score, limits);
        }
    }
}

/* True, and its score in the intersection, if all sources have the member of the first. */
static bool in_all(const struct algebra *algebra, const struct zset_pair *pair, double *score)
{
    *score = zero_if_nan(weighed(&algebra->sources[0], pair->score));
    for (int i = 1; i < algebra->count; i++) {
        double other;

        if (!source_score(&algebra->sources[i], pair->member, &other))
            return false;
        *score = aggregated(algebra->aggregate, *score, weighed(&algebra->sources[i], other));
    }
    return true;
}

static bool in_another(const struct algebra *algebra, struct slice member)
{
    double score;

    for (int i = 1; i < algebra->count; i++)
        if (source_score(&algebra->sources[i], member, &score))
            return true;
    return false;
}

/* What the first source has and all others have, too, or none of them. */
static void pick(struct ctx *ctx, const struct algebra *algebra, struct zset *result)
{
    struct source_walk walk = {.source = &algebra->sources[0]};
    struct zset_pair pair;

    while (source_next(&walk, &pair)) {
        double score = pair.score;
        bool picked = algebra->kind == KIND_DIFFERENCE ? !in_another(algebra, pair.member)
                                                       : in_all(algebra, &pair, &score);

        if (picked) {
            struct zset_spot spot = zset_find(result, pair.member);

            zset_put(result, &spot, pair.member, score, &ctx->engine->settings->limits);
        }
    }
}

static void reply_count(struct ctx *ctx, const struct algebra *algebra)
{
    struct source_walk walk = {.source = &algebra->sources[0]};
    struct zset_pair pair;
    int64_t count = 0;
    double score;

    while ((algebra->limit == 0 || count < algebra->limit) && source_next(&walk, &pair))
        count += in_all(algebra, &pair, &score);
    reply_int(ctx, count);
}

static int compare_sources(const void *a, const void *b)
{
    const struct source *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->turn - y->turn;
}

static void algebra_go(struct ctx *ctx, struct algebra *algebra, const char *event)
{
    struct zset result;

    if (!read_request(ctx, algebra))
        return;
    if (algebra->kind != KIND_DIFFERENCE)
        qsort(algebra->sources, (size_t)algebra->count, sizeof(*algebra->sources),
              compare_sources);
    if (algebra->count_only) {
        reply_count(ctx, algebra);
        return;
    }
    result = zset_new(true);
    if (algebra->kind == KIND_UNION)
        unite(ctx, algebra, &result);
    else
        pick(ctx, algebra, &result);
    if (algebra->store) {
        zset_settle(&result, &ctx->engine->settings->limits);
        zset_store(ctx, ctx->argv[1], &result, event);
    } else {
        zset_reply_range(ctx, &result, 0, zset_count(&result), false, algebra->scores,
                         ctx->session->resp == 3);
        zset_free(&result);
    }
}

static void zunion_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_UNION}, NULL);
}

static void zinter_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_INTERSECTION}, NULL);
}

static void zdiff_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_DIFFERENCE}, NULL);
}

static void zunionstore_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_UNION, .store = true}, "zunionstore");
}

static void zinterstore_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_INTERSECTION, .store = true}, "zinterstore");
}

static void zdiffstore_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_DIFFERENCE, .store = true}, "zdiffstore");
}

static void zintercard_run(struct ctx *ctx)
{
    algebra_go(ctx, &(struct algebra){.kind = KIND_INTERSECTION, .count_only = true}, NULL);
}

const struct command commands_zset_algebra[] = {
    {.name = "zunion",
     .run = zunion_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(N * log M) for N members in all sets and M in the result.",
     .summary = "Answers the members of any of several sorted sets.",
     .syntax = "numkeys:integer key:key... [weight:integer@WEIGHTS...] "
               "[aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE] [withscores=WITHSCORES]"},
    {.name = "zinter",
     .run = zinter_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(N * K + M * log M) for N members in the smallest of K sets and M in the "
                   "result.",
     .summary = "Answers the members that several sorted sets have in common.",
     .syntax = "numkeys:integer key:key... [weight:integer@WEIGHTS...] "
               "[aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE] [withscores=WITHSCORES]"},
    {.name = "zdiff",
     .run = zdiff_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(N * K + M * log M) for N members in the first of K sets and M in the result.",
     .summary = "Answers the members of the first sorted set that are in none of the others.",
     .syntax = "numkeys:integer key:key... [withscores=WITHSCORES]"},
    {.name = "zunionstore",
     .run = zunionstore_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 1, 0, 1),
              {.flags = KEY_RO | KEY_ACCESS, .first = 2, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(N * log M) for N members in all sets and M in the result.",
     .summary = "Stores the members of any of several sorted sets at a key.",
     .syntax = "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] "
               "[aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE]"},
    {.name = "zinterstore",
     .run = zinterstore_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 1, 0, 1),
              {.flags = KEY_RO | KEY_ACCESS, .first = 2, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(N * K + M * log M) for N members in the smallest of K sets and M in the "
                   "result.",
     .summary = "Stores the members that several sorted sets have in common at a key.",
     .syntax = "destination:key numkeys:integer key:key... [weight:integer@WEIGHTS...] "
               "[aggregate(sum=SUM|min=MIN|max=MAX)@AGGREGATE]"},
    {.name = "zdiffstore",
     .run = zdiffstore_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 1, 0, 1),
              {.flags = KEY_RO | KEY_ACCESS, .first = 2, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(N * K + M * log M) for N members in the first of K sets and M in the result.",
     .summary = "Stores the members of the first sorted set that are in none of the others at a "
                "key.",
     .syntax = "destination:key numkeys:integer key:key..."},
    {.name = "zintercard",
     .run = zintercard_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SORTEDSET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .keynum_first = 1, .keynum_step = 1}},
     .group = "sorted-set",
     .since = "7.0.0",
     .complexity = "O(N * K) for N members in the smallest of K sets.",
     .summary = "Answers how many members several sorted sets have in common.",
     .syntax = "numkeys:integer key:key... [limit:integer@LIMIT]"},
    {.name = NULL},
};
