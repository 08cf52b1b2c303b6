/* Connections: their life, their output, and the end of a turn.
 *
 * A turn reads and executes; nothing is sent while it does. When it ends, three steps follow in
 * this order (net.c):
 *
 *   conns_news     the log has confirmed something, or failed: everybody who holds output is looked
 *                  at again; blocked clients are served by the engine
 *   conns_resume   requests that could not be executed before are offered again
 *     (the engine hands the open batch to the log here, so that the disk works while we send)
 *   conns_settle   for each connection that was touched: release, send with one writev, close
 *
 * So the replies of a turn leave together, and one that a sync confirms in the turn that it woke.
 *
 * Lists. `all` has every connection. `touched` has those to be looked at when the turn ends: who
 * executed something, got output, or has a socket that takes bytes again. `held` has those whose
 * output waits for the log: only they are visited when its marks rise, so a thousand idle clients
 * cost nothing. `waiting` has those with requests that were read and must wait. `unread` has those
 * whose TLS layer took more from the socket than was asked for: they are read in the next turn,
 * whatever the socket shows.
 *
 * I/O threads. With them a connection has no socket of its own but a link (net/io.c), which is read
 * and written in the same way; instead of the loop the pool tells what is ready (conns_io).
 *
 * Invariants
 *  1. A connection is freed in conns_settle only (and in conns_free; beside a script that runs, one
 *     that was accepted meanwhile): everywhere else a pointer to it stays good. Closing means to
 *     set a flag and to touch it.
 *
 *  2. Reading is on exactly when its bytes would be used: not after the end, not when closing,
 *     and with requests waiting only up to CONN_PARKED_BYTES.
 *
 *  3. The write watcher is on only while the socket is full.
 *
 *  4. Before a TLS handshake is done, nothing is read as a request and nothing is sent; it is given
 *     up after tls-handshake-timeout. Until then the client counts as any other.
 *
 *  5. A client that has sent its last byte gets the replies to all it sent, then it is closed;
 *     not so if it is blocked in a command, which nobody can serve any more in time. */
#include "net/conn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/acl.h"
#include "core/base/mem.h"
#include "core/client_memory.h"
#include "core/engine.h"
#include "core/pubsub.h"
#include "core/session_describe.h"
#include "core/session_limit.h"
#include "core/settings.h"
#include "core/stats.h"
#include "net/input.h"
#include "net/io.h"
#include "net/tls.h"

#define CONN_PARTS 16                    /* of one writev */
#define CONN_SEND_BYTES (1024 * 1024)    /* of a connection a turn */
#define CONN_VISITS_MIN 32               /* by one tick of the clock */
#define CONN_LAST_WORDS_MS (60 * 1000)   /* for a client to take its last reply */
#define CONN_IDLE_MS 2000                /* then its buffers are given back */
#define CONN_HANDSHAKES_SAID_MS 1000     /* between warnings about failed ones */

static const char REFUSED_FULL[] = "-ERR max number of clients reached\r\n";
static const char REFUSED_PROTECTED[] =
    "-DENIED Redis is running in protected mode because protected mode is enabled and no password "
    "is set for the default user. In this mode connections are only accepted from the loopback "
    "interface. If you want to connect from external computers to Redis you may adopt one of the "
    "following solutions: 1) Just disable protected mode sending the command 'CONFIG SET "
    "protected-mode no' from the loopback interface by connecting to Redis from the same host the "
    "server is running, however MAKE SURE Redis is not publicly accessible from internet if you do "
    "so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable "
    "the protected mode by editing the Redis configuration file, and setting the protected mode "
    "option to 'no', and then restarting the server. 3) If you started the server manually just "
    "for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication "
    "password for the default user. NOTE: You only need to do one of the above things in order for "
    "the server to start accepting connections from the outside.\r\n";

/* ---- flags and lists ---- */

static bool is_closing(const struct conn *conn)
{
    return (conn->session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY)) != 0;
}

void conn_touch(struct conn *conn)
{
    if (conn->state & CONN_TOUCHED)
        return;
    conn->state |= CONN_TOUCHED;
    conn->touched_next = conn->conns->touched_first;
    conn->conns->touched_first = conn;
}

