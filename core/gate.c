/* The order of the checks is that in which Redis answers: unknown, arity, what the config forbids,
 * NOAUTH, NOPERM, LOADING, OOM, MISCONF. */
#include "core/gate.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/acl_judge.h"
#include "core/ctx.h"
#include "core/evict.h"
#include "core/monitor.h"
#include "core/pubsub.h"
#include "core/run.h"
#include "core/save.h"
#include "core/scripting.h"
#include "core/transaction.h"

struct command_state *gate_lookup(struct engine *engine, int argc, const struct slice *argv)
{
    struct command_state *state = registry_find(engine->registry, argv[0].data, argv[0].len);
    if (!state || state->child_count == 0 || argc < 2)
        return state;
    return registry_find_child(state, argv[1].data, argv[1].len);
}

struct command_state *gate_lookup_declared(struct engine *engine, int argc,
                                           const struct slice *argv)
{
    struct command_state *state =
        registry_find_declared(engine->registry, argv[0].data, argv[0].len);
    if (!state || state->child_count == 0 || argc < 2)
        return state;
    return registry_find_child(state, argv[1].data, argv[1].len);
}

/* As Redis words it: the arguments shown end at 128 characters. */
static void reply_unknown(struct ctx *ctx)
{
    struct slice name = ctx->argv[0];
    struct command_state *container = registry_find(ctx->engine->registry, name.data, name.len);
    if (container && ctx->argc >= 2) {
        struct slice sub = ctx->argv[1];
        char upper[48];
        size_t len = 0;
        for (const char *c = container->called; *c && len < sizeof upper; c++)
            upper[len++] = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
        reply_error(ctx, "ERR unknown subcommand '%.*s'. Try %.*s HELP.",
                    sub.len > 128 ? 128 : (int)sub.len, sub.data, (int)len, upper);
        return;
    }
    struct buf shown = {0};
    for (int i = 1; i < ctx->argc && shown.len < 128; i++) {
        size_t room = 128 - shown.len;
        struct slice arg = ctx->argv[i];
        buf_printf(&shown, "'%.*s' ", (int)(arg.len < room ? arg.len : room), arg.data);
    }
    reply_error(ctx, "ERR unknown command '%.*s', with args beginning with: %.*s",
                name.len > 128 ? 128 : (int)name.len, name.data, (int)shown.len, shown.data);
    buf_free(&shown);
}

static bool paused(const struct engine *engine, bool is_write)
{
    if (likely(engine->paused_until_ms == 0) || engine->now_ms >= engine->paused_until_ms)
        return false;
    return is_write || !engine->paused_writes_only;
}

bool gate_waits(const struct engine *engine, bool is_write)
{
    if (unlikely(paused(engine, is_write)))
        return true;
    if (unlikely(is_write && engine->snapshot_holds))
        return true;
    return is_write && engine->recording &&
           journal_backlog(engine->journal) > (uint64_t)engine->settings->log_backlog_bytes;
}

static void refuse(struct ctx *ctx, const char *format, ...) printf_like(2, 3);

/* What was refused makes the transaction that it was meant for fail; if it is EXEC, at once. */
static void refuse(struct ctx *ctx, const char *format, ...)
{
    char text[1100];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (ctx->command->flags & COMMAND_RUNS_QUEUE) {
        transaction_discard(ctx->session);
        const char *reason = strncmp(text, "ERR ", 4) == 0 ? text + 4 : text;
        reply_error(ctx, "EXECABORT Transaction discarded because of: %s", reason);
        monitor_show(ctx);
    } else {
        transaction_fail(ctx->session);
        reply_error(ctx, "%s", text);
    }
    ctx->state->rejected++;
}

/* What the gate judges: of EXEC also what it will run. */
static uint32_t flags_of(const struct ctx *ctx)
{
    uint32_t flags = ctx->command->flags;
    if (unlikely(flags & COMMAND_RUNS_QUEUE))
        flags |= transaction_flags(ctx->session) &
                 (COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MAY_REPLICATE | COMMAND_RUNS_SCRIPT);
    return flags;
}

bool gate_may_write(uint32_t flags)
{
    bool runs_script = (flags & (COMMAND_RUNS_SCRIPT | COMMAND_READONLY)) == COMMAND_RUNS_SCRIPT;
    return flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE) || runs_script;
}

void gate_reply_busy(struct ctx *ctx)
{
    struct scripting *scripting = ctx->engine->scripting;
    refuse(ctx, "BUSY %s", scripting->busy_text(scripting->self));
}

bool gate_log_refuses(const struct engine *engine, uint32_t flags, struct journal_report *report)
{
    int state = atomic_load_explicit(&engine->journal->state, memory_order_acquire);
    if (likely(journal_takes_writes(engine->journal)))
        return false;
    if (state == JOURNAL_FULL && flags & COMMAND_DELETES)
        return false;
    engine->journal->ops->report(engine->journal, report);
    return true;
}

/* The log or the save points may be in trouble; true if it was replied. */
static __attribute__((noinline)) bool refused_by_disk(struct ctx *ctx)
{
    struct journal_report report;
    if (unlikely(save_stops_writes(ctx->engine))) {
        refuse(ctx, "MISCONF Redis is configured to save RDB snapshots, but it's currently unable "
                    "to persist to disk. Commands that may modify the data set are disabled, "
                    "because this instance is configured to report errors during writes if RDB "
                    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the "
                    "Redis logs for details about the RDB error.");
        return true;
    }
    if (!gate_log_refuses(ctx->engine, ctx->command->flags, &report))
        return false;
    refuse(ctx, "MISCONF Errors writing to the AOF file: %s", report.problem);
    return true;
}

