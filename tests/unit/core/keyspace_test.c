/* The keyspace against a model that is an array, and its figures against what they must add up to.
 */
#include "core/keyspace.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/reaper.h"
#include "core/base/rng.h"
#include "core/type/value.h"
#include "tests/support/test.h"

#define DATABASES 4
#define KEYS 3000
#define STEPS 300000

/* A value is one letter `len` times, or a number. */
struct model_value {
    bool there, number;
    char letter;
    size_t len;
    int64_t deadline_ms;
};

struct world {
    struct keyspace *keyspace;
    struct reaper *reaper;
    struct rng rng;
    struct model_value model[DATABASES][KEYS];
    char letters[2 << 20];
};

static struct slice key_of(int id, char out[static 300])
{
    int len = snprintf(out, 300, "key:%d", id);

    /* One key in 16 has a length that the header of an entry cannot hold. */
    if (id % 16 != 0)
        return (struct slice){out, (size_t)len};
    memset(out + len, '.', 290 - (size_t)len);
    return (struct slice){out, 290};
}

static struct place find(struct world *world, int db, struct slice key)
{
    return keyspace_find(world->keyspace, db, key, keyspace_hash(world->keyspace, key));
}

static int64_t any_deadline(struct world *world)
{
    return rng_below(&world->rng, 2) ? ENTRY_NO_DEADLINE : (int64_t)rng_below(&world->rng, 9999);
}

static size_t any_len(struct world *world)
{
    if (rng_below(&world->rng, 2000) == 0)
        return rng_below(&world->rng, sizeof(world->letters));
    return rng_below(&world->rng, 200);
}

/* Fill in `value` and the text that goes with it. */
static struct slice any_value(struct world *world, struct model_value *value, char digits[24])
{
    *value = (struct model_value){.there = true, .deadline_ms = any_deadline(world)};
    value->number = rng_below(&world->rng, 4) == 0;
    value->len = value->number ? rng_below(&world->rng, 1000000) : any_len(world);
    value->letter = (char)('a' + rng_below(&world->rng, 26));
    if (value->number)
        return (struct slice){digits, (size_t)snprintf(digits, 24, "%zu", value->len)};
    memset(world->letters, value->letter, value->len);
    return (struct slice){world->letters, value->len};
}

static void assert_like_model(const struct entry *entry, const struct model_value *value)
{
    char digits[24];
    struct slice text;
    int64_t number;

    assert_int_equal(entry != NULL, value->there);
    if (entry == NULL)
        return;
    assert_true(entry_deadline(entry) == value->deadline_ms);
    if (value->number) {
        assert_true(entry_int(entry, &number));
        assert_int_equal(number, value->len);
        return;
    }
    text = entry_string(entry, digits);
    assert_int_equal(text.len, value->len);
    for (size_t i = 0; i < text.len; i += 1 + text.len / 100)
        assert_int_equal(text.data[i], value->letter);
}

static void change_in_place(struct world *world, struct place *place, struct model_value *value)
{
    size_t len = rng_below(&world->rng, 1000);
    struct entry *entry;

    keyspace_before_change(world->keyspace, place);
    if (value->number && rng_below(&world->rng, 2)) {
        entry = place->entry;
        value->len = len;
        assert_true(entry_overwrite_int(entry, (int64_t)len));
    } else {
        entry = entry_resize(place->entry, len);
        memset(entry_bytes_of(entry), value->letter, len);
        value->number = false;
        value->len = len;
    }
    /* The deadline may change on the way as well. */
    if (rng_below(&world->rng, 4) == 0) {
        value->deadline_ms = any_deadline(world);
        entry = entry_set_deadline(entry, value->deadline_ms);
    }
    keyspace_after_change(world->keyspace, place, entry);
}

/* RENAME and MOVE: taken out here, put in there. */
static void carry(struct world *world, struct place *from, struct model_value *value)
{
    int db = (int)rng_below(&world->rng, DATABASES), id = (int)rng_below(&world->rng, KEYS);
    char text[300];
    struct slice key = key_of(id, text);
    struct entry *entry = keyspace_take(world->keyspace, from);
    struct model_value kept = *value;
    struct place to = find(world, db, key);

    assert_null(from->entry);
    value->there = false;
    keyspace_put(world->keyspace, &to, entry_rename(entry, key));
    world->model[db][id] = kept;
}

