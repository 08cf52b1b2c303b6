/* Both forms of a hash behind one set of functions, and the operations of the type. How it is
 * written into an RDB file and read from one is in hash_rdb.c. */
#include "core/type/hash.h"

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "core/type/hash_cut.h"
#include "core/type/hash_rdb.h"
#include "core/type/hash_table.h"
#include "core/type/limits.h"
#include "core/type/value.h"

static bool is_small(struct hash hash)
{
    return hash.encoding == ENCODING_LISTPACK;
}

struct hash hash_new(void)
{
    return (struct hash){ENCODING_LISTPACK, listpack_new(0)};
}

struct hash hash_of(const struct entry *entry)
{
    kv_assert(entry_type(entry) == TYPE_HASH);
    return (struct hash){entry_encoding(entry), entry_value(entry)};
}

void hash_free(struct hash hash)
{
    if (is_small(hash))
        listpack_free(hash.value);
    else
        hash_table_free(hash.value);
}

size_t hash_count(struct hash hash)
{
    return is_small(hash) ? listpack_count(hash.value) / 2 : hash_table_count(hash.value);
}

/* The item of a listpack whose field is at `at`; where the next one is. */
static uint8_t *read_small(const uint8_t *listpack, uint8_t *at, struct hash_item *item)
{
    uint8_t *value = listpack_next(listpack, at);

    item->field = listpack_get(at, item->digits[0]);
    item->value = listpack_get(value, item->digits[1]);
    item->deadline_ms = HASH_NO_DEADLINE;
    return listpack_next(listpack, value);
}

static void read_field(const struct field *field, struct hash_item *item)
{
    item->field = field_name(field);
    item->value = field_value(field);
    item->deadline_ms = field_deadline(field);
}

static uint8_t *find_small(struct hash hash, struct slice field)
{
    uint8_t *first = listpack_first(hash.value);

    return first == NULL ? NULL : listpack_find(hash.value, first, field, 2);
}

bool hash_get(struct hash hash, struct slice field, struct hash_item *item)
{
    const struct field *found;
    uint8_t *at;

    if (is_small(hash)) {
        at = find_small(hash, field);
        if (at != NULL)
            read_small(hash.value, at, item);
        return at != NULL;
    }
    found = hash_table_find(hash.value, field);
    if (found != NULL)
        read_field(found, item);
    return found != NULL;
}

void hash_convert(struct hash *hash)
{
    struct hash_table *fields;
    struct hash_walk walk;
    struct hash_item item;

    if (!is_small(*hash))
        return;
    fields = hash_table_new();
    hash_table_presize(fields, hash_count(*hash));
    hash_walk_start(&walk, *hash);
    while (hash_walk_next(&walk, &item))
        hash_table_set(fields, item.field, item.value, HASH_NO_DEADLINE);
    listpack_free(hash->value);
    *hash = (struct hash){ENCODING_HASHTABLE, fields};
}

static bool set_small(struct hash *hash, struct slice field, struct slice value)
{
    uint8_t *at = find_small(*hash, field);

    if (at != NULL) {
        at = listpack_next(hash->value, at);
        hash->value = listpack_replace(hash->value, &at, value);
        return false;
    }
    hash->value = listpack_append(hash->value, field);
    hash->value = listpack_append(hash->value, value);
    return true;
}

bool hash_set(struct hash *hash, const struct type_limits *limits, struct slice field,
              struct slice value, int64_t deadline_ms)
{
    bool is_new;

    if (is_small(*hash) &&
        (deadline_ms != HASH_NO_DEADLINE || field.len > (uint64_t)limits->hash_value_bytes ||
         value.len > (uint64_t)limits->hash_value_bytes))
        hash_convert(hash);
    if (!is_small(*hash))
        return hash_table_set(hash->value, field, value, deadline_ms);
    is_new = set_small(hash, field, value);
    if (hash_count(*hash) > (uint64_t)limits->hash_entries ||
        listpack_bytes(hash->value) > LISTPACK_BYTES_MAX / 2)
        hash_convert(hash);
    return is_new;
}

bool hash_delete(struct hash *hash, struct slice field)
{
    uint8_t *at;

    if (!is_small(*hash))
        return hash_table_delete(hash->value, field);
    at = find_small(*hash, field);
    if (at == NULL)
        return false;
    hash->value = listpack_delete(hash->value, &at, 2);
    return true;
}

