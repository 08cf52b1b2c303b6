/* A B+ tree with counts.
 *
 * A leaf is one block: a header of 8 bytes and up to 63 pointers, 512 bytes. It has the size class
 * that its items need, and grows and shrinks with them, so that a tree filled at random, whose
 * leaves are two thirds full, pays for what it holds: about 9 bytes an item. A node above has up to
 * 31 branches: child, how many items are below it, its first item, and that item's score, so that
 * the way down reads nodes alone and touches an item only where scores are equal.
 *
 * Inserting goes down by recursion; what is too full on the way back is split in half. At the ends
 * of the tree it is split so that the full node stays full: items that come in order, as they do
 * when a tree is loaded, leave nothing empty. Removing merges a node that is less than a quarter
 * full with its neighbour, or evens the two out.
 *
 * Invariants, which tree_check asserts
 *  1. Items are in order, across leaves too.
 *  2. A branch's count, first and score are those of the items below it.
 *  3. Nothing is empty, but for a tree without a node; no node is above its limit.
 *  4. `bytes` and `leaves` are the sums over all nodes.
 */
#include "core/ds/tree.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/ds/tree_node.h"

#define LEAF_LEAST 16  /* below, it is merged or evened out */
#define LEAF_MERGED 48 /* two leaves become one if that has no more */
#define INNER_LEAST 8
#define INNER_MERGED 24

/* At which ends of the tree a subtree lies. */
enum edge { EDGE_FIRST = 1, EDGE_LAST = 2 };

/* --- Blocks ----------------------------------------------------------------------------------- */

/* Give a node room for `count` elements of `size` bytes behind its header, in the class that this
 * takes. `node` may be NULL; the caller keeps `room`. */
static void *node_resize(struct tree *tree, void *node, size_t room, size_t count, size_t size,
                         size_t most, uint16_t *new_room)
{
    size_t header = size == sizeof(void *) ? sizeof(struct leaf) : sizeof(struct inner);
    size_t old = node == NULL ? 0 : mem_class(header + room * size);
    size_t bytes = mem_class(header + count * size);
    size_t fits = (bytes - header) / size;

    *new_room = (uint16_t)(fits < most ? fits : most);
    /* The class as it was counted must be found again from the room. */
    bytes = mem_class(header + *new_room * size);
    if (bytes == old)
        return node;
    tree->bytes += bytes - old;
    return mem_realloc(node, header + *new_room * size);
}

struct leaf *leaf_resize(struct tree *tree, struct leaf *leaf, size_t count)
{
    uint16_t room;
    bool is_new = leaf == NULL;

    leaf = node_resize(tree, leaf, is_new ? 0 : leaf->room, count, sizeof(void *), LEAF_MOST,
                       &room);
    leaf->room = room;
    if (is_new) {
        leaf->count = 0;
        tree->leaves++;
    }
    return leaf;
}

struct inner *inner_resize(struct tree *tree, struct inner *inner, size_t count)
{
    uint16_t room;
    bool is_new = inner == NULL;

    inner = node_resize(tree, inner, is_new ? 0 : inner->room, count, sizeof(struct branch),
                        INNER_MOST, &room);
    inner->room = room;
    if (is_new)
        inner->count = 0;
    return inner;
}

/* Give back what a node that has lost elements does not need, with some to spare. */
static struct leaf *leaf_fit(struct tree *tree, struct leaf *leaf)
{
    return leaf->count + 8 < leaf->room ? leaf_resize(tree, leaf, leaf->count + 1U) : leaf;
}

static void leaf_free(struct tree *tree, struct leaf *leaf)
{
    tree->bytes -= mem_class(sizeof(*leaf) + leaf->room * sizeof(void *));
    tree->leaves--;
    mem_free(leaf);
}

static void inner_free(struct tree *tree, struct inner *inner)
{
    tree->bytes -= mem_class(sizeof(*inner) + inner->room * sizeof(struct branch));
    mem_free(inner);
}

static void node_free(struct tree *tree, void *node, unsigned height)
{
    if (height == 0)
        leaf_free(tree, node);
    else
        inner_free(tree, node);
}

/* --- Order ------------------------------------------------------------------------------------ */