static void step_on_key(struct world *world)
{
    int db = (int)rng_below(&world->rng, DATABASES), id = (int)rng_below(&world->rng, KEYS);
    struct model_value *value = &world->model[db][id], fresh;
    char text[300], digits[24];
    struct slice bytes;
    struct place place = find(world, db, key_of(id, text));
    uint64_t changes = keyspace_changes(world->keyspace);

    assert_like_model(place.entry, value);
    switch (rng_below(&world->rng, 6)) {
    case 0:
    case 1:
        bytes = any_value(world, &fresh, digits);
        keyspace_put_string(world->keyspace, &place, bytes, fresh.deadline_ms);
        *value = fresh;
        break;
    case 2:
        bytes = any_value(world, &fresh, digits);
        keyspace_put(world->keyspace, &place,
                     entry_new_string(place.key, bytes, fresh.deadline_ms));
        *value = fresh;
        break;
    case 3:
        if (!value->there)
            return;
        value->deadline_ms = any_deadline(world);
        keyspace_set_deadline(world->keyspace, &place, value->deadline_ms);
        break;
    case 4:
        if (!value->there)
            return;
        change_in_place(world, &place, value);
        break;
    default:
        if (!value->there)
            return;
        if (rng_below(&world->rng, 2)) {
            carry(world, &place, value);
        } else {
            keyspace_remove(world->keyspace, &place, rng_below(&world->rng, 2));
            value->there = false;
        }
        return;
    }
    assert_true(keyspace_changes(world->keyspace) > changes);
    assert_like_model(place.entry, value);
    /* The place may be used on, even after an insertion. */
    if (rng_below(&world->rng, 8) == 0) {
        keyspace_set_deadline(world->keyspace, &place, 77);
        value->deadline_ms = 77;
    }
}

static void step_on_database(struct world *world)
{
    static struct model_value kept[KEYS];
    int a = (int)rng_below(&world->rng, DATABASES), b = (int)rng_below(&world->rng, DATABASES);
    uint64_t there = keyspace_count(world->keyspace, a);

    if (rng_below(&world->rng, 2)) {
        keyspace_swap(world->keyspace, a, b);
        memcpy(kept, world->model[a], sizeof(kept));
        memcpy(world->model[a], world->model[b], sizeof(kept));
        memcpy(world->model[b], kept, sizeof(kept));
    } else {
        assert_int_equal(keyspace_flush(world->keyspace, a, rng_below(&world->rng, 2)), there);
        memset(world->model[a], 0, sizeof(world->model[a]));
        assert_int_equal(keyspace_count(world->keyspace, a), 0);
    }
}

static void count_entry(void *env, struct entry *entry)
{
    (void)entry;
    ++*(size_t *)env;
}

static void compare(struct world *world)
{
    uint64_t total = 0;

    keyspace_check(world->keyspace);
    for (int db = 0; db < DATABASES; db++) {
        uint64_t there = 0, deadlines = 0, cursor = 0;
        size_t each = 0, scanned = 0;
        char text[300];

        for (int id = 0; id < KEYS; id++) {
            const struct model_value *value = &world->model[db][id];

            there += value->there;
            deadlines += value->there && value->deadline_ms != ENTRY_NO_DEADLINE;
            assert_like_model(find(world, db, key_of(id, text)).entry, value);
        }
        assert_int_equal(keyspace_count(world->keyspace, db), there);
        assert_int_equal(keyspace_deadlines(world->keyspace, db), deadlines);
        keyspace_each(world->keyspace, db, count_entry, &each);
        assert_int_equal(each, there);
        do {
            cursor = keyspace_scan_deadlines(world->keyspace, db, cursor, count_entry, &scanned);
        } while (cursor != 0);
        assert_int_equal(scanned, deadlines);
        total += there;
    }
    assert_int_equal(keyspace_total(world->keyspace), total);
}

/* Property: whatever is done, in whatever order, the keyspace holds what the array holds, and its
 * figures are exact. */
static void random_changes_leave_what_the_model_has(void **state)
{
    struct world *world = *state;
    char text[300];

    for (int step = 0; step < STEPS; step++) {
        if (rng_below(&world->rng, 20000) == 0)
            step_on_database(world);
        else
            step_on_key(world);
        if (step % 10000 == 0)
            compare(world);
    }
    compare(world);
    for (int db = 0; db < DATABASES; db++) {
        for (int id = 0; id < KEYS; id++) {
            struct place place = find(world, db, key_of(id, text));

            if (place.entry != NULL)
                keyspace_remove(world->keyspace, &place, false);
        }
        assert_int_equal(keyspace_count(world->keyspace, db), 0);
        assert_int_equal(keyspace_deadlines(world->keyspace, db), 0);
    }
    keyspace_check(world->keyspace);
    assert_true(keyspace_memory(world->keyspace) < 4096);
    keyspace_flush(world->keyspace, -1, false);
    assert_int_equal(keyspace_memory(world->keyspace), 0);
    keyspace_check(world->keyspace);
}

static void emptying_what_is_empty_is_no_change(void **state)
{
    struct world *world = *state;
    uint64_t changes = keyspace_changes(world->keyspace);

    assert_int_equal(keyspace_flush(world->keyspace, -1, true), 0);
    keyspace_swap(world->keyspace, 0, 1);
    assert_int_equal(keyspace_changes(world->keyspace), changes);
}

/* Property: what a flush, a removal or an overwriting gives to the reaper is off the books at once,
 * and is given back once. */
