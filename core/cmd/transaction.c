/* MULTI, EXEC, DISCARD, WATCH, UNWATCH. */
#include "core/transaction.h"
#include "core/watch.h"

#include "core/acl_judge.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/gate.h"

static void multi_run(struct ctx *ctx)
{
    if (ctx->session->transaction) {
        reply_error(ctx, "ERR MULTI calls can not be nested");
        return;
    }
    transaction_begin(ctx->session);
    reply_ok(ctx);
}

/* What the user may do can have changed since the request was queued. */
static bool is_allowed_still(struct ctx *ctx)
{
    static const char *const reasons[] = {
        [ACL_DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_DENIED_KEY] = "no permission to touch the specified keys",
        [ACL_DENIED_CHANNEL] =
            "no permission to access one of the channels used as arguments",
    };
    enum acl_verdict verdict = acl_judge(ctx, ACL_MULTI);
    if (verdict == ACL_ALLOWED)
        return true;
    reply_error(ctx,
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and "
                "the EXEC call. This command is no longer allowed for the following reason: %s",
                reasons[verdict]);
    return false;
}

static bool only_reads(struct ctx *ctx)
{
    const struct command *command = ctx->command;
    return !gate_may_write(command->flags) || (command->only_reads && command->only_reads(ctx));
}

static bool exec_only_reads(struct ctx *ctx)
{
    return transaction_each(ctx, only_reads);
}

static void exec_run(struct ctx *ctx)
{
    if (ctx->session->transaction)
        transaction_run(ctx, is_allowed_still);
    else
        reply_error(ctx, "ERR EXEC without MULTI");
}

static void discard_run(struct ctx *ctx)
{
    if (!ctx->session->transaction) {
        reply_error(ctx, "ERR DISCARD without MULTI");
        return;
    }
    transaction_discard(ctx->session);
    reply_ok(ctx);
}

static void watch_run(struct ctx *ctx)
{
    if (ctx->session->transaction) {
        reply_error(ctx, "ERR WATCH inside MULTI is not allowed");
        return;
    }
    for (int i = 1; i < ctx->argc; i++)
        watch_key(ctx->session, ctx->argv[i]);
    reply_ok(ctx);
}

static void unwatch_run(struct ctx *ctx)
{
    watch_forget(ctx->session);
    reply_ok(ctx);
}

#define TRANSACTION_FLAGS                                                                          \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_ALLOW_BUSY)

const struct command commands_transaction[] = {
    {.name = "multi",
     .run = multi_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = TRANSACTION_FLAGS | COMMAND_NEVER_QUEUED,
     .categories = CATEGORY_TRANSACTION,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Starts a transaction: the commands that follow are queued."},
    {.name = "exec",
     .run = exec_run,
     .only_reads = exec_only_reads,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_SKIP_SLOWLOG |
              COMMAND_NEVER_QUEUED | COMMAND_RUNS_QUEUE,
     .categories = CATEGORY_TRANSACTION,
     .group = "transactions",
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Runs all commands that were queued, whole or not at all."},
    {.name = "discard",
     .run = discard_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = TRANSACTION_FLAGS | COMMAND_NEVER_QUEUED,
     .categories = CATEGORY_TRANSACTION,
     .group = "transactions",
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Forgets all commands that were queued, and all watches."},
    {.name = "watch",
     .run = watch_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = TRANSACTION_FLAGS | COMMAND_NEVER_QUEUED,
     .categories = CATEGORY_TRANSACTION,
     .keys = KEYS_EACH(KEY_RO),
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Watches keys: if one changes, the next EXEC does nothing.",
     .syntax = "key:key..."},
    {.name = "unwatch",
     .run = unwatch_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = TRANSACTION_FLAGS,
     .categories = CATEGORY_TRANSACTION,
     .group = "transactions",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forgets all watches."},
    {.name = NULL},
};
