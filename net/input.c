/* The input of a connection.
 *
 * Where the bytes lie. All connections read into one shared buffer, which stays in the
 * processor's cache, and requests are executed there, in place. Only what remains (a request that
 * has not arrived as a whole, or must wait) is kept in the connection's own `input`; an idle
 * connection owns no buffer at all.
 *
 *   own input    next read
 *   empty        into the shared buffer
 *   <= 4 KiB     it is copied to the front of the shared buffer, the read goes behind it
 *   more         the read goes behind it in the own buffer, which grows to what the announced
 *                argument needs: by doubling, so that nobody gets memory for bytes not sent
 *
 * In each case the requests lie in one piece and the parser goes on where it was, as its offsets
 * count from the first byte of the unfinished request.
 *
 * Requests are parsed up to INPUT_BATCH ahead, so that the places of their first keys are on the
 * way into the cache when they are executed: with a large keyspace that is most of a command's
 * time. When one of them must wait or ends the connection, the parser goes back to it.
 *
 * A turn takes one read and at most INPUT_REQUESTS requests of a connection; the rest waits in
 * its input until the next turn, so that a deep pipeline does not starve the others. A request
 * that the engine does not admit stays, as the first bytes of the input, and is offered again.
 * Nothing is read for a connection whose requests wait, beyond 64 KiB: the kernel's buffers fill
 * up and the client waits. */
#include "net/input.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/mem.h"
#include "core/engine.h"
#include "core/keyspace.h"
#include "core/settings.h"
#include "core/stats.h"
#include "net/conn.h"
#include "net/io.h"
#include "net/tls.h"

#define INPUT_REQUESTS 1024         /* of a connection a turn */
#define INPUT_BATCH 16
#define INPUT_BATCH_ARGS 128
#define INPUT_ROOM_MIN (16 * 1024)  /* of a read into the own buffer */
#define INPUT_STEP_MIN (1024 * 1024 + 4096) /* a large argument's buffer begins with this */
#define INPUT_KEPT_BYTES (64 * 1024) /* a larger buffer is given back when its argument is done */

struct input_request {
    int argc;
    const struct slice *argv;
    size_t end; /* of the request, from where the batch begins */
};

struct input_batch {
    int count;
    struct input_request requests[INPUT_BATCH];
    struct slice args[INPUT_BATCH_ARGS];
};

struct input_batch *input_batch_new(void)
{
    return mem_alloc_zero(sizeof(struct input_batch));
}

static void protocol_error(struct conn *conn, const char *error)
{
    struct session *session = &conn->session;
    struct buf text = {0};
    buf_printf(&text, "-ERR Protocol error: %s\r\n", error);
    output_append(&session->output, text.data, text.len);
    output_mark(&session->output, 0, false);
    buf_free(&text);
    stats_error(&session->engine->stats, "ERR", 3);
    conn_say(conn, false, "Protocol error from client");
    conn_close(conn, true);
}

/* A browser that is made to send a form to us speaks like this; nothing behind it may be
 * executed. */
static bool is_foreign_protocol(const struct slice *argv)
{
    if (likely(argv[0].len != 4 && argv[0].len != 5))
        return false;
    return slice_is(argv[0], "post") || slice_is(argv[0], "host:");
}

static void abort_foreign_protocol(struct conn *conn)
{
    conn->conns->options.say(
        conn->conns->options.env, true,
        "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: "
        "commands to kv. This is likely due to an attacker attempting to use Cross Protocol "
        "Scripting to compromise your instance. Connection aborted.");
    conn_close(conn, false);
}

