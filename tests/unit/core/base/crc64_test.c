/* CRC-64/Jones: the known value, any way of cutting, and joining. */
#include "core/base/crc64.h"

#include <string.h>

#include "core/base/rng.h"
#include "tests/support/test.h"

/* A bit at a time, as the definition says. */
static uint64_t slow_sum(const uint8_t *bytes, size_t len)
{
    uint64_t crc = 0;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x95ac9329ac4bc9b5ull : 0);
    }
    return crc;
}

static void the_check_value_is_the_published_one(void **state)
{
    (void)state;
    assert_true(crc64_bytes(0, "123456789", 9) == 0xe9c6d914c4b8d9caull);
    assert_true(crc64_bytes(0, "", 0) == 0);
}

static void every_cut_gives_the_sum_of_the_definition(void **state)
{
    uint8_t bytes[400]; /* more than what is folded in one go */
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t cut = (size_t)rng_below(&rng, len + 1);
        uint64_t first = crc64_bytes(0, bytes, cut);
        uint64_t second = crc64_bytes(0, bytes + cut, len - cut);

        assert_true(crc64_bytes(0, bytes, len) == slow_sum(bytes, len));
        assert_true(crc64_bytes(first, bytes + cut, len - cut) == slow_sum(bytes, len));
        assert_true(crc64_combine(first, second, len - cut) == slow_sum(bytes, len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_is_the_published_one),
        cmocka_unit_test(every_cut_gives_the_sum_of_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
