/* Sorted sets against a model, in both forms and across the limits; and out to RDB and in again. */
#include "core/type/zset.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/rng.h"
#include "core/type/rdb.h"
#include "core/type/value.h"
#include "core/type/zset_rdb.h"
#include "tests/support/test.h"

#define NAME_MAX 400

static const struct type_limits usual = {.zset_entries = 128, .zset_value_bytes = 64};

/* The model: names by number, of many lengths, some of them integers; scores; who is in. */
struct model {
    size_t most, count;
    double *scores;
    bool *in;
    size_t *sorted; /* numbers of those that are in, in order */
};

static struct slice name_of(size_t i, char text[static NAME_MAX])
{
    int len;

    if (i % 5 == 0)
        len = snprintf(text, NAME_MAX, "%zu", i * 7919 % 100003);
    else
        len = snprintf(text, NAME_MAX, "member:%zu", i);
    if (i % 97 == 3) {
        memset(text + len, 'x', (size_t)(NAME_MAX - 1 - len));
        len = i % 2 == 0 ? 255 : 254 + (int)(i % 100);
    }
    return (struct slice){text, (size_t)len};
}

static int model_compare(const struct model *model, size_t a, double score, size_t b)
{
    char x[NAME_MAX], y[NAME_MAX];

    if (model->scores[a] != score)
        return model->scores[a] < score ? -1 : 1;
    return slice_compare(name_of(a, x), name_of(b, y));
}

static size_t model_rank(const struct model *model, size_t i, double score)
{
    size_t low = 0, high = model->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (model_compare(model, model->sorted[middle], score, i) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_remove(struct model *model, size_t i)
{
    size_t rank = model_rank(model, i, model->scores[i]);

    assert_int_equal(model->sorted[rank], i);
    model->count--;
    memmove(&model->sorted[rank], &model->sorted[rank + 1],
            (model->count - rank) * sizeof(size_t));
    model->in[i] = false;
}

static void model_insert(struct model *model, size_t i, double score)
{
    size_t rank = model_rank(model, i, score);

    memmove(&model->sorted[rank + 1], &model->sorted[rank],
            (model->count - rank) * sizeof(size_t));
    model->sorted[rank] = i;
    model->scores[i] = score;
    model->count++;
    model->in[i] = true;
}

static double random_score(struct rng *rng)
{
    static const double odd[] = {0.0, -0.0, 1e17, 1e-300, -1e300, 0.1, 3.25, -12345.678901234567};

    switch (rng_below(rng, 4)) {
    case 0: return (double)rng_below(rng, 10);
    case 1: return (double)(int64_t)(rng_next(rng) >> 20) / 1024;
    case 2: return odd[rng_below(rng, 8)];
    default: return rng_below(rng, 2) ? __builtin_inf() : -(double)rng_below(rng, 1000);
    }
}

static void check_pair(const struct model *model, size_t rank, const struct zset_pair *pair)
{
    char text[NAME_MAX];

    assert_true(slice_equal(pair->member, name_of(model->sorted[rank], text)));
    assert_true(pair->score == model->scores[model->sorted[rank]]);
}

static void check_all(const struct model *model, const struct zset *zset, struct rng *rng)
{
    struct zset_walk walk;
    struct zset_pair pair;
    size_t rank = 0;

    zset_check(zset);
    assert_int_equal(zset_count(zset), model->count);
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair))
        check_pair(model, rank++, &pair);
    assert_int_equal(rank, model->count);
    if (rank > 0)
        assert_true(zset_walk_start(&walk, zset, rank - 1, &pair));
    while (rank > 1) {
        assert_true(zset_walk_previous(&walk, &pair));
        check_pair(model, --rank - 1, &pair);
    }
    for (int i = 0; i < 10; i++) {
        double bound = random_score(rng);
        uint64_t below = 0, upto = 0;

        for (rank = 0; rank < model->count; rank++) {
            below += model->scores[model->sorted[rank]] < bound;
            upto += model->scores[model->sorted[rank]] <= bound;
        }
        assert_int_equal(zset_below_score(zset, bound, false), below);
        assert_int_equal(zset_below_score(zset, bound, true), upto);
    }
}

