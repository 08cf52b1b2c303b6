/* An intset: a sorted array of integers of 2, 4 or 8 bytes, all of the width that the widest needs,
 * in one block. Its bytes are those that RDB files hold: u32 width, u32 count, the integers, all
 * little-endian. What changes it may move it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"

struct rng;

uint8_t *intset_new(void);
void intset_free(uint8_t *intset);
uint8_t *intset_copy(const uint8_t *intset);
size_t intset_count(const uint8_t *intset);
size_t intset_bytes(const uint8_t *intset);
size_t intset_memory(const uint8_t *intset);
bool intset_has(const uint8_t *intset, int64_t value);
int64_t intset_at(const uint8_t *intset, size_t index);
/* *changed: it was not there (add), it was there (remove). */
must_check uint8_t *intset_add(uint8_t *intset, int64_t value, bool *changed);
must_check uint8_t *intset_remove(uint8_t *intset, int64_t value, bool *changed);
int64_t intset_random(const uint8_t *intset, struct rng *rng);
/* Strange bytes are an intset: width, length, order without duplicates. */
must_check bool intset_valid(const uint8_t *bytes, size_t len);
