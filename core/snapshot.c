/* A snapshot: the state of the keyspace at one point between two commands, written while commands
 * go on.
 *
 *   NONE --begin--> CUTTING --all is cut--> FINISHING --the sink is done, or failed--> NONE
 *                   CUTTING --cancel, or the sink has failed--> SWEEPING --in order--> NONE
 *                   CUTTING, SWEEPING --all databases are emptied--> NONE
 *
 * Work is done in slices, at the end of the loop's turns: a group of the keyspace's table at a
 * time (keyspace_cut.c), or a piece of a large value (snapshot_record.c). A change of an entry that
 * is not in yet takes it first. The order of the keys in the file is of no meaning, so what is
 * taken early and what the walk takes go into the same frames (snapshot_frame.c).
 *
 * While it is swept nothing is written, but the walk and the large values go on to their end: only
 * then do all marks say the same, and the next snapshot can turn them over.
 *
 * Invariants
 *   1. Each entry that was there at the beginning is taken exactly once: counted, and asserted at
 *      the end.
 *   2. Nothing newer is in it: an entry is taken before it changes, and one that comes later is
 *      born with the mark that says "in".
 *   3. While it is cut, no command takes longer than its own work and writing down what it changes:
 *      a small value whole; of a large one the nodes it touches; of a long string the pieces of
 *      64 KiB it touches (RENAME, MOVE: the rest, which is what they may copy anyway).
 *   4. Memory: the frames being filled, what large values handed over, and the sink's queue. The
 *      walk stops while the queue is longer than a few frames. Changes can make it grow beyond:
 *      past snapshot-memory-limit commands that write wait at the gate. A database that is emptied
 *      while others are not stays in memory until it is cut, and so do large values that are
 *      dropped; they count neither here nor in the keyspace. When all are emptied the snapshot is
 *      dropped with them, and whoever wanted it begins anew.
 *
 * Why not a fork: it copies page tables for as long as a large store has them, doubles memory in
 * the worst case, and needs overcommit; all three at a time that nobody chose.
 */
#include "core/snapshot.h"

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/latency.h"
#include "core/snapshot_frame.h"
#include "core/snapshot_private.h"
#include "core/snapshot_record.h"
#include "core/snapshot_sink.h"

#define LIMIT_USUAL ((size_t)64 << 20)
#define LIMIT_LEAST ((size_t)1 << 20)
#define FRAME_BYTES_LEAST ((size_t)64 << 10)
#define STEP_BYTES ((size_t)8 << 10) /* after which the clock is looked at again */
#define FRAMES_QUEUED 4           /* the walk waits for the disk beyond */
#define TURN_LEAST_NS 50000u      /* a slice: see snapshot_turn */
#define TURN_MOST_NS 500000u
#define TURN_GAP_NS 100000u       /* between two slices, at least */

/* --- Memory ----------------------------------------------------------------------------------- */

static size_t limit_of(const struct engine *engine)
{
    size_t limit = (size_t)engine->settings->saving.memory_limit;

    if (limit == 0) {
        limit = (size_t)engine->settings->maxmemory / 4;
        if (limit == 0 || limit > LIMIT_USUAL)
            limit = LIMIT_USUAL;
    }
    return limit < LIMIT_LEAST ? LIMIT_LEAST : limit;
}

static size_t memory_of(const struct snapshot *snapshot)
{
    if (snapshot->phase == SNAPSHOT_NONE)
        return 0;
    return frame_memory(snapshot) + snapshot->record_bytes + snapshot->scratch.cap +
        snapshot->sink->held(snapshot->sink->self);
}

/* After anything that may have changed its memory. */
static void weigh(struct snapshot *snapshot)
{
    struct engine *engine = snapshot->engine;
    size_t memory = memory_of(snapshot);
    bool held = engine->snapshot_holds;

    if (memory > snapshot->progress.memory_peak)
        snapshot->progress.memory_peak = memory;
    engine->snapshot_holds = snapshot->phase != SNAPSHOT_SWEEPING && memory > limit_of(engine);
    if (held && !engine->snapshot_holds)
        engine->news_due = true;
}

