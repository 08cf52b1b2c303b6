/* CRC-64/Jones, folded (crc_fold.c), or eight bytes at a step.
 *
 * The sum is the remainder of the bytes, taken as a polynomial over bits (lowest bit of the first
 * byte first), divided by 0xad93d23594c935a9. tables[n][b] is what byte b followed by n zero bytes
 * gives; since sums are linear, the 256 sums of a table follow from those of its eight powers of
 * two, and those are all that is written down here.
 *
 * Joining two sums is moving the first past the length of the second: multiplying it by x^(8 *
 * length) modulo the polynomial, by repeated squaring.
 */
#include "core/base/crc64.h"

#include <string.h>

#include "core/base/crc_fold.h"

/* The polynomial with its bits reversed, less the leading one. */
#define POLYNOMIAL 0x95ac9329ac4bc9b5ull
/* In reversed bits the highest stands for x^0. */
#define ONE (1ull << 63)

#define BIT(i, k, sum) (((i) >> (k) & 1) != 0 ? sum##ull : 0)
#define CELL(i, a, b, c, d, e, f, g, h)                                                            \
    BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ BIT(i, 4, e) ^ BIT(i, 5, f) ^      \
        BIT(i, 6, g) ^ BIT(i, 7, h)
#define CELLS_4(i, ...)                                                                            \
    CELL(i, __VA_ARGS__), CELL(i + 1, __VA_ARGS__), CELL(i + 2, __VA_ARGS__),                      \
        CELL(i + 3, __VA_ARGS__)
#define CELLS_16(i, ...)                                                                           \
    CELLS_4(i, __VA_ARGS__), CELLS_4(i + 4, __VA_ARGS__), CELLS_4(i + 8, __VA_ARGS__),             \
        CELLS_4(i + 12, __VA_ARGS__)
#define CELLS_64(i, ...)                                                                           \
    CELLS_16(i, __VA_ARGS__), CELLS_16(i + 16, __VA_ARGS__), CELLS_16(i + 32, __VA_ARGS__),        \
        CELLS_16(i + 48, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {                                                                                              \
        CELLS_64(0, __VA_ARGS__), CELLS_64(64, __VA_ARGS__), CELLS_64(128, __VA_ARGS__),           \
            CELLS_64(192, __VA_ARGS__)                                                             \
    }

static const uint64_t tables[8][256] = {
    TABLE(0x7ad870c830358979, 0xf5b0e190606b12f2, 0xc038e5739841b68f, 0xab28ecb46814fe75,
          0x7d08ff3b88be6f81, 0xfa11fe77117cdf02, 0xdf7adabd7a6e2d6f, 0x95ac9329ac4bc9b5),
    TABLE(0x89e99ffd73bddf69, 0x388a19a9bfec2db9, 0x711433537fd85b72, 0xe22866a6ffb0b6e4,
          0xef09eb1ea7f6fea3, 0xf54af06e177a6e2d, 0xc1ccc68f76634f31, 0xa8c0ab4db4510d09),
    TABLE(0xf4125129ce4038be, 0xc37d8400c417e217, 0xada22e52d0b85745, 0x701d7af6f9e73de1,
          0xe03af5edf3ce7bc2, 0xeb2ccd88bf0b64ef, 0xfd00bd4226815ab5, 0xd1585cd715952601),
    TABLE(0x8ce168638c796306, 0x329bf69440655567, 0x6537ed2880caaace, 0xca6fda510195559c,
          0xbf8692f15bbd3853, 0x545403b1efede3cd, 0xa8a80763dfdbc79a, 0x7a092894e7201c5f),
    TABLE(0x3504e58b9ba6dd1e, 0x6a09cb17374dba3c, 0xd413962e6e9b7478, 0x837e0a0f85a17b9b,
          0x2da5324c53d5645d, 0x5b4a6498a7aac8ba, 0xb694c9314f559174, 0x4670b431c63cb183),
    TABLE(0xe39d1389931b9354, 0xec6301407ea0b5c3, 0xf39f24d3a5d6f8ed, 0xcc676ff4133a62b1,
          0xb397f9bb7ee35609, 0x4c76d525a5513f79, 0x98edaa4b4aa27ef2, 0x1a8272c5cdd36e8f),
    TABLE(0x62a95de6e302eff2, 0xc552bbcdc605dfe4, 0xa1fc51c8d49c2ca3, 0x68a185c2f1afca2d,
          0xd1430b85e35f945a, 0x89df31589e28bbdf, 0x38e744e264c6e4d5, 0x71ce89c4c98dc9aa),
    TABLE(0x381d0015c96f4444, 0x703a002b92de8888, 0xe074005725bd1110, 0xebb126fd13edb14b,
          0xfc3b6ba97f4cf1fd, 0xd32ff101a60e7091, 0x8d06c450148b7249, 0x3154aef3718177f9),
};

static uint64_t by_tables(uint64_t crc, const uint8_t *at, size_t len)
{
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word ^= crc;
        crc = tables[7][word & 255] ^ tables[6][word >> 8 & 255] ^ tables[5][word >> 16 & 255] ^
            tables[4][word >> 24 & 255] ^ tables[3][word >> 32 & 255] ^
            tables[2][word >> 40 & 255] ^ tables[1][word >> 48 & 255] ^ tables[0][word >> 56];
    }
    for (; len > 0; at++, len--)
        crc = crc >> 8 ^ tables[0][(crc ^ *at) & 255];
    return crc;
}

uint64_t crc64_bytes(uint64_t crc, const void *bytes, size_t len)
{
    static const struct crc_fold_keys keys = {{0xaf86efb16d9ab4fb, 0xf49784a634f014e4},
                                              {0xd9d7be7d505da32c, 0x381d0015c96f4444}};
    uint8_t folded[CRC_FOLDED];
    size_t taken = crc_fold(&keys, crc, bytes, len, folded);

    if (taken > 0)
        crc = by_tables(0, folded, sizeof(folded));
    return by_tables(crc, (const uint8_t *)bytes + taken, len - taken);
}

/* The product of two polynomials, modulo ours. */
static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product = 0;

    for (uint64_t bit = ONE; bit != 0; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
    }
    return product;
}

uint64_t crc64_combine(uint64_t first, uint64_t second, uint64_t second_len)
{
    uint64_t power = ONE >> 8; /* x^8: one byte */

    for (; second_len > 0; second_len >>= 1) {
        if (second_len & 1)
            first = multiply(first, power);
        power = multiply(power, power);
    }
    return first ^ second;
}
