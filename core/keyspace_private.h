/* The keyspace from inside: for keyspace.c and keyspace_cut.c alone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/keyspace.h"

struct cut_table;
struct keyspace_cut;
struct table;

struct database {
    struct table *entries, *deadlines, *inner; /* NULL until needed */
    size_t bytes; /* of the entries */
    struct cut_table *cut; /* while `entries` is being cut into a snapshot; else NULL */
    struct keyspace_sweep sweep;
};

struct keyspace {
    uint64_t seed;
    struct reaper *reaper;
    uint64_t changes;
    uint64_t total; /* keys in all databases */
    size_t bytes;   /* entries and tables of all databases */
    struct keyspace_cut *cut; /* while a snapshot runs; else NULL */
    int databases;
    struct database database[];
};

/* What keyspace.c asks while a snapshot runs. */

/* The entry at `slot` is about to change, or to leave its place for good (`dropped`). True: the
 * snapshot still reads its bytes, and they may not be written over. */
bool cut_before_change(struct keyspace *keyspace, struct database *database,
                       struct table_slot *slot, bool dropped);
/* The same for a string of which no more than this may change in place. */
void cut_before_write(struct keyspace *keyspace, struct database *database,
                      struct table_slot *slot, size_t from, size_t to);
/* It lies elsewhere now; nothing is at `old`. */
void cut_moved(struct keyspace *keyspace, const void *old, struct entry *entry);
/* It was changed in place. */
void cut_after_change(struct keyspace *keyspace, const struct entry *entry);
/* It has left the keyspace. True: the snapshot is not done with it, and gives it back later. */
bool cut_keeps(struct keyspace *keyspace, struct entry *entry);
/* The database is emptied. True: the snapshot is not done with its table of `count` entries, and
 * gives both back later. */
bool cut_keeps_table(struct keyspace *keyspace, struct database *database, size_t count);
/* The databases were exchanged. */
void cut_swapped(struct database *a, struct database *b);
/* The marks of a table that is being cut are as the cut needs them. */
void cut_check(const struct keyspace *keyspace, const struct database *database);
