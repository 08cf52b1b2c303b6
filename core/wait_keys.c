/* Who waits for which key is a chained hash, (db, key) -> struct wait_key, there while somebody
 * waits for it; each has the links of its waiters, first come first. Keys become ready in the order
 * of their first change. */
#include "core/wait_keys.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/engine_state.h"
#include "core/keyspace.h"

#define TABLE_MIN 64

struct wait_keys {
    struct wait_key **table;
    size_t cells;                      /* a power of two */
    uint64_t count;
    struct wait_key *ready_first, *ready_last;
};

struct wait_keys *wait_keys_new(void)
{
    struct wait_keys *keys = mem_alloc_zero(sizeof *keys);
    keys->cells = TABLE_MIN;
    keys->table = mem_alloc_zero(TABLE_MIN * sizeof *keys->table);
    return keys;
}

void wait_keys_free(struct wait_keys *keys)
{
    for (size_t i = 0; i < keys->cells; i++) {
        while (keys->table[i]) {
            struct wait_key *key = keys->table[i];
            keys->table[i] = key->next;
            mem_free(key);
        }
    }
    mem_free(keys->table);
    mem_free(keys);
}

uint64_t wait_keys_count(const struct wait_keys *keys)
{
    return keys->count;
}

static uint64_t hash_of(const struct engine *engine, int db, struct slice key)
{
    return keyspace_hash(engine->keyspace, key) ^ (uint64_t)db * 0x9e3779b97f4a7c15ull;
}

static struct wait_key *find_key(const struct wait_keys *keys, uint64_t hash, int db,
                                 struct slice name)
{
    struct wait_key *key = keys->table[hash & (keys->cells - 1)];
    while (key && (key->hash != hash || key->db != db ||
                   !slice_equal((struct slice){key->bytes, key->len}, name)))
        key = key->next;
    return key;
}

static void grow_table(struct wait_keys *keys)
{
    size_t cells = keys->cells * 2;
    struct wait_key **table = mem_alloc_zero(cells * sizeof *table);
    for (size_t i = 0; i < keys->cells; i++) {
        for (struct wait_key *key = keys->table[i], *next; key; key = next) {
            next = key->next;
            key->next = table[key->hash & (cells - 1)];
            table[key->hash & (cells - 1)] = key;
        }
    }
    mem_free(keys->table);
    keys->table = table;
    keys->cells = cells;
}

static struct wait_key *make_key(struct engine *engine, int db, struct slice name)
{
    struct wait_keys *keys = engine->wait_keys;
    uint64_t hash = hash_of(engine, db, name);
    struct wait_key *key = find_key(keys, hash, db, name);
    if (key)
        return key;
    if (keys->count == keys->cells)
        grow_table(keys);
    key = mem_alloc_zero(sizeof *key + name.len);
    key->hash = hash;
    key->db = db;
    key->len = name.len;
    if (name.len > 0)
        memcpy(key->bytes, name.data, name.len);
    key->next = keys->table[hash & (keys->cells - 1)];
    keys->table[hash & (keys->cells - 1)] = key;
    keys->count++;
    engine_attend(engine, ATTENTION_WAITERS, true);
    return key;
}

/* A key that is in the ready list leaves when its turn is over. */
static void drop_key_if_unused(struct engine *engine, struct wait_key *key)
{
    struct wait_keys *keys = engine->wait_keys;
    if (key->first || key->ready || key->serving)
        return;
    struct wait_key **at = &keys->table[key->hash & (keys->cells - 1)];
    while (*at != key)
        at = &(*at)->next;
    *at = key->next;
    keys->count--;
    engine_attend(engine, ATTENTION_WAITERS, keys->count > 0);
    mem_free(key);
}

static void mark_ready(struct wait_keys *keys, struct wait_key *key)
{
    if (key->ready)
        return;
    key->ready = true;
    key->next_ready = NULL;
    if (keys->ready_last)
        keys->ready_last->next_ready = key;
    else
        keys->ready_first = key;
    keys->ready_last = key;
}

void wait_keys_ready(struct engine *engine, int db, struct slice key)
{
    struct wait_keys *keys = engine->wait_keys;
    if (likely(keys->count == 0))
        return;
    struct wait_key *waited = find_key(keys, hash_of(engine, db, key), db, key);
    if (waited)
        mark_ready(keys, waited);
}

void wait_keys_ready_all(struct engine *engine)
{
    struct wait_keys *keys = engine->wait_keys;
    if (keys->count == 0)
        return;
    for (size_t i = 0; i < keys->cells; i++)
        for (struct wait_key *key = keys->table[i]; key; key = key->next)
            mark_ready(keys, key);
}

bool wait_keys_join(struct engine *engine, int db, struct slice name, struct waiter *waiter,
                    struct wait_link *link)
{
    struct wait_key *key = make_key(engine, db, name);
    if (key->last && key->last->waiter == waiter)
        return false;
    *link = (struct wait_link){.waiter = waiter, .key = key, .previous = key->last};
    if (key->last)
        key->last->next = link;
    else
        key->first = link;
    key->last = link;
    key->links++;
    return true;
}

void wait_keys_leave(struct engine *engine, struct wait_link *link)
{
    struct wait_key *key = link->key;
    if (link->previous)
        link->previous->next = link->next;
    else
        key->first = link->next;
    if (link->next)
        link->next->previous = link->previous;
    else
        key->last = link->previous;
    key->links--;
    drop_key_if_unused(engine, key);
}

struct wait_key *wait_keys_take_ready(struct engine *engine)
{
    struct wait_keys *keys = engine->wait_keys;
    struct wait_key *key = keys->ready_first;
    if (likely(!key))
        return NULL;
    keys->ready_first = key->next_ready;
    if (!keys->ready_first)
        keys->ready_last = NULL;
    key->ready = false;
    key->serving = true;
    return key;
}

void wait_keys_served(struct engine *engine, struct wait_key *key)
{
    key->serving = false;
    drop_key_if_unused(engine, key);
}
