/* The listpack against an array of strings, its bytes against those that a stock server writes, and
 * strange bytes that must not pass for one. */
#include "core/ds/listpack.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/rng.h"
#include "tests/support/test.h"

#define MODEL_MAX 400
#define TEXT_MAX 20000

/* What the listpack should hold. */
struct model {
    char *texts[MODEL_MAX];
    size_t lens[MODEL_MAX], count;
};

static void model_insert(struct model *model, size_t index, struct slice text)
{
    memmove(model->texts + index + 1, model->texts + index,
            (model->count - index) * sizeof(model->texts[0]));
    memmove(model->lens + index + 1, model->lens + index,
            (model->count - index) * sizeof(model->lens[0]));
    model->texts[index] = malloc(text.len + 1);
    memcpy(model->texts[index], text.data, text.len);
    model->lens[index] = text.len;
    model->count++;
}

static void model_delete(struct model *model, size_t index, size_t count)
{
    for (size_t i = index; i < index + count; i++)
        free(model->texts[i]);
    memmove(model->texts + index, model->texts + index + count,
            (model->count - index - count) * sizeof(model->texts[0]));
    memmove(model->lens + index, model->lens + index + count,
            (model->count - index - count) * sizeof(model->lens[0]));
    model->count -= count;
}

static struct slice model_text(const struct model *model, size_t index)
{
    return (struct slice){model->texts[index], model->lens[index]};
}

static void compare(const uint8_t *listpack, const struct model *model)
{
    char digits[LISTPACK_DIGITS];
    uint8_t *at = listpack_first(listpack), *last = NULL;

    assert_true(listpack_valid(listpack, listpack_bytes(listpack), true));
    assert_int_equal(listpack_count(listpack), model->count);
    assert_true(listpack_memory(listpack) >= listpack_bytes(listpack));
    for (size_t i = 0; i < model->count; i++) {
        assert_non_null(at);
        assert_true(slice_equal(listpack_get(at, digits), model_text(model, i)));
        assert_true(listpack_equal(at, model_text(model, i)));
        assert_ptr_equal(listpack_previous(listpack, at), last);
        last = at;
        at = listpack_next(listpack, at);
    }
    assert_null(at);
    assert_ptr_equal(listpack_last(listpack), last);
}

static const int64_t edges[] = {0,        1,         127,       128,       4095,      4096,
                                -1,       -4096,     -4097,     INT16_MAX, INT16_MIN, 32768,
                                -32769,   8388607,   8388608,   -8388608,  -8388609,  INT32_MAX,
                                INT32_MIN, 2147483648, -2147483649, INT64_MAX, INT64_MIN};
static const size_t lens[] = {0,    1,    2,     62,    63,    64,    65,    124,
                              125,  126,  4093,  4094,  4095,  4096,  16376, 16377,
                              16378, 16379};

/* Any element that is at the edge of an encoding or of a backlen, or short. */
static struct slice any_text(struct rng *rng, char *room)
{
    size_t len = (size_t)rng_below(rng, 12);

    switch (rng_below(rng, 4)) {
    case 0:
        return (struct slice){room,
                              num_format_i64(room, edges[rng_below(rng, sizeof(edges) /
                                                                            sizeof(edges[0]))])};
    case 1:
        return (struct slice){room, num_format_i64(room, (int64_t)rng_next(rng) >>
                                                             rng_below(rng, 64))};
    case 2:
        if (rng_below(rng, 8) == 0)
            len = lens[rng_below(rng, sizeof(lens) / sizeof(lens[0]))];
        break;
    default:
        break;
    }
    memset(room, (int)('a' + rng_below(rng, 3)), len);
    return (struct slice){room, len};
}

/* One change at `index` to the listpack and to the model. */
static uint8_t *change(uint8_t *listpack, struct model *model, size_t index, unsigned kind,
                       struct slice text)
{
    uint8_t *at = listpack_seek(listpack, (int64_t)index), *placed = NULL;
    size_t most = model->count - index;

