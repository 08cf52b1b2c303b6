/* A crash during recovery itself, at each of its calls in turn: importing a stock server's log,
 * cutting a torn tail, replacing an empty file, removing what a compaction left. Whatever state the
 * crash leaves, the next recovery serves the same data, and goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "persistence/file.h"
#include "persistence/store.h"
#include "tests/support/log_rig.h"
#include "tests/support/log_writer.h"
#include "tests/support/rdb_writer.h"

#define SET(key) "*3\r\n$3\r\nSET\r\n$1\r\n" key "\r\n$1\r\n1\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"
#define CALLS_MAX 200
#define LARGE_BYTES (1100 * 1024) /* a log of this size is checked by a thread */
#define RANDOM_STATES 6

/* What is on the disk before, and the keys that must be there after. */
struct scene {
    const char *name;
    void (*make)(struct faulty_disk *disk);
    const char *keys;
};

struct seen {
    char keys[256];
};

static void put(struct faulty_disk *disk, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "data/%s", name);
    faulty_disk_put(disk, path, slice_of(text));
}

static void put_log(struct faulty_disk *disk, const char *name, const struct log_writer *writer)
{
    char path[128];
    snprintf(path, sizeof(path), "data/appendonlydir/%s", name);
    faulty_disk_put(disk, path, buf_slice(&writer->file));
}

static void put_snapshot(struct faulty_disk *disk, const char *name, const char *keys,
                         const char *behind)
{
    struct buf file = {0};
    char path[128];
    rdb_writer_begin(&file, "REDIS0010");
    for (; *keys; keys++)
        rdb_writer_string(&file, (struct slice){keys, 1}, SLICE("1"));
    rdb_writer_end(&file);
    buf_append_text(&file, behind);
    snprintf(path, sizeof(path), "data/%s", name);
    faulty_disk_put(disk, path, buf_slice(&file));
    buf_free(&file);
}

/* `base`: the keys of a snapshot with which the log begins, or NULL. */
static void put_manifest(struct faulty_disk *disk, const char *base,
                         struct log_writer *const *files, int count, const char *history)
{
    struct manifest manifest = {0};
    struct buf text = {0};
    if (base) {
        manifest_add(&manifest, MANIFEST_BASE, "appendonly.aof.1.base.rdb", 1);
        memcpy(manifest.files[0].kvid, LOG_WRITER_KVID, sizeof(manifest.files[0].kvid));
        put_snapshot(disk, "appendonlydir/appendonly.aof.1.base.rdb", base, "");
    }
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "appendonly.aof.%d.incr.aof", i + 1);
        struct manifest_file *file = manifest_add(&manifest, MANIFEST_INCR, name, (uint64_t)i + 1);
        memcpy(file->kvid, files[i]->header.kvid, sizeof(file->kvid));
        file->kvseq = files[i]->header.first_seq;
        put_log(disk, name, files[i]);
    }
    if (history)
        manifest_add(&manifest, MANIFEST_HISTORY, history, 9);
    manifest_format(&manifest, &text);
    faulty_disk_put(disk, "data/appendonlydir/appendonly.aof.manifest", buf_slice(&text));
    put(disk, "appendonlydir/appendonly.aof.kv", "");
    manifest_free(&manifest);
    buf_free(&text);
}

static void make_nothing(struct faulty_disk *disk unused)
{
}

static void make_single_file(struct faulty_disk *disk)
{
    put(disk, "appendonly.aof", SET("a") MULTI SET("b") SET("c") EXEC SET("d"));
}

static void make_torn_single_file(struct faulty_disk *disk)
{
    put(disk, "appendonly.aof", SET("a") MULTI SET("b") EXEC MULTI SET("c"));
}

static void make_stock_directory(struct faulty_disk *disk)
{
    faulty_disk_put_directory(disk, "data/appendonlydir");
    put(disk, "appendonlydir/appendonly.aof.1.base.aof", SET("a"));
    put(disk, "appendonlydir/appendonly.aof.1.incr.aof", SET("b"));
    put(disk, "appendonlydir/appendonly.aof.2.incr.aof", SET("c") MULTI SET("d"));
    put(disk, "appendonlydir/appendonly.aof.manifest",
        "file appendonly.aof.1.base.aof seq 1 type b\n"
        "file appendonly.aof.1.incr.aof seq 1 type i\n"
        "file appendonly.aof.2.incr.aof seq 2 type i\n");
}

/* Two files, the second with a torn tail behind a good batch. */
static void make_torn_log(struct faulty_disk *disk)
{
    struct log_writer one, two, *files[] = {&one, &two};
    faulty_disk_put_directory(disk, "data/appendonlydir");
    log_writer_begin(&one, NULL);
    log_writer_batch(&one, "SET a 1");
    log_writer_begin(&two, &one);
    log_writer_batch(&two, "SET b 1");
    log_writer_command(&two, "MULTI");
    log_writer_command(&two, "SET c 1");
    put_manifest(disk, NULL, files, 2, NULL);
    log_writer_free(&one);
    log_writer_free(&two);
}

