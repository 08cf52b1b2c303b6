/* Listpacks and intsets from any bytes: what is found valid can be walked both ways, searched and
 * changed, and is valid still. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/ds/intset.h"
#include "core/ds/listpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const uint8_t *listpack)
{
    size_t count = 0;
    char digits[LISTPACK_DIGITS];

    for (uint8_t *at = listpack_first(listpack); at != NULL; at = listpack_next(listpack, at)) {
        kv_assert(listpack_equal(at, listpack_get(at, digits)));
        count++;
    }
    kv_assert(count == listpack_count(listpack));
    for (uint8_t *at = listpack_last(listpack); at != NULL; at = listpack_previous(listpack, at))
        count--;
    kv_assert(count == 0);
}

/* Each element is written again in its place, then deleted, a new one put in front. */
static void change(const uint8_t *bytes)
{
    uint8_t *listpack = listpack_copy(bytes), *at = listpack_first(listpack), *copy;
    char digits[LISTPACK_DIGITS];

    while (at != NULL) {
        struct slice text = listpack_get(at, digits);

        copy = malloc(text.len + 1);
        memcpy(copy, text.data, text.len);
        text.data = (char *)copy;
        listpack = listpack_replace(listpack, &at, text);
        kv_assert(listpack_equal(at, text));
        kv_assert(listpack_find(listpack, listpack_first(listpack), text, 1) != NULL);
        free(copy);
        at = listpack_next(listpack, at);
    }
    walk(listpack);
    while ((at = listpack_last(listpack)) != NULL)
        listpack = listpack_delete(listpack, &at, 1);
    listpack = listpack_prepend(listpack, SLICE("4711"));
    kv_assert(listpack_valid(listpack, listpack_bytes(listpack), true));
    listpack_free(listpack);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t stated = (uint32_t)size;
    uint8_t *block;
    bool changed;

    if (size > 4096)
        return 0;
    block = malloc(size ? size : 1);
    if (size > 0)
        memcpy(block, data, size);
    if (intset_valid(block, size)) {
        uint8_t *intset = intset_copy(block);

        for (size_t i = 0; i < intset_count(block); i++) {
            intset = intset_remove(intset, intset_at(block, i), &changed);
            kv_assert(changed);
        }
        kv_assert(intset_count(intset) == 0);
        intset_free(intset);
    }
    /* the total is no riddle */
    if (size >= sizeof(stated))
        memcpy(block, &stated, sizeof(stated));
    if (listpack_valid(block, size, true)) {
        kv_assert(listpack_valid(block, size, false));
        walk(block);
        change(block);
    }
    free(block);
    return 0;
}