    assert_true((at == NULL) == (index == model->count));
    if (kind == 0) {
        listpack = listpack_append(listpack, text);
        model_insert(model, model->count, text);
    } else if (kind == 1) {
        listpack = listpack_prepend(listpack, text);
        model_insert(model, 0, text);
    } else if (kind <= 3) {
        listpack = listpack_insert(listpack, at, true, text, &placed);
        model_insert(model, index, text);
        assert_ptr_equal(placed, listpack_seek(listpack, (int64_t)index));
    } else if (at == NULL) {
        return listpack;
    } else if (kind == 4) {
        listpack = listpack_insert(listpack, at, false, text, &placed);
        model_insert(model, index + 1, text);
        assert_ptr_equal(placed, listpack_seek(listpack, (int64_t)index + 1));
    } else if (kind == 5) {
        listpack = listpack_replace(listpack, &at, text);
        model_delete(model, index, 1);
        model_insert(model, index, text);
        assert_ptr_equal(at, listpack_seek(listpack, (int64_t)index));
    } else if (kind == 6) {
        listpack = listpack_delete(listpack, &at, 1);
        model_delete(model, index, 1);
        assert_ptr_equal(at, listpack_seek(listpack, (int64_t)index));
    } else {
        int64_t number = (int64_t)index - (text.len % 2 ? (int64_t)model->count : 0);

        listpack = listpack_delete_range(listpack, number, 3);
        model_delete(model, index, most < 3 ? most : 3);
    }
    return listpack;
}

static void it_holds_what_an_array_holds(void **state)
{
    char *room = malloc(TEXT_MAX);
    struct rng rng;

    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        uint8_t *listpack = listpack_new(seed % 2 * 100), *copy;
        struct model model = {.count = 0};

        rng_seed(&rng, seed);
        for (int step = 0; step < 150; step++) {
            size_t index = (size_t)rng_below(&rng, model.count + 1);

            listpack = change(listpack, &model, index, (unsigned)rng_below(&rng, 8),
                              any_text(&rng, room));
            compare(listpack, &model);
        }
        copy = listpack_copy(listpack);
        listpack = listpack_shrink(listpack);
        compare(listpack, &model);
        compare(copy, &model);
        listpack_free(copy);
        listpack_free(listpack);
        model_delete(&model, 0, model.count);
    }
    free(room);
}

/* Every text is found where it first stands, at every step and from every start. */
static void find_gives_the_first_that_is_equal(void **state)
{
    static const char *const texts[] = {"a", "7", "bb", "-1", "", "a", "007", "4096", "7", "bb",
                                        "9223372036854775807", "-0", "123456", "+7", "a"};
    static const char *const absent[] = {"aa", "8", "0", "b", "07", "65535", "-2"};
    size_t count = sizeof(texts) / sizeof(texts[0]);
    uint8_t *listpack = listpack_new(0);

    (void)state;
    for (size_t i = 0; i < count; i++)
        listpack = listpack_append(listpack, slice_of(texts[i]));
    for (size_t step = 1; step < 4; step++) {
        for (size_t from = 0; from < count; from++) {
            for (size_t i = 0; i < count; i++) {
                size_t expected = from;

                while (expected < count && strcmp(texts[expected], texts[i]) != 0)
                    expected += step;
                assert_ptr_equal(
                    listpack_find(listpack, listpack_seek(listpack, (int64_t)from),
                                  slice_of(texts[i]), step),
                    expected < count ? listpack_seek(listpack, (int64_t)expected) : NULL);
            }
        }
    }
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
        assert_null(listpack_find(listpack, listpack_first(listpack), slice_of(absent[i]), 1));
    assert_null(listpack_find(listpack, NULL, SLICE("a"), 1));
    listpack_free(listpack);
}

