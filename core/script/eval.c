/* EVAL and its kin, SCRIPT. */
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/script/cache.h"
#include "core/script/run.h"
#include "core/script/scripts.h"

/* The number of keys, argument 2; false if an error was replied. */
static bool read_key_count(struct ctx *ctx, int *count)
{
    int64_t number;
    if (!arg_i64(ctx, ctx->argv[2], &number))
        return false;
    if (number > ctx->argc - 3) {
        reply_error(ctx, "ERR Number of keys can't be greater than number of args");
        return false;
    }
    if (number < 0) {
        reply_error(ctx, "ERR Number of keys can't be negative");
        return false;
    }
    *count = (int)number;
    return true;
}

static void run(struct ctx *ctx, const struct script *script, int keys, bool read_only)
{
    struct scripts *scripts = scripts_of(ctx);
    uint32_t flags = script->flags;
    if (run_refused(ctx, flags, read_only))
        return;
    if (read_only)
        flags |= SCRIPT_NO_WRITES;
    const struct slice *first = ctx->argv + 3;
    run_script(ctx, &scripts->eval, script->reference, (struct slice){script->sha, 40}, flags, keys,
               first, ctx->argc - 3 - keys, first + keys);
}

static void eval(struct ctx *ctx, bool read_only)
{
    int keys;
    if (!read_key_count(ctx, &keys))
        return;
    struct script *script = cache_get(ctx, scripts_of(ctx)->cache, ctx->argv[1], false);
    if (script)
        run(ctx, script, keys, read_only);
}

