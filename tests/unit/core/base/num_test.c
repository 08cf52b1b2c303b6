/* Numbers to text and back; the answers are those of redis-server where it has one. */
#include "core/base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/rng.h"

static void an_integer_is_read_in_its_one_form_only(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"-1", -1},
                {"10", 10},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN},
                {"1000000000000000000", 1000000000000000000}};
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      "01",
                                      "-0",
                                      "00",
                                      " 1",
                                      "1 ",
                                      "1a",
                                      "0x1",
                                      "1.0",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "100000000000000000000"};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(num_parse_i64(slice_of(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(num_parse_i64(slice_of(bad[i]), &value));
    assert_false(num_parse_i64((struct slice){"1\0", 2}, &value));
    assert_false(num_parse_i64((struct slice){NULL, 0}, &value));
}

static void an_unsigned_integer_is_read_up_to_its_limit(void **state)
{
    uint64_t value;

    (void)state;
    assert_true(num_parse_u64(SLICE("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(num_parse_u64(SLICE("18446744073709551610"), &value));
    assert_false(num_parse_u64(SLICE("18446744073709551616"), &value));
    assert_false(num_parse_u64(SLICE("20000000000000000000"), &value));
    assert_false(num_parse_u64(SLICE("-1"), &value));
}

static void integers_come_back_as_they_were_written(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 1);
    for (int i = 0; i < 200000; i++) {
        int64_t value = (int64_t)rng_next(&rng) >> (i % 64), back;
        uint64_t plain = rng_next(&rng) >> (i % 64), plain_back;
        char text[NUM_I64_MAX_CHARS + 1], wanted[32];
        size_t len = num_format_i64(text, value);

        text[len] = '\0';
        snprintf(wanted, sizeof(wanted), "%lld", (long long)value);
        assert_string_equal(text, wanted);
        assert_true(num_parse_i64((struct slice){text, len}, &back));
        assert_true(back == value);
        len = num_format_u64(text, plain);
        assert_true(num_parse_u64((struct slice){text, len}, &plain_back));
        assert_true(plain_back == plain);
    }
}

static void bytes_are_written_in_hex(void **state)
{
    (void)state;
    char text[9];
    num_format_hex(text, "\x00\x9f\xff\x10", 4);
    assert_string_equal(text, "009fff10");
    num_format_hex(text, "", 0);
    assert_string_equal(text, "");
}

static void check_double(double value, const char *wanted)
{
    char text[NUM_DOUBLE_MAX_CHARS + 1];

    text[num_format_double(text, value)] = '\0';
    assert_string_equal(text, wanted);
}

static void a_double_is_written_as_clients_know_it(void **state)
{
    (void)state;
    check_double(3, "3");
    check_double(0, "0");
    check_double(-0.0, "-0");
    check_double(0.1, "0.1");
    check_double(-1.5, "-1.5");
    check_double(1e20, "1e+20");
    check_double(1e17, "1e+17");
    check_double(1e16, "10000000000000000");
    check_double(-1e16, "-10000000000000000");
    check_double(12345678901234568, "12345678901234568");
    check_double(123456789.125, "123456789.125");
    check_double(0.30000000000000004, "0.30000000000000004");
    check_double(1.0 / 3, "0.3333333333333333");
    check_double(0.0001, "0.0001");
    check_double(0.00001, "1e-05");
    check_double(HUGE_VAL, "inf");
    check_double(-HUGE_VAL, "-inf");
    check_double(5e-324, "5e-324");
    check_double(DBL_MAX, "1.7976931348623157e+308");
    check_double(-DBL_MAX, "-1.7976931348623157e+308");
    check_double(-2.2250738585072014e-308, "-2.2250738585072014e-308");
    check_double((double)NAN, "nan");
}

/* Doubles of all magnitudes, and those with few decimals that people use: the text reads back as
 * the same double, by us and by strtod, and no shorter %.*g does. */
static void a_double_comes_back_from_its_shortest_text(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 2);
    for (int i = 0; i < 200000; i++) {
        char text[NUM_DOUBLE_MAX_CHARS + 1], other[400];
        uint64_t bits = rng_next(&rng);
        double value, back;
        size_t len;
        int precision = 1;

        if (i % 3 == 0)
            memcpy(&value, &bits, sizeof(value));
        else if (i % 3 == 1)
            value = (double)(int64_t)(bits >> 8) / pow(10, (double)(bits % 18));
        else
            value = (double)(bits % 1000000) / (double)(1 + (bits >> 50));
        if (isnan(value))
            continue;
        len = num_format_double(text, value);
        text[len] = '\0';
        assert_true(len < NUM_DOUBLE_MAX_CHARS);
        assert_true(num_parse_double((struct slice){text, len}, &back));
        assert_true(back == value);
        assert_true(strtod(text, NULL) == value);
        if (fabs(value) < 1e17 && floor(value) == value)
            continue;
        do
            snprintf(other, sizeof(other), "%.*g", precision++, value);
        while (strtod(other, NULL) != value);
        assert_string_equal(text, other);
    }
}

static void doubles_are_read_whole_or_not_at_all(void **state)
{
    static const char *const bad[] = {"",    " 1",  "1 ",    "nan",    "-nan", "1e",  "1e400", ".",
                                      "--1", "1.5x", "1e-400", "-1e400", "\n1",  "1,5", "-",
                                      "1..2"};
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},         {"+1", 1},         {"1.5", 1.5},   {".5", 0.5},
                {"5.", 5},        {"0x10", 16},      {"inf", HUGE_VAL}, {"-Infinity", -HUGE_VAL},
                {"1e3", 1000},    {"4.9e-324", 5e-324}, {"-0.25", -0.25}, {"007", 7},
                {"0.1", 0.1},     {"123456789.123456789", 123456789.123456789}};
    double value;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(num_parse_double(slice_of(bad[i]), &value));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(num_parse_double(slice_of(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    assert_true(num_parse_double(SLICE("-0"), &value));
    assert_true(signbit(value));
    assert_false(num_parse_double((struct slice){"1\0", 2}, &value));
}

static void short_decimals_are_read_as_strtod_reads_them(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 200000; i++) {
        char text[48];
        double value;
        int len = snprintf(text, sizeof(text), "%s%llu.%0*llu", i % 2 ? "-" : "",
                           (unsigned long long)(rng_next(&rng) >> (30 + i % 34)), i % 9,
                           (unsigned long long)(rng_next(&rng) >> (40 + i % 24)));

        assert_true(num_parse_double((struct slice){text, (size_t)len}, &value));
        assert_true(value == strtod(text, NULL));
    }
}

static void check_long_double(const char *text, const char *wanted)
{
    char out[NUM_LONG_DOUBLE_MAX_CHARS];
    long double value;
    size_t len;

    assert_true(num_parse_long_double(slice_of(text), &value));
    len = num_format_long_double(out, sizeof(out) - 1, value);
    out[len] = '\0';
    assert_string_equal(out, wanted);
}

static void a_long_double_is_written_without_an_exponent(void **state)
{
    char out[NUM_LONG_DOUBLE_MAX_CHARS];
    long double value;

    (void)state;
    check_long_double("3", "3");
    check_long_double("3.0", "3");
    check_long_double("0.1", "0.1");
    check_long_double("10.50", "10.5");
    check_long_double("-5e3", "-5000");
    check_long_double("1e16", "10000000000000000");
    check_long_double("100", "100");
    check_long_double("-0", "0");
    check_long_double("-1e-20", "0");
    check_long_double("0x10", "16");
    check_long_double("inf", "inf");
    assert_int_equal(num_format_long_double(out, sizeof(out), LDBL_MAX), 4933);
    assert_int_equal(num_format_long_double(out, 2, 100), 0);
    assert_int_equal(num_format_long_double(out, 3, 100), 3);
    assert_false(num_parse_long_double(SLICE("nan"), &value));
    assert_false(num_parse_long_double(SLICE(" 1"), &value));
    assert_false(num_parse_long_double(SLICE("1e5000"), &value));
    assert_false(num_parse_long_double(SLICE("1e-5000"), &value));
    assert_false(num_parse_long_double(SLICE(""), &value));
}

static void a_number_as_long_as_a_page_is_refused(void **state)
{
    char text[6000];
    double value;

    (void)state;
    memset(text, '1', sizeof(text));
    assert_false(num_parse_double((struct slice){text, sizeof(text)}, &value));
    assert_true(num_parse_double((struct slice){text, 300}, &value));
}

static void sizes_have_units(void **state)
{
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},          {"100", 100},       {"1b", 1},
                {"1k", 1000},      {"1kb", 1024},      {"64mb", 64 << 20},
                {"2M", 2000000},   {"1GB", 1 << 30},   {"3g", 3000000000},
                {"9223372036854775807", INT64_MAX}};
    static const char *const bad[] = {"",     "kb",  "-1",   "1tb", "1 kb",
                                      "1kb ", "1.5mb", "9223372036854775807k",
                                      "99999999999999999999"};
    int64_t value;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(num_parse_memory(slice_of(good[i].text), &value));
        assert_int_equal(value, good[i].value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(num_parse_memory(slice_of(bad[i]), &value));
}

static void check_human(uint64_t bytes, const char *wanted)
{
    char out[32];

    out[num_format_human(out, bytes)] = '\0';
    assert_string_equal(out, wanted);
}

static void sizes_are_shown_to_two_decimals(void **state)
{
    (void)state;
    check_human(0, "0B");
    check_human(1023, "1023B");
    check_human(1024, "1.00K");
    check_human(1536 * 1024, "1.50M");
    check_human((uint64_t)2 << 30, "2.00G");
    check_human((uint64_t)5 << 40, "5.00T");
    check_human(UINT64_MAX, "16.00E");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_integer_is_read_in_its_one_form_only),
        cmocka_unit_test(an_unsigned_integer_is_read_up_to_its_limit),
        cmocka_unit_test(integers_come_back_as_they_were_written),
        cmocka_unit_test(bytes_are_written_in_hex),
        cmocka_unit_test(a_double_is_written_as_clients_know_it),
        cmocka_unit_test(a_double_comes_back_from_its_shortest_text),
        cmocka_unit_test(doubles_are_read_whole_or_not_at_all),
        cmocka_unit_test(short_decimals_are_read_as_strtod_reads_them),
        cmocka_unit_test(a_long_double_is_written_without_an_exponent),
        cmocka_unit_test(a_number_as_long_as_a_page_is_refused),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(sizes_are_shown_to_two_decimals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