bool snapshot_holds_writes(const struct engine *engine)
{
    return engine->snapshot_holds;
}

void snapshot_news(struct engine *engine)
{
    if (engine->snapshot != NULL && engine->snapshot_holds)
        weigh(engine->snapshot);
    engine->news_due = false;
}

/* --- What the keyspace tells ------------------------------------------------------------------ */

static bool take(void *self, int db, struct entry *entry, bool early)
{
    struct snapshot *snapshot = self;

    snapshot->progress.keys++;
    snapshot->progress.handed_over += early;
    if (snapshot->phase == SNAPSHOT_SWEEPING)
        return true;
    if (record_is_large(entry)) {
        record_open(snapshot, db, entry);
        snapshot->step_bytes = STEP_BYTES; /* the walk goes on when the value is written */
    } else {
        snapshot->step_bytes += frame_put_entry(snapshot, db, entry);
    }
    if (early)
        weigh(snapshot);
    else if (unlikely(snapshot->engine->settings->saving.key_delay_us > 0))
        snapshot->step_bytes = STEP_BYTES;
    return snapshot->step_bytes < STEP_BYTES;
}

static void release(void *self, struct entry *entry)
{
    record_release(self, entry);
    weigh(self);
}

static void touch(void *self, struct entry *entry, size_t from, size_t to)
{
    record_touch(self, entry, from, to);
    weigh(self);
}

static void moved(void *self, const void *old, struct entry *entry)
{
    record_moved(self, old, entry);
}

static bool reads(void *self, const struct entry *entry)
{
    return record_reads(self, entry);
}

static void handed_over(void *self, const struct entry *entry)
{
    if (record_handed_over(self, entry))
        weigh(self);
}

static bool keep(void *self, struct entry *entry)
{
    return record_keep(self, entry);
}

static bool holds(void *self)
{
    return record_any(self);
}

/* --- Its course ------------------------------------------------------------------------------- */

static struct snapshot *snapshot_new(struct engine *engine)
{
    struct snapshot *snapshot = mem_alloc_zero(sizeof(*snapshot));

    snapshot->engine = engine;
    snapshot->last = &snapshot->first;
    snapshot->cutter =
        (struct keyspace_cutter){snapshot, take, release, touch, moved, reads, handed_over, keep,
                                 holds};
    return snapshot;
}

int snapshot_begin(struct engine *engine, const struct snapshot_order *order, struct fault *fault)
{
    struct snapshot *snapshot = engine->snapshot;
    size_t frame_bytes = limit_of(engine) / 8;
    int code;

    if (snapshot != NULL && snapshot->phase != SNAPSHOT_NONE)
        return fault_set(fault, KV_EBUSY, order->path, -1, "another snapshot is running");
    if (engine->sink == NULL)
        return fault_set(fault, KV_EREFUSED, order->path, -1, "this server writes no snapshots");
    if ((code = engine->sink->begin(engine->sink->self, order, fault)) != 0)
        return code;
    if (snapshot == NULL)
        snapshot = engine->snapshot = snapshot_new(engine);
    if (frame_bytes < FRAME_BYTES_LEAST)
        frame_bytes = FRAME_BYTES_LEAST;
    snapshot->sink = engine->sink;
    snapshot->spill_bytes = limit_of(engine) / 4;
    snapshot->values = 0;
    snapshot->frame_bytes =
        frame_bytes > SNAPSHOT_FRAME_BYTES ? SNAPSHOT_FRAME_BYTES : frame_bytes;
    snapshot->compress = order->form != SNAPSHOT_LZ4 && order->compress;
    snapshot->version = (int)engine->settings->rdb_version;
    snapshot->progress = (struct snapshot_progress){.started_ms = engine->now_ms};
    frame_reset(snapshot);
    frame_put_head(snapshot, order);
    snapshot->phase = SNAPSHOT_CUTTING;
    snapshot->progress.keys_total = keyspace_cut_begin(engine->keyspace, &snapshot->cutter);
    return 0;
}

