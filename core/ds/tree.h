/* An ordered tree of pointers with counts: what is number N, and which number has this item, in
 * O(log n). A B+ tree: items lie in leaves of up to 63, and the nodes above know, for each child,
 * its first item with its score and how many items it holds.
 *
 * An item begins with its score; items of equal score are ordered by the function that the tree is
 * given, and no two are equal. The tree does not own what the pointers point to. While an item is
 * in the tree, neither its score nor what it is ordered by may change: take it out and put it in
 * again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_HEIGHT_MAX 12

struct tree;

struct tree_item {
    double score; /* never NaN */
};

/* `compare` orders two items of equal score: negative, positive, or 0 for the same. */
struct tree *tree_new(int (*compare)(const void *a, const void *b));
/* free_item may be NULL. */
void tree_free(struct tree *tree, void (*free_item)(void *item));

uint64_t tree_count(const struct tree *tree);
uint64_t tree_leaves(const struct tree *tree);
/* Bytes of the tree itself, items not counted; O(1). */
size_t tree_bytes(const struct tree *tree);

/* Add an item that is not in the tree. Items that come in order, up or down, fill the leaves. */
void tree_insert(struct tree *tree, void *item);
/* Take out an item that is in the tree. */
void tree_remove(struct tree *tree, const void *item);

/* How many items are before this one, which need not be in the tree. */
uint64_t tree_rank(const struct tree *tree, const void *item);
/* How many items `before` is true for: it must be true up to some item, and false from there on. */
uint64_t tree_partition(const struct tree *tree, bool (*before)(const void *env, const void *item),
                        const void *env);
/* Assert the invariants: O(items). */
void tree_check(const struct tree *tree);
