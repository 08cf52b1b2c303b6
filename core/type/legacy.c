/* Ziplists and zipmaps.
 *
 * A ziplist (numbers little-endian where not said otherwise):
 *
 *   0   bytes in all, u32         10 ..  elements
 *   4   offset of the last, u32   last   0xff
 *   8   count, u16 (65535: not known)
 *
 * An element is the length of the one before it (one byte up to 253, or 0xfe and u32), then
 *
 *   00LLLLLL                 string of up to 63 bytes      11000000  i16       1111vvvv  v - 1,
 *   01LLLLLL LLLLLLLL        up to 16,383 (big-endian)     11010000  i32       v from 1 to 13
 *   10000000 and u32         (big-endian)                  11100000  i64
 *                                                          11110000  24 bits
 *                                                          11111110  i8
 *
 * A zipmap is a byte for the count of pairs (254 and above: not known), pairs, and 0xff. A pair is
 * the field's length (one byte up to 253, or 0xfe and u32) and bytes, the value's length in the
 * same form, one byte for how many bytes are unused behind the value, the value, and those.
 */
#include "core/type/legacy.h"

#include "core/base/num.h"
#include "core/ds/listpack.h"

#define ZIPLIST_HEADER 10
#define ZIPLIST_COUNT_UNKNOWN 65535
#define ZIPMAP_COUNT_UNKNOWN 254
#define LONG_LENGTH 254
#define END_MARK 255
/* The same elements take less than twice the bytes in a listpack. */
#define CONVERTED_BYTES_MAX (LISTPACK_BYTES_MAX / 2)

static uint64_t get_little(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = bytes; i > 0; i--)
        value = value << 8 | at[i - 1];
    return value;
}

/* Bytes between here and the end mark. */
static size_t left(const struct legacy *walk)
{
    return (size_t)(walk->end - 1 - walk->at);
}

/* A length of one or five bytes; false if it is not all there, or the end mark. */
static bool get_length(struct legacy *walk, size_t *out)
{
    if (left(walk) < 1 || walk->at[0] == END_MARK)
        return false;
    if (walk->at[0] < LONG_LENGTH) {
        *out = *walk->at++;
        return true;
    }
    if (left(walk) < 5)
        return false;
    *out = (size_t)get_little(walk->at + 1, 4);
    walk->at += 5;
    return true;
}

/* `len` bytes before the end mark; false if there are fewer. */
static bool get_bytes(struct legacy *walk, size_t len, struct slice *out)
{
    if (len > left(walk))
        return false;
    *out = (struct slice){(const char *)walk->at, len};
    walk->at += len;
    return true;
}

bool ziplist_begin(struct legacy *walk, struct slice bytes)
{
    const uint8_t *start = (const uint8_t *)bytes.data;

    if (bytes.len < ZIPLIST_HEADER + 1 || get_little(start, 4) != bytes.len ||
        start[bytes.len - 1] != END_MARK)
        return false;
    *walk = (struct legacy){
        .start = start,
        .at = start + ZIPLIST_HEADER,
        .end = start + bytes.len,
        .tail = (uint32_t)get_little(start + 4, 4),
        .count = (uint32_t)get_little(start + 8, 2),
    };
    walk->count_known = walk->count != ZIPLIST_COUNT_UNKNOWN;
    return walk->tail >= ZIPLIST_HEADER && walk->tail < bytes.len;
}

/* The integer of `bytes` bytes, sign extended, as digits. */
static bool get_integer(struct legacy *walk, size_t bytes, char digits[static LEGACY_DIGITS],
                        struct slice *out)
{
    unsigned unused_bits = (unsigned)(64 - 8 * bytes);
    struct slice raw;
    int64_t value;

    if (!get_bytes(walk, bytes, &raw))
        return false;
    value = (int64_t)(get_little((const uint8_t *)raw.data, bytes) << unused_bits) >> unused_bits;
    *out = (struct slice){digits, num_format_i64(digits, value)};
    return true;
}

