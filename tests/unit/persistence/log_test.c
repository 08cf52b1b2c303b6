/* The log on a faulty disk: what is confirmed is there after any crash, and failures heal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/rng.h"
#include "persistence/durable.h"
#include "persistence/file.h"
#include "tests/support/log_rig.h"

#define SELECT_0 "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"

struct test_log {
    struct faulty_disk *disk;
    struct log_rig rig;
    struct log_start start;
};

static int set_up(void **state)
{
    static struct test_log test; /* tests run one after the other */

    memset(&test, 0, sizeof test);
    test.disk = faulty_disk_new();
    rig_make_directory(test.disk);
    rig_init(&test.rig, test.disk);
    test.start = rig_first_start();
    *state = &test;
    return 0;
}

static int tear_down(void **state)
{
    struct test_log *test = *state;

    rig_free(&test->rig);
    manifest_free(&test->start.manifest);
    faulty_disk_free(test->disk);
    return 0;
}

/* Another disk and another log within one test. */
static struct test_log *fresh(void **state)
{
    tear_down(state);
    set_up(state);
    return *state;
}

static void open_log(struct test_log *test)
{
    if (rig_open(&test->rig, &test->start) < 0)
        fail_msg("%s: %s", test->rig.fault.path, test->rig.fault.text);
}

static void close_log(struct test_log *test)
{
    struct log *log = test->rig.log;

    test->rig.log = NULL;
    assert_int_equal(log_close(log, &test->rig.fault), 0);
}

static struct journal_report report_of(struct test_log *test)
{
    struct journal_report report;

    test->rig.journal.ops->report(&test->rig.journal, &report);
    return report;
}

/* The values in `content` are 0, 1, 2 ... count - 1, in order, and nothing else. */
static void holds_values(const struct rig_content *content, int count)
{
    const char *at = content->commands.len ? content->commands.data : "";
    const char *end = at + content->commands.len;
    char expected[64];

    for (int i = 0; i < count; i++) {
        int len = snprintf(expected, sizeof expected, "v%d\r\n", i);

        at = memmem(at, (size_t)(end - at), expected, (size_t)len);
        assert_non_null(at);
        at += len;
    }
    assert_null(memmem(at, (size_t)(end - at), "SET", 3));
}

static void put_value(struct test_log *test, int i)
{
    char value[32];

    snprintf(value, sizeof value, "v%d", i);
    rig_set(&test->rig, "key", value);
}

static void crash_holds_values(struct test_log *test, int count)
{
    struct faulty_choice choice = {FAULTY_DROP, FAULTY_DROP, 0, 0};
    struct faulty_disk *after = faulty_disk_crash(test->disk, &choice);
    struct rig_content content;

    rig_read(after, &content);
    holds_values(&content, count);
    rig_content_free(&content);
    faulty_disk_free(after);
}

/* The crc of the last trailer that the files hold. */
static uint32_t last_crc(struct test_log *test)
{
    struct rig_content content;
    uint32_t crc;

    rig_read(test->disk, &content);
    crc = content.crc;
    rig_content_free(&content);
    return crc;
}

static void count_incr(void *env, const char *name)
{
    *(int *)env += strstr(name, ".incr.aof") != NULL;
}

static int incr_files(struct test_log *test)
{
    const struct disk *port = faulty_disk_port(test->disk);
    int count = 0;

    port->list(port->self, RIG_DIRECTORY, count_incr, &count);
    return count;
}

/* --- Without failures ----------------------------------------------------------------------- */

static void a_new_log_is_durably_named(void **state)
{
    struct test_log *test = *state;

    open_log(test);
    assert_int_equal(test->rig.journal.ops == &log_journal_ops, 1);
    crash_holds_values(test, 0);
    assert_string_equal(report_of(test).file, "appendonly.aof.1.incr.aof");
}

static void what_is_confirmed_is_there_after_a_crash(void **state)
{
    struct test_log *test = *state;

    open_log(test);
    for (int i = 0; i < 50; i++) {
        put_value(test, i);
        assert_true(rig_commit(&test->rig));
        crash_holds_values(test, i + 1);
    }
    assert_int_equal(report_of(test).batch, 50);
    assert_int_equal(report_of(test).durable_batch, 50);
    assert_int_equal(report_of(test).durable, test->rig.journal.sequence);
    assert_int_equal(report_of(test).pending_bytes, 0);
}

