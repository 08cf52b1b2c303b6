/* The keyspace.
 *
 * Each database has three tables over the same entries: all of them, found by key; those that have
 * a deadline; and those that have deadlines inside of their values (hashes whose fields expire).
 * The latter two find an entry by being it (its address), so that one that has moved can still be
 * told from its neighbours when its old bytes are gone. A table is made when its first entry
 * comes.
 *
 * Accounting is by difference: an entry's bytes are taken off before it changes and added after,
 * and what a table has grown by is added when it is touched. So the sum is exact at any time
 * between two changes, and costs nothing to read.
 *
 * Every change passes about_to_change() with the entry still as it was: that is the funnel. While
 * a snapshot runs, keyspace_cut.c takes the entry there first.
 *
 * Invariants, asserted by keyspace_check:
 *   1. An entry is in `deadlines` if and only if it is in `entries` and has a deadline; in
 *      `inner` if and only if its value has one.
 *   2. bytes of a database is the sum of entry_memory over its entries.
 *   3. bytes of the keyspace is the sum over the databases, with the table_bytes of its tables.
 */
#include "core/keyspace.h"

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/reaper.h"
#include "core/base/rng.h"
#include "core/ds/table.h"
#include "core/keyspace_private.h"
#include "core/type/value.h"

#define FLUSH_KEYS_INLINE 256 /* a database of more keys is given back in the background */

/* --- Tables ----------------------------------------------------------------------------------- */

static uint64_t hash_entry(const void *env, const void *item)
{
    const struct keyspace *keyspace = env;

    return hash_bytes(entry_key(item), keyspace->seed);
}

static bool match_key(const void *env, const void *item, struct slice key)
{
    (void)env;
    return slice_equal(entry_key(item), key);
}

/* The key is the address: see by_address. */
static bool match_address(const void *env, const void *item, struct slice key)
{
    (void)env;
    return item == (const void *)key.data;
}

static const struct table_type type_entries = {hash_entry, match_key};
static const struct table_type type_deadlines = {hash_entry, match_address};

static struct slice by_address(const struct entry *entry)
{
    return (struct slice){(const char *)entry, 0};
}

static struct database *database_of(const struct keyspace *keyspace, int db)
{
    kv_assert(db >= 0);
    kv_assert(db < keyspace->databases);
    return (struct database *)(uintptr_t)&keyspace->database[db];
}

static void insert(struct keyspace *keyspace, struct table **table, const struct table_type *type,
                   uint64_t hash, struct entry *entry)
{
    if (unlikely(*table == NULL)) {
        *table = table_new(type, keyspace);
        keyspace->bytes += table_bytes(*table);
    }
    keyspace->bytes -= table_bytes(*table);
    table_insert(*table, hash, entry);
    keyspace->bytes += table_bytes(*table);
}

static void take_out(struct keyspace *keyspace, struct table *table, uint64_t hash,
                     struct table_slot *slot)
{
    keyspace->bytes -= table_bytes(table);
    table_remove(table, hash, slot);
    keyspace->bytes += table_bytes(table);
}

static void account(struct keyspace *keyspace, struct database *database, size_t less, size_t more)
{
    database->bytes += more - less;
    keyspace->bytes += more - less;
}

/* `before` was in the index if `indexed`; in its place is `after`, which belongs there if `wanted`.
 * `before` is not looked into: it may have been given back. */
static void index_entry(struct keyspace *keyspace, struct table **index, uint64_t hash,
                        const struct entry *before, bool indexed, struct entry *after, bool wanted)
{
    struct table_slot *slot;

    if (!indexed) {
        if (wanted)
            insert(keyspace, index, &type_deadlines, hash, after);
        return;
    }
    if (wanted && after == before)
        return;
    slot = table_find(*index, hash, by_address(before));
    kv_assert(slot != NULL);
    if (wanted)
        table_replace(slot, after);
    else
        take_out(keyspace, *index, hash, slot);
}

