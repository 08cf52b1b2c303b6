/* A listpack: a run of short strings and integers in one block, walked in both directions. The
 * bytes are those of the format's document (Sanfilippo, "Listpack specification"), so that they go
 * into RDB files and DUMP payloads as they are.
 *
 *   0   total bytes, u32 little-endian       6 ..  elements: encoding and data, then its length
 *   4   number of elements, u16                    backwards ("backlen", 1 to 5 bytes)
 *       (65535: unknown, count by walking)   last  0xff
 *
 * A listpack is one block of memory, owned by who made it. What changes it may move it: use what
 * is returned. An element's place is a pointer into the block, good until the next change. At most
 * LISTPACK_BYTES_MAX bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define LISTPACK_BYTES_MAX ((size_t)1 << 30)
#define LISTPACK_EMPTY_BYTES 7
#define LISTPACK_DIGITS 24

/* Empty; `room` is a hint of bytes to come. */
uint8_t *listpack_new(size_t room);
void listpack_free(uint8_t *listpack);
uint8_t *listpack_copy(const uint8_t *listpack);
/* Give back what the block has beyond its bytes. */
uint8_t *listpack_shrink(uint8_t *listpack);

size_t listpack_bytes(const uint8_t *listpack);
/* Bytes of memory, the allocator's slack included. */
size_t listpack_memory(const uint8_t *listpack);
size_t listpack_count(const uint8_t *listpack); /* O(1) up to 65,534 elements */

/* Places; NULL where there is none. */
uint8_t *listpack_first(const uint8_t *listpack);
uint8_t *listpack_last(const uint8_t *listpack);
uint8_t *listpack_next(const uint8_t *listpack, const uint8_t *at);
uint8_t *listpack_previous(const uint8_t *listpack, const uint8_t *at);
/* Element number `index`, from the end if negative. Walks from the nearer end. */
uint8_t *listpack_seek(const uint8_t *listpack, int64_t index);

/* The element as text; an integer's digits are written into `digits`. */
struct slice listpack_get(const uint8_t *at, char digits[static LISTPACK_DIGITS]);
/* True if it is stored as an integer. */
bool listpack_get_int(const uint8_t *at, int64_t *out);
bool listpack_equal(const uint8_t *at, struct slice text);

/* The first element equal to `text` from `at` on (NULL: none), looking at every `step`-th only:
 * step 2 finds the fields of a hash. */
uint8_t *listpack_find(const uint8_t *listpack, uint8_t *at, struct slice text, size_t step);

/* Text that is a canonical integer is stored as one. `at` NULL with `before` appends at the end;
 * *placed, if wanted, is where the new element is. `text` lies outside of the listpack, here and
 * below. */
must_check uint8_t *listpack_insert(uint8_t *listpack, uint8_t *at, bool before, struct slice text,
                                    uint8_t **placed);
must_check uint8_t *listpack_append(uint8_t *listpack, struct slice text);
must_check uint8_t *listpack_append_int(uint8_t *listpack, int64_t value);
must_check uint8_t *listpack_prepend(uint8_t *listpack, struct slice text);
/* The same without moving what is there: the header goes to the front by listpack_element_bytes,
 * for which there is room, or behind the first `count` elements, which are there, to delete them.
 * What is returned is no block, but lies in one. */
must_check uint8_t *listpack_grow_front(uint8_t *listpack, struct slice text);
must_check uint8_t *listpack_drop_front(uint8_t *listpack, size_t count);
/* Replace the element at *at, which is set to where it is now. */
must_check uint8_t *listpack_replace(uint8_t *listpack, uint8_t **at, struct slice text);
/* Delete `count` elements from *at on; *at becomes the element behind them, NULL at the end. */
must_check uint8_t *listpack_delete(uint8_t *listpack, uint8_t **at, size_t count);
/* By number: from `index` (negative: from the end) on. */
must_check uint8_t *listpack_delete_range(uint8_t *listpack, int64_t index, size_t count);

/* Bytes that `text` would take as an element. */
size_t listpack_element_bytes(struct slice text);

/* Strange bytes are a listpack: header, every element's encoding and backlen, end. `deep` false
 * checks the header alone. Never reads outside of bytes[0 .. len-1]. */
must_check bool listpack_valid(const uint8_t *bytes, size_t len, bool deep);
