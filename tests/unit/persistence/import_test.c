/* Logs that a stock server made or went on writing: all of it is taken over, and what it left
 * unprotected is marked; damage to what kv had acknowledged is found all the same. */
#include "persistence/import.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/file.h"
#include "tests/support/data_directory.h"
#include "tests/support/rdb_writer.h"
#include "tests/support/test.h"

#define INCR_1 "appendonly.aof.1.incr.aof"
#define INCR_2 "appendonly.aof.2.incr.aof"
#define MANIFEST "appendonly.aof.manifest"
#define STOCK_1 "file " INCR_1 " seq 1 type i\n"
#define STOCK_2 "file " INCR_2 " seq 2 type i\n"
#define SET_A "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
#define SET_B "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n"
#define MULTI "*1\r\n$5\r\nMULTI\r\n"
#define EXEC "*1\r\n$4\r\nEXEC\r\n"

struct setting {
    struct data_directory data;
    struct log_writer one, two;
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    data_directory_make(&setting->data);
    log_writer_begin(&setting->one, NULL);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    data_directory_remove(&setting->data);
    log_writer_free(&setting->one);
    log_writer_free(&setting->two);
    free(setting);
    return 0;
}

static void expect(struct setting *setting, const char *applied)
{
    int status = data_directory_recover(&setting->data);
    if (status != 0)
        print_message("%s\n", setting->data.fault.text);
    assert_int_equal(status, 0);
    assert_string_equal(setting->data.applied.data, applied);
}

static void expect_refused(struct setting *setting, int code, const char *text)
{
    assert_int_equal(data_directory_recover(&setting->data), code);
    if (!strstr(setting->data.fault.text, text))
        print_message("%s\n", setting->data.fault.text);
    assert_non_null(strstr(setting->data.fault.text, text));
}

static void save(struct setting *setting, const char *name, const char *text)
{
    data_directory_save(&setting->data, name, slice_of(text));
}

/* Do what the log does: a new file named in the manifest, with `words` in its one batch. */
static void go_on(struct setting *setting, struct log_writer *file, const char *words)
{
    struct log_start *start = &setting->data.result.start;
    struct format_header header = {.salt = 77,
                                   .first_batch = start->batch + 1,
                                   .first_seq = start->seq,
                                   .previous_crc = start->crc};
    char name[64];
    bool renamed;
    memcpy(header.kvid, start->kvid, sizeof(header.kvid));
    log_writer_free(file);
    *file = (struct log_writer){.header = header,
                                .batch = start->batch,
                                .seq = start->seq,
                                .crc = start->crc,
                                .durable = start->batch};
    file->file.len = format_put_header(buf_reserve(&file->file, FORMAT_HEADER_MAX), &header);
    file->batch_at = file->file.len;
    log_writer_batch(file, words);
    snprintf(name, sizeof(name), "appendonly.aof.%d.incr.aof", (int)start->next_file);
    struct manifest_file *entry =
        manifest_add(&start->manifest, MANIFEST_INCR, name, start->next_file);
    memcpy(entry->kvid, start->kvid, sizeof(entry->kvid));
    entry->kvseq = start->seq;
    log_writer_save(file, data_directory_file(&setting->data, name));
    char path[512];
    snprintf(path, sizeof(path), "%s", data_directory_file(&setting->data, MANIFEST));
    assert_int_equal(manifest_store(disk_real(), path, &start->manifest, &renamed, NULL), 0);
}

