/* Fields in a table, and a heap over their deadlines.
 *
 * A field is one allocation:
 *
 *   0   flags:8  name_len:8  value_len:16   (both lengths are in the wide part if one does not fit)
 *   4   place in the heap, u32; deadline, i64     if FIELD_DEADLINE
 *   ..  name_len:32  value_len:32                 if FIELD_WIDE
 *   ..  name, then value
 *
 * So a field of 12 + 22 bytes takes the class of 48 bytes, with the table's share 58 in all. The
 * block is always the size class of what it holds: its size is arithmetic.
 *
 * The heap is binary, the first deadline on top; each field knows its place in it, so that a field
 * that is overwritten or deleted leaves it in O(log n). It is what makes expiry of fields cost
 * nothing while none is due, whatever the number of fields.
 *
 * The hash's seed comes from where it lies: not known to who sends the fields.
 *
 * Invariants, asserted by hash_table_check:
 *   1. field_bytes is the sum of the fields' blocks.
 *   2. A field is in the heap, where it says, if and only if it has a deadline.
 *   3. No field in the heap has a later deadline than those below it.
 */
#include "core/type/hash_table.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/type/hash_cut.h"

#define NAME_NARROW_MAX 255
#define VALUE_NARROW_MAX 65535
#define HEAP_ROOM_FIRST 8

enum field_flag { FIELD_DEADLINE = 1 << 0, FIELD_WIDE = 1 << 1 };

struct field {
    uint8_t flags;
    uint8_t name_len;
    uint16_t value_len;
    uint32_t place; /* this one and what follows only as the flags say */
    int64_t deadline_ms;
};
#define FIELD_HEADER offsetof(struct field, place)

struct field_wide {
    uint32_t name_len, value_len;
};

_Static_assert(FIELD_HEADER == 4, "the header is half a word");
_Static_assert(sizeof(struct field) == 16, "with a deadline it is two");

struct hash_table {
    struct table *table;
    uint64_t seed;
    size_t field_bytes;
    struct field **heap; /* NULL until needed */
    uint32_t deadlines, room;
    struct value_cut *cut;
};

/* --- One field -------------------------------------------------------------------------------- */

static size_t wide_at(unsigned flags)
{
    return flags & FIELD_DEADLINE ? sizeof(struct field) : FIELD_HEADER;
}

static size_t name_at(unsigned flags)
{
    return wide_at(flags) + (flags & FIELD_WIDE ? sizeof(struct field_wide) : 0);
}

static struct field_wide lengths_of(const struct field *field)
{
    struct field_wide lengths = {field->name_len, field->value_len};

    if (unlikely(field->flags & FIELD_WIDE))
        memcpy(&lengths, (const char *)field + wide_at(field->flags), sizeof(lengths));
    return lengths;
}

static size_t block_of(const struct field *field)
{
    struct field_wide lengths = lengths_of(field);

    return mem_class(name_at(field->flags) + lengths.name_len + lengths.value_len);
}

struct slice field_name(const struct field *field)
{
    return (struct slice){(const char *)field + name_at(field->flags), lengths_of(field).name_len};
}

struct slice field_value(const struct field *field)
{
    struct field_wide lengths = lengths_of(field);

    return (struct slice){(const char *)field + name_at(field->flags) + lengths.name_len,
                          lengths.value_len};
}

int64_t field_deadline(const struct field *field)
{
    return field->flags & FIELD_DEADLINE ? field->deadline_ms : FIELD_NO_DEADLINE;
}

static unsigned flags_for(struct slice name, struct slice value, int64_t deadline_ms)
{
    kv_assert(name.len <= UINT32_MAX);
    kv_assert(value.len <= UINT32_MAX);
    return (deadline_ms != FIELD_NO_DEADLINE ? FIELD_DEADLINE : 0) |
        (name.len > NAME_NARROW_MAX || value.len > VALUE_NARROW_MAX ? FIELD_WIDE : 0);
}

static void copy_to(char *to, struct slice from)
{
    if (from.len > 0 && to != from.data)
        memcpy(to, from.data, from.len);
}

