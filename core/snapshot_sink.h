/* The sink: the port through which core writes a snapshot. tools/kv_server.c connects it to
 * persistence/snapshot_writer.c, whose thread compresses, checksums, writes and syncs. A snapshot
 * is a head, frames of raw RDB bytes in any order, and an end; the sink adds the magic, which
 * names the highest version that a frame asked for, and EOF with the checksum.
 *
 * All functions are called by the main thread and none of them waits for the disk but `wait`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

struct fault;

#define SNAPSHOT_FRAME_BYTES ((size_t)4 << 20) /* raw; a frame may be longer by one key */

enum snapshot_form {
    SNAPSHOT_LZ4,  /* frames of LZ4 with an index behind: dump.rdb.lz4 */
    SNAPSHOT_RDB,  /* a stock RDB file */
    SNAPSHOT_BASE, /* a stock RDB file with its index beside it (.kvi): the log's base */
};

/* How the disk serves it beside others (ionice(1): none, best-effort 7, idle), if its scheduler
 * knows priorities. */
enum snapshot_io { SNAPSHOT_IO_NORMAL, SNAPSHOT_IO_LOW, SNAPSHOT_IO_IDLE };

struct snapshot_order {
    enum snapshot_form form;
    const char *path;   /* where the file is when it is complete; it is written aside */
    char kvid[33];      /* of the data set; "" without a log */
    uint64_t seq;       /* of the state that the file holds */
    enum snapshot_io io;
    bool compress;      /* SNAPSHOT_LZ4: false stores the blocks as they are; others: strings by
                         * LZF */
};

struct snapshot_frame {
    struct buf bytes;   /* the sink's from here on */
    int db;             /* of its first key (it may select others); -1: the head, which comes first:
                         * AUX fields, functions, how many keys each database has */
    uint64_t keys;      /* that begin in it */
    int version;        /* of RDB, the least that holds it */
    bool continues;     /* it goes on with the value that the last frame of its row ended in */
    bool side;          /* to be kept out of the way of a value that takes several frames: written
                         * to a side file. Complete keys are appended at the end ... */
    uint32_t value;     /* ... and, not 0, pieces of the value of that number, a row of their own */
    bool fetch;         /* no bytes: here, in the main row, is the place of those of `value`; the
                         * next frame goes on with it */
};

enum snapshot_state { SNAPSHOT_IDLE, SNAPSHOT_RUNNING, SNAPSHOT_DONE, SNAPSHOT_FAILED };

struct snapshot_result {
    uint64_t raw_bytes, file_bytes, keys; /* so far, and in the end */
    char problem[512];                    /* FAILED: what, where, what mends it */
};

struct snapshot_sink {
    void *self;
    /* KV_E... if one is running, or the thread can't be started. */
    int (*begin)(void *self, const struct snapshot_order *order, struct fault *fault);
    void (*put)(void *self, struct snapshot_frame *frame);
    /* That was the last frame: complete the file (checksums, footer or .kvi, sync, rename, sync of
     * the directory). */
    void (*finish)(void *self);
    /* Delete what was written; at once IDLE for a new begin. */
    void (*cancel)(void *self);
    /* DONE and FAILED are told until the next begin. */
    enum snapshot_state (*state)(void *self, struct snapshot_result *out);
    size_t (*held)(void *self);           /* bytes of frames that are not written yet */
    /* Wait until something has changed: a frame was written, the state is another. */
    void (*wait)(void *self);
};
