/* Sets: the three encodings, and how they are written to RDB files (read: set_rdb.c).
 *
 * A member in a hash table is one allocation: its length in a byte, or 255 and the length in four
 * bytes, and its bytes. So 15 bytes take the class of 16, and a member with its place in the table
 * 26. The seed of the table's hash comes from where the set lies, which those who choose the
 * members don't know.
 *
 * Invariants, asserted by set_check:
 *   1. No member is there twice.
 *   2. set_table.member_bytes is the sum of the size classes of the members' blocks.
 */
#include "core/type/set.h"

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/rng.h"
#include "core/ds/intset.h"
#include "core/ds/listpack.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/set_rdb.h"
#include "core/type/value.h"
#include "core/type/value_cut.h"

#define MEMBER_LEN_SHORT_MAX 254
#define MEMBER_LEN_IS_LONG 255
#define MEMBER_HEAD_LONG 5
#define LISTPACK_SLACK 64 /* more than a member takes beside its bytes */

_Static_assert(SET_DIGITS >= LISTPACK_DIGITS, "an integer fits");
_Static_assert(SET_DIGITS >= NUM_I64_MAX_CHARS, "an integer fits");

struct set_table {
    struct table *table;
    uint64_t seed;
    size_t member_bytes;
    struct value_cut *cut; /* into a snapshot; NULL: none */
};

/* --- Members of a hash table ------------------------------------------------------------------ */

static size_t member_head(size_t len)
{
    return len <= MEMBER_LEN_SHORT_MAX ? 1 : MEMBER_HEAD_LONG;
}

static inline struct slice member_text(const void *item)
{
    const unsigned char *bytes = item;
    uint32_t len;

    if (likely(bytes[0] <= MEMBER_LEN_SHORT_MAX))
        return (struct slice){(const char *)bytes + 1, bytes[0]};
    memcpy(&len, bytes + 1, sizeof(len));
    return (struct slice){(const char *)bytes + MEMBER_HEAD_LONG, len};
}

static size_t member_class(struct slice member)
{
    return mem_class(member_head(member.len) + member.len);
}

static void *member_new(struct slice member)
{
    size_t head = member_head(member.len);
    unsigned char *item = mem_alloc(head + member.len);
    uint32_t len = (uint32_t)member.len;

    kv_assert(member.len <= UINT32_MAX);
    if (head == 1) {
        item[0] = (unsigned char)len;
    } else {
        item[0] = MEMBER_LEN_IS_LONG;
        memcpy(item + 1, &len, sizeof(len));
    }
    if (member.len > 0)
        memcpy(item + head, member.data, member.len);
    return item;
}

static uint64_t member_hash(const void *env, const void *item)
{
    const struct set_table *members = env;

    return hash_bytes(member_text(item), members->seed);
}

static bool member_match(const void *env, const void *item, struct slice key)
{
    (void)env;
    return slice_equal(member_text(item), key);
}

static const struct table_type member_type = {member_hash, member_match};

static struct set_table *set_table_new(void)
{
    struct set_table *members = mem_alloc(sizeof(*members));

    members->seed = hash_bytes((struct slice){(const char *)&members, sizeof(members)}, 0);
    members->member_bytes = 0;
    members->cut = NULL;
    members->table = table_new(&member_type, members);
    return members;
}

static void set_table_insert(struct set_table *members, uint64_t hash, struct slice member)
{
    table_insert(members->table, hash, member_new(member));
    members->member_bytes += member_class(member);
}

/* --- Making, copying, converting -------------------------------------------------------------- */

struct set set_new_least(void)
{
    return (struct set){ENCODING_INTSET, intset_new()};
}

struct set set_new(struct slice first, size_t expected, const struct type_limits *limits)
{
    int64_t number;

    if (expected <= (size_t)limits->set_intset_entries && num_parse_i64(first, &number))
        return set_new_least();
    if (expected <= (size_t)limits->set_entries)
        return (struct set){ENCODING_LISTPACK, listpack_new(0)};
    return (struct set){ENCODING_HASHTABLE, set_table_new()};
}

struct set set_of(const struct entry *entry)
{
    return (struct set){entry_encoding(entry), entry_value(entry)};
}

static void set_value_free(enum value_encoding encoding, void *value)
{
    if (encoding == ENCODING_INTSET) {
        intset_free(value);
    } else if (encoding == ENCODING_LISTPACK) {
        listpack_free(value);
    } else {
        struct set_table *members = value;

        table_free(members->table, mem_free);
        mem_free(members);
    }
}

