/* Values that are cut into a snapshot while they change.
 *
 * The property, for each type: whatever is done to the value between the steps, what was written
 * reads as the value that was there at the beginning; and the value itself becomes what it would
 * have become without a cut. Method: a copy of the value is kept as it was, another goes through
 * the same changes uncut. */
#include "core/type/value_cut.h"

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/type/hash.h"
#include "core/type/limits.h"
#include "core/type/list.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "core/type/set.h"
#include "core/type/value.h"
#include "core/type/zset.h"
#include "tests/support/test.h"

#define CHANGES_BETWEEN_STEPS_MOST 12
#define DEADLINE_MS 1700000000000
#define NAMES 3000 /* of fields and members that there may be */

static const struct type_limits limits = {
    .hash_entries = 8,
    .hash_value_bytes = 64,
    .set_intset_entries = 8,
    .set_entries = 8,
    .set_value_bytes = 64,
    .zset_entries = 8,
    .zset_value_bytes = 64,
    .list_node_size = 10,
};

/* What is done to a value of a type; `mood` says what is done most. */
enum mood { MOOD_MIXED, MOOD_GROW, MOOD_SHRINK, MOOD_CHANGE, MOOD_EMPTY, MOOD_COUNT };

struct subject {
    const char *name;
    enum value_type type;
    struct entry *(*make)(size_t count, struct rng *rng);
    /* One change, the same for the same numbers. */
    void (*change)(struct entry *entry, enum mood mood, struct rng *rng);
    size_t (*count)(const struct entry *entry);
    void (*check)(const struct entry *entry);
    void (*same)(const struct entry *a, const struct entry *b);
    int version; /* 0: as the value needs */
};

/* --- Hashes ----------------------------------------------------------------------------------- */

static struct slice any_name(struct rng *rng, char name[static 300])
{
    uint64_t number = rng_below(rng, NAMES);
    int len = snprintf(name, 300, "name:%llu", (unsigned long long)number);

    if (number % 16 == 0) {
        memset(name + len, 'x', (size_t)(300 - len));
        len = 300;
    }
    return (struct slice){name, (size_t)len};
}

static void hash_put(struct entry *entry, struct rng *rng, bool deadlines)
{
    struct hash hash = hash_of(entry);
    char name[300], value[80];
    size_t len = rng_below(rng, 70);
    int64_t deadline_ms = HASH_NO_DEADLINE;

    memset(value, (int)('a' + rng_below(rng, 26)), len);
    if (deadlines && rng_below(rng, 2) == 0)
        deadline_ms = DEADLINE_MS + (int64_t)rng_below(rng, 100000);
    hash_set(&hash, &limits, any_name(rng, name), (struct slice){value, len}, deadline_ms);
    entry_set_value(entry, hash.encoding, hash.value);
}

static struct entry *make_hash(size_t count, struct rng *rng, bool deadlines)
{
    struct hash hash = hash_new();
    struct entry *entry;

    hash_convert(&hash);
    entry = entry_new_value(SLICE("hash"), TYPE_HASH, hash.encoding, hash.value,
                            ENTRY_NO_DEADLINE);
    for (size_t i = 0; i < count; i++)
        hash_put(entry, rng, deadlines);
    return entry;
}

static struct entry *make_plain_hash(size_t count, struct rng *rng)
{
    return make_hash(count, rng, false);
}

static struct entry *make_deadline_hash(size_t count, struct rng *rng)
{
    struct entry *entry = make_hash(count, rng, true);
    struct hash hash = hash_of(entry);

    hash_set(&hash, &limits, SLICE("first"), SLICE("x"), DEADLINE_MS - 5);
    return entry;
}

static void change_hash(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct hash hash = hash_of(entry);
    char name[300];
    struct hash_item item;
    struct hash_walk walk;

    if (mood == MOOD_EMPTY) {
        hash_walk_start(&walk, hash);
        if (hash_walk_next(&walk, &item)) {
            memcpy(name, item.field.data, item.field.len);
            assert_true(hash_delete(&hash, (struct slice){name, item.field.len}));
        }
    } else if (mood == MOOD_SHRINK || (mood == MOOD_MIXED && rng_below(rng, 3) == 0)) {
        hash_delete(&hash, any_name(rng, name));
    } else if (mood != MOOD_GROW && rng_below(rng, 2) == 0) {
        int64_t deadline_ms = DEADLINE_MS - 1000 + (int64_t)rng_below(rng, 2000);

        if (rng_below(rng, 2) == 0)
            deadline_ms = HASH_NO_DEADLINE;
        hash_set_deadline(&hash, any_name(rng, name), deadline_ms);
    } else {
        hash_put(entry, rng, true);
    }
}

