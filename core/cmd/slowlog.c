/* SLOWLOG: what took long. */
#include "core/slowlog.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

#define SLOWLOG_GET_DEFAULT 10

static void reply_entry(struct ctx *ctx, const struct slow_entry *entry)
{
    reply_array(ctx, 6);
    reply_int(ctx, (int64_t)entry->id);
    reply_int(ctx, entry->time_s);
    reply_int(ctx, (int64_t)entry->us);
    reply_array(ctx, (size_t)entry->argc);
    for (int i = 0; i < entry->argc; i++)
        reply_bulk(ctx, entry->argv[i]);
    reply_bulk(ctx, entry->address);
    reply_bulk(ctx, entry->name);
}

static void slowlog_get_run(struct ctx *ctx)
{
    const struct slowlog *slowlog = ctx->engine->slowlog;
    const struct slow_entry *entry = slowlog_first(slowlog);
    int64_t count = SLOWLOG_GET_DEFAULT, len = (int64_t)slowlog_len(slowlog);

    if (ctx->argc > 3) {
        reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                         "Try SLOWLOG HELP.",
                    (int)ctx->argv[1].len, ctx->argv[1].data);
        return;
    }
    if (ctx->argc == 3 && (!num_parse_i64(ctx->argv[2], &count) || count < -1)) {
        reply_error(ctx, "ERR count should be greater than or equal to -1");
        return;
    }
    if (count == -1 || count > len)
        count = len;
    reply_array(ctx, (size_t)count);
    for (; count > 0; count--, entry = entry->older)
        reply_entry(ctx, entry);
}

static void slowlog_len_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)slowlog_len(ctx->engine->slowlog));
}

static void slowlog_reset_run(struct ctx *ctx)
{
    slowlog_reset(ctx->engine->slowlog);
    reply_ok(ctx);
}

static void slowlog_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "GET [<count>]",
        "    Answer the last <count> entries (10 without it, all with -1), the newest first. Each",
        "    is: its number, when it was (seconds), how long it took (microseconds), the words,",
        "    the address of the client and its name.",
        "LEN",
        "    Answer how many entries there are.",
        "RESET",
        "    Forget all entries.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

#define SLOWLOG_FLAGS (COMMAND_ADMIN | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD)

static const char *const get_tips[] = {"request_policy:all_nodes", "nondeterministic_output", NULL};
static const char *const len_tips[] = {"request_policy:all_nodes", "response_policy:agg_sum",
                                       "nondeterministic_output", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};
static const char *const get_history[] = {"4.0.0", "With the client's address and name.", NULL};

static const struct command slowlog_subcommands[] = {
    {.name = "get",
     .run = slowlog_get_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = SLOWLOG_FLAGS,
     .group = "server",
     .since = "2.2.12",
     .complexity = "O(N) for N entries.",
     .summary = "Answers the last commands that took long.",
     .syntax = "[count:integer]",
     .history = get_history,
     .tips = get_tips},
    {.name = "len",
     .run = slowlog_len_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = SLOWLOG_FLAGS,
     .group = "server",
     .since = "2.2.12",
     .complexity = "O(1)",
     .summary = "Answers how many entries the slow log has.",
     .tips = len_tips},
    {.name = "reset",
     .run = slowlog_reset_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = SLOWLOG_FLAGS,
     .group = "server",
     .since = "2.2.12",
     .complexity = "O(N) for N entries.",
     .summary = "Empties the slow log.",
     .tips = reset_tips},
    ROW_HELP(slowlog_help_run, 0, "server", "6.2.0"),
    {.name = NULL},
};

const struct command commands_slowlog[] = {
    {.name = "slowlog",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "2.2.12",
     .complexity = "That of the subcommand.",
     .summary = "Commands about the log of slow commands.",
     .subcommands = slowlog_subcommands},
    {.name = NULL},
};
