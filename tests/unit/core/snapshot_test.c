/* A snapshot is what the keyspace was when it began, whatever happens until it is complete. */
#include "core/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/ctx.h"
#include "core/keyspace.h"
#include "core/type/hash.h"
#include "core/type/list.h"
#include "core/type/value.h"
#include "tests/support/fake_world.h"
#include "tests/support/keyspace_twin.h"
#include "tests/support/memory_sink.h"
#include "tests/support/random_changes.h"
#include "tests/support/random_values.h"
#include "tests/support/test.h"

#define LARGE 4000 /* elements: more than a value that is written whole has */

static void run_set(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);

    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static void run_ping(struct ctx *ctx)
{
    reply_ok(ctx);
}

static const struct command rows[] = {
    {.name = "set", .run = run_set, .arity = 3, .record = RECORD_REQUEST, .flags = COMMAND_WRITE},
    {.name = "ping", .run = run_ping, .arity = 1},
    {.name = NULL},
};
static const struct command *const tables[] = {rows, NULL};

static struct fake_world world;
static struct memory_sink sink;
static char letters[3 << 20];

static int open_world(void **state unused)
{
    fake_world_open(&world, tables);
    memory_sink_open(&sink);
    world.engine->sink = &sink.port;
    memset(letters, 'x', sizeof(letters));
    random_values_begin(7, &world.settings.limits);
    return 0;
}

static int close_world(void **state unused)
{
    fake_world_close(&world);
    memory_sink_close(&sink);
    return 0;
}

static struct place find(struct keyspace *keyspace, int db, struct slice key)
{
    return keyspace_find(keyspace, db, key, keyspace_hash(keyspace, key));
}

static void fill(int keys)
{
    random_fill(world.engine->keyspace, keys);
}

static void act(void)
{
    random_change(world.engine->keyspace, &world.settings.limits);
}

/* --- Comparing -------------------------------------------------------------------------------- */

/* What the sink has is what was `expected`, which is given up. */
static void assert_snapshot(struct keyspace *expected)
{
    struct keyspace *loaded = keyspace_new(KEYSPACE_TWIN_DATABASES, 6, NULL);

    memory_sink_load(&sink, loaded);
    keyspace_twin_assert(loaded, expected);
    keyspace_check(loaded);
    keyspace_free(loaded);
    keyspace_free(expected);
}

static void begin_as(bool compress)
{
    struct snapshot_order order = {.form = SNAPSHOT_BASE, .path = "base", .seq = 12345};
    struct fault fault = {0};

    strcpy(order.kvid, "0123456789abcdef0123456789abcdef");
    order.compress = compress;
    assert_int_equal(snapshot_begin(world.engine, &order, &fault), 0);
    assert_int_equal(snapshot_begin(world.engine, &order, &fault), KV_EBUSY);
}

static void begin(void)
{
    begin_as(pick(2));
}

static void assert_nothing_held(void)
{
    struct snapshot_progress progress;

    snapshot_report(world.engine, &progress);
    assert_false(progress.running);
    assert_int_equal(progress.memory, 0);
    assert_false(snapshot_holds_writes(world.engine));
    keyspace_check(world.engine->keyspace);
}

static void run_to_end(void)
{
    for (int i = 0; !snapshot_ended(world.engine); i++) {
        assert_true(i < 10000000);
        snapshot_slice(world.engine, 0);
        memory_sink_write(&sink, 1);
    }
    assert_nothing_held();
}

/* So many changes at most, and a slice behind each. */
static void act_and_cut(uint64_t most)
{
    for (uint64_t i = pick(most); i > 0 && !snapshot_ended(world.engine); i--) {
        act();
        snapshot_slice(world.engine, 0);
    }
}