/* Parse requests into the batch until it is full or there is no further one. */
static enum resp_status parse_ahead(struct conn *conn, struct slice bytes)
{
    struct input_batch *batch = conn->conns->batch;
    struct resp_parser *parser = &conn->parser;
    struct resp_limits limits = {
        .bulk_bytes_max = conn->conns->options.settings->bulk_bytes_max,
        .authenticated = (conn->session.flags & SESSION_AUTHENTICATED) != 0,
    };
    int most = limits.authenticated ? INPUT_BATCH : 1; /* AUTH changes what may follow */
    size_t at = 0;
    int args = 0;
    batch->count = 0;
    arena_reset(&conn->conns->arena);
    while (batch->count < most && at < bytes.len) {
        struct slice rest = {bytes.data + at, bytes.len - at};
        enum resp_status status = resp_parse(parser, rest, &limits, &conn->conns->arena);
        if (status != RESP_REQUEST)
            return status;
        at += parser->used;
        struct input_request *request = &batch->requests[batch->count++];
        request->argc = parser->argc;
        request->end = at;
        request->argv = parser->argv;
        if (unlikely(parser->argc == 0))
            continue;
        if (unlikely(parser->argc > INPUT_BATCH_ARGS - args))
            break; /* the parser's own array serves until the next call */
        request->argv = batch->args + args;
        memcpy(batch->args + args, parser->argv, (size_t)parser->argc * sizeof(*parser->argv));
        args += parser->argc;
    }
    return RESP_REQUEST;
}

/* Most commands have their first key in argument 1; where not, nothing but the fetch is in vain. */
static void prefetch(const struct conn *conn)
{
    const struct input_batch *batch = conn->conns->batch;
    const struct keyspace *keyspace = conn->session.engine->keyspace;
    uint64_t hashes[INPUT_BATCH];
    int count = 0;
    for (int i = 0; i < batch->count; i++)
        if (batch->requests[i].argc > 1)
            hashes[count++] = keyspace_hash(keyspace, batch->requests[i].argv[1]);
    for (int i = 0; i < count; i++)
        keyspace_prefetch(keyspace, conn->session.db, hashes[i]);
    for (int i = 0; i < count; i++)
        keyspace_prefetch_entry(keyspace, conn->session.db, hashes[i]);
}

/* Execute one request; false if it, and what is behind it, must not be done now. */
static inline bool execute_one(struct conn *conn, const struct input_request *request)
{
    if (unlikely(!conn_may_execute(conn))) {
        conn->state |= CONN_AHEAD;
        return false;
    }
    if (unlikely(request->argc == 0))
        return true;
    if (unlikely(is_foreign_protocol(request->argv))) {
        abort_foreign_protocol(conn);
        return false;
    }
    if (unlikely(engine_execute(conn->session.engine, &conn->session, request->argc,
                                request->argv) == ENGINE_WAIT)) {
        conn_wait(conn, CONN_PARKED);
        return false;
    }
    return true;
}

/* Execute the complete requests of `bytes`; returns how many bytes are done with. */
static size_t execute(struct conn *conn, const char *bytes, size_t len)
{
    struct input_batch *batch = conn->conns->batch;
    size_t done = 0;
    conn->state &= ~(uint32_t)CONN_AHEAD;
    conn_touch(conn);
    for (int requests = 0; done < len; requests += batch->count) {
        if (unlikely(requests >= INPUT_REQUESTS && conn_may_execute(conn))) {
            conn_wait(conn, CONN_MORE);
            break;
        }
        struct slice rest = {bytes + done, len - done};
        conn->session.query_bytes = rest.len;
        enum resp_status status = parse_ahead(conn, rest);
        if (batch->count > 1)
            prefetch(conn);
        size_t used = 0;
        for (int i = 0; i < batch->count; i++) {
            if (unlikely(!execute_one(conn, &batch->requests[i]))) {
                resp_free(&conn->parser);
                return done + used;
            }
            used = batch->requests[i].end;
        }
        done += used;
        if (status == RESP_MORE)
            break;
        if (unlikely(status == RESP_ERROR)) {
            if (conn_may_execute(conn)) {
                protocol_error(conn, conn->parser.error);
            } else { /* its turn comes when what it stands behind is done */
                conn->state |= CONN_AHEAD;
                resp_free(&conn->parser);
            }
            break;
        }
    }
    return done;
}

