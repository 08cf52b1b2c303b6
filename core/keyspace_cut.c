/* The keyspace's part of a snapshot.
 *
 * Each table that is there at the beginning gets a struct cut_table, which goes where its database
 * goes: SWAPDB moves it along, FLUSHDB leaves it with the table that it sets aside. So a table is
 * written under the number it had. A database that gets its first entry later has none: all its
 * entries are new.
 *
 * A table walks its groups and asks for each entry that is out (core/ds/table.h); the funnel of
 * change asks for the one that it is about to change. Either way the entry's mark says "in"
 * afterwards, so each is taken once.
 *
 *   cutting    database->cut is set
 *   aside      it was emptied: the table belongs to the cut, which goes on with it
 *   walked     its cursor has come to the end: all marks are in order. It is retired at the next
 *              step, when no value is held any more: only then may a long string change again
 *              without being asked for
 *
 * A table that was emptied when it was not (or no longer) being cut is set aside as well if any
 * value is held: it may have been moved there.
 */
#include "core/keyspace_cut.h"

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/reaper.h"
#include "core/ds/table.h"
#include "core/keyspace_private.h"
#include "core/type/entry.h"

struct cut_table {
    struct cut_table *next;
    struct table *table;
    struct database *home; /* NULL: it is aside */
    size_t count;          /* of entries when it was set aside */
    uint64_t cursor;
    int db;                /* its number at the beginning */
    bool walked;
};

struct keyspace_cut {
    const struct keyspace_cutter *cutter;
    struct cut_table *first, **last; /* in the order in which they are walked */
};

static void append(struct keyspace_cut *cut, struct cut_table *table)
{
    table->next = NULL;
    *cut->last = table;
    cut->last = &table->next;
}

uint64_t keyspace_cut_begin(struct keyspace *keyspace, const struct keyspace_cutter *cutter)
{
    struct keyspace_cut *cut = mem_alloc_zero(sizeof(*cut));

    kv_assert(keyspace->cut == NULL);
    cut->cutter = cutter;
    cut->last = &cut->first;
    for (int db = 0; db < keyspace->databases; db++) {
        struct database *database = &keyspace->database[db];
        struct cut_table *table;

        if (database->entries == NULL || table_count(database->entries) == 0)
            continue;
        table = mem_alloc_zero(sizeof(*table));
        table->table = database->entries;
        table->home = database;
        table->db = db;
        database->cut = table;
        table_cut_begin(database->entries);
        append(cut, table);
    }
    keyspace->cut = cut;
    return keyspace->total;
}

static void free_entry(void *entry)
{
    entry_free(entry);
}

static void free_table_and_entries(void *table)
{
    table_free(table, free_entry);
}

/* The first table is done with. */
static void retire(struct keyspace *keyspace)
{
    struct keyspace_cut *cut = keyspace->cut;
    struct cut_table *table = cut->first;

    cut->first = table->next;
    if (cut->first == NULL)
        cut->last = &cut->first;
    if (table->home != NULL)
        table->home->cut = NULL;
    else if (keyspace->reaper != NULL)
        reaper_give(keyspace->reaper, free_table_and_entries, table->table, table->count);
    else
        free_table_and_entries(table->table);
    mem_free(table);
}

struct visitor {
    const struct keyspace_cutter *cutter;
    int db;
};

static bool visit(void *env, void *entry)
{
    const struct visitor *visitor = env;

    return visitor->cutter->take(visitor->cutter->self, visitor->db, entry, false);
}

bool keyspace_cut_step(struct keyspace *keyspace)
{
    struct keyspace_cut *cut = keyspace->cut;
    struct cut_table *table;

    kv_assert(!cut->cutter->holds(cut->cutter->self));
    while (cut->first != NULL && cut->first->walked)
        retire(keyspace);
    if ((table = cut->first) == NULL)
        return false;
    struct visitor visitor = {cut->cutter, table->db};
    table->walked = !table_cut_step(table->table, &table->cursor, visit, &visitor);
    return true;
}

