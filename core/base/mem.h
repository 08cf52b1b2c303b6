/* Memory: allocation that never fails to its caller, and what the process uses. jemalloc in release
 * builds; the C library's where a sanitizer is compiled in. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Allocate `bytes` (0 is taken as 1). Stops the process when there is none. A size that came over
 * the wire or from a file is checked against its limit before it gets here. */
__attribute__((malloc, returns_nonnull)) void *mem_alloc(size_t bytes);
__attribute__((malloc, returns_nonnull)) void *mem_alloc_zero(size_t bytes);
__attribute__((returns_nonnull)) void *mem_realloc(void *old, size_t bytes);
void mem_free(void *old);

/* The bytes that an allocation of `bytes` really takes (its size class). Arithmetic only: does not
 * allocate. */
size_t mem_class(size_t bytes);

/* Bytes in the block at `ptr`: at least what was asked for. */
size_t mem_usable(const void *ptr);

struct mem_stats {
    size_t allocated; /* bytes handed out to the program */
    size_t active;    /* bytes in pages that hold them */
    size_t resident;  /* bytes of those pages in memory, with the allocator's own */
    size_t mapped, retained;
    size_t rss;       /* as the kernel sees the process */
};

/* Read the figures; refreshes the allocator's (about 100 us), so not once per command. */
void mem_stats_read(struct mem_stats *out);

/* Give unused pages back to the system (MEMORY PURGE). */
void mem_purge(void);
const char *mem_allocator_name(void); /* "jemalloc-5.3.0", "libc" */
/* The allocator's own report, piece by piece; false if it has none. */
bool mem_report(void (*put)(void *env, const char *text), void *env);
