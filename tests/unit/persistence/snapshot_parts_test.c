/* Snapshots of kv are loaded by their parts: alone and by threads, whole and damaged everywhere. */
#include "persistence/snapshot_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/type/entry.h"
#include "core/type/list.h"
#include "core/type/value.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_stream.h"
#include "persistence/snapshot_format.h"
#include "persistence/snapshot_writer.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/rdb_writer.h"
#include "tests/support/snapshot_maker.h"
#include "tests/support/test.h"

#define LINES_MAX 32

struct setting {
    struct faulty_disk *disk;
    struct buf file, kvi;
    struct rdb_load load;
    struct rdb_found found;
    struct fault fault;
    char lines[LINES_MAX][128];
    int count, progress;
    uint64_t puts, refuse_at;
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    setting->disk = faulty_disk_new();
    faulty_disk_put_directory(setting->disk, "data");
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    faulty_disk_free(setting->disk);
    buf_free(&setting->file);
    buf_free(&setting->kvi);
    free(setting);
    return 0;
}

/* The list's elements, one behind the other. */
static void list_text(struct entry *entry, char *out, size_t bytes)
{
    struct list list = list_of(entry, &rdb_usual_limits);
    struct list_cursor cursor;
    struct slice element;
    size_t at = 0;
    list_begin(&cursor, &list, 0, false);
    while (list_next(&cursor, &element))
        at += (size_t)snprintf(out + at, bytes - at, "%.*s", (int)element.len, element.data);
    list_end(&cursor);
}

/* Each entry comes with what this says of its key, whichever thread has asked. */
static uint64_t hash_key(void *env unused, struct slice key)
{
    return hash_bytes(key, 1);
}

static int put(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    struct setting *setting = env;
    struct slice key = entry_key(entry);
    char digits[24], text[40] = "", deadline[24] = "";
    assert_int_equal(hash, hash_bytes(key, 1));
    if (++setting->puts == setting->refuse_at) {
        entry_free(entry);
        return fault_set(fault, KV_EREFUSED, "", -1, "no more");
    }
    if (entry_type(entry) == TYPE_STRING) {
        struct slice value = entry_string(entry, digits);
        snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data);
    } else {
        list_text(entry, text, sizeof(text));
    }
    if (entry_deadline(entry) != ENTRY_NO_DEADLINE)
        snprintf(deadline, sizeof(deadline), "@%lld", (long long)entry_deadline(entry));
    if (setting->count < LINES_MAX)
        snprintf(setting->lines[setting->count++], 128, "%d:%.*s=%s%s ", db,
                 key.len > 20 ? 20 : (int)key.len, key.data, text, deadline);
    entry_free(entry);
    return 0;
}

static void count_progress(void *env, uint64_t bytes unused, uint64_t keys unused)
{
    struct setting *setting = env;
    setting->progress++;
}

static void make(struct setting *setting, enum snapshot_form form, const char *path)
{
    struct snapshot_result result;
    assert_int_equal(
        snapshot_maker_write(faulty_disk_port(setting->disk), form, path, 1, &result),
        SNAPSHOT_DONE);
    assert_true(faulty_disk_get(setting->disk, path, &setting->file));
    if (form == SNAPSHOT_BASE)
        assert_true(faulty_disk_get(setting->disk, "data/base.rdb.kvi", &setting->kvi));
    setting->load = (struct rdb_load){.disk = faulty_disk_port(setting->disk),
                                      .path = path,
                                      .env = setting,
                                      .put = put, .hash = hash_key,
                                      .progress = count_progress,
                                      .threads = RDB_THREADS_NONE};
}

static int load(struct setting *setting)
{
    setting->count = setting->progress = 0;
    setting->puts = 0;
    setting->fault = (struct fault){.offset = -1};
    return rdb_load(&setting->load, &setting->found, &setting->fault);
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Is all there that was written, and nothing else? */
static bool is_whole(struct setting *setting)
{
    struct buf all = {0};
    qsort(setting->lines, (size_t)setting->count, sizeof(setting->lines[0]), compare);
    for (int i = 0; i < setting->count; i++)
        buf_append_text(&all, setting->lines[i]);
    bool whole = slice_equal(buf_slice(&all), SLICE(SNAPSHOT_MAKER_CONTENT));
    if (!whole)
        print_message("%.*s\n", (int)all.len, all.data);
    buf_free(&all);
    return whole;
}

static void expect_whole(struct setting *setting, uint64_t parts)
{
    for (int threads = -1; threads <= 3; threads++) {
        setting->load.threads = threads;
        int status = load(setting);
        if (status < 0)
            print_message("%lld: %s\n", (long long)setting->fault.offset, setting->fault.text);
        assert_int_equal(status, 0);
        assert_true(is_whole(setting));
        assert_string_equal(setting->found.problem, "");
        assert_int_equal(setting->found.parts, parts);
        assert_int_equal(setting->found.end, setting->file.len);
        assert_int_equal(setting->found.keys, SNAPSHOT_MAKER_KEYS);
        assert_int_equal(setting->found.expiring, 1);
        assert_int_equal(setting->found.version, 11);
        assert_string_equal(setting->found.kvid, SNAPSHOT_MAKER_KVID);
        assert_int_equal(setting->found.kvseq, 4711);
        assert_true(setting->found.checked);
    }
}

static void an_lz4_file_is_loaded_by_its_parts(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_LZ4, "data/dump.rdb.lz4");
    expect_whole(setting, 14);
    assert_true(setting->found.packed);
    assert_true(setting->progress > 1);
    setting->load.sum_all = true;
    expect_whole(setting, 14);
    setting->load.put = NULL;
    setting->load.threads = 2;
    assert_int_equal(load(setting), 0);
    assert_int_equal(setting->found.keys, SNAPSHOT_MAKER_KEYS);
    setting->load.notes_only = true;
    assert_int_equal(load(setting), 0);
    assert_int_equal(setting->found.keys, 0);
    assert_string_equal(setting->found.kvid, SNAPSHOT_MAKER_KVID);
}

