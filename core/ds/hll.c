/* HyperLogLog, in the format that is documented for Redis.
 *
 *   0   "HYLL"                  16 ..  registers
 *   4   0 dense, 1 sparse
 *   5   three bytes, 0
 *   8   the estimate, u64 little-endian; its highest bit set: out of date
 *
 * An element's hash (MurmurHash64A, Appleby, under a fixed seed) names one of 16,384 registers by
 * its low 14 bits; the rank is the number of the first set bit among the others, from 1 to 51, and
 * the register keeps the highest rank.
 *
 * Dense: six bits a register, lowest bits first. Sparse: a run of
 *
 *   00nnnnnn            n + 1 registers are 0
 *   01nnnnnn nnnnnnnn   the same, up to 16,384, high bits first
 *   1vvvvvnn            n + 1 registers are v + 1 (ranks up to 32)
 *
 * that stands for exactly 16,384 registers. A change splits the run it falls into in up to three;
 * then runs of one rank that lie side by side are joined, looking at five items from the one before
 * on. How far one looks is not part of the format, but the same choice gives the same bytes.
 *
 * The estimate is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches", 2017,
 * algorithm 6), from the histogram of ranks alone: no tables, no cases.
 */
#include "core/ds/hll.h"

#include <math.h>
#include <string.h>

#define RANKS 64
#define INDEX_BITS 14
#define HASH_BITS_LEFT (64 - INDEX_BITS)
#define HASH_SEED 0xadc83b19u
#define DENSE 0
#define SPARSE 1
#define OUT_OF_DATE 0x80
#define ZERO_RUN_MAX 64
#define LONG_RUN_MAX 16384
#define VALUE_RUN_MAX 4
#define VALUE_RANK_MAX 32
#define JOIN_LOOKS 5
/* alpha for an unlimited number of registers: 1 / (2 ln 2) */
#define ALPHA 0.721347520444481703680

static const char magic[4] = {'H', 'Y', 'L', 'L'};

bool hll_is(struct slice value)
{
    if (value.len < HLL_HEADER_BYTES || memcmp(value.data, magic, sizeof magic) != 0)
        return false;
    if (value.data[4] == DENSE)
        return value.len == HLL_DENSE_BYTES;
    return value.data[4] == SPARSE;
}

bool hll_is_dense(struct slice value)
{
    return value.data[4] == DENSE;
}

void hll_init(struct buf *value)
{
    static const char empty[] = {'H', 'Y', 'L', 'L', SPARSE, 0, 0, 0, 0, 0,   0,
                                 0,   0,   0,   0,   0,      0x7f,        (char)0xff};

    buf_clear(value);
    buf_append(value, empty, sizeof empty);
}

/* --- Hash ------------------------------------------------------------------------------------- */

static uint64_t murmur_64a(struct slice text, uint64_t seed)
{
    const uint64_t m = 0xc6a4a7935bd1e995ull;
    const uint8_t *at = (const uint8_t *)text.data, *end = at + (text.len & ~(size_t)7);
    uint64_t hash = seed ^ text.len * m, word;

    for (; at < end; at += 8) {
        memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word);
#endif
        word *= m;
        word ^= word >> 47;
        word *= m;
        hash ^= word;
        hash *= m;
    }
    if ((text.len & 7) != 0) {
        word = 0;
        for (size_t i = text.len & 7; i > 0; i--)
            word = word << 8 | at[i - 1];
        hash ^= word;
        hash *= m;
    }
    hash ^= hash >> 47;
    hash *= m;
    hash ^= hash >> 47;
    return hash;
}

unsigned hll_register_of(struct slice element, uint8_t *rank)
{
    uint64_t hash = murmur_64a(element, HASH_SEED), rest = hash >> INDEX_BITS;

    /* A bit beyond the last ends the search. */
    *rank = (uint8_t)(__builtin_ctzll(rest | 1ull << HASH_BITS_LEFT) + 1);
    return (unsigned)(hash & (HLL_REGISTERS - 1));
}

/* --- Dense ------------------------------------------------------------------------------------ */

static uint8_t dense_get(const uint8_t *registers, unsigned index)
{
    unsigned bit = index * 6, shift = bit & 7;
    unsigned pair = registers[bit >> 3];

    /* The last register ends with the last byte. */
    if (shift > 2)
        pair |= (unsigned)registers[(bit >> 3) + 1] << 8;
    return pair >> shift & 63;
}

static void dense_set(uint8_t *registers, unsigned index, uint8_t rank)
{
    unsigned bit = index * 6, shift = bit & 7;
    uint8_t *at = registers + (bit >> 3);

    at[0] = (uint8_t)((at[0] & ~(63u << shift)) | (unsigned)rank << shift);
    if (shift > 2)
        at[1] = (uint8_t)((at[1] & ~(63u >> (8 - shift))) | rank >> (8 - shift));
}

