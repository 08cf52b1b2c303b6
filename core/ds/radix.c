/* A node is one block:
 *
 *   0   children, 2 bytes   how many (0 .. 256)
 *   2   valued, 1 byte      there is a key that ends here
 *   4   run, 4 bytes        length of the bytes that all keys of the node have next
 *   8   pointers            the value, if valued; then the children, in the order of their labels
 *   ..  labels              a byte each: what leads to the child, ascending
 *   ..  run
 *
 * The key of a node is that of its parent, its label there, and its run. Invariants: a node but the
 * root has a value or at least two children; labels ascend; the tree's counters are true.
 *
 * A node is rebuilt when its shape changes, not patched: there is one function that lays out a
 * node, and its parent's pointer is the only thing to follow. Steps seek from the root, which is as
 * deep as the keys branch, so that a place needs no pointers into the tree. Nothing recurses: how
 * deep a tree is, is up to whoever chooses the keys.
 */
#include "core/ds/radix.h"

#include <stdint.h>
#include <string.h>

#include "core/base/mem.h"

#define RADIX_RUN_MAX UINT32_MAX

struct radix_node {
    uint16_t children;
    uint8_t valued;
    uint32_t run;
    void *pointers[];
};

struct radix {
    struct radix_account *account;
    struct radix_node *root;
    size_t count;
    size_t nodes, runs; /* nodes; those of them that have a run */
};

/* --- Nodes ------------------------------------------------------------------------------------ */

static size_t radix_node_bytes(size_t children, bool valued, size_t run)
{
    return sizeof(struct radix_node) + (children + valued) * sizeof(void *) + children + run;
}

static size_t radix_bytes_of(const struct radix_node *node)
{
    return radix_node_bytes(node->children, node->valued, node->run);
}

static struct radix_node **radix_links(const struct radix_node *node)
{
    return (struct radix_node **)(void *)&node->pointers[node->valued];
}

static uint8_t *radix_labels(const struct radix_node *node)
{
    return (uint8_t *)&node->pointers[node->valued + node->children];
}

static char *radix_run(const struct radix_node *node)
{
    return (char *)radix_labels(node) + node->children;
}

static struct slice radix_run_slice(const struct radix_node *node)
{
    return (struct slice){radix_run(node), node->run};
}

static struct radix_node *radix_node_new(struct radix *tree, size_t children, void *value,
                                         size_t run)
{
    size_t bytes = radix_node_bytes(children, value != NULL, run);
    struct radix_node *node = mem_alloc(bytes);

    kv_assert(children <= 256);
    kv_assert(run <= RADIX_RUN_MAX);
    node->children = (uint16_t)children;
    node->valued = value != NULL;
    node->run = (uint32_t)run;
    if (value != NULL)
        node->pointers[0] = value;
    tree->account->bytes += mem_class(bytes);
    tree->account->blocks++;
    tree->nodes++;
    tree->runs += run > 0;
    return node;
}

static void radix_node_free(struct radix *tree, struct radix_node *node)
{
    tree->account->bytes -= mem_class(radix_bytes_of(node));
    tree->account->blocks--;
    tree->nodes--;
    tree->runs -= node->run > 0;
    mem_free(node);
}

static void *radix_value(const struct radix_node *node)
{
    return node->valued ? node->pointers[0] : NULL;
}

