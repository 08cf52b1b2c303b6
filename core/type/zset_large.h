/* Large sorted sets: a tree of items in order, and a table that finds them by their member. An item
 * is one allocation: score, length and member. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct table_slot;
struct tree;
struct zset_item;
struct zset_large;
struct value_cut;

struct zset_large *zset_large_new(void);
void zset_large_free(struct zset_large *large);
struct zset_large *zset_large_copy(const struct zset_large *large);

uint64_t zset_large_count(const struct zset_large *large);
/* Bytes in all, the allocator's slack included; allocations there are to free. O(1). */
size_t zset_large_memory(const struct zset_large *large);
size_t zset_large_effort(const struct zset_large *large);

struct slice zset_item_member(const struct zset_item *item);
double zset_item_score(const struct zset_item *item);

uint64_t zset_large_hash(const struct zset_large *large, struct slice member);
/* The slot of a member, NULL if it is not there; good until the next insertion or removal. */
struct table_slot *zset_large_find(const struct zset_large *large, uint64_t hash,
                                   struct slice member);
struct zset_item *zset_large_item(const struct table_slot *slot);
/* Add a member that is not there. The bytes are copied. */
void zset_large_insert(struct zset_large *large, uint64_t hash, struct slice member, double score);
void zset_large_update(struct zset_large *large, struct zset_item *item, double score);
void zset_large_remove(struct zset_large *large, uint64_t hash, struct table_slot *slot);
/* Take out the member of number `rank`. */
void zset_large_remove_at(struct zset_large *large, uint64_t rank);

/* The items in order, to be looked at. */
const struct tree *zset_large_tree(const struct zset_large *large);
/* As table_scan. The visitor changes nothing. */
uint64_t zset_large_scan(const struct zset_large *large, uint64_t cursor,
                         void (*visit)(void *env, void *item), void *env);

/* The cut of zset_cut.c that the items are in; NULL: none. While there is one, each item is handed
 * to it before it changes or goes. `start`: all items are out, new ones are born in. */
struct value_cut *zset_large_cut(const struct zset_large *large);
void zset_large_cut_start(struct zset_large *large, struct value_cut *cut);
void zset_large_cut_end(struct zset_large *large);
bool zset_large_is_in(const struct zset_large *large, const struct zset_item *item);
void zset_large_put_in(const struct zset_large *large, struct zset_item *item);

/* Assert the invariants: O(items). */
void zset_large_check(const struct zset_large *large);
