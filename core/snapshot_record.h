/* Large values on their way into a snapshot. Essay in snapshot_record.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct entry;
struct snapshot;

bool record_is_large(const struct entry *entry);
/* The value begins to be cut. */
void record_open(struct snapshot *snapshot, int db, const struct entry *entry);
bool record_any(const struct snapshot *snapshot);
/* Some KiB of the value that is open, or of the next that waits. False: there is none. */
bool record_step(struct snapshot *snapshot);
/* From here on nothing is written; strings are forgotten at once. */
void record_give_up(struct snapshot *snapshot);
/* All values are about to be freed: those that were lent are at once. */
void record_drop(struct snapshot *snapshot);
/* The cutter's part: see keyspace_cut.h. */
void record_release(struct snapshot *snapshot, const struct entry *entry);
void record_touch(struct snapshot *snapshot, const struct entry *entry, size_t from, size_t to);
void record_moved(struct snapshot *snapshot, const void *old, struct entry *entry);
bool record_reads(const struct snapshot *snapshot, const struct entry *entry);
/* True if the value is being cut. */
bool record_handed_over(struct snapshot *snapshot, const struct entry *entry);
bool record_keep(struct snapshot *snapshot, struct entry *entry);
