/* Sets against a model in each encoding, the limits at which they change, their bytes, and what is
 * read back of what was written: whole, cut and damaged. */
#include "core/type/set.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/rng.h"
#include "core/ds/listpack.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/value.h"
#include "tests/support/test.h"

#define POOL 700
#define TEXT_ROOM 400

static const struct type_limits usual = {
    .set_intset_entries = 512, .set_entries = 128, .set_value_bytes = 64};

/* Member number `n` of kind `kind`: integers, short texts, or of any length. */
static struct slice member_of(unsigned n, unsigned kind, char room[static TEXT_ROOM])
{
    int len;

    if (kind == 0)
        return (struct slice){room, num_format_i64(room, (int64_t)n * 1000003 - 5000)};
    len = snprintf(room, TEXT_ROOM, "member:%u", n);
    if (kind == 2 && n % 7 == 0) {
        memset(room + len, 'x', TEXT_ROOM - (size_t)len);
        len = n % 2 ? 254 + (int)(n % 3) : 300;
    }
    return (struct slice){room, (size_t)len};
}

static void compare(const struct set *set, const bool *model, unsigned kind)
{
    char room[TEXT_ROOM];
    size_t count = 0, walked = 0;
    struct set_walk walk;
    struct slice member;

    set_check(set);
    for (unsigned n = 0; n < POOL; n++) {
        assert_int_equal(set_has(set, member_of(n, kind, room)), model[n]);
        count += model[n];
    }
    assert_int_equal(set_count(set), count);
    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &member)) {
        assert_true(set_has(set, member));
        walked++;
    }
    assert_int_equal(walked, count);
}

static void a_set_holds_what_an_array_of_flags_holds(void **state)
{
    char room[TEXT_ROOM];
    struct rng rng;

    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        unsigned kind = round % 3, pool = round < 6 ? 60 : POOL;
        bool model[POOL] = {false};
        struct set set = set_new_least(), copy;

        rng_seed(&rng, round);
        for (int step = 0; step < 4000; step++) {
            unsigned n = (unsigned)rng_below(&rng, pool);
            struct slice member = member_of(n, kind, room);
            struct set_at at;

            if (rng_below(&rng, 5) < 3) {
                assert_int_equal(set_add(&set, member, &usual), !model[n]);
                model[n] = true;
            } else {
                bool found = set_find(&set, member, &at);

                assert_int_equal(found, model[n]);
                if (found)
                    set_delete(&set, &at);
                model[n] = false;
            }
            if (step % 500 == 0)
                compare(&set, model, kind);
        }
        compare(&set, model, kind);
        copy = (struct set){set.encoding, set_ops.copy(set.encoding, set.value)};
        set_free(&set);
        compare(&copy, model, kind);
        set_free(&copy);
    }
}

static enum value_encoding encoding_after(struct slice first, size_t expected, unsigned count,
                                          unsigned kind, struct slice last)
{
    char room[TEXT_ROOM];
    struct set set = set_new(first, expected, &usual);
    enum value_encoding encoding;

    for (unsigned n = 0; n < count; n++)
        set_add(&set, member_of(n, kind, room), &usual);
    if (last.data != NULL)
        set_add(&set, last, &usual);
    set_check(&set);
    encoding = set.encoding;
    set_free(&set);
    return encoding;
}

static void the_encoding_follows_the_limits(void **state)
{
    static const char long_text[65] = {'x'};
    struct slice none = {NULL, 0}, text = SLICE("text"), number = SLICE("7");

    (void)state;
    assert_int_equal(encoding_after(number, 1, 512, 0, none), ENCODING_INTSET);
    assert_int_equal(encoding_after(number, 1, 513, 0, none), ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(number, 1, 127, 0, text), ENCODING_LISTPACK);
    assert_int_equal(encoding_after(number, 1, 128, 0, text), ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(text, 1, 128, 1, none), ENCODING_LISTPACK);
    assert_int_equal(encoding_after(text, 1, 128, 1, number), ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(text, 1, 128, 1, SLICE("member:0")), ENCODING_LISTPACK);
    assert_int_equal(encoding_after(text, 1, 1, 1, (struct slice){long_text, 64}),
                     ENCODING_LISTPACK);
    assert_int_equal(encoding_after(text, 1, 1, 1, (struct slice){long_text, 65}),
                     ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(number, 1, 1, 0, (struct slice){long_text, 65}),
                     ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(number, 512, 0, 0, none), ENCODING_INTSET);
    assert_int_equal(encoding_after(number, 513, 0, 0, none), ENCODING_HASHTABLE);
    assert_int_equal(encoding_after(text, 128, 0, 0, none), ENCODING_LISTPACK);
    assert_int_equal(encoding_after(text, 129, 0, 0, none), ENCODING_HASHTABLE);
}

