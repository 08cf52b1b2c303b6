/* Linear hashing over groups of varying size.
 *
 * Bits of a hash
 *     0 ..           the group: as many bits as the directory needs, the lowest first
 *     12 * base ..   16 bits of them are kept in the item's word (base is 0, 1, 2 or 3)
 *     56 .. 63       the tag
 * A split at level L tells its items apart by bit L. It is found in the word as long as 12 * base
 * <= L < 12 * base + 16; when the window is left behind, the split hashes the items of its group
 * once more and moves the window on: at level 16 (2.6 million items) for the first time, then every
 * 12 levels.
 *
 * Levels
 *     With n groups, L is the level such that 2^L <= n < 2^(L+1). Groups 0 .. n-2^L-1 have been
 *     split in this round: they and their partners, 2^L .. n-1, are addressed by L+1 bits, the
 *     others by L. The next to be split is n-2^L, and its partner becomes group n.
 *
 * The directory is an array of segments of 256 entries; the last segment grows in steps.
 *
 * Why 40 items a group: jemalloc has four size classes to a doubling, so a block wastes a tenth of
 * itself whatever its size; what remains is the entry, 8 bytes a group. From 24 to 40 items the sum
 * falls from 10.26 to 10.18 bytes an item at worst, and a search is as fast, as it compares 64 tags
 * at once.
 *
 * Invariants, which table_check asserts
 *  1. Each item lies in the group that its hash addresses, with the tag and window of its hash.
 *  2. The window begins at or below the group's level.
 *  3. An entry without items is 0.
 *  4. `count` and `bytes` are the sums over all groups; no group's count is above `longest`.
 */
#include "core/ds/table.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/ds/table_group.h"

#define TABLE_MEAN_MOST 40  /* items a group; beyond, a group is split */
#define TABLE_MEAN_LEAST 14 /* below, the last group is merged back */
#define TABLE_SEGMENT 256   /* entries */
#define TABLE_SEGMENT_STEP 32
#define TABLE_RANDOM_TRIES 512

struct table {
    uint64_t **segments;
    uint64_t mask; /* of the level above the present one: 2^(L+1) - 1 */
    size_t groups;
    size_t count;
    const struct table_type *type;
    const void *env;
    size_t bytes;
    size_t longest;       /* at least the count of the longest group */
    size_t segment_room;  /* entries that the last segment has room for */
    size_t segments_room; /* pointers that `segments` has room for */
    uint64_t birth_mark;  /* GROUP_MARK or 0 */
    unsigned first_class; /* of a group's first block: above 1 while a presized table is filled */
};

/* --- The directory ---------------------------------------------------------------------------- */

static inline unsigned log2_floor(size_t value)
{
    return 63U - (unsigned)__builtin_clzll(value);
}

static inline uint64_t *table_entry(const struct table *table, size_t group)
{
    return &table->segments[group / TABLE_SEGMENT][group % TABLE_SEGMENT];
}

static inline size_t table_address(const struct table *table, uint64_t hash)
{
    uint64_t group = hash & table->mask;

    return group < table->groups ? group : group & (table->mask >> 1);
}

/* Give `*block` of `*room` elements of 8 bytes room for `want`. */
static void *directory_resize(struct table *table, void *block, size_t *room, size_t want)
{
    table->bytes -= *room == 0 ? 0 : mem_class(*room * 8);
    table->bytes += mem_class(want * 8);
    *room = want;
    return mem_realloc(block, want * 8);
}

static void directory_push(struct table *table, uint64_t entry)
{
    size_t segment = table->groups / TABLE_SEGMENT, used = table->groups % TABLE_SEGMENT;

    if (used == 0) {
        if (segment == table->segments_room)
            table->segments = directory_resize(table, table->segments, &table->segments_room,
                                               segment == 0 ? 1 : segment * 2);
        table->segments[segment] = NULL;
        table->segment_room = 0;
    }
    if (used == table->segment_room) {
        size_t want = used + TABLE_SEGMENT_STEP;

        if (segment == 0 && used < TABLE_SEGMENT_STEP)
            want = used == 0 ? 1 : used * 2;
        if (want > TABLE_SEGMENT)
            want = TABLE_SEGMENT;
        table->segments[segment] =
            directory_resize(table, table->segments[segment], &table->segment_room, want);
    }
    table->segments[segment][used] = entry;
    table->groups++;
    table->mask = ((uint64_t)2 << log2_floor(table->groups)) - 1;
}