static void set_free(struct snapshot *snapshot)
{
    snapshot->phase = SNAPSHOT_NONE;
    frame_reset(snapshot);
    buf_free(&snapshot->scratch);
    weigh(snapshot);
}

static void give_up(struct snapshot *snapshot)
{
    snapshot->phase = SNAPSHOT_SWEEPING;
    frame_reset(snapshot);
    record_give_up(snapshot);
    keyspace_cut_give_up(snapshot->engine->keyspace);
    weigh(snapshot);
}

static void finish(struct snapshot *snapshot)
{
    keyspace_cut_end(snapshot->engine->keyspace);
    kv_assert(snapshot->progress.keys == snapshot->progress.keys_total);
    kv_assert(snapshot->record_bytes == 0);
    frame_seal(snapshot, &snapshot->main, false, true);
    frame_seal(snapshot, &snapshot->side, false, true);
    frame_reset(snapshot);
    snapshot->sink->finish(snapshot->sink->self);
    snapshot->phase = SNAPSHOT_FINISHING;
}

/* One piece of work. False: there is none at present. */
static bool advance(struct snapshot *snapshot)
{
    struct snapshot_sink *sink = snapshot->sink;

    if (snapshot->phase == SNAPSHOT_CUTTING &&
        sink->held(sink->self) > FRAMES_QUEUED * snapshot->frame_bytes)
        return false;
    snapshot->step_bytes = 0;
    if (record_step(snapshot) || keyspace_cut_step(snapshot->engine->keyspace))
        return true;
    if (snapshot->phase == SNAPSHOT_CUTTING) {
        finish(snapshot);
    } else {
        keyspace_cut_end(snapshot->engine->keyspace);
        set_free(snapshot);
    }
    return false;
}

/* The sink's state may end it, whatever is left to do. True if there may be work. */
static bool look_at_sink(struct snapshot *snapshot)
{
    struct snapshot_result result;
    enum snapshot_state state;

    if (snapshot->phase == SNAPSHOT_NONE || snapshot->phase == SNAPSHOT_SWEEPING)
        return snapshot->phase != SNAPSHOT_NONE;
    state = snapshot->sink->state(snapshot->sink->self, &result);
    if (snapshot->phase == SNAPSHOT_FINISHING) {
        if (state != SNAPSHOT_RUNNING)
            set_free(snapshot);
        return false;
    }
    if (state == SNAPSHOT_FAILED)
        give_up(snapshot);
    return true;
}

bool snapshot_slice(struct engine *engine, uint64_t budget_us)
{
    struct snapshot *snapshot = engine->snapshot;
    struct snapshot_progress *progress;
    struct host *host = engine->host;
    uint64_t began_ns, now_ns, us;
    bool more;

    if (snapshot == NULL || !look_at_sink(snapshot))
        return false;
    progress = &snapshot->progress;
    began_ns = host->monotonic_ns(host->self);
    do {
        more = advance(snapshot);
        now_ns = host->monotonic_ns(host->self);
    } while (more && now_ns - began_ns < budget_us * 1000);
    us = (now_ns - began_ns) / 1000;
    progress->slices++;
    progress->slice_us += us;
    if (us > progress->slice_max_us)
        progress->slice_max_us = us;
    latency_add(engine, LATENCY_SNAPSHOT_SLICE, us / 1000);
    weigh(snapshot);
    return more;
}

/* rdb-key-save-delay: what the keys of the last slice cost. Looked at in each turn: who takes the
 * delay away does not wait for it. */
static uint64_t key_delay_ns(const struct snapshot *snapshot)
{
    int64_t delay_us = snapshot->engine->settings->saving.key_delay_us;

    if (likely(delay_us <= 0) || snapshot->phase != SNAPSHOT_CUTTING)
        return 0;
    return snapshot->slice_keys * (uint64_t)delay_us * 1000;
}

