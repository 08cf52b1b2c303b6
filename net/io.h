/* I/O threads: each has a loop of its own and does the system calls, the TLS and the parsing of its
 * share of the connections, while all requests are executed on the main thread. To the main thread
 * an `io_link` is what a socket is, but for the requests it gives: nothing here blocks. Essay in
 * io.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/tls.h"

struct io_block;
struct io_link;
struct io_pool;
struct loop;

/* Start so many threads; `loop` is nudged when one of them has news. NULL if the system has none
 * left. */
struct io_pool *io_pool_new(int threads, struct loop *loop);
/* Close all links, send what they hold within `linger_ms`, end the threads. NULL is fine. */
void io_pool_free(struct io_pool *pool, int64_t linger_ms);
/* Call `news` with the owner of each link that has something new: bytes, room, its end. */
void io_pool_take(struct io_pool *pool, void (*news)(void *owner));

/* proto-max-bulk-len and client-query-buffer-limit, for what is parsed from now on. */
void io_pool_limit(struct io_pool *pool, int64_t bulk_bytes_max, int64_t query_bytes_max);

/* Hand a connected socket over, and its TLS (NULL: plain): both are the thread's from here on.
 * `trusted` as in io_trust. */
struct io_link *io_link_new(struct io_pool *pool, int fd, struct tls_link *tls, bool trusted,
                            void *owner);
/* Close it; `at_once` without sending what it holds. The link is not to be used any more. */
void io_link_close(struct io_link *link, bool at_once);

/* As their namesakes in tls.h. */
enum tls_step io_handshake(struct io_link *link, char why[static 256]);
ssize_t io_writev(struct io_link *link, const struct iovec *parts, int count, size_t most);
bool io_writable(struct io_link *link);

enum io_news {
    IO_NOTHING,
    IO_REQUESTS, /* as io_look tells it: or bytes */
    IO_RAW,      /* bytes that main has to parse, for io_read */
    IO_END,      /* the client sends no more */
    IO_BROKEN,
    IO_TOO_MUCH, /* a request is longer than client-query-buffer-limit */
};

struct io_taken {
    struct io_block *blocks; /* the caller's: requests in their order */
    size_t bytes, reads;     /* received, and parsed, since this was last asked */
};

/* Take the requests that are there. IO_END and IO_BROKEN come when nothing is left in front. */
enum io_news io_take(struct io_link *link, struct io_taken *out);
/* What there is, but take nothing: IO_BROKEN and IO_END, whatever is in front. */
enum io_news io_look(struct io_link *link);
/* After IO_RAW: as read(2), but for the end. */
ssize_t io_read(struct io_link *link, void *out, size_t len);
/* All of that is executed, and nothing is left over: parse again. False if more has come. */
bool io_parse_again(struct io_link *link);
/* Parse under the limits of clients that are authenticated, or not. */
void io_trust(struct io_link *link, bool authenticated);
/* Bytes that wait there, and the room behind them. */
size_t io_held(const struct io_link *link, size_t *room);
