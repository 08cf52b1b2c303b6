/* Hashes against published test vectors. */
#include "core/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void known_texts_have_their_published_sums(void **state)
{
    char out[65];

    (void)state;
    sha1_hex(SLICE(""), out);
    assert_string_equal(out, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    sha1_hex(SLICE("abc"), out);
    assert_string_equal(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha256_hex(SLICE(""), out);
    assert_string_equal(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256_hex(SLICE("abc"), out);
    assert_string_equal(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(crc32_bytes(0, "123456789", 9), 0xcbf43926);
}

static void a_crc_of_pieces_is_that_of_the_whole(void **state)
{
    const char text[] = "The quick brown fox jumps over the lazy dog";
    uint32_t whole = crc32_bytes(0, text, sizeof(text) - 1);

    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        uint32_t first = crc32_bytes(0, text, cut);

        assert_int_equal(crc32_bytes(first, text + cut, sizeof(text) - 1 - cut), whole);
    }
    assert_int_equal(crc32_bytes(whole, NULL, 0), whole);
}

/* A bit at a time, as the definition says. */
static uint32_t slow_crc(const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void every_length_has_the_crc_of_the_definition(void **state)
{
    uint8_t bytes[400];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * i * 31 + i);
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint32_t first = crc32_bytes(0, bytes, len / 3);

        assert_int_equal(crc32_bytes(0, bytes, len), slow_crc(bytes, len));
        assert_int_equal(crc32_bytes(first, bytes + len / 3, len - len / 3),
                         slow_crc(bytes, len));
    }
}

static void a_hash_depends_on_every_byte_and_on_the_seed(void **state)
{
    char bytes[300] = {0};
    uint64_t hash = hash_bytes((struct slice){bytes, sizeof(bytes)}, 1);

    (void)state;
    assert_true(hash == hash_bytes((struct slice){bytes, sizeof(bytes)}, 1));
    assert_true(hash != hash_bytes((struct slice){bytes, sizeof(bytes)}, 2));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 1;
        assert_true(hash != hash_bytes((struct slice){bytes, sizeof(bytes)}, 1));
        assert_true(hash_bytes((struct slice){bytes, i}, 1) !=
                    hash_bytes((struct slice){bytes, i + 1}, 1));
        bytes[i] = 0;
    }
}

static void secrets_are_equal_if_all_bytes_are(void **state)
{
    (void)state;
    assert_true(secret_equal(SLICE("pass"), SLICE("pass")));
    assert_true(secret_equal(SLICE(""), SLICE("")));
    assert_false(secret_equal(SLICE("pass"), SLICE("past")));
    assert_false(secret_equal(SLICE("pass"), SLICE("passpass")));
    assert_false(secret_equal(SLICE("passpass"), SLICE("pass")));
    assert_false(secret_equal(SLICE("pass"), SLICE("")));
    assert_false(secret_equal(SLICE(""), SLICE("pass")));
    assert_false(secret_equal(SLICE("\1"), SLICE("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_published_sums),
        cmocka_unit_test(a_crc_of_pieces_is_that_of_the_whole),
        cmocka_unit_test(every_length_has_the_crc_of_the_definition),
        cmocka_unit_test(a_hash_depends_on_every_byte_and_on_the_seed),
        cmocka_unit_test(secrets_are_equal_if_all_bytes_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
