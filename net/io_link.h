/* What the two sides of a link share: io.c has the thread's, io_link.c the main thread's. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "net/io_block.h"
#include "net/loop.h"
#include "net/tls.h"

#define IO_IN_BYTES (256 * 1024)  /* received and not taken; one request may be larger */
#define IO_OUT_BYTES (256 * 1024) /* to be sent; as much again is being sent */

enum io_order { IO_GO_ON, IO_CLOSE, IO_CLOSE_AT_ONCE };

struct io_thread {
    pthread_t id;
    struct io_pool *pool;
    struct loop *loop;
    struct io_room *room;
    struct io_link *all; /* the thread's: those opened */
    pthread_mutex_t lock;
    struct io_link *main_first, *main_last, *io_first, *io_last;
    size_t main_count, links;
    bool stopping;
    int64_t linger_ms;
};

struct io_pool {
    struct loop *loop;
    _Atomic int64_t bulk_bytes_max, query_bytes_max; /* settings */
    int count;
    struct io_thread threads[];
};

struct io_link {
    struct loop_io io; /* first */
    struct io_thread *thread;
    void *owner; /* main's */
    int fd;
    struct tls_link *tls; /* the thread's, as are the next */
    struct io_link *previous, *next;
    struct io_input input;
    struct buf sending;
    size_t sending_at;
    bool opened;  /* on `all` */
    bool open;    /* the handshake, if any, is done */
    bool stalled; /* it waits to send */
    bool ended;   /* nothing more is to be read, */
    bool dead;    /* nor written */
    bool closing;
    int64_t closing_since_ms;
    /* behind the thread's lock */
    struct io_link *main_next, *io_next;
    bool in_main, in_io;
    enum io_order order; /* main's last one */
    bool finished;       /* the thread's last word */
    /* behind its own */
    pthread_mutex_t lock;
    struct io_block *first, *last; /* what came in */
    size_t received, reads;        /* parsed, and not counted by main yet */
    struct buf out;
    enum tls_step handshake;
    char why[256];
    bool end, broken;  /* of the socket */
    bool raw;          /* what comes is not parsed here */
    bool trusted;      /* the client is authenticated */
    bool too_much;     /* a request is longer than allowed: nothing more is read */
    bool paused;       /* the queue is full: the thread does not read */
    bool full;         /* main found `out` full */
    bool resume;       /* main has made room in the queue */
    /* bytes of memory in the queue, of a request that is not complete, and room behind it: written
     * behind the lock, or by the thread; main shows them */
    _Atomic size_t queued, tail_bytes, tail_free;
};

/* Put it on its thread's list, and wake that. After IO_CLOSE the link is the thread's alone. */
void io_tell_thread(struct io_link *link, enum io_order order);

/* Behind its lock. */
static inline void io_add_queued(struct io_link *link, size_t more)
{
    size_t before = atomic_load_explicit(&link->queued, memory_order_relaxed);
    atomic_store_explicit(&link->queued, before + more, memory_order_relaxed);
}
