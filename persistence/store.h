/* The store: a data directory from lock to close. Probes the directory, locks it, recovers,
 * opens the log; switches the log on and off while the server runs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/journal.h"
#include "persistence/recovery.h"

struct fault;
struct store;

#define STORE_FILL_BYTES ((uint64_t)1 << 20) /* what a server keeps ahead */
#define STORE_FILL_PAUSE_MS 100

struct store_options {
    struct recovery_options recovery; /* its disk and dir serve for all */
    enum journal_policy policy;
    uint64_t chunk_bytes, fill_bytes, fill_pause_ms; /* as in struct log_options */
    bool time_stamps;
    /* From the log's threads: a mark has risen or the state has changed. */
    void (*news)(void *env);
    void *news_env;
};

/* Lock the data directory (kv.lock in it; KV_EBUSY if another process has it), probe it (write,
 * sync, rename; on failure the fault names uid, gid and the command that mends it), recover,
 * open the log, fill in `journal`. Blocks. */
must_check int store_open(const struct store_options *options, struct journal *journal,
                          struct store **out, struct recovery_result *result, struct fault *fault);

/* The same without a log: what the dump holds is loaded, if there is one. */
must_check int store_open_dump(const struct store_options *options, struct store **out,
                               struct recovery_result *result, struct fault *fault);
/* Lock and probe only: nothing is loaded. For a server that has its data in memory already. */
must_check int store_open_bare(const struct store_options *options, struct store **out,
                               struct fault *fault);

/* Close the log and note that it was switched off, so that a start without a log is no surprise,
 * and one with it is none either (recovery.c). The directory stays locked. */
must_check int store_turn_off(struct store *store, int64_t now_s, struct fault *fault);
bool store_has_log(const struct store *store);

/* Close the log (log_close), if there is one, and give the lock back. */
int store_close(struct store *store, struct fault *fault);

/* Stop at once, as a crash would: for tests. */
void store_abandon(struct store *store);
