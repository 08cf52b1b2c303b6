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
    int spare_fd; /* given up for a moment when no other is left, to refuse a client */
    bool resting; /* the system is out of something: no accept until the next tick */
};

void listeners_init(struct listeners *listeners);
/* Close all, and remove the name of the Unix socket. */
void listeners_close(struct listeners *listeners);

/* Open what the settings name now: what is open already stays, what is named no more is closed. On
 * failure all is as it was. */
must_check int listeners_open(struct listeners *listeners, struct fault *fault);
/* "tcp 127.0.0.1:6379", "tls 127.0.0.1:6380", "unix /path", in the order of the settings. */
void listeners_each(const struct listeners *listeners, void (*visit)(void *env, const char *text),
                    void *env);
/* Accept again after a rest. */
void listeners_tick(struct listeners *listeners);
