/* Doubles are found with a table of hashes, open addressing, at most two thirds full: for a small
 * listpack on the stack. Equal texts have equal hashes however they are stored: an integer's is
 * that of its value, and a string that is an integer's text, which we never write, counts as one.
 */
#include "core/ds/listpack_check.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ds/listpack.h"

#define CELLS_LEAST 16
#define CELLS_ON_STACK 256
#define INT_CHARS_MAX 20

struct cell {
    uint32_t hash;
    uint32_t place; /* in the listpack; 0: the cell is empty */
};

static uint32_t hash_int(int64_t value)
{
    return (uint32_t)((uint64_t)value * 0x9e3779b97f4a7c15 >> 32);
}

static uint32_t hash_element(const uint8_t *at)
{
    int64_t value;

    if (listpack_get_int(at, &value))
        return hash_int(value);
    struct slice text = listpack_get(at, (char[LISTPACK_DIGITS]){0});
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
    struct cell on_stack[CELLS_ON_STACK], *cells = on_stack;
    size_t count = listpack_count(listpack), room = CELLS_LEAST;
    const uint8_t *at = listpack_first(listpack);
    bool twice = false;

    count = (count + step - 1) / step;
    while (room < count + count / 2)
        room *= 2;
    if (room > CELLS_ON_STACK)
        cells = mem_alloc_zero(room * sizeof(*cells));
    else
        memset(cells, 0, room * sizeof(*cells));
    while (at != NULL && !twice) {
        twice = !add(listpack, at, cells, room - 1);
        for (size_t i = 0; i < step && at != NULL; i++)
            at = listpack_next(listpack, at);
    }
    if (cells != on_stack)
        mem_free(cells);
    return twice;
}

bool listpack_has_longer(const uint8_t *listpack, size_t bytes)
{
    char digits[LISTPACK_DIGITS];
    int64_t value;

    for (uint8_t *at = listpack_first(listpack); at != NULL; at = listpack_next(listpack, at)) {
        if (bytes >= INT_CHARS_MAX && listpack_get_int(at, &value))
            continue;
        if (listpack_get(at, digits).len > bytes)
            return true;
    }
    return false;
}
