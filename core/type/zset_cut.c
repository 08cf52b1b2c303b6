/* A sorted set goes out in its order, the greatest first: that order loads fastest, here and in
 * stock servers. The cut walks the tree downwards and keeps, as a copy, the score and member at
 * which it stopped; whatever the set has become since, what is still out lies below: an item that
 * changes its score, or goes, is written before, and is in from then on. A new item is born in.
 */
#include "core/type/zset_cut.h"

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ds/tree.h"
#include "core/ds/tree_walk.h"
#include "core/type/rdb.h"
#include "core/type/value.h"
#include "core/type/value_cut.h"
#include "core/type/zset_large.h"

#define STEP_ITEMS 48

struct zset_cut {
    bool begun;
    double score; /* of the last item that was walked over */
    struct buf member;
};

static bool is_cut(const void *value)
{
    return zset_large_cut(value) != NULL;
}

static void begin(struct value_cut *cut)
{
    rdb_put_len(cut->out, zset_large_count(cut->value));
    cut->state = mem_alloc_zero(sizeof(struct zset_cut));
    zset_large_cut_start(cut->value, cut);
}

void zset_cut_put(struct value_cut *cut, struct zset_item *item)
{
    if (zset_large_is_in(cut->value, item))
        return;
    rdb_put_string(cut->out, zset_item_member(item));
    rdb_put_double(cut->out, zset_item_score(item));
    zset_large_put_in(cut->value, item);
}

static bool is_below(const void *env, const void *item)
{
    const struct zset_cut *state = env;
    double score = zset_item_score(item);

    if (score != state->score)
        return score < state->score;
    return slice_compare(zset_item_member(item), buf_slice(&state->member)) < 0;
}

static void stop_at(struct value_cut *cut, const struct zset_item *item)
{
    struct zset_cut *state = cut->state;

    state->begun = true;
    state->score = zset_item_score(item);
    buf_clear(&state->member);
    buf_append_slice(&state->member, zset_item_member(item));
    cut->memory = state->member.cap;
}

static bool step(struct value_cut *cut)
{
    const struct tree *tree = zset_large_tree(cut->value);
    const struct zset_cut *state = cut->state;
    uint64_t left = state->begun ? tree_partition(tree, is_below, state) : tree_count(tree);
    struct tree_walk walk;
    struct zset_item *item;

    if (left == 0)
        return false;
    item = tree_walk_start(&walk, tree, left - 1);
    for (int i = 1;; i++) {
        zset_cut_put(cut, item);
        if (--left == 0)
            return false;
        if (i == STEP_ITEMS || value_cut_enough(cut))
            break;
        item = tree_walk_previous(&walk);
    }
    stop_at(cut, item);
    return true;
}

static void end(struct value_cut *cut)
{
    struct zset_cut *state = cut->state;

    zset_large_cut_end(cut->value);
    buf_free(&state->member);
    mem_free(state);
}

const struct cut_ops zset_cut_ops = {ENCODING_SKIPLIST, is_cut, begin, step, end};
