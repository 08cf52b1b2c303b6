/* A cut is a vector of the nodes' blocks, in order. Nodes from `next` on are still to be read; each
 * of them knows its place here, as long as it is the list's too. A vector shared by both would save
 * the copy, but then the first push would have to make it.
 */
#include "core/ds/quicklist_cut.h"

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/ds/quicklist_node.h"

struct saved {
    uint8_t *bytes;
    uint32_t raw;
    uint32_t packed : 31;
    uint32_t owned : 1; /* by the cut alone */
};

struct quicklist_cut {
    struct quicklist *list;
    size_t *memory;
    size_t next, length;
    struct saved nodes[];
};

_Static_assert(sizeof(struct saved) == 16, "a node with 8 KiB costs little to save");

bool quicklist_is_cut(const struct quicklist *list)
{
    return list->cut != NULL;
}

struct quicklist_cut *quicklist_cut_begin(struct quicklist *list, size_t *memory)
{
    size_t bytes = sizeof(struct quicklist_cut) + list->length * sizeof(struct saved);
    struct quicklist_cut *cut = mem_alloc(bytes);

    kv_assert(list->cut == NULL);
    kv_assert(list->length < UINT32_MAX);
    if (list->length > 0)
        node_close_gap(&list->slots[list->first]);
    *cut = (struct quicklist_cut){.list = list, .memory = memory, .length = list->length};
    for (size_t i = 0; i < list->length; i++) {
        struct node *node = &list->slots[list->first + i];

        cut->nodes[i] = (struct saved){node->bytes, node->raw, node->packed & INT32_MAX, 0};
        node->place = (uint32_t)i + 1;
    }
    list->cut = cut;
    *memory += mem_class(bytes);
    return cut;
}

bool quicklist_cut_shares(const struct quicklist_cut *cut, const struct node *node)
{
    return node->place > cut->next;
}

bool quicklist_cut_take(struct quicklist_cut *cut, const struct node *node)
{
    struct saved *saved;

    if (!quicklist_cut_shares(cut, node))
        return false;
    saved = &cut->nodes[node->place - 1];
    kv_assert(saved->bytes == node->bytes);
    saved->owned = 1;
    *cut->memory += node->memory;
    return true;
}

const uint8_t *quicklist_cut_next(struct quicklist_cut *cut, uint8_t **give_back)
{
    const uint8_t *listpack;
    struct saved *saved;

    *give_back = NULL;
    if (cut->next == cut->length)
        return NULL;
    saved = &cut->nodes[cut->next++];
    listpack = saved->bytes;
    if (saved->owned)
        *cut->memory -= mem_usable(saved->bytes);
    if (saved->packed != 0) {
        listpack = *give_back = node_unpack_copy(
            &(struct node){.bytes = saved->bytes, .raw = saved->raw, .packed = saved->packed});
        if (saved->owned)
            mem_free(saved->bytes);
    } else if (saved->owned) {
        *give_back = saved->bytes;
    }
    return listpack;
}

void quicklist_cut_end(struct quicklist_cut *cut)
{
    for (; cut->next < cut->length; cut->next++)
        if (cut->nodes[cut->next].owned)
            mem_free(cut->nodes[cut->next].bytes);
    *cut->memory = 0;
    cut->list->cut = NULL;
    mem_free(cut);
}
