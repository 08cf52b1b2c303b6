/* Transactions: what a session has queued behind MULTI. EXEC runs the queued requests one behind
 * the other in one turn; their effects are recorded together, whole in one batch. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct command_state;
struct ctx;
struct engine;
struct session;
struct transaction;

/* MULTI: from here on requests are queued. */
void transaction_begin(struct session *session);
/* The request of ctx is copied into the queue. False if the queue would grow beyond
 * client-query-buffer-limit: the transaction has failed. */
bool transaction_queue(struct ctx *ctx);
/* A request could not be queued: EXEC will refuse. */
void transaction_fail(struct session *session);
/* DISCARD: forget the queue and all watches. */
void transaction_discard(struct session *session);
/* EXEC: replies with an array of the replies, nil, or EXECABORT. `allowed` is asked of each queued
 * request before it runs, and replies with an error if it may not. */
void transaction_run(struct ctx *ctx, bool (*allowed)(struct ctx *ctx));

/* Does each queued request fit? `fits` is given a copy of `outer` with that request. */
bool transaction_each(const struct ctx *outer, bool (*fits)(struct ctx *ctx));

/* The command flags of all that is queued, together; 0 without a transaction. */
uint32_t transaction_flags(const struct session *session);
/* For CLIENT LIST: requests in the queue, -1 without a transaction; bytes. */
int transaction_count(const struct session *session);
uint64_t transaction_bytes(const struct session *session);
