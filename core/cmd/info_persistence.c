/* INFO persistence: the log, snapshots, and loading. */
#include <stdatomic.h>

#include "core/base/buf.h"
#include "core/cmd/info.h"
#include "core/cmd/memory_figures.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/save.h"
#include "core/settings.h"
#include "core/snapshot.h"
#include "core/stats.h"

/* A text of ours as the rest of a line. */
static void put_line(const char *text, struct buf *out)
{
    for (const char *c = text; *c; c++)
        buf_append_char(out, *c == '\r' || *c == '\n' ? ' ' : *c);
    buf_append_text(out, "\r\n");
}

/* Figures of the replay; the time left supposes that it goes on as fast. */
static void put_loading(const struct engine *engine, struct buf *out)
{
    uint64_t done = engine->loading_done, total = engine->loading_total;
    int64_t elapsed_ms = engine->now_ms - engine->loading_started_ms;
    int64_t left_s = 1;
    if (done > 0 && total > done)
        left_s = (int64_t)((double)elapsed_ms / 1000 * (double)(total - done) / (double)done);
    buf_printf(out,
               "loading_start_time:%lld\r\n"
               "loading_total_bytes:%llu\r\n"
               "loading_rdb_used_mem:0\r\n"
               "loading_loaded_bytes:%llu\r\n"
               "loading_loaded_perc:%.2f\r\n"
               "loading_eta_seconds:%lld\r\n"
               "loading_commands:%llu\r\n",
               (long long)engine->loading_started_ms / 1000, (unsigned long long)total,
               (unsigned long long)done, memory_percent((double)done, (double)total),
               (long long)left_s,
               (unsigned long long)engine->loading_commands);
}

/* How long it has been running, -1 if it is not. */
static int64_t running_s(const struct engine *engine, const struct save_figures *figures)
{
    return figures->running ? (engine->now_ms - figures->started_ms) / 1000 : -1;
}

static const char *ok(bool good)
{
    return good ? "ok" : "err";
}

/* What a fork would cost, in the words of Redis, is what a snapshot holds in memory. */
static void put_dumps(const struct engine *engine, const struct save_report *save,
                      const struct snapshot_progress *progress, struct buf *out)
{
    double done = memory_percent((double)progress->keys, (double)progress->keys_total);
    buf_printf(out,
               "loading:%d\r\n"
               "async_loading:0\r\n"
               "current_cow_peak:%zu\r\n"
               "current_cow_size:%zu\r\n"
               "current_cow_size_age:0\r\n"
               "current_fork_perc:%.2f\r\n"
               "current_save_keys_processed:%llu\r\n"
               "current_save_keys_total:%llu\r\n",
               engine->loading, progress->running ? progress->memory_peak : 0,
               progress->running ? progress->memory : 0, progress->running ? done : 0.0,
               progress->running ? (unsigned long long)progress->keys : 0,
               progress->running ? (unsigned long long)progress->keys_total : 0);
    buf_printf(out,
               "rdb_changes_since_last_save:%llu\r\n"
               "rdb_bgsave_in_progress:%d\r\n"
               "rdb_last_save_time:%lld\r\n"
               "rdb_last_bgsave_status:%s\r\n"
               "rdb_last_bgsave_time_sec:%lld\r\n"
               "rdb_current_bgsave_time_sec:%lld\r\n"
               "rdb_saves:%llu\r\n"
               "rdb_last_cow_size:%zu\r\n"
               "rdb_last_load_keys_expired:0\r\n"
               "rdb_last_load_keys_loaded:%llu\r\n",
               (unsigned long long)save->changes, save->dump.running,
               (long long)save->last_dump_unix, ok(save->dump.last_ok),
               (long long)save->dump.last_s, (long long)running_s(engine, &save->dump),
               (unsigned long long)save->dump.done, progress->memory_peak,
               (unsigned long long)engine->stats.loaded_keys);
}

static void put_bases(const struct engine *engine, const struct save_report *save, int state,
                      struct buf *out)
{
    buf_printf(out,
               "aof_enabled:%d\r\n"
               "aof_rewrite_in_progress:%d\r\n"
               "aof_rewrite_scheduled:%d\r\n"
               "aof_last_rewrite_time_sec:%lld\r\n"
               "aof_current_rewrite_time_sec:%lld\r\n"
               "aof_last_bgrewrite_status:%s\r\n"
               "aof_rewrites:%llu\r\n"
               "aof_rewrites_consecutive_failures:%llu\r\n"
               "aof_last_write_status:%s\r\n"
               "aof_last_cow_size:0\r\n"
               "module_fork_in_progress:0\r\n"
               "module_fork_last_cow_size:0\r\n",
               state != JOURNAL_OFF, save->base.running, save->base.scheduled,
               (long long)save->base.last_s, (long long)running_s(engine, &save->base),
               ok(save->base.last_ok), (unsigned long long)save->base.done,
               (unsigned long long)save->base.failures,
               ok(state != JOURNAL_FULL && state != JOURNAL_FAILED));
}

/* Figures of the snapshot that runs, or of the last one. The time left supposes that it goes on as
 * fast. */
