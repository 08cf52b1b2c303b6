/* Entries: every shape that lengths, deadline and encoding give, and every way from one to another.
 */
#include "core/type/entry.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/support/test.h"

#define DEADLINE 1700000000123

static const size_t lengths[] = {0, 1, 7, 8, 44, 45, 254, 255, 256, 65534, 65535, 65536, 70000};
#define LENGTHS (sizeof(lengths) / sizeof(lengths[0]))

static char *bytes_new(size_t len, unsigned salt)
{
    char *bytes = mem_alloc(len + 1);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 31 + salt);
    return bytes;
}

static void assert_slice(struct slice got, struct slice wanted)
{
    assert_int_equal(got.len, wanted.len);
    if (wanted.len != 0)
        assert_memory_equal(got.data, wanted.data, wanted.len);
}

static void assert_entry(const struct entry *entry, struct slice key, struct slice value,
                         int64_t deadline_ms)
{
    char digits[24];

    entry_check(entry);
    assert_slice(entry_key(entry), key);
    assert_slice(entry_string(entry, digits), value);
    assert_int_equal(entry_string_len(entry), value.len);
    assert_true(entry_deadline(entry) == deadline_ms);
    assert_int_equal(entry_type(entry), TYPE_STRING);
}

static void every_length_is_kept_through_deadlines(void **state)
{
    (void)state;
    for (size_t k = 0; k < LENGTHS; k++) {
        for (size_t v = 0; v < LENGTHS; v++) {
            struct slice key = {bytes_new(lengths[k], 1), lengths[k]};
            struct slice value = {bytes_new(lengths[v], 200), lengths[v]};
            struct entry *entry = entry_new_string(key, value, ENTRY_NO_DEADLINE);
            struct entry *copy;

            assert_int_equal(entry_access(entry), 0);
            entry_set_access(entry, 0xabcdef);
            assert_entry(entry, key, value, ENTRY_NO_DEADLINE);
            entry = entry_set_deadline(entry, DEADLINE);
            assert_entry(entry, key, value, DEADLINE);
            copy = entry_copy(entry, value, 5);
            assert_entry(copy, value, value, 5);
            copy = entry_rename(copy, key);
            assert_entry(copy, key, value, 5);
            assert_int_equal(entry_access(copy), 0xabcdef);
            entry_free(copy);
            entry = entry_set_deadline(entry, -1);
            assert_entry(entry, key, value, -1);
            entry = entry_set_deadline(entry, ENTRY_NO_DEADLINE);
            assert_entry(entry, key, value, ENTRY_NO_DEADLINE);
            assert_int_equal(entry_access(entry), 0xabcdef);
            assert_int_equal(entry_encoding(entry),
                             value.len <= ENTRY_EMBSTR_MAX ? ENCODING_EMBSTR : ENCODING_RAW);
            entry_free(entry);
            mem_free((char *)(uintptr_t)key.data);
            mem_free((char *)(uintptr_t)value.data);
        }
    }
}

static void integers_are_told_by_their_text(void **state)
{
    static const char *const ints[] = {"0", "-1", "12345", "9223372036854775807",
                                       "-9223372036854775808"};
    static const char *const texts[] = {
        "", "-", "-0", "01", "+1", " 1", "1 ", "1.0", "9223372036854775808",
        "-9223372036854775809", "123456789012345678901", "0x10"};
    int64_t number;

    (void)state;
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
        struct entry *entry = entry_new_string(SLICE("k"), slice_of(ints[i]), i % 2 ? 7 : 8);

        assert_int_equal(entry_encoding(entry), ENCODING_INT);
        assert_true(entry_int(entry, &number));
        assert_entry(entry, SLICE("k"), slice_of(ints[i]), i % 2 ? 7 : 8);
        entry = entry_set_deadline(entry, ENTRY_NO_DEADLINE);
        assert_entry(entry, SLICE("k"), slice_of(ints[i]), ENTRY_NO_DEADLINE);
        entry_free(entry);
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct entry *entry = entry_new_string(SLICE("k"), slice_of(texts[i]), ENTRY_NO_DEADLINE);

        assert_int_equal(entry_encoding(entry), ENCODING_EMBSTR);
        assert_false(entry_int(entry, &number));
        assert_entry(entry, SLICE("k"), slice_of(texts[i]), ENTRY_NO_DEADLINE);
        entry_free(entry);
    }
}

static void a_small_string_takes_the_class_of_64_bytes(void **state)
{
    struct slice key = SLICE("0123456789abcdef"), value = SLICE("value-of-thirty-two-bytes-length");
    struct entry *entry = entry_new_string(key, value, ENTRY_NO_DEADLINE);

    (void)state;
    assert_int_equal(value.len, 32);
    assert_int_equal(entry_memory(entry), 64);
    entry = entry_set_deadline(entry, DEADLINE);
    assert_int_equal(entry_memory(entry), 64);
    entry_free(entry);
    entry = entry_new_int(key, 42, ENTRY_NO_DEADLINE);
    assert_int_equal(entry_memory(entry), 32);
    entry_free(entry);
}

