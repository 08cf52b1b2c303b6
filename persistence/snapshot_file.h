/* One file of a snapshot while it is written: what the thread of snapshot_writer.c does, step by
 * step. Essay in snapshot_file.c. Not for several threads. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/attr.h"

struct disk;
struct fault;
struct snapshot_file;
struct snapshot_frame;
struct snapshot_order;
struct snapshot_result;

/* Nothing is touched yet. `number` makes its temporary names unlike those of others of this
 * process. KV_ELIMIT: the path is too long. */
must_check int snapshot_file_new(const struct disk *disk, const struct snapshot_order *order,
                                 unsigned number, struct snapshot_file **out, struct fault *fault);
void snapshot_file_free(struct snapshot_file *file);

/* In this order. Each returns 0 or KV_E..., after which snapshot_file_problem tells and only
 * discard may follow. */
must_check int snapshot_file_create(struct snapshot_file *file);
/* What the next frame to add costs in processor time; touches no file, and may be left out. */
void snapshot_file_pack(struct snapshot_file *file, const struct snapshot_frame *frame);
/* The frame stays the caller's. */
must_check int snapshot_file_add(struct snapshot_file *file, const struct snapshot_frame *frame);
/* KV_EREFUSED if *cancelled is seen before the file has its name. */
must_check int snapshot_file_finish(struct snapshot_file *file, const _Atomic bool *cancelled);
/* Delete what was made, as far as the disk lets us. */
void snapshot_file_discard(struct snapshot_file *file);

/* Bytes and keys so far. */
void snapshot_file_progress(const struct snapshot_file *file, struct snapshot_result *out);
/* What went wrong, and what mends it. */
void snapshot_file_problem(const struct snapshot_file *file, char *out, size_t out_bytes);

/* Delete what crashes have left of unfinished snapshots in a directory; no error is worth a
 * word. No snapshot may be running. */
void snapshot_file_sweep(const struct disk *disk, const char *directory);
