/* An arena is a list of blocks; the first is the one that is being filled. What does not fit into a
 * block of 16 KiB gets one of its own behind the first, so that the first goes on being filled. */
#include "core/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/mem.h"

#define ARENA_BLOCK_BYTES ((size_t)16 * 1024)
#define ARENA_ALIGN 16

struct arena_block {
    struct arena_block *next;
    size_t bytes; /* of `data` */
    _Alignas(ARENA_ALIGN) char data[];
};

#define ARENA_DATA_BYTES (ARENA_BLOCK_BYTES - sizeof(struct arena_block))

static struct arena_block *arena_add_block(size_t bytes)
{
    struct arena_block *block = mem_alloc(sizeof(*block) + bytes);

    block->bytes = bytes;
    block->next = NULL;
    return block;
}

static void arena_use_first(struct arena *arena)
{
    arena->next = arena->first == NULL ? NULL : arena->first->data;
    arena->end = arena->first == NULL ? NULL : arena->first->data + arena->first->bytes;
}

static cold void *arena_alloc_slow(struct arena *arena, size_t bytes)
{
    struct arena_block *block;

    kv_assert(bytes <= SIZE_MAX / 2);
    if (bytes > ARENA_DATA_BYTES / 4) {
        block = arena_add_block(bytes);
        if (arena->first == NULL) {
            arena->first = arena_add_block(ARENA_DATA_BYTES);
            arena_use_first(arena);
        }
        block->next = arena->first->next;
        arena->first->next = block;
        return block->data;
    }
    block = arena_add_block(ARENA_DATA_BYTES);
    block->next = arena->first;
    arena->first = block;
    arena_use_first(arena);
    arena->next += bytes;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    char *at = arena->next;

    kv_assert(rounded >= bytes);
    if (unlikely(at == NULL || (size_t)(arena->end - at) < rounded))
        return arena_alloc_slow(arena, rounded);
    arena->next = at + rounded;
    return at;
}

void *arena_alloc_zero(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

struct slice arena_copy(struct arena *arena, struct slice slice)
{
    char *copy = arena_alloc(arena, slice.len);

    if (slice.len > 0)
        memcpy(copy, slice.data, slice.len);
    return (struct slice){copy, slice.len};
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    int len;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    kv_assert(len >= 0);
    text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (struct slice){text, (size_t)len};
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = arena->first, *block;

    if (kept == NULL)
        return;
    while ((block = kept->next) != NULL) {
        kept->next = block->next;
        mem_free(block);
    }
    /* The first block is always one of 16 KiB. */
    arena_use_first(arena);
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    mem_free(arena->first);
    *arena = (struct arena){NULL, NULL, NULL};
}
