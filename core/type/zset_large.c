/* Large sorted sets.
 *
 * An item
 *   0   score, 8 bytes: what the tree orders by
 *   8   length of the member, 7 bits; 127: the length follows in 4 bytes. The 8th bit is the mark
 *   ..  the member
 * Between two cuts into a snapshot each item's mark is the birth mark; a cut turns that over, and
 * so all items are out, while new ones are born in.
 *
 * So a member of 15 bytes takes the class of 32 bytes, about 9 in the tree's leaf and 10 in the
 * table. An item does not move while it is a member: a new score takes it out of the tree and puts
 * it in again.
 *
 * The table's seed comes from where the value lies, which is not known to who sends the members.
 */
#include "core/type/zset_large.h"

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/ds/table.h"
#include "core/ds/tree.h"
#include "core/ds/tree_walk.h"
#include "core/type/zset_cut.h"
#include "core/type/zset_private.h"

#define LEN_BITS 127
#define LEN_IS_WIDE 127
#define MARK 128

struct zset_item {
    double score;
    uint8_t len; /* and the mark */
    char rest[];
};

#define ITEM_HEADER offsetof(struct zset_item, rest)

struct slice zset_item_member(const struct zset_item *item)
{
    uint32_t len = item->len & LEN_BITS;

    if (likely(len != LEN_IS_WIDE))
        return (struct slice){item->rest, len};
    memcpy(&len, item->rest, sizeof(len));
    return (struct slice){item->rest + sizeof(len), len};
}

double zset_item_score(const struct zset_item *item)
{
    return item->score;
}

size_t zset_item_bytes(size_t len)
{
    return ITEM_HEADER + (len < LEN_IS_WIDE ? 0 : sizeof(uint32_t)) + len;
}

struct zset_item *zset_item_new(const struct zset_large *large, struct slice member, double score)
{
    struct zset_item *item = mem_alloc(zset_item_bytes(member.len));
    char *to = item->rest;

    kv_assert(member.len <= UINT32_MAX);
    item->score = score;
    item->len = LEN_IS_WIDE | large->birth_mark;
    if (member.len < LEN_IS_WIDE) {
        item->len = (uint8_t)member.len | large->birth_mark;
    } else {
        uint32_t len = (uint32_t)member.len;

        memcpy(to, &len, sizeof(len));
        to += sizeof(len);
    }
    if (member.len > 0)
        memcpy(to, member.data, member.len);
    return item;
}

static int item_compare(const void *a, const void *b)
{
    return slice_compare(zset_item_member(a), zset_item_member(b));
}

static uint64_t item_hash(const void *env, const void *item)
{
    const struct zset_large *large = env;

    return hash_bytes(zset_item_member(item), large->seed);
}

static bool item_match(const void *env unused, const void *item, struct slice member)
{
    return slice_equal(zset_item_member(item), member);
}

static const struct table_type item_type = {item_hash, item_match};

struct zset_large *zset_large_new(void)
{
    struct zset_large *large = mem_alloc_zero(sizeof(*large));

    large->tree = tree_new(item_compare);
    large->table = table_new(&item_type, large);
    large->seed = hash_bytes((struct slice){(const char *)&large, sizeof(large)}, 0);
    return large;
}

void zset_large_free(struct zset_large *large)
{
    table_free(large->table, NULL);
    tree_free(large->tree, mem_free);
    mem_free(large);
}

struct zset_large *zset_large_copy(const struct zset_large *large)
{
    struct zset_large *copy = zset_large_new();
    struct tree_walk walk;

    table_presize(copy->table, table_count(large->table));
    for (const struct zset_item *item = tree_walk_start(&walk, large->tree, 0); item != NULL;
         item = tree_walk_next(&walk)) {
        struct slice member = zset_item_member(item);

        zset_large_insert(copy, zset_large_hash(copy, member), member, item->score);
    }
    return copy;
}

uint64_t zset_large_count(const struct zset_large *large)
{
    return tree_count(large->tree);
}

