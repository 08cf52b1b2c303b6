/* The file of a snapshot as one stream of RDB: as it is, or unpacked from LZ4 frames. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "persistence/rdb_stream.h"

struct disk;
struct fault;
struct snapshot_unpacker;

struct rdb_file_source {
    struct rdb_source source; /* good as long as this is where it is */
    const struct disk *disk;
    int fd;
    const char *path;
    /* LZ4 frames */
    struct snapshot_unpacker *unpacker;
    char *input;
    struct slice left; /* of input */
    uint64_t at;       /* in the file, behind the input */
    bool within;       /* a frame */
};

/* `fd` is open for reading, and stays the caller's. */
void rdb_file_source_begin(struct rdb_file_source *file, const struct disk *disk, int fd,
                           const char *path, uint64_t size, bool packed);
void rdb_file_source_end(struct rdb_file_source *file);

/* Write the first `len` bytes of the RDB in the file `path` as a new file `to`, which must not
 * exist, and sync it. On failure no such file is left. 0 or KV_E... */
must_check int rdb_source_copy(const struct disk *disk, const char *path, bool packed, uint64_t len,
                               const char *to, struct fault *fault);
