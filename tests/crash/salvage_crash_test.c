/* A crash while kv-check-aof writes a log anew (--salvage, of a damaged base too, and --new-id), at
 * each of its calls in turn: what is left is mended by the same command, and then holds what was
 * good, and nothing else; where nothing was damaged it starts as it is, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "persistence/check.h"
#include "persistence/file.h"
#include "persistence/snapshot_format.h"
#include "persistence/store.h"
#include "tests/support/log_rig.h"
#include "tests/support/log_writer.h"
#include "tests/support/rdb_writer.h"

#define LOG "data/appendonlydir/"
#define CALLS_MAX 200
#define RANDOM_STATES 6

struct scene {
    const char *name;
    enum check_mode mode;
    bool damaged;
    const char *keys; /* in the end */
};

static const struct scene scenes[] = {
    {"a damaged base", CHECK_SALVAGE, true, "bc"},
    {"new identity", CHECK_NEW_ID, false, "abc"},
};

static void add_part(struct snapshot_index *index, const struct buf *file, size_t from, int db,
                     uint32_t flags)
{
    struct snapshot_part part = {.offset = from, .raw = from, .keys = db >= 0, .db = db,
                                 .flags = flags};
    part.crc = crc32_bytes(0, file->data + from, file->len - from);
    snapshot_index_add(index, &part);
}

/* A key a part: a and b. Of a damaged one, a byte of a's is another. */
static void put_base(struct faulty_disk *disk, bool damaged)
{
    struct snapshot_index index = {.kvid = LOG_WRITER_KVID, .keys = 2};
    struct buf file = {0}, kvi = {0};
    rdb_writer_begin(&file, "REDIS0010");
    add_part(&index, &file, 0, -1, SNAPSHOT_PART_HEAD);
    for (const char *key = "ab"; *key; key++) {
        size_t from = file.len;
        rdb_writer_select(&file, 0);
        rdb_writer_string(&file, (struct slice){key, 1}, SLICE("1"));
        add_part(&index, &file, from, 0, 0);
    }
    size_t end = file.len;
    rdb_writer_end(&file);
    add_part(&index, &file, end, -1, SNAPSHOT_PART_END);
    for (int i = 0; i < 8; i++)
        index.sum |= (uint64_t)(uint8_t)file.data[file.len - 8 + (size_t)i] << 8 * i;
    index.bytes = index.raw_bytes = file.len;
    snapshot_index_put(&index, &kvi);
    file.data[14] ^= damaged;
    faulty_disk_put(disk, LOG "appendonly.aof.1.base.rdb", buf_slice(&file));
    faulty_disk_put(disk, LOG "appendonly.aof.1.base.rdb.kvi", buf_slice(&kvi));
    snapshot_index_free(&index);
    buf_free(&file);
    buf_free(&kvi);
}

static struct faulty_disk *new_disk(const struct scene *scene)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct manifest manifest = {0};
    struct log_writer one;
    struct buf text = {0};
    const char *name = "appendonly.aof.2.incr.aof";
    faulty_disk_put_directory(disk, "data");
    faulty_disk_put_directory(disk, "data/appendonlydir");
    put_base(disk, scene->damaged);
    log_writer_begin(&one, NULL);
    log_writer_batch(&one, "SET c 1");
    faulty_disk_put(disk, LOG "appendonly.aof.2.incr.aof", buf_slice(&one.file));
    manifest_add(&manifest, MANIFEST_BASE, "appendonly.aof.1.base.rdb", 1);
    manifest_add(&manifest, MANIFEST_INCR, name, 2);
    for (int i = 0; i < 2; i++)
        memcpy(manifest.files[i].kvid, LOG_WRITER_KVID, sizeof(manifest.files[i].kvid));
    manifest_format(&manifest, &text);
    faulty_disk_put(disk, LOG "appendonly.aof.manifest", buf_slice(&text));
    faulty_disk_put(disk, LOG "appendonly.aof.kv", SLICE(""));
    manifest_free(&manifest);
    buf_free(&text);
    log_writer_free(&one);
    return disk;
}

static void print(void *env unused, struct slice text unused)
{
}

static void complain(void *env, const char *line)
{
    snprintf(env, 512, "%s", line);
}

static bool ask(void *env unused, const char *question unused)
{
    return true;
}

static void random_bytes(void *env unused, void *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)out)[i] = (unsigned char)rand();
}

/* Its exit status. */
static int mend(struct faulty_disk *disk, const struct scene *scene, char *said)
{
    const struct check_options options = {.disk = faulty_disk_port(disk), .path = "data",
                                          .mode = scene->mode, .now = 1, .damaged_base = true,
                                          .env = said, .print = print, .complain = complain,
                                          .ask = ask, .random_bytes = random_bytes};
    said[0] = '\0';
    return check_run(&options);
}

static int see(void *env, int argc, const struct slice *argv, struct fault *fault unused)
{
    char *keys = env;
    size_t len = strlen(keys);
    if (argc == 3 && slice_is(argv[0], "set") && len < 30)
        keys[len] = argv[1].data[0];
    return 0;
}

static void starts_with(struct faulty_disk *disk, const struct scene *scene, int call)
{
    char keys[32] = "";
    struct log_rig rig;
    rig_init(&rig, disk);
    int status = rig_open_store(&rig, see, keys);
    if (status != 0 || strcmp(keys, scene->keys) != 0)
        fail_msg("%s, cut at call %d: status %d, keys '%s': %s", scene->name, call, status, keys,
                 rig.fault.text);
    rig_free(&rig);
}

static void try_states(const struct scene *scene, struct faulty_disk *disk, int call)
{
    for (int i = 0; i < 3 + RANDOM_STATES; i++) {
        struct faulty_choice choice = {.data = i == 0 ? FAULTY_KEEP : FAULTY_RANDOM,
                                       .names = i == 1 ? FAULTY_DROP : FAULTY_RANDOM,
                                       .seed = (uint64_t)(call * RANDOM_STATES + i)};
        char said[512];
        if (!scene->damaged) {
            struct faulty_disk *as_it_is = faulty_disk_crash(disk, &choice);
            starts_with(as_it_is, scene, call);
            faulty_disk_free(as_it_is);
        }
        struct faulty_disk *after = faulty_disk_crash(disk, &choice);
        if (mend(after, scene, said) != 0)
            fail_msg("%s, cut at call %d: %s", scene->name, call, said);
        starts_with(after, scene, call);
        faulty_disk_free(after);
    }
}

static void writing_a_log_anew_may_be_cut_at_every_call(void **state unused)
{
    for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++) {
        int call = 1;
        for (bool cut = true; cut; call++) {
            struct faulty_disk *disk = new_disk(&scenes[i]);
            char said[512];
            assert_true(call < CALLS_MAX);
            faulty_disk_stop_at(disk, FAULTY_CHANGE, (uint64_t)call);
            int status = mend(disk, &scenes[i], said);
            cut = faulty_disk_stopped(disk);
            if (!cut && status != 0)
                fail_msg("%s: %s", scenes[i].name, said);
            try_states(&scenes[i], disk, call);
            faulty_disk_free(disk);
        }
        print_message("%s: cut at %d calls\n", scenes[i].name, call - 2);
        assert_true(call > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_a_log_anew_may_be_cut_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
