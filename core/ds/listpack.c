/* Listpacks. An element, by its first byte:
 *
 *   0xxxxxxx                   integer 0 .. 127
 *   10llllll                   string of up to 63 bytes, which follow
 *   110xxxxx x                 integer of 13 bits, with sign, upper bits first
 *   1110llll l                 string of up to 4,095 bytes
 *   0xf0 l l l l               string of 32 bits of length, little-endian like all that follow
 *   0xf1, 0xf2, 0xf3, 0xf4     integers of 2, 3, 4 and 8 bytes
 *   0xff                       the end
 *
 * Behind each comes its backlen: the bytes of the above in groups of 7 bits, upper groups first,
 * all bytes but the first with the upper bit set, so that it is read from the right. One of n bytes
 * holds less than 2^(7n) - 1 (127 still fits one): what stock servers write, and step by.
 */
#include "core/ds/listpack.h"

#include <string.h>

#include "core/base/num.h"
#include "core/ds/block.h"
#include "core/ds/listpack_element.h"

#define LISTPACK_COUNT_UNKNOWN 0xffffu
#define LISTPACK_INT_CHARS 20 /* of the longest integer */
#define LISTPACK_HEAD_MAX 9

_Static_assert(LISTPACK_DIGITS >= NUM_I64_MAX_CHARS, "an integer fits");

/* An element to be written. */
struct listpack_element {
    uint8_t head[LISTPACK_HEAD_MAX];
    uint8_t head_len;
    struct slice data;
    size_t total; /* with its backlen */
};

static void listpack_set_bytes(uint8_t *listpack, size_t bytes)
{
    uint32_t value = (uint32_t)bytes;

    kv_assert(bytes <= LISTPACK_BYTES_MAX);
    memcpy(listpack, &value, sizeof(value));
}

static unsigned listpack_header_count(const uint8_t *listpack)
{
    return listpack[4] | (unsigned)listpack[5] << 8;
}

/* `added` to the header's count, or, negative, taken from it. What was unknown stays so. */
static void listpack_add_count(uint8_t *listpack, int64_t added)
{
    int64_t count = listpack_header_count(listpack);

    if (count == LISTPACK_COUNT_UNKNOWN)
        return;
    count += added;
    if (count > (int64_t)LISTPACK_COUNT_UNKNOWN)
        count = LISTPACK_COUNT_UNKNOWN;
    listpack[4] = (uint8_t)count;
    listpack[5] = (uint8_t)(count >> 8);
}

static uint8_t *backlen_write(uint8_t *at, size_t len)
{
    size_t bytes = backlen_bytes(len);

    for (size_t i = bytes; i-- > 0;) {
        at[i] = (uint8_t)((len & 127) | (i > 0 ? 128 : 0));
        len >>= 7;
    }
    return at + bytes;
}

static struct listpack_element element_of_int(int64_t value)
{
    struct listpack_element element = {.head_len = 1};
    uint8_t *head = element.head;
    uint8_t width = 0;

    if (value >= 0 && value <= 127) {
        head[0] = (uint8_t)value;
    } else if (value >= -4096 && value <= 4095) {
        head[0] = (uint8_t)(0xc0 | ((value >> 8) & 31));
        head[1] = (uint8_t)value;
        element.head_len = 2;
    } else {
        if (value >= INT16_MIN && value <= INT16_MAX) {
            head[0] = 0xf1;
            width = 2;
        } else if (value >= -(1 << 23) && value < 1 << 23) {
            head[0] = 0xf2;
            width = 3;
        } else if (value >= INT32_MIN && value <= INT32_MAX) {
            head[0] = 0xf3;
            width = 4;
        } else {
            head[0] = 0xf4;
            width = 8;
        }
        memcpy(head + 1, &value, width);
        element.head_len = (uint8_t)(1 + width);
    }
    element.total = element.head_len + 1U;
    return element;
}

static bool text_is_int(struct slice text, int64_t *out)
{
    if (text.len == 0 || text.len > LISTPACK_INT_CHARS || text.data[0] > '9')
        return false;
    return num_parse_i64(text, out);
}

static struct listpack_element element_of(struct slice text)
{
    struct listpack_element element = {.data = text};
    uint8_t *head = element.head;
    size_t bytes;
    int64_t value;

