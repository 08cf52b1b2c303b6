/* Cutting the tail off a log file, durably, and keeping what was cut; copies under other names. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;

#define CUT_PATH_MAX 512

/* A name that is not taken: <directory>/<name>.<what>.<n>. */
must_check int cut_free_name(const struct disk *disk, const char *directory, const char *name,
                             const char *what, char out[static CUT_PATH_MAX], struct fault *fault);

/* Copy a file of the directory to such a name, and sync the copy. `copy` is set to its path, or ""
 * if there is no such file. */
must_check int cut_copy(const struct disk *disk, const char *directory, const char *name,
                        const char *what, char copy[static CUT_PATH_MAX], struct fault *fault);

/* Copy the bytes from `offset` on, but for zero bytes at the end, to <directory>/<name>.torn.<n>,
 * sync that and the directory; then truncate the file `path` there, and sync it. `copy` is set to
 * the copy's path, or "" if all bytes are zero. May be repeated after a crash. */
must_check int cut_tail(const struct disk *disk, const char *directory, const char *name,
                        const char *path, uint64_t offset, char copy[static CUT_PATH_MAX],
                        struct fault *fault);