static size_t count_hash(const struct entry *entry)
{
    return hash_count(hash_of(entry));
}

static void check_hash(const struct entry *entry)
{
    hash_check(hash_of(entry));
}

static void same_hash(const struct entry *a, const struct entry *b)
{
    struct hash_item item, other;
    struct hash_walk walk;

    assert_int_equal(count_hash(a), count_hash(b));
    hash_walk_start(&walk, hash_of(a));
    while (hash_walk_next(&walk, &item)) {
        assert_true(hash_get(hash_of(b), item.field, &other));
        assert_true(slice_equal(item.value, other.value));
        assert_int_equal(item.deadline_ms, other.deadline_ms);
    }
}

/* --- Sets ------------------------------------------------------------------------------------- */

static struct entry *make_set(size_t count, struct rng *rng)
{
    struct set set = set_new(SLICE("x"), count + 100, &limits);
    char name[300];

    for (size_t i = 0; i < count; i++)
        set_add(&set, any_name(rng, name), &limits);
    return entry_new_value(SLICE("set"), TYPE_SET, set.encoding, set.value, ENTRY_NO_DEADLINE);
}

static void change_set(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct set set = set_of(entry);
    char name[300], digits[SET_DIGITS];
    struct set_at at;

    if (mood == MOOD_EMPTY) {
        if (set_count(&set) > 0) {
            set_random(&set, rng, digits, &at);
            set_delete(&set, &at);
        }
    } else if (mood == MOOD_GROW || (mood != MOOD_SHRINK && rng_below(rng, 2) == 0)) {
        set_add(&set, any_name(rng, name), &limits);
    } else if (set_find(&set, any_name(rng, name), &at)) {
        set_delete(&set, &at);
    }
}

static size_t count_set(const struct entry *entry)
{
    struct set set = set_of(entry);

    return set_count(&set);
}

static void check_set(const struct entry *entry)
{
    struct set set = set_of(entry);

    set_check(&set);
}

static void same_set(const struct entry *a, const struct entry *b)
{
    struct set set = set_of(a), other = set_of(b);
    struct set_walk walk;
    struct slice member;

    assert_int_equal(set_count(&set), set_count(&other));
    set_walk_start(&walk, &set);
    while (set_walk_next(&walk, &member))
        assert_true(set_has(&other, member));
}

/* --- Sorted sets ------------------------------------------------------------------------------ */

static void zset_add(struct zset *zset, struct rng *rng)
{
    static const double extremes[] = {-0.0, 0.0, 1.0 / 3, -1e300, 1e300};
    char name[300];
    struct slice member = any_name(rng, name);
    struct zset_spot spot = zset_find(zset, member);
    uint64_t kind = rng_below(rng, 4);
    double score = kind == 0 ? extremes[rng_below(rng, 5)] : (double)rng_below(rng, 200);

    zset_put(zset, &spot, member, score, &limits);
}

static struct entry *make_zset(size_t count, struct rng *rng)
{
    struct zset zset = zset_new(true);

    for (size_t i = 0; i < count; i++)
        zset_add(&zset, rng);
    return entry_new_value(SLICE("zset"), TYPE_ZSET, zset.encoding, zset.value, ENTRY_NO_DEADLINE);
}

static void change_zset(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct zset zset = zset_of(entry);
    uint64_t count = zset_count(&zset);
    struct zset_spot spot;
    char name[300];

    if (mood == MOOD_GROW || (mood != MOOD_EMPTY && rng_below(rng, 2) == 0)) {
        zset_add(&zset, rng);
    } else if (mood == MOOD_EMPTY || rng_below(rng, 5) == 0) {
        uint64_t from = count == 0 ? 0 : rng_below(rng, count);

        zset_remove_range(&zset, from, count - from < 3 ? count - from : 3);
    } else {
        spot = zset_find(&zset, any_name(rng, name));
        if (spot.found)
            zset_remove(&zset, &spot);
    }
}

static size_t count_zset(const struct entry *entry)
{
    struct zset zset = zset_of(entry);

    return zset_count(&zset);
}

static void check_zset(const struct entry *entry)
{
    struct zset zset = zset_of(entry);

    zset_check(&zset);
}

