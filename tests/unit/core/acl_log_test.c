/* What was denied: equal entries count together, and there is a limit. */
#include "core/acl_log.h"

#include <stdio.h>

#include "core/base/buf.h"
#include "tests/support/test.h"

static void add(struct acl_log *log, int64_t now_ms, const char *object)
{
    acl_log_add(log, 20, now_ms, ACL_DENIED_KEY, ACL_TOPLEVEL, slice_of(object), SLICE("bob"),
                SLICE("id=1"));
}

static void equal_entries_within_a_minute_count_together(void **state)
{
    struct acl_log log = {0};
    (void)state;
    add(&log, 1000, "a");
    add(&log, 2000, "b");
    add(&log, 61000, "a");
    assert_int_equal(log.count, 2);
    assert_int_equal(log.first->count, 2);
    assert_int_equal(log.first->id, 0);
    assert_int_equal(log.first->created_ms, 1000);
    assert_int_equal(log.first->updated_ms, 61000);
    add(&log, 121001, "a");
    assert_int_equal(log.count, 3);
    assert_int_equal(log.first->count, 1);
    acl_log_trim(&log, 0);
    assert_null(log.first);
}

static void other_reasons_contexts_and_users_are_apart(void **state)
{
    struct acl_log log = {0};
    (void)state;
    add(&log, 0, "a");
    acl_log_add(&log, 20, 0, ACL_DENIED_CHANNEL, ACL_TOPLEVEL, SLICE("a"), SLICE("bob"), SLICE(""));
    acl_log_add(&log, 20, 0, ACL_DENIED_KEY, ACL_MULTI, SLICE("a"), SLICE("bob"), SLICE(""));
    acl_log_add(&log, 20, 0, ACL_DENIED_KEY, ACL_TOPLEVEL, SLICE("a"), SLICE("eve"), SLICE(""));
    assert_int_equal(log.count, 4);
    acl_log_trim(&log, 0);
}

static void the_oldest_go_beyond_the_limit(void **state)
{
    struct acl_log log = {0};
    char name[16];
    (void)state;
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "key%d", i);
        add(&log, i, name);
    }
    assert_int_equal(log.count, 20);
    assert_memory_equal(log.first->object, "key99", 5);
    acl_log_trim(&log, 1);
    assert_int_equal(log.count, 1);
    acl_log_add(&log, 0, 0, ACL_DENIED_KEY, ACL_TOPLEVEL, SLICE("x"), SLICE(""), SLICE(""));
    assert_int_equal(log.count, 0);
}

static void long_objects_are_cut(void **state)
{
    struct acl_log log = {0};
    struct buf huge = {0};
    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_append_char(&huge, 'x');
    acl_log_add(&log, 1, 0, ACL_DENIED_AUTH, ACL_TOPLEVEL, SLICE("AUTH"), buf_slice(&huge),
                SLICE(""));
    assert_int_equal(log.first->username_len, ACL_LOG_OBJECT_BYTES);
    acl_log_trim(&log, 0);
    buf_free(&huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_entries_within_a_minute_count_together),
        cmocka_unit_test(other_reasons_contexts_and_users_are_apart),
        cmocka_unit_test(the_oldest_go_beyond_the_limit),
        cmocka_unit_test(long_objects_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
