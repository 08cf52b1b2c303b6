/* A long list: a chain of listpacks, of which the inner ones may be compressed in memory. Made for
 * work at both ends; elements in the middle are found by number through a vector of the nodes,
 * whose counts lie side by side.
 *
 * A node is filled up to limits->node_size. With limits->compress_depth above 0, all nodes but so
 * many at each end are compressed, as far as that makes them shorter. Both are looked at again
 * whenever a change needs them, so they may differ from one call to the next.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/listpack.h"

struct quicklist;

struct quicklist_limits {
    int64_t node_size;      /* > 0: elements; -1 .. -5: 4, 8, 16, 32, 64 KiB */
    int64_t compress_depth; /* 0: nothing is compressed */
};

/* The longest element. */
#define QUICKLIST_ELEMENT_MAX (LISTPACK_BYTES_MAX - 64)

/* Whether a listpack of so many bytes and elements is a whole node, or beyond. */
bool quicklist_fits(size_t bytes, size_t count, int64_t node_size);

struct quicklist *quicklist_new(void);
void quicklist_free(struct quicklist *list);
struct quicklist *quicklist_copy(const struct quicklist *list);
/* Put a listpack, which belongs to the list from here on, behind the last node. Not empty. */
void quicklist_append_node(struct quicklist *list, uint8_t *listpack,
                           const struct quicklist_limits *limits);
/* The listpack of a list of one node, which is given up. */
uint8_t *quicklist_into_listpack(struct quicklist *list);

uint64_t quicklist_count(const struct quicklist *list);
size_t quicklist_nodes(const struct quicklist *list);
/* Bytes of the only node's listpack, or of all nodes unpacked. */
size_t quicklist_bytes(const struct quicklist *list);
size_t quicklist_memory(const struct quicklist *list);
/* The listpack of a node: its own, or unpacked into a block that is returned in *unpacked for the
 * caller to free (else NULL). */
const uint8_t *quicklist_node(const struct quicklist *list, size_t index, uint8_t **unpacked);

void quicklist_push(struct quicklist *list, bool front, struct slice element,
                    const struct quicklist_limits *limits);
/* Element number `index` from the front, below count. */
void quicklist_set(struct quicklist *list, uint64_t index, struct slice element,
                   const struct quicklist_limits *limits);
/* Before element number `index`; index == count appends. */
void quicklist_insert(struct quicklist *list, uint64_t index, struct slice element,
                      const struct quicklist_limits *limits);
/* Delete `count` elements from `index` on; there must be as many. */
void quicklist_delete(struct quicklist *list, uint64_t index, uint64_t count,
                      const struct quicklist_limits *limits);
/* Delete up to `most` elements equal to `text`, the first ones or the last ones; returns how many.
 */
uint64_t quicklist_remove(struct quicklist *list, struct slice text, uint64_t most, bool from_back,
                          const struct quicklist_limits *limits);

/* Walk from element number `index` on. The list must not change until quicklist_end. */
struct quicklist_cursor {
    const struct quicklist *list;
    const uint8_t *listpack;
    uint8_t *unpacked;
    uint8_t *at;
    size_t node;
    bool backwards;
    char digits[LISTPACK_DIGITS];
};

void quicklist_begin(struct quicklist_cursor *cursor, const struct quicklist *list, uint64_t index,
                     bool backwards);
/* False at the end. The element is good until the next call. */
bool quicklist_next(struct quicklist_cursor *cursor, struct slice *element);
void quicklist_end(struct quicklist_cursor *cursor);

/* Assert the invariants; O(elements). */
void quicklist_check(const struct quicklist *list);
