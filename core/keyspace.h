/* The keyspace: the databases, each a table of entries and a table of those that have a deadline.
 * The one funnel for change: whatever changes an entry goes through keyspace_put, _remove,
 * _set_deadline, or between _before_change and _after_change, so that bytes are accounted,
 * deadlines are indexed, and a running snapshot can take an entry first.
 *
 * Knows nothing of the log, the clock or clients: that is ctx.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/type/entry.h"

struct keyspace;
struct reaper;
struct rng;
struct table_slot;

struct keyspace *keyspace_new(int databases, uint64_t seed, struct reaper *reaper);
void keyspace_free(struct keyspace *keyspace);

/* Where a key is, or would be. Good until the next change of the same database. Who finds an entry
 * past its deadline and may not delete it sets `entry` to NULL: a put replaces it even so. */
struct place {
    int db;
    uint64_t hash;
    struct slice key;
    struct entry *entry;     /* NULL if the key is not there */
    struct table_slot *slot; /* the keyspace's own; NULL if not known, though the key is there */
    /* the keyspace's own, from before_change to after_change */
    bool indexed, inner_indexed;
};

/* What the sweep for deadlines keeps with each database: it goes where SWAPDB takes the database,
 * and is forgotten when the database is flushed. */
struct keyspace_sweep {
    uint64_t cursor;        /* of keyspace_scan_deadlines */
    double average_ttl_ms;  /* 0 if nothing is known */
    uint64_t inner_cursor;  /* of keyspace_scan_inner_deadlines */
};

uint64_t keyspace_hash(const struct keyspace *keyspace, struct slice key);
/* Bring into the cache what keyspace_find reads: first the place, some time later the entry. */
void keyspace_prefetch(const struct keyspace *keyspace, int db, uint64_t hash);
void keyspace_prefetch_entry(const struct keyspace *keyspace, int db, uint64_t hash);
/* The same, where a new key goes, in two steps (0, 1). */
void keyspace_prefetch_put(const struct keyspace *keyspace, int db, int step, uint64_t hash);
/* `hash` is keyspace_hash of `key`. Says nothing about deadlines. */
struct place keyspace_find(const struct keyspace *keyspace, int db, struct slice key,
                           uint64_t hash);

/* Insert, or put over what is there (which is given back, in the background if big). `entry`
 * belongs to the keyspace from here on; place->entry is set to it. Its key must be the place's. */
void keyspace_put(struct keyspace *keyspace, struct place *place, struct entry *entry);
/* The string at `place` becomes `value` (which lies elsewhere): in place where the block allows,
 * else by a new entry. What is not a string is replaced. Inserts as well. The access field stays;
 * that of an entry which was not there is 0. */
void keyspace_put_string(struct keyspace *keyspace, struct place *place, struct slice value,
                         int64_t deadline_ms);
/* Take it out and give it back; `background` always by the reaper, else only if big. place->entry
 * becomes NULL. The place's key may be that of the entry: it is not used afterwards. */
void keyspace_remove(struct keyspace *keyspace, struct place *place, bool background);
/* Take it out without giving it back: the caller owns it (RENAME, MOVE). */
struct entry *keyspace_take(struct keyspace *keyspace, struct place *place);
/* ENTRY_NO_DEADLINE takes the deadline off. */
void keyspace_set_deadline(struct keyspace *keyspace, struct place *place, int64_t deadline_ms);

/* Around a change in place of place->entry; `entry` is where it is now. */
void keyspace_before_change(struct keyspace *keyspace, struct place *place);
/* The same for a string that does not get shorter, of which only the bytes from `from` up to `to`
 * may change, and what is new behind its end. */
void keyspace_before_write(struct keyspace *keyspace, struct place *place, size_t from, size_t to);
void keyspace_after_change(struct keyspace *keyspace, struct place *place, struct entry *entry);

/* Empty one database, or all (db -1); returns how many keys there were. Given back in the
 * background if `background` or big. */
uint64_t keyspace_flush(struct keyspace *keyspace, int db, bool background);
/* Exchange two databases. */
void keyspace_swap(struct keyspace *keyspace, int a, int b);

int keyspace_databases(const struct keyspace *keyspace);
uint64_t keyspace_count(const struct keyspace *keyspace, int db);     /* keys */
uint64_t keyspace_deadlines(const struct keyspace *keyspace, int db); /* of them with a deadline */
/* Keys with a deadline inside of their value: see value_deadline. */
uint64_t keyspace_inner_deadlines(const struct keyspace *keyspace, int db);
uint64_t keyspace_total(const struct keyspace *keyspace);
/* Bytes of all entries and tables: what maxmemory is compared with. O(1). */
size_t keyspace_memory(const struct keyspace *keyspace);
/* Bytes of the table of entries, or of that of deadlines. */
size_t keyspace_overhead(const struct keyspace *keyspace, int db, bool deadlines_only);
/* Of one of these, which is not empty: table_figures. */
void keyspace_figures(const struct keyspace *keyspace, int db, bool deadlines_only, size_t *groups,
                      size_t *longest);
/* Counts every change (emptying what is empty is none): the engine asserts that it moves exactly
 * when effects are recorded. */
uint64_t keyspace_changes(const struct keyspace *keyspace);

struct keyspace_sweep *keyspace_sweep(struct keyspace *keyspace, int db);

/* See table_scan: each entry at least once. The visitor changes nothing. */
uint64_t keyspace_scan(const struct keyspace *keyspace, int db, uint64_t cursor,
                       void (*visit)(void *env, struct entry *entry), void *env);
/* All entries of a database in one go. The visitor changes nothing. */
void keyspace_each(const struct keyspace *keyspace, int db,
                   void (*visit)(void *env, struct entry *entry), void *env);
/* Any entry, each as likely; NULL if there is none. With `deadlines_only` among those with one. */
struct entry *keyspace_random(const struct keyspace *keyspace, int db, bool deadlines_only,
                              struct rng *rng);
/* Up to `most` different entries, not all equally likely; returns how many. */
size_t keyspace_sample(const struct keyspace *keyspace, int db, bool deadlines_only,
                       struct rng *rng, struct entry **out, size_t most);
/* Step through the deadlines of a database: one group of its table from `cursor`. */
uint64_t keyspace_scan_deadlines(const struct keyspace *keyspace, int db, uint64_t cursor,
                                 void (*visit)(void *env, struct entry *entry), void *env);
/* The same with those that have a deadline inside of their value. */
uint64_t keyspace_scan_inner_deadlines(const struct keyspace *keyspace, int db, uint64_t cursor,
                                       void (*visit)(void *env, struct entry *entry), void *env);
void keyspace_presize(struct keyspace *keyspace, int db, uint64_t keys);
/* Assert the invariants; O(keys). */
void keyspace_check(const struct keyspace *keyspace);
