/* SUBSCRIBE and its kin, PUBLISH, PUBSUB. */
#include "core/pubsub.h"

#include "core/base/glob.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

static void subscribe_each(struct ctx *ctx, enum pubsub_kind kind)
{
    for (int i = 1; i < ctx->argc; i++)
        pubsub_subscribe(ctx, kind, ctx->argv[i]);
}

static void unsubscribe_each(struct ctx *ctx, enum pubsub_kind kind)
{
    if (ctx->argc == 1)
        pubsub_unsubscribe_all(ctx, kind);
    for (int i = 1; i < ctx->argc; i++)
        pubsub_unsubscribe(ctx, kind, ctx->argv[i]);
}

static void subscribe_run(struct ctx *ctx)
{
    subscribe_each(ctx, PUBSUB_CHANNEL);
}

static void psubscribe_run(struct ctx *ctx)
{
    subscribe_each(ctx, PUBSUB_PATTERN);
}

/* Unlike the other two, not in a transaction. */
static void ssubscribe_run(struct ctx *ctx)
{
    if (ctx->may_not_block)
        reply_error(ctx, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    else
        subscribe_each(ctx, PUBSUB_SHARD);
}

static void unsubscribe_run(struct ctx *ctx)
{
    unsubscribe_each(ctx, PUBSUB_CHANNEL);
}

static void punsubscribe_run(struct ctx *ctx)
{
    unsubscribe_each(ctx, PUBSUB_PATTERN);
}

static void sunsubscribe_run(struct ctx *ctx)
{
    unsubscribe_each(ctx, PUBSUB_SHARD);
}

static void publish_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)pubsub_publish(ctx->engine, false, ctx->argv[1], ctx->argv[2]));
}

static void spublish_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)pubsub_publish(ctx->engine, true, ctx->argv[1], ctx->argv[2]));
}

/* --- PUBSUB ---------------------------------------------------------------------------------- */

struct listing {
    struct ctx *ctx;
    const struct slice *pattern; /* NULL: all */
    size_t count;
    bool replies; /* else it counts */
};

static void list_name(void *env, struct slice name)
{
    struct listing *listing = env;
    if (listing->pattern && !glob_match(*listing->pattern, name))
        return;
    listing->count++;
    if (listing->replies)
        reply_bulk(listing->ctx, name);
}

static void list_names(struct ctx *ctx, enum pubsub_kind kind)
{
    if (ctx->argc > 3) {
        reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                         "Try PUBSUB HELP.",
                    ctx->argv[1].len > 128 ? 128 : (int)ctx->argv[1].len, ctx->argv[1].data);
        return;
    }
    struct listing listing = {.ctx = ctx, .pattern = ctx->argc == 3 ? &ctx->argv[2] : NULL};
    pubsub_each(ctx->engine, kind, list_name, &listing);
    reply_array(ctx, listing.count);
    listing.replies = true;
    pubsub_each(ctx->engine, kind, list_name, &listing);
}

static void count_listeners(struct ctx *ctx, enum pubsub_kind kind)
{
    reply_array(ctx, 2 * ((size_t)ctx->argc - 2));
    for (int i = 2; i < ctx->argc; i++) {
        reply_bulk(ctx, ctx->argv[i]);
        reply_int(ctx, (int64_t)pubsub_listeners(ctx->engine, kind, ctx->argv[i]));
    }
}

static void channels_run(struct ctx *ctx)
{
    list_names(ctx, PUBSUB_CHANNEL);
}

static void shardchannels_run(struct ctx *ctx)
{
    list_names(ctx, PUBSUB_SHARD);
}

static void numsub_run(struct ctx *ctx)
{
    count_listeners(ctx, PUBSUB_CHANNEL);
}

static void shardnumsub_run(struct ctx *ctx)
{
    count_listeners(ctx, PUBSUB_SHARD);
}

static void numpat_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)pubsub_names(ctx->engine, PUBSUB_PATTERN));
}

static void help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "CHANNELS [<pattern>]",
        "    Answer the channels that somebody listens to and that match <pattern>.",
        "NUMPAT",
        "    Answer how many patterns are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Answer how many listen to each channel, patterns not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    As CHANNELS, of shard channels.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    As NUMSUB, of shard channels.",
    };
    reply_help(ctx, lines, sizeof lines / sizeof lines[0]);
}

/* --- Rows ------------------------------------------------------------------------------------ */

#define LISTEN_FLAGS (COMMAND_PUBSUB | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE)
#define PUBSUB_FLAGS (COMMAND_PUBSUB | COMMAND_LOADING | COMMAND_STALE)

#define PUBSUB_ROW(row_name, row_run, row_arity, row_since, row_complexity, row_summary,           \
                   row_syntax)                                                                     \
    {.name = row_name, .run = row_run, .arity = row_arity, .record = RECORD_NOTHING,               \
     .flags = PUBSUB_FLAGS, .group = "pubsub", .since = row_since, .complexity = row_complexity,   \
     .summary = row_summary, .syntax = row_syntax}

