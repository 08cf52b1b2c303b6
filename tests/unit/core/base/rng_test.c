/* The random generator against its published output, and its fairness. */
#include "core/base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The outputs follow from the published definition, worked out by hand for the state 1, 2, 3, 4. */
static void the_sequence_is_that_of_xoshiro256_star_star(void **state)
{
    struct rng rng = {{1, 2, 3, 4}};

    (void)state;
    assert_true(rng_next(&rng) == 11520);
    assert_true(rng_next(&rng) == 0);
    assert_true(rng_next(&rng) == 1509978240);
    assert_true(rng_next(&rng) == 1215971899390074240);
}

static void equal_seeds_give_equal_sequences(void **state)
{
    struct rng a, b, c;

    (void)state;
    rng_seed(&a, 5);
    rng_seed(&b, 5);
    rng_seed(&c, 6);
    for (int i = 0; i < 100; i++) {
        uint64_t value = rng_next(&a);

        assert_true(value == rng_next(&b));
        assert_true(value != rng_next(&c));
    }
    rng_seed(&a, 0);
    assert_true(a.state[0] != 0);
}

static void all_values_below_the_bound_are_as_likely(void **state)
{
    struct rng rng;
    unsigned seen[7] = {0};

    (void)state;
    rng_seed(&rng, 7);
    for (int i = 0; i < 70000; i++)
        seen[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 100; i++)
        assert_true(rng_below(&rng, 1) == 0);
    /* Two thirds of 2^64: without refusal the lower half of the values would come twice as often
     * as the upper. */
    seen[0] = 0;
    for (int i = 0; i < 60000; i++)
        seen[0] += rng_below(&rng, UINT64_MAX / 3 * 2) < UINT64_MAX / 3;
    assert_in_range(seen[0], 29000, 31000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_that_of_xoshiro256_star_star),
        cmocka_unit_test(equal_seeds_give_equal_sequences),
        cmocka_unit_test(all_values_below_the_bound_are_as_likely),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
