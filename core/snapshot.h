/* A snapshot: the exact state of the keyspace between two commands, cut in slices on the main
 * thread while commands go on. Essay and invariants in snapshot.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct fault;
struct snapshot_order;

struct snapshot_progress {
    bool running;
    uint64_t keys, keys_total;   /* in the snapshot; at its beginning */
    uint64_t pieces;             /* of large values that were cut */
    uint64_t handed_over;        /* keys and values taken ahead of their turn, before a change */
    size_t memory;               /* that the snapshot holds now, the sink's queue included */
    size_t memory_peak;
    uint64_t slices, slice_us, slice_max_us;
    uint64_t waits;              /* commands that waited at the gate because of its memory */
    int64_t started_ms;
};

/* Begin now: what is in the keyspace is what the file will hold. KV_EBUSY if one is running or is
 * still being swept after a cancellation. */
int snapshot_begin(struct engine *engine, const struct snapshot_order *order, struct fault *fault);
/* Cut for about `budget_us`; true if there is more to cut and it may be done now. */
bool snapshot_slice(struct engine *engine, uint64_t budget_us);
/* Everything is cut and the sink has come to an end (done or failed): nothing is held any more. */
bool snapshot_ended(const struct engine *engine);
/* Give it up; what has to be put back in order is, in further slices. */
void snapshot_cancel(struct engine *engine);
/* All databases are emptied next. If entries are being cut they need not be, and nothing is held
 * any more: true if that has ended a snapshot. */
bool snapshot_drop(struct engine *engine);
/* Past snapshot-memory-limit: commands that write wait at the gate. */
bool snapshot_holds_writes(const struct engine *engine);
/* At the end of a turn: the slice that this turn can spare. In how many ns the loop shall take
 * another turn at the latest, -1: for a snapshot's sake it need not. */
int64_t snapshot_turn(struct engine *engine);
/* The sink has written something, or come to an end: writers may go on. */
void snapshot_news(struct engine *engine);
/* With the engine: a snapshot that runs is given up. */
void snapshot_free(struct engine *engine);
void snapshot_report(const struct engine *engine, struct snapshot_progress *out);
