/* Checksums by carry-less multiplication, where the processor has it. Essay in crc_fold.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRC_FOLD_LEAST 64 /* bytes that it takes at least */
#define CRC_FOLDED 16

/* Of one polynomial: what moves the halves of 16 bytes past 64 and past 16 others. */
struct crc_fold_keys {
    uint64_t past_64[2], past_16[2];
};

/* Fold `bytes` up to a multiple of 16 into `out`: 16 bytes with the same sum, begun with 0.
 * `begun` is the sum before them. Returns how many bytes were taken; 0, and nothing written, if
 * there are too few, or the processor can't. */
size_t crc_fold(const struct crc_fold_keys *keys, uint64_t begun, const uint8_t *bytes, size_t len,
                uint8_t out[static CRC_FOLDED]);
