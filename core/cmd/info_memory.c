/* INFO: memory, and what is on disk. */
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
#include "core/scripting.h"
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
               "allocator_resident:%zu\r\n"
               "allocator_muzzy:0\r\n",
               memory_percent((double)figures->used, (double)figures->peak), figures->overhead,
               figures->startup, figures->dataset,
               memory_percent((double)figures->dataset,
                              (double)figures->used - (double)figures->startup),
               allocator->allocated, allocator->active, allocator->resident);
}

static void put_scripts(struct engine *engine, struct buf *out)
{
    struct scripting_figures figures;
    char human[32];
    scripting_figures(engine, &figures);
    uint64_t vms = figures.vm_eval_bytes + figures.vm_functions_bytes;
    buf_printf(out, "used_memory_lua:%llu\r\nused_memory_vm_eval:%llu\r\n",
               (unsigned long long)figures.vm_eval_bytes,
               (unsigned long long)figures.vm_eval_bytes);
    size_t len = num_format_human(human, figures.vm_eval_bytes);
    buf_printf(out,
               "used_memory_lua_human:%.*s\r\nused_memory_scripts_eval:%llu\r\n"
               "number_of_cached_scripts:%llu\r\nnumber_of_functions:%llu\r\n"
               "number_of_libraries:%llu\r\nused_memory_vm_functions:%llu\r\n",
               (int)len, human, (unsigned long long)figures.script_bytes,
               (unsigned long long)figures.scripts, (unsigned long long)figures.functions,
               (unsigned long long)figures.libraries,
               (unsigned long long)figures.vm_functions_bytes);
    put_bytes(out, "used_memory_vm_total", vms);
    buf_printf(out, "used_memory_functions:%llu\r\n", (unsigned long long)figures.function_bytes);
    put_bytes(out, "used_memory_scripts", figures.script_bytes + figures.function_bytes);
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
    put_scripts(engine, out);
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
               "mem_overhead_db_hashtable_rehashing:0\r\n"
               "active_defrag_running:0\r\n"
               "lazyfree_pending_objects:%llu\r\n"
               "lazyfreed_objects:%llu\r\n"
               "keyspace_memory:%zu\r\n",
               memory->allocated > keyspace ? memory->allocated - keyspace : 0,
               figures.sessions, (unsigned long long)journal_backlog(engine->journal),
               mem_allocator_name(), (unsigned long long)reaper_pending(engine->reaper),
               (unsigned long long)reaper_done(engine->reaper), keyspace);
}
