/* An arena: what lives for one command. Nothing in it is freed by hand; arena_reset gives all of it
 * back at once and keeps one block of 16 KiB for the next command. */
#pragma once

#include <stddef.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *first;
    char *next, *end;
};

/* Aligned to 16; good until the next arena_reset. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_alloc_zero(struct arena *arena, size_t bytes);
struct slice arena_copy(struct arena *arena, struct slice slice);
struct slice arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3);
void arena_reset(struct arena *arena);
void arena_free(struct arena *arena);