static bool has_deadline(const struct entry *entry)
{
    return entry != NULL && entry_deadline(entry) != ENTRY_NO_DEADLINE;
}

static bool has_inner(const struct entry *entry)
{
    return entry != NULL && value_deadline(entry) != ENTRY_NO_DEADLINE;
}

/* Both indexes: see index_entry. `after` is NULL if the entry is gone. */
static void index_deadlines(struct keyspace *keyspace, struct database *database, uint64_t hash,
                            const struct entry *before, bool indexed, bool inner_indexed,
                            struct entry *after)
{
    index_entry(keyspace, &database->deadlines, hash, before, indexed, after, has_deadline(after));
    index_entry(keyspace, &database->inner, hash, before, inner_indexed, after, has_inner(after));
}

/* --- Giving back ------------------------------------------------------------------------------ */

static void free_entry(void *entry)
{
    entry_free(entry);
}

static bool is_big(const struct entry *entry)
{
    if (entry_type(entry) == TYPE_STRING)
        return entry_string_len(entry) > VALUE_BYTES_INLINE;
    return value_effort(entry) > VALUE_EFFORT_INLINE;
}

static void give_back(struct keyspace *keyspace, struct entry *entry, bool background)
{
    if (unlikely(keyspace->cut != NULL) && cut_keeps(keyspace, entry))
        return;
    if (keyspace->reaper != NULL && (background || is_big(entry)))
        reaper_give(keyspace->reaper, free_entry, entry, 1);
    else
        entry_free(entry);
}

static void free_table_and_entries(void *table)
{
    table_free(table, free_entry);
}

static void free_table(void *table)
{
    table_free(table, NULL);
}

static void index_clear(struct keyspace *keyspace, struct table *index, bool background)
{
    if (index == NULL)
        return;
    keyspace->bytes -= table_bytes(index);
    if (background)
        reaper_give(keyspace->reaper, free_table, index, 0);
    else
        free_table(index);
}

/* Forget what is in a database; its tables go to the reaper if that is asked for or is better. */
static void database_clear(struct keyspace *keyspace, struct database *database, bool background)
{
    size_t count = database->entries == NULL ? 0 : table_count(database->entries);

    background = keyspace->reaper != NULL &&
        (background || count > FLUSH_KEYS_INLINE || database->bytes > VALUE_BYTES_INLINE);
    keyspace->total -= count;
    keyspace->bytes -= database->bytes;
    index_clear(keyspace, database->deadlines, background);
    index_clear(keyspace, database->inner, background);
    if (database->entries != NULL) {
        keyspace->bytes -= table_bytes(database->entries);
        if (unlikely(keyspace->cut != NULL) && cut_keeps_table(keyspace, database, count))
            ;
        else if (background)
            reaper_give(keyspace->reaper, free_table_and_entries, database->entries, count);
        else
            free_table_and_entries(database->entries);
    }
    *database = (struct database){0};
}

struct keyspace *keyspace_new(int databases, uint64_t seed, struct reaper *reaper)
{
    struct keyspace *keyspace;

    kv_assert(databases > 0);
    keyspace = mem_alloc_zero(sizeof(*keyspace) + (size_t)databases * sizeof(struct database));
    keyspace->seed = seed;
    keyspace->reaper = reaper;
    keyspace->databases = databases;
    return keyspace;
}

void keyspace_free(struct keyspace *keyspace)
{
    keyspace->reaper = NULL;
    for (int db = 0; db < keyspace->databases; db++)
        database_clear(keyspace, &keyspace->database[db], false);
    kv_assert(keyspace->bytes == 0);
    mem_free(keyspace);
}

/* --- Finding ---------------------------------------------------------------------------------- */

uint64_t keyspace_hash(const struct keyspace *keyspace, struct slice key)
{
    return hash_bytes(key, keyspace->seed);
}

