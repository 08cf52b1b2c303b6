/* Lengths, strings and numbers of RDB: what is written comes back, bytes made by hand are read, and
 * every cut is a fault. */
#include "core/type/rdb.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/rng.h"
#include "tests/support/test.h"

static struct rdb_in reader(const void *bytes, size_t len, struct fault *fault)
{
    return (struct rdb_in){.at = bytes, .end = (const uint8_t *)bytes + len, .offset = len,
                           .version = RDB_VERSION_USUAL, .foreign = true, .fault = fault};
}

static void lengths_take_the_shortest_form_and_come_back(void **state)
{
    static const struct {
        uint64_t len;
        size_t bytes;
    } cases[] = {{0, 1}, {63, 1}, {64, 2}, {16383, 2}, {16384, 5}, {UINT32_MAX, 5},
                 {1ull << 32, 9}, {UINT64_MAX, 9}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf buf = {0};
        struct rdb_out out = {.buf = &buf, .version = RDB_VERSION_USUAL};
        struct rdb_in in;
        uint64_t len;

        rdb_put_len(&out, cases[i].len);
        assert_int_equal(buf.len, cases[i].bytes);
        for (size_t cut = 0; cut < buf.len; cut++) {
            in = reader(buf.data, cut, NULL);
            assert_int_equal(rdb_get_len(&in, &len), KV_EFORMAT);
        }
        in = reader(buf.data, buf.len, NULL);
        assert_int_equal(rdb_get_len(&in, &len), 0);
        assert_true(len == cases[i].len);
        assert_true(rdb_offset(&in) == buf.len);
        buf_free(&buf);
    }
}

static void round_trip(struct slice text, bool compress, size_t bytes_most)
{
    struct buf buf = {0};
    struct rdb_out out = {.buf = &buf, .version = RDB_VERSION_USUAL, .compress = compress};
    struct rdb_in in;
    struct slice back;

    rdb_put_string(&out, text);
    assert_true(buf.len <= bytes_most);
    for (size_t cut = 0; cut < buf.len; cut++) {
        struct fault fault = {0};
        uint8_t *tight = malloc(cut + 1);

        memcpy(tight, buf.data, cut);
        in = reader(tight, cut, &fault);
        assert_int_equal(rdb_get_string(&in, &back), KV_EFORMAT);
        assert_int_equal(fault.code, KV_EFORMAT);
        assert_true(fault.text[0] != '\0');
        rdb_in_free(&in);
        free(tight);
    }
    in = reader(buf.data, buf.len, NULL);
    assert_int_equal(rdb_get_string(&in, &back), 0);
    assert_true(slice_equal(text, back));
    assert_ptr_equal(in.at, in.end);
    rdb_in_free(&in);
    buf_free(&buf);
}

static void strings_come_back_and_integers_are_short(void **state)
{
    char long_text[500];

    (void)state;
    memset(long_text, 'q', sizeof long_text);
    round_trip(SLICE(""), true, 1);
    round_trip(SLICE("text"), true, 5);
    round_trip(SLICE("0"), true, 2);
    round_trip(SLICE("-128"), true, 2);
    round_trip(SLICE("128"), true, 3);
    round_trip(SLICE("-32768"), true, 3);
    round_trip(SLICE("32768"), true, 5);
    round_trip(SLICE("2147483647"), true, 5);
    round_trip(SLICE("-2147483648"), true, 5);
    round_trip(SLICE("2147483648"), true, 11);
    round_trip(SLICE("007"), true, 4);
    round_trip(SLICE("-0"), true, 3);
    round_trip((struct slice){long_text, sizeof long_text}, true, 30);
    round_trip((struct slice){long_text, sizeof long_text}, false, 502);
    round_trip(SLICE("abcdefghijklmnopqrstuvwxyz0123456789"), true, 37);
}

static void strings_made_by_hand_are_read(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
        {"\xc0\xff", 2, "-1"},
        {"\xc1\x00\x80", 3, "-32768"},
        {"\xc2\xff\xff\xff\x7f", 5, "2147483647"},
        {"\xc3\x06\x06\x02" "abc\x20\x02", 9, "abcabc"},
        {"\x80\x00\x00\x00\x02xy", 7, "xy"},
        {"\x81\x00\x00\x00\x00\x00\x00\x00\x01z", 10, "z"},
        {"\x40\x01z", 3, "z"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rdb_in in = reader(cases[i].bytes, cases[i].len, NULL);
        struct slice text;

        assert_int_equal(rdb_get_string(&in, &text), 0);
        assert_true(slice_equal(text, slice_of(cases[i].text)));
        assert_ptr_equal(in.at, in.end);
        rdb_in_free(&in);
    }
}

