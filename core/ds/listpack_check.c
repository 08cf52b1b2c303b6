/* Doubles are found by hashes. Equal texts have equal hashes however they are stored: an integer's
 * is that of its value, and a string that is an integer's text, which we never write, counts as
 * one. Of few elements the hashes of all that came before are compared, several at a time; of many
 * they are in a table, open addressing, at most two thirds full.
 */
#include "core/ds/listpack_check.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ds/listpack.h"
#include "core/ds/listpack_element.h"

#define FEW 64
#define INT_CHARS_MAX 20

struct cell {
    uint32_t hash;
    uint32_t place; /* in the listpack; 0: the cell is empty */
};

static uint32_t hash_int(int64_t value)
{
    return (uint32_t)((uint64_t)value * 0x9e3779b97f4a7c15 >> 32);
}

static inline uint32_t hash_element(const uint8_t *at)
{
    int64_t value;

    if (element_int(at, &value))
        return hash_int(value);
    struct slice text = element_text(at);
    if (text.len > 0 && text.len <= INT_CHARS_MAX && text.data[0] <= '9' &&
        num_parse_i64(text, &value))
        return hash_int(value);
    return (uint32_t)hash_bytes(text, 0);
}

static bool same(const uint8_t *a, const uint8_t *b)
{
    char digits[LISTPACK_DIGITS];

    return listpack_equal(a, listpack_get(b, digits));
}

/* The element `step` elements on, or the end. */
static inline const uint8_t *step_on(const uint8_t *at, size_t step)
{
    for (size_t i = 0; i < step && *at != LISTPACK_END; i++)
        at = element_next(at);
    return at;
}

/* Is `hash` one of the first `count`, a multiple of 8? */
static inline bool is_among(const uint16_t *hashes, size_t count, uint16_t hash)
{
    uint16_t found = 0;

    for (size_t i = 0; i < count; i += 8) {
        for (size_t j = i; j < i + 8; j++)
            found |= (uint16_t)(hashes[j] == hash);
    }
    return found != 0;
}

/* There are FEW elements at most. Hashes are never 0, which those that are to come are. */
static bool few_have_twice(const uint8_t *listpack, size_t step)
{
    uint16_t hashes[FEW];
    const uint8_t *places[FEW], *at = listpack + LISTPACK_HEADER;

    for (size_t count = 0; *at != LISTPACK_END; count++, at = step_on(at, step)) {
        uint16_t hash = (uint16_t)(hash_element(at) | 1);

        kv_assert(count < FEW);
        if (count % 8 == 0)
            memset(&hashes[count], 0, 8 * sizeof(*hashes));
        if (is_among(hashes, (count + 7) & ~(size_t)7, hash)) {
            for (size_t i = 0; i < count; i++) {
                if (hashes[i] == hash && same(places[i], at))
                    return true;
            }
        }
        hashes[count] = hash;
        places[count] = at;
    }
    return false;
}

/* False: it is there already. */
static bool add(const uint8_t *listpack, const uint8_t *at, struct cell *cells, size_t mask)
{
    uint32_t hash = hash_element(at);
    size_t i = hash & mask;

    for (; cells[i].place != 0; i = (i + 1) & mask) {
        if (cells[i].hash == hash && same(listpack + cells[i].place, at))
            return false;
    }
    cells[i] = (struct cell){hash, (uint32_t)(at - listpack)};
    return true;
}

bool listpack_has_twice(const uint8_t *listpack, size_t step)
{
    size_t count = (listpack_count(listpack) + step - 1) / step, room = 2 * FEW;
    const uint8_t *at = listpack + LISTPACK_HEADER;
    bool twice = false;

    if (count <= FEW)
        return few_have_twice(listpack, step);
    while (room < count + count / 2)
        room *= 2;
    struct cell *cells = mem_alloc_zero(room * sizeof(*cells));
    for (; *at != LISTPACK_END && !twice; at = step_on(at, step))
        twice = !add(listpack, at, cells, room - 1);
    mem_free(cells);
    return twice;
}

bool listpack_has_longer(const uint8_t *listpack, size_t bytes)
{
    char digits[LISTPACK_DIGITS];
    int64_t value;

    for (const uint8_t *at = listpack + LISTPACK_HEADER; *at != LISTPACK_END;
         at = element_next(at)) {
        if (!element_int(at, &value)) {
            if (element_text(at).len > bytes)
                return true;
        } else if (bytes < INT_CHARS_MAX && listpack_get(at, digits).len > bytes) {
            return true;
        }
    }
    return false;
}
