/* I/O threads.
 *
 * A link stands between the main thread and a socket that an I/O thread owns. It holds a queue of
 * blocks of parsed requests (io_block.c), which the thread fills from the socket and the main
 * thread takes from, and `out`, a buffer the other way round. Each is bounded; who finds one full
 * (or empty) stops, and is told when that changes:
 *
 *   thread -> main   requests, the end, an error, room in `out`, a handshake's outcome: the link is
 *                    put on the thread's list for main (main_first), and main's loop is nudged
 *   main -> thread   bytes to send, room in the queue again, a close: the list io_first; the
 *                    thread's loop is woken
 *
 * Whoever takes a link off a list looks at all there is, so a link is on each list once at most.
 * The last word in each direction (main's order to close, the thread's `finished`) is said in the
 * hold of the lock that puts the link on the list, and heard in the hold that takes it off: so who
 * has heard it knows that the other side is done with the link and that it is on no list.
 *
 * What is shared is behind one of two locks, which are never held together: a link's `lock` for its
 * buffers and flags, a thread's `lock` for its two lists. No lock is held over a system call: the
 * thread reads into a buffer of its own, and sends from `sending`, which it takes as a whole in
 * exchange for an empty `out`.
 *
 * A link's life: made by main, which tells the thread, which opens it. Closed by main, which clears
 * `owner` and never asks for anything again; the thread sends the rest (for IO_CLOSING_MS at most),
 * closes the socket, sets `finished`, and lets go of it by telling main, which frees it.
 *
 * What the thread can't parse, and all that comes behind it, goes through the queue as bytes
 * (`raw`), until main has nothing of it left and tells the thread to parse again. Both read and
 * write `raw` in the same hold of the lock as the queue, so that the order is never in doubt. */
#include "net/io.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "net/io_block.h"
#include "net/io_link.h"
#include "net/loop.h"

#define IO_KEPT_BYTES 1024  /* a larger buffer is given back when it is empty */
#define IO_CLOSING_MS 5000
#define IO_TICK_MS 1000

static int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the lists ---- */

static void put_for_main(struct io_link *link, bool finished)
{
    struct io_thread *thread = link->thread;
    struct loop *loop = thread->pool->loop;
    pthread_mutex_lock(&thread->lock);
    link->finished = finished;
    bool told = link->in_main;
    if (!told) {
        link->in_main = true;
        link->main_next = NULL;
        *(thread->main_first ? &thread->main_last->main_next : &thread->main_first) = link;
        thread->main_last = link;
        thread->main_count++;
    }
    pthread_mutex_unlock(&thread->lock);
    if (!told)
        loop_nudge(loop);
}

static void tell_main(struct io_link *link)
{
    put_for_main(link, false);
}

static struct io_link *next_for_main(struct io_thread *thread, bool *finished)
{
    pthread_mutex_lock(&thread->lock);
    struct io_link *link = thread->main_first;
    if (link) {
        thread->main_first = link->main_next;
        thread->main_count--;
        link->in_main = false;
        *finished = link->finished;
    }
    pthread_mutex_unlock(&thread->lock);
    return link;
}

void io_tell_thread(struct io_link *link, enum io_order order)
{
    struct io_thread *thread = link->thread;
    pthread_mutex_lock(&thread->lock);
    link->order = order;
    bool told = link->in_io;
    if (!told) {
        link->in_io = true;
        link->io_next = NULL;
        *(thread->io_first ? &thread->io_last->io_next : &thread->io_first) = link;
        thread->io_last = link;
    }
    pthread_mutex_unlock(&thread->lock);
    if (!told)
        loop_wake(thread->loop);
}

static struct io_link *next_for_thread(struct io_thread *thread, enum io_order *order)
{
    pthread_mutex_lock(&thread->lock);
    struct io_link *link = thread->io_first;
    if (link) {
        thread->io_first = link->io_next;
        link->in_io = false;
        *order = link->order;
    }
    pthread_mutex_unlock(&thread->lock);
    return link;
}

