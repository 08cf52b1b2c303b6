/* Sorted sets, member by member: ZADD, ZINCRBY, ZREM, ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK,
 * ZRANDMEMBER, ZSCAN. */
#include "core/cmd/zset.h"

#include <math.h>

#include "core/base/num.h"
#include "core/base/rng.h"
#include "core/cmd/rows.h"
#include "core/cmd/scan.h"
#include "core/ctx.h"

/* --- What the files share --------------------------------------------------------------------- */

void zset_change_end(struct ctx *ctx, struct place *place, const struct zset *zset,
                     const char *event)
{
    entry_set_value(place->entry, zset->encoding, zset->value);
    ctx_change_end(ctx, place, place->entry);
    ctx_event(ctx, 'z', event, ctx->db, place->key);
    if (zset_count(zset) == 0) {
        ctx_remove(ctx, place, false);
        ctx_event(ctx, 'g', "del", ctx->db, place->key);
    }
}

void zset_store(struct ctx *ctx, struct slice key, struct zset *zset, const char *event)
{
    struct place place = ctx_find(ctx, key, LOOKUP_WRITE);
    uint64_t count = zset_count(zset);

    if (count > 0) {
        ctx_put(ctx, &place,
                entry_new_value(key, TYPE_ZSET, zset->encoding, zset->value, ENTRY_NO_DEADLINE));
        ctx_event(ctx, 'z', event, ctx->db, key);
    } else {
        zset_free(zset);
        if (place.entry != NULL) {
            ctx_remove(ctx, &place, false);
            ctx_event(ctx, 'g', "del", ctx->db, key);
        }
    }
    reply_int(ctx, (int64_t)count);
}

void zset_reply_begin(struct ctx *ctx, size_t pairs, bool scores, bool nested)
{
    reply_array(ctx, scores && !nested ? pairs * 2 : pairs);
}

void zset_reply_pair(struct ctx *ctx, const struct zset_pair *pair, bool scores, bool nested)
{
    if (scores && nested)
        reply_array(ctx, 2);
    reply_bulk(ctx, pair->member);
    if (scores)
        reply_double(ctx, pair->score);
}

void zset_reply_range(struct ctx *ctx, const struct zset *zset, uint64_t from, uint64_t count,
                      bool backwards, bool scores, bool nested)
{
    struct zset_walk walk;
    struct zset_pair pair;

    zset_reply_begin(ctx, (size_t)count, scores, nested);
    if (count == 0 || !zset_walk_start(&walk, zset, from, &pair))
        return;
    for (;;) {
        zset_reply_pair(ctx, &pair, scores, nested);
        if (--count == 0)
            return;
        if (backwards)
            zset_walk_previous(&walk, &pair);
        else
            zset_walk_next(&walk, &pair);
    }
}

/* --- ZADD, ZINCRBY ---------------------------------------------------------------------------- */

/* False if the error was replied. */
static bool zadd_read_options(struct ctx *ctx, struct zset_add *add)
{
    int at = 2;

    for (; at < ctx->argc; at++) {
        if (ctx_arg_is(ctx, at, "nx"))
            add->nx = true;
        else if (ctx_arg_is(ctx, at, "xx"))
            add->xx = true;
        else if (ctx_arg_is(ctx, at, "gt"))
            add->gt = true;
        else if (ctx_arg_is(ctx, at, "lt"))
            add->lt = true;
        else if (ctx_arg_is(ctx, at, "ch"))
            add->ch = true;
        else if (ctx_arg_is(ctx, at, "incr"))
            add->incr = true;
        else
            break;
    }
    add->first = at;
    add->count = (size_t)(ctx->argc - at) / 2;
    if (add->count == 0 || (ctx->argc - at) % 2 != 0)
        reply_syntax_error(ctx);
    else if (add->nx && add->xx)
        reply_error(ctx, "ERR XX and NX options at the same time are not compatible");
    else if ((add->gt && add->nx) || (add->lt && add->nx) || (add->gt && add->lt))
        reply_error(ctx, "ERR GT, LT, and/or NX options at the same time are not compatible");
    else if (add->incr && add->count > 1)
        reply_error(ctx, "ERR INCR option supports a single increment-element pair");
    else
        return true;
    return false;
}

static bool zadd_read_scores(struct ctx *ctx, struct zset_add *add)
{
    add->scores = arena_alloc(ctx->arena, add->count * sizeof(*add->scores));
    for (size_t i = 0; i < add->count; i++)
        if (!arg_double(ctx, ctx->argv[add->first + (int)i * 2], &add->scores[i]))
            return false;
    return true;
}

/* The score that a member gets; false if it keeps what it has, or is not added. */
static bool zadd_score(const struct zset_add *add, const struct zset_spot *spot, double *score)
{
    if (!spot->found)
        return !add->xx;
    if (add->nx)
        return false;
    if (add->incr)
        *score += spot->score;
    if ((add->lt && *score >= spot->score) || (add->gt && *score <= spot->score))
        return false;
    return true;
}

