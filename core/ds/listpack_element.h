/* The bytes of one element of a listpack, read in place: for core/ds/listpack.c, where they are
 * described, and for what checks whole listpacks. Nothing is verified here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define LISTPACK_HEADER 6
#define LISTPACK_END 0xff

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

static inline uint32_t listpack_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static inline size_t backlen_bytes(size_t len)
{
    if (likely(len <= 127))
        return 1;
    if (len < (1 << 14) - 1)
        return 2;
    if (len < (1 << 21) - 1)
        return 3;
    return len < (1 << 28) - 1 ? 4 : 5;
}

/* Encoding and data of the element, without its backlen. */
static inline size_t element_bytes(const uint8_t *at)
{
    uint8_t first = at[0];

    if (first < 0x80)
        return 1;
    if (first < 0xc0)
        return 1 + (size_t)(first & 63);
    if (first < 0xe0)
        return 2;
    if (first < 0xf0)
        return 2 + ((size_t)(first & 15) << 8 | at[1]);
    if (first == 0xf0)
        return 5 + (size_t)listpack_u32(at + 1);
    return first == 0xf4 ? 9 : (size_t)first - 0xf1 + 3;
}

static inline const uint8_t *element_next(const uint8_t *at)
{
    size_t bytes = element_bytes(at);

    return at + bytes + backlen_bytes(bytes);
}

static inline bool element_int(const uint8_t *at, int64_t *out)
{
    uint8_t first = at[0];
    uint64_t bits = 0;

    if (first < 0x80) {
        *out = first;
        return true;
    }
    if (first < 0xc0 || (first >= 0xe0 && first <= 0xf0))
        return false;
    if (first < 0xe0) {
        bits = (uint64_t)(first & 31) << 8 | at[1];
        *out = (int64_t)(bits << 51) >> 51;
        return true;
    }
    switch (first) {
    case 0xf1: memcpy(&bits, at + 1, 2); *out = (int16_t)bits; break;
    case 0xf2: memcpy(&bits, at + 1, 3); *out = (int64_t)(bits << 40) >> 40; break;
    case 0xf3: memcpy(&bits, at + 1, 4); *out = (int32_t)bits; break;
    default: memcpy(&bits, at + 1, 8); *out = (int64_t)bits; break;
    }
    return true;
}

/* The bytes of an element that is no integer. */
static inline struct slice element_text(const uint8_t *at)
{
    uint8_t first = at[0];

    if (first < 0xc0)
        return (struct slice){(const char *)at + 1, first & 63};
    if (first < 0xf0)
        return (struct slice){(const char *)at + 2, (size_t)(first & 15) << 8 | at[1]};
    return (struct slice){(const char *)at + 5, listpack_u32(at + 1)};
}
