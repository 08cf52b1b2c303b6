/* The log under power cuts and failing calls, in process, on the disk of tests/support/faulty_disk.
 *
 * A life is: open the store (lock, probe, recover), commit batches, perhaps close. Commands are
 * numbered without a gap. After every crash:
 *
 *   what was acknowledged is there; so is what an earlier recovery has served
 *   what is there is the beginning of what was sent, in order, each command once and whole
 *   it ends where a batch ends
 *   the store starts, by itself
 *
 * Two lives of three write their batches over filler, as far as the sync thread keeps it ahead: so
 * what a torn batch leaves is filler, here and there, by sectors.
 *
 * In the middle of a life of three batches and more, a new base takes the place of what there is.
 *
 * Lives are cut at every call in turn; of each cut, many states are tried: unsynced bytes kept,
 * dropped, torn at every byte, replaced by zeros from every byte on, chosen at random by sector;
 * unsynced names kept, dropped, chosen at random. Of some states further lives are lived, and cut.
 * CRASH_ROUNDS=n tries n times as many random ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/num.h"
#include "core/base/rng.h"
#include "persistence/file.h"
#include "persistence/store.h"
#include "tests/support/log_rig.h"
#include "tests/support/rdb_writer.h"

#define COMMANDS_MAX 4096
#define LARGE_VALUE 700
#define TORN_BYTES_MAX 1200 /* beyond, every third byte */
#define STATES_MAX 500      /* of one kind, of one cut */
#define FILL_US 150         /* for filler to be written before the next batch, or not */
#define LAST_CALL 400       /* no life makes more calls that change something */

/* What was sent and what of it was acknowledged, in numbers of commands. */
struct world {
    int sent, acknowledged, lives;
    bool batch_end[COMMANDS_MAX];
};

struct tally {
    uint64_t cuts, states, lives, bases, filled;
};

/* Commands as recovery applies them. */
struct seen {
    int count;
    bool in_multi, bad;
};

static struct rng rng;
static struct tally tally;

static uint64_t rounds(void)
{
    const char *text = getenv("CRASH_ROUNDS");

    return text && atoi(text) > 0 ? (uint64_t)atoi(text) : 1;
}

static struct faulty_disk *new_disk(void)
{
    struct faulty_disk *disk = faulty_disk_new();

    faulty_disk_put_directory(disk, "data");
    return disk;
}

static struct world new_world(void)
{
    return (struct world){.batch_end = {true}};
}

/* SET key <number>:xxx..., and the value is as long as it must be for its number. */
static size_t value_len(int number)
{
    return number % 7 == 3 ? LARGE_VALUE : 10;
}

static bool is_expected(const struct seen *seen, int argc, const struct slice *argv)
{
    const char *colon = argc == 3 ? memchr(argv[2].data, ':', argv[2].len) : NULL;
    int64_t number;

    if (!colon || argv[2].len != value_len(seen->count))
        return false;
    if (!num_parse_i64((struct slice){argv[2].data, (size_t)(colon - argv[2].data)}, &number))
        return false;
    return number == seen->count && argv[2].data[argv[2].len - 1] == 'a' + number % 26;
}

static int see(void *env, int argc, const struct slice *argv, struct fault *fault unused)
{
    struct seen *seen = env;

    if (slice_equal(argv[0], SLICE("MULTI"))) {
        seen->bad |= seen->in_multi || argc != 1;
        seen->in_multi = true;
    } else if (slice_equal(argv[0], SLICE("EXEC"))) {
        seen->bad |= !seen->in_multi || argc != 1;
        seen->in_multi = false;
    } else if (slice_equal(argv[0], SLICE("SET"))) {
        seen->bad |= !is_expected(seen, argc, argv);
        seen->count++;
    } else {
        seen->bad |= !slice_equal(argv[0], SLICE("SELECT"));
    }
    return 0;
}

