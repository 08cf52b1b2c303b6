/* The types of values: one row of operations for each, in a table by enum value_type. A type is a
 * file in core/type that ends in its `type_ops`, and one line in value.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/type/entry.h"

struct type_ops {
    const char *name; /* as TYPE answers */
    void (*free)(enum value_encoding encoding, void *value);
    void *(*copy)(enum value_encoding encoding, const void *value);
    /* Bytes it takes, and allocations there are to free: both O(1). */
    size_t (*memory)(enum value_encoding encoding, const void *value);
    size_t (*effort)(enum value_encoding encoding, const void *value);
};

/* NULL functions for TYPE_STRING, whose bytes are in the entry. */
const struct type_ops *type_ops_of(enum value_type type);
const char *type_name(enum value_type type);
const char *encoding_name(enum value_encoding encoding);
/* How much work it is to free the entry: above VALUE_EFFORT_INLINE it belongs to the reaper. */
size_t value_effort(const struct entry *entry);

#define VALUE_EFFORT_INLINE 64
#define VALUE_BYTES_INLINE (1 << 20) /* strings above this are the reaper's, too */
