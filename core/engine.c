/* The engine: the one path that every request takes.
 *
 *   engine_execute    gate: may this run, now?            gate.c
 *     run_command     the command's function on a ctx     run.c
 *     run_finish      the reply waits for what it depends on
 *       record_commit effects -> the journal's open batch; changed cells get its sequence
 *
 * Invariant: the effects of one request are whole in one batch, in MULTI ... EXEC if there are
 * several.
 */
#include "core/engine.h"

#include "core/acl.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/reaper.h"
#include "core/client_memory.h"
#include "core/ctx.h"
#include "core/evict.h"
#include "core/expiry.h"
#include "core/gate.h"
#include "core/latency.h"
#include "core/pubsub.h"
#include "core/push.h"
#include "core/record.h"
#include "core/run.h"
#include "core/save.h"
#include "core/session_ids.h"
#include "core/slowlog.h"
#include "core/snapshot.h"
#include "core/tracker.h"
#include "core/tracking.h"
#include "core/transaction.h"
#include "core/wait_keys.h"
#include "core/waiters.h"
#include "core/watch.h"

/* ---- life ---- */

static void make_run_id(struct engine *engine)
{
    uint8_t bytes[(sizeof engine->run_id - 1) / 2];
    engine->host->random_bytes(engine->host->self, bytes, sizeof bytes);
    num_format_hex(engine->run_id, bytes, sizeof bytes);
}

struct engine *engine_new(const struct engine_options *options)
{
    struct engine *engine = mem_alloc_zero(sizeof *engine);
    engine->settings = options->settings;
    engine->host = options->host;
    engine->journal = options->journal;
    uint64_t seeds[2];
    engine->host->random_bytes(engine->host->self, seeds, sizeof seeds);
    rng_seed(&engine->rng, seeds[0]);
    engine->reaper = reaper_start();
    engine->keyspace = keyspace_new((int)engine->settings->databases, seeds[1], engine->reaper);
    engine->registry = registry_new(options->commands);
    engine->slowlog = slowlog_new();
    engine->latency = latency_new();
    engine->acl = acl_new(engine);
    engine->watched = watched_keys_new();
    engine->wait_keys = wait_keys_new();
    engine->waiters = waiters_new();
    engine->pubsub = pubsub_new();
    engine->save = save_new();
    engine->session_ids = session_ids_new();
    engine->tracking = tracking_new();
    engine->batch_db = -1;
    engine_turn_begin(engine);
    engine->started_ms = engine->now_ms;
    make_run_id(engine);
    memcpy(engine->repl_id, engine->run_id, sizeof engine->repl_id);
    mem_stats_read(&engine->stats.memory);
    engine->stats.memory_at_start = engine->stats.memory.allocated;
    engine->replay_session = (struct session){
        .engine = engine,
        .resp = 2,
        .fd = -1,
        .flags = SESSION_INTERNAL | SESSION_AUTHENTICATED,
    };
    return engine;
}

void engine_free(struct engine *engine)
{
    kv_assert(engine->sessions == NULL);
    waiters_free(engine->waiters);
    wait_keys_free(engine->wait_keys);
    evict_free(engine);
    snapshot_free(engine);
    keyspace_free(engine->keyspace);
    reaper_stop(engine->reaper);
    acl_free(engine->acl);
    registry_free(engine->registry);
    slowlog_free(engine->slowlog);
    latency_free(engine->latency);
    watched_keys_free(engine->watched);
    pubsub_free(engine->pubsub);
    save_free(engine->save);
    tracking_free(engine->tracking);
    session_ids_free(engine->session_ids);
    buf_free(&engine->own_pushes);
    arena_free(&engine->arena);
    buf_free(&engine->effects);
    buf_free(&engine->touched);
    output_free(&engine->replay_session.output);
    mem_free(engine);
}

/* ---- the clock ---- */

static void look_at_journal(struct engine *engine)
{
    engine->recording =
        !engine->loading && atomic_load_explicit(&engine->journal->state, memory_order_acquire) !=
                                JOURNAL_OFF;
}

