/* Containers of old RDB files, read only: ziplists (lists, hashes and sorted sets up to Redis 6)
 * and zipmaps (hashes up to Redis 2.4). The bytes are hostile: nothing outside of them is read, and
 * every length, back link and count is checked on the way.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define LEGACY_DIGITS 24

enum legacy_step { LEGACY_ITEM, LEGACY_END, LEGACY_DAMAGED };

/* A walk through a ziplist or zipmap. The bytes are borrowed. */
struct legacy {
    const uint8_t *start, *at, *end; /* `end` is that of the bytes, behind the end mark */
    size_t previous;   /* bytes of the element before: the next one's back link says so */
    uint32_t tail;     /* where the last element is, by the header */
    uint32_t counted, count; /* elements (pairs) seen; by the header */
    bool count_known;
};

/* Elements of a ziplist in turn; an integer's digits are written into `digits`. ziplist_begin is
 * false if the header is wrong. LEGACY_END is given only if all of it was right. */
must_check bool ziplist_begin(struct legacy *walk, struct slice bytes);
enum legacy_step ziplist_next(struct legacy *walk, char digits[static LEGACY_DIGITS],
                              struct slice *out);

/* Pairs of a zipmap in turn. */
must_check bool zipmap_begin(struct legacy *walk, struct slice bytes);
enum legacy_step zipmap_next(struct legacy *walk, struct slice *field, struct slice *value);

/* All of it as a new listpack of the same elements in the same order (a zipmap: field, value,
 * field, value ...): NULL if it is damaged, or too large to be one. Duplicates are not looked for.
 */
must_check uint8_t *ziplist_to_listpack(struct slice bytes);
must_check uint8_t *zipmap_to_listpack(struct slice bytes);