    if (text_is_int(text, &value))
        return element_of_int(value);
    if (text.len < 64) {
        head[0] = (uint8_t)(0x80 | text.len);
        element.head_len = 1;
    } else if (text.len < 4096) {
        head[0] = (uint8_t)(0xe0 | text.len >> 8);
        head[1] = (uint8_t)text.len;
        element.head_len = 2;
    } else {
        uint32_t len = (uint32_t)text.len;

        kv_assert(text.len <= LISTPACK_BYTES_MAX);
        head[0] = 0xf0;
        memcpy(head + 1, &len, sizeof(len));
        element.head_len = 5;
    }
    bytes = element.head_len + text.len;
    element.total = bytes + backlen_bytes(bytes);
    return element;
}

static uint8_t *element_write(uint8_t *at, const struct listpack_element *element)
{
    memcpy(at, element->head, element->head_len);
    at += element->head_len;
    if (element->data.len > 0)
        memcpy(at, element->data.data, element->data.len);
    return backlen_write(at + element->data.len, element->head_len + element->data.len);
}

uint8_t *listpack_new(size_t room)
{
    uint8_t *listpack = block_new(room < LISTPACK_EMPTY_BYTES ? LISTPACK_EMPTY_BYTES : room);

    listpack_set_bytes(listpack, LISTPACK_EMPTY_BYTES);
    listpack[4] = 0;
    listpack[5] = 0;
    listpack[LISTPACK_HEADER] = LISTPACK_END;
    return listpack;
}

void listpack_free(uint8_t *listpack)
{
    mem_free(listpack);
}

uint8_t *listpack_copy(const uint8_t *listpack)
{
    size_t bytes = listpack_bytes(listpack);

    return memcpy(block_new(bytes), listpack, bytes);
}

uint8_t *listpack_shrink(uint8_t *listpack)
{
    size_t class = mem_class(listpack_bytes(listpack));

    return mem_usable(listpack) > class ? mem_realloc(listpack, class) : listpack;
}

size_t listpack_bytes(const uint8_t *listpack)
{
    return listpack_u32(listpack);
}

size_t listpack_memory(const uint8_t *listpack)
{
    return mem_usable(listpack);
}

size_t listpack_count(const uint8_t *listpack)
{
    size_t count = listpack_header_count(listpack);

    if (likely(count != LISTPACK_COUNT_UNKNOWN))
        return count;
    count = 0;
    for (const uint8_t *at = listpack + LISTPACK_HEADER; *at != LISTPACK_END; count++)
        at = element_next(at);
    return count;
}

/* The place, or NULL if it is the end. */
static inline uint8_t *place_of(const uint8_t *at)
{
    return *at == LISTPACK_END ? NULL : (uint8_t *)(uintptr_t)at;
}

uint8_t *listpack_first(const uint8_t *listpack)
{
    return place_of(listpack + LISTPACK_HEADER);
}

uint8_t *listpack_last(const uint8_t *listpack)
{
    return listpack_previous(listpack, listpack + listpack_bytes(listpack) - 1);
}

uint8_t *listpack_next(const uint8_t *listpack, const uint8_t *at)
{
    (void)listpack;
    return place_of(element_next(at));
}

uint8_t *listpack_previous(const uint8_t *listpack, const uint8_t *at)
{
    size_t len = 0;
    unsigned shift = 0;

    if (at == listpack + LISTPACK_HEADER)
        return NULL;
    do {
        at--;
        len |= (size_t)(*at & 127) << shift;
        shift += 7;
    } while (*at & 128);
    return (uint8_t *)(uintptr_t)(at - len);
}

uint8_t *listpack_seek(const uint8_t *listpack, int64_t index)
{
    int64_t count = listpack_header_count(listpack);
    uint8_t *at;

    if (count != LISTPACK_COUNT_UNKNOWN) {
        if (index >= count || index < -count)
            return NULL;
        if (index > count / 2)
            index -= count;
        else if (index < 0 && index + count < count / 2)
            index += count;
    }
    if (index < 0) {
        for (at = listpack_last(listpack); at != NULL && index < -1; index++)
            at = listpack_previous(listpack, at);
        return at;
    }
    for (at = listpack_first(listpack); at != NULL && index > 0; index--)
        at = listpack_next(listpack, at);
    return at;
}

struct slice listpack_get(const uint8_t *at, char digits[static LISTPACK_DIGITS])
{
    int64_t value;

