/* A watch hangs in two lists, that of its session and that of its key; keys that somebody watches
 * are in one table, by database and name. A session whose watch was touched has
 * SESSION_WATCH_BROKEN. */
#include "core/watch.h"

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/ds/table.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/type/entry.h"

struct watched_key {
    int db;
    size_t key_len;
    struct watch *watches;
    char key[];
};

struct watch {
    struct session *session;
    struct watched_key *key;
    struct watch *next_of_session;
    struct watch *next_of_key, **link_of_key;
    bool was_expired; /* when it was watched: its deletion is no change */
};

struct watched_keys {
    struct table *table;
    uint64_t seed;
};

/* The key of the table: bytes behind the number of the database. */
struct watched_name {
    int db;
    struct slice key;
};

static uint64_t hash_name(uint64_t seed, int db, struct slice key)
{
    return hash_bytes(key, seed + (uint64_t)db * 0x9e3779b97f4a7c15ull);
}

static uint64_t hash_item(const void *env, const void *item)
{
    const struct watched_keys *keys = env;
    const struct watched_key *watched = item;
    return hash_name(keys->seed, watched->db, (struct slice){watched->key, watched->key_len});
}

static bool match_item(const void *env unused, const void *item, struct slice key)
{
    const struct watched_key *watched = item;
    const struct watched_name *name = (const void *)key.data;
    return watched->db == name->db &&
           slice_equal(name->key, (struct slice){watched->key, watched->key_len});
}

static const struct table_type watched_type = {hash_item, match_item};

struct watched_keys *watched_keys_new(void)
{
    struct watched_keys *keys = mem_alloc_zero(sizeof *keys);
    keys->table = table_new(&watched_type, keys);
    return keys;
}

void watched_keys_free(struct watched_keys *keys)
{
    kv_assert(table_count(keys->table) == 0);
    table_free(keys->table, NULL);
    mem_free(keys);
}

static struct table_slot *find(const struct watched_keys *keys, int db, struct slice key)
{
    struct watched_name name = {db, key};
    return table_find(keys->table, hash_name(keys->seed, db, key),
                      (struct slice){(const char *)&name, sizeof name});
}

static struct watched_key *find_or_add(struct engine *engine, int db, struct slice key)
{
    struct watched_keys *keys = engine->watched;
    struct table_slot *slot = find(keys, db, key);
    if (slot)
        return table_item(slot);
    struct watched_key *watched = mem_alloc(sizeof *watched + key.len);
    *watched = (struct watched_key){.db = db, .key_len = key.len};
    if (key.len > 0)
        memcpy(watched->key, key.data, key.len);
    table_insert(keys->table, hash_name(keys->seed, db, key), watched);
    engine_attend(engine, ATTENTION_WATCHES, true);
    return watched;
}

static bool is_past(const struct engine *engine, const struct entry *entry)
{
    int64_t deadline = entry ? entry_deadline(entry) : ENTRY_NO_DEADLINE;
    return deadline != ENTRY_NO_DEADLINE && deadline <= engine->now_ms;
}

void watch_key(struct session *session, struct slice key)
{
    struct engine *engine = session->engine;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session)
        if (watch->key->db == session->db &&
            slice_equal(key, (struct slice){watch->key->key, watch->key->key_len}))
            return;
    struct watched_key *watched = find_or_add(engine, session->db, key);
    struct place place =
        keyspace_find(engine->keyspace, session->db, key, keyspace_hash(engine->keyspace, key));
    struct watch *watch = mem_alloc(sizeof *watch);
    *watch = (struct watch){
        .session = session,
        .key = watched,
        .next_of_session = session->watches,
        .next_of_key = watched->watches,
        .link_of_key = &watched->watches,
        .was_expired = is_past(engine, place.entry),
    };
    if (watched->watches)
        watched->watches->link_of_key = &watch->next_of_key;
    watched->watches = watch;
    session->watches = watch;
}

static void forget_key(struct engine *engine, struct watched_key *watched)
{
    struct watched_keys *keys = engine->watched;
    struct slice key = {watched->key, watched->key_len};
    table_remove(keys->table, hash_name(keys->seed, watched->db, key),
                 find(keys, watched->db, key));
    engine_attend(engine, ATTENTION_WATCHES, table_count(keys->table) > 0);
    mem_free(watched);
}

void watch_forget(struct session *session)
{
    while (session->watches) {
        struct watch *watch = session->watches;
        session->watches = watch->next_of_session;
        *watch->link_of_key = watch->next_of_key;
        if (watch->next_of_key)
            watch->next_of_key->link_of_key = watch->link_of_key;
        if (!watch->key->watches)
            forget_key(session->engine, watch->key);
        mem_free(watch);
    }
    session->flags &= ~(uint32_t)SESSION_WATCH_BROKEN;
}

static void touch(struct watched_key *watched, bool by_deadline)
{
    for (struct watch *watch = watched->watches; watch; watch = watch->next_of_key)
        if (!by_deadline || !watch->was_expired)
            watch->session->flags |= SESSION_WATCH_BROKEN;
}

void watch_touch(struct engine *engine, int db, struct slice key, bool by_deadline)
{
    if (likely(table_count(engine->watched->table) == 0))
        return;
    struct table_slot *slot = find(engine->watched, db, key);
    if (slot)
        touch(table_item(slot), by_deadline);
}

static void see_expired(struct watched_key *watched)
{
    for (struct watch *watch = watched->watches; watch; watch = watch->next_of_key)
        watch->was_expired = true;
}

static void touch_all(struct engine *engine, int db, bool has_come)
{
    struct table_walk walk;
    struct table_slot *slot;
    table_walk_start(&walk, engine->watched->table);
    while ((slot = table_walk_next(&walk))) {
        struct watched_key *watched = table_item(slot);
        struct slice key = {watched->key, watched->key_len};
        uint64_t hash = keyspace_hash(engine->keyspace, key);
        if (db >= 0 && watched->db != db)
            continue;
        struct place place = keyspace_find(engine->keyspace, watched->db, key, hash);
        bool past = is_past(engine, place.entry);
        if (place.slot && past && has_come)
            see_expired(watched);
        else if (place.slot)
            touch(watched, past);
    }
}

void watch_touch_all(struct engine *engine, int db)
{
    touch_all(engine, db, false);
}

void watch_replaced(struct engine *engine, int db)
{
    touch_all(engine, db, true);
}

/* A key whose deadline has passed since it was watched, though nobody has deleted it yet. */
static bool any_expired(const struct session *session)
{
    struct engine *engine = session->engine;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session) {
        struct slice key = {watch->key->key, watch->key->key_len};
        uint64_t hash = keyspace_hash(engine->keyspace, key);
        struct place place = keyspace_find(engine->keyspace, watch->key->db, key, hash);
        if (!watch->was_expired && is_past(engine, place.entry))
            return true;
    }
    return false;
}

bool watch_broken(const struct session *session)
{
    return session->flags & SESSION_WATCH_BROKEN || any_expired(session);
}

size_t watch_keys(const struct engine *engine)
{
    return table_count(engine->watched->table);
}

int watch_count(const struct session *session)
{
    int count = 0;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session)
        count++;
    return count;
}
