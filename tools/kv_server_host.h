/* The host port on a real machine: clocks, randomness, the operator's log, files. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"
#include "core/host.h"
#include "tools/kv_server_log.h"
#include "tools/kv_server_process.h"

struct journal;
struct net;
struct server_data;
struct settings;

struct server_host {
    struct host port;          /* port.self is this struct */
    struct settings *settings;
    struct net *net;           /* NULL before it is made */
    struct server_data *data;  /* the same */
    struct journal *journal;
    struct server_log log;
    struct server_process process;
    bool stopped;              /* stop was called, with this status */
    int exit_status;
};

/* Fill in the port; the log goes to standard output until it is opened. */
void server_host_init(struct server_host *host, struct settings *settings, struct journal *journal);
/* settings.match_files: glob(3). */
must_check int server_host_match_files(const char *pattern,
                                       int (*found)(void *env, const char *path), void *env);