static void fill_value(char value[static LARGE_VALUE], int number)
{
    int len = snprintf(value, LARGE_VALUE, "%d:", number);

    memset(value + len, 'a' + number % 26, LARGE_VALUE - (size_t)len);
}

static void put_command(struct log_rig *rig, int number)
{
    char value[LARGE_VALUE + 1];

    fill_value(value, number);
    value[value_len(number)] = '\0';
    rig_set(rig, "key", value);
}

static void put_batch(struct log_rig *rig, struct world *world, int shape)
{
    int count = shape == 0 ? 1 : 3;

    assert_true(world->sent + count < COMMANDS_MAX);
    if (shape == 2)
        rig_append(rig, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n");
    for (int i = 0; i < count; i++) {
        put_command(rig, world->sent++);
        world->batch_end[world->sent] = i == count - 1;
    }
    if (shape == 2)
        rig_append(rig, "*1\r\n$4\r\nEXEC\r\n");
}

static void judge(const struct world *world, const struct seen *seen, const char *when)
{
    if (seen->bad || seen->in_multi)
        fail_msg("%s: wrong data was served", when);
    if (seen->count < world->acknowledged)
        fail_msg("%s: %d commands were acknowledged, %d are there", when, world->acknowledged,
                 seen->count);
    if (seen->count > world->sent)
        fail_msg("%s: %d commands were sent, %d are there", when, world->sent, seen->count);
    if (!world->batch_end[seen->count])
        fail_msg("%s: a batch is there in part", when);
}

static bool commit_batch(struct log_rig *rig, struct world *world)
{
    struct journal *journal = &rig->journal;
    bool done;

    put_batch(rig, world, world->sent % 3);
    if (atomic_load(&journal->policy) == JOURNAL_ALWAYS)
        done = rig_commit(rig);
    else
        done = journal->ops->sync(journal, &rig->fault) == 0;
    if (done)
        world->acknowledged = world->sent;
    if (rig->options.fill_bytes && world->sent % 2)
        usleep(FILL_US);
    return done;
}

/* All commands that were sent, as a snapshot. */
static void make_snapshot(const struct world *world, struct buf *out)
{
    char key[16], value[LARGE_VALUE];

    rdb_writer_begin(out, "REDIS0010");
    rdb_writer_select(out, 0);
    for (int number = 0; number < world->sent; number++) {
        struct slice key_slice = {key, (size_t)snprintf(key, sizeof key, "key %d", number)};
        struct slice value_slice = {value, value_len(number)};

        fill_value(value, number);
        rdb_writer_string(out, key_slice, value_slice);
    }
    rdb_writer_end(out);
}

/* Compaction, as the server does it. A failure leaves all as it was. */
static void make_base(struct log_rig *rig, struct world *world)
{
    struct journal *journal = &rig->journal;
    const struct disk *disk = faulty_disk_port(rig->disk);
    struct journal_base base;
    struct buf snapshot = {0};
    bool renamed, complete;

    make_snapshot(world, &snapshot);
    if (rig_base_begin(rig, &base) == 0) {
        commit_batch(rig, world);
        complete = file_replace(disk, base.path, buf_slice(&snapshot), &renamed, NULL) == 0;
        if (journal->ops->base_state(journal, NULL) == JOURNAL_BASE_OPEN)
            journal->ops->base_end(journal, complete);
    }
    buf_free(&snapshot);
}

static void commit_batches(struct log_rig *rig, struct world *world, int batches)
{
    for (int i = 0; i < batches; i++) {
        if (!commit_batch(rig, world))
            return;
        if (batches > 2 && i == batches / 2)
            make_base(rig, world);
    }
}

/* Does the file that is written end in filler? */
static bool is_filled(struct log_rig *rig)
{
    struct journal_report report;
    struct buf bytes = {0};
    char path[400];
    bool filled;

    rig->journal.ops->report(&rig->journal, &report);
    snprintf(path, sizeof path, RIG_DIRECTORY "/%.300s", report.file);
    filled = faulty_disk_get(rig->disk, path, &bytes) && bytes.len > 4 &&
             memcmp(bytes.data + bytes.len - 4, "...\n", 4) == 0;
    buf_free(&bytes);
    return filled;
}

/* Live: open, commit, close or be abandoned. What recovery serves counts as acknowledged from then
 * on. Returns what opening returned. */
static int live(struct world *world, struct faulty_disk *disk, enum journal_policy policy,
                int batches, bool close, const char *when)
{
    struct log_rig rig;
    struct seen seen = {0};
    struct store *store;
    int status;

    tally.lives++;
    rig_init(&rig, disk);
    rig.options.policy = policy;
    rig.options.chunk_bytes = 4096;
    rig.options.fill_bytes = ++world->lives % 3 ? 8192 : 0;
    status = rig_open_store(&rig, see, &seen);
    if (status == 0) {
        judge(world, &seen, when);
        world->sent = world->acknowledged = seen.count;
        commit_batches(&rig, world, batches);
        store = rig.store;
        tally.filled += is_filled(&rig);
        tally.bases += rig.journal.ops->base_state(&rig.journal, NULL) == JOURNAL_BASE_DONE;
        if (close) {
            rig.store = NULL;
            if (store_close(store, &rig.fault) == 0)
                world->acknowledged = world->sent;
        }
    }
    rig_free(&rig);
    if (status == KV_ECORRUPT || status == KV_EREFUSED)
        fail_msg("%s: refused: %s: %s", when, rig.fault.path, rig.fault.text);
    return status;
}

/* The same where nothing fails: it starts, unless power was cut. */
static void live_well(struct world *world, struct faulty_disk *disk, enum journal_policy policy,
                      int batches, bool close, const char *when)
{
    if (live(world, disk, policy, batches, close, when) < 0 && !faulty_disk_stopped(disk))
        fail_msg("%s: does not start", when);
}

/* Recovery starts on this disk and serves what it must; how many commands that is. */
static int check(const struct world *world, struct faulty_disk *disk, const char *when)
{
    struct seen seen = {0};
    struct fault fault = {0};

    tally.states++;
    if (rig_recover(disk, see, &seen, &fault) < 0)
        fail_msg("%s: does not start: %s: %s", when, fault.path, fault.text);
    judge(world, &seen, when);
    return seen.count;
}

static struct faulty_choice random_choice(struct faulty_disk *disk)
{
    static const enum faulty_fate names[] = {FAULTY_KEEP, FAULTY_DROP, FAULTY_RANDOM};

    return (struct faulty_choice){
        .data = (enum faulty_fate)rng_below(&rng, 5),
        .names = names[rng_below(&rng, 3)],
        .bytes = rng_below(&rng, faulty_disk_unsynced_bytes(disk) + 1),
        .seed = rng_next(&rng),
    };
}

/* Go on living on what a crash left, be cut again somewhere, and again. */
static void live_on(const struct world *before, struct faulty_disk *cut,
                    const struct faulty_choice *choice, const char *when)
{
    struct faulty_disk *disk = faulty_disk_crash(cut, choice);
    struct world world = *before;
    char text[250];

    for (int generation = 2; generation <= 4; generation++) {
        struct faulty_choice next;
        struct faulty_disk *after;

        snprintf(text, sizeof text, "%.200s, life %d", when, generation);
        if (rng_below(&rng, 4))
            faulty_disk_stop_at(disk, FAULTY_CHANGE, 1 + rng_below(&rng, 60));
        live_well(&world, disk, rng_below(&rng, 4) ? JOURNAL_ALWAYS : JOURNAL_EVERYSEC, 3,
                  rng_below(&rng, 2), text);
        for (int i = 0; i < 4; i++) {
            next = random_choice(disk);
            after = faulty_disk_crash(disk, &next);
            check(&world, after, text);
            faulty_disk_free(after);
        }
        next = random_choice(disk);
        after = faulty_disk_crash(disk, &next);
        faulty_disk_free(disk);
        disk = after;
    }
    live_well(&world, disk, JOURNAL_ALWAYS, 1, true, text);
    faulty_disk_free(disk);
}

static void try_choice(const struct world *world, struct faulty_disk *cut,
                       struct faulty_choice choice, bool further, const char *when)
{
    struct faulty_disk *after = faulty_disk_crash(cut, &choice);
    char text[200];

    snprintf(text, sizeof text, "%.100s, data %d, names %d, bytes %llu, seed %llx", when,
             choice.data, choice.names, (unsigned long long)choice.bytes,
             (unsigned long long)choice.seed);
    check(world, after, text);
    faulty_disk_free(after);
    if (further)
        live_on(world, cut, &choice, text);
}

/* All states in which this cut may leave the disk, as far as they can be counted. */
static void try_states(const struct world *world, struct faulty_disk *cut, const char *when)
{
    static const enum faulty_fate names[] = {FAULTY_KEEP, FAULTY_DROP, FAULTY_RANDOM};
    uint64_t unsynced = faulty_disk_unsynced_bytes(cut);
    uint64_t step = (unsynced > TORN_BYTES_MAX ? 3 : 1) + unsynced / STATES_MAX;

    tally.cuts++;
    for (int n = 0; n < 3; n++) {
        struct faulty_choice choice = {.names = names[n], .seed = rng_next(&rng)};

        choice.data = FAULTY_KEEP;
        try_choice(world, cut, choice, true, when);
        choice.data = FAULTY_DROP;
        try_choice(world, cut, choice, true, when);
        for (choice.bytes = 0; choice.bytes <= unsynced; choice.bytes += step) {
            choice.seed = rng_next(&rng);
            choice.data = FAULTY_PREFIX;
            try_choice(world, cut, choice, rng_below(&rng, 100) == 0, when);
            choice.data = FAULTY_ZEROS;
            try_choice(world, cut, choice, rng_below(&rng, 100) == 0, when);
        }
    }
    for (uint64_t i = 0; i < 100 * rounds(); i++)
        try_choice(world, cut, random_choice(cut), rng_below(&rng, 50) == 0, when);
}

static void report(const char *what)
{
    print_message("%s: %llu cuts, %llu states, %llu lives, %llu new bases, %llu filled\n", what,
                  (unsigned long long)tally.cuts, (unsigned long long)tally.states,
                  (unsigned long long)tally.lives, (unsigned long long)tally.bases,
                  (unsigned long long)tally.filled);
    memset(&tally, 0, sizeof tally);
}

/* The first life, from an empty directory, is cut at every call. */
static void every_cut_of_a_first_life_loses_nothing(void **state unused)
{
    bool stopped = true;

    for (uint64_t nth = 1; stopped; nth++) {
        struct faulty_disk *disk = new_disk();
        struct world world = new_world();
        char when[100];

        assert_true(nth < LAST_CALL);
        snprintf(when, sizeof when, "first life cut at call %llu", (unsigned long long)nth);
        faulty_disk_stop_at(disk, FAULTY_CHANGE, nth);
        live_well(&world, disk, nth % 3 ? JOURNAL_ALWAYS : JOURNAL_EVERYSEC, 7, true, when);
        stopped = faulty_disk_stopped(disk);
        try_states(&world, disk, when);
        faulty_disk_free(disk);
    }
    report("first life");
}

/* A life on a log that is there already, with a torn tail to cut, is cut at every call. */
static void every_cut_of_a_recovery_loses_nothing(void **state unused)
{
    struct faulty_disk *first = new_disk();
    struct world before = new_world();
    struct faulty_choice torn = {.data = FAULTY_PREFIX, .names = FAULTY_KEEP};
    bool stopped = true;

    live_well(&before, first, JOURNAL_ALWAYS, 5, false, "before");
    faulty_disk_stop_at(first, FAULTY_SYNC, 12);
    live_well(&before, first, JOURNAL_ALWAYS, 9, false, "before");
    assert_true(faulty_disk_stopped(first));
    torn.bytes = faulty_disk_unsynced_bytes(first) * 2 / 3;
    assert_true(torn.bytes > 0);
    for (uint64_t nth = 1; stopped; nth++) {
        struct faulty_disk *disk = faulty_disk_crash(first, &torn);
        struct world world = before;
        char when[100];

        assert_true(nth < LAST_CALL);
        snprintf(when, sizeof when, "recovery cut at call %llu", (unsigned long long)nth);
        faulty_disk_stop_at(disk, FAULTY_CHANGE, nth);
        live_well(&world, disk, JOURNAL_ALWAYS, 3, true, when);
        stopped = faulty_disk_stopped(disk);
        try_states(&world, disk, when);
        faulty_disk_free(disk);
    }
    faulty_disk_free(first);
    report("recovery");
}

/* Two calls fail, the second `gap` calls behind the first (0: only one); then power is cut. What
 * does not open, opens without the failures. Returns how many calls there were. */
static uint64_t fail_and_cut(uint64_t nth, uint64_t gap, enum journal_policy policy,
                             enum faulty_error error)
{
    struct faulty_disk *disk = new_disk();
    struct world world = new_world();
    uint64_t calls, states = gap ? 3 : 20;
    char when[100];

    snprintf(when, sizeof when, "calls %llu and %llu failed with %d", (unsigned long long)nth,
             (unsigned long long)(nth + gap), error);
    faulty_disk_fail_at(disk, FAULTY_CHANGE, nth, 1, error);
    if (gap)
        faulty_disk_fail_at(disk, FAULTY_CHANGE, nth + gap, 1, error);
    if (live(&world, disk, policy, 5, nth % 2, when) < 0) {
        faulty_disk_fail_at(disk, 0, 0, 0, error);
        live_well(&world, disk, policy, 5, nth % 2, when);
    }
    calls = faulty_disk_calls(disk, FAULTY_CHANGE);
    tally.cuts++;
    for (uint64_t i = 0; i < states * rounds(); i++)
        try_choice(&world, disk, random_choice(disk), i == 0 && (!gap || nth % 8 == 0), when);
    faulty_disk_free(disk);
    return calls;
}

/* Every call fails once, in every way, and any two calls as near as a failure and its healing. The
 * log thread writes, or the main thread itself. */
static void every_failing_call_loses_nothing(void **state unused)
{
    static const enum faulty_error errors[] = {FAULTY_EIO, FAULTY_ENOSPC, FAULTY_SHORT};
    uint64_t calls = UINT64_MAX;

    for (uint64_t nth = 1; nth <= calls; nth++)
        for (int error = 0; error < 3; error++)
            calls = fail_and_cut(nth, 0, JOURNAL_EVERYSEC, errors[error]);
    for (uint64_t nth = 1; nth <= calls; nth++)
        for (int error = 0; error < 3; error++)
            calls = fail_and_cut(nth, 0, JOURNAL_ALWAYS, errors[error]);
    report("failing calls");
    for (uint64_t nth = 1; nth <= calls; nth++)
        for (uint64_t gap = 1; gap <= 16; gap++)
            fail_and_cut(nth, gap, nth % 4 ? JOURNAL_ALWAYS : JOURNAL_EVERYSEC, errors[gap % 3]);
    report("pairs of failing calls");
}

/* Failures meet failures and cuts: calls of any kind fail anywhere, several in a row, and perhaps
 * power is cut somewhere behind. */
static void failures_and_cuts_together_lose_nothing(void **state unused)
{
    for (uint64_t round = 0; round < 2000 * rounds(); round++) {
        struct faulty_disk *disk = new_disk();
        struct world world = new_world();
        char when[100];

        snprintf(when, sizeof when, "round %llu", (unsigned long long)round);
        if (rng_below(&rng, 2))
            live_well(&world, disk, JOURNAL_ALWAYS, 2, rng_below(&rng, 2), when);
        for (int i = 0; i < 2; i++)
            faulty_disk_fail_at(disk, i ? FAULTY_CHANGE : FAULTY_WRITE | FAULTY_SYNC,
                                1 + rng_below(&rng, 60), 1 + rng_below(&rng, 6),
                                (enum faulty_error)rng_below(&rng, 3));
        if (rng_below(&rng, 2))
            faulty_disk_stop_at(disk, FAULTY_CHANGE, 1 + rng_below(&rng, 100));
        live(&world, disk, rng_below(&rng, 3) ? JOURNAL_ALWAYS : JOURNAL_EVERYSEC, 5,
             rng_below(&rng, 2), when);
        tally.cuts++;
        for (int i = 0; i < 8; i++)
            try_choice(&world, disk, random_choice(disk), i == 0, when);
        faulty_disk_free(disk);
    }
    report("failures and cuts");
}

/* The disk runs full at any point; then there is room again. */
static void a_full_disk_loses_nothing(void **state unused)
{
    for (uint64_t capacity = 100; capacity < 30000; capacity += 211) {
        struct faulty_disk *disk = new_disk();
        struct world world = new_world();
        char when[100];

        snprintf(when, sizeof when, "capacity %llu", (unsigned long long)capacity);
        faulty_disk_set_capacity(disk, capacity);
        faulty_disk_set_allocate(disk, capacity % 2);
        live(&world, disk, JOURNAL_ALWAYS, 30, capacity % 3, when);
        tally.cuts++;
        faulty_disk_set_capacity(disk, 0);
        for (int i = 0; i < 10; i++)
            try_choice(&world, disk, random_choice(disk), i == 0, when);
        faulty_disk_free(disk);
    }
    report("full disk");
}

/* Property: under any policy, what was written is there when only the process dies: at any moment,
 * and whatever batch is under way. Then power is cut, and what was served then is there too. */
static void a_crash_of_the_process_loses_nothing_that_was_written(void **state unused)
{
    for (uint64_t round = 0; round < 200 * rounds(); round++) {
        struct faulty_disk *disk = new_disk();
        struct world world = new_world();

        for (int life = 0; life < 4; life++) {
            struct log_rig rig;
            struct seen seen = {0};

            rig_init(&rig, disk);
            rig.options.policy = (enum journal_policy)rng_below(&rng, 3);
            assert_int_equal(rig_open_store(&rig, see, &seen), 0);
            judge(&world, &seen, "process crash");
            world.sent = world.acknowledged = seen.count;
            for (uint64_t i = rng_below(&rng, 5); i > 0; i--) {
                put_batch(&rig, &world, world.sent % 3);
                assert_true(rig_commit(&rig));
                world.acknowledged = world.sent;
            }
            put_batch(&rig, &world, world.sent % 3);
            rig_turn(&rig);
            rig_free(&rig);
            tally.lives++;
        }
        world.acknowledged = check(&world, disk, "process crash, recovered");
        for (int i = 0; i < 5; i++)
            try_choice(&world, disk, random_choice(disk), i == 0, "process crash, power cut");
        faulty_disk_free(disk);
    }
    report("process crash");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_a_first_life_loses_nothing),
        cmocka_unit_test(every_cut_of_a_recovery_loses_nothing),
        cmocka_unit_test(every_failing_call_loses_nothing),
        cmocka_unit_test(failures_and_cuts_together_lose_nothing),
        cmocka_unit_test(a_full_disk_loses_nothing),
        cmocka_unit_test(a_crash_of_the_process_loses_nothing_that_was_written),
    };

    rng_seed(&rng, 20240501);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