/* One random change, to both. */
static void change(struct model *model, struct zset *zset, struct rng *rng, bool fill)
{
    size_t i = (size_t)rng_below(rng, model->most);
    double score = random_score(rng);
    char text[NAME_MAX];
    struct slice name = name_of(i, text);
    struct zset_spot spot = zset_find(zset, name);

    assert_int_equal(spot.found, model->in[i]);
    if (spot.found) {
        assert_true(spot.score == model->scores[i]);
        assert_int_equal(zset_rank(zset, &spot), model_rank(model, i, spot.score));
    }
    if (rng_below(rng, 200) == 0 && model->count > 0) {
        uint64_t from = rng_below(rng, model->count);
        uint64_t count = rng_below(rng, model->count - from < 20 ? model->count - from : 20);

        zset_remove_range(zset, from, count);
        for (uint64_t n = 0; n < count; n++)
            model_remove(model, model->sorted[from]);
    } else if (fill || rng_below(rng, 8) == 0) {
        if (spot.found)
            model_remove(model, i);
        zset_put(zset, &spot, name, score, &usual);
        model_insert(model, i, score);
    } else if (spot.found) {
        zset_remove(zset, &spot);
        model_remove(model, i);
    }
}

static void run_model(size_t most, size_t operations, uint64_t seed, bool large)
{
    struct model model = {most, 0, calloc(most, sizeof(double)), calloc(most, sizeof(bool)),
                          calloc(most, sizeof(size_t))};
    struct zset zset = zset_new(large);
    struct rng rng;

    rng_seed(&rng, seed);
    for (size_t i = 0; i < operations; i++) {
        change(&model, &zset, &rng, i / (operations / 6) % 2 == 0);
        if (i % (operations / 40) == 0)
            check_all(&model, &zset, &rng);
    }
    check_all(&model, &zset, &rng);
    zset_settle(&zset, &usual);
    check_all(&model, &zset, &rng);
    zset_free(&zset);
    free(model.scores);
    free(model.in);
    free(model.sorted);
}

static void both_forms_behave_like_a_sorted_array(void **state)
{
    (void)state;
    run_model(3, 20000, 1, false);
    run_model(100, 50000, 2, false);
    run_model(100, 50000, 3, true);
    run_model(300, 100000, 4, false);
    run_model(5000, 200000, 5, false);
}

static struct zset zset_of_size(size_t count, bool large)
{
    struct zset zset = zset_new(large);
    struct rng rng;

    rng_seed(&rng, count);
    for (size_t i = 0; i < count; i++) {
        char text[NAME_MAX];
        struct slice name = name_of(i, text);
        struct zset_spot spot = zset_find(&zset, name);

        if (!spot.found)
            zset_put(&zset, &spot, name, random_score(&rng), &usual);
    }
    return zset;
}

static void assert_same(const struct zset *a, const struct zset *b)
{
    struct zset_walk x, y;
    struct zset_pair p, q;
    bool more = zset_walk_start(&x, a, 0, &p);

    assert_int_equal(zset_count(a), zset_count(b));
    assert_int_equal(more, zset_walk_start(&y, b, 0, &q));
    while (more) {
        assert_true(slice_equal(p.member, q.member));
        assert_true(p.score == q.score);
        more = zset_walk_next(&x, &p);
        assert_int_equal(more, zset_walk_next(&y, &q));
    }
}

static void members_are_ordered_by_their_bytes(void **state)
{
    static const char *const names[] = {"", "-5", "10", "9", "a", "aa", "ab", "b", "\xff"};

    (void)state;
    for (int large = 0; large < 2; large++) {
        struct zset zset = zset_new(large);

        for (size_t i = 0; i < 9; i++) {
            struct slice name = slice_of(names[i * 4 % 9]);
            struct zset_spot spot = zset_find(&zset, name);

            zset_put(&zset, &spot, name, 1, &usual);
        }
        for (size_t i = 0; i < 9; i++) {
            assert_int_equal(zset_below_member(&zset, slice_of(names[i]), false), i);
            assert_int_equal(zset_below_member(&zset, slice_of(names[i]), true), i + 1);
        }
        assert_int_equal(zset_below_member(&zset, SLICE("a\0"), false), 5);
        zset_free(&zset);
    }
}

