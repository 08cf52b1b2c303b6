/* How keys past their deadline go, and the sweep that deletes them, a bounded slice of it at a
 * time; each is recorded as a deletion. */
#pragma once

#include <stdint.h>

struct engine;
struct place;

/* Sweep for at most `budget_us` microseconds; goes on where it stopped. Nothing is done while
 * loading, while writes are paused, or while the log takes no deletions. The deletions are effects
 * of the engine's, not committed. */
void expiry_sweep(struct engine *engine, uint64_t budget_us);

/* Delete one that is past its deadline, with its event; `place` names it. */
void expiry_delete(struct engine *engine, struct place *place);

/* How long the keys of a database that have a deadline still live on average, in milliseconds, as
 * the sweep has seen it; 0 if there are none. */
int64_t expiry_average_ttl(const struct engine *engine, int db);
