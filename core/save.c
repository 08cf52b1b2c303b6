/* When a snapshot is made, and what becomes of it.
 *
 *   NOTHING --save_dump--> DUMP --------------------- the sink has ended --> NOTHING
 *   NOTHING --the turn's end--> BASE -- the sink has ended, the log has turned --> NAMING
 *                               NAMING -- the manifest names it, or not --> NOTHING
 *
 * The first base of a log that is switched on goes the same way. What is recorded meanwhile is in
 * the log already, but nothing of that counts before the base is named; so if it fails, or anybody
 * stops it, the log is given up, not tried again. It goes on when all keys are flushed.
 *
 * FLUSHALL while one is cut gives it up, so that memory is free at once; it begins anew at the end
 * of the turn: a dump as it is, a base as soon as the log has turned, and may turn again.
 *
 * A base begins between two turns, when the journal has taken all that was recorded: so its
 * sequence is that of the log's new file. A dump may begin between any two commands.
 *
 * A base that failed is tried again later and later, a minute to an hour; when the disk was full,
 * as soon as there seems to be room. A dump that failed is tried again by the next save point. Both
 * are said once, with the cause, and counted.
 */
#include "core/save.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/keyspace.h"
#include "core/latency.h"
#include "core/snapshot.h"
#include "core/snapshot_sink.h"

#define RETRY_FIRST_MS 60000
#define RETRY_LAST_MS 3600000
#define RETRY_SPACE_MS 1000
#define SAVE_POINT_RETRY_MS 5000
#define SLICE_BLOCKING_US 10000

enum phase { NOTHING, DUMP, BASE, NAMING };

struct save {
    enum phase phase;
    struct save_figures dump, base;
    uint64_t changes_at_dump;     /* keyspace_changes when the last good dump began */
    uint64_t changes_at_begin;    /* when the one that runs began */
    int64_t last_dump_unix;
    int64_t dump_tried_ms, base_retry_ms;
    uint64_t file_bytes, raw_bytes;
    bool doomed;                  /* the base: the log has turned, but there is no snapshot */
    bool again;                   /* the one that runs was dropped: it is to begin anew */
    struct save_birth birth;      /* of a log that is being switched on; begin is NULL: none is */
    char problem[512];
};

struct save *save_new(void)
{
    struct save *save = mem_alloc_zero(sizeof *save);
    save->dump.last_ok = save->base.last_ok = true;
    save->dump.last_s = save->base.last_s = -1;
    return save;
}

void save_free(struct save *save)
{
    mem_free(save);
}

static bool has_log(const struct engine *engine)
{
    return journal_keeps(engine->journal);
}

static void say(const struct engine *engine, enum host_level level, const char *what,
                const char *detail)
{
    engine->host->log(engine->host->self, level, "%s%s%s", what, detail[0] ? ": " : "", detail);
}

/* ---- Dumps ---- */

void save_path(const struct engine *engine, char out[static SAVE_PATH_MAX])
{
    const struct settings *settings = engine->settings;
    snprintf(out, SAVE_PATH_MAX, "%s/%s", settings->dir ? settings->dir : ".",
             settings_dump_name(settings));
}

static int refuse_without_files(const struct engine *engine, struct fault *fault)
{
    if (engine->settings->persistence && engine->sink)
        return 0;
    return fault_set(fault, KV_EREFUSED, "", -1,
                     "this server keeps its data in memory only (persistence no) and writes no "
                     "file. CONFIG SET persistence yes makes it durable");
}

static void begun(struct engine *engine, enum phase phase, struct save_figures *figures)
{
    struct save *save = engine->save;
    save->phase = phase;
    figures->running = true;
    figures->scheduled = false;
    figures->started_ms = engine->now_ms;
    save->changes_at_begin = keyspace_changes(engine->keyspace);
}

static int begin_dump(struct engine *engine, char path[static SAVE_PATH_MAX],
                      struct fault *fault)
{
    struct snapshot_order order = {
        .path = path,
        .seq = engine->journal->sequence,
        .io = (enum snapshot_io)engine->settings->saving.io_priority,
        .compress = engine->settings->rdb_compression,
    };
    save_path(engine, path);
    order.form = text_ends_with(path, ".lz4") ? SNAPSHOT_LZ4 : SNAPSHOT_RDB;
    memcpy(order.kvid, engine->kvid, sizeof order.kvid);
    engine->save->dump_tried_ms = engine->now_ms;
    return snapshot_begin(engine, &order, fault);
}

