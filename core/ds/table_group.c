/* Blocks of groups: made, resized, divided. */
#include "core/ds/table_group.h"

#include <string.h>

#include "core/base/mem.h"

/* jemalloc's size classes, and how many items fill each. None is smaller than the 64 bytes that a
 * search reads at once. */
const struct group_class group_classes[GROUP_CLASSES] = {
    {0, 0},       {64, 7},      {80, 8},      {96, 10},     {112, 12},    {128, 14},
    {160, 17},    {192, 21},    {224, 24},    {256, 28},    {320, 35},    {384, 42},
    {448, 49},    {512, 56},    {640, 71},    {768, 85},    {896, 99},    {1024, 113},
    {1280, 142},  {1536, 170},  {1792, 199},  {2048, 227},  {2560, 284},  {3072, 341},
    {3584, 398},  {4096, 455},  {5120, 568},  {6144, 682},  {7168, 796},  {8192, 910},
    {10240, 1022},
};

unsigned group_class_for(size_t count)
{
    unsigned class = 1;

    while (class < GROUP_CLASSES && group_classes[class].capacity < count)
        class++;
    return class < GROUP_CLASSES ? class : GROUP_CLASS_HUGE;
}

static size_t group_huge_bytes(size_t capacity)
{
    return sizeof(struct group_huge) + ((capacity + 7) & ~(size_t)7) + capacity * 8;
}

size_t group_bytes(uint64_t entry)
{
    if (group_class(entry) == GROUP_CLASS_HUGE)
        return mem_class(group_huge_bytes(group_huge(entry)->capacity));
    return group_classes[group_class(entry)].bytes;
}

uint64_t group_new(size_t *bytes, unsigned class, size_t least, unsigned base)
{
    size_t capacity = least + least / 2;
    void *block = mem_alloc(class == GROUP_CLASS_HUGE ? group_huge_bytes(capacity)
                                                      : group_classes[class].bytes);
    uint64_t entry = (uint64_t)(uintptr_t)block | (uint64_t)class << GROUP_CLASS_SHIFT | base;

    kv_assert(((uintptr_t)block & ~GROUP_BLOCK_BITS) == 0);
    if (class == GROUP_CLASS_HUGE)
        *group_huge(entry) = (struct group_huge){0, capacity};
    *bytes += group_bytes(entry);
    return entry;
}

void group_release(size_t *bytes, uint64_t entry)
{
    *bytes -= group_bytes(entry);
    mem_free(group_block(entry));
}

uint64_t group_append(uint64_t entry, const struct group *more)
{
    struct group group = group_open(entry);

    memcpy(group.tags + group.count, more->tags, more->count);
    memcpy(group.slots + group.count, more->slots, more->count * sizeof(*more->slots));
    return group_set_count(entry, group.count + more->count);
}

uint64_t group_resize(size_t *bytes, uint64_t entry, unsigned class, size_t least)
{
    struct group old = group_open(entry);
    uint64_t resized = group_append(group_new(bytes, class, least, group_base(entry)), &old);

    group_release(bytes, entry);
    return resized;
}

uint64_t group_rebase(const struct table_type *type, const void *env, uint64_t entry, unsigned base)
{
    struct group group = group_open(entry);

    if (group_base(entry) == base)
        return entry;
    for (size_t i = 0; i < group.count; i++) {
        uint64_t word = group.slots[i].word;
        uint64_t hash = type->hash(env, group_item(word));

        group.slots[i].word = (word & (GROUP_ITEM_BITS | GROUP_MARK)) | group_window(hash, base);
    }
    return (entry & ~GROUP_BASE_BITS) | base;
}

void group_divide(size_t *bytes, uint64_t entry, uint64_t bit, size_t moving, uint64_t *low,
                  uint64_t *high)
{
    struct group group = group_open(entry), into[2];
    size_t staying = group.count - moving, at[2] = {0, 0};

    *low = group_new(bytes, group_class_for(staying), staying, group_base(entry));
    *high = group_new(bytes, group_class_for(moving), moving, group_base(entry));
    into[0] = group_open(*low);
    into[1] = group_open(*high);
    for (size_t i = 0; i < group.count; i++) {
        int side = (group.slots[i].word & bit) != 0;

        into[side].tags[at[side]] = group.tags[i];
        into[side].slots[at[side]++] = group.slots[i];
    }
    *low = group_set_count(*low, staying);
    *high = group_set_count(*high, moving);
    group_release(bytes, entry);
}