static void evalsha(struct ctx *ctx, bool read_only)
{
    int keys;
    struct cache *cache = scripts_of(ctx)->cache;
    if (ctx->argv[1].len != 40) {
        reply_error(ctx, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    if (!read_key_count(ctx, &keys))
        return;
    struct script *script = cache_find(cache, ctx->argv[1]);
    if (!script) {
        reply_error(ctx, "NOSCRIPT No matching script. Please use EVAL.");
        return;
    }
    cache_used(cache, script);
    run(ctx, script, keys, read_only);
}

static void eval_run(struct ctx *ctx)
{
    eval(ctx, false);
}

static bool eval_only_reads(struct ctx *ctx)
{
    return cache_only_reads(scripts_of(ctx)->cache, ctx->arena, ctx->argv[1]);
}

static void eval_ro_run(struct ctx *ctx)
{
    eval(ctx, true);
}

static void evalsha_run(struct ctx *ctx)
{
    evalsha(ctx, false);
}

static bool evalsha_only_reads(struct ctx *ctx)
{
    const struct script *script = cache_find(scripts_of(ctx)->cache, ctx->argv[1]);
    return script && script->flags & SCRIPT_NO_WRITES;
}

static void evalsha_ro_run(struct ctx *ctx)
{
    evalsha(ctx, true);
}

/* ---- SCRIPT ---- */

static void load_run(struct ctx *ctx)
{
    struct script *script = cache_get(ctx, scripts_of(ctx)->cache, ctx->argv[2], true);
    if (script)
        reply_bulk(ctx, (struct slice){script->sha, 40});
}

static void exists_run(struct ctx *ctx)
{
    struct cache *cache = scripts_of(ctx)->cache;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++)
        reply_int(ctx, cache_find(cache, ctx->argv[i]) != NULL);
}

static void flush_run(struct ctx *ctx)
{
    bool known = ctx->argc == 2 || (ctx->argc == 3 && (ctx_arg_is(ctx, 2, "sync") ||
                                                       ctx_arg_is(ctx, 2, "async")));
    if (!known) {
        reply_error(ctx, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    scripts_reset_eval(scripts_of(ctx));
    reply_ok(ctx);
}

static void kill_run(struct ctx *ctx)
{
    run_kill(ctx, false);
}

static void show_run(struct ctx *ctx)
{
    const struct script *script = cache_find(scripts_of(ctx)->cache, ctx->argv[2]);
    if (script)
        reply_bulk(ctx, (struct slice){script->body, script->len});
    else
        reply_error(ctx, "NOSCRIPT No matching script.");
}

static void debug_run(struct ctx *ctx)
{
    if (ctx_arg_is(ctx, 2, "no"))
        reply_ok(ctx);
    else if (ctx_arg_is(ctx, 2, "yes") || ctx_arg_is(ctx, 2, "sync"))
        reply_error(ctx, "ERR There is no debugger for scripts in kv");
    else
        reply_error(ctx, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

static void help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "DEBUG (YES|SYNC|NO)",
        "    There is no debugger: NO is accepted.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Tell of each script whether it is known.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all scripts.",
        "KILL",
        "    End the script that runs, if it has written nothing.",
        "LOAD <script>",
        "    Compile a script and keep it.",
        "SHOW <sha1>",
        "    Answer the text of a script.",
    };
    reply_help(ctx, lines, sizeof lines / sizeof lines[0]);
}

/* --- Rows ------------------------------------------------------------------------------------ */

#define EVAL_FLAGS                                                                                 \
    (COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_SKIP_MONITOR | COMMAND_NO_MANDATORY_KEYS |         \
     COMMAND_MOVABLE_KEYS | COMMAND_RUNS_SCRIPT)
#define EVAL_KEYS(key_flags)                                                                       \
    {{.flags = (key_flags), .first = 2, .keynum_first = 1, .keynum_step = 1}}
#define EVAL_ROW(row_name, row_run, row_reads, row_flags, row_keys, row_since, row_summary,        \
                 row_syntax)                                                                       \
    {.name = row_name, .run = row_run, .only_reads = row_reads, .arity = -3,                       \
     .record = RECORD_EFFECTS,                                                                     \
     .flags = EVAL_FLAGS | (row_flags), .categories = CATEGORY_SCRIPTING,                          \
     .keys = EVAL_KEYS(row_keys), .group = "scripting", .since = row_since,                        \
     .complexity = "That of what the script does.", .summary = row_summary, .syntax = row_syntax}
#define EVAL_SYNTAX "numkeys:integer [key:key...] [arg:string...]"
#define SCRIPT_ROW(row_name, row_run, row_arity, row_flags, row_since, row_complexity,             \
                   row_summary, row_syntax, row_tips)                                              \
    {.name = row_name, .run = row_run, .arity = row_arity, .record = RECORD_NOTHING,               \
     .flags = row_flags, .categories = CATEGORY_SCRIPTING, .group = "scripting",                   \
     .since = row_since, .complexity = row_complexity, .summary = row_summary,                     \
     .syntax = row_syntax, .tips = row_tips}

static const char *const every_node[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};
static const char *const any_shard[] = {"request_policy:all_shards",
                                        "response_policy:one_succeeded", NULL};
static const char *const all_shards[] = {"request_policy:all_shards",
                                         "response_policy:agg_logical_and", NULL};
static const char *const flush_history[] = {"6.2.0", "Takes `ASYNC` and `SYNC`.", NULL};

static const struct command subcommands[] = {
    SCRIPT_ROW("load", load_run, 3, COMMAND_NOSCRIPT | COMMAND_STALE, "2.6.0",
               "O(N) for N bytes of the script.", "Compiles a script and keeps it.",
               "script:string", every_node),
    SCRIPT_ROW("exists", exists_run, -3, COMMAND_NOSCRIPT, "2.6.0", "O(N) for N scripts.",
               "Tells of scripts whether they are known.", "sha1:string...", all_shards),
    {.name = "flush",
     .run = flush_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_NOSCRIPT,
     .categories = CATEGORY_SCRIPTING,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "O(N) for N scripts.",
     .summary = "Forgets all scripts.",
     .syntax = "[async(async=ASYNC|sync=SYNC)^6.2.0]",
     .history = flush_history,
     .tips = every_node},
    SCRIPT_ROW("kill", kill_run, 2, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY | COMMAND_NO_HOLD,
               "2.6.0", "O(1)", "Ends the script that runs.", NULL, any_shard),
    SCRIPT_ROW("debug", debug_run, 3, COMMAND_NOSCRIPT, "3.2.0", "O(1)",
               "Would choose a debugger; there is none.", "mode(yes=YES|sync=SYNC|no=NO)", NULL),
    SCRIPT_ROW("show", show_run, 3, COMMAND_NOSCRIPT, "8.0.0", "O(1)",
               "Answers the text of a script.", "sha1:string", NULL),
    SCRIPT_ROW("help", help_run, 2, COMMAND_LOADING | COMMAND_STALE, "5.0.0", "O(1)",
               "Explains the subcommands.", NULL, NULL),
    {.name = NULL},
};

const struct command commands_eval[] = {
    EVAL_ROW("eval", eval_run, eval_only_reads, 0, KEY_RW | KEY_ACCESS | KEY_UPDATE, "2.6.0",
             "Runs a script.", "script:string " EVAL_SYNTAX),
    EVAL_ROW("evalsha", evalsha_run, evalsha_only_reads, 0, KEY_RW | KEY_ACCESS | KEY_UPDATE,
             "2.6.0", "Runs a script that is known, by its SHA-1.", "sha1:string " EVAL_SYNTAX),
    EVAL_ROW("eval_ro", eval_ro_run, NULL, COMMAND_READONLY, KEY_RO | KEY_ACCESS, "7.0.0",
             "Runs a script that may not write.", "script:string " EVAL_SYNTAX),
    EVAL_ROW("evalsha_ro", evalsha_ro_run, NULL, COMMAND_READONLY, KEY_RO | KEY_ACCESS, "7.0.0",
             "Runs a script that is known and may not write.", "sha1:string " EVAL_SYNTAX),
    {.name = "script",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "scripting",
     .since = "2.6.0",
     .complexity = "Depends on subcommand.",
     .summary = "Commands that manage scripts.",
     .subcommands = subcommands},
    {.name = NULL},
};
