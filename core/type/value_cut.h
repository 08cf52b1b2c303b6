/* A large value on its way into a snapshot, piece by piece, while it goes on being changed.
 *
 *   begin   writes what comes in front of the elements (counts as they are now) to cut->out.
 *           From here on the value knows the cut, and each function that is about to change an
 *           element, or to take it out, first writes that element (or the node it lies in) to
 *           cut->out, unless it is in already. New elements are born in.
 *   step    writes some elements that are not in yet: a few KiB, a bounded piece of work.
 *   end     when step has said that nothing is left: the value forgets the cut.
 *
 * So what arrives at cut->out, in the order of its arrival, is the value as it was at `begin`, in
 * the grammar of RDB, each element once. The elements' order is free where the type has none.
 *
 * While a value is cut it stays where it is in memory and keeps its encoding, is not freed by its
 * type (whoever drops it lends it to the cut: `value_is_cut`), and may be found under another key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/type/entry.h"

struct rdb_out;

struct value_cut {
    struct rdb_out *out;  /* may be exchanged between any two calls; version and compress are those
                           * that `begin` saw */
    enum value_type type;
    enum value_encoding encoding;
    void *value;
    bool done;            /* a step has said that nothing is left */
    size_t step_from;     /* length of out->buf when the step began */
    uint64_t cursor;      /* the type's own */
    void *state;          /* the type's own */
    size_t memory;        /* bytes that are held for the cut alone (old nodes of a list) */
};

/* Is it worth cutting? False: it is written whole (rdb_put_value) in a short time. Strings are
 * not cut by this. */
bool value_is_large(const struct entry *entry);
/* Is it being cut? */
bool value_is_cut(const struct entry *entry);
/* `out` with the version and tag that rdb_tag_of gives; the tag and key were written by the
 * caller. */
struct value_cut *value_cut_begin(const struct entry *entry, struct rdb_out *out);
/* False: nothing is left, what follows the elements included. */
bool value_cut_step(struct value_cut *cut);
/* For the types: the step has written what it should. */
bool value_cut_enough(const struct value_cut *cut);
/* After step returned false. Gives `cut` back, not the value. */
void value_cut_end(struct value_cut *cut);
/* Anywhere before: nobody wants the rest. The value is fit for nothing but being freed. */
void value_cut_drop(struct value_cut *cut);