static void a_base_is_loaded_by_the_index_beside_it(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_BASE, "data/base.rdb");
    expect_whole(setting, 14);
    setting->load.sum_all = true;
    expect_whole(setting, 14);
}

static void a_plain_rdb_is_loaded_as_one_stream(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_RDB, "data/dump.rdb");
    expect_whole(setting, 0);
}

/* It is refused with its path; or the index was not used, which is said, and all is there. */
static void expect_no_harm(struct setting *setting, bool refused)
{
    int status = load(setting);
    if (status < 0) {
        if (status != KV_ECORRUPT && status != KV_EVERSION)
            print_message("%d %s\n", status, setting->fault.text);
        assert_true(status == KV_ECORRUPT || status == KV_EVERSION);
        assert_string_equal(setting->fault.path, setting->load.path);
        assert_true(setting->fault.text[0] != '\0');
        return;
    }
    assert_false(refused);
    assert_true(setting->found.problem[0] != '\0');
    assert_int_equal(setting->found.parts, 0);
    assert_true(is_whole(setting));
}

static void try_cuts_and_flips(struct setting *setting, const char *path, struct buf *bytes,
                               bool refused)
{
    for (size_t len = 0; len < bytes->len; len++) {
        setting->load.threads = len % 16 ? RDB_THREADS_NONE : 2;
        faulty_disk_put(setting->disk, path, (struct slice){bytes->data, len});
        expect_no_harm(setting, refused);
    }
    for (size_t bit = 0; bit < 8 * bytes->len; bit++) {
        setting->load.threads = bit % 64 ? RDB_THREADS_NONE : 2;
        bytes->data[bit / 8] ^= (char)(1 << bit % 8);
        faulty_disk_put(setting->disk, path, buf_slice(bytes));
        expect_no_harm(setting, refused);
        bytes->data[bit / 8] ^= (char)(1 << bit % 8);
    }
}

static void every_cut_and_flipped_bit_of_an_lz4_file_is_seen(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_LZ4, "data/dump.rdb.lz4");
    try_cuts_and_flips(setting, "data/dump.rdb.lz4", &setting->file, false);
}

static void every_cut_and_flipped_bit_of_a_base_is_refused(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_BASE, "data/base.rdb");
    try_cuts_and_flips(setting, "data/base.rdb", &setting->file, true);
}

static void a_damaged_index_beside_a_base_is_not_used(void **state)
{
    struct setting *setting = *state;
    make(setting, SNAPSHOT_BASE, "data/base.rdb");
    try_cuts_and_flips(setting, "data/base.rdb.kvi", &setting->kvi, false);
    /* that of another base of the same length */
    struct snapshot_index index;
    struct buf other = {0};
    const char *why;
    assert_true(snapshot_index_get(buf_slice(&setting->kvi), 0, &index, &why));
    index.sum ^= 1;
    snapshot_index_put(&index, &other);
    faulty_disk_put(setting->disk, "data/base.rdb.kvi", buf_slice(&other));
    expect_no_harm(setting, false);
    assert_non_null(strstr(setting->found.problem, "not of this file"));
    snapshot_index_free(&index);
    buf_free(&other);
}

static void damage_is_told_with_frame_and_keys(void **state)
{
    struct setting *setting = *state;
    struct snapshot_index index;
    const char *why;
    make(setting, SNAPSHOT_BASE, "data/base.rdb");
    assert_true(snapshot_index_get(buf_slice(&setting->kvi), 0, &index, &why));
    setting->file.data[index.parts[2].offset + 5] ^= 1;
    faulty_disk_put(setting->disk, "data/base.rdb", buf_slice(&setting->file));
    assert_int_equal(load(setting), KV_ECORRUPT);
    assert_int_equal(setting->fault.offset, index.parts[2].offset);
    assert_non_null(strstr(setting->fault.text, "frame 3 of 14"));
    assert_non_null(strstr(setting->fault.text, "keys 1 to 2 of 10, in database 0"));
    setting->file.data[index.parts[2].offset + 5] ^= 1;
    setting->file.data[index.parts[4].offset + 1] ^= 1;
    faulty_disk_put(setting->disk, "data/base.rdb", buf_slice(&setting->file));
    assert_int_equal(load(setting), KV_ECORRUPT);
    assert_non_null(strstr(setting->fault.text, "a part of key 3 of 10, in database 0"));
    snapshot_index_free(&index);
}