/* To an existing set, or, with `place` NULL, one that is not in the keyspace yet. False if the
 * error was replied. */
static bool zadd_apply(struct ctx *ctx, struct zset_add *add, struct place *place,
                       struct zset *zset)
{
    bool begun = place == NULL;

    for (size_t i = 0; i < add->count; i++) {
        struct slice member = ctx->argv[add->first + ((int)i + 1) * add->step - 1];
        struct zset_spot spot = zset_find(zset, member);
        double score = add->scores[i];

        if (!zadd_score(add, &spot, &score))
            continue;
        if (isnan(score)) {
            reply_error(ctx, "ERR resulting score is not a number (NaN)");
            return false;
        }
        add->touched = true;
        add->score = score;
        if (spot.found && spot.score == score)
            continue;
        if (!begun)
            ctx_change_begin(ctx, place);
        begun = true;
        zset_put(zset, &spot, member, score, &ctx->engine->settings->limits);
        if (spot.found)
            add->updated++;
        else
            add->added++;
    }
    return true;
}

static void zadd_reply(struct ctx *ctx, const struct zset_add *add)
{
    if (!add->incr)
        reply_int(ctx, add->ch ? add->added + add->updated : add->added);
    else if (add->touched)
        reply_double(ctx, add->score);
    else
        reply_null(ctx);
}

void zset_add(struct ctx *ctx, struct zset_add *add)
{
    const char *event = add->incr ? "zincr" : "zadd";
    struct place place;
    struct zset zset;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        if (!zadd_apply(ctx, add, &place, &zset))
            return;
        if (add->added + add->updated > 0)
            zset_change_end(ctx, &place, &zset, event);
    } else if (!add->xx) {
        zset = zset_new(false);
        if (!zadd_apply(ctx, add, NULL, &zset)) {
            zset_free(&zset);
            return;
        }
        ctx_put(ctx, &place,
                entry_new_value(place.key, TYPE_ZSET, zset.encoding, zset.value,
                                ENTRY_NO_DEADLINE));
        ctx_event(ctx, 'z', event, ctx->db, place.key);
    }
    zadd_reply(ctx, add);
}

static void zadd_run(struct ctx *ctx)
{
    struct zset_add add = {.step = 2};

    if (zadd_read_options(ctx, &add) && zadd_read_scores(ctx, &add))
        zset_add(ctx, &add);
}

static void zincrby_run(struct ctx *ctx)
{
    struct zset_add add = {.incr = true, .first = 2, .step = 2, .count = 1};

    if (zadd_read_scores(ctx, &add))
        zset_add(ctx, &add);
}

/* --- ZREM ------------------------------------------------------------------------------------- */

static void zrem_run(struct ctx *ctx)
{
    struct place place;
    struct zset zset;
    int64_t removed = 0;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        for (int i = 2; i < ctx->argc; i++) {
            struct zset_spot spot = zset_find(&zset, ctx->argv[i]);

            if (!spot.found)
                continue;
            if (removed++ == 0)
                ctx_change_begin(ctx, &place);
            zset_remove(&zset, &spot);
        }
        if (removed > 0)
            zset_change_end(ctx, &place, &zset, "zrem");
    }
    reply_int(ctx, removed);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static void zcard_run(struct ctx *ctx)
{
    struct place place;
    struct zset zset;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    zset = zset_of(place.entry);
    reply_int(ctx, (int64_t)zset_count(&zset));
}

static void reply_score_of(struct ctx *ctx, const struct entry *entry, struct slice member)
{
    struct zset_spot spot = {0};

    if (entry != NULL) {
        struct zset zset = zset_of(entry);

        spot = zset_find(&zset, member);
    }
    if (spot.found)
        reply_double(ctx, spot.score);
    else
        reply_null(ctx);
}

static void zscore_run(struct ctx *ctx)
{
    struct place place;

    if (ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        reply_score_of(ctx, place.entry, ctx->argv[2]);
}

static void zmscore_run(struct ctx *ctx)
{
    struct place place;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++)
        reply_score_of(ctx, place.entry, ctx->argv[i]);
}

static void zrank_either_way(struct ctx *ctx, bool backwards)
{
    bool score = ctx->argc > 3;
    struct zset_spot spot = {0};
    struct place place;
    struct zset zset;
    uint64_t rank;

    if (ctx->argc > 4) {
        reply_wrong_arity(ctx);
        return;
    }
    if (score && !ctx_arg_is(ctx, 3, "withscore")) {
        reply_syntax_error(ctx);
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry != NULL) {
        zset = zset_of(place.entry);
        spot = zset_find(&zset, ctx->argv[2]);
    }
    if (!spot.found) {
        if (score)
            reply_null_array(ctx);
        else
            reply_null(ctx);
        return;
    }
    rank = zset_rank(&zset, &spot);
    if (backwards)
        rank = zset_count(&zset) - 1 - rank;
    if (score)
        reply_array(ctx, 2);
    reply_int(ctx, (int64_t)rank);
    if (score)
        reply_double(ctx, spot.score);
}