/* Keep the `len` bytes at `rest` as the connection's input; they may lie in it. */
static void keep(struct conn *conn, const char *rest, size_t len)
{
    struct buf *input = &conn->input;
    struct session *session = &conn->session;
    if (session->flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY))
        len = 0; /* nothing of it will be executed */
    if (len == 0) {
        buf_free(input);
    } else if (rest >= input->data && rest < input->data + input->len) {
        if (input->cap > INPUT_KEPT_BYTES && len <= CONN_TAIL_BYTES) {
            struct buf small = {0};
            buf_append(&small, rest, len);
            buf_free(input);
            *input = small;
        } else {
            buf_drop_front(input, (size_t)(rest - input->data));
        }
    } else {
        buf_clear(input);
        buf_append(input, rest, len);
    }
    session->query_bytes = input->len;
    session->query_free = input->cap - input->len;
}

/* Room for the next read behind the own input. */
static size_t make_room(struct conn *conn, char **room)
{
    struct buf *input = &conn->input;
    size_t wanted = resp_wanted(&conn->parser);
    size_t more = INPUT_ROOM_MIN;
    if (wanted > input->len + more) {
        size_t step = input->cap * 2 > INPUT_STEP_MIN ? input->cap * 2 : INPUT_STEP_MIN;
        size_t aim = wanted < step ? wanted : step;
        more = aim > input->len ? aim - input->len : more;
    }
    if (input->cap - input->len < INPUT_ROOM_MIN)
        buf_reserve(input, more);
    *room = input->data + input->len;
    return input->cap - input->len;
}

/* The bytes read, or 0 if there is nothing to be done (nothing there, the end, an error). */
static size_t read_socket(struct conn *conn, char *room, size_t len)
{
    struct session *session = &conn->session;
    ssize_t got = unlikely(conn->link)  ? io_read(conn->link, room, len)
                  : unlikely(conn->tls) ? tls_read(conn->tls, room, len)
                                        : recv(session->fd, room, len, 0);
    if (likely(got > 0)) {
        session->bytes_in += (uint64_t)got;
        session->engine->stats.net_in += (uint64_t)got;
        session->engine->stats.reads++;
        session->active_ms = session->engine->now_ms;
        return (size_t)got;
    }
    if (got == 0) {
        conn->state |= CONN_EOF;
        conn_touch(conn);
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_close(conn, false);
    }
    return 0;
}

static bool is_too_much(struct conn *conn)
{
    if (likely((int64_t)conn->input.len <= conn->conns->options.settings->query_buffer_limit))
        return false;
    conn->session.engine->stats.query_limit_closed++;
    conn_say(conn, true, "Closing client that reached max query buffer length");
    conn_close(conn, false);
    return true;
}

void input_ready(struct conn *conn)
{
    struct buf *input = &conn->input;
    if (!conn_may_execute(conn)) {
        /* Read ahead a little: the end of the connection shows only behind what was sent. */
        char *room = buf_reserve(input, INPUT_ROOM_MIN);
        input->len += read_socket(conn, room, INPUT_ROOM_MIN);
        conn->state |= CONN_AHEAD;
        conn_touch(conn);
        return;
    }
    if (input->len <= CONN_TAIL_BYTES && resp_wanted(&conn->parser) <= CONN_READ_BYTES) {
        char *shared = conn->conns->shared;
        size_t tail = input->len;
        size_t got = read_socket(conn, shared + tail, CONN_READ_BYTES);
        if (got == 0)
            return;
        if (tail > 0)
            memcpy(shared, input->data, tail);
        size_t done = execute(conn, shared, tail + got);
        if (done < tail + got || input->cap > 0)
            keep(conn, shared + done, tail + got - done);
        return;
    }
    char *room;
    size_t len = make_room(conn, &room);
    size_t got = read_socket(conn, room, len);
    if (got == 0)
        return;
    input->len += got;
    input_resume(conn);
}

void input_resume(struct conn *conn)
{
    struct buf *input = &conn->input;
    if (input->len == 0)
        return;
    size_t done = execute(conn, input->data, input->len);
    if (done > 0)
        keep(conn, input->data + done, input->len - done);
    else if (conn->session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY))
        keep(conn, NULL, 0);
    is_too_much(conn);
}

void input_trim(struct conn *conn)
{
    if (conn->input.len > 0 || conn->parser.want_args >= 0)
        return;
    buf_free(&conn->input);
    if (conn->parser.argv_cap > 0)
        resp_free(&conn->parser);
}
