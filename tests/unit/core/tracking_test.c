/* Who is told of a changed key, when, and in which order; with commands made for the test. What is
 * told is compared as the bytes that may leave. */
#include "core/tracking.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/ctx.h"
#include "core/tracker.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static void run_set(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static void run_get(struct ctx *ctx)
{
    ctx_find(ctx, ctx->argv[1], LOOKUP_READ);
    reply_int(ctx, 0);
}

static const struct command rows[] = {
    {.name = "set",
     .run = run_set,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .keys = {{.flags = KEY_OW, .first = 1}}},
    {.name = "get",
     .run = run_get,
     .arity = 2,
     .flags = COMMAND_READONLY,
     .keys = {{.flags = KEY_RO, .first = 1}}},
    {.name = NULL},
};
static const struct command *const tables[] = {rows, NULL};

#define TOLD(key, len) ">2\r\n$10\r\ninvalidate\r\n*1\r\n$" #len "\r\n" key "\r\n"

static struct fake_world world;
static struct session a, b;

static int open_world(void **state)
{
    (void)state;
    fake_world_open(&world, tables);
    fake_session_open(&world, &a);
    fake_session_open(&world, &b);
    a.resp = b.resp = 3;
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

static void sync_all(void)
{
    engine_turn_end(world.engine);
    fake_world_sync(&world);
}

static void a_change_is_told_when_it_is_durable(void **state)
{
    (void)state;
    tracking_on(&a, 0, 0, 0, NULL);
    fake_request(&a, "GET", "k", NULL);
    assert_string_equal(fake_sent(&a), ":0\r\n");
    fake_request(&b, "SET", "k", "v", NULL);
    assert_string_equal(fake_sent(&a), "");
    engine_turn_end(world.engine);
    assert_string_equal(fake_sent(&a), "");
    fake_world_sync(&world);
    assert_string_equal(fake_sent(&a), TOLD("k", 1));
    assert_int_equal(tracking_keys(world.engine), 0);
    assert_int_equal(tracking_items(world.engine), 0);
}

static void ones_own_change_is_told_behind_its_reply(void **state)
{
    (void)state;
    tracking_on(&a, 0, 0, 0, NULL);
    fake_request(&a, "GET", "k", NULL);
    fake_request(&a, "SET", "k", "v", NULL);
    fake_request(&a, "GET", "k", NULL);
    assert_string_equal(fake_sent(&a), ":0\r\n");
    sync_all();
    assert_string_equal(fake_sent(&a), "+OK\r\n" TOLD("k", 1) ":0\r\n");
}

static void a_failed_log_tells_nobody(void **state)
{
    (void)state;
    tracking_on(&a, 0, 0, 0, NULL);
    fake_request(&a, "GET", "k", NULL);
    fake_sent(&a);
    fake_request(&b, "SET", "k", "v", NULL);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    assert_string_equal(fake_sent(&a), "");
    assert_int_equal(strncmp(fake_sent(&b), "-MISCONF", 8), 0);
}

static void prefixes_are_told_once_a_turn(void **state)
{
    (void)state;
    tracking_on(&a, TRACKER_BCAST | TRACKER_NOLOOP, 0, 1, (struct slice[]){SLICE("x")});
    fake_request(&b, "SET", "xb", "v", NULL);
    fake_request(&b, "SET", "xa", "v", NULL);
    fake_request(&b, "SET", "y", "v", NULL);
    fake_request(&b, "SET", "xb", "v", NULL);
    fake_request(&a, "SET", "xc", "v", NULL);
    sync_all();
    assert_string_equal(fake_sent(&a), "+OK\r\n>2\r\n$10\r\ninvalidate\r\n*2\r\n"
                                       "$2\r\nxa\r\n$2\r\nxb\r\n");
    engine_turn_end(world.engine);
    assert_string_equal(fake_sent(&a), "");
}

/* Whoever reads again and again must not grow the table, nor those who come and go. */
static void readers_that_are_gone_make_room(void **state)
{
    (void)state;
    struct session *guest = mem_alloc(sizeof *guest);
    for (int i = 0; i < 1000; i++) {
        fake_session_open(&world, guest);
        guest->resp = 3;
        tracking_on(guest, 0, 0, 0, NULL);
        fake_request(guest, "GET", "k", NULL);
        fake_request(guest, "GET", "k", NULL);
        session_close(guest);
        assert_true(tracking_items(world.engine) <= 2);
    }
    mem_free(guest);
    assert_int_equal(tracking_keys(world.engine), 1);
}

static void the_table_has_a_bound(void **state)
{
    (void)state;
    char key[16];
    world.settings.tracking_keys_max = 10;
    tracking_on(&a, 0, 0, 0, NULL);
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        fake_request(&a, "GET", key, NULL);
        assert_true(tracking_keys(world.engine) <= 10);
    }
    world.settings.tracking_keys_max = 3;
    engine_tick(world.engine);
    assert_int_equal(tracking_keys(world.engine), 3);
}

