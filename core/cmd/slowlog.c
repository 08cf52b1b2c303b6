/* COMMANDLOG: what took long, or was large; and SLOWLOG, the first of its logs by its old name. */
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
    reply_int(ctx, (int64_t)entry->cost);
    reply_array(ctx, (size_t)entry->argc);
    for (int i = 0; i < entry->argc; i++)
        reply_bulk(ctx, entry->argv[i]);
    reply_bulk(ctx, entry->address);
    reply_bulk(ctx, entry->name);
}

static void reply_entries(struct ctx *ctx, enum slowlog_kind kind, int64_t count)
{
    const struct slow_entry *entry = slowlog_first(ctx->engine->slowlog, kind);
    int64_t len = (int64_t)slowlog_len(ctx->engine->slowlog, kind);
    if (count == -1 || count > len)
        count = len;
    reply_array(ctx, (size_t)count);
    for (; count > 0; count--, entry = entry->older)
        reply_entry(ctx, entry);
}

/* False: answered with an error. */
static bool read_count(struct ctx *ctx, struct slice word, int64_t *count)
{
    if (num_parse_i64(word, count) && *count >= -1)
        return true;
    reply_error(ctx, "ERR count should be greater than or equal to -1");
    return false;
}

static void slowlog_get_run(struct ctx *ctx)
{
    int64_t count = SLOWLOG_GET_DEFAULT;

    if (ctx->argc > 3) {
        reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                         "Try SLOWLOG HELP.",
                    (int)ctx->argv[1].len, ctx->argv[1].data);
        return;
    }
    if (ctx->argc == 2 || read_count(ctx, ctx->argv[2], &count))
        reply_entries(ctx, SLOWLOG_SLOW, count);
}

static void slowlog_len_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)slowlog_len(ctx->engine->slowlog, SLOWLOG_SLOW));
}

static void slowlog_reset_run(struct ctx *ctx)
{
    slowlog_reset(ctx->engine->slowlog, SLOWLOG_SLOW);
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

/* The log that the last argument names, or SLOWLOG_KINDS: answered with an error. */
static enum slowlog_kind read_kind(struct ctx *ctx)
{
    static const char *const words[] = {"slow", "large-request", "large-reply"};
    for (int i = 0; i < SLOWLOG_KINDS; i++)
        if (slice_is(ctx->argv[ctx->argc - 1], words[i]))
            return (enum slowlog_kind)i;
    reply_error(ctx, "ERR type should be one of the following: slow, large-request, large-reply");
    return SLOWLOG_KINDS;
}

static void commandlog_get_run(struct ctx *ctx)
{
    enum slowlog_kind kind = read_kind(ctx);
    int64_t count;
    if (kind != SLOWLOG_KINDS && read_count(ctx, ctx->argv[2], &count))
        reply_entries(ctx, kind, count);
}

static void commandlog_len_run(struct ctx *ctx)
{
    enum slowlog_kind kind = read_kind(ctx);
    if (kind != SLOWLOG_KINDS)
        reply_int(ctx, (int64_t)slowlog_len(ctx->engine->slowlog, kind));
}

static void commandlog_reset_run(struct ctx *ctx)
{
    enum slowlog_kind kind = read_kind(ctx);
    if (kind == SLOWLOG_KINDS)
        return;
    slowlog_reset(ctx->engine->slowlog, kind);
    reply_ok(ctx);
}

static void commandlog_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "GET <count> <type>",
        "    Answer the last <count> entries (all with -1), the newest first. Each is: its number,",
        "    when it was (seconds), what it cost, the words, the address of the client and its",
        "    name. The cost is in microseconds (slow), or bytes (large-request, large-reply).",
        "LEN <type>",
        "    Answer how many entries there are.",
        "RESET <type>",
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

#define LOG_ROW(row_name, row_run, row_arity, row_complexity, row_summary, row_syntax, row_tips) \
    {.name = (row_name), .run = (row_run), .arity = (row_arity), .record = RECORD_NOTHING, \
     .flags = SLOWLOG_FLAGS, .group = "server", .since = "8.1.0", \
     .complexity = (row_complexity), .summary = (row_summary), .syntax = (row_syntax), \
     .tips = (row_tips)}
#define TYPE_SYNTAX "type(slow=SLOW|large-request=LARGE-REQUEST|large-reply=LARGE-REPLY)"

static const struct command commandlog_subcommands[] = {
    LOG_ROW("get", commandlog_get_run, 4, "O(N) for N entries.",
            "Answers the last commands that took long, or were large.",
            "count:integer " TYPE_SYNTAX, get_tips),
    LOG_ROW("len", commandlog_len_run, 3, "O(1)", "Answers how many entries a log has.",
            TYPE_SYNTAX, len_tips),
    LOG_ROW("reset", commandlog_reset_run, 3, "O(N) for N entries.", "Empties a log.",
            TYPE_SYNTAX, reset_tips),
    ROW_HELP(commandlog_help_run, 0, "server", "8.1.0"),
    {.name = NULL},
};

const struct command commands_slowlog[] = {
    {.name = "commandlog",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "8.1.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands about the logs of commands that cost much.",
     .subcommands = commandlog_subcommands},
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
