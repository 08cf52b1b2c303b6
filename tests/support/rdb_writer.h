/* Snapshots (RDB) made in memory byte by byte, for tests. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/slice.h"

/* Begin `file`: "REDIS0010" or the like. */
void rdb_writer_begin(struct buf *file, const char *magic);
void rdb_writer_select(struct buf *file, unsigned db);
/* A string value; both at most 16,383 bytes. */
void rdb_writer_string(struct buf *file, struct slice key, struct slice value);
/* The end, with the checksum over all of `file`. */
void rdb_writer_end(struct buf *file);
