/* Snapshots under power cuts and failing calls, on the disk of tests/support/faulty_disk.
 *
 * An old snapshot is there, confirmed. A new one is written over it, and is cut off at every call
 * in turn, or one call after the other fails, in each way it can. In every state that may be left:
 *
 *   the file is the old one or the new one, byte for byte
 *   it is the new one if that was told to be DONE
 *   an index beside a base that claims to be its index is
 *   where the server lives on after a failure, no temporary file is left
 *
 * and a new snapshot after it, on the same disk, is complete.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/attr.h"
#include "core/base/rng.h"
#include "persistence/file.h"
#include "persistence/snapshot_format.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/snapshot_maker.h"

#define RANDOM_STATES 60
#define LAST_CALL 200 /* no snapshot makes more calls that change something */

struct stage {
    enum snapshot_form form;
    const char *path;
    char kvi[64];
    struct buf old, new; /* the files */
};

static struct rng rng;
static uint64_t states;

static struct faulty_disk *disk_with(const struct stage *stage)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct snapshot_result result;
    faulty_disk_put_directory(disk, "data");
    enum snapshot_state state =
        snapshot_maker_write(faulty_disk_port(disk), stage->form, stage->path, 1, &result);
    assert_int_equal(state, SNAPSHOT_DONE);
    return disk;
}

static struct stage make_stage(enum snapshot_form form, const char *path)
{
    struct stage stage = {.form = form, .path = path};
    struct snapshot_result result;
    snprintf(stage.kvi, sizeof(stage.kvi), "%s.kvi", path);
    struct faulty_disk *disk = disk_with(&stage);
    assert_true(faulty_disk_get(disk, path, &stage.old));
    assert_int_equal(snapshot_maker_write(faulty_disk_port(disk), form, path, 2, &result),
                     SNAPSHOT_DONE);
    assert_true(faulty_disk_get(disk, path, &stage.new));
    assert_false(slice_equal(buf_slice(&stage.old), buf_slice(&stage.new)));
    faulty_disk_free(disk);
    return stage;
}

static void free_stage(struct stage *stage)
{
    buf_free(&stage->old);
    buf_free(&stage->new);
}

static uint64_t sum_at_end(struct slice rdb)
{
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++)
        sum |= (uint64_t)(uint8_t)rdb.data[rdb.len - 8 + (size_t)i] << 8 * i;
    return sum;
}

/* Is what is there now as it must be? `done`: the new one was told to be there. */
static void judge(const struct stage *stage, struct faulty_disk *disk, bool done, const char *when)
{
    struct buf file = {0}, kvi = {0};
    struct snapshot_index index;
    const char *why;
    states++;
    if (!faulty_disk_get(disk, stage->path, &file))
        fail_msg("%s: there is no file", when);
    bool is_new = slice_equal(buf_slice(&file), buf_slice(&stage->new));
    if (!is_new && !slice_equal(buf_slice(&file), buf_slice(&stage->old)))
        fail_msg("%s: the file is neither the old one nor the new one", when);
    if (done && !is_new)
        fail_msg("%s: it was done, and the old file is there", when);
    bool has_kvi = stage->form == SNAPSHOT_BASE && faulty_disk_get(disk, stage->kvi, &kvi);
    if (has_kvi && !snapshot_index_get(buf_slice(&kvi), 0, &index, &why))
        fail_msg("%s: the index is not whole: %s", when, why);
    if (has_kvi) {
        bool claims = index.bytes == file.len && index.sum == sum_at_end(buf_slice(&file));
        if (done && !claims)
            fail_msg("%s: it was done, and the index is of another file", when);
        snapshot_index_free(&index);
    }
    if (done && stage->form == SNAPSHOT_BASE && !has_kvi)
        fail_msg("%s: it was done, and there is no index", when);
    buf_free(&file);
    buf_free(&kvi);
}

static void judge_crashes(const struct stage *stage, struct faulty_disk *disk, bool done,
                          const char *when)
{
    static const enum faulty_fate names[] = {FAULTY_KEEP, FAULTY_DROP, FAULTY_RANDOM};
    for (int i = 0; i < RANDOM_STATES; i++) {
        const struct faulty_choice choice = {
            .data = (enum faulty_fate)(i < 2 ? i : (int)rng_below(&rng, 5)),
            .names = names[i < 6 ? i / 2 : (int)rng_below(&rng, 3)],
            .bytes = rng_below(&rng, faulty_disk_unsynced_bytes(disk) + 1),
            .seed = rng_next(&rng),
        };
        struct faulty_disk *after = faulty_disk_crash(disk, &choice);
        judge(stage, after, done, when);
        faulty_disk_free(after);
    }
}

static void a_snapshot_goes_well(const struct stage *stage, struct faulty_disk *disk,
                                 const char *when)
{
    struct snapshot_result result;
    const struct disk *port = faulty_disk_port(disk);
    faulty_disk_fail_at(disk, 0, 0, 0, FAULTY_EIO);
    if (snapshot_maker_write(port, stage->form, stage->path, 2, &result) != SNAPSHOT_DONE)
        fail_msg("%s: the next snapshot fails: %s", when, result.problem);
    judge(stage, disk, true, when);
    judge_crashes(stage, disk, true, when);
}

