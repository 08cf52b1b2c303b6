/* The table against a model, and what it promises beside that: SCAN, fairness, memory, bad hashes.
 */
#include "core/ds/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/base/rng.h"

struct item {
    uint64_t key;
    unsigned visits;
    bool in;
    bool owed; /* was there when the cut began, and has not been visited */
};

static uint64_t item_hash(const void *env, const void *item)
{
    (void)env;
    return hash_bytes((struct slice){item, sizeof(uint64_t)}, 99);
}

static bool item_match(const void *env, const void *item, struct slice key)
{
    (void)env;
    return memcmp(item, key.data, sizeof(uint64_t)) == 0;
}

static const struct table_type good_type = {item_hash, item_match};

static uint64_t constant_hash(const void *env, const void *item)
{
    (void)env;
    (void)item;
    return 0x123456789abcdef0;
}

static const struct table_type constant_type = {constant_hash, item_match};

static uint64_t three_hash(const void *env, const void *item)
{
    (void)env;
    return item_hash(env, item) % 3 * 0x9e3779b97f4a7c15;
}

static const struct table_type three_type = {three_hash, item_match};

static struct item *items_new(size_t count)
{
    struct item *items = calloc(count, sizeof(*items));

    for (size_t i = 0; i < count; i++)
        items[i].key = i;
    return items;
}

static struct table_slot *find(const struct table *table, const struct table_type *type,
                               const struct item *item)
{
    return table_find(table, type->hash(NULL, item),
                      (struct slice){(const char *)&item->key, sizeof(item->key)});
}

static void insert(struct table *table, const struct table_type *type, struct item *item)
{
    table_insert(table, type->hash(NULL, item), item);
    item->in = true;
}

static void take(struct table *table, const struct table_type *type, struct item *item)
{
    struct table_slot *slot = find(table, type, item);

    assert_non_null(slot);
    assert_ptr_equal(table_remove(table, type->hash(NULL, item), slot), item);
    item->in = false;
}

/* A cut that goes on while the table changes. */
struct cut {
    struct item *items;
    size_t room, owed;
    uint64_t cursor;
    bool running;
};

static bool cut_visit(void *env, void *item)
{
    struct cut *cut = env;

    assert_true(((struct item *)item)->owed);
    ((struct item *)item)->owed = false;
    cut->owed--;
    return cut->owed % 16 != 0;
}

static void cut_advance(struct cut *cut, struct table *table)
{
    if (!cut->running) {
        table_cut_begin(table);
        for (size_t i = 0; i < cut->room; i++)
            cut->items[i].owed = cut->items[i].in;
        cut->owed = table_count(table);
        cut->running = true;
    }
    if (!table_cut_step(table, &cut->cursor, cut_visit, cut)) {
        assert_int_equal(cut->owed, 0);
        cut->running = false;
    }
}

/* Random operations on `room` possible items, in phases that mostly add and phases that mostly
 * remove, so that the table goes through its sizes up and down. After each one the answer equals
 * that of the flags in the items; now and then all of it is checked. */
static void run_model(const struct table_type *type, size_t room, size_t operations, size_t phase)
{
    struct table *table = table_new(type, NULL);
    struct item *items = items_new(room);
    struct rng rng;
    struct cut cut = {.items = items, .room = room};
    size_t count = 0;

    rng_seed(&rng, 1 + room);
    for (size_t i = 0; i < operations; i++) {
        struct item *item = &items[rng_below(&rng, room)];
        struct table_slot *slot = find(table, type, item);
        bool adding = rng_below(&rng, 10) < (i / phase % 2 == 0 ? 8U : 2U);

        assert_int_equal(slot != NULL, item->in);
        if (slot != NULL) {
            assert_ptr_equal(table_item(slot), item);
            assert_int_equal(table_cut_has(table, slot), !item->owed);
            if (item->owed) {
                cut_visit(&cut, item);
                table_cut_put(table, slot);
            }
        }
        if (slot == NULL && adding) {
            insert(table, type, item);
            count++;
        } else if (slot != NULL && !adding) {
            assert_ptr_equal(table_remove(table, type->hash(NULL, item), slot), item);
            item->in = false;
            count--;
        } else if (slot != NULL) {
            table_replace(slot, item);
        }
        assert_int_equal(table_count(table), count);
        if (i % 20 == 0)
            cut_advance(&cut, table);
        if (i % (phase / 4) == 0)
            table_check(table);
    }
    for (size_t i = 0; i < room; i++) {
        if (items[i].in)
            take(table, type, &items[i]);
    }
    table_check(table);
    assert_int_equal(table_count(table), 0);
    assert_true(table_bytes(table) < 200);
    table_free(table, NULL);
    free(items);
}

static void random_operations_give_what_a_model_gives(void **state)
{
    (void)state;
    run_model(&good_type, 20000, 200000, 25000);
    run_model(&good_type, 300, 100000, 700);
    run_model(&good_type, 10, 20000, 100);
}