void keyspace_cut_give_up(struct keyspace *keyspace)
{
    for (struct cut_table *table = keyspace->cut->first; table != NULL; table = table->next)
        if (table->home == NULL)
            table->walked = true;
}

void keyspace_cut_end(struct keyspace *keyspace)
{
    kv_assert(keyspace->cut->first == NULL);
    mem_free(keyspace->cut);
    keyspace->cut = NULL;
}

void keyspace_cut_drop(struct keyspace *keyspace)
{
    kv_assert(!keyspace->cut->cutter->holds(keyspace->cut->cutter->self));
    while (keyspace->cut->first != NULL)
        retire(keyspace);
    keyspace_cut_end(keyspace);
}

/* --- What keyspace.c asks --------------------------------------------------------------------- */

static bool is_long_string(const struct entry *entry)
{
    return entry_type(entry) == TYPE_STRING && entry_string_len(entry) > KEYSPACE_CUT_LONG_STRING;
}

static void take_early(struct keyspace *keyspace, struct database *database,
                       struct table_slot *slot)
{
    const struct keyspace_cutter *cutter = keyspace->cut->cutter;

    if (!table_cut_has(database->entries, slot)) {
        table_cut_put(database->entries, slot);
        (void)cutter->take(cutter->self, database->cut->db, table_item(slot), true);
    }
}

void cut_before_write(struct keyspace *keyspace, struct database *database,
                      struct table_slot *slot, size_t from, size_t to)
{
    const struct keyspace_cutter *cutter = keyspace->cut->cutter;
    struct entry *entry = table_item(slot);

    take_early(keyspace, database, slot);
    if (is_long_string(entry) && from < to)
        cutter->touch(cutter->self, entry, from, to);
}

void cut_moved(struct keyspace *keyspace, const void *old, struct entry *entry)
{
    if (is_long_string(entry))
        keyspace->cut->cutter->moved(keyspace->cut->cutter->self, old, entry);
}

bool cut_before_change(struct keyspace *keyspace, struct database *database,
                       struct table_slot *slot, bool dropped)
{
    const struct keyspace_cutter *cutter = keyspace->cut->cutter;
    struct entry *entry = table_item(slot);

    take_early(keyspace, database, slot);
    if (!is_long_string(entry))
        return false;
    if (dropped)
        return cutter->reads(cutter->self, entry);
    cutter->release(cutter->self, entry);
    return false;
}

void cut_after_change(struct keyspace *keyspace, const struct entry *entry)
{
    keyspace->cut->cutter->handed_over(keyspace->cut->cutter->self, entry);
}

bool cut_keeps(struct keyspace *keyspace, struct entry *entry)
{
    return keyspace->cut->cutter->keep(keyspace->cut->cutter->self, entry);
}

bool cut_keeps_table(struct keyspace *keyspace, struct database *database, size_t count)
{
    struct keyspace_cut *cut = keyspace->cut;
    struct cut_table *table = database->cut;

    if (table == NULL) {
        if (!cut->cutter->holds(cut->cutter->self))
            return false;
        table = mem_alloc_zero(sizeof(*table));
        table->table = database->entries;
        table->walked = true;
        append(cut, table);
    }
    table->home = NULL;
    table->count = count;
    return true;
}

void cut_swapped(struct database *a, struct database *b)
{
    if (a->cut != NULL)
        a->cut->home = a;
    if (b->cut != NULL)
        b->cut->home = b;
}

void cut_check(const struct keyspace *keyspace, const struct database *database)
{
    struct table_walk walk;
    struct table_slot *slot;

    kv_assert(database->cut == NULL || keyspace->cut != NULL);
    if (database->cut != NULL) {
        kv_assert(database->cut->home == database);
        kv_assert(database->cut->table == database->entries);
    }
    if (database->entries == NULL || (database->cut != NULL && !database->cut->walked))
        return;
    table_walk_start(&walk, database->entries);
    while ((slot = table_walk_next(&walk)) != NULL)
        kv_assert(table_cut_has(database->entries, slot));
}
