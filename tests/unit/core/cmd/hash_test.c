/* What a test over the wire can't bring about: a hash whose fields are over while the log takes no
 * deletions, and while it is replayed. */
#include "core/cmd/hash.h"

#include <stdatomic.h>

#include "core/base/fault.h"
#include "core/cmd/commands.h"
#include "core/keyspace.h"
#include "core/replay.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

static const char *ask(struct session *session, const char *a, const char *b, const char *c)
{
    fake_request(session, a, b, c, NULL);
    fake_world_sync((struct fake_world *)session->engine->host->self);
    return fake_sent(session);
}

static void fields_that_are_over_are_hidden_while_the_log_has_failed(void **state)
{
    struct fake_world world = {0};
    struct session session;

    (void)state;
    fake_world_open(&world, command_tables);
    fake_session_open(&world, &session);
    fake_request(&session, "HSET", "h", "a", "1", "b", "2", NULL);
    fake_request(&session, "HPEXPIRE", "h", "5", "FIELDS", "1", "a", NULL);
    fake_request(&session, "HSET", "all", "a", "1", NULL);
    fake_request(&session, "HPEXPIRE", "all", "5", "FIELDS", "1", "a", NULL);
    fake_world_sync(&world);
    fake_sent(&session);
    world.now_us += 10000;
    engine_turn_begin(world.engine);
    atomic_store(&world.journal.state, JOURNAL_FAILED);
    assert_string_equal(ask(&session, "HGET", "h", "a"), "$-1\r\n");
    assert_string_equal(ask(&session, "HEXISTS", "h", "a"), ":0\r\n");
    assert_string_equal(ask(&session, "HSTRLEN", "h", "a"), ":0\r\n");
    assert_string_equal(ask(&session, "HLEN", "h", NULL), ":1\r\n");
    assert_string_equal(ask(&session, "HGETALL", "h", NULL),
                        "*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    assert_string_equal(ask(&session, "HKEYS", "h", NULL), "*1\r\n$1\r\nb\r\n");
    assert_string_equal(ask(&session, "HRANDFIELD", "h", NULL), "$1\r\nb\r\n");
    assert_string_equal(ask(&session, "HRANDFIELD", "h", "5"), "*1\r\n$1\r\nb\r\n");
    assert_string_equal(ask(&session, "HSCAN", "h", "0"),
                        "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    assert_string_equal(ask(&session, "HGETALL", "all", NULL), "*0\r\n");
    assert_string_equal(ask(&session, "HRANDFIELD", "all", NULL), "$-1\r\n");
    assert_string_equal(ask(&session, "HRANDFIELD", "all", "-3"), "*0\r\n");
    assert_string_equal(ask(&session, "HLEN", "all", NULL), ":0\r\n");
    assert_int_equal(keyspace_total(world.engine->keyspace), 2);
    atomic_store(&world.journal.state, JOURNAL_HEALTHY);
    assert_string_equal(ask(&session, "HLEN", "all", NULL), ":0\r\n");
    assert_int_equal(keyspace_total(world.engine->keyspace), 1);
    session_close(&session);
    fake_world_close(&world);
}

static void replay(struct engine *engine, int argc, const struct slice *argv)
{
    struct fault fault = {0};

    assert_int_equal(replay_command(engine, argc, argv, &fault), 0);
}

/* A deadline that is over today was not when it was recorded: what follows in the log counts on the
 * field. */
static void nothing_expires_in_replay(void **state)
{
    struct fake_world world = {0};
    struct engine *engine;
    struct session session;

    (void)state;
    fake_world_open(&world, command_tables);
    engine = world.engine;
    replay_loading(engine, true);
    replay(engine, 4, (struct slice[]){SLICE("HSET"), SLICE("h"), SLICE("a"), SLICE("1")});
    replay(engine, 6, (struct slice[]){SLICE("HPEXPIREAT"), SLICE("h"), SLICE("1000"),
                                       SLICE("FIELDS"), SLICE("1"), SLICE("a")});
    replay(engine, 4, (struct slice[]){SLICE("HINCRBY"), SLICE("h"), SLICE("a"), SLICE("5")});
    replay(engine, 4, (struct slice[]){SLICE("HSET"), SLICE("h"), SLICE("b"), SLICE("2")});
    replay(engine, 5, (struct slice[]){SLICE("HPERSIST"), SLICE("h"), SLICE("FIELDS"), SLICE("1"),
                                       SLICE("a")});
    replay(engine, 6, (struct slice[]){SLICE("HPEXPIREAT"), SLICE("h"), SLICE("1000"),
                                       SLICE("FIELDS"), SLICE("1"), SLICE("b")});
    replay_loading(engine, false);
    fake_session_open(&world, &session);
    assert_string_equal(ask(&session, "HGETALL", "h", NULL), "*2\r\n$1\r\na\r\n$1\r\n6\r\n");
    session_close(&session);
    fake_world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_that_are_over_are_hidden_while_the_log_has_failed),
        cmocka_unit_test(nothing_expires_in_replay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
