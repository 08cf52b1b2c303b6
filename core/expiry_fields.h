/* Fields of hashes past their deadline: deleted when somebody looks for the key, and by a sweep.
 * Each deletion is recorded as HDEL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct entry;
struct place;

/* The entry is a hash with a field past its deadline. O(1). */
bool expiry_fields_due(const struct entry *entry, int64_t now_ms);

/* Delete up to `most` fields of the hash at `place` that are past their deadline, the hash with the
 * last of them: place->entry is NULL then. Only if the log takes deletions. Returns how many. */
size_t expiry_fields_delete(struct engine *engine, struct place *place, size_t most);

/* Sweep the hashes of all databases up to a time of the monotonic clock; goes on where it stopped.
 * False if the time was not enough. Between commands only: it uses the engine's arena. */
bool expiry_fields_sweep(struct engine *engine, uint64_t until_ns);