static void directory_pop(struct table *table)
{
    size_t segment = --table->groups / TABLE_SEGMENT, used = table->groups % TABLE_SEGMENT;

    table->mask = ((uint64_t)2 << log2_floor(table->groups)) - 1;
    if (used == 0) {
        table->bytes -= mem_class(table->segment_room * 8);
        mem_free(table->segments[segment]);
        table->segment_room = TABLE_SEGMENT;
        if (segment <= table->segments_room / 4)
            table->segments = directory_resize(table, table->segments, &table->segments_room,
                                               table->segments_room / 2);
    } else if (used <= table->segment_room / 4) {
        table->segments[segment] = directory_resize(table, table->segments[segment],
                                                    &table->segment_room, table->segment_room / 2);
    }
}

/* --- Splitting and merging -------------------------------------------------------------------- */

static void table_split(struct table *table)
{
    unsigned level = log2_floor(table->groups);
    size_t from = table->groups - ((size_t)1 << level), moving = 0;
    uint64_t entry = *table_entry(table, from), low = entry, high = 0, bit;
    struct group group;

    if (entry == 0) {
        directory_push(table, 0);
        return;
    }
    if (level >= group_base(entry) * GROUP_WINDOW_STEP + GROUP_WINDOW_BITS)
        entry = group_rebase(table->type, table->env, entry, group_base_of_level(level));
    bit = (uint64_t)1 << (GROUP_WINDOW_SHIFT + level - group_base(entry) * GROUP_WINDOW_STEP);
    group = group_open(entry);
    for (size_t i = 0; i < group.count; i++)
        moving += (group.slots[i].word & bit) != 0;
    if (moving == group.count) {
        low = 0;
        high = entry;
    } else if (moving == 0) {
        low = entry;
    } else {
        group_divide(&table->bytes, entry, bit, moving, &low, &high);
    }
    *table_entry(table, from) = low;
    directory_push(table, high);
}

static void table_merge(struct table *table)
{
    size_t last = table->groups - 1;
    unsigned level = log2_floor(last), base;
    size_t into = last ^ ((size_t)1 << level);
    uint64_t low = *table_entry(table, into), high = *table_entry(table, last);

    base = low == 0 || (high != 0 && group_base(high) < group_base(low)) ? group_base(high)
                                                                         : group_base(low);
    if (base * GROUP_WINDOW_STEP > level)
        base = group_base_of_level(level);
    if (low != 0)
        low = group_rebase(table->type, table->env, low, base);
    if (high != 0)
        high = group_rebase(table->type, table->env, high, base);
    if (low == 0) {
        low = high;
    } else if (high != 0) {
        struct group more = group_open(high);
        size_t total = group_count(low) + more.count;

        if (total > group_open(low).capacity)
            low = group_resize(&table->bytes, low, group_class_for(total), total);
        low = group_append(low, &more);
        group_release(&table->bytes, high);
        if (total > table->longest)
            table->longest = total;
    }
    *table_entry(table, into) = low;
    directory_pop(table);
    table->first_class = 1;
    if (table->groups == 1)
        table->longest = table->count;
}

/* --- Life ------------------------------------------------------------------------------------- */

struct table *table_new(const struct table_type *type, const void *env)
{
    struct table *table = mem_alloc_zero(sizeof(*table));

    table->type = type;
    table->env = env;
    table->bytes = mem_class(sizeof(*table));
    table->first_class = 1;
    directory_push(table, 0);
    return table;
}

void table_free(struct table *table, void (*free_item)(void *item))
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->groups; i++) {
        uint64_t entry = *table_entry(table, i);
        struct group group = group_open(entry);

        for (size_t j = 0; free_item != NULL && j < group.count; j++)
            free_item(group_item(group.slots[j].word));
        mem_free(group_block(entry));
        if (i % TABLE_SEGMENT == TABLE_SEGMENT - 1 || i + 1 == table->groups)
            mem_free(table->segments[i / TABLE_SEGMENT]);
    }
    mem_free(table->segments);
    mem_free(table);
}

size_t table_count(const struct table *table)
{
    return table->count;
}

size_t table_bytes(const struct table *table)
{
    return table->bytes;
}

/* --- Items ------------------------------------------------------------------------------------ */

/* A bit for each of the first 64 of `count` tags that equals `tag`. May read 64 bytes whatever the
 * count is: the smallest block has them. No branch depends on the count, which nobody can predict.
 */
static inline uint64_t tags_match(const unsigned char *tags, size_t count, unsigned char tag)
{
    uint64_t found = 0;

#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8((char)tag);

    for (int i = 0; i < 4; i++) {
        __m128i sixteen = _mm_loadu_si128((const __m128i *)(const void *)(tags + 16 * i));

        found |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(sixteen, wanted)) << (16 * i);
    }