/* What the log's state forbids, or that of the dump; true if it was replied. */
static bool refused_by_log(struct ctx *ctx)
{
    const struct engine *engine = ctx->engine;
    int state = atomic_load_explicit(&engine->journal->state, memory_order_acquire);
    bool none = state == JOURNAL_OFF || state == JOURNAL_BEGINNING;
    if (likely(state == JOURNAL_HEALTHY || (none && !save_stops_writes(engine))))
        return false;
    return refused_by_disk(ctx);
}

static bool refused_by_memory(struct ctx *ctx, uint32_t flags)
{
    struct engine *engine = ctx->engine;
    uint64_t evicted = engine->stats.evicted;
    if (engine->settings->maxmemory == 0)
        return false;
    bool fits = evict_to_fit(engine);
    if (engine->stats.evicted != evicted)
        run_clock_read(engine); /* that was not the command */
    if (fits)
        return false;
    if (!(flags & COMMAND_DENYOOM))
        return false;
    refuse(ctx, "OOM command not allowed when used memory > 'maxmemory'.");
    return true;
}

/* Who is nobody yet, or may not do everything; true if it was refused. */
static bool refused_by_rights(struct ctx *ctx, uint32_t flags)
{
    if (!(ctx->session->flags & SESSION_AUTHENTICATED) && !(flags & COMMAND_NO_AUTH)) {
        refuse(ctx, "NOAUTH Authentication required.");
        return true;
    }
    enum acl_verdict verdict =
        acl_judge(ctx, ctx->session->transaction ? ACL_MULTI : ACL_TOPLEVEL);
    if (verdict == ACL_ALLOWED)
        return false;
    struct buf text = {0};
    acl_deny_text(ctx, verdict, &text);
    refuse(ctx, "%.*s", (int)text.len, text.data);
    buf_free(&text);
    return true;
}

/* The other reasons to refuse a command that is known and complete; true if one was replied. */
static bool refused(struct ctx *ctx, uint32_t flags)
{
    struct engine *engine = ctx->engine;
    if (unlikely(engine->loading)) {
        if (flags & COMMAND_LOADING)
            return false;
        refuse(ctx, "LOADING Redis is loading the dataset in memory");
        return true;
    }
    if (unlikely(engine->busy)) {
        if (flags & COMMAND_ALLOW_BUSY)
            return false;
        gate_reply_busy(ctx);
        return true;
    }
    if (refused_by_memory(ctx, flags) || (flags & COMMAND_WRITE && refused_by_log(ctx)))
        return true;
    if (unlikely(ctx->session->flags & SESSION_MONITOR) &&
        flags & (COMMAND_READONLY | COMMAND_WRITE | COMMAND_MAY_REPLICATE)) {
        refuse(ctx, "ERR Replica can't interact with the keyspace");
        return true;
    }
    return false;
}

/* A script that says it writes nothing waits for what holds readers only. */
static bool must_wait(struct ctx *ctx, bool writes)
{
    const struct command *command = ctx->command;
    if (likely(!gate_waits(ctx->engine, writes)))
        return false;
    return gate_waits(ctx->engine, false) || !command->only_reads || !command->only_reads(ctx);
}

enum gate_verdict gate_check(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    struct session *session = ctx->session;
    ctx->state = gate_lookup(engine, ctx->argc, ctx->argv);
    session->last_command = ctx->state;
    if (unlikely(!ctx->state)) {
        transaction_fail(session);
        reply_unknown(ctx);
        return GATE_REFUSED;
    }
    ctx->command = ctx->state->command;
    int arity = ctx->command->arity;
    if (unlikely((arity > 0 && ctx->argc != arity) || ctx->argc < -arity)) {
        refuse(ctx, "ERR wrong number of arguments for '%s' command", ctx->state->full_name);
        return GATE_REFUSED;
    }
    uint32_t flags = flags_of(ctx);
    const char *forbidden = NULL;
    if (unlikely(flags & COMMAND_PROTECTED) && (forbidden = ctx->command->forbidden(ctx))) {
        refuse(ctx, "%s", forbidden);
        return GATE_REFUSED;
    }
    const uint32_t rights = SESSION_AUTHENTICATED | SESSION_RESTRICTED;
    if (unlikely((session->flags & rights) != SESSION_AUTHENTICATED) &&
        refused_by_rights(ctx, flags))
        return GATE_REFUSED;
    bool writes = gate_may_write(flags);
    bool queued = unlikely(session->transaction != NULL) && !(flags & COMMAND_NEVER_QUEUED);
    if (unlikely(pubsub_total(session) > 0) && session->resp == 2 &&
        !(flags & COMMAND_WHILE_SUBSCRIBED)) {
        refuse(ctx,
               "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
               "RESET are allowed in this context",
               ctx->state->full_name);
        return GATE_REFUSED;
    }
    if (unlikely(must_wait(ctx, writes)) && !queued && !engine->loading && !engine->busy &&
        !(session->flags & SESSION_INTERNAL))
        return GATE_WAIT;
    if (unlikely(refused(ctx, flags)))
        return GATE_REFUSED;
    kv_assert(ctx->command->run);
    return queued ? GATE_QUEUE : GATE_RUN;
}
