/* The queue behind MULTI: a request in it is one block: struct queued, its slices, the bytes they
 * point to. */
#include "core/transaction.h"

#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/run.h"
#include "core/watch.h"

struct queued {
    struct queued *next;
    struct command_state *state;
    int argc;
    struct slice argv[];
};

struct transaction {
    struct queued *first, *last;
    int count;
    uint32_t flags; /* enum command_flag of all that is queued */
    uint64_t bytes;
    bool failed;
};

void transaction_begin(struct session *session)
{
    kv_assert(!session->transaction);
    session->transaction = mem_alloc_zero(sizeof *session->transaction);
}

bool transaction_queue(struct ctx *ctx)
{
    struct transaction *transaction = ctx->session->transaction;
    size_t bytes = sizeof(struct queued) + (size_t)ctx->argc * sizeof(struct slice);
    size_t head = bytes;
    bytes += slices_bytes(ctx->argc, ctx->argv);
    if (transaction->bytes + bytes > (uint64_t)ctx->engine->settings->query_buffer_limit) {
        transaction->failed = true;
        return false;
    }
    struct queued *queued = mem_alloc(bytes);
    char *to = (char *)queued + head;
    *queued = (struct queued){.state = ctx->state, .argc = ctx->argc};
    for (int i = 0; i < ctx->argc; i++) {
        if (ctx->argv[i].len > 0)
            memcpy(to, ctx->argv[i].data, ctx->argv[i].len);
        queued->argv[i] = (struct slice){to, ctx->argv[i].len};
        to += ctx->argv[i].len;
    }
    if (transaction->last)
        transaction->last->next = queued;
    else
        transaction->first = queued;
    transaction->last = queued;
    transaction->count++;
    transaction->bytes += bytes;
    transaction->flags |= ctx->command->flags;
    return true;
}

void transaction_fail(struct session *session)
{
    if (session->transaction)
        session->transaction->failed = true;
}

void transaction_discard(struct session *session)
{
    struct transaction *transaction = session->transaction;
    watch_forget(session);
    if (!transaction)
        return;
    session->transaction = NULL;
    while (transaction->first) {
        struct queued *queued = transaction->first;
        transaction->first = queued->next;
        mem_free(queued);
    }
    mem_free(transaction);
}

uint32_t transaction_flags(const struct session *session)
{
    return session->transaction ? session->transaction->flags : 0;
}

int transaction_count(const struct session *session)
{
    return session->transaction ? session->transaction->count : -1;
}

uint64_t transaction_bytes(const struct session *session)
{
    return session->transaction ? session->transaction->bytes : 0;
}

static struct ctx ctx_of(const struct ctx *outer, const struct queued *queued)
{
    struct ctx ctx = *outer;
    ctx.state = queued->state;
    ctx.command = queued->state->command;
    ctx.argc = queued->argc;
    ctx.argv = queued->argv;
    return ctx;
}

bool transaction_each(const struct ctx *outer, bool (*fits)(struct ctx *ctx))
{
    const struct transaction *transaction = outer->session->transaction;
    for (const struct queued *at = transaction ? transaction->first : NULL; at; at = at->next) {
        struct ctx ctx = ctx_of(outer, at);
        if (!fits(&ctx))
            return false;
    }
    return true;
}

static void run_queued(struct ctx *outer, struct queued *queued,
                       bool (*allowed)(struct ctx *ctx))
{
    struct ctx ctx = ctx_of(outer, queued);
    ctx.db = ctx.session->db;
    ctx.failed = ctx.changed = false;
    ctx.may_not_block = true;
    if (!allowed(&ctx))
        return;
    run_command(&ctx);
    outer->changed |= ctx.changed;
    outer->depends = ctx.depends;
}

void transaction_run(struct ctx *ctx, bool (*allowed)(struct ctx *ctx))
{
    struct session *session = ctx->session;
    struct transaction *transaction = session->transaction;
    if (transaction->failed) {
        transaction_discard(session);
        reply_error(ctx, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    if (watch_broken(session)) {
        transaction_discard(session);
        ctx_depends_on_all(ctx);
        reply_null_array(ctx);
        return;
    }
    /* What runs is no more in a transaction: its own changes must not break its own watches. */
    watch_forget(session);
    session->transaction = NULL;
    reply_array(ctx, (size_t)transaction->count);
    for (struct queued *queued = transaction->first; queued; queued = queued->next)
        run_queued(ctx, queued, allowed);
    session->transaction = transaction;
    transaction_discard(session);
}