#else
    const uint64_t ones = 0x0101010101010101, sevens = 0x7f7f7f7f7f7f7f7f;

    for (int i = 0; i < 8; i++) {
        uint64_t eight, differ, equal;

        memcpy(&eight, tags + 8 * i, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        eight = __builtin_bswap64(eight);
#endif
        differ = eight ^ ones * tag;
        /* The top bit of each byte of `equal` is set exactly if that byte of `differ` is 0; the
         * product gathers those bits. */
        equal = ~(((differ & sevens) + sevens) | differ | sevens);
        found |= ((equal >> 7) * 0x0102040810204080 >> 56) << (8 * i);
    }
#endif
    return count < 64 ? found & (((uint64_t)1 << count) - 1) : found;
}

hot struct table_slot *table_find(const struct table *table, uint64_t hash, struct slice key)
{
    uint64_t entry = *table_entry(table, table_address(table, hash));
    struct group group = group_open(entry);
    uint64_t window = group_window(hash, group_base(entry));

    for (size_t at = 0; at < group.count; at += 64) {
        uint64_t found = tags_match(group.tags + at, group.count - at, group_tag(hash));

        for (; found != 0; found &= found - 1) {
            struct table_slot *slot = &group.slots[at + (unsigned)__builtin_ctzll(found)];
            uint64_t word = slot->word;

            if ((word ^ window) >> GROUP_WINDOW_SHIFT == 0 &&
                likely(table->type->match(table->env, group_item(word), key)))
                return slot;
        }
    }
    return NULL;
}

void table_prefetch(const struct table *table, uint64_t hash)
{
    uint64_t entry = *table_entry(table, table_address(table, hash));
    uintptr_t block = (uintptr_t)group_block(entry); /* 0 for an empty group, which does no harm */

    fetch_ahead((const void *)block);
    fetch_ahead((const void *)(block + 64));
}

void table_prefetch_item(const struct table *table, uint64_t hash)
{
    uint64_t entry = *table_entry(table, table_address(table, hash));
    struct group group = group_open(entry);

    for (size_t at = 0; at < group.count; at += 64) {
        uint64_t found = tags_match(group.tags + at, group.count - at, group_tag(hash));

        for (; found != 0; found &= found - 1)
            fetch_ahead(group_item(group.slots[at + (unsigned)__builtin_ctzll(found)].word));
    }
}

void table_prefetch_insert(const struct table *table, int step, uint64_t hash)
{
    const uint64_t *place = table_entry(table, table_address(table, hash));

    if (step == 0) {
        fetch_ahead(place);
        return;
    }
    uint64_t entry = *place;
    table_prefetch(table, hash);
    if (likely(entry != 0) && likely(group_class(entry) != GROUP_CLASS_HUGE))
        fetch_ahead(&group_open(entry).slots[entry >> GROUP_COUNT_SHIFT]);
}

/* A block of the next class for a group that is full. */
static uint64_t table_make_room(struct table *table, uint64_t entry)
{
    unsigned class = group_class(entry) + 1;

    if (entry == 0)
        return group_new(&table->bytes, table->first_class, 1,
                         group_base_of_level(log2_floor(table->groups)));
    if (class >= GROUP_CLASSES)
        class = GROUP_CLASS_HUGE;
    return group_resize(&table->bytes, entry, class, group_count(entry) + 1);
}

hot void table_insert(struct table *table, uint64_t hash, void *item)
{
    size_t address = table_address(table, hash);
    uint64_t entry = *table_entry(table, address);
    struct group group = group_open(entry);

    kv_assert(((uintptr_t)item & ~GROUP_ITEM_BITS) == 0);
    if (unlikely(group.count == group.capacity)) {
        entry = table_make_room(table, entry);
        group = group_open(entry);
    }
    group.tags[group.count] = group_tag(hash);
    group.slots[group.count].word = (uint64_t)(uintptr_t)item |
                                    group_window(hash, group_base(entry)) | table->birth_mark;
    *table_entry(table, address) = group_set_count(entry, group.count + 1);
    if (group.count >= table->longest)
        table->longest = group.count + 1;
    table->count++;
    if (table->count > table->groups * TABLE_MEAN_MOST)
        table_split(table);
}

