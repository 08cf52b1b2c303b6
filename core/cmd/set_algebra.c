/* Set algebra: intersections, unions and differences of sets under several keys, replied or stored.
 *
 * The sets are looked up first, all of them, so that one of a wrong type is an error even where
 * another is missing. The entries are borrowed: looking up another key may delete that one, but
 * moves no entry.
 */
#include <stdlib.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/type/set.h"

/* The sets that a command works on. One that is missing has no value. */
struct operands {
    struct set *sets;
    int count, missing;
    uint64_t members; /* in all */
};

/* Members to reply with, or a set to store them in. */
struct result {
    struct ctx *ctx;
    bool store;
    struct set set;
    struct slice *members;
    size_t count, room;
};

static bool operands_find(struct ctx *ctx, int first, int count, struct operands *out)
{
    *out = (struct operands){.count = count};
    out->sets = arena_alloc(ctx->arena, (size_t)count * sizeof(*out->sets));
    for (int i = 0; i < count; i++) {
        struct place place;

        if (!ctx_find_type(ctx, ctx->argv[first + i], LOOKUP_READ, TYPE_SET, &place))
            return false;
        if (place.entry == NULL) {
            out->sets[i] = (struct set){ENCODING_INTSET, NULL};
            out->missing++;
        } else {
            out->sets[i] = set_of(place.entry);
            out->members += set_count(&out->sets[i]);
        }
    }
    return true;
}

static void result_begin(struct result *result, struct ctx *ctx, bool store)
{
    *result = (struct result){.ctx = ctx, .store = store};
    if (store)
        result->set = set_new_least();
}

/* Add a member of `from` that the result does not have. */
static void result_add(struct result *result, const struct set *from, struct slice member)
{
    struct ctx *ctx = result->ctx;

    if (result->store) {
        bool is_new = set_add(&result->set, member, &ctx->engine->settings->limits);

        kv_assert(is_new);
        return;
    }
    if (result->count == result->room) {
        size_t room = result->room == 0 ? 32 : result->room * 2;
        struct slice *members = arena_alloc(ctx->arena, room * sizeof(*members));

        if (result->count > 0)
            memcpy(members, result->members, result->count * sizeof(*members));
        result->members = members;
        result->room = room;
    }
    /* Those of a hash table stay where they are, others may be digits that do not. */
    if (from->encoding != ENCODING_HASHTABLE)
        member = arena_copy(ctx->arena, member);
    result->members[result->count++] = member;
}

/* Put the set under the key argv[1], in place of what is there; reply how many members it has. */
static void set_store(struct ctx *ctx, struct set *set, const char *event)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    size_t count = set_count(set);

    if (count > 0) {
        ctx_put(ctx, &place, entry_new_value(place.key, TYPE_SET, set->encoding, set->value,
                                             ENTRY_NO_DEADLINE));
        ctx_event(ctx, 's', event, ctx->db, ctx->argv[1]);
    } else {
        set_free(set);
        if (place.entry != NULL) {
            ctx_remove(ctx, &place, false);
            ctx_event(ctx, 'g', "del", ctx->db, ctx->argv[1]);
        }
    }
    reply_int(ctx, (int64_t)count);
}

static void result_end(struct result *result, const char *event)
{
    if (result->store) {
        set_store(result->ctx, &result->set, event);
        return;
    }
    reply_set(result->ctx, result->count);
    for (size_t i = 0; i < result->count; i++)
        reply_bulk(result->ctx, result->members[i]);
}

static void reply_whole_set(struct ctx *ctx, const struct set *set)
{
    struct set_walk walk;
    struct slice member;

    reply_set(ctx, set_count(set));
    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &member))
        reply_bulk(ctx, member);
}

/* --- Intersection ----------------------------------------------------------------------------- */

static int compare_counts(const void *a, const void *b)
{
    size_t left = set_count(a), right = set_count(b);

    return left < right ? -1 : left > right;
}

/* The member is in all sets but the first, which it comes from. */
static bool in_all_others(const struct operands *operands, struct slice member)
{
    const struct set *sets = operands->sets;

    for (int i = 1; i < operands->count; i++)
        if (sets[i].value != sets[0].value && !set_has(&sets[i], member))
            return false;
    return true;
}

/* Walk the smallest set and ask the others, the smaller first; `most` members at most. Returns how
 * many there are; `result` may be NULL. */