/* A disk whose fdatasync waits for the test. */
struct slow_disk {
    struct disk port;
    const struct disk *under;
    sem_t begun, go_on;
};

static int slow_fdatasync(void *self, int fd)
{
    struct slow_disk *slow = self;

    sem_post(&slow->begun);
    sem_wait(&slow->go_on);
    return slow->under->fdatasync(slow->under->self, fd);
}

#define FORWARD(kind, name, parameters, arguments)                                               \
    static kind slow_##name parameters                                                           \
    {                                                                                            \
        const struct disk *under = ((struct slow_disk *)self)->under;                            \
                                                                                                 \
        return under->name arguments;                                                            \
    }
FORWARD(int, open, (void *self, const char *path, int flags, mode_t mode),
        (under->self, path, flags, mode))
FORWARD(int, close, (void *self, int fd), (under->self, fd))
FORWARD(ssize_t, pwritev,
        (void *self, int fd, const struct iovec *parts, int count, off_t offset),
        (under->self, fd, parts, count, offset))
FORWARD(ssize_t, pwrite, (void *self, int fd, const void *bytes, size_t len, off_t offset),
        (under->self, fd, bytes, len, offset))
FORWARD(int, fsync, (void *self, int fd), (under->self, fd))
FORWARD(int, fsync_directory, (void *self, const char *path), (under->self, path))
FORWARD(int, rename, (void *self, const char *from, const char *to), (under->self, from, to))
FORWARD(int, unlink, (void *self, const char *path), (under->self, path))
FORWARD(int, truncate, (void *self, int fd, off_t len), (under->self, fd, len))
FORWARD(int64_t, size, (void *self, int fd), (under->self, fd))
FORWARD(int, exists, (void *self, const char *path), (under->self, path))

static void slow_init(struct slow_disk *slow, struct faulty_disk *disk)
{
    slow->under = faulty_disk_port(disk);
    slow->port = (struct disk){
        .self = slow, .open = slow_open, .close = slow_close, .pwritev = slow_pwritev,
        .pwrite = slow_pwrite, .fdatasync = slow_fdatasync, .fsync = slow_fsync,
        .fsync_directory = slow_fsync_directory, .rename = slow_rename, .unlink = slow_unlink,
        .truncate = slow_truncate, .size = slow_size, .exists = slow_exists,
    };
    sem_init(&slow->begun, 0, 0);
    sem_init(&slow->go_on, 0, 0);
}

static void a_batch_forms_while_another_is_synced(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;
    uint64_t written, confirmed, first_end, open_bytes, backlog;
    struct slow_disk slow;

    slow_init(&slow, test->disk);
    test->rig.options.disk = &slow.port;
    open_log(test);
    put_value(test, 0);
    rig_turn(&test->rig);
    assert_int_equal(journal->open.len, 0);
    sem_wait(&slow.begun);
    written = atomic_load(&journal->written);
    confirmed = journal_confirmed(journal);
    first_end = journal->sequence;
    put_value(test, 1);
    rig_turn(&test->rig);
    put_value(test, 2);
    rig_turn(&test->rig);
    open_bytes = journal->open.len;
    backlog = journal_backlog(journal);
    for (int i = 0; i < 10; i++)
        sem_post(&slow.go_on);
    assert_int_equal(written, first_end);
    assert_int_equal(confirmed, 0);
    assert_int_equal(open_bytes, 0);
    assert_int_equal(backlog, journal->sequence - first_end);
    assert_true(rig_commit(&test->rig));
    assert_int_equal(report_of(test).batch, 2);
    crash_holds_values(test, 3);
    rig_free(&test->rig);
    rig_init(&test->rig, test->disk);
}

static void everysec_confirms_what_is_written(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;
    uint64_t syncs;

    test->rig.options.policy = JOURNAL_EVERYSEC;
    open_log(test);
    syncs = faulty_disk_calls(test->disk, FAULTY_SYNC);
    for (int i = 0; i < 10; i++) {
        put_value(test, i);
        assert_true(rig_commit(&test->rig));
    }
    assert_true(faulty_disk_calls(test->disk, FAULTY_SYNC) - syncs <= 1);
    assert_int_equal(journal->ops->sync(journal, &test->rig.fault), 0);
    assert_int_equal(atomic_load(&journal->durable), journal->sequence);
    crash_holds_values(test, 10);
}