/* The first child whose label is at least `label`. */
static size_t radix_child(const struct radix_node *node, uint8_t label)
{
    const uint8_t *labels = radix_labels(node);
    size_t low = 0, high = node->children;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (labels[middle] < label)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool radix_has(const struct radix_node *node, size_t child, uint8_t label)
{
    return child < node->children && radix_labels(node)[child] == label;
}

/* The same node with another value (NULL: none) and run; children are moved over. */
static struct radix_node *radix_reshape(struct radix *tree, struct radix_node *old, void *value,
                                        struct slice run)
{
    struct radix_node *node = radix_node_new(tree, old->children, value, run.len);

    memcpy(radix_links(node), radix_links(old), old->children * sizeof(void *));
    memcpy(radix_labels(node), radix_labels(old), old->children);
    memcpy(radix_run(node), run.data, run.len);
    radix_node_free(tree, old);
    return node;
}

static struct radix_node *radix_with_child(struct radix *tree, struct radix_node *old, size_t at,
                                           uint8_t label, struct radix_node *child)
{
    size_t after = old->children - at;
    struct radix_node *node =
        radix_node_new(tree, old->children + 1u, radix_value(old), old->run);
    struct radix_node **links = radix_links(node);
    uint8_t *labels = radix_labels(node);

    memcpy(links, radix_links(old), at * sizeof(void *));
    memcpy(links + at + 1, radix_links(old) + at, after * sizeof(void *));
    memcpy(labels, radix_labels(old), at);
    memcpy(labels + at + 1, radix_labels(old) + at, after);
    links[at] = child;
    labels[at] = label;
    memcpy(radix_run(node), radix_run(old), old->run);
    radix_node_free(tree, old);
    return node;
}

static struct radix_node *radix_without_child(struct radix *tree, struct radix_node *old,
                                              size_t at)
{
    size_t after = old->children - at - 1u;
    struct radix_node *node =
        radix_node_new(tree, old->children - 1u, radix_value(old), old->run);

    memcpy(radix_links(node), radix_links(old), at * sizeof(void *));
    memcpy(radix_links(node) + at, radix_links(old) + at + 1, after * sizeof(void *));
    memcpy(radix_labels(node), radix_labels(old), at);
    memcpy(radix_labels(node) + at, radix_labels(old) + at + 1, after);
    memcpy(radix_run(node), radix_run(old), old->run);
    radix_node_free(tree, old);
    return node;
}

/* --- The tree --------------------------------------------------------------------------------- */

struct radix *radix_new(struct radix_account *account)
{
    struct radix *tree = mem_alloc_zero(sizeof(*tree));

    tree->account = account;
    account->bytes += mem_class(sizeof(*tree));
    account->blocks++;
    tree->root = radix_node_new(tree, 0, NULL, 0);
    return tree;
}

void radix_free(struct radix *tree, void (*give_back)(void *value))
{
    size_t depth = 0, cap = 64;
    struct radix_node **stack;

    if (tree == NULL)
        return;
    stack = mem_alloc(cap * sizeof(*stack));
    stack[depth++] = tree->root;
    while (depth > 0) {
        struct radix_node *node = stack[--depth];

        if (depth + node->children > cap) {
            cap = (depth + node->children) * 2;
            stack = mem_realloc(stack, cap * sizeof(*stack));
        }
        memcpy(stack + depth, radix_links(node), node->children * sizeof(*stack));
        depth += node->children;
        if (node->valued && give_back != NULL)
            give_back(node->pointers[0]);
        radix_node_free(tree, node);
    }
    mem_free(stack);
    tree->account->bytes -= mem_class(sizeof(*tree));
    tree->account->blocks--;
    mem_free(tree);
}

size_t radix_count(const struct radix *tree)
{
    return tree->count;
}

size_t radix_nodes(const struct radix *tree)
{
    return tree->nodes + tree->runs;
}

static size_t radix_common(struct slice a, struct slice b)
{
    size_t most = a.len < b.len ? a.len : b.len, i = 0;

    while (i < most && a.data[i] == b.data[i])
        i++;
    return i;
}

static struct slice radix_from(struct slice text, size_t from)
{
    return (struct slice){text.data + from, text.len - from};
}

static struct slice radix_upto(struct slice text, size_t len)
{
    return (struct slice){text.data, len};
}

void *radix_get(const struct radix *tree, struct slice key)
{
    const struct radix_node *node = tree->root;

    for (;;) {
        size_t child;

        if (key.len < node->run || memcmp(key.data, radix_run(node), node->run) != 0)
            return NULL;
        key = radix_from(key, node->run);
        if (key.len == 0)
            return radix_value(node);
        child = radix_child(node, (uint8_t)key.data[0]);
        if (!radix_has(node, child, (uint8_t)key.data[0]))
            return NULL;
        node = radix_links(node)[child];
        key = radix_from(key, 1);
    }
}

static struct radix_node *radix_leaf(struct radix *tree, struct slice run, void *value)
{
    struct radix_node *leaf = radix_node_new(tree, 0, value, run.len);

    memcpy(radix_run(leaf), run.data, run.len);
    return leaf;
}

/* Cut the run of *link after `common` bytes: a new node takes the first part, with the old one as
 * its only child. */
static void radix_split(struct radix *tree, struct radix_node **link, size_t common, void *value)
{
    struct radix_node *old = *link;
    struct slice run = radix_run_slice(old);
    struct radix_node *upper = radix_node_new(tree, 1, value, common);

    memcpy(radix_run(upper), run.data, common);
    radix_labels(upper)[0] = (uint8_t)run.data[common];
    radix_links(upper)[0] =
        radix_reshape(tree, old, radix_value(old), radix_from(run, common + 1));
    *link = upper;
}

static void radix_put_leaf(struct radix *tree, struct radix_node **link, struct slice rest,
                           void *value)
{
    uint8_t label = (uint8_t)rest.data[0];
    struct radix_node *leaf = radix_leaf(tree, radix_from(rest, 1), value);

    *link = radix_with_child(tree, *link, radix_child(*link, label), label, leaf);
}

void *radix_set(struct radix *tree, struct slice key, void *value)
{
    struct radix_node **link = &tree->root;

    kv_assert(value != NULL);
    if (tree->count++ == 0) {
        radix_node_free(tree, tree->root);
        tree->root = radix_leaf(tree, key, value);
        return NULL;
    }
    for (;;) {
        struct radix_node *node = *link;
        struct slice run = radix_run_slice(node);
        size_t common = radix_common(run, key), child;

        if (common < run.len) {
            bool ends = common == key.len;

            radix_split(tree, link, common, ends ? value : NULL);
            if (!ends)
                radix_put_leaf(tree, link, radix_from(key, common), value);
            break;
        }
        key = radix_from(key, common);
        if (key.len == 0) {
            void *old = radix_value(node);

            if (old != NULL) {
                tree->count--;
                node->pointers[0] = value;
                return old;
            }
            *link = radix_reshape(tree, node, value, run);
            break;
        }
        child = radix_child(node, (uint8_t)key.data[0]);
        if (!radix_has(node, child, (uint8_t)key.data[0])) {
            radix_put_leaf(tree, link, key, value);
            break;
        }
        link = &radix_links(node)[child];
        key = radix_from(key, 1);
    }
    return NULL;
}

/* A node without a value and with one child becomes one with it. */
static void radix_join(struct radix *tree, struct radix_node **link)
{
    struct radix_node *node = *link, *child, *joined;
    struct slice own;

    if (node->valued || node->children != 1)
        return;
    child = radix_links(node)[0];
    own = radix_run_slice(child);
    joined = radix_node_new(tree, child->children, radix_value(child), node->run + 1 + own.len);
    memcpy(radix_links(joined), radix_links(child), child->children * sizeof(void *));
    memcpy(radix_labels(joined), radix_labels(child), child->children);
    memcpy(radix_run(joined), radix_run(node), node->run);
    radix_run(joined)[node->run] = (char)radix_labels(node)[0];
    memcpy(radix_run(joined) + node->run + 1, own.data, own.len);
    radix_node_free(tree, child);
    radix_node_free(tree, node);
    *link = joined;
}

void *radix_remove(struct radix *tree, struct slice key)
{
    struct radix_node **parent = NULL, **link = &tree->root, *node;
    size_t child = 0;
    void *value;

    for (;;) {
        node = *link;
        if (key.len < node->run || memcmp(key.data, radix_run(node), node->run) != 0)
            return NULL;
        key = radix_from(key, node->run);
        if (key.len == 0)
            break;
        child = radix_child(node, (uint8_t)key.data[0]);
        if (!radix_has(node, child, (uint8_t)key.data[0]))
            return NULL;
        parent = link;
        link = &radix_links(node)[child];
        key = radix_from(key, 1);
    }
    value = radix_value(node);
    if (value == NULL)
        return NULL;
    tree->count--;
    if (node->children == 0 && parent != NULL) {
        radix_node_free(tree, node);
        *parent = radix_without_child(tree, *parent, child);
        link = parent;
    } else {
        struct slice run = node->children > 0 ? radix_run_slice(node) : SLICE("");

        *link = radix_reshape(tree, node, NULL, run);
    }
    radix_join(tree, link);
    if ((*link)->children == 0 && !(*link)->valued && (*link)->run > 0)
        *link = radix_reshape(tree, *link, NULL, SLICE(""));
    return value;
}

/* --- Order ------------------------------------------------------------------------------------ */

/* Keep the first `len` bytes of the key, append `more`. */
static void radix_at_append(struct radix_at *at, size_t len, struct slice more)
{
    size_t total = len + more.len;
    char *to = at->longer != NULL ? at->longer : at->inside;

    if (total > (at->longer != NULL ? at->cap : sizeof(at->inside))) {
        at->cap = total * 2;
        to = mem_realloc(at->longer, at->cap);
        if (at->longer == NULL)
            memcpy(to, at->inside, len);
        at->longer = to;
    }
    memcpy(to + len, more.data, more.len);
    at->key = (struct slice){to, total};
}

/* Follow the first or last children from `node`, whose own run is not in the key yet. */
static bool radix_descend(struct radix_at *at, const struct radix_node *node, bool last)
{
    for (;;) {
        size_t child;

        radix_at_append(at, at->key.len, radix_run_slice(node));
        if (node->children == 0 || (node->valued && !last)) {
            at->value = radix_value(node);
            return at->value != NULL;
        }
        child = last ? node->children - 1u : 0;
        radix_at_append(at, at->key.len,
                        (struct slice){(char *)radix_labels(node) + child, 1});
        node = radix_links(node)[child];
    }
}

/* Where the nearest key is if the way that is being followed leads nowhere: a child of `node`, or
 * (with child < 0) its own value; `depth` bytes of the key that is sought lead there. */
struct radix_turn {
    const struct radix_node *node;
    size_t depth;
    int child;
};

static bool radix_take_turn(struct radix_at *at, const struct radix_turn *turn, struct slice key,
                            bool down)
{
    const struct radix_node *node = turn->node;

    at->value = NULL;
    if (node == NULL) {
        at->key.len = 0;
        return false;
    }
    radix_at_append(at, 0, radix_upto(key, turn->depth));
    if (turn->child < 0) {
        at->value = radix_value(node);
        return true;
    }
    radix_at_append(at, at->key.len,
                    (struct slice){(char *)radix_labels(node) + turn->child, 1});
    return radix_descend(at, radix_links(node)[turn->child], down);
}

/* `depth` bytes of the key lead to `node`, without its run: everything below it is on the side that
 * is sought. */
static bool radix_take_all(struct radix_at *at, const struct radix_node *node, struct slice key,
                           size_t depth, bool down)
{
    radix_at_append(at, 0, radix_upto(key, depth));
    return radix_descend(at, node, down);
}

/* Remember the nearest other way at `node`, `child` being the first that is not below the key's. */
static void radix_note_turn(struct radix_turn *turn, const struct radix_node *node, size_t depth,
                            size_t child, bool same, bool down)
{
    if (down && child > 0)
        *turn = (struct radix_turn){node, depth, (int)child - 1};
    else if (down && node->valued)
        *turn = (struct radix_turn){node, depth, -1};
    else if (!down && child + same < node->children)
        *turn = (struct radix_turn){node, depth, (int)(child + same)};
}

static bool radix_walk(const struct radix *tree, struct radix_at *at, struct slice key,
                       enum radix_seek how)
{
    const struct radix_node *node = tree->root;
    struct radix_turn turn = {NULL, 0, 0};
    bool down = how == RADIX_AT_MOST || how == RADIX_BELOW;
    bool equal_counts = how == RADIX_AT_LEAST || how == RADIX_AT_MOST;
    size_t depth = 0;

    for (;;) {
        struct slice run = radix_run_slice(node), rest = radix_from(key, depth);
        size_t common = radix_common(run, rest), child;
        bool same;

        if (common < run.len) {
            bool above =
                common == rest.len || (uint8_t)run.data[common] > (uint8_t)rest.data[common];

            if (above != down)
                return radix_take_all(at, node, key, depth, down);
            return radix_take_turn(at, &turn, key, down);
        }
        depth += common;
        if (depth == key.len) {
            if (equal_counts && node->valued) {
                radix_at_append(at, 0, key);
                at->value = radix_value(node);
                return true;
            }
            if (!down && node->children > 0)
                turn = (struct radix_turn){node, depth, 0};
            return radix_take_turn(at, &turn, key, down);
        }
        child = radix_child(node, (uint8_t)key.data[depth]);
        same = radix_has(node, child, (uint8_t)key.data[depth]);
        radix_note_turn(&turn, node, depth, child, same, down);
        if (!same)
            return radix_take_turn(at, &turn, key, down);
        node = radix_links(node)[child];
        depth++;
    }
}

bool radix_seek(const struct radix *tree, struct radix_at *at, struct slice key,
                enum radix_seek how)
{
    char inside[RADIX_KEY_INLINE];
    char *copy = NULL;
    bool found;

    /* The key may lie where the answer is assembled. */
    if (key.len <= sizeof(inside)) {
        memcpy(inside, key.data, key.len);
        key.data = inside;
    } else {
        copy = mem_alloc(key.len);
        memcpy(copy, key.data, key.len);
        key.data = copy;
    }
    found = radix_walk(tree, at, key, how);
    mem_free(copy);
    return found;
}

static bool radix_end(const struct radix *tree, struct radix_at *at, bool last)
{
    at->value = NULL;
    at->key.len = 0;
    return tree->count > 0 && radix_descend(at, tree->root, last);
}

bool radix_first(const struct radix *tree, struct radix_at *at)
{
    return radix_end(tree, at, false);
}

bool radix_last(const struct radix *tree, struct radix_at *at)
{
    return radix_end(tree, at, true);
}

bool radix_next(const struct radix *tree, struct radix_at *at)
{
    return radix_seek(tree, at, at->key, RADIX_ABOVE);
}

bool radix_previous(const struct radix *tree, struct radix_at *at)
{
    return radix_seek(tree, at, at->key, RADIX_BELOW);
}

void radix_at_free(struct radix_at *at)
{
    mem_free(at->longer);
    *at = (struct radix_at){0};
}

void radix_check(const struct radix *tree)
{
    size_t depth = 0, cap = 1024, nodes = 0, runs = 0, count = 0;
    const struct radix_node **stack = mem_alloc(cap * sizeof(*stack));

    stack[depth++] = tree->root;
    while (depth > 0) {
        const struct radix_node *node = stack[--depth];

        nodes++;
        runs += node->run > 0;
        count += node->valued;
        kv_assert(node == tree->root || node->valued || node->children >= 2);
        kv_assert(!node->valued || node->pointers[0] != NULL);
        if (depth + node->children > cap) {
            cap = (depth + node->children) * 2;
            stack = mem_realloc(stack, cap * sizeof(*stack));
        }
        for (size_t i = 0; i < node->children; i++) {
            kv_assert(i == 0 || radix_labels(node)[i - 1] < radix_labels(node)[i]);
            stack[depth++] = radix_links(node)[i];
        }
    }
    mem_free(stack);
    kv_assert(nodes == tree->nodes);
    kv_assert(runs == tree->runs);
    kv_assert(count == tree->count);
}
