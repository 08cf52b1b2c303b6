/* What MONITOR shows waits for the disk as a reply does. */
#include "core/monitor.h"

#include "core/ctx.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static void run_set(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static const struct command rows[] = {
    {.name = "set", .run = run_set, .arity = 3, .record = RECORD_REQUEST, .flags = COMMAND_WRITE},
    {.name = NULL},
};
static const struct command *const tables[] = {rows, NULL};

static struct fake_world world;
static struct session a, b;

static int open_world(void **state)
{
    (void)state;
    fake_world_open(&world, tables);
    fake_session_open(&world, &a);
    fake_session_open(&world, &b);
    engine_turn_begin(world.engine);
    monitor_start(&a);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    session_close(&a);
    session_close(&b);
    fake_world_close(&world);
    return 0;
}

static void a_line_leaves_when_the_change_is_durable(void **state)
{
    (void)state;
    fake_request(&b, "SET", "k", "v", NULL);
    engine_turn_end(world.engine);
    assert_string_equal(fake_sent(&a), "");
    fake_world_sync(&world);
    assert_non_null(strstr(fake_sent(&a), "] \"SET\" \"k\" \"v\"\r\n"));
}

static void a_failed_log_shows_nothing(void **state)
{
    (void)state;
    fake_request(&b, "SET", "k", "v", NULL);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    assert_string_equal(fake_sent(&a), "");
}

static void who_has_stopped_is_shown_nothing(void **state)
{
    (void)state;
    monitor_stop(&a);
    monitor_stop(&a);
    fake_request(&b, "SET", "k", "v", NULL);
    engine_turn_end(world.engine);
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&a), "");
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_line_leaves_when_the_change_is_durable),
        IN_A_WORLD(a_failed_log_shows_nothing),
        IN_A_WORLD(who_has_stopped_is_shown_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
