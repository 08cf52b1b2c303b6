/* The store: one process a directory, a probe that names what mends it, all of it given back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "persistence/file.h"
#include "persistence/store.h"
#include "tests/support/faulty_disk.h"

struct test_store {
    struct faulty_disk *disk;
    struct disk port; /* the faulty disk's, where a test has not put something else in */
    struct store_options options;
    struct journal journal;
    struct store *store;
    struct recovery_result result;
    struct fault fault;
    int commands;
};

static int count_command(void *env, int argc unused, const struct slice *argv unused,
                         struct fault *fault unused)
{
    ((struct test_store *)env)->commands++;
    return 0;
}

static void some_bytes(void *env unused, void *out, size_t len)
{
    memset(out, 7, len);
}

static int set_up(void **state)
{
    static struct test_store test; /* tests run one after the other */

    memset(&test, 0, sizeof test);
    test.disk = faulty_disk_new();
    faulty_disk_put_directory(test.disk, "data");
    test.port = *faulty_disk_port(test.disk);
    test.options = (struct store_options){
        .policy = JOURNAL_ALWAYS,
        .recovery = {.disk = &test.port, .dir = "data", .append_dirname = "appendonlydir",
                     .append_filename = "appendonly.aof", .db_filename = "dump.rdb",
                     .env = &test, .apply = count_command, .random_bytes = some_bytes},
    };
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    struct test_store *test = *state;

    if (test->store)
        store_abandon(test->store);
    faulty_disk_free(test->disk);
    return 0;
}

static int open_store(struct test_store *test)
{
    test->commands = 0;
    return store_open(&test->options, &test->journal, &test->store, &test->result, &test->fault);
}

static void close_store(struct test_store *test)
{
    struct store *store = test->store;

    test->store = NULL;
    assert_int_equal(store_close(store, &test->fault), 0);
}

static void what_was_written_is_read_by_the_next_store(void **state)
{
    struct test_store *test = *state;
    struct slice command = SLICE("*1\r\n$5\r\nHELLO\r\n");

    for (int round = 0; round < 5; round++) {
        assert_int_equal(open_store(test), 0);
        assert_int_equal(test->commands, round);
        assert_int_equal(atomic_load(&test->journal.state), JOURNAL_HEALTHY);
        buf_append_slice(&test->journal.open, command);
        test->journal.sequence += command.len;
        close_store(test);
        assert_int_equal(atomic_load(&test->journal.state), JOURNAL_OFF);
    }
}

static void a_second_process_is_kept_out_and_told_who_has_it(void **state)
{
    struct test_store *test = *state;
    struct recovery_result result;
    struct journal journal;
    struct store *store;
    struct fault fault;
    char expected[64];

    assert_int_equal(open_store(test), 0);
    assert_int_equal(store_open(&test->options, &journal, &store, &result, &fault), KV_EBUSY);
    snprintf(expected, sizeof expected, "process %d", (int)getpid());
    assert_non_null(strstr(fault.text, expected));
    assert_string_equal(fault.path, "data/kv.lock");
    close_store(test);
    assert_int_equal(store_open(&test->options, &journal, &store, &result, &fault), 0);
    store_abandon(store);
}

static void a_directory_that_is_not_there_is_named(void **state)
{
    struct test_store *test = *state;

    test->options.recovery.dir = "nowhere";
    assert_int_equal(open_store(test), KV_EIO);
    assert_non_null(strstr(test->fault.text, "mkdir -p 'nowhere'"));
    assert_string_equal(test->fault.path, "nowhere");
}

static int refuse_probe(void *self, const char *path, int flags, mode_t mode)
{
    if (strstr(path, "kv.probe") && flags & O_CREAT)
        return -EACCES;
    return faulty_disk_port(self)->open(self, path, flags, mode);
}

static int refuse_lock_read_only(void *self, const char *path, int flags, mode_t mode)
{
    if (strstr(path, "kv.lock"))
        return -EROFS;
    return faulty_disk_port(self)->open(self, path, flags, mode);
}

static void missing_rights_are_said_with_the_command_that_mends_them(void **state)
{
    struct test_store *test = *state;
    char expected[128];

    test->port.open = refuse_probe;
    assert_int_equal(open_store(test), KV_EIO);
    snprintf(expected, sizeof expected, "Run: chown -R %u:%u 'data' && chmod", geteuid(),
             getegid());
    assert_non_null(strstr(test->fault.text, expected));
    test->port.open = refuse_lock_read_only;
    assert_int_equal(open_store(test), KV_EIO);
    assert_non_null(strstr(test->fault.text, "mounted read-only"));
}

static void a_full_disk_is_found_at_start(void **state)
{
    struct test_store *test = *state;

    faulty_disk_set_capacity(test->disk, 3);
    assert_int_equal(open_store(test), KV_ENOSPACE);
    assert_string_equal(test->fault.path, "data");
    faulty_disk_set_capacity(test->disk, 100000);
    assert_int_equal(open_store(test), 0);
}

static void the_probe_leaves_nothing_behind(void **state)
{
    struct test_store *test = *state;

    assert_int_equal(open_store(test), 0);
    close_store(test);
    assert_int_equal(open_store(test), 0);
    assert_int_equal(test->port.exists(test->port.self, "data/kv.probe"), 0);
    assert_int_equal(test->port.exists(test->port.self, "data/appendonlydir/kv.probe"), 0);
    assert_int_equal(test->port.exists(test->port.self, "data/kv.lock"), 1);
}

/* Property: whatever call of an opening fails, the next opening works: nothing is locked, nothing
 * half done. */
static void a_failed_opening_can_be_repeated(void **state)
{
    for (uint64_t nth = 1; nth < 60; nth++) {
        struct test_store *test;

        tear_down(state);
        set_up(state);
        test = *state;
        faulty_disk_fail_at(test->disk, FAULTY_ANY, nth, 1, FAULTY_EIO);
        if (open_store(test) < 0)
            assert_int_equal(atomic_load(&test->journal.state), JOURNAL_OFF);
        else
            close_store(test);
        faulty_disk_fail_at(test->disk, 0, 0, 0, FAULTY_EIO);
        if (open_store(test) < 0)
            fail_msg("call %d: %s: %s", (int)nth, test->fault.path, test->fault.text);
        close_store(test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_was_written_is_read_by_the_next_store),
        TEST(a_second_process_is_kept_out_and_told_who_has_it),
        TEST(a_directory_that_is_not_there_is_named),
        TEST(missing_rights_are_said_with_the_command_that_mends_them),
        TEST(a_full_disk_is_found_at_start),
        TEST(the_probe_leaves_nothing_behind),
        TEST(a_failed_opening_can_be_repeated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
