/* Sets: adding, removing, asking, choosing by chance. What SPOP chose is recorded as SREM; all
 * else is recorded as the request. */
#include "core/type/set.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/cmd/scan.h"
#include "core/ctx.h"

#define POP_EFFECT_MEMBERS 1000 /* members that one recorded SREM names */
#define RANDOM_GATHER_FACTOR 3  /* this many times what is asked for: choose from all members */

static const struct type_limits *limits_of(const struct ctx *ctx)
{
    return &ctx->engine->settings->limits;
}

static bool set_look_up(struct ctx *ctx, enum lookup how, struct place *place)
{
    return ctx_find_type(ctx, ctx->argv[1], how, TYPE_SET, place);
}

/* The change has begun; the handle has changed. */
static void set_changed(struct ctx *ctx, struct place *place, const struct set *set)
{
    entry_set_value(place->entry, set->encoding, set->value);
    ctx_change_end(ctx, place, place->entry);
}

/* A set that has become empty is no more. */
static void set_remove_if_empty(struct ctx *ctx, struct place *place)
{
    struct set set = set_of(place->entry);

    if (set_count(&set) > 0)
        return;
    ctx_event(ctx, 'g', "del", ctx->db, place->key);
    ctx_remove(ctx, place, false);
}

/* Add members to the set at `place`, which may be none yet; returns how many were new. */
static int64_t set_add_members(struct ctx *ctx, struct place *place, int count,
                               const struct slice *members)
{
    const struct type_limits *limits = limits_of(ctx);
    struct set set;
    struct set_at at;
    int64_t added = 0;
    bool begun = false;

    if (place->entry == NULL) {
        set = set_new(members[0], (size_t)count, limits);
        for (int i = 0; i < count; i++)
            added += set_add(&set, members[i], limits);
        ctx_put(ctx, place, entry_new_value(place->key, TYPE_SET, set.encoding, set.value,
                                            ENTRY_NO_DEADLINE));
        return added;
    }
    set = set_of(place->entry);
    for (int i = 0; i < count; i++) {
        if (set_find(&set, members[i], &at))
            continue;
        if (!begun) {
            enum value_encoding before = set.encoding;

            begun = true;
            ctx_change_begin(ctx, place);
            set_expect(&set, (size_t)count, limits);
            if (set.encoding != before && set_find(&set, members[i], &at))
                continue;
        }
        set_insert(&set, members[i], &at, limits);
        added++;
    }
    if (begun)
        set_changed(ctx, place, &set);
    return added;
}

static void sadd_run(struct ctx *ctx)
{
    struct place place;
    int64_t added;

    if (!set_look_up(ctx, LOOKUP_WRITE, &place))
        return;
    added = set_add_members(ctx, &place, ctx->argc - 2, ctx->argv + 2);
    if (added > 0)
        ctx_event(ctx, 's', "sadd", ctx->db, place.key);
    reply_int(ctx, added);
}

