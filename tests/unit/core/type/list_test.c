/* Lists in both forms against an array of numbers, across the limits; and out to RDB and in again.
 * What a quicklist does inside is tested in quicklist_test.c. */
#include "core/type/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/rng.h"
#include "core/type/rdb.h"
#include "tests/support/test.h"

#define MODEL_MAX 500
#define TEXT_MAX 128

static const struct type_limits limits[] = {
    {.list_node_size = -2},
    {.list_node_size = -1, .list_compress_depth = 1},
    {.list_node_size = 16},
    {.list_node_size = 4, .list_compress_depth = 2},
};

struct model {
    int numbers[MODEL_MAX];
    size_t count;
};

/* Some are integers, some long enough that 4 KiB are soon full. */
static struct slice text_of(int number, char text[static TEXT_MAX])
{
    const char *format = number % 3 == 0 ? "%d" : number % 3 == 1 ? "element %d" : "%0100d";
    return (struct slice){text, (size_t)snprintf(text, TEXT_MAX, format, number)};
}

static void model_insert(struct model *model, size_t index, int number)
{
    memmove(model->numbers + index + 1, model->numbers + index,
            (model->count++ - index) * sizeof model->numbers[0]);
    model->numbers[index] = number;
}

static void model_delete(struct model *model, size_t index, size_t count)
{
    model->count -= count;
    memmove(model->numbers + index, model->numbers + index + count,
            (model->count - index) * sizeof model->numbers[0]);
}

static uint64_t model_remove(struct model *model, int number, uint64_t most, bool from_back)
{
    uint64_t removed = 0;
    for (size_t turn = 0, turns = model->count, kept = 0; turn < turns && removed < most; turn++) {
        size_t i = from_back ? turns - 1 - turn : kept;
        if (model->numbers[i] == number) {
            model_delete(model, i, 1);
            removed++;
        } else {
            kept++;
        }
    }
    return removed;
}

static void compare(const struct list *list, const struct model *model)
{
    struct list_cursor cursor;
    struct slice element;
    char text[TEXT_MAX];
    assert_int_equal(list_count(list), model->count);
    for (int backwards = 0; backwards < 2 && model->count > 0; backwards++) {
        list_begin(&cursor, list, backwards ? model->count - 1 : 0, backwards);
        for (size_t i = 0; i < model->count; i++) {
            size_t at = backwards ? model->count - 1 - i : i;
            assert_true(list_next(&cursor, &element));
            assert_true(slice_equal(element, text_of(model->numbers[at], text)));
        }
        assert_false(list_next(&cursor, &element));
        list_end(&cursor);
    }
    if (list->encoding == ENCODING_QUICKLIST)
        quicklist_check(list->value);
}

static void free_list(struct list *list)
{
    list_ops.free(list->encoding, list->value);
}

static void change(struct list *list, struct model *model, struct rng *rng, bool growing)
{
    char text[TEXT_MAX];
    int number = (int)rng_below(rng, 40);
    struct slice element = text_of(number, text);
    uint64_t what = growing ? rng_below(rng, 120) : 25 + rng_below(rng, 65);
    size_t at = model->count ? rng_below(rng, model->count) : 0;
    if (model->count + 1 < MODEL_MAX && (model->count == 0 || what < 35 || what >= 90)) {
        bool front = what % 2;
        list_push(list, front, element);
        model_insert(model, front ? 0 : model->count, number);
    } else if (model->count + 1 < MODEL_MAX && what < 45) {
        list_insert(list, at, element);
        model_insert(model, at, number);
    } else if (what < 55) {
        list_set(list, at, element);
        model->numbers[at] = number;
    } else if (what < 85) {
        size_t count = 1 + rng_below(rng, 2);
        if (count > model->count - at)
            count = model->count - at;
        list_delete(list, at, count);
        model_delete(model, at, count);
    } else {
        uint64_t most = 1 + rng_below(rng, 3);
        assert_int_equal(list_remove(list, element, most, what % 2),
                         model_remove(model, number, most, what % 2));
    }
}