static void going_to_always_syncs_what_is_written(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;

    test->rig.options.policy = JOURNAL_NO;
    open_log(test);
    put_value(test, 0);
    assert_true(rig_commit(&test->rig));
    journal->ops->set_policy(journal, JOURNAL_ALWAYS);
    assert_true(rig_commit(&test->rig));
    assert_int_equal(atomic_load(&journal->durable), journal->sequence);
    crash_holds_values(test, 1);
    journal->ops->set_policy(journal, JOURNAL_EVERYSEC);
    put_value(test, 1);
    assert_true(rig_commit(&test->rig));
}

static void too_much_unsynced_forces_a_sync(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;

    test->rig.options.policy = JOURNAL_NO;
    open_log(test);
    for (int i = 0; i < 5; i++) {
        size_t len = 16 << 20;

        memset(buf_reserve(&journal->open, len), 'x', len);
        journal->open.len += len;
        journal->sequence += len;
        assert_true(rig_commit(&test->rig));
    }
    assert_true(atomic_load(&journal->durable) > 0);
}

static void time_stamps_come_once_a_second(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;
    struct buf text = {0};
    int64_t times[] = {1000, 1999, 2000, 2000, 5000};
    const char *at;
    int count = 0;

    test->rig.options.time_stamps = true;
    open_log(test);
    for (int i = 0; i < 5; i++) {
        put_value(test, i);
        journal->ops->turn_end(journal, times[i]);
        assert_true(rig_commit(&test->rig));
    }
    assert_true(faulty_disk_get(test->disk, RIG_DIRECTORY "/appendonly.aof.1.incr.aof", &text));
    for (at = text.data; (at = memmem(at, text.len - (size_t)(at - text.data), "#TS:", 4)); at++)
        count++;
    assert_int_equal(count, 3);
    buf_free(&text);
    crash_holds_values(test, 5);
}

static void close_trims_the_file_and_proves_the_last_batch(void **state)
{
    struct test_log *test = *state;
    struct durable slot;
    int found;

    test->rig.options.chunk_bytes = 1 << 20;
    open_log(test);
    put_value(test, 0);
    assert_true(rig_commit(&test->rig));
    put_value(test, 1);
    close_log(test);
    assert_int_equal(atomic_load(&test->rig.journal.state), JOURNAL_OFF);
    crash_holds_values(test, 2);
    assert_int_equal(durable_load(faulty_disk_port(test->disk), RIG_DIRECTORY "/kv.durable", &slot,
                                  &found, &test->rig.fault),
                     0);
    assert_int_equal(found, 2);
    assert_int_equal(slot.batch, 2);
    assert_string_equal(slot.kvid, RIG_KVID);
    assert_string_equal(slot.file, "appendonly.aof.1.incr.aof");
}

static void a_file_without_a_batch_is_replaced(void **state)
{
    struct test_log *test = *state;

    for (uint64_t i = 1; i < 5; i++) {
        test->start.next_file = i;
        open_log(test);
        close_log(test);
        manifest_free(&test->start.manifest);
        assert_int_equal(manifest_load(faulty_disk_port(test->disk),
                                       RIG_DIRECTORY "/appendonly.aof.manifest",
                                       &test->start.manifest, &test->rig.fault),
                         0);
        assert_int_equal(incr_files(test), 1);
    }
    crash_holds_values(test, 0);
}

static void a_taken_number_is_skipped(void **state)
{
    struct test_log *test = *state;

    faulty_disk_put(test->disk, RIG_DIRECTORY "/appendonly.aof.1.incr.aof", SLICE("old"));
    open_log(test);
    assert_string_equal(report_of(test).file, "appendonly.aof.2.incr.aof");
}

/* --- With failures -------------------------------------------------------------------------- */

/* Property: whatever call fails, in whatever way, once: the clients get their success, and it is
 * true. Method: fail each call of a commit in turn, crash, read. */
