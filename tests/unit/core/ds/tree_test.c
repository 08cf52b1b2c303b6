/* The ordered tree against a sorted array, and what it promises beside that: full leaves for items
 * that come in order, few bytes an item. */
#include "core/ds/tree.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "core/ds/tree_walk.h"
#include "tests/support/test.h"

struct item {
    double score;
    uint64_t name;
};

static int compare_names(const void *a, const void *b)
{
    uint64_t x = ((const struct item *)a)->name, y = ((const struct item *)b)->name;

    return (x > y) - (x < y);
}

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return compare_names(x, y);
}

/* The model: pointers to the items that are in the tree, in order. */
struct model {
    struct item *all, **sorted;
    bool *in;
    size_t count;
};

static size_t model_rank(const struct model *model, const struct item *item)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (compare_items(model->sorted[middle], item) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_toggle(struct model *model, struct tree *tree, size_t at)
{
    struct item *item = &model->all[at];
    size_t rank = model_rank(model, item);

    assert_int_equal(tree_rank(tree, item), rank);
    if (model->in[at]) {
        tree_remove(tree, item);
        model->count--;
        memmove(&model->sorted[rank], &model->sorted[rank + 1],
                (model->count - rank) * sizeof(void *));
    } else {
        tree_insert(tree, item);
        memmove(&model->sorted[rank + 1], &model->sorted[rank],
                (model->count - rank) * sizeof(void *));
        model->sorted[rank] = item;
        model->count++;
    }
    model->in[at] = !model->in[at];
}

static bool score_is_less(const void *env, const void *item)
{
    return ((const struct item *)item)->score < *(const double *)env;
}

static void check_all(const struct model *model, const struct tree *tree, struct rng *rng)
{
    struct tree_walk walk;
    size_t rank = 0, leaves = 0;
    void *const *items;
    uint64_t first;

    tree_check(tree);
    assert_int_equal(tree_count(tree), model->count);
    for (void *item = tree_walk_start(&walk, tree, 0); item != NULL; item = tree_walk_next(&walk))
        assert_ptr_equal(item, model->sorted[rank++]);
    assert_int_equal(rank, model->count);
    if (rank > 0)
        assert_ptr_equal(tree_walk_start(&walk, tree, rank - 1), model->sorted[rank - 1]);
    while (rank > 1)
        assert_ptr_equal(tree_walk_previous(&walk), model->sorted[--rank - 1]);
    if (model->count > 0)
        assert_null(tree_walk_previous(&walk));
    for (rank = 0; rank < model->count; leaves++) {
        size_t count = tree_leaf(tree, rank, &items, &first);

        assert_int_equal(first, rank);
        assert_memory_equal(items, &model->sorted[rank], count * sizeof(void *));
        rank += count;
    }
    assert_int_equal(leaves, tree_leaves(tree));
    for (int i = 0; i < 20; i++) {
        double bound = (double)rng_below(rng, 1000);
        size_t below = 0;

        while (below < model->count && model->sorted[below]->score < bound)
            below++;
        assert_int_equal(tree_partition(tree, score_is_less, &bound), below);
    }
    assert_null(tree_at(tree, model->count));
}

static void run_model(size_t most, uint64_t scores, size_t operations, uint64_t seed)
{
    struct model model = {calloc(most, sizeof(struct item)), calloc(most, sizeof(void *)),
                          calloc(most, sizeof(bool)), 0};
    struct tree *tree = tree_new(compare_names);
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t i = 0; i < most; i++)
        model.all[i] = (struct item){(double)rng_below(&rng, scores), i};
    for (size_t i = 0; i < operations; i++) {
        size_t at = (size_t)rng_below(&rng, most);
        /* Phases that fill and phases that empty, so that all heights are passed both ways. */
        bool fill = i / (operations / 6) % 2 == 0;

        if (fill == model.in[at] && rng_below(&rng, 8) != 0)
            continue;
        model_toggle(&model, tree, at);
        if (model.count > 0) {
            size_t rank = (size_t)rng_below(&rng, model.count);

            assert_ptr_equal(tree_at(tree, rank), model.sorted[rank]);
        }
        if (i % (operations / 40) == 0)
            check_all(&model, tree, &rng);
    }
    check_all(&model, tree, &rng);
    while (model.count > 0)
        model_toggle(&model, tree,
                     (size_t)(model.sorted[rng_below(&rng, model.count)] - model.all));
    check_all(&model, tree, &rng);
    assert_int_equal(tree_leaves(tree), 0);
    tree_free(tree, NULL);
    free(model.all);
    free(model.sorted);
    free(model.in);
}

