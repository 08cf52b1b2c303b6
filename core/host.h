/* The host: what core needs of the world outside, filled in by tools/kv_server.c. Core itself
 * asks no clock, draws no randomness and opens no file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct fault;
struct session;

/* What INFO tells about the process and the machine; none of it changes. */
struct host_facts {
    int64_t process_id;
    char system[128];        /* "Linux 6.1.0 x86_64" */
    uint64_t memory_bytes;   /* of the machine */
};

enum host_reload { HOST_RELOAD_DUMP, HOST_RELOAD_LOG };

/* How a talk with another server ended. */
enum exchange_end {
    EXCHANGE_DONE,
    EXCHANGE_NO_CONNECTION, /* no such host, or it did not take the connection in time */
    EXCHANGE_NOT_WRITTEN,   /* no progress in time, or an error, before all was written */
    EXCHANGE_NOT_READ,      /* the same before the last answer; or what came is none */
};

enum exchange_step {
    EXCHANGE_WAIT,   /* for the next line */
    EXCHANGE_GO_ON,  /* the same; and `rest` may be sent now */
    EXCHANGE_END,    /* that was the last one */
    EXCHANGE_BROKEN, /* that was no answer: give up */
};

struct exchange {
    struct slice host;
    int64_t port;
    int64_t timeout_ms;       /* the longest time without progress */
    struct slice first, rest; /* what is sent at once; what waits for EXCHANGE_GO_ON */
    /* One line of the answer, without its end. */
    enum exchange_step (*take_line)(void *env, struct slice line);
    void *env;
};

enum host_level { HOST_DEBUG, HOST_VERBOSE, HOST_NOTICE, HOST_WARNING };

struct host {
    void *self;
    /* Wall clock, microseconds since 1970. */
    int64_t (*wall_us)(void *self);
    /* A clock that never goes back, nanoseconds. */
    uint64_t (*monotonic_ns)(void *self);
    void (*random_bytes)(void *self, void *out, size_t len);
    /* One line for the operator's log. */
    void (*log)(void *self, enum host_level level, const char *format, ...) printf_like(3, 4);
    /* Replace a file durably: write aside, sync, rename, sync the directory. For CONFIG REWRITE
     * and ACL SAVE. */
    int (*replace_file)(void *self, const char *path, struct slice content, struct fault *fault);
    /* The whole of a small file (64 MiB at most) into mem_alloc'ed bytes that the caller frees. */
    int (*read_file)(void *self, const char *path, char **content, size_t *len,
                     struct fault *fault);
    /* Close the session's connection, at once or when what it was sent has left. Safe inside its
     * own command. */
    void (*close_session)(void *self, struct session *session, bool after_output);
    /* There is output, or a changed state (unpaused, unblocked), for this session: look at it at
     * the end of the turn. */
    void (*wake_session)(void *self, struct session *session);
    /* A setting that others live by has changed (name of its row): bind, port, maxclients ... 0,
     * or KV_E... and the setting is put back. */
    int (*setting_changed)(void *self, const char *name, struct fault *fault);
    /* Forget what is in memory and load it again: from the dump, or from the log. Blocks. */
    int (*reload)(void *self, enum host_reload what, struct fault *fault);
    /* Stop the process after this turn; every reply that may leave, leaves. `sync_first` false
     * with NOSAVE FORCE. */
    void (*stop)(void *self, int exit_status);
    /* Processor time, resident pages and the like for INFO. */
    void (*cpu)(void *self, double *user_s, double *sys_s, double *user_main_s, double *sys_main_s);
    /* NULL: nothing is known (tests). */
    void (*facts)(void *self, struct host_facts *out);
    /* Within a command, a script that runs for long: let the loop take a turn without waiting. What
     * it executes is bounded by engine->busy. NULL: there is no loop. */
    void (*run_events)(void *self);
    /* Stop this thread for so long: DEBUG SLEEP. NULL: refused. */
    void (*sleep_us)(void *self, int64_t us);
    /* Talk to another server over a TCP connection of its own. Blocks. NULL: refused. */
    enum exchange_end (*exchange)(void *self, const struct exchange *exchange);
};
