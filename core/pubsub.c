/* Subscriptions hang in two lists, that of their session and that of their channel. Channels,
 * patterns and shard channels are three tables by name; one without listeners is removed. */
#include "core/pubsub.h"

#include "core/base/glob.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/ds/table.h"
#include "core/notify.h"
#include "core/push.h"
#include "core/resp.h"
#include "core/session_limit.h"

struct channel {
    enum pubsub_kind kind;
    uint64_t listeners;
    struct subscription *first;
    size_t len;
    char name[];
};

struct subscription {
    struct session *session;
    struct channel *channel;
    struct subscription *next_of_session, **link_of_session;
    struct subscription *next_of_channel, **link_of_channel;
};

#define FRAME_KEPT_BYTES (64 * 1024) /* a larger buffer is given back at once */

struct pubsub {
    struct table *channels[PUBSUB_KINDS];
    struct buf frames[2]; /* a message in RESP2 and RESP3, while it is given to all */
    struct buf name;      /* of a channel of keyspace events */
};

/* --- Channels -------------------------------------------------------------------------------- */

static struct slice name_of(const struct channel *channel)
{
    return (struct slice){channel->name, channel->len};
}

static uint64_t hash_channel(const void *env unused, const void *item)
{
    return hash_bytes(name_of(item), 0);
}

static bool match_channel(const void *env unused, const void *item, struct slice name)
{
    return slice_equal(name_of(item), name);
}

static const struct table_type channel_type = {hash_channel, match_channel};

struct pubsub *pubsub_new(void)
{
    struct pubsub *pubsub = mem_alloc_zero(sizeof *pubsub);
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        pubsub->channels[kind] = table_new(&channel_type, NULL);
    return pubsub;
}

void pubsub_free(struct pubsub *pubsub)
{
    for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
        kv_assert(table_count(pubsub->channels[kind]) == 0);
        table_free(pubsub->channels[kind], NULL);
    }
    buf_free(&pubsub->frames[0]);
    buf_free(&pubsub->frames[1]);
    buf_free(&pubsub->name);
    mem_free(pubsub);
}

static struct channel *find(const struct engine *engine, enum pubsub_kind kind, struct slice name)
{
    struct table_slot *slot = table_find(engine->pubsub->channels[kind], hash_bytes(name, 0), name);
    return slot ? table_item(slot) : NULL;
}

static struct channel *find_or_add(struct engine *engine, enum pubsub_kind kind, struct slice name)
{
    struct channel *channel = find(engine, kind, name);
    if (channel)
        return channel;
    channel = mem_alloc(sizeof *channel + name.len);
    *channel = (struct channel){.kind = kind, .len = name.len};
    if (name.len > 0)
        memcpy(channel->name, name.data, name.len);
    table_insert(engine->pubsub->channels[kind], hash_bytes(name, 0), channel);
    return channel;
}

static void remove_channel(struct engine *engine, struct channel *channel)
{
    struct table *table = engine->pubsub->channels[channel->kind];
    uint64_t hash = hash_channel(NULL, channel);
    table_remove(table, hash, table_find(table, hash, name_of(channel)));
    mem_free(channel);
}

/* --- Subscriptions --------------------------------------------------------------------------- */

/* In the shorter one of the two lists: neither many channels of a client nor many clients of a
 * channel make subscribing slow. */
static struct subscription *subscription_of(const struct session *session,
                                            const struct channel *channel)
{
    if (channel->listeners < pubsub_total(session)) {
        struct subscription *at = channel->first;
        while (at && at->session != session)
            at = at->next_of_channel;
        return at;
    }
    struct subscription *found = session->subscriptions;
    while (found && found->channel != channel)
        found = found->next_of_session;
    return found;
}

static void subscribe(struct session *session, struct channel *channel)
{
    struct subscription *subscription = mem_alloc(sizeof *subscription);
    *subscription = (struct subscription){
        .session = session,
        .channel = channel,
        .next_of_session = session->subscriptions,
        .link_of_session = &session->subscriptions,
        .next_of_channel = channel->first,
        .link_of_channel = &channel->first,
    };
    if (session->subscriptions)
        session->subscriptions->link_of_session = &subscription->next_of_session;
    if (channel->first)
        channel->first->link_of_channel = &subscription->next_of_channel;
    session->subscriptions = channel->first = subscription;
    channel->listeners++;
    session->subscribed[channel->kind]++;
    session_limit_choose(session);
}