void engine_turn_begin(struct engine *engine)
{
    struct host *host = engine->host;
    uint64_t now_ns = host->monotonic_ns(host->self);
    engine->wall_offset_ms = host->wall_us(host->self) / 1000 - (int64_t)(now_ns / 1000000);
    run_clock_set(engine, now_ns);
    look_at_journal(engine);
    engine->turn_began_ns = now_ns;
    engine->turns++;
}

/* ---- one request ---- */

/* Behind MULTI. */
static void queue(struct ctx *ctx)
{
    if (ctx->command->flags & COMMAND_NO_MULTI) {
        transaction_fail(ctx->session);
        reply_error(ctx, "ERR Command not allowed inside a transaction");
    } else if (transaction_queue(ctx)) {
        reply_simple(ctx, "QUEUED");
    } else {
        reply_error(ctx, "ERR the transaction is larger than client-query-buffer-limit");
    }
}

/* CLIENT CACHING is for the next command, or the next transaction. */
static void forget_caching(const struct ctx *ctx)
{
    const struct session *session = ctx->session;
    if (likely(!session->tracker) || session->transaction)
        return;
    if (!ctx->command || !(ctx->command->flags & COMMAND_KEEPS_CACHING))
        session->tracker->options &= ~(uint32_t)TRACKER_CACHING;
}

/* What the command has caused beside its reply. */
static void answered(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    if (unlikely(engine->attention & (ATTENTION_TRACKERS | ATTENTION_TRACKED))) {
        forget_caching(ctx);
        tracking_answered(engine);
    }
    push_own(engine);
    engine->current = NULL;
    if (unlikely(engine->attention & ATTENTION_WAITERS))
        waiters_serve(engine);
    push_stamp(engine);
}

static enum engine_result wait_later(struct session *session, const struct ctx *ctx)
{
    session->flags = (session->flags & ~(uint32_t)SESSION_WAITS_WRITE) | SESSION_WAITS;
    if (gate_may_write(ctx->command->flags | transaction_flags(session)))
        session->flags |= SESSION_WAITS_WRITE;
    if (session->engine->snapshot_holds)
        session->engine->stats.snapshot_waits++;
    else
        session->engine->stats.log_waits++;
    return ENGINE_WAIT;
}

bool engine_admits(const struct engine *engine, const struct session *session)
{
    return !gate_waits(engine, session->flags & SESSION_WAITS_WRITE);
}

/* Within the turn of a script that runs for long: its effects are open, and everything that belongs
 * to it stays as it is. */
static __attribute__((noinline)) void execute_beside_script(struct ctx *ctx,
                                                            enum gate_verdict verdict)
{
    struct session *session = ctx->session;
    kv_assert(verdict != GATE_WAIT);
    if (session->flags & SESSION_REPLY_SKIP_NEXT)
        session->flags ^= SESSION_REPLY_SKIP_NEXT | SESSION_REPLY_SKIP;
    if (verdict == GATE_RUN)
        run_command(ctx);
    else if (verdict == GATE_QUEUE)
        queue(ctx);
    kv_assert(!ctx->changed);
    if (!run_drop_reply(session))
        output_mark(&session->output, 0, false);
    arena_free(ctx->arena);
}

