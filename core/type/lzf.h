/* LZF, the compression of strings in RDB files and DUMP payloads (format: see lzf.c). Strings come
 * packed from elsewhere; we write them packed on request only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"

/* The most bytes that `len` packed bytes can stand for: nothing larger is worth an allocation. */
static inline uint64_t lzf_unpacked_max(uint64_t len)
{
    return (len / 3 + 1) * 264;
}

/* Pack in[0 .. len-1] into out[0 .. room-1]; returns the packed length, 0 if it does not fit.
 * Deterministic; allocates nothing. */
size_t lzf_pack(const uint8_t *in, size_t len, uint8_t *out, size_t room);
/* True if the packed bytes are well formed and stand for exactly `len` bytes, now in `out`. Reads
 * and writes nothing outside, whatever the input. */
must_check bool lzf_unpack(const uint8_t *in, size_t in_len, uint8_t *out, size_t len);
