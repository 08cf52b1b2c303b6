/* The scripts that EVAL and SCRIPT LOAD have compiled, by their text and by its SHA-1. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct arena;
struct cache;
struct ctx;
struct vm;

struct script {
    char sha[41];
    bool loaded;                   /* by SCRIPT LOAD: stays */
    uint32_t flags;                /* enum script_flag */
    int reference;                 /* in the registry of the state */
    struct script *older, *newer;  /* of those not loaded */
    size_t len;
    char body[];
};

struct cache *cache_new(struct vm *vm, uint64_t seed);
void cache_free(struct cache *cache);
/* Find the script with this text, or compile it: NULL if the error was replied. `load`: keep it. */
struct script *cache_get(struct ctx *ctx, struct cache *cache, struct slice body, bool load);
/* Does its first line say that it writes nothing? Nothing is compiled. */
bool cache_only_reads(struct cache *cache, struct arena *arena, struct slice body);
/* By the 40 digits of its name, in any case; NULL if there is none. */
struct script *cache_find(struct cache *cache, struct slice sha);
/* It is run: it may stay. */
void cache_used(struct cache *cache, struct script *script);
size_t cache_count(const struct cache *cache);
size_t cache_bytes(const struct cache *cache);
uint64_t cache_evicted(const struct cache *cache);