/* The bytes were worked out from the format's document. */
static void the_bytes_are_those_of_the_format(void **state)
{
    static const uint8_t expected[] = {
        48,   0,    0,    0,    8,    0,                      /* header */
        0x7f, 0x01,                                           /* 127 */
        0xdf, 0xff, 0x02,                                     /* -1 */
        0xf1, 0x00, 0x10, 0x03,                               /* 4096 */
        0xf2, 0x00, 0x80, 0x00, 0x04,                         /* 32768 */
        0xf3, 0xff, 0xff, 0x7f, 0xff, 0x05,                   /* -8388609 */
        0xf4, 0,    0,    0,    0x80, 0,    0,    0, 0, 0x09, /* 2147483648 */
        0x83, 'a',  'b',  'c',  0x04,                         /* abc */
        0x84, '0',  '0',  '0',  '7',  0x05,                   /* 0007 */
        0xff,
    };
    static const int64_t ints[] = {127, -1, 4096, 32768, -8388609, 2147483648};
    uint8_t *listpack = listpack_new(0);

    (void)state;
    for (size_t i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
        listpack = listpack_append_int(listpack, ints[i]);
    listpack = listpack_append(listpack, SLICE("abc"));
    listpack = listpack_append(listpack, SLICE("0007"));
    assert_int_equal(listpack_bytes(listpack), sizeof(expected));
    assert_memory_equal(listpack, expected, sizeof(expected));
    listpack_free(listpack);
}

/* The ends of the elements are those that redis-server 7.0 wrote for strings of these lengths. */
static void backlens_are_as_long_as_stock_servers_write_them(void **state)
{
    static const struct {
        size_t len;
        const char *tail;
    } known[] = {{125, "\x7f"},          {126, "\x01\x80"},        {16377, "\x7f\xfe"},
                 {16378, "\x00\xff\xff"}, {16379, "\x01\x80\x80"},  {2097145, "\x7f\xff\xfe"},
                 {2097146, "\x00\xff\xff\xff"}, {2097147, "\x01\x80\x80\x80"}};
    char *room = malloc(1 << 22);

    (void)state;
    memset(room, 'x', 1 << 22);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        struct slice text = {room, known[i].len};
        uint8_t *listpack = listpack_append(listpack_new(0), text);
        /* the tail may begin with a zero */
        size_t len = 1 + strlen(known[i].tail + 1), bytes = listpack_bytes(listpack);

        assert_memory_equal(listpack + bytes - 1 - len, known[i].tail, len);
        assert_int_equal(bytes, LISTPACK_EMPTY_BYTES + listpack_element_bytes(text));
        assert_ptr_equal(listpack_last(listpack), listpack_first(listpack));
        assert_true(listpack_valid(listpack, bytes, true));
        listpack_free(listpack);
    }
    free(room);
}

static void more_than_the_header_can_count_are_counted_by_walking(void **state)
{
    uint8_t *listpack = listpack_new(0), *at;

    (void)state;
    for (int i = 0; i < 65540; i++) {
        listpack = listpack_append_int(listpack, i);
        if (i > 65530)
            assert_int_equal(listpack_count(listpack), i + 1);
    }
    assert_true(listpack_valid(listpack, listpack_bytes(listpack), true));
    at = listpack_seek(listpack, 65539);
    assert_true(listpack_equal(at, SLICE("65539")));
    assert_null(listpack_seek(listpack, 65540));
    assert_true(listpack_equal(listpack_seek(listpack, -65540), SLICE("0")));
    assert_null(listpack_seek(listpack, -65541));
    listpack = listpack_delete_range(listpack, 100, 65400);
    assert_int_equal(listpack_count(listpack), 140);
    listpack_free(listpack);
}

static void growing_and_shrinking_keep_to_the_size_classes(void **state)
{
    uint8_t *listpack = listpack_new(0), *at;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        listpack = listpack_append_int(listpack, i);
        assert_true(listpack_memory(listpack) <= mem_class(listpack_bytes(listpack)) + 16);
    }
    while ((at = listpack_first(listpack)) != NULL) {
        listpack = listpack_delete(listpack, &at, 1);
        assert_true(listpack_memory(listpack) <= 2 * mem_class(listpack_bytes(listpack)) + 16);
    }
    assert_int_equal(listpack_bytes(listpack), LISTPACK_EMPTY_BYTES);
    listpack_free(listpack);
    listpack = listpack_new(500);
    assert_true(listpack_memory(listpack) >= 500);
    listpack = listpack_shrink(listpack_append_int(listpack, 1));
    assert_true(listpack_memory(listpack) <= 32);
    listpack_free(listpack);
}

/* Of a block that ends where the bytes do: a sanitizer sees a byte read too far. */
static bool valid_alone(const uint8_t *bytes, size_t len)
{
    uint8_t *block = malloc(len ? len : 1);
    bool valid;

    memcpy(block, bytes, len);
    valid = listpack_valid(block, len, true);
    if (valid) {
        size_t count = 0;

        for (uint8_t *at = listpack_first(block); at != NULL; at = listpack_next(block, at))
            count++;
        assert_int_equal(count, listpack_count(block));
        for (uint8_t *at = listpack_last(block); at != NULL; at = listpack_previous(block, at))
            count--;
        assert_int_equal(count, 0);
    }
    free(block);
    return valid;
}

static uint8_t *listpack_of_edges(void)
{
    uint8_t *listpack = listpack_new(0);
    char room[5000];

    memset(room, 'x', sizeof(room));
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        listpack = listpack_append_int(listpack, edges[i]);
    for (size_t i = 0; lens[i] <= 4096; i++)
        listpack = listpack_append(listpack, (struct slice){room, lens[i]});
    return listpack;
}

