/* A snapshot from inside: for the files core/snapshot*.c alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/slice.h"
#include "core/keyspace_cut.h"
#include "core/snapshot.h"
#include "core/type/rdb.h"

struct engine;
struct entry;
struct snapshot_record;
struct snapshot_sink;
struct table;

enum snapshot_phase {
    SNAPSHOT_NONE,      /* no snapshot runs: nothing is held */
    SNAPSHOT_CUTTING,   /* entries are taken and frames handed to the sink */
    SNAPSHOT_FINISHING, /* the sink has all of it */
    SNAPSHOT_SWEEPING,  /* given up: marks are put in order, nothing is written */
};

/* One of the two rows of frames. */
struct snapshot_lane {
    struct buf bytes;   /* the frame that is being filled */
    uint64_t keys;      /* that begin in it */
    int first_db;       /* of its first key */
    int db;             /* that a reader of the frame has selected; -1 none yet */
    int version;
    bool continues, side;
};

struct snapshot {
    struct engine *engine;
    struct snapshot_sink *sink;
    enum snapshot_phase phase;
    struct keyspace_cutter cutter;
    struct snapshot_lane main, side;
    size_t step_bytes;   /* written by the walk's present step */
    size_t frame_bytes;  /* at which a frame is handed over */
    bool compress;       /* strings, by LZF */
    int version;         /* of RDB that the settings force; 0: the lowest for each value */

    /* large values */
    struct snapshot_record *current;       /* whose value is open in `main` */
    struct snapshot_record *first, **last; /* that wait for their turn */
    struct table *by_value;                /* all of these, but for strings that are copied */
    struct snapshot_record *heavy;         /* waits, but is stepped through to free memory */
    size_t record_bytes;                   /* that they hold */
    size_t spill_bytes;                    /* beyond, what they hold goes to the side file */
    uint32_t values;                       /* that have pieces there */
    struct buf scratch;                    /* where the bytes go while sweeping */

    struct snapshot_progress progress;
    uint64_t next_slice_ns; /* not before: see snapshot_turn */
    uint64_t slice_keys;    /* cut by the last one */
};
