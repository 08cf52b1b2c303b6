/* The sweep that deletes keys past their deadline, a bounded slice of it at a time; each is recorded as a deletion. */
#pragma once

#include <stdint.h>

struct engine;

/* Sweep for at most `budget_us` microseconds; goes on where it stopped. Nothing is done while loading, or while the log
 * takes no deletions. */
void expiry_sweep(struct engine *engine, uint64_t budget_us);
