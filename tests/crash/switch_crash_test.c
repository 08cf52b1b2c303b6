/* Switching the log on while the server runs, under power cuts and failing calls: the next start
 * finds the log that was there, or the new one with what was in memory, whole; never nothing, and
 * never a mixture. After every recovery it lives on: more commands, a crash, another recovery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "persistence/file.h"
#include "persistence/store.h"
#include "persistence/store_switch.h"
#include "tests/support/log_rig.h"
#include "tests/support/rdb_writer.h"

#define CALLS_MAX 200
#define STATES 12

static struct rng rng;
static uint64_t states;

/* What recovery serves: the last value of "key". */
struct seen {
    char value[16];
    int commands;
};

static int see(void *env, int argc, const struct slice *argv, struct fault *fault unused)
{
    struct seen *seen = env;

    if (argc == 3 && slice_equal(argv[0], SLICE("SET"))) {
        snprintf(seen->value, sizeof seen->value, "%.*s", (int)argv[2].len, argv[2].data);
        seen->commands++;
    }
    return 0;
}

/* An old log whose last value is "old", if `with_log`. */
static struct faulty_disk *new_disk(bool with_log)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct log_rig rig;
    struct seen seen = {0};

    faulty_disk_put_directory(disk, "data");
    if (!with_log)
        return disk;
    rig_init(&rig, disk);
    assert_int_equal(rig_open_store(&rig, see, &seen), 0);
    rig_set(&rig, "key", "old");
    assert_true(rig_commit(&rig));
    rig_free(&rig);
    return disk;
}

static int write_base(struct log_rig *rig, const struct journal_base *base)
{
    struct buf snapshot = {0};
    bool renamed;
    int status;

    rdb_writer_begin(&snapshot, "REDIS0010");
    rdb_writer_select(&snapshot, 0);
    rdb_writer_string(&snapshot, SLICE("key"), SLICE("memory"));
    rdb_writer_end(&snapshot);
    status = file_replace(faulty_disk_port(rig->disk), base->path, buf_slice(&snapshot), &renamed,
                          NULL);
    buf_free(&snapshot);
    return status;
}

/* The base is written and named. */
static bool name_base(struct log_rig *rig, const struct journal_base *base)
{
    const struct journal_ops *ops = rig->journal.ops;
    bool written = write_base(rig, base) == 0;

    if (ops->base_state(&rig->journal, NULL) != JOURNAL_BASE_OPEN)
        return false;
    ops->base_end(&rig->journal, written);
    return written && rig_wait_base(rig) == JOURNAL_BASE_DONE;
}

/* The whole switch, with a change while the base is written and one behind it. Returns the value
 * that was acknowledged last. */
static const char *switch_on(struct log_rig *rig, const char *before, bool given_up_first)
{
    struct store_options options = rig_store_options(rig);
    struct journal_base base;
    const char *value = before;
    int status;

    if (store_open_bare(&options, &rig->store, &rig->fault) < 0) {
        rig->store = NULL;
        return value;
    }
    if (given_up_first) {
        if (store_turn_on(rig->store, &options, &rig->journal, &base, &rig->fault) < 0)
            return value;
        rig_set(rig, "key", "given up");
        rig_turn(rig);
        bool written = write_base(rig, &base) == 0;
        assert_true(store_turn_on_give_up(rig->store, &status, &rig->fault));
        if (!written) /* on this disk its name may come back, whatever is synced later */
            return value;
    }
    if (store_turn_on(rig->store, &options, &rig->journal, &base, &rig->fault) < 0)
        return value;
    assert_int_equal(atomic_load(&rig->journal.state), JOURNAL_BEGINNING);
    rig_set(rig, "key", "during");
    rig_turn(rig);
    if (name_base(rig, &base) || !store_turn_on_give_up(rig->store, &status, &rig->fault)) {
        store_turned_on(rig->store, &options);
        value = "memory";
        if (rig_commit(rig))
            value = "during";
        rig_set(rig, "key", "after");
        if (rig_commit(rig))
            value = "after";
    }
    return value;
}

