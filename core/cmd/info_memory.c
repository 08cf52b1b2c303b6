/* INFO: memory, and what is on disk. */
#include <stdatomic.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/reaper.h"
#include "core/cmd/info.h"
#include "core/cmd/memory_figures.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/keyspace.h"
#include "core/session.h"

static void put_bytes(struct buf *out, const char *name, uint64_t bytes)
{
    char human[32];
    size_t len = num_format_human(human, bytes);
    buf_printf(out, "%s:%llu\r\n%s_human:%.*s\r\n", name, (unsigned long long)bytes, name, (int)len,
               human);
}

static void put_ratio(struct buf *out, const char *name, const char *name_bytes, size_t over,
                      size_t under)
{
    buf_printf(out, "%s:%.2f\r\n%s:%lld\r\n", name, memory_ratio(over, under),
               name_bytes, (long long)over - (long long)under);
}

static void put_used(const struct memory_figures *figures, struct buf *out)
{
    const struct mem_stats *allocator = figures->allocator;
    put_bytes(out, "used_memory", figures->used);
    put_bytes(out, "used_memory_rss", allocator->rss);
    put_bytes(out, "used_memory_peak", figures->peak);
    buf_printf(out,
               "used_memory_peak_perc:%.2f%%\r\n"
               "used_memory_overhead:%zu\r\n"
               "used_memory_startup:%zu\r\n"
               "used_memory_dataset:%zu\r\n"
               "used_memory_dataset_perc:%.2f%%\r\n"
               "allocator_allocated:%zu\r\n"
               "allocator_active:%zu\r\n"
               "allocator_resident:%zu\r\n",
               memory_percent((double)figures->used, (double)figures->peak), figures->overhead,
               figures->startup, figures->dataset,
               memory_percent((double)figures->dataset,
                              (double)figures->used - (double)figures->startup),
               allocator->allocated, allocator->active, allocator->resident);
}

static void put_limits(struct engine *engine, struct buf *out)
{
    static const char *const policies[] = {
        [EVICT_NONE] = "noeviction",
        [EVICT_ALLKEYS_LRU] = "allkeys-lru",
        [EVICT_ALLKEYS_LFU] = "allkeys-lfu",
        [EVICT_ALLKEYS_RANDOM] = "allkeys-random",
        [EVICT_VOLATILE_LRU] = "volatile-lru",
        [EVICT_VOLATILE_LFU] = "volatile-lfu",
        [EVICT_VOLATILE_RANDOM] = "volatile-random",
        [EVICT_VOLATILE_TTL] = "volatile-ttl",
    };
    struct host_facts facts = {.process_id = 0};
    if (engine->host->facts)
        engine->host->facts(engine->host->self, &facts);
    put_bytes(out, "total_system_memory", facts.memory_bytes);
    buf_append_text(out, "used_memory_lua:0\r\n"
                         "used_memory_vm_eval:0\r\n"
                         "used_memory_lua_human:0B\r\n"
                         "used_memory_scripts_eval:0\r\n"
                         "number_of_cached_scripts:0\r\n"
                         "number_of_functions:0\r\n"
                         "number_of_libraries:0\r\n"
                         "used_memory_vm_functions:0\r\n"
                         "used_memory_vm_total:0\r\n"
                         "used_memory_vm_total_human:0B\r\n"
                         "used_memory_functions:0\r\n"
                         "used_memory_scripts:0\r\n"
                         "used_memory_scripts_human:0B\r\n");
    put_bytes(out, "maxmemory", (uint64_t)engine->settings->maxmemory);
    buf_printf(out, "maxmemory_policy:%s\r\n", policies[engine->settings->maxmemory_policy]);
}