static uint64_t set_intersect(struct operands *operands, uint64_t most, struct result *result)
{
    struct set_walk walk;
    struct slice member;
    uint64_t count = 0;

    if (operands->missing > 0)
        return 0;
    qsort(operands->sets, (size_t)operands->count, sizeof(*operands->sets), compare_counts);
    set_walk_start(&walk, &operands->sets[0]);
    while (count < most && set_walk_next(&walk, &member)) {
        if (!in_all_others(operands, member))
            continue;
        if (result != NULL)
            result_add(result, &operands->sets[0], member);
        count++;
    }
    return count;
}

static void intersect(struct ctx *ctx, int first_key, bool store, const char *event)
{
    struct operands operands;
    struct result result;

    if (!operands_find(ctx, first_key, ctx->argc - first_key, &operands))
        return;
    result_begin(&result, ctx, store);
    set_intersect(&operands, UINT64_MAX, &result);
    result_end(&result, event);
}

static void sinter_run(struct ctx *ctx)
{
    intersect(ctx, 1, false, NULL);
}

static void sinterstore_run(struct ctx *ctx)
{
    intersect(ctx, 2, true, "sinterstore");
}

static void sintercard_run(struct ctx *ctx)
{
    struct operands operands;
    int64_t keys, limit = 0;

    if (!num_parse_i64(ctx->argv[1], &keys) || keys < 1) {
        reply_error(ctx, "ERR numkeys should be greater than 0");
        return;
    }
    if (keys > ctx->argc - 2) {
        reply_error(ctx, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (int at = 2 + (int)keys; at < ctx->argc; at += 2) {
        if (!ctx_arg_is(ctx, at, "limit") || at + 1 == ctx->argc) {
            reply_syntax_error(ctx);
            return;
        }
        if (!num_parse_i64(ctx->argv[at + 1], &limit) || limit < 0) {
            reply_error(ctx, "ERR LIMIT can't be negative");
            return;
        }
    }
    if (!operands_find(ctx, 2, (int)keys, &operands))
        return;
    reply_int(ctx, (int64_t)set_intersect(&operands, limit == 0 ? UINT64_MAX : (uint64_t)limit,
                                          NULL));
}

/* --- Union ------------------------------------------------------------------------------------ */

static void set_add_all(struct ctx *ctx, struct set *set, const struct set *from)
{
    const struct type_limits *limits = &ctx->engine->settings->limits;
    struct set_walk walk;
    struct slice member;

    set_walk_start(&walk, from);
    while (set_walk_next(&walk, &member))
        (void)set_add(set, member, limits);
}

static struct set set_unite(struct ctx *ctx, const struct operands *operands)
{
    struct set all = set_new_least();

    for (int i = 0; i < operands->count; i++)
        if (operands->sets[i].value != NULL)
            set_add_all(ctx, &all, &operands->sets[i]);
    return all;
}

static void sunion_run(struct ctx *ctx)
{
    struct operands operands;
    struct set all;

    if (!operands_find(ctx, 1, ctx->argc - 1, &operands))
        return;
    for (int i = 0; operands.missing == operands.count - 1 && i < operands.count; i++) {
        if (operands.sets[i].value != NULL) {
            reply_whole_set(ctx, &operands.sets[i]);
            return;
        }
    }
    all = set_unite(ctx, &operands);
    reply_whole_set(ctx, &all);
    set_free(&all);
}

static void sunionstore_run(struct ctx *ctx)
{
    struct operands operands;
    struct set all;

    if (!operands_find(ctx, 2, ctx->argc - 2, &operands))
        return;
    all = set_unite(ctx, &operands);
    set_store(ctx, &all, "sunionstore");
}

/* --- Difference ------------------------------------------------------------------------------- */

static bool in_any_other(const struct operands *operands, struct slice member)
{
    for (int i = 1; i < operands->count; i++)
        if (operands->sets[i].value != NULL && set_has(&operands->sets[i], member))
            return true;
    return false;
}

/* Ask the other sets, the larger first, for each member of the first. */
static void set_subtract_by_asking(struct operands *operands, struct result *result)
{
    struct set_walk walk;
    struct slice member;

    set_walk_start(&walk, &operands->sets[0]);
    while (set_walk_next(&walk, &member))
        if (!in_any_other(operands, member))
            result_add(result, &operands->sets[0], member);
}

/* Take the members of the others out of a copy of the first, which is returned. */
static struct set set_subtract_by_deleting(struct ctx *ctx, const struct operands *operands)
{
    struct set left = set_new_least();

    set_add_all(ctx, &left, &operands->sets[0]);
    for (int i = 1; i < operands->count && set_count(&left) > 0; i++) {
        struct set_walk walk;
        struct slice member;
        struct set_at at;

        if (operands->sets[i].value == NULL)
            continue;
        set_walk_start(&walk, &operands->sets[i]);
        while (set_walk_next(&walk, &member))
            if (set_find(&left, member, &at))
                set_delete(&left, &at);
    }
    return left;
}

/* Deleting touches each member of each set once; asking touches those of the first for each of the
 * others, but stops at the first answer: so it counts half. */
static bool set_asking_is_cheaper(const struct operands *operands)
{
    uint64_t first = set_count(&operands->sets[0]);

    return first * (uint64_t)operands->count / 2 <= operands->members;
}

static void set_subtract(struct ctx *ctx, int first_key, bool store, const char *event)
{
    struct operands operands;
    struct result result;
    bool nothing;

    if (!operands_find(ctx, first_key, ctx->argc - first_key, &operands))
        return;
    nothing = operands.sets[0].value == NULL;
    for (int i = 1; i < operands.count; i++)
        nothing |= operands.sets[i].value == operands.sets[0].value;
    if (!nothing && !set_asking_is_cheaper(&operands)) {
        struct set left = set_subtract_by_deleting(ctx, &operands);

        if (store) {
            set_store(ctx, &left, event);
        } else {
            reply_whole_set(ctx, &left);
            set_free(&left);
        }
        return;
    }
    result_begin(&result, ctx, store);
    if (!nothing)
        set_subtract_by_asking(&operands, &result);
    result_end(&result, event);
}

static void sdiff_run(struct ctx *ctx)
{
    set_subtract(ctx, 1, false, NULL);
}

static void sdiffstore_run(struct ctx *ctx)
{
    set_subtract(ctx, 2, true, "sdiffstore");
}

#define KEYS_STORE(target_flags)                                                                   \
    {KEYS_RANGE(target_flags, 1, 0, 1), KEYS_RANGE(KEY_RO | KEY_ACCESS, 2, -1, 1)}

static const char *const order_tips[] = {"nondeterministic_output_order", NULL};

const struct command commands_set_algebra[] = {
    {.name = "sinter",
     .run = sinter_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_EACH(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N*M) at most for M sets, the smallest of N members.",
     .summary = "Answers the members that all of the sets have.",
     .syntax = "key:key...",
     .tips = order_tips},
    {.name = "sinterstore",
     .run = sinterstore_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_SET,
     .keys = KEYS_STORE(KEY_RW | KEY_UPDATE),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N*M) at most for M sets, the smallest of N members.",
     .summary = "Stores the members that all of the sets have.",
     .syntax = "destination:key key:key..."},
    {.name = "sintercard",
     .run = sintercard_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SET,
     .keys = {{.flags = KEY_RO | KEY_ACCESS, .first = 1, .keynum_first = 1, .keynum_step = 1}},
     .group = "set",
     .since = "7.0.0",
     .complexity = "O(N*M) at most for M sets, the smallest of N members.",
     .summary = "Counts the members that all of the sets have.",
     .syntax = "numkeys:integer key:key... [limit:integer@LIMIT]"},
    {.name = "sunion",
     .run = sunion_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_EACH(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members in all sets.",
     .summary = "Answers the members that any of the sets has.",
     .syntax = "key:key...",
     .tips = order_tips},
    {.name = "sunionstore",
     .run = sunionstore_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_SET,
     .keys = KEYS_STORE(KEY_OW | KEY_UPDATE),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members in all sets.",
     .summary = "Stores the members that any of the sets has.",
     .syntax = "destination:key key:key..."},
    {.name = "sdiff",
     .run = sdiff_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_SET,
     .keys = KEYS_EACH(KEY_RO | KEY_ACCESS),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members in all sets.",
     .summary = "Answers the members of the first set that no other has.",
     .syntax = "key:key...",
     .tips = order_tips},
    {.name = "sdiffstore",
     .run = sdiffstore_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_SET,
     .keys = KEYS_STORE(KEY_OW | KEY_UPDATE),
     .group = "set",
     .since = "1.0.0",
     .complexity = "O(N) for N members in all sets.",
     .summary = "Stores the members of the first set that no other has.",
     .syntax = "destination:key key:key..."},
    {.name = NULL},
};
