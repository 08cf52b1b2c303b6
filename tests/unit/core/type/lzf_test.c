/* LZF: what is packed comes back, streams made by hand are read, damage is refused. */
#include "core/type/lzf.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/rng.h"
#include "tests/support/test.h"

static void what_is_packed_comes_back(void **state)
{
    static uint8_t in[20000], out[21000], back[20000];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (int round = 0; round < 2000; round++) {
        size_t len = (size_t)rng_below(&rng, round % 10 == 0 ? sizeof in : 300);
        uint64_t letters = 1 + rng_below(&rng, round % 3 == 0 ? 256 : 4);
        size_t packed;

        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)rng_below(&rng, letters);
        packed = lzf_pack(in, len, out, sizeof out);
        assert_true((packed == 0) == (len == 0));
        assert_true(lzf_unpack(out, packed, back, len));
        assert_memory_equal(in, back, len);
        assert_true(len <= lzf_unpacked_max(packed));
        /* In an allocation of just its size, so that a byte too far is seen. */
        if (packed > 0) {
            uint8_t *tight = malloc(packed);

            assert_true(lzf_pack(in, len, tight, packed) == packed);
            assert_true(lzf_pack(in, len, tight, packed - 1) == 0);
            free(tight);
        }
    }
}

static void a_run_becomes_short(void **state)
{
    static uint8_t in[100000], out[100000];

    (void)state;
    memset(in, 'a', sizeof in);
    assert_in_range(lzf_pack(in, sizeof in, out, sizeof out), 1, sizeof in / 80);
}

static void streams_made_by_hand_are_read(void **state)
{
    const uint8_t literal[] = {0x02, 'a', 'b', 'c'};
    const uint8_t run[] = {0x00, 'x', 0xe0, 0xff, 0x00};          /* 264 more from 1 back */
    const uint8_t copy[] = {0x02, 'a', 'b', 'c', 0x20, 0x02};     /* 3 from 3 back */
    uint8_t out[300];

    (void)state;
    assert_true(lzf_unpack(literal, sizeof literal, out, 3));
    assert_memory_equal(out, "abc", 3);
    assert_true(lzf_unpack(run, sizeof run, out, 265));
    for (int i = 0; i < 265; i++)
        assert_int_equal(out[i], 'x');
    assert_true(lzf_unpack(copy, sizeof copy, out, 6));
    assert_memory_equal(out, "abcabc", 6);
}

static void damage_is_refused(void **state)
{
    const uint8_t before_start[] = {0x00, 'x', 0x20, 0x01};
    const uint8_t cut_literal[] = {0x02, 'a', 'b'};
    const uint8_t cut_match[] = {0x00, 'x', 0xe0, 0xff};
    const uint8_t literal[] = {0x02, 'a', 'b', 'c'};
    uint8_t out[300];

    (void)state;
    assert_false(lzf_unpack(before_start, sizeof before_start, out, 4));
    assert_false(lzf_unpack(cut_literal, sizeof cut_literal, out, 3));
    assert_false(lzf_unpack(cut_match, sizeof cut_match, out, 265));
    assert_false(lzf_unpack(cut_match, sizeof cut_match - 1, out, 265));
    assert_false(lzf_unpack(literal, sizeof literal, out, 2));
    assert_false(lzf_unpack(literal, sizeof literal, out, 4));
}

static void noise_never_leads_outside(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int round = 0; round < 20000; round++) {
        size_t len = (size_t)rng_below(&rng, 40), out_len = (size_t)rng_below(&rng, 400);
        uint8_t *in = malloc(len + 1), *out = malloc(out_len + 1);

        for (size_t i = 0; i < len; i++)
            in[i] = (uint8_t)(rng_below(&rng, 3) == 0 ? rng_below(&rng, 4) : rng_next(&rng));
        if (lzf_unpack(in, len, out, out_len))
            assert_true(out_len <= lzf_unpacked_max(len));
        free(in);
        free(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_back),
        cmocka_unit_test(a_run_becomes_short),
        cmocka_unit_test(streams_made_by_hand_are_read),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(noise_never_leads_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
