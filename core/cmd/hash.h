/* What the commands on hashes share: finding one, what of it may be seen, and changing it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/ctx.h"
#include "core/type/hash.h"

/* A hash as a command finds it; hash.value is NULL if the key is not there. */
struct hash_found {
    struct place place;
    struct hash hash;
};

/* False if the error was replied. */
must_check bool hash_find(struct ctx *ctx, struct slice key, enum lookup how,
                          struct hash_found *found);

/* Fields past their deadline are deleted before a command sees the hash. Only while the log takes
 * no deletions they are there still: the three below do not show them. (Then there are no writes,
 * so commands that write need not ask.) */
bool hash_shows(const struct ctx *ctx, const struct hash_item *item);
bool hash_look_up(const struct ctx *ctx, struct hash hash, struct slice field,
                  struct hash_item *item);
size_t hash_shown_count(const struct ctx *ctx, struct hash hash);

/* Around a change: begin makes the hash if the key is not there; end stores it, or removes the key
 * if there are no fields: true then. */
void hash_change_begin(struct ctx *ctx, struct hash_found *found);
bool hash_change_end(struct ctx *ctx, struct hash_found *found);

const struct type_limits *hash_limits(const struct ctx *ctx);
