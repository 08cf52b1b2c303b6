/* Digests of values: equal for equal contents, whatever their encoding, the order of what has none,
 * and the way they came to be. For DEBUG DIGEST and for tests that compare keyspaces. Not a
 * protection against malice. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct entry;

#define DIGEST_HEX_CHARS 40

/* 160 bits; zero is that of nothing at all. */
struct digest {
    uint64_t words[3];
};

/* What comes in an order. */
void digest_append(struct digest *digest, struct slice bytes);
void digest_append_number(struct digest *digest, uint64_t number);
/* What comes in none: adding and taking away again gives what was before. */
void digest_add(struct digest *digest, const struct digest *item);

/* Of the entry's value, without its key and deadline. */
struct digest digest_of_value(const struct entry *entry);
/* Lower case digits, no NUL. */
void digest_hex(const struct digest *digest, char out[static DIGEST_HEX_CHARS]);
