/* A radix tree: an ordered map from strings of bytes to pointers. What keys have in common is
 * stored once, and a run of bytes without a branch is one node, so that numbers in big-endian order
 * cost little more than their last bytes.
 *
 * Values are the caller's, and never NULL.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define RADIX_KEY_INLINE 32

struct radix;

/* Where the memory of one tree, or of several, is counted. */
struct radix_account {
    size_t bytes, blocks; /* with the allocator's slack; allocations */
};

/* A place in the order: a copy of its key, so any change of the tree leaves it good. Zero it before
 * the first use, and give it back with radix_at_free. */
struct radix_at {
    void *value;         /* NULL: there is no such key */
    struct slice key;
    size_t cap;          /* the rest belongs to radix.c */
    char *longer;
    char inside[RADIX_KEY_INLINE];
};

/* `account` outlives the tree. */
struct radix *radix_new(struct radix_account *account);
/* Calls `give_back` (may be NULL) for each value, in no order. */
void radix_free(struct radix *tree, void (*give_back)(void *value));

size_t radix_count(const struct radix *tree);
/* The nodes this would be if each had either one run of bytes or branches, as XINFO counts them. */
size_t radix_nodes(const struct radix *tree);

void *radix_get(const struct radix *tree, struct slice key);
/* Returns the value that was there before, or NULL. */
void *radix_set(struct radix *tree, struct slice key, void *value);
/* Returns the value that was taken out, or NULL. */
void *radix_remove(struct radix *tree, struct slice key);

enum radix_seek { RADIX_AT_LEAST, RADIX_ABOVE, RADIX_AT_MOST, RADIX_BELOW };

/* Set `at` to the nearest key in that direction; `key` may be at->key. True if there is one. */
bool radix_seek(const struct radix *tree, struct radix_at *at, struct slice key,
                enum radix_seek how);
bool radix_first(const struct radix *tree, struct radix_at *at);
bool radix_last(const struct radix *tree, struct radix_at *at);
bool radix_next(const struct radix *tree, struct radix_at *at);
bool radix_previous(const struct radix *tree, struct radix_at *at);
void radix_at_free(struct radix_at *at);

/* Assert the invariants; O(bytes). */
void radix_check(const struct radix *tree);
