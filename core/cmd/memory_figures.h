/* What the memory is used for: what INFO and MEMORY tell of it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct engine;
struct mem_stats;

struct memory_figures {
    const struct mem_stats *allocator; /* read within the last 100 ms */
    size_t used, peak, startup;        /* bytes handed out: now, at most, when the server started */
    size_t keyspace;                   /* entries and tables: what maxmemory is compared with */
    size_t dataset, overhead;          /* without tables; all that is not dataset */
    size_t sessions;                   /* clients and their buffers */
};

void memory_figures(struct engine *engine, struct memory_figures *out);

/* 0 if the whole is. */
double memory_percent(double part, double whole);
double memory_ratio(size_t over, size_t under);