static void unsubscribe(struct subscription *subscription)
{
    struct session *session = subscription->session;
    struct channel *channel = subscription->channel;
    *subscription->link_of_session = subscription->next_of_session;
    if (subscription->next_of_session)
        subscription->next_of_session->link_of_session = subscription->link_of_session;
    *subscription->link_of_channel = subscription->next_of_channel;
    if (subscription->next_of_channel)
        subscription->next_of_channel->link_of_channel = subscription->link_of_channel;
    session->subscribed[channel->kind]--;
    if (--channel->listeners == 0)
        remove_channel(session->engine, channel);
    mem_free(subscription);
    session_limit_choose(session);
}

static void reply_about(struct ctx *ctx, enum pubsub_kind kind, bool subscribed,
                        const struct slice *name)
{
    static const char *const verbs[PUBSUB_KINDS][2] = {
        {"unsubscribe", "subscribe"},
        {"punsubscribe", "psubscribe"},
        {"sunsubscribe", "ssubscribe"},
    };
    const uint32_t *counts = ctx->session->subscribed;
    ctx->pushed = true;
    reply_push(ctx, 3);
    reply_text(ctx, verbs[kind][subscribed]);
    if (name)
        reply_bulk(ctx, *name);
    else
        reply_null(ctx);
    reply_int(ctx, kind == PUBSUB_SHARD ? counts[PUBSUB_SHARD]
                                        : counts[PUBSUB_CHANNEL] + counts[PUBSUB_PATTERN]);
}

void pubsub_subscribe(struct ctx *ctx, enum pubsub_kind kind, struct slice name)
{
    struct channel *channel = find_or_add(ctx->engine, kind, name);
    if (!subscription_of(ctx->session, channel))
        subscribe(ctx->session, channel);
    reply_about(ctx, kind, true, &name);
}

void pubsub_unsubscribe(struct ctx *ctx, enum pubsub_kind kind, struct slice name)
{
    struct channel *channel = find(ctx->engine, kind, name);
    struct subscription *subscription =
        channel ? subscription_of(ctx->session, channel) : NULL;
    if (subscription)
        unsubscribe(subscription);
    reply_about(ctx, kind, false, &name);
}

void pubsub_unsubscribe_all(struct ctx *ctx, enum pubsub_kind kind)
{
    if (ctx->session->subscribed[kind] == 0) {
        reply_about(ctx, kind, false, NULL);
        return;
    }
    struct subscription *next;
    for (struct subscription *at = ctx->session->subscriptions; at; at = next) {
        next = at->next_of_session;
        if (at->channel->kind != kind)
            continue;
        struct slice name = arena_copy(ctx->arena, name_of(at->channel));
        unsubscribe(at);
        reply_about(ctx, kind, false, &name);
    }
}

void pubsub_forget(struct session *session)
{
    while (session->subscriptions)
        unsubscribe(session->subscriptions);
}

/* --- Messages -------------------------------------------------------------------------------- */

static void write_frame(struct buf *frame, char kind, int count, const struct slice *words)
{
    buf_append_char(frame, kind);
    buf_append_i64(frame, count);
    for (int i = 0; i < count; i++) {
        buf_append(frame, "\r\n$", 3);
        buf_append_i64(frame, (int64_t)words[i].len);
        buf_append(frame, "\r\n", 2);
        buf_append_slice(frame, words[i]);
    }
    buf_append(frame, "\r\n", 2);
}

static void empty(struct buf *buf)
{
    if (unlikely(buf->cap > FRAME_KEPT_BYTES))
        buf_free(buf);
    else
        buf_clear(buf);
}

