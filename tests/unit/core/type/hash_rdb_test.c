/* Hashes in RDB: what is written is read again the same, in every form that is read; what is cut or
 * damaged is refused, and nothing is left behind. */
#include "core/type/hash_rdb.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/fault.h"
#include "core/base/rng.h"
#include "core/ds/listpack.h"
#include "core/type/hash.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "tests/support/test.h"

static const struct type_limits usual = {.hash_entries = 512, .hash_value_bytes = 64};

static struct hash make(int count, bool deadlines, const struct type_limits *limits)
{
    struct hash hash = hash_new();

    for (int i = 0; i < count; i++) {
        char name[24], value[24];

        snprintf(name, sizeof(name), i % 2 ? "%d" : "field:%d", i);
        snprintf(value, sizeof(value), i % 5 ? "%d" : "value:%d", i * 1000);
        hash_set(&hash, limits, slice_of(name), slice_of(value),
                 deadlines && i % 3 ? 1700000000000 + 7 * i : HASH_NO_DEADLINE);
    }
    return hash;
}

static void assert_same(struct hash a, struct hash b, bool deadlines)
{
    struct hash_item item, other;
    struct hash_walk walk;

    assert_int_equal(hash_count(a), hash_count(b));
    hash_walk_start(&walk, a);
    while (hash_walk_next(&walk, &item)) {
        assert_true(hash_get(b, item.field, &other));
        assert_true(slice_equal(item.value, other.value));
        if (deadlines)
            assert_int_equal(item.deadline_ms, other.deadline_ms);
    }
}

static void encode(struct hash hash, int version, struct buf *out)
{
    struct rdb_out to = {.buf = out, .version = version};
    uint64_t cursor = 0;

    if (!hash_rdb_begin(hash.encoding, hash.value, &to))
        return;
    do
        cursor = hash_rdb_node(hash.encoding, hash.value, cursor, &to);
    while (cursor != 0);
}

/* The code of decoding; *hash has no value if nothing came. */
static int decode(uint8_t tag, const void *bytes, size_t len, bool valkey, struct hash *hash)
{
    struct fault fault = {0};
    /* A copy of its own, so that a sanitizer sees a read behind the end. */
    uint8_t *copy = malloc(len + 1);
    struct rdb_in in = {.at = copy,
                        .end = copy + len,
                        .offset = len,
                        .version = 12,
                        .valkey = valkey,
                        .foreign = true,
                        .limits = &usual,
                        .fault = &fault};
    int code;

    if (len > 0)
        memcpy(copy, bytes, len);
    hash->value = NULL;
    code = hash_rdb_decode(tag, &in, &hash->encoding, &hash->value);
    assert_true(code == 0 || hash->value == NULL);
    assert_true(code == 0 || fault.code != 0);
    if (code == 0 && hash->value != NULL)
        hash_check(*hash);
    rdb_in_free(&in);
    free(copy);
    return code;
}

static void all_cuts_fail(uint8_t tag, const struct buf *bytes, bool valkey)
{
    struct hash hash;

    for (size_t len = 0; len < bytes->len; len += 1 + len / 300)
        assert_int_not_equal(decode(tag, bytes->data, len, valkey, &hash), 0);
}

static void what_is_written_is_read_again(void **state)
{
    static const int counts[] = {1, 2, 20, 512, 513, 3000};
    static const struct type_limits none = {.hash_entries = 0};

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        bool deadlines = i % 2, large = i / 2 % 2;
        struct hash hash = make(counts[i / 4], deadlines, large ? &none : &usual), again;

        for (int version = 9; version <= 12; version++) {
            uint8_t tag = hash_rdb_tag(hash.encoding, hash.value, version);
            struct buf bytes = {0};
            bool kept = deadlines && version == 12 && counts[i / 4] > 1;

            assert_int_equal(tag == RDB_HASH_METADATA, kept);
            encode(hash, version, &bytes);
            assert_int_equal(decode(tag, bytes.data, bytes.len, false, &again), 0);
            assert_same(hash, again, kept);
            assert_int_equal(again.encoding == ENCODING_LISTPACK,
                             counts[i / 4] <= 512 && !kept);
            hash_free(again);
            if (version >= 10)
                all_cuts_fail(tag, &bytes, false);
            buf_free(&bytes);
        }
        hash_free(hash);
    }
}