void *table_remove(struct table *table, uint64_t hash, struct table_slot *slot)
{
    uint64_t *place = table_entry(table, table_address(table, hash)), entry = *place;
    struct group group = group_open(entry);
    size_t at = (size_t)(slot - group.slots), last = group.count - 1;
    void *item = group_item(slot->word);
    unsigned class = group_class(entry);

    kv_assert(at < group.count);
    group.slots[at] = group.slots[last];
    group.tags[at] = group.tags[last];
    entry = group_set_count(entry, last);
    if (last == 0) {
        group_release(&table->bytes, entry);
        entry = 0;
    } else if (class == GROUP_CLASS_HUGE) {
        if (last < group.capacity / 4)
            entry = group_resize(&table->bytes, entry, group_class_for(last), last);
    } else if (class > 2 && last <= group_classes[class - 2].capacity) {
        /* Two classes too big, so that adding and removing by turns does not copy each time. */
        entry = group_resize(&table->bytes, entry, class - 1, last);
    }
    *place = entry;
    table->count--;
    if (table->count < table->groups * TABLE_MEAN_LEAST && table->groups > 1)
        table_merge(table);
    return item;
}

void *table_item(const struct table_slot *slot)
{
    return group_item(slot->word);
}

void table_replace(struct table_slot *slot, void *item)
{
    kv_assert(((uintptr_t)item & ~GROUP_ITEM_BITS) == 0);
    slot->word = (slot->word & ~GROUP_ITEM_BITS) | (uint64_t)(uintptr_t)item;
}

/* --- Many items ------------------------------------------------------------------------------- */

static uint64_t bits_reverse(uint64_t value)
{
    value = (value >> 1 & 0x5555555555555555) | (value & 0x5555555555555555) << 1;
    value = (value >> 2 & 0x3333333333333333) | (value & 0x3333333333333333) << 2;
    value = (value >> 4 & 0x0f0f0f0f0f0f0f0f) | (value & 0x0f0f0f0f0f0f0f0f) << 4;
    return __builtin_bswap64(value);
}

/* The mask of the bits that address `group`. */
static uint64_t group_mask(const struct table *table, size_t group)
{
    uint64_t lower = table->mask >> 1;

    return (group & lower) < table->groups - (lower + 1) ? table->mask : lower;
}

/* Read backwards, hashes are numbers between 0 and 1, and the hashes that a group holds are an
 * interval whose ends are multiples of its length. The cursor is the point up to which all has been
 * visited. However groups have been split and merged since, the one that holds this point holds no
 * item below it that was not visited, and the next point is where its interval ends. */
uint64_t table_scan(const struct table *table, uint64_t cursor,
                    void (*visit)(void *env, void *item), void *env)
{
    size_t address = table_address(table, cursor);
    struct group group = group_open(*table_entry(table, address));

    for (size_t i = 0; i < group.count; i++)
        visit(env, group_item(group.slots[i].word));
    cursor |= ~group_mask(table, address);
    return bits_reverse(bits_reverse(cursor) + 1);
}

/* --- Cutting ---------------------------------------------------------------------------------- */

void table_cut_begin(struct table *table)
{
    table->birth_mark ^= GROUP_MARK;
}

bool table_cut_has(const struct table *table, const struct table_slot *slot)
{
    return ((slot->word ^ table->birth_mark) & GROUP_MARK) == 0;
}

void table_cut_put(struct table *table, struct table_slot *slot)
{
    slot->word = (slot->word & ~GROUP_MARK) | table->birth_mark;
}

bool table_cut_step(struct table *table, uint64_t *cursor, bool (*visit)(void *env, void *item),
                    void *env)
{
    size_t address = table_address(table, *cursor);
    struct group group = group_open(*table_entry(table, address));

    for (size_t i = 0; i < group.count; i++)
        fetch_ahead(group_item(group.slots[i].word));
    for (size_t i = 0; i < group.count; i++) {
        if (table_cut_has(table, &group.slots[i]))
            continue;
        table_cut_put(table, &group.slots[i]);
        if (!visit(env, group_item(group.slots[i].word)))
            return true;
    }
    *cursor = bits_reverse(bits_reverse(*cursor | ~group_mask(table, address)) + 1);
    return *cursor != 0;
}

/* A place of a group is drawn out of `longest`, and refused if nothing is there. Only in a table
 * that is nearly empty for its size, or badly hashed, does that take long: then we count through
 * it. */
struct table_slot *table_random(const struct table *table, struct rng *rng)
{
    uint64_t skip;

