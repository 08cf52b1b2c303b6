/* Eviction: the limit holds under every policy, the right keys go first, time is bounded, and a log
 * that takes no deletions is respected. All chance has a fixed seed. */
#include "core/evict.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/keyspace.h"
#include "core/record.h"
#include "core/replay.h"
#include "core/type/entry.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static const struct command *const no_commands[] = {NULL};

struct world {
    struct fake_world fake;
    uint64_t step_us; /* the monotonic clock goes on by this at each look */
    uint64_t clock_us;
};

static uint64_t stepping_ns(void *self)
{
    struct fake_world *fake = self;
    struct world *world = (struct world *)(void *)fake;

    world->clock_us += world->step_us;
    return ((uint64_t)fake->now_us + world->clock_us) * 1000;
}

static struct engine *world_open(struct world *world, int policy)
{
    struct engine *engine;

    *world = (struct world){0};
    fake_world_open(&world->fake, no_commands);
    world->fake.host.monotonic_ns = stepping_ns;
    engine = world->fake.engine;
    engine->settings->maxmemory_policy = policy;
    engine->settings->maxmemory_samples = 5;
    engine->stats.memory_at_start = 0; /* maxmemory is about the keys alone */
    return engine;
}

static void pass_seconds(struct world *world, int64_t seconds)
{
    world->fake.now_us += seconds * 1000000;
    engine_turn_begin(world->fake.engine);
}

static struct place find(struct engine *engine, int db, int id)
{
    static char text[32];
    struct slice key = {text, (size_t)snprintf(text, sizeof(text), "key:%d", id)};

    return keyspace_find(engine->keyspace, db, key, keyspace_hash(engine->keyspace, key));
}

static void put(struct engine *engine, int db, int id, int64_t deadline_ms)
{
    struct place place = find(engine, db, id);

    keyspace_put_string(engine->keyspace, &place, SLICE("value-of-thirty-two-bytes-length"),
                        deadline_ms);
    entry_set_access(place.entry, evict_access_new(engine));
}

/* How many of the keys from..to-1 are there. */
static int survivors(struct engine *engine, int from, int to)
{
    int there = 0;

    for (int id = from; id < to; id++)
        there += find(engine, 0, id).entry != NULL;
    return there;
}

/* Evict until the limit holds; the calls are bounded, so there are many. */
static void evict_all(struct engine *engine)
{
    for (int i = 0; keyspace_memory(engine->keyspace) > (size_t)engine->settings->maxmemory; i++) {
        assert_true(evict_to_fit(engine));
        record_commit(engine);
        assert_true(i < 100000);
    }
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

static void the_limit_holds_under_every_policy(void **state)
{
    (void)state;
    for (int policy = EVICT_ALLKEYS_LRU; policy <= EVICT_VOLATILE_TTL; policy++) {
        struct world world;
        struct engine *engine = world_open(&world, policy);

        engine->settings->maxmemory = 300000;
        for (int id = 0; id < 10000; id++) {
            put(engine, id % 3, id, engine->now_ms + 1000000 + id);
            assert_true(evict_to_fit(engine));
            record_commit(engine);
            assert_true(keyspace_memory(engine->keyspace) <= 300000);
        }
        keyspace_check(engine->keyspace);
        assert_true(keyspace_memory(engine->keyspace) > 290000);
        assert_int_equal(engine->stats.evicted + keyspace_total(engine->keyspace), 10000);
        fake_world_sync(&world.fake);
        assert_int_equal(count_of(fake_stream(&world.fake), "\r\nDEL\r\n"),
                         engine->stats.evicted);
        fake_world_close(&world.fake);
    }
}

static void without_a_policy_nothing_is_evicted(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_NONE);

    (void)state;
    put(engine, 0, 1, ENTRY_NO_DEADLINE);
    assert_true(evict_to_fit(engine));
    engine->settings->maxmemory = 10;
    assert_false(evict_to_fit(engine));
    assert_int_equal(keyspace_total(engine->keyspace), 1);
    pass_seconds(&world, 2);
    engine->settings->maxmemory = 0;
    assert_true(evict_to_fit(engine));
    assert_int_equal(engine->stats.eviction_exceeded_ms, 2000);
    fake_world_close(&world.fake);
}

static void volatile_policies_leave_keys_without_a_deadline(void **state)
{
    static const int policies[] = {EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM,
                                   EVICT_VOLATILE_TTL};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world world;
        struct engine *engine = world_open(&world, policies[i]);

        for (int id = 0; id < 1000; id++)
            put(engine, 0, id, id < 500 ? ENTRY_NO_DEADLINE : engine->now_ms + 5000);
        engine->settings->maxmemory = 1;
        while (evict_to_fit(engine))
            record_commit(engine);
        record_commit(engine);
        assert_int_equal(survivors(engine, 0, 500), 500);
        assert_int_equal(survivors(engine, 500, 1000), 0);
        fake_world_close(&world.fake);
    }
}

