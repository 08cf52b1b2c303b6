/* Transactions: what a session has queued behind MULTI, and the keys it watches.
 *
 * EXEC runs the queued requests one behind the other in one turn; their effects are recorded
 * together, whole in one batch. A watched key that is changed by anybody, or passes its deadline,
 * makes the EXEC of who watches it answer nil.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct command_state;
struct ctx;
struct engine;
struct session;
struct transaction;
struct watched_keys;

struct watched_keys *watched_keys_new(void);
void watched_keys_free(struct watched_keys *keys);

/* MULTI: from here on requests are queued. */
void transaction_begin(struct session *session);
/* The request of ctx is copied into the queue. False if the queue would grow beyond
 * client-query-buffer-limit: the transaction has failed. */
bool transaction_queue(struct ctx *ctx);
/* A request could not be queued: EXEC will refuse. */
void transaction_fail(struct session *session);
/* DISCARD: forget the queue and all watches. */
void transaction_discard(struct session *session);
/* EXEC: replies with an array of the replies, nil, or EXECABORT. */
void transaction_run(struct ctx *ctx);

/* The command flags of all that is queued, together; 0 without a transaction. */
uint32_t transaction_flags(const struct session *session);
/* For CLIENT LIST: requests in the queue, -1 without a transaction; bytes; keys watched. */
int transaction_count(const struct session *session);
uint64_t transaction_bytes(const struct session *session);
int transaction_watches(const struct session *session);

void transaction_watch(struct ctx *ctx, struct slice key);
void transaction_unwatch(struct session *session);
/* A key was changed: who watches it will fail; not so `by_deadline` if the deadline had passed when
 * the watch began. Cheap when nobody watches anything. */
void transaction_touch(struct engine *engine, int db, struct slice key, bool by_deadline);
/* Databases were emptied or swapped (db -1: all): every watched key of them that is there, or was,
 * counts as changed. */
void transaction_touch_all(struct engine *engine, int db);
