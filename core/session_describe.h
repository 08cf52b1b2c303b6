/* A session as others see it. Below whatever serves or refuses sessions, so that each of those may
 * tell about one. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct buf;
struct session;

/* What it takes beside the keyspace: buffers, queue, subscriptions. */
size_t session_memory(const struct session *session);
/* One line of CLIENT LIST, with its line end. */
void session_describe(const struct session *session, int64_t now_ms, struct buf *out);