/* ---- the thread's side of a link ---- */

static void empty(struct buf *buf)
{
    if (buf->cap > IO_KEPT_BYTES)
        buf_free(buf);
    else
        buf_clear(buf);
}

/* After this the link is main's alone. */
static void finish(struct io_link *link)
{
    struct io_thread *thread = link->thread;
    if (link->opened) {
        loop_io_close(thread->loop, &link->io);
        *(link->previous ? &link->previous->next : &thread->all) = link->next;
        if (link->next)
            link->next->previous = link->previous;
    }
    tls_link_free(link->tls);
    close(link->fd);
    buf_free(&link->sending);
    io_input_free(&link->input);
    put_for_main(link, true);
}

static void set_broken(struct io_link *link, bool broken, bool end)
{
    pthread_mutex_lock(&link->lock);
    link->broken |= broken;
    link->end |= end;
    pthread_mutex_unlock(&link->lock);
    link->ended = true;
    link->dead |= broken;
    tell_main(link);
}

static void put(struct io_link *link, struct io_block *list)
{
    *(link->first ? &link->last->next : &link->first) = list;
    for (struct io_block *block = list; block; block = block->next) {
        io_add_queued(link, block->memory);
        link->last = block;
    }
}

static void parse(struct io_link *link, size_t got, bool trusted)
{
    struct io_pool *pool = link->thread->pool;
    struct resp_limits limits = {
        .bulk_bytes_max = atomic_load_explicit(&pool->bulk_bytes_max, memory_order_relaxed),
        .authenticated = trusted,
    };
    int64_t most = atomic_load_explicit(&pool->query_bytes_max, memory_order_relaxed);
    const struct buf *tail = &link->input.tail;
    bool failed;
    struct io_block *list = io_input_parse(&link->input, link->thread->room, got, &limits, &failed);
    atomic_store_explicit(&link->tail_bytes, tail->len, memory_order_relaxed);
    atomic_store_explicit(&link->tail_free, tail->cap - tail->len, memory_order_relaxed);
    link->ended |= (int64_t)tail->len > most;
    pthread_mutex_lock(&link->lock);
    if (list)
        put(link, list);
    link->received += got;
    link->reads++;
    link->raw = failed;
    link->too_much = link->ended;
    pthread_mutex_unlock(&link->lock);
}

static void receive(struct io_link *link)
{
    do {
        pthread_mutex_lock(&link->lock);
        link->paused = link->queued >= IO_IN_BYTES;
        bool paused = link->paused;
        pthread_mutex_unlock(&link->lock);
        if (paused)
            return;
        size_t len;
        char *room = io_input_room(&link->input, link->thread->room, &len);
        ssize_t got = link->tls ? tls_read(link->tls, room, len) : read(link->fd, room, len);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            set_broken(link, got < 0, got == 0);
            return;
        }
        pthread_mutex_lock(&link->lock);
        bool raw = link->raw, trusted = link->trusted;
        if (raw)
            put(link, io_block_raw(room, (size_t)got));
        pthread_mutex_unlock(&link->lock);
        if (!raw)
            parse(link, (size_t)got, trusted);
        tell_main(link);
    } while (link->tls && !link->ended && tls_unread(link->tls));
}

/* True if there is nothing left to send. */
static bool send_out(struct io_link *link)
{
    for (;;) {
        if (link->sending_at == link->sending.len) {
            empty(&link->sending);
            link->sending_at = 0;
            pthread_mutex_lock(&link->lock);
            struct buf taken = link->out;
            link->out = link->sending;
            link->sending = taken;
            bool was_full = link->full;
            link->full = false;
            pthread_mutex_unlock(&link->lock);
            if (was_full)
                tell_main(link);
            if (taken.len == 0)
                return true;
        }
        struct iovec part = {link->sending.data + link->sending_at,
                             link->sending.len - link->sending_at};
        ssize_t sent = link->tls ? tls_writev(link->tls, &part, 1, part.iov_len)
                                 : write(link->fd, part.iov_base, part.iov_len);
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0 && errno != EINTR) {
            link->sending_at = link->sending.len;
            set_broken(link, true, false);
            return true;
        }
        link->sending_at += sent > 0 ? (size_t)sent : 0;
    }
}

