/* A HyperLogLog is a string that anyone may set: whatever its bytes, it is refused, found damaged,
 * or read, raised, merged and made dense; never a crash. The first byte chooses what is done. */
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/ds/hll.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAISES 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t registers[HLL_REGISTERS];
    struct buf value = {0}, text = {0};
    uint64_t estimate = 0, dense = 0;
    size_t sparse_max;
    bool good;

    if (size < 1 || size > 1 << 16 ||
        !hll_is((struct slice){(const char *)data + 1, size - 1}))
        return 0;
    sparse_max = data[0] % 2 == 0 ? 3000 : size;
    buf_append(&value, data + 1, size - 1);
    good = hll_estimate(buf_slice(&value), &estimate);
    /* Runs that are too many or too few in all can be described. */
    if (!hll_is_dense(buf_slice(&value)))
        kv_assert(hll_describe(buf_slice(&value), &text) || !good);
    kv_assert(hll_merge_into(registers, buf_slice(&value)) == good);
    for (unsigned i = 0; i < RAISES; i++) {
        uint8_t rank;
        unsigned index = hll_register_of(
            (struct slice){(const char *)data + i % size, size - i % size}, &rank);
        enum hll_result result = hll_raise(&value, index, rank, sparse_max);

        kv_assert(result != HLL_DAMAGED || !good);
    }
    kv_assert(hll_is(buf_slice(&value)));
    good = hll_estimate(buf_slice(&value), &estimate);
    kv_assert(hll_to_dense(&value) == good);
    if (good) {
        kv_assert(hll_estimate(buf_slice(&value), &dense));
        kv_assert(estimate == dense);
    }
    buf_free(&value);
    buf_free(&text);
    return 0;
}