/* A client that never reads is told to forget everything when it does, and costs no more memory. */
static void who_does_not_read_is_told_to_forget_all(void **state)
{
    (void)state;
    size_t big = 1024 * 1024;
    char *name = mem_alloc(big + 1);
    memset(name, 'x', big);
    name[big] = '\0';
    tracking_on(&a, TRACKER_BCAST, 0, 1, (struct slice[]){SLICE("")});
    for (int i = 0; i < 50; i++) {
        fake_request(&b, "SET", name, "v", NULL);
        sync_all();
        fake_sent(&b);
        engine_tick(world.engine);
    }
    mem_free(name);
    assert_true(output_unsent(&a.output) < 16 * big);
    session_settle(&a);
    assert_int_equal(output_ready(&a.output), output_unsent(&a.output));
    output_sent(&a.output, output_ready(&a.output));
    engine_tick(world.engine);
    assert_string_equal(fake_sent(&a), ">2\r\n$10\r\ninvalidate\r\n_\r\n");
    engine_tick(world.engine);
    assert_string_equal(fake_sent(&a), "");
}

/* Every prefix of a key is found, and nothing else: against a comparison with each. */
static void all_prefixes_of_a_key_are_found(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (int round = 0; round < 300; round++) {
        struct slice names[8];
        char bytes[8][4], key[6];
        int count = 0;
        tracking_on(&a, TRACKER_BCAST, 0, 0, NULL);
        for (int i = 0; i < 8; i++) {
            size_t len = rng_next(&rng) % 4;
            for (size_t j = 0; j < len; j++)
                bytes[i][j] = (char)('a' + rng_next(&rng) % 2);
            struct slice name = {bytes[i], len};
            bool twice = false;
            for (int j = 0; j < count; j++)
                twice |= slice_equal(names[j], name);
            if (!twice)
                names[count++] = name;
        }
        for (int i = 0; i < count; i++)
            tracking_on(&a, TRACKER_BCAST, 0, 1, &names[i]);
        size_t key_len = 1 + rng_next(&rng) % 5;
        for (size_t j = 0; j < key_len; j++)
            key[j] = (char)('a' + rng_next(&rng) % 2);
        int expected = 0, told = 0;
        for (int i = 0; i < count; i++)
            expected += names[i].len <= key_len && memcmp(names[i].data, key, names[i].len) == 0;
        tracking_touch(world.engine, (struct slice){key, key_len});
        engine_turn_end(world.engine);
        for (const char *at = fake_sent(&a); (at = strstr(at, "invalidate")); at++)
            told++;
        assert_int_equal(told, expected);
        tracking_off(&a);
        assert_int_equal(tracking_prefixes(world.engine), 0);
    }
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(a_change_is_told_when_it_is_durable),
        IN_A_WORLD(ones_own_change_is_told_behind_its_reply),
        IN_A_WORLD(a_failed_log_tells_nobody),
        IN_A_WORLD(prefixes_are_told_once_a_turn),
        IN_A_WORLD(readers_that_are_gone_make_room),
        IN_A_WORLD(the_table_has_a_bound),
        IN_A_WORLD(who_does_not_read_is_told_to_forget_all),
        IN_A_WORLD(all_prefixes_of_a_key_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
