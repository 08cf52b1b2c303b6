/* The groups that core/ds/table.c is made of; nobody else includes this.
 *
 * A directory entry holds all that must be known about a group before its block is read, so that an
 * empty group (entry 0) has no block, and no block has a header:
 *     0 .. 3         base
 *     4 .. 47        address of the block
 *     48 .. 53       size class of the block, an index of group_classes
 *     54 .. 63       number of items
 * A block has `capacity` tags, is filled up to a multiple of 8, and has `capacity` words; the
 * capacities are those that fill the allocator's size classes. A word is
 *     0              the mark
 *     3 .. 47        address of the item
 *     48 .. 63       the window: bits 12 * base .. 12 * base + 15 of the item's hash
 * No good hash makes a group of more than 1,022 items. A bad one may, and it makes the table slow,
 * not wrong: such a group has the class GROUP_CLASS_HUGE, and a struct group_huge in front of its
 * tags with what the entry has no room for.
 *
 * `bytes` is where the caller sums up the blocks' sizes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/ds/table.h"

#define GROUP_WINDOW_BITS 16
#define GROUP_WINDOW_STEP 12
#define GROUP_WINDOW_SHIFT 48
#define GROUP_ITEM_BITS ((uint64_t)0x0000fffffffffff8)
#define GROUP_MARK ((uint64_t)1)

#define GROUP_BASE_BITS ((uint64_t)15)
#define GROUP_BLOCK_BITS ((uint64_t)0x0000fffffffffff0)
#define GROUP_CLASS_SHIFT 48
#define GROUP_COUNT_SHIFT 54
#define GROUP_CLASSES 31
#define GROUP_CLASS_HUGE 63
struct table_slot {
    uint64_t word;
};
struct group_huge {
    size_t count, capacity;
};

/* A group, decoded. */
struct group {
    unsigned char *tags;
    struct table_slot *slots;
    size_t count, capacity;
};

struct group_class {
    unsigned short bytes, capacity;
};
extern const struct group_class group_classes[GROUP_CLASSES];

unsigned group_class_for(size_t count); /* the least that holds them */
size_t group_bytes(uint64_t entry);
/* A group with no items yet; `least` is the room it must have if it is huge. */
uint64_t group_new(size_t *bytes, unsigned class, size_t least, unsigned base);
void group_release(size_t *bytes, uint64_t entry);
/* Append `more` items, for which there is room. */
uint64_t group_append(uint64_t entry, const struct group *more);
/* Move the items into a block of another class. */
uint64_t group_resize(size_t *bytes, uint64_t entry, unsigned class, size_t least);
/* Hash the items anew, so that their windows begin at `base`. */
uint64_t group_rebase(const struct table_type *type, const void *env, uint64_t entry,
                      unsigned base);
/* Put the `moving` items whose words have `bit` into *high, the others into *low, and release
 * `entry`. */
void group_divide(size_t *bytes, uint64_t entry, uint64_t bit, size_t moving, uint64_t *low,
                  uint64_t *high);

static inline void *group_item(uint64_t word)
{
    return (void *)(uintptr_t)(word & GROUP_ITEM_BITS);
}

static inline unsigned char group_tag(uint64_t hash)
{
    return (unsigned char)(hash >> 56);
}

/* The window of a hash where a word has it. */
static inline uint64_t group_window(uint64_t hash, unsigned base)
{
    return hash >> (base * GROUP_WINDOW_STEP) << GROUP_WINDOW_SHIFT;
}

/* The base with which groups at `level` begin. */
static inline unsigned group_base_of_level(unsigned level)
{
    return level < GROUP_WINDOW_BITS ? 0 : (level - 4) / GROUP_WINDOW_STEP;
}

static inline unsigned char *group_block(uint64_t entry)
{
    return (unsigned char *)(uintptr_t)(entry & GROUP_BLOCK_BITS);
}

static inline unsigned group_base(uint64_t entry)
{
    return (unsigned)(entry & GROUP_BASE_BITS);
}

static inline unsigned group_class(uint64_t entry)
{
    return (unsigned)(entry >> GROUP_CLASS_SHIFT) & 63;
}

static inline struct group_huge *group_huge(uint64_t entry)
{
    return (struct group_huge *)(void *)group_block(entry);
}

static inline size_t group_count(uint64_t entry)
{
    return unlikely(group_class(entry) == GROUP_CLASS_HUGE) ? group_huge(entry)->count
                                                            : entry >> GROUP_COUNT_SHIFT;
}

static inline uint64_t group_set_count(uint64_t entry, size_t count)
{
    if (unlikely(group_class(entry) == GROUP_CLASS_HUGE)) {
        group_huge(entry)->count = count;
        return entry;
    }
    return entry << (64 - GROUP_COUNT_SHIFT) >> (64 - GROUP_COUNT_SHIFT) |
           (uint64_t)count << GROUP_COUNT_SHIFT;
}

static inline struct group group_open(uint64_t entry)
{
    struct group group = {.tags = group_block(entry), .count = entry >> GROUP_COUNT_SHIFT};

    if (unlikely(group_class(entry) == GROUP_CLASS_HUGE)) {
        group.tags += sizeof(struct group_huge);
        group.count = group_huge(entry)->count;
        group.capacity = group_huge(entry)->capacity;
    } else {
        group.capacity = group_classes[group_class(entry)].capacity;
    }
    group.slots = (void *)((uintptr_t)group.tags + ((group.capacity + 7) & ~(uintptr_t)7));
    return group;
}
