/* The table of keys.
 *
 * A key has the ids of the sessions that have read it, in their order; ids and not pointers, so
 * that a session that leaves, or stops tracking, costs nothing: its ids are met with the next
 * change of the key, or thrown out when the list is full. Most keys have one reader, whose id is in
 * the key.
 */
#include "core/tracking.h"

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/reaper.h"
#include "core/command.h"
#include "core/ds/table.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/session_ids.h"
#include "core/tracker.h"
#include "core/tracking_prefixes.h"

#define TOO_MANY_STEP 100     /* keys beyond the bound that one command takes out, with as many as
                               * it has added */
#define FLUSH_INLINE 1000     /* a table of more keys is given back in the background */
#define POSITIONS_INLINE 64

struct tracked_key {
    uint32_t count, cap;      /* cap 1: the id is in here */
    union {
        uint64_t one, *many;
    } ids;
    size_t len;
    char name[];
};

struct tracking {
    struct table *keys;
    uint64_t items;
    uint64_t added; /* since the bound was last looked at */
    struct tracked_prefixes *prefixes;
};

/* ---- keys ---- */

static struct slice name_of(const struct tracked_key *key)
{
    return (struct slice){key->name, key->len};
}

static uint64_t hash_key(const void *env, const void *item)
{
    const struct keyspace *const *keyspace = env;
    return keyspace_hash(*keyspace, name_of(item));
}

static bool match_key(const void *env unused, const void *item, struct slice name)
{
    return slice_equal(name_of(item), name);
}

static const struct table_type key_type = {hash_key, match_key};

static uint64_t *ids_of(struct tracked_key *key)
{
    return key->cap == 1 ? &key->ids.one : key->ids.many;
}

static void key_free(void *item)
{
    struct tracked_key *key = item;
    if (key->cap > 1)
        mem_free(key->ids.many);
    mem_free(key);
}

struct tracking *tracking_new(void)
{
    struct tracking *tracking = mem_alloc_zero(sizeof *tracking);
    tracking->prefixes = tracked_prefixes_new();
    return tracking;
}

void tracking_free(struct tracking *tracking)
{
    if (tracking->keys)
        table_free(tracking->keys, key_free);
    tracked_prefixes_free(tracking->prefixes);
    mem_free(tracking);
}

/* ---- on and off ---- */

void tracking_on(struct session *session, uint32_t options, uint64_t redirect, int count,
                 const struct slice *prefixes)
{
    struct engine *engine = session->engine;
    if (!session->tracker) {
        session->tracker = mem_alloc_zero(sizeof *session->tracker);
        engine->trackers++;
        engine_attend(engine, ATTENTION_TRACKERS, true);
    }
    uint32_t missed = session->tracker->options & TRACKER_MISSED;
    session->tracker->options = options | missed;
    session->tracker->redirect = redirect;
    for (int i = 0; i < count; i++)
        tracked_prefixes_add(engine->tracking->prefixes, session, prefixes[i]);
}

void tracking_off(struct session *session)
{
    struct engine *engine = session->engine;
    if (!session->tracker)
        return;
    tracked_prefixes_forget(engine->tracking->prefixes, session);
    engine->trackers_missed -= (session->tracker->options & TRACKER_MISSED) != 0;
    engine->trackers--;
    engine_attend(engine, ATTENTION_TRACKERS, engine->trackers > 0);
    mem_free(session->tracker);
    session->tracker = NULL;
}

struct slice tracking_prefix(const struct session *session, int index)
{
    return tracked_prefix_name(session->tracker->prefixes[index]);
}

/* ---- remembering ---- */

static struct session *reader_by_id(struct engine *engine, uint64_t id)
{
    struct session *session = session_by_id(engine, id);
    bool listens = session && session->tracker && !(session->tracker->options & TRACKER_BCAST);
    return listens ? session : NULL;
}

/* The list is full: throw out who would not be told anyway, or make it longer. */
static void make_room(struct engine *engine, struct tracked_key *key)
{
    uint64_t *ids = ids_of(key);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < key->count; i++)
        if (reader_by_id(engine, ids[i]))
            ids[kept++] = ids[i];
    engine->tracking->items -= key->count - kept;
    key->count = kept;
    if (kept <= key->cap / 2)
        return;
    uint32_t cap = key->cap * 2;
    uint64_t *longer = mem_alloc(cap * sizeof *longer);
    memcpy(longer, ids, kept * sizeof *longer);
    if (key->cap > 1)
        mem_free(key->ids.many);
    key->ids.many = longer;
    key->cap = cap;
}

static void add_reader(struct engine *engine, struct tracked_key *key, uint64_t id)
{
    uint32_t low = 0, high = key->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ids_of(key)[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < key->count && ids_of(key)[low] == id)
        return;
    if (key->count == key->cap) {
        make_room(engine, key);
        add_reader(engine, key, id);
        return;
    }
    uint64_t *ids = ids_of(key);
    memmove(ids + low + 1, ids + low, (key->count - low) * sizeof *ids);
    ids[low] = id;
    key->count++;
    engine->tracking->items++;
}

