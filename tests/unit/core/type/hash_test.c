/* Hashes against a model: an array of fields that is searched from the beginning. Random operations
 * on both forms; after each the answers are the same, and now and then all of it is. */
#include "core/type/hash.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/type/limits.h"
#include "core/type/value.h"
#include "tests/support/test.h"

#define FIELDS 1500
#define VALUE_MAX 90

struct model_field {
    bool in;
    int64_t deadline_ms;
    size_t len;
    char value[VALUE_MAX];
};

struct model {
    struct model_field fields[FIELDS];
    size_t count;
    struct hash hash;
    struct rng rng;
    struct type_limits limits;
};

static struct slice name_of(size_t id, char text[static 16])
{
    /* Every third is a number, which a listpack stores as one. */
    int len = snprintf(text, 16, id % 3 == 0 ? "%zu" : "field:%zu", id);

    return (struct slice){text, (size_t)len};
}

static struct slice random_value(struct model *model, char text[static VALUE_MAX])
{
    size_t len = rng_below(&model->rng, rng_below(&model->rng, 50) == 0 ? VALUE_MAX : 20);

    if (rng_below(&model->rng, 3) == 0)
        len = (size_t)snprintf(text, VALUE_MAX, "%d", (int)rng_below(&model->rng, 100000));
    else
        memset(text, 'a' + (int)rng_below(&model->rng, 26), len);
    return (struct slice){text, len};
}

static int64_t random_deadline(struct model *model, bool deadlines)
{
    if (!deadlines || rng_below(&model->rng, 2) == 0)
        return HASH_NO_DEADLINE;
    return (int64_t)rng_below(&model->rng, 1000);
}

static void check_item(const struct model *model, size_t id, const struct hash_item *item)
{
    const struct model_field *field = &model->fields[id];
    char text[16];

    assert_true(slice_equal(item->field, name_of(id, text)));
    assert_true(slice_equal(item->value, (struct slice){field->value, field->len}));
    assert_int_equal(item->deadline_ms, field->deadline_ms);
}

static size_t id_of(struct slice name)
{
    const char *digits = memchr(name.data, ':', name.len);
    char text[16] = {0};

    digits = digits == NULL ? name.data : digits + 1;
    memcpy(text, digits, (size_t)(name.data + name.len - digits));
    return (size_t)atoi(text);
}

struct visits {
    struct model *model;
    size_t seen[FIELDS];
};

static void visit(void *env, const struct hash_item *item)
{
    struct visits *visits = env;
    size_t id = id_of(item->field);

    check_item(visits->model, id, item);
    visits->seen[id]++;
}

static void check_all(struct model *model)
{
    static struct visits visits;
    int64_t first_ms = HASH_NO_DEADLINE;
    size_t due = 0, walked = 0;
    struct hash_walk walk;
    struct hash_item item;
    uint64_t cursor = 0;

    hash_check(model->hash);
    assert_int_equal(hash_count(model->hash), model->count);
    visits = (struct visits){.model = model};
    do
        cursor = hash_scan(model->hash, cursor, visit, &visits);
    while (cursor != 0);
    for (size_t id = 0; id < FIELDS; id++) {
        const struct model_field *field = &model->fields[id];

        assert_int_equal(visits.seen[id], field->in);
        if (!field->in || field->deadline_ms == HASH_NO_DEADLINE)
            continue;
        due += field->deadline_ms <= 500;
        if (first_ms == HASH_NO_DEADLINE || field->deadline_ms < first_ms)
            first_ms = field->deadline_ms;
    }
    assert_int_equal(hash_first_deadline(model->hash), first_ms);
    assert_int_equal(hash_first(model->hash, &item), first_ms != HASH_NO_DEADLINE);
    assert_int_equal(hash_due(model->hash, 500), due);
    hash_walk_start(&walk, model->hash);
    while (hash_walk_next(&walk, &item)) {
        check_item(model, id_of(item.field), &item);
        walked++;
    }
    assert_int_equal(walked, model->count);
}

