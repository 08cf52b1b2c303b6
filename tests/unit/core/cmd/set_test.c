/* What the commands of sets leave in the log: requests that changed something, and what chance
 * decided as removals. */
#include "core/type/set.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/cmd/commands.h"
#include "core/ctx.h"
#include "tests/support/fake_world.h"
#include "tests/support/test.h"

struct rig {
    struct fake_world world;
    struct session session;
};

static int open_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    fake_world_open(&rig->world, command_tables);
    fake_session_open(&rig->world, &rig->session);
    *state = rig;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;

    session_close(&rig->session);
    fake_world_close(&rig->world);
    free(rig);
    return 0;
}

#define REQUEST(rig, ...)                                                                          \
    do {                                                                                           \
        assert_int_equal(fake_request(&(rig)->session, __VA_ARGS__, NULL), ENGINE_DONE);           \
        engine_turn_end((rig)->world.engine);                                                      \
    } while (0)

static unsigned times(struct rig *rig, const char *text)
{
    unsigned count = 0;

    for (const char *at = fake_stream(&rig->world); (at = strstr(at, text)) != NULL; at++)
        count++;
    return count;
}

static size_t recorded(struct rig *rig)
{
    return strlen(fake_stream(&rig->world));
}

static void what_changes_nothing_is_not_recorded(void **state)
{
    struct rig *rig = *state;
    size_t before;

    REQUEST(rig, "SADD", "s", "a", "b", "1");
    assert_int_equal(times(rig, "SADD"), 1);
    before = recorded(rig);
    REQUEST(rig, "SADD", "s", "a", "1");
    REQUEST(rig, "SREM", "s", "absent");
    REQUEST(rig, "SMOVE", "s", "s", "a");
    REQUEST(rig, "SMOVE", "s", "t", "absent");
    REQUEST(rig, "SPOP", "s", "0");
    REQUEST(rig, "SPOP", "absent");
    REQUEST(rig, "SINTERSTORE", "t", "s", "absent");
    REQUEST(rig, "SRANDMEMBER", "s", "2");
    assert_int_equal(recorded(rig), before);
}

static void what_was_popped_is_recorded_as_removed(void **state)
{
    struct rig *rig = *state;

    REQUEST(rig, "SADD", "s", "a", "b", "c", "d", "e");
    REQUEST(rig, "SPOP", "s");
    assert_int_equal(times(rig, "SREM"), 1);
    REQUEST(rig, "SPOP", "s", "2");
    assert_int_equal(times(rig, "SREM"), 2);
    REQUEST(rig, "SPOP", "s", "2");
    assert_int_equal(times(rig, "SREM"), 2);
    assert_int_equal(times(rig, "DEL"), 1);
    assert_int_equal(times(rig, "SPOP"), 0);
}

static void many_that_are_popped_are_recorded_in_parts(void **state)
{
    struct rig *rig = *state;
    char member[32];

    for (int i = 0; i < 3000; i++) {
        snprintf(member, sizeof(member), "member:%d", i);
        REQUEST(rig, "SADD", "s", member);
    }
    REQUEST(rig, "SPOP", "s", "2500");
    assert_int_equal(times(rig, "SREM"), 3);
    assert_int_equal(times(rig, "MULTI"), 1);
    REQUEST(rig, "SCARD", "s");
    fake_world_sync(&rig->world);
    assert_non_null(strstr(fake_sent(&rig->session), ":500\r\n"));
}

static void a_set_that_becomes_empty_is_no_more(void **state)
{
    struct rig *rig = *state;
    static const char *const last[] = {"SREM", "SPOP", "SMOVE"};

    for (int i = 0; i < 3; i++) {
        REQUEST(rig, "SADD", "s", "m");
        if (i == 0)
            REQUEST(rig, last[i], "s", "m");
        else if (i == 1)
            REQUEST(rig, last[i], "s");
        else
            REQUEST(rig, last[i], "s", "t", "m");
        assert_int_equal(keyspace_count(rig->world.engine->keyspace, 0), i == 2);
        keyspace_check(rig->world.engine->keyspace);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_changes_nothing_is_not_recorded, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(what_was_popped_is_recorded_as_removed, open_rig,
                                        close_rig),
        cmocka_unit_test_setup_teardown(many_that_are_popped_are_recorded_in_parts, open_rig,
                                        close_rig),
        cmocka_unit_test_setup_teardown(a_set_that_becomes_empty_is_no_more, open_rig, close_rig),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