uint8_t hll_dense_rank(const char *value, unsigned index)
{
    return dense_get((const uint8_t *)value + HLL_HEADER_BYTES, index);
}

bool hll_dense_raise(char *value, unsigned index, uint8_t rank)
{
    uint8_t *registers = (uint8_t *)value + HLL_HEADER_BYTES;

    if (dense_get(registers, index) >= rank)
        return false;
    dense_set(registers, index, rank);
    return true;
}

/* --- Sparse ----------------------------------------------------------------------------------- */

/* One item of a sparse value. */
struct run {
    unsigned bytes, count;
    uint8_t rank;
};

/* The item at `at`; false if it is cut. */
static bool run_read(const uint8_t *at, const uint8_t *end, struct run *run)
{
    if (at >= end)
        return false;
    if (at[0] & 0x80) {
        *run = (struct run){1, (at[0] & 3u) + 1, (uint8_t)((at[0] >> 2 & 31) + 1)};
        return true;
    }
    if (!(at[0] & 0x40)) {
        *run = (struct run){1, (at[0] & 63u) + 1, 0};
        return true;
    }
    if (end - at < 2)
        return false;
    *run = (struct run){2, ((at[0] & 63u) << 8 | at[1]) + 1, 0};
    return true;
}

/* Write a run; returns what is behind it. */
static uint8_t *run_write(uint8_t *at, unsigned count, uint8_t rank)
{
    if (count == 0)
        return at;
    if (rank > 0) {
        *at++ = (uint8_t)(0x80 | (rank - 1) << 2 | (count - 1));
    } else if (count <= ZERO_RUN_MAX) {
        *at++ = (uint8_t)(count - 1);
    } else {
        *at++ = (uint8_t)(0x40 | (count - 1) >> 8);
        *at++ = (uint8_t)(count - 1);
    }
    return at;
}

static const uint8_t *runs_of(struct slice value, const uint8_t **end)
{
    *end = (const uint8_t *)value.data + value.len;
    return (const uint8_t *)value.data + HLL_HEADER_BYTES;
}

bool hll_to_dense(struct buf *value)
{
    struct buf dense = {0};
    const uint8_t *at, *end;
    unsigned index = 0;
    struct run run;

    if (hll_is_dense(buf_slice(value)))
        return true;
    memset(buf_reserve(&dense, HLL_DENSE_BYTES), 0, HLL_DENSE_BYTES);
    dense.len = HLL_DENSE_BYTES;
    memcpy(dense.data, value->data, HLL_HEADER_BYTES);
    dense.data[4] = DENSE;
    for (at = runs_of(buf_slice(value), &end); at < end; at += run.bytes) {
        if (!run_read(at, end, &run) || run.count > HLL_REGISTERS - index)
            break;
        for (unsigned i = 0; run.rank > 0 && i < run.count; i++)
            dense_set((uint8_t *)dense.data + HLL_HEADER_BYTES, index + i, run.rank);
        index += run.count;
    }
    if (at < end || index != HLL_REGISTERS) {
        buf_free(&dense);
        return false;
    }
    buf_swap(value, &dense);
    buf_free(&dense);
    return true;
}

/* Join runs of one rank that lie side by side, from `at` on. */
static void join_runs(struct buf *value, size_t from)
{
    uint8_t *at = (uint8_t *)value->data + from;

    for (int looks = JOIN_LOOKS; looks > 0; looks--) {
        const uint8_t *end = (const uint8_t *)value->data + value->len;
        struct run run, next;

        if (!run_read(at, end, &run))
            return;
        if (run.rank > 0 && run_read(at + 1, end, &next) && next.rank == run.rank &&
            run.count + next.count <= VALUE_RUN_MAX) {
            run_write(at, run.count + next.count, run.rank);
            memmove(at + 1, at + 2, (size_t)(end - at) - 2);
            value->len--;
        } else {
            at += run.bytes;
        }
    }
}

static enum hll_result raise_by_dense(struct buf *value, unsigned index, uint8_t rank)
{
    if (!hll_to_dense(value))
        return HLL_DAMAGED;
    return hll_dense_raise(value->data, index, rank) ? HLL_CHANGED : HLL_SAME;
}

enum hll_result hll_raise(struct buf *value, unsigned index, uint8_t rank, size_t sparse_bytes_max)
{
    const uint8_t *at, *end, *previous = NULL;
    uint8_t items[6], *item = items;
    unsigned first = 0, before, behind;
    struct run run;
    size_t place, bytes, join_from;

