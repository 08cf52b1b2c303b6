/* Streams against a model: a sorted array of entries. What is read back is compared in both
 * directions, with and without deletions, and after a journey through the RDB format; every cut and
 * many a flipped byte of which must be refused or give a stream that holds its invariants. */
#include "core/type/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/type/rdb.h"
#include "core/type/stream_group.h"
#include "core/type/stream_rdb.h"
#include "core/type/value.h"
#include "tests/support/test.h"

#define MODEL_MAX 5000
#define WORDS_MAX 6
#define NOW 1700000000000

struct model {
    size_t count;
    struct model_entry {
        struct stream_id id;
        size_t words;
        char text[WORDS_MAX][40];
    } entries[MODEL_MAX];
};

static const struct type_limits limits = {.stream_node_bytes = 300, .stream_node_entries = 20};

static void any_words(struct rng *rng, struct model_entry *entry)
{
    static const char *const names[2][3] = {{"a", "bb", "7"}, {"x", "yy", "-1"}};
    const char *const *set = names[rng_below(rng, 4) == 0];

    entry->words = 2 * (1 + (size_t)rng_below(rng, 3));
    for (size_t i = 0; i < entry->words; i += 2) {
        strcpy(entry->text[i], set[i / 2]);
        if (rng_below(rng, 2))
            snprintf(entry->text[i + 1], sizeof(entry->text[0]), "%lld",
                     (long long)rng_next(rng) >> rng_below(rng, 64));
        else
            snprintf(entry->text[i + 1], sizeof(entry->text[0]), "%.*s", (int)rng_below(rng, 30),
                     "abcdefghijklmnopqrstuvwxyz0123456789");
    }
}

static void append(struct stream *stream, const struct model_entry *entry)
{
    struct slice words[WORDS_MAX];

    for (size_t i = 0; i < entry->words; i++)
        words[i] = slice_of(entry->text[i]);
    stream_append(stream, entry->id, entry->words, words, &limits);
}

static void assert_entry(struct stream_walk *walk, const struct model_entry *entry)
{
    char name_digits[24], value_digits[24];
    struct slice name, value;

    assert_int_equal(stream_id_compare(walk->id, entry->id), 0);
    assert_int_equal(walk->fields * 2, entry->words);
    /* All of them or some: the walk goes on alike. */
    for (size_t i = 0; i < entry->words - (entry->id.ms % 2) * 2; i += 2) {
        stream_walk_field(walk, name_digits, value_digits, &name, &value);
        assert_true(slice_equal(name, slice_of(entry->text[i])));
        assert_true(slice_equal(value, slice_of(entry->text[i + 1])));
    }
}

static void compare(const struct model *model, const struct stream *stream, size_t from, size_t to)
{
    struct stream_id first = STREAM_ID_MIN, last = STREAM_ID_MAX;
    struct stream_walk walk;

    if (model->count > 0) {
        first = model->entries[from].id;
        last = model->entries[to].id;
    }
    stream_walk_begin(&walk, stream, first, last, false);
    for (size_t i = from; i <= to && i < model->count; i++) {
        assert_true(stream_walk_next(&walk));
        assert_entry(&walk, &model->entries[i]);
    }
    assert_false(stream_walk_next(&walk));
    stream_walk_end(&walk);
    stream_walk_begin(&walk, stream, first, last, true);
    for (size_t i = to + 1; i-- > from && model->count > 0;) {
        assert_true(stream_walk_next(&walk));
        assert_entry(&walk, &model->entries[i]);
    }
    assert_false(stream_walk_next(&walk));
    stream_walk_end(&walk);
}

static void compare_all(const struct model *model, const struct stream *stream)
{
    stream_check(stream);
    assert_int_equal(stream->length, model->count);
    compare(model, stream, 0, model->count - (model->count > 0));
}

static void model_remove(struct model *model, size_t at, size_t count)
{
    memmove(&model->entries[at], &model->entries[at + count],
            (model->count - at - count) * sizeof(model->entries[0]));
    model->count -= count;
}

static void random_change(struct model *model, struct stream *stream, struct rng *rng,
                          struct stream_id *last)
{
    uint64_t roll = rng_below(rng, 100);

