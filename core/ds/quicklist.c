/* The nodes lie in a vector with room at both ends, so that a queue moves nothing:
 *
 *   slots   [ . . | node 0 | node 1 | ... | node length-1 | . . . ]     first: slot of node 0
 *
 * Invariants: no node is empty; `count` is the sum of the nodes' counts, `memory` that of their
 * blocks; the first and the last node are not packed; no node but the first has a gap.
 *
 * A packed node's block is one LZ4 block of `packed` bytes that gives `raw` bytes of listpack.
 * Whoever changes a node unpacks it in place, and settle() packs again what lies inside. Whoever
 * only reads unpacks into a block of his own: a read changes nothing.
 *
 * The first node's block may have a gap before the listpack, so that pushing and popping there
 * moves the listpack's header alone. Whoever changes the node in another way closes the gap first.
 *
 * While the list is cut into a snapshot, a node's block may be the cut's too (quicklist_cut.h):
 * then it is copied before it changes, and left to the cut when it goes.
 */
#include "core/ds/quicklist.h"

#include <lz4.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/ds/quicklist_node.h"

#define PACK_MIN_BYTES 48
#define PACK_MIN_GAIN 8
#define COUNTED_NODE_BYTES_MAX 8192 /* of nodes that are limited by their count of elements */
#define SLOTS_MIN 4

bool quicklist_fits(size_t bytes, size_t count, int64_t node_size)
{
    static const size_t bytes_max[] = {4096, 8192, 16384, 32768, 65536};
    if (node_size < 0)
        return bytes <= bytes_max[node_size < -5 ? 4 : -node_size - 1];
    return bytes <= COUNTED_NODE_BYTES_MAX && count <= (size_t)(node_size ? node_size : 1);
}

static struct node *node_at(const struct quicklist *list, size_t index)
{
    return &list->slots[list->first + index];
}

/* ---- one node ---- */

static uint8_t *node_block(const struct node *node)
{
    return node->bytes - node->gap;
}

void node_close_gap(struct node *node)
{
    if (node->gap > 0)
        node->bytes = memmove(node_block(node), node->bytes, node->raw);
    node->gap = 0;
}

static void set_memory(struct quicklist *list, struct node *node, size_t memory)
{
    list->memory += memory - node->memory;
    node->memory = (uint32_t)memory;
}

/* The node has this listpack of `count` elements now. */
static void set_listpack(struct quicklist *list, struct node *node, uint8_t *listpack, size_t count)
{
    uint32_t raw = (uint32_t)listpack_bytes(listpack);
    list->count += count - node->count;
    list->raw += (size_t)raw - node->raw;
    node->bytes = listpack;
    node->raw = raw;
    node->count = (uint32_t)count;
}

/* The listpack of an unpacked node may have moved and changed; it has `count` elements now. */
static void node_update(struct quicklist *list, struct node *node, uint8_t *listpack, size_t count)
{
    if (node->bytes != listpack || mem_class(listpack_bytes(listpack)) != mem_class(node->raw))
        set_memory(list, node, listpack_memory(listpack));
    set_listpack(list, node, listpack, count);
}

/* The list lets the node's block go. */
static void node_drop_block(struct quicklist *list, struct node *node)
{
    if (likely(list->cut == NULL) || !quicklist_cut_take(list->cut, node))
        mem_free(node_block(node));
    node->gap = 0;
    node->place = 0;
}

static void node_set_block(struct quicklist *list, struct node *node, uint8_t *bytes,
                           uint32_t packed)
{
    node_drop_block(list, node);
    node->bytes = bytes;
    node->packed = packed;
    set_memory(list, node, mem_usable(bytes));
}

uint8_t *node_unpack_copy(const struct node *node)
{
    uint8_t *raw = mem_alloc(mem_class(node->raw)); /* as a listpack's block is */
    int got = LZ4_decompress_safe((const char *)node->bytes, (char *)raw, (int)node->packed,
                                  (int)node->raw);
    kv_assert(got == (int)node->raw);
    return raw;
}

static void node_unpack(struct quicklist *list, size_t index)
{
    struct node *node = node_at(list, index);
    if (node->packed)
        node_set_block(list, node, node_unpack_copy(node), 0);
}

/* Make the node's listpack one that is the list's alone. */
static void node_own(struct quicklist *list, size_t index)
{
    struct node *node = node_at(list, index);
    node_unpack(list, index);
    if (unlikely(list->cut != NULL) && quicklist_cut_shares(list->cut, node))
        node_set_block(list, node, listpack_copy(node->bytes), 0);
}