int save_dump(struct engine *engine, struct fault *fault)
{
    char path[SAVE_PATH_MAX];
    int status = refuse_without_files(engine, fault);
    if (status == 0 && engine->save->phase != NOTHING)
        status = fault_set(fault, KV_EBUSY, "", -1, "a snapshot is being made already");
    if (status < 0)
        return status;
    status = begin_dump(engine, path, fault);
    if (status == 0) {
        begun(engine, DUMP, &engine->save->dump);
        say(engine, HOST_NOTICE, "Background saving started", path);
    }
    return status;
}

void save_schedule_dump(struct engine *engine)
{
    engine->save->dump.scheduled = true;
}

void save_flushed(struct engine *engine)
{
    const struct settings *settings = engine->settings;
    if (settings->persistence && settings->saving.count > 0 && !has_log(engine))
        save_schedule_dump(engine);
}

/* Of the snapshot whose sink has ended. */
static bool take_result(struct engine *engine)
{
    struct save *save = engine->save;
    struct snapshot_result result = {0};
    bool done = engine->sink->state(engine->sink->self, &result) == SNAPSHOT_DONE;
    save->file_bytes = result.file_bytes;
    save->raw_bytes = result.raw_bytes;
    if (!done)
        memcpy(save->problem, result.problem, sizeof save->problem);
    return done;
}

static void count(struct engine *engine, struct save_figures *figures, bool done)
{
    figures->running = false;
    figures->last_ok = done;
    figures->last_s = (engine->now_ms - figures->started_ms) / 1000;
    figures->done += done;
    figures->failures = done ? 0 : figures->failures + 1;
    engine->save->phase = NOTHING;
}

static bool dump_begins_anew(struct engine *engine)
{
    struct save *save = engine->save;
    char path[SAVE_PATH_MAX];
    struct fault fault = {0};
    if (!save->again)
        return false;
    save->again = false;
    save->changes_at_begin = keyspace_changes(engine->keyspace);
    if (begin_dump(engine, path, &fault) == 0) {
        say(engine, HOST_NOTICE, "All keys were flushed: background saving begins anew", path);
        return true;
    }
    fault_line(&fault, save->problem, sizeof save->problem);
    count(engine, &save->dump, false);
    say(engine, HOST_WARNING, "Background saving failed", save->problem);
    return true;
}

static void dump_ended(struct engine *engine)
{
    struct save *save = engine->save;
    if (dump_begins_anew(engine))
        return;
    bool done = take_result(engine);
    count(engine, &save->dump, done);
    if (done) {
        save->changes_at_dump = save->changes_at_begin;
        save->last_dump_unix = engine->now_ms / 1000;
        say(engine, HOST_NOTICE, "Background saving terminated with success", "");
    } else {
        say(engine, HOST_WARNING, "Background saving failed", save->problem);
    }
}

/* The state of the keyspace is all in the snapshot when this returns, and on the disk, or not. */
static void finish_snapshot(struct engine *engine)
{
    while (!snapshot_ended(engine))
        if (!snapshot_slice(engine, SLICE_BLOCKING_US) && !snapshot_ended(engine))
            engine->sink->wait(engine->sink->self);
}

/* One that was cancelled holds the marks until it is swept: see snapshot.c. */
static void sweep_snapshot(struct engine *engine)
{
    while (engine->save->phase == NOTHING && !snapshot_ended(engine))
        snapshot_slice(engine, SLICE_BLOCKING_US);
}

int save_dump_wait(struct engine *engine, struct fault *fault)
{
    sweep_snapshot(engine);
    int status = save_dump(engine, fault);
    if (status < 0)
        return status;
    finish_snapshot(engine);
    dump_ended(engine);
    if (engine->save->dump.last_ok)
        return 0;
    return fault_set(fault, KV_EIO, "", -1, "%s", engine->save->problem);
}

enum save_cancelled save_cancel(struct engine *engine)
{
    struct save *save = engine->save;
    if (save->phase == DUMP) {
        snapshot_cancel(engine);
        save->dump.running = save->again = false;
        save->phase = NOTHING;
        say(engine, HOST_NOTICE, "Background saving cancelled", "");
        return SAVE_RUNNING_CANCELLED;
    }
    if (save->dump.scheduled) {
        save->dump.scheduled = false;
        return SAVE_SCHEDULED_CANCELLED;
    }
    return SAVE_NONE_CANCELLED;
}

