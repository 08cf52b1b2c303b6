/* The intset against a sorted array, its bytes, and strange bytes. */
#include "core/ds/intset.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/support/test.h"

#define MODEL_MAX 600

static void compare(const uint8_t *intset, const int64_t *model, size_t count)
{
    assert_int_equal(intset_count(intset), count);
    assert_true(intset_valid(intset, intset_bytes(intset)));
    assert_true(intset_memory(intset) >= intset_bytes(intset));
    for (size_t i = 0; i < count; i++)
        assert_true(intset_at(intset, i) == model[i]);
}

static size_t model_find(const int64_t *model, size_t count, int64_t value)
{
    size_t at = 0;

    while (at < count && model[at] < value)
        at++;
    return at;
}

static void it_holds_what_a_sorted_array_holds(void **state)
{
    int64_t model[MODEL_MAX];
    struct rng rng;

    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        uint8_t *intset = intset_new(), *copy;
        size_t count = 0;
        bool changed;

        rng_seed(&rng, seed);
        for (int step = 0; step < MODEL_MAX; step++) {
            /* narrow first, wider as it goes */
            int64_t value = (int64_t)rng_next(&rng) >> (63 - (uint64_t)step * 63 / MODEL_MAX);
            size_t at = model_find(model, count, value);
            bool there = at < count && model[at] == value;

            assert_true(intset_has(intset, value) == there);
            if (count > 0 && rng_below(&rng, 3) == 0) {
                if (rng_below(&rng, 2) == 0) {
                    at = (size_t)rng_below(&rng, count);
                    value = model[at];
                    there = true;
                }
                intset = intset_remove(intset, value, &changed);
                assert_true(changed == there);
                if (there)
                    memmove(model + at, model + at + 1, (--count - at) * sizeof(model[0]));
            } else {
                intset = intset_add(intset, value, &changed);
                assert_true(changed != there);
                if (!there) {
                    memmove(model + at + 1, model + at, (count++ - at) * sizeof(model[0]));
                    model[at] = value;
                }
            }
            compare(intset, model, count);
        }
        copy = intset_copy(intset);
        compare(copy, model, count);
        intset_free(copy);
        intset_free(intset);
    }
}

static void it_widens_at_both_ends(void **state)
{
    static const int64_t values[] = {INT16_MAX,     INT16_MIN,     INT16_MAX + 1LL, INT16_MIN - 1LL,
                                     INT32_MAX,     INT32_MIN,     INT32_MAX + 1LL, INT32_MIN - 1LL,
                                     INT64_MAX,     INT64_MIN};
    static const size_t bytes[] = {10, 12, 20, 24, 28, 32, 64, 72, 80, 88};
    uint8_t *intset = intset_new();
    bool changed;

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_false(intset_has(intset, values[i]));
        intset = intset_add(intset, values[i], &changed);
        assert_int_equal(intset_bytes(intset), bytes[i]);
        for (size_t j = 0; j <= i; j++)
            assert_true(intset_has(intset, values[j]));
    }
    intset_free(intset);
}

static void the_bytes_are_those_of_the_file_format(void **state)
{
    static const uint8_t narrow[] = {2, 0, 0, 0, 2, 0, 0, 0, 0xff, 0xff, 1, 0};
    static const uint8_t wide[] = {4,    0,    0,    0,    3, 0, 0, 0, 0xff, 0xff,
                                   0xff, 0xff, 1,    0,    0, 0, 0, 0, 1,    0};
    uint8_t *intset = intset_new();
    bool changed;

    (void)state;
    intset = intset_add(intset, 1, &changed);
    intset = intset_add(intset, -1, &changed);
    assert_memory_equal(intset, narrow, sizeof(narrow));
    intset = intset_add(intset, 65536, &changed);
    assert_int_equal(intset_bytes(intset), sizeof(wide));
    assert_memory_equal(intset, wide, sizeof(wide));
    intset_free(intset);
}

static void any_integer_is_as_likely(void **state)
{
    uint8_t *intset = intset_new();
    unsigned seen[5] = {0};
    struct rng rng;
    bool changed;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 5; i++)
        intset = intset_add(intset, i, &changed);
    for (int i = 0; i < 50000; i++)
        seen[intset_random(intset, &rng)]++;
    for (int i = 0; i < 5; i++)
        assert_in_range(seen[i], 9500, 10500);
    intset_free(intset);
}

static void only_sorted_integers_without_duplicates_are_valid(void **state)
{
    uint8_t good[] = {2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 1, 0, 2, 0};
    static const struct {
        size_t at;
        uint8_t value;
    } bad[] = {{0, 1}, {0, 0}, {0, 4}, {0, 8}, {1, 1}, {4, 2}, {4, 4}, {7, 1}, {9, 0x7f}, {12, 1}};

    (void)state;
    assert_true(intset_valid(good, sizeof(good)));
    for (size_t len = 0; len < sizeof(good); len++) {
        uint8_t *cut = malloc(len ? len : 1);

        memcpy(cut, good, len);
        assert_false(intset_valid(cut, len));
        free(cut);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint8_t copy[sizeof(good)];

        memcpy(copy, good, sizeof(good));
        copy[bad[i].at] = bad[i].value;
        assert_false(intset_valid(copy, sizeof(copy)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_a_sorted_array_holds),
        cmocka_unit_test(it_widens_at_both_ends),
        cmocka_unit_test(the_bytes_are_those_of_the_file_format),
        cmocka_unit_test(any_integer_is_as_likely),
        cmocka_unit_test(only_sorted_integers_without_duplicates_are_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
