/* Hashes, some fields at a time: HSCAN, and HRANDFIELD, whose replies are up to chance. */
#include <stdlib.h>

#include "core/base/rng.h"
#include "core/cmd/hash.h"
#include "core/cmd/rows.h"
#include "core/cmd/scan.h"

#define RANDOM_TRIES 100       /* for a field that is shown */
#define RANDOM_REPEATED_MAX (1 << 28) /* fields in the reply to a negative count */
#define RANDOM_PICK_FACTOR 3   /* a sample that is no smaller part than this is cut from all */

/* --- HSCAN ------------------------------------------------------------------------------------ */

/* What was found, in the arena: slices of the hash's own bytes where they stay. */
struct found_fields {
    struct ctx *ctx;
    struct scan_options options;
    bool is_small;      /* digits of integers do not stay: they are copied */
    size_t looked_at;
    struct slice (*pairs)[2];
    size_t count, room;
};

static void add_found(struct found_fields *found, const struct hash_item *item)
{
    struct arena *arena = found->ctx->arena;

    if (found->count == found->room) {
        size_t room = found->room == 0 ? 16 : found->room * 2;
        struct slice(*pairs)[2] = arena_alloc(arena, room * sizeof(*pairs));

        if (found->count > 0)
            memcpy(pairs, found->pairs, found->count * sizeof(*pairs));
        found->pairs = pairs;
        found->room = room;
    }
    found->pairs[found->count][0] = found->is_small ? arena_copy(arena, item->field) : item->field;
    found->pairs[found->count][1] = found->is_small ? arena_copy(arena, item->value) : item->value;
    found->count++;
}

static void hscan_visit(void *env, const struct hash_item *item)
{
    struct found_fields *found = env;

    found->looked_at++;
    if (hash_shows(found->ctx, item) && scan_matches(&found->options, item->field))
        add_found(found, item);
}