/* Make the node's listpack one that may be changed by whatever moves it. */
static void node_open(struct quicklist *list, size_t index)
{
    node_own(list, index);
    node_close_gap(node_at(list, index));
}

/* Make a gap of `bytes` or more: the listpack goes to the end of a block that holds both. */
static void node_open_gap(struct quicklist *list, struct node *node, size_t bytes)
{
    uint8_t *block = node_block(node);
    if (node->gap >= bytes)
        return;
    if (node->memory < node->raw + bytes) {
        block = mem_alloc(mem_class(node->raw + bytes));
        set_memory(list, node, mem_usable(block));
    }
    uint8_t *old = node_block(node);
    uint32_t gap = node->memory - node->raw;
    node->bytes = memmove(block + gap, node->bytes, node->raw);
    node->gap = gap;
    if (block != old)
        mem_free(old);
}

static void node_pack(struct quicklist *list, size_t index)
{
    struct node *node = node_at(list, index);
    if (node->packed || node->raw < PACK_MIN_BYTES)
        return;
    int bound = LZ4_compressBound((int)node->raw);
    char *out = mem_alloc((size_t)bound);
    int packed = LZ4_compress_default((const char *)node->bytes, out, (int)node->raw, bound);
    if (packed <= 0 || (uint32_t)packed + PACK_MIN_GAIN > node->raw) {
        mem_free(out);
        return;
    }
    node_set_block(list, node, mem_realloc(out, (size_t)packed), (uint32_t)packed);
}

/* ---- the vector ---- */

static void make_room(struct quicklist *list)
{
    size_t cap = list->cap;
    if (list->length * 2 >= cap)
        cap = cap ? cap * 2 : SLOTS_MIN;
    size_t first = (cap - list->length) / 2;
    struct node *slots = mem_alloc(cap * sizeof *slots);
    if (list->length > 0)
        memcpy(slots + first, node_at(list, 0), list->length * sizeof *slots);
    mem_free(list->slots);
    list->slots = slots;
    list->first = first;
    list->cap = cap;
}

/* A new node before node number `index`, of the listpack, with its elements counted. */
static void open_node(struct quicklist *list, size_t index, uint8_t *listpack, size_t count)
{
    bool front = index * 2 < list->length;
    if (front ? list->first == 0 : list->first + list->length == list->cap) {
        make_room(list);
        front = list->first > 0 && front;
    }
    struct node *slots = list->slots + list->first;
    if (front) {
        memmove(slots - 1, slots, index * sizeof *slots);
        list->first--;
    } else {
        memmove(slots + index + 1, slots + index, (list->length - index) * sizeof *slots);
    }
    list->length++;
    *node_at(list, index) = (struct node){0};
    node_update(list, node_at(list, index), listpack, count);
}

/* Give back `number` nodes from `index` on. */
static void close_nodes(struct quicklist *list, size_t index, size_t number)
{
    for (size_t i = index; i < index + number; i++) {
        struct node *node = node_at(list, i);
        list->count -= node->count;
        list->raw -= node->raw;
        list->memory -= node->memory;
        node_drop_block(list, node);
    }
    struct node *slots = list->slots + list->first;
    size_t behind = list->length - index - number;
    if (index < behind) {
        memmove(slots + number, slots, index * sizeof *slots);
        list->first += number;
    } else {
        memmove(slots + index, slots + index + number, behind * sizeof *slots);
    }
    list->length -= number;
}

static bool is_inner(const struct quicklist *list, size_t index, size_t depth)
{
    return depth > 0 && index >= depth && index + depth < list->length;
}

/* Nodes `low` to `high` were changed, and perhaps their number: pack and unpack as it should be. */
static void settle(struct quicklist *list, size_t low, size_t high,
                   const struct quicklist_limits *limits)
{
    size_t depth = (size_t)(limits->compress_depth > 0 ? limits->compress_depth : 0);
    for (size_t i = low; i <= high && i < list->length; i++)
        if (is_inner(list, i, depth))
            node_pack(list, i);
    size_t ends = depth > 0 ? depth : 1;
    for (size_t i = 0; i < ends && i < list->length; i++) {
        node_unpack(list, i);
        node_unpack(list, list->length - 1 - i);
    }
    if (is_inner(list, depth, depth)) {
        node_pack(list, depth);
        node_pack(list, list->length - 1 - depth);
    }
}

/* ---- life ---- */

struct quicklist *quicklist_new(void)
{
    return mem_alloc_zero(sizeof(struct quicklist));
}