/* Half of the keys must go; of those used last, few do. */
static void the_least_recently_used_go_first(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_LRU);
    int old, young;

    (void)state;
    for (int id = 0; id < 10000; id++)
        put(engine, 0, id, ENTRY_NO_DEADLINE);
    for (int id = 0; id < 10000; id++) {
        pass_seconds(&world, 1);
        evict_access_touch(engine, find(engine, 0, id).entry);
    }
    engine->settings->maxmemory = (int64_t)keyspace_memory(engine->keyspace) / 2;
    evict_all(engine);
    old = survivors(engine, 0, 5000);
    young = survivors(engine, 5000, 10000);
    assert_true(old + young > 4000);
    assert_true(survivors(engine, 8000, 10000) > 1980);
    assert_true(old < 700);
    fake_world_close(&world.fake);
}

static void the_least_frequently_used_go_first(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_LFU);

    (void)state;
    engine->settings->lfu_log_factor = 10;
    engine->settings->lfu_decay_time = 1;
    for (int id = 0; id < 4000; id++)
        put(engine, 0, id, ENTRY_NO_DEADLINE);
    /* The hot ones come first: by the time of their last use they were the ones to go. */
    for (int id = 0; id < 1000; id++)
        for (int use = 0; use < 300; use++)
            evict_access_touch(engine, find(engine, 0, id).entry);
    for (int id = 1000; id < 4000; id++)
        evict_access_touch(engine, find(engine, 0, id).entry);
    engine->settings->maxmemory = (int64_t)keyspace_memory(engine->keyspace) / 2;
    evict_all(engine);
    assert_true(survivors(engine, 0, 1000) > 990);
    assert_true(survivors(engine, 1000, 4000) < 1200);
    fake_world_close(&world.fake);
}

static void the_soonest_deadline_goes_first(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_VOLATILE_TTL);

    (void)state;
    for (int id = 0; id < 4000; id++)
        put(engine, 0, id, engine->now_ms + 1000 + id);
    engine->settings->maxmemory = (int64_t)keyspace_memory(engine->keyspace) / 2;
    evict_all(engine);
    assert_true(survivors(engine, 0, 2000) < 300);
    assert_true(survivors(engine, 3000, 4000) > 980);
    fake_world_close(&world.fake);
}

/* A candidate is passed over if it was used after it had been chosen. */
static void a_key_that_is_in_use_again_stays(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_LRU);

    (void)state;
    engine->settings->maxmemory_samples = 64;
    for (int id = 0; id < 20; id++)
        put(engine, 0, id, ENTRY_NO_DEADLINE);
    pass_seconds(&world, 100);
    engine->settings->maxmemory = (int64_t)keyspace_memory(engine->keyspace) - 1;
    evict_all(engine);
    assert_int_equal(survivors(engine, 0, 20), 19);
    for (int id = 0; id < 19; id++)
        if (find(engine, 0, id).entry != NULL)
            evict_access_touch(engine, find(engine, 0, id).entry);
    put(engine, 0, 19, ENTRY_NO_DEADLINE);
    entry_set_access(find(engine, 0, 19).entry, evict_access_new(engine) - 50);
    engine->settings->maxmemory = (int64_t)keyspace_memory(engine->keyspace) - 1;
    evict_all(engine);
    assert_null(find(engine, 0, 19).entry);
    assert_int_equal(survivors(engine, 0, 19), keyspace_total(engine->keyspace));
    fake_world_close(&world.fake);
}

/* After so many uses the counter shows what the documentation of lfu-log-factor promises. */
static void the_counter_of_uses_is_logarithmic(void **state)
{
    static const struct {
        int64_t factor;
        int uses, low, high;
    } cases[] = {
        {0, 100, 105, 105}, {0, 1000, 255, 255},    {1, 100, 14, 24},     {1, 1000, 44, 55},
        {10, 100, 7, 13},   {10, 1000, 14, 23},     {10, 100000, 135, 150},
        {10, 1000000, 255, 255}, {100, 1000, 7, 13}, {100, 100000, 44, 55},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world;
        struct engine *engine = world_open(&world, EVICT_ALLKEYS_LFU);
        struct entry *entry;

        engine->settings->lfu_log_factor = cases[i].factor;
        put(engine, 0, 1, ENTRY_NO_DEADLINE);
        entry = find(engine, 0, 1).entry;
        assert_int_equal(evict_frequency(engine, entry), 5);
        for (int use = 0; use < cases[i].uses; use++)
            evict_access_touch(engine, entry);
        assert_in_range(evict_frequency(engine, entry), cases[i].low, cases[i].high);
        fake_world_close(&world.fake);
    }
}