static void hscan_run(struct ctx *ctx)
{
    struct found_fields fields = {.ctx = ctx};
    struct hash_found found;
    uint64_t cursor, steps = 0;

    if (!scan_read_cursor(ctx, ctx->argv[2], &cursor) ||
        !hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    if (found.hash.value == NULL) {
        scan_reply_cursor(ctx, 0);
        reply_array(ctx, 0);
        return;
    }
    if (!scan_read_options(ctx, 3, SCAN_HASH, &fields.options))
        return;
    fields.is_small = found.hash.encoding == ENCODING_LISTPACK;
    do
        cursor = hash_scan(found.hash, cursor, hscan_visit, &fields);
    while (cursor != 0 && fields.looked_at < fields.options.count &&
           ++steps < fields.options.count * SCAN_EMPTY_STEPS);
    scan_reply_cursor(ctx, cursor);
    reply_array(ctx, fields.options.names_only ? fields.count : 2 * fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        reply_bulk(ctx, fields.pairs[i][0]);
        if (!fields.options.names_only)
            reply_bulk(ctx, fields.pairs[i][1]);
    }
}

/* --- HRANDFIELD ------------------------------------------------------------------------------- */

/* Any field that is shown; false if there is none. */
static bool random_shown(struct ctx *ctx, struct hash hash, struct hash_item *item)
{
    struct hash_walk walk;

    for (int i = 0; i < RANDOM_TRIES; i++) {
        if (!hash_random(hash, &ctx->engine->rng, item))
            return false;
        if (hash_shows(ctx, item))
            return true;
    }
    hash_walk_start(&walk, hash);
    while (hash_walk_next(&walk, item)) {
        if (hash_shows(ctx, item))
            return true;
    }
    return false;
}

static void reply_field(struct ctx *ctx, struct slice field, struct slice value, bool values)
{
    if (values && ctx->session->resp == 3)
        reply_array(ctx, 2);
    reply_bulk(ctx, field);
    if (values)
        reply_bulk(ctx, value);
}

static void reply_fields(struct ctx *ctx, size_t count, bool values)
{
    reply_array(ctx, values && ctx->session->resp == 2 ? 2 * count : count);
}

/* Each time any field. */
static void random_repeated(struct ctx *ctx, struct hash hash, size_t count, bool values)
{
    struct hash_item item;

    reply_fields(ctx, count, values);
    for (size_t i = 0; i < count; i++) {
        bool any = random_shown(ctx, hash, &item);

        kv_assert(any);
        reply_field(ctx, item.field, item.value, values);
    }
}

/* `count` different ones out of all, by the beginning of a shuffle. */
static void random_out_of_all(struct ctx *ctx, struct hash hash, size_t count, bool values)
{
    struct found_fields all = {.ctx = ctx, .is_small = hash.encoding == ENCODING_LISTPACK};
    bool whole = count == hash_shown_count(ctx, hash);
    struct hash_walk walk;
    struct hash_item item;

    hash_walk_start(&walk, hash);
    while (hash_walk_next(&walk, &item)) {
        if (hash_shows(ctx, &item))
            add_found(&all, &item);
    }
    reply_fields(ctx, count, values);
    for (size_t i = 0; i < count; i++) {
        size_t at = whole ? i : i + rng_below(&ctx->engine->rng, all.count - i);

        reply_field(ctx, all.pairs[at][0], all.pairs[at][1], values);
        all.pairs[at][0] = all.pairs[i][0];
        all.pairs[at][1] = all.pairs[i][1];
    }
}

/* `count` different ones, few among many: drawn until they are different. A field of a table is
 * known by where its bytes are. */
static void random_few(struct ctx *ctx, struct hash hash, size_t count, bool values)
{
    struct found_fields drawn = {.ctx = ctx};
    size_t room = 4;
    const char **seen;
    struct hash_item item;

    while (room < 2 * count)
        room *= 2;
    seen = arena_alloc_zero(ctx->arena, room * sizeof(*seen));
    while (drawn.count < count && random_shown(ctx, hash, &item)) {
        size_t at = ((uintptr_t)item.field.data * 0x9e3779b97f4a7c15ull >> 20) & (room - 1);

        while (seen[at] != NULL && seen[at] != item.field.data)
            at = (at + 1) & (room - 1);
        if (seen[at] == NULL)
            add_found(&drawn, &item);
        seen[at] = item.field.data;
    }
    reply_fields(ctx, drawn.count, values);
    for (size_t i = 0; i < drawn.count; i++)
        reply_field(ctx, drawn.pairs[i][0], drawn.pairs[i][1], values);
}

static void random_count(struct ctx *ctx, struct hash hash, int64_t count, bool values)
{
    size_t shown = hash_shown_count(ctx, hash);

    if (count == 0 || shown == 0)
        reply_array(ctx, 0);
    else if (count < 0)
        random_repeated(ctx, hash, (size_t)-count, values);
    else if (hash.encoding == ENCODING_LISTPACK || shown != hash_count(hash) ||
             (uint64_t)count > shown / RANDOM_PICK_FACTOR)
        random_out_of_all(ctx, hash, (uint64_t)count < shown ? (size_t)count : shown, values);
    else
        random_few(ctx, hash, (size_t)count, values);
}

static void hrandfield_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;
    int64_t count = 1;
    bool values = ctx->argc == 4;

    if (ctx->argc > 2 && !arg_i64_in(ctx, ctx->argv[2], -INT64_MAX, INT64_MAX, &count))
        return;
    if (ctx->argc > 4 || (values && !ctx_arg_is(ctx, 3, "withvalues"))) {
        reply_syntax_error(ctx);
        return;
    }
    if ((values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) ||
        count < -RANDOM_REPEATED_MAX) {
        reply_error(ctx, "ERR value is out of range");
        return;
    }
    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    if (ctx->argc > 2)
        random_count(ctx, found.hash, count, values);
    else if (found.hash.value != NULL && random_shown(ctx, found.hash, &item))
        reply_bulk(ctx, item.field);
    else
        reply_null(ctx);
}

static const char *const by_chance_tips[] = {"nondeterministic_output", NULL};

const struct command commands_hash_scan[] = {
    {.name = "hscan",
     .run = hscan_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.8.0",
     .complexity =
         "O(1) for each call, O(N) for all calls until the cursor is 0 again, for N fields.",
     .summary = "Goes through the fields of a hash, some at each call.",
     .syntax = "key:key cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] "
               "[novalues=NOVALUES^7.4.0]",
     .tips = by_chance_tips},
    {.name = "hrandfield",
     .run = hrandfield_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "6.2.0",
     .complexity = "O(N) for N fields in the reply.",
     .summary = "Answers fields of a hash by chance.",
     .syntax = "key:key [options{count:integer [withvalues=WITHVALUES]}]",
     .tips = by_chance_tips},
    {.name = NULL},
};
