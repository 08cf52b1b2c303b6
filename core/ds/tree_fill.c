/* An ordered tree built from the leaves up, all nodes full but the last of each height. Items that
 * come in no order are sorted, which takes a fifth of the time of inserting them.
 */
#include "core/ds/tree_fill.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/ds/tree.h"
#include "core/ds/tree_node.h"

static int compare(const struct tree *tree, const void *a, const void *b)
{
    double first = ((const struct tree_item *)a)->score;
    double second = ((const struct tree_item *)b)->score;

    if (first != second)
        return first < second ? -1 : 1;
    return tree->compare(a, b);
}

static bool is_in_order(const struct tree *tree, void **items, size_t count, int sign)
{
    for (size_t i = 1; i < count; i++)
        if (compare(tree, items[i - 1], items[i]) * sign > 0)
            return false;
    return true;
}

static void reverse(void **items, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        void *item = items[i];

        items[i] = items[count - 1 - i];
        items[count - 1 - i] = item;
    }
}

/* Merge two runs that are in order, the first of them in `spare`. */
static void merge(const struct tree *tree, void **items, size_t half, size_t count, void **spare)
{
    size_t left = 0, right = half, to = 0;

    memcpy(spare, items, half * sizeof(*items));
    while (left < half && right < count)
        items[to++] = compare(tree, spare[left], items[right]) < 0 ? spare[left++]
                                                                   : items[right++];
    memcpy(items + to, spare + left, (half - left) * sizeof(*items));
}

/* Runs that are in order already, most of what a snapshot holds, cost one look each. */
static void sort(const struct tree *tree, void **items, size_t count, void **spare)
{
    size_t half = count / 2;

    if (count < 2)
        return;
    sort(tree, items, half, spare);
    sort(tree, items + half, count - half, spare);
    if (compare(tree, items[half - 1], items[half]) > 0)
        merge(tree, items, half, count, spare);
}

static struct branch *fill_leaves(struct tree *tree, void **items, size_t count, size_t *made)
{
    struct branch *branches;

    *made = (count + LEAF_MOST - 1) / LEAF_MOST;
    branches = mem_alloc(*made * sizeof(*branches));
    for (size_t i = 0; i < *made; i++) {
        size_t from = i * LEAF_MOST;
        size_t in_leaf = count - from < LEAF_MOST ? count - from : LEAF_MOST;
        struct leaf *leaf = leaf_resize(tree, NULL, in_leaf);

        memcpy(leaf->items, items + from, in_leaf * sizeof(*items));
        leaf->count = (uint16_t)in_leaf;
        branches[i].child = leaf;
        branch_refresh(&branches[i], 0);
    }
    return branches;
}

/* The branches become nodes at `height`, and these the branches. */
static size_t fill_inner(struct tree *tree, struct branch *branches, size_t count,
                         unsigned height)
{
    size_t made = (count + INNER_MOST - 1) / INNER_MOST;

    for (size_t i = 0; i < made; i++) {
        size_t from = i * INNER_MOST;
        size_t in_node = count - from < INNER_MOST ? count - from : INNER_MOST;
        struct inner *inner = inner_resize(tree, NULL, in_node);

        memcpy(inner->branches, branches + from, in_node * sizeof(*branches));
        inner->count = (uint16_t)in_node;
        branches[i].child = inner;
        branch_refresh(&branches[i], height);
    }
    return made;
}

void tree_fill(struct tree *tree, void **items, size_t count)
{
    struct branch *branches;
    size_t made;

    kv_assert(tree->root.child == NULL);
    if (count == 0)
        return;
    if (is_in_order(tree, items, count, -1)) {
        reverse(items, count);
    } else if (!is_in_order(tree, items, count, 1)) {
        void **spare = mem_alloc(count / 2 * sizeof(*spare));

        reverse(items, count);
        sort(tree, items, count, spare);
        mem_free(spare);
    }
    branches = fill_leaves(tree, items, count, &made);
    tree->height = 0;
    while (made > 1) {
        kv_assert(tree->height < TREE_HEIGHT_MAX);
        made = fill_inner(tree, branches, made, ++tree->height);
    }
    tree->root = branches[0];
    mem_free(branches);
}
