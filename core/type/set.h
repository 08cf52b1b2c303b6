/* Sets: members without order, each once.
 *
 * Small ones of integers are intsets, other small ones listpacks, the rest hash tables whose
 * members are an allocation each. A set only ever goes that way, never back. A struct set is a
 * handle to the value of an entry: after a change the entry is given what the handle has become
 * (entry_set_value).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/table.h"
#include "core/type/entry.h"

struct rng;
struct type_limits;
struct type_ops;

#define SET_DIGITS 24

extern const struct type_ops set_ops;

struct set {
    enum value_encoding encoding;
    void *value;
};

/* Where a member is, or why it is not there; good until the next change of the set. */
struct set_at {
    bool is_int;    /* of an intset: the member is an integer */
    int64_t number; /* then */
    uint64_t hash;  /* of a hash table: that of a member which is not there */
    void *where;    /* of a listpack or hash table */
};

/* An empty set in the encoding that suits `first` and `expected` members in all. */
struct set set_new(struct slice first, size_t expected, const struct type_limits *limits);
/* An empty set of the smallest kind. */
struct set set_new_least(void);
struct set set_of(const struct entry *entry);
void set_free(struct set *set);
size_t set_count(const struct set *set);

bool set_find(const struct set *set, struct slice member, struct set_at *at);
bool set_has(const struct set *set, struct slice member);
/* Add a member that set_find has not found; the encoding may change. The bytes are copied. */
void set_insert(struct set *set, struct slice member, const struct set_at *at,
                const struct type_limits *limits);
/* Take out what set_find or set_random has found. */
void set_delete(struct set *set, const struct set_at *at);
/* True if it was not there. */
bool set_add(struct set *set, struct slice member, const struct type_limits *limits);
/* That many members are about to be added: become a hash table at once if they would not fit. */
void set_expect(struct set *set, size_t members, const struct type_limits *limits);

/* Any member, each as likely, and where it is; the set is not empty. */
struct slice set_random(const struct set *set, struct rng *rng, char digits[static SET_DIGITS],
                        struct set_at *at);

/* All members: not across a change. What set_walk_next gives is good until its next call; that of a
 * hash table until it is deleted. */
struct set_walk {
    const struct set *set;
    size_t index;
    const uint8_t *at;
    struct table_walk table;
    char digits[SET_DIGITS];
};
void set_walk_start(struct set_walk *walk, const struct set *set);
bool set_walk_next(struct set_walk *walk, struct slice *member);

/* See table_scan. A small set is visited whole, whatever the cursor. */
uint64_t set_scan(const struct set *set, uint64_t cursor,
                  void (*visit)(void *env, struct slice member), void *env);
/* Assert the invariants; O(members). */
void set_check(const struct set *set);
