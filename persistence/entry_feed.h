/* Decoding in threads beside the one that puts entries into the keyspace. Essay in entry_feed.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct fault;
struct rdb_load;

struct entry_feed {
    const struct rdb_load *load;
    int threads;
    void *env;
    /* What a thread does: decode into `load`, whose functions are the feed's own; `number` counts
     * from 0. It ends early once one of those has returned an error. */
    int (*work)(void *env, int number, const struct rdb_load *load, struct fault *fault);
};

/* Run the threads; meanwhile call the functions of feed->load, in this thread, with what they make.
 * Returns when all have ended: 0, or an error of one of them or of feed->load->put. */
must_check int entry_feed_run(const struct entry_feed *feed, struct fault *fault);

/* How many threads pay for a file of so many bytes; 0 if none does. */
int entry_feed_threads(const struct rdb_load *load, uint64_t bytes, bool parts);