static void one_failure_heals_and_nobody_notices(void **state)
{
    static const enum faulty_error errors[] = {FAULTY_EIO, FAULTY_ENOSPC, FAULTY_SHORT};

    for (int error = 0; error < 3; error++) {
        for (uint64_t nth = 1; nth <= 4; nth++) {
            struct test_log *test;

            test = fresh(state);
            open_log(test);
            put_value(test, 0);
            assert_true(rig_commit(&test->rig));
            faulty_disk_fail_at(test->disk, FAULTY_WRITE | FAULTY_SYNC, nth, 1, errors[error]);
            for (int i = 1; i < 4; i++) {
                put_value(test, i);
                assert_true(rig_commit(&test->rig));
                crash_holds_values(test, i + 1);
            }
            assert_int_equal(report_of(test).heals, 1);
            assert_int_equal(atomic_load(&test->rig.journal.state), JOURNAL_HEALTHY);
            assert_int_equal(incr_files(test), 2);
        }
    }
}

/* Property: two failures, so that healing fails too, at any call of it: FAILED with a problem that
 * names a path; then the next attempt goes through, and all is there. At no time does the
 * directory not start. */
static void a_failed_healing_is_tried_again(void **state)
{
    for (uint64_t nth = 1; nth <= 16; nth++) {
        struct test_log *test;

        test = fresh(state);
        test->rig.options.retry_ms = 1000000;
        open_log(test);
        put_value(test, 0);
        assert_true(rig_commit(&test->rig));
        faulty_disk_fail_at(test->disk, FAULTY_CHANGE, 2, 1, FAULTY_EIO); /* the sync */
        faulty_disk_fail_at(test->disk, FAULTY_CHANGE, 2 + nth, 1, FAULTY_EIO);
        put_value(test, 1);
        if (!rig_commit(&test->rig)) {
            assert_non_null(strstr(report_of(test).problem, RIG_DIRECTORY));
            crash_holds_values(test, 1);
            test->rig.journal.ops->retry(&test->rig.journal);
            rig_wait_state(&test->rig, JOURNAL_HEALTHY);
            assert_true(rig_commit(&test->rig));
        }
        assert_string_equal(report_of(test).problem, "");
        crash_holds_values(test, 2);
        put_value(test, 2);
        assert_true(rig_commit(&test->rig));
        crash_holds_values(test, 3);
    }
}

static void a_dead_disk_fails_and_says_so(void **state)
{
    struct test_log *test = *state;
    struct journal *journal = &test->rig.journal;

    open_log(test);
    put_value(test, 0);
    assert_true(rig_commit(&test->rig));
    faulty_disk_fail_at(test->disk, FAULTY_CHANGE, 1, UINT64_MAX, FAULTY_EIO);
    put_value(test, 1);
    assert_false(rig_commit(&test->rig));
    assert_int_equal(journal->ops->sync(journal, &test->rig.fault), KV_EIO);
    assert_int_equal(report_of(test).write_errors, 1);
    assert_true(report_of(test).durable < journal->sequence);
    assert_non_null(strstr(report_of(test).problem, "appendonly.aof.1.incr.aof"));
    crash_holds_values(test, 1);
    faulty_disk_fail_at(test->disk, 0, 0, 0, FAULTY_EIO);
    rig_wait_state(&test->rig, JOURNAL_HEALTHY);
    assert_true(rig_commit(&test->rig));
    crash_holds_values(test, 2);
}

/* From the rename on a crash may find either manifest: the attempt has failed, its file stays until
 * a complete switch to another one, then it goes. */