static void the_version_says_whether_fields_expire(void **state)
{
    struct hash with = make(5, true, &usual), without = make(5, false, &usual);

    (void)state;
    assert_int_equal(hash_rdb_version(with.encoding, with.value), 12);
    assert_int_equal(hash_rdb_version(without.encoding, without.value), 10);
    assert_int_equal(hash_rdb_tag(without.encoding, without.value, 12), RDB_HASH_LISTPACK);
    assert_int_equal(hash_rdb_tag(without.encoding, without.value, 9), RDB_HASH);
    hash_free(with);
    hash_free(without);
}

/* The forms that are only read, made by hand for the fields a (no deadline) and b (at 5000). */
static struct buf by_hand(uint8_t tag, bool valkey)
{
    static const char *const names[] = {"a", "b"};
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = 12};
    uint8_t *listpack = listpack_new(0);
    bool is_listpack = tag == RDB_HASH_LISTPACK_EX || tag == RDB_HASH_LISTPACK_EX_PRE;

    if (tag == RDB_HASH_LISTPACK_EX)
        rdb_put_u64(&out, 5000);
    if (!is_listpack)
        rdb_put_len(&out, 2);
    for (int i = 0; i < 2; i++) {
        if (is_listpack) {
            listpack = listpack_append(listpack, slice_of(names[i]));
            listpack = listpack_append(listpack, SLICE("12"));
            listpack = listpack_append_int(listpack, i * 5000);
            continue;
        }
        if (!valkey)
            rdb_put_len(&out, (uint64_t)i * 5000);
        rdb_put_string(&out, slice_of(names[i]));
        rdb_put_string(&out, SLICE("12"));
        if (valkey)
            rdb_put_u64(&out, i == 0 ? UINT64_MAX : 5000);
    }
    if (is_listpack)
        rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
    listpack_free(listpack);
    return bytes;
}

static void every_form_with_deadlines_is_read(void **state)
{
    static const struct {
        uint8_t tag;
        bool valkey;
    } forms[] = {{RDB_HASH_METADATA_PRE, false},
                 {RDB_HASH_LISTPACK_EX_PRE, false},
                 {RDB_HASH_LISTPACK_EX, false},
                 {RDB_HASH_2_VALKEY, true}};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct buf bytes = by_hand(forms[i].tag, forms[i].valkey);
        struct hash_item item;
        struct hash hash;

        assert_int_equal(
            decode(forms[i].tag, bytes.data, bytes.len, forms[i].valkey, &hash), 0);
        assert_int_equal(hash_count(hash), 2);
        assert_true(hash_get(hash, SLICE("a"), &item));
        assert_int_equal(item.deadline_ms, HASH_NO_DEADLINE);
        assert_true(hash_get(hash, SLICE("b"), &item));
        assert_int_equal(item.deadline_ms, 5000);
        assert_true(slice_equal(item.value, SLICE("12")));
        hash_free(hash);
        all_cuts_fail(forms[i].tag, &bytes, forms[i].valkey);
        buf_free(&bytes);
    }
}

/* A listpack of these elements as a string. */
static struct buf packed(const char *const *words, size_t count)
{
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = 12};
    uint8_t *listpack = listpack_new(0);

    for (size_t i = 0; i < count; i++)
        listpack = listpack_append(listpack, slice_of(words[i]));
    rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
    listpack_free(listpack);
    return bytes;
}