static void a_list_is_an_array_in_either_form(void **state)
{
    struct rng rng;
    int conversions = 0;
    (void)state;
    rng_seed(&rng, 5);
    for (size_t form = 0; form < 4; form++) {
        struct list list = list_new(&limits[form]);
        struct model model = {0};
        enum value_encoding encoding = list.encoding;
        for (int step = 0; step < 40000; step++) {
            change(&list, &model, &rng, step % 2000 < 1000);
            conversions += encoding != list.encoding;
            encoding = list.encoding;
            if (step % 8 == 0)
                compare(&list, &model);
            if (step % 1000 == 0) {
                struct list copy = {list.encoding, list_ops.copy(list.encoding, list.value),
                                    list.limits};
                compare(&copy, &model);
                assert_true(list_ops.memory(copy.encoding, copy.value) > 0);
                free_list(&copy);
            }
        }
        free_list(&list);
    }
    assert_true(conversions > 10);
}

static void a_list_is_converted_at_its_limit_and_back_at_half(void **state)
{
    (void)state;
    struct list list = list_new(&limits[2]);
    for (int i = 0; i < 16; i++)
        list_push(&list, false, SLICE("x"));
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    list_push(&list, false, SLICE("x"));
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    while (list_count(&list) > 8) {
        assert_int_equal(list.encoding, ENCODING_QUICKLIST);
        list_delete(&list, list_count(&list) - 1, 1);
    }
    assert_int_equal(list.encoding, ENCODING_LISTPACK);
    free_list(&list);
}

/* --- RDB -------------------------------------------------------------------------------------- */

static struct list list_of_size(size_t form, size_t count)
{
    struct list list = list_new(&limits[form]);
    char text[TEXT_MAX];
    for (size_t i = 0; i < count; i++)
        list_push(&list, false, text_of((int)i, text));
    return list;
}

static void encode(const struct list *list, int version, struct buf *buf, uint8_t *tag)
{
    struct rdb_out out = {.buf = buf, .version = version};
    uint64_t cursor = 0;
    *tag = list_ops.tag(list->encoding, list->value, version);
    if (!list_ops.encode_begin(list->encoding, list->value, &out))
        return;
    do
        cursor = list_ops.encode_node(list->encoding, list->value, cursor, &out);
    while (cursor != 0);
}

/* Of bytes that are exactly as long as the block they lie in. */
static int decode(const char *bytes, size_t len, uint8_t tag, size_t form, struct list *list,
                  size_t *used)
{
    struct fault fault = {0};
    uint8_t *block = malloc(len ? len : 1);
    struct rdb_in in = {.at = block, .end = block + len, .offset = len, .version = 10,
                        .foreign = true, .limits = &limits[form], .fault = &fault};
    if (len > 0)
        memcpy(block, bytes, len);
    *list = (struct list){.limits = &limits[form]};
    int code = list_ops.decode(tag, &in, &list->encoding, &list->value);
    *used = (size_t)(in.at - block);
    rdb_in_free(&in);
    free(block);
    return code;
}

static void compare_numbers(const struct list *list, size_t count)
{
    struct model model = {.count = count};
    for (size_t i = 0; i < count; i++)
        model.numbers[i] = (int)i;
    compare(list, &model);
}

static void what_is_encoded_is_decoded(void **state)
{
    static const size_t counts[] = {1, 4, 5, 16, 17, 200, 490};
    (void)state;
    for (size_t i = 0; i < 7 * 4 * 2; i++) {
        size_t count = counts[i / 8], form = i / 2 % 4, used;
        struct list list = list_of_size(form, count), again;
        struct buf buf = {0};
        uint8_t tag;
        encode(&list, i % 2 ? 10 : 9, &buf, &tag);
        assert_int_equal(tag, i % 2 ? RDB_LIST_QUICKLIST_2 : RDB_LIST);
        assert_int_equal(decode(buf.data, buf.len, tag, form, &again, &used), 0);
        assert_int_equal(used, buf.len);
        assert_int_equal(again.encoding, list.encoding);
        compare_numbers(&again, count);
        free_list(&again);
        free_list(&list);
        buf_free(&buf);
    }
}

