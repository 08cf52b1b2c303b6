/* Connections: each a session with a socket. Bytes that arrive become requests (net/input.c), what
 * the session's output has released is sent at the end of the turn; limits on memory, time and
 * number are kept here. Essay and invariants stand in conn.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/resp.h"
#include "core/session.h"
#include "net/conn_link.h"
#include "net/loop.h"

struct engine;
struct io_block;
struct io_link;
struct io_pool;
struct input_batch;
struct settings;
struct tls;
struct tls_link;

#define CONN_READ_BYTES (64 * 1024) /* read at a time */
#define CONN_TAIL_BYTES 4096        /* an unfinished request up to this lies in the shared buffer */
#define CONN_PARKED_BYTES (64 * 1024) /* read ahead at most while no request may be executed */

enum conn_state {
    CONN_TOUCHED = 1 << 0, /* looked at when the turn ends */
    CONN_PARKED = 1 << 1,  /* has a request that the engine did not admit */
    CONN_MORE = 1 << 2,    /* has input left over from its share of a turn */
    CONN_EOF = 1 << 3,     /* the client sends no more: close when it has got its replies */
    CONN_HELD = 1 << 4,    /* has output that waits for the log */
    CONN_FULL = 1 << 5,    /* the socket takes no more for now */
    CONN_AHEAD = 1 << 6,   /* its input holds bytes that were read while it could not execute */
    CONN_HANDSHAKE = 1 << 7, /* TLS: nothing is read or sent before it is done */
    CONN_STALLED = 1 << 8, /* with it: waits to send, not to receive */
    CONN_UNREAD = 1 << 9,  /* TLS or the link holds bytes that the socket does not show */
};

struct conn {
    struct session session; /* first: net finds its conn by it */
    struct conns *conns;
    struct loop_io io;
    uint32_t state; /* enum conn_state */
    bool local;     /* loopback or Unix socket */
    struct tls_link *tls; /* NULL: plain, or an I/O thread's */
    struct io_link *link; /* with I/O threads: stands for socket and TLS; else NULL */
    int wants;            /* with `link`: enum loop_event, what its news are good for */
    bool raw;             /* its thread does not parse for now, */
    bool trusted;         /* and was told so of SESSION_AUTHENTICATED */
    struct io_block *blocks; /* taken from it, to be executed */
    struct resp_parser parser;
    /* what the shared buffer can't keep: unfinished or waiting requests */
    struct buf input;
    struct conn *touched_next;
    struct conn_link all;        /* every connection, in the order the clock visits them */
    struct conn_link held;       /* with CONN_HELD */
    struct conn_link waiting;    /* with CONN_PARKED or CONN_MORE */
    struct conn_link unread;     /* with CONN_UNREAD */
    int64_t closing_since_ms;    /* 0: not closing */
    uint64_t born_beside;        /* the turn, if it was accepted within a turn beside a script */
};

struct conns_options {
    struct loop *loop;
    struct engine *engine;
    struct settings *settings;
    struct io_pool *pool; /* NULL: no I/O threads */
    void (*say)(void *env, bool warning, const char *line);
    void *env;
};

struct conns {
    struct conns_options options;
    char *shared; /* CONN_TAIL_BYTES + CONN_READ_BYTES: what is read lands here first */
    struct arena arena; /* words of inline requests */
    struct input_batch *batch;
    struct conn_link all, held, waiting, unread;
    struct tls *tls; /* for new connections; net's; NULL while there is no TLS port */
    int64_t handshake_said_ms; /* when a failed one was last told to the operator */
    struct conn *touched_first;
    size_t count;
    bool retry;         /* parked requests are worth another try */
    bool more;          /* somebody has input left over from his share of a turn */
    uint64_t confirmed; /* the journal's, when held output was last looked at */
};

void conns_init(struct conns *conns, const struct conns_options *options);
/* Closes all of them, whatever they hold. */
void conns_free(struct conns *conns);

struct conn_facts {
    int fd; /* becomes the connection's */
    bool local, unix_socket, tls;
    char address[SESSION_ADDRESS_BYTES], local_address[SESSION_ADDRESS_BYTES];
};

/* A new client: refused with an error and closed if it is one too many, or not let in by
 * protected-mode. */
void conns_accept(struct conns *conns, const struct conn_facts *facts);

/* The I/O threads have news. */
void conns_io(struct conns *conns);
/* The parts of a turn, in this order. News: the journal's marks or state have changed. */
void conns_news(struct conns *conns);
/* Offer parked requests again, go on with leftover input; before the engine's turn ends. */
void conns_resume(struct conns *conns);
/* Send what may leave, close what is to be closed; after the engine's turn has ended. */
void conns_settle(struct conns *conns);
/* A turn within a turn (net_run_events): what a request that is being executed may use is put
 * aside, and given back behind it. */
struct conns_beside {
    char *shared;
    struct arena arena;
    struct input_batch *batch;
};
void conns_beside_begin(struct conns *conns, struct conns_beside *aside);
void conns_beside_end(struct conns *conns, struct conns_beside *aside);
/* Its end: sends what may leave; frees only connections that the turn around does not know. */
void conns_settle_beside(struct conns *conns);
/* About ten times a second: idle connections, soft limits, memory of idle ones. */
void conns_tick(struct conns *conns);

/* Send what is released until all has left or `ms` are over; waits. */
void conns_linger(struct conns *conns, int64_t ms);
/* Limits on output have been set anew. */
void conns_apply_limits(struct conns *conns);

/* Look at it when the turn ends. */
void conn_touch(struct conn *conn);
/* Close it at the end of the turn: at once, or when what it was sent has left. */
void conn_close(struct conn *conn, bool after_output);
/* Requests may be executed for it now. */
bool conn_may_execute(const struct conn *conn);
/* Put it on the list of conns_resume. */
void conn_wait(struct conn *conn, enum conn_state why);
/* A line for the operator about this client: `text`, its CLIENT LIST line. */
void conn_say(struct conn *conn, bool warning, const char *text);
