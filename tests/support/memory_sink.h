/* A sink of snapshots that keeps the frames in memory, and reads them as whoever loads the file
 * would: the head, the frames of the main row, those of the side row. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/snapshot_sink.h"

#define MEMORY_SINK_FRAMES 4096

struct keyspace;

struct memory_sink {
    struct snapshot_sink port;
    struct snapshot_order order;
    struct snapshot_frame frames[MEMORY_SINK_FRAMES];
    size_t count, written;       /* frames; of them those that do not count as held any more */
    bool slow;                   /* frames are written by memory_sink_write alone, else at once */
    enum snapshot_state current;
    uint64_t keys;
    uint64_t begun, cancelled;   /* calls */
};

void memory_sink_open(struct memory_sink *sink);
void memory_sink_close(struct memory_sink *sink);
/* So many more frames are on the disk. */
void memory_sink_write(struct memory_sink *sink, size_t frames);
/* The disk breaks. */
void memory_sink_fail(struct memory_sink *sink);

/* Load what was written into an empty keyspace. Asserts that each frame is as its fields say. */
void memory_sink_load(const struct memory_sink *sink, struct keyspace *keyspace);
/* The text of an AUX field of the head; false if there is none. `out` has 64 bytes. */
bool memory_sink_aux(const struct memory_sink *sink, const char *name, char *out);