void keyspace_prefetch(const struct keyspace *keyspace, int db, uint64_t hash)
{
    const struct database *database = database_of(keyspace, db);

    if (database->entries != NULL)
        table_prefetch(database->entries, hash);
}

void keyspace_prefetch_entry(const struct keyspace *keyspace, int db, uint64_t hash)
{
    const struct database *database = database_of(keyspace, db);

    if (database->entries != NULL)
        table_prefetch_item(database->entries, hash);
}

void keyspace_prefetch_put(const struct keyspace *keyspace, int db, int step, uint64_t hash)
{
    const struct database *database = database_of(keyspace, db);

    if (database->entries != NULL)
        table_prefetch_insert(database->entries, step, hash);
}

struct place keyspace_find(const struct keyspace *keyspace, int db, struct slice key, uint64_t hash)
{
    const struct database *database = database_of(keyspace, db);
    struct place place = {.db = db, .hash = hash, .key = key};

    if (database->entries != NULL)
        place.slot = table_find(database->entries, hash, key);
    if (place.slot != NULL)
        place.entry = table_item(place.slot);
    return place;
}

/* The slot of an entry that is there. A place whose entry was just inserted does not know it yet:
 * few are asked for it. */
static struct table_slot *slot_of(const struct database *database, struct place *place)
{
    kv_assert(place->entry != NULL);
    if (place->slot == NULL)
        place->slot = table_find(database->entries, place->hash, entry_key(place->entry));
    kv_assert(place->slot != NULL);
    kv_assert(table_item(place->slot) == place->entry);
    return place->slot;
}

/* --- Changing --------------------------------------------------------------------------------- */

static __attribute__((noinline)) bool cut_first(struct keyspace *keyspace,
                                                struct database *database, struct place *place,
                                                bool dropped)
{
    return place->entry != NULL &&
        cut_before_change(keyspace, database, slot_of(database, place), dropped);
}

/* The funnel: what is at the place, if anything, is as it was, and will be something else when the
 * caller returns; `dropped` if it leaves the keyspace. True: its bytes may not be written over. */
static inline bool about_to_change(struct keyspace *keyspace, struct database *database,
                                   struct place *place, bool dropped)
{
    keyspace->changes++;
    return unlikely(database->cut != NULL) && cut_first(keyspace, database, place, dropped);
}

/* A caller may have hidden what is there: it is put over all the same. */
static void uncover(struct place *place)
{
    if (place->entry == NULL && place->slot != NULL)
        place->entry = table_item(place->slot);
}

static void put_new(struct keyspace *keyspace, struct database *database, struct place *place,
                    struct entry *entry)
{
    insert(keyspace, &database->entries, &type_entries, place->hash, entry);
    account(keyspace, database, 0, entry_memory(entry));
    index_deadlines(keyspace, database, place->hash, NULL, false, false, entry);
    keyspace->total++;
    place->entry = entry;
    place->slot = NULL;
}

static void put_over(struct keyspace *keyspace, struct database *database, struct place *place,
                     struct entry *entry)
{
    struct entry *old = place->entry;

    table_replace(slot_of(database, place), entry);
    account(keyspace, database, entry_memory(old), entry_memory(entry));
    index_deadlines(keyspace, database, place->hash, old, has_deadline(old), has_inner(old), entry);
    place->entry = entry;
    give_back(keyspace, old, false);
}

void keyspace_put(struct keyspace *keyspace, struct place *place, struct entry *entry)
{
    struct database *database = database_of(keyspace, place->db);

    uncover(place);
    about_to_change(keyspace, database, place, true);
    if (place->entry == NULL)
        put_new(keyspace, database, place, entry);
    else
        put_over(keyspace, database, place, entry);
}

/* By a new entry over what is there. */
static void put_string_over(struct keyspace *keyspace, struct database *database,
                            struct place *place, struct slice value, int64_t deadline_ms)
{
    struct entry *entry = entry_new_string(place->key, value, deadline_ms);

