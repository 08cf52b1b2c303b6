/* Who waits for keys: order of service, batches, deadlines, ways to leave. With commands made for
 * the test, on lists; and a random run against a model of queues. */
#include "core/waiters.h"

#include <stdio.h>

#include "core/base/rng.h"
#include "core/ctx.h"
#include "core/replay.h"
#include "core/session_ids.h"
#include "core/type/list.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

/* ---- commands ---- */

static void put(struct ctx *ctx, struct slice key, struct slice element)
{
    struct place place = ctx_find(ctx, key, LOOKUP_WRITE);
    if (place.entry) {
        ctx_change_begin(ctx, &place);
        struct list list = list_of(place.entry, &ctx->engine->settings->limits);
        list_push(&list, false, element);
        entry_set_value(place.entry, list.encoding, list.value);
        ctx_change_end(ctx, &place, place.entry);
    } else {
        struct list list = list_new(&ctx->engine->settings->limits);
        list_push(&list, false, element);
        ctx_put(ctx, &place, entry_new_value(key, TYPE_LIST, list.encoding, list.value,
                                             ENTRY_NO_DEADLINE));
    }
}

static void run_push(struct ctx *ctx)
{
    for (int i = 2; i < ctx->argc; i++)
        put(ctx, ctx->argv[1], ctx->argv[i]);
    reply_ok(ctx);
}

/* The first element, taken off into the arena; false if there is none. */
static bool take(struct ctx *ctx, struct slice key, struct slice *out)
{
    struct place place = ctx_find(ctx, key, LOOKUP_WRITE);
    if (!place.entry || entry_type(place.entry) != TYPE_LIST)
        return false;
    struct list list = list_of(place.entry, &ctx->engine->settings->limits);
    struct list_cursor cursor;
    list_begin(&cursor, &list, 0, false);
    assert_true(list_next(&cursor, out));
    *out = arena_copy(ctx->arena, *out);
    list_end(&cursor);
    ctx_change_begin(ctx, &place);
    list_delete(&list, 0, 1);
    entry_set_value(place.entry, list.encoding, list.value);
    ctx_change_end(ctx, &place, place.entry);
    if (list_count(&list) == 0)
        ctx_remove(ctx, &place, false);
    struct slice words[] = {SLICE("POP"), key};
    ctx_effect(ctx, 2, words);
    return true;
}

/* BPOP key [key ...] timeout-in-ms */
static void run_bpop(struct ctx *ctx)
{
    int64_t timeout_ms;
    if (!arg_i64(ctx, ctx->argv[ctx->argc - 1], &timeout_ms))
        return;
    for (int i = 1; i < ctx->argc - 1; i++) {
        struct slice element;
        if (take(ctx, ctx->argv[i], &element)) {
            reply_bulk(ctx, element);
            return;
        }
    }
    waiters_block(ctx, ctx->argc - 2, ctx->argv + 1, TYPE_LIST, false, timeout_ms,
                  reply_null_array);
}

/* BMOVE from to */
static void run_bmove(struct ctx *ctx)
{
    struct slice element;
    if (take(ctx, ctx->argv[1], &element)) {
        put(ctx, ctx->argv[2], element);
        reply_bulk(ctx, element);
    } else {
        waiters_block(ctx, 1, ctx->argv + 1, TYPE_LIST, false, 0, reply_null);
    }
}

/* WAITGONE key: as XREADGROUP hears that its stream is gone. */
static void run_waitgone(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_READ);
    if (place.entry)
        waiters_block(ctx, 1, ctx->argv + 1, TYPE_LIST, true, 0, reply_null);
    else
        reply_ok(ctx);
}

