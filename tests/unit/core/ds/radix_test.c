/* The radix tree against a model: a sorted array of keys. Short keys over a small alphabet meet at
 * every shape; numbers in big-endian order are what streams use. */
#include "core/ds/radix.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/support/test.h"

#define MODEL_MAX 4000
#define KEY_MAX 40

struct model {
    size_t count;
    struct model_key {
        size_t len;
        char bytes[KEY_MAX];
        void *value;
    } keys[MODEL_MAX];
};

static struct slice key_of(const struct model_key *key)
{
    return (struct slice){key->bytes, key->len};
}

/* The first key that is not below `key`. */
static size_t model_place(const struct model *model, struct slice key)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (slice_compare(key_of(&model->keys[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool model_has(const struct model *model, size_t at, struct slice key)
{
    return at < model->count && slice_equal(key_of(&model->keys[at]), key);
}

static void *model_set(struct model *model, struct slice key, void *value)
{
    size_t at = model_place(model, key);
    struct model_key *place = &model->keys[at];
    void *old = NULL;

    if (model_has(model, at, key)) {
        old = place->value;
    } else {
        assert_true(model->count < MODEL_MAX);
        memmove(place + 1, place, (model->count++ - at) * sizeof(*place));
        place->len = key.len;
        memcpy(place->bytes, key.data, key.len);
    }
    place->value = value;
    return old;
}

static void *model_remove(struct model *model, struct slice key)
{
    size_t at = model_place(model, key);
    struct model_key *place = &model->keys[at];
    void *old;

    if (!model_has(model, at, key))
        return NULL;
    old = place->value;
    memmove(place, place + 1, (--model->count - at) * sizeof(*place));
    return old;
}

static void compare_seeks(const struct model *model, const struct radix *tree,
                          struct radix_at *at, struct slice key)
{
    for (int how = RADIX_AT_LEAST; how <= RADIX_BELOW; how++) {
        size_t place = model_place(model, key);
        bool has = model_has(model, place, key), expected;

        if (how == RADIX_ABOVE)
            place += has;
        else if (how == RADIX_AT_MOST)
            place -= !has;
        else if (how == RADIX_BELOW)
            place--;
        expected = place < model->count; /* -1 is large */
        assert_int_equal(radix_seek(tree, at, key, (enum radix_seek)how), expected);
        if (!expected) {
            assert_null(at->value);
            continue;
        }
        assert_true(slice_equal(at->key, key_of(&model->keys[place])));
        assert_ptr_equal(at->value, model->keys[place].value);
    }
}

static void compare_all(const struct model *model, const struct radix *tree)
{
    struct radix_at at = {0};
    size_t i = 0;

    radix_check(tree);
    assert_int_equal(radix_count(tree), model->count);
    for (bool more = radix_first(tree, &at); more; more = radix_next(tree, &at), i++) {
        assert_true(i < model->count);
        assert_true(slice_equal(at.key, key_of(&model->keys[i])));
        assert_ptr_equal(at.value, model->keys[i].value);
    }
    assert_int_equal(i, model->count);
    for (bool more = radix_last(tree, &at); more; more = radix_previous(tree, &at))
        assert_true(slice_equal(at.key, key_of(&model->keys[--i])));
    assert_int_equal(i, 0);
    radix_at_free(&at);
}

static struct slice any_key(struct rng *rng, char bytes[static KEY_MAX], int kind)
{
    size_t len = (size_t)rng_below(rng, kind == 0 ? 6 : KEY_MAX + 1);

    if (kind == 2) {
        uint64_t high = __builtin_bswap64(1700000000000 + rng_below(rng, 20));
        uint64_t low = __builtin_bswap64(rng_below(rng, 300));

        memcpy(bytes, &high, 8);
        memcpy(bytes + 8, &low, 8);
        return (struct slice){bytes, 16};
    }
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(kind == 0 ? "\x00\x61\xff"[rng_below(rng, 3)]
                                    : "ab"[rng_below(rng, 20) == 0]);
    return (struct slice){bytes, len};
}

static void run_against_model(int kind, int steps, uint64_t seed)
{
    struct model *model = calloc(1, sizeof(*model));
    struct radix_account account = {0};
    struct radix *tree = radix_new(&account);
    struct radix_at at = {0};
    struct rng rng;

    rng_seed(&rng, seed);
    for (int step = 0; step < steps; step++) {
        char bytes[KEY_MAX];
        struct slice key = any_key(&rng, bytes, kind);
        void *value = (void *)(uintptr_t)(step + 1);
        /* Grow for a while, then shrink. */
        bool grow = rng_below(&rng, 10) < (step / 2000 % 2 ? 3u : 7u);

        if (grow && model->count < MODEL_MAX - 1)
            assert_ptr_equal(radix_set(tree, key, value), model_set(model, key, value));
        else
            assert_ptr_equal(radix_remove(tree, key), model_remove(model, key));
        key = any_key(&rng, bytes, kind);
        {
            size_t place = model_place(model, key);

            assert_ptr_equal(radix_get(tree, key), model_has(model, place, key)
                                                       ? model->keys[place].value : NULL);
        }
        compare_seeks(model, tree, &at, key);
        if (step % 1000 == 999)
            compare_all(model, tree);
    }
    while (model->count > 0) {
        struct model_key last = model->keys[model->count / 2];

        assert_ptr_equal(radix_remove(tree, key_of(&last)), model_remove(model, key_of(&last)));
    }
    compare_all(model, tree);
    assert_int_equal(radix_nodes(tree), 1);
    radix_at_free(&at);
    radix_free(tree, NULL);
    assert_int_equal(account.bytes, 0);
    assert_int_equal(account.blocks, 0);
    free(model);
}

static void short_keys_are_as_in_a_sorted_array(void **state)
{
    (void)state;
    run_against_model(0, 100000, 1);
}

static void long_keys_are_as_in_a_sorted_array(void **state)
{
    (void)state;
    run_against_model(1, 60000, 2);
}

static void numbers_are_as_in_a_sorted_array(void **state)
{
    (void)state;
    run_against_model(2, 100000, 3);
}

static void the_account_is_what_the_allocator_says(void **state)
{
    struct radix_account account = {0};
    struct mem_stats before, after;
    struct radix *tree;
    size_t counted, real;

    (void)state;
    mem_stats_read(&before);
    tree = radix_new(&account);
    for (uint64_t i = 0; i < 100000; i++) {
        uint64_t id[2] = {__builtin_bswap64(1700000000000 + i * 3), __builtin_bswap64(i % 7)};

        assert_null(radix_set(tree, (struct slice){(char *)id, 16}, tree));
    }
    mem_stats_read(&after);
    counted = account.bytes;
    real = after.allocated - before.allocated;
    /* A sanitizer's allocator counts otherwise. */
    if (strncmp(mem_allocator_name(), "jemalloc", 8) == 0)
        assert_in_range(counted, real - real / 20, real + real / 20);
    radix_free(tree, NULL);
}

static void very_deep_trees_are_given_back(void **state)
{
    struct radix_account account = {0};
    struct radix *tree = radix_new(&account);
    char bytes[3000];
    struct radix_at at = {0};

    (void)state;
    memset(bytes, 'a', sizeof(bytes));
    for (size_t len = 0; len <= sizeof(bytes); len++)
        assert_null(radix_set(tree, (struct slice){bytes, len}, bytes));
    radix_check(tree);
    assert_true(radix_last(tree, &at));
    assert_int_equal(at.key.len, sizeof(bytes));
    radix_at_free(&at);
    radix_free(tree, NULL);
    assert_int_equal(account.blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_keys_are_as_in_a_sorted_array),
        cmocka_unit_test(long_keys_are_as_in_a_sorted_array),
        cmocka_unit_test(numbers_are_as_in_a_sorted_array),
        cmocka_unit_test(the_account_is_what_the_allocator_says),
        cmocka_unit_test(very_deep_trees_are_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
