/* The prefixes of sessions that track with BCAST. */
#pragma once

#include <stddef.h>

#include "core/base/slice.h"

struct session;
struct tracked_prefix;
struct tracked_prefixes;

struct tracked_prefixes *tracked_prefixes_new(void);
void tracked_prefixes_free(struct tracked_prefixes *prefixes);
size_t tracked_prefixes_count(const struct tracked_prefixes *prefixes);

/* Add a prefix that the session does not have yet, to session->tracker too. */
void tracked_prefixes_add(struct tracked_prefixes *prefixes, struct session *session,
                          struct slice name);
/* Take all of the session's away. */
void tracked_prefixes_forget(struct tracked_prefixes *prefixes, struct session *session);
struct slice tracked_prefix_name(const struct tracked_prefix *prefix);

/* `writer` (may be NULL) has changed a key. */
void tracked_prefixes_touch(struct tracked_prefixes *prefixes, const struct session *writer,
                            struct slice key);
/* Tell all sessions of the keys touched since the last call: one message a prefix, the keys in
 * their order. */
void tracked_prefixes_tell(struct tracked_prefixes *prefixes);