    entry_set_access(entry, entry_access(place->entry));
    put_over(keyspace, database, place, entry);
}

hot void keyspace_put_string(struct keyspace *keyspace, struct place *place, struct slice value,
                             int64_t deadline_ms)
{
    struct database *database = database_of(keyspace, place->db);
    struct entry *old;
    size_t bytes;
    bool indexed;

    uncover(place);
    old = place->entry;
    if (about_to_change(keyspace, database, place, true)) {
        put_string_over(keyspace, database, place, value, deadline_ms);
        return;
    }
    if (old == NULL) {
        put_new(keyspace, database, place, entry_new_string(place->key, value, deadline_ms));
        return;
    }
    bytes = entry_memory(old);
    indexed = has_deadline(old);
    switch (entry_overwrite_string(old, value, deadline_ms)) {
    case ENTRY_SAME_SHAPE:
        return;
    case ENTRY_OTHER_SHAPE:
        account(keyspace, database, bytes, entry_memory(old));
        index_deadlines(keyspace, database, place->hash, old, indexed, false, old);
        return;
    case ENTRY_UNTOUCHED:
        break;
    }
    put_string_over(keyspace, database, place, value, deadline_ms);
}

static struct entry *take(struct keyspace *keyspace, struct place *place, bool dropped)
{
    struct database *database = database_of(keyspace, place->db);
    struct entry *entry = place->entry;

    about_to_change(keyspace, database, place, dropped);
    take_out(keyspace, database->entries, place->hash, slot_of(database, place));
    account(keyspace, database, entry_memory(entry), 0);
    index_deadlines(keyspace, database, place->hash, entry, has_deadline(entry), has_inner(entry),
                    NULL);
    keyspace->total--;
    place->entry = NULL;
    place->slot = NULL;
    return entry;
}

struct entry *keyspace_take(struct keyspace *keyspace, struct place *place)
{
    return take(keyspace, place, false);
}

void keyspace_remove(struct keyspace *keyspace, struct place *place, bool background)
{
    give_back(keyspace, take(keyspace, place, true), background);
}

void keyspace_set_deadline(struct keyspace *keyspace, struct place *place, int64_t deadline_ms)
{
    keyspace_before_write(keyspace, place, 0, 0);
    keyspace_after_change(keyspace, place, entry_set_deadline(place->entry, deadline_ms));
}

static void note_before_change(struct keyspace *keyspace, struct database *database,
                               struct place *place)
{
    account(keyspace, database, entry_memory(place->entry), 0);
    slot_of(database, place);
    place->indexed = has_deadline(place->entry);
    place->inner_indexed = has_inner(place->entry);
}

void keyspace_before_change(struct keyspace *keyspace, struct place *place)
{
    struct database *database = database_of(keyspace, place->db);

    kv_assert(place->entry != NULL);
    about_to_change(keyspace, database, place, false);
    note_before_change(keyspace, database, place);
}

void keyspace_before_write(struct keyspace *keyspace, struct place *place, size_t from, size_t to)
{
    struct database *database = database_of(keyspace, place->db);

    kv_assert(place->entry != NULL);
    keyspace->changes++;
    if (unlikely(database->cut != NULL))
        cut_before_write(keyspace, database, slot_of(database, place), from, to);
    note_before_change(keyspace, database, place);
}

void keyspace_after_change(struct keyspace *keyspace, struct place *place, struct entry *entry)
{
    struct database *database = database_of(keyspace, place->db);
    struct entry *old = place->entry;

    if (entry != old) {
        table_replace(place->slot, entry);
        place->entry = entry;
        if (unlikely(keyspace->cut != NULL))
            cut_moved(keyspace, old, entry);
    }
    account(keyspace, database, 0, entry_memory(entry));
    index_deadlines(keyspace, database, place->hash, old, place->indexed, place->inner_indexed,
                    entry);
    if (unlikely(keyspace->cut != NULL))
        cut_after_change(keyspace, entry);
}