/* The index is right about its bytes, and wrong about what they hold. */
static void an_index_that_counts_wrong_is_refused(void **state)
{
    struct setting *setting = *state;
    struct snapshot_index index;
    struct buf kvi = {0};
    const char *why;
    make(setting, SNAPSHOT_BASE, "data/base.rdb");
    assert_true(snapshot_index_get(buf_slice(&setting->kvi), 0, &index, &why));
    index.parts[2].keys++;
    index.keys++;
    snapshot_index_put(&index, &kvi);
    faulty_disk_put(setting->disk, "data/base.rdb.kvi", buf_slice(&kvi));
    assert_int_equal(load(setting), KV_ECORRUPT);
    assert_non_null(strstr(setting->fault.text, "there are 2 keys, and there should be 3"));
    /* of a plain file, a part can't be of another length than its bytes */
    index.parts[2].keys--;
    index.keys--;
    index.parts[3].raw--;
    buf_clear(&kvi);
    snapshot_index_put(&index, &kvi);
    faulty_disk_put(setting->disk, "data/base.rdb.kvi", buf_slice(&kvi));
    assert_int_equal(load(setting), KV_ECORRUPT);
    assert_non_null(strstr(setting->fault.text, "can't hold what it should"));
    snapshot_index_free(&index);
    buf_free(&kvi);
}

/* Enough for many batches; the numbers say that each is there once. */
static void make_many(struct setting *setting, enum snapshot_form form, const char *path, int keys)
{
    struct snapshot_writer *writer =
        snapshot_writer_new(faulty_disk_port(setting->disk), NULL, NULL);
    struct snapshot_sink *sink = snapshot_writer_sink(writer);
    struct snapshot_order order = {.form = form, .path = path, .compress = true};
    struct snapshot_frame frame = {.db = -1, .version = 10};
    struct fault fault;
    assert_int_equal(sink->begin(sink->self, &order, &fault), 0);
    buf_append(&frame.bytes, "\xfa\x01x\x01y", 5);
    sink->put(sink->self, &frame);
    for (int i = 0; i < keys; i++) {
        char key[24];
        int len = snprintf(key, sizeof(key), "key:%d", i);
        if (i % 1000 == 0) {
            frame = (struct snapshot_frame){.db = i % 3, .version = 10};
            rdb_writer_select(&frame.bytes, (unsigned)frame.db);
        }
        rdb_writer_string(&frame.bytes, (struct slice){key, (size_t)len}, SLICE("value"));
        frame.keys++;
        if (i % 1000 == 999 || i + 1 == keys)
            sink->put(sink->self, &frame);
    }
    sink->finish(sink->self);
    while (sink->state(sink->self, NULL) == SNAPSHOT_RUNNING)
        sink->wait(sink->self);
    snapshot_writer_free(writer);
    assert_true(faulty_disk_get(setting->disk, path, &setting->file));
}

static void threads_hand_over_every_key_and_end_where_one_is_refused(void **state)
{
    static const enum snapshot_form forms[] = {SNAPSHOT_LZ4, SNAPSHOT_RDB, SNAPSHOT_BASE};
    static const char *const paths[] = {"data/a.lz4", "data/a.rdb", "data/b.rdb"};
    struct setting *setting = *state;
    make(setting, SNAPSHOT_RDB, "data/dump.rdb");
    for (int form = 0; form < 3; form++) {
        make_many(setting, forms[form], paths[form], 20500);
        setting->load.path = paths[form];
        for (int threads = 0; threads < 4; threads++) {
            setting->load.threads = threads;
            setting->refuse_at = 0;
            assert_int_equal(load(setting), 0);
            assert_int_equal(setting->puts, 20500);
            assert_int_equal(setting->found.keys, 20500);
            setting->refuse_at = 5000;
            assert_int_equal(load(setting), KV_EREFUSED);
            assert_int_equal(setting->puts, 5000);
            assert_string_equal(setting->fault.text, "no more");
            assert_string_equal(setting->fault.path, paths[form]);
        }
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(an_lz4_file_is_loaded_by_its_parts),
        CASE(a_base_is_loaded_by_the_index_beside_it),
        CASE(a_plain_rdb_is_loaded_as_one_stream),
        CASE(every_cut_and_flipped_bit_of_an_lz4_file_is_seen),
        CASE(every_cut_and_flipped_bit_of_a_base_is_refused),
        CASE(a_damaged_index_beside_a_base_is_not_used),
        CASE(damage_is_told_with_frame_and_keys),
        CASE(an_index_that_counts_wrong_is_refused),
        CASE(threads_hand_over_every_key_and_end_where_one_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