    if (element_int(at, &value))
        return (struct slice){digits, num_format_i64(digits, value)};
    return element_text(at);
}

bool listpack_get_int(const uint8_t *at, int64_t *out)
{
    return element_int(at, out);
}

bool listpack_equal(const uint8_t *at, struct slice text)
{
    int64_t value, wanted;

    if (element_int(at, &value))
        return text_is_int(text, &wanted) && value == wanted;
    return slice_equal(element_text(at), text);
}

/* The same as element_next, quicker where the element is short. */
static inline const uint8_t *element_next_short(const uint8_t *at)
{
    uint8_t first = at[0];

    if (first < 0x80)
        return at + 2;
    if (first < 0xc0)
        return at + 2 + (first & 63);
    return element_next(at);
}

uint8_t *listpack_find(const uint8_t *listpack, uint8_t *at, struct slice text, size_t step)
{
    int64_t wanted = -1, value;
    bool is_int = text_is_int(text, &wanted);
    /* of a short string; the end's, if it is none */
    uint8_t head = text.len > 0 && text.len < 64 ? (uint8_t)(0x80 | text.len) : LISTPACK_END;
    const uint8_t *place = at;
    size_t left = 1;

    (void)listpack;
    if (at == NULL)
        return NULL;
    for (; *place != LISTPACK_END; place = element_next_short(place)) {
        uint8_t first = *place;

        if (--left > 0)
            continue;
        left = step;
        if (first == head) {
            /* The last byte is the one that differs most often. */
            if (place[text.len] == (uint8_t)text.data[text.len - 1] &&
                memcmp(place + 1, text.data, text.len) == 0)
                break;
        } else if (first < 0x80) {
            if (first == wanted)
                break;
        } else if (first >= 0xc0 || text.len == 0) {
            if (element_int(place, &value) ? is_int && value == wanted
                                           : slice_equal(element_text(place), text))
                break;
        }
    }
    return place_of(place);
}

/* Make room for `element` in place of the `old` bytes at `offset`, and write it. */
static uint8_t *listpack_splice(uint8_t *listpack, size_t offset, size_t old,
                                const struct listpack_element *element)
{
    size_t bytes = listpack_bytes(listpack), after = bytes - old + element->total;

    kv_assert(after <= LISTPACK_BYTES_MAX);
    if (after > bytes)
        listpack = block_grow(listpack, bytes, after);
    if (element->total != old)
        memmove(listpack + offset + element->total, listpack + offset + old, bytes - offset - old);
    element_write(listpack + offset, element);
    listpack_set_bytes(listpack, after);
    return after < bytes ? block_shrink(listpack, bytes, after) : listpack;
}

static uint8_t *listpack_append_element(uint8_t *listpack, const struct listpack_element *element)
{
    size_t bytes = listpack_bytes(listpack);

    kv_assert(bytes + element->total <= LISTPACK_BYTES_MAX);
    listpack = block_grow(listpack, bytes, bytes + element->total);
    *element_write(listpack + bytes - 1, element) = LISTPACK_END;
    listpack_set_bytes(listpack, bytes + element->total);
    listpack_add_count(listpack, 1);
    return listpack;
}

uint8_t *listpack_insert(uint8_t *listpack, uint8_t *at, bool before, struct slice text,
                         uint8_t **placed)
{
    struct listpack_element element = element_of(text);
    size_t offset = listpack_bytes(listpack) - 1;

    if (at != NULL)
        offset = (size_t)((before ? at : element_next(at)) - listpack);
    if (offset == listpack_bytes(listpack) - 1) {
        listpack = listpack_append_element(listpack, &element);
    } else {
        listpack = listpack_splice(listpack, offset, 0, &element);
        listpack_add_count(listpack, 1);
    }
    if (placed != NULL)
        *placed = listpack + offset;
    return listpack;
}

uint8_t *listpack_append(uint8_t *listpack, struct slice text)
{
    struct listpack_element element = element_of(text);

    return listpack_append_element(listpack, &element);
}

uint8_t *listpack_append_int(uint8_t *listpack, int64_t value)
{
    struct listpack_element element = element_of_int(value);

    return listpack_append_element(listpack, &element);
}

uint8_t *listpack_prepend(uint8_t *listpack, struct slice text)
{
    return listpack_insert(listpack, listpack + LISTPACK_HEADER, true, text, NULL);
}