/* Lengths and value; flags, name and deadline are there. */
static void write_value(struct field *field, size_t name_len, struct slice value)
{
    if (field->flags & FIELD_WIDE) {
        struct field_wide lengths = {(uint32_t)name_len, (uint32_t)value.len};

        field->name_len = 0;
        field->value_len = 0;
        memcpy((char *)field + wide_at(field->flags), &lengths, sizeof(lengths));
    } else {
        field->name_len = (uint8_t)name_len;
        field->value_len = (uint16_t)value.len;
    }
    copy_to((char *)field + name_at(field->flags) + name_len, value);
}

static struct field *field_new(struct slice name, struct slice value, int64_t deadline_ms)
{
    unsigned flags = flags_for(name, value, deadline_ms);
    struct field *field = mem_alloc(mem_class(name_at(flags) + name.len + value.len));

    field->flags = (uint8_t)flags;
    if (flags & FIELD_DEADLINE)
        field->deadline_ms = deadline_ms;
    copy_to((char *)field + name_at(flags), name);
    write_value(field, name.len, value);
    return field;
}

/* --- The heap --------------------------------------------------------------------------------- */

static void heap_set(struct hash_table *fields, uint32_t at, struct field *field)
{
    fields->heap[at] = field;
    field->place = at;
}

/* Move the field at `at`, whose deadline has changed, to where it belongs. */
static void heap_settle(struct hash_table *fields, uint32_t at)
{
    struct field *field = fields->heap[at];

    while (at > 0 && fields->heap[(at - 1) / 2]->deadline_ms > field->deadline_ms) {
        heap_set(fields, at, fields->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint64_t child = 2 * (uint64_t)at + 1;

        if (child >= fields->deadlines)
            break;
        if (child + 1 < fields->deadlines &&
            fields->heap[child + 1]->deadline_ms < fields->heap[child]->deadline_ms)
            child++;
        if (fields->heap[child]->deadline_ms >= field->deadline_ms)
            break;
        heap_set(fields, at, fields->heap[child]);
        at = (uint32_t)child;
    }
    heap_set(fields, at, field);
}

static void heap_add(struct hash_table *fields, struct field *field)
{
    kv_assert(fields->deadlines < UINT32_MAX / 2);
    if (fields->deadlines == fields->room) {
        fields->room = fields->room == 0 ? HEAP_ROOM_FIRST : fields->room * 2;
        fields->heap = mem_realloc(fields->heap, fields->room * sizeof(struct field *));
    }
    heap_set(fields, fields->deadlines++, field);
    heap_settle(fields, field->place);
}

static void heap_drop(struct hash_table *fields, uint32_t at)
{
    struct field *last = fields->heap[--fields->deadlines];

    if (at < fields->deadlines) {
        heap_set(fields, at, last);
        heap_settle(fields, at);
    }
    if (fields->deadlines == 0) {
        mem_free(fields->heap);
        fields->heap = NULL;
        fields->room = 0;
    } else if (fields->room > HEAP_ROOM_FIRST && fields->deadlines < fields->room / 4) {
        fields->room /= 2;
        fields->heap = mem_realloc(fields->heap, fields->room * sizeof(struct field *));
    }
}

/* `after` is what has become of a field that was in the heap at `place`, if it was there. */
static void heap_follow(struct hash_table *fields, bool had, uint32_t place, struct field *after)
{
    bool has = after->flags & FIELD_DEADLINE;

    if (had && has) {
        heap_set(fields, place, after);
        heap_settle(fields, place);
    } else if (had) {
        heap_drop(fields, place);
    } else if (has) {
        heap_add(fields, after);
    }
}

/* --- The table -------------------------------------------------------------------------------- */

static uint64_t hash_field(const void *env, const void *item)
{
    const struct hash_table *fields = env;

    return hash_bytes(field_name(item), fields->seed);
}

static bool match_field(const void *env, const void *item, struct slice name)
{
    (void)env;
    return slice_equal(field_name(item), name);
}

static const struct table_type field_type = {hash_field, match_field};

struct hash_table *hash_table_new(void)
{
    struct hash_table *fields = mem_alloc_zero(sizeof(*fields));

    fields->seed = hash_bytes((struct slice){(const char *)&fields, sizeof(fields)}, 0);
    fields->table = table_new(&field_type, fields);
    return fields;
}

void hash_table_free(struct hash_table *fields)
{
    table_free(fields->table, mem_free);
    mem_free(fields->heap);
    mem_free(fields);
}

void hash_table_presize(struct hash_table *fields, size_t count)
{
    table_presize(fields->table, count);
}

size_t hash_table_count(const struct hash_table *fields)
{
    return table_count(fields->table);
}

size_t hash_table_memory(const struct hash_table *fields)
{
    size_t heap = fields->heap == NULL ? 0 : mem_class(fields->room * sizeof(struct field *));

    return mem_class(sizeof(*fields)) + table_bytes(fields->table) + fields->field_bytes + heap;
}

static struct table_slot *find_slot(const struct hash_table *fields, uint64_t hash,
                                    struct slice name)
{
    return table_find(fields->table, hash, name);
}

struct field *hash_table_find(const struct hash_table *fields, struct slice name)
{
    struct table_slot *slot = find_slot(fields, hash_bytes(name, fields->seed), name);

    return slot == NULL ? NULL : table_item(slot);
}

static void add_field(struct hash_table *fields, uint64_t hash, struct field *field)
{
    fields->field_bytes += block_of(field);
    table_insert(fields->table, hash, field);
    if (field->flags & FIELD_DEADLINE)
        heap_add(fields, field);
}

/* The field at `slot` is about to change, or to go. */
static inline void before_change(struct hash_table *fields, struct table_slot *slot)
{
    if (likely(fields->cut == NULL) || table_cut_has(fields->table, slot))
        return;
    hash_cut_put(fields->cut, table_item(slot));
    table_cut_put(fields->table, slot);
}

/* The field at `slot` gets another value and deadline. `value` may be its own. */
static void change_field(struct hash_table *fields, struct table_slot *slot, struct slice name,
                         struct slice value, int64_t deadline_ms)
{
    unsigned flags = flags_for(name, value, deadline_ms);
    struct field *field = table_item(slot);
    size_t block = block_of(field);
    bool had = field->flags & FIELD_DEADLINE;
    uint32_t place = had ? field->place : 0;

    before_change(fields, slot);
    if (field->flags == flags && mem_class(name_at(flags) + name.len + value.len) == block) {
        write_value(field, name.len, value);
        if (had)
            field->deadline_ms = deadline_ms;
    } else {
        struct field *old = field;

        field = field_new(name, value, deadline_ms);
        fields->field_bytes += block_of(field) - block;
        table_replace(slot, field);
        mem_free(old);
    }
    if (had || flags & FIELD_DEADLINE)
        heap_follow(fields, had, place, field);
}

bool hash_table_set(struct hash_table *fields, struct slice name, struct slice value,
                    int64_t deadline_ms)
{
    uint64_t hash = hash_bytes(name, fields->seed);
    struct table_slot *slot = find_slot(fields, hash, name);

    if (slot == NULL)
        add_field(fields, hash, field_new(name, value, deadline_ms));
    else
        change_field(fields, slot, name, value, deadline_ms);
    return slot == NULL;
}

bool hash_table_add_end(struct hash_table *fields, struct hash_table_ahead *ahead)
{
    for (size_t i = 0; i < ahead->count; i++) {
        struct field *field = ahead->fields[i];

        if (find_slot(fields, ahead->hashes[i], field_name(field)) == NULL) {
            add_field(fields, ahead->hashes[i], field);
        } else {
            ahead->twice = true;
            mem_free(field);
        }
    }
    ahead->count = 0;
    return !ahead->twice;
}

bool hash_table_add(struct hash_table *fields, struct hash_table_ahead *ahead, struct slice name,
                    struct slice value, int64_t deadline_ms)
{
    uint64_t hash = hash_bytes(name, fields->seed);

    table_prefetch(fields->table, hash);
    ahead->hashes[ahead->count] = hash;
    ahead->fields[ahead->count++] = field_new(name, value, deadline_ms);
    return ahead->count < HASH_TABLE_AHEAD || hash_table_add_end(fields, ahead);
}

bool hash_table_set_deadline(struct hash_table *fields, struct slice name, int64_t deadline_ms)
{
    struct table_slot *slot = find_slot(fields, hash_bytes(name, fields->seed), name);
    const struct field *field;

    if (slot == NULL)
        return false;
    field = table_item(slot);
    if (deadline_ms != FIELD_NO_DEADLINE || field->flags & FIELD_DEADLINE)
        change_field(fields, slot, name, field_value(field), deadline_ms);
    return true;
}

bool hash_table_delete(struct hash_table *fields, struct slice name)
{
    uint64_t hash = hash_bytes(name, fields->seed);
    struct table_slot *slot = find_slot(fields, hash, name);
    struct field *field;

    if (slot == NULL)
        return false;
    before_change(fields, slot);
    field = table_remove(fields->table, hash, slot);
    if (field->flags & FIELD_DEADLINE)
        heap_drop(fields, field->place);
    fields->field_bytes -= block_of(field);
    mem_free(field);
    return true;
}

struct hash_table *hash_table_copy(const struct hash_table *fields)
{
    struct hash_table *copy = hash_table_new();
    struct table_walk walk;
    struct table_slot *slot;

    hash_table_presize(copy, hash_table_count(fields));
    table_walk_start(&walk, fields->table);
    while ((slot = table_walk_next(&walk)) != NULL) {
        const struct field *field = table_item(slot);
        struct slice name = field_name(field);

        add_field(copy, hash_bytes(name, copy->seed),
                  field_new(name, field_value(field), field_deadline(field)));
    }
    return copy;
}

size_t hash_table_deadlines(const struct hash_table *fields)
{
    return fields->deadlines;
}

const struct field *hash_table_first(const struct hash_table *fields)
{
    return fields->deadlines == 0 ? NULL : fields->heap[0];
}

/* Of the heap from `at` down. What is not due has nothing due below it. */
static size_t due_below(const struct hash_table *fields, uint64_t at, int64_t now_ms)
{
    if (at >= fields->deadlines || fields->heap[at]->deadline_ms > now_ms)
        return 0;
    return 1 + due_below(fields, 2 * at + 1, now_ms) + due_below(fields, 2 * at + 2, now_ms);
}

size_t hash_table_due(const struct hash_table *fields, int64_t now_ms)
{
    return due_below(fields, 0, now_ms);
}

const struct table *hash_table_items(const struct hash_table *fields)
{
    return fields->table;
}

struct value_cut **hash_table_cut(struct hash_table *fields)
{
    return &fields->cut;
}

struct table *hash_table_marks(struct hash_table *fields)
{
    return fields->table;
}

const struct field *hash_table_random(const struct hash_table *fields, struct rng *rng)
{
    struct table_slot *slot = table_random(fields->table, rng);

    return slot == NULL ? NULL : table_item(slot);
}

void hash_table_check(const struct hash_table *fields)
{
    size_t bytes = 0, deadlines = 0;
    struct table_walk walk;
    struct table_slot *slot;

    table_check(fields->table);
    table_walk_start(&walk, fields->table);
    while ((slot = table_walk_next(&walk)) != NULL) {
        const struct field *field = table_item(slot);

        bytes += block_of(field);
        kv_assert(hash_table_find(fields, field_name(field)) == field);
        if (!(field->flags & FIELD_DEADLINE))
            continue;
        deadlines++;
        kv_assert(field->place < fields->deadlines);
        kv_assert(fields->heap[field->place] == field);
        kv_assert(fields->heap[(field->place - (field->place > 0)) / 2]->deadline_ms <=
                  field->deadline_ms);
    }
    kv_assert(bytes == fields->field_bytes);
    kv_assert(deadlines == fields->deadlines);
    kv_assert(fields->deadlines <= fields->room);
}