static inline double score_of(const void *item)
{
    return ((const struct tree_item *)item)->score;
}

static inline bool is_before(const struct tree *tree, const void *a, double score, const void *b)
{
    double other = score_of(a);

    if (other != score)
        return other < score;
    return tree->compare(a, b) < 0;
}

/* How many items of the leaf are before `item`. */
static unsigned leaf_search(const struct tree *tree, const struct leaf *leaf, const void *item)
{
    double score = score_of(item);
    unsigned low = 0, high = leaf->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (is_before(tree, leaf->items[middle], score, item))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The branch where `item` is, or would be. */
static unsigned inner_search(const struct tree *tree, const struct inner *inner, const void *item)
{
    double score = score_of(item);
    unsigned low = 1, high = inner->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct branch *branch = &inner->branches[middle];
        bool after = branch->score != score ? branch->score < score
                                            : tree->compare(branch->first, item) <= 0;

        if (after)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void branch_refresh(struct branch *branch, unsigned height)
{
    if (height == 0) {
        const struct leaf *leaf = branch->child;

        branch->count = leaf->count;
        branch->first = leaf->count == 0 ? NULL : leaf->items[0];
    } else {
        const struct inner *inner = branch->child;

        branch->count = 0;
        for (unsigned i = 0; i < inner->count; i++)
            branch->count += inner->branches[i].count;
        branch->first = inner->count == 0 ? NULL : inner->branches[0].first;
    }
    if (branch->first != NULL)
        branch->score = score_of(branch->first);
}

/* --- Life ------------------------------------------------------------------------------------- */

struct tree *tree_new(int (*compare)(const void *a, const void *b))
{
    struct tree *tree = mem_alloc_zero(sizeof(*tree));

    tree->compare = compare;
    tree->bytes = mem_class(sizeof(*tree));
    return tree;
}

static void subtree_free(struct tree *tree, void *node, unsigned height,
                         void (*free_item)(void *item))
{
    if (height == 0) {
        const struct leaf *leaf = node;

        for (unsigned i = 0; free_item != NULL && i < leaf->count; i++)
            free_item(leaf->items[i]);
    } else {
        const struct inner *inner = node;

        for (unsigned i = 0; i < inner->count; i++)
            subtree_free(tree, inner->branches[i].child, height - 1, free_item);
    }
    node_free(tree, node, height);
}

void tree_free(struct tree *tree, void (*free_item)(void *item))
{
    if (tree->root.child != NULL)
        subtree_free(tree, tree->root.child, tree->height, free_item);
    mem_free(tree);
}

uint64_t tree_count(const struct tree *tree)
{
    return tree->root.count;
}

uint64_t tree_leaves(const struct tree *tree)
{
    return tree->leaves;
}

size_t tree_bytes(const struct tree *tree)
{
    return tree->bytes;
}

/* --- Insertion -------------------------------------------------------------------------------- */

/* How many elements of a full node stay when an element is to go to `at`. */
static unsigned split_at(unsigned count, unsigned at, unsigned edge)
{
    if (at == count && (edge & EDGE_LAST))
        return count;
    if (at == 0 && (edge & EDGE_FIRST))
        return 0;
    return count / 2;
}

static struct leaf *leaf_put(struct tree *tree, struct leaf *leaf, unsigned at, void *item)
{
    if (leaf->count == leaf->room)
        leaf = leaf_resize(tree, leaf, leaf->count + 1U);
    memmove(&leaf->items[at + 1], &leaf->items[at], (leaf->count - at) * sizeof(void *));
    leaf->items[at] = item;
    leaf->count++;
    return leaf;
}

/* True if the leaf was split: *right is the new branch behind it. */
static bool leaf_insert(struct tree *tree, struct branch *self, void *item, unsigned edge,
                        struct branch *right)
{
    struct leaf *leaf = self->child, *other;
    unsigned at = leaf_search(tree, leaf, item), keep;

    if (leaf->count < LEAF_MOST) {
        self->child = leaf_put(tree, leaf, at, item);
        branch_refresh(self, 0);
        return false;
    }
    keep = split_at(leaf->count, at, edge);
    other = leaf_resize(tree, NULL, leaf->count - keep + 1U);
    other->count = (uint16_t)(leaf->count - keep);
    memcpy(other->items, &leaf->items[keep], other->count * sizeof(void *));
    leaf->count = (uint16_t)keep;
    if (at < keep || keep == 0)
        leaf = leaf_put(tree, leaf, at, item);
    else
        other = leaf_put(tree, other, at - keep, item);
    self->child = leaf_fit(tree, leaf);
    right->child = other;
    branch_refresh(self, 0);
    branch_refresh(right, 0);
    return true;
}

static struct inner *inner_put(struct tree *tree, struct inner *inner, unsigned at,
                               const struct branch *branch)
{
    if (inner->count == inner->room)
        inner = inner_resize(tree, inner, inner->count + 1U);
    memmove(&inner->branches[at + 1], &inner->branches[at],
            (inner->count - at) * sizeof(struct branch));
    inner->branches[at] = *branch;
    inner->count++;
    return inner;
}

/* Put `branch` at `at`; true if the node was split. */
static bool inner_insert(struct tree *tree, struct branch *self, unsigned at,
                         const struct branch *branch, unsigned height, unsigned edge,
                         struct branch *right)
{
    struct inner *inner = self->child, *other;
    unsigned keep;

    if (inner->count < INNER_MOST) {
        self->child = inner_put(tree, inner, at, branch);
        branch_refresh(self, height);
        return false;
    }
    /* A node keeps its first branch, which is split off the element in front of `branch`. */
    keep = at == 1 && (edge & EDGE_FIRST) ? 1 : split_at(inner->count, at, edge);
    other = inner_resize(tree, NULL, inner->count - keep + 1U);
    other->count = (uint16_t)(inner->count - keep);
    memcpy(other->branches, &inner->branches[keep], other->count * sizeof(struct branch));
    inner->count = (uint16_t)keep;
    if (at < keep)
        inner = inner_put(tree, inner, at, branch);
    else
        other = inner_put(tree, other, at - keep, branch);
    self->child = inner_resize(tree, inner, inner->count);
    right->child = other;
    branch_refresh(self, height);
    branch_refresh(right, height);
    return true;
}

static bool subtree_insert(struct tree *tree, struct branch *self, unsigned height, void *item,
                           unsigned edge, struct branch *right)
{
    struct inner *inner = self->child;
    struct branch fresh;
    unsigned at, below = edge;

    if (height == 0)
        return leaf_insert(tree, self, item, edge, right);
    at = inner_search(tree, inner, item);
    if (at != 0)
        below &= ~(unsigned)EDGE_FIRST;
    if (at + 1 != inner->count)
        below &= ~(unsigned)EDGE_LAST;
    if (subtree_insert(tree, &inner->branches[at], height - 1, item, below, &fresh))
        return inner_insert(tree, self, at + 1, &fresh, height, edge, right);
    self->count++;
    self->first = inner->branches[0].first;
    self->score = inner->branches[0].score;
    return false;
}

void tree_insert(struct tree *tree, void *item)
{
    struct branch right;

    if (tree->root.child == NULL) {
        tree->root.child = leaf_resize(tree, NULL, 1);
        tree->height = 0;
    }
    if (subtree_insert(tree, &tree->root, tree->height, item, EDGE_FIRST | EDGE_LAST, &right)) {
        struct inner *inner = inner_resize(tree, NULL, 2);

        kv_assert(tree->height < TREE_HEIGHT_MAX);
        inner->branches[0] = tree->root;
        inner->branches[1] = right;
        inner->count = 2;
        tree->root.child = inner;
        tree->height++;
        branch_refresh(&tree->root, tree->height);
    }
}

/* --- Removal ---------------------------------------------------------------------------------- */

static void inner_drop(struct inner *inner, unsigned at)
{
    inner->count--;
    memmove(&inner->branches[at], &inner->branches[at + 1],
            (inner->count - at) * sizeof(struct branch));
}

/* Merge the leaves of two branches into the first (true), or even them out. */
static bool leaves_join(struct tree *tree, struct branch *left, struct branch *right)
{
    struct leaf *a = left->child, *b = right->child;
    unsigned sum = a->count + (unsigned)b->count, half = sum / 2, moved;

    if (sum <= LEAF_MERGED) {
        a = leaf_resize(tree, a, sum);
        memcpy(&a->items[a->count], b->items, b->count * sizeof(void *));
        a->count = (uint16_t)sum;
        left->child = a;
        leaf_free(tree, b);
        branch_refresh(left, 0);
        return true;
    }
    if (a->count < half) {
        moved = half - a->count;
        a = leaf_resize(tree, a, half);
        memcpy(&a->items[a->count], b->items, moved * sizeof(void *));
        memmove(b->items, &b->items[moved], (b->count - moved) * sizeof(void *));
    } else {
        moved = a->count - half;
        b = leaf_resize(tree, b, sum - half);
        memmove(&b->items[moved], b->items, b->count * sizeof(void *));
        memcpy(b->items, &a->items[half], moved * sizeof(void *));
    }
    a->count = (uint16_t)half;
    b->count = (uint16_t)(sum - half);
    left->child = leaf_fit(tree, a);
    right->child = leaf_fit(tree, b);
    branch_refresh(left, 0);
    branch_refresh(right, 0);
    return false;
}

static bool inners_join(struct tree *tree, struct branch *left, struct branch *right,
                        unsigned height)
{
    struct inner *a = left->child, *b = right->child;
    unsigned sum = a->count + (unsigned)b->count, half = sum / 2, moved;

    if (sum <= INNER_MERGED) {
        a = inner_resize(tree, a, sum);
        memcpy(&a->branches[a->count], b->branches, b->count * sizeof(struct branch));
        a->count = (uint16_t)sum;
        left->child = a;
        inner_free(tree, b);
        branch_refresh(left, height);
        return true;
    }
    if (a->count < half) {
        moved = half - a->count;
        a = inner_resize(tree, a, half);
        memcpy(&a->branches[a->count], b->branches, moved * sizeof(struct branch));
        memmove(b->branches, &b->branches[moved], (b->count - moved) * sizeof(struct branch));
    } else {
        moved = a->count - half;
        b = inner_resize(tree, b, sum - half);
        memmove(&b->branches[moved], b->branches, b->count * sizeof(struct branch));
        memcpy(b->branches, &a->branches[half], moved * sizeof(struct branch));
    }
    a->count = (uint16_t)half;
    b->count = (uint16_t)(sum - half);
    left->child = inner_resize(tree, a, a->count);
    right->child = inner_resize(tree, b, b->count);
    branch_refresh(left, height);
    branch_refresh(right, height);
    return false;
}

/* The child at `at` has lost something: mend it if it is empty or has become too small. */
static void inner_mend(struct tree *tree, struct inner *inner, unsigned at, unsigned height)
{
    struct branch *branch = &inner->branches[at];
    unsigned left = at > 0 ? at - 1 : at;
    bool joined;

    if (branch->count == 0) {
        node_free(tree, branch->child, height);
        inner_drop(inner, at);
        return;
    }
    if (inner->count == 1)
        return;
    if (height == 0) {
        if (((const struct leaf *)branch->child)->count >= LEAF_LEAST)
            return;
        joined = leaves_join(tree, &inner->branches[left], &inner->branches[left + 1]);
    } else {
        if (((const struct inner *)branch->child)->count >= INNER_LEAST)
            return;
        joined = inners_join(tree, &inner->branches[left], &inner->branches[left + 1], height);
    }
    if (joined)
        inner_drop(inner, left + 1);
}

static void subtree_remove(struct tree *tree, struct branch *self, unsigned height,
                           const void *item)
{
    if (height == 0) {
        struct leaf *leaf = self->child;
        unsigned at = leaf_search(tree, leaf, item);

        kv_assert(at < leaf->count);
        kv_assert(leaf->items[at] == item);
        leaf->count--;
        memmove(&leaf->items[at], &leaf->items[at + 1], (leaf->count - at) * sizeof(void *));
        self->child = leaf_fit(tree, leaf);
        branch_refresh(self, 0);
    } else {
        struct inner *inner = self->child;
        unsigned at = inner_search(tree, inner, item);

        subtree_remove(tree, &inner->branches[at], height - 1, item);
        inner_mend(tree, inner, at, height - 1);
        self->count--;
        if (inner->count > 0) {
            self->first = inner->branches[0].first;
            self->score = inner->branches[0].score;
        }
    }
}

void tree_remove(struct tree *tree, const void *item)
{
    kv_assert(tree->root.count > 0);
    subtree_remove(tree, &tree->root, tree->height, item);
    while (tree->height > 0 && ((const struct inner *)tree->root.child)->count == 1) {
        struct inner *inner = tree->root.child;

        tree->root = inner->branches[0];
        tree->height--;
        inner_free(tree, inner);
    }
    if (tree->root.count == 0) {
        node_free(tree, tree->root.child, tree->height);
        tree->root = (struct branch){0};
        tree->height = 0;
    }
}

/* --- Looking ---------------------------------------------------------------------------------- */

uint64_t tree_rank(const struct tree *tree, const void *item)
{
    const void *node = tree->root.child;
    uint64_t rank = 0;

    if (node == NULL)
        return 0;
    for (unsigned height = tree->height; height > 0; height--) {
        const struct inner *inner = node;
        unsigned at = inner_search(tree, inner, item);

        for (unsigned i = 0; i < at; i++)
            rank += inner->branches[i].count;
        node = inner->branches[at].child;
    }
    return rank + leaf_search(tree, node, item);
}

uint64_t tree_partition(const struct tree *tree, bool (*before)(const void *env, const void *item),
                        const void *env)
{
    const void *node = tree->root.child;
    const struct leaf *leaf;
    uint64_t rank = 0;
    unsigned low, high;

    if (node == NULL)
        return 0;
    for (unsigned height = tree->height; height > 0; height--) {
        const struct inner *inner = node;

        for (low = 1, high = inner->count; low < high;) {
            unsigned middle = (low + high) / 2;

            if (before(env, inner->branches[middle].first))
                low = middle + 1;
            else
                high = middle;
        }
        for (unsigned i = 0; i + 1 < low; i++)
            rank += inner->branches[i].count;
        node = inner->branches[low - 1].child;
    }
    leaf = node;
    for (low = 0, high = leaf->count; low < high;) {
        unsigned middle = (low + high) / 2;

        if (before(env, leaf->items[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    return rank + low;
}

/* --- Checking --------------------------------------------------------------------------------- */

struct tree_sums {
    const void *last;
    uint64_t leaves;
    size_t bytes;
};

static void subtree_check(const struct tree *tree, const struct branch *self, unsigned height,
                          struct tree_sums *sums)
{
    struct branch fresh = *self;

    branch_refresh(&fresh, height);
    kv_assert(fresh.count == self->count);
    kv_assert(fresh.first == self->first);
    kv_assert(score_of(self->first) == self->score);
    if (height > 0) {
        const struct inner *inner = self->child;

        kv_assert(inner->count > 0);
        kv_assert(inner->count <= inner->room);
        kv_assert(inner->room <= INNER_MOST);
        sums->bytes += mem_class(sizeof(*inner) + inner->room * sizeof(struct branch));
        for (unsigned i = 0; i < inner->count; i++)
            subtree_check(tree, &inner->branches[i], height - 1, sums);
    } else {
        const struct leaf *leaf = self->child;

        kv_assert(leaf->count > 0);
        kv_assert(leaf->count <= leaf->room);
        kv_assert(leaf->room <= LEAF_MOST);
        sums->bytes += mem_class(sizeof(*leaf) + leaf->room * sizeof(void *));
        sums->leaves++;
        for (unsigned i = 0; i < leaf->count; i++) {
            const void *item = leaf->items[i];

            kv_assert(sums->last == NULL || is_before(tree, sums->last, score_of(item), item));
            sums->last = item;
        }
    }
}

void tree_check(const struct tree *tree)
{
    struct tree_sums sums = {.bytes = mem_class(sizeof(*tree))};

    if (tree->root.child == NULL)
        kv_assert(tree->root.count == 0);
    else
        subtree_check(tree, &tree->root, tree->height, &sums);
    kv_assert(sums.leaves == tree->leaves);
    kv_assert(sums.bytes == tree->bytes);
}
