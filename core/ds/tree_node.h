/* The nodes of an ordered tree, for the files that are one with it: see tree.c. */
#pragma once

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
