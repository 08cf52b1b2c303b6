/* What the commands on the bits of strings share. Bit 0 is the highest of the first byte. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;
struct entry;
struct place;

/* The position of a bit from an argument; "#3" means three times `bits`, if that is not 0. False
 * if an error was replied. */
must_check bool bitmap_offset(struct ctx *ctx, struct slice arg, int64_t bits, uint64_t *out);
/* True if the string at `place` must be made longer before the bit at `offset` can be written. */
bool bitmap_grows(const struct place *place, uint64_t offset);
/* Begin a change of the string at `place`, of bits from `from` up to `offset` alone, for which it
 * has room then; a missing key is made. What is returned is where the entry is until bitmap_end is
 * told of it; place->entry is where it was. */
must_check struct entry *bitmap_begin(struct ctx *ctx, struct place *place, uint64_t from,
                                       uint64_t offset);
void bitmap_end(struct ctx *ctx, struct place *place, struct entry *entry);
