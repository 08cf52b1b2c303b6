/* The turn that ends writes its batch itself, where replies wait for no sync. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "persistence/file.h"
#include "tests/support/log_rig.h"

static struct faulty_disk *disk;
static struct log_rig rig;
static int values;

/* A disk whose fdatasync waits for the test, and which knows who wrote last. */
static struct disk watched;
static pthread_t main_thread;
static _Atomic bool by_main;
static sem_t sync_begun, sync_may_go_on;

static ssize_t note_pwritev(void *self, int fd, const struct iovec *parts, int count,
                            off_t offset)
{
    atomic_store(&by_main, pthread_equal(pthread_self(), main_thread) != 0);
    return faulty_disk_port(disk)->pwritev(self, fd, parts, count, offset);
}

static int held_fdatasync(void *self, int fd)
{
    sem_post(&sync_begun);
    sem_wait(&sync_may_go_on);
    return faulty_disk_port(disk)->fdatasync(self, fd);
}

static int set_up(void **state unused)
{
    values = 0;
    disk = faulty_disk_new();
    rig_make_directory(disk);
    rig_init(&rig, disk);
    watched = *faulty_disk_port(disk);
    watched.pwritev = note_pwritev;
    main_thread = pthread_self();
    rig.options.disk = &watched;
    rig.options.policy = JOURNAL_EVERYSEC;
    return 0;
}

static int tear_down(void **state unused)
{
    rig_free(&rig);
    faulty_disk_free(disk);
    return 0;
}

static void open_log(void)
{
    struct log_start start = rig_first_start();

    assert_int_equal(rig_open(&rig, &start), 0);
    manifest_free(&start.manifest);
}

static struct journal_report report_now(void)
{
    struct journal_report report;

    rig.journal.ops->report(&rig.journal, &report);
    return report;
}

static void put_value(void)
{
    char value[32];

    snprintf(value, sizeof value, "v%d", values++);
    rig_set(&rig, "key", value);
}

/* All are durable, in order, each once. */
static void holds_all(void)
{
    struct faulty_choice choice = {FAULTY_DROP, FAULTY_DROP, 0, 0};
    struct rig_content content;
    struct faulty_disk *after;
    char expected[64], *at;

    assert_int_equal(rig.journal.ops->sync(&rig.journal, &rig.fault), 0);
    after = faulty_disk_crash(disk, &choice);
    rig_read(after, &content);
    buf_append_char(&content.commands, '\0');
    at = content.commands.data;
    for (int i = 0; i < values; i++) {
        snprintf(expected, sizeof expected, "SET\r\n$3\r\nkey\r\n$%d\r\nv%d\r\n",
                 snprintf(NULL, 0, "v%d", i), i);
        at = strstr(at, "SET\r\n");
        assert_non_null(at);
        assert_memory_equal(at, expected, strlen(expected));
        at += strlen(expected);
    }
    assert_null(strstr(at, "SET\r\n"));
    rig_content_free(&content);
    faulty_disk_free(after);
}

/* Put values in until a turn writes: the log thread may be looking around just now. */
static void write_within_a_turn(void)
{
    for (bool done = false; !done;) {
        put_value();
        rig_turn(&rig);
        done = journal_confirmed(&rig.journal) == rig.journal.sequence && atomic_load(&by_main);
        assert_true(rig_commit(&rig));
    }
}

static void a_small_batch_is_written_and_confirmed_within_its_turn(void **state unused)
{
    rig.options.policy = JOURNAL_NO;
    open_log();
    write_within_a_turn();
    assert_int_equal(report_now().batch, values);
    assert_int_equal(report_now().written, rig.journal.sequence);
    assert_int_equal(report_now().durable, 0);
    assert_int_equal(report_now().pending_bytes, 0);
    holds_all();
}

static void a_large_batch_is_handed_over(void **state unused)
{
    open_log();
    for (int i = 0; i < 1000; i++)
        put_value();
    assert_true(rig_commit(&rig));
    assert_false(atomic_load(&by_main));
    holds_all();
}

static void under_always_batches_are_handed_over(void **state unused)
{
    rig.options.policy = JOURNAL_ALWAYS;
    open_log();
    for (int i = 0; i < 10; i++) {
        put_value();
        assert_true(rig_commit(&rig));
        assert_false(atomic_load(&by_main));
    }
    holds_all();
}

/* Property: a turn never waits for a sync. Method: the sync thread begins one, in preparation of a
 * base, which does not end; the log thread writes meanwhile. */
static void while_a_sync_runs_batches_are_handed_over(void **state unused)
{
    struct journal_base base;
    bool handed_over;

    sem_init(&sync_begun, 0, 0);
    sem_init(&sync_may_go_on, 0, 0);
    watched.fdatasync = held_fdatasync;
    rig.options.policy = JOURNAL_NO;
    open_log();
    write_within_a_turn();
    assert_int_equal(rig.journal.ops->base_begin(&rig.journal, 0, &base, &rig.fault), KV_EBUSY);
    sem_wait(&sync_begun);
    put_value();
    assert_true(rig_commit(&rig));
    handed_over = !atomic_load(&by_main);
    for (int i = 0; i < 10; i++)
        sem_post(&sync_may_go_on);
    assert_true(handed_over);
    holds_all();
}

/* A write that fails in the main thread is what it is in the log thread: nobody notices. */
static void a_failed_write_of_a_turn_heals(void **state)
{
    static const enum faulty_error errors[] = {FAULTY_EIO, FAULTY_ENOSPC, FAULTY_SHORT};

    for (int error = 0; error < 3; error++) {
        for (uint64_t nth = 1; nth <= 3; nth++) {
            tear_down(state);
            set_up(state);
            open_log();
            write_within_a_turn();
            faulty_disk_fail_at(disk, FAULTY_WRITE, nth, 1, errors[error]);
            for (int i = 0; i < 4; i++) {
                put_value();
                assert_true(rig_commit(&rig));
            }
            assert_int_equal(report_now().write_errors, 1);
            assert_int_equal(report_now().heals, 1);
            assert_int_equal(report_now().pending_bytes, 0);
            holds_all();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_small_batch_is_written_and_confirmed_within_its_turn),
        TEST(a_large_batch_is_handed_over),
        TEST(under_always_batches_are_handed_over),
        TEST(while_a_sync_runs_batches_are_handed_over),
        TEST(a_failed_write_of_a_turn_heals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