static void srem_run(struct ctx *ctx)
{
    struct place place;
    struct set set;
    struct set_at at;
    int64_t removed = 0;

    if (!set_look_up(ctx, LOOKUP_WRITE, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    set = set_of(place.entry);
    for (int i = 2; i < ctx->argc; i++) {
        if (!set_find(&set, ctx->argv[i], &at))
            continue;
        if (removed++ == 0)
            ctx_change_begin(ctx, &place);
        set_delete(&set, &at);
    }
    if (removed > 0) {
        set_changed(ctx, &place, &set);
        ctx_event(ctx, 's', "srem", ctx->db, place.key);
        set_remove_if_empty(ctx, &place);
    }
    reply_int(ctx, removed);
}

static void smove_run(struct ctx *ctx)
{
    struct slice from = ctx->argv[1], to = ctx->argv[2], member = ctx->argv[3];
    struct place source, target;
    struct set set;
    struct set_at at;
    bool there;

    if (!ctx_find_type(ctx, from, LOOKUP_WRITE, TYPE_SET, &source))
        return;
    if (source.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    if (!ctx_find_type(ctx, to, LOOKUP_WRITE, TYPE_SET, &target))
        return;
    set = set_of(source.entry);
    if (source.entry == target.entry || !set_find(&set, member, &at)) {
        reply_int(ctx, source.entry == target.entry && set_has(&set, member));
        return;
    }
    /* The second lookup may have deleted an expired key: the first place is not good any more. */
    source = keyspace_find(ctx->keyspace, ctx->db, from, source.hash);
    ctx_change_begin(ctx, &source);
    set_delete(&set, &at);
    set_changed(ctx, &source, &set);
    ctx_event(ctx, 's', "srem", ctx->db, from);
    set_remove_if_empty(ctx, &source);
    /* And that may have moved the target. One that is past its deadline is not there, as before. */
    there = target.entry != NULL;
    target = keyspace_find(ctx->keyspace, ctx->db, to, target.hash);
    if (!there)
        target.entry = NULL;
    if (set_add_members(ctx, &target, 1, &member) > 0)
        ctx_event(ctx, 's', "sadd", ctx->db, to);
    reply_int(ctx, 1);
}

/* How many members there are; 0 if there is no set. */
static size_t count_at(const struct place *place)
{
    struct set set;

    if (place->entry == NULL)
        return 0;
    set = set_of(place->entry);
    return set_count(&set);
}

static void scard_run(struct ctx *ctx)
{
    struct place place;

    if (set_look_up(ctx, LOOKUP_READ, &place))
        reply_int(ctx, (int64_t)count_at(&place));
}

static void reply_is_member(struct ctx *ctx, const struct place *place, struct slice member)
{
    struct set set;

    if (place->entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    set = set_of(place->entry);
    reply_int(ctx, set_has(&set, member));
}

static void sismember_run(struct ctx *ctx)
{
    struct place place;

    if (set_look_up(ctx, LOOKUP_READ, &place))
        reply_is_member(ctx, &place, ctx->argv[2]);
}

static void smismember_run(struct ctx *ctx)
{
    struct place place;

    if (!set_look_up(ctx, LOOKUP_READ, &place))
        return;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++)
        reply_is_member(ctx, &place, ctx->argv[i]);
}

static void reply_members(struct ctx *ctx, const struct set *set)
{
    struct set_walk walk;
    struct slice member;

    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &member))
        reply_bulk(ctx, member);
}

static void smembers_run(struct ctx *ctx)
{
    struct place place;
    struct set set;

    if (!set_look_up(ctx, LOOKUP_READ, &place))
        return;
    reply_set(ctx, count_at(&place));
    if (place.entry == NULL)
        return;
    set = set_of(place.entry);
    reply_members(ctx, &set);
}

/* --- By chance -------------------------------------------------------------------------------- */

/* Members as slices that are good as long as the set does not change: digits are copied. */
static size_t set_gather(struct ctx *ctx, const struct set *set, struct slice **out)
{
    struct slice *members = arena_alloc(ctx->arena, (set_count(set) + 1) * sizeof(*members));
    struct set_walk walk;
    size_t count = 0;

    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &members[count])) {
        if (members[count].data == walk.digits)
            members[count] = arena_copy(ctx->arena, members[count]);
        count++;
    }
    *out = members;
    return count;
}

static void srandmember_one(struct ctx *ctx)
{
    char digits[SET_DIGITS];
    struct set_at at;
    struct place place;
    struct set set;

    if (!set_look_up(ctx, LOOKUP_READ, &place))
        return;
    if (place.entry == NULL) {
        reply_null(ctx);
        return;
    }
    set = set_of(place.entry);
    reply_bulk(ctx, set_random(&set, &ctx->engine->rng, digits, &at));
}

/* `count` different members of a set that has more. Few of many are drawn until they are enough;
 * else all are gathered and the first ones exchanged with any behind them. */
static void reply_some(struct ctx *ctx, const struct set *set, size_t count)
{
    const struct type_limits *limits = limits_of(ctx);
    char digits[SET_DIGITS];
    struct slice *members;
    struct set_at at;
    size_t all = set_count(set);

    reply_array(ctx, count);
    if (set->encoding == ENCODING_HASHTABLE && all / RANDOM_GATHER_FACTOR > count) {
        struct set drawn = set_new(SLICE(""), count, limits);

        for (size_t i = 0; i < count;) {
            struct slice member = set_random(set, &ctx->engine->rng, digits, &at);

            if (!set_add(&drawn, member, limits))
                continue;
            reply_bulk(ctx, member);
            i++;
        }
        set_free(&drawn);
        return;
    }
    all = set_gather(ctx, set, &members);
    for (size_t i = 0; i < count; i++) {
        size_t other = i + (size_t)rng_below(&ctx->engine->rng, all - i);
        struct slice member = members[other];

        members[other] = members[i];
        reply_bulk(ctx, member);
    }
}