static const struct command subcommands[] = {
    PUBSUB_ROW("channels", channels_run, -2, "2.8.0",
               "O(N) where N is the number of active channels, and assuming constant time pattern "
               "matching (relatively short channels and patterns)",
               "Answers the channels that somebody listens to.", "[pattern:pattern]"),
    PUBSUB_ROW("numpat", numpat_run, 2, "2.8.0", "O(1)",
               "Answers how many patterns are subscribed to.", NULL),
    PUBSUB_ROW("numsub", numsub_run, -2, "2.8.0",
               "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
               "Answers how many listen to each channel.", "[channel:string...]"),
    PUBSUB_ROW("shardchannels", shardchannels_run, -2, "7.0.0",
               "O(N) where N is the number of active shard channels, and assuming constant time "
               "pattern matching (relatively short shard channels).",
               "Answers the shard channels that somebody listens to.", "[pattern:pattern]"),
    PUBSUB_ROW("shardnumsub", shardnumsub_run, -2, "7.0.0",
               "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard "
               "channels",
               "Answers how many listen to each shard channel.", "[shardchannel:string...]"),
    {.name = "help",
     .run = help_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_LOADING | COMMAND_STALE,
     .group = "pubsub",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Explains the subcommands."},
    {.name = NULL},
};

#define LISTEN_ROW(row_name, row_run, row_arity, row_channels, row_since, row_complexity,          \
                   row_summary, row_syntax)                                                        \
    {.name = row_name, .run = row_run, .arity = row_arity, .channels = row_channels,               \
     .flags = LISTEN_FLAGS | COMMAND_WHILE_SUBSCRIBED, .group = "pubsub", .since = row_since,      \
     .complexity = row_complexity, .summary = row_summary, .syntax = row_syntax}

const struct command commands_pubsub[] = {
    LISTEN_ROW("subscribe", subscribe_run, -2, CHANNELS_ALL, "2.0.0",
               "O(N) where N is the number of channels to subscribe to.",
               "Listens to channels.", "channel:string..."),
    LISTEN_ROW("unsubscribe", unsubscribe_run, -1, CHANNELS_NONE, "2.0.0",
               "O(N) where N is the number of clients already subscribed to a channel.",
               "Stops listening to channels.", "[channel:string...]"),
    LISTEN_ROW("psubscribe", psubscribe_run, -2, CHANNELS_PATTERNS, "2.0.0",
               "O(N) where N is the number of patterns the client is already subscribed to.",
               "Listens to all channels that match patterns.", "pattern{pattern:pattern}..."),
    LISTEN_ROW("punsubscribe", punsubscribe_run, -1, CHANNELS_NONE, "2.0.0",
               "O(N+M) where N is the number of patterns the client is already subscribed and M "
               "is the number of total patterns subscribed in the system (by any client).",
               "Stops listening to patterns.", "[pattern:pattern...]"),
    {.name = "ssubscribe",
     .run = ssubscribe_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .channels = CHANNELS_ALL,
     .flags = LISTEN_FLAGS | COMMAND_WHILE_SUBSCRIBED,
     .keys = KEYS_EACH(KEY_NOT_KEY),
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of shard channels to subscribe to.",
     .summary = "Listens to shard channels.",
     .syntax = "shardchannel:string..."},
    {.name = "sunsubscribe",
     .run = sunsubscribe_run,
     .arity = -1,
     .record = RECORD_NOTHING,
     .flags = LISTEN_FLAGS | COMMAND_WHILE_SUBSCRIBED,
     .keys = KEYS_EACH(KEY_NOT_KEY),
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of clients already subscribed to a shard channel.",
     .summary = "Stops listening to shard channels.",
     .syntax = "[shardchannel:string...]"},
    {.name = "publish",
     .run = publish_run,
     .channels = CHANNELS_FIRST,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = PUBSUB_FLAGS | COMMAND_FAST | COMMAND_MAY_REPLICATE,
     .group = "pubsub",
     .since = "2.0.0",
     .complexity = "O(N+M) where N is the number of clients subscribed to the receiving channel "
                   "and M is the total number of subscribed patterns (by any client).",
     .summary = "Sends a message to all who listen to a channel.",
     .syntax = "channel:string message:string"},
    {.name = "spublish",
     .run = spublish_run,
     .channels = CHANNELS_FIRST,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = PUBSUB_FLAGS | COMMAND_FAST | COMMAND_MAY_REPLICATE,
     .keys = KEYS_ONE(KEY_NOT_KEY),
     .group = "pubsub",
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of clients subscribed to the receiving shard "
                   "channel.",
     .summary = "Sends a message to all who listen to a shard channel.",
     .syntax = "shardchannel:string message:string"},
    {.name = "pubsub",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "pubsub",
     .since = "2.8.0",
     .complexity = "Depends on subcommand.",
     .summary = "Commands that tell of channels and listeners.",
     .subcommands = subcommands},
    {.name = NULL},
};