static void run_set(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static void run_del(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    if (place.entry)
        ctx_remove(ctx, &place, false);
    reply_ok(ctx);
}

static void run_unblock(struct ctx *ctx)
{
    int64_t id;
    if (!arg_i64(ctx, ctx->argv[1], &id))
        return;
    reply_int(ctx, waiters_unblock(session_by_id(ctx->engine, (uint64_t)id),
                                   ctx_arg_is(ctx, 2, "error")));
}

static const struct command rows[] = {
    {.name = "push", .run = run_push, .arity = -3, .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE},
    {.name = "bpop", .run = run_bpop, .arity = -3, .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE},
    {.name = "bmove", .run = run_bmove, .arity = 3, .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE},
    {.name = "waitgone", .run = run_waitgone, .arity = 2},
    {.name = "set", .run = run_set, .arity = 3, .record = RECORD_REQUEST, .flags = COMMAND_WRITE},
    {.name = "del", .run = run_del, .arity = 2, .record = RECORD_REQUEST, .flags = COMMAND_WRITE},
    {.name = "unblock", .run = run_unblock, .arity = 3},
    {.name = NULL},
};
static const struct command *const tables[] = {rows, NULL};

/* ---- the world ---- */

#define SESSIONS 8

static struct fake_world world;
static struct session s[SESSIONS];

static int open_world(void **state)
{
    (void)state;
    fake_world_open(&world, tables);
    for (int i = 0; i < SESSIONS; i++)
        fake_session_open(&world, &s[i]);
    engine_turn_begin(world.engine);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    for (int i = 0; i < SESSIONS; i++)
        session_close(&s[i]);
    assert_int_equal(waiters_clients(world.engine), 0);
    assert_int_equal(waiters_keys(world.engine), 0);
    assert_true(waiters_next_ms(world.engine) == INT64_MAX);
    fake_world_close(&world);
    return 0;
}

/* What a session is sent once all is durable. */
static const char *heard(struct session *session)
{
    fake_world_sync(&world);
    return fake_sent(session);
}

static void pass_ms(int64_t ms)
{
    world.now_us += ms * 1000;
    engine_turn_begin(world.engine);
    engine_tick(world.engine);
}

static bool is_blocked(const struct session *session)
{
    return session->flags & SESSION_BLOCKED;
}

/* ---- sentences ---- */

static void who_came_first_is_served_first(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++)
        fake_request(&s[i], "BPOP", "k", "0", NULL);
    assert_int_equal(waiters_clients(world.engine), 3);
    assert_int_equal(waiters_keys(world.engine), 1);
    fake_request(&s[0], "PUSH", "k", "a", "b", NULL);
    assert_string_equal(heard(&s[1]), "$1\r\na\r\n");
    assert_string_equal(heard(&s[2]), "$1\r\nb\r\n");
    assert_string_equal(heard(&s[3]), "");
    assert_true(is_blocked(&s[3]));
    fake_request(&s[0], "PUSH", "k", "c", NULL);
    assert_string_equal(heard(&s[3]), "$1\r\nc\r\n");
}

static void serving_is_in_the_batch_of_the_push_and_its_reply_waits(void **state)
{
    (void)state;
    fake_request(&s[1], "BPOP", "k", "0", NULL);
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    assert_false(is_blocked(&s[1]));
    assert_string_equal(fake_sent(&s[1]), "");
    engine_turn_end(world.engine);
    assert_int_equal(world.batches, 1);
    assert_string_equal(fake_stream(&world), "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"
                                             "*3\r\n$4\r\nPUSH\r\n$1\r\nk\r\n$1\r\na\r\n"
                                             "*2\r\n$3\r\nPOP\r\n$1\r\nk\r\n");
    assert_string_equal(fake_sent(&s[1]), "");
    assert_int_equal(s[1].write_sequence, world.journal.sequence);
    assert_true(s[0].write_sequence < s[1].write_sequence);
    assert_string_equal(heard(&s[1]), "$1\r\na\r\n");
}

static void the_first_key_that_has_something_serves(void **state)
{
    (void)state;
    fake_request(&s[1], "BPOP", "a", "b", "a", "0", NULL);
    assert_int_equal(waiters_keys(world.engine), 2);
    fake_request(&s[0], "PUSH", "b", "1", NULL);
    assert_string_equal(heard(&s[1]), "$1\r\n1\r\n");
    assert_int_equal(waiters_keys(world.engine), 0);
    fake_request(&s[0], "PUSH", "a", "2", NULL);
    assert_string_equal(heard(&s[1]), "");
}

static void a_key_of_another_type_is_not_what_is_waited_for(void **state)
{
    (void)state;
    fake_request(&s[1], "BPOP", "k", "0", NULL);
    fake_request(&s[0], "SET", "k", "text", NULL);
    assert_true(is_blocked(&s[1]));
    fake_request(&s[0], "DEL", "k", NULL);
    assert_true(is_blocked(&s[1]));
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    assert_string_equal(heard(&s[1]), "$1\r\na\r\n");
}

static void what_a_served_client_moves_serves_the_next(void **state)
{
    (void)state;
    fake_request(&s[3], "BPOP", "c", "0", NULL);
    fake_request(&s[2], "BMOVE", "b", "c", NULL);
    fake_request(&s[1], "BMOVE", "a", "b", NULL);
    fake_request(&s[0], "PUSH", "a", "x", NULL);
    engine_turn_end(world.engine);
    assert_int_equal(world.batches, 1);
    assert_int_equal(world.journal.open.len, 0);
    for (int i = 1; i <= 3; i++)
        assert_string_equal(heard(&s[i]), "$1\r\nx\r\n");
}

static void a_ring_of_moves_ends(void **state)
{
    (void)state;
    fake_request(&s[1], "BMOVE", "a", "b", NULL);
    fake_request(&s[2], "BMOVE", "b", "a", NULL);
    fake_request(&s[3], "BMOVE", "a", "a", NULL);
    fake_request(&s[4], "BPOP", "a", "0", NULL);
    fake_request(&s[0], "PUSH", "a", "x", NULL);
    for (int i = 1; i <= 4; i++)
        assert_string_equal(heard(&s[i]), "$1\r\nx\r\n");
}