static bool shake_hands(struct io_link *link)
{
    char why[256] = "";
    enum tls_step step = link->tls ? tls_handshake(link->tls, why) : TLS_DONE;
    link->open = step == TLS_DONE;
    link->ended = link->dead = step == TLS_FAILED;
    link->stalled = step == TLS_WANTS_WRITE;
    if (!link->open && !link->ended)
        return false;
    pthread_mutex_lock(&link->lock);
    link->handshake = step;
    memcpy(link->why, why, sizeof(why));
    pthread_mutex_unlock(&link->lock);
    if (link->tls)
        tell_main(link);
    return link->open;
}

/* Do what can be done, and set what the loop shall tell us. `reads` is worth a try. */
static void work(struct io_link *link, bool reads)
{
    int events = 0;
    bool fresh = !link->open;
    if (!link->open && !link->ended)
        shake_hands(link);
    if (link->open) {
        bool all_sent = link->dead || send_out(link);
        reads |= fresh && link->tls; /* bytes may have come with the last of the handshake */
        if (reads && !link->ended && !link->closing)
            receive(link);
        if (!all_sent)
            events |= LOOP_WRITE;
        pthread_mutex_lock(&link->lock);
        bool paused = link->paused;
        pthread_mutex_unlock(&link->lock);
        if (!link->ended && !link->closing && !paused) {
            events |= LOOP_READ;
            if (link->tls && tls_read_wants_write(link->tls))
                events |= LOOP_WRITE;
        }
    } else if (!link->ended) {
        events = link->stalled ? LOOP_WRITE : LOOP_READ;
    }
    if (link->closing && (!link->open || (events & LOOP_WRITE) == 0))
        finish(link);
    else
        loop_io_want(link->thread->loop, &link->io, events);
}

static void on_ready(struct loop_io *io, int events)
{
    struct io_link *link = (struct io_link *)(void *)io; /* its first member */
    bool wanted_write = link->tls && link->open && tls_read_wants_write(link->tls);
    work(link, (events & LOOP_READ) || wanted_write);
}

static void open_link(struct io_link *link)
{
    struct io_thread *thread = link->thread;
    link->opened = true;
    link->next = thread->all;
    if (link->next)
        link->next->previous = link;
    thread->all = link;
    loop_io_open(thread->loop, &link->io, link->fd, on_ready);
}

static void hear(struct io_link *link, enum io_order order)
{
    pthread_mutex_lock(&link->lock);
    bool resume = link->resume;
    link->resume = false;
    pthread_mutex_unlock(&link->lock);
    if (!link->opened)
        open_link(link);
    if (order != IO_GO_ON) {
        link->closing = true;
        link->closing_since_ms = clock_ms();
    }
    if (order == IO_CLOSE_AT_ONCE)
        finish(link);
    else
        work(link, resume);
}

/* ---- a thread ---- */

static void on_turn_begin(void *env)
{
    (void)env;
}

/* Links that are still here when the threads end are those that main has closed. */
static void end_all(struct io_thread *thread, int64_t linger_ms)
{
    int64_t until_ms = clock_ms() + linger_ms;
    while (thread->all) {
        struct io_link *link = thread->all;
        while (link->open && !link->dead && !send_out(link)) {
            struct pollfd wait = {.fd = link->fd, .events = POLLOUT};
            int64_t left_ms = until_ms - clock_ms();
            if (left_ms <= 0 || poll(&wait, 1, (int)left_ms) <= 0)
                break;
        }
        finish(link);
    }
}

