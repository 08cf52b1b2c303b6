/* What holds of a damaged snapshot, as a new one: on an operator's explicit word, see salvage.h. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;

struct snapshot_salvaged {
    uint64_t parts, parts_lost;
    uint64_t keys, keys_lost;
};

/* Write the parts of `path` that hold into the new file `to`, a plain RDB, synced; its name is
 * not. `lost` (may be NULL) is told of each that does not, with its keys. With `to` NULL: only
 * look. KV_EREFUSED: without a good index, or a good beginning, nobody can tell what holds. */
must_check int snapshot_salvage(const struct disk *disk, const char *path, const char *to,
                                void (*lost)(void *env, const char *line), void *env,
                                struct snapshot_salvaged *out, struct fault *fault);
