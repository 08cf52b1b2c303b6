/* Intsets. The integers are read and written through memcpy, in the order of bytes of the file
 * format, which is that of the machines this runs on. */
#include "core/ds/intset.h"

#include <string.h>

#include "core/base/rng.h"
#include "core/ds/block.h"

#define INTSET_HEADER 8

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file format is little-endian");

static uint32_t intset_width(const uint8_t *intset)
{
    uint32_t width;

    memcpy(&width, intset, sizeof(width));
    return width;
}

static void intset_set_header(uint8_t *intset, uint32_t width, uint32_t count)
{
    memcpy(intset, &width, sizeof(width));
    memcpy(intset + 4, &count, sizeof(count));
}

static int64_t intset_read(const uint8_t *intset, uint32_t width, size_t index)
{
    const uint8_t *at = intset + INTSET_HEADER + index * width;
    int64_t wide;
    int32_t middle;
    int16_t narrow;

    if (width == 2) {
        memcpy(&narrow, at, sizeof(narrow));
        return narrow;
    }
    if (width == 4) {
        memcpy(&middle, at, sizeof(middle));
        return middle;
    }
    memcpy(&wide, at, sizeof(wide));
    return wide;
}

static void intset_write(uint8_t *intset, uint32_t width, size_t index, int64_t value)
{
    memcpy(intset + INTSET_HEADER + index * width, &value, width);
}

static uint32_t intset_width_for(int64_t value)
{
    if (value >= INT16_MIN && value <= INT16_MAX)
        return 2;
    return value >= INT32_MIN && value <= INT32_MAX ? 4 : 8;
}

uint8_t *intset_new(void)
{
    uint8_t *intset = block_new(INTSET_HEADER);

    intset_set_header(intset, 2, 0);
    return intset;
}

void intset_free(uint8_t *intset)
{
    mem_free(intset);
}

uint8_t *intset_copy(const uint8_t *intset)
{
    size_t bytes = intset_bytes(intset);

    return memcpy(block_new(bytes), intset, bytes);
}

size_t intset_count(const uint8_t *intset)
{
    uint32_t count;

    memcpy(&count, intset + 4, sizeof(count));
    return count;
}

size_t intset_bytes(const uint8_t *intset)
{
    return INTSET_HEADER + intset_count(intset) * intset_width(intset);
}

size_t intset_memory(const uint8_t *intset)
{
    return mem_usable(intset);
}

/* The first index whose integer is not less than `value`. */
static size_t intset_search(const uint8_t *intset, uint32_t width, size_t count, int64_t value)
{
    size_t low = 0, len = count;

    /* What comes in order goes to the end. */
    if (count > 0 && intset_read(intset, width, count - 1) < value)
        return count;
    while (len > 0) {
        size_t half = len / 2;

        if (intset_read(intset, width, low + half) < value) {
            low += half + 1;
            len -= half + 1;
        } else {
            len = half;
        }
    }
    return low;
}

bool intset_has(const uint8_t *intset, int64_t value)
{
    uint32_t width = intset_width(intset);
    size_t count = intset_count(intset), at;

    if (intset_width_for(value) > width)
        return false;
    at = intset_search(intset, width, count, value);
    return at < count && intset_read(intset, width, at) == value;
}

int64_t intset_at(const uint8_t *intset, size_t index)
{
    kv_assert(index < intset_count(intset));
    return intset_read(intset, intset_width(intset), index);
}

/* All integers become wider; the new one is less or more than all of them. */
static uint8_t *intset_widen(uint8_t *intset, uint32_t width, size_t count, int64_t value)
{
    uint32_t wide = intset_width_for(value);
    size_t shift = value < 0;

    intset = block_grow(intset, INTSET_HEADER + count * width, INTSET_HEADER + (count + 1) * wide);
    for (size_t i = count; i > 0; i--)
        intset_write(intset, wide, i - 1 + shift, intset_read(intset, width, i - 1));
    intset_write(intset, wide, shift ? 0 : count, value);
    intset_set_header(intset, wide, (uint32_t)(count + 1));
    return intset;
}

uint8_t *intset_add(uint8_t *intset, int64_t value, bool *changed)
{
    uint32_t width = intset_width(intset);
    size_t count = intset_count(intset), at, bytes = INTSET_HEADER + count * width;
    uint8_t *from;

    *changed = true;
    kv_assert(count < UINT32_MAX);
    if (intset_width_for(value) > width)
        return intset_widen(intset, width, count, value);
    at = intset_search(intset, width, count, value);
    if (at < count && intset_read(intset, width, at) == value) {
        *changed = false;
        return intset;
    }
    intset = block_grow(intset, bytes, bytes + width);
    from = intset + INTSET_HEADER + at * width;
    memmove(from + width, from, (count - at) * width);
    intset_write(intset, width, at, value);
    intset_set_header(intset, width, (uint32_t)(count + 1));
    return intset;
}

uint8_t *intset_remove(uint8_t *intset, int64_t value, bool *changed)
{
    uint32_t width = intset_width(intset);
    size_t count = intset_count(intset), at, bytes = INTSET_HEADER + count * width;
    uint8_t *from;

    *changed = false;
    if (intset_width_for(value) > width)
        return intset;
    at = intset_search(intset, width, count, value);
    if (at == count || intset_read(intset, width, at) != value)
        return intset;
    *changed = true;
    from = intset + INTSET_HEADER + at * width;
    memmove(from, from + width, (count - at - 1) * width);
    intset_set_header(intset, width, (uint32_t)(count - 1));
    return block_shrink(intset, bytes, bytes - width);
}

int64_t intset_random(const uint8_t *intset, struct rng *rng)
{
    return intset_at(intset, (size_t)rng_below(rng, intset_count(intset)));
}

bool intset_valid(const uint8_t *bytes, size_t len)
{
    uint32_t width;
    size_t count;

    if (len < INTSET_HEADER)
        return false;
    width = intset_width(bytes);
    count = intset_count(bytes);
    if (width != 2 && width != 4 && width != 8)
        return false;
    if ((len - INTSET_HEADER) % width != 0 || (len - INTSET_HEADER) / width != count)
        return false;
    for (size_t i = 1; i < count; i++)
        if (intset_read(bytes, width, i - 1) >= intset_read(bytes, width, i))
            return false;
    return true;
}
