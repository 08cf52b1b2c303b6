/* The keys that clients wait for, each with the line of its waiters, and which of them have changed
 * since: what a change of the keyspace must know of waiting, and no more. Who waits, and what being
 * served means, is waiters.h's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct engine;
struct waiter;

/* One place in the line of a key; it lies in the waiter. */
struct wait_link {
    struct waiter *waiter;
    struct wait_key *key;
    struct wait_link *previous, *next; /* of the same key */
};

struct wait_key {
    struct wait_key *next;             /* of the same chain */
    struct wait_key *next_ready;
    struct wait_link *first, *last;
    uint64_t hash;
    uint64_t links;
    int db;
    bool ready;
    bool serving;                      /* its waiters are being asked: it stays allocated */
    size_t len;
    char bytes[];
};

struct wait_keys *wait_keys_new(void);
void wait_keys_free(struct wait_keys *keys);
uint64_t wait_keys_count(const struct wait_keys *keys);

/* A key has got a value of a type that clients wait for, or is gone: remembered until it is taken.
 * Cheap when nobody waits. */
void wait_keys_ready(struct engine *engine, int db, struct slice key);
/* After FLUSHALL, SWAPDB: every key that is waited for is looked at again. */
void wait_keys_ready_all(struct engine *engine);

/* The waiter joins the line of a key through `link`. False if it stands there already, as the last:
 * the key was named twice, and the link is not used. */
bool wait_keys_join(struct engine *engine, int db, struct slice name, struct waiter *waiter,
                    struct wait_link *link);
void wait_keys_leave(struct engine *engine, struct wait_link *link);

/* The key that became ready first, NULL if there is none. It stays allocated until wait_keys_served
 * takes it back. */
struct wait_key *wait_keys_take_ready(struct engine *engine);
void wait_keys_served(struct engine *engine, struct wait_key *key);
