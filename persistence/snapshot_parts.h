/* Loading a snapshot by its index: parts are read, checked, unpacked and decoded on their own, by
 * several threads. Essay in snapshot_parts.c. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"

struct fault;
struct rdb_found;
struct rdb_load;
struct snapshot_index;

struct snapshot_parts {
    const struct rdb_load *load;
    const struct snapshot_index *index; /* that fits the file's size */
    int fd;                             /* open for reading on load->disk */
    bool packed;                        /* LZ4 frames */
};

/* As rdb_load; `out` is counted up, but for `end`. */
must_check int snapshot_parts_load(const struct snapshot_parts *parts, struct rdb_found *out,
                                   struct fault *fault);
