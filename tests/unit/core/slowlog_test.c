/* The slow log's own bounds: entries, arguments, bytes; and that secrets stay out. */
#include "core/slowlog.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/ctx.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static bool second_is_secret(int argc unused, const struct slice *argv unused, int index)
{
    return index == 2;
}

static const struct command *const no_commands[] = {NULL};
static const struct command plain = {.name = "plain"};
static const struct command with_secret = {.name = "secret", .is_secret = second_is_secret};

static void add(struct engine *engine, const struct command *command, int argc,
                const struct slice *argv)
{
    struct session session = {.engine = engine, .address = "1.2.3.4:5"};
    struct ctx ctx = {
        .engine = engine, .session = &session, .command = command, .argc = argc, .argv = argv};
    slowlog_add(&ctx, SLOWLOG_SLOW, 7);
}

static void only_the_newest_stay(void **state unused)
{
    struct fake_world world;
    fake_world_open(&world, no_commands);
    struct engine *engine = world.engine;
    engine->settings->slowlog_max_len = 3;
    for (int i = 0; i < 10; i++) {
        struct slice argv[] = {SLICE("a")};
        add(engine, &plain, 1, argv);
        assert_int_equal(slowlog_len(engine->slowlog, SLOWLOG_SLOW), i < 3 ? i + 1 : 3);
        assert_int_equal(slowlog_first(engine->slowlog, SLOWLOG_SLOW)->id, i);
    }
    const struct slow_entry *entry = slowlog_first(engine->slowlog, SLOWLOG_SLOW);
    for (int i = 9; i >= 7; i--, entry = entry->older) {
        assert_int_equal(entry->id, i);
        assert_int_equal(entry->cost, 7);
        assert_true(slice_equal(entry->address, SLICE("1.2.3.4:5")));
        assert_int_equal(entry->name.len, 0);
    }
    assert_null(entry);
    slowlog_reset(engine->slowlog, SLOWLOG_SLOW);
    assert_int_equal(slowlog_len(engine->slowlog, SLOWLOG_SLOW), 0);
    assert_null(slowlog_first(engine->slowlog, SLOWLOG_SLOW));
    fake_world_close(&world);
}

static void long_requests_are_cut(void **state unused)
{
    struct fake_world world;
    fake_world_open(&world, no_commands);
    char long_text[1000] = {0};
    struct slice argv[100];
    for (int i = 0; i < 100; i++)
        argv[i] = (struct slice){long_text, sizeof long_text};
    add(world.engine, &plain, 100, argv);
    const struct slow_entry *entry = slowlog_first(world.engine->slowlog, SLOWLOG_SLOW);
    assert_int_equal(entry->argc, SLOWLOG_ARGS_MAX);
    for (int i = 0; i < SLOWLOG_ARGS_MAX - 1; i++) {
        struct slice note = entry->argv[i];
        assert_true(note.len > SLOWLOG_BYTES_MAX);
        note.data += SLOWLOG_BYTES_MAX, note.len -= SLOWLOG_BYTES_MAX;
        assert_true(slice_equal(note, SLICE("... (872 more bytes)")));
    }
    assert_true(slice_equal(entry->argv[SLOWLOG_ARGS_MAX - 1], SLICE("... (69 more arguments)")));
    fake_world_close(&world);
}

static void secrets_are_left_out(void **state unused)
{
    struct fake_world world;
    fake_world_open(&world, no_commands);
    struct slice argv[] = {SLICE("x"), SLICE("user"), SLICE("password"), SLICE("more")};
    add(world.engine, &with_secret, 4, argv);
    const struct slow_entry *entry = slowlog_first(world.engine->slowlog, SLOWLOG_SLOW);
    assert_true(slice_equal(entry->argv[1], SLICE("user")));
    assert_true(slice_equal(entry->argv[2], SLICE("(redacted)")));
    assert_true(slice_equal(entry->argv[3], SLICE("more")));
    fake_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_newest_stay),
        cmocka_unit_test(long_requests_are_cut),
        cmocka_unit_test(secrets_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