static void same_zset(const struct entry *a, const struct entry *b)
{
    struct zset zset = zset_of(a), other = zset_of(b);
    struct zset_walk walk, other_walk;
    struct zset_pair pair, other_pair;
    bool more = zset_walk_start(&walk, &zset, 0, &pair);

    assert_int_equal(zset_count(&zset), zset_count(&other));
    zset_walk_start(&other_walk, &other, 0, &other_pair);
    while (more) {
        assert_true(slice_equal(pair.member, other_pair.member));
        assert_memory_equal(&pair.score, &other_pair.score, sizeof(double));
        more = zset_walk_next(&walk, &pair);
        zset_walk_next(&other_walk, &other_pair);
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

static struct slice any_element(struct rng *rng, char text[static 300])
{
    size_t len = rng_below(rng, 30) == 0 ? rng_below(rng, 300) : rng_below(rng, 40);

    memset(text, (int)('a' + rng_below(rng, 4)), len);
    return (struct slice){text, len};
}

/* Packed in the middle, in every other list. */
static struct list list_in(const struct entry *entry, struct type_limits *own)
{
    *own = limits;
    own->list_compress_depth = entry_access(entry);
    return list_of(entry, own);
}

static struct entry *make_list(size_t count, struct rng *rng)
{
    struct type_limits own = limits;
    struct list list;
    struct slice elements[20];
    char text[300];
    struct entry *entry;

    for (size_t i = 0; i < 20; i++)
        elements[i] = SLICE("0123456789012345678901234567890123456789");
    own.list_compress_depth = (int64_t)rng_below(rng, 2);
    list = list_new(&own);
    list_expect(&list, elements, 20);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    for (size_t i = 0; i < count; i++)
        list_push(&list, rng_below(rng, 2) == 0, any_element(rng, text));
    entry = entry_new_value(SLICE("list"), TYPE_LIST, list.encoding, list.value,
                            ENTRY_NO_DEADLINE);
    entry_set_access(entry, (uint32_t)own.list_compress_depth);
    return entry;
}

static void change_list(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct type_limits own;
    struct list list = list_in(entry, &own);
    uint64_t count = list_count(&list), index = count == 0 ? 0 : rng_below(rng, count);
    uint64_t what = rng_below(rng, 8), reach = mood == MOOD_SHRINK ? 20 : 2;
    char text[300];

    if (mood == MOOD_GROW || count == 0)
        what %= 3;
    else if (mood == MOOD_SHRINK)
        what = 4 + what % 3;
    else if (mood == MOOD_CHANGE)
        what = what % 2 == 0 ? 3 : 7;
    else if (mood == MOOD_EMPTY)
        what = 4;
    if (what == 0)
        list_push(&list, true, any_element(rng, text));
    else if (what == 1)
        list_push(&list, false, any_element(rng, text));
    else if (what == 2)
        list_insert(&list, index, any_element(rng, text));
    else if (what == 3)
        list_set(&list, index, any_element(rng, text));
    else if (what == 4)
        list_delete(&list, 0, 1);
    else if (what == 5)
        list_delete(&list, count - 1, 1);
    else if (what == 6)
        list_delete(&list, index, count - index < reach ? count - index : reach);
    else
        list_remove(&list, any_element(rng, text), 3, rng_below(rng, 2) == 0);
    entry_set_value(entry, list.encoding, list.value);
}

static size_t count_list(const struct entry *entry)
{
    struct list list = list_of(entry, &limits);

    return list_count(&list);
}

static void check_list(const struct entry *entry)
{
    if (entry_encoding(entry) == ENCODING_QUICKLIST)
        quicklist_check(entry_value(entry));
}

static void same_list(const struct entry *a, const struct entry *b)
{
    struct list list = list_of(a, &limits), other = list_of(b, &limits);
    struct list_cursor cursor, other_cursor;
    struct slice element, other_element;

    assert_int_equal(list_count(&list), list_count(&other));
    if (list_count(&list) == 0)
        return;
    list_begin(&cursor, &list, 0, false);
    list_begin(&other_cursor, &other, 0, false);
    while (list_next(&cursor, &element)) {
        assert_true(list_next(&other_cursor, &other_element));
        assert_true(slice_equal(element, other_element));
    }
    list_end(&cursor);
    list_end(&other_cursor);
}

/* --- The property ----------------------------------------------------------------------------- */

static const struct subject subjects[] = {
    {"hash", TYPE_HASH, make_plain_hash, change_hash, count_hash, check_hash, same_hash, 0},
    {"hash with deadlines", TYPE_HASH, make_deadline_hash, change_hash, count_hash, check_hash,
     same_hash, 0},
    {"set", TYPE_SET, make_set, change_set, count_set, check_set, same_set, 0},
    {"zset", TYPE_ZSET, make_zset, change_zset, count_zset, check_zset, same_zset, 0},
    {"list", TYPE_LIST, make_list, change_list, count_list, check_list, same_list, 0},
    {"list in version 9", TYPE_LIST, make_list, change_list, count_list, check_list, same_list, 9},
};
#define SUBJECT_LIST 4
#define SUBJECTS (sizeof(subjects) / sizeof(*subjects))

static struct entry *decode(const struct buf *bytes, uint8_t tag, int version)
{
    struct fault fault = {0};
    struct rdb_in in = {.at = (const uint8_t *)bytes->data,
                        .end = (const uint8_t *)bytes->data + bytes->len,
                        .offset = bytes->len,
                        .version = version,
                        .limits = &limits,
                        .fault = &fault};
    struct entry *entry;
    bool empty;
    int code = rdb_get_value(&in, tag, SLICE("read"), ENTRY_NO_DEADLINE, &entry, &empty);

    if (code != 0)
        fail_msg("%s", fault.text);
    assert_false(empty);
    assert_ptr_equal(in.at, in.end);
    rdb_in_free(&in);
    return entry;
}

struct trial {
    const struct subject *subject;
    struct entry *entry, *was, *uncut;
    struct rng rng;
    struct buf bytes, other;
    struct rdb_out out;
    uint8_t tag;
};

static void trial_begin(struct trial *trial, const struct subject *subject, size_t count,
                        uint64_t seed)
{
    struct entry *entry;

    *trial = (struct trial){.subject = subject};
    rng_seed(&trial->rng, seed);
    trial->entry = entry = subject->make(count, &trial->rng);
    trial->was = entry_copy(entry, SLICE("was"), ENTRY_NO_DEADLINE);
    trial->uncut = entry_copy(entry, SLICE("uncut"), ENTRY_NO_DEADLINE);
    trial->out.buf = &trial->bytes;
    trial->out.compress = seed % 2;
    trial->out.version = subject->version != 0 ? subject->version : rdb_version_of(entry);
    trial->tag = rdb_tag_of(entry, trial->out.version);
}

static void trial_change(struct trial *trial, enum mood mood, uint64_t times)
{
    while (times-- > 0) {
        struct rng twin = trial->rng;

        trial->subject->change(trial->uncut, mood, &twin);
        trial->subject->change(trial->entry, mood, &trial->rng);
    }
}

static void trial_end(struct trial *trial)
{
    struct entry *read = decode(&trial->bytes, trial->tag, trial->out.version);

    trial->subject->check(trial->entry);
    trial->subject->check(read);
    trial->subject->same(trial->was, read);
    trial->subject->same(trial->entry, trial->uncut);
    entry_free(read);
    entry_free(trial->uncut);
    entry_free(trial->was);
    entry_free(trial->entry);
    buf_free(&trial->bytes);
    buf_free(&trial->other);
}

static void run(const struct subject *subject, enum mood mood, size_t count, uint64_t seed)
{
    struct value_cut *cut;
    struct trial trial;
    bool more = true;

    trial_begin(&trial, subject, count, seed);
    assert_false(value_is_cut(trial.entry));
    cut = value_cut_begin(trial.entry, &trial.out);
    assert_true(value_is_cut(trial.entry));
    while (more) {
        if (mood == MOOD_EMPTY)
            trial_change(&trial, mood, subject->count(trial.entry));
        else
            trial_change(&trial, mood, rng_below(&trial.rng, CHANGES_BETWEEN_STEPS_MOST));
        more = value_cut_step(cut);
    }
    assert_false(value_cut_step(cut));
    value_cut_end(cut);
    assert_false(value_is_cut(trial.entry));
    trial_end(&trial);
}

static void what_is_written_is_the_value_at_the_beginning(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++)
        for (enum mood mood = 0; mood < MOOD_COUNT; mood++)
            for (uint64_t seed = 0; seed < 6; seed++)
                run(&subjects[i], mood, seed == 0 ? 1 : seed * seed * 60, seed);
}

static void a_value_can_be_cut_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++) {
        const struct subject *subject = &subjects[i];
        struct trial trial;

        trial_begin(&trial, subject, 500, i);
        for (int turn = 0; turn < 4; turn++) {
            struct value_cut *cut;
            struct entry *read;

            entry_free(trial.was);
            trial.was = entry_copy(trial.entry, SLICE("was"), ENTRY_NO_DEADLINE);
            buf_clear(&trial.bytes);
            if (subject->version == 0)
                trial.out.version = rdb_version_of(trial.entry);
            trial.tag = rdb_tag_of(trial.entry, trial.out.version);
            cut = value_cut_begin(trial.entry, &trial.out);
            trial_change(&trial, MOOD_MIXED, 50);
            while (value_cut_step(cut))
                trial_change(&trial, MOOD_MIXED, 7);
            value_cut_end(cut);
            read = decode(&trial.bytes, trial.tag, trial.out.version);
            subject->same(trial.was, read);
            entry_free(read);
            trial_change(&trial, MOOD_MIXED, 100);
            trial_change(&trial, MOOD_GROW, 200);
        }
        entry_free(trial.was);
        entry_free(trial.uncut);
        entry_free(trial.entry);
        buf_free(&trial.bytes);
    }
}

