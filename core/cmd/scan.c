/* Looking for keys: KEYS, SCAN, RANDOMKEY. They depend on every key, so they wait for the newest
 * change. Keys past their deadline are left out; the sweep deletes them. */
#include "core/cmd/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "core/base/glob.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/type/value.h"

#define SCAN_CURSOR_CHARS 64
#define RANDOMKEY_TRIES 100

/* What is looked for, and what was found: slices of the entries' own keys, good until the next
 * change. */
struct scan {
    struct ctx *ctx;
    struct scan_options options;
    size_t looked_at;
    struct slice *keys; /* in the arena */
    size_t count, room;
};

static void scan_add(struct scan *scan, struct slice key)
{
    if (scan->count == scan->room) {
        size_t room = scan->room == 0 ? 32 : scan->room * 2;
        struct slice *keys = arena_alloc(scan->ctx->arena, room * sizeof(*keys));

        if (scan->count > 0)
            memcpy(keys, scan->keys, scan->count * sizeof(*keys));
        scan->keys = keys;
        scan->room = room;
    }
    scan->keys[scan->count++] = key;
}

static void scan_visit(void *env, struct entry *entry)
{
    struct scan *scan = env;
    int64_t deadline_ms = entry_deadline(entry);

    scan->looked_at++;
    if (!scan_matches(&scan->options, entry_key(entry)))
        return;
    if (scan->options.type.data != NULL &&
        !slice_is(scan->options.type, type_name(entry_type(entry))))
        return;
    if (deadline_ms == ENTRY_NO_DEADLINE || deadline_ms > scan->ctx->now_ms)
        scan_add(scan, entry_key(entry));
}

static void scan_reply_keys(const struct scan *scan)
{
    reply_array(scan->ctx, scan->count);
    for (size_t i = 0; i < scan->count; i++)
        reply_bulk(scan->ctx, scan->keys[i]);
}

static void keys_run(struct ctx *ctx)
{
    struct scan scan = {.ctx = ctx};
    struct slice pattern = ctx->argv[1];

    ctx_depends_on_all(ctx);
    if (!slice_equal(pattern, SLICE("*")))
        scan.options.pattern = pattern;
    if (glob_is_literal(pattern)) {
        if (ctx_find(ctx, pattern, LOOKUP_PEEK).entry != NULL)
            scan_add(&scan, pattern);
    } else {
        keyspace_each(ctx->keyspace, ctx->db, scan_visit, &scan);
    }
    scan_reply_keys(&scan);
}

bool scan_read_cursor(struct ctx *ctx, struct slice arg, uint64_t *cursor)
{
    char text[SCAN_CURSOR_CHARS], *end = text;

    if (arg.len < sizeof(text) && (arg.len == 0 || !isspace((unsigned char)arg.data[0]))) {
        memcpy(text, arg.data, arg.len);
        text[arg.len] = '\0';
        errno = 0;
        *cursor = strtoull(text, &end, 10);
        if (end == text + arg.len && errno != ERANGE)
            return true;
    }
    reply_error(ctx, "ERR invalid cursor");
    return false;
}

/* NOVALUES, NOSCORES. False if the error was replied. */
static bool scan_names_only(struct ctx *ctx, bool good, const char *option, const char *command)
{
    if (!good)
        reply_error(ctx, "ERR %s option can only be used in %s", option, command);
    return good;
}

static bool scan_read_count(struct ctx *ctx, struct slice arg, uint64_t *count)
{
    int64_t number;

    if (!arg_i64(ctx, arg, &number))
        return false;
    if (number < 1) {
        reply_syntax_error(ctx);
        return false;
    }
    *count = number > SCAN_COUNT_MAX ? SCAN_COUNT_MAX : (uint64_t)number;
    return true;
}

