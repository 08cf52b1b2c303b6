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
 * up and the client waits.
 *
 * With I/O threads the requests come parsed (net/io_block.c), and are executed from the blocks in
 * which they come; who must wait leaves them there. Only what a thread could not parse is read as
 * above, with the reads of a link in the place of a socket's: from the first such byte on until
 * nothing is left over. */
#include "net/input.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/mem.h"
#include "core/engine.h"
#include "core/keyspace.h"
#include "core/settings.h"
#include "core/stats.h"
#include "net/conn.h"
#include "net/io.h"
#include "net/io_block.h"
#include "net/loop.h"
#include "net/tls.h"

#define INPUT_REQUESTS 1024         /* of a connection a turn */
#define INPUT_BATCH 16
#define INPUT_BATCH_ARGS 128
#define INPUT_ROOM_MIN (16 * 1024)  /* of a read ahead */
#define INPUT_LARGE_BYTES (32 * 1024) /* an argument that counts when it is announced */
#define INPUT_KEPT_BYTES (64 * 1024) /* a larger buffer is given back when its argument is done */

struct input_batch {
    int count;
    struct request requests[INPUT_BATCH];
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
        struct request *request = &batch->requests[batch->count++];
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
static void prefetch(const struct conn *conn, const struct request *requests, int most)
{
    const struct keyspace *keyspace = conn->session.engine->keyspace;
    uint64_t hashes[INPUT_BATCH];
    int count = 0;
    for (int i = 0; i < most; i++)
        if (requests[i].argc > 1)
            hashes[count++] = keyspace_hash(keyspace, requests[i].argv[1]);
    for (int i = 0; i < count; i++)
        keyspace_prefetch(keyspace, conn->session.db, hashes[i]);
    for (int i = 0; i < count; i++)
        keyspace_prefetch_entry(keyspace, conn->session.db, hashes[i]);
}

/* Execute one request; false if it, and what is behind it, must not be done now. */
static inline bool execute_one(struct conn *conn, const struct request *request)
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

/* Execute requests until one must not be executed now; returns how many are done with. The one
 * place for it, so that the compiler makes one function of it and what it calls. */
static int execute_batch(struct conn *conn, const struct request *requests, int count)
{
    if (count > 1)
        prefetch(conn, requests, count);
    for (int i = 0; i < count; i++)
        if (unlikely(!execute_one(conn, &requests[i])))
            return i;
    return count;
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
        int executed = execute_batch(conn, batch->requests, batch->count);
        if (likely(executed > 0))
            done += batch->requests[executed - 1].end;
        if (unlikely(executed < batch->count)) {
            resp_free(&conn->parser);
            return done;
        }
        if (likely(status == RESP_REQUEST))
            continue;
        if (status == RESP_MORE)
            break;
        if (batch->count == 0 && conn_may_execute(conn)) {
            protocol_error(conn, conn->parser.error);
            break;
        }
        resp_free(&conn->parser);
        if (batch->count > 0)
            continue; /* these may have changed what is allowed: ask the parser again */
        conn->state |= CONN_AHEAD; /* its turn comes when what it stands behind is done */
        break;
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

static void close_too_much(struct conn *conn)
{
    conn->session.engine->stats.query_limit_closed++;
    conn_say(conn, true, "Closing client that reached max query buffer length");
    conn_close(conn, false);
}

/* Execute requests that an I/O thread has parsed, as far as they may be now. */
static void execute_blocks(struct conn *conn)
{
    conn->state &= ~(uint32_t)CONN_AHEAD;
    conn_touch(conn);
    int requests = 0;
    for (struct io_block *block; (block = conn->blocks);) {
        while (block->done < block->count) {
            if (unlikely(requests >= INPUT_REQUESTS && conn_may_execute(conn))) {
                conn_wait(conn, CONN_MORE);
                return;
            }
            int left = block->count - block->done;
            int count = left < INPUT_BATCH ? left : INPUT_BATCH;
            conn->session.query_bytes = block->len - block->at;
            int executed = execute_batch(conn, block->requests + block->done, count);
            block->done += executed;
            if (likely(block->done > 0))
                block->at = block->requests[block->done - 1].end;
            if (unlikely(executed < count))
                return;
            requests += count;
        }
        conn->blocks = block->next;
        io_block_free(block);
    }
}

/* The requests of a connection with an I/O thread; false if there are bytes to be parsed here. */
static bool take_requests(struct conn *conn)
{
    struct session *session = &conn->session;
    struct io_taken taken = {0};
    enum io_news news = io_take(conn->link, &taken);
    if (likely(taken.bytes > 0)) {
        session->bytes_in += taken.bytes;
        session->engine->stats.net_in += taken.bytes;
        session->engine->stats.reads += taken.reads;
        session->active_ms = session->engine->now_ms;
    }
    conn_touch(conn);
    if (unlikely(news == IO_RAW))
        return false;
    if (likely(news == IO_REQUESTS)) {
        conn->blocks = taken.blocks;
        execute_blocks(conn);
    } else if (news == IO_END) {
        conn->state |= CONN_EOF;
    } else if (news == IO_BROKEN) {
        conn_close(conn, false);
    } else if (news == IO_TOO_MUCH) {
        close_too_much(conn);
    }
    return true;
}

/* Who waits leaves everything to the thread, but for the end of who can't be served any more. */
static void look_at_link(struct conn *conn)
{
    enum io_news news = io_look(conn->link);
    conn->state |= CONN_AHEAD;
    conn_touch(conn);
    if (news == IO_BROKEN)
        conn_close(conn, false);
    else if (news == IO_TOO_MUCH)
        close_too_much(conn);
    else if (news == IO_END && (conn->session.flags & SESSION_BLOCKED))
        conn->state |= CONN_EOF;
}

bool input_has_news(const struct conn *conn)
{
    enum io_news news = io_look(conn->link);
    if (conn_may_execute(conn) || news == IO_BROKEN || news == IO_TOO_MUCH)
        return news != IO_NOTHING;
    return news == IO_END && (conn->session.flags & SESSION_BLOCKED);
}

static void drop_blocks(struct conn *conn)
{
    io_blocks_free(conn->blocks);
    conn->blocks = NULL;
}

void input_tell(struct conn *conn)
{
    const struct session *session = &conn->session;
    bool authenticated = (session->flags & SESSION_AUTHENTICATED) != 0;
    if (unlikely(authenticated != conn->trusted)) {
        io_trust(conn->link, authenticated);
        conn->trusted = authenticated;
    }
    if (unlikely(conn->raw) && conn->input.len == 0 && conn->parser.want_args < 0)
        conn->raw = !io_parse_again(conn->link);
    if (session->flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY))
        drop_blocks(conn);
}

/* Of a request that is not complete. A large argument counts whole as soon as it was announced, so
 * that clients are evicted before it has come; memory it takes only as it comes. */
static void note_parsed(struct conn *conn)
{
    struct session *session = &conn->session;
    const struct resp_parser *parser = &conn->parser;
    size_t parsed = parser->at < conn->input.len ? parser->at : conn->input.len;
    session->argv_bytes = parsed;
    session->query_bytes -= parsed;
    size_t wanted = resp_wanted(parser);
    if (parser->want_bulk >= INPUT_LARGE_BYTES && wanted > conn->input.cap)
        session->query_awaited = wanted - conn->input.cap;
}

void input_note(struct conn *conn)
{
    struct session *session = &conn->session;
    session->query_bytes = conn->input.len;
    session->query_free = conn->input.cap - conn->input.len;
    session->argv_bytes = session->query_awaited = 0;
    if (unlikely(conn->parser.want_args > 0))
        note_parsed(conn);
    if (likely(!conn->link))
        return;
    size_t room;
    session->query_bytes += io_held(conn->link, &room);
    session->query_free += room;
    for (const struct io_block *block = conn->blocks; block; block = block->next)
        session->query_bytes += block->memory;
}

/* The end may stand behind more than the kernel holds: then it is found when that is read. */
void input_look_for_end(struct conn *conn)
{
    struct pollfd there = {.fd = conn->session.fd, .events = POLLRDHUP};
    if (!conn->link && loop_io_wanted(&conn->io) & LOOP_READ)
        return; /* reading tells */
    if (poll(&there, 1, 0) == 1) {
        conn->state |= CONN_EOF;
        conn_touch(conn);
    }
}

void input_free(struct conn *conn)
{
    drop_blocks(conn);
    resp_free(&conn->parser);
    buf_free(&conn->input);
}

void input_ready(struct conn *conn)
{
    struct buf *input = &conn->input;
    if (unlikely(conn->link)) {
        if (!conn_may_execute(conn)) {
            look_at_link(conn);
            return;
        }
        if (conn->blocks) {
            execute_blocks(conn);
            return;
        }
        if (take_requests(conn))
            return;
        conn->raw = true;
    }
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
    size_t len;
    char *room = resp_room(&conn->parser, input, &len);
    size_t got = read_socket(conn, room, len);
    if (got == 0)
        return;
    input->len += got;
    input_resume(conn);
}

void input_resume(struct conn *conn)
{
    struct buf *input = &conn->input;
    if (unlikely(conn->link) && (conn->blocks || input->len == 0)) {
        input_ready(conn);
        return;
    }
    if (input->len == 0)
        return;
    size_t done = execute(conn, input->data, input->len);
    if (done > 0)
        keep(conn, input->data + done, input->len - done);
    else if (conn->session.flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY))
        keep(conn, NULL, 0);
    if (unlikely((int64_t)input->len > conn->conns->options.settings->query_buffer_limit))
        close_too_much(conn);
}

void input_trim(struct conn *conn)
{
    if (conn->input.len > 0 || conn->parser.want_args >= 0)
        return;
    buf_free(&conn->input);
    if (conn->parser.argv_cap > 0)
        resp_free(&conn->parser);
}