void quicklist_free(struct quicklist *list)
{
    for (size_t i = 0; i < list->length; i++)
        mem_free(node_block(node_at(list, i)));
    mem_free(list->slots);
    mem_free(list);
}

struct quicklist *quicklist_copy(const struct quicklist *list)
{
    struct quicklist *copy = quicklist_new();
    *copy = *list;
    copy->cut = NULL;
    copy->slots = mem_alloc(list->cap * sizeof *copy->slots);
    for (size_t i = 0; i < list->length; i++) {
        struct node *to = node_at(copy, i);
        *to = *node_at(list, i);
        if (to->packed)
            to->bytes = memcpy(mem_alloc(to->packed), to->bytes, to->packed);
        else
            to->bytes = listpack_copy(to->bytes);
        to->gap = 0;
        set_memory(copy, to, mem_usable(to->bytes));
    }
    return copy;
}

void quicklist_append_node(struct quicklist *list, uint8_t *listpack,
                           const struct quicklist_limits *limits)
{
    open_node(list, list->length, listpack, listpack_count(listpack));
    settle(list, list->length, list->length, limits);
}

uint8_t *quicklist_into_listpack(struct quicklist *list)
{
    kv_assert(list->length == 1);
    kv_assert(list->cut == NULL);
    node_close_gap(node_at(list, 0));
    uint8_t *listpack = listpack_shrink(node_at(list, 0)->bytes);
    mem_free(list->slots);
    mem_free(list);
    return listpack;
}

uint64_t quicklist_count(const struct quicklist *list)
{
    return list->count;
}

size_t quicklist_nodes(const struct quicklist *list)
{
    return list->length;
}

size_t quicklist_bytes(const struct quicklist *list)
{
    return list->raw;
}

size_t quicklist_memory(const struct quicklist *list)
{
    return mem_class(sizeof *list) + (list->cap ? mem_class(list->cap * sizeof *list->slots) : 0) +
           list->memory;
}

const uint8_t *quicklist_node(const struct quicklist *list, size_t index, uint8_t **unpacked)
{
    const struct node *node = node_at(list, index);
    *unpacked = node->packed ? node_unpack_copy(node) : NULL;
    return *unpacked ? *unpacked : node->bytes;
}

/* ---- finding ---- */

/* The node of element number `index`, which exists; *index becomes its number there. */
static size_t find_node(const struct quicklist *list, uint64_t *index)
{
    uint64_t wanted = *index;
    kv_assert(wanted < list->count);
    if (wanted * 2 < list->count) {
        size_t i = 0;
        for (; wanted >= node_at(list, i)->count; i++)
            wanted -= node_at(list, i)->count;
        *index = wanted;
        return i;
    }
    uint64_t behind = list->count - 1 - wanted;
    size_t i = list->length - 1;
    for (; behind >= node_at(list, i)->count; i--)
        behind -= node_at(list, i)->count;
    *index = node_at(list, i)->count - 1 - behind;
    return i;
}

static void cursor_load(struct quicklist_cursor *cursor, size_t node)
{
    mem_free(cursor->unpacked);
    cursor->node = node;
    cursor->listpack = quicklist_node(cursor->list, node, &cursor->unpacked);
}

void quicklist_begin(struct quicklist_cursor *cursor, const struct quicklist *list, uint64_t index,
                     bool backwards)
{
    cursor->list = list;
    cursor->backwards = backwards;
    cursor->unpacked = NULL;
    cursor->at = NULL;
    cursor->node = backwards ? 0 : list->length - 1;
    if (index >= list->count)
        return;
    size_t node = find_node(list, &index);
    cursor_load(cursor, node);
    cursor->at = listpack_seek(cursor->listpack, (int64_t)index);
}

bool quicklist_next(struct quicklist_cursor *cursor, struct slice *element)
{
    if (!cursor->at) {
        if (cursor->node == (cursor->backwards ? 0 : cursor->list->length - 1))
            return false;
        cursor_load(cursor, cursor->backwards ? cursor->node - 1 : cursor->node + 1);
        cursor->at = cursor->backwards ? listpack_last(cursor->listpack)
                                       : listpack_first(cursor->listpack);
    }
    *element = listpack_get(cursor->at, cursor->digits);
    cursor->at = cursor->backwards ? listpack_previous(cursor->listpack, cursor->at)
                                   : listpack_next(cursor->listpack, cursor->at);
    return true;
}

void quicklist_end(struct quicklist_cursor *cursor)
{
    mem_free(cursor->unpacked);
    cursor->unpacked = NULL;
}