static void a_set_becomes_large_at_the_limits(void **state)
{
    struct zset zset = zset_new(false);
    struct zset_spot spot;
    char long_name[65] = {0};

    (void)state;
    for (int i = 0; i < 128; i++) {
        char text[16];
        struct slice name = {text, (size_t)snprintf(text, sizeof(text), "%d", i)};

        spot = zset_find(&zset, name);
        zset_put(&zset, &spot, name, i, &usual);
    }
    assert_int_equal(zset.encoding, ENCODING_LISTPACK);
    spot = zset_find(&zset, SLICE("5"));
    zset_put(&zset, &spot, SLICE("5"), 77, &usual);
    assert_int_equal(zset.encoding, ENCODING_LISTPACK);
    spot = zset_find(&zset, SLICE("one more"));
    zset_put(&zset, &spot, SLICE("one more"), 1, &usual);
    assert_int_equal(zset.encoding, ENCODING_SKIPLIST);
    zset_check(&zset);
    zset_free(&zset);

    zset = zset_new(false);
    spot = zset_find(&zset, (struct slice){long_name, 64});
    zset_put(&zset, &spot, (struct slice){long_name, 64}, 1, &usual);
    assert_int_equal(zset.encoding, ENCODING_LISTPACK);
    spot = zset_find(&zset, (struct slice){long_name, 65});
    zset_put(&zset, &spot, (struct slice){long_name, 65}, 1, &usual);
    assert_int_equal(zset.encoding, ENCODING_SKIPLIST);
    zset_free(&zset);
}

static void count_visit(void *env, struct slice member, double score)
{
    (void)member;
    (void)score;
    ++*(size_t *)env;
}

static void a_scan_sees_every_member(void **state)
{
    static const size_t counts[] = {1, 50, 129, 3000};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct zset zset = zset_of_size(counts[i], false);
        uint64_t cursor = 0;
        size_t seen = 0;

        do
            cursor = zset_scan(&zset, cursor, count_visit, &seen);
        while (cursor != 0);
        assert_int_equal(seen, zset_count(&zset));
        zset_free(&zset);
    }
}

/* --- RDB -------------------------------------------------------------------------------------- */

static void encode(const struct zset *zset, int version, struct buf *buf, uint8_t *tag)
{
    struct rdb_out out = {.buf = buf, .version = version};
    uint64_t cursor = 0;

    *tag = zset_ops.tag(zset->encoding, zset->value, version);
    if (!zset_ops.encode_begin(zset->encoding, zset->value, &out))
        return;
    do
        cursor = zset_ops.encode_node(zset->encoding, zset->value, cursor, &out);
    while (cursor != 0);
}

/* Decode bytes that are exactly as long as the block they lie in. */
static int decode(const char *bytes, size_t len, uint8_t tag, bool foreign, struct zset *zset,
                  size_t *used)
{
    struct fault fault = {0};
    uint8_t *block = malloc(len == 0 ? 1 : len);
    struct rdb_in in = {.at = block, .end = block + len, .offset = len, .version = 10,
                        .foreign = foreign, .limits = &usual, .fault = &fault};
    int code;

    if (len > 0)
        memcpy(block, bytes, len);
    *zset = (struct zset){0};
    code = zset_ops.decode(tag, &in, &zset->encoding, &zset->value);
    *used = (size_t)(in.at - block);
    rdb_in_free(&in);
    free(block);
    return code;
}

static void what_is_encoded_is_decoded(void **state)
{
    static const size_t counts[] = {1, 2, 60, 127, 128, 129, 1000, 20000};

    (void)state;
    for (size_t i = 0; i < 32; i++) {
        struct zset zset = zset_of_size(counts[i / 4], false), again;
        struct buf buf = {0};
        uint8_t tag;
        size_t used;

        encode(&zset, i % 2 == 0 ? 10 : 9, &buf, &tag);
        assert_int_equal(decode(buf.data, buf.len, tag, i % 4 < 2, &again, &used), 0);
        assert_int_equal(used, buf.len);
        assert_int_equal(again.encoding, zset.encoding);
        zset_check(&again);
        assert_same(&zset, &again);
        zset_free(&again);
        zset_free(&zset);
        buf_free(&buf);
    }
}