bool hash_set_deadline(struct hash *hash, struct slice field, int64_t deadline_ms)
{
    if (is_small(*hash) && deadline_ms == HASH_NO_DEADLINE)
        return find_small(*hash, field) != NULL;
    hash_convert(hash);
    return hash_table_set_deadline(hash->value, field, deadline_ms);
}

/* --- Deadlines -------------------------------------------------------------------------------- */

int64_t hash_first_deadline(struct hash hash)
{
    const struct field *field = is_small(hash) ? NULL : hash_table_first(hash.value);

    return field == NULL ? HASH_NO_DEADLINE : field_deadline(field);
}

bool hash_first(struct hash hash, struct hash_item *item)
{
    const struct field *field = is_small(hash) ? NULL : hash_table_first(hash.value);

    if (field != NULL)
        read_field(field, item);
    return field != NULL;
}

size_t hash_due(struct hash hash, int64_t now_ms)
{
    return is_small(hash) ? 0 : hash_table_due(hash.value, now_ms);
}

/* --- Walking ---------------------------------------------------------------------------------- */

void hash_walk_start(struct hash_walk *walk, struct hash hash)
{
    walk->hash = hash;
    if (is_small(hash))
        walk->at = listpack_first(hash.value);
    else
        table_walk_start(&walk->table, hash_table_items(hash.value));
}

bool hash_walk_next(struct hash_walk *walk, struct hash_item *item)
{
    struct table_slot *slot;

    if (is_small(walk->hash)) {
        if (walk->at == NULL)
            return false;
        walk->at = read_small(walk->hash.value, walk->at, item);
        return true;
    }
    slot = table_walk_next(&walk->table);
    if (slot != NULL)
        read_field(table_item(slot), item);
    return slot != NULL;
}

struct scan_env {
    void (*visit)(void *env, const struct hash_item *item);
    void *env;
};

static void scan_visit(void *env, void *field)
{
    const struct scan_env *scan = env;
    struct hash_item item;

    read_field(field, &item);
    scan->visit(scan->env, &item);
}

uint64_t hash_scan(struct hash hash, uint64_t cursor,
                   void (*visit)(void *env, const struct hash_item *item), void *env)
{
    struct scan_env scan = {visit, env};
    struct hash_walk walk;
    struct hash_item item;

    if (!is_small(hash))
        return table_scan(hash_table_items(hash.value), cursor, scan_visit, &scan);
    hash_walk_start(&walk, hash);
    while (hash_walk_next(&walk, &item))
        visit(env, &item);
    return 0;
}

bool hash_random(struct hash hash, struct rng *rng, struct hash_item *item)
{
    const struct field *field;
    size_t count;

    if (is_small(hash)) {
        count = hash_count(hash);
        if (count > 0)
            read_small(hash.value, listpack_seek(hash.value, 2 * (int64_t)rng_below(rng, count)),
                       item);
        return count > 0;
    }
    field = hash_table_random(hash.value, rng);
    if (field != NULL)
        read_field(field, item);
    return field != NULL;
}

void hash_check(struct hash hash)
{
    if (is_small(hash)) {
        kv_assert(listpack_valid(hash.value, listpack_bytes(hash.value), true));
        kv_assert(listpack_count(hash.value) % 2 == 0);
    } else {
        hash_table_check(hash.value);
    }
}

/* --- The type --------------------------------------------------------------------------------- */

static void type_free(enum value_encoding encoding, void *value)
{
    hash_free((struct hash){encoding, value});
}

static void *type_copy(enum value_encoding encoding, const void *value)
{
    if (encoding == ENCODING_LISTPACK)
        return listpack_copy(value);
    return hash_table_copy(value);
}

static size_t type_memory(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? listpack_memory(value) : hash_table_memory(value);
}

static size_t type_effort(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_LISTPACK ? 1 : hash_table_count(value);
}

static int64_t type_deadline(enum value_encoding encoding, const void *value)
{
    return hash_first_deadline((struct hash){encoding, (void *)(uintptr_t)value});
}

const struct type_ops hash_ops = {
    .name = "hash",
    .free = type_free,
    .copy = type_copy,
    .memory = type_memory,
    .effort = type_effort,
    .deadline = type_deadline,
    .tag = hash_rdb_tag,
    .version = hash_rdb_version,
    .encode_begin = hash_rdb_begin,
    .encode_node = hash_rdb_node,
    .decode = hash_rdb_decode,
    .cut = &hash_cut_ops,
};
