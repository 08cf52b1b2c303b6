/* Listeners: TCP on each bind address, plain and TLS, and the Unix socket. What they accept is
 * handed up. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"
#include "net/conn.h"
#include "net/loop.h"

struct fault;
struct listener;
struct settings;

struct listeners {
    struct loop *loop;
    const struct settings *settings;
    void (*accepted)(void *accepted_env, const struct conn_facts *facts);
    void *accepted_env;
    void (*say)(void *env, bool warning, const char *line);
    void *env;
    struct listener *first;
    bool inherited, settled; /* all of `first` is the service manager's; clients may come */
    int spare_fd; /* given up for a moment when no other is left, to refuse a client */
    bool resting; /* the system is out of something: no accept until the next tick */
};

void listeners_init(struct listeners *listeners);
/* Take over a socket that a service manager has opened and that listens (systemd's socket
 * activation), before listeners_open, which then opens none of its own. KV_EREFUSED: it is no
 * listening stream socket; it stays open. */
must_check int listeners_inherit(struct listeners *listeners, int fd, bool is_tls,
                                 struct fault *fault);
/* Close all, and remove the name of the Unix socket. */
void listeners_close(struct listeners *listeners);

/* Open what the settings name now: what is open already stays, what is named no more is closed. On
 * failure all is as it was. With inherited sockets there is nothing to be opened, and a later call
 * fails: what they listen on is not ours to change. */
must_check int listeners_open(struct listeners *listeners, struct fault *fault);
/* "tcp 127.0.0.1:6379", "tls 127.0.0.1:6380", "unix /path", in the order of the settings. */
void listeners_each(const struct listeners *listeners, void (*visit)(void *env, const char *text),
                    void *env);
/* Accept again after a rest. */
void listeners_tick(struct listeners *listeners);
