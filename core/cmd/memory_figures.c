/* The allocator's figures take 100 us to refresh, so they are read at most ten times a second and
 * kept in the engine's statistics. `dataset` is what the keyspace says it holds without its
 * tables; `overhead` is all else, so that the two make `used`. */
#include "core/cmd/memory_figures.h"

#include "core/base/mem.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/session.h"

#define MEMORY_FRESH_NS 100000000u

static const struct mem_stats *fresh_memory(struct engine *engine)
{
    struct stats *stats = &engine->stats;
    if (!stats->memory_read_ns || engine->now_ns - stats->memory_read_ns > MEMORY_FRESH_NS) {
        mem_stats_read(&stats->memory);
        stats->memory_read_ns = engine->now_ns ? engine->now_ns : 1;
    }
    if (stats->memory.allocated > stats->memory_peak)
        stats->memory_peak = stats->memory.allocated;
    return &stats->memory;
}

static size_t sessions_memory(const struct engine *engine)
{
    size_t bytes = 0;
    for (const struct session *session = engine->sessions; session; session = session->next)
        bytes += sizeof *session + session->query_bytes + session->query_free +
                 session->argv_bytes + session->output.chunk_bytes;
    return bytes;
}

void memory_figures(struct engine *engine, struct memory_figures *out)
{
    const struct mem_stats *allocator = fresh_memory(engine);
    size_t tables = 0, keyspace = keyspace_memory(engine->keyspace);
    for (int db = 0; db < keyspace_databases(engine->keyspace); db++)
        tables += keyspace_overhead(engine->keyspace, db, false);
    size_t dataset = keyspace > tables ? keyspace - tables : 0;
    if (dataset > allocator->allocated)
        dataset = allocator->allocated; /* the allocator's figure is older */
    *out = (struct memory_figures){
        .allocator = allocator,
        .used = allocator->allocated,
        .peak = engine->stats.memory_peak,
        .startup = engine->stats.memory_at_start,
        .keyspace = keyspace,
        .dataset = dataset,
        .overhead = allocator->allocated - dataset,
        .sessions = sessions_memory(engine),
    };
}

double memory_percent(double part, double whole)
{
    return whole > 0 ? part * 100 / whole : 0;
}

double memory_ratio(size_t over, size_t under)
{
    return under ? (double)over / (double)under : 0;
}
