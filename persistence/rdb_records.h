/* The records of an RDB, read one after the other from a struct rdb_in: what rdb_load.c does with a
 * whole stream, and snapshot_load.c with its parts. The records stand in rdb_records.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct rdb_found;
struct rdb_in;
struct rdb_load;

struct rdb_records {
    struct rdb_in *in;           /* its fault is filled in, and has the path */
    const struct rdb_load *load; /* put, presize and their env; put NULL: only check */
    struct rdb_found *out;       /* counted up */
    uint64_t size;               /* of the stream, at most: bounds what is believed */
    int db;
    int64_t deadline_ms;         /* of the next entry; ENTRY_NO_DEADLINE to begin with */
    uint32_t used;               /* how it was (evict.h); 0: nothing was told */
    uint64_t entries;            /* read, those without elements too */
    struct buf key;
};

/* Magic and version: first of all, in a stream. */
must_check int rdb_records_begin(struct rdb_records *records);
/* The next one. *end: it was the end, the checksum follows (or no note, where only they are
 * wanted). */
must_check int rdb_records_next(struct rdb_records *records, bool *end);
/* Gives back what it holds, not `in`. */
void rdb_records_free(struct rdb_records *records);