static void srandmember_run(struct ctx *ctx)
{
    char digits[SET_DIGITS];
    struct set_at at;
    struct place place;
    struct set set;
    int64_t count;

    if (ctx->argc > 3) {
        reply_syntax_error(ctx);
        return;
    }
    if (ctx->argc == 2) {
        srandmember_one(ctx);
        return;
    }
    if (!arg_i64_in(ctx, ctx->argv[2], -INT64_MAX, INT64_MAX, &count) ||
        !set_look_up(ctx, LOOKUP_READ, &place))
        return;
    if (place.entry == NULL || count == 0) {
        reply_array(ctx, 0);
        return;
    }
    set = set_of(place.entry);
    if (count < 0) {
        reply_array(ctx, (size_t)-count);
        for (; count < 0; count++)
            reply_bulk(ctx, set_random(&set, &ctx->engine->rng, digits, &at));
        return;
    }
    if ((uint64_t)count < set_count(&set)) {
        reply_some(ctx, &set, (size_t)count);
    } else {
        reply_array(ctx, set_count(&set));
        reply_members(ctx, &set);
    }
}

/* Take out one member by chance; its bytes are copied to the arena. */
static struct slice set_pop(struct ctx *ctx, struct set *set)
{
    char digits[SET_DIGITS];
    struct set_at at;
    struct slice member =
        arena_copy(ctx->arena, set_random(set, &ctx->engine->rng, digits, &at));

    set_delete(set, &at);
    return member;
}

static void spop_one(struct ctx *ctx)
{
    struct slice effect[3] = {SLICE("SREM"), ctx->argv[1]};
    struct place place;
    struct set set;

    if (!set_look_up(ctx, LOOKUP_WRITE, &place))
        return;
    if (place.entry == NULL) {
        reply_null(ctx);
        return;
    }
    set = set_of(place.entry);
    ctx_change_begin(ctx, &place);
    effect[2] = set_pop(ctx, &set);
    set_changed(ctx, &place, &set);
    ctx_effect(ctx, 3, effect);
    ctx_event(ctx, 's', "spop", ctx->db, place.key);
    set_remove_if_empty(ctx, &place);
    reply_bulk(ctx, effect[2]);
}

static void spop_all(struct ctx *ctx, struct place *place, const struct set *set)
{
    reply_set(ctx, set_count(set));
    reply_members(ctx, set);
    ctx_event(ctx, 's', "spop", ctx->db, place->key);
    ctx_event(ctx, 'g', "del", ctx->db, place->key);
    ctx_remove(ctx, place, false);
    ctx_effect_delete(ctx, ctx->db, ctx->argv[1]);
}

static void spop_some(struct ctx *ctx, struct place *place, struct set *set, size_t count)
{
    size_t room = count < POP_EFFECT_MEMBERS ? count : POP_EFFECT_MEMBERS, used = 2;
    struct slice *effect = arena_alloc(ctx->arena, (room + 2) * sizeof(*effect));

    effect[0] = SLICE("SREM");
    effect[1] = ctx->argv[1];
    reply_set(ctx, count);
    ctx_change_begin(ctx, place);
    for (size_t i = 0; i < count; i++) {
        struct slice member = set_pop(ctx, set);

        reply_bulk(ctx, member);
        effect[used++] = member;
        if (used == room + 2 || i + 1 == count) {
            ctx_effect(ctx, (int)used, effect);
            used = 2;
        }
    }
    set_changed(ctx, place, set);
    ctx_event(ctx, 's', "spop", ctx->db, place->key);
}

static void spop_run(struct ctx *ctx)
{
    struct place place;
    struct set set;
    int64_t count;

    if (ctx->argc > 3) {
        reply_syntax_error(ctx);
        return;
    }
    if (ctx->argc == 2) {
        spop_one(ctx);
        return;
    }
    if (!num_parse_i64(ctx->argv[2], &count) || count < 0) {
        reply_error(ctx, "ERR value is out of range, must be positive");
        return;
    }
    if (!set_look_up(ctx, LOOKUP_WRITE, &place))
        return;
    if (place.entry == NULL || count == 0) {
        reply_set(ctx, 0);
        return;
    }
    set = set_of(place.entry);
    if ((uint64_t)count >= set_count(&set))
        spop_all(ctx, &place, &set);
    else
        spop_some(ctx, &place, &set, (size_t)count);
}

