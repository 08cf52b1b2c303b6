/* The type hash: fields with values, some with a deadline of their own.
 *
 * Small ones are a listpack of fields and values in turn, in the order in which they came; large
 * ones, and those with a deadline in them, are a table (core/type/hash_table.h). It grows into a
 * table and never back. OBJECT ENCODING says listpack or hashtable; there is no listpackex.
 *
 * Nothing here knows the time: fields whose deadline is over are there until they are deleted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/listpack.h"
#include "core/ds/table.h"
#include "core/type/entry.h"

struct rng;
struct type_limits;
struct type_ops;

#define HASH_NO_DEADLINE ENTRY_NO_DEADLINE

/* A hash under change: whoever changes it puts both back into the entry, or frees the value. */
struct hash {
    enum value_encoding encoding;
    void *value;
};

/* A field as it is read: the slices are good until the hash changes, or `item` goes. */
struct hash_item {
    struct slice field, value;
    int64_t deadline_ms;
    char digits[2][LISTPACK_DIGITS];
};

struct hash hash_new(void);
struct hash hash_of(const struct entry *entry);
void hash_free(struct hash hash);

size_t hash_count(struct hash hash);
bool hash_get(struct hash hash, struct slice field, struct hash_item *item);
/* Set value and deadline; true if the field is new. The bytes lie elsewhere. */
bool hash_set(struct hash *hash, const struct type_limits *limits, struct slice field,
              struct slice value, int64_t deadline_ms);
/* False if the field is not there. */
bool hash_delete(struct hash *hash, struct slice field);
bool hash_set_deadline(struct hash *hash, struct slice field, int64_t deadline_ms);
/* Become a table, if it is none. */
void hash_convert(struct hash *hash);

/* The first deadline of a field; HASH_NO_DEADLINE if none has one. O(1). */
int64_t hash_first_deadline(struct hash hash);
/* The field with it. */
bool hash_first(struct hash hash, struct hash_item *item);
/* How many fields have one at or before `now_ms`: O(that). */
size_t hash_due(struct hash hash, int64_t now_ms);

/* All fields in turn: not across a change. */
struct hash_walk {
    struct hash hash;
    uint8_t *at;
    struct table_walk table;
};
void hash_walk_start(struct hash_walk *walk, struct hash hash);
bool hash_walk_next(struct hash_walk *walk, struct hash_item *item);

/* See table_scan; all of a listpack at once. */
uint64_t hash_scan(struct hash hash, uint64_t cursor,
                   void (*visit)(void *env, const struct hash_item *item), void *env);
/* Any field, each as likely; false if there is none. */
bool hash_random(struct hash hash, struct rng *rng, struct hash_item *item);

/* Assert the invariants; O(fields). */
void hash_check(struct hash hash);

extern const struct type_ops hash_ops;