/* Encoding and data of an element; the length before it has been read. */
static bool get_element(struct legacy *walk, char digits[static LEGACY_DIGITS], struct slice *out)
{
    uint8_t code;

    if (left(walk) < 1)
        return false;
    code = *walk->at++;
    switch (code >> 6) {
    case 0:
        return get_bytes(walk, code, out);
    case 1:
        if (left(walk) < 1)
            return false;
        return get_bytes(walk, (size_t)(code & 63) << 8 | *walk->at++, out);
    case 2:
        if (code != 0x80 || left(walk) < 4)
            return false;
        walk->at += 4;
        return get_bytes(walk,
                         (size_t)walk->at[-4] << 24 | (size_t)walk->at[-3] << 16 |
                             (size_t)walk->at[-2] << 8 | walk->at[-1],
                         out);
    default:
        break;
    }
    switch (code) {
    case 0xc0: return get_integer(walk, 2, digits, out);
    case 0xd0: return get_integer(walk, 4, digits, out);
    case 0xe0: return get_integer(walk, 8, digits, out);
    case 0xf0: return get_integer(walk, 3, digits, out);
    case 0xfe: return get_integer(walk, 1, digits, out);
    default: break;
    }
    if (code < 0xf1 || code > 0xfd)
        return false;
    *out = (struct slice){digits, num_format_i64(digits, (code & 15) - 1)};
    return true;
}

enum legacy_step ziplist_next(struct legacy *walk, char digits[static LEGACY_DIGITS],
                              struct slice *out)
{
    const uint8_t *element = walk->at;
    size_t previous;

    if (left(walk) == 0) {
        bool right = (!walk->count_known || walk->counted == walk->count) &&
            walk->tail == (size_t)(walk->at - walk->start) - walk->previous;

        return right ? LEGACY_END : LEGACY_DAMAGED;
    }
    if (!get_length(walk, &previous) || previous != walk->previous ||
        !get_element(walk, digits, out))
        return LEGACY_DAMAGED;
    walk->previous = (size_t)(walk->at - element);
    walk->counted++;
    return LEGACY_ITEM;
}

bool zipmap_begin(struct legacy *walk, struct slice bytes)
{
    const uint8_t *start = (const uint8_t *)bytes.data;

    if (bytes.len < 2 || start[bytes.len - 1] != END_MARK)
        return false;
    *walk = (struct legacy){
        .start = start,
        .at = start + 1,
        .end = start + bytes.len,
        .count = start[0],
        .count_known = start[0] < ZIPMAP_COUNT_UNKNOWN,
    };
    return true;
}

enum legacy_step zipmap_next(struct legacy *walk, struct slice *field, struct slice *value)
{
    struct slice unused_bytes;
    size_t len, spare;

    if (left(walk) == 0)
        return !walk->count_known || walk->counted == walk->count ? LEGACY_END : LEGACY_DAMAGED;
    if (!get_length(walk, &len) || !get_bytes(walk, len, field) || !get_length(walk, &len) ||
        left(walk) < 1)
        return LEGACY_DAMAGED;
    spare = *walk->at++;
    if (!get_bytes(walk, len, value) || !get_bytes(walk, spare, &unused_bytes))
        return LEGACY_DAMAGED;
    walk->counted++;
    return LEGACY_ITEM;
}

uint8_t *ziplist_to_listpack(struct slice bytes)
{
    char digits[LEGACY_DIGITS];
    struct legacy walk;
    struct slice text;
    enum legacy_step step;
    uint8_t *listpack;

    if (bytes.len > CONVERTED_BYTES_MAX || !ziplist_begin(&walk, bytes))
        return NULL;
    listpack = listpack_new(bytes.len);
    while ((step = ziplist_next(&walk, digits, &text)) == LEGACY_ITEM)
        listpack = listpack_append(listpack, text);
    if (step == LEGACY_END)
        return listpack_shrink(listpack);
    listpack_free(listpack);
    return NULL;
}

uint8_t *zipmap_to_listpack(struct slice bytes)
{
    struct slice field, value;
    struct legacy walk;
    enum legacy_step step;
    uint8_t *listpack;

    if (bytes.len > CONVERTED_BYTES_MAX || !zipmap_begin(&walk, bytes))
        return NULL;
    listpack = listpack_new(bytes.len);
    while ((step = zipmap_next(&walk, &field, &value)) == LEGACY_ITEM)
        listpack = listpack_append(listpack_append(listpack, field), value);
    if (step == LEGACY_END)
        return listpack_shrink(listpack);
    listpack_free(listpack);
    return NULL;
}