/* ---- changes ---- */

static bool node_takes(const struct quicklist *list, size_t index, struct slice element,
                       const struct quicklist_limits *limits)
{
    const struct node *node = node_at(list, index);
    return quicklist_fits(node->raw + listpack_element_bytes(element), node->count + 1u,
                          limits->node_size);
}

static uint8_t *listpack_of(struct slice element)
{
    kv_assert(element.len <= QUICKLIST_ELEMENT_MAX);
    size_t bytes = LISTPACK_EMPTY_BYTES + listpack_element_bytes(element);
    return listpack_append(listpack_new(bytes), element);
}

static void node_push(struct quicklist *list, size_t index, bool front, struct slice element)
{
    node_open(list, index);
    struct node *node = node_at(list, index);
    uint8_t *listpack = front ? listpack_prepend(node->bytes, element)
                              : listpack_append(node->bytes, element);
    node_update(list, node, listpack, node->count + 1u);
}

static void first_node_push(struct quicklist *list, struct slice element)
{
    node_own(list, 0);
    struct node *node = node_at(list, 0);
    node_open_gap(list, node, listpack_element_bytes(element));
    uint8_t *listpack = listpack_grow_front(node->bytes, element);
    node->gap -= (uint32_t)(node->bytes - listpack);
    set_listpack(list, node, listpack, node->count + 1u);
}

static void first_node_pop(struct quicklist *list, size_t count)
{
    node_own(list, 0);
    struct node *node = node_at(list, 0);
    uint8_t *listpack = listpack_drop_front(node->bytes, count);
    node->gap += (uint32_t)(listpack - node->bytes);
    set_listpack(list, node, listpack, node->count - count);
}

void quicklist_push(struct quicklist *list, bool front, struct slice element,
                    const struct quicklist_limits *limits)
{
    size_t end = front || list->length == 0 ? 0 : list->length - 1;
    if (list->length > 0 && node_takes(list, end, element, limits)) {
        if (front)
            first_node_push(list, element);
        else
            node_push(list, end, false, element);
        return;
    }
    if (front && list->length > 0)
        node_close_gap(node_at(list, 0));
    size_t at = front ? 0 : list->length;
    open_node(list, at, listpack_of(element), 1);
    settle(list, at, at, limits);
}

/* Node `index` keeps its first `keep` elements; the others become the node behind it. */
static void split_node(struct quicklist *list, size_t index, uint64_t keep)
{
    struct node *node = node_at(list, index);
    size_t behind = node->count - (size_t)keep;
    uint8_t *right = listpack_delete_range(listpack_copy(node->bytes), 0, (size_t)keep);
    uint8_t *left = listpack_delete_range(node->bytes, (int64_t)keep, behind);
    node_update(list, node, left, (size_t)keep);
    open_node(list, index + 1, right, behind);
}

void quicklist_insert(struct quicklist *list, uint64_t index, struct slice element,
                      const struct quicklist_limits *limits)
{
    if (index == 0 || index == list->count) {
        quicklist_push(list, index == 0, element, limits);
        return;
    }
    size_t at = find_node(list, &index);
    if (node_takes(list, at, element, limits)) {
        node_open(list, at);
        struct node *node = node_at(list, at);
        uint8_t *where = listpack_seek(node->bytes, (int64_t)index);
        uint8_t *listpack = listpack_insert(node->bytes, where, true, element, NULL);
        node_update(list, node, listpack, node->count + 1u);
        settle(list, at, at, limits);
        return;
    }
    if (index > 0) {
        node_open(list, at);
        split_node(list, at, index);
        at++;
    }
    /* Between two nodes, of which the first may be as full as the second. */
    if (node_takes(list, at - 1, element, limits))
        node_push(list, at - 1, false, element);
    else if (node_takes(list, at, element, limits))
        node_push(list, at, true, element);
    else
        open_node(list, at, listpack_of(element), 1);
    settle(list, at - 1, at + 1, limits);
}

void quicklist_set(struct quicklist *list, uint64_t index, struct slice element,
                   const struct quicklist_limits *limits)
{
    uint64_t offset = index;
    size_t at = find_node(list, &offset);
    struct node *node = node_at(list, at);
    size_t bytes = node->raw + listpack_element_bytes(element);
    if (node->count > 1 && !quicklist_fits(bytes, node->count, limits->node_size)) {
        quicklist_delete(list, index, 1, limits);
        quicklist_insert(list, index, element, limits);
        return;
    }
    node_open(list, at);
    uint8_t *where = listpack_seek(node->bytes, (int64_t)offset);
    uint8_t *listpack = listpack_replace(node->bytes, &where, element);
    node_update(list, node, listpack, node->count);
    settle(list, at, at, limits);
}