static void waits_end_in_the_order_of_their_deadlines(void **state)
{
    (void)state;
    int64_t now = (int64_t)(world.engine->now_ns / 1000000);
    fake_request(&s[1], "BPOP", "k", "30", NULL);
    fake_request(&s[2], "BPOP", "k", "10", NULL);
    fake_request(&s[3], "BPOP", "k", "0", NULL);
    fake_request(&s[4], "BPOP", "k", "20", NULL);
    assert_true(waiters_next_ms(world.engine) == now + 10);
    assert_int_equal(engine_tick_ms(world.engine), 10);
    pass_ms(9);
    assert_true(is_blocked(&s[2]));
    pass_ms(1);
    assert_string_equal(fake_sent(&s[2]), "*-1\r\n");
    assert_int_equal(engine_tick_ms(world.engine), 10);
    pass_ms(25);
    assert_string_equal(fake_sent(&s[1]), "*-1\r\n");
    assert_string_equal(fake_sent(&s[4]), "*-1\r\n");
    assert_true(is_blocked(&s[3]));
    assert_true(waiters_next_ms(world.engine) == INT64_MAX);
}

/* It says that the key has nothing: a crash must not take that back. */
static void a_timeout_waits_for_the_last_change_of_its_key(void **state)
{
    (void)state;
    fake_request(&s[1], "BPOP", "k", "10", NULL);
    world.busy = true;
    fake_request(&s[0], "SET", "k", "v", NULL);
    fake_request(&s[0], "DEL", "k", NULL);
    pass_ms(11);
    assert_false(is_blocked(&s[1]));
    assert_string_equal(fake_sent(&s[1]), "");
    assert_string_equal(heard(&s[1]), "*-1\r\n");
}

