/* Fields past their deadline go, with their hash if they are the last, and nothing else does; each
 * deletion is in the log; the index of hashes with deadlines follows whatever happens to them. */
#include "core/expiry_fields.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/base/rng.h"
#include "core/expiry.h"
#include "core/keyspace.h"
#include "core/record.h"
#include "core/replay.h"
#include "core/type/hash.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

#define PLENTY_US 1000000

static const struct command *const no_commands[] = {NULL};

static struct place place_of(struct engine *engine, int db, int id, char text[static 32])
{
    struct slice key = {text, (size_t)snprintf(text, 32, "hash:%d", id)};

    return keyspace_find(engine->keyspace, db, key, keyspace_hash(engine->keyspace, key));
}

/* Set a field, in a hash that is made if it is not there. */
static void set_field(struct engine *engine, int db, int id, int field, int64_t deadline_ms)
{
    char text[32], name[32];
    struct place place = place_of(engine, db, id, text);
    struct slice field_name = {name, (size_t)snprintf(name, sizeof(name), "f%d", field)};
    struct hash hash;

    if (place.entry == NULL) {
        hash = hash_new();
        hash_set(&hash, &engine->settings->limits, field_name, SLICE("v"), deadline_ms);
        keyspace_put(engine->keyspace, &place,
                     entry_new_value(place.key, TYPE_HASH, hash.encoding, hash.value,
                                     ENTRY_NO_DEADLINE));
        return;
    }
    keyspace_before_change(engine->keyspace, &place);
    hash = hash_of(place.entry);
    hash_set(&hash, &engine->settings->limits, field_name, SLICE("v"), deadline_ms);
    entry_set_value(place.entry, hash.encoding, hash.value);
    keyspace_after_change(engine->keyspace, &place, place.entry);
}

static size_t fields_of(struct engine *engine, int db, int id)
{
    char text[32];
    struct place place = place_of(engine, db, id, text);

    return place.entry == NULL ? 0 : hash_count(hash_of(place.entry));
}

static void sweep(struct engine *engine)
{
    expiry_sweep(engine, PLENTY_US);
    record_commit(engine);
    engine_turn_end(engine);
}

static size_t count_of(const char *text, const char *word)
{
    size_t count = 0;

    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        count++;
    }
    return count;
}

static void all_fields_that_are_over_go_and_no_others(void **state)
{
    struct fake_world world = {0};
    struct engine *engine;
    size_t left = 0;

    (void)state;
    fake_world_open(&world, no_commands);
    engine = world.engine;
    for (int id = 0; id < 500; id++) {
        for (int field = 0; field < 12; field++) {
            int64_t offset_ms = field % 3 == 0 ? -id : 1 + id;

            set_field(engine, id % 4, id, field,
                      id % 5 == 0        ? engine->now_ms - field
                      : field % 3 == 2   ? HASH_NO_DEADLINE
                                         : engine->now_ms + offset_ms);
        }
    }
    keyspace_check(engine->keyspace);
    for (int i = 0; i < 20; i++)
        sweep(engine);
    keyspace_check(engine->keyspace);
    assert_int_equal(keyspace_total(engine->keyspace), 400);
    for (int id = 0; id < 500; id++)
        left += fields_of(engine, id % 4, id);
    assert_int_equal(left, 400 * 8);
    assert_int_equal(engine->stats.expired_fields, 100 * 12 + 400 * 4);
    fake_world_sync(&world);
    assert_int_equal(count_of(fake_stream(&world), "\r\nHDEL\r\n"), 500);
    assert_int_equal(count_of(fake_stream(&world), "\r\nDEL\r\n"), 0);
    fake_world_close(&world);
}

