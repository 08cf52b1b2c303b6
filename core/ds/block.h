/* A block that holds a growing or shrinking run of bytes, without a field for its capacity: the
 * allocator knows it, and is asked only when the run enters another of its size classes. Every
 * block is as large as a size class. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

static inline uint8_t *block_new(size_t bytes)
{
    return mem_alloc(mem_class(bytes));
}

/* The run of `old` bytes becomes one of `bytes`: room for it, before the new bytes are written. The
 * classes are a quarter of a doubling apart, so growing step by step is linear in all. */
must_check static inline uint8_t *block_grow(uint8_t *block, size_t old, size_t bytes)
{
    size_t class = mem_class(bytes);

    if (likely(class == mem_class(old)) || mem_usable(block) >= bytes)
        return block;
    return mem_realloc(block, class);
}

/* The run has shrunk: give back what it leaves, unless that is less than half of the block. */
must_check static inline uint8_t *block_shrink(uint8_t *block, size_t old, size_t bytes)
{
    size_t class = mem_class(bytes);

    if (likely(class == mem_class(old)) || mem_usable(block) < class * 2)
        return block;
    return mem_realloc(block, class);
}