enum engine_result engine_execute(struct engine *engine, struct session *session, int argc,
                                  const struct slice *argv)
{
    struct ctx ctx = {
        .engine = engine,
        .session = session,
        .output = &session->output,
        .arena = &engine->arena,
        .keyspace = engine->keyspace,
        .argc = argc,
        .argv = argv,
        .db = session->db,
        .now_ms = engine->now_ms,
    };
    struct arena beside;
    if (unlikely(engine->busy)) {
        beside = (struct arena){0};
        ctx.arena = &beside;
    } else {
        engine->current = session;
    }
    enum gate_verdict verdict = gate_check(&ctx);
    if (unlikely(engine->busy)) {
        execute_beside_script(&ctx, verdict);
        return ENGINE_DONE;
    }
    if (unlikely(verdict == GATE_WAIT)) {
        engine->current = NULL;
        return wait_later(session, &ctx);
    }
    if (unlikely(engine->effect_count > 0))
        record_commit(engine); /* evictions on the way */
    session->active_ms = engine->now_ms;
    if (unlikely(session->flags & (SESSION_REPLY_SKIP_NEXT | SESSION_WAITS))) {
        if (session->flags & SESSION_REPLY_SKIP_NEXT)
            session->flags ^= SESSION_REPLY_SKIP_NEXT | SESSION_REPLY_SKIP;
        session->flags &= ~(uint32_t)SESSION_WAITS;
    }
    if (likely(verdict == GATE_RUN)) {
        run_command(&ctx);
        run_finish(&ctx);
    } else if (verdict == GATE_QUEUE) {
        queue(&ctx);
        run_finish(&ctx);
    } else if (!run_drop_reply(session)) {
        output_mark(&session->output, 0, false);
    }
    arena_reset(&engine->arena);
    answered(&ctx);
    return ENGINE_DONE;
}

/* ---- between requests ---- */

void engine_forget_sequences(struct engine *engine)
{
    memset(engine->gate, 0, sizeof engine->gate);
    engine->gate_floor = 0;
    for (struct session *session = engine->sessions; session; session = session->next)
        session->write_sequence = session->blocked_sequence = 0;
    look_at_journal(engine);
}

void engine_turn_end(struct engine *engine)
{
    tracking_turn_end(engine);
    push_stamp(engine);
    if (engine->journal->open.len > 0)
        engine->journal->ops->turn_end(engine->journal, engine->now_ms);
    save_turn(engine);
}

void engine_turn_over(struct engine *engine)
{
    struct host *host = engine->host;
    engine->stats.turns++;
    engine->stats.turns_ns += host->monotonic_ns(host->self) - engine->turn_began_ns;
}

int64_t engine_turn_spare(struct engine *engine)
{
    int64_t again_ns = snapshot_turn(engine);
    return unlikely(engine->news_due) ? 0 : again_ns;
}

/* For who switched it on: all that was written up to now is to be confirmed. */
static uint64_t log_to_wait_for(const struct engine *engine)
{
    struct journal *journal = engine->journal;
    return journal_keeps(journal) && atomic_load(&journal->policy) == JOURNAL_ALWAYS
        ? journal->sequence
        : 0;
}

static void serve_blocked(struct engine *engine)
{
    if (engine->blocked_count == 0)
        return;
    struct journal *journal = engine->journal;
    bool beginning = atomic_load(&journal->state) == JOURNAL_BEGINNING; /* no sync counts yet */
    uint64_t durable = atomic_load_explicit(&journal->durable, memory_order_acquire);
    struct session *next;
    for (struct session *session = engine->sessions; session; session = next) {
        next = session->next;
        if (!(session->flags & SESSION_BLOCKED) || session->waiter)
            continue;
        if (session->flags & SESSION_WAITS_LOG) {
            if (save_turning_on(engine))
                continue;
            session->flags &= ~(uint32_t)SESSION_WAITS_LOG;
            session->blocked_sequence = log_to_wait_for(engine);
        }
        if (session->blocked_sequence <= durable && !beginning)
            session_unblock(session, false);
        else if (session->blocked_until_ms && session->blocked_until_ms <= engine->now_ms)
            session_unblock(session, true);
    }
}

/* Tell the operator when the log changes its state. */
static void tell_log_state(struct engine *engine)
{
    static const char *const names[] = {
        [JOURNAL_OFF] = "off",
        [JOURNAL_BEGINNING] = "beginning",
        [JOURNAL_HEALTHY] = "healthy: writes are taken again",
        [JOURNAL_FULL] = "full",
        [JOURNAL_FAILED] = "failed",
    };
    int state = atomic_load_explicit(&engine->journal->state, memory_order_acquire);
    if (likely(state == engine->journal_state_told))
        return;
    struct journal_report report;
    engine->journal->ops->report(engine->journal, &report);
    if (engine->journal_state_told != JOURNAL_OFF &&
        engine->journal_state_told != JOURNAL_BEGINNING)
        engine->host->log(engine->host->self, HOST_WARNING, "The log is %s%s%s", names[state],
                          report.problem[0] ? ": " : "", report.problem);
    engine->journal_state_told = state;
}