static void every_cut_is_an_error(void **state)
{
    (void)state;
    for (int form = 0; form < 3; form++) {
        struct zset zset = zset_of_size(form == 0 ? 60 : 200, false), again;
        struct buf buf = {0};
        uint8_t tag;
        size_t used;

        encode(&zset, form == 1 ? 9 : 10, &buf, &tag);
        for (size_t len = 0; len < buf.len; len++) {
            assert_int_not_equal(decode(buf.data, len, tag, form == 2, &again, &used), 0);
            assert_null(again.value);
        }
        zset_free(&zset);
        buf_free(&buf);
    }
}

/* Flipped bytes give an error or some sorted set, whose invariants hold. */
static void noise_is_an_error_or_a_good_set(void **state)
{
    struct rng rng;

    (void)state;
    rng_seed(&rng, 77);
    for (int round = 0; round < 20000; round++) {
        struct zset zset = zset_of_size(1 + (size_t)rng_below(&rng, 30), round % 2), again;
        struct buf buf = {0};
        uint8_t tag;
        size_t used;

        encode(&zset, 10, &buf, &tag);
        for (uint64_t i = 0, flips = 1 + rng_below(&rng, 3); i < flips; i++)
            buf.data[rng_below(&rng, buf.len)] = (char)rng_next(&rng);
        if (decode(buf.data, buf.len, tag, true, &again, &used) == 0 && again.value != NULL) {
            zset_check(&again);
            zset_free(&again);
        }
        zset_free(&zset);
        buf_free(&buf);
    }
}

static void put_text_pair(struct buf *buf, const char *member, const char *score)
{
    buf_append_char(buf, (char)strlen(member));
    buf_append_text(buf, member);
    buf_append_char(buf, (char)strlen(score));
    buf_append_text(buf, score);
}

static void the_oldest_form_is_read(void **state)
{
    struct buf buf = {0};
    struct zset zset;
    size_t used;

    (void)state;
    buf_append_char(&buf, 3);
    put_text_pair(&buf, "a", "1.5");
    put_text_pair(&buf, "b", "-2");
    buf_append(&buf, "\1c\376", 3);
    assert_int_equal(decode(buf.data, buf.len, RDB_ZSET, true, &zset, &used), 0);
    assert_int_equal(zset.encoding, ENCODING_LISTPACK);
    assert_int_equal(zset_count(&zset), 3);
    assert_true(zset_find(&zset, SLICE("b")).score == -2);
    assert_true(zset_find(&zset, SLICE("c")).score == __builtin_inf());
    zset_free(&zset);
    buf_free(&buf);
}

static void a_member_that_is_there_twice_is_an_error(void **state)
{
    uint8_t *listpack = listpack_new(0);
    struct buf buf = {0};
    struct rdb_out out = {.buf = &buf, .version = 10};
    struct zset zset;
    size_t used;

    (void)state;
    listpack = listpack_append(listpack, SLICE("a"));
    listpack = listpack_append(listpack, SLICE("1"));
    listpack = listpack_append(listpack, SLICE("a"));
    listpack = listpack_append(listpack, SLICE("2"));
    rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
    assert_int_equal(decode(buf.data, buf.len, RDB_ZSET_LISTPACK, true, &zset, &used), KV_EFORMAT);
    buf_clear(&buf);
    listpack = listpack_append(listpack, SLICE("a")); /* out of order, too */
    listpack = listpack_append(listpack, SLICE("-1.5"));
    rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
    assert_int_equal(decode(buf.data, buf.len, RDB_ZSET_LISTPACK, true, &zset, &used), KV_EFORMAT);
    buf_clear(&buf);
    buf_append_char(&buf, 2);
    put_text_pair(&buf, "a", "1");
    put_text_pair(&buf, "a", "2");
    assert_int_equal(decode(buf.data, buf.len, RDB_ZSET, true, &zset, &used), KV_EFORMAT);
    buf_clear(&buf);
    buf_append_char(&buf, 1);
    put_text_pair(&buf, "a", "nan");
    assert_int_equal(decode(buf.data, buf.len, RDB_ZSET, true, &zset, &used), KV_EFORMAT);
    listpack_free(listpack);
    buf_free(&buf);
}