    if (table->count == 0)
        return NULL;
    for (int i = 0; i < TABLE_RANDOM_TRIES; i++) {
        uint64_t entry = *table_entry(table, rng_below(rng, table->groups));
        size_t at = rng_below(rng, table->longest);

        if (at < group_count(entry))
            return &group_open(entry).slots[at];
    }
    skip = rng_below(rng, table->count);
    for (size_t i = 0; i < table->groups; i++) {
        uint64_t entry = *table_entry(table, i);

        if (skip < group_count(entry))
            return &group_open(entry).slots[skip];
        skip -= group_count(entry);
    }
    kv_assert(!"count is the sum of the groups'");
    return NULL;
}

size_t table_sample(const struct table *table, struct rng *rng, void **out, size_t most)
{
    size_t taken = 0, tries = 16 + most / 4;
    size_t address;

    if (table->count == 0 || most == 0)
        return 0;
    address = rng_below(rng, table->groups);
    if (tries > table->groups)
        tries = table->groups;
    for (; tries > 0 && taken < most; tries--) {
        struct group group = group_open(*table_entry(table, address));
        size_t at = group.count == 0 ? 0 : rng_below(rng, group.count);

        for (size_t i = 0; i < group.count && taken < most; i++) {
            out[taken++] = group_item(group.slots[at].word);
            at = at + 1 == group.count ? 0 : at + 1;
        }
        address = address + 1 == table->groups ? 0 : address + 1;
    }
    if (taken == 0)
        out[taken++] = table_item(table_random(table, rng));
    return taken;
}

void table_walk_start(struct table_walk *walk, const struct table *table)
{
    *walk = (struct table_walk){.table = table};
}

struct table_slot *table_walk_next(struct table_walk *walk)
{
    for (; walk->group < walk->table->groups; walk->group++, walk->at = 0) {
        struct group group = group_open(*table_entry(walk->table, walk->group));

        if (walk->at < group.count)
            return &group.slots[walk->at++];
    }
    return NULL;
}

void table_presize(struct table *table, size_t items)
{
    size_t mean;

    while (table->groups * TABLE_MEAN_MOST < items)
        table_split(table);
    /* Groups that have been split once more than others get half as many items: take the smaller
     * number, less a few, as not all of them get as many as the mean. */
    mean = items / (table->mask + 1);
    if (table->count == 0 && mean > 8)
        table->first_class = group_class_for(mean - mean / 4);
}

/* --- Checks ----------------------------------------------------------------------------------- */

static void group_check(const struct table *table, size_t address)
{
    uint64_t entry = *table_entry(table, address), mask = group_mask(table, address);
    struct group group = group_open(entry);

    if (group.count == 0) {
        kv_assert(entry == 0);
        return;
    }
    kv_assert(group.count <= group.capacity);
    kv_assert(group.count <= table->longest);
    kv_assert((mask + 1) >> (group_base(entry) * GROUP_WINDOW_STEP) != 0);
    for (size_t i = 0; i < group.count; i++) {
        uint64_t word = group.slots[i].word;
        uint64_t hash = table->type->hash(table->env, group_item(word));

        kv_assert((hash & mask) == address);
        kv_assert(group_tag(hash) == group.tags[i]);
        kv_assert(group_window(hash, group_base(entry)) >> GROUP_WINDOW_SHIFT ==
                  word >> GROUP_WINDOW_SHIFT);
    }
}

void table_check(const struct table *table)
{
    size_t count = 0, bytes = mem_class(sizeof(*table));
    size_t segments = (table->groups + TABLE_SEGMENT - 1) / TABLE_SEGMENT;

    kv_assert(table->groups > 0);
    kv_assert(table->mask / 2 < table->groups);
    kv_assert(table->groups <= table->mask);
    kv_assert(segments <= table->segments_room);
    kv_assert(table->groups - (segments - 1) * TABLE_SEGMENT <= table->segment_room);
    bytes += mem_class(table->segments_room * 8) + mem_class(table->segment_room * 8) +
             (segments - 1) * mem_class((size_t)TABLE_SEGMENT * 8);
    for (size_t i = 0; i < table->groups; i++) {
        uint64_t entry = *table_entry(table, i);

        group_check(table, i);
        count += group_count(entry);
        if (entry != 0)
            bytes += group_bytes(entry);
    }
    kv_assert(count == table->count);
    kv_assert(bytes == table->bytes);
}

void table_figures(const struct table *table, size_t *groups, size_t *longest)
{
    *groups = table->groups;
    *longest = 0;
    for (size_t i = 0; i < table->groups; i++) {
        size_t count = group_count(*table_entry(table, i));

        if (count > *longest)
            *longest = count;
    }
}
