/* Memory. With KV_JEMALLOC defined the program is linked with jemalloc, which takes the place of
 * malloc and free for libraries too; without, the C library's allocator is used, so that sanitizers
 * see every block. */
#include "core/base/mem.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef KV_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* Declared here because gcc installs the library's other headers, but not this one. */
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

#include "core/base/attr.h"

static _Noreturn cold void mem_exhausted(size_t bytes)
{
    fprintf(stderr, "kv: out of memory: %zu bytes could not be allocated\n", bytes);
    fflush(stderr);
    abort();
}

void *mem_alloc(size_t bytes)
{
    void *block = malloc(bytes == 0 ? 1 : bytes);

    if (unlikely(block == NULL))
        mem_exhausted(bytes);
    return block;
}

void *mem_alloc_zero(size_t bytes)
{
    void *block = calloc(1, bytes == 0 ? 1 : bytes);

    if (unlikely(block == NULL))
        mem_exhausted(bytes);
    return block;
}

void *mem_realloc(void *old, size_t bytes)
{
    void *block = realloc(old, bytes == 0 ? 1 : bytes);

    if (unlikely(block == NULL))
        mem_exhausted(bytes);
    return block;
}

void mem_free(void *old)
{
    free(old);
}

/* jemalloc's classes: 8, then steps of 16 up to 128, then four steps to each doubling. Computed
 * here because nallocx is a call into a library, and memory accounting asks on every write. The
 * unit test compares the two. */
size_t mem_class(size_t bytes)
{
#ifdef KV_JEMALLOC
    if (bytes <= 8)
        return 8;
    if (bytes > 128) {
        unsigned log2_floor = 63U - (unsigned)__builtin_clzll(bytes - 1);
        size_t step = (size_t)1 << (log2_floor - 2);

        return (bytes + step - 1) & ~(step - 1);
    }
#endif
    if (bytes == 0)
        return 16;
    return (bytes + 15) & ~(size_t)15;
}

size_t mem_usable(const void *ptr)
{
    return malloc_usable_size((void *)(uintptr_t)ptr);
}

static size_t mem_rss(void)
{
    unsigned long long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");

    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%*u %llu", &pages) != 1)
        pages = 0;
    fclose(statm);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

#ifdef KV_JEMALLOC

#define MEM_TEXT_OF(x) #x
#define MEM_TEXT(x) MEM_TEXT_OF(x)

static size_t mem_figure(const char *name)
{
    size_t value = 0, bytes = sizeof(value);

    return mallctl(name, &value, &bytes, NULL, 0) == 0 ? value : 0;
}

void mem_stats_read(struct mem_stats *out)
{
    uint64_t epoch = 1;
    size_t bytes = sizeof(epoch);

    (void)mallctl("epoch", &epoch, &bytes, &epoch, bytes);
    out->allocated = mem_figure("stats.allocated");
    out->active = mem_figure("stats.active");
    out->resident = mem_figure("stats.resident");
    out->mapped = mem_figure("stats.mapped");
    out->retained = mem_figure("stats.retained");
    out->rss = mem_rss();
}

void mem_purge(void)
{
    (void)mallctl("arena." MEM_TEXT(MALLCTL_ARENAS_ALL) ".purge", NULL, NULL, NULL, 0);
}

const char *mem_allocator_name(void)
{
    return "jemalloc-" MEM_TEXT(JEMALLOC_VERSION_MAJOR) "." MEM_TEXT(JEMALLOC_VERSION_MINOR) "."
        MEM_TEXT(JEMALLOC_VERSION_BUGFIX);
}

bool mem_report(void (*put)(void *env, const char *text), void *env)
{
    malloc_stats_print(put, env, NULL);
    return true;
}

#else

bool mem_report(void (*put)(void *env, const char *text) unused, void *env unused)
{
    return false;
}

void mem_stats_read(struct mem_stats *out)
{
    struct mallinfo2 info = mallinfo2();

    memset(out, 0, sizeof(*out));
    out->allocated = info.uordblks + info.hblkhd;
    out->active = info.arena + info.hblkhd;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    /* The sanitizer has put its own allocator in the place of the C library's. */
    out->allocated = __sanitizer_get_current_allocated_bytes();
    out->active = out->allocated;
#endif
    out->mapped = out->active;
    out->retained = 0;
    out->rss = mem_rss();
    out->resident = out->rss;
}

void mem_purge(void)
{
    malloc_trim(0);
}

const char *mem_allocator_name(void)
{
    return "libc";
}

#endif
