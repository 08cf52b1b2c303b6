/* Items of an ordered tree by their number, and those beside them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/ds/tree.h"

/* Item number `rank`, NULL behind the last. */
void *tree_at(const struct tree *tree, uint64_t rank);

/* A walk in either direction, good until the next change of the tree. */
struct tree_walk {
    unsigned height;
    struct {
        const void *node;
        unsigned at;
    } steps[TREE_HEIGHT_MAX + 1]; /* [0]: the leaf */
};

/* Stand at item number `rank` and return it; NULL behind the last. */
void *tree_walk_start(struct tree_walk *walk, const struct tree *tree, uint64_t rank);
/* Step to the next item, or the one before, and return it; NULL, and the walk is over, where there
 * is none. */
void *tree_walk_next(struct tree_walk *walk);
void *tree_walk_previous(struct tree_walk *walk);

/* The items of the leaf that holds number `rank`, in order: sets *items and returns how many, and
 * in *first the number of the first of them. 0 behind the last item. */
size_t tree_leaf(const struct tree *tree, uint64_t rank, void *const **items, uint64_t *first);
