/* The process among others: its background, pid file, title, supervisor, and what the kernel does
 * with it when memory runs out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/attr.h"

struct fault;
struct settings;

struct server_process {
    const struct settings *settings;
    char *title_at;      /* where the arguments of the command line were */
    size_t title_bytes;
    char *program;       /* the first of them */
    long oom_before;     /* the score's adjustment that was found */
    bool oom_adjusted;
    bool supervised;     /* by systemd: it wants to be told */
};

/* Takes the memory of `argv` and of the environment, which moves: the title goes there. argv is not
 * to be used any more. */
void server_process_init(struct server_process *process, const struct settings *settings, int argc,
                         char **argv);

/* daemonize, unless a supervisor is there. Before there is a thread, a file or a socket. */
must_check int server_process_background(struct server_process *process, struct fault *fault);
must_check int server_process_write_pidfile(const struct settings *settings, struct fault *fault);
void server_process_remove_pidfile(const struct settings *settings);

/* Title, oom-score-adj, huge pages, as the settings say; what is not possible is told and no
 * reason to stop. */
void server_process_apply(struct server_process *process,
                          void (*say)(void *env, bool warning, const char *line), void *env);
/* A setting of `process` was changed. */
must_check int server_process_changed(struct server_process *process, const char *name,
                                      struct fault *fault);
/* Offer each socket that systemd has handed over (LISTEN_FDS), with its name, and forget the
 * variables; nothing if they are another process'. Stops at the first error. */
must_check int server_process_sockets(int (*take)(void *env, int fd, const char *name,
                                                  struct fault *fault),
                                      void *env, struct fault *fault);
/* Tell the supervisor, in sd_notify(3)'s words: "READY=1\nSTATUS=...". */
void server_process_notify(const struct server_process *process, const char *state);
