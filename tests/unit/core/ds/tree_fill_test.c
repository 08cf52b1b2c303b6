/* A tree that is filled at once is the tree that inserting makes, and lives on like it. */
#include "core/ds/tree_fill.h"

#include "core/base/rng.h"
#include "core/ds/tree.h"
#include "core/ds/tree_walk.h"
#include "tests/support/test.h"

#define ITEMS_MOST 70000 /* three heights */

struct item {
    double score;
    uint64_t name;
};

static int compare_names(const void *a, const void *b)
{
    uint64_t x = ((const struct item *)a)->name, y = ((const struct item *)b)->name;

    return (x > y) - (x < y);
}

enum order { ORDER_UP, ORDER_DOWN, ORDER_NEARLY_DOWN, ORDER_NONE, ORDER_COUNT };

static void make_items(struct item *items, void **pointers, size_t count, enum order order,
                       struct rng *rng)
{
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct item){(double)(i / 3), i};
        pointers[order == ORDER_UP ? i : count - 1 - i] = &items[i];
    }
    for (size_t i = 0; order >= ORDER_NEARLY_DOWN && i < count;
         i += order == ORDER_NONE ? 1 : 100) {
        size_t other = (size_t)rng_below(rng, count);
        void *item = pointers[i];

        pointers[i] = pointers[other];
        pointers[other] = item;
    }
}

static void run(size_t count, enum order order)
{
    static struct item items[ITEMS_MOST];
    static void *pointers[ITEMS_MOST];
    struct tree *filled = tree_new(compare_names), *inserted = tree_new(compare_names);
    struct tree_walk walk;
    struct rng rng;
    size_t at = 0;

    rng_seed(&rng, count);
    make_items(items, pointers, count, order, &rng);
    tree_fill(filled, pointers, count);
    tree_check(filled);
    assert_int_equal(tree_count(filled), count);
    for (struct item *item = tree_walk_start(&walk, filled, 0); item != NULL;
         item = tree_walk_next(&walk))
        assert_ptr_equal(item, &items[at++]);
    assert_int_equal(at, count);
    for (size_t i = 0; i < count; i++)
        tree_insert(inserted, &items[i]);
    assert_true(tree_bytes(filled) <= tree_bytes(inserted) + 512);
    for (size_t i = 0; i < count && i < 3000; i++) {
        struct item *item = &items[rng_below(&rng, count)];

        assert_int_equal(tree_rank(filled, item), item - items);
        tree_remove(filled, item);
        tree_insert(filled, item);
    }
    for (size_t i = 0; i < count; i++) {
        tree_remove(filled, &items[i]);
        if (i % 5000 == 0)
            tree_check(filled);
    }
    assert_int_equal(tree_count(filled), 0);
    tree_free(filled, NULL);
    tree_free(inserted, NULL);
}

static void it_is_the_tree_of_its_items(void **state)
{
    static const size_t counts[] = {0, 1, 2, 63, 64, 126, 127, 1953, 1954, 5000, ITEMS_MOST};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
        for (enum order order = 0; order < ORDER_COUNT; order++)
            run(counts[i], order);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_tree_of_its_items),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
