/* The histogram against the exact answer. */
#include "core/base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/rng.h"

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void percentiles_are_right_within_a_sixteenth(void **state)
{
    enum { VALUES = 20000 };
    static uint64_t values[VALUES];
    static struct histogram histogram;
    struct rng rng;
    uint64_t sum = 0;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < VALUES; i++) {
        values[i] = rng_next(&rng) >> (28 + rng_below(&rng, 36));
        sum += values[i];
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    assert_int_equal(histogram.count, VALUES);
    assert_true(histogram.sum == sum);
    assert_true(histogram.max == values[VALUES - 1]);
    for (int tenth = 1; tenth <= 1000; tenth++) {
        uint64_t exact = values[(VALUES * tenth - 1) / 1000];
        uint64_t got = histogram_at(&histogram, tenth / 10.0);

        assert_true(got >= exact);
        assert_true(got <= exact + exact / 16);
    }
    assert_true(histogram_at(&histogram, 100) == histogram.max);
}

static void small_values_are_exact(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    assert_int_equal(histogram_at(&histogram, 50), 0);
    for (uint64_t us = 0; us < 16; us++)
        histogram_add(&histogram, us);
    assert_int_equal(histogram_at(&histogram, 0), 0);
    assert_int_equal(histogram_at(&histogram, 50), 7);
    assert_int_equal(histogram_at(&histogram, 100), 15);
    assert_int_equal(histogram_count_to(&histogram, 3), 4);
    assert_int_equal(histogram_count_to(&histogram, 1000000), 16);
}

static void what_is_beyond_the_range_is_counted_in_the_last_cell(void **state)
{
    struct histogram histogram = {0};

    (void)state;
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, 1);
    histogram_add(&histogram, ((uint64_t)1 << 36) - 1);
    assert_true(histogram_at(&histogram, 100) == UINT64_MAX);
    assert_int_equal(histogram_count_to(&histogram, UINT64_MAX), 3);
    assert_int_equal(histogram_count_to(&histogram, 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_right_within_a_sixteenth),
        cmocka_unit_test(small_values_are_exact),
        cmocka_unit_test(what_is_beyond_the_range_is_counted_in_the_last_cell),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