static void frequency_decays_and_idleness_grows(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_LFU);
    struct entry *entry;

    (void)state;
    engine->settings->lfu_decay_time = 3;
    put(engine, 0, 1, ENTRY_NO_DEADLINE);
    entry = find(engine, 0, 1).entry;
    evict_set_frequency(engine, entry, 100);
    assert_int_equal(evict_frequency(engine, entry), 100);
    pass_seconds(&world, 30 * 60);
    assert_int_equal(evict_frequency(engine, entry), 90);
    pass_seconds(&world, 3000 * 60);
    assert_int_equal(evict_frequency(engine, entry), 0);
    engine->settings->lfu_decay_time = 0;
    assert_int_equal(evict_frequency(engine, entry), 100);
    engine->settings->maxmemory_policy = EVICT_ALLKEYS_LRU;
    evict_access_touch(engine, entry);
    assert_int_equal(evict_idle_seconds(engine, entry), 0);
    pass_seconds(&world, 1234);
    assert_int_equal(evict_idle_seconds(engine, entry), 1234);
    pass_seconds(&world, -2000);
    assert_int_equal(evict_idle_seconds(engine, entry), 0);
    evict_set_idle(engine, entry, 77);
    assert_int_equal(evict_idle_seconds(engine, entry), 77);
    fake_world_close(&world.fake);
}

/* What was told is taken where it suits the policy; else the entry is as new. */
static void what_a_file_tells_of_an_entry_is_taken(void **state)
{
    static const int policies[] = {EVICT_NONE, EVICT_ALLKEYS_LRU, EVICT_VOLATILE_LFU};
    static const enum evict_use kept[] = {EVICT_USE_NONE, EVICT_USE_IDLE, EVICT_USE_FREQUENCY};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world world;
        struct engine *engine = world_open(&world, policies[i]);
        uint32_t told[] = {0, evict_told_idle(0), evict_told_idle(1000),
                           evict_told_idle(UINT64_MAX), evict_told_frequency(0),
                           evict_told_frequency(255)};
        uint64_t idle[] = {0, 0, 1000, ENTRY_ACCESS_MAX - 3600, 0, 0};
        uint32_t frequency[] = {5, 5, 5, 5, 0, 255};
        struct entry *entry;

        assert_int_equal(evict_use_kept(engine), kept[i]);
        pass_seconds(&world, 100);
        put(engine, 0, 1, ENTRY_NO_DEADLINE);
        entry = find(engine, 0, 1).entry;
        for (int j = 0; j < 6; j++) {
            entry_set_access(entry, told[j]);
            evict_access_take(engine, entry);
            if (policies[i] == EVICT_VOLATILE_LFU)
                assert_int_equal(evict_frequency(engine, entry), frequency[j]);
            else
                assert_int_equal(evict_idle_seconds(engine, entry), idle[j]);
        }
        fake_world_close(&world.fake);
    }
}

static void one_call_takes_a_bounded_time(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_RANDOM);

    (void)state;
    engine->settings->maxmemory_eviction_tenacity = 10;
    for (int id = 0; id < 10000; id++)
        put(engine, 0, id, ENTRY_NO_DEADLINE);
    engine->settings->maxmemory = 1000;
    world.step_us = 100;
    assert_true(evict_to_fit(engine));
    assert_in_range(engine->stats.evicted, 8, 100);
    engine->settings->maxmemory_eviction_tenacity = 0;
    engine->stats.evicted = 0;
    assert_true(evict_to_fit(engine));
    assert_in_range(engine->stats.evicted, 1, 8);
    engine->settings->maxmemory_eviction_tenacity = 100;
    assert_true(evict_to_fit(engine));
    assert_true(keyspace_memory(engine->keyspace) <= 1000);
    record_commit(engine);
    fake_world_close(&world.fake);
}

static void a_failed_log_takes_no_eviction_a_full_one_does(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world, EVICT_ALLKEYS_LRU);

    (void)state;
    for (int id = 0; id < 100; id++)
        put(engine, 0, id, ENTRY_NO_DEADLINE);
    engine->settings->maxmemory = 3000;
    atomic_store(&world.fake.journal.state, JOURNAL_FAILED);
    assert_false(evict_to_fit(engine));
    replay_loading(engine, true);
    assert_true(evict_to_fit(engine));
    replay_loading(engine, false);
    assert_int_equal(keyspace_total(engine->keyspace), 100);
    atomic_store(&world.fake.journal.state, JOURNAL_FULL);
    assert_true(evict_to_fit(engine));
    record_commit(engine);
    assert_true(keyspace_memory(engine->keyspace) <= 3000);
    fake_world_close(&world.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_holds_under_every_policy),
        cmocka_unit_test(without_a_policy_nothing_is_evicted),
        cmocka_unit_test(volatile_policies_leave_keys_without_a_deadline),
        cmocka_unit_test(the_least_recently_used_go_first),
        cmocka_unit_test(the_least_frequently_used_go_first),
        cmocka_unit_test(the_soonest_deadline_goes_first),
        cmocka_unit_test(a_key_that_is_in_use_again_stays),
        cmocka_unit_test(the_counter_of_uses_is_logarithmic),
        cmocka_unit_test(frequency_decays_and_idleness_grows),
        cmocka_unit_test(what_a_file_tells_of_an_entry_is_taken),
        cmocka_unit_test(one_call_takes_a_bounded_time),
        cmocka_unit_test(a_failed_log_takes_no_eviction_a_full_one_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