static void set_one(struct model *model, size_t id, bool deadlines)
{
    struct model_field *field = &model->fields[id];
    char text[16], bytes[VALUE_MAX];
    struct slice value = random_value(model, bytes);

    field->deadline_ms = random_deadline(model, deadlines);
    field->len = value.len;
    memcpy(field->value, value.data, value.len);
    assert_int_equal(hash_set(&model->hash, &model->limits, name_of(id, text), value,
                              field->deadline_ms),
                     !field->in);
    model->count += !field->in;
    field->in = true;
}

static void one_operation(struct model *model, size_t ids, bool deadlines, bool growing)
{
    size_t id = rng_below(&model->rng, ids);
    struct model_field *field = &model->fields[id];
    struct hash_item item;
    char text[16];
    struct slice name = name_of(id, text);

    assert_int_equal(hash_get(model->hash, name, &item), field->in);
    if (field->in)
        check_item(model, id, &item);
    if (rng_below(&model->rng, 10) < (growing ? 7U : 2U)) {
        set_one(model, id, deadlines);
    } else if (deadlines && rng_below(&model->rng, 3) == 0) {
        int64_t deadline_ms = random_deadline(model, true);

        assert_int_equal(hash_set_deadline(&model->hash, name, deadline_ms), field->in);
        if (field->in)
            field->deadline_ms = deadline_ms;
    } else {
        assert_int_equal(hash_delete(&model->hash, name), field->in);
        model->count -= field->in;
        field->in = false;
    }
    assert_int_equal(hash_count(model->hash), model->count);
    assert_int_equal(hash_random(model->hash, &model->rng, &item), model->count > 0);
    if (model->count > 0)
        check_item(model, id_of(item.field), &item);
}

static void run_model(size_t ids, size_t operations, bool deadlines, int64_t entries)
{
    struct model *model = calloc(1, sizeof(*model));

    model->hash = hash_new();
    model->limits = (struct type_limits){.hash_entries = entries, .hash_value_bytes = 64};
    rng_seed(&model->rng, ids + operations + deadlines);
    for (size_t i = 0; i < operations; i++) {
        one_operation(model, ids, deadlines, i / (4 * ids) % 2 == 0);
        if (i % (operations / 50) == 0)
            check_all(model);
    }
    check_all(model);
    hash_free(model->hash);
    free(model);
}

static void a_listpack_answers_as_the_model_does(void **state)
{
    (void)state;
    run_model(20, 20000, false, 512);
    run_model(150, 40000, false, 128);
}

static void a_table_answers_as_the_model_does(void **state)
{
    (void)state;
    run_model(FIELDS, 150000, false, 0);
    run_model(FIELDS, 100000, false, 512);
}

static void deadlines_are_those_of_the_model(void **state)
{
    (void)state;
    run_model(10, 20000, true, 512);
    run_model(FIELDS, 200000, true, 512);
}

static void it_grows_into_a_table_at_the_limits(void **state)
{
    struct type_limits limits = {.hash_entries = 2, .hash_value_bytes = 5};
    struct hash hash = hash_new();

    (void)state;
    hash_set(&hash, &limits, SLICE("a"), SLICE("12345"), HASH_NO_DEADLINE);
    hash_set(&hash, &limits, SLICE("12345"), SLICE("a"), HASH_NO_DEADLINE);
    assert_int_equal(hash.encoding, ENCODING_LISTPACK);
    hash_set(&hash, &limits, SLICE("c"), SLICE("a"), HASH_NO_DEADLINE);
    assert_int_equal(hash.encoding, ENCODING_HASHTABLE);
    hash_free(hash);
    hash = hash_new();
    hash_set(&hash, &limits, SLICE("a"), SLICE("123456"), HASH_NO_DEADLINE);
    assert_int_equal(hash.encoding, ENCODING_HASHTABLE);
    hash_free(hash);
    hash = hash_new();
    hash_set(&hash, &limits, SLICE("a"), SLICE("1"), HASH_NO_DEADLINE);
    assert_true(hash_set_deadline(&hash, SLICE("a"), HASH_NO_DEADLINE));
    assert_false(hash_set_deadline(&hash, SLICE("b"), HASH_NO_DEADLINE));
    assert_int_equal(hash.encoding, ENCODING_LISTPACK);
    assert_true(hash_set_deadline(&hash, SLICE("a"), 5));
    assert_int_equal(hash.encoding, ENCODING_HASHTABLE);
    hash_free(hash);
}

