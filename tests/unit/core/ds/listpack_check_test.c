/* What is asked of a strange listpack, against the same asked of its texts one by one. */
#include "core/ds/listpack_check.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/ds/listpack.h"
#include "tests/support/test.h"

#define ELEMENTS_MAX 1000
#define TEXT_ROOM 80

static char texts[ELEMENTS_MAX][TEXT_ROOM];

/* `count` elements out of `pool` possible ones, as texts and as a listpack. */
static uint8_t *make(struct rng *rng, size_t count, uint64_t pool)
{
    uint8_t *listpack = listpack_new(0);

    for (size_t i = 0; i < count; i++) {
        unsigned long long n = rng_below(rng, pool);

        if (n % 3 == 0)
            snprintf(texts[i], TEXT_ROOM, "%lld", (long long)(n * 977) - 3000);
        else
            snprintf(texts[i], TEXT_ROOM, n % 3 == 1 ? "%llu:member" : "m%040llu", n);
        listpack = listpack_append(listpack, slice_of(texts[i]));
    }
    return listpack;
}

static bool model_twice(size_t count, size_t step)
{
    for (size_t i = 0; i < count; i += step) {
        for (size_t j = i + step; j < count; j += step) {
            if (strcmp(texts[i], texts[j]) == 0)
                return true;
        }
    }
    return false;
}

static size_t model_longest(size_t count)
{
    size_t longest = 0;

    for (size_t i = 0; i < count; i++)
        longest = strlen(texts[i]) > longest ? strlen(texts[i]) : longest;
    return longest;
}

static void doubles_are_found_wherever_they_are(void **state)
{
    struct rng rng;
    int found[2] = {0, 0};

    (void)state;
    rng_seed(&rng, 11);
    for (int round = 0; round < 4000; round++) {
        size_t count = (size_t)rng_below(&rng, round % 50 == 0 ? ELEMENTS_MAX : 40);
        size_t step = 1 + (size_t)rng_below(&rng, 3);
        uint8_t *listpack = make(&rng, count, 1 + rng_below(&rng, count * count + 20));
        bool twice = model_twice(count, step);
        size_t longest = model_longest(count);

        assert_int_equal(listpack_has_twice(listpack, step), twice);
        found[twice]++;
        assert_false(listpack_has_longer(listpack, longest));
        assert_true(longest == 0 || listpack_has_longer(listpack, longest - 1));
        listpack_free(listpack);
    }
    assert_true(found[0] > 100);
    assert_true(found[1] > 100);
}

/* Others may have stored "12" as a string: it is the same text as the integer. */
static void an_integer_equals_its_text(void **state)
{
    uint8_t bytes[] = {13, 0, 0, 0, 2, 0, 12, 1, 0x82, '1', '2', 3, 0xff};

    (void)state;
    assert_true(listpack_valid(bytes, 13, true));
    assert_true(listpack_has_twice(bytes, 1));
    bytes[10] = '3';
    assert_true(listpack_valid(bytes, 13, true));
    assert_false(listpack_has_twice(bytes, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_found_wherever_they_are),
        cmocka_unit_test(an_integer_equals_its_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
