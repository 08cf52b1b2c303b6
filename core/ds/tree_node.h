/* The nodes of an ordered tree, for the files that are one with it: see tree.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/ds/tree.h"

struct leaf {
    uint16_t count, room;
    void *items[];
};

struct branch {
    double score; /* of `first` */
    void *first;
    void *child; /* struct leaf at height 0, else struct inner */
    uint64_t count;
};

struct inner {
    uint16_t count, room;
    struct branch branches[];
};

struct tree {
    int (*compare)(const void *a, const void *b);
    struct branch root; /* child NULL: no items */
    unsigned height;    /* of the root: 0 if it is a leaf */
    uint64_t leaves;
    size_t bytes;
};

#define LEAF_MOST 63
#define INNER_MOST 31

/* Room for `count`; NULL: a new one. The tree's figures are kept up to date. */
struct leaf *leaf_resize(struct tree *tree, struct leaf *leaf, size_t count);
struct inner *inner_resize(struct tree *tree, struct inner *inner, size_t count);
/* Set first, score and count from the child, which is at `height`. */
void branch_refresh(struct branch *branch, unsigned height);
