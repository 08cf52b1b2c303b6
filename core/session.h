/* A session: what the server knows of one client. Embedded in net's connection; also used without
 * one (replay, scripts, tests). Lives in the engine's list from session_open to session_close. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/output.h"

struct ctx;
struct engine;
struct command_state;
struct transaction;
struct acl_user;
struct subscription;
struct tracker;
struct watch;
struct waiter;

#define SESSION_ADDRESS_BYTES 112 /* a Unix socket's path has 107 at most */

enum session_flag {
    SESSION_AUTHENTICATED = 1 << 0,
    /* QUIT, protocol errors: read no more, close when output has left */
    SESSION_CLOSE_AFTER_REPLY = 1 << 1,
    SESSION_CLOSE_NOW = 1 << 2,         /* killed: close at the end of the turn */
    SESSION_REPLY_OFF = 1 << 3,
    SESSION_REPLY_SKIP_NEXT = 1 << 4,
    SESSION_NO_EVICT = 1 << 5,
    SESSION_NO_TOUCH = 1 << 6,
    SESSION_INTERNAL = 1 << 7,          /* replay and the like: no connection behind it */
    SESSION_UNIX_SOCKET = 1 << 8,
    /* waits in a command (WAITAOF, BLPOP): no further request is executed */
    SESSION_BLOCKED = 1 << 9,
    SESSION_MONITOR = 1 << 10,
    SESSION_REPLY_SKIP = 1 << 11,       /* the reply of the command that runs is dropped */
    SESSION_WAITS_WRITE = 1 << 12,      /* ENGINE_WAIT was returned for a write */
    SESSION_WATCH_BROKEN = 1 << 13,     /* a watched key was changed */
    SESSION_PUSHED = 1 << 14,           /* got a message that is not stamped */
    SESSION_WAITS = 1 << 15,            /* ENGINE_WAIT was returned for its next request */
    SESSION_IMPORT_SOURCE = 1 << 16,    /* sees expired keys while import-mode is on */
    SESSION_CAPA_REDIRECT = 1 << 17,    /* CLIENT CAPA redirect */
    SESSION_WAITS_LOG = 1 << 18,        /* blocked while the log is being switched on */
    SESSION_RESTRICTED = 1 << 20,       /* its user may not do everything: kept by core/acl.c */
};

struct session {
    uint64_t id;
    int db;
    uint8_t resp;                 /* 2 or 3 */
    uint32_t flags;               /* enum session_flag */
    struct output output;
    struct engine *engine;
    struct session *previous, *next; /* all sessions of the engine */
    /* "127.0.0.1:50122"; "/path:0" for Unix sockets */
    char address[SESSION_ADDRESS_BYTES], local_address[SESSION_ADDRESS_BYTES];
    int fd;                       /* for CLIENT LIST only; -1 without a connection */
    char *name, *library_name, *library_version; /* mem_alloc'ed or NULL */
    struct acl_user *user;
    int64_t created_ms, active_ms; /* wall clock */
    struct command_state *last_command;
    uint64_t commands, bytes_in, bytes_out;
    /* kept by net: what was sent and not yet parsed, room behind it, arguments of a request that is
     * not complete, and what is still to come of a large one that was announced */
    size_t query_bytes, query_free, argv_bytes, query_awaited;
    uint64_t write_sequence;      /* of its last write, for WAITAOF */
    /* SESSION_BLOCKED: served when durable >= blocked_sequence, or at the deadline */
    uint64_t blocked_sequence;
    int64_t blocked_until_ms;     /* 0: no deadline */
    void (*unblock)(struct ctx *ctx, bool timed_out); /* writes the reply */
    struct transaction *transaction; /* behind MULTI; else NULL */
    struct watch *watches;
    struct waiter *waiter;        /* SESSION_BLOCKED by waiters_block; else NULL */
    size_t waiter_bytes;          /* of the arguments of the command that waits */
    struct subscription *subscriptions;
    uint32_t subscribed[3];       /* by enum pubsub_kind */
    struct session *pushed_next, *monitor_next;
    struct tracker *tracker;      /* CLIENT TRACKING is on; else NULL */
    /* client-output-buffer-limit's soft limit is exceeded since; 0 not */
    int64_t limit_soft_since_ms;
    size_t counted_bytes;         /* of it in engine->clients_bytes */
    void *connection;             /* net's */
};

/* Give it an id, put it into the list; `session` is zeroed but for addresses, fd, connection and
 * SESSION_ flags. */
void session_open(struct engine *engine, struct session *session);
/* Take it out of every list and free what belongs to it. */
void session_close(struct session *session);

/* The client is on this machine. */
bool session_is_local(const struct session *session);

/* Release what may leave, or fail what cannot be confirmed any more; true if there are bytes to
 * send. */
bool session_settle(struct session *session);

/* Block the session of the command that runs: `unblock` is called when `sequence` is durable, or
 * at the deadline (0: none), and replies. No request of the session is executed before. */
void session_block(struct session *session, uint64_t sequence, int64_t until_ms,
                   void (*unblock)(struct ctx *ctx, bool timed_out));
/* End the wait early (CLIENT UNBLOCK): as at the deadline. */
void session_unblock(struct session *session, bool timed_out);

/* Back to how a new connection begins (RESET). */
void session_reset(struct session *session);