static void a_large_hash_goes_in_slices(void **state)
{
    struct fake_world world = {0};
    struct engine *engine;
    char text[32];
    struct place place;

    (void)state;
    fake_world_open(&world, no_commands);
    engine = world.engine;
    for (int field = 0; field < 5000; field++)
        set_field(engine, 0, 1, field, engine->now_ms - field);
    place = place_of(engine, 0, 1, text);
    assert_true(expiry_fields_due(place.entry, engine->now_ms));
    assert_int_equal(expiry_fields_delete(engine, &place, 1000), 1000);
    assert_int_equal(fields_of(engine, 0, 1), 4000);
    keyspace_check(engine->keyspace);
    /* No time: one slice all the same, so that it comes to an end. */
    assert_false(expiry_fields_sweep(engine, 0));
    assert_in_range(fields_of(engine, 0, 1), 1, 3999);
    assert_true(expiry_fields_sweep(engine, UINT64_MAX));
    assert_int_equal(keyspace_total(engine->keyspace), 0);
    assert_int_equal(keyspace_inner_deadlines(engine->keyspace, 0), 0);
    record_commit(engine);
    fake_world_close(&world);
}

static void nothing_goes_while_loading_or_failed(void **state)
{
    struct fake_world world = {0};
    struct engine *engine;

    (void)state;
    fake_world_open(&world, no_commands);
    engine = world.engine;
    set_field(engine, 0, 1, 1, engine->now_ms - 5);
    replay_loading(engine, true);
    sweep(engine);
    assert_int_equal(fields_of(engine, 0, 1), 1);
    replay_loading(engine, false);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    sweep(engine);
    assert_int_equal(fields_of(engine, 0, 1), 1);
    atomic_store(&world.journal.state, JOURNAL_HEALTHY);
    sweep(engine);
    assert_int_equal(fields_of(engine, 0, 1), 0);
    fake_world_close(&world);
}

/* Whatever a hash with deadlines goes through, the index holds exactly those that have one. */
static void the_index_follows(void **state)
{
    struct fake_world world = {0};
    struct keyspace *keyspace;
    struct engine *engine;
    char text[32], other_text[32];
    struct rng rng;

    (void)state;
    fake_world_open(&world, no_commands);
    engine = world.engine;
    keyspace = engine->keyspace;
    rng_seed(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        int db = (int)rng_below(&rng, 2), id = (int)rng_below(&rng, 50);
        struct place place = place_of(engine, db, id, text), other;

        switch (place.entry == NULL ? 0 : rng_below(&rng, 8)) {
        case 0:
        case 1:
        case 2:
            if (place.entry == NULL || entry_type(place.entry) == TYPE_HASH)
                set_field(engine, db, id, (int)rng_below(&rng, 5),
                          rng_below(&rng, 2) ? engine->now_ms + 1000 : HASH_NO_DEADLINE);
            break;
        case 3: keyspace_remove(keyspace, &place, false); break;
        case 4: keyspace_put_string(keyspace, &place, SLICE("v"), ENTRY_NO_DEADLINE); break;
        case 5: keyspace_set_deadline(keyspace, &place, engine->now_ms + 5000); break;
        case 6: {
            struct entry *entry = keyspace_take(keyspace, &place);

            other = place_of(engine, 1 - db, id + 1, other_text);
            keyspace_put(keyspace, &other, entry_rename(entry, other.key));
            break;
        }
        case 7:
            other = place_of(engine, 1 - db, id + 1, other_text);
            keyspace_put(keyspace, &other, entry_copy(place.entry, other.key, ENTRY_NO_DEADLINE));
            break;
        }
        if (i % 500 == 0)
            keyspace_check(keyspace);
        if (i % 3000 == 0)
            keyspace_swap(keyspace, 0, 1);
    }
    keyspace_check(keyspace);
    assert_true(keyspace_inner_deadlines(keyspace, 0) > 0);
    keyspace_flush(keyspace, 0, true);
    assert_int_equal(keyspace_inner_deadlines(keyspace, 0), 0);
    keyspace_check(keyspace);
    fake_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_fields_that_are_over_go_and_no_others),
        cmocka_unit_test(a_large_hash_goes_in_slices),
        cmocka_unit_test(nothing_goes_while_loading_or_failed),
        cmocka_unit_test(the_index_follows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
