/* Cutting the keyspace into a snapshot while it changes: which entries are in, and which table
 * had which number. What an entry is written as, and how long one takes, is core/snapshot.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct entry;
struct keyspace;

#define KEYSPACE_CUT_LONG_STRING ((size_t)64 << 10) /* longer ones are written in pieces */

/* Who cuts. Values that are written over time are `held` by him. */
struct keyspace_cutter {
    void *self;
    /* Write the entry, or begin to; each one that was there at the beginning is taken once.
     * `early`: before its turn, as it is about to change. False: the step shall end here. */
    bool (*take)(void *self, int db, struct entry *entry, bool early);
    /* A long string that is taken is about to change in place: all of it, or these bytes alone. */
    void (*release)(void *self, struct entry *entry);
    void (*touch)(void *self, struct entry *entry, size_t from, size_t to);
    /* A string that was taken may lie elsewhere now; nothing is at `old`. */
    void (*moved)(void *self, const void *old, struct entry *entry);
    /* Is it a long string that was taken and is still read? */
    bool (*reads)(void *self, const struct entry *entry);
    /* A value that is held may have handed elements over. */
    void (*handed_over)(void *self, const struct entry *entry);
    /* It has left the keyspace: true if it is held, and he frees it. */
    bool (*keep)(void *self, struct entry *entry);
    /* Is any value held? */
    bool (*holds)(void *self);
};

/* From here on all that is in the keyspace is cut; returns how many keys that are. `cutter` is
 * borrowed until the end. */
uint64_t keyspace_cut_begin(struct keyspace *keyspace, const struct keyspace_cutter *cutter);
/* Take what is not taken yet of some 40 keys at most. Only while no value is held. False: all
 * are. */
bool keyspace_cut_step(struct keyspace *keyspace);
/* Given up: databases that were emptied since need no cutting any more. The others are stepped
 * through all the same, so that their marks are in order for the next one. */
void keyspace_cut_give_up(struct keyspace *keyspace);
/* When step has returned false. */
void keyspace_cut_end(struct keyspace *keyspace);
/* Or anywhere before, if all databases are emptied next, and no value is held any more: what is
 * aside is given back at once. */
void keyspace_cut_drop(struct keyspace *keyspace);