static void assert_refused(uint8_t tag, const char *const *words, size_t count)
{
    struct buf bytes = packed(words, count);
    struct hash hash;

    assert_int_equal(decode(tag, bytes.data, bytes.len, false, &hash), KV_EFORMAT);
    buf_free(&bytes);
}

static void a_field_that_comes_twice_is_damage(void **state)
{
    static const char *const twice[] = {"a", "1", "b", "2", "a", "3"};
    static const char *const odd[] = {"a", "1", "b"};
    static const char *const negative[] = {"a", "1", "-5"};
    static const char *const no_number[] = {"a", "1", "x"};
    const char *many[2 * 40];
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = 12};
    char names[40][16];
    struct hash hash;

    (void)state;
    assert_refused(RDB_HASH_LISTPACK, twice, 6);
    assert_refused(RDB_HASH_LISTPACK, odd, 3);
    assert_refused(RDB_HASH_LISTPACK_EX_PRE, twice, 6);
    assert_refused(RDB_HASH_LISTPACK_EX_PRE, odd, 2);
    assert_refused(RDB_HASH_LISTPACK_EX_PRE, negative, 3);
    assert_refused(RDB_HASH_LISTPACK_EX_PRE, no_number, 3);
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof(names[i]), "%d", i == 33 ? 4 : i);
        many[2 * i] = names[i];
        many[2 * i + 1] = "v";
    }
    assert_refused(RDB_HASH_LISTPACK, many, 80);
    rdb_put_len(&out, 2);
    for (int i = 0; i < 4; i++)
        rdb_put_string(&out, SLICE("same"));
    assert_int_equal(decode(RDB_HASH, bytes.data, bytes.len, false, &hash), KV_EFORMAT);
    buf_free(&bytes);
}

static void no_fields_are_no_hash(void **state)
{
    struct buf empty = packed(NULL, 0);
    struct hash hash;

    (void)state;
    assert_int_equal(decode(RDB_HASH, "\0", 1, false, &hash), 0);
    assert_null(hash.value);
    assert_int_equal(decode(RDB_HASH_LISTPACK, empty.data, empty.len, false, &hash), 0);
    assert_null(hash.value);
    buf_free(&empty);
}

/* A count of many fields in a few bytes is refused without room being made for them. */
static void noise_is_refused_or_read(void **state)
{
    static const uint8_t tags[] = {RDB_HASH, RDB_HASH_ZIPMAP, RDB_HASH_ZIPLIST, RDB_HASH_LISTPACK,
                                   RDB_HASH_METADATA_PRE, RDB_HASH_LISTPACK_EX_PRE,
                                   RDB_HASH_METADATA, RDB_HASH_LISTPACK_EX};
    struct hash model = make(30, true, &usual), hash;
    struct buf bytes = {0};
    struct rng rng;

    (void)state;
    rng_seed(&rng, 5);
    encode(model, 12, &bytes);
    hash_free(model);
    assert_int_not_equal(decode(RDB_HASH, "\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                          "a", 11, false, &hash),
                         0);
    for (int i = 0; i < 40000; i++) {
        uint8_t *noise = malloc(bytes.len);
        size_t changes = 1 + rng_below(&rng, 4);

        memcpy(noise, bytes.data, bytes.len);
        while (changes-- > 0)
            noise[rng_below(&rng, bytes.len)] = (uint8_t)rng_next(&rng);
        if (decode(i % 3 ? RDB_HASH_METADATA : tags[rng_below(&rng, 8)], noise, bytes.len,
                   i % 7 == 0, &hash) == 0 &&
            hash.value != NULL)
            hash_free(hash);
        free(noise);
    }
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(the_version_says_whether_fields_expire),
        cmocka_unit_test(every_form_with_deadlines_is_read),
        cmocka_unit_test(a_field_that_comes_twice_is_damage),
        cmocka_unit_test(no_fields_are_no_hash),
        cmocka_unit_test(noise_is_refused_or_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