static void what_is_expected_is_converted_at_once(void **state)
{
    char room[TEXT_ROOM];
    struct set set = set_new_least();

    (void)state;
    set_add(&set, SLICE("5"), &usual);
    set_expect(&set, 512, &usual);
    assert_int_equal(set.encoding, ENCODING_INTSET);
    set_expect(&set, 513, &usual);
    assert_int_equal(set.encoding, ENCODING_HASHTABLE);
    assert_true(set_has(&set, SLICE("5")));
    set_free(&set);
    set = set_new(SLICE("a"), 1, &usual);
    set_add(&set, member_of(1, 1, room), &usual);
    set_expect(&set, 129, &usual);
    assert_int_equal(set.encoding, ENCODING_HASHTABLE);
    assert_int_equal(set_count(&set), 1);
    set_free(&set);
}

static void any_member_is_as_likely(void **state)
{
    char room[TEXT_ROOM], digits[SET_DIGITS];
    struct set_at at;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 9);
    for (unsigned kind = 0; kind < 3; kind++) {
        struct set set = set_new(member_of(0, kind, room), kind == 2 ? 1000 : 1, &usual);
        unsigned seen[10] = {0};

        for (unsigned n = 0; n < 10; n++)
            set_add(&set, member_of(n, kind, room), &usual);
        for (int i = 0; i < 20000; i++) {
            struct slice member = set_random(&set, &rng, digits, &at);
            unsigned n = 0;

            while (!slice_equal(member, member_of(n, kind, room)))
                n++;
            seen[n]++;
        }
        for (unsigned n = 0; n < 10; n++)
            assert_in_range(seen[n], 1750, 2250);
        set_free(&set);
    }
}

static void count_visit(void *env, struct slice member)
{
    size_t *count = env;

    assert_true(member.len > 0);
    ++*count;
}

static void a_scan_visits_every_member_once(void **state)
{
    char room[TEXT_ROOM];

    (void)state;
    for (unsigned count = 1; count < POOL; count += 97) {
        struct set set = set_new_least();
        uint64_t cursor = 0;
        size_t visited = 0;

        for (unsigned n = 0; n < count; n++)
            set_add(&set, member_of(n, 1, room), &usual);
        do
            cursor = set_scan(&set, cursor, count_visit, &visited);
        while (cursor != 0);
        assert_int_equal(visited, count);
        set_free(&set);
    }
}

static struct entry *entry_of_kind(unsigned count, unsigned kind)
{
    char room[TEXT_ROOM];
    struct set set = set_new_least();

    for (unsigned n = 0; n < count; n++)
        set_add(&set, member_of(n, kind, room), &usual);
    return entry_new_value(SLICE("key"), TYPE_SET, set.encoding, set.value, ENTRY_NO_DEADLINE);
}

/* What an entry says it takes, against what the allocator hands out in all. */
static void memory_is_what_the_allocator_gives(void **state)
{
    static const struct {
        unsigned count, kind;
    } cases[] = {{1, 0}, {500, 0}, {100, 1}, {700, 1}, {700, 2}, {200, 2}};

    (void)state;
    if (strcmp(mem_allocator_name(), "libc") == 0)
        skip();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mem_stats before, after;
        size_t said = 0, taken, copies = 500000 / cases[i].count + 500;
        /* enough for the few blocks that the allocator keeps at hand not to count */
        struct entry **entries = malloc(copies * sizeof(struct entry *));

        mem_stats_read(&before);
        for (size_t j = 0; j < copies; j++) {
            entries[j] = entry_of_kind(cases[i].count, cases[i].kind);
            said += entry_memory(entries[j]);
        }
        mem_stats_read(&after);
        taken = after.allocated - before.allocated;
        assert_in_range(said, taken - taken / 10, taken + taken / 10);
        assert_true(value_effort(entries[0]) <= cases[i].count + 3);
        for (size_t j = 0; j < copies; j++)
            entry_free(entries[j]);
        free(entries);
    }
}

/* The target is 28 bytes a member of 15, its place in the table included. */
static void fifteen_bytes_take_at_most_twenty_eight(void **state)
{
    struct set set = set_new(SLICE(""), 100000, &usual);
    struct entry *entry;

    (void)state;
    for (int i = 0; i < 100000; i++) {
        char room[32];

        snprintf(room, sizeof(room), "member:%08d", i);
        set_add(&set, (struct slice){room, 15}, &usual);
    }
    entry = entry_new_value(SLICE("k"), TYPE_SET, set.encoding, set.value, ENTRY_NO_DEADLINE);
    assert_in_range(entry_memory(entry), 20 * 100000, 28 * 100000);
    entry_free(entry);
}