static void a_file_that_may_be_named_stays_until_the_next_switch(void **state)
{
    static const unsigned kinds[] = {FAULTY_RENAME, FAULTY_SYNC_DIRECTORY};
    static const uint64_t nth[] = {1, 2};

    for (int i = 0; i < 2; i++) {
        struct test_log *test;
        struct faulty_choice choice = {FAULTY_DROP, FAULTY_RANDOM, 0, 0};

        test = fresh(state);
        test->rig.options.retry_ms = 1000000;
        open_log(test);
        put_value(test, 0);
        assert_true(rig_commit(&test->rig));
        faulty_disk_fail_at(test->disk, FAULTY_SYNC, 1, 1, FAULTY_EIO);
        faulty_disk_fail_at(test->disk, kinds[i], nth[i], 1, FAULTY_EIO);
        put_value(test, 1);
        assert_false(rig_commit(&test->rig));
        assert_int_equal(incr_files(test), 2);
        for (choice.seed = 0; choice.seed < 20; choice.seed++) {
            struct faulty_disk *after = faulty_disk_crash(test->disk, &choice);
            struct rig_content content;

            rig_read(after, &content);
            holds_values(&content, (int)content.batches);
            rig_content_free(&content);
            faulty_disk_free(after);
        }
        test->rig.journal.ops->retry(&test->rig.journal);
        rig_wait_state(&test->rig, JOURNAL_HEALTHY);
        assert_true(rig_commit(&test->rig));
        assert_int_equal(incr_files(test), 2);
        crash_holds_values(test, 2);
    }
}

static void a_failed_open_leaves_a_directory_that_starts(void **state)
{
    static const enum faulty_error errors[] = {FAULTY_EIO, FAULTY_ENOSPC, FAULTY_SHORT};

    for (uint64_t nth = 1; nth <= 40; nth++) {
        struct test_log *test = fresh(state);

        open_log(test);
        put_value(test, 0);
        close_log(test);
        manifest_free(&test->start.manifest);
        assert_int_equal(manifest_load(faulty_disk_port(test->disk),
                                       RIG_DIRECTORY "/appendonly.aof.manifest",
                                       &test->start.manifest, &test->rig.fault),
                         0);
        test->start.batch = 1;
        test->start.seq = strlen(SELECT_0) + strlen("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\nv0\r\n");
        test->start.crc = last_crc(test);
        test->start.next_file = 2;
        faulty_disk_fail_at(test->disk, FAULTY_ANY, nth, 1, errors[nth % 3]);
        if (rig_open(&test->rig, &test->start) == 0) {
            faulty_disk_fail_at(test->disk, 0, 0, 0, FAULTY_EIO);
            put_value(test, 1);
            assert_true(rig_commit(&test->rig));
            crash_holds_values(test, 2);
        } else {
            assert_int_equal(atomic_load(&test->rig.journal.state), JOURNAL_OFF);
            crash_holds_values(test, 1);
        }
    }
}

/* --- Space ---------------------------------------------------------------------------------- */

static void fill_until_full(struct test_log *test, int *values)
{
    while (atomic_load(&test->rig.journal.state) == JOURNAL_HEALTHY) {
        put_value(test, (*values)++);
        assert_true(rig_commit(&test->rig));
    }
    assert_int_equal(atomic_load(&test->rig.journal.state), JOURNAL_FULL);
}

static void a_full_disk_is_known_before_the_log_needs_it(void **state)
{
    for (int allocate = 0; allocate < 2; allocate++) {
        struct test_log *test;
        int values = 0;

        test = fresh(state);
        test->rig.options.chunk_bytes = 8000;
        faulty_disk_set_allocate(test->disk, allocate);
        faulty_disk_set_capacity(test->disk, 20000);
        open_log(test);
        fill_until_full(test, &values);
        assert_non_null(strstr(report_of(test).problem, RIG_DIRECTORY));
        assert_non_null(strstr(report_of(test).problem, "500 bytes"));
        put_value(test, values++); /* there is a reserve for deletions */
        assert_true(rig_commit(&test->rig));
        faulty_disk_set_capacity(test->disk, 200000);
        rig_wait_state(&test->rig, JOURNAL_HEALTHY);
        put_value(test, values++);
        assert_true(rig_commit(&test->rig));
        assert_int_equal(report_of(test).heals, 0);
        assert_string_equal(report_of(test).problem, "");
        crash_holds_values(test, values);
    }
}

