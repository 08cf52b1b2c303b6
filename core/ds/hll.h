/* HyperLogLog: an estimate of how many different elements were added, in at most 12 KiB. The value
 * is a string of the documented "HYLL" format (see hll.c), the same bytes as everywhere, so that it
 * can be read by GET and written by SET. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

#define HLL_REGISTERS 16384
#define HLL_HEADER_BYTES 16
#define HLL_DENSE_BYTES (HLL_HEADER_BYTES + HLL_REGISTERS * 6 / 8)

/* Whether the string is one: header and, if dense, length. A sparse one may still be damaged
 * inside. */
bool hll_is(struct slice value);
/* `value` becomes an empty sparse one. */
void hll_init(struct buf *value);
bool hll_is_dense(struct slice value);

/* The register that an element belongs to, and the rank it raises it to. */
unsigned hll_register_of(struct slice element, uint8_t *rank);

/* The functions below take a value of which hll_is holds. */
enum hll_result { HLL_SAME, HLL_CHANGED, HLL_DAMAGED };

/* Raise a register to `rank`. A sparse value that would grow beyond `sparse_bytes_max` becomes
 * dense. The cached estimate is left alone. */
must_check enum hll_result hll_raise(struct buf *value, unsigned index, uint8_t rank,
                                     size_t sparse_bytes_max);
/* The same in place, of a dense value; true if it changed. The rank that a register has. */
uint8_t hll_dense_rank(const char *value, unsigned index);
bool hll_dense_raise(char *value, unsigned index, uint8_t rank);
/* Make it dense; false if it is damaged, and untouched. */
must_check bool hll_to_dense(struct buf *value);

/* Raise each of the registers to what the value has; false if it is damaged. */
must_check bool hll_merge_into(uint8_t registers[static HLL_REGISTERS], struct slice value);
/* The estimate for registers (each 0 to 63), and that of a value; false if that is damaged. */
uint64_t hll_estimate_of(const uint8_t registers[static HLL_REGISTERS]);
must_check bool hll_estimate(struct slice value, uint64_t *out);

/* The estimate that the value's header remembers; false if it is out of date. */
bool hll_cached(struct slice value, uint64_t *out);
void hll_cache(char *value, uint64_t estimate);
void hll_forget_cached(char *value);

/* Append what the sparse value is made of: "z:12 v:3,1 Z:16371". False if it is damaged. */
must_check bool hll_describe(struct slice value, struct buf *out);