static struct tracked_key *find_or_add(struct engine *engine, struct slice name)
{
    struct tracking *tracking = engine->tracking;
    uint64_t hash = keyspace_hash(engine->keyspace, name);
    if (!tracking->keys) {
        tracking->keys = table_new(&key_type, &engine->keyspace);
        engine_attend(engine, ATTENTION_TRACKED, true);
    }
    struct table_slot *slot = table_find(tracking->keys, hash, name);
    if (slot)
        return table_item(slot);
    struct tracked_key *key = mem_alloc(sizeof *key + name.len);
    *key = (struct tracked_key){.cap = 1, .len = name.len};
    if (name.len > 0)
        memcpy(key->name, name.data, name.len);
    table_insert(tracking->keys, hash, key);
    tracking->added++;
    return key;
}

static bool is_wanted(const struct tracker *tracker)
{
    bool caching = tracker->options & TRACKER_CACHING;
    if (tracker->options & TRACKER_BCAST)
        return false;
    if (tracker->options & TRACKER_OPTIN)
        return caching;
    return !(tracker->options & TRACKER_OPTOUT && caching);
}

void tracking_remember(struct session *session, const struct command *command, int argc,
                       const struct slice *argv)
{
    struct engine *engine = session->engine;
    if (!is_wanted(session->tracker))
        return;
    int here[2 * POSITIONS_INLINE], *positions = here;
    if (argc > POSITIONS_INLINE)
        positions = mem_alloc(2 * (size_t)argc * sizeof *positions);
    int most = argc > POSITIONS_INLINE ? argc : POSITIONS_INLINE;
    int *flags = positions + most;
    int count = command_keys(command, argc, argv, positions, flags, most);
    for (int i = 0; i < count; i++)
        if (!(flags[i] & KEY_NOT_KEY))
            add_reader(engine, find_or_add(engine, argv[positions[i]]), session->id);
    if (positions != here)
        mem_free(positions);
}

/* ---- telling ---- */

/* A session that said NOLOOP knows what it has done itself. */
static void tell_readers(struct engine *engine, struct tracked_key *key)
{
    struct buf message = {0};
    buf_printf(&message, "*1\r\n$%zu\r\n", key->len);
    buf_append_slice(&message, name_of(key));
    buf_append_text(&message, "\r\n");
    struct slice keys = buf_slice(&message);
    for (uint32_t i = 0; i < key->count; i++) {
        struct session *session = reader_by_id(engine, ids_of(key)[i]);
        if (!session ||
            (session->tracker->options & TRACKER_NOLOOP && session == engine->current))
            continue;
        tracker_send(session, &keys);
    }
    buf_free(&message);
}

static void invalidate(struct engine *engine, struct table_slot *slot)
{
    struct tracking *tracking = engine->tracking;
    struct tracked_key *key = table_item(slot);
    tell_readers(engine, key);
    tracking->items -= key->count;
    table_remove(tracking->keys, keyspace_hash(engine->keyspace, name_of(key)), slot);
    key_free(key);
}

void tracking_touch(struct engine *engine, struct slice name)
{
    struct tracking *tracking = engine->tracking;
    if (unlikely(tracking->keys)) {
        struct table_slot *slot =
            table_find(tracking->keys, keyspace_hash(engine->keyspace, name), name);
        if (slot)
            invalidate(engine, slot);
    }
    if (unlikely(tracked_prefixes_count(tracking->prefixes) > 0))
        tracked_prefixes_touch(tracking->prefixes, engine->current, name);
}

static void free_keys(void *keys)
{
    table_free(keys, key_free);
}

static void drop_keys(struct engine *engine)
{
    struct tracking *tracking = engine->tracking;
    if (!tracking->keys)
        return;
    size_t count = table_count(tracking->keys);
    if (count > FLUSH_INLINE)
        reaper_give(engine->reaper, free_keys, tracking->keys, count);
    else
        free_keys(tracking->keys);
    tracking->keys = NULL;
    engine_attend(engine, ATTENTION_TRACKED, false);
    tracking->items = tracking->added = 0;
}

void tracking_flush(struct engine *engine)
{
    if (unlikely(engine->trackers > 0))
        for (struct session *session = engine->sessions; session; session = session->next)
            if (session->tracker)
                tracker_send(session, NULL);
    drop_keys(engine);
}

/* ---- bounds ---- */

static void keep_bound(struct engine *engine)
{
    struct tracking *tracking = engine->tracking;
    uint64_t most = (uint64_t)engine->settings->tracking_keys_max;
    uint64_t left = tracking->added + TOO_MANY_STEP;
    tracking->added = 0;
    while (most > 0 && left-- > 0 && table_count(tracking->keys) > most)
        invalidate(engine, table_random(tracking->keys, &engine->rng));
}

void tracking_answered(struct engine *engine)
{
    struct tracking *tracking = engine->tracking;
    if (unlikely(tracking->keys))
        keep_bound(engine);
}

void tracking_turn_end(struct engine *engine)
{
    tracked_prefixes_tell(engine->tracking->prefixes);
}

void tracking_tick(struct engine *engine)
{
    struct tracking *tracking = engine->tracking;
    if (tracking->keys) {
        keep_bound(engine);
        if (engine->trackers == 0 && table_count(tracking->keys) == 0)
            drop_keys(engine);
    }
    tracker_send_missed(engine);
}

uint64_t tracking_keys(const struct engine *engine)
{
    return engine->tracking->keys ? table_count(engine->tracking->keys) : 0;
}

uint64_t tracking_items(const struct engine *engine)
{
    return engine->tracking->items;
}

uint64_t tracking_prefixes(const struct engine *engine)
{
    return tracked_prefixes_count(engine->tracking->prefixes);
}