static void it_behaves_like_a_sorted_array(void **state)
{
    (void)state;
    run_model(10, 3, 20000, 1);
    run_model(200, 1000, 50000, 2);
    run_model(3000, 5, 200000, 3);
    run_model(20000, 1000, 400000, 4);
}

/* Every sequence of removals from either end leaves a good tree: queues. */
static void it_is_emptied_from_both_ends(void **state)
{
    enum { COUNT = 20000 };
    struct item *items = calloc(COUNT, sizeof(*items));

    (void)state;
    for (int end = 0; end < 3; end++) {
        struct tree *tree = tree_new(compare_names);

        for (size_t i = 0; i < COUNT; i++) {
            items[i] = (struct item){(double)(i * 7919 % COUNT), i};
            tree_insert(tree, &items[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            bool last = end == 2 ? i % 2 == 0 : end == 1;
            const struct item *item = tree_at(tree, last ? tree_count(tree) - 1 : 0);

            tree_remove(tree, item);
            if (i % 1000 == 0)
                tree_check(tree);
        }
        tree_check(tree);
        assert_int_equal(tree_count(tree), 0);
        tree_free(tree, NULL);
    }
    free(items);
}

static void items_in_order_fill_the_leaves(void **state)
{
    enum { COUNT = 100000 };
    struct item *items = calloc(COUNT, sizeof(*items));

    (void)state;
    for (int down = 0; down < 2; down++) {
        struct tree *tree = tree_new(compare_names);

        for (size_t i = 0; i < COUNT; i++) {
            items[i] = (struct item){down ? -(double)i : (double)i, i};
            tree_insert(tree, &items[i]);
        }
        tree_check(tree);
        assert_int_equal(tree_leaves(tree), (COUNT + 62) / 63);
        assert_true(tree_bytes(tree) < COUNT * 88 / 10);
        tree_free(tree, NULL);
    }
    free(items);
}

static void a_tree_filled_at_random_takes_ten_bytes_an_item(void **state)
{
    enum { COUNT = 200000 };
    struct item *items = calloc(COUNT, sizeof(*items));
    struct tree *tree = tree_new(compare_names);
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = (struct item){(double)(rng_next(&rng) >> 12), i};
        tree_insert(tree, &items[i]);
    }
    tree_check(tree);
    print_message("%.2f bytes an item\n", (double)tree_bytes(tree) / COUNT);
    assert_true(tree_bytes(tree) < COUNT * 10);
    tree_free(tree, NULL);
    free(items);
}

static void extreme_scores_have_their_places(void **state)
{
    struct item items[] = {{-__builtin_inf(), 1}, {-1e308, 2}, {-0.0, 3}, {0.0, 4},
                           {5e-324, 5},           {1e308, 6},  {__builtin_inf(), 7}};
    struct tree *tree = tree_new(compare_names);

    (void)state;
    for (size_t i = 0; i < 7; i++)
        tree_insert(tree, &items[i * 3 % 7]);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(tree_rank(tree, &items[i]), i);
        assert_ptr_equal(tree_at(tree, i), &items[i]);
    }
    tree_check(tree);
    tree_free(tree, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_behaves_like_a_sorted_array),
        cmocka_unit_test(it_is_emptied_from_both_ends),
        cmocka_unit_test(items_in_order_fill_the_leaves),
        cmocka_unit_test(a_tree_filled_at_random_takes_ten_bytes_an_item),
        cmocka_unit_test(extreme_scores_have_their_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
