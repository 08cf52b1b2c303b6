/* What is left to say when the process crashes or its loop is stuck: a report in the operator's
 * log, with the stack. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct journal;
struct settings;

struct crash_facts {
    const int *log_fd;
    const char *program;            /* our own path */
    const struct journal *journal;
    const struct settings *settings;
    struct engine *const *engine;   /* NULL behind it: there is none yet, or no more */
};

/* Once, on the thread that runs the loop; `facts` must stay. */
void server_crash_init(const struct crash_facts *facts);
/* Report SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT before the process dies by them, or not. */
void server_crash_report(bool on);

/* Log the loop's stack if it isn't fed for `ms`; 0: never. */
void server_watchdog_set(int64_t ms);
/* The loop is alive. */
void server_watchdog_feed(void);