static void append(struct setting *setting, const char *name, const char *text)
{
    int fd = open(data_directory_file(&setting->data, name), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void a_single_file_log_is_moved_into_its_directory(void **state)
{
    struct setting *setting = *state;
    char single[128];
    snprintf(single, sizeof(single), "%s/appendonly.aof", setting->data.path);
    write_file(single, slice_of(SET_A MULTI SET_B EXEC));
    expect(setting, "SET a 1;SET b 2;");
    assert_true(setting->data.result.imported);
    assert_int_equal(access(single, F_OK), -1);
    assert_true(data_directory_has(&setting->data, "appendonly.aof"));
    /* the crash before the log switched its manifest: a stock manifest is there */
    expect(setting, "SET a 1;SET b 2;");
    const struct manifest_file *base = manifest_base(&setting->data.result.start.manifest);
    assert_true(base->raw);
    assert_int_equal(base->raw_to, sizeof(SET_A MULTI SET_B EXEC) - 1);
    assert_int_equal(setting->data.result.start.seq, sizeof(SET_A MULTI SET_B EXEC) - 1);
    go_on(setting, &setting->one, "SET c 3");
    expect(setting, "SET a 1;SET b 2;SET c 3;");
    assert_false(setting->data.result.imported);
}

/* Between the manifest and the move: as stock servers leave it, too. */
static void a_move_that_was_cut_short_is_finished(void **state)
{
    struct setting *setting = *state;
    char single[128];
    snprintf(single, sizeof(single), "%s/appendonly.aof", setting->data.path);
    write_file(single, slice_of(SET_A));
    save(setting, MANIFEST, "file appendonly.aof seq 1 type b\n");
    expect(setting, "SET a 1;");
    assert_true(data_directory_has(&setting->data, "appendonly.aof"));
    assert_int_equal(access(single, F_OK), -1);
}

static void a_refused_single_file_stays_where_it_is(void **state)
{
    struct setting *setting = *state;
    char single[128];
    snprintf(single, sizeof(single), "%s/appendonly.aof", setting->data.path);
    write_file(single, slice_of(SET_A "LPUSH is no command in this form\r\n" SET_B));
    expect_refused(setting, KV_ECORRUPT, "can't be read");
    assert_int_equal(setting->data.fault.offset, sizeof(SET_A) - 1);
    assert_int_equal(access(single, F_OK), 0);
    write_file(single, SLICE("REDIS0010\xfa"));
    expect_refused(setting, KV_ECORRUPT, "snapshot");
    assert_int_equal(access(single, F_OK), 0);
    assert_false(data_directory_has(&setting->data, MANIFEST));
}

static void a_stock_directory_is_taken_over(void **state)
{
    struct setting *setting = *state;
    save(setting, "appendonly.aof.1.base.aof", SET_A);
    save(setting, INCR_1, "#TS:1700000000\r\n" SET_B);
    save(setting, INCR_2, SET_A);
    save(setting, MANIFEST,
         "file appendonly.aof.1.base.aof seq 1 type b\n" STOCK_1 STOCK_2
         "file appendonly.aof.0.incr.aof seq 1 type h\n");
    expect(setting, "SET a 1;SET b 2;SET a 1;");
    assert_true(setting->data.result.imported);
    assert_int_equal(setting->data.result.start.next_file, 3);
    assert_int_equal(setting->data.result.start.manifest.count, 3);
    go_on(setting, &setting->one, "SET c 3");
    expect(setting, "SET a 1;SET b 2;SET a 1;SET c 3;");
    /* Nothing of it may change unseen as to its length. */
    append(setting, INCR_1, "x");
    expect(setting, "SET a 1;SET b 2;SET a 1;SET c 3;");
    save(setting, INCR_1, "#TS:1700000000\r\n");
    expect_refused(setting, KV_ECORRUPT, "shorter");
}

static void a_stock_tail_is_torn_where_it_is_incomplete(void **state)
{
    struct setting *setting = *state;
    static const char all[] = SET_A MULTI SET_B SET_A EXEC;
    for (size_t len = sizeof(SET_A) - 1; len < sizeof(all) - 1; len++) {
        data_directory_save(&setting->data, INCR_1, (struct slice){all, len});
        save(setting, MANIFEST, STOCK_1);
        expect(setting, "SET a 1;");
        assert_int_equal(setting->data.result.torn_bytes, len - (sizeof(SET_A) - 1));
        expect(setting, "SET a 1;");
        assert_int_equal(setting->data.result.torn_bytes, 0);
    }
    data_directory_save(&setting->data, INCR_1, SLICE(SET_A "*3\r\n$3\r\nSE\0\0\0\0\0\0\0\0"));
    expect(setting, "SET a 1;");
    assert_int_equal(setting->data.result.torn_bytes, 18);
    /* not at the end of the last file: damage */
    save(setting, INCR_1, SET_A "*3\r\n$3\r\nSE");
    save(setting, INCR_2, SET_B);
    save(setting, MANIFEST, STOCK_1 STOCK_2);
    expect_refused(setting, KV_ECORRUPT, "can't be read");
}

/* kv, stock, kv, stock, kv: each time all is there. */
static void what_a_stock_server_appended_is_taken_over_each_time(void **state)
{
    struct setting *setting = *state;
    struct log_writer *files[] = {&setting->one};
    log_writer_batch(&setting->one, "SET k 1");
    data_directory_manifest(&setting->data, files, 1);
    data_directory_durable(&setting->data, 1);
    append(setting, INCR_1, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" SET_A);
    save(setting, MANIFEST, STOCK_1);
    expect(setting, "SET k 1;SELECT 0;SET a 1;");
    assert_true(setting->data.result.imported);
    assert_string_equal(setting->data.result.start.kvid, LOG_WRITER_KVID);
    assert_int_equal(setting->data.result.start.batch, 1);
    assert_int_equal(setting->data.result.start.crc, setting->one.crc);
    const struct manifest_file *file = &setting->data.result.start.manifest.files[0];
    assert_true(file->raw);
    assert_int_equal(file->raw_from, setting->one.file.len);
    assert_non_null(strstr(setting->data.said.data, "stock server"));
    go_on(setting, &setting->two, "SET k 2");
    expect(setting, "SET k 1;SELECT 0;SET a 1;SET k 2;");
    append(setting, INCR_2, SET_B "*3\r\n");
    save(setting, MANIFEST, STOCK_1 STOCK_2);
    expect(setting, "SET k 1;SELECT 0;SET a 1;SET k 2;SET b 2;");
    assert_int_equal(setting->data.result.torn_bytes, 4);
    go_on(setting, &setting->one, "SET k 3");
    expect(setting, "SET k 1;SELECT 0;SET a 1;SET k 2;SET b 2;SET k 3;");
    assert_int_equal(setting->data.result.torn_bytes, 0);
}

/* The stock server cut a torn MULTI and went on behind what was whole of the torn batch. */
static void a_torn_batch_that_a_stock_server_went_on_from_is_raw(void **state)
{
    struct setting *setting = *state;
    struct log_writer *files[] = {&setting->one};
    log_writer_batch(&setting->one, "SET k 1");
    log_writer_command(&setting->one, "SET k 2");
    data_directory_manifest(&setting->data, files, 1);
    append(setting, INCR_1, SET_A);
    save(setting, MANIFEST, STOCK_1);
    expect(setting, "SET k 1;SET k 2;SET a 1;");
}

static void damage_of_kvs_batches_is_found_behind_a_stock_server_too(void **state)
{
    struct setting *setting = *state;
    struct log_writer *files[] = {&setting->one};
    log_writer_batch(&setting->one, "SET k 1");
    size_t at = setting->one.file.len;
    log_writer_batch(&setting->one, "SET k 2");
    log_writer_batch(&setting->one, "SET k 3");
    setting->one.file.data[at + 28] ^= 1;
    data_directory_manifest(&setting->data, files, 1);
    append(setting, INCR_1, SET_A);
    save(setting, MANIFEST, STOCK_1);
    expect_refused(setting, KV_ECORRUPT, "batch 2");
}

/* Without its header nothing of a file of kv's can be checked: it is not taken for a stock
 * server's. */
static void a_damaged_header_is_found_behind_a_stock_server_too(void **state)
{
    struct setting *setting = *state;
    struct log_writer *files[] = {&setting->one};
    log_writer_batch(&setting->one, "SET k 1");
    for (size_t at = 1; at < 60; at++) {
        setting->one.file.data[at] ^= 1;
        data_directory_manifest(&setting->data, files, 1);
        append(setting, INCR_1, SET_A);
        save(setting, MANIFEST, STOCK_1);
        expect_refused(setting, KV_ECORRUPT, "header");
        setting->one.file.data[at] ^= 1;
    }
}

/* A stock server rewrote the log: nothing of kv's is left but kv.durable, which says nothing
 * now. */
static void a_log_that_a_stock_server_rewrote_is_new_data(void **state)
{
    struct setting *setting = *state;
    data_directory_durable(&setting->data, 100);
    save(setting, "appendonly.aof.2.base.aof", SET_A);
    save(setting, INCR_2, SET_B);
    save(setting, MANIFEST, "file appendonly.aof.2.base.aof seq 2 type b\n" STOCK_2);
    expect(setting, "SET a 1;SET b 2;");
    assert_string_not_equal(setting->data.result.start.kvid, LOG_WRITER_KVID);
}

/* A snapshot that holds a = 1 in database 0, b = 2 in database 3, and then `behind`. */
static struct slice snapshot(struct buf *file, const char *behind)
{
    buf_clear(file);
    rdb_writer_begin(file, "REDIS0010");
    rdb_writer_string(file, SLICE("a"), SLICE("1"));
    rdb_writer_select(file, 3);
    rdb_writer_string(file, SLICE("b"), SLICE("2"));
    rdb_writer_end(file);
    buf_append_text(file, behind);
    return buf_slice(file);
}

static void a_dump_without_a_log_becomes_its_base(void **state)
{
    struct setting *setting = *state;
    struct buf file = {0};
    char dump[128];
    snprintf(dump, sizeof(dump), "%s/dump.rdb", setting->data.path);
    write_file(dump, snapshot(&file, ""));
    expect(setting, "PUT 0 a 1;PUT 3 b 2;");
    assert_true(setting->data.result.imported);
    assert_int_equal(setting->data.result.keys, 2);
    assert_int_equal(setting->data.result.start.seq, 0);
    assert_int_equal(access(dump, F_OK), 0);
    assert_true(data_directory_has(&setting->data, "dump.rdb"));
    const struct manifest_file *base = manifest_base(&setting->data.result.start.manifest);
    assert_true(base->raw);
    assert_int_equal(base->raw_from, 0);
    assert_int_equal(base->raw_to, file.len);
    /* the crash before the log switched its manifest; what is beside it counts no more */
    write_file(dump, SLICE("REDIS0010"));
    expect(setting, "PUT 0 a 1;PUT 3 b 2;");
    go_on(setting, &setting->one, "SET c 3");
    expect(setting, "PUT 0 a 1;PUT 3 b 2;SET c 3;");
    assert_false(setting->data.result.imported);
    /* the copy is part of the log now */
    snapshot(&file, "");
    file.data[file.len - 12] ^= 1;
    data_directory_save(&setting->data, "dump.rdb", buf_slice(&file));
    expect_refused(setting, KV_ECORRUPT, "checksum");
    buf_free(&file);
}

/* Nothing is written, so that a good copy can be put in its place. */
static void a_damaged_dump_is_refused_and_nothing_is_written(void **state)
{
    struct setting *setting = *state;
    struct buf file = {0};
    char dump[128];
    snprintf(dump, sizeof(dump), "%s/dump.rdb", setting->data.path);
    write_file(dump, SLICE("REDIS0010"));
    expect_refused(setting, KV_ECORRUPT, "Put a good copy");
    write_file(dump, SLICE(""));
    expect_refused(setting, KV_ECORRUPT, "no snapshot");
    write_file(dump, SLICE(SET_A));
    expect_refused(setting, KV_ECORRUPT, "no snapshot");
    write_file(dump, snapshot(&file, SET_A));
    expect_refused(setting, KV_ECORRUPT, "it ends here, and the file does not");
    assert_false(data_directory_has(&setting->data, MANIFEST));
    assert_false(data_directory_has(&setting->data, "dump.rdb"));
    write_file(dump, snapshot(&file, ""));
    expect(setting, "PUT 0 a 1;PUT 3 b 2;");
    buf_free(&file);
}

static void beside_a_log_a_dump_is_left_alone(void **state)
{
    struct setting *setting = *state;
    char dump[128];
    snprintf(dump, sizeof(dump), "%s/dump.rdb", setting->data.path);
    write_file(dump, SLICE("REDIS0010"));
    save(setting, INCR_1, SET_A);
    save(setting, MANIFEST, STOCK_1);
    expect(setting, "SET a 1;");
    assert_non_null(strstr(setting->data.said.data, "dump.rdb"));
}

static void a_stock_directory_with_a_snapshot_as_base_is_taken_over(void **state)
{
    struct setting *setting = *state;
    struct buf file = {0};
    data_directory_save(&setting->data, "appendonly.aof.1.base.rdb", snapshot(&file, ""));
    save(setting, INCR_1, SET_B SET_A "*3\r\n");
    save(setting, MANIFEST, "file appendonly.aof.1.base.rdb seq 1 type b\n" STOCK_1);
    expect(setting, "PUT 0 a 1;PUT 3 b 2;SET b 2;SET a 1;");
    assert_int_equal(setting->data.result.torn_bytes, 4);
    assert_int_equal(setting->data.result.start.seq, sizeof(SET_A SET_B) - 1);
    go_on(setting, &setting->one, "SET c 3");
    expect(setting, "PUT 0 a 1;PUT 3 b 2;SET b 2;SET a 1;SET c 3;");
    /* a snapshot of kv's own making: nothing stands behind it */
    const struct manifest *manifest = &setting->data.result.start.manifest;
    assert_int_equal(manifest->files[0].raw_to, file.len);
    buf_free(&file);
}

static void a_single_file_may_begin_with_a_snapshot(void **state)
{
    struct setting *setting = *state;
    struct buf file = {0};
    char single[128];
    snprintf(single, sizeof(single), "%s/appendonly.aof", setting->data.path);
    write_file(single, snapshot(&file, SET_A "*3\r\n$3"));
    expect(setting, "PUT 0 a 1;PUT 3 b 2;SET a 1;");
    assert_int_equal(setting->data.result.torn_bytes, 6);
    assert_int_equal(setting->data.result.start.seq, sizeof(SET_A) - 1);
    assert_int_equal(access(single, F_OK), -1);
    go_on(setting, &setting->one, "SET c 3");
    expect(setting, "PUT 0 a 1;PUT 3 b 2;SET a 1;SET c 3;");
    /* the snapshot is whole or damaged, never torn */
    snapshot(&file, "");
    for (size_t len = 9; len < file.len; len++) {
        data_directory_save(&setting->data, "appendonly.aof", (struct slice){file.data, len});
        save(setting, MANIFEST, "file appendonly.aof seq 1 type b\n");
        expect_refused(setting, KV_ECORRUPT, "the input ends before");
    }
    buf_free(&file);
}

/* As compaction leaves it: no kvraw, and a sequence to begin with. */
static void a_snapshot_of_kvs_own_is_a_base_with_nothing_behind_it(void **state)
{
    struct setting *setting = *state;
    struct manifest manifest = {0};
    struct buf file = {0}, text = {0};
    struct manifest_file *base =
        manifest_add(&manifest, MANIFEST_BASE, "appendonly.aof.4.base.rdb", 4);
    memcpy(base->kvid, LOG_WRITER_KVID, sizeof(base->kvid));
    base->kvseq = 1000;
    manifest_format(&manifest, &text);
    data_directory_save(&setting->data, MANIFEST, buf_slice(&text));
    data_directory_save(&setting->data, "appendonly.aof.4.base.rdb", snapshot(&file, ""));
    expect(setting, "PUT 0 a 1;PUT 3 b 2;");
    assert_int_equal(setting->data.result.start.seq, 1000);
    assert_false(setting->data.result.imported);
    assert_false(setting->data.result.start.manifest.files[0].raw);
    assert_int_equal(setting->data.result.start.manifest.files[0].kvseq, 1000);
    data_directory_save(&setting->data, "appendonly.aof.4.base.rdb", snapshot(&file, SET_A));
    expect_refused(setting, KV_ECORRUPT, "it ends here, and the file does not");
    manifest_free(&manifest);
    buf_free(&file);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_single_file_log_is_moved_into_its_directory),
        TEST(a_move_that_was_cut_short_is_finished),
        TEST(a_refused_single_file_stays_where_it_is),
        TEST(a_stock_directory_is_taken_over),
        TEST(a_stock_tail_is_torn_where_it_is_incomplete),
        TEST(what_a_stock_server_appended_is_taken_over_each_time),
        TEST(a_torn_batch_that_a_stock_server_went_on_from_is_raw),
        TEST(damage_of_kvs_batches_is_found_behind_a_stock_server_too),
        TEST(a_damaged_header_is_found_behind_a_stock_server_too),
        TEST(a_log_that_a_stock_server_rewrote_is_new_data),
        TEST(a_dump_without_a_log_becomes_its_base),
        TEST(a_damaged_dump_is_refused_and_nothing_is_written),
        TEST(beside_a_log_a_dump_is_left_alone),
        TEST(a_stock_directory_with_a_snapshot_as_base_is_taken_over),
        TEST(a_single_file_may_begin_with_a_snapshot),
        TEST(a_snapshot_of_kvs_own_is_a_base_with_nothing_behind_it),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
