/* Replication, of which there is none: kv is a master without replicas, and says so. What asks for
 * that state is done; what asks for another one is refused. */
#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

#define NO_REPLICATION "ERR kv does not replicate: "

static void role_run(struct ctx *ctx)
{
    reply_array(ctx, 3);
    reply_text(ctx, "master");
    reply_int(ctx, (int64_t)ctx->engine->journal->sequence);
    reply_array(ctx, 0);
}

static void replicaof_run(struct ctx *ctx)
{
    int64_t port;

    if (ctx_arg_is(ctx, 1, "no") && ctx_arg_is(ctx, 2, "one"))
        reply_ok(ctx);
    else if (!num_parse_i64(ctx->argv[2], &port) || port < 0 || port > 65535)
        reply_error(ctx, "ERR Invalid master port");
    else
        reply_error(ctx, NO_REPLICATION "this server can't become a replica");
}

static void sync_run(struct ctx *ctx)
{
    reply_error(ctx, NO_REPLICATION "this server takes no replicas");
}

struct failover_options {
    bool to, force, timeout;
};

/* One option and what belongs to it; false if an error was replied. */
static bool failover_read_option(struct ctx *ctx, int *at, struct failover_options *options)
{
    int64_t value;

    if (!options->to && ctx_arg_is(ctx, *at, "to") && *at + 2 < ctx->argc) {
        options->to = true;
        if (!arg_i64(ctx, ctx->argv[*at + 2], &value))
            return false;
        *at += 2;
    } else if (!options->timeout && ctx_arg_is(ctx, *at, "timeout") && *at + 1 < ctx->argc) {
        options->timeout = true;
        if (!arg_i64(ctx, ctx->argv[++*at], &value))
            return false;
        if (value <= 0) {
            reply_error(ctx, "ERR FAILOVER timeout must be greater than 0");
            return false;
        }
    } else if (!options->force && ctx_arg_is(ctx, *at, "force")) {
        options->force = true;
    } else {
        reply_syntax_error(ctx);
        return false;
    }
    return true;
}

static void failover_run(struct ctx *ctx)
{
    struct failover_options options = {.to = false};

    if (ctx->argc == 2 && ctx_arg_is(ctx, 1, "abort")) {
        reply_error(ctx, "ERR No failover in progress.");
        return;
    }
    for (int at = 1; at < ctx->argc; at++)
        if (!failover_read_option(ctx, &at, &options))
            return;
    reply_error(ctx, "ERR FAILOVER requires connected replicas.");
}

#define REPLICAOF_SYNTAX "args(host-port{host:string port:integer}|no-one{no=NO one=ONE})"
#define REPLICAOF_FLAGS                                                                            \
    (COMMAND_ADMIN | COMMAND_NO_ASYNC_LOADING | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_HOLD)
#define SYNC_FLAGS                                                                                 \
    (COMMAND_ADMIN | COMMAND_NO_ASYNC_LOADING | COMMAND_NO_MULTI | COMMAND_NOSCRIPT |              \
     COMMAND_NO_HOLD)

const struct command commands_replication[] = {
    {.name = "role",
     .run = role_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_FAST | COMMAND_LOADING | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_HOLD,
     .categories = CATEGORY_ADMIN | CATEGORY_DANGEROUS,
     .group = "server",
     .since = "2.8.12",
     .complexity = "O(1)",
     .summary = "Answers that this is a master, how far its log goes, and its replicas: none."},
    {.name = "replicaof",
     .run = replicaof_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = REPLICAOF_FLAGS,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Takes NO ONE only: kv is a master.",
     .syntax = REPLICAOF_SYNTAX},
    {.name = "slaveof",
     .run = replicaof_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = REPLICAOF_FLAGS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "The older name of REPLICAOF.",
     .syntax = REPLICAOF_SYNTAX,
     .deprecated_since = "5.0.0",
     .replaced_by = "`REPLICAOF`"},
    {.name = "replconf",
     .run = sync_run,
     .arity = -1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_ADMIN | COMMAND_ALLOW_BUSY | COMMAND_LOADING | COMMAND_NOSCRIPT |
              COMMAND_STALE | COMMAND_NO_HOLD,
     .group = "server",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Sent by replicas, which are refused."},
    {.name = "psync",
     .run = sync_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = SYNC_FLAGS,
     .group = "server",
     .since = "2.8.0",
     .summary = "Sent by replicas, which are refused.",
     .syntax = "replicationid:string offset:integer"},
    {.name = "sync",
     .run = sync_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = SYNC_FLAGS,
     .group = "server",
     .since = "1.0.0",
     .summary = "Sent by replicas, which are refused."},
    {.name = "failover",
     .run = failover_run,
     .arity = -1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_HOLD,
     .group = "server",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Hands over to a replica, of which there is none.",
     .syntax = "[target{host:string port:integer [force=FORCE]}@TO] [abort=ABORT] "
               "[milliseconds:integer@TIMEOUT]"},
    {.name = NULL},
};
