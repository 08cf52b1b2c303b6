/* The rules of the gate and of recording, with commands made for the test. */
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

#include "core/base/fault.h"
#include "core/ctx.h"
#include "core/replay.h"

static void run_set(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static void run_get(struct ctx *ctx)
{
    char digits[24];
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_READ);
    if (place.entry)
        reply_bulk(ctx, entry_string(place.entry, digits));
    else
        reply_null(ctx);
}

static void run_expire(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    int64_t at;
    if (!arg_i64(ctx, ctx->argv[2], &at))
        return;
    if (place.entry)
        ctx_set_deadline(ctx, &place, at);
    reply_int(ctx, place.entry != NULL);
}

static void run_swap_two(struct ctx *ctx)
{
    for (int i = 1; i <= 2; i++) {
        struct place place = ctx_find(ctx, ctx->argv[i], LOOKUP_WRITE);
        ctx_put_string(ctx, &place, ctx->argv[3 - i], ENTRY_NO_DEADLINE);
        struct slice words[] = {SLICE("SET"), ctx->argv[i], ctx->argv[3 - i]};
        ctx_effect(ctx, 3, words);
    }
    reply_ok(ctx);
}

static void run_select(struct ctx *ctx)
{
    int64_t db = 0;
    if (arg_i64_in(ctx, ctx->argv[1], 0, 15, &db))
        ctx->session->db = (int)db;
    reply_ok(ctx);
}

static void run_info(struct ctx *ctx)
{
    reply_ok(ctx);
}

static void run_flush(struct ctx *ctx)
{
    ctx_flush(ctx, -1, false);
    reply_ok(ctx);
}

static const struct command rows[] = {
    {.name = "set", .run = run_set, .arity = 3, .record = RECORD_REQUEST, .flags = COMMAND_WRITE},
    {.name = "get", .run = run_get, .arity = 2, .flags = COMMAND_READONLY},
    {.name = "pexpireat", .run = run_expire, .arity = 3, .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE},
    {.name = "swaptwo", .run = run_swap_two, .arity = 3, .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE},
    {.name = "select", .run = run_select, .arity = 2},
    {.name = "info", .run = run_info, .arity = -1, .flags = COMMAND_NO_HOLD | COMMAND_LOADING},
    {.name = "flushall", .run = run_flush, .arity = -1, .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES},
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

static void a_write_is_answered_when_it_is_durable(void **state)
{
    (void)state;
    fake_request(&a, "SET", "k", "v", NULL);
    assert_string_equal(fake_sent(&a), "");
    engine_turn_end(world.engine);
    assert_string_equal(fake_sent(&a), "");
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&a), "+OK\r\n");
    assert_string_equal(fake_stream(&world), "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
                                           "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
}

static void a_reader_waits_only_for_keys_in_flight(void **state)
{
    (void)state;
    fake_request(&a, "SET", "other", "1", NULL);
    fake_world_sync(&world);
    fake_sent(&a);
    fake_request(&a, "SET", "k", "v", NULL);
    fake_request(&b, "GET", "other", NULL);
    assert_string_equal(fake_sent(&b), "$1\r\n1\r\n");
    fake_request(&b, "GET", "k", NULL);
    fake_request(&b, "GET", "other", NULL);
    assert_string_equal(fake_sent(&b), "");
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&b), "$1\r\nv\r\n$1\r\n1\r\n");
}

static void a_flush_holds_every_reader(void **state)
{
    (void)state;
    fake_request(&a, "FLUSHALL", NULL);
    fake_request(&b, "GET", "nothing", NULL);
    assert_string_equal(fake_sent(&b), "");
    fake_request(&b, "INFO", NULL);
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&b), "$-1\r\n+OK\r\n");
}

static void everysec_answers_when_it_is_written(void **state)
{
    (void)state;
    atomic_store(&world.journal.policy, JOURNAL_EVERYSEC);
    fake_request(&a, "SET", "k", "v", NULL);
    assert_string_equal(fake_sent(&a), "");
    atomic_store(&world.journal.written, world.journal.sequence);
    assert_string_equal(fake_sent(&a), "+OK\r\n");
}

static void several_effects_are_whole(void **state)
{
    (void)state;
    fake_request(&a, "SELECT", "3", NULL);
    fake_request(&a, "SWAPTWO", "x", "y", NULL);
    fake_world_sync(&world);
    assert_string_equal(fake_stream(&world), "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"
                                           "*1\r\n$5\r\nMULTI\r\n"
                                           "*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$1\r\ny\r\n"
                                           "*3\r\n$3\r\nSET\r\n$1\r\ny\r\n$1\r\nx\r\n"
                                           "*1\r\n$4\r\nEXEC\r\n");
}

static void an_expired_key_is_gone_and_recorded_and_holds_nobody(void **state)
{
    (void)state;
    fake_request(&a, "SET", "k", "v", NULL);
    fake_request(&a, "PEXPIREAT", "k", "1700000000500", NULL);
    fake_world_sync(&world);
    fake_sent(&a);
    world.now_us += 600000;
    world.stream.len = 0;
    fake_request(&b, "GET", "k", NULL);
    assert_string_equal(fake_sent(&b), "$-1\r\n");
    fake_world_sync(&world);
    assert_non_null(strstr(fake_stream(&world), "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n"));
}