/* Property: an entry is its key, value and deadline, whatever way it got there. Method: random
 * changes of all kinds beside a plain copy. */
static void random_changes_leave_what_a_plain_copy_has(void **state)
{
    static char model[200000], fresh[200000];
    struct rng rng;

    (void)state;
    rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct slice key = {bytes_new(400, 3), lengths[rng_below(&rng, 9)]};
        int64_t deadline_ms = ENTRY_NO_DEADLINE;
        struct entry *entry = entry_new_blank(key, 10, deadline_ms);
        size_t len = 10;

        memset(model, 0, len);
        for (int step = 0; step < 100; step++) {
            size_t to = rng_below(&rng, rng_below(&rng, 20) == 0 ? sizeof(model) : 300);
            struct slice value = {fresh, to};
            char digits[24];
            int64_t number = (int64_t)rng_next(&rng) >> rng_below(&rng, 64);

            switch (rng_below(&rng, 6)) {
            case 0:
                entry = entry_resize(entry, to);
                assert_int_equal(entry_encoding(entry), ENCODING_RAW);
                if (to > len)
                    memset(model + len, 0, to - len);
                len = to;
                break;
            case 1: /* append a little */
                to = len + rng_below(&rng, 20);
                if (to > sizeof(model))
                    break;
                entry = entry_resize(entry, to);
                memset(entry_bytes_of(entry) + len, 'a' + step % 26, to - len);
                memset(model + len, 'a' + step % 26, to - len);
                len = to;
                break;
            case 2:
                deadline_ms = rng_below(&rng, 2) ? ENTRY_NO_DEADLINE : step;
                entry = entry_set_deadline(entry, deadline_ms);
                break;
            case 3:
                memset(fresh, 'A' + step % 26, to);
                if (entry_overwrite_string(entry, value, step)) {
                    deadline_ms = step;
                    len = to;
                    memcpy(model, fresh, to);
                }
                break;
            case 4:
                if (entry_overwrite_int(entry, number)) {
                    len = (size_t)snprintf(model, sizeof(model), "%lld", (long long)number);
                    assert_int_equal(entry_encoding(entry), ENCODING_INT);
                }
                break;
            default:
                value = (struct slice){digits, (size_t)snprintf(digits, sizeof(digits), "%lld",
                                                                (long long)number)};
                if (entry_overwrite_string(entry, value, ENTRY_NO_DEADLINE)) {
                    deadline_ms = ENTRY_NO_DEADLINE;
                    len = value.len;
                    memcpy(model, digits, len);
                    assert_int_equal(entry_encoding(entry), ENCODING_INT);
                }
            }
            assert_entry(entry, key, (struct slice){model, len}, deadline_ms);
        }
        entry_free(entry);
        mem_free((char *)(uintptr_t)key.data);
    }
}

static void overwriting_does_not_waste_more_than_half(void **state)
{
    char *bytes = bytes_new(100000, 1);
    struct entry *entry;

    (void)state;
    entry = entry_new_string(SLICE("key"), (struct slice){bytes, 100000}, ENTRY_NO_DEADLINE);
    assert_false(
        entry_overwrite_string(entry, (struct slice){bytes, 20000}, ENTRY_NO_DEADLINE));
    assert_entry(entry, SLICE("key"), (struct slice){bytes, 100000}, ENTRY_NO_DEADLINE);
    assert_true(entry_overwrite_string(entry, (struct slice){bytes, 70000}, ENTRY_NO_DEADLINE));
    assert_true(entry_memory(entry) >= 100000);
    entry = entry_resize(entry, 100);
    assert_true(entry_memory(entry) <= 128);
    assert_entry(entry, SLICE("key"), (struct slice){bytes, 100}, ENTRY_NO_DEADLINE);
    entry_free(entry);
    mem_free(bytes);
}

/* Property: appending byte by byte moves the entry a logarithmic number of times. */
static void appending_is_linear_in_all(void **state)
{
    struct entry *entry = entry_new_blank(SLICE("key"), 1, ENTRY_NO_DEADLINE);
    int grown = 0;

    (void)state;
    for (size_t len = 2; len < 1000000; len++) {
        size_t before = entry_memory(entry);

        entry = entry_resize(entry, len);
        grown += entry_memory(entry) != before;
    }
    assert_true(grown < 60);
    assert_true(entry_memory(entry) < 1600000);
    entry_free(entry);
}

static void a_leap_takes_what_it_needs(void **state)
{
    struct entry *entry = entry_new_string(SLICE("key"), SLICE("abc"), ENTRY_NO_DEADLINE);

    (void)state;
    entry = entry_resize(entry, 1 << 20);
    assert_int_equal(entry_memory(entry), mem_class((1 << 20) + 3 + 16));
    entry_free(entry);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_is_kept_through_deadlines),
        cmocka_unit_test(integers_are_told_by_their_text),
        cmocka_unit_test(a_small_string_takes_the_class_of_64_bytes),
        cmocka_unit_test(random_changes_leave_what_a_plain_copy_has),
        cmocka_unit_test(overwriting_does_not_waste_more_than_half),
        cmocka_unit_test(appending_is_linear_in_all),
        cmocka_unit_test(a_leap_takes_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
