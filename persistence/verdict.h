/* The verdict on a log file whose next batch is bad: was it ever acknowledged? Essay in
 * verdict.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct fault;
struct reader;

enum verdict {
    VERDICT_CLEAN,   /* the file ends behind a good batch, and nothing proves that more was there */
    VERDICT_TORN,    /* what is behind the last good batch was never acknowledged */
    VERDICT_CORRUPT, /* it was */
};

/* A batch behind the bad one that is provably of this file. */
struct evidence {
    uint64_t trailer_at, batch, durable_batch;
    uint64_t from; /* where the batch begins: reading may go on there */
    uint32_t seed; /* the crc with which it begins */
};

/* Search the bytes behind the reader's last good batch for a batch that holds. Accepted is the
 * first whose durable batch is above `durable_above`.
 *   returns  1 found, 0 none, KV_EIO, or KV_ELIMIT: there are so many lines that look like
 *   commit
 *            marks that it can't be told. The reader's place is left as it was. */
must_check int verdict_search(struct reader *reader, uint64_t from, int64_t durable_above,
                              struct evidence *out, struct fault *fault);