static void a_bad_hash_makes_the_table_slow_not_wrong(void **state)
{
    (void)state;
    run_model(&constant_type, 2500, 20000, 5000);
    run_model(&three_type, 6000, 30000, 10000);
}

static void an_empty_table_is_small_and_a_small_one_is_one_group(void **state)
{
    struct item *items = items_new(16);
    struct table *table = table_new(&good_type, NULL);
    size_t groups, longest;

    (void)state;
    assert_true(table_bytes(table) < 200);
    for (int i = 0; i < 16; i++)
        insert(table, &good_type, &items[i]);
    table_figures(table, &groups, &longest);
    assert_int_equal(groups, 1);
    assert_int_equal(longest, 16);
    table_check(table);
    table_free(table, NULL);
    free(items);
}

/* The figure that the design rests on, at every count; the sum is kept from the size classes. */
static void an_item_costs_ten_bytes_at_any_count(void **state)
{
    size_t count = 300000;
    struct item *items = items_new(count);
    struct table *table = table_new(&good_type, NULL);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        insert(table, &good_type, &items[i]);
        if (i >= 10000)
            assert_true((double)table_bytes(table) <= (i < 50000 ? 10.4 : 10.22) * (double)(i + 1));
    }
    table_check(table);
    table_free(table, NULL);
    free(items);
}

static void visit(void *env, void *item)
{
    ++*(size_t *)env;
    ((struct item *)item)->visits++;
}

/* Items below `fixed` are there all the time; the others come and go between the calls, so fast
 * that the table grows and shrinks many times over while one scan runs. */
static void scan_while(size_t fixed, size_t others, size_t burst)
{
    struct item *items = items_new(fixed + others);
    struct table *table = table_new(&good_type, NULL);
    struct rng rng;

    rng_seed(&rng, fixed);
    for (size_t i = 0; i < fixed; i++)
        insert(table, &good_type, &items[i]);
    for (int round = 0; round < 20; round++) {
        uint64_t cursor = 0;
        size_t visited = 0, up = rng_below(&rng, 2), next = fixed;

        for (size_t i = 0; i < fixed + others; i++)
            items[i].visits = 0;
        do {
            cursor = table_scan(table, cursor, visit, &visited);
            for (size_t i = 0; i < burst; i++) {
                struct item *item = &items[next];

                if (up && !item->in)
                    insert(table, &good_type, item);
                else if (!up && item->in)
                    take(table, &good_type, item);
                if (++next == fixed + others) {
                    next = fixed;
                    up = !up;
                }
            }
        } while (cursor != 0);
        for (size_t i = 0; i < fixed; i++)
            assert_true(items[i].visits >= 1);
    }
    table_check(table);
    table_free(table, NULL);
    free(items);
}

static void a_scan_visits_all_that_stay_while_the_table_grows_and_shrinks(void **state)
{
    (void)state;
    scan_while(1, 1000, 50);
    scan_while(100, 10000, 333);
    scan_while(3000, 50000, 1000);
    scan_while(3000, 500, 17);
}

static void a_scan_without_changes_visits_each_once(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(10007);
    uint64_t cursor = 0;
    size_t visited = 0;

    (void)state;
    assert_int_equal(table_scan(table, 0, visit, &visited), 0);
    assert_int_equal(visited, 0);
    for (size_t i = 0; i < 10007; i++)
        insert(table, &good_type, &items[i]);
    do
        cursor = table_scan(table, cursor, visit, &visited);
    while (cursor != 0);
    assert_int_equal(visited, 10007);
    for (size_t i = 0; i < 10007; i++)
        assert_int_equal(items[i].visits, 1);
    table_free(table, NULL);
    free(items);
}

/* A cursor comes from a client. */
static void a_scan_takes_any_cursor(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(5000);
    struct rng rng;
    size_t visited = 0;

    (void)state;
    rng_seed(&rng, 3);
    for (size_t i = 0; i < 5000; i++)
        insert(table, &good_type, &items[i]);
    for (int i = 0; i < 10000; i++)
        assert_true(table_scan(table, rng_next(&rng), visit, &visited) < 256);
    assert_int_equal(table_scan(table, UINT64_MAX, visit, &visited), 0);
    table_free(table, NULL);
    free(items);
}

/* 200 draws an item are expected; the deviation is 14. Tables of odd sizes, one that shrank, and
 * one with far too many groups. */
static void a_random_item_is_any_with_equal_chance(void **state)
{
    struct item *items = items_new(20000);
    struct rng rng;
    size_t left[] = {1, 3, 50, 1000};

    (void)state;
    rng_seed(&rng, 4);
    for (int presized = 0; presized < 2; presized++) {
        for (size_t k = 0; k < sizeof(left) / sizeof(left[0]); k++) {
            struct table *table = table_new(&good_type, NULL);

            assert_null(table_random(table, &rng));
            if (presized)
                table_presize(table, 20000);
            for (size_t i = 0; i < (presized ? left[k] : 20000); i++)
                insert(table, &good_type, &items[i]);
            for (size_t i = left[k]; !presized && i < 20000; i++)
                take(table, &good_type, &items[i]);
            for (size_t i = 0; i < left[k]; i++)
                items[i].visits = 0;
            for (size_t i = 0; i < left[k] * 200; i++)
                ((struct item *)table_item(table_random(table, &rng)))->visits++;
            for (size_t i = 0; i < left[k]; i++)
                assert_in_range(items[i].visits, 200 - 90, 200 + 90);
            table_free(table, NULL);
        }
    }
    free(items);
}

