/* The slow log: the last commands that took longer than slowlog-log-slower-than, with the beginning
 * of their arguments; secrets are left out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct ctx;
struct slowlog;

#define SLOWLOG_ARGS_MAX 32   /* kept of one request, */
#define SLOWLOG_BYTES_MAX 128 /* and of one argument */

struct slow_entry {
    struct slow_entry *newer, *older;
    uint64_t id, us;
    int64_t time_s;            /* wall clock */
    struct slice address, name; /* of the client */
    int argc;
    struct slice argv[];
};

struct slowlog *slowlog_new(void);
void slowlog_free(struct slowlog *slowlog);

/* The command of ctx took `us`; older entries than slowlog-max-len leave. */
void slowlog_add(const struct ctx *ctx, uint64_t us);
void slowlog_reset(struct slowlog *slowlog);

/* The newest; further ones by `older`. */
const struct slow_entry *slowlog_first(const struct slowlog *slowlog);
size_t slowlog_len(const struct slowlog *slowlog);