/* A batch that finds no space is not begun: the file stays good and takes it when there is room. */
static void a_batch_too_large_for_the_disk_waits_for_room(void **state)
{
    struct test_log *test = *state;
    char value[401];

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    test->rig.options.chunk_bytes = 1000;
    test->rig.options.retry_ms = 1000000;
    faulty_disk_set_capacity(test->disk, 10000);
    open_log(test);
    put_value(test, 0);
    assert_true(rig_commit(&test->rig));
    put_value(test, 1);
    for (int i = 0; i < 30; i++)
        rig_set(&test->rig, "large", value);
    assert_false(rig_commit(&test->rig));
    assert_non_null(strstr(report_of(test).problem, "bytes in " RIG_DIRECTORY));
    faulty_disk_set_capacity(test->disk, 100000);
    test->rig.journal.ops->retry(&test->rig.journal);
    rig_wait_state(&test->rig, JOURNAL_HEALTHY);
    assert_true(rig_commit(&test->rig));
    assert_int_equal(report_of(test).heals, 0);
    assert_int_equal(report_of(test).write_errors, 0);
    assert_int_equal(incr_files(test), 1);
}

static void a_full_disk_without_space_ahead_heals_when_there_is_room(void **state)
{
    struct test_log *test = *state;
    int values = 0;

    faulty_disk_set_capacity(test->disk, 3000);
    open_log(test);
    do {
        put_value(test, values++);
    } while (rig_commit(&test->rig));
    assert_int_equal(atomic_load(&test->rig.journal.state), JOURNAL_FAILED);
    crash_holds_values(test, values - 1);
    faulty_disk_set_capacity(test->disk, 100000);
    rig_wait_state(&test->rig, JOURNAL_HEALTHY);
    assert_true(rig_commit(&test->rig));
    crash_holds_values(test, values);
}

/* --- Threads -------------------------------------------------------------------------------- */

/* Property: under any policy, with failures at random, whatever was confirmed durable is there
 * after a crash. For the thread sanitizer as much as for the assertion. */
static void random_failures_lose_nothing_that_was_durable(void **state)
{
    struct rng rng;

    rng_seed(&rng, 42);
    for (int round = 0; round < 30; round++) {
        struct test_log *test;
        struct journal *journal;
        int values = 0, durable = 0;

        test = fresh(state);
        journal = &test->rig.journal;
        test->rig.options.policy = (enum journal_policy)rng_below(&rng, 3);
        open_log(test);
        for (int turn = 0; turn < 100; turn++) {
            put_value(test, values++);
            rig_turn(&test->rig);
            if (rng_below(&rng, 20) == 0)
                faulty_disk_fail_at(test->disk, FAULTY_CHANGE, 1 + rng_below(&rng, 8), 1,
                                    (enum faulty_error)rng_below(&rng, 3));
            if (rng_below(&rng, 10) == 0)
                journal->ops->set_policy(journal, (enum journal_policy)rng_below(&rng, 3));
            if (rng_below(&rng, 10) == 0 &&
                journal->ops->sync(journal, &test->rig.fault) == 0)
                durable = values;
            if (rng_below(&rng, 30) == 0)
                report_of(test);
            faulty_disk_fail_at(test->disk, 0, 0, 0, FAULTY_EIO);
        }
        while (journal->ops->sync(journal, &test->rig.fault) < 0)
            ;
        assert_true(durable <= values);
        crash_holds_values(test, values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_new_log_is_durably_named),
        TEST(what_is_confirmed_is_there_after_a_crash),
        TEST(a_batch_forms_while_another_is_synced),
        TEST(everysec_confirms_what_is_written),
        TEST(going_to_always_syncs_what_is_written),
        TEST(too_much_unsynced_forces_a_sync),
        TEST(time_stamps_come_once_a_second),
        TEST(close_trims_the_file_and_proves_the_last_batch),
        TEST(a_file_without_a_batch_is_replaced),
        TEST(a_taken_number_is_skipped),
        TEST(one_failure_heals_and_nobody_notices),
        TEST(a_failed_healing_is_tried_again),
        TEST(a_dead_disk_fails_and_says_so),
        TEST(a_file_that_may_be_named_stays_until_the_next_switch),
        TEST(a_failed_open_leaves_a_directory_that_starts),
        TEST(a_full_disk_is_known_before_the_log_needs_it),
        TEST(a_batch_too_large_for_the_disk_waits_for_room),
        TEST(a_full_disk_without_space_ahead_heals_when_there_is_room),
        TEST(random_failures_lose_nothing_that_was_durable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
