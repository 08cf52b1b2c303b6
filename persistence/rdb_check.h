/* kv-check-rdb without its command line: check a snapshot, say what is in it, make a stock RDB of
 * it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct disk;

struct rdb_check_options {
    const struct disk *disk;
    const char *path;
    const char *to_rdb; /* a new file; NULL: none */
    bool json;          /* one object instead of lines */
    bool keys;          /* a line, or object, for each key */
    int64_t now_ms;     /* what is earlier has expired */
    void *env;
    void (*print)(void *env, struct slice text);   /* to standard output */
    void (*complain)(void *env, const char *line); /* to standard error; no end of line */
    void (*progress)(void *env, uint64_t done, uint64_t total); /* bytes; may be NULL */
};

/* Run it. The exit status: 0 if all of it is good, 1 if not. */
int rdb_check_run(const struct rdb_check_options *options);
