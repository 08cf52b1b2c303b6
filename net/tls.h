/* TLS by OpenSSL, the only file that knows it. A `struct tls` holds what a TLS port works with:
 * certificate, key, and who is trusted; a `struct tls_link` is one connection, and reads and writes
 * like a socket that never blocks. Both belong to the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/base/attr.h"

struct fault;
struct settings_tls;
struct tls;
struct tls_link;

enum tls_step { TLS_DONE, TLS_WANTS_READ, TLS_WANTS_WRITE, TLS_FAILED };

/* Read certificate, key and the rest from the files that the settings name. On failure KV_E...,
 * `fault` names the option, its value and OpenSSL's reason, and *out is left alone. */
must_check int tls_new(const struct settings_tls *settings, struct tls **out, struct fault *fault);
/* Links made with it go on. */
void tls_free(struct tls *tls);

/* Serve TLS on a connected socket, which stays the caller's; NULL if there is no memory. */
struct tls_link *tls_link_new(struct tls *tls, int fd);
/* Says good-bye to the other side as far as the socket takes it; before the socket is closed. */
void tls_link_free(struct tls_link *link);

/* Go on with the handshake; TLS_FAILED fills `why` in, and nothing but tls_link_free may follow. */
enum tls_step tls_handshake(struct tls_link *link, char why[static 256]);
/* As read(2) and writev(2): -1 with EAGAIN if nothing can be done now, with EPROTO if the
 * connection is broken; 0 is the end. tls_writev takes at most `most` bytes, about; after EAGAIN or
 * a short count the next call must begin with the same bytes. */
ssize_t tls_read(struct tls_link *link, void *out, size_t len);
ssize_t tls_writev(struct tls_link *link, const struct iovec *parts, int count, size_t most);
/* There is more to tls_read that the socket does not show. */
bool tls_unread(const struct tls_link *link);
/* The last tls_read could do nothing because the socket takes no bytes. */
bool tls_read_wants_write(const struct tls_link *link);
