/* The # lines: what is written is read back, and nothing else is such a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "persistence/format.h"

#define KVID "0123456789abcdef0123456789abcdef"

static const struct format_header some_header = {
    .kvid = KVID, .salt = 0x1122334455667788, .first_batch = 12, .first_seq = 3456,
    .previous_crc = 0xdeadbeef,
};

static void a_header_reads_back_as_it_was_written(void **state unused)
{
    char line[FORMAT_HEADER_MAX];
    struct format_header got;
    size_t len = format_put_header(line, &some_header);

    assert_true(format_get_header((struct slice){line, len}, &got));
    assert_string_equal(got.kvid, KVID);
    assert_int_equal(got.salt, some_header.salt);
    assert_int_equal(got.first_batch, 12);
    assert_int_equal(got.first_seq, 3456);
    assert_int_equal(got.previous_crc, 0xdeadbeef);
    assert_memory_equal(line, "#KVF:v1:" KVID ":1122334455667788:12:3456:deadbeef:", 75);
}

static void a_trailer_reads_back_as_it_was_written(void **state unused)
{
    char line[FORMAT_TRAILER_MAX], expected[FORMAT_TRAILER_MAX];
    struct format_trailer put = {.batch = 7, .seq = 99, .offset = 1234, .len = 55,
                                 .durable_batch = 6};
    struct format_trailer got;
    size_t digits, len = format_put_trailer(line, &put, 42);

    assert_true(format_get_trailer((struct slice){line, len}, &got, &digits));
    assert_int_equal(got.batch, 7);
    assert_int_equal(got.seq, 99);
    assert_int_equal(got.offset, 1234);
    assert_int_equal(got.len, 55);
    assert_int_equal(got.durable_batch, 6);
    assert_int_equal(got.crc, put.crc);
    assert_int_equal(got.crc, crc32_bytes(42, line, digits));
    snprintf(expected, sizeof expected, "#KVC:v1:7:99:1234:55:6:%08x\r\n", put.crc);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(line, expected, len);
}

static void the_largest_numbers_fit_a_line(void **state unused)
{
    char header_line[FORMAT_HEADER_MAX], trailer_line[FORMAT_TRAILER_MAX];
    struct format_header header = some_header;
    struct format_trailer trailer = {.batch = INT64_MAX, .seq = INT64_MAX, .offset = INT64_MAX,
                                     .len = INT64_MAX, .durable_batch = INT64_MAX};
    size_t digits;

    header.first_batch = header.first_seq = INT64_MAX;
    assert_true(format_put_header(header_line, &header) <= FORMAT_HEADER_MAX);
    assert_true(format_put_trailer(trailer_line, &trailer, 0) <= FORMAT_TRAILER_MAX);
    assert_true(format_get_trailer(
        (struct slice){trailer_line, format_put_trailer(trailer_line, &trailer, 0)}, &trailer,
        &digits));
}

/* Property: no line but the one written reads as a header. Every byte is changed in every bit, the
 * line is cut at every length and made longer. */
static void no_other_line_is_a_header(void **state unused)
{
    char line[FORMAT_HEADER_MAX + 1];
    struct format_header got;
    size_t len = format_put_header(line, &some_header);

    for (size_t i = 0; i < len; i++) {
        assert_false(format_get_header((struct slice){line, i}, &got));
        for (int bit = 0; bit < 8; bit++) {
            line[i] = (char)(line[i] ^ 1 << bit);
            assert_false(format_get_header((struct slice){line, len}, &got));
            line[i] = (char)(line[i] ^ 1 << bit);
        }
    }
    line[len] = '\n';
    assert_false(format_get_header((struct slice){line, len + 1}, &got));
}

/* Property: what reads as a trailer is written the same again; its crc is the caller's to check. */
static void a_trailer_is_read_strictly(void **state unused)
{
    char line[FORMAT_TRAILER_MAX + 1];
    struct format_trailer put = {.batch = 7, .seq = 99, .offset = 1234, .len = 55,
                                 .durable_batch = 6};
    struct format_trailer got;
    size_t digits, len = format_put_trailer(line, &put, 42);
    static const char *const bad[] = {
        "", "#", "#KVC:v1:", "#KVC:v1:1:2:3:4:5:0123456g\r\n", "#KVC:v1:1:2:3:4:5:0123456A\r\n",
        "#KVC:v1:01:2:3:4:5:01234567\r\n", "#KVC:v1:+1:2:3:4:5:01234567\r\n",
        "#KVC:v1:-1:2:3:4:5:01234567\r\n", "#KVC:v1:1:2:3:4:5:1234567\r\n",
        "#KVC:v1:1:2:3:4:5:01234567\n", "#KVC:v1:1:2:3:4:01234567\r\n",
        "#KVC:v1:1:2:3:4:5:6:01234567\r\n", "#KVC:v2:1:2:3:4:5:01234567\r\n",
        "#KVC:v1:9223372036854775808:2:3:4:5:01234567\r\n", "#KVC:v1::2:3:4:5:01234567\r\n",
        "#KVC:v1:1:2:3:4:5:01234567\r\r",
    };

    for (size_t i = 0; i < len; i++)
        assert_false(format_get_trailer((struct slice){line, i}, &got, &digits));
    line[len] = '\n';
    assert_false(format_get_trailer((struct slice){line, len + 1}, &got, &digits));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(format_get_trailer(slice_of(bad[i]), &got, &digits));
    assert_true(format_get_trailer(SLICE("#KVC:v1:0:2:3:4:5:01234567\r\n"), &got, &digits));
}

static void a_time_stamp_reads_back(void **state unused)
{
    char line[FORMAT_TIMESTAMP_MAX];
    int64_t seconds;
    size_t len = format_put_timestamp(line, 1700000000);

    assert_true(format_get_timestamp((struct slice){line, len}, &seconds));
    assert_int_equal(seconds, 1700000000);
    assert_memory_equal(line, "#TS:1700000000\r\n", len);
    assert_false(format_get_timestamp(SLICE("#TS:\r\n"), &seconds));
    assert_false(format_get_timestamp(SLICE("#TS:17\n"), &seconds));
    assert_false(format_get_timestamp(SLICE("#TS:17\r\n\n"), &seconds));
    assert_false(format_get_timestamp(SLICE("#TS:1 7\r\n"), &seconds));
}

static void another_salt_or_crc_gives_another_seed(void **state unused)
{
    assert_int_equal(format_seed(1, 2), format_seed(1, 2));
    assert_int_not_equal(format_seed(1, 2), format_seed(1, 3));
    assert_int_not_equal(format_seed(1, 2), format_seed(2, 2));
    assert_int_not_equal(format_seed(0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_reads_back_as_it_was_written),
        cmocka_unit_test(a_trailer_reads_back_as_it_was_written),
        cmocka_unit_test(the_largest_numbers_fit_a_line),
        cmocka_unit_test(no_other_line_is_a_header),
        cmocka_unit_test(a_trailer_is_read_strictly),
        cmocka_unit_test(a_time_stamp_reads_back),
        cmocka_unit_test(another_salt_or_crc_gives_another_seed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
