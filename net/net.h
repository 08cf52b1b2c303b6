/* The network: listeners, connections and the event loop. Moves bytes: reads requests, offers
 * them to the engine, and sends what the session's output has released, one writev a turn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct engine;
struct fault;
struct net;
struct session;
struct settings;

struct net_options {
    struct settings *settings;    /* bind, port, unixsocket, limits: read when they are used */
    struct engine *engine;
    void (*say)(void *env, bool warning, const char *line);
    void (*tick)(void *env); /* some times a second while the loop runs; or NULL */
    void *env;
};

/* Create the loop; opens no socket. */
struct net *net_new(const struct net_options *options);
void net_free(struct net *net);

/* Listen on a socket that a service manager has opened, with TLS if its port is tls-port or its
 * name (may be NULL) is "tls"; before net_listen, which then opens no other. */
must_check int net_inherit(struct net *net, int fd, const char *name, struct fault *fault);
/* Open the listeners of the settings (TCP and TLS on each bind address, the Unix socket). All or
 * none: on failure those that were open before stay. Called again when bind, port or unixsocket has
 * been changed. An address with a leading '-' may fail. */
must_check int net_listen(struct net *net, struct fault *fault);
/* For each open listener, in order: "tcp 127.0.0.1:6379". */
void net_each_listener(struct net *net, void (*visit)(void *env, const char *text), void *env);

/* Run until net_stop. */
void net_run(struct net *net);
/* One turn without waiting: answers LOADING and PING while a log is replayed. */
void net_poll(struct net *net);
/* Within a request, of engine->busy_session: one turn without waiting, in which others are
 * answered. Nothing of that session is touched, and no connection goes that the turn around may
 * hold. */
void net_run_events(struct net *net);
/* Leave net_run after this turn: listeners are closed, what is released is sent as far as the
 * sockets take it (at most `linger_ms`). */
void net_stop(struct net *net, int64_t linger_ms);

/* From any thread: the journal has news. Wakes the loop, which calls engine_news and releases
 * replies. */
void net_wake(struct net *net);
/* Call `handler` on the loop when the signal arrives. */
void net_on_signal(struct net *net, int signal_number,
                   void (*handler)(void *env, int signal_number), void *env);

/* The host port's part. */
void net_close_session(struct net *net, struct session *session, bool after_output);
void net_wake_session(struct net *net, struct session *session);
/* maxclients or another limit has changed. Returns KV_ELIMIT if the process may not open that
 * many files. */
must_check int net_setting_changed(struct net *net, const char *name, struct fault *fault);
/* Files the process may open, less what the store needs: maxclients is lowered to it at start. */
int64_t net_clients_possible(int64_t wanted);