static void big_things_are_given_back_in_the_background(void **state)
{
    struct world *world = *state;
    struct place place = find(world, 0, SLICE("big"));
    struct slice big = {world->letters, (1 << 20) + 1}, small = {world->letters, 10};
    uint64_t given = reaper_pending(world->reaper) + reaper_done(world->reaper);

    keyspace_put_string(world->keyspace, &place, big, 5);
    assert_true(keyspace_memory(world->keyspace) > big.len);
    keyspace_put_string(world->keyspace, &place, small, 5);
    assert_true(keyspace_memory(world->keyspace) < 2000);
    keyspace_put_string(world->keyspace, &place, big, 5);
    keyspace_remove(world->keyspace, &place, false);
    assert_true(keyspace_memory(world->keyspace) < 2000);
    keyspace_put_string(world->keyspace, &place, small, 5);
    keyspace_remove(world->keyspace, &place, false);
    keyspace_put_string(world->keyspace, &place, big, 5);
    assert_int_equal(keyspace_flush(world->keyspace, 0, false), 1);
    assert_int_equal(keyspace_memory(world->keyspace), 0);
    assert_int_equal(reaper_pending(world->reaper) + reaper_done(world->reaper), given + 3);
}

static void the_access_field_outlives_overwriting(void **state)
{
    struct world *world = *state;
    struct place place = find(world, 1, SLICE("key"));
    struct slice longer = {world->letters, 5000};

    keyspace_put_string(world->keyspace, &place, SLICE("value"), ENTRY_NO_DEADLINE);
    entry_set_access(place.entry, 0x123456);
    keyspace_put_string(world->keyspace, &place, SLICE("eulav"), 9);
    assert_int_equal(entry_access(place.entry), 0x123456);
    keyspace_put_string(world->keyspace, &place, longer, ENTRY_NO_DEADLINE);
    assert_int_equal(entry_access(place.entry), 0x123456);
    keyspace_check(world->keyspace);
    keyspace_flush(world->keyspace, 1, false);
}

/* A key past its deadline that could not be deleted is not there for the caller. */
static void what_is_hidden_is_put_over(void **state)
{
    struct world *world = *state;
    struct place place = find(world, 1, SLICE("key"));

    keyspace_put_string(world->keyspace, &place, SLICE("value"), 5);
    place = find(world, 1, SLICE("key"));
    place.entry = NULL;
    keyspace_put_string(world->keyspace, &place, SLICE("other"), ENTRY_NO_DEADLINE);
    place = find(world, 1, SLICE("key"));
    place.entry = NULL;
    keyspace_put(world->keyspace, &place, entry_new_int(SLICE("key"), 5, 7));
    assert_int_equal(keyspace_count(world->keyspace, 1), 1);
    assert_int_equal(keyspace_deadlines(world->keyspace, 1), 1);
    keyspace_check(world->keyspace);
    keyspace_flush(world->keyspace, 1, false);
}

static void samples_and_random_keys_are_of_the_kind_asked_for(void **state)
{
    struct world *world = *state;
    struct entry *samples[40];
    char text[300];

    assert_null(keyspace_random(world->keyspace, 2, false, &world->rng));
    assert_int_equal(keyspace_sample(world->keyspace, 2, true, &world->rng, samples, 40), 0);
    keyspace_presize(world->keyspace, 2, 1000);
    for (int id = 0; id < 1000; id++) {
        struct place place = find(world, 2, key_of(id, text));

        keyspace_put_string(world->keyspace, &place, SLICE("v"),
                            id % 10 == 0 ? 100 : ENTRY_NO_DEADLINE);
    }
    for (int i = 0; i < 100; i++) {
        size_t count = keyspace_sample(world->keyspace, 2, true, &world->rng, samples, 40);

        assert_in_range(count, 1, 40);
        while (count-- > 0)
            assert_true(entry_deadline(samples[count]) == 100);
        assert_true(entry_deadline(keyspace_random(world->keyspace, 2, true, &world->rng)) == 100);
        assert_non_null(keyspace_random(world->keyspace, 2, false, &world->rng));
    }
    assert_true(keyspace_overhead(world->keyspace, 2, true) <
                keyspace_overhead(world->keyspace, 2, false));
    keyspace_check(world->keyspace);
    keyspace_flush(world->keyspace, 2, true);
}

static int world_new(void **state)
{
    struct world *world = mem_alloc_zero(sizeof(*world));

    world->reaper = reaper_start();
    world->keyspace = keyspace_new(DATABASES, 42, world->reaper);
    rng_seed(&world->rng, 1);
    *state = world;
    return 0;
}

static int world_free(void **state)
{
    struct world *world = *state;

    keyspace_free(world->keyspace);
    reaper_stop(world->reaper);
    mem_free(world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_leave_what_the_model_has),
        cmocka_unit_test(emptying_what_is_empty_is_no_change),
        cmocka_unit_test(big_things_are_given_back_in_the_background),
        cmocka_unit_test(the_access_field_outlives_overwriting),
        cmocka_unit_test(what_is_hidden_is_put_over),
        cmocka_unit_test(samples_and_random_keys_are_of_the_kind_asked_for),
    };
    return cmocka_run_group_tests(tests, world_new, world_free);
}