size_t zset_large_memory(const struct zset_large *large)
{
    return mem_class(sizeof(*large)) + tree_bytes(large->tree) + table_bytes(large->table) +
        large->item_bytes;
}

size_t zset_large_effort(const struct zset_large *large)
{
    return (size_t)(tree_count(large->tree) + tree_leaves(large->tree));
}

uint64_t zset_large_hash(const struct zset_large *large, struct slice member)
{
    return hash_bytes(member, large->seed);
}

struct table_slot *zset_large_find(const struct zset_large *large, uint64_t hash,
                                   struct slice member)
{
    return table_find(large->table, hash, member);
}

struct zset_item *zset_large_item(const struct table_slot *slot)
{
    return table_item(slot);
}

void zset_large_insert(struct zset_large *large, uint64_t hash, struct slice member, double score)
{
    struct zset_item *item = zset_item_new(large, member, score);

    large->item_bytes += mem_class(zset_item_bytes(member.len));
    table_insert(large->table, hash, item);
    tree_insert(large->tree, item);
}

bool zset_large_is_in(const struct zset_large *large, const struct zset_item *item)
{
    return (item->len & MARK) == large->birth_mark;
}

void zset_large_put_in(const struct zset_large *large, struct zset_item *item)
{
    item->len = (uint8_t)((item->len & LEN_BITS) | large->birth_mark);
}

/* The item is about to change, or to go. */
static inline void before_change(const struct zset_large *large, struct zset_item *item)
{
    if (unlikely(large->cut != NULL))
        zset_cut_put(large->cut, item);
}

void zset_large_update(struct zset_large *large, struct zset_item *item, double score)
{
    before_change(large, item);
    tree_remove(large->tree, item);
    item->score = score;
    tree_insert(large->tree, item);
}

void zset_large_remove(struct zset_large *large, uint64_t hash, struct table_slot *slot)
{
    struct zset_item *item = table_item(slot);

    before_change(large, item);
    table_remove(large->table, hash, slot);
    tree_remove(large->tree, item);
    large->item_bytes -= mem_class(zset_item_bytes(zset_item_member(item).len));
    mem_free(item);
}

void zset_large_remove_at(struct zset_large *large, uint64_t rank)
{
    const struct zset_item *item = tree_at(large->tree, rank);
    struct slice member;
    struct table_slot *slot;
    uint64_t hash;

    kv_assert(item != NULL);
    member = zset_item_member(item);
    hash = zset_large_hash(large, member);
    slot = table_find(large->table, hash, member);
    kv_assert(slot != NULL);
    zset_large_remove(large, hash, slot);
}

const struct tree *zset_large_tree(const struct zset_large *large)
{
    return large->tree;
}

uint64_t zset_large_scan(const struct zset_large *large, uint64_t cursor,
                         void (*visit)(void *env, void *item), void *env)
{
    return table_scan(large->table, cursor, visit, env);
}

struct value_cut *zset_large_cut(const struct zset_large *large)
{
    return large->cut;
}

void zset_large_cut_start(struct zset_large *large, struct value_cut *cut)
{
    large->cut = cut;
    large->birth_mark ^= MARK;
}

void zset_large_cut_end(struct zset_large *large)
{
    large->cut = NULL;
}

void zset_large_check(const struct zset_large *large)
{
    struct tree_walk walk;
    size_t bytes = 0;

    tree_check(large->tree);
    table_check(large->table);
    kv_assert(tree_count(large->tree) == table_count(large->table));
    for (const struct zset_item *item = tree_walk_start(&walk, large->tree, 0); item != NULL;
         item = tree_walk_next(&walk)) {
        struct slice member = zset_item_member(item);
        struct table_slot *slot =
            table_find(large->table, zset_large_hash(large, member), member);

        kv_assert(slot != NULL);
        kv_assert(table_item(slot) == item);
        bytes += mem_class(zset_item_bytes(member.len));
    }
    kv_assert(bytes == large->item_bytes);
}
