/* HyperLogLog against a model of 16,384 plain registers; estimates; damage. */
#include "core/ds/hll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/support/test.h"

static void assert_is(const uint8_t *model, const struct buf *value)
{
    uint8_t *registers = calloc(1, HLL_REGISTERS);
    uint64_t estimate;

    assert_true(hll_is(buf_slice(value)));
    assert_true(hll_merge_into(registers, buf_slice(value)));
    assert_memory_equal(registers, model, HLL_REGISTERS);
    assert_true(hll_estimate(buf_slice(value), &estimate));
    assert_true(estimate == hll_estimate_of(model));
    free(registers);
}

static void registers_are_those_of_the_model(void **state)
{
    static uint8_t model[HLL_REGISTERS];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int round = 0; round < 40; round++) {
        size_t limit = (size_t)rng_below(&rng, 6000);
        unsigned ranks = 1 + (unsigned)rng_below(&rng, round % 2 == 0 ? 3 : 34);
        unsigned width = 1 + (unsigned)rng_below(&rng, round % 3 == 0 ? 60 : HLL_REGISTERS);
        struct buf value = {0};
        bool dense = false;

        memset(model, 0, sizeof model);
        hll_init(&value);
        for (int step = 0; step < 3000; step++) {
            unsigned index = (unsigned)rng_below(&rng, width) + (HLL_REGISTERS - width) / 2;
            uint8_t rank = (uint8_t)(1 + rng_below(&rng, ranks));
            enum hll_result expected = rank > model[index] ? HLL_CHANGED : HLL_SAME;

            assert_int_equal(hll_raise(&value, index, rank, limit), expected);
            if (rank > model[index])
                model[index] = rank;
            assert_true(!dense || hll_is_dense(buf_slice(&value)));
            dense = hll_is_dense(buf_slice(&value));
            if (step % 500 == 0)
                assert_is(model, &value);
        }
        assert_is(model, &value);
        assert_true(hll_to_dense(&value));
        assert_is(model, &value);
        buf_free(&value);
    }
}

static void estimates_are_within_four_standard_errors(void **state)
{
    static const uint64_t counts[] = {0, 1, 10, 100, 1000, 10000, 100000, 1000000};
    struct buf value = {0};
    uint64_t added = 0, estimate;

    (void)state;
    hll_init(&value);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        double off;

        for (; added < counts[i]; added++) {
            struct slice element = {(const char *)&added, sizeof added};
            uint8_t rank;
            unsigned index = hll_register_of(element, &rank);

            assert_in_range(rank, 1, 51);
            assert_true(hll_raise(&value, index, rank, 3000) != HLL_DAMAGED);
        }
        assert_true(hll_estimate(buf_slice(&value), &estimate));
        off = (double)estimate - (double)counts[i];
        assert_true(off <= 0.0325 * (double)counts[i] && -off <= 0.0325 * (double)counts[i]);
    }
    buf_free(&value);
}

/* "abc" in redis-server 7.0, by PFADD and PFDEBUG DECODE, GET. */
static void elements_fall_where_they_do_elsewhere(void **state)
{
    struct buf value = {0}, text = {0};
    uint8_t rank;
    unsigned index;

    (void)state;
    hll_init(&value);
    index = hll_register_of(SLICE("abc"), &rank);
    assert_int_equal(hll_raise(&value, index, rank, 3000), HLL_CHANGED);
    assert_true(hll_describe(buf_slice(&value), &text));
    assert_true(slice_equal(buf_slice(&text), SLICE("Z:9474 v:1,1 Z:6909")));
    buf_free(&value);
    buf_free(&text);
}

static void the_estimate_in_the_header_comes_back(void **state)
{
    struct buf value = {0};
    uint64_t estimate;

    (void)state;
    hll_init(&value);
    assert_true(hll_cached(buf_slice(&value), &estimate));
    assert_true(estimate == 0);
    hll_forget_cached(value.data);
    assert_false(hll_cached(buf_slice(&value), &estimate));
    hll_cache(value.data, 0x0102030405060708ull);
    assert_true(hll_cached(buf_slice(&value), &estimate));
    assert_true(estimate == 0x0102030405060708ull);
    buf_free(&value);
}

static void what_is_none_is_told(void **state)
{
    char bytes[HLL_DENSE_BYTES + 1] = "HYLL";

    (void)state;
    assert_false(hll_is(SLICE("")));
    assert_false(hll_is(SLICE("HYLL\1")));
    assert_false(hll_is(SLICE("HYLX\1___________")));
    assert_true(hll_is(SLICE("HYLL\1___________")));
    assert_false(hll_is(SLICE("HYLL\2___________")));
    assert_true(hll_is((struct slice){bytes, HLL_DENSE_BYTES}));
    assert_false(hll_is((struct slice){bytes, HLL_DENSE_BYTES - 1}));
    assert_false(hll_is((struct slice){bytes, HLL_DENSE_BYTES + 1}));
}

/* Sparse values of noise, each in an allocation of just its size. */
static void noise_is_survived(void **state)
{
    static uint8_t registers[HLL_REGISTERS];
    struct rng rng;
    int good = 0;

    (void)state;
    rng_seed(&rng, 5);
    for (int round = 0; round < 20000; round++) {
        size_t len = HLL_HEADER_BYTES + (size_t)rng_below(&rng, 12);
        struct slice value = {malloc(len), len};
        char *bytes = (char *)value.data;
        struct buf copy = {0}, text = {0};
        uint64_t estimate;
        bool whole;

        memcpy(bytes, "HYLL\1", 5);
        for (size_t i = 5; i < len; i++)
            bytes[i] = (char)(rng_below(&rng, 4) == 0 ? 0x7f : rng_next(&rng));
        whole = hll_estimate(value, &estimate);
        assert_true(hll_merge_into(registers, value) == whole);
        assert_true(hll_describe(value, &text) || !whole);
        buf_append_slice(&copy, value);
        if (hll_raise(&copy, (unsigned)rng_below(&rng, HLL_REGISTERS),
                      (uint8_t)(1 + rng_below(&rng, 51)), (size_t)rng_below(&rng, 40)) !=
            HLL_DAMAGED)
            assert_true(hll_estimate(buf_slice(&copy), &estimate) == whole);
        buf_clear(&copy);
        buf_append_slice(&copy, value);
        assert_true(hll_to_dense(&copy) == whole);
        good += whole;
        buf_free(&copy);
        buf_free(&text);
        free(bytes);
    }
    assert_true(good > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_those_of_the_model),
        cmocka_unit_test(estimates_are_within_four_standard_errors),
        cmocka_unit_test(elements_fall_where_they_do_elsewhere),
        cmocka_unit_test(the_estimate_in_the_header_comes_back),
        cmocka_unit_test(what_is_none_is_told),
        cmocka_unit_test(noise_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