/* The last file holds but a torn batch: it is replaced; and there are leftovers. */
static void make_leftovers(struct faulty_disk *disk)
{
    struct log_writer one, two, *files[] = {&one, &two};
    faulty_disk_put_directory(disk, "data/appendonlydir");
    log_writer_begin(&one, NULL);
    log_writer_batch(&one, "SET a 1");
    log_writer_begin(&two, &one);
    put_log(disk, "appendonly.aof.3.incr.aof", &two);
    log_writer_command(&two, "SET b 1");
    put_manifest(disk, NULL, files, 2, "appendonly.aof.9.incr.aof");
    put(disk, "appendonlydir/appendonly.aof.9.incr.aof", "history");
    log_writer_free(&one);
    log_writer_free(&two);
}

/* A stock server went on from kv's log. */
static void make_continued(struct faulty_disk *disk)
{
    struct log_writer one;
    faulty_disk_put_directory(disk, "data/appendonlydir");
    log_writer_begin(&one, NULL);
    log_writer_batch(&one, "SET a 1");
    log_writer_command(&one, "SET b 1");
    log_writer_command(&one, "SET c 1");
    put_log(disk, "appendonly.aof.1.incr.aof", &one);
    put(disk, "appendonlydir/appendonly.aof.manifest",
        "file appendonly.aof.1.incr.aof seq 1 type i\n");
    log_writer_free(&one);
}

static void make_dump(struct faulty_disk *disk)
{
    put_snapshot(disk, "dump.rdb", "abc", "");
}

static void make_empty_dump(struct faulty_disk *disk)
{
    put_snapshot(disk, "dump.rdb", "", "");
}

static void make_snapshot_and_log(struct faulty_disk *disk)
{
    faulty_disk_put_directory(disk, "data/appendonlydir");
    put_snapshot(disk, "appendonlydir/appendonly.aof.1.base.rdb", "ab", "");
    put(disk, "appendonlydir/appendonly.aof.1.incr.aof", SET("c") MULTI SET("d"));
    put(disk, "appendonlydir/appendonly.aof.manifest",
        "file appendonly.aof.1.base.rdb seq 1 type b\n"
        "file appendonly.aof.1.incr.aof seq 1 type i\n");
}

/* Behind the base a log that a thread checks, with a torn tail. */
static void make_base_and_large_log(struct faulty_disk *disk)
{
    struct log_writer one, *files[] = {&one};
    char *value = calloc(1, LARGE_BYTES);
    struct slice argv[] = {SLICE("SET"), SLICE("c"), {value, LARGE_BYTES}};
    faulty_disk_put_directory(disk, "data/appendonlydir");
    log_writer_begin(&one, NULL);
    log_writer_argv(&one, 3, argv);
    log_writer_seal(&one);
    log_writer_batch(&one, "SET d 1");
    log_writer_command(&one, "SET e 1");
    put_manifest(disk, "ab", files, 1, NULL);
    log_writer_free(&one);
    free(value);
}

static void make_preamble(struct faulty_disk *disk)
{
    put_snapshot(disk, "appendonly.aof", "ab", SET("c") MULTI SET("d"));
}

static const struct scene scenes[] = {
    {"nothing", make_nothing, ""},
    {"a single file", make_single_file, "abcd"},
    {"a torn single file", make_torn_single_file, "ab"},
    {"a stock directory", make_stock_directory, "abc"},
    {"a torn log", make_torn_log, "ab"},
    {"leftovers", make_leftovers, "a"},
    {"a log that a stock server continued", make_continued, "abc"},
    {"a dump", make_dump, "abc"},
    {"an empty dump", make_empty_dump, ""},
    {"a snapshot and a log", make_snapshot_and_log, "abc"},
    {"a base and a large log", make_base_and_large_log, "abcd"},
    {"a single file that begins with a snapshot", make_preamble, "abc"},
};

static int see(void *env, int argc, const struct slice *argv, struct fault *fault unused)
{
    struct seen *seen = env;
    size_t len = strlen(seen->keys);
    if (argc == 3 && slice_is(argv[0], "set") && len + 1 < sizeof(seen->keys))
        seen->keys[len] = argv[1].data[0];
    return 0;
}

/* Open; commit key z if that went well. Returns the state of opening. */
static int live(struct faulty_disk *disk, struct seen *seen, bool *committed, struct fault *fault)
{
    struct log_rig rig;
    *seen = (struct seen){.keys = ""};
    *committed = false;
    rig_init(&rig, disk);
    int status = rig_open_store(&rig, see, seen);
    *fault = rig.fault;
    if (status == 0) {
        rig_set(&rig, "z", "1");
        *committed = rig_commit(&rig);
    }
    rig_free(&rig);
    return status;
}

