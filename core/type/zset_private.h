/* What a large sorted set is made of, for the files that are one with it: see zset_large.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct table;
struct tree;
struct value_cut;
struct zset_item;

struct zset_large {
    struct tree *tree;
    struct table *table;
    size_t item_bytes;
    uint64_t seed;
    struct value_cut *cut;
    uint8_t birth_mark; /* of items: see there */
};

struct zset_item *zset_item_new(const struct zset_large *large, struct slice member, double score);
/* Of the allocation, for a member of that length. */
size_t zset_item_bytes(size_t len);