/* --- RDB -------------------------------------------------------------------------------------- */

static int decode(struct slice bytes, uint8_t tag, const struct type_limits *limits,
                  struct set *set)
{
    struct fault fault = {0};
    uint8_t *block = malloc(bytes.len ? bytes.len : 1);
    struct rdb_in in = {.at = block, .end = block + bytes.len, .offset = bytes.len, .version = 11,
                        .foreign = true, .limits = limits, .fault = &fault};
    int code;

    memcpy(block, bytes.data, bytes.len);
    code = set_ops.decode(tag, &in, &set->encoding, &set->value);
    if (code != 0) {
        assert_int_equal(code, KV_EFORMAT);
        assert_true(fault.text[0] != '\0');
    }
    rdb_in_free(&in);
    free(block);
    return code;
}

static uint8_t encode(const struct set *set, int version, struct buf *buf)
{
    struct rdb_out out = {.buf = buf, .version = version};
    uint64_t cursor = 0;

    if (set_ops.encode_begin(set->encoding, set->value, &out)) {
        do
            cursor = set_ops.encode_node(set->encoding, set->value, cursor, &out);
        while (cursor != 0);
    }
    return set_ops.tag(set->encoding, set->value, version);
}

static void what_is_written_is_read_back(void **state)
{
    static const struct {
        unsigned count, kind;
        uint8_t tag, tag_11;
    } cases[] = {{1, 0, RDB_SET_INTSET, RDB_SET_INTSET}, {512, 0, RDB_SET_INTSET, RDB_SET_INTSET},
                 {600, 0, RDB_SET, RDB_SET},             {1, 1, RDB_SET, RDB_SET_LISTPACK},
                 {128, 1, RDB_SET, RDB_SET_LISTPACK},    {700, 1, RDB_SET, RDB_SET},
                 {40, 2, RDB_SET, RDB_SET}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int version = 10; version <= 11; version++) {
            struct entry *entry = entry_of_kind(cases[i].count, cases[i].kind);
            struct set set = set_of(entry), again;
            struct buf buf = {0};
            uint8_t tag = encode(&set, version, &buf);
            bool model[POOL] = {false};

            assert_int_equal(tag, version == 10 ? cases[i].tag : cases[i].tag_11);
            assert_int_equal(decode(buf_slice(&buf), tag, &usual, &again), 0);
            assert_int_equal(again.encoding, set.encoding);
            memset(model, true, cases[i].count);
            compare(&again, model, cases[i].kind);
            set_free(&again);
            for (size_t len = 0; len < buf.len; len += 1 + buf.len / 500)
                assert_int_equal(decode((struct slice){buf.data, len}, tag, &usual, &again),
                                 KV_EFORMAT);
            buf_free(&buf);
            entry_free(entry);
        }
    }
}

static void smaller_limits_make_hash_tables_of_what_is_read(void **state)
{
    static const struct type_limits small = {
        .set_intset_entries = 2, .set_entries = 2, .set_value_bytes = 64};

    (void)state;
    for (unsigned kind = 0; kind < 2; kind++) {
        struct entry *entry = entry_of_kind(100, kind);
        struct set set = set_of(entry), again;
        struct buf buf = {0};
        uint8_t tag = encode(&set, 11, &buf);
        bool model[POOL] = {false};

        memset(model, true, 100);
        assert_int_equal(decode(buf_slice(&buf), tag, &small, &again), 0);
        assert_int_equal(again.encoding, ENCODING_HASHTABLE);
        compare(&again, model, kind);
        set_free(&again);
        buf_free(&buf);
        entry_free(entry);
    }
}

/* Read from the plain form, a set is the same as if its members had been added one by one: integers
 * before and behind others, one that is too long at any place, too many. */