static void zrank_run(struct ctx *ctx)
{
    zrank_either_way(ctx, false);
}

static void zrevrank_run(struct ctx *ctx)
{
    zrank_either_way(ctx, true);
}

/* --- ZRANDMEMBER ------------------------------------------------------------------------------ */

static void reply_member_at(struct ctx *ctx, const struct zset *zset, uint64_t rank, bool scores,
                            bool nested)
{
    struct zset_walk walk;
    struct zset_pair pair;
    bool there = zset_walk_start(&walk, zset, rank, &pair);

    kv_assert(there);
    zset_reply_pair(ctx, &pair, scores, nested);
}

/* `count` different members of more (Floyd's way: Bentley, "Programming pearls", 1987): of the
 * first n numbers one is drawn at each step, and n itself where that was drawn before. */
static void reply_different_members(struct ctx *ctx, const struct zset *zset, uint64_t count,
                                    bool scores, bool nested)
{
    uint64_t total = zset_count(zset), slots = 4;
    uint64_t *drawn; /* a hash set of numbers + 1 */

    while (slots < count * 2)
        slots *= 2;
    drawn = arena_alloc_zero(ctx->arena, (size_t)slots * sizeof(*drawn));
    for (uint64_t n = total - count; n < total; n++) {
        uint64_t rank = rng_below(&ctx->engine->rng, n + 1);
        uint64_t at = rank * 0x9e3779b97f4a7c15 & (slots - 1);

        while (drawn[at] != 0 && drawn[at] != rank + 1)
            at = (at + 1) & (slots - 1);
        if (drawn[at] != 0) {
            rank = n;
            at = rank * 0x9e3779b97f4a7c15 & (slots - 1);
            while (drawn[at] != 0)
                at = (at + 1) & (slots - 1);
        }
        drawn[at] = rank + 1;
        reply_member_at(ctx, zset, rank, scores, nested);
    }
}

static void reply_random_members(struct ctx *ctx, const struct zset *zset, int64_t count,
                                 bool scores)
{
    bool nested = ctx->session->resp == 3;
    uint64_t total = zset_count(zset);

    if (count >= 0 && (uint64_t)count >= total) {
        zset_reply_range(ctx, zset, 0, total, false, scores, nested);
        return;
    }
    zset_reply_begin(ctx, (size_t)(count < 0 ? -count : count), scores, nested);
    if (count > 0)
        reply_different_members(ctx, zset, (uint64_t)count, scores, nested);
    for (; count < 0; count++)
        reply_member_at(ctx, zset, rng_below(&ctx->engine->rng, total), scores, nested);
}

static void zrandmember_run(struct ctx *ctx)
{
    bool scores = ctx->argc == 4 && ctx_arg_is(ctx, 3, "withscores");
    struct place place;
    struct zset zset;
    int64_t count = 1;

    if (ctx->argc > 2 && !arg_i64_in(ctx, ctx->argv[2], -INT64_MAX, INT64_MAX, &count))
        return;
    if (ctx->argc > 3 && !scores) {
        reply_syntax_error(ctx);
        return;
    }
    if (scores && (count < -(INT64_MAX / 2) || count > INT64_MAX / 2)) {
        reply_error(ctx, "ERR value is out of range");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry == NULL) {
        if (ctx->argc > 2)
            reply_array(ctx, 0);
        else
            reply_null(ctx);
        return;
    }
    zset = zset_of(place.entry);
    if (ctx->argc > 2)
        reply_random_members(ctx, &zset, count, scores);
    else
        reply_member_at(ctx, &zset, rng_below(&ctx->engine->rng, zset_count(&zset)), false, false);
}

/* --- ZSCAN ------------------------------------------------------------------------------------ */

struct zset_scan {
    struct ctx *ctx;
    struct scan_options options;
    uint64_t looked_at;
    struct slice *words; /* in the arena: member, score ...; members alone if names_only */
    size_t count, room;
};

static void scan_add(struct zset_scan *scan, struct slice word)
{
    if (scan->count == scan->room) {
        size_t room = scan->room == 0 ? 32 : scan->room * 2;
        struct slice *words = arena_alloc(scan->ctx->arena, room * sizeof(*words));

        if (scan->count > 0)
            memcpy(words, scan->words, scan->count * sizeof(*words));
        scan->words = words;
        scan->room = room;
    }
    scan->words[scan->count++] = arena_copy(scan->ctx->arena, word);
}

