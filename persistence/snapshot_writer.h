/* Writing the files of snapshots: the sink (core/snapshot_sink.h) behind which a thread compresses,
 * checksums, writes, syncs and renames. Essay in snapshot_writer.c, layout in snapshot_format.h. */
#pragma once

struct disk;
struct snapshot_sink;
struct snapshot_writer;

/* Nothing is started before the sink's `begin`. `news(env)` (may be NULL) is called by the thread
 * when a frame was written or the state has changed; then the sink may be asked. */
struct snapshot_writer *snapshot_writer_new(const struct disk *disk, void (*news)(void *env),
                                            void *env);
/* Cancels what is running, waits until its files are deleted and the thread has ended. */
void snapshot_writer_free(struct snapshot_writer *writer);
/* Good as long as the writer. */
struct snapshot_sink *snapshot_writer_sink(struct snapshot_writer *writer);