/* Copying, DUMP and walks see the value as it is now, cut or not; the copy is not cut. */
static void a_value_that_is_cut_can_be_copied_and_dumped(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++) {
        const struct subject *subject = &subjects[i];
        struct value_cut *cut;
        struct trial trial;
        struct entry *copy, *read;
        struct buf bytes = {0};
        struct rdb_out out = {.buf = &bytes};

        trial_begin(&trial, subject, 400, i);
        cut = value_cut_begin(trial.entry, &trial.out);
        trial_change(&trial, MOOD_MIXED, 50);
        value_cut_step(cut);
        trial_change(&trial, MOOD_MIXED, 50);
        copy = entry_copy(trial.entry, SLICE("copy"), ENTRY_NO_DEADLINE);
        assert_false(value_is_cut(copy));
        subject->check(copy);
        subject->same(trial.entry, copy);
        out.version = rdb_version_of(trial.entry);
        rdb_put_value(&out, trial.entry);
        read = decode(&bytes, rdb_tag_of(trial.entry, out.version), out.version);
        subject->same(trial.entry, read);
        entry_free(read);
        while (value_cut_step(cut))
            subject->change(copy, MOOD_MIXED, &trial.rng);
        value_cut_end(cut);
        subject->check(copy);
        entry_free(copy);
        buf_free(&bytes);
        trial_end(&trial);
    }
}