/* Delete up to `count` elements of the node from `offset` on, not all of them. */
static uint64_t trim_node(struct quicklist *list, size_t index, uint64_t offset, uint64_t count)
{
    struct node *node = node_at(list, index);
    if (count > node->count - offset)
        count = node->count - offset;
    if (index == 0 && offset == 0) {
        first_node_pop(list, (size_t)count);
        return count;
    }
    node_open(list, index);
    uint8_t *listpack = listpack_delete_range(node->bytes, (int64_t)offset, (size_t)count);
    node_update(list, node, listpack, node->count - (size_t)count);
    return count;
}

void quicklist_delete(struct quicklist *list, uint64_t index, uint64_t count,
                      const struct quicklist_limits *limits)
{
    if (count == 0)
        return;
    kv_assert(count <= list->count - index);
    size_t at = find_node(list, &index);
    size_t low = at;
    if (index > 0) {
        count -= trim_node(list, at, index, count);
        at++;
    }
    size_t whole = at;
    for (; whole < list->length && count >= node_at(list, whole)->count; whole++)
        count -= node_at(list, whole)->count;
    close_nodes(list, at, whole - at);
    if (count > 0)
        trim_node(list, at, 0, count);
    settle(list, low, at, limits);
}

/* Delete elements equal to `text` from a node that is not packed; returns how many. */
static uint64_t remove_from_node(struct quicklist *list, size_t index, struct slice text,
                                 uint64_t most, bool from_back)
{
    struct node *node = node_at(list, index);
    uint8_t *listpack = node->bytes;
    uint64_t removed = 0;
    uint8_t *at = from_back ? listpack_last(listpack) : listpack_first(listpack);
    while (at && removed < most) {
        uint8_t *before = from_back ? listpack_previous(listpack, at) : NULL;
        if (!listpack_equal(at, text)) {
            at = from_back ? before : listpack_next(listpack, at);
            continue;
        }
        size_t offset = before ? (size_t)(before - listpack) : 0;
        listpack = listpack_delete(listpack, &at, 1);
        removed++;
        if (from_back)
            at = before ? listpack + offset : NULL;
    }
    node_update(list, node, listpack, node->count - (size_t)removed);
    return removed;
}

static bool node_holds(const struct quicklist *list, size_t index, struct slice text)
{
    uint8_t *unpacked;
    const uint8_t *listpack = quicklist_node(list, index, &unpacked);
    bool found = listpack_find(listpack, listpack_first(listpack), text, 1) != NULL;
    mem_free(unpacked);
    return found;
}

uint64_t quicklist_remove(struct quicklist *list, struct slice text, uint64_t most, bool from_back,
                          const struct quicklist_limits *limits)
{
    uint64_t removed = 0;
    size_t turns = list->length;
    for (size_t i = from_back ? turns - 1 : 0; turns-- > 0 && removed < most;) {
        if (node_holds(list, i, text)) {
            node_open(list, i);
            removed += remove_from_node(list, i, text, most - removed, from_back);
            if (node_at(list, i)->count == 0) {
                close_nodes(list, i, 1);
                i -= !from_back;
            } else {
                settle(list, i, i, limits);
            }
        }
        i += from_back ? (size_t)-1 : 1;
    }
    settle(list, list->length, list->length, limits);
    return removed;
}

void quicklist_check(const struct quicklist *list)
{
    uint64_t count = 0;
    size_t memory = 0, raw = 0;
    kv_assert(list->first + list->length <= list->cap);
    for (size_t i = 0; i < list->length; i++) {
        const struct node *node = node_at(list, i);
        uint8_t *unpacked;
        const uint8_t *listpack = quicklist_node(list, i, &unpacked);
        kv_assert(listpack_valid(listpack, node->raw, true));
        kv_assert(listpack_count(listpack) == node->count);
        kv_assert(node->count > 0);
        kv_assert(node->memory == mem_usable(node_block(node)));
        kv_assert(node->gap == 0 || i == 0);
        mem_free(unpacked);
        count += node->count;
        raw += node->raw;
        memory += node->memory;
    }
    kv_assert(count == list->count);
    kv_assert(raw == list->raw);
    kv_assert(memory == list->memory);
    if (list->length > 0) {
        kv_assert(!node_at(list, 0)->packed);
        kv_assert(!node_at(list, list->length - 1)->packed);
    }
}