void set_free(struct set *set)
{
    set_value_free(set->encoding, set->value);
    set->value = NULL;
}

static void *set_value_copy(enum value_encoding encoding, const void *value)
{
    struct set set = {ENCODING_HASHTABLE, (void *)(uintptr_t)value};
    struct set_table *copy;
    struct set_walk walk;
    struct slice member;

    if (encoding == ENCODING_INTSET)
        return intset_copy(value);
    if (encoding == ENCODING_LISTPACK)
        return listpack_copy(value);
    copy = set_table_new();
    table_presize(copy->table, set_count(&set));
    set_walk_start(&walk, &set);
    while (set_walk_next(&walk, &member))
        set_table_insert(copy, hash_bytes(member, copy->seed), member);
    return copy;
}

static void set_to_table(struct set *set)
{
    struct set_table *members = set_table_new();
    struct set_walk walk;
    struct slice member;

    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &member))
        set_table_insert(members, hash_bytes(member, members->seed), member);
    set_free(set);
    *set = (struct set){ENCODING_HASHTABLE, members};
}

static void set_to_listpack(struct set *set)
{
    size_t count = intset_count(set->value);
    uint8_t *listpack = listpack_new(0);

    for (size_t i = 0; i < count; i++)
        listpack = listpack_append_int(listpack, intset_at(set->value, i));
    set_free(set);
    *set = (struct set){ENCODING_LISTPACK, listpack};
}

void set_expect(struct set *set, size_t members, const struct type_limits *limits)
{
    if ((set->encoding == ENCODING_INTSET && members > (size_t)limits->set_intset_entries) ||
        (set->encoding == ENCODING_LISTPACK && members > (size_t)limits->set_entries))
        set_to_table(set);
}

/* --- Members ---------------------------------------------------------------------------------- */

size_t set_count(const struct set *set)
{
    if (set->encoding == ENCODING_INTSET)
        return intset_count(set->value);
    if (set->encoding == ENCODING_LISTPACK)
        return listpack_count(set->value);
    return table_count(((const struct set_table *)set->value)->table);
}

bool set_find(const struct set *set, struct slice member, struct set_at *at)
{
    at->is_int = false;
    if (set->encoding == ENCODING_INTSET) {
        at->is_int = num_parse_i64(member, &at->number);
        return at->is_int && intset_has(set->value, at->number);
    }
    if (set->encoding == ENCODING_LISTPACK) {
        at->where = listpack_find(set->value, listpack_first(set->value), member, 1);
    } else {
        const struct set_table *members = set->value;

        at->hash = hash_bytes(member, members->seed);
        at->where = table_find(members->table, at->hash, member);
    }
    return at->where != NULL;
}

bool set_has(const struct set *set, struct slice member)
{
    struct set_at at;

    return set_find(set, member, &at);
}

/* A listpack may take the member. */
static bool set_fits_listpack(size_t count, size_t bytes, struct slice member,
                              const struct type_limits *limits)
{
    return count < (size_t)limits->set_entries && member.len <= (size_t)limits->set_value_bytes &&
           bytes + member.len + LISTPACK_SLACK <= LISTPACK_BYTES_MAX;
}

/* The most digits that an integer of the intset has. */
static size_t set_digits_most(const uint8_t *intset)
{
    size_t count = intset_count(intset), most = 0;

    for (size_t i = 0; count > 0 && i < 2; i++) {
        char digits[SET_DIGITS];
        size_t len = num_format_i64(digits, intset_at(intset, i == 0 ? 0 : count - 1));

        if (len > most)
            most = len;
    }
    return most;
}

/* A member that is no integer comes into an intset: it becomes something else. */
static void set_leave_intset(struct set *set, struct slice member,
                             const struct type_limits *limits)
{
    if (set_fits_listpack(intset_count(set->value), intset_bytes(set->value), member, limits) &&
        set_digits_most(set->value) <= (size_t)limits->set_value_bytes)
        set_to_listpack(set);
    else
        set_to_table(set);
}

