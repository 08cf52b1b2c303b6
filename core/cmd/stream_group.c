/* XGROUP and XACK: groups of consumers, and what they have done with. All are recorded as the
 * request: "$" is the same ID when it is replayed. */
#include "core/type/stream_group.h"

#include "core/cmd/rows.h"
#include "core/cmd/stream_args.h"
#include "core/ctx.h"
#include "core/type/stream.h"

/* What a subcommand of XGROUP works on. */
struct group_target {
    struct place place;
    struct stream *stream;      /* NULL: not there, and to be made */
    struct stream_group *group; /* NULL: not there */
    int64_t entries_read;
    bool make_stream;           /* MKSTREAM */
};

static bool xgroup_options(struct ctx *ctx, bool create, struct group_target *target)
{
    target->entries_read = STREAM_READ_UNKNOWN;
    if (ctx->argc > (create ? 8 : 7)) { /* room for each option once */
        stream_bad_subcommand(ctx, "XGROUP");
        return false;
    }
    for (int at = 5; at < ctx->argc; at++) {
        if (create && ctx_arg_is(ctx, at, "mkstream")) {
            target->make_stream = true;
        } else if (at + 1 < ctx->argc && ctx_arg_is(ctx, at, "entriesread")) {
            if (!arg_i64(ctx, ctx->argv[++at], &target->entries_read))
                return false;
            if (target->entries_read < STREAM_READ_UNKNOWN) {
                reply_error(ctx, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            stream_bad_subcommand(ctx, "XGROUP");
            return false;
        }
    }
    return true;
}

/* Find the stream and, if `must_exist`, the group. False if an error was replied. */
static bool xgroup_find(struct ctx *ctx, bool must_exist, struct group_target *target)
{
    struct slice key = ctx->argv[2], name = ctx->argv[3];

    if (!stream_find(ctx, key, true, &target->place, &target->stream))
        return false;
    if (target->stream == NULL && !target->make_stream) {
        reply_error(ctx, "ERR The XGROUP subcommand requires the key to exist. Note that for "
                         "CREATE you may want to use the MKSTREAM option to create an empty "
                         "stream automatically.");
        return false;
    }
    if (target->stream != NULL)
        target->group = stream_group_find(target->stream, name);
    if (target->group != NULL || !must_exist)
        return true;
    reply_error(ctx, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", (int)name.len,
                name.data, (int)key.len, key.data);
    return false;
}

static void xgroup_changed(struct ctx *ctx, struct group_target *target, const char *event)
{
    ctx_change_end(ctx, &target->place, target->place.entry);
    ctx_event(ctx, 't', event, ctx->db, ctx->argv[2]);
}

/* The ID in argument 4: "$" is the last one of the stream. */
static bool xgroup_id(struct ctx *ctx, const struct stream *stream, struct stream_id *id)
{
    if (!slice_equal(ctx->argv[4], SLICE("$")))
        return stream_arg_id(ctx, ctx->argv[4], 0, NULL, id);
    *id = stream == NULL ? STREAM_ID_MIN : stream->last_id;
    return true;
}

static void xgroup_create_run(struct ctx *ctx)
{
    struct group_target target = {.stream = NULL};
    struct stream_id id;

    if (!xgroup_options(ctx, true, &target) || !xgroup_find(ctx, false, &target) ||
        !xgroup_id(ctx, target.stream, &id))
        return;
    if (target.group != NULL) {
        reply_error(ctx, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    if (target.stream == NULL) {
        target.stream = stream_new();
        ctx_put(ctx, &target.place,
                entry_new_value(ctx->argv[2], TYPE_STREAM, ENCODING_STREAM, target.stream,
                                ENTRY_NO_DEADLINE));
    }
    ctx_change_begin(ctx, &target.place);
    (void)stream_group_new(target.stream, ctx->argv[3], id, target.entries_read);
    xgroup_changed(ctx, &target, "xgroup-create");
    reply_ok(ctx);
}

static void xgroup_setid_run(struct ctx *ctx)
{
    struct group_target target = {.stream = NULL};
    struct stream_id id;

    if (!xgroup_options(ctx, false, &target) || !xgroup_find(ctx, true, &target))
        return;
    if (slice_equal(ctx->argv[4], SLICE("-")))
        id = STREAM_ID_MIN;
    else if (slice_equal(ctx->argv[4], SLICE("+")))
        id = STREAM_ID_MAX;
    else if (!xgroup_id(ctx, target.stream, &id))
        return;
    ctx_change_begin(ctx, &target.place);
    stream_group_before(target.stream, target.group);
    target.group->last_id = id;
    target.group->entries_read = target.entries_read;
    xgroup_changed(ctx, &target, "xgroup-setid");
    reply_ok(ctx);
}

static void xgroup_destroy_run(struct ctx *ctx)
{
    struct group_target target = {.stream = NULL};

    if (!xgroup_find(ctx, false, &target))
        return;
    if (target.group != NULL) {
        ctx_change_begin(ctx, &target.place);
        (void)stream_group_remove(target.stream, ctx->argv[3]);
        xgroup_changed(ctx, &target, "xgroup-destroy");
    }
    reply_int(ctx, target.group != NULL);
}

static void xgroup_createconsumer_run(struct ctx *ctx)
{
    struct group_target target = {.stream = NULL};
    bool is_new;

    if (!xgroup_find(ctx, true, &target))
        return;
    is_new = stream_consumer_find(target.group, ctx->argv[4]) == NULL;
    if (is_new) {
        ctx_change_begin(ctx, &target.place);
        (void)stream_consumer_new(target.stream, target.group, ctx->argv[4], ctx->now_ms);
        xgroup_changed(ctx, &target, "xgroup-createconsumer");
    }
    reply_int(ctx, is_new);
}

static void xgroup_delconsumer_run(struct ctx *ctx)
{
    struct group_target target = {.stream = NULL};
    struct stream_consumer *consumer;
    size_t pending = 0;

    if (!xgroup_find(ctx, true, &target))
        return;
    consumer = stream_consumer_find(target.group, ctx->argv[4]);
    if (consumer != NULL) {
        pending = radix_count(consumer->pending);
        ctx_change_begin(ctx, &target.place);
        stream_consumer_remove(target.stream, target.group, consumer);
        xgroup_changed(ctx, &target, "xgroup-delconsumer");
    }
    reply_int(ctx, (int64_t)pending);
}

static void xgroup_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a group that begins behind <id>, or at the end of the stream. Options are:",
        "    * MKSTREAM",
        "      Make the stream if it is not there.",
        "    * ENTRIESREAD entries_read",
        "      How many entries the group is taken to have read.",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer in the group.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Remove the consumer, with what is pending for it.",
        "DESTROY <key> <groupname>",
        "    Remove the group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set the ID behind which the group goes on.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static void xack_run(struct ctx *ctx)
{
    struct stream_id *ids = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof(*ids));
    struct group_target target = {.stream = NULL};
    int64_t done = 0;

    if (!stream_find(ctx, ctx->argv[1], false, &target.place, &target.stream))
        return;
    if (target.stream != NULL)
        target.group = stream_group_find(target.stream, ctx->argv[2]);
    if (target.group == NULL) {
        reply_int(ctx, 0);
        return;
    }
    for (int i = 3; i < ctx->argc; i++)
        if (!stream_arg_id(ctx, ctx->argv[i], 0, NULL, &ids[i]))
            return;
    for (int i = 3; i < ctx->argc; i++) {
        if (stream_pending_find(target.group, ids[i]) == NULL)
            continue;
        if (done++ == 0)
            ctx_change_begin(ctx, &target.place);
        (void)stream_pending_remove(target.stream, target.group, ids[i]);
    }
    if (done > 0)
        ctx_change_end(ctx, &target.place, target.place.entry);
    reply_int(ctx, done);
}

static const char *const xgroup_history[] = {"7.0.0", "ENTRIESREAD.", NULL};

static const struct command xgroup_subcommands[] = {
    {.name = "create",
     .run = xgroup_create_run,
     .arity = -5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RW | KEY_INSERT),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Makes a group of consumers.",
     .syntax = "key:key groupname:string id(id:string|new_id=$) [mkstream=MKSTREAM] "
               "[entries_read:integer@ENTRIESREAD]",
     .history = xgroup_history},
    {.name = "setid",
     .run = xgroup_setid_run,
     .arity = -5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RW | KEY_UPDATE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Sets the ID behind which a group goes on.",
     .syntax = "key:key groupname:string id(id:string|new_id=$) "
               "[entries_read:integer@ENTRIESREAD]",
     .history = xgroup_history},
    {.name = "destroy",
     .run = xgroup_destroy_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RW | KEY_DELETE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries that are pending.",
     .summary = "Removes a group of consumers.",
     .syntax = "key:key groupname:string"},
    {.name = "createconsumer",
     .run = xgroup_createconsumer_run,
     .arity = 5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RW | KEY_INSERT),
     .group = "stream",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Makes a consumer in a group.",
     .syntax = "key:key groupname:string consumername:string"},
    {.name = "delconsumer",
     .run = xgroup_delconsumer_run,
     .arity = 5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_SECOND(KEY_RW | KEY_DELETE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries that are pending for it.",
     .summary = "Removes a consumer from a group.",
     .syntax = "key:key groupname:string consumername:string"},
    ROW_HELP(xgroup_help_run, CATEGORY_STREAM, "stream", "5.0.0"),
    {.name = NULL},
};

const struct command commands_stream_group[] = {
    {.name = "xgroup",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "stream",
     .since = "5.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands that change groups of consumers.",
     .subcommands = xgroup_subcommands},
    {.name = "xack",
     .run = xack_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1) for each ID.",
     .summary = "Tells that a consumer has done with entries: they are not pending any more.",
     .syntax = "key:key group:string id:string..."},
    {.name = NULL},
};
