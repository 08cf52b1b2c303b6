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
/* Selects the database of what follows, in a buffer that may become a frame of its own. */
void frame_put_select(struct buf *buf, int db);
/* A large value begins in the main lane: its bytes follow, which begin with frame_put_select. Some
 * of them are with the sink already if it has a `number`. */
void frame_begin_value(struct snapshot *snapshot, int db, int version, uint32_t number);
/* Its last byte is in the lane. */
void frame_end_value(struct snapshot *snapshot);
/* The value's next bytes, all of `bytes`, go to the side file before its turn. */
void frame_spill(struct snapshot *snapshot, struct buf *bytes, int db, int version,
                 uint32_t number, bool first);
/* Hand the lane's frame over if it is full, or (`all`) if there is anything in it. `within`: a
 * value goes on in the next one. */
void frame_seal(struct snapshot *snapshot, struct snapshot_lane *lane, bool within, bool all);
size_t frame_memory(const struct snapshot *snapshot);
