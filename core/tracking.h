/* Client-side caching: who has read which key, or asked for which prefixes, and is told when it
 * changes (CLIENT TRACKING).
 *
 * A table remembers for each key the sessions that have read it since it last changed; it holds at
 * most tracking-table-max-keys keys, beyond which random ones are told as if they had changed.
 * With BCAST nothing is remembered: a session asks for prefixes, and hears of each changed key that
 * begins with one of them, once a turn. Databases are not told apart.
 *
 * Invalidations are pushes (push.h): no client hears of a change that a crash could take back. For
 * the session whose command causes one, it stands behind the reply.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct command;
struct engine;
struct session;
struct tracking;

#define TRACKING_PREFIXES_MAX 1024 /* of one session */

struct tracking *tracking_new(void);
void tracking_free(struct tracking *tracking);

/* Switch it on, or change what it does; `options` of enum tracker_option. The caller has checked
 * that they agree with those before, and that the prefixes don't overlap. */
void tracking_on(struct session *session, uint32_t options, uint64_t redirect, int count,
                 const struct slice *prefixes);
void tracking_off(struct session *session);
/* The prefix number `index` of a session, in their order. */
struct slice tracking_prefix(const struct session *session, int index);

/* A command has run for the session: remember what it read. */
void tracking_remember(struct session *session, const struct command *command, int argc,
                       const struct slice *argv);
/* A key has changed, or was deleted by its deadline or by eviction. Cheap when nobody tracks. */
void tracking_touch(struct engine *engine, struct slice key);
/* A database was emptied, or all: everybody forgets everything. */
void tracking_flush(struct engine *engine);

/* A command was answered: keep the table within its bound. */
void tracking_answered(struct engine *engine);
/* Behind a turn: tell of the prefixes. */
void tracking_turn_end(struct engine *engine);
/* About ten times a second: keep the bounds, tell who has missed something. */
void tracking_tick(struct engine *engine);

/* For INFO. */
uint64_t tracking_keys(const struct engine *engine);
uint64_t tracking_items(const struct engine *engine);
uint64_t tracking_prefixes(const struct engine *engine);
