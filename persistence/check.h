/* kv-check-aof without its command line: check a log, and on request mend it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct disk;

enum check_mode { CHECK_REPORT, CHECK_FIX, CHECK_SALVAGE, CHECK_TO_TIME, CHECK_NEW_ID };

struct check_options {
    const struct disk *disk;
    const char *path; /* a log file, a manifest, an appendonlydir, or a data directory */
    enum check_mode mode;
    int64_t time; /* CHECK_TO_TIME: the last second that is kept */
    int64_t now;  /* Unix time */
    bool damaged_base; /* CHECK_SALVAGE: keep what holds of a snapshot that is damaged */
    bool json;    /* one object instead of lines */
    void *env;
    void (*print)(void *env, struct slice text);   /* to standard output */
    void (*complain)(void *env, const char *line); /* to standard error; no end of line */
    bool (*ask)(void *env, const char *question);  /* before anything is changed */
    void (*progress)(void *env, uint64_t done, uint64_t total); /* bytes */
    void (*random_bytes)(void *env, void *out, size_t len);
};

/* Run it. The exit status: 0 if all is valid (now), 1 if not. */
int check_run(const struct check_options *options);
