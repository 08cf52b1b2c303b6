/* Walks through an ordered tree: the way down to an item is kept, so that a step to a neighbour
 * climbs only where a node ends. Leaves need no links to each other for that. */
#include "core/ds/tree_walk.h"

#include "core/ds/tree_node.h"

void *tree_walk_start(struct tree_walk *walk, const struct tree *tree, uint64_t rank)
{
    const void *node = tree->root.child;

    walk->height = tree->height;
    if (rank >= tree->root.count) {
        walk->steps[0].node = NULL;
        return NULL;
    }
    for (unsigned height = tree->height; height > 0; height--) {
        const struct inner *inner = node;
        unsigned at = 0;

        while (rank >= inner->branches[at].count)
            rank -= inner->branches[at++].count;
        walk->steps[height].node = node;
        walk->steps[height].at = at;
        node = inner->branches[at].child;
    }
    walk->steps[0].node = node;
    walk->steps[0].at = (unsigned)rank;
    return ((const struct leaf *)node)->items[rank];
}

void *tree_at(const struct tree *tree, uint64_t rank)
{
    struct tree_walk walk;

    return tree_walk_start(&walk, tree, rank);
}

static void *walk_over(struct tree_walk *walk)
{
    walk->steps[0].node = NULL;
    return NULL;
}

void *tree_walk_next(struct tree_walk *walk)
{
    const struct leaf *leaf = walk->steps[0].node;
    const void *node;
    unsigned height = 1;

    if (leaf == NULL)
        return NULL;
    if (++walk->steps[0].at < leaf->count)
        return leaf->items[walk->steps[0].at];
    while (height <= walk->height &&
           walk->steps[height].at + 1 == ((const struct inner *)walk->steps[height].node)->count)
        height++;
    if (height > walk->height)
        return walk_over(walk);
    walk->steps[height].at++;
    for (; height > 0; height--) {
        node = ((const struct inner *)walk->steps[height].node)
                   ->branches[walk->steps[height].at].child;
        walk->steps[height - 1].node = node;
        walk->steps[height - 1].at = 0;
    }
    return ((const struct leaf *)walk->steps[0].node)->items[0];
}

void *tree_walk_previous(struct tree_walk *walk)
{
    const struct leaf *leaf = walk->steps[0].node;
    unsigned height = 1;

    if (leaf == NULL)
        return NULL;
    if (walk->steps[0].at > 0)
        return leaf->items[--walk->steps[0].at];
    while (height <= walk->height && walk->steps[height].at == 0)
        height++;
    if (height > walk->height)
        return walk_over(walk);
    walk->steps[height].at--;
    for (; height > 0; height--) {
        const struct inner *inner = walk->steps[height].node;
        const void *node = inner->branches[walk->steps[height].at].child;
        /* A leaf and an inner node both begin with their count. */
        unsigned count = height == 1 ? ((const struct leaf *)node)->count
                                     : ((const struct inner *)node)->count;

        walk->steps[height - 1].node = node;
        walk->steps[height - 1].at = count - 1;
    }
    leaf = walk->steps[0].node;
    return leaf->items[walk->steps[0].at];
}

size_t tree_leaf(const struct tree *tree, uint64_t rank, void *const **items, uint64_t *first)
{
    struct tree_walk walk;
    const struct leaf *leaf;

    if (tree_walk_start(&walk, tree, rank) == NULL)
        return 0;
    leaf = walk.steps[0].node;
    *items = leaf->items;
    *first = rank - walk.steps[0].at;
    return leaf->count;
}
