/* Folding: a sum is a remainder modulo a polynomial P, so 16 bytes that stand in front of others
 * may be replaced by what they are worth further behind. With the first bit of the bytes as the
 * highest power, moving 64 bits past n others multiplies them by x^n mod P: one carry-less
 * multiplication, whose 128 bits are added to the bytes there. Bits are reversed in both sums that
 * we have, hence a product comes out one power too high: the keys are x^(n-1) mod P, reversed, in
 * the upper bits.
 *
 * Four runs of 16 bytes go side by side, as a multiplication takes several cycles; then they are
 * folded into one. Tables take a cycle a byte and more, this a tenth; zlib 1.2's crc32 has a quick
 * way only for long runs, and batches of the log are short.
 */
#include "core/base/crc_fold.h"

#include "core/base/attr.h"

#ifdef __x86_64__
#include <immintrin.h>

#define FOLDS __attribute__((target("pclmul,sse4.1")))

FOLDS static inline __m128i load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

FOLDS static inline __m128i fold(__m128i moved, __m128i keys, __m128i onto)
{
    __m128i low = _mm_clmulepi64_si128(moved, keys, 0x00);
    __m128i high = _mm_clmulepi64_si128(moved, keys, 0x11);

    return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

FOLDS static size_t fold_all(const struct crc_fold_keys *keys, uint64_t begun, const uint8_t *bytes,
                             size_t len, uint8_t out[static CRC_FOLDED])
{
    const uint8_t *at = bytes;
    __m128i past_64 = load((const uint8_t *)keys->past_64);
    __m128i past_16 = load((const uint8_t *)keys->past_16);
    __m128i run[4] = {load(at), load(at + 16), load(at + 32), load(at + 48)};

    run[0] = _mm_xor_si128(run[0], _mm_set_epi64x(0, (int64_t)begun));
    for (at += 64, len -= 64; len >= 64; at += 64, len -= 64) {
        for (int i = 0; i < 4; i++)
            run[i] = fold(run[i], past_64, load(at + 16 * i));
    }
    for (int i = 0; i < 3; i++)
        run[i + 1] = fold(run[i], past_16, run[i + 1]);
    for (; len >= 16; at += 16, len -= 16)
        run[3] = fold(run[3], past_16, load(at));
    _mm_storeu_si128((__m128i *)(void *)out, run[3]);
    return (size_t)(at - bytes);
}

size_t crc_fold(const struct crc_fold_keys *keys, uint64_t begun, const uint8_t *bytes, size_t len,
                uint8_t out[static CRC_FOLDED])
{
    if (len < CRC_FOLD_LEAST || unlikely(!__builtin_cpu_supports("pclmul")) ||
        unlikely(!__builtin_cpu_supports("sse4.1")))
        return 0;
    return fold_all(keys, begun, bytes, len, out);
}

#else

size_t crc_fold(const struct crc_fold_keys *keys unused, uint64_t begun unused,
                const uint8_t *bytes unused, size_t len unused,
                uint8_t out[static CRC_FOLDED] unused)
{
    return 0;
}

#endif