    if ((roll < 75 && model->count < MODEL_MAX) || model->count == 0) {
        struct model_entry *entry = &model->entries[model->count++];

        if (rng_below(rng, 3) == 0)
            *last = (struct stream_id){last->ms + 1 + rng_below(rng, 100), rng_below(rng, 4)};
        last->seq += 1 + rng_below(rng, 2);
        entry->id = *last;
        any_words(rng, entry);
        append(stream, entry);
    } else if (roll < 98) {
        size_t at = (size_t)rng_below(rng, model->count);
        struct stream_id id = model->entries[at].id;

        assert_true(stream_has(stream, id));
        assert_true(stream_delete(stream, id));
        assert_false(stream_delete(stream, id));
        assert_false(stream_has(stream, id));
        model_remove(model, at, 1);
    } else {
        size_t stay = model->count - (size_t)rng_below(rng, model->count / 4 + 1);
        struct stream_trim trim = {.by = STREAM_TRIM_LENGTH, .length = stay};
        uint64_t trimmed;
        bool would;

        trim.whole_nodes = rng_below(rng, 2);
        trim.limit = trim.whole_nodes ? rng_below(rng, 60) : 0;
        if (rng_below(rng, 2)) {
            trim.by = STREAM_TRIM_ID;
            trim.id = stay < model->count ? model->entries[model->count - stay].id : STREAM_ID_MIN;
        }
        would = stream_would_trim(stream, &trim);
        trimmed = stream_trim(stream, &trim);
        assert_int_equal(would, trimmed > 0);
        if (trim.whole_nodes)
            assert_in_range(trimmed, 0, trim.limit ? trim.limit : model->count - stay);
        else
            assert_int_equal(trimmed, model->count - stay);
        model_remove(model, 0, (size_t)trimmed);
    }
}

static struct stream *random_stream(struct model *model, uint64_t seed, int steps)
{
    struct stream *stream = stream_new();
    struct stream_id last = {1, 0};
    struct rng rng;

    rng_seed(&rng, seed);
    for (int step = 0; step < steps; step++) {
        random_change(model, stream, &rng, &last);
        if (step % 500 == 0)
            compare_all(model, stream);
        if (model->count > 0) {
            size_t from = (size_t)rng_below(&rng, model->count);
            size_t to = from + (size_t)rng_below(&rng, 30);

            if (step % 10 == 0)
                compare(model, stream, from, to < model->count ? to : model->count - 1);
        }
    }
    compare_all(model, stream);
    return stream;
}

static void a_stream_is_as_a_sorted_array(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct stream *stream, *copy;
        struct stream_trim all = {.by = STREAM_TRIM_LENGTH};

        model->count = 0;
        stream = random_stream(model, seed, 8000);
        copy = stream_copy(stream);
        (void)stream_trim(stream, &all);
        assert_int_equal(stream->length, 0);
        stream_check(stream);
        stream_free(stream);
        compare_all(model, copy);
        stream_free(copy);
    }
    free(model);
}

static void the_last_ids_of_all_are_entries_too(void **state)
{
    struct stream *stream = stream_new();
    struct slice words[2] = {SLICE("a"), SLICE("1")};
    struct stream_id before = {UINT64_MAX, 3};
    struct stream_walk walk;

    (void)state;
    stream_append(stream, (struct stream_id){0, 1}, 2, words, &limits);
    stream_append(stream, (struct stream_id){0, UINT64_MAX}, 2, words, &limits);
    stream_append(stream, (struct stream_id){1, 0}, 2, words, &limits);
    stream_append(stream, (struct stream_id){INT64_MAX, 9}, 2, words, &limits);
    stream_check(stream);
    stream_append(stream, before, 2, words, &limits);
    stream_append(stream, STREAM_ID_MAX, 2, words, &limits);
    stream_walk_begin(&walk, stream, before, STREAM_ID_MAX, true);
    assert_true(stream_walk_next(&walk));
    assert_int_equal(stream_id_compare(walk.id, STREAM_ID_MAX), 0);
    assert_true(stream_walk_next(&walk));
    assert_int_equal(stream_id_compare(walk.id, before), 0);
    assert_false(stream_walk_next(&walk));
    stream_walk_end(&walk);
    stream_free(stream);
}

/* --- Groups and the journey ------------------------------------------------------------------- */

static void add_groups(struct stream *stream, uint64_t seed)
{
    static const char *const names[] = {"g", "group", "h", ""};
    struct rng rng;

    rng_seed(&rng, seed);
    for (int i = 0; i < 4; i++) {
        struct stream_group *group =
            stream_group_new(stream, slice_of(names[i]), stream->first_id, i - 1);

        assert_null(stream_group_new(stream, slice_of(names[i]), STREAM_ID_MIN, 0));
        for (int j = 0; j < 4; j++)
            assert_non_null(stream_consumer_new(stream, group, slice_of(names[j]), NOW + j));
        for (int j = 0; j < 400 && i > 0; j++) {
            struct stream_consumer *consumer =
                stream_consumer_find(group, slice_of(names[rng_below(&rng, 3)]));
            struct stream_id id = {rng_below(&rng, 30), rng_below(&rng, 9)};

            if (rng_below(&rng, 3) == 0) {
                (void)stream_pending_remove(stream, group, id);
            } else {
                struct stream_pending *pending =
                    stream_pending_give(stream, group, id, consumer);

                pending->delivered_ms = NOW + j;
                pending->deliveries = (uint64_t)j;
            }
        }
    }
    assert_true(stream_group_remove(stream, SLICE("h")));
    assert_false(stream_group_remove(stream, SLICE("h")));
}

