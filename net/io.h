/* I/O threads: each has a loop of its own and does the system calls and the TLS of its share of the
 * connections, while all requests are executed on the main thread. To the main thread an `io_link`
 * is what a socket is: io_read and io_writev never block. Essay in io.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "net/tls.h"

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

/* Hand a connected socket over, and its TLS (NULL: plain): both are the thread's from here on. */
struct io_link *io_link_new(struct io_pool *pool, int fd, struct tls_link *tls, void *owner);
/* Close it; `at_once` without sending what it holds. The link is not to be used any more. */
void io_link_close(struct io_link *link, bool at_once);

/* As their namesakes in tls.h. */
enum tls_step io_handshake(struct io_link *link, char why[static 256]);
ssize_t io_read(struct io_link *link, void *out, size_t len);
ssize_t io_writev(struct io_link *link, const struct iovec *parts, int count, size_t most);
/* io_read, io_writev would do something now. */
bool io_readable(struct io_link *link);
bool io_writable(struct io_link *link);