static void put_snapshot(const struct engine *engine, const struct save_report *save,
                         const struct snapshot_progress *progress, struct buf *out)
{
    int64_t left_s = 0, elapsed_ms = engine->now_ms - progress->started_ms;
    if (progress->running && progress->keys > 0 && progress->keys_total > progress->keys)
        left_s = (int64_t)((double)elapsed_ms / 1000 *
                           (double)(progress->keys_total - progress->keys) /
                           (double)progress->keys);
    buf_printf(out,
               "snapshot_running:%d\r\n"
               "snapshot_raw_bytes:%llu\r\n"
               "snapshot_file_bytes:%llu\r\n"
               "snapshot_eta_seconds:%lld\r\n"
               "snapshot_handed_over:%llu\r\n"
               "snapshot_memory:%zu\r\n"
               "snapshot_memory_peak:%zu\r\n"
               "snapshot_slices:%llu\r\n"
               "snapshot_slice_max_usec:%llu\r\n"
               "snapshot_writers_paused:%llu\r\n"
               "snapshot_problem:",
               progress->running, (unsigned long long)save->raw_bytes,
               (unsigned long long)save->file_bytes, (long long)left_s,
               (unsigned long long)progress->handed_over, progress->memory,
               progress->memory_peak, (unsigned long long)progress->slices,
               (unsigned long long)progress->slice_max_us, (unsigned long long)progress->waits);
    put_line(save->problem, out);
}

static void put_log(struct engine *engine, const struct journal_report *report, struct buf *out)
{
    static const char *const states[] = {
        [JOURNAL_OFF] = "off",
        [JOURNAL_BEGINNING] = "turning-on",
        [JOURNAL_HEALTHY] = "healthy",
        [JOURNAL_FULL] = "full",
        [JOURNAL_FAILED] = "failed",
    };
    static const char *const policies[] = {
        [JOURNAL_NO] = "no",
        [JOURNAL_EVERYSEC] = "everysec",
        [JOURNAL_ALWAYS] = "always",
    };
    struct journal *journal = engine->journal;
    buf_printf(out,
               "log_state:%s\r\n"
               "log_policy:%s\r\n"
               "log_kvid:%s\r\n"
               "log_file:%s\r\n"
               "log_seq:%llu\r\n"
               "log_written_seq:%llu\r\n"
               "log_durable_seq:%llu\r\n"
               "log_unsynced_ms:%llu\r\n"
               "log_pending_bytes:%llu\r\n",
               states[atomic_load(&journal->state)], policies[atomic_load(&journal->policy)],
               engine->kvid, report->file, (unsigned long long)journal->sequence,
               (unsigned long long)report->written, (unsigned long long)report->durable,
               (unsigned long long)report->unsynced_since_ms,
               (unsigned long long)journal_backlog(journal));
    buf_printf(out,
               "log_batches:%llu\r\n"
               "log_durable_batch:%llu\r\n"
               "log_syncs:%llu\r\n"
               "log_last_sync_usec:%llu\r\n"
               "log_max_sync_usec:%llu\r\n"
               "log_sync_errors:%llu\r\n"
               "log_write_errors:%llu\r\n"
               "log_heals:%llu\r\n"
               "log_writers_paused:%llu\r\n"
               "log_replies_held:%llu\r\n"
               "log_problem:",
               (unsigned long long)report->batch, (unsigned long long)report->durable_batch,
               (unsigned long long)report->syncs, (unsigned long long)report->last_sync_us,
               (unsigned long long)report->max_sync_us, (unsigned long long)report->sync_errors,
               (unsigned long long)report->write_errors, (unsigned long long)report->heals,
               (unsigned long long)engine->stats.log_waits,
               (unsigned long long)engine->stats.gate_waits);
    put_line(report->problem, out);
}

static const char *mode(const struct engine *engine, bool has_log)
{
    if (has_log)
        return "log";
    return engine->settings->persistence ? "snapshots" : "memory";
}

void info_persistence(struct engine *engine, struct buf *out)
{
    struct journal *journal = engine->journal;
    struct journal_report report = {0};
    struct snapshot_progress progress;
    struct save_report save;
    int state = atomic_load(&journal->state);
    bool on = state != JOURNAL_OFF;
    if (on && journal->ops && journal->ops->report)
        journal->ops->report(journal, &report);
    save_report(engine, &save);
    snapshot_report(engine, &progress);
    buf_append_text(out, "# Persistence\r\n");
    put_dumps(engine, &save, &progress, out);
    put_bases(engine, &save, state, out);
    if (on)
        buf_printf(out,
                   "aof_current_size:%llu\r\n"
                   "aof_base_size:%llu\r\n"
                   "aof_pending_rewrite:0\r\n"
                   "aof_buffer_length:%llu\r\n"
                   "aof_pending_bio_fsync:%d\r\n"
                   "aof_delayed_fsync:0\r\n",
                   (unsigned long long)report.file_bytes, (unsigned long long)report.base_bytes,
                   (unsigned long long)journal_backlog(journal),
                   report.written > report.durable);
    if (engine->loading)
        put_loading(engine, out);
    buf_printf(out, "persistence_mode:%s\r\n", mode(engine, journal_keeps(journal)));
    put_snapshot(engine, &save, &progress, out);
    if (on)
        put_log(engine, &report, out);
}