static void unblock_ends_a_wait_behind_the_command(void **state)
{
    (void)state;
    char id[24];
    fake_request(&s[1], "BPOP", "k", "0", NULL);
    fake_request(&s[2], "BPOP", "k", "0", NULL);
    snprintf(id, sizeof id, "%d", (int)s[1].id);
    fake_request(&s[0], "UNBLOCK", id, "error", NULL);
    assert_string_equal(heard(&s[0]), ":1\r\n");
    assert_string_equal(heard(&s[1]), "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    fake_request(&s[0], "UNBLOCK", id, "error", NULL);
    assert_string_equal(heard(&s[0]), ":0\r\n");
    snprintf(id, sizeof id, "%d", (int)s[2].id);
    fake_request(&s[0], "UNBLOCK", id, "timeout", NULL);
    assert_string_equal(heard(&s[2]), "*-1\r\n");
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    assert_string_equal(heard(&s[1]), "");
}

static void who_is_closed_gets_nothing(void **state)
{
    (void)state;
    for (int i = 1; i <= 3; i++)
        fake_request(&s[i], "BPOP", "k", "0", NULL);
    session_close(&s[1]);
    s[2].flags |= SESSION_CLOSE_NOW; /* killed in this turn */
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    assert_string_equal(heard(&s[3]), "$1\r\na\r\n");
    assert_true(is_blocked(&s[2]));
    fake_session_open(&world, &s[1]);
}

static void who_wants_to_know_of_deletions_is_told(void **state)
{
    (void)state;
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    fake_request(&s[1], "WAITGONE", "k", NULL);
    fake_request(&s[0], "PUSH", "k", "b", NULL);
    assert_true(is_blocked(&s[1]));
    fake_request(&s[0], "DEL", "k", NULL);
    assert_string_equal(heard(&s[1]), "+OK\r\n");
}

static void nothing_blocks_where_it_may_not(void **state)
{
    (void)state;
    struct slice words[] = {SLICE("BPOP"), SLICE("k"), SLICE("0")};
    replay_loading(world.engine, true);
    assert_int_equal(replay_command(world.engine, 3, words, NULL), 0);
    replay_loading(world.engine, false);
    assert_int_equal(waiters_clients(world.engine), 0);
}

static void a_skipped_reply_is_the_one_to_come(void **state)
{
    (void)state;
    s[1].flags |= SESSION_REPLY_SKIP_NEXT;
    fake_request(&s[1], "BPOP", "k", "0", NULL);
    fake_request(&s[0], "PUSH", "k", "a", NULL);
    assert_string_equal(heard(&s[1]), "");
    fake_request(&s[1], "PUSH", "k", "b", NULL);
    assert_string_equal(heard(&s[1]), "+OK\r\n");
}

/* ---- a model ---- */

#define KEYS 4

/* Sessions wait in the order of `came`; a key serves the one that came first among those that name
 * it. Elements are numbers that are never used twice. */
struct model {
    int waits[SESSIONS];            /* a bit for each key; 0: does not wait */
    uint64_t came[SESSIONS];
    int64_t until_ms[SESSIONS];
    int elements[KEYS][4096], first[KEYS], count[KEYS];
    uint64_t clock;
};

static const char *const names[KEYS] = {"a", "b", "c", "d"};

static void expect(int session, const char *reply)
{
    assert_false(is_blocked(&s[session]));
    assert_string_equal(heard(&s[session]), reply);
}

static void expect_element(int session, int element)
{
    char digits[16], reply[48];
    int len = snprintf(digits, sizeof digits, "%d", element);
    snprintf(reply, sizeof reply, "$%d\r\n%s\r\n", len, digits);
    expect(session, reply);
}

static void model_serve(struct model *model, int key)
{
    while (model->count[key] > 0) {
        int next = -1;
        for (int i = 1; i < SESSIONS; i++)
            if (model->waits[i] & 1 << key && (next < 0 || model->came[i] < model->came[next]))
                next = i;
        if (next < 0)
            return;
        expect_element(next, model->elements[key][model->first[key]++]);
        model->count[key]--;
        model->waits[next] = 0;
    }
}

static void random_wait(struct model *model, struct rng *rng)
{
    int i = 1 + (int)rng_below(rng, SESSIONS - 1);
    if (model->waits[i])
        return;
    int first = (int)rng_below(rng, KEYS), second = (int)rng_below(rng, KEYS);
    int64_t timeout_ms = (int64_t)rng_below(rng, 3) * 7;
    char digits[24];
    snprintf(digits, sizeof digits, "%d", (int)timeout_ms);
    fake_request(&s[i], "BPOP", names[first], names[second], digits, NULL);
    for (int turn = 0, key = first; turn < 2; turn++, key = second) {
        if (model->count[key] > 0) {
            expect_element(i, model->elements[key][model->first[key]++]);
            model->count[key]--;
            return;
        }
    }
    assert_true(is_blocked(&s[i]));
    model->waits[i] = 1 << first | 1 << second;
    model->came[i] = ++model->clock;
    model->until_ms[i] = timeout_ms ? world.now_us / 1000 + timeout_ms : INT64_MAX;
}

static void random_push(struct model *model, struct rng *rng, int *element)
{
    int key = (int)rng_below(rng, KEYS), count = 1 + (int)rng_below(rng, 3);
    char digits[3][16];
    for (int i = 0; i < 3; i++)
        snprintf(digits[i], sizeof digits[i], "%d", *element + i);
    fake_request(&s[0], "PUSH", names[key], digits[0], count > 1 ? digits[1] : NULL,
                 count > 2 ? digits[2] : NULL, NULL);
    for (int i = 0; i < count; i++)
        model->elements[key][model->first[key] + model->count[key]++] = (*element)++;
    heard(&s[0]);
    model_serve(model, key);
}

static void a_random_run_is_that_of_queues(void **state)
{
    (void)state;
    static struct model model;
    struct rng rng;
    int element = 0;
    model = (struct model){0};
    rng_seed(&rng, 3);
    for (int step = 0; step < 4000; step++) {
        uint64_t what = rng_below(&rng, 10);
        if (what < 6) {
            random_wait(&model, &rng);
        } else if (what < 9) {
            if (element < 3000)
                random_push(&model, &rng, &element);
        } else {
            pass_ms((int64_t)rng_below(&rng, 9));
            for (int i = 1; i < SESSIONS; i++) {
                if (model.waits[i] && model.until_ms[i] <= world.now_us / 1000) {
                    expect(i, "*-1\r\n");
                    model.waits[i] = 0;
                }
            }
        }
        uint64_t waiting = 0;
        for (int i = 1; i < SESSIONS; i++)
            waiting += model.waits[i] != 0;
        assert_int_equal(waiters_clients(world.engine), waiting);
    }
    assert_true(element > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_came_first_is_served_first),
        TEST(serving_is_in_the_batch_of_the_push_and_its_reply_waits),
        TEST(the_first_key_that_has_something_serves),
        TEST(a_key_of_another_type_is_not_what_is_waited_for),
        TEST(what_a_served_client_moves_serves_the_next),
        TEST(a_ring_of_moves_ends),
        TEST(waits_end_in_the_order_of_their_deadlines),
        TEST(a_timeout_waits_for_the_last_change_of_its_key),
        TEST(unblock_ends_a_wait_behind_the_command),
        TEST(who_is_closed_gets_nothing),
        TEST(who_wants_to_know_of_deletions_is_told),
        TEST(nothing_blocks_where_it_may_not),
        TEST(a_skipped_reply_is_the_one_to_come),
        TEST(a_random_run_is_that_of_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
