/* Clients that wait for keys: BLPOP and its kin, XREAD BLOCK, in the order in which they came.
 *
 * A blocking command tries; if there is nothing for it, it calls waiters_block and returns without
 * a reply. The request is kept. When a change makes one of its keys ready, the command's function
 * runs again, right behind the command that made the change and in the same batch of the log, for
 * each waiter of that key in its turn; if it calls waiters_block again, it keeps its place. So what
 * "ready" means is written once, in the command, and only the reply waits for the disk.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/type/entry.h"

struct ctx;
struct engine;
struct session;
struct waiters;

struct waiters *waiters_new(void);
void waiters_free(struct waiters *waiters);

/* Block the session of the command that runs on `count` keys of its database.
 *   type          the key becomes ready when it gets a value of this type (or a deletion, if
 *                 `on_delete`: XREADGROUP)
 *   timeout_ms    0: for ever
 *   timed_out     replies what the command says when the time is up (reply_null_array ...)
 * While ctx->may_not_block (in a transaction or script) it calls `timed_out` at once. */
void waiters_block(struct ctx *ctx, int count, const struct slice *keys, enum value_type type,
                   bool on_delete, int64_t timeout_ms, void (*timed_out)(struct ctx *ctx));

/* Behind each command: serve all who wait for keys that became ready, in order, until nothing
 * changes any more. */
void waiters_serve(struct engine *engine);
/* Behind a turn: end the waits whose time is up. */
void waiters_expire(struct engine *engine);
/* The time of the next deadline, INT64_MAX if there is none. */
int64_t waiters_next_ms(const struct engine *engine);

/* The session leaves, or is unblocked by CLIENT UNBLOCK (`error`: with -UNBLOCKED). */
void waiters_forget(struct session *session);
bool waiters_unblock(struct session *session, bool error);
/* For INFO: clients that wait, those of them with a deadline, and keys that are waited for; keys
 * (each as often as it is) whose deletion is. */
uint64_t waiters_clients(const struct engine *engine);
uint64_t waiters_timeouts(const struct engine *engine);
uint64_t waiters_keys(const struct engine *engine);
uint64_t waiters_deletions(const struct engine *engine);