void save_drop(struct engine *engine)
{
    if (!save_turning_on(engine) && snapshot_drop(engine))
        engine->save->again = engine->save->phase != NOTHING;
}

/* ---- A log that is switched on ---- */

void save_turn_on(struct engine *engine, const struct save_birth *birth)
{
    kv_assert(!save_turning_on(engine));
    engine->save->birth = *birth;
    engine->news_due = true;
}

bool save_turning_on(const struct engine *engine)
{
    return engine->save->birth.begin != NULL;
}

/* The phase is NOTHING. */
static void birth_ends(struct engine *engine, const char *problem)
{
    struct save *save = engine->save;
    struct save_birth birth = save->birth;
    kv_assert(save->phase == NOTHING);
    if (!birth.begin)
        return;
    if (problem && problem != save->problem)
        snprintf(save->problem, sizeof save->problem, "%s", problem);
    save->birth = (struct save_birth){0};
    birth.end(birth.env, problem ? save->problem : NULL);
    engine->news_due = true; /* for who waits for it */
}

void save_turn_on_cancel(struct engine *engine)
{
    struct save *save = engine->save;
    if (save->phase == BASE)
        snapshot_cancel(engine);
    if (save->phase == BASE || save->phase == NAMING) {
        save->base.running = false;
        save->phase = NOTHING;
    }
    if (save->phase == NOTHING) {
        birth_ends(engine, "it was switched off again");
        return;
    }
    struct save_birth birth = save->birth; /* a dump is being made: it has not begun */
    save->birth = (struct save_birth){0};
    birth.end(birth.env, "it was switched off again");
}

void save_stop(struct engine *engine)
{
    struct save *save = engine->save;
    if (save->phase == DUMP || save->phase == BASE)
        snapshot_cancel(engine);
    save->dump.running = save->base.running = save->again = false;
    save->phase = NOTHING;
    birth_ends(engine, "it was stopped");
}

/* ---- Bases ---- */

int save_base(struct engine *engine, struct fault *fault)
{
    struct save *save = engine->save;
    if (!has_log(engine) || !engine->sink)
        return fault_set(fault, KV_EREFUSED, "", -1, "there is no log to rewrite");
    if (save->base.running || save->base.scheduled)
        return fault_set(fault, KV_EBUSY, "", -1, "the log is being rewritten already");
    save->base.scheduled = true;
    save->base_retry_ms = 0;
    return 0;
}

static void base_failed(struct engine *engine, const char *problem)
{
    struct save *save = engine->save;
    int64_t wait_ms = RETRY_LAST_MS;
    if (problem != save->problem)
        snprintf(save->problem, sizeof save->problem, "%s", problem);
    count(engine, &save->base, false);
    if (save_turning_on(engine)) {
        birth_ends(engine, save->problem);
        return;
    }
    if (save->base.failures < 7)
        wait_ms = (int64_t)RETRY_FIRST_MS << (save->base.failures - 1);
    if (wait_ms > RETRY_LAST_MS)
        wait_ms = RETRY_LAST_MS;
    save->base_retry_ms = engine->now_ms + wait_ms;
    say(engine, HOST_WARNING, "Rewriting the log failed; it goes on as it was", save->problem);
}

/* The keyspace as it is now, and what is recorded from here on, are to be the log. */
static void begin_birth(struct engine *engine)
{
    struct save *save = engine->save;
    struct journal_base base = {.path = ""};
    struct fault fault = {0};
    char line[512];
    begun(engine, BASE, &save->base);
    int status = save->birth.begin(save->birth.env, &base, &fault);
    struct snapshot_order order = {
        .form = SNAPSHOT_BASE,
        .path = base.path,
        .seq = base.seq,
        .io = (enum snapshot_io)engine->settings->saving.io_priority,
    };
    memcpy(order.kvid, base.kvid, sizeof order.kvid);
    if (status == 0)
        status = snapshot_begin(engine, &order, &fault);
    save->doomed = false;
    if (status < 0)
        base_failed(engine, fault_line(&fault, line, sizeof line));
    else
        say(engine, HOST_NOTICE, "The log is being switched on: its base is written", base.path);
}