/* The header moves, so that the listpack begins at `to`; the elements stay. */
static uint8_t *listpack_begin_at(uint8_t *listpack, uint8_t *to, int64_t added)
{
    size_t bytes = listpack_bytes(listpack) + (size_t)(listpack - to);

    memmove(to, listpack, LISTPACK_HEADER);
    listpack_set_bytes(to, bytes);
    listpack_add_count(to, added);
    return to;
}

uint8_t *listpack_grow_front(uint8_t *listpack, struct slice text)
{
    struct listpack_element element = element_of(text);

    listpack = listpack_begin_at(listpack, listpack - element.total, 1);
    element_write(listpack + LISTPACK_HEADER, &element);
    return listpack;
}

uint8_t *listpack_drop_front(uint8_t *listpack, size_t count)
{
    const uint8_t *behind = listpack + LISTPACK_HEADER;

    for (size_t i = 0; i < count; i++)
        behind = element_next(behind);
    return listpack_begin_at(listpack, (uint8_t *)(uintptr_t)behind - LISTPACK_HEADER,
                             -(int64_t)count);
}

uint8_t *listpack_replace(uint8_t *listpack, uint8_t **at, struct slice text)
{
    struct listpack_element element = element_of(text);
    size_t offset = (size_t)(*at - listpack);

    listpack = listpack_splice(listpack, offset, (size_t)(element_next(*at) - *at), &element);
    *at = listpack + offset;
    return listpack;
}

uint8_t *listpack_delete(uint8_t *listpack, uint8_t **at, size_t count)
{
    size_t bytes = listpack_bytes(listpack), offset = (size_t)(*at - listpack), after;
    const uint8_t *behind = *at;
    int64_t deleted = 0;

    for (; count > 0 && *behind != LISTPACK_END; count--, deleted++)
        behind = element_next(behind);
    after = bytes - (size_t)(behind - *at);
    memmove(*at, behind, (size_t)(listpack + bytes - behind));
    listpack_set_bytes(listpack, after);
    listpack_add_count(listpack, -deleted);
    if (after < bytes)
        listpack = block_shrink(listpack, bytes, after);
    *at = place_of(listpack + offset);
    return listpack;
}

uint8_t *listpack_delete_range(uint8_t *listpack, int64_t index, size_t count)
{
    uint8_t *at = listpack_seek(listpack, index);

    return at == NULL ? listpack : listpack_delete(listpack, &at, count);
}

size_t listpack_element_bytes(struct slice text)
{
    return element_of(text).total;
}

/* The bytes of the element at `at`, its backlen included, of the `left` that there are before the
 * end; 0 if it is none. */
static size_t element_check(const uint8_t *at, size_t left)
{
    uint8_t first = at[0], backlen[5];
    size_t head = 1, bytes, tail;

    if (likely(first < 0xc0)) { /* most are: of up to 64 bytes, with a backlen of one */
        bytes = first < 0x80 ? 1 : 1 + (size_t)(first & 63);
        return bytes < left && at[bytes] == bytes ? bytes + 1 : 0;
    }
    if (first > 0xf4)
        return 0;
    if (first >= 0xe0 && first <= 0xf0)
        head = first == 0xf0 ? 5 : 2;
    if (left < head)
        return 0;
    bytes = element_bytes(at);
    if (bytes <= 127) /* all integers are */
        return bytes < left && at[bytes] == bytes ? bytes + 1 : 0;
    tail = backlen_bytes(bytes);
    if (bytes > left || tail > left - bytes)
        return 0;
    backlen_write(backlen, bytes);
    return memcmp(backlen, at + bytes, tail) == 0 ? bytes + tail : 0;
}

bool listpack_valid(const uint8_t *bytes, size_t len, bool deep)
{
    size_t at = LISTPACK_HEADER, count = 0, stated;

    if (len < LISTPACK_EMPTY_BYTES || len > LISTPACK_BYTES_MAX)
        return false;
    if (listpack_bytes(bytes) != len || bytes[len - 1] != LISTPACK_END)
        return false;
    if (!deep)
        return true;
    for (; at < len - 1; count++) {
        size_t step = element_check(bytes + at, len - 1 - at);

        if (step == 0)
            return false;
        at += step;
    }
    stated = listpack_header_count(bytes);
    return stated == LISTPACK_COUNT_UNKNOWN || stated == count;
}