/* --- SSCAN ------------------------------------------------------------------------------------ */

struct set_scan {
    struct ctx *ctx;
    struct scan_options options;
    size_t looked_at;
    struct buf found; /* slices, whose digits are in the arena */
};

static void sscan_visit(void *env, struct slice member)
{
    struct set_scan *scan = env;

    scan->looked_at++;
    if (scan_matches(&scan->options, member))
        buf_append(&scan->found, &member, sizeof(member));
}

/* The digits of an integer are gone with the visit. */
static void sscan_visit_small(void *env, struct slice member)
{
    const struct set_scan *scan = env;

    sscan_visit(env, arena_copy(scan->ctx->arena, member));
}

static void sscan_run(struct ctx *ctx)
{
    struct set_scan scan = {.ctx = ctx};
    struct place place;
    struct set set;
    struct slice member;
    uint64_t cursor, steps = 0;

    if (!scan_read_cursor(ctx, ctx->argv[2], &cursor) || !set_look_up(ctx, LOOKUP_READ, &place))
        return;
    if (place.entry == NULL) {
        scan_reply_cursor(ctx, 0);
        reply_array(ctx, 0);
        return;
    }
    if (!scan_read_options(ctx, 3, SCAN_SET, &scan.options))
        return;
    set = set_of(place.entry);
    do
        cursor = set_scan(&set, cursor,
                          set.encoding == ENCODING_HASHTABLE ? sscan_visit : sscan_visit_small,
                          &scan);
    while (cursor != 0 && scan.looked_at < scan.options.count &&
           ++steps < scan.options.count * SCAN_EMPTY_STEPS);
    scan_reply_cursor(ctx, cursor);
    reply_array(ctx, scan.found.len / sizeof(member));
    for (size_t at = 0; at < scan.found.len; at += sizeof(member)) {
        memcpy(&member, scan.found.data + at, sizeof(member));
        reply_bulk(ctx, member);
    }
    buf_free(&scan.found);
}

static const char *const several_history[] = {"2.4.0", "More than one member.", NULL};
static const char *const spop_history[] = {"3.2.0", "Argument `count`.", NULL};
static const char *const srandmember_history[] = {"2.6.0", "Argument `count`.", NULL};
static const char *const order_tips[] = {"nondeterministic_output_order", NULL};
static const char *const chance_tips[] = {"nondeterministic_output", NULL};

const struct command commands_set[] = {
    {.name = "sadd",
     .run = sadd_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members.",
     .summary = "Adds members to a set and answers how many were new.",
     .syntax = "key:key member:string...",
     .history = several_history},
    {.name = "srem",
     .run = srem_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members.",
     .summary = "Removes members from a set; the last one takes the key with it.",
     .syntax = "key:key member:string...",
     .history = several_history},
    {.name = "smove",
     .run = smove_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Takes a member from one set into another.",
     .syntax = "source:key destination:key member:string"},
    {.name = "scard",
     .run = scard_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many members a set has.",
     .syntax = "key:key"},
    {.name = "sismember",
     .run = sismember_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers if a set has a member.",
     .syntax = "key:key member:string"},
    {.name = "smismember",
     .run = smismember_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "6.2.0",
     .complexity = "O(N) for N members asked for.",
     .summary = "Answers for each of several members if a set has it.",
     .syntax = "key:key member:string..."},
    {.name = "smembers",
     .run = smembers_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members.",
     .summary = "Answers all members of a set.",
     .syntax = "key:key",
     .tips = order_tips},
    {.name = "srandmember",
     .run = srandmember_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(1) for one member, O(N) for a count of N.",
     .summary = "Answers members chosen by chance: different ones, or with a negative count any.",
     .syntax = "key:key [count:integer^2.6.0]",
     .history = srandmember_history,
     .tips = chance_tips},
    {.name = "spop",
     .run = spop_run,
     .arity = -2,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(1) for one member, O(N) for a count of N.",
     .summary = "Removes members chosen by chance and answers them.",
     .syntax = "key:key [count:integer^3.2.0]",
     .history = spop_history,
     .tips = chance_tips},
    {.name = "sscan",
     .run = sscan_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "2.8.0",
     .complexity =
         "O(1) for each call, O(N) for all calls until the cursor is 0 again, for N members.",
     .summary = "Goes through the members of a set, some at each call.",
     .syntax = "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT]",
     .tips = chance_tips},
    {.name = NULL},
};