static void encode(const struct stream *stream, int version, struct buf *buf)
{
    struct rdb_out out = {.buf = buf, .version = version};

    assert_false(stream_ops.encode_begin(ENCODING_STREAM, stream, &out));
}

static int decode(int version, struct slice bytes, struct stream **stream)
{
    struct fault fault = {0};
    struct rdb_in in = {.at = (const uint8_t *)bytes.data,
                        .end = (const uint8_t *)bytes.data + bytes.len,
                        .offset = bytes.len,
                        .version = version,
                        .foreign = true,
                        .limits = &limits,
                        .fault = &fault};
    uint8_t tag = stream_ops.tag(ENCODING_STREAM, NULL, version);
    enum value_encoding encoding;
    void *value = NULL;
    int code = stream_ops.decode(tag, &in, &encoding, &value);

    rdb_in_free(&in);
    *stream = value;
    assert_int_equal(code == 0, value != NULL);
    return code;
}

static void every_version_brings_a_stream_back(void **state)
{
    struct model *model = calloc(1, sizeof(*model));

    (void)state;
    for (int version = 9; version <= 11; version++) {
        struct stream *stream = random_stream(model, 40, 3000), *back, *copy;
        struct buf first = {0}, second = {0}, third = {0};

        add_groups(stream, 5);
        stream_check(stream);
        encode(stream, version, &first);
        assert_int_equal(decode(version, buf_slice(&first), &back), 0);
        stream_check(back);
        compare_all(model, back);
        assert_int_equal(stream_id_compare(back->last_id, stream->last_id), 0);
        assert_int_equal(stream_id_compare(back->first_id, stream->first_id), 0);
        if (version > 9) {
            assert_int_equal(back->entries_added, stream->entries_added);
            encode(back, version, &second);
            assert_true(slice_equal(buf_slice(&first), buf_slice(&second)));
        }
        copy = stream_copy(stream);
        stream_check(copy);
        encode(copy, version, &third);
        assert_true(slice_equal(buf_slice(&first), buf_slice(&third)));
        assert_int_equal(copy->account.blocks, stream->account.blocks);
        stream_free(copy);
        stream_free(back);
        stream_free(stream);
        buf_free(&first);
        buf_free(&second);
        buf_free(&third);
        model->count = 0;
    }
    free(model);
}

static void no_cut_and_no_damage_gives_a_bad_stream(void **state)
{
    struct model *model = calloc(1, sizeof(*model));
    struct stream *stream = random_stream(model, 8, 60), *back;
    struct buf bytes = {0};
    struct rng rng;

    (void)state;
    add_groups(stream, 6);
    encode(stream, 10, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(decode(10, (struct slice){bytes.data, len}, &back), KV_EFORMAT);
    rng_seed(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        char *at = bytes.data + rng_below(&rng, bytes.len), before = *at;

        *at = (char)rng_next(&rng);
        if (decode(10, buf_slice(&bytes), &back) == 0) {
            stream_check(back);
            stream_free(back);
        }
        *at = before;
    }
    stream_free(stream);
    buf_free(&bytes);
    free(model);
}

static void memory_is_what_the_allocator_says(void **state)
{
    const struct type_limits usual = {.stream_node_bytes = 4096, .stream_node_entries = 100};
    struct slice words[4] = {SLICE("temperature"), SLICE("21.5"), SLICE("n"), SLICE("12345")};
    struct mem_stats before, after;
    struct stream_group *group;
    struct stream_consumer *consumer;
    struct stream *stream;
    size_t real;

    (void)state;
    mem_stats_read(&before);
    stream = stream_new();
    group = stream_group_new(stream, SLICE("group"), STREAM_ID_MIN, 0);
    consumer = stream_consumer_new(stream, group, SLICE("consumer"), NOW);
    for (uint64_t i = 1; i <= 50000; i++) {
        struct stream_id id = {NOW + i * 3, 0};

        stream_append(stream, id, 4, words, &usual);
        if (i % 5 == 0)
            stream_pending_give(stream, group, id, consumer);
    }
    mem_stats_read(&after);
    real = after.allocated - before.allocated;
    /* A sanitizer's allocator counts otherwise. */
    if (strncmp(mem_allocator_name(), "jemalloc", 8) == 0)
        assert_in_range(stream_memory(stream), real - real / 20, real + real / 20);
    stream_consumer_remove(stream, group, consumer);
    assert_int_equal(radix_count(group->pending), 0);
    stream_check(stream);
    stream_free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_as_a_sorted_array),
        cmocka_unit_test(the_last_ids_of_all_are_entries_too),
        cmocka_unit_test(every_version_brings_a_stream_back),
        cmocka_unit_test(no_cut_and_no_damage_gives_a_bad_stream),
        cmocka_unit_test(memory_is_what_the_allocator_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