uint64_t keyspace_flush(struct keyspace *keyspace, int db, bool background)
{
    uint64_t before = keyspace->total;
    int first = db < 0 ? 0 : db, last = db < 0 ? keyspace->databases - 1 : db;

    for (int i = first; i <= last; i++)
        database_clear(keyspace, database_of(keyspace, i), background);
    if (keyspace->total != before)
        keyspace->changes++;
    return before - keyspace->total;
}

void keyspace_swap(struct keyspace *keyspace, int a, int b)
{
    struct database *first = database_of(keyspace, a), *second = database_of(keyspace, b);
    struct database kept = *first;

    if (a != b && keyspace_count(keyspace, a) + keyspace_count(keyspace, b) != 0)
        keyspace->changes++;
    *first = *second;
    *second = kept;
    cut_swapped(first, second);
}

/* --- Figures ---------------------------------------------------------------------------------- */

int keyspace_databases(const struct keyspace *keyspace)
{
    return keyspace->databases;
}

uint64_t keyspace_count(const struct keyspace *keyspace, int db)
{
    const struct database *database = database_of(keyspace, db);

    return database->entries == NULL ? 0 : table_count(database->entries);
}

uint64_t keyspace_deadlines(const struct keyspace *keyspace, int db)
{
    const struct database *database = database_of(keyspace, db);

    return database->deadlines == NULL ? 0 : table_count(database->deadlines);
}

uint64_t keyspace_inner_deadlines(const struct keyspace *keyspace, int db)
{
    const struct database *database = database_of(keyspace, db);

    return database->inner == NULL ? 0 : table_count(database->inner);
}

uint64_t keyspace_total(const struct keyspace *keyspace)
{
    return keyspace->total;
}

size_t keyspace_memory(const struct keyspace *keyspace)
{
    return keyspace->bytes;
}

size_t keyspace_overhead(const struct keyspace *keyspace, int db, bool deadlines_only)
{
    const struct database *database = database_of(keyspace, db);
    const struct table *table = deadlines_only ? database->deadlines : database->entries;

    return table == NULL ? 0 : table_bytes(table);
}

void keyspace_figures(const struct keyspace *keyspace, int db, bool deadlines_only, size_t *groups,
                      size_t *longest)
{
    const struct database *database = database_of(keyspace, db);

    table_figures(deadlines_only ? database->deadlines : database->entries, groups, longest);
}

uint64_t keyspace_changes(const struct keyspace *keyspace)
{
    return keyspace->changes;
}

struct keyspace_sweep *keyspace_sweep(struct keyspace *keyspace, int db)
{
    return &database_of(keyspace, db)->sweep;
}

/* --- Walking ---------------------------------------------------------------------------------- */

struct visitor {
    void (*visit)(void *env, struct entry *entry);
    void *env;
};

static void visit_item(void *env, void *item)
{
    const struct visitor *visitor = env;

    visitor->visit(visitor->env, item);
}

static uint64_t scan(const struct table *table, uint64_t cursor,
                     void (*visit)(void *env, struct entry *entry), void *env)
{
    struct visitor visitor = {visit, env};

    return table == NULL ? 0 : table_scan(table, cursor, visit_item, &visitor);
}

uint64_t keyspace_scan(const struct keyspace *keyspace, int db, uint64_t cursor,
                       void (*visit)(void *env, struct entry *entry), void *env)
{
    return scan(database_of(keyspace, db)->entries, cursor, visit, env);
}

uint64_t keyspace_scan_deadlines(const struct keyspace *keyspace, int db, uint64_t cursor,
                                 void (*visit)(void *env, struct entry *entry), void *env)
{
    return scan(database_of(keyspace, db)->deadlines, cursor, visit, env);
}