    if (hll_is_dense(buf_slice(value)))
        return hll_dense_raise(value->data, index, rank) ? HLL_CHANGED : HLL_SAME;
    if (rank > VALUE_RANK_MAX)
        return raise_by_dense(value, index, rank);
    for (at = runs_of(buf_slice(value), &end);; at += run.bytes) {
        if (!run_read(at, end, &run))
            return HLL_DAMAGED;
        if (index < first + run.count)
            break;
        first += run.count;
        previous = at;
    }
    if (run.rank >= rank)
        return HLL_SAME;
    before = index - first;
    behind = first + run.count - index - 1;
    item = run_write(item, before, run.rank);
    item = run_write(item, 1, rank);
    item = run_write(item, behind, run.rank);
    bytes = (size_t)(item - items);
    if (bytes > run.bytes && value->len + bytes - run.bytes > sparse_bytes_max)
        return raise_by_dense(value, index, rank);
    place = (size_t)(at - (const uint8_t *)value->data);
    /* Joining begins with the item before; there may be none. */
    join_from = previous == NULL ? HLL_HEADER_BYTES
                                 : (size_t)(previous - (const uint8_t *)value->data);
    buf_reserve(value, sizeof items);
    memmove(value->data + place + bytes, value->data + place + run.bytes,
            value->len - place - run.bytes);
    memcpy(value->data + place, items, bytes);
    value->len += bytes - run.bytes;
    join_runs(value, join_from);
    return HLL_CHANGED;
}

/* --- Estimates -------------------------------------------------------------------------------- */

bool hll_merge_into(uint8_t registers[static HLL_REGISTERS], struct slice value)
{
    const uint8_t *end, *at = runs_of(value, &end);
    unsigned index = 0;
    struct run run;

    if (hll_is_dense(value)) {
        for (unsigned i = 0; i < HLL_REGISTERS; i++) {
            uint8_t rank = dense_get(at, i);

            if (rank > registers[i])
                registers[i] = rank;
        }
        return true;
    }
    for (; at < end; at += run.bytes) {
        if (!run_read(at, end, &run) || run.count > HLL_REGISTERS - index)
            return false;
        for (unsigned i = 0; run.rank > 0 && i < run.count; i++)
            if (run.rank > registers[index + i])
                registers[index + i] = run.rank;
        index += run.count;
    }
    return index == HLL_REGISTERS;
}

/* tau and sigma of the paper: series that are summed until nothing changes. */
static double tau(double x)
{
    double y = 1.0, z = 1 - x, before;

    if (x == 0.0 || x == 1.0)
        return 0.0;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

static double sigma(double x)
{
    double y = 1, z = x, before;

    if (x == 1.0)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static uint64_t estimate(const unsigned histogram[static RANKS])
{
    const double m = HLL_REGISTERS;
    double z = m * tau((m - histogram[HASH_BITS_LEFT + 1]) / m);

    for (int rank = HASH_BITS_LEFT; rank >= 1; rank--) {
        z += histogram[rank];
        z *= 0.5;
    }
    z += m * sigma(histogram[0] / m);
    return (uint64_t)llroundl(ALPHA * m * m / z);
}

uint64_t hll_estimate_of(const uint8_t registers[static HLL_REGISTERS])
{
    unsigned histogram[RANKS] = {0};

    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        histogram[registers[i] & 63]++;
    return estimate(histogram);
}

bool hll_estimate(struct slice value, uint64_t *out)
{
    const uint8_t *end, *at = runs_of(value, &end);
    unsigned histogram[RANKS] = {0}, index = 0;
    struct run run;

    if (hll_is_dense(value)) {
        for (; at < end; at += 3) {
            uint32_t four = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;

            histogram[four & 63]++;
            histogram[four >> 6 & 63]++;
            histogram[four >> 12 & 63]++;
            histogram[four >> 18]++;
        }
    } else {
        for (; at < end; at += run.bytes) {
            if (!run_read(at, end, &run) || run.count > HLL_REGISTERS - index)
                return false;
            histogram[run.rank] += run.count;
            index += run.count;
        }
        if (index != HLL_REGISTERS)
            return false;
    }
    *out = estimate(histogram);
    return true;
}

bool hll_cached(struct slice value, uint64_t *out)
{
    if ((uint8_t)value.data[15] & OUT_OF_DATE)
        return false;
    *out = 0;
    for (int i = 15; i >= 8; i--)
        *out = *out << 8 | (uint8_t)value.data[i];
    return true;
}

void hll_cache(char *value, uint64_t estimate_now)
{
    for (int i = 0; i < 8; i++)
        value[8 + i] = (char)(estimate_now >> 8 * i);
}

void hll_forget_cached(char *value)
{
    value[15] = (char)((uint8_t)value[15] | OUT_OF_DATE);
}

bool hll_describe(struct slice value, struct buf *out)
{
    const uint8_t *end, *at;
    struct run run;

    for (at = runs_of(value, &end); at < end; at += run.bytes) {
        if (!run_read(at, end, &run))
            return false;
        if (out->len > 0)
            buf_append_char(out, ' ');
        if (run.rank > 0)
            buf_printf(out, "v:%u,%u", run.rank, run.count);
        else
            buf_printf(out, "%c:%u", run.bytes == 2 ? 'Z' : 'z', run.count);
    }
    return true;
}
