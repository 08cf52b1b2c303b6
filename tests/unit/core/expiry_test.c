/* The sweep: all that is past its deadline goes, nothing else does, in slices of bounded time. */
#include "core/expiry.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/keyspace.h"
#include "core/latency.h"
#include "core/record.h"
#include "core/replay.h"
#include "core/type/entry.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

#define PLENTY_US 1000000

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

static struct engine *world_open(struct world *world)
{
    *world = (struct world){0};
    fake_world_open(&world->fake, no_commands);
    world->fake.host.monotonic_ns = stepping_ns;
    return world->fake.engine;
}

static void put(struct engine *engine, int db, int id, int64_t deadline_ms)
{
    char text[32];
    struct slice key = {text, (size_t)snprintf(text, sizeof(text), "key:%d", id)};
    struct place place =
        keyspace_find(engine->keyspace, db, key, keyspace_hash(engine->keyspace, key));

    keyspace_put_string(engine->keyspace, &place, SLICE("value"), deadline_ms);
}

static void sweep(struct engine *engine, uint64_t budget_us)
{
    expiry_sweep(engine, budget_us);
    record_commit(engine);
}

/* Calls until `left` keys are there. */
static int sweeps_until(struct engine *engine, uint64_t left, uint64_t budget_us, int most)
{
    int calls = 0;

    while (keyspace_total(engine->keyspace) > left && calls < most) {
        sweep(engine, budget_us);
        calls++;
    }
    assert_int_equal(keyspace_total(engine->keyspace), left);
    return calls;
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

static void all_that_is_expired_goes_and_nothing_else(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    for (int id = 0; id < 30000; id++) {
        int64_t deadline_ms = id % 3 == 0 ? engine->now_ms - id
            : id % 3 == 1                 ? engine->now_ms + 1 + id
                                          : ENTRY_NO_DEADLINE;

        put(engine, id % 4, id, deadline_ms);
    }
    sweeps_until(engine, 20000, PLENTY_US, 1000);
    keyspace_check(engine->keyspace);
    for (int i = 0; i < 2000; i++)
        sweep(engine, PLENTY_US);
    assert_int_equal(keyspace_total(engine->keyspace), 20000);
    assert_int_equal(engine->stats.expired, 10000);
    assert_int_equal(engine->stats.expired_time_cap, 0);
    fake_world_sync(&world.fake);
    assert_int_equal(count_of(fake_stream(&world.fake), "\r\nDEL\r\n"), 10000);
    fake_world_close(&world.fake);
}

/* A database where most are expired is swept clean at once, as time allows. */
static void many_expired_keys_go_in_one_call(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    for (int id = 0; id < 20000; id++)
        put(engine, 7, id, engine->now_ms - 1);
    assert_int_equal(sweeps_until(engine, 0, PLENTY_US, 10), 1);
    assert_true(engine->stats.expired_stale_percent > 0);
    fake_world_close(&world.fake);
}

/* Ten among many are met within one round of the cursor. */
static void few_expired_keys_are_found_in_one_round(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    for (int id = 0; id < 50000; id++)
        put(engine, 0, id, id % 5000 == 77 ? engine->now_ms - 1 : engine->now_ms + 1000000);
    sweeps_until(engine, 50000 - 10, PLENTY_US, 50000 / 32 + 1);
    fake_world_close(&world.fake);
}

static void a_call_takes_its_budget_and_no_database_starves(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    for (int id = 0; id < 100000; id++)
        put(engine, 0, id, engine->now_ms - 1);
    put(engine, 9, 1, engine->now_ms - 1);
    world.step_us = 100;
    world.clock_us = 0;
    sweep(engine, 1000);
    assert_in_range(world.clock_us, 1000, 1500);
    assert_int_equal(engine->stats.expired_time_cap, 1);
    assert_true(keyspace_count(engine->keyspace, 0) > 99000);
    for (int i = 0; i < 9; i++)
        sweep(engine, 1000);
    assert_int_equal(keyspace_count(engine->keyspace, 9), 0);
    sweeps_until(engine, 0, 1000, 5000);
    fake_world_close(&world.fake);
}

static void nothing_is_swept_while_it_may_not_be(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    put(engine, 0, 1, engine->now_ms - 1);
    replay_loading(engine, true);
    sweep(engine, PLENTY_US);
    replay_loading(engine, false);
    atomic_store(&world.fake.journal.state, JOURNAL_FAILED);
    sweep(engine, PLENTY_US);
    atomic_store(&world.fake.journal.state, JOURNAL_FULL);
    engine->paused_until_ms = engine->now_ms + 10;
    sweep(engine, PLENTY_US);
    assert_int_equal(keyspace_total(engine->keyspace), 1);
    engine->paused_until_ms = 0;
    sweep(engine, PLENTY_US);
    assert_int_equal(keyspace_total(engine->keyspace), 0);
    fake_world_close(&world.fake);
}

static void the_average_time_to_live_is_an_estimate(void **state)
{
    struct world world;
    struct engine *engine = world_open(&world);

    (void)state;
    assert_int_equal(expiry_average_ttl(engine, 3), 0);
    put(engine, 3, 1, engine->now_ms + 5000);
    sweep(engine, PLENTY_US);
    assert_int_equal(expiry_average_ttl(engine, 3), 5000);
    for (int id = 0; id < 10000; id++)
        put(engine, 3, id, engine->now_ms + 1000 + id % 1000);
    for (int i = 0; i < 300; i++)
        sweep(engine, PLENTY_US);
    assert_in_range(expiry_average_ttl(engine, 3), 1350, 1650);
    keyspace_swap(engine->keyspace, 3, 4);
    assert_int_equal(expiry_average_ttl(engine, 3), 0);
    assert_in_range(expiry_average_ttl(engine, 4), 1350, 1650);
    keyspace_flush(engine->keyspace, 4, false);
    assert_int_equal(expiry_average_ttl(engine, 4), 0);
    fake_world_close(&world.fake);
}

/* Of each key, and of the sweep. */
static void what_takes_long_is_an_event(void **state unused)
{
    struct world world;
    struct engine *engine = world_open(&world);

    engine->settings->latency_threshold_ms = 2;
    put(engine, 0, 1, engine->now_ms - 1);
    put(engine, 0, 2, engine->now_ms - 1);
    world.step_us = 2500;
    sweep(engine, PLENTY_US);
    const struct latency_event *event =
        latency_find(engine->latency, LATENCY_EXPIRE_DEL, strlen(LATENCY_EXPIRE_DEL));
    assert_non_null(event);
    assert_int_equal(event->times, 2);
    assert_int_equal(event->max_ms, 2);
    assert_non_null(latency_find(engine->latency, LATENCY_EXPIRE_CYCLE,
                                 strlen(LATENCY_EXPIRE_CYCLE)));
    fake_world_close(&world.fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_expired_goes_and_nothing_else),
        cmocka_unit_test(many_expired_keys_go_in_one_call),
        cmocka_unit_test(few_expired_keys_are_found_in_one_round),
        cmocka_unit_test(a_call_takes_its_budget_and_no_database_starves),
        cmocka_unit_test(nothing_is_swept_while_it_may_not_be),
        cmocka_unit_test(the_average_time_to_live_is_an_estimate),
        cmocka_unit_test(what_takes_long_is_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
