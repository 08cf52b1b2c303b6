/* The samples of events: what is kept, in which order, and how much. */
#include "core/latency.h"

#include <string.h>

#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static const struct command *const no_commands[] = {NULL};

static void open_world(struct fake_world *world, int64_t threshold_ms)
{
    fake_world_open(world, no_commands);
    world->engine->settings->latency_threshold_ms = threshold_ms;
}

static void add(struct fake_world *world, int64_t at_s, const char *name, uint64_t ms)
{
    world->engine->now_ms = at_s * 1000 + 500;
    latency_add(world->engine, name, ms);
}

static const struct latency_event *find(const struct fake_world *world, const char *name)
{
    return latency_find(world->engine->latency, name, strlen(name));
}

static void what_is_below_the_threshold_is_not_kept(void **state unused)
{
    struct fake_world world;
    open_world(&world, 10);
    add(&world, 1, LATENCY_COMMAND, 9);
    assert_null(find(&world, LATENCY_COMMAND));
    add(&world, 1, LATENCY_COMMAND, 10);
    assert_non_null(find(&world, LATENCY_COMMAND));
    world.engine->settings->latency_threshold_ms = 0;
    add(&world, 2, LATENCY_COMMAND, 1000);
    assert_int_equal(find(&world, LATENCY_COMMAND)->count, 1);
    fake_world_close(&world);
}

static void a_second_keeps_its_worst(void **state unused)
{
    struct fake_world world;
    open_world(&world, 1);
    add(&world, 5, LATENCY_LOG_SYNC, 3);
    add(&world, 5, LATENCY_LOG_SYNC, 7);
    add(&world, 5, LATENCY_LOG_SYNC, 2);
    add(&world, 6, LATENCY_LOG_SYNC, 4);
    const struct latency_event *event = find(&world, LATENCY_LOG_SYNC);
    assert_int_equal(event->count, 2);
    assert_int_equal(event->max_ms, 7);
    assert_int_equal(latency_sample_at(event, 0)->ms, 7);
    assert_int_equal(latency_sample_at(event, 1)->ms, 4);
    fake_world_close(&world);
}

static void only_the_last_samples_stay(void **state unused)
{
    struct fake_world world;
    open_world(&world, 1);
    for (int i = 1; i <= 1000; i++) {
        add(&world, i, LATENCY_COMMAND, (uint64_t)i);
        const struct latency_event *event = find(&world, LATENCY_COMMAND);
        int count = i < LATENCY_SAMPLES_MAX ? i : LATENCY_SAMPLES_MAX;
        assert_int_equal(event->count, count);
        assert_int_equal(latency_sample_at(event, 0)->time_s, i - count + 1);
        assert_int_equal(latency_sample_at(event, count - 1)->time_s, i);
    }
    fake_world_close(&world);
}

static void events_are_forgotten_by_name_or_all(void **state unused)
{
    struct fake_world world;
    open_world(&world, 1);
    add(&world, 1, LATENCY_COMMAND, 5);
    add(&world, 1, LATENCY_EXPIRE_CYCLE, 5);
    add(&world, 1, LATENCY_SNAPSHOT_SLICE, 5);
    struct latency *latency = world.engine->latency;
    assert_int_equal(latency_reset(latency, "command", 7), 1);
    assert_int_equal(latency_reset(latency, "command", 7), 0);
    assert_int_equal(latency_reset(latency, "comm", 4), 0);
    assert_null(find(&world, LATENCY_COMMAND));
    assert_non_null(find(&world, LATENCY_SNAPSHOT_SLICE));
    assert_int_equal(latency_reset(latency, NULL, 0), 2);
    assert_null(latency_at(latency, 0));
    fake_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_below_the_threshold_is_not_kept),
        cmocka_unit_test(a_second_keeps_its_worst),
        cmocka_unit_test(only_the_last_samples_stay),
        cmocka_unit_test(events_are_forgotten_by_name_or_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