static void cut_everywhere(enum snapshot_form form, const char *path)
{
    struct stage stage = make_stage(form, path);
    bool stopped = true;
    uint64_t nth;
    for (nth = 1; stopped; nth++) {
        struct faulty_disk *disk = disk_with(&stage);
        struct snapshot_result result;
        char when[100];
        assert_true(nth < LAST_CALL);
        snprintf(when, sizeof(when), "form %d cut at call %d", (int)form, (int)nth);
        faulty_disk_stop_at(disk, FAULTY_CHANGE, nth);
        bool done = snapshot_maker_write(faulty_disk_port(disk), form, path, 2, &result) ==
                    SNAPSHOT_DONE;
        stopped = faulty_disk_stopped(disk);
        judge_crashes(&stage, disk, done, when);
        faulty_disk_free(disk);
    }
    print_message("form %d: cut at %d calls\n", (int)form, (int)nth - 2);
    free_stage(&stage);
}

static void count_temporary(void *env, const char *name)
{
    if (strncmp(name, "temp-", 5) == 0)
        ++*(int *)env;
}

static int temporary_files(struct faulty_disk *disk)
{
    const struct disk *port = faulty_disk_port(disk);
    int count = 0;
    assert_int_equal(port->list(port->self, "data", count_temporary, &count), 0);
    return count;
}

/* `kinds` one after the other; what stays behind of a deletion that failed, stays. */
static void fail_everywhere(enum snapshot_form form, const char *path, unsigned kinds,
                            enum faulty_error error)
{
    struct stage stage = make_stage(form, path);
    struct faulty_disk *counted = disk_with(&stage);
    struct snapshot_result result;
    uint64_t before = faulty_disk_calls(counted, kinds);
    snapshot_maker_write(faulty_disk_port(counted), form, path, 2, &result);
    uint64_t calls = faulty_disk_calls(counted, kinds) - before;
    faulty_disk_free(counted);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        struct faulty_disk *disk = disk_with(&stage);
        char when[100];
        snprintf(when, sizeof(when), "form %d, kinds %u, call %d fails, error %d", (int)form, kinds,
                 (int)nth, (int)error);
        faulty_disk_fail_at(disk, kinds, nth, 1, error);
        bool done = snapshot_maker_write(faulty_disk_port(disk), form, path, 2, &result) ==
                    SNAPSHOT_DONE;
        if (!done && !result.problem[0])
            fail_msg("%s: nothing is said", when);
        if (!done && !strstr(result.problem, "data"))
            fail_msg("%s: no path is named: %s", when, result.problem);
        faulty_disk_fail_at(disk, 0, 0, 0, FAULTY_EIO);
        if (kinds != FAULTY_UNLINK && temporary_files(disk) > 0)
            fail_msg("%s: a temporary file is left", when);
        judge(&stage, disk, done, when);
        judge_crashes(&stage, disk, done, when);
        a_snapshot_goes_well(&stage, disk, when);
        faulty_disk_free(disk);
    }
    free_stage(&stage);
}

static void every_cut_leaves_the_old_file_or_the_new_one(void **state unused)
{
    cut_everywhere(SNAPSHOT_LZ4, "data/dump.rdb.lz4");
    cut_everywhere(SNAPSHOT_RDB, "data/dump.rdb");
    cut_everywhere(SNAPSHOT_BASE, "data/base.rdb");
}

static void every_failing_call_leaves_the_old_file_or_the_new_one(void **state unused)
{
    static const unsigned kinds[] = {FAULTY_CREATE, FAULTY_WRITE, FAULTY_READ, FAULTY_SYNC,
                                     FAULTY_SYNC_DIRECTORY, FAULTY_RENAME, FAULTY_UNLINK};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        fail_everywhere(SNAPSHOT_LZ4, "data/dump.rdb.lz4", kinds[i], FAULTY_EIO);
        fail_everywhere(SNAPSHOT_RDB, "data/dump.rdb", kinds[i], FAULTY_EIO);
        fail_everywhere(SNAPSHOT_BASE, "data/base.rdb", kinds[i], FAULTY_EIO);
    }
    fail_everywhere(SNAPSHOT_BASE, "data/base.rdb", FAULTY_WRITE, FAULTY_ENOSPC);
    fail_everywhere(SNAPSHOT_LZ4, "data/dump.rdb.lz4", FAULTY_WRITE, FAULTY_SHORT);
    fail_everywhere(SNAPSHOT_BASE, "data/base.rdb", FAULTY_WRITE, FAULTY_SHORT);
}

/* Room for so many bytes and no more, at each size. */
static void a_full_disk_fails_the_snapshot_and_gives_the_room_back(void **state unused)
{
    struct stage stage = make_stage(SNAPSHOT_LZ4, "data/dump.rdb.lz4");
    bool done = false;
    for (uint64_t room = stage.old.len; !done; room += 37) {
        struct faulty_disk *disk = disk_with(&stage);
        struct snapshot_result result;
        assert_true(room < 4 * stage.new.len);
        faulty_disk_set_capacity(disk, room);
        done = snapshot_maker_write(faulty_disk_port(disk), SNAPSHOT_LZ4, stage.path, 2,
                                    &result) == SNAPSHOT_DONE;
        if (!done)
            assert_non_null(strstr(result.problem, "No space left on device"));
        faulty_disk_set_capacity(disk, 0);
        judge(&stage, disk, done, "full disk");
        assert_int_equal(temporary_files(disk), 0);
        a_snapshot_goes_well(&stage, disk, "after a full disk");
        faulty_disk_free(disk);
    }
    free_stage(&stage);
}

static int report(void **state unused)
{
    print_message("%llu states were judged\n", (unsigned long long)states);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_leaves_the_old_file_or_the_new_one),
        cmocka_unit_test(every_failing_call_leaves_the_old_file_or_the_new_one),
        cmocka_unit_test(a_full_disk_fails_the_snapshot_and_gives_the_room_back),
    };
    rng_seed(&rng, 4711);
    return cmocka_run_group_tests(tests, NULL, report);
}