/* All is with the journal: the snapshot begins where its new file does. */
static void begin_base(struct engine *engine)
{
    struct journal *journal = engine->journal;
    struct journal_base base;
    struct fault fault = {0};
    char line[512];
    int status = journal->ops->base_begin(journal, keyspace_memory(engine->keyspace), &base,
                                          &fault);
    struct snapshot_order order = {
        .form = SNAPSHOT_BASE,
        .path = base.path,
        .seq = base.seq,
        .io = (enum snapshot_io)engine->settings->saving.io_priority,
    };
    if (status == KV_EBUSY)
        return; /* the one before is not quite over */
    begun(engine, BASE, &engine->save->base);
    if (status == KV_ENOSPACE && engine->save->base.failures > 0) {
        count(engine, &engine->save->base, false); /* said before */
        engine->save->base_retry_ms = engine->now_ms + RETRY_SPACE_MS;
        return;
    }
    if (status == 0) {
        memcpy(order.kvid, base.kvid, sizeof order.kvid);
        status = snapshot_begin(engine, &order, &fault);
    }
    engine->save->doomed = false;
    if (status < 0 && order.kvid[0]) {
        engine->save->doomed = true; /* the log turns all the same: see base_ended */
        fault_line(&fault, engine->save->problem, sizeof engine->save->problem);
    } else if (status < 0) {
        base_failed(engine, fault_line(&fault, line, sizeof line));
        if (status == KV_ENOSPACE)
            engine->save->base_retry_ms = engine->now_ms + RETRY_SPACE_MS;
    }
    if (status < 0)
        return;
    say(engine, HOST_NOTICE, "Background append only file rewriting started", base.path);
}

/* In the next turn: the log is to turn behind what has emptied the databases. */
static void base_begins_anew(struct engine *engine)
{
    struct save *save = engine->save;
    save->phase = NOTHING;
    save->base.running = false;
    save->base.scheduled = true;
    engine->news_due = true;
    say(engine, HOST_NOTICE, "All keys were flushed: rewriting the log begins anew", "");
}

/* The snapshot is complete, or has failed; the log must have turned before it hears of that. */
static void base_ended(struct engine *engine)
{
    struct journal *journal = engine->journal;
    char problem[512];
    enum journal_base_state state = journal->ops->base_state(journal, problem);
    bool done;
    if (state == JOURNAL_BASE_TURNING)
        return;
    bool again = engine->save->again;
    engine->save->again = false;
    done = !engine->save->doomed && !again && take_result(engine);
    if (state == JOURNAL_BASE_OPEN)
        journal->ops->base_end(journal, done);
    if (state == JOURNAL_BASE_OPEN && again)
        base_begins_anew(engine);
    else if (state == JOURNAL_BASE_OPEN && done)
        engine->save->phase = NAMING;
    else
        base_failed(engine, state == JOURNAL_BASE_OPEN ? engine->save->problem : problem);
}

static void base_named(struct engine *engine)
{
    struct journal *journal = engine->journal;
    char problem[512];
    enum journal_base_state state = journal->ops->base_state(journal, problem);
    if (state == JOURNAL_BASE_NAMING)
        return;
    if (state != JOURNAL_BASE_DONE) {
        base_failed(engine, problem);
        return;
    }
    struct save_figures *figures = &engine->save->base;
    count(engine, figures, true);
    latency_add(engine, LATENCY_COMPACTION, (uint64_t)(engine->now_ms - figures->started_ms));
    birth_ends(engine, NULL);
    say(engine, HOST_NOTICE, "Background append only file rewriting terminated with success", "");
}

/* The log's disk is full, or it can't go on: its base is of no use. */
static bool birth_failed(struct engine *engine)
{
    struct journal *journal = engine->journal;
    return unlikely(engine->save->birth.begin) && engine->save->phase == BASE &&
           journal->ops->base_state(journal, NULL) == JOURNAL_BASE_FAILED;
}

/* ---- Turns and ticks ---- */