static void every_cut_is_an_error(void **state)
{
    (void)state;
    for (size_t form = 0; form < 4; form++) {
        struct list list = list_of_size(form, 40), again;
        struct buf buf = {0};
        uint8_t tag;
        size_t used;
        encode(&list, form == 2 ? 9 : 10, &buf, &tag);
        for (size_t len = 0; len < buf.len; len++) {
            assert_int_not_equal(decode(buf.data, len, tag, form, &again, &used), 0);
            assert_null(again.value);
        }
        free_list(&list);
        buf_free(&buf);
    }
}

static void noise_is_an_error_or_a_good_list(void **state)
{
    struct rng rng;
    (void)state;
    rng_seed(&rng, 78);
    for (int round = 0; round < 20000; round++) {
        struct list list = list_of_size((size_t)round % 4, 1 + rng_below(&rng, 30)), again;
        struct buf buf = {0};
        uint8_t tag;
        size_t used;
        encode(&list, 10, &buf, &tag);
        for (uint64_t i = 0, flips = 1 + rng_below(&rng, 3); i < flips; i++)
            buf.data[rng_below(&rng, buf.len)] = (char)rng_next(&rng);
        if (decode(buf.data, buf.len, tag, (size_t)round % 4, &again, &used) == 0 && again.value) {
            assert_true(list_count(&again) > 0);
            if (again.encoding == ENCODING_QUICKLIST)
                quicklist_check(again.value);
            free_list(&again);
        }
        free_list(&list);
        buf_free(&buf);
    }
}

static void expect_one_two(const char *bytes, size_t len, uint8_t tag)
{
    struct list list;
    struct list_cursor cursor;
    struct slice element;
    size_t used;
    assert_int_equal(decode(bytes, len, tag, 0, &list, &used), 0);
    assert_int_equal(used, len);
    assert_int_equal(list_count(&list), 2);
    list_begin(&cursor, &list, 0, false);
    assert_true(list_next(&cursor, &element) && slice_equal(element, SLICE("one")));
    assert_true(list_next(&cursor, &element) && slice_equal(element, SLICE("2")));
    list_end(&cursor);
    free_list(&list);
}

/* A ziplist: bytes, tail, count; each element its back link, encoding, data; the end. */
#define ZIPLIST "\x12\0\0\0\x0f\0\0\0\x02\0\0\3one\5\xf3\xff"

static void old_forms_are_read(void **state)
{
    (void)state;
    static const char elements[] = "\2\3one\1" "2";
    static const char ziplist[] = "\x12" ZIPLIST;
    static const char ziplists[] = "\1\x12" ZIPLIST;
    static const char plain[] = "\2\1\3one\1\1" "2";
    expect_one_two(elements, sizeof elements - 1, RDB_LIST);
    expect_one_two(ziplist, sizeof ziplist - 1, RDB_LIST_ZIPLIST);
    expect_one_two(ziplists, sizeof ziplists - 1, RDB_LIST_QUICKLIST);
    expect_one_two(plain, sizeof plain - 1, RDB_LIST_QUICKLIST_2);
}

static void a_list_without_elements_is_none(void **state)
{
    (void)state;
    struct list list;
    size_t used;
    assert_int_equal(decode("\0", 1, RDB_LIST, 0, &list, &used), 0);
    assert_null(list.value);
    assert_int_equal(decode("\1\2\7\7\0\0\0\0\0\xff", 10, RDB_LIST_QUICKLIST_2, 0, &list, &used),
                     0);
    assert_null(list.value);
    assert_int_not_equal(decode("\1\3\1x", 4, RDB_LIST_QUICKLIST_2, 0, &list, &used), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_is_an_array_in_either_form),
        cmocka_unit_test(a_list_is_converted_at_its_limit_and_back_at_half),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(every_cut_is_an_error),
        cmocka_unit_test(noise_is_an_error_or_a_good_list),
        cmocka_unit_test(old_forms_are_read),
        cmocka_unit_test(a_list_without_elements_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
