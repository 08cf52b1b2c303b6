/* Most of the time goes into waiting for the memory of the table's groups. So members are looked up
 * some steps after their group was asked for, and the tree is filled at the end, in one go.
 */
#include "core/type/zset_build.h"

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/ds/table.h"
#include "core/ds/tree_fill.h"
#include "core/type/zset_large.h"
#include "core/type/zset_private.h"

#define PRESIZE_MAX 1000000 /* members that are made room for before they have come */
#define ROOM_FIRST 128

void zset_build_begin(struct zset_build *build, struct zset_large *large, uint64_t expected)
{
    *build = (struct zset_build){.large = large};
    table_presize(large->table, expected < PRESIZE_MAX ? (size_t)expected : PRESIZE_MAX);
}

/* Put what was added last into the table. */
static void put_ahead(struct zset_build *build)
{
    struct zset_large *large = build->large;
    size_t from = build->known, to = from;

    for (size_t i = from; i < build->count; i++) {
        struct zset_item *item = build->items[i];
        struct slice member = zset_item_member(item);
        uint64_t hash = build->hashes[i - from];

        if (table_find(large->table, hash, member) != NULL) {
            build->twice = true;
            mem_free(item);
            continue;
        }
        large->item_bytes += mem_class(zset_item_bytes(member.len));
        table_insert(large->table, hash, item);
        build->items[to++] = item;
    }
    build->known = build->count = to;
}

bool zset_build_add(struct zset_build *build, struct slice member, double score)
{
    uint64_t hash = zset_large_hash(build->large, member);

    if (build->count == build->room) {
        build->room = build->room == 0 ? ROOM_FIRST : build->room * 2;
        build->items = mem_realloc(build->items, build->room * sizeof(*build->items));
    }
    table_prefetch(build->large->table, hash);
    build->hashes[build->count - build->known] = hash;
    build->items[build->count++] = zset_item_new(build->large, member, score);
    if (build->count - build->known == ZSET_BUILD_AHEAD)
        put_ahead(build);
    return !build->twice;
}

bool zset_build_end(struct zset_build *build)
{
    put_ahead(build);
    tree_fill(build->large->tree, (void **)build->items, build->count);
    mem_free(build->items);
    return !build->twice;
}
