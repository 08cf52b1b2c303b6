/* Invariants: the keyspace changes exactly when effects are recorded (asserted behind each
 * command); an error reply leaves the keyspace as it was (but for scripts and MIGRATE); a reply
 * depends on at least its own effects. */
#include "core/run.h"

#include "core/base/histogram.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ctx.h"
#include "core/latency.h"
#include "core/monitor.h"
#include "core/record.h"
#include "core/slowlog.h"
#include "core/tracking.h"

void run_clock_set(struct engine *engine, uint64_t now_ns)
{
    engine->now_ns = now_ns;
    engine->now_ms = (int64_t)(now_ns / 1000000) + engine->wall_offset_ms;
}

void run_clock_read(struct engine *engine)
{
    run_clock_set(engine, engine->host->monotonic_ns(engine->host->self));
}

/* Less is no latency event, whose threshold is a millisecond at least. */
#define SLOW_US_MIN 1000

/* One that waits now is noted when it is served. */
static void note_slow(const struct ctx *ctx, uint64_t us)
{
    struct engine *engine = ctx->engine;
    uint32_t flags = ctx->command->flags;
    if (ctx->session->flags & SESSION_BLOCKED && !ctx->woken)
        return;
    if (us >= (uint64_t)engine->settings->slowlog_slower_us && !(flags & COMMAND_SKIP_SLOWLOG))
        slowlog_add(ctx, SLOWLOG_SLOW, us);
    latency_add(engine, flags & COMMAND_FAST ? LATENCY_FAST_COMMAND : LATENCY_COMMAND, us / 1000);
}

/* Its bytes on the wire, as clients that are no person send it. */
static uint64_t request_bytes(const struct ctx *ctx)
{
    char digits[NUM_I64_MAX_CHARS];
    uint64_t bytes = 3 + num_format_u64(digits, (uint64_t)ctx->argc);
    for (int i = 0; i < ctx->argc; i++)
        bytes += 5 + num_format_u64(digits, ctx->argv[i].len) + ctx->argv[i].len;
    return bytes;
}

/* Cheap, and true for each that is; but for those queued before, or called by a script. */
static inline bool may_be_large(const struct ctx *ctx)
{
    const struct settings *settings = ctx->engine->settings;
    return ctx->session->query_bytes >= (uint64_t)settings->large_request_bytes ||
           ctx->session->output.chunk_bytes >= (uint64_t)settings->large_reply_bytes ||
           ctx->may_not_block;
}

static __attribute__((noinline)) void note_large(const struct ctx *ctx, size_t reply_before)
{
    const struct settings *settings = ctx->engine->settings;
    uint64_t request = request_bytes(ctx);
    uint64_t reply = output_unmarked(&ctx->session->output) - reply_before;
    if (ctx->command->flags & COMMAND_SKIP_SLOWLOG ||
        (ctx->session->flags & SESSION_BLOCKED && !ctx->woken))
        return;
    if (request >= (uint64_t)settings->large_request_bytes)
        slowlog_add(ctx, SLOWLOG_LARGE_REQUEST, request);
    if (reply >= (uint64_t)settings->large_reply_bytes)
        slowlog_add(ctx, SLOWLOG_LARGE_REPLY, reply);
}

/* One that waited is counted once, when it came. */
static void count_call(struct engine *engine, const struct ctx *ctx)
{
    struct command_state *state = ctx->state;
    uint64_t started = engine->now_ns;
    run_clock_read(engine);
    uint64_t us = (engine->now_ns - started) / 1000;
    state->calls += !ctx->woken;
    state->usec += us;
    state->failed += ctx->failed;
    engine->stats.commands += !ctx->woken;
    engine->stats.commands_us += us;
    ctx->session->commands += ctx->woken || !(ctx->session->flags & SESSION_BLOCKED);
    if (unlikely(us >= SLOW_US_MIN || us >= (uint64_t)engine->settings->slowlog_slower_us))
        note_slow(ctx, us);
    if (engine->settings->latency_tracking) {
        if (unlikely(!state->histogram))
            state->histogram = mem_alloc_zero(sizeof *state->histogram);
        histogram_add(state->histogram, us);
    }
}