static void scan_visit(void *env, struct slice member, double score)
{
    char digits[NUM_DOUBLE_MAX_CHARS];
    struct zset_scan *scan = env;

    scan->looked_at++;
    if (!scan_matches(&scan->options, member))
        return;
    scan_add(scan, member);
    if (!scan->options.names_only)
        scan_add(scan, (struct slice){digits, num_format_double(digits, score)});
}

static void zscan_run(struct ctx *ctx)
{
    struct zset_scan scan = {.ctx = ctx};
    uint64_t cursor, steps = 0;
    struct place place;
    struct zset zset;

    if (!scan_read_cursor(ctx, ctx->argv[2], &cursor) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (place.entry == NULL) {
        scan_reply_cursor(ctx, 0);
        reply_array(ctx, 0);
        return;
    }
    if (!scan_read_options(ctx, 3, SCAN_ZSET, &scan.options))
        return;
    zset = zset_of(place.entry);
    do
        cursor = zset_scan(&zset, cursor, scan_visit, &scan);
    while (cursor != 0 && scan.looked_at < scan.options.count &&
           ++steps < scan.options.count * SCAN_EMPTY_STEPS);
    scan_reply_cursor(ctx, cursor);
    reply_array(ctx, scan.count);
    for (size_t i = 0; i < scan.count; i++)
        reply_bulk(ctx, scan.words[i]);
}

static const char *const zadd_history[] = {
    "2.4.0", "Accepts multiple elements.",
    "3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options.",
    "6.2.0", "Added the `GT` and `LT` options.",
    NULL,
};
static const char *const zrem_history[] = {
    "2.4.0", "Accepts multiple elements.",
    NULL,
};
static const char *const zrank_history[] = {
    "7.2.0", "Option `WITHSCORE`.",
    NULL,
};
static const char *const zrevrank_history[] = {
    "7.2.0", "Option `WITHSCORE`.",
    NULL,
};
static const char *const zrandmember_tips[] = {"nondeterministic_output", NULL};
static const char *const zscan_tips[] = {"nondeterministic_output", NULL};

const struct command commands_zset[] = {
    {.name = "zadd",
     .run = zadd_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(log N) for each member added, with N members in the set.",
     .summary = "Adds members with their scores to a sorted set, or gives those that are there "
                "another score.",
     .syntax = "key:key [condition(nx=NX|xx=XX)^3.0.2] [comparison(gt=GT|lt=LT)^6.2.0] "
               "[change=CH^3.0.2] [increment=INCR^3.0.2] score_member{score:double "
               "member:string}...",
     .history = zadd_history},
    {.name = "zincrby",
     .run = zincrby_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(log N) with N members in the set.",
     .summary = "Adds to the score of a member, which begins at 0.",
     .syntax = "key:key increment:integer member:string"},
    {.name = "zrem",
     .run = zrem_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(M * log N) for M members taken out of N.",
     .summary = "Takes members out of a sorted set.",
     .syntax = "key:key member:string...",
     .history = zrem_history},
    {.name = "zcard",
     .run = zcard_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Answers how many members a sorted set has.",
     .syntax = "key:key"},
    {.name = "zscore",
     .run = zscore_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Answers the score of a member.",
     .syntax = "key:key member:string"},
    {.name = "zmscore",
     .run = zmscore_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(M) for M members asked for.",
     .summary = "Answers the scores of several members.",
     .syntax = "key:key member:string..."},
    {.name = "zrank",
     .run = zrank_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(log N) with N members in the set.",
     .summary = "Answers how many members are in front of this one, the least score first.",
     .syntax = "key:key member:string [withscore=WITHSCORE^7.2.0]",
     .history = zrank_history},
    {.name = "zrevrank",
     .run = zrevrank_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.0.0",
     .complexity = "O(log N) with N members in the set.",
     .summary = "Answers how many members are in front of this one, the greatest score first.",
     .syntax = "key:key member:string [withscore=WITHSCORE^7.2.0]",
     .history = zrevrank_history},
    {.name = "zrandmember",
     .run = zrandmember_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "6.2.0",
     .complexity = "O(M * log N) for M members answered out of N.",
     .summary = "Answers members chosen by chance.",
     .syntax = "key:key [options{count:integer [withscores=WITHSCORES]}]",
     .tips = zrandmember_tips},
    {.name = "zscan",
     .run = zscan_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SORTEDSET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "sorted-set",
     .since = "2.8.0",
     .complexity = "O(1) for each call, O(N) for all calls until the cursor is 0 again, for N "
                   "members.",
     .summary = "Goes through members and scores of a sorted set, some at each call.",
     .syntax = "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] "
               "[noscores=NOSCORES^8.0.0]",
     .tips = zscan_tips},
    {.name = NULL},
};
