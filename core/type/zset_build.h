/* Building a large sorted set from members in any order, fast: for loading. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct zset_item;
struct zset_large;

#define ZSET_BUILD_AHEAD 16

struct zset_build {
    struct zset_large *large;
    struct zset_item **items;
    size_t count, room;
    size_t known; /* of the items are in the table */
    uint64_t hashes[ZSET_BUILD_AHEAD]; /* of the others */
    bool twice;   /* a member came twice */
};

/* `large` is empty; `expected` may be a lie. */
void zset_build_begin(struct zset_build *build, struct zset_large *large, uint64_t expected);
/* The bytes are copied. False: a member was there twice, this one or another. */
bool zset_build_add(struct zset_build *build, struct slice member, double score);
/* Always: the set is whole, with the members that came, those that came twice once. */
bool zset_build_end(struct zset_build *build);
