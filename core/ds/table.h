/* A hash table of pointers for the keyspace and for big hashes and sets.
 *
 * Linear hashing (Litwin 1980) over groups of varying size. A group is one block: a byte of hash
 * tag per item (compared 64 at a time) and a word per item: the pointer with further hash bits in
 * its upper 16 bits and a mark in its lowest bit. Groups are addressed by a directory of segments;
 * when the mean passes 40 items a group, the next group in turn is split into two, when it falls
 * below 14 the last is merged back. So every operation does a bounded amount of work, there is
 * never a second table, the load is the same at every size (9.9 to 10.2 bytes an item, the size
 * classes' slack included), and an item moves without being touched: its next hash bits are in its
 * word (the item is hashed again only when those are used up, every 12th doubling).
 *
 * Items are pointers aligned to 8 bytes that fit into 48 bits; the table does not own what they
 * point to.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct table;
struct rng;

/* A place of an item: good until the next insertion into, or removal from, the same table. */
struct table_slot;

struct table_type {
    uint64_t (*hash)(const void *env, const void *item);
    bool (*match)(const void *env, const void *item, struct slice key);
};

/* `type` and `env` are borrowed and outlive the table. An empty table takes under 200 bytes. */
struct table *table_new(const struct table_type *type, const void *env);
/* free_item may be NULL. Time grows with the items: big ones belong to the reaper. */
void table_free(struct table *table, void (*free_item)(void *item));
size_t table_count(const struct table *table);
/* Bytes of the table itself, items not counted; O(1). */
size_t table_bytes(const struct table *table);

/* Where the item with this key is, or NULL. `hash` is what type->hash gives for it. */
struct table_slot *table_find(const struct table *table, uint64_t hash, struct slice key);
/* Bring what table_find would read first into the cache. */
void table_prefetch(const struct table *table, uint64_t hash);
/* When that has arrived: the item that it would compare with its key. */
void table_prefetch_item(const struct table *table, uint64_t hash);
/* Bring what table_find and table_insert need of an item that is not there into the cache: first
 * (step 0) where its group is, when that has arrived (1) the group. */
void table_prefetch_insert(const struct table *table, int step, uint64_t hash);
/* Add an item that is not in the table. */
void table_insert(struct table *table, uint64_t hash, void *item);
/* Take out the item at `slot`, which is returned. */
void *table_remove(struct table *table, uint64_t hash, struct table_slot *slot);

void *table_item(const struct table_slot *slot);
/* Put another item of the same hash and key in its place; the mark stays. */
void table_replace(struct table_slot *slot, void *item);

/* Cutting a table into a snapshot while it goes on being changed. Between two cuts every item's
 * mark is the birth mark. _begin turns the birth mark over: so all items are out, and new ones are
 * born in. _step visits those of a group that are out and puts them in, until `visit` returns false
 * or the group is through, and moves the cursor on (from 0, as table_scan does); whoever changes or
 * removes an item that is out visits it before and puts it in. When _step returns false, all are
 * in. */
void table_cut_begin(struct table *table);
bool table_cut_has(const struct table *table, const struct table_slot *slot);
void table_cut_put(struct table *table, struct table_slot *slot);
bool table_cut_step(struct table *table, uint64_t *cursor, bool (*visit)(void *env, void *item),
                    void *env);

/* Visit one group and return the cursor of the next, 0 at the end. Begin with 0. Each item that is
 * in the table from the first call to the last is visited at least once, whatever the table does
 * between the calls (the cursor counts from its upper bits down). The visitor changes nothing. */
uint64_t table_scan(const struct table *table, uint64_t cursor,
                    void (*visit)(void *env, void *item), void *env);

/* Any item, each as likely as the other; NULL in an empty table. */
struct table_slot *table_random(const struct table *table, struct rng *rng);
/* Up to `most` items from places near each other, not all equally likely; returns how many. For
 * sampling. */
size_t table_sample(const struct table *table, struct rng *rng, void **out, size_t most);

/* Walk all items group by group: not across a change. */
struct table_walk {
    const struct table *table;
    size_t group, at;
};
void table_walk_start(struct table_walk *walk, const struct table *table);
/* The next slot, or NULL at the end. */
struct table_slot *table_walk_next(struct table_walk *walk);

/* Make room ahead for `items` in all (loading). */
void table_presize(struct table *table, size_t items);
/* Assert the invariants: O(items). For tests and debug builds. */
void table_check(const struct table *table);
/* Figures for DEBUG HTSTATS: number of groups, longest group. */
void table_figures(const struct table *table, size_t *groups, size_t *longest);
