/* The large form of a hash: a table of fields, each one allocation of name, value and deadline, and
 * a heap of those that have a deadline. core/type/hash.c alone uses it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/table.h"

struct field;
struct hash_table;
struct rng;
struct value_cut;

#define FIELD_NO_DEADLINE INT64_MIN

struct hash_table *hash_table_new(void);
void hash_table_free(struct hash_table *fields);
struct hash_table *hash_table_copy(const struct hash_table *fields);
void hash_table_presize(struct hash_table *fields, size_t count);

size_t hash_table_count(const struct hash_table *fields);
/* Bytes in all, the allocator's slack included. O(1). */
size_t hash_table_memory(const struct hash_table *fields);

/* NULL if it is not there. A field is good until it is set again or deleted. */
struct field *hash_table_find(const struct hash_table *fields, struct slice name);
struct slice field_name(const struct field *field);
struct slice field_value(const struct field *field);
int64_t field_deadline(const struct field *field);

/* Set value and deadline; true if the field is new. `name` and `value` lie elsewhere. */
bool hash_table_set(struct hash_table *fields, struct slice name, struct slice value,
                    int64_t deadline_ms);
/* For loading: fields that are put into the table some steps after its memory was asked for; until
 * then they are found by nobody. Zero it before the first. `_add` and `_end` return false if a
 * field was there already, this one or another; `_end` is called always. */
#define HASH_TABLE_AHEAD 16
struct hash_table_ahead {
    struct field *fields[HASH_TABLE_AHEAD];
    uint64_t hashes[HASH_TABLE_AHEAD];
    size_t count;
    bool twice;
};
bool hash_table_add(struct hash_table *fields, struct hash_table_ahead *ahead, struct slice name,
                    struct slice value, int64_t deadline_ms);
bool hash_table_add_end(struct hash_table *fields, struct hash_table_ahead *ahead);
/* The next two: false if it is not there. */
bool hash_table_set_deadline(struct hash_table *fields, struct slice name, int64_t deadline_ms);
bool hash_table_delete(struct hash_table *fields, struct slice name);

/* How many fields have a deadline; the one with the first deadline, NULL if none has. */
size_t hash_table_deadlines(const struct hash_table *fields);
const struct field *hash_table_first(const struct hash_table *fields);
/* How many have a deadline at or before `now_ms`: O(that). */
size_t hash_table_due(const struct hash_table *fields, int64_t now_ms);

/* The table of the fields (items are struct field), for walking and scanning. */
const struct table *hash_table_items(const struct hash_table *fields);
/* The cut of hash_cut.c that the fields are in; NULL: none. While there is one, each field is
 * handed to it before it changes or goes. */
struct value_cut **hash_table_cut(struct hash_table *fields);
/* The same table, for its marks. */
struct table *hash_table_marks(struct hash_table *fields);
/* Any field, each as likely; NULL if there is none. */
const struct field *hash_table_random(const struct hash_table *fields, struct rng *rng);

/* Assert the invariants; O(fields). */
void hash_table_check(const struct hash_table *fields);