uint64_t keyspace_scan_inner_deadlines(const struct keyspace *keyspace, int db, uint64_t cursor,
                                       void (*visit)(void *env, struct entry *entry), void *env)
{
    return scan(database_of(keyspace, db)->inner, cursor, visit, env);
}

void keyspace_each(const struct keyspace *keyspace, int db,
                   void (*visit)(void *env, struct entry *entry), void *env)
{
    const struct database *database = database_of(keyspace, db);
    struct table_walk walk;
    struct table_slot *slot;

    if (database->entries == NULL)
        return;
    table_walk_start(&walk, database->entries);
    while ((slot = table_walk_next(&walk)) != NULL)
        visit(env, table_item(slot));
}

struct entry *keyspace_random(const struct keyspace *keyspace, int db, bool deadlines_only,
                              struct rng *rng)
{
    const struct database *database = database_of(keyspace, db);
    const struct table *table = deadlines_only ? database->deadlines : database->entries;
    struct table_slot *slot = table == NULL ? NULL : table_random(table, rng);

    return slot == NULL ? NULL : table_item(slot);
}

size_t keyspace_sample(const struct keyspace *keyspace, int db, bool deadlines_only,
                       struct rng *rng, struct entry **out, size_t most)
{
    const struct database *database = database_of(keyspace, db);
    const struct table *table = deadlines_only ? database->deadlines : database->entries;

    return table == NULL ? 0 : table_sample(table, rng, (void **)out, most);
}

void keyspace_presize(struct keyspace *keyspace, int db, uint64_t keys)
{
    struct database *database = database_of(keyspace, db);

    if (database->entries == NULL) {
        database->entries = table_new(&type_entries, keyspace);
        keyspace->bytes += table_bytes(database->entries);
    }
    keyspace->bytes -= table_bytes(database->entries);
    table_presize(database->entries, keys);
    keyspace->bytes += table_bytes(database->entries);
}

/* The entry is in the index if and only if `wanted`, which is returned. */
static bool index_check(const struct table *index, uint64_t hash, const struct entry *entry,
                        bool wanted)
{
    kv_assert(!wanted || index != NULL);
    kv_assert(wanted == (index != NULL && table_find(index, hash, by_address(entry)) != NULL));
    return wanted;
}

static size_t index_check_all(const struct table *index, size_t count)
{
    if (index == NULL)
        return 0;
    table_check(index);
    kv_assert(table_count(index) == count);
    return table_bytes(index);
}

static size_t database_check(const struct keyspace *keyspace, const struct database *database)
{
    size_t bytes = 0, deadlines = 0, inner = 0;
    struct table_walk walk;
    struct table_slot *slot;

    cut_check(keyspace, database);
    if (database->entries == NULL) {
        kv_assert(database->deadlines == NULL);
        kv_assert(database->inner == NULL);
        kv_assert(database->bytes == 0);
        return 0;
    }
    table_check(database->entries);
    table_walk_start(&walk, database->entries);
    while ((slot = table_walk_next(&walk)) != NULL) {
        struct entry *entry = table_item(slot);
        uint64_t hash = hash_entry(keyspace, entry);

        entry_check(entry);
        kv_assert(table_find(database->entries, hash, entry_key(entry)) == slot);
        bytes += entry_memory(entry);
        deadlines += index_check(database->deadlines, hash, entry, has_deadline(entry));
        inner += index_check(database->inner, hash, entry, has_inner(entry));
    }
    kv_assert(database->bytes == bytes);
    return bytes + table_bytes(database->entries) +
        index_check_all(database->deadlines, deadlines) + index_check_all(database->inner, inner);
}

void keyspace_check(const struct keyspace *keyspace)
{
    size_t bytes = 0;
    uint64_t total = 0;

    for (int db = 0; db < keyspace->databases; db++) {
        bytes += database_check(keyspace, &keyspace->database[db]);
        total += keyspace_count(keyspace, db);
    }
    kv_assert(bytes == keyspace->bytes);
    kv_assert(total == keyspace->total);
}