/* In order or not, of an odd number of elements or none. */
static void a_strange_listpack_is_sorted_or_refused(void **state)
{
    static const char *const words[] = {"b", "2", "a", "1", "c"};

    (void)state;
    for (size_t count = 0; count <= 5; count++) {
        uint8_t *listpack = listpack_new(0);
        struct buf buf = {0};
        struct rdb_out out = {.buf = &buf, .version = 10};
        struct zset zset;
        size_t used;
        int code;

        for (size_t i = 0; i < count; i++)
            listpack = listpack_append(listpack, slice_of(words[i]));
        rdb_put_string(&out, (struct slice){(char *)listpack, listpack_bytes(listpack)});
        code = decode(buf.data, buf.len, RDB_ZSET_LISTPACK, false, &zset, &used);
        assert_int_equal(code, count % 2 == 0 ? 0 : KV_EFORMAT);
        if (code == 0 && count > 0) {
            zset_check(&zset);
            assert_int_equal(zset_count(&zset), count / 2);
            zset_free(&zset);
        } else {
            assert_null(zset.value);
        }
        listpack_free(listpack);
        buf_free(&buf);
    }
}

static void a_copy_is_the_same_and_its_own(void **state)
{
    static const size_t counts[] = {10, 5000};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct zset zset = zset_of_size(counts[i], false), copy = zset;

        copy.value = zset_ops.copy(zset.encoding, zset.value);
        assert_same(&zset, &copy);
        zset_remove_range(&zset, 0, 3);
        zset_check(&zset);
        zset_check(&copy);
        assert_int_equal(zset_count(&copy), zset_count(&zset) + 3);
        zset_ops.free(copy.encoding, copy.value);
        zset_free(&zset);
    }
}

/* The target of the design: 52 bytes for a member of 15, in all. And what memory() says is what the
 * allocator gave. */
static void a_member_of_15_bytes_takes_52(void **state)
{
    enum { COUNT = 300000 };
    struct zset zset = zset_new(true);
    struct mem_stats before, after;
    struct rng rng;
    double each, real;

    (void)state;
    rng_seed(&rng, 9);
    mem_stats_read(&before);
    for (int i = 0; i < COUNT; i++) {
        char text[24];
        struct slice name = {text, (size_t)snprintf(text, sizeof(text), "member:%08d", i)};
        struct zset_spot spot = zset_find(&zset, name);

        zset_put(&zset, &spot, name, (double)(rng_next(&rng) >> 12), &usual);
    }
    mem_stats_read(&after);
    each = (double)zset_ops.memory(zset.encoding, zset.value) / COUNT;
    real = (double)(after.allocated - before.allocated) / COUNT;
    print_message("%.2f bytes a member, %.2f by the allocator\n", each, real);
    assert_true(each <= 52);
    if (strncmp(mem_allocator_name(), "jemalloc", 8) == 0)
        assert_true(real <= each * 1.1 && real >= each * 0.9);
    zset_free(&zset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_behave_like_a_sorted_array),
        cmocka_unit_test(members_are_ordered_by_their_bytes),
        cmocka_unit_test(a_set_becomes_large_at_the_limits),
        cmocka_unit_test(a_scan_sees_every_member),
        cmocka_unit_test(what_is_encoded_is_decoded),
        cmocka_unit_test(every_cut_is_an_error),
        cmocka_unit_test(noise_is_an_error_or_a_good_set),
        cmocka_unit_test(the_oldest_form_is_read),
        cmocka_unit_test(a_member_that_is_there_twice_is_an_error),
        cmocka_unit_test(a_strange_listpack_is_sorted_or_refused),
        cmocka_unit_test(a_copy_is_the_same_and_its_own),
        cmocka_unit_test(a_member_of_15_bytes_takes_52),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
