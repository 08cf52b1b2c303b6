/* WAITAOF: wait until this connection's writes are on stable storage. What it answers is what a
 * finished sync confirmed. WAIT: the same for replicas, of which there are none.
 *
 * Under `always` the reply is held back until then like any other that depends on a write. Under
 * the other policies the session is blocked until the durable mark passes its last write, or its
 * time is over. There are no replicas yet: who asks for some waits for his whole timeout. */
#include <stdatomic.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

/* False without a log, and while its first base is written: no start would find anything then. */
static bool wait_is_durable(const struct session *session)
{
    const struct journal *journal = session->engine->journal;

    return journal_keeps(journal) && atomic_load(&journal->durable) >= session->write_sequence;
}

static void wait_reply(struct ctx *ctx, bool durable)
{
    reply_array(ctx, 2);
    reply_int(ctx, durable);
    reply_int(ctx, 0);
}

static void wait_unblock(struct ctx *ctx, bool timed_out unused)
{
    wait_reply(ctx, wait_is_durable(ctx->session));
}

static bool wait_read_timeout(struct ctx *ctx, struct slice arg, int64_t *until_ms)
{
    int64_t timeout_ms;

    if (!num_parse_i64(arg, &timeout_ms)) {
        reply_error(ctx, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (timeout_ms < 0) {
        reply_error(ctx, "ERR timeout is negative");
        return false;
    }
    *until_ms = 0;
    if (timeout_ms > 0 && __builtin_add_overflow(timeout_ms, ctx->now_ms, until_ms)) {
        reply_error(ctx, "ERR timeout is out of range");
        return false;
    }
    return true;
}

static void waitaof_run(struct ctx *ctx)
{
    struct session *session = ctx->session;
    struct journal *journal = ctx->engine->journal;
    int64_t local, replicas, until_ms;
    bool off = atomic_load(&journal->state) == JOURNAL_OFF;

    if (!arg_i64_in(ctx, ctx->argv[1], 0, 1, &local) ||
        !arg_i64_in(ctx, ctx->argv[2], 0, INT64_MAX, &replicas) ||
        !wait_read_timeout(ctx, ctx->argv[3], &until_ms))
        return;
    if (local > 0 && off) {
        reply_error(ctx,
                    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        return;
    }
    if (replicas == 0 && local > 0 && journal_keeps(journal) &&
        atomic_load(&journal->policy) == JOURNAL_ALWAYS) {
        if (ctx->depends < session->write_sequence)
            ctx->depends = session->write_sequence;
        wait_reply(ctx, true);
        return;
    }
    if ((session->flags & SESSION_INTERNAL) || ctx->may_not_block ||
        (replicas == 0 && (local == 0 || wait_is_durable(session)))) {
        wait_reply(ctx, wait_is_durable(session));
        return;
    }
    session_block(session, replicas > 0 ? UINT64_MAX : session->write_sequence, until_ms,
                  wait_unblock);
}

static void wait_no_replicas(struct ctx *ctx, bool timed_out unused)
{
    reply_int(ctx, 0);
}

/* Who waits for replicas is told after the whole timeout that none has it: a client that asked for
 * one must not take a fast answer for a good one. */
static void wait_run(struct ctx *ctx)
{
    struct session *session = ctx->session;
    int64_t replicas, until_ms;

    if (!arg_i64(ctx, ctx->argv[1], &replicas) ||
        !wait_read_timeout(ctx, ctx->argv[2], &until_ms))
        return;
    if (replicas <= 0 || (session->flags & SESSION_INTERNAL) || ctx->may_not_block)
        wait_no_replicas(ctx, false);
    else
        session_block(session, UINT64_MAX, until_ms, wait_no_replicas);
}

static const char *const wait_tips[] = {"request_policy:all_shards", "response_policy:agg_min",
                                        NULL};

const struct command commands_wait[] = {
    {.name = "waitaof",
     .run = waitaof_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_NOSCRIPT | COMMAND_BLOCKING,
     .categories = CATEGORY_CONNECTION,
     .group = "generic",
     .since = "7.2.0",
     .complexity = "O(1)",
     .summary =
         "Waits until the writes of this connection are on stable storage, here and on replicas.",
     .syntax = "numlocal:integer numreplicas:integer timeout:integer",
     .tips = wait_tips},
    {.name = "wait",
     .run = wait_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_NOSCRIPT,
     .categories = CATEGORY_CONNECTION,
     .group = "generic",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Waits until replicas have the writes of this connection; there are none.",
     .syntax = "numreplicas:integer timeout:integer",
     .tips = wait_tips},
    {.name = NULL},
};