/* How long the last sync took, if there was one since the last news. */
static void note_sync(struct engine *engine)
{
    struct journal_report report;
    if (likely(engine->settings->latency_threshold_ms <= 0)) {
        engine->syncs_noted = 0;
        return;
    }
    engine->journal->ops->report(engine->journal, &report);
    if (engine->syncs_noted && report.syncs != engine->syncs_noted)
        latency_add(engine, LATENCY_LOG_SYNC, report.last_sync_us / 1000);
    engine->syncs_noted = report.syncs;
}

void engine_news(struct engine *engine)
{
    note_sync(engine);
    tell_log_state(engine);
    snapshot_news(engine);
    serve_blocked(engine);
}

int64_t engine_tick_ms(const struct engine *engine)
{
    int64_t usual = engine->settings->hz > 0 ? 1000 / engine->settings->hz : 100;
    if (engine->blocked_count > 0)
        usual = 10;
    int64_t left = waiters_next_ms(engine) - (int64_t)(engine->now_ns / 1000000);
    if (left >= usual)
        return usual;
    return left < 1 ? 1 : left;
}

static void sample_rates(struct engine *engine)
{
    struct stats *stats = &engine->stats;
    if (engine->now_ms - stats->rate_commands.last_ms < 100)
        return;
    stats_rate_sample(&stats->rate_commands, stats->commands, engine->now_ms);
    stats_rate_sample(&stats->rate_in, stats->net_in, engine->now_ms);
    stats_rate_sample(&stats->rate_out, stats->net_out, engine->now_ms);
    stats_rate_sample(&stats->rate_turns, stats->turns, engine->now_ms);
    stats_rate_sample(&stats->rate_turns_us, stats->turns_ns / 1000, engine->now_ms);
}

void engine_tick(struct engine *engine)
{
    tell_log_state(engine);
    serve_blocked(engine);
    waiters_expire(engine);
    sample_rates(engine);
    uint64_t budget_us = (uint64_t)engine_tick_ms(engine) * 1000 / 4;
    if (likely(!engine->tick_paused)) {
        expiry_sweep(engine, budget_us);
        evict_to_fit(engine);
    }
    record_commit(engine);
    waiters_serve(engine);
    tracking_tick(engine);
    client_memory_tick(engine);
    push_stamp(engine);
    save_tick(engine);
    size_t used = keyspace_memory(engine->keyspace);
    if (used > engine->stats.memory_peak)
        engine->stats.memory_peak = used;
}

/* SHUTDOWN SAVE, or save points, which mean that whoever set them expects a dump. */
static bool wants_dump(const struct engine *engine, bool save, bool no_save)
{
    const struct settings *settings = engine->settings;
    return save || (!no_save && settings->saving.count > 0 && settings->persistence);
}

bool engine_shutdown(struct engine *engine, bool save, bool no_save, bool force,
                     char why[static 512])
{
    struct journal *journal = engine->journal;
    struct fault fault = {0};
    int code = 0;
    save_stop(engine);
    if (!engine->busy) /* else what the script has written so far is dropped */
        record_commit(engine);
    if (!engine->busy && wants_dump(engine, save, no_save))
        code = save_dump_wait(engine, &fault);
    if (code == 0 && !no_save && journal_keeps(journal))
        code = journal->ops->sync(journal, &fault);
    if (code != 0 && !force) {
        fault_line(&fault, why, 512);
        return false;
    }
    engine->stopping = true;
    engine->host->stop(engine->host->self, 0);
    return true;
}
