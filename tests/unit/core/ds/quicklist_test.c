/* The quicklist against an array of strings: random operations under many limits, which change on
 * the way, with all invariants checked. */
#include "core/ds/quicklist.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/ds/quicklist_cut.h"
#include "tests/support/test.h"

#define MODEL_MAX 3000

struct model {
    char *texts[MODEL_MAX];
    size_t lens[MODEL_MAX], count;
};

static void model_insert(struct model *model, size_t index, struct slice text)
{
    size_t behind = model->count - index;
    memmove(model->texts + index + 1, model->texts + index, behind * sizeof model->texts[0]);
    memmove(model->lens + index + 1, model->lens + index, behind * sizeof model->lens[0]);
    model->texts[index] = malloc(text.len + 1);
    memcpy(model->texts[index], text.data, text.len);
    model->lens[index] = text.len;
    model->count++;
}

static void model_delete(struct model *model, size_t index, size_t count)
{
    for (size_t i = index; i < index + count; i++)
        free(model->texts[i]);
    size_t behind = model->count - index - count;
    memmove(model->texts + index, model->texts + index + count, behind * sizeof model->texts[0]);
    memmove(model->lens + index, model->lens + index + count, behind * sizeof model->lens[0]);
    model->count -= count;
}

static struct slice model_text(const struct model *model, size_t index)
{
    return (struct slice){model->texts[index], model->lens[index]};
}

static size_t model_remove(struct model *model, struct slice text, size_t most, bool from_back)
{
    size_t removed = 0;
    for (size_t turn = 0, i = from_back ? model->count - 1 : 0, turns = model->count;
         turn < turns && removed < most; turn++) {
        bool equal = slice_equal(model_text(model, i), text);
        if (equal) {
            model_delete(model, i, 1);
            removed++;
        }
        if (from_back)
            i--;
        else if (!equal)
            i++;
    }
    return removed;
}

static void compare(const struct quicklist *list, const struct model *model, size_t from,
                    bool backwards)
{
    struct quicklist_cursor cursor;
    struct slice element;
    size_t i = from;
    quicklist_begin(&cursor, list, from, backwards);
    while (quicklist_next(&cursor, &element)) {
        assert_true(i < model->count);
        assert_true(slice_equal(element, model_text(model, i)));
        i += backwards ? (size_t)-1 : 1;
    }
    quicklist_end(&cursor);
    assert_int_equal(i, backwards ? (size_t)-1 : model->count);
}

/* Texts that compress, that do not, that are integers, that are longer than a node. */
static struct slice some_text(struct rng *rng, char text[static 10000])
{
    size_t len = rng_below(rng, 30);
    uint64_t kind = rng_below(rng, 200);
    if (kind == 0)
        len = 5000 + rng_below(rng, 4900);
    else if (kind < 20)
        len = 100 + rng_below(rng, 300);
    else if (kind < 60)
        len = 1 + rng_below(rng, 2);
    for (size_t i = 0; i < len; i++)
        text[i] = kind % 3 == 0 ? (char)rng_next(rng) : (char)('0' + rng_below(rng, 3));
    return (struct slice){text, len};
}

static void change(struct quicklist *list, struct model *model, struct rng *rng,
                   const struct quicklist_limits *limits)
{
    char text[10000];
    struct slice element = some_text(rng, text);
    size_t at = model->count ? rng_below(rng, model->count) : 0;
    size_t run = rng_below(rng, 2000) ? 1 + rng_below(rng, 10) : model->count;
    if (run > model->count - at)
        run = model->count - at;
    uint64_t what = rng_below(rng, 100);
    if (model->count < 2 || (what < 60 && model->count < MODEL_MAX - 1)) {
        bool front = what % 2;
        quicklist_push(list, front, element, limits);
        model_insert(model, front ? 0 : model->count, element);
    } else if (what < 75 && model->count < MODEL_MAX - 1) {
        quicklist_insert(list, at, element, limits);
        model_insert(model, at, element);
    } else if (what < 85) {
        quicklist_set(list, at, element, limits);
        model_delete(model, at, 1);
        model_insert(model, at, element);
    } else if (what < 90) {
        size_t end = what % 2 ? 0 : model->count - 1;
        quicklist_delete(list, end, 1, limits);
        model_delete(model, end, 1);
    } else if (what < 94) {
        quicklist_delete(list, at, run, limits);
        model_delete(model, at, run);
    } else {
        bool from_back = what % 2;
        size_t most = what < 99 ? 1 + rng_below(rng, 4) : SIZE_MAX;
        struct slice wanted = what == 99 ? element : model_text(model, at);
        char copy[10000];
        memcpy(copy, wanted.data, wanted.len);
        wanted.data = copy;
        assert_int_equal(quicklist_remove(list, wanted, most, from_back, limits),
                         model_remove(model, wanted, most, from_back));
    }
}

