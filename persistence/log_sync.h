/* Syncs, the marks they raise, and the thread that syncs by the clock. A part of the log. */
#pragma once

#include "core/base/attr.h"

struct fault;
struct log;
struct log_point;

/* Sync what is written, and raise durable. On failure the file is poisoned. */
must_check int log_sync_written(struct log *log, struct fault *fault);

/* All batches up to `point` are durable: raise the mark, let their buffers go. */
void log_confirm(struct log *log, const struct log_point *point);

void *log_timer_main(void *log); /* the sync thread */

/* Write kv.durable if it does not name the last durable batch. */
void log_slot_write(struct log *log);
