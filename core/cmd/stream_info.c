/* XINFO: what a stream is made of, its groups, and their consumers. */
#include "core/cmd/rows.h"
#include "core/cmd/stream_args.h"
#include "core/ctx.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"

#define XINFO_COUNT 10 /* entries that XINFO STREAM FULL shows of each list */

static bool xinfo_find(struct ctx *ctx, struct stream **stream)
{
    struct place place;

    if (!stream_find(ctx, ctx->argv[2], false, &place, stream))
        return false;
    if (*stream == NULL)
        reply_no_such_key(ctx);
    return *stream != NULL;
}

static void xinfo_int(struct ctx *ctx, const char *name, int64_t value)
{
    reply_text(ctx, name);
    reply_int(ctx, value);
}

static void xinfo_count(struct ctx *ctx, const char *name, uint64_t count)
{
    xinfo_int(ctx, name, (int64_t)count);
}

/* How long ago; -1: never. */
static void xinfo_ago(struct ctx *ctx, const char *name, int64_t at_ms)
{
    int64_t ago_ms = ctx->now_ms > at_ms ? ctx->now_ms - at_ms : 0;

    xinfo_int(ctx, name, at_ms < 0 ? -1 : ago_ms);
}

static void xinfo_id(struct ctx *ctx, const char *name, struct stream_id id)
{
    reply_text(ctx, name);
    stream_reply_id(ctx, id);
}

/* A number that may not be known. */
static void xinfo_maybe(struct ctx *ctx, const char *name, bool known, int64_t value)
{
    reply_text(ctx, name);
    if (known)
        reply_int(ctx, value);
    else
        reply_null(ctx);
}

static void xinfo_progress(struct ctx *ctx, const struct stream *stream,
                           const struct stream_group *group)
{
    int64_t lag;
    bool known = stream_group_lag(stream, group, &lag);

    xinfo_id(ctx, "last-delivered-id", group->last_id);
    xinfo_maybe(ctx, "entries-read", group->entries_read != STREAM_READ_UNKNOWN,
                group->entries_read);
    xinfo_maybe(ctx, "lag", known, lag);
}

static size_t xinfo_group_count(const struct stream *stream)
{
    return stream->groups == NULL ? 0 : radix_count(stream->groups);
}

/* --- XINFO STREAM ----------------------------------------------------------------------------- */

static void xinfo_end(struct ctx *ctx, const char *name, const struct stream *stream, bool last)
{
    struct stream_walk walk;

    reply_text(ctx, name);
    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, last);
    if (stream_walk_next(&walk))
        stream_reply_entry(ctx, &walk);
    else
        reply_null(ctx);
    stream_walk_end(&walk);
}

static void xinfo_pending(struct ctx *ctx, const struct radix *pending, size_t most,
                          bool with_consumer)
{
    size_t count = radix_count(pending) < most ? radix_count(pending) : most;
    struct radix_at at = {0};

    reply_array(ctx, count);
    for (bool more = radix_first(pending, &at); more && count-- > 0;
         more = radix_next(pending, &at)) {
        const struct stream_pending *one = at.value;

        reply_array(ctx, with_consumer ? 4 : 3);
        stream_reply_id(ctx, stream_id_of_key(at.key));
        if (with_consumer)
            reply_bulk(ctx, stream_consumer_name(one->consumer));
        reply_int(ctx, one->delivered_ms);
        reply_int(ctx, (int64_t)one->deliveries);
    }
    radix_at_free(&at);
}

static void xinfo_consumers_in_full(struct ctx *ctx, const struct stream_group *group, size_t most)
{
    struct radix_at at = {0};

    reply_array(ctx, radix_count(group->consumers));
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at)) {
        const struct stream_consumer *consumer = at.value;

        reply_map(ctx, 5);
        reply_text(ctx, "name");
        reply_bulk(ctx, at.key);
        xinfo_int(ctx, "seen-time", consumer->seen_ms);
        xinfo_int(ctx, "active-time", consumer->active_ms);
        xinfo_count(ctx, "pel-count", radix_count(consumer->pending));
        reply_text(ctx, "pending");
        xinfo_pending(ctx, consumer->pending, most, false);
    }
    radix_at_free(&at);
}

static void xinfo_groups_in_full(struct ctx *ctx, const struct stream *stream, size_t most)
{
    struct radix_at at = {0};

    reply_text(ctx, "groups");
    reply_array(ctx, xinfo_group_count(stream));
    if (stream->groups == NULL)
        return;
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at)) {
        const struct stream_group *group = at.value;

        reply_map(ctx, 7);
        reply_text(ctx, "name");
        reply_bulk(ctx, at.key);
        xinfo_progress(ctx, stream, group);
        xinfo_count(ctx, "pel-count", radix_count(group->pending));
        reply_text(ctx, "pending");
        xinfo_pending(ctx, group->pending, most, true);
        reply_text(ctx, "consumers");
        xinfo_consumers_in_full(ctx, group, most);
    }
    radix_at_free(&at);
}