/* At the end of a block, where a header can move to and fro. */
static void the_front_moves_as_if_the_elements_did(void **state)
{
    static const char *const texts[] = {"1", "", "-70000", "text", "100000000000"};
    uint8_t *expected = listpack_append(listpack_new(0), SLICE("last"));
    uint8_t room[1000], *listpack = room + sizeof(room) - listpack_bytes(expected);

    (void)state;
    memcpy(listpack, expected, listpack_bytes(expected));
    for (int i = 0; i < 40; i++) {
        struct slice text = slice_of(texts[i % 5]);

        expected = listpack_prepend(expected, text);
        listpack = listpack_grow_front(listpack, text);
        if (i % 8 == 7) {
            expected = listpack_delete_range(expected, 0, 3);
            listpack = listpack_drop_front(listpack, 3);
        }
        assert_int_equal(listpack_bytes(listpack), listpack_bytes(expected));
        assert_memory_equal(listpack, expected, listpack_bytes(expected));
    }
    assert_ptr_equal(listpack + listpack_bytes(listpack), room + sizeof(room));
    listpack_free(expected);
}

static void no_cut_listpack_is_valid(void **state)
{
    uint8_t *listpack = listpack_of_edges(), *copy = listpack_copy(listpack);
    size_t bytes = listpack_bytes(listpack);

    (void)state;
    assert_true(valid_alone(listpack, bytes));
    for (size_t len = 0; len < bytes; len++) {
        uint32_t stated = (uint32_t)len;

        assert_false(valid_alone(listpack, len));
        if (len < LISTPACK_EMPTY_BYTES)
            continue;
        /* and with a header and an end that say otherwise: the count is wrong at least */
        memcpy(copy, listpack, len);
        memcpy(copy, &stated, sizeof(stated));
        copy[len - 1] = 0xff;
        assert_false(valid_alone(copy, len));
    }
    listpack_free(copy);
    listpack_free(listpack);
}

/* Bytes changed by chance: whatever passes is walked both ways without reading outside. */
static void noise_is_refused_or_can_be_walked(void **state)
{
    uint8_t *listpack = listpack_of_edges();
    size_t bytes = listpack_bytes(listpack), passed = 0;
    struct rng rng;

    (void)state;
    rng_seed(&rng, 3);
    for (int i = 0; i < 3000; i++) {
        uint8_t *copy = listpack_copy(listpack);

        for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--)
            copy[rng_below(&rng, rng_below(&rng, 4) ? 300 : bytes)] = (uint8_t)rng_next(&rng);
        passed += valid_alone(copy, bytes);
        listpack_free(copy);
    }
    assert_true(passed < 3000);
    for (int i = 0; i < 20000; i++) {
        uint8_t noise[32];
        uint32_t len = (uint32_t)rng_below(&rng, sizeof(noise));

        for (size_t j = 0; j < sizeof(noise); j++)
            noise[j] = (uint8_t)rng_next(&rng);
        memcpy(noise, &len, sizeof(len));
        noise[4] = noise[5] = 0xff;
        if (len > 0)
            noise[len - 1] = 0xff;
        passed += valid_alone(noise, len);
    }
    assert_true(passed > 0);
    listpack_free(listpack);
}

static void a_shallow_look_checks_the_header_alone(void **state)
{
    uint8_t *listpack = listpack_of_edges();
    size_t bytes = listpack_bytes(listpack);

    (void)state;
    listpack[8] = 0xfe;
    assert_true(listpack_valid(listpack, bytes, false));
    assert_false(listpack_valid(listpack, bytes, true));
    assert_false(listpack_valid(listpack, bytes - 1, false));
    assert_false(listpack_valid(listpack, 3, false));
    listpack_free(listpack);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_holds_what_an_array_holds),
        cmocka_unit_test(find_gives_the_first_that_is_equal),
        cmocka_unit_test(the_bytes_are_those_of_the_format),
        cmocka_unit_test(backlens_are_as_long_as_stock_servers_write_them),
        cmocka_unit_test(more_than_the_header_can_count_are_counted_by_walking),
        cmocka_unit_test(growing_and_shrinking_keep_to_the_size_classes),
        cmocka_unit_test(the_front_moves_as_if_the_elements_did),
        cmocka_unit_test(no_cut_listpack_is_valid),
        cmocka_unit_test(noise_is_refused_or_can_be_walked),
        cmocka_unit_test(a_shallow_look_checks_the_header_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