void info_memory(struct engine *engine, struct buf *out)
{
    struct memory_figures figures;
    memory_figures(engine, &figures);
    const struct mem_stats *memory = figures.allocator;
    size_t keyspace = figures.keyspace;
    buf_append_text(out, "# Memory\r\n");
    put_used(&figures, out);
    put_limits(engine, out);
    put_ratio(out, "allocator_frag_ratio", "allocator_frag_bytes", memory->active,
              memory->allocated);
    put_ratio(out, "allocator_rss_ratio", "allocator_rss_bytes", memory->resident, memory->active);
    put_ratio(out, "rss_overhead_ratio", "rss_overhead_bytes", memory->rss, memory->resident);
    put_ratio(out, "mem_fragmentation_ratio", "mem_fragmentation_bytes", memory->rss,
              memory->allocated);
    buf_printf(out,
               "mem_not_counted_for_evict:%zu\r\n"
               "mem_replication_backlog:0\r\n"
               "mem_total_replication_buffers:0\r\n"
               "mem_clients_slaves:0\r\n"
               "mem_clients_normal:%zu\r\n"
               "mem_cluster_links:0\r\n"
               "mem_aof_buffer:%llu\r\n"
               "mem_allocator:%s\r\n"
               "active_defrag_running:0\r\n"
               "lazyfree_pending_objects:%llu\r\n"
               "lazyfreed_objects:%llu\r\n"
               "keyspace_memory:%zu\r\n",
               memory->allocated > keyspace ? memory->allocated - keyspace : 0,
               figures.sessions, (unsigned long long)journal_backlog(engine->journal),
               mem_allocator_name(), (unsigned long long)reaper_pending(engine->reaper),
               (unsigned long long)reaper_done(engine->reaper), keyspace);
}

/* ---- persistence ---- */

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

/* Snapshots: there are none in this version; the fields say so in the way Redis does before the
 * first. */
static void put_snapshots(const struct engine *engine, struct buf *out)
{
    buf_printf(out,
               "loading:%d\r\n"
               "async_loading:0\r\n"
               "current_cow_peak:0\r\n"
               "current_cow_size:0\r\n"
               "current_cow_size_age:0\r\n"
               "current_fork_perc:0.00\r\n"
               "current_save_keys_processed:0\r\n"
               "current_save_keys_total:0\r\n"
               "rdb_changes_since_last_save:%llu\r\n"
               "rdb_bgsave_in_progress:0\r\n"
               "rdb_last_save_time:%lld\r\n"
               "rdb_last_bgsave_status:ok\r\n"
               "rdb_last_bgsave_time_sec:-1\r\n"
               "rdb_current_bgsave_time_sec:-1\r\n"
               "rdb_saves:0\r\n"
               "rdb_last_cow_size:0\r\n"
               "rdb_last_load_keys_expired:0\r\n"
               "rdb_last_load_keys_loaded:0\r\n",
               engine->loading, (unsigned long long)engine->stats.key_events,
               (long long)engine->started_ms / 1000);
}

static void put_log(struct engine *engine, const struct journal_report *report, struct buf *out)
{
    static const char *const states[] = {
        [JOURNAL_OFF] = "off",
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
    for (const char *c = report->problem; *c; c++)
        buf_append_char(out, *c == '\r' || *c == '\n' ? ' ' : *c);
    buf_append_text(out, "\r\n");
}

void info_persistence(struct engine *engine, struct buf *out)
{
    struct journal *journal = engine->journal;
    struct journal_report report = {0};
    int state = atomic_load(&journal->state);
    bool on = state != JOURNAL_OFF;
    if (on && journal->ops && journal->ops->report)
        journal->ops->report(journal, &report);
    buf_append_text(out, "# Persistence\r\n");
    put_snapshots(engine, out);
    buf_printf(out,
               "aof_enabled:%d\r\n"
               "aof_rewrite_in_progress:0\r\n"
               "aof_rewrite_scheduled:0\r\n"
               "aof_last_rewrite_time_sec:-1\r\n"
               "aof_current_rewrite_time_sec:-1\r\n"
               "aof_last_bgrewrite_status:ok\r\n"
               "aof_rewrites:0\r\n"
               "aof_rewrites_consecutive_failures:0\r\n"
               "aof_last_write_status:%s\r\n"
               "aof_last_cow_size:0\r\n"
               "module_fork_in_progress:0\r\n"
               "module_fork_last_cow_size:0\r\n",
               on, state == JOURNAL_FULL || state == JOURNAL_FAILED ? "err" : "ok");
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
    buf_printf(out, "persistence_mode:%s\r\n", on ? "log" : "memory");
    if (on)
        put_log(engine, &report, out);
}