bool scan_read_options(struct ctx *ctx, int first, enum scan_kind kind, struct scan_options *out)
{
    *out = (struct scan_options){.count = SCAN_COUNT_DEFAULT};
    for (int at = first; at < ctx->argc; at++) {
        bool more = at + 1 < ctx->argc;

        if (more && ctx_arg_is(ctx, at, "count")) {
            if (!scan_read_count(ctx, ctx->argv[++at], &out->count))
                return false;
        } else if (more && ctx_arg_is(ctx, at, "match")) {
            out->pattern = ctx->argv[++at];
            if (slice_equal(out->pattern, SLICE("*")))
                out->pattern.data = NULL;
        } else if (more && kind == SCAN_KEYS && ctx_arg_is(ctx, at, "type")) {
            out->type = ctx->argv[++at];
        } else if (ctx_arg_is(ctx, at, "novalues")) {
            if (!scan_names_only(ctx, kind == SCAN_HASH, "NOVALUES", "HSCAN"))
                return false;
            out->names_only = true;
        } else if (ctx_arg_is(ctx, at, "noscores")) {
            if (!scan_names_only(ctx, kind == SCAN_ZSET, "NOSCORES", "ZSCAN"))
                return false;
            out->names_only = true;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

bool scan_matches(const struct scan_options *options, struct slice text)
{
    return options->pattern.data == NULL || glob_match(options->pattern, text);
}

void scan_reply_cursor(struct ctx *ctx, uint64_t cursor)
{
    reply_array(ctx, 2);
    reply_bulk(ctx, arena_printf(ctx->arena, "%llu", (unsigned long long)cursor));
}

static void scan_run(struct ctx *ctx)
{
    struct scan scan = {.ctx = ctx};
    uint64_t cursor, steps = 0;

    if (!scan_read_cursor(ctx, ctx->argv[1], &cursor) ||
        !scan_read_options(ctx, 2, SCAN_KEYS, &scan.options))
        return;
    ctx_depends_on_all(ctx);
    do
        cursor = keyspace_scan(ctx->keyspace, ctx->db, cursor, scan_visit, &scan);
    while (cursor != 0 && scan.looked_at < scan.options.count &&
           ++steps < scan.options.count * SCAN_EMPTY_STEPS);
    scan_reply_cursor(ctx, cursor);
    scan_reply_keys(&scan);
}

static void randomkey_run(struct ctx *ctx)
{
    ctx_depends_on_all(ctx);
    for (int i = 0; i < RANDOMKEY_TRIES; i++) {
        const struct entry *entry =
            keyspace_random(ctx->keyspace, ctx->db, false, &ctx->engine->rng);
        struct slice key;

        if (entry == NULL)
            break;
        /* The lookup deletes a key that has expired, and its bytes with it. */
        key = arena_copy(ctx->arena, entry_key(entry));
        if (ctx_find(ctx, key, LOOKUP_PEEK).entry != NULL) {
            reply_bulk(ctx, key);
            return;
        }
    }
    reply_null(ctx);
}

static const char *const keys_tips[] = {"request_policy:all_shards",
                                        "nondeterministic_output_order", NULL};
static const char *const randomkey_tips[] = {"request_policy:all_shards", "nondeterministic_output",
                                             NULL};
static const char *const scan_tips[] = {"nondeterministic_output", "request_policy:special", NULL};
static const char *const scan_history[] = {"6.0.0", "Option `TYPE`.", NULL};

const struct command commands_scan[] = {
    {.name = "keys",
     .run = keys_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_ALL_KEYS,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N) for N keys in the database.",
     .summary = "Answers all keys that match a pattern.",
     .syntax = "pattern:pattern",
     .tips = keys_tips},
    {.name = "scan",
     .run = scan_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_ALL_KEYS,
     .categories = CATEGORY_KEYSPACE,
     .group = "generic",
     .since = "2.8.0",
     .complexity =
         "O(1) for each call, O(N) for all calls until the cursor is 0 again, for N keys.",
     .summary = "Goes through the keys of the database, some at each call.",
     .syntax = "cursor:integer [pattern:pattern@MATCH] [count:integer@COUNT] "
               "[type:string@TYPE^6.0.0]",
     .history = scan_history,
     .tips = scan_tips},
    {.name = "randomkey",
     .run = randomkey_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_ALL_KEYS | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers any key of the database.",
     .tips = randomkey_tips},
    {.name = NULL},
};