static void a_sample_has_different_items_and_never_none(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(1000);
    struct rng rng;
    void *out[64];

    (void)state;
    rng_seed(&rng, 5);
    assert_int_equal(table_sample(table, &rng, out, 64), 0);
    table_presize(table, 100000);
    for (size_t i = 0; i < 1000; i++) {
        insert(table, &good_type, &items[i]);
        size_t taken = table_sample(table, &rng, out, 64);

        assert_in_range(taken, 1, 64);
        for (size_t j = 0; j < taken; j++)
            assert_int_equal(((struct item *)out[j])->visits++, 0);
        for (size_t j = 0; j < taken; j++)
            ((struct item *)out[j])->visits = 0;
    }
    table_free(table, NULL);
    free(items);
}

static void a_walk_visits_each_item_once(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(3000);
    struct table_walk walk;
    struct table_slot *slot;
    size_t visited = 0;

    (void)state;
    table_walk_start(&walk, table);
    assert_null(table_walk_next(&walk));
    for (size_t i = 0; i < 3000; i++)
        insert(table, &good_type, &items[i]);
    table_walk_start(&walk, table);
    while ((slot = table_walk_next(&walk)) != NULL) {
        assert_int_equal(((struct item *)table_item(slot))->visits++, 0);
        visited++;
    }
    assert_int_equal(visited, 3000);
    table_free(table, NULL);
    free(items);
}

/* Window bits last for 16 levels. Going to 150,000 groups with few items crosses level 16 with
 * items that were hashed at level 0; removing them crosses all levels back. */
static void items_are_found_when_their_hash_bits_were_used_up(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(4000);

    (void)state;
    for (size_t i = 0; i < 2000; i++)
        insert(table, &good_type, &items[i]);
    table_presize(table, 6000000);
    table_check(table);
    for (size_t i = 2000; i < 4000; i++)
        insert(table, &good_type, &items[i]);
    table_check(table);
    for (size_t i = 0; i < 4000; i++)
        assert_ptr_equal(table_item(find(table, &good_type, &items[i])), &items[i]);
    /* Each removal merges one group. */
    for (size_t round = 0; round < 40; round++) {
        for (size_t i = 0; i < 3900; i++) {
            take(table, &good_type, &items[i]);
            insert(table, &good_type, &items[i]);
        }
        if (round % 8 == 0 || round > 35)
            table_check(table);
    }
    for (size_t i = 0; i < 4000; i++)
        assert_ptr_equal(table_item(find(table, &good_type, &items[i])), &items[i]);
    table_free(table, NULL);
    free(items);
}

static void a_presized_table_is_no_bigger_when_full(void **state)
{
    size_t count = 100000;
    struct item *items = items_new(count);
    struct table *table = table_new(&good_type, NULL);

    (void)state;
    table_presize(table, count);
    for (size_t i = 0; i < count; i++) {
        table_prefetch(table, item_hash(NULL, &items[i]));
        insert(table, &good_type, &items[i]);
    }
    table_check(table);
    assert_true((double)table_bytes(table) < 10.5 * (double)count);
    table_free(table, NULL);
    free(items);
}

static size_t freed;

static void free_item(void *item)
{
    assert_non_null(item);
    freed++;
}

static void freeing_hands_over_every_item(void **state)
{
    struct table *table = table_new(&good_type, NULL);
    struct item *items = items_new(70000);

    (void)state;
    for (size_t i = 0; i < 70000; i++)
        insert(table, &good_type, &items[i]);
    table_free(table, free_item);
    assert_int_equal(freed, 70000);
    table_free(NULL, free_item);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_give_what_a_model_gives),
        cmocka_unit_test(a_bad_hash_makes_the_table_slow_not_wrong),
        cmocka_unit_test(an_empty_table_is_small_and_a_small_one_is_one_group),
        cmocka_unit_test(an_item_costs_ten_bytes_at_any_count),
        cmocka_unit_test(a_scan_visits_all_that_stay_while_the_table_grows_and_shrinks),
        cmocka_unit_test(a_scan_without_changes_visits_each_once),
        cmocka_unit_test(a_scan_takes_any_cursor),
        cmocka_unit_test(a_random_item_is_any_with_equal_chance),
        cmocka_unit_test(a_sample_has_different_items_and_never_none),
        cmocka_unit_test(a_walk_visits_each_item_once),
        cmocka_unit_test(items_are_found_when_their_hash_bits_were_used_up),
        cmocka_unit_test(a_presized_table_is_no_bigger_when_full),
        cmocka_unit_test(freeing_hands_over_every_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