/* After whatever the last one met: the next is what was there when it began. */
static void assert_next_is_right(void)
{
    struct keyspace *expected = keyspace_twin(world.engine->keyspace);

    begin();
    for (uint64_t i = pick(100); i > 0; i--)
        act();
    run_to_end();
    assert_snapshot(expected);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void an_empty_keyspace_gives_a_head_alone(void **state unused)
{
    char text[64];

    begin();
    run_to_end();
    assert_int_equal(sink.current, SNAPSHOT_DONE);
    assert_int_equal(sink.count, 1);
    assert_true(memory_sink_aux(&sink, "kvseq", text));
    assert_string_equal(text, "12345");
    assert_true(memory_sink_aux(&sink, "aof-base", text));
    assert_string_equal(text, "1");
    assert_snapshot(keyspace_twin(world.engine->keyspace));
}

static void what_does_not_change_is_written_as_it_is(void **state unused)
{
    struct keyspace *expected;

    fill(2000);
    expected = keyspace_twin(world.engine->keyspace);
    begin();
    run_to_end();
    assert_snapshot(expected);
}

/* Random changes between slices of one piece each; several in a row, so that the marks have been
 * turned over. In every third the frames are small and the disk is slow. */
static void a_snapshot_is_what_was_there_when_it_began(void **state unused)
{
    fill(1500);
    for (int round = 0; round < 12; round++) {
        struct keyspace *expected = keyspace_twin(world.engine->keyspace);
        uint64_t steps = 0, often = 1 + pick(6);

        sink.slow = round % 3 == 0;
        world.settings.saving.memory_limit = round % 3 == 0 ? 1 << 20 : 0;
        begin();
        while (!snapshot_ended(world.engine)) {
            if (!snapshot_holds_writes(world.engine))
                for (uint64_t i = pick(often * 2); i > 0; i--)
                    act();
            for (uint64_t i = pick(8); i > 0; i--)
                snapshot_slice(world.engine, 0);
            if (pick(3) == 0)
                memory_sink_write(&sink, 1);
            if (++steps % 500 == 0)
                keyspace_check(world.engine->keyspace);
        }
        assert_nothing_held();
        assert_snapshot(expected);
        fill((int)pick(800));
    }
}

/* Given up anywhere, by a command or by the disk: the next one is right all the same. */
static void one_that_was_given_up_leaves_no_trace(void **state unused)
{
    fill(800);
    for (int round = 0; round < 60; round++) {
        bool fails = pick(2);

        begin();
        act_and_cut(300);
        if (fails && sink.current == SNAPSHOT_RUNNING)
            memory_sink_fail(&sink);
        else
            snapshot_cancel(world.engine);
        while (!snapshot_ended(world.engine)) {
            act();
            snapshot_slice(world.engine, 0);
        }
        assert_nothing_held();
        if (round % 6 == 0)
            assert_next_is_right();
    }
}

/* Memory is free as soon as the databases are empty, whatever was under way, and whatever had been
 * lent or set aside; so the next one may begin at once. */
static void what_is_flushed_whole_is_dropped_at_once(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace;

    for (int round = 0; round < 40; round++) {
        bool cutting;

        fill(400);
        begin();
        if (round % 4 == 0)
            snapshot_cancel(world.engine);
        act_and_cut(400);
        cutting = sink.current == SNAPSHOT_RUNNING;
        assert_int_equal(snapshot_drop(world.engine), cutting);
        keyspace_flush(keyspace, -1, pick(2));
        if (sink.current == SNAPSHOT_DONE)
            run_to_end();
        assert_nothing_held();
        assert_true(snapshot_ended(world.engine));
        fill(round % 3 == 0 ? 0 : 100);
        assert_next_is_right();
    }
}

static void databases_keep_the_number_they_had(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace, *expected;
    struct place place;

    for (int db = 0; db < 3; db++) {
        char text[16];
        int len = snprintf(text, sizeof(text), "of %d", db);

        place = find(keyspace, db, SLICE("k"));
        keyspace_put_string(keyspace, &place, (struct slice){text, (size_t)len}, ENTRY_NO_DEADLINE);
    }
    expected = keyspace_twin(keyspace);
    begin();
    keyspace_swap(keyspace, 0, 1);
    keyspace_swap(keyspace, 1, 2);
    place = find(keyspace, 0, SLICE("k"));
    keyspace_put_string(keyspace, &place, SLICE("new"), ENTRY_NO_DEADLINE);
    keyspace_flush(keyspace, 2, false);
    place = find(keyspace, 2, SLICE("later"));
    keyspace_put_string(keyspace, &place, SLICE("new"), ENTRY_NO_DEADLINE);
    run_to_end();
    assert_snapshot(expected);
}

static struct place find_number(int number)
{
    char text[16];
    struct slice key = {text, (size_t)snprintf(text, sizeof(text), "%d", number)};
    struct place place = find(world.engine->keyspace, 0, key);

    place.key = place.entry == NULL ? key : entry_key(place.entry);
    return place;
}

static void put_long(int number, char letter)
{
    char text[16];
    struct slice key = {text, (size_t)snprintf(text, sizeof(text), "%d", number)};
    struct place place = find(world.engine->keyspace, 0, key);

    memset(letters, letter, 3 << 20);
    keyspace_put_string(world.engine->keyspace, &place, (struct slice){letters, 3 << 20}, 99);
}

static void change_long(int number, int how)
{
    struct keyspace *keyspace = world.engine->keyspace;
    struct place place = find_number(number);

    if (how == 0) {
        put_long(number, '#');
    } else if (how == 1) {
        keyspace_before_change(keyspace, &place);
        memset(entry_bytes_of(place.entry), '#', 3 << 20);
        keyspace_after_change(keyspace, &place, place.entry);
    } else if (how == 2) {
        keyspace_remove(keyspace, &place, true);
    }
}

/* Three of four wait, and one is half written, when all are put over, changed, taken away, or let
 * be. */
static void a_long_string_is_cut_in_pieces(void **state unused)
{
    struct snapshot_progress progress;

    world.settings.saving.memory_limit = 1 << 20; /* small frames */
    for (int how = 0; how < 4; how++) {
        struct keyspace *expected;

        for (int i = 0; i < 4; i++)
            put_long(i, (char)('0' + i));
        expected = keyspace_twin(world.engine->keyspace);
        begin();
        for (int i = 0; i < 10; i++)
            snapshot_slice(world.engine, 0);
        for (int i = 0; i < 4; i++)
            change_long(i, how);
        run_to_end();
        snapshot_report(world.engine, &progress);
        assert_true(progress.pieces > 10);
        assert_snapshot(expected);
    }
}

/* Some bytes of one, and it may grow, move, and get a deadline. */
static void write_into_long(struct rng *rng, int number)
{
    struct keyspace *keyspace = world.engine->keyspace;
    struct place place = find_number(number);
    size_t len, from, to;
    struct entry *entry;

    if (rng_below(rng, 16) == 0) {
        keyspace_set_deadline(keyspace, &place, rng_below(rng, 2) ? 99 : ENTRY_NO_DEADLINE);
        return;
    }
    len = entry_string_len(place.entry);
    from = rng_below(rng, len + 1);
    to = from + rng_below(rng, rng_below(rng, 4) ? 100 : 300000);
    if (to > (4 << 20))
        to = from;
    keyspace_before_write(keyspace, &place, from, to);
    entry = entry_resize(place.entry, to > len ? to : len);
    memset(entry_bytes_of(entry) + from, '#', to - from);
    keyspace_after_change(keyspace, &place, entry);
}

/* At any time, in any order, between two steps; then one of the ways above. Only the pieces that
 * are written into are held. */
static void a_long_string_hands_over_the_pieces_that_change(void **state unused)
{
    struct snapshot_progress progress;
    struct rng rng;

    rng_seed(&rng, 7);
    world.settings.saving.memory_limit = 1 << 20;
    for (int round = 0; round < 60; round++) {
        struct keyspace *expected;

        for (int i = 0; i < 4; i++)
            put_long(i, (char)('0' + i));
        expected = keyspace_twin(world.engine->keyspace);
        begin();
        for (uint64_t i = rng_below(&rng, 200); i > 0; i--) {
            if (rng_below(&rng, 2))
                snapshot_slice(world.engine, 0);
            else
                write_into_long(&rng, (int)rng_below(&rng, 4));
        }
        for (int i = 0; i < 4; i++)
            change_long(i, (int)rng_below(&rng, 4));
        run_to_end();
        assert_snapshot(expected);
        assert_nothing_held();
    }
    put_long(0, '0');
    begin();
    write_into_long(&rng, 0);
    snapshot_report(world.engine, &progress);
    assert_true(progress.memory < 2 << 20);
    snapshot_cancel(world.engine);
    run_to_end();
    assert_nothing_held();
}

/* While the first value streams, all elements of the others change: what they hand over goes to the
 * sink, so that nobody who writes has to wait for memory. */
static void what_waits_for_its_turn_does_not_stay_in_memory(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace, *expected;
    struct snapshot_progress progress;
    int fetched = 0;

    world.settings.saving.memory_limit = 1 << 20;
    for (int i = 0; i < 12; i++) {
        char text[16];
        struct slice key = {text, (size_t)snprintf(text, sizeof(text), "%d", i)};
        struct place place = find(keyspace, 0, key);

        keyspace_put(keyspace, &place, random_large(key, i, 40000));
    }
    expected = keyspace_twin(keyspace);
    begin_as(false);
    for (int i = 0; i < 12; i++) {
        struct place place = find_number(i);

        if (i % 3 == 2)
            continue;
        snapshot_slice(world.engine, 0);
        random_change_all(keyspace, &world.settings.limits, &place);
        if (i % 3 == 1)
            keyspace_remove(keyspace, &place, false);
    }
    for (int i = 0; i < 200; i++) {
        snapshot_slice(world.engine, 0);
        assert_false(snapshot_holds_writes(world.engine));
    }
    snapshot_report(world.engine, &progress);
    assert_true(progress.memory_peak < 4 << 20);
    run_to_end();
    for (size_t i = 0; i < sink.count; i++)
        fetched += sink.frames[i].fetch;
    assert_true(fetched > 4);
    assert_snapshot(expected);
}

/* A list that waits keeps its old nodes, which can't be written ahead: it is written before its
 * turn when they are too many. */
static void old_nodes_of_a_list_that_waits_do_not_stay_in_memory(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace, *expected;
    struct snapshot_progress progress;
    struct place first = find(keyspace, 0, SLICE("0")), place = find(keyspace, 0, SLICE("1"));

    world.settings.saving.memory_limit = 1 << 20;
    keyspace_put(keyspace, &first, random_large(SLICE("0"), 3, 90000));
    keyspace_put(keyspace, &place, random_large(SLICE("1"), 0, 400000));
    expected = keyspace_twin(keyspace);
    begin_as(false);
    keyspace_set_deadline(keyspace, &first, 5);
    snapshot_slice(world.engine, 0);
    for (uint64_t from = 0; from < 400000; from += 1000) {
        struct list list = list_of(place.entry, &world.settings.limits);

        keyspace_before_change(keyspace, &place);
        for (uint64_t i = from; i < from + 1000; i++)
            list_set(&list, i, SLICE("other"));
        keyspace_after_change(keyspace, &place, place.entry);
        for (int i = 0; i < 2; i++)
            snapshot_slice(world.engine, 0);
    }
    snapshot_report(world.engine, &progress);
    assert_true(progress.memory_peak < 5 << 18);
    run_to_end();
    assert_snapshot(expected);
}

/* What is being cut was moved to a database that is not, and that one is emptied. */
static void a_value_outlives_the_database_it_was_moved_to(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace, *expected;
    struct hash hash = hash_new();
    struct place place;
    struct entry *entry;

    random_hash(&hash, 5 * LARGE);
    place = find(keyspace, 0, SLICE("h"));
    keyspace_put(keyspace, &place,
                 entry_new_value(SLICE("h"), TYPE_HASH, hash.encoding, hash.value, 99));
    expected = keyspace_twin(keyspace);
    begin();
    place = find(keyspace, 0, SLICE("h"));
    entry = keyspace_take(keyspace, &place);
    place = find(keyspace, 5, SLICE("h"));
    keyspace_put(keyspace, &place, entry);
    for (int i = 0; i < 3; i++)
        snapshot_slice(world.engine, 0);
    keyspace_flush(keyspace, 5, false);
    assert_int_equal(keyspace_total(keyspace), 0);
    run_to_end();
    assert_snapshot(expected);
}

/* With a disk that writes nothing the walk stops, and changes go on until the limit is reached. */
static void writers_wait_when_the_disk_is_behind(void **state unused)
{
    struct keyspace *keyspace = world.engine->keyspace;
    struct snapshot_progress progress;
    int changed = 0;

    world.settings.saving.memory_limit = 2 << 20;
    for (int i = 0; i < 200; i++) {
        char text[16];
        struct slice key = {text, (size_t)snprintf(text, sizeof(text), "%d", i)};
        struct place place = find(keyspace, 0, key);

        keyspace_put_string(keyspace, &place, (struct slice){letters, 60000}, 99);
    }
    sink.slow = true;
    begin_as(false);
    while (snapshot_slice(world.engine, 0))
        continue;
    assert_false(snapshot_holds_writes(world.engine));
    for (; !snapshot_holds_writes(world.engine); changed++) {
        char text[16];
        struct slice key = {text, (size_t)snprintf(text, sizeof(text), "%d", changed)};
        struct place place = find(keyspace, 0, key);

        keyspace_put_string(keyspace, &place, SLICE("new"), 99);
    }
    assert_true(changed < 200);
    snapshot_report(world.engine, &progress);
    assert_true(progress.memory < 3 << 20);
    memory_sink_write(&sink, 100);
    assert_true(snapshot_holds_writes(world.engine));
    engine_news(world.engine);
    assert_false(snapshot_holds_writes(world.engine));
    run_to_end();
}

/* The clock goes on by 10 us whenever it is read. */
static uint64_t clock_ns(void *self)
{
    struct fake_world *from = self;

    from->now_us += 10;
    return (uint64_t)from->now_us * 1000;
}

/* However many turns there are, a slice comes only when the one before it has been over for twice
 * its time: a third of the time at most. */
static void a_turn_spares_a_slice(void **state unused)
{
    struct snapshot_progress progress;
    struct session session;
    int64_t slept_us = 0, began_us, again_ns;

    fake_session_open(&world, &session);
    world.host.monotonic_ns = clock_ns;
    fill(3000);
    assert_int_equal(engine_turn_spare(world.engine), -1);
    begin();
    began_us = world.now_us;
    while (!snapshot_ended(world.engine)) {
        engine_turn_begin(world.engine);
        fake_request(&session, "PING", NULL);
        again_ns = engine_turn_spare(world.engine);
        if (again_ns > 0 && world.now_us % 3 == 0) {
            world.now_us += again_ns / 1000;
            slept_us += again_ns / 1000;
        }
    }
    snapshot_report(world.engine, &progress);
    assert_true(progress.slices > 5);
    assert_true(progress.slice_max_us < 200);
    assert_true((int64_t)progress.slice_us <= (world.now_us - began_us) / 3 + 200);
    assert_true(slept_us > 0);
    session_close(&session);
}

static void commands_that_write_wait_at_the_gate(void **state unused)
{
    struct session session;

    fake_session_open(&world, &session);
    world.engine->snapshot_holds = true;
    assert_int_equal(fake_request(&session, "SET", "k", "v", NULL), ENGINE_WAIT);
    assert_false(engine_admits(world.engine, &session));
    assert_int_equal(fake_request(&session, "PING", NULL), ENGINE_DONE);
    assert_int_equal(world.engine->stats.snapshot_waits, 1);
    world.engine->snapshot_holds = false;
    assert_true(engine_admits(world.engine, &session));
    assert_int_equal(fake_request(&session, "SET", "k", "v", NULL), ENGINE_DONE);
    session_close(&session);
}

static void the_end_of_the_engine_ends_it(void **state unused)
{
    fill(500);
    begin();
    for (int i = 0; i < 200; i++) {
        act();
        snapshot_slice(world.engine, 0);
    }
}

static void no_snapshot_without_a_sink(void **state unused)
{
    struct snapshot_order order = {.form = SNAPSHOT_LZ4, .path = "x"};
    struct fault fault = {0};

    world.engine->sink = NULL;
    assert_int_equal(snapshot_begin(world.engine, &order, &fault), KV_EREFUSED);
    assert_true(snapshot_ended(world.engine));
    assert_false(snapshot_slice(world.engine, 100));
    snapshot_cancel(world.engine);
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(an_empty_keyspace_gives_a_head_alone),
        test(what_does_not_change_is_written_as_it_is),
        test(a_snapshot_is_what_was_there_when_it_began),
        test(one_that_was_given_up_leaves_no_trace),
        test(what_is_flushed_whole_is_dropped_at_once),
        test(databases_keep_the_number_they_had),
        test(a_long_string_is_cut_in_pieces),
        test(a_long_string_hands_over_the_pieces_that_change),
        test(what_waits_for_its_turn_does_not_stay_in_memory),
        test(old_nodes_of_a_list_that_waits_do_not_stay_in_memory),
        test(a_value_outlives_the_database_it_was_moved_to),
        test(writers_wait_when_the_disk_is_behind),
        test(a_turn_spares_a_slice),
        test(commands_that_write_wait_at_the_gate),
        test(the_end_of_the_engine_ends_it),
        test(no_snapshot_without_a_sink),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