static void fields_of_any_length_are_kept(void **state)
{
    static const size_t lengths[] = {0, 1, 255, 256, 65535, 65536, 200000};
    struct type_limits limits = {.hash_entries = 0};
    struct hash hash = hash_new();
    char *bytes = calloc(1, 200000);
    struct hash_item item;

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        for (size_t j = 0; j < 7; j++) {
            for (int64_t deadline_ms = HASH_NO_DEADLINE;; deadline_ms = 77) {
                struct slice name = {bytes, lengths[i]}, value = {bytes, lengths[j]};

                hash_set(&hash, &limits, name, value, deadline_ms);
                assert_true(hash_get(hash, name, &item));
                assert_true(slice_equal(item.field, name));
                assert_true(slice_equal(item.value, value));
                assert_int_equal(item.deadline_ms, deadline_ms);
                hash_check(hash);
                if (deadline_ms == 77)
                    break;
            }
        }
    }
    assert_int_equal(hash_count(hash), 7);
    hash_free(hash);
    free(bytes);
}

/* What design promises, without the entry and the key: 58 bytes a field of 12 + 22 bytes. */
static void memory_is_told_and_is_little(void **state)
{
    struct type_limits limits = {.hash_entries = 0};
    struct hash hash = hash_new();
    size_t bytes;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char name[32], value[32];

        snprintf(name, sizeof(name), "field:%06d", i);
        snprintf(value, sizeof(value), "value:%016d", i);
        hash_set(&hash, &limits, (struct slice){name, 12}, (struct slice){value, 22},
                 HASH_NO_DEADLINE);
    }
    bytes = hash_ops.memory(hash.encoding, hash.value);
    print_message("%zu bytes a field\n", bytes / 1000);
#ifndef __SANITIZE_ADDRESS__
    assert_in_range(bytes, 48000, 58999);
#endif
    assert_int_equal(hash_ops.effort(hash.encoding, hash.value), 1000);
    hash_free(hash);
}

static void a_copy_is_the_same_and_its_own(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++) {
        struct type_limits limits = {.hash_entries = large ? 0 : 512, .hash_value_bytes = 64};
        struct hash hash = hash_new(), copy;
        struct hash_item item;

        for (int i = 0; i < 300; i++) {
            char name[16];

            snprintf(name, sizeof(name), "%d", i);
            hash_set(&hash, &limits, slice_of(name), slice_of(name),
                     large && i % 2 ? i : HASH_NO_DEADLINE);
        }
        copy = (struct hash){hash.encoding, hash_ops.copy(hash.encoding, hash.value)};
        hash_set(&hash, &limits, SLICE("7"), SLICE("other"), HASH_NO_DEADLINE);
        hash_check(copy);
        assert_int_equal(hash_count(copy), 300);
        assert_true(hash_get(copy, SLICE("7"), &item));
        assert_true(slice_equal(item.value, SLICE("7")));
        assert_int_equal(item.deadline_ms, large ? 7 : HASH_NO_DEADLINE);
        hash_free(hash);
        hash_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listpack_answers_as_the_model_does),
        cmocka_unit_test(a_table_answers_as_the_model_does),
        cmocka_unit_test(deadlines_are_those_of_the_model),
        cmocka_unit_test(it_grows_into_a_table_at_the_limits),
        cmocka_unit_test(fields_of_any_length_are_kept),
        cmocka_unit_test(memory_is_told_and_is_little),
        cmocka_unit_test(a_copy_is_the_same_and_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