static void a_plain_set_is_read_as_if_it_was_added(void **state)
{
    struct rng rng;
    char room[TEXT_ROOM];

    (void)state;
    rng_seed(&rng, 3);
    for (int round = 0; round < 3000; round++) {
        unsigned count = 1 + (unsigned)rng_below(&rng, round % 10 == 0 ? 150 : 20);
        unsigned kinds = 1 + (unsigned)rng_below(&rng, 3);
        struct set one = set_new(SLICE("0"), count, &usual), read;
        struct buf buf = {0};
        struct rdb_out out = {.buf = &buf, .version = 10};
        struct set_walk walk;
        struct slice member;

        rdb_put_len(&out, count);
        for (unsigned n = 0; n < count; n++) {
            member = member_of(n + 1, (unsigned)rng_below(&rng, kinds), room);
            assert_true(set_add(&one, member, &usual));
            rdb_put_string(&out, member);
        }
        assert_int_equal(decode(buf_slice(&buf), RDB_SET, &usual, &read), 0);
        set_check(&read);
        assert_int_equal(read.encoding, one.encoding);
        assert_int_equal(set_count(&read), count);
        set_walk_start(&walk, &one);
        while (set_walk_next(&walk, &member))
            assert_true(set_has(&read, member));
        set_free(&one);
        set_free(&read);
        buf_free(&buf);
    }
}

static void a_member_that_comes_twice_is_damage(void **state)
{
    static const unsigned counts[] = {2, 100, 300};
    static const struct type_limits wide = {
        .set_intset_entries = 512, .set_entries = 1000, .set_value_bytes = 64};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint8_t *listpack = listpack_new(0);
        struct buf buf = {0};
        struct rdb_out out = {.buf = &buf, .version = 11};
        struct set set;

        for (unsigned n = 0; n < counts[i]; n++)
            listpack = listpack_append_int(listpack, n == counts[i] - 1 ? 0 : n);
        rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
        assert_int_equal(decode(buf_slice(&buf), RDB_SET_LISTPACK, &wide, &set), KV_EFORMAT);
        assert_int_equal(decode(buf_slice(&buf), RDB_SET_LISTPACK, &usual, &set), KV_EFORMAT);
        buf_clear(&buf);
        rdb_put_len(&out, counts[i]);
        for (uint8_t *at = listpack_first(listpack); at; at = listpack_next(listpack, at)) {
            char digits[LISTPACK_DIGITS];

            rdb_put_string(&out, listpack_get(at, digits));
        }
        assert_int_equal(decode(buf_slice(&buf), RDB_SET, &usual, &set), KV_EFORMAT);
        buf_clear(&buf);
        rdb_put_len(&out, counts[i] + 2);
        rdb_put_string(&out, SLICE("name"));
        for (unsigned n = 0; n < counts[i]; n++) {
            char digits[NUM_I64_MAX_CHARS];

            rdb_put_string(&out, (struct slice){digits, num_format_i64(digits, n)});
        }
        rdb_put_string(&out, i % 2 ? SLICE("0") : SLICE("name"));
        assert_int_equal(decode(buf_slice(&buf), RDB_SET, &usual, &set), KV_EFORMAT);
        buf_free(&buf);
        listpack_free(listpack);
    }
}

static void nothing_is_no_set(void **state)
{
    struct set set = {.value = &set};

    (void)state;
    assert_int_equal(decode(SLICE("\0"), RDB_SET, &usual, &set), 0);
    assert_null(set.value);
    assert_int_equal(decode(SLICE("\x08\x02\0\0\0\0\0\0\0"), RDB_SET_INTSET, &usual, &set), 0);
    assert_null(set.value);
    assert_int_equal(decode(SLICE("\x07\x07\0\0\0\0\0\xff"), RDB_SET_LISTPACK, &usual, &set), 0);
    assert_null(set.value);
}

static void noise_is_read_or_refused(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 4);
    for (unsigned round = 0; round < 3000; round++) {
        struct entry *entry = entry_of_kind(1 + round % 40, round % 3);
        struct set set = set_of(entry), again;
        struct buf buf = {0};
        uint8_t tag = encode(&set, 10 + (int)(round & 1), &buf);

        for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--)
            buf.data[rng_below(&rng, buf.len)] = (char)rng_next(&rng);
        if (decode(buf_slice(&buf), tag, &usual, &again) == 0 && again.value != NULL) {
            set_check(&again);
            set_free(&again);
        }
        buf_free(&buf);
        entry_free(entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_holds_what_an_array_of_flags_holds),
        cmocka_unit_test(the_encoding_follows_the_limits),
        cmocka_unit_test(what_is_expected_is_converted_at_once),
        cmocka_unit_test(any_member_is_as_likely),
        cmocka_unit_test(a_scan_visits_every_member_once),
        cmocka_unit_test(memory_is_what_the_allocator_gives),
        cmocka_unit_test(fifteen_bytes_take_at_most_twenty_eight),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(smaller_limits_make_hash_tables_of_what_is_read),
        cmocka_unit_test(a_plain_set_is_read_as_if_it_was_added),
        cmocka_unit_test(a_member_that_comes_twice_is_damage),
        cmocka_unit_test(nothing_is_no_set),
        cmocka_unit_test(noise_is_read_or_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
