/* What kv-check-aof and kv-check-rdb say, and where: results on standard output, complaints and a
 * line of progress, which gives way to either, on standard error. The functions are for options
 * with an `env` that is a struct console or begins with one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/slice.h"

struct console {
    bool progress_shown;
};

static inline void console_end_progress(struct console *console)
{
    if (console->progress_shown)
        fprintf(stderr, "\r\033[K");
    console->progress_shown = false;
}

static inline void console_print(void *env, struct slice text)
{
    console_end_progress(env);
    fwrite(text.data, 1, text.len, stdout);
}

static inline void console_complain(void *env, const char *line)
{
    console_end_progress(env);
    fflush(stdout);
    fprintf(stderr, "%s\n", line);
}

static inline void console_progress(void *env, uint64_t done, uint64_t total)
{
    ((struct console *)env)->progress_shown = true;
    fprintf(stderr, "\r%5.1f%% of %llu MB", total ? 100.0 * (double)done / (double)total : 100.0,
            (unsigned long long)(total >> 20));
}