static void a_length_beyond_the_input_allocates_nothing(void **state)
{
    static const struct slice cases[] = {
        SLICE("\x81\x7f\xff\xff\xff\xff\xff\xff\xff" "abc"), SLICE("\x80\xff\xff\xff\xff" "abc"),
        SLICE("\x82\x01"), SLICE("\xc4\x01"), SLICE("\xc3\x03\x80\x7f\xff\xff\xff\x02" "abc"),
        SLICE("\xc3\x81\xff\xff\xff\xff\xff\xff\xff\xff\x81\xff\xff\xff\xff\xff\xff\xff\xff" "a"),
        SLICE("\xc3\xc0\x01\x01" "a"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rdb_in in = reader(cases[i].data, cases[i].len, NULL);
        struct slice text;

        assert_int_equal(rdb_get_string(&in, &text), KV_EFORMAT);
        assert_int_equal(in.scratch.cap, 0);
        rdb_in_free(&in);
    }
}

static void numbers_come_back_and_no_number_is_refused(void **state)
{
    static const double values[] = {0, -1.5, 1e300, INFINITY, -INFINITY, 5e-324};
    static const char text[] = "\x03" "1.5" "\xfe" "\xff" "\x02-7";
    struct buf buf = {0};
    struct rdb_out out = {.buf = &buf};
    struct rdb_in in;
    double value;
    uint64_t word;

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        rdb_put_double(&out, values[i]);
    rdb_put_u64(&out, 0x0102030405060708ull);
    rdb_put_double(&out, NAN);
    in = reader(buf.data, buf.len, NULL);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(rdb_get_double(&in, &value), 0);
        assert_true(value == values[i]);
    }
    assert_int_equal(*in.at, 8);
    assert_int_equal(rdb_get_u64(&in, &word), 0);
    assert_true(word == 0x0102030405060708ull);
    assert_int_equal(rdb_get_double(&in, &value), KV_EFORMAT);
    buf_free(&buf);

    in = reader(text, sizeof text - 1, NULL);
    assert_int_equal(rdb_get_double_text(&in, &value), 0);
    assert_true(value == 1.5);
    assert_int_equal(rdb_get_double_text(&in, &value), 0);
    assert_true(value == INFINITY);
    assert_int_equal(rdb_get_double_text(&in, &value), 0);
    assert_true(value == -INFINITY);
    assert_int_equal(rdb_get_double_text(&in, &value), 0);
    assert_true(value == -7);
    in = reader("\xfd", 1, NULL);
    assert_int_equal(rdb_get_double_text(&in, &value), KV_EFORMAT);
    in = reader("\x03" "1x5", 4, NULL);
    assert_int_equal(rdb_get_double_text(&in, &value), KV_EFORMAT);
}

/* A source that has one byte more at each call, in a block of its own. */
struct drip {
    const uint8_t *all;
    size_t len, given;
    uint8_t *block;
};

static bool drip_refill(struct rdb_in *in, size_t wanted)
{
    struct drip *drip = in->env;
    size_t from = drip->given - (size_t)(in->end - in->at);
    uint8_t *block;

    if (wanted > drip->len - from)
        return false;
    block = malloc(wanted + 1);
    memcpy(block, drip->all + from, wanted);
    free(drip->block);
    drip->block = block;
    drip->given = from + wanted;
    in->at = block;
    in->end = block + wanted;
    in->offset = drip->given;
    return true;
}

static void a_source_in_small_pieces_reads_the_same(void **state)
{
    static const char bytes[] = "\x05hello\xc0\x07\xc3\x06\x06\x02" "abc\x20\x02\x09" "123";
    struct drip drip = {.all = (const uint8_t *)bytes, .len = sizeof bytes - 1};
    struct fault fault = {0};
    struct rdb_in in = {.refill = drip_refill, .env = &drip, .fault = &fault};
    struct slice text;

    (void)state;
    assert_int_equal(rdb_get_string(&in, &text), 0);
    assert_true(slice_equal(text, SLICE("hello")));
    assert_int_equal(rdb_get_string(&in, &text), 0);
    assert_true(slice_equal(text, SLICE("7")));
    assert_int_equal(rdb_get_string(&in, &text), 0);
    assert_true(slice_equal(text, SLICE("abcabc")));
    assert_true(rdb_offset(&in) == 17);
    assert_int_equal(rdb_get_string(&in, &text), KV_EFORMAT);
    assert_int_equal(fault.offset, 18);
    rdb_in_free(&in);
    free(drip.block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_take_the_shortest_form_and_come_back),
        cmocka_unit_test(strings_come_back_and_integers_are_short),
        cmocka_unit_test(strings_made_by_hand_are_read),
        cmocka_unit_test(a_length_beyond_the_input_allocates_nothing),
        cmocka_unit_test(numbers_come_back_and_no_number_is_refused),
        cmocka_unit_test(a_source_in_small_pieces_reads_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
