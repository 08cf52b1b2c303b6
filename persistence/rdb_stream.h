/* Reading one stream of an RDB, from its beginning to its end. Essay in rdb_stream.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/attr.h"

struct fault;
struct rdb_found;
struct rdb_load;
struct type_limits;

struct rdb_source {
    void *self;
    uint64_t size; /* the stream has no more than that */
    /* Up to `room` bytes at `offset`, which goes up without a gap: how many, 0 at the end, KV_E...
     * with the fault filled in. */
    ssize_t (*read)(void *self, void *to, size_t room, uint64_t offset, struct fault *fault);
};

/* The limits of Redis' defaults. */
extern const struct type_limits rdb_usual_limits;

/* As rdb_load, in the thread that calls, of the stream: the load's disk is not used, its path is
 * for messages. `out` may hold what is known before. */
must_check int rdb_stream_load(const struct rdb_load *load, const struct rdb_source *source,
                               struct rdb_found *out, struct fault *fault);
