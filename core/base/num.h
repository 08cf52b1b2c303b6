/* Numbers as the protocol writes them: parsing is strict (no spaces, no plus, no leading zeros), as
 * Redis' is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define NUM_I64_MAX_CHARS 21    /* with sign and end */
#define NUM_DOUBLE_MAX_CHARS 32
#define NUM_LONG_DOUBLE_MAX_CHARS 5120 /* %.17Lf of the largest long double */

/* The whole of `text` is a canonical decimal int64: true and *out. "" , "+1", "01", "-0", " 1", "1
 * " are not. */
must_check bool num_parse_i64(struct slice text, int64_t *out);
must_check bool num_parse_u64(struct slice text, uint64_t *out);

/* A finite or infinite number as strtod reads it, the whole text, no leading space; NaN is refused.
 */
must_check bool num_parse_double(struct slice text, double *out);
must_check bool num_parse_long_double(struct slice text, long double *out);

/* Bytes with a unit, as in config files: "64mb" = 64*1024*1024, "1k" = 1000, "1kb" = 1024, m, mb,
 * g, gb, b. */
must_check bool num_parse_memory(struct slice text, int64_t *out);

/* Decimal digits of `value` into `out` (no end byte); returns their count. */
size_t num_format_i64(char out[static NUM_I64_MAX_CHARS], int64_t value);
size_t num_format_u64(char out[static NUM_I64_MAX_CHARS], uint64_t value);

/* The shortest text that reads back as the same double, in the form Redis 7 replies with ("3",
 * "1.5", "1e+20", "inf"). */
size_t num_format_double(char out[static NUM_DOUBLE_MAX_CHARS], double value);

/* %.17Lf without trailing zeros: what INCRBYFLOAT stores. Returns 0 if `cap` is too small. */
size_t num_format_long_double(char *out, size_t cap, long double value);

/* Two small hex digits for each byte, and an end byte. */
void num_format_hex(char *out, const void *bytes, size_t len);

/* "1.50M", "2.00G" as in INFO's _human fields. */
size_t num_format_human(char out[static 32], uint64_t bytes);
