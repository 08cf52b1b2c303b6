/* Values that are cut into a snapshot while they change.
 *
 * The property, for each type: whatever is done to the value between the steps, what was written
 * reads as the value that was there at the beginning; and the value itself becomes what it would
 * have become without a cut. Method: a copy of the value is kept as it was, another goes through
 * the same changes uncut. */
#include "core/type/value_cut.h"

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/rng.h"
#include "core/type/digest.h"
#include "core/type/hash.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "tests/support/cut_subjects.h"
#include "tests/support/test.h"

#define CHANGES_BETWEEN_STEPS_MOST 12

static struct entry *decode(const struct buf *bytes, uint8_t tag, int version)
{
    struct fault fault = {0};
    struct rdb_in in = {.at = (const uint8_t *)bytes->data,
                        .end = (const uint8_t *)bytes->data + bytes->len,
                        .offset = bytes->len,
                        .version = version,
                        .limits = &cut_limits,
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
    const struct cut_subject *subject;
    struct entry *entry, *was, *uncut;
    struct rng rng;
    struct buf bytes, other;
    struct rdb_out out;
    uint8_t tag;
};

static void trial_begin(struct trial *trial, const struct cut_subject *subject, size_t count,
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

static void run(const struct cut_subject *subject, enum mood mood, size_t count, uint64_t seed)
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
    for (size_t i = 0; i < CUT_SUBJECTS; i++)
        for (enum mood mood = 0; mood < MOOD_COUNT; mood++)
            for (uint64_t seed = 0; seed < 6; seed++)
                run(&cut_subjects[i], mood, seed == 0 ? 1 : seed * seed * 60, seed);
}

static void a_value_can_be_cut_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < CUT_SUBJECTS; i++) {
        const struct cut_subject *subject = &cut_subjects[i];
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
    for (size_t i = 0; i < CUT_SUBJECTS; i++) {
        const struct cut_subject *subject = &cut_subjects[i];
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
    for (size_t i = 0; i < CUT_SUBJECTS; i++) {
        struct value_cut *cut;
        struct trial trial;
        struct rdb_out other;

        trial_begin(&trial, &cut_subjects[i], 400, i);
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
    trial_begin(&trial, &cut_subjects[CUT_SUBJECT_LIST], 2000, 2);
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

/* A group of a table has 40 fields or so; but they may be large. */
static void a_step_writes_no_more_than_one_large_element_too_many(void **state)
{
    static char value[100000];
    struct hash hash = hash_new();
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = RDB_VERSION_USUAL};
    struct value_cut *cut;
    struct entry *entry;

    (void)state;
    hash_convert(&hash);
    for (char name = 'A'; name < 'z'; name++)
        hash_set(&hash, &cut_limits, (struct slice){&name, 1}, (struct slice){value, sizeof(value)},
                 HASH_NO_DEADLINE);
    entry = entry_new_value(SLICE("key"), TYPE_HASH, hash.encoding, hash.value, ENTRY_NO_DEADLINE);
    cut = value_cut_begin(entry, &out);
    for (bool more = true; more; buf_clear(&bytes)) {
        more = value_cut_step(cut);
        assert_true(bytes.len < sizeof(value) + 8192);
    }
    value_cut_end(cut);
    entry_free(entry);
    buf_free(&bytes);
}

/* A group before its turn: 20,000 entries are pending, and one is acknowledged, another given to
 * someone else. */
static void of_a_group_only_what_changes_is_written_ahead(void **state unused)
{
    struct stream *stream = stream_new();
    struct stream_group *group = stream_group_new(stream, SLICE("group"), STREAM_ID_MIN, 0);
    struct stream_consumer *first = stream_consumer_new(stream, group, SLICE("first"), 1);
    struct stream_consumer *other = stream_consumer_new(stream, group, SLICE("other"), 2);
    struct entry *entry, *read;
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = RDB_VERSION_USUAL};
    struct digest was, is;
    struct value_cut *cut;
    size_t before;

    for (uint64_t i = 1; i <= 20000; i++) {
        struct slice words[2] = {SLICE("field"), SLICE("value")};

        stream_append(stream, (struct stream_id){i, 0}, 2, words, &cut_limits);
        stream_pending_give(stream, group, (struct stream_id){i, 0}, first);
    }
    entry = entry_new_value(SLICE("s"), TYPE_STREAM, ENCODING_STREAM, stream, ENTRY_NO_DEADLINE);
    first->active_ms = other->active_ms = 5;
    was = digest_of_value(entry);
    out.version = rdb_version_of(entry);
    cut = value_cut_begin(entry, &out);
    before = cut->memory;
    assert_true(stream_pending_remove(stream, group, (struct stream_id){7, 0}));
    stream_pending_give(stream, group, (struct stream_id){9, 0}, other);
    assert_true(cut->memory - before < 4096);
    while (value_cut_step(cut))
        continue;
    value_cut_end(cut);
    read = decode(&bytes, rdb_tag_of(entry, out.version), out.version);
    is = digest_of_value(read);
    assert_memory_equal(&was, &is, sizeof(was));
    entry_free(read);
    entry_free(entry);
    buf_free(&bytes);
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
    for (size_t i = 0; i < CUT_SUBJECTS; i++) {
        entry = cut_subjects[i].make(1, &rng);
        assert_false(value_is_large(entry));
        entry_free(entry);
        entry = cut_subjects[i].make(20000, &rng);
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
        cmocka_unit_test(a_step_writes_no_more_than_one_large_element_too_many),
        cmocka_unit_test(of_a_group_only_what_changes_is_written_ahead),
        cmocka_unit_test(small_values_and_strings_are_not_large),
    };

    return cmocka_run_group_tests_name("value_cut", tests, NULL, NULL);
}