/* A renamed command runs under the name of its row: so it is recorded, for who reads the log. */
static void use_own_name(struct ctx *ctx)
{
    const struct command_state *state = ctx->state->parent ? ctx->state->parent : ctx->state;
    struct slice *words = arena_alloc(ctx->arena, sizeof *words * (size_t)ctx->argc);
    memcpy(words, ctx->argv, sizeof *words * (size_t)ctx->argc);
    words[0] = slice_of(state->command->name);
    ctx->argv = words;
}

/* What MONITOR shows before it has run. */
static bool is_shown_first(const struct ctx *ctx)
{
    return ctx->command->flags & COMMAND_SKIP_MONITOR;
}

static __attribute__((noinline)) void tell_listeners(const struct ctx *ctx)
{
    struct session *current = ctx->engine->current;
    uint32_t kind = ctx->command->flags & (COMMAND_READONLY | COMMAND_RUNS_SCRIPT);
    /* of a script what it reads, and not what it might */
    if (kind == COMMAND_READONLY && current && current->tracker)
        tracking_remember(current, ctx->command, ctx->argc, ctx->argv);
    if (!is_shown_first(ctx))
        monitor_show(ctx);
}

void run_command(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    uint64_t changes_before = keyspace_changes(engine->keyspace);
    size_t touched_before = engine->touched.len;
    unsigned all_before = engine->touched_all;
    size_t reply_before =
        unlikely(ctx->may_not_block) ? output_unmarked(&ctx->session->output) : 0;
    int effects_before = engine->effect_count;
    const struct ctx *outer = engine->running;
    engine->running = ctx;
    if (unlikely(ctx->state->renamed))
        use_own_name(ctx);
    if (unlikely(engine->attention & ATTENTION_MONITORS) && is_shown_first(ctx))
        monitor_show(ctx);
    ctx->command->run(ctx);
    if (ctx->command->flags & COMMAND_ALL_KEYS)
        ctx_depends_on_all(ctx);
    /* A command that commits what came before it, as CONFIG SET may, begins at nothing again. */
    bool all = engine->touched_all > all_before;
    bool own = engine->touched.len > touched_before || all;
    if (own && engine->recording && ctx->command->record == RECORD_REQUEST)
        ctx_effect(ctx, ctx->argc, ctx->argv);
    bool recorded = engine->effect_count > effects_before;
    kv_assert(!own || !engine->recording || recorded);
    kv_assert(!recorded || all || keyspace_changes(engine->keyspace) != changes_before);
    kv_assert(!own || !ctx->failed ||
              ctx->command->flags & (COMMAND_RUNS_SCRIPT | COMMAND_PARTIAL));
    ctx->changed |= own;
    if (unlikely(engine->attention & (ATTENTION_MONITORS | ATTENTION_TRACKERS)))
        tell_listeners(ctx);
    if (unlikely(may_be_large(ctx)))
        note_large(ctx, reply_before);
    count_call(engine, ctx);
    engine->running = outer;
}

/* CLIENT REPLY OFF and SKIP: errors are dropped like any other reply. */
bool run_drop_reply(struct session *session)
{
    if (likely(!(session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP))))
        return false;
    output_rewind(&session->output);
    session->flags &= ~(uint32_t)SESSION_REPLY_SKIP;
    return true;
}

void run_finish(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    struct session *session = ctx->session;
    uint64_t depends = ctx->depends;
    if (ctx->changed || engine->effect_count > 0) {
        uint64_t sequence = record_commit(engine);
        if (ctx->changed)
            depends = session->write_sequence = sequence;
    }
    if (unlikely(session->waiter) && !ctx->woken)
        return; /* there is none yet; CLIENT REPLY SKIP is for the one to come */
    if (unlikely(ctx->pushed)) /* pushes leave whatever CLIENT REPLY says */
        session->flags &= ~(uint32_t)SESSION_REPLY_SKIP;
    else if (run_drop_reply(session))
        return;
    bool free_to_go =
        ctx->command->flags & COMMAND_NO_HOLD || depends <= journal_confirmed(engine->journal);
    output_mark(&session->output, free_to_go ? 0 : depends, false);
    engine->stats.gate_waits += !free_to_go;
}