/* The bytes are the same for all who speak the same protocol: written once, then copied. */
static uint64_t push_to_channel(struct pubsub *pubsub, const struct channel *channel, int count,
                                const struct slice *words)
{
    for (struct subscription *at = channel->first; at; at = at->next_of_channel) {
        bool is_push = at->session->resp == 3;
        struct buf *frame = &pubsub->frames[is_push];
        if (frame->len == 0)
            write_frame(frame, is_push ? '>' : '*', count, words);
        if (unlikely(at->session->flags & (SESSION_REPLY_OFF | SESSION_REPLY_SKIP))) {
            push_write(at->session, buf_slice(frame)); /* not dropped with its command's reply */
            continue;
        }
        output_append(&at->session->output, frame->data, frame->len);
        push_note(at->session);
    }
    empty(&pubsub->frames[0]);
    empty(&pubsub->frames[1]);
    return channel->listeners;
}

uint64_t pubsub_publish(struct engine *engine, bool shard, struct slice name, struct slice message)
{
    uint64_t count = 0;
    struct channel *channel = find(engine, shard ? PUBSUB_SHARD : PUBSUB_CHANNEL, name);
    if (channel) {
        struct slice words[] = {shard ? SLICE("smessage") : SLICE("message"), name, message};
        count += push_to_channel(engine->pubsub, channel, 3, words);
    }
    if (shard || table_count(engine->pubsub->channels[PUBSUB_PATTERN]) == 0)
        return count;
    struct table_walk walk;
    struct table_slot *slot;
    table_walk_start(&walk, engine->pubsub->channels[PUBSUB_PATTERN]);
    while ((slot = table_walk_next(&walk))) {
        const struct channel *pattern = table_item(slot);
        if (!glob_match(name_of(pattern), name))
            continue;
        struct slice words[] = {SLICE("pmessage"), name_of(pattern), name, message};
        count += push_to_channel(engine->pubsub, pattern, 4, words);
    }
    return count;
}

static void name_event(struct buf *name, const char *prefix, int db, struct slice rest)
{
    buf_clear(name);
    buf_append_text(name, prefix);
    buf_append_i64(name, db);
    buf_append(name, "__:", 3);
    buf_append_slice(name, rest);
}

void pubsub_notify(struct engine *engine, char event_class, const char *event, int db,
                   struct slice key)
{
    uint32_t asked = engine->settings->notify_events;
    if (likely(!(asked & notify_bit(event_class))))
        return;
    struct pubsub *pubsub = engine->pubsub;
    if (table_count(pubsub->channels[PUBSUB_CHANNEL]) == 0 &&
        table_count(pubsub->channels[PUBSUB_PATTERN]) == 0)
        return;
    if (asked & notify_bit('K')) {
        name_event(&pubsub->name, "__keyspace@", db, key);
        pubsub_publish(engine, false, buf_slice(&pubsub->name), slice_of(event));
    }
    if (asked & notify_bit('E')) {
        name_event(&pubsub->name, "__keyevent@", db, slice_of(event));
        pubsub_publish(engine, false, buf_slice(&pubsub->name), key);
    }
    empty(&pubsub->name);
}

/* --- Figures --------------------------------------------------------------------------------- */

uint32_t pubsub_count(const struct session *session, enum pubsub_kind kind)
{
    return session->subscribed[kind];
}

uint32_t pubsub_total(const struct session *session)
{
    return session->subscribed[PUBSUB_CHANNEL] + session->subscribed[PUBSUB_PATTERN] +
           session->subscribed[PUBSUB_SHARD];
}

uint64_t pubsub_names(const struct engine *engine, enum pubsub_kind kind)
{
    return table_count(engine->pubsub->channels[kind]);
}

uint64_t pubsub_listeners(const struct engine *engine, enum pubsub_kind kind, struct slice name)
{
    struct channel *channel = find(engine, kind, name);
    return channel ? channel->listeners : 0;
}

void pubsub_each(const struct engine *engine, enum pubsub_kind kind,
                 void (*visit)(void *env, struct slice name), void *env)
{
    struct table_walk walk;
    struct table_slot *slot;
    table_walk_start(&walk, engine->pubsub->channels[kind]);
    while ((slot = table_walk_next(&walk)))
        visit(env, name_of(table_item(slot)));
}

void pubsub_each_of(const struct session *session,
                    void (*visit)(void *env, enum pubsub_kind kind, struct slice name), void *env)
{
    for (struct subscription *at = session->subscriptions; at; at = at->next_of_session)
        visit(env, at->channel->kind, name_of(at->channel));
}
