/* The types of values: one row of operations for each, in a table by enum value_type. A type is a
 * file in core/type that ends in its `type_ops`, and one line in value.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/type/entry.h"

struct rdb_in;
struct rdb_out;
struct value_cut;

/* How values of one encoding, the large one, go into a snapshot piece by piece: the type's part of
 * value_cut.h. */
struct cut_ops {
    enum value_encoding encoding;
    bool (*is_cut)(const void *value);
    /* Write what is in front of the elements, and remember the cut in the value. */
    void (*begin)(struct value_cut *cut);
    /* Write a few elements (of a table: one group). False: there is nothing left, and what follows
     * the elements was written. */
    bool (*step)(struct value_cut *cut);
    /* Forget the cut, and give back its state. */
    void (*end)(struct value_cut *cut);
};

struct type_ops {
    const char *name; /* as TYPE answers */
    void (*free)(enum value_encoding encoding, void *value);
    void *(*copy)(enum value_encoding encoding, const void *value);
    /* Bytes it takes, and allocations there are to free: both O(1). */
    size_t (*memory)(enum value_encoding encoding, const void *value);
    size_t (*effort)(enum value_encoding encoding, const void *value);
    /* The first deadline of a part of the value (a field of a hash), ENTRY_NO_DEADLINE if no part
     * has one; O(1). NULL: parts never have. */
    int64_t (*deadline)(enum value_encoding encoding, const void *value);
    /* RDB: the tag for a version, the lowest version that holds the value (NULL: any), and the
     * bytes behind the tag. encode_begin writes what comes before the nodes (counts, or all of the
     * value); encode_node writes the node at `cursor` and returns the cursor of the next, 0 at the
     * end; begin with 0 unless encode_begin returned false: there is no node. Between the calls the
     * value may not change. */
    uint8_t (*tag)(enum value_encoding encoding, const void *value, int version);
    int (*version)(enum value_encoding encoding, const void *value);
    bool (*encode_begin)(enum value_encoding encoding, const void *value, struct rdb_out *out);
    uint64_t (*encode_node)(enum value_encoding encoding, const void *value, uint64_t cursor,
                            struct rdb_out *out);
    /* Read what is behind `tag`: one of those that rdb_value.c gives to this type. *value NULL for
     * no elements. On failure nothing is left behind. */
    int (*decode)(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding, void **value);
    const struct cut_ops *cut; /* NULL: a value is always written whole */
};

/* NULL functions for TYPE_STRING, whose bytes are in the entry. */
const struct type_ops *type_ops_of(enum value_type type);
const char *type_name(enum value_type type);
const char *encoding_name(enum value_encoding encoding);
/* How much work it is to free the entry: above VALUE_EFFORT_INLINE it belongs to the reaper. */
size_t value_effort(const struct entry *entry);

/* The first deadline of a part of the entry's value; ENTRY_NO_DEADLINE if there is none. */
int64_t value_deadline(const struct entry *entry);

#define VALUE_EFFORT_INLINE 64
#define VALUE_BYTES_INLINE (1 << 20) /* strings above this are the reaper's, too */