/* It starts, with the value that was acknowledged last, or one that was on its way. */
static void check(struct faulty_disk *disk, const char *acknowledged, const char *when)
{
    static const char *const order[] = {"", "old", "memory", "during", "after", NULL};
    struct seen seen = {0};
    struct log_rig rig;
    int at_least = 0, at = 0;

    states++;
    rig_init(&rig, disk);
    if (rig_open_store(&rig, see, &seen) < 0)
        fail_msg("%s: does not start: %s: %s", when, rig.fault.path, rig.fault.text);
    rig_free(&rig);
    while (strcmp(order[at_least], acknowledged) != 0)
        at_least++;
    while (order[at] && strcmp(order[at], seen.value) != 0)
        at++;
    if (!order[at] || at < at_least)
        fail_msg("%s: '%s' was acknowledged, '%s' is there", when, acknowledged, seen.value);
}

/* Live on, on what the crash left. */
static void live_on(struct faulty_disk *disk, const char *when)
{
    struct log_rig rig;
    struct seen seen = {0}, again = {0};

    rig_init(&rig, disk);
    if (rig_open_store(&rig, see, &seen) < 0)
        fail_msg("%s: does not start for a second life: %s", when, rig.fault.text);
    rig_set(&rig, "key", "second");
    assert_true(rig_commit(&rig));
    rig_free(&rig);
    if (rig_recover(disk, see, &again, &rig.fault) < 0 || strcmp(again.value, "second") != 0)
        fail_msg("%s: the second life is lost", when);
}

static void try_states(struct faulty_disk *disk, const char *acknowledged, const char *when)
{
    static const enum faulty_fate names[] = {FAULTY_KEEP, FAULTY_DROP, FAULTY_RANDOM};

    for (int i = 0; i < STATES; i++) {
        struct faulty_choice choice = {
            .data = i < 2 ? (enum faulty_fate)i : (enum faulty_fate)rng_below(&rng, 5),
            .names = names[i % 3],
            .bytes = rng_below(&rng, faulty_disk_unsynced_bytes(disk) + 1),
            .seed = rng_next(&rng),
        };
        struct faulty_disk *after = faulty_disk_crash(disk, &choice);

        check(after, acknowledged, when);
        if (i % 4 == 0)
            live_on(after, when);
        faulty_disk_free(after);
    }
}

static void run(bool with_log, bool cut, enum faulty_error error, bool given_up_first)
{
    bool more = true;

    for (uint64_t nth = 1; more; nth++) {
        struct faulty_disk *disk = new_disk(with_log);
        const char *before = with_log ? "old" : "", *acknowledged;
        struct log_rig rig;
        char when[80];

        assert_true(nth < CALLS_MAX);
        snprintf(when, sizeof when, "%s at call %d, %s", cut ? "cut" : "failure", (int)nth,
                 with_log ? "over a log" : "from nothing");
        if (cut)
            faulty_disk_stop_at(disk, FAULTY_CHANGE, nth);
        else
            faulty_disk_fail_at(disk, FAULTY_CHANGE, nth, 1, error);
        rig_init(&rig, disk);
        acknowledged = switch_on(&rig, before, given_up_first);
        more = cut ? faulty_disk_stopped(disk) : strcmp(acknowledged, "after") != 0 || nth < 80;
        rig_free(&rig);
        try_states(disk, acknowledged, when);
        faulty_disk_free(disk);
    }
}

static void every_cut_of_a_switch_leaves_the_old_or_the_new(void **state unused)
{
    for (int i = 0; i < 4; i++)
        run(i & 1, true, FAULTY_EIO, i & 2);
    print_message("%llu states\n", (unsigned long long)states);
}

static void every_failing_call_of_a_switch_leaves_the_old_or_the_new(void **state unused)
{
    for (int error = 0; error < 3; error++)
        for (int i = 0; i < 4; i++)
            run(i & 1, false, (enum faulty_error)error, i & 2);
    print_message("%llu states\n", (unsigned long long)states);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_switch_leaves_the_old_or_the_new),
        cmocka_unit_test(every_failing_call_of_a_switch_leaves_the_old_or_the_new),
    };

    rng_seed(&rng, 42);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
