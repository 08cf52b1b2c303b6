/* The logs of commands that cost much, one for each way: the last that took longer than
 * slowlog-log-slower-than, that were larger than commandlog-request-larger-than, or whose replies
 * were larger than commandlog-reply-larger-than. Each with the beginning of its arguments; secrets
 * are left out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct ctx;
struct slowlog;

#define SLOWLOG_ARGS_MAX 32   /* kept of one request, */
#define SLOWLOG_BYTES_MAX 128 /* and of one argument */

enum slowlog_kind { SLOWLOG_SLOW, SLOWLOG_LARGE_REQUEST, SLOWLOG_LARGE_REPLY, SLOWLOG_KINDS };

struct slow_entry {
    struct slow_entry *newer, *older;
    uint64_t id, cost;         /* microseconds, or bytes */
    int64_t time_s;            /* wall clock */
    struct slice address, name; /* of the client */
    int argc;
    struct slice argv[];
};

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *slowlog);

/* The command of ctx has cost so much; beyond the log's longest length the oldest entries leave. */
void slowlog_add(const struct ctx *ctx, enum slowlog_kind kind, uint64_t cost);
void slowlog_reset(struct slowlog *slowlog, enum slowlog_kind kind);

/* The newest; further ones by `older`. */
const struct slow_entry *slowlog_first(const struct slowlog *slowlog, enum slowlog_kind kind);
size_t slowlog_len(const struct slowlog *slowlog, enum slowlog_kind kind);