/* FULL [COUNT n], or nothing. False if an error was replied. */
static bool xinfo_options(struct ctx *ctx, size_t *most)
{
    int64_t count;

    *most = XINFO_COUNT;
    if (ctx->argc == 3)
        return true;
    if ((ctx->argc != 4 && ctx->argc != 6) || !ctx_arg_is(ctx, 3, "full") ||
        (ctx->argc == 6 && !ctx_arg_is(ctx, 4, "count"))) {
        stream_bad_subcommand(ctx, "XINFO");
        return false;
    }
    if (ctx->argc == 4)
        return true;
    if (!arg_i64(ctx, ctx->argv[5], &count))
        return false;
    if (count == 0)
        *most = SIZE_MAX;
    else if (count > 0)
        *most = (size_t)count;
    return true;
}

static void xinfo_stream_run(struct ctx *ctx)
{
    struct stream *stream;
    bool full = ctx->argc > 3;
    size_t most;

    if (!xinfo_find(ctx, &stream) || !xinfo_options(ctx, &most))
        return;
    reply_map(ctx, full ? 9 : 10);
    xinfo_count(ctx, "length", stream->length);
    xinfo_count(ctx, "radix-tree-keys", radix_count(stream->nodes));
    xinfo_count(ctx, "radix-tree-nodes", radix_nodes(stream->nodes));
    xinfo_id(ctx, "last-generated-id", stream->last_id);
    xinfo_id(ctx, "max-deleted-entry-id", stream->max_deleted_id);
    xinfo_count(ctx, "entries-added", stream->entries_added);
    xinfo_id(ctx, "recorded-first-entry-id", stream->first_id);
    if (full) {
        reply_text(ctx, "entries");
        stream_reply_range(ctx, stream, STREAM_ID_MIN, STREAM_ID_MAX, false, most);
        xinfo_groups_in_full(ctx, stream, most);
        return;
    }
    xinfo_count(ctx, "groups", xinfo_group_count(stream));
    xinfo_end(ctx, "first-entry", stream, false);
    xinfo_end(ctx, "last-entry", stream, true);
}

/* --- XINFO GROUPS, CONSUMERS ------------------------------------------------------------------ */

static void xinfo_groups_run(struct ctx *ctx)
{
    struct radix_at at = {0};
    struct stream *stream;

    if (!xinfo_find(ctx, &stream))
        return;
    reply_array(ctx, xinfo_group_count(stream));
    if (stream->groups == NULL)
        return;
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at)) {
        const struct stream_group *group = at.value;

        reply_map(ctx, 6);
        reply_text(ctx, "name");
        reply_bulk(ctx, at.key);
        xinfo_count(ctx, "consumers", radix_count(group->consumers));
        xinfo_count(ctx, "pending", radix_count(group->pending));
        xinfo_progress(ctx, stream, group);
    }
    radix_at_free(&at);
}

static void xinfo_consumers_run(struct ctx *ctx)
{
    struct slice key = ctx->argv[2], name = ctx->argv[3];
    const struct stream_group *group;
    struct radix_at at = {0};
    struct stream *stream;

    if (!xinfo_find(ctx, &stream))
        return;
    group = stream_group_find(stream, name);
    if (group == NULL) {
        reply_error(ctx, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                    (int)name.len, name.data, (int)key.len, key.data);
        return;
    }
    reply_array(ctx, radix_count(group->consumers));
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at)) {
        const struct stream_consumer *consumer = at.value;

        reply_map(ctx, 4);
        reply_text(ctx, "name");
        reply_bulk(ctx, at.key);
        xinfo_count(ctx, "pending", radix_count(consumer->pending));
        xinfo_ago(ctx, "idle", consumer->seen_ms);
        xinfo_ago(ctx, "inactive", consumer->active_ms);
    }
    radix_at_free(&at);
}

static void xinfo_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "CONSUMERS <key> <groupname>",
        "    Answer the consumers of a group, with what is pending for each.",
        "GROUPS <key>",
        "    Answer the groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Answer what a stream is made of; with FULL all that its groups know.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static const char *const xinfo_chance[] = {"nondeterministic_output", NULL};
static const char *const xinfo_stream_history[] = {
    "6.0.0", "FULL.", "7.0.0",
    "max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag.",
    "7.2.0", "active-time.", NULL};
static const char *const xinfo_consumers_history[] = {"7.2.0", "inactive.", NULL};
static const char *const xinfo_groups_history[] = {"7.0.0", "entries-read and lag.", NULL};

static const struct command xinfo_subcommands[] = {
    {.name = "stream",
     .run = xinfo_stream_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1), and O(N) for N items that FULL shows.",
     .summary = "Answers what a stream is made of.",
     .syntax = "key:key [full{[count:integer@COUNT]}@FULL]",
     .history = xinfo_stream_history},
    {.name = "groups",
     .run = xinfo_groups_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N groups.",
     .summary = "Answers the groups of a stream.",
     .syntax = "key:key",
     .history = xinfo_groups_history},
    {.name = "consumers",
     .run = xinfo_consumers_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N consumers.",
     .summary = "Answers the consumers of a group.",
     .syntax = "key:key groupname:string",
     .history = xinfo_consumers_history,
     .tips = xinfo_chance},
    ROW_HELP(xinfo_help_run, CATEGORY_STREAM, "stream", "5.0.0"),
    {.name = NULL},
};

const struct command commands_stream_info[] = {
    {.name = "xinfo",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands that look at streams and their groups.",
     .subcommands = xinfo_subcommands},
    {.name = NULL},
};
