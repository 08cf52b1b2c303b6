/* What a lookup and a change mean, decided once. */
#include "core/ctx.h"

#include "core/base/num.h"
#include "core/evict.h"
#include "core/expiry.h"
#include "core/expiry_fields.h"
#include "core/pubsub.h"
#include "core/record.h"
#include "core/tracking.h"
#include "core/wait_keys.h"
#include "core/watch.h"

const struct session *ctx_caller(const struct ctx *ctx)
{
    const struct session *current = ctx->engine->current;
    return ctx->session->flags & SESSION_INTERNAL && current ? current : ctx->session;
}

static void depend(struct ctx *ctx, uint64_t sequence)
{
    if (sequence > ctx->depends)
        ctx->depends = sequence;
}

/* While clients are paused nothing changes by being looked at. */
static bool is_paused_reader(const struct ctx *ctx)
{
    return ctx->engine->paused_until_ms > ctx->engine->now_ms && ctx->command &&
           !(ctx->command->flags & COMMAND_WRITE);
}

/* The entry is past its deadline: gone for whoever looks, deleted if the log takes it. */
static void expire(struct ctx *ctx, struct place *place)
{
    if (unlikely(ctx->engine->settings->import_mode)) {
        if (!(ctx->session->flags & SESSION_IMPORT_SOURCE))
            place->entry = NULL;
        return;
    }
    if (!record_may_delete(ctx->engine) || unlikely(is_paused_reader(ctx))) {
        place->entry = NULL;
        return;
    }
    expiry_delete(ctx->engine, place);
}

/* The events that need to be asked for by their letters, n and m: they change nothing. */
static void tell(struct ctx *ctx, char event_class, const char *event, const struct place *place)
{
    if (unlikely(ctx->engine->settings->notify_events) && !ctx->replay)
        pubsub_notify(ctx->engine, event_class, event, place->db, place->key);
}

struct place ctx_find_in(struct ctx *ctx, int db, struct slice key, enum lookup how)
{
    struct engine *engine = ctx->engine;
    uint64_t hash = keyspace_hash(ctx->keyspace, key);
    struct place place = keyspace_find(ctx->keyspace, db, key, hash);
    if (ctx->replay)
        return place;
    depend(ctx, record_last_change(engine, db, hash));
    if (place.entry) {
        int64_t deadline = entry_deadline(place.entry);
        if (unlikely(deadline != ENTRY_NO_DEADLINE) && deadline <= ctx->now_ms)
            expire(ctx, &place);
    }
    if (place.entry && unlikely(expiry_fields_due(place.entry, ctx->now_ms)) &&
        record_may_delete(engine) && !engine->settings->import_mode)
        expiry_fields_delete(engine, &place, SIZE_MAX);
    if (how != LOOKUP_WRITE && how != LOOKUP_PEEK) {
        if (place.entry)
            engine->stats.hits++;
        else
            engine->stats.misses++;
        if (!place.entry && how != LOOKUP_INSPECT)
            tell(ctx, 'm', "keymiss", &place);
    }
    if (place.entry && how <= LOOKUP_WRITE && !(ctx->session->flags & SESSION_NO_TOUCH))
        evict_access_touch(engine, place.entry);
    return place;
}

struct place ctx_find(struct ctx *ctx, struct slice key, enum lookup how)
{
    return ctx_find_in(ctx, ctx->db, key, how);
}

bool ctx_find_type(struct ctx *ctx, struct slice key, enum lookup how, enum value_type type,
                   struct place *out)
{
    *out = ctx_find(ctx, key, how);
    if (!out->entry || entry_type(out->entry) == type)
        return true;
    reply_wrong_type(ctx);
    return false;
}

/* Any change of an entry ends here. */
static void changed(struct ctx *ctx, const struct place *place)
{
    if (!ctx->replay)
        record_touched(ctx->engine, place);
}

/* Clients that wait for the key may find there what they wait for, or hear that it is gone. */
static void wake(struct ctx *ctx, const struct place *place)
{
    if (likely(!(ctx->engine->attention & ATTENTION_WAITERS)) || !place->entry)
        return;
    enum value_type type = entry_type(place->entry);
    if (type == TYPE_LIST || type == TYPE_ZSET || type == TYPE_STREAM)
        wait_keys_ready(ctx->engine, place->db, place->key);
}

static void event_new(struct ctx *ctx, const struct place *place)
{
    tell(ctx, 'n', "new", place);
}

