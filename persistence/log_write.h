/* A batch's way into the file, by the log thread or by the main thread itself. A part of the log:
 * see log_write.c and log_private.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct fault;
struct log;
struct log_batch;

/* With the pen: take `bytes` over as the next batch, which is kept until it is durable. */
struct log_batch *log_keep(struct log *log, struct buf *bytes, uint64_t seq, int64_t now_ms,
                           uint32_t changes);

/* With the pen: write it, and raise `written`. After a failure the file is poisoned; KV_ENOSPACE
 * before anything was written leaves it as it was. */
must_check int log_write_batch(struct log *log, const struct log_batch *batch,
                               struct fault *fault);

/* With the pen: what was handed over is written, or at least settled: no more of the backlog. */
void log_clear_pending(struct log *log);

/* Main thread: write the journal's open batch now, if that is short and nothing is in the way; else
 * false, and it is to be handed over. Whether it is confirmed then, the marks tell: if the disk
 * failed, the log thread heals. */
must_check bool log_write_at_once(struct log *log, int64_t now_ms);