void set_insert(struct set *set, struct slice member, const struct set_at *at,
                const struct type_limits *limits)
{
    struct set_table *members;
    uint64_t hash = at->hash;
    bool changed, converted = false;

    if (set->encoding == ENCODING_INTSET) {
        if (at->is_int) {
            set->value = intset_add(set->value, at->number, &changed);
            kv_assert(changed);
            if (intset_count(set->value) > (size_t)limits->set_intset_entries)
                set_to_table(set);
            return;
        }
        set_leave_intset(set, member, limits);
        converted = true;
    }
    if (set->encoding == ENCODING_LISTPACK) {
        if (set_fits_listpack(listpack_count(set->value), listpack_bytes(set->value), member,
                              limits)) {
            set->value = listpack_append(set->value, member);
            return;
        }
        set_to_table(set);
        converted = true;
    }
    members = set->value;
    if (converted)
        hash = hash_bytes(member, members->seed);
    set_table_insert(members, hash, member);
}

/* Write a member on its way into a snapshot. */
static bool set_cut_member(void *env, void *item)
{
    const struct value_cut *cut = env;

    rdb_put_string(cut->out, member_text(item));
    return !value_cut_enough(cut);
}

void set_delete(struct set *set, const struct set_at *at)
{
    struct set_table *members = set->value;
    bool changed;

    if (set->encoding == ENCODING_INTSET) {
        set->value = intset_remove(set->value, at->number, &changed);
        kv_assert(changed);
    } else if (set->encoding == ENCODING_LISTPACK) {
        uint8_t *where = at->where;

        set->value = listpack_delete(set->value, &where, 1);
    } else {
        void *item = table_item(at->where);

        if (unlikely(members->cut != NULL) && !table_cut_has(members->table, at->where))
            (void)set_cut_member(members->cut, item);
        (void)table_remove(members->table, member_hash(members, item), at->where);
        members->member_bytes -= member_class(member_text(item));
        mem_free(item);
    }
}

bool set_add(struct set *set, struct slice member, const struct type_limits *limits)
{
    struct set_at at;

    if (set_find(set, member, &at))
        return false;
    set_insert(set, member, &at, limits);
    return true;
}

struct slice set_random(const struct set *set, struct rng *rng, char digits[static SET_DIGITS],
                        struct set_at *at)
{
    kv_assert(set_count(set) > 0);
    if (set->encoding == ENCODING_INTSET) {
        at->is_int = true;
        at->number = intset_random(set->value, rng);
        return (struct slice){digits, num_format_i64(digits, at->number)};
    }
    at->is_int = false;
    if (set->encoding == ENCODING_LISTPACK) {
        int64_t index = (int64_t)rng_below(rng, listpack_count(set->value));

        at->where = listpack_seek(set->value, index);
        return listpack_get(at->where, digits);
    }
    at->where = table_random(((const struct set_table *)set->value)->table, rng);
    return member_text(table_item(at->where));
}

void set_walk_start(struct set_walk *walk, const struct set *set)
{
    walk->set = set;
    walk->index = 0;
    walk->at = NULL;
    if (set->encoding == ENCODING_LISTPACK)
        walk->at = listpack_first(set->value);
    else if (set->encoding == ENCODING_HASHTABLE)
        table_walk_start(&walk->table, ((const struct set_table *)set->value)->table);
}

bool set_walk_next(struct set_walk *walk, struct slice *member)
{
    const struct set *set = walk->set;
    const struct table_slot *slot;

    if (set->encoding == ENCODING_INTSET) {
        if (walk->index == intset_count(set->value))
            return false;
        member->data = walk->digits;
        member->len = num_format_i64(walk->digits, intset_at(set->value, walk->index++));
        return true;
    }
    if (set->encoding == ENCODING_LISTPACK) {
        if (walk->at == NULL)
            return false;
        *member = listpack_get(walk->at, walk->digits);
        walk->at = listpack_next(set->value, walk->at);
        return true;
    }
    slot = table_walk_next(&walk->table);
    if (slot == NULL)
        return false;
    *member = member_text(table_item(slot));
    return true;
}

struct set_visitor {
    void (*visit)(void *env, struct slice member);
    void *env;
};

static void set_visit_item(void *env, void *item)
{
    const struct set_visitor *visitor = env;

    visitor->visit(visitor->env, member_text(item));
}

uint64_t set_scan(const struct set *set, uint64_t cursor,
                  void (*visit)(void *env, struct slice member), void *env)
{
    struct set_visitor visitor = {visit, env};
    struct set_walk walk;
    struct slice member;

    if (set->encoding == ENCODING_HASHTABLE)
        return table_scan(((const struct set_table *)set->value)->table, cursor, set_visit_item,
                          &visitor);
    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &member))
        visit(env, member);
    return 0;
}

/* --- What the keyspace asks ------------------------------------------------------------------- */

