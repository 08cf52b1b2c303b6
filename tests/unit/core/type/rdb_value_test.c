/* Whole values by tag: strings come back, unknown tags and modules say so. */
#include "core/type/rdb_value.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "tests/support/test.h"

static void strings_come_back_in_their_encoding(void **state)
{
    static const char *const texts[] = {"", "text", "123", "-9223372036854775808", "12345678901"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct entry *entry = entry_new_string(SLICE("k"), slice_of(texts[i]), 77), *back;
        struct buf buf = {0};
        struct rdb_out out = {.buf = &buf, .version = rdb_version_of(entry)};
        struct rdb_in in = {0};
        char digits[24];
        bool empty;

        assert_int_equal(out.version, RDB_VERSION_USUAL);
        assert_int_equal(rdb_tag_of(entry, out.version), RDB_STRING);
        rdb_put_value(&out, entry);
        in.at = (const uint8_t *)buf.data;
        in.end = in.at + buf.len;
        in.offset = buf.len;
        assert_int_equal(rdb_get_value(&in, RDB_STRING, SLICE("key"), 78, &back, &empty), 0);
        assert_false(empty);
        assert_true(slice_equal(entry_key(back), SLICE("key")));
        assert_int_equal(entry_deadline(back), 78);
        assert_int_equal(entry_encoding(back), entry_encoding(entry));
        assert_true(slice_equal(entry_string(back, digits), slice_of(texts[i])));
        rdb_in_free(&in);
        buf_free(&buf);
        entry_free(back);
        entry_free(entry);
    }
}

static void tags_that_nobody_reads_say_so(void **state)
{
    static const uint8_t tags[] = {RDB_MODULE, RDB_MODULE_2, 8, 26, 99, 243, 255};
    struct entry *entry;
    bool empty;

    (void)state;
    for (size_t i = 0; i < sizeof tags; i++) {
        const uint8_t bytes[] = {1, 2, 3};
        struct fault fault = {0};
        struct rdb_in in = {.at = bytes, .end = bytes + 3, .offset = 3, .fault = &fault};

        assert_int_equal(rdb_get_value(&in, tags[i], SLICE("k"), 0, &entry, &empty), KV_EVERSION);
        assert_null(entry);
        assert_non_null(strstr(fault.text, tags[i] == RDB_MODULE || tags[i] == RDB_MODULE_2
                                               ? "module" : "not known"));
        assert_int_equal(fault.offset, 0);
    }
}

static void some_tags_are_not_those_of_valkey(void **state)
{
    static const uint8_t tags[] = {RDB_HASH_LISTPACK_EX_PRE, RDB_HASH_METADATA,
                                   RDB_HASH_LISTPACK_EX};
    struct entry *entry;
    bool empty;

    (void)state;
    for (size_t i = 0; i < sizeof tags; i++) {
        struct rdb_in in = {.valkey = true};

        assert_int_equal(rdb_get_value(&in, tags[i], SLICE("k"), 0, &entry, &empty), KV_EVERSION);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_come_back_in_their_encoding),
        cmocka_unit_test(tags_that_nobody_reads_say_so),
        cmocka_unit_test(some_tags_are_not_those_of_valkey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