/* Whoever runs the cut may give it another `out` between two calls. */
static void the_output_may_be_exchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < SUBJECTS; i++) {
        struct value_cut *cut;
        struct trial trial;
        struct rdb_out other;

        trial_begin(&trial, &subjects[i], 400, i);
        other = trial.out;
        other.buf = &trial.other;
        cut = value_cut_begin(trial.entry, &trial.out);
        for (bool more = true; more;) {
            cut->out = &other;
            trial_change(&trial, MOOD_MIXED, 5);
            buf_append_slice(&trial.bytes, buf_slice(&trial.other));
            buf_clear(&trial.other);
            cut->out = &trial.out;
            more = value_cut_step(cut);
        }
        value_cut_end(cut);
        trial_end(&trial);
    }
}

/* What a list lets go while it is cut is held, counted, and given back when it was written. */
static void the_memory_of_old_nodes_is_counted(void **state)
{
    struct value_cut *cut;
    struct trial trial;
    size_t vector, memory;

    (void)state;
    trial_begin(&trial, &subjects[SUBJECT_LIST], 2000, 2);
    cut = value_cut_begin(trial.entry, &trial.out);
    vector = cut->memory;
    memory = entry_memory(trial.entry);
    trial_change(&trial, MOOD_EMPTY, 1000);
    assert_true(cut->memory > vector + (memory - entry_memory(trial.entry)) / 2);
    while (value_cut_step(cut)) {
    }
    assert_int_equal(cut->memory, vector);
    value_cut_end(cut);
    trial_end(&trial);
}

static void small_values_and_strings_are_not_large(void **state)
{
    struct entry *entry = entry_new_string(SLICE("key"), SLICE("value"), ENTRY_NO_DEADLINE);
    struct rng rng;

    (void)state;
    assert_false(value_is_large(entry));
    assert_false(value_is_cut(entry));
    entry_free(entry);
    rng_seed(&rng, 1);
    for (size_t i = 0; i < SUBJECTS; i++) {
        entry = subjects[i].make(1, &rng);
        assert_false(value_is_large(entry));
        entry_free(entry);
        entry = subjects[i].make(20000, &rng);
        assert_true(value_is_large(entry));
        entry_free(entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_the_value_at_the_beginning),
        cmocka_unit_test(a_value_can_be_cut_again),
        cmocka_unit_test(a_value_that_is_cut_can_be_copied_and_dumped),
        cmocka_unit_test(the_output_may_be_exchanged),
        cmocka_unit_test(the_memory_of_old_nodes_is_counted),
        cmocka_unit_test(small_values_and_strings_are_not_large),
    };

    return cmocka_run_group_tests_name("value_cut", tests, NULL, NULL);
}