static size_t set_memory(enum value_encoding encoding, const void *value)
{
    const struct set_table *members = value;

    if (encoding == ENCODING_INTSET)
        return intset_memory(value);
    if (encoding == ENCODING_LISTPACK)
        return listpack_memory(value);
    return mem_class(sizeof(*members)) + table_bytes(members->table) + members->member_bytes;
}

static size_t set_effort(enum value_encoding encoding, const void *value)
{
    return encoding == ENCODING_HASHTABLE
               ? 2 + table_count(((const struct set_table *)value)->table)
               : 1;
}

void set_check(const struct set *set)
{
    if (set->encoding == ENCODING_INTSET) {
        kv_assert(intset_valid(set->value, intset_bytes(set->value)));
    } else if (set->encoding == ENCODING_LISTPACK) {
        kv_assert(listpack_valid(set->value, listpack_bytes(set->value), true));
        for (uint8_t *at = listpack_first(set->value); at != NULL;
             at = listpack_next(set->value, at)) {
            char digits[SET_DIGITS];

            kv_assert(listpack_find(set->value, listpack_first(set->value),
                                    listpack_get(at, digits), 1) == at);
        }
    } else {
        const struct set_table *members = set->value;
        struct set_walk walk;
        struct slice member;
        size_t bytes = 0;

        table_check(members->table);
        set_walk_start(&walk, set);
        while (set_walk_next(&walk, &member)) {
            kv_assert(set_has(set, member));
            bytes += member_class(member);
        }
        kv_assert(bytes == members->member_bytes);
    }
}

/* --- RDB -------------------------------------------------------------------------------------- */

static uint8_t set_tag(enum value_encoding encoding, const void *value, int version)
{
    (void)value;
    if (encoding == ENCODING_INTSET)
        return RDB_SET_INTSET;
    /* Redis 7.0, which writes version 10, does not know sets as listpacks. */
    return encoding == ENCODING_LISTPACK && version >= 11 ? RDB_SET_LISTPACK : RDB_SET;
}

static bool set_encode_begin(enum value_encoding encoding, const void *value, struct rdb_out *out)
{
    struct set set = {encoding, (void *)(uintptr_t)value};
    struct set_walk walk;
    struct slice member;

    if (encoding == ENCODING_INTSET) {
        rdb_put_string(out, (struct slice){value, intset_bytes(value)});
        return false;
    }
    if (set_tag(encoding, value, out->version) == RDB_SET_LISTPACK) {
        rdb_put_string(out, (struct slice){value, listpack_bytes(value)});
        return false;
    }
    rdb_put_len(out, set_count(&set));
    if (encoding == ENCODING_HASHTABLE)
        return true;
    set_walk_start(&walk, &set);
    while (set_walk_next(&walk, &member))
        rdb_put_string(out, member);
    return false;
}

static void set_encode_member(void *env, void *item)
{
    rdb_put_string(env, member_text(item));
}

static uint64_t set_encode_node(enum value_encoding encoding, const void *value, uint64_t cursor,
                                struct rdb_out *out)
{
    const struct set_table *members = value;

    kv_assert(encoding == ENCODING_HASHTABLE);
    return table_scan(members->table, cursor, set_encode_member, out);
}

/* --- Cutting: by the marks of the table ------------------------------------------------------- */

static bool set_is_cut(const void *value)
{
    return ((const struct set_table *)value)->cut != NULL;
}

static void set_cut_begin(struct value_cut *cut)
{
    struct set_table *members = cut->value;

    rdb_put_len(cut->out, table_count(members->table));
    members->cut = cut;
    table_cut_begin(members->table);
}

static bool set_cut_step(struct value_cut *cut)
{
    struct set_table *members = cut->value;

    return table_cut_step(members->table, &cut->cursor, set_cut_member, cut);
}

static void set_cut_end(struct value_cut *cut)
{
    ((struct set_table *)cut->value)->cut = NULL;
}

static const struct cut_ops set_cut_ops = {
    ENCODING_HASHTABLE, set_is_cut, set_cut_begin, set_cut_step, set_cut_end};

const struct type_ops set_ops = {
    .name = "set",
    .free = set_value_free,
    .copy = set_value_copy,
    .memory = set_memory,
    .effort = set_effort,
    .tag = set_tag,
    .encode_begin = set_encode_begin,
    .encode_node = set_encode_node,
    .decode = set_rdb_decode,
    .cut = &set_cut_ops,
};
