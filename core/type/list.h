/* Lists: one listpack while it is within list-max-listpack-size, a quicklist beyond. A quicklist
 * that has shrunk to half of that goes back.
 *
 * What changes a list may convert it: give what is in `struct list` back to the entry afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/quicklist.h"
#include "core/type/entry.h"
#include "core/type/limits.h"
#include "core/type/value.h"

struct list {
    enum value_encoding encoding;
    void *value;
    const struct type_limits *limits;
};

extern const struct type_ops list_ops;

#define LIST_ELEMENT_MAX QUICKLIST_ELEMENT_MAX

/* Empty; and that of an entry. */
struct list list_new(const struct type_limits *limits);
struct list list_of(const struct entry *entry, const struct type_limits *limits);

uint64_t list_count(const struct list *list);
/* The elements are about to be added: convert once, not on the way. */
void list_expect(struct list *list, const struct slice *elements, int count);
void list_push(struct list *list, bool front, struct slice element);
/* Element number `index`, from the front, which exists. */
void list_set(struct list *list, uint64_t index, struct slice element);
/* Before element number `index`; index == count appends. */
void list_insert(struct list *list, uint64_t index, struct slice element);
void list_delete(struct list *list, uint64_t index, uint64_t count);
/* Delete up to `most` elements equal to `text`, the first or the last ones; returns how many. */
uint64_t list_remove(struct list *list, struct slice text, uint64_t most, bool from_back);

/* Walk from element number `index` on; the list does not change until list_end. */
struct list_cursor {
    const uint8_t *listpack; /* NULL: a quicklist */
    uint8_t *at;
    bool backwards;
    char digits[LISTPACK_DIGITS];
    struct quicklist_cursor quicklist;
};

void list_begin(struct list_cursor *cursor, const struct list *list, uint64_t index,
                bool backwards);
/* False at the end. The element is good until the next call. */
bool list_next(struct list_cursor *cursor, struct slice *element);
void list_end(struct list_cursor *cursor);
