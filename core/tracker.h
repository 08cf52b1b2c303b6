/* A session that tracks keys (CLIENT TRACKING): what it asked for, and how it is told. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/slice.h"

struct engine;
struct session;
struct tracked_prefix;

enum tracker_option {
    TRACKER_BCAST = 1 << 0,
    TRACKER_OPTIN = 1 << 1,
    TRACKER_OPTOUT = 1 << 2,
    TRACKER_NOLOOP = 1 << 3,
    TRACKER_CACHING = 1 << 4, /* CLIENT CACHING was called for the next command */
    TRACKER_BROKEN = 1 << 5,  /* the client it redirects to is gone */
    TRACKER_MISSED = 1 << 6,  /* it does not read: told to forget everything when it does */
};

struct tracker {
    uint32_t options;
    uint64_t redirect;                /* id of a session; 0: the messages are its own */
    struct tracked_prefix **prefixes; /* TRACKER_BCAST: in the order of their bytes */
    int prefix_count;
};

/* A message: the array of `keys` (RESP), or nil if there is none: forget everything. It goes to the
 * session itself in RESP3, to the one it redirects to in RESP3 or as a subscriber; else nowhere. To
 * the session whose command runs it goes behind the reply. */
void tracker_send(struct session *session, const struct slice *keys);
/* Tell those who missed something, and read again. With each tick. */
void tracker_send_missed(struct engine *engine);