static void random_life(uint64_t seed, int steps)
{
    static const int64_t sizes[] = {-1, -2, -5, 1, 2, 7, 100, 0};
    static const int64_t depths[] = {0, 1, 2, 0, 1, 5, 1000};
    struct rng rng;
    struct model *model = calloc(1, sizeof *model);
    struct quicklist *list = quicklist_new();
    rng_seed(&rng, seed);
    struct quicklist_limits limits = {sizes[seed % 8], depths[seed % 7]};
    for (int step = 0; step < steps; step++) {
        if (rng_below(&rng, 500) == 0)
            limits = (struct quicklist_limits){sizes[rng_below(&rng, 8)],
                                               depths[rng_below(&rng, 7)]};
        change(list, model, &rng, &limits);
        assert_int_equal(quicklist_count(list), model->count);
        if (step % 16 == 0) {
            quicklist_check(list);
            size_t from = model->count ? rng_below(&rng, model->count) : 0;
            if (model->count)
                compare(list, model, from, rng_below(&rng, 2));
        }
        if (step % 512 == 0) {
            struct quicklist *copy = quicklist_copy(list);
            quicklist_check(copy);
            if (model->count)
                compare(copy, model, 0, false);
            quicklist_free(copy);
        }
    }
    quicklist_check(list);
    quicklist_free(list);
    model_delete(model, 0, model->count);
    free(model);
}

static void a_quicklist_is_an_array_of_strings(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 56; seed++)
        random_life(seed, 3000);
}

/* The elements of a cut, from its beginning to its end, are those of the model. */
static void compare_cut(struct quicklist_cut *cut, const struct model *model)
{
    const uint8_t *listpack;
    uint8_t *give_back;
    size_t i = 0;
    while ((listpack = quicklist_cut_next(cut, &give_back))) {
        char digits[LISTPACK_DIGITS];
        for (const uint8_t *at = listpack_first(listpack); at; at = listpack_next(listpack, at))
            assert_true(slice_equal(listpack_get(at, digits), model_text(model, i++)));
        mem_free(give_back);
    }
    assert_int_equal(i, model->count);
}

/* Its first node has a gap nearly always: also when a cut begins, and while it is read. */
static void the_front_is_a_stack_beside_a_cut_too(void **state)
{
    (void)state;
    struct quicklist_limits limits = {-1, 0};
    struct rng rng;
    char text[10000];
    struct model *model = calloc(1, sizeof *model), *then = calloc(1, sizeof *then);
    struct quicklist *list = quicklist_new();
    rng_seed(&rng, 1);
    for (int turn = 0; turn < 60; turn++) {
        size_t memory = 0;
        struct quicklist_cut *cut = quicklist_cut_begin(list, &memory);
        for (size_t i = 0; i < model->count; i++)
            model_insert(then, i, model_text(model, i));
        for (int step = 0; step < 60; step++) {
            size_t pops = rng_below(&rng, 5);
            if (model->count > pops && rng_below(&rng, 5) < 2) {
                quicklist_delete(list, 0, pops, &limits);
                model_delete(model, 0, pops);
            } else {
                struct slice element = some_text(&rng, text);
                bool front = rng_below(&rng, 20) > 0;
                quicklist_push(list, front, element, &limits);
                model_insert(model, front ? 0 : model->count, element);
            }
            quicklist_check(list);
            if (model->count > 0)
                compare(list, model, 0, false);
        }
        compare_cut(cut, then);
        quicklist_cut_end(cut);
        model_delete(then, 0, then->count);
    }
    quicklist_free(list);
    model_delete(model, 0, model->count);
    free(model);
    free(then);
}

static void inner_nodes_are_compressed_and_read_back(void **state)
{
    (void)state;
    struct quicklist_limits packed = {-2, 1}, plain = {-2, 0};
    struct quicklist *small = quicklist_new(), *large = quicklist_new();
    char text[200];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 5000; i++) {
        memcpy(text, &i, sizeof i);
        quicklist_push(small, false, (struct slice){text, sizeof text}, &packed);
        quicklist_push(large, false, (struct slice){text, sizeof text}, &plain);
    }
    quicklist_check(small);
    assert_true(quicklist_memory(small) * 5 < quicklist_memory(large));
    assert_int_equal(quicklist_bytes(small), quicklist_bytes(large));
    assert_true(quicklist_memory(large) > quicklist_bytes(large));
    assert_true(quicklist_memory(large) < quicklist_bytes(large) * 115 / 100);
    while (quicklist_count(small) > 0)
        quicklist_delete(small, quicklist_count(small) % 2 ? 0 : quicklist_count(small) - 1, 1,
                         &packed);
    quicklist_check(small);
    quicklist_free(small);
    quicklist_free(large);
}

static void a_queue_does_not_grow_its_vector(void **state)
{
    (void)state;
    struct quicklist_limits limits = {1, 0};
    struct quicklist *list = quicklist_new();
    for (int i = 0; i < 10; i++)
        quicklist_push(list, false, SLICE("element"), &limits);
    size_t before = quicklist_memory(list);
    for (int i = 0; i < 10000; i++) {
        quicklist_push(list, i & 4096, SLICE("element"), &limits);
        quicklist_delete(list, i & 4096 ? quicklist_count(list) - 1 : 0, 1, &limits);
    }
    assert_true(quicklist_memory(list) <= before + 1024);
    quicklist_free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quicklist_is_an_array_of_strings),
        cmocka_unit_test(the_front_is_a_stack_beside_a_cut_too),
        cmocka_unit_test(inner_nodes_are_compressed_and_read_back),
        cmocka_unit_test(a_queue_does_not_grow_its_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
