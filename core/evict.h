/* Eviction: maxmemory with its eight policies, sampled LRU and LFU. Evicted keys are recorded as
 * deletions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct entry;

/* Make the keyspace fit into maxmemory, for a bounded time (maxmemory-eviction-tenacity). True if
 * it fits, or will when the next calls go on; false if it is above it and nothing can be evicted:
 * the request is refused if its row says so. The deletions are effects of the engine's, not
 * committed. */
bool evict_to_fit(struct engine *engine);
/* Give back what eviction keeps with the engine. */
void evict_free(struct engine *engine);

/* How an entry's access field is set at birth and at each use, by the policy in force. */
uint32_t evict_access_new(const struct engine *engine);
void evict_access_touch(struct engine *engine, struct entry *entry);
/* For OBJECT IDLETIME (seconds) and FREQ (0 to 255, as decayed by now). */
uint64_t evict_idle_seconds(const struct engine *engine, const struct entry *entry);
uint32_t evict_frequency(const struct engine *engine, const struct entry *entry);
void evict_set_idle(struct engine *engine, struct entry *entry, uint64_t seconds);
void evict_set_frequency(struct engine *engine, struct entry *entry, uint32_t frequency);

/* How an entry was used goes into RDB files under the policies that ask for it. Read from one, it
 * is in the entry's access field (0: nothing was told) until evict_access_take makes it what the
 * policy in force wants; what does not suit that is as new. */
enum evict_use { EVICT_USE_NONE, EVICT_USE_IDLE, EVICT_USE_FREQUENCY };
enum evict_use evict_use_kept(const struct engine *engine);
uint32_t evict_told_idle(uint64_t seconds);
uint32_t evict_told_frequency(uint8_t frequency);
void evict_access_take(struct engine *engine, struct entry *entry);
