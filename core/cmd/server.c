/* The server group but for COMMAND, CONFIG and INFO: what concerns all databases, or the process.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/engine.h"
#include "core/gate.h"
#include "core/keyspace.h"
#include "core/save.h"
#include "core/session.h"

static void dbsize_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)keyspace_count(ctx->keyspace, ctx->db));
}

/* SYNC and ASYNC say who gives the memory back: this thread, or the reaper. */
static bool flush_mode(struct ctx *ctx, bool *background)
{
    *background = ctx->engine->settings->lazyfree_user_flush;
    if (ctx->argc == 1)
        return true;
    *background = ctx_arg_is(ctx, 1, "async");
    if (ctx->argc == 2 && (*background || ctx_arg_is(ctx, 1, "sync")))
        return true;
    reply_syntax_error(ctx);
    return false;
}

static bool flush(struct ctx *ctx, int db)
{
    bool background;
    if (!flush_mode(ctx, &background))
        return false;
    if (db < 0 || keyspace_count(ctx->keyspace, db) == keyspace_total(ctx->keyspace))
        save_drop(ctx->engine);
    ctx_flush(ctx, db, background);
    reply_ok(ctx);
    return true;
}

static void flushdb_run(struct ctx *ctx)
{
    flush(ctx, ctx->db);
}

static void flushall_run(struct ctx *ctx)
{
    if (flush(ctx, -1) && !ctx->replay)
        save_flushed(ctx->engine);
}

static bool swapdb_index(struct ctx *ctx, int at, const char *which, int64_t *out)
{
    if (num_parse_i64(ctx->argv[at], out) && *out >= INT32_MIN && *out <= INT32_MAX)
        return true;
    reply_error(ctx, "ERR invalid %s DB index", which);
    return false;
}

static void swapdb_run(struct ctx *ctx)
{
    int64_t a, b, count = ctx->engine->settings->databases;
    if (!swapdb_index(ctx, 1, "first", &a) || !swapdb_index(ctx, 2, "second", &b))
        return;
    if (a < 0 || b < 0 || a >= count || b >= count) {
        reply_error(ctx, "ERR DB index is out of range");
        return;
    }
    if (a != b)
        ctx_swap(ctx, (int)a, (int)b);
    reply_ok(ctx);
}

static void time_run(struct ctx *ctx)
{
    int64_t now_us = ctx->script_us;
    if (now_us == 0)
        now_us = ctx->engine->host->wall_us(ctx->engine->host->self);
    reply_array(ctx, 2);
    reply_bulk_i64(ctx, now_us / 1000000);
    reply_bulk_i64(ctx, now_us % 1000000);
}

/* ---- SHUTDOWN ---- */

struct shutdown_modes {
    bool save, no_save, now, force, abort;
};

static bool shutdown_parse(struct ctx *ctx, struct shutdown_modes *modes)
{
    for (int i = 1; i < ctx->argc; i++) {
        if (ctx_arg_is(ctx, i, "nosave"))
            modes->no_save = true;
        else if (ctx_arg_is(ctx, i, "save"))
            modes->save = true;
        else if (ctx_arg_is(ctx, i, "now"))
            modes->now = true;
        else if (ctx_arg_is(ctx, i, "force"))
            modes->force = true;
        else if (ctx_arg_is(ctx, i, "abort"))
            modes->abort = true;
        else
            return false;
    }
    return !(modes->abort && ctx->argc > 2) && !(modes->save && modes->no_save);
}

/* A stop takes no time that one could cancel it in, and there are no replicas to wait for. */
static void shutdown_run(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    struct shutdown_modes modes = {0};
    char why[512] = "";
    if (!shutdown_parse(ctx, &modes)) {
        reply_syntax_error(ctx);
        return;
    }
    if (modes.abort) {
        reply_error(ctx, "ERR No shutdown in progress.");
        return;
    }
    if (engine->busy && !modes.no_save) {
        gate_reply_busy(ctx);
        return;
    }
    if (engine_shutdown(engine, modes.save, modes.no_save, modes.force, why))
        return; /* closing the connection is the answer */
    engine->host->log(engine->host->self, HOST_WARNING, "Can't shut down: %s", why);
    reply_error(ctx, "ERR Errors trying to SHUTDOWN. Check logs.");
}

static const char *const agg_sum_tips[] = {"request_policy:all_shards", "response_policy:agg_sum",
                                           NULL};
static const char *const all_succeeded_tips[] = {"request_policy:all_shards",
                                                 "response_policy:all_succeeded", NULL};
static const char *const random_tips[] = {"nondeterministic_output", NULL};
static const char *const flush_history[] = {"4.0.0", "`ASYNC`.", "6.2.0", "`SYNC`.", NULL};
static const char *const shutdown_history[] = {"7.0.0", "`NOW`, `FORCE` and `ABORT`.", NULL};

#define FLUSH_SYNTAX "[async(async=ASYNC^4.0.0|sync=SYNC^6.2.0)]"

const struct command commands_server[] = {
    {.name = "dbsize",
     .run = dbsize_run,
     .arity = 1,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_ALL_KEYS,
     .categories = CATEGORY_KEYSPACE,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many keys the database has.",
     .tips = agg_sum_tips},
    {.name = "flushall",
     .run = flushall_run,
     .arity = -1,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1), and O(N) in the background, where N is the number of all keys",
     .summary = "Deletes all keys of all databases.",
     .syntax = FLUSH_SYNTAX,
     .history = flush_history,
     .tips = all_succeeded_tips},
    {.name = "flushdb",
     .run = flushdb_run,
     .arity = -1,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1), and O(N) in the background, where N is the number of its keys",
     .summary = "Deletes all keys of the database.",
     .syntax = FLUSH_SYNTAX,
     .history = flush_history,
     .tips = all_succeeded_tips},
    {.name = "shutdown",
     .run = shutdown_run,
     .arity = -1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE |
              COMMAND_NO_MULTI | COMMAND_ALLOW_BUSY,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Syncs the log, writes a snapshot if asked to, and stops the server.",
     .syntax = "[nosave_save(nosave=NOSAVE|save=SAVE)] [now=NOW^7.0.0] [force=FORCE^7.0.0] "
               "[abort=ABORT^7.0.0]",
     .history = shutdown_history},
    {.name = "swapdb",
     .run = swapdb_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Exchanges two databases.",
     .syntax = "index1:integer index2:integer"},
    {.name = "time",
     .run = time_run,
     .arity = 1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .group = "server",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Answers the server's time: seconds and microseconds.",
     .tips = random_tips},
    {.name = NULL},
};