static void a_failed_log_refuses_writes_and_fails_who_waits(void **state)
{
    (void)state;
    fake_request(&a, "SET", "k", "v", NULL);
    fake_request(&b, "GET", "k", NULL);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    assert_memory_equal(fake_sent(&a), "-MISCONF ", 9);
    assert_memory_equal(fake_sent(&b), "-MISCONF ", 9);
    fake_request(&a, "SET", "k2", "v", NULL);
    assert_string_equal(fake_sent(&a),
                        "-MISCONF Errors writing to the AOF file: the test says so\r\n");
    fake_request(&a, "GET", "k2", NULL);
    assert_string_equal(fake_sent(&a), "$-1\r\n");
    fake_request(&a, "GET", "k", NULL);
    assert_memory_equal(fake_sent(&a), "-MISCONF ", 9);
}

static void the_operator_hears_when_the_log_fails_and_heals(void **state)
{
    (void)state;
    engine_news(world.engine);
    assert_int_equal(world.said.len, 0);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    engine_news(world.engine);
    engine_news(world.engine);
    atomic_store(&world.journal.state, JOURNAL_HEALTHY);
    engine_news(world.engine);
    *buf_reserve(&world.said, 1) = 0;
    assert_string_equal(world.said.data,
                        "3 The log is failed: the test says so\n"
                        "3 The log is healthy: writes are taken again: the test says so\n");
}

static void a_full_log_takes_deletions_only(void **state)
{
    (void)state;
    atomic_store(&world.journal.state, JOURNAL_FULL);
    fake_request(&a, "SET", "k", "v", NULL);
    assert_memory_equal(fake_sent(&a), "-MISCONF ", 9);
    fake_request(&a, "FLUSHALL", NULL);
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&a), "+OK\r\n");
}

static void a_log_that_is_behind_makes_writers_wait(void **state)
{
    (void)state;
    world.settings.log_backlog_bytes = 100;
    world.busy = true;
    for (int i = 0; i < 3; i++)
        fake_request(&a, "SET", "key", "0123456789012345678901234567890123456789", NULL);
    assert_int_equal(fake_request(&a, "SET", "k", "v", NULL), ENGINE_WAIT);
    assert_false(engine_admits(world.engine, &a));
    assert_int_equal(fake_request(&b, "GET", "k", NULL), ENGINE_DONE);
    fake_world_sync(&world);
    assert_true(engine_admits(world.engine, &a));
    assert_int_equal(fake_request(&a, "SET", "k", "v", NULL), ENGINE_DONE);
}

static void replay_records_nothing_and_expires_nothing(void **state)
{
    (void)state;
    struct fault fault = {0};
    replay_loading(world.engine, true);
    struct slice set[] = {SLICE("SET"), SLICE("k"), SLICE("v")};
    struct slice expire[] = {SLICE("PEXPIREAT"), SLICE("k"), SLICE("1")};
    struct slice unknown[] = {SLICE("LPUSH"), SLICE("k"), SLICE("1")};
    assert_int_equal(replay_command(world.engine, 3, set, &fault), 0);
    assert_int_equal(replay_command(world.engine, 3, expire, &fault), 0);
    assert_int_equal(keyspace_count(world.engine->keyspace, 0), 1);
    assert_int_equal(replay_command(world.engine, 3, unknown, &fault), KV_EVERSION);
    assert_non_null(strstr(fault.text, "LPUSH"));
    fake_request(&a, "GET", "k", NULL);
    assert_memory_equal(fake_sent(&a), "-LOADING ", 9);
    replay_loading(world.engine, false);
    assert_int_equal(world.journal.sequence, 0);
    fake_request(&a, "GET", "k", NULL);
    assert_string_equal(fake_sent(&a), "$-1\r\n");
}

static void unknown_commands_are_named(void **state)
{
    (void)state;
    fake_request(&a, "NOPE", "x", "y", NULL);
    assert_string_equal(
        fake_sent(&a),
        "-ERR unknown command 'NOPE', with args beginning with: 'x' 'y' \r\n");
    fake_request(&a, "GET", NULL);
    assert_string_equal(fake_sent(&a), "-ERR wrong number of arguments for 'get' command\r\n");
}

int main(void)
{
#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_write_is_answered_when_it_is_durable),
        IN_A_WORLD(a_reader_waits_only_for_keys_in_flight),
        IN_A_WORLD(a_flush_holds_every_reader),
        IN_A_WORLD(everysec_answers_when_it_is_written),
        IN_A_WORLD(several_effects_are_whole),
        IN_A_WORLD(an_expired_key_is_gone_and_recorded_and_holds_nobody),
        IN_A_WORLD(a_failed_log_refuses_writes_and_fails_who_waits),
        IN_A_WORLD(the_operator_hears_when_the_log_fails_and_heals),
        IN_A_WORLD(a_full_log_takes_deletions_only),
        IN_A_WORLD(a_log_that_is_behind_makes_writers_wait),
        IN_A_WORLD(replay_records_nothing_and_expires_nothing),
        IN_A_WORLD(unknown_commands_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
