/* A host and a journal for tests of the core: a clock that the test sets, randomness from a seed,
 * and a log that is "written" and "durable" up to where the test says. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/engine.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/settings.h"

struct fake_world {
    struct host host;
    struct journal journal;
    struct settings settings;
    struct engine *engine;
    int64_t now_us;
    uint64_t seed;
    struct buf stream;      /* every batch that was taken */
    uint64_t batches;
    bool busy;              /* the log thread has a batch: turn_end takes nothing */
    int stopped;            /* host.stop was called */
    struct buf said;        /* the operator's log */
};

/* `tables` as for registry_new. The journal is healthy under `always`. */
void fake_world_open(struct fake_world *world, const struct command *const *tables);
void fake_world_close(struct fake_world *world);

/* A session without a connection. */
void fake_session_open(struct fake_world *world, struct session *session);

/* Execute one request of the given words (NULL-terminated) and return what engine_execute did. */
enum engine_result fake_request(struct session *session, const char *word, ...)
    __attribute__((sentinel));

/* All batches that were taken, as text; good until the next batch. */
const char *fake_stream(struct fake_world *world);

/* What may leave the session now: taken out, in a static buffer, NUL-terminated. */
const char *fake_sent(struct session *session);

/* All batches up to now are durable; who waits is served and released. */
void fake_world_sync(struct fake_world *world);