void conn_close(struct conn *conn, bool after_output)
{
    conn->session.flags |= after_output ? SESSION_CLOSE_AFTER_REPLY : SESSION_CLOSE_NOW;
    conn_touch(conn);
}

bool conn_may_execute(const struct conn *conn)
{
    return (conn->session.flags &
            (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY | SESSION_BLOCKED)) == 0 &&
           (conn->state & (CONN_PARKED | CONN_MORE)) == 0;
}

void conn_wait(struct conn *conn, enum conn_state why)
{
    if ((conn->state & (CONN_PARKED | CONN_MORE)) == 0)
        link_put(&conn->conns->waiting, &conn->waiting);
    conn->state |= why;
    if (why == CONN_MORE) {
        conn->conns->more = true;
        loop_again(conn->conns->options.loop);
    }
}

static void end_waiting(struct conn *conn)
{
    if (conn->state & (CONN_PARKED | CONN_MORE))
        link_take(&conn->waiting);
    conn->state &= ~(uint32_t)(CONN_PARKED | CONN_MORE);
}

void conn_say(struct conn *conn, bool warning, const char *text)
{
    struct conns *conns = conn->conns;
    struct buf line = {0};
    buf_printf(&line, "%s: ", text);
    session_describe(&conn->session, conns->options.engine->now_ms, &line);
    while (line.len > 0 && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    buf_append_char(&line, '\0');
    conns->options.say(conns->options.env, warning, line.data);
    buf_free(&line);
}

/* Read it in the next turn, whatever its socket shows. */
static void go_on_reading(struct conn *conn)
{
    if (conn->state & CONN_UNREAD)
        return;
    conn->state |= CONN_UNREAD;
    link_put(&conn->conns->unread, &conn->unread);
    loop_again(conn->conns->options.loop);
}

/* Set what the loop shall tell us of this socket (invariants 2 and 3). */
static void set_interest(struct conn *conn)
{
    struct loop *loop = conn->conns->options.loop;
    if (unlikely(conn->state & CONN_HANDSHAKE)) {
        if (!conn->link)
            loop_io_want(loop, &conn->io, conn->state & CONN_STALLED ? LOOP_WRITE : LOOP_READ);
        return;
    }
    int events = conn->state & CONN_FULL ? LOOP_WRITE : 0;
    bool waits = !conn_may_execute(conn);
    if (!is_closing(conn) && !(conn->state & CONN_EOF) &&
        (conn->link || !waits || conn->input.len < CONN_PARKED_BYTES))
        events |= LOOP_READ;
    if (unlikely(conn->link)) {
        conn->wants = events;
        if (((events & LOOP_READ) && input_has_news(conn)) ||
            ((events & LOOP_WRITE) && io_writable(conn->link)))
            go_on_reading(conn);
        return;
    }
    if (unlikely(conn->tls && events & LOOP_READ)) {
        if (tls_unread(conn->tls))
            go_on_reading(conn);
        if (tls_read_wants_write(conn->tls))
            events |= LOOP_WRITE;
    }
    loop_io_want(loop, &conn->io, events);
}

/* ---- opening and closing ---- */

static void shake_hands(struct conn *conn);

static void on_ready(struct loop_io *io, int events)
{
    struct conn *conn = CONN_OF(io, io);
    if (unlikely(conn->state & CONN_HANDSHAKE)) {
        shake_hands(conn);
        return;
    }
    if (unlikely(conn->tls && tls_read_wants_write(conn->tls)))
        events |= LOOP_READ;
    if (events & LOOP_WRITE) {
        conn->state &= ~(uint32_t)CONN_FULL;
        conn_touch(conn);
    }
    if ((events & LOOP_READ) && !is_closing(conn))
        input_ready(conn);
}

static void refuse(struct conns *conns, const struct conn_facts *facts, const char *text)
{
    if (!facts->tls) {
        ssize_t sent = send(facts->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)sent; /* who is not let in may miss why */
    }
    close(facts->fd);
    conns->options.engine->stats.connections_rejected++;
}

static bool is_protected(const struct conns *conns, bool local)
{
    return conns->options.settings->protected_mode &&
           acl_needs_no_password(conns->options.engine) && !local;
}

/* Failures come from whoever knows our port: few of them are worth the operator's log. */
static void say_failed_handshake(struct conn *conn, const char *why)
{
    struct conns *conns = conn->conns;
    int64_t now_ms = conns->options.engine->now_ms;
    bool warning = now_ms - conns->handshake_said_ms >= CONN_HANDSHAKES_SAID_MS;
    char text[320];
    if (warning)
        conns->handshake_said_ms = now_ms;
    snprintf(text, sizeof(text), "Error accepting a client connection: %s", why);
    conn_say(conn, warning, text);
}

static void shake_hands(struct conn *conn)
{
    struct session *session = &conn->session;
    char why[256];
    if (is_closing(conn))
        return;
    enum tls_step step = conn->link ? io_handshake(conn->link, why)
                                    : tls_handshake(conn->tls, why);
    conn->state &= ~(uint32_t)CONN_STALLED;
    conn_touch(conn);
    if (step == TLS_WANTS_READ)
        return;
    if (step == TLS_WANTS_WRITE) {
        conn->state |= CONN_STALLED;
        return;
    }
    if (step == TLS_FAILED) {
        say_failed_handshake(conn, why);
        conn_close(conn, false);
        return;
    }
    conn->state &= ~(uint32_t)CONN_HANDSHAKE;
    session->active_ms = session->engine->now_ms;
    if (!is_protected(conn->conns, conn->local))
        return;
    output_append(&session->output, REFUSED_PROTECTED, sizeof(REFUSED_PROTECTED) - 1);
    output_mark(&session->output, 0, false);
    session->engine->stats.connections_rejected++;
    conn_close(conn, true);
}

void conns_accept(struct conns *conns, const struct conn_facts *facts)
{
    struct settings *settings = conns->options.settings;
    if ((int64_t)conns->count >= settings->maxclients) {
        refuse(conns, facts, REFUSED_FULL);
        return;
    }
    if (!facts->tls && is_protected(conns, facts->local)) {
        refuse(conns, facts, REFUSED_PROTECTED);
        return;
    }
    struct tls_link *tls = facts->tls ? tls_link_new(conns->tls, facts->fd) : NULL;
    if (facts->tls && !tls) {
        refuse(conns, facts, "");
        return;
    }
    struct conn *conn = mem_alloc_zero(sizeof(*conn));
    struct session *session = &conn->session;
    conn->conns = conns;
    if (conns->options.engine->busy)
        conn->born_beside = conns->options.engine->turns;
    conn->local = facts->local;
    conn->tls = tls;
    if (tls)
        conn->state |= CONN_HANDSHAKE;
    session->fd = facts->fd;
    session->connection = conn;
    if (facts->unix_socket)
        session->flags |= SESSION_UNIX_SOCKET;
    memcpy(session->address, facts->address, sizeof(session->address));
    memcpy(session->local_address, facts->local_address, sizeof(session->local_address));
    session_open(conns->options.engine, session);
    session_reset(session);
    session_limit_choose(session);
    resp_init(&conn->parser);
    link_put(&conns->all, &conn->all);
    conns->count++;
    if (conns->options.pool) {
        conn->trusted = (session->flags & SESSION_AUTHENTICATED) != 0;
        conn->link = io_link_new(conns->options.pool, facts->fd, tls, conn->trusted, conn);
        conn->tls = NULL;
        conn->wants = LOOP_READ;
        return;
    }
    loop_io_open(conns->options.loop, &conn->io, facts->fd, on_ready);
    loop_io_want(conns->options.loop, &conn->io, LOOP_READ);
}

/* Only when it is on no list of touched connections. */
static void conn_free(struct conn *conn)
{
    struct conns *conns = conn->conns;
    if (conn->link) {
        io_link_close(conn->link, (conn->session.flags & SESSION_CLOSE_NOW) != 0);
    } else {
        loop_io_close(conns->options.loop, &conn->io);
        tls_link_free(conn->tls);
        close(conn->session.fd);
    }
    end_waiting(conn);
    if (conn->state & CONN_HELD)
        link_take(&conn->held);
    if (conn->state & CONN_UNREAD)
        link_take(&conn->unread);
    link_take(&conn->all);
    conns->count--;
    session_close(&conn->session);
    input_free(conn);
    mem_free(conn);
}

void conns_init(struct conns *conns, const struct conns_options *options)
{
    *conns = (struct conns){.options = *options};
    conns->shared = mem_alloc(CONN_TAIL_BYTES + CONN_READ_BYTES);
    conns->batch = input_batch_new();
    link_init(&conns->all);
    link_init(&conns->held);
    link_init(&conns->waiting);
    link_init(&conns->unread);
}

void conns_free(struct conns *conns)
{
    while (conns->all.next != &conns->all)
        conn_free(CONN_OF(conns->all.next, all));
    conns->touched_first = NULL;
    arena_free(&conns->arena);
    mem_free(conns->batch);
    mem_free(conns->shared);
}

/* ---- output ---- */

static ssize_t send_parts(struct conn *conn, const struct iovec *parts, int count, size_t most)
{
    if (unlikely(conn->link))
        return io_writev(conn->link, parts, count, most);
    if (unlikely(conn->tls))
        return tls_writev(conn->tls, parts, count, most);
    return count == 1 ? send(conn->session.fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                      : writev(conn->session.fd, parts, count);
}

/* Send what is released. False if the connection is broken. */
static bool flush(struct conn *conn)
{
    struct session *session = &conn->session;
    struct output *output = &session->output;
    size_t budget = CONN_SEND_BYTES;
    while (output_ready(output) > 0) {
        if (budget == 0) {
            conn->state |= CONN_FULL; /* the loop comes back to it when the others had their turn */
            return true;
        }
        struct iovec parts[CONN_PARTS];
        int count = output_parts(output, parts, CONN_PARTS);
        size_t offered = 0;
        for (int i = 0; i < count; i++)
            offered += parts[i].iov_len;
        ssize_t sent = send_parts(conn, parts, count, budget);
        if (sent < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                return false;
            conn->state |= CONN_FULL;
            return true;
        }
        output_sent(output, (size_t)sent);
        session->bytes_out += (uint64_t)sent;
        session->engine->stats.net_out += (uint64_t)sent;
        session->engine->stats.writes++;
        session->active_ms = session->engine->now_ms;
        if ((size_t)sent < offered) {
            conn->state |= CONN_FULL;
            return true;
        }
        budget -= (size_t)sent < budget ? (size_t)sent : budget;
    }
    return true;
}

/* True if it has too much output for too long. */
static bool is_over_limit(struct conn *conn)
{
    struct session *session = &conn->session;
    const struct output_limit *limit = session_limit(session);
    if (unlikely(session->output.overrun))
        return true;
    if (likely(limit->soft_bytes == 0 ||
               output_unsent(&session->output) <= (size_t)limit->soft_bytes)) {
        session->limit_soft_since_ms = 0;
        return false;
    }
    int64_t now_ms = session->engine->now_ms;
    if (session->limit_soft_since_ms == 0)
        session->limit_soft_since_ms = now_ms;
    return now_ms - session->limit_soft_since_ms >= limit->soft_seconds * 1000;
}

static bool has_ended(struct conn *conn)
{
    struct session *session = &conn->session;
    if (session->flags & SESSION_CLOSE_NOW)
        return true;
    bool sends_no_more = (session->flags & SESSION_CLOSE_AFTER_REPLY) != 0;
    if (conn->state & CONN_EOF) {
        if (session->flags & SESSION_BLOCKED)
            return true;
        sends_no_more |= (conn->state & (CONN_PARKED | CONN_MORE)) == 0;
    }
    return sends_no_more && output_unsent(&session->output) == 0;
}

static void set_held(struct conn *conn)
{
    bool holds = output_holds(&conn->session.output);
    if (holds == ((conn->state & CONN_HELD) != 0))
        return;
    conn->state ^= CONN_HELD;
    if (holds)
        link_put(&conn->conns->held, &conn->held);
    else
        link_take(&conn->held);
}

/* Release, send, close. `may_free`: else it is touched again when it is to go. */
static void settle(struct conn *conn, bool may_free)
{
    struct session *session = &conn->session;
    if (unlikely(conn->link))
        input_tell(conn);
    if (!(session->flags & SESSION_CLOSE_NOW)) {
        session_settle(session);
        if (!(conn->state & CONN_FULL) && !flush(conn))
            session->flags |= SESSION_CLOSE_NOW;
        if (unlikely(is_over_limit(conn))) {
            session->engine->stats.output_limit_closed++;
            conn_say(conn, true, "Client closed for overcoming of output buffer limits");
            session->flags |= SESSION_CLOSE_NOW;
        }
    }
    if (unlikely(has_ended(conn))) {
        if (may_free) {
            conn_free(conn);
            return;
        }
        conn_touch(conn);
    }
    if (unlikely(is_closing(conn) && conn->closing_since_ms == 0))
        conn->closing_since_ms = session->engine->now_ms;
    input_note(conn);
    client_memory_note(session);
    set_held(conn);
    if (unlikely(conn->state & CONN_AHEAD) && conn_may_execute(conn))
        conn_wait(conn, CONN_MORE); /* it was blocked until now */
    set_interest(conn);
}

/* ---- the end of a turn ---- */

void conns_news(struct conns *conns)
{
    engine_news(conns->options.engine);
    for (struct conn_link *link = conns->held.next; link != &conns->held; link = link->next)
        conn_touch(CONN_OF(link, held));
    conns->retry = true;
}

/* A link can be read or written again. */
static void on_news(void *owner)
{
    struct conn *conn = owner;
    conn_touch(conn);
    if (conn->state & CONN_HANDSHAKE) {
        shake_hands(conn);
        return;
    }
    conn->state &= ~(uint32_t)CONN_FULL;
    if ((conn->wants & LOOP_READ) && !is_closing(conn))
        input_ready(conn);
}

static void read_on(struct conns *conns)
{
    size_t count = 0;
    for (struct conn_link *at = conns->unread.next; at != &conns->unread; at = at->next)
        count++;
    /* A turn within this one may have taken some of them. */
    for (; count > 0 && conns->unread.next != &conns->unread; count--) {
        struct conn_link *link = conns->unread.next;
        struct conn *conn = CONN_OF(link, unread);
        link_take(link);
        conn->state &= ~(uint32_t)CONN_UNREAD;
        conn_touch(conn);
        if (conn->link)
            on_news(conn);
        else if (loop_io_wanted(&conn->io) & LOOP_READ)
            input_ready(conn);
    }
}

void conns_io(struct conns *conns)
{
    if (conns->options.pool)
        io_pool_take(conns->options.pool, on_news);
}

void conns_resume(struct conns *conns)
{
    if (unlikely(conns->unread.next != &conns->unread))
        read_on(conns);
    struct engine *engine = conns->options.engine;
    bool retry = conns->retry;
    if (likely(!retry && !conns->more))
        return;
    conns->retry = conns->more = false;
    /* Who has to wait again is put behind `last`. */
    struct conn_link *last = conns->waiting.previous;
    struct conn_link *link = conns->waiting.next;
    for (bool end = link == &conns->waiting; !end;) {
        struct conn *conn = CONN_OF(link, waiting);
        end = link == last;
        link = link->next;
        bool ready = (conn->state & CONN_PARKED) ? retry && engine_admits(engine, &conn->session)
                                                 : !(conn->session.flags & SESSION_BLOCKED);
        if (!ready && !is_closing(conn))
            continue;
        end_waiting(conn);
        conn_touch(conn);
        if (!is_closing(conn))
            input_resume(conn);
    }
}

/* Beside a script its own connection stays as it is, and of the others only those go that came
 * meanwhile. */
static void settle_touched(struct conns *conns)
{
    const struct engine *engine = conns->options.engine;
    const struct session *busy = engine->busy_session;
    /* What settling touches (it should not) waits for the next turn. */
    struct conn *conn = conns->touched_first;
    conns->touched_first = NULL;
    while (conn) {
        struct conn *next = conn->touched_next;
        bool may_free = likely(!busy) || conn->born_beside == engine->turns;
        conn->state &= ~(uint32_t)CONN_TOUCHED;
        if (likely(&conn->session != busy))
            settle(conn, may_free);
        else
            conn_touch(conn);
        conn = next;
    }
}

void conns_settle(struct conns *conns)
{
    settle_touched(conns);
    client_memory_keep_bound(conns->options.engine);
    bool parked = conns->waiting.next != &conns->waiting;
    if (unlikely(conns->touched_first || (conns->retry && parked)))
        loop_again(conns->options.loop);
}

/* ---- a turn beside a script ---- */

void conns_beside_begin(struct conns *conns, struct conns_beside *aside)
{
    *aside = (struct conns_beside){conns->shared, conns->arena, conns->batch};
    conns->shared = mem_alloc(CONN_TAIL_BYTES + CONN_READ_BYTES);
    conns->arena = (struct arena){0};
    conns->batch = input_batch_new();
    struct session *busy = conns->options.engine->busy_session;
    struct conn *conn = busy->connection;
    if (conn && conn->link)
        conn->wants = 0;
    else if (conn)
        loop_io_want(conns->options.loop, &conn->io, 0);
    for (struct conn_link *link = conns->held.next; link != &conns->held; link = link->next)
        conn_touch(CONN_OF(link, held));
}

void conns_beside_end(struct conns *conns, struct conns_beside *aside)
{
    mem_free(conns->shared);
    mem_free(conns->batch);
    arena_free(&conns->arena);
    conns->shared = aside->shared;
    conns->arena = aside->arena;
    conns->batch = aside->batch;
}

void conns_settle_beside(struct conns *conns)
{
    read_on(conns);
    settle_touched(conns);
}

/* ---- the clock ---- */

static void visit(struct conn *conn, int64_t now_ms)
{
    struct session *session = &conn->session;
    const struct settings *settings = conn->conns->options.settings;
    if (unlikely(conn->state & CONN_HANDSHAKE) &&
        now_ms - session->created_ms > settings->tls.handshake_timeout_s * 1000) {
        say_failed_handshake(conn, "the TLS handshake takes too long");
        conn_close(conn, false);
        return;
    }
    bool waits = (session->flags & (SESSION_BLOCKED | SESSION_MONITOR)) != 0 ||
                 (conn->state & CONN_PARKED) != 0 || pubsub_total(session) > 0;
    if (settings->timeout_s > 0 && !waits &&
        now_ms - session->active_ms > settings->timeout_s * 1000) {
        conn_say(conn, false, "Closing idle client");
        conn_close(conn, false);
        return;
    }
    if (unlikely(session->flags & SESSION_BLOCKED))
        input_look_for_end(conn);
    if (conn->closing_since_ms > 0 && now_ms - conn->closing_since_ms > CONN_LAST_WORDS_MS)
        conn_close(conn, false);
    if (session->limit_soft_since_ms > 0)
        conn_touch(conn); /* the time of the soft limit may be over */
    if (now_ms - session->active_ms > CONN_IDLE_MS) {
        input_trim(conn);
        if (output_unsent(&session->output) == 0 && session->output.first) {
            size_t limit = session->output.limit;
            output_free(&session->output);
            session->output.limit = limit;
        }
    }
}

void conns_tick(struct conns *conns)
{
    conns->retry = true;
    int64_t now_ms = conns->options.engine->now_ms;
    size_t visits = conns->count / 10 + 1;
    if (visits < CONN_VISITS_MIN)
        visits = conns->count < CONN_VISITS_MIN ? conns->count : CONN_VISITS_MIN;
    for (size_t i = 0; i < visits; i++) {
        struct conn_link *link = conns->all.next;
        link_take(link);
        link_put(&conns->all, link); /* the next tick begins with the one behind it */
        visit(CONN_OF(link, all), now_ms);
    }
}

void conns_apply_limits(struct conns *conns)
{
    for (struct conn_link *link = conns->all.next; link != &conns->all; link = link->next)
        session_limit_choose(&CONN_OF(link, all)->session);
}

static int64_t clock_ms(const struct conns *conns)
{
    struct host *host = conns->options.engine->host;
    return (int64_t)(host->monotonic_ns(host->self) / 1000000);
}

void conns_linger(struct conns *conns, int64_t ms)
{
    int64_t until = clock_ms(conns) + ms;
    for (struct conn_link *link = conns->all.next; link != &conns->all; link = link->next) {
        struct conn *conn = CONN_OF(link, all);
        session_settle(&conn->session);
        while (flush(conn) && output_ready(&conn->session.output) > 0) {
            conn->state &= ~(uint32_t)CONN_FULL;
            int64_t left = until - clock_ms(conns);
            struct pollfd wait = {.fd = conn->session.fd, .events = POLLOUT};
            bool waited = conn->link ? poll(NULL, 0, 1) == 0 /* its thread makes room */
                                     : poll(&wait, 1, left > 0 ? (int)left : 0) > 0;
            if (left <= 0 || !waited)
                break;
        }
    }
}
