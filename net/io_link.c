/* The main thread's side of a link: what it takes, what it gives, what it says. Essay in io.c. */
#include "net/io_link.h"

#include <errno.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "net/io.h"
#include "net/io_block.h"

struct io_link *io_link_new(struct io_pool *pool, int fd, struct tls_link *tls, bool trusted,
                            void *owner)
{
    struct io_thread *thread = &pool->threads[0];
    for (int i = 1; i < pool->count; i++)
        if (pool->threads[i].links < thread->links)
            thread = &pool->threads[i];
    struct io_link *link = mem_alloc_zero(sizeof(*link));
    link->thread = thread;
    link->owner = owner;
    link->fd = fd;
    link->tls = tls;
    link->resume = true;
    link->trusted = trusted;
    io_input_init(&link->input);
    link->handshake = tls ? TLS_WANTS_READ : TLS_DONE;
    pthread_mutex_init(&link->lock, NULL);
    thread->links++;
    io_tell_thread(link, IO_GO_ON);
    return link;
}

void io_link_close(struct io_link *link, bool at_once)
{
    link->owner = NULL;
    io_tell_thread(link, at_once ? IO_CLOSE_AT_ONCE : IO_CLOSE);
}

enum tls_step io_handshake(struct io_link *link, char why[static 256])
{
    pthread_mutex_lock(&link->lock);
    enum tls_step step = link->handshake;
    memcpy(why, link->why, sizeof(link->why));
    pthread_mutex_unlock(&link->lock);
    return step;
}

/* The queue has been taken from: true if the thread is to be told that it may read on. */
static bool resumes(struct io_link *link)
{
    bool resume = link->paused && link->queued < IO_IN_BYTES / 2;
    link->resume |= resume;
    link->paused &= !resume;
    return resume;
}

enum io_news io_take(struct io_link *link, struct io_taken *out)
{
    enum io_news news = IO_NOTHING;
    bool resume = false;
    pthread_mutex_lock(&link->lock);
    *out = (struct io_taken){.bytes = link->received, .reads = link->reads};
    link->received = link->reads = 0;
    if (unlikely(link->too_much)) {
        news = IO_TOO_MUCH;
    } else if (link->first) {
        struct io_block **end = &out->blocks;
        struct io_block *block = link->first;
        for (; block && block->count > 0; block = block->next) {
            *end = block;
            end = &block->next;
            io_add_queued(link, -block->memory);
        }
        *end = NULL;
        link->first = block;
        news = out->blocks ? IO_REQUESTS : IO_RAW;
        resume = resumes(link);
    } else if (link->end || link->broken) {
        news = link->broken ? IO_BROKEN : IO_END;
    }
    pthread_mutex_unlock(&link->lock);
    if (resume)
        io_tell_thread(link, IO_GO_ON);
    return news;
}

ssize_t io_read(struct io_link *link, void *out, size_t len)
{
    size_t taken = 0;
    pthread_mutex_lock(&link->lock);
    struct io_block *done = NULL;
    for (struct io_block *block; taken < len && (block = link->first) && block->count == 0;) {
        size_t left = block->len - block->at;
        size_t some = left < len - taken ? left : len - taken;
        memcpy((char *)out + taken, block->bytes + block->at, some);
        taken += some;
        block->at += some;
        if (some < left)
            break;
        link->first = block->next;
        io_add_queued(link, -block->memory);
        block->next = done;
        done = block;
    }
    bool resume = resumes(link);
    pthread_mutex_unlock(&link->lock);
    io_blocks_free(done);
    if (resume)
        io_tell_thread(link, IO_GO_ON);
    errno = EAGAIN;
    return taken > 0 ? (ssize_t)taken : -1;
}

bool io_parse_again(struct io_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool can = !link->first;
    link->raw &= !can;
    pthread_mutex_unlock(&link->lock);
    return can;
}

void io_trust(struct io_link *link, bool authenticated)
{
    pthread_mutex_lock(&link->lock);
    link->trusted = authenticated;
    pthread_mutex_unlock(&link->lock);
}

void io_pool_limit(struct io_pool *pool, int64_t bulk_bytes_max, int64_t query_bytes_max)
{
    atomic_store_explicit(&pool->bulk_bytes_max, bulk_bytes_max, memory_order_relaxed);
    atomic_store_explicit(&pool->query_bytes_max, query_bytes_max, memory_order_relaxed);
}

ssize_t io_writev(struct io_link *link, const struct iovec *parts, int count, size_t most)
{
    size_t done = 0;
    pthread_mutex_lock(&link->lock);
    bool broken = link->broken;
    for (int i = 0; i < count && !broken && link->out.len < IO_OUT_BYTES && done < most; i++) {
        size_t len = parts[i].iov_len, room = IO_OUT_BYTES - link->out.len;
        if (len > room)
            len = room;
        buf_append(&link->out, parts[i].iov_base, len);
        done += len;
    }
    link->full |= link->out.len >= IO_OUT_BYTES;
    pthread_mutex_unlock(&link->lock);
    if (done > 0)
        io_tell_thread(link, IO_GO_ON);
    errno = broken ? EPROTO : EAGAIN;
    return done > 0 ? (ssize_t)done : -1;
}

enum io_news io_look(struct io_link *link)
{
    pthread_mutex_lock(&link->lock);
    enum io_news news = link->broken        ? IO_BROKEN
                        : link->too_much    ? IO_TOO_MUCH
                        : link->end         ? IO_END
                        : link->first       ? IO_REQUESTS
                                            : IO_NOTHING;
    pthread_mutex_unlock(&link->lock);
    return news;
}

size_t io_held(const struct io_link *link, size_t *room)
{
    *room = atomic_load_explicit(&link->tail_free, memory_order_relaxed);
    return atomic_load_explicit(&link->tail_bytes, memory_order_relaxed) +
           atomic_load_explicit(&link->queued, memory_order_relaxed);
}

bool io_writable(struct io_link *link)
{
    pthread_mutex_lock(&link->lock);
    bool writable = link->out.len < IO_OUT_BYTES || link->broken;
    pthread_mutex_unlock(&link->lock);
    return writable;
}