/* A slice takes 50 microseconds, or half as long as the turn's commands took; between two of them
 * the main thread is free, and sleeps if there is nothing to do, for twice as long as a slice. So a
 * snapshot gets a third of it at most, and a thread that sleeps that often is one that the
 * scheduler wakes at once: cut without a pause, measured, it used up its share of a processor and
 * was then kept from it for one to four milliseconds at a time, and commands with it. */
int64_t snapshot_turn(struct engine *engine)
{
    struct snapshot *snapshot = engine->snapshot;
    struct host *host = engine->host;
    uint64_t now_ns, budget_ns, due_ns, keys;
    bool more;

    if (likely(snapshot == NULL || snapshot->phase == SNAPSHOT_NONE))
        return -1;
    now_ns = host->monotonic_ns(host->self);
    due_ns = snapshot->next_slice_ns + key_delay_ns(snapshot);
    if (now_ns < due_ns)
        return (int64_t)(due_ns - now_ns);
    keys = snapshot->progress.keys;
    budget_ns = (now_ns - engine->turn_began_ns) / 2;
    if (budget_ns < TURN_LEAST_NS)
        budget_ns = TURN_LEAST_NS;
    if (budget_ns > TURN_MOST_NS)
        budget_ns = TURN_MOST_NS;
    if (unlikely(engine->settings->saving.key_delay_us > 0))
        budget_ns = 0; /* a key at a time */
    more = snapshot_slice(engine, budget_ns / 1000);
    snapshot->slice_keys = snapshot->progress.keys - keys;
    snapshot->next_slice_ns = host->monotonic_ns(host->self) + TURN_GAP_NS;
    return more ? (int64_t)TURN_GAP_NS : -1;
}

bool snapshot_ended(const struct engine *engine)
{
    return engine->snapshot == NULL || engine->snapshot->phase == SNAPSHOT_NONE;
}

void snapshot_cancel(struct engine *engine)
{
    struct snapshot *snapshot = engine->snapshot;

    if (snapshot == NULL)
        return;
    if (snapshot->phase == SNAPSHOT_CUTTING || snapshot->phase == SNAPSHOT_FINISHING)
        snapshot->sink->cancel(snapshot->sink->self);
    if (snapshot->phase == SNAPSHOT_CUTTING)
        give_up(snapshot);
    else if (snapshot->phase == SNAPSHOT_FINISHING)
        set_free(snapshot);
}

bool snapshot_drop(struct engine *engine)
{
    struct snapshot *snapshot = engine->snapshot;
    bool cutting = snapshot != NULL && snapshot->phase == SNAPSHOT_CUTTING;

    if (!cutting && (snapshot == NULL || snapshot->phase != SNAPSHOT_SWEEPING))
        return false;
    if (cutting)
        snapshot->sink->cancel(snapshot->sink->self);
    record_drop(snapshot);
    keyspace_cut_drop(engine->keyspace);
    set_free(snapshot);
    return cutting;
}

void snapshot_free(struct engine *engine)
{
    struct snapshot *snapshot = engine->snapshot;

    if (snapshot == NULL)
        return;
    snapshot_cancel(engine);
    while (snapshot->phase != SNAPSHOT_NONE)
        advance(snapshot);
    kv_assert(snapshot->record_bytes == 0);
    engine->snapshot = NULL;
    mem_free(snapshot);
}

void snapshot_report(const struct engine *engine, struct snapshot_progress *out)
{
    *out = (struct snapshot_progress){0};
    if (engine->snapshot != NULL) {
        *out = engine->snapshot->progress;
        out->running = engine->snapshot->phase != SNAPSHOT_NONE;
        out->memory = memory_of(engine->snapshot);
    }
    out->waits = engine->stats.snapshot_waits;
}