/* The keys of the scene, and z if it was committed, or perhaps if it was sent. */
static void judge(const struct scene *scene, const struct seen *seen, bool committed, int call)
{
    size_t len = strlen(scene->keys);
    bool same = strncmp(seen->keys, scene->keys, len) == 0;
    bool with_z = strcmp(seen->keys + len, "z") == 0;
    if (!same || (seen->keys[len] && !with_z) || (committed && !with_z))
        fail_msg("%s, cut at call %d: the keys are '%s'%s", scene->name, call, seen->keys,
                 committed ? ", and z was acknowledged" : "");
}

/* Lives after the crash: one that reads, one more that reads what that one wrote. */
static void recover_twice(const struct scene *scene, struct faulty_disk *disk, bool committed,
                          int call)
{
    struct seen seen;
    struct fault fault;
    struct scene after = *scene;
    bool more;
    if (live(disk, &seen, &more, &fault) != 0)
        fail_msg("%s, cut at call %d: does not start: %s: %s", scene->name, call, fault.path,
                 fault.text);
    judge(scene, &seen, committed, call);
    assert_true(more);
    after.keys = seen.keys;
    struct seen again;
    assert_int_equal(live(disk, &again, &more, &fault), 0);
    judge(&after, &again, true, call);
}

static struct faulty_disk *new_disk(const struct scene *scene)
{
    struct faulty_disk *disk = faulty_disk_new();
    faulty_disk_put_directory(disk, "data");
    scene->make(disk);
    return disk;
}

static void try_states(const struct scene *scene, struct faulty_disk *disk, bool committed,
                       int call)
{
    const struct faulty_choice fixed[] = {
        {.data = FAULTY_KEEP, .names = FAULTY_KEEP},  {.data = FAULTY_DROP, .names = FAULTY_DROP},
        {.data = FAULTY_DROP, .names = FAULTY_KEEP},  {.data = FAULTY_KEEP, .names = FAULTY_DROP},
        {.data = FAULTY_ZEROS, .names = FAULTY_KEEP},
    };
    for (int i = 0; i < 5 + RANDOM_STATES; i++) {
        struct faulty_choice choice = {.data = FAULTY_RANDOM,
                                       .names = FAULTY_RANDOM,
                                       .seed = (uint64_t)(call * RANDOM_STATES + i)};
        struct faulty_disk *after = faulty_disk_crash(disk, i < 5 ? &fixed[i] : &choice);
        recover_twice(scene, after, committed, call);
        faulty_disk_free(after);
    }
}

static void recovery_may_be_cut_at_every_call(void **state unused)
{
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        const struct scene *scene = &scenes[i];
        int call = 1;
        for (bool cut = true; cut; call++) {
            struct faulty_disk *disk = new_disk(scene);
            struct seen seen;
            struct fault fault;
            bool committed;
            assert_true(call < CALLS_MAX);
            faulty_disk_stop_at(disk, FAULTY_CHANGE, (uint64_t)call);
            int status = live(disk, &seen, &committed, &fault);
            cut = faulty_disk_stopped(disk);
            if (!cut)
                assert_int_equal(status, 0);
            if (status == KV_ECORRUPT || status == KV_EREFUSED)
                fail_msg("%s, cut at call %d: %s", scene->name, call, fault.text);
            try_states(scene, disk, committed, call);
            faulty_disk_free(disk);
        }
        print_message("%s: cut at %d calls\n", scene->name, call - 2);
    }
}

/* A call that fails without a crash: recovery says so and changes nothing that matters. */
static void a_call_of_recovery_may_fail(void **state unused)
{
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        const struct scene *scene = &scenes[i];
        for (int call = 1; call < 60; call++) {
            for (int error = FAULTY_EIO; error <= FAULTY_SHORT; error++) {
                struct faulty_disk *disk = new_disk(scene);
                struct seen seen;
                struct fault fault;
                bool committed;
                faulty_disk_fail_at(disk, FAULTY_CHANGE | FAULTY_READ | FAULTY_OPEN, (uint64_t)call,
                                    1, (enum faulty_error)error);
                int status = live(disk, &seen, &committed, &fault);
                if (status == KV_ECORRUPT || status == KV_EREFUSED)
                    fail_msg("%s, call %d failed: %s", scene->name, call, fault.text);
                if (status == 0)
                    judge(scene, &seen, false, call);
                faulty_disk_fail_at(disk, FAULTY_ANY, 0, 0, FAULTY_EIO);
                recover_twice(scene, disk, committed, call);
                faulty_disk_free(disk);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recovery_may_be_cut_at_every_call),
        cmocka_unit_test(a_call_of_recovery_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
