/* MEMORY USAGE: what a key takes. */
#include "core/cmd/rows.h"
#include "core/ctx.h"

static void memory_usage_run(struct ctx *ctx)
{
    const struct entry *entry;
    int64_t samples;

    /* Sizes are known without looking at samples; how many is checked as ever. */
    for (int at = 3; at < ctx->argc; at++) {
        if (!ctx_arg_is(ctx, at, "samples") || at + 1 >= ctx->argc) {
            reply_syntax_error(ctx);
            return;
        }
        if (!arg_i64(ctx, ctx->argv[++at], &samples))
            return;
        if (samples < 0) {
            reply_syntax_error(ctx);
            return;
        }
    }
    entry = ctx_find(ctx, ctx->argv[2], LOOKUP_PEEK).entry;
    if (entry == NULL)
        reply_null(ctx);
    else
        reply_int(ctx, (int64_t)entry_memory(entry));
}

static void memory_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "USAGE <key> [SAMPLES <count>]",
        "    Answer how many bytes <key> and its value take. The figure is exact whatever",
        "    <count> is, which is there for compatibility.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static const struct command memory_subcommands[] = {
    {.name = "usage",
     .run = memory_usage_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many bytes a key and its value take.",
     .syntax = "key:key [count:integer@SAMPLES]"},
    ROW_HELP(memory_help_run, 0, "server", "4.0.0"),
    {.name = NULL},
};

const struct command commands_memory[] = {
    {.name = "memory",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "4.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands that tell about memory.",
     .subcommands = memory_subcommands},
    {.name = NULL},
};
