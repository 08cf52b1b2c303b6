/* The host port on a real machine: clocks, randomness, the operator's log, files. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"
#include "core/host.h"

struct fault;
struct journal;
struct net;
struct settings;

struct server_host {
    struct host port;          /* port.self is this struct */
    struct settings *settings;
    struct net *net;           /* NULL before it is made */
    struct journal *journal;
    int log_fd;
    bool stopped;              /* stop was called, with this status */
    int exit_status;
};

/* Fill in the port; the log goes to standard output until server_host_open_log. */
void server_host_init(struct server_host *host, struct settings *settings, struct journal *journal);
/* Open the file that `logfile` names, again after it was moved away. */
must_check int server_host_open_log(struct server_host *host, struct fault *fault);
