/* Publish and subscribe: channels, patterns and shard channels, and who listens to them.
 *
 * A message is a push (push.h) to each listener.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct ctx;
struct engine;
struct pubsub;
struct session;

enum pubsub_kind { PUBSUB_CHANNEL, PUBSUB_PATTERN, PUBSUB_SHARD, PUBSUB_KINDS };

struct pubsub *pubsub_new(void);
void pubsub_free(struct pubsub *pubsub);

/* Both reply with their push, also if nothing changes. pubsub_unsubscribe_all replies for each, or
 * once with nil if there was none. */
void pubsub_subscribe(struct ctx *ctx, enum pubsub_kind kind, struct slice name);
void pubsub_unsubscribe(struct ctx *ctx, enum pubsub_kind kind, struct slice name);
void pubsub_unsubscribe_all(struct ctx *ctx, enum pubsub_kind kind);
/* Without replies: the session leaves, or RESET. */
void pubsub_forget(struct session *session);

/* Write the message to all who listen, shard channels or the others; returns how many. */
uint64_t pubsub_publish(struct engine *engine, bool shard, struct slice channel,
                        struct slice message);

/* What this session listens to; all of them together; channels that somebody listens to. */
uint32_t pubsub_count(const struct session *session, enum pubsub_kind kind);
uint32_t pubsub_total(const struct session *session);
uint64_t pubsub_names(const struct engine *engine, enum pubsub_kind kind);
uint64_t pubsub_listeners(const struct engine *engine, enum pubsub_kind kind, struct slice name);
/* Call for each channel that somebody listens to. */
void pubsub_each(const struct engine *engine, enum pubsub_kind kind,
                 void (*visit)(void *env, struct slice name), void *env);

/* Call for each subscription of a session. */
void pubsub_each_of(const struct session *session,
                    void (*visit)(void *env, enum pubsub_kind kind, struct slice name), void *env);

/* A keyspace event: messages to __keyspace@<db>__:<key> and __keyevent@<db>__:<event>, if
 * notify-keyspace-events asks for its class. */
void pubsub_notify(struct engine *engine, char event_class, const char *event, int db,
                   struct slice key);