static void on_turn_end(void *env)
{
    struct io_thread *thread = env;
    if (!loop_woken(thread->loop))
        return;
    pthread_mutex_lock(&thread->lock);
    bool stopping = thread->stopping; /* asked first: before it is set, all links are closed */
    pthread_mutex_unlock(&thread->lock);
    enum io_order order;
    for (struct io_link *link; (link = next_for_thread(thread, &order));)
        hear(link, order);
    if (!stopping)
        return;
    end_all(thread, thread->linger_ms);
    loop_stop(thread->loop);
}

static void on_tick(void *env)
{
    struct io_thread *thread = env;
    int64_t now_ms = clock_ms();
    for (struct io_link *link = thread->all, *next; link; link = next) {
        next = link->next;
        if (link->closing && now_ms - link->closing_since_ms > IO_CLOSING_MS)
            finish(link);
    }
    loop_tick_in(thread->loop, IO_TICK_MS);
}

static void *run(void *env)
{
    struct io_thread *thread = env;
    loop_run(thread->loop);
    return NULL;
}

static bool start(struct io_thread *thread, struct io_pool *pool, int number)
{
    struct loop_hooks hooks = {on_turn_begin, on_turn_end, on_tick, thread};
    sigset_t all, before;
    char name[16];
    thread->pool = pool;
    thread->loop = loop_new(&hooks);
    if (!thread->loop)
        return false;
    pthread_mutex_init(&thread->lock, NULL);
    thread->room = mem_alloc_zero(sizeof(*thread->room));
    loop_tick_in(thread->loop, IO_TICK_MS);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    bool started = pthread_create(&thread->id, NULL, run, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!started) {
        loop_free(thread->loop);
        mem_free(thread->room);
        return false;
    }
    snprintf(name, sizeof(name), "kv-io-%u", (unsigned)number % 1000);
    pthread_setname_np(thread->id, name);
    return true;
}

/* ---- the pool ---- */

struct io_pool *io_pool_new(int threads, struct loop *loop)
{
    size_t bytes = sizeof(struct io_pool) + (size_t)threads * sizeof(struct io_thread);
    struct io_pool *pool = mem_alloc_zero(bytes);
    pool->loop = loop;
    while (pool->count < threads && start(&pool->threads[pool->count], pool, pool->count + 1))
        pool->count++;
    if (pool->count == threads)
        return pool;
    io_pool_free(pool, 0);
    return NULL;
}

static void forget(struct io_link *link)
{
    io_blocks_free(link->first);
    buf_free(&link->out);
    pthread_mutex_destroy(&link->lock);
    mem_free(link);
}

void io_pool_free(struct io_pool *pool, int64_t linger_ms)
{
    if (!pool)
        return;
    for (int i = 0; i < pool->count; i++) {
        struct io_thread *thread = &pool->threads[i];
        pthread_mutex_lock(&thread->lock);
        thread->stopping = true;
        thread->linger_ms = linger_ms;
        pthread_mutex_unlock(&thread->lock);
        loop_wake(thread->loop);
    }
    for (int i = 0; i < pool->count; i++) {
        struct io_thread *thread = &pool->threads[i];
        pthread_join(thread->id, NULL);
        bool finished = false;
        for (struct io_link *link; (link = next_for_main(thread, &finished));)
            forget(link);
        loop_free(thread->loop);
        arena_free(&thread->room->arena);
        mem_free(thread->room);
        pthread_mutex_destroy(&thread->lock);
    }
    mem_free(pool);
}

void io_pool_take(struct io_pool *pool, void (*news)(void *owner))
{
    for (int i = 0; i < pool->count; i++) {
        struct io_thread *thread = &pool->threads[i];
        pthread_mutex_lock(&thread->lock);
        size_t count = thread->main_count;
        pthread_mutex_unlock(&thread->lock);
        /* What comes meanwhile has nudged the loop: it is the next turn's. */
        for (; count > 0; count--) {
            bool finished = false;
            struct io_link *link = next_for_main(thread, &finished);
            if (!link)
                break; /* a turn within this one has taken them */
            if (link->owner) {
                news(link->owner);
            } else if (finished) {
                thread->links--;
                forget(link);
            }
        }
    }
}