void save_turn(struct engine *engine)
{
    struct save *save = engine->save;
    if (save->phase == NOTHING) {
        if (unlikely(save->birth.begin) && snapshot_ended(engine))
            begin_birth(engine);
        else if (unlikely(save->base.scheduled) && engine->journal->open.len == 0 &&
                 snapshot_ended(engine))
            begin_base(engine);
        return;
    }
    if (save->phase == NAMING)
        base_named(engine);
    else if (birth_failed(engine))
        snapshot_cancel(engine), base_ended(engine);
    else if (snapshot_ended(engine))
        save->phase == DUMP ? dump_ended(engine) : base_ended(engine);
}

/* By its growth, by what recovery or healing left, or because the disk is full. */
static bool base_is_due(const struct engine *engine)
{
    const struct settings_saving *saving = &engine->settings->saving;
    struct journal_report report;
    uint64_t growth, percent = (uint64_t)saving->rewrite_percent;
    engine->journal->ops->report(engine->journal, &report);
    growth = report.file_bytes - report.base_bytes;
    if (report.base_due || atomic_load(&engine->journal->state) == JOURNAL_FULL)
        return true;
    if (saving->rewrite_max_bytes > 0 && growth > (uint64_t)saving->rewrite_max_bytes)
        return true;
    return percent > 0 && report.file_bytes > (uint64_t)saving->rewrite_min_bytes &&
           growth / percent * 100 >= report.base_bytes;
}

static bool dump_is_due(const struct engine *engine)
{
    const struct save *save = engine->save;
    uint64_t changes = keyspace_changes(engine->keyspace) - save->changes_at_dump;
    int64_t since_s = engine->now_ms / 1000 - save->last_dump_unix;
    if (!engine->settings->persistence ||
        (!save->dump.last_ok && engine->now_ms - save->dump_tried_ms < SAVE_POINT_RETRY_MS))
        return false;
    for (int i = 0; i < engine->settings->saving.count; i++) {
        const struct save_point *point = &engine->settings->saving.points[i];
        if (changes >= (uint64_t)point->changes && since_s > point->seconds)
            return true;
    }
    return false;
}

void save_tick(struct engine *engine)
{
    struct save *save = engine->save;
    struct fault fault = {0};
    if (save->last_dump_unix == 0)
        save->last_dump_unix = engine->started_ms / 1000;
    if (save->phase != NOTHING || engine->loading || !engine->sink || !snapshot_ended(engine))
        return;
    if (has_log(engine) && !save->base.scheduled && engine->now_ms >= save->base_retry_ms &&
        atomic_load(&engine->journal->state) != JOURNAL_FAILED && base_is_due(engine))
        save->base.scheduled = true;
    if ((save->dump.scheduled || dump_is_due(engine)) && save_dump(engine, &fault) < 0) {
        save->dump.scheduled = false;
        save->dump.last_ok = false;
        fault_line(&fault, save->problem, sizeof save->problem);
        say(engine, HOST_WARNING, "Background saving failed", save->problem);
    }
}

/* ---- What others ask ---- */

bool save_stops_writes(const struct engine *engine)
{
    return unlikely(!engine->save->dump.last_ok) && engine->settings->persistence &&
           engine->settings->saving.stop_writes && engine->settings->saving.count > 0 &&
           !has_log(engine);
}

void save_loaded(struct engine *engine)
{
    engine->save->changes_at_dump = keyspace_changes(engine->keyspace);
}

void save_report(const struct engine *engine, struct save_report *out)
{
    const struct save *save = engine->save;
    struct snapshot_result result = {0};
    *out = (struct save_report){
        .dump = save->dump,
        .base = save->base,
        .changes = keyspace_changes(engine->keyspace) - save->changes_at_dump,
        .last_dump_unix =
            save->last_dump_unix ? save->last_dump_unix : engine->started_ms / 1000,
        .file_bytes = save->file_bytes,
        .raw_bytes = save->raw_bytes,
    };
    memcpy(out->problem, save->problem, sizeof out->problem);
    if (save->birth.begin && save->phase != BASE && save->phase != NAMING)
        out->base.scheduled = true;
    else if (save->base.scheduled && save->phase == NOTHING) {
        out->base.scheduled = false; /* nothing is in its way: the log prepares its next file */
        out->base.running = true;
        out->base.started_ms = engine->now_ms;
    }
    if (save->phase == DUMP || save->phase == BASE) {
        engine->sink->state(engine->sink->self, &result);
        out->file_bytes = result.file_bytes;
        out->raw_bytes = result.raw_bytes;
    }
}
