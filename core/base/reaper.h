/* The reaper: one background thread that gives back what is too big to free within a command. */
#pragma once

#include <stdint.h>

struct reaper;

struct reaper *reaper_start(void);
/* Finish all that is queued, then end the thread. */
void reaper_stop(struct reaper *reaper);
/* Call free_it(what) on the thread. `items` is what it counts for in INFO's
 * lazyfree_pending_objects. Never blocks but for the queue's lock. */
void reaper_give(struct reaper *reaper, void (*free_it)(void *what), void *what, uint64_t items);
uint64_t reaper_pending(const struct reaper *reaper);
uint64_t reaper_done(const struct reaper *reaper);