void ctx_put(struct ctx *ctx, struct place *place, struct entry *entry)
{
    bool is_new = place->entry == NULL;
    wake(ctx, place); /* a stream that is replaced */
    entry_set_access(entry, evict_access_new(ctx->engine));
    keyspace_put(ctx->keyspace, place, entry);
    changed(ctx, place);
    wake(ctx, place);
    if (is_new)
        event_new(ctx, place);
}

void ctx_put_anew(struct ctx *ctx, struct place *place, struct entry *entry)
{
    bool replaces = place->entry != NULL;
    ctx_put(ctx, place, entry);
    if (replaces)
        event_new(ctx, place);
}

void ctx_put_string(struct ctx *ctx, struct place *place, struct slice value, int64_t deadline_ms)
{
    bool is_new = place->entry == NULL;
    wake(ctx, place);
    keyspace_put_string(ctx->keyspace, place, value, deadline_ms);
    if (is_new)
        entry_set_access(place->entry, evict_access_new(ctx->engine));
    changed(ctx, place);
    if (is_new)
        event_new(ctx, place);
}

void ctx_remove(struct ctx *ctx, struct place *place, bool background)
{
    changed(ctx, place);
    wake(ctx, place);
    keyspace_remove(ctx->keyspace, place, background);
}

struct entry *ctx_take(struct ctx *ctx, struct place *place)
{
    changed(ctx, place);
    wake(ctx, place);
    return keyspace_take(ctx->keyspace, place);
}

void ctx_set_deadline(struct ctx *ctx, struct place *place, int64_t deadline_ms)
{
    keyspace_set_deadline(ctx->keyspace, place, deadline_ms);
    changed(ctx, place);
}

void ctx_change_begin(struct ctx *ctx, struct place *place)
{
    keyspace_before_change(ctx->keyspace, place);
}

void ctx_write_begin(struct ctx *ctx, struct place *place, size_t from, size_t to)
{
    keyspace_before_write(ctx->keyspace, place, from, to);
}

void ctx_change_end(struct ctx *ctx, struct place *place, struct entry *entry)
{
    keyspace_after_change(ctx->keyspace, place, entry);
    changed(ctx, place);
    wake(ctx, place);
}

uint64_t ctx_flush(struct ctx *ctx, int db, bool background)
{
    if (!ctx->replay) {
        record_touched_all(ctx->engine, db);
        tracking_flush(ctx->engine);
    }
    wait_keys_ready_all(ctx->engine);
    return keyspace_flush(ctx->keyspace, db, background);
}

void ctx_swap(struct ctx *ctx, int a, int b)
{
    if (!ctx->replay) {
        record_touched_all(ctx->engine, a);
        record_touched_all(ctx->engine, b);
    }
    wait_keys_ready_all(ctx->engine);
    keyspace_swap(ctx->keyspace, a, b);
    if (!ctx->replay) {
        watch_replaced(ctx->engine, a);
        watch_replaced(ctx->engine, b);
    }
}

void ctx_event(struct ctx *ctx, char event_class, const char *event, int db, struct slice key)
{
    if (!ctx->replay)
        record_event(ctx->engine, event_class, event, db, key);
}

void ctx_depends_on(struct ctx *ctx, int db, struct slice key)
{
    depend(ctx, record_last_change(ctx->engine, db, keyspace_hash(ctx->keyspace, key)));
}

void ctx_depends_on_all(struct ctx *ctx)
{
    depend(ctx, ctx->engine->journal->sequence);
}

void ctx_effect_in(struct ctx *ctx, int db, int argc, const struct slice *argv)
{
    if (!ctx->replay)
        record_effect(ctx->engine, db, argc, argv);
}

void ctx_effect(struct ctx *ctx, int argc, const struct slice *argv)
{
    ctx_effect_in(ctx, ctx->db, argc, argv);
}

struct slice ctx_digits(struct ctx *ctx, int64_t value)
{
    char *digits = arena_alloc(ctx->arena, NUM_I64_MAX_CHARS);
    return (struct slice){digits, num_format_i64(digits, value)};
}

void ctx_effect_delete(struct ctx *ctx, int db, struct slice key)
{
    struct slice words[] = {SLICE("DEL"), key};
    ctx_effect_in(ctx, db, 2, words);
}

bool ctx_arg_is(const struct ctx *ctx, int index, const char *lower)
{
    return slice_is(ctx->argv[index], lower);
}
