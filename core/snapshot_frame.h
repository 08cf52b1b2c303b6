/* Bytes of a snapshot into frames, frames into the sink. Essay in snapshot_frame.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/type/rdb.h"

struct buf;
struct entry;
struct snapshot;
struct snapshot_lane;
struct snapshot_order;

void frame_reset(struct snapshot *snapshot);
/* AUX fields, functions, and how many keys each database has. */
void frame_put_head(struct snapshot *snapshot, const struct snapshot_order *order);
/* Deadline, tag and key, as they stand in front of a value. */
void frame_put_key(const struct snapshot *snapshot, const struct entry *entry, struct rdb_out *out);
struct rdb_out frame_out(const struct snapshot *snapshot, const struct entry *entry,
                         struct buf *buf);
/* A small value, whole; returns how many bytes that were. */
size_t frame_put_entry(struct snapshot *snapshot, int db, const struct entry *entry);
/* A key begins in the lane: the frame knows its database and version. */
void frame_begin_key(const struct snapshot *snapshot, struct snapshot_lane *lane, int db,
                     int version);
/* Hand the lane's frame over if it is full, or (`all`) if there is anything in it. `within`: a
 * value goes on in the next one. */
void frame_seal(struct snapshot *snapshot, struct snapshot_lane *lane, bool within, bool all);
size_t frame_memory(const struct snapshot *snapshot);
