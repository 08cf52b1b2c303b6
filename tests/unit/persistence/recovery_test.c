/* Recovery: what is loaded, what is cut, what is refused, and what is left behind. Files are
 * made by tests/support/log_writer; the log itself is not part of this. */
#include "persistence/recovery.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/file.h"
#include "tests/support/data_directory.h"
#include "tests/support/test.h"

#define INCR_1 "appendonly.aof.1.incr.aof"
#define MANIFEST "appendonly.aof.manifest"

struct setting {
    struct data_directory data;
    struct log_writer one, two, three;
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
    log_writer_free(&setting->three);
    free(setting);
    return 0;
}

static void save_logs(struct setting *setting, int count)
{
    struct log_writer *files[] = {&setting->one, &setting->two, &setting->three};
    data_directory_manifest(&setting->data, files, count);
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
    assert_true(setting->data.fault.path[0] != '\0');
}

static int64_t size_of(struct setting *setting, const char *name)
{
    struct stat facts;
    assert_int_equal(stat(data_directory_file(&setting->data, name), &facts), 0);
    return facts.st_size;
}

/* --- Nothing, and whole logs ------------------------------------------------------------------ */

static void an_empty_directory_begins_empty(void **state)
{
    struct setting *setting = *state;
    rmdir(setting->data.log);
    expect(setting, "");
    const struct log_start *start = &setting->data.result.start;
    assert_int_equal(start->batch, 0);
    assert_int_equal(start->seq, 0);
    assert_int_equal(start->next_file, 1);
    assert_string_equal(start->kvid, "abababababababababababababababab");
    assert_int_equal(start->manifest.count, 0);
    assert_true(data_directory_has(&setting->data, ""));
}

static void a_whole_log_is_applied_in_order(void **state)
{
    struct setting *setting = *state;
    log_writer_command(&setting->one, "SELECT 0");
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_command(&setting->one, "MULTI");
    log_writer_command(&setting->one, "SET b 2");
    log_writer_command(&setting->one, "SET c 3");
    log_writer_batch(&setting->one, "EXEC");
    log_writer_begin(&setting->two, &setting->one);
    log_writer_batch(&setting->two, "SET d 4");
    save_logs(setting, 2);
    data_directory_durable(&setting->data, 3);
    expect(setting, "SELECT 0;SET a 1;SET b 2;SET c 3;SET d 4;");
    const struct recovery_result *result = &setting->data.result;
    assert_int_equal(result->start.batch, 3);
    assert_int_equal(result->start.seq, setting->two.seq);
    assert_int_equal(result->start.crc, setting->two.crc);
    assert_int_equal(result->start.next_file, 3);
    assert_string_equal(result->start.kvid, LOG_WRITER_KVID);
    assert_int_equal(result->start.manifest.count, 2);
    assert_int_equal(result->batches, 3);
    assert_int_equal(result->commands, 5);
    assert_int_equal(result->torn_bytes, 0);
    assert_false(result->imported);
    assert_string_equal(setting->data.said.data, "");
}

static void a_last_file_without_a_batch_is_replaced(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_begin(&setting->two, &setting->one);
    save_logs(setting, 2);
    expect(setting, "SET a 1;");
    assert_int_equal(setting->data.result.start.manifest.count, 1);
    assert_int_equal(setting->data.result.start.batch, 1);
    assert_int_equal(setting->data.result.start.next_file, 3);
    assert_true(data_directory_has(&setting->data, "appendonly.aof.2.incr.aof"));
    /* Once the manifest no longer names it, the next recovery removes it. */
    save_logs(setting, 1);
    expect(setting, "SET a 1;");
    assert_false(data_directory_has(&setting->data, "appendonly.aof.2.incr.aof"));
    assert_int_equal(setting->data.result.start.next_file, 3);
}

/* A first start that was cut short after it made its file. */
static void files_that_hold_nothing_do_not_hinder_a_first_start(void **state)
{
    struct setting *setting = *state;
    struct slice header = buf_slice(&setting->one.file);
    data_directory_save(&setting->data, INCR_1, header);
    data_directory_save(&setting->data, "appendonly.aof.2.incr.aof", SLICE(""));
    data_directory_save(&setting->data, "appendonly.aof.3.incr.aof",
                        (struct slice){header.data, 50});
    data_directory_save(&setting->data, "appendonly.aof.4.incr.aof", SLICE("\0\0\0\0\0"));
    data_directory_save(&setting->data, "appendonly.aof.kv", SLICE(""));
    data_directory_save(&setting->data, "appendonly.aof.manifest.tmp", SLICE("file a"));
    expect(setting, "");
    assert_int_equal(setting->data.result.start.next_file, 5);
    assert_false(data_directory_has(&setting->data, INCR_1));
}

static void history_files_are_removed(void **state)
{
    struct setting *setting = *state;
    struct manifest manifest = {0};
    struct buf text = {0};
    log_writer_batch(&setting->one, "SET a 1");
    save_logs(setting, 1);
    data_directory_save(&setting->data, "appendonly.aof.9.incr.aof", SLICE("anything"));
    struct manifest_file *file = manifest_add(&manifest, MANIFEST_INCR, INCR_1, 1);
    memcpy(file->kvid, LOG_WRITER_KVID, 33);
    manifest_add(&manifest, MANIFEST_HISTORY, "appendonly.aof.9.incr.aof", 9);
    manifest_format(&manifest, &text);
    data_directory_save(&setting->data, MANIFEST, buf_slice(&text));
    expect(setting, "SET a 1;");
    assert_false(data_directory_has(&setting->data, "appendonly.aof.9.incr.aof"));
    assert_int_equal(setting->data.result.start.next_file, 10);
    assert_int_equal(setting->data.result.start.manifest.count, 1);
    manifest_free(&manifest);
    buf_free(&text);
}

/* Whatever else lies in the directory, a folder, say: it is left alone; without a manifest it might
 * be data. */
static void what_the_manifest_does_not_name_is_left_alone(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    save_logs(setting, 1);
    assert_int_equal(mkdir(data_directory_file(&setting->data, "appendonly.aof.old"), 0755), 0);
    data_directory_save(&setting->data, "appendonly.aof.7.incr.aof", buf_slice(&setting->one.file));
    expect(setting, "SET a 1;");
    assert_non_null(strstr(setting->data.said.data, "left as it is"));
    assert_int_equal(setting->data.result.start.next_file, 8);
    assert_true(data_directory_has(&setting->data, "appendonly.aof.7.incr.aof"));
    unlink(data_directory_file(&setting->data, MANIFEST));
    expect_refused(setting, KV_EREFUSED, "manifest is missing");
}

/* --- Torn tails ------------------------------------------------------------------------------- */

/* Cut at each byte of the last batch, a MULTI block in it: it is there whole or not at all, what
 * was cut is kept, and a second recovery finds nothing to do. */
static void every_cut_in_the_last_batch_is_a_torn_tail(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t good = setting->one.file.len;
    log_writer_command(&setting->one, "MULTI");
    log_writer_command(&setting->one, "SET b 2");
    log_writer_command(&setting->one, "SET c 3");
    log_writer_batch(&setting->one, "EXEC");
    size_t all = setting->one.file.len;
    for (size_t len = good + 1; len < all; len++) {
        char copy[512];
        setting->one.file.len = len;
        save_logs(setting, 1);
        expect(setting, "SET a 1;");
        assert_int_equal(setting->data.result.torn_bytes, len - good);
        assert_int_equal(size_of(setting, INCR_1), good);
        snprintf(copy, sizeof(copy), "%s", setting->data.result.torn_copy);
        assert_non_null(strstr(copy, "appendonlydir/" INCR_1 ".torn."));
        assert_int_equal(size_of(setting, strrchr(copy, '/') + 1), len - good);
        assert_non_null(strstr(setting->data.said.data, copy));
        expect(setting, "SET a 1;");
        assert_int_equal(setting->data.result.torn_bytes, 0);
        unlink(copy);
    }
}

/* The file system made the file longer, and the bytes never came. */
static void a_torn_tail_stops_the_start_where_that_was_asked_for(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t good = setting->one.file.len;
    log_writer_batch(&setting->one, "SET b 2");
    setting->data.refuses_torn = true;
    save_logs(setting, 1);
    expect(setting, "SET a 1;SET b 2;");
    size_t len = --setting->one.file.len;
    save_logs(setting, 1);
    expect_refused(setting, KV_EREFUSED, "kv-check-aof --fix ");
    assert_int_equal(setting->data.fault.offset, good);
    assert_int_equal(size_of(setting, INCR_1), len);
    setting->data.refuses_torn = false;
    expect(setting, "SET a 1;");
}

static void zero_bytes_at_the_end_are_a_torn_tail(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t good = setting->one.file.len;
    for (int i = 0; i < 5000; i++)
        buf_append_char(&setting->one.file, '\0');
    save_logs(setting, 1);
    expect(setting, "SET a 1;");
    assert_int_equal(setting->data.result.torn_bytes, 5000);
    assert_string_equal(setting->data.result.torn_copy, "");
    assert_int_equal(size_of(setting, INCR_1), good);
    /* and behind a part of a batch */
    setting->one.file.len = good;
    log_writer_batch(&setting->one, "SET b 2");
    memset(setting->one.file.data + good + 20, 0, setting->one.file.len - good - 20);
    save_logs(setting, 1);
    expect(setting, "SET a 1;");
    assert_true(setting->data.result.torn_copy[0] != '\0');
}

static void a_forged_trailer_in_a_torn_value_deceives_nobody(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_batch(&setting->one, "SET a 2");
    struct buf copy = {0};
    buf_append(&copy, setting->one.file.data, setting->one.file.len);
    struct slice argv[] = {SLICE("SET"), SLICE("b"), buf_slice(&copy)};
    log_writer_argv(&setting->one, 3, argv);
    save_logs(setting, 1);
    expect(setting, "SET a 1;SET a 2;");
    assert_true(setting->data.result.torn_bytes > 0);
    buf_free(&copy);
}

static void torn_bytes_behind_a_header_go_with_their_file(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_begin(&setting->two, &setting->one);
    log_writer_command(&setting->two, "SET b 2");
    save_logs(setting, 2);
    expect(setting, "SET a 1;");
    assert_true(setting->data.result.torn_bytes > 0);
    assert_int_equal(setting->data.result.start.manifest.count, 1);
    assert_int_equal(setting->data.result.start.next_file, 3);
}

/* --- Damage ----------------------------------------------------------------------------------- */

static void damage_before_an_acknowledged_batch_is_refused(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t at = setting->one.file.len;
    log_writer_batch(&setting->one, "SET b 2");
    log_writer_batch(&setting->one, "SET c 3");
    setting->one.file.data[at + 28] ^= 1;
    save_logs(setting, 1);
    expect_refused(setting, KV_ECORRUPT, "batch 2");
    assert_non_null(strstr(setting->data.fault.text, "kv-check-aof --salvage"));
    assert_non_null(strstr(setting->data.fault.text, "keys"));
    assert_non_null(strstr(setting->data.fault.path, INCR_1));
    assert_true(setting->data.fault.offset >= (int64_t)at);
    assert_int_equal(size_of(setting, INCR_1), setting->one.file.len);
}

static void the_last_batch_is_proven_by_kv_durable(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t good = setting->one.file.len;
    log_writer_batch(&setting->one, "SET b 2");
    save_logs(setting, 1);
    data_directory_durable(&setting->data, 2);
    expect(setting, "SET a 1;SET b 2;");
    setting->one.file.data[good + 10] ^= 1;
    save_logs(setting, 1);
    expect_refused(setting, KV_ECORRUPT, "kv.durable");
    setting->one.file.len = good + 5;
    save_logs(setting, 1);
    expect_refused(setting, KV_ECORRUPT, "kv.durable");
    setting->one.file.len = good;
    save_logs(setting, 1);
    expect_refused(setting, KV_ECORRUPT, "kv.durable");
    unlink(data_directory_file(&setting->data, "kv.durable"));
    expect(setting, "SET a 1;");
}

static void a_slot_of_other_data_proves_nothing(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    save_logs(setting, 1);
    struct durable other = {.batch = 100, .kvid = "ffffffffffffffffffffffffffffffff"};
    snprintf(other.file, sizeof(other.file), INCR_1);
    const char *path = data_directory_file(&setting->data, "kv.durable");
    assert_int_equal(durable_store(disk_real(), setting->data.log, path, &other, NULL), 0);
    expect(setting, "SET a 1;");
    assert_int_equal(setting->data.result.start.durable_turn, other.turn);
}

static void a_torn_file_with_a_successor_is_damage(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_batch(&setting->one, "SET b 2");
    log_writer_begin(&setting->two, &setting->one);
    log_writer_batch(&setting->two, "SET c 3");
    setting->one.file.len -= 4;
    save_logs(setting, 2);
    expect_refused(setting, KV_ECORRUPT, "batch 2");
}

/* After a failed sync the new file holds the kept batches again; the old one's end is dead. */
static void batches_that_the_successor_states_again_are_read_there(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_begin(&setting->two, &setting->one);
    log_writer_batch(&setting->two, "SET b 2");
    log_writer_batch(&setting->two, "SET c 3");
    log_writer_batch(&setting->one, "SET b 2");
    log_writer_command(&setting->one, "SET c");
    save_logs(setting, 2);
    expect(setting, "SET a 1;SET b 2;SET c 3;");
    assert_int_equal(setting->data.result.start.batch, 3);
}

/* Healing failed once more: the file between states nothing that counts. */
static void a_file_that_was_healed_away_at_once_counts_for_nothing(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_begin(&setting->two, &setting->one);
    log_writer_batch(&setting->two, "SET b 2");
    setting->two.file.data[setting->two.file.len - 20] ^= 1;
    log_writer_begin(&setting->three, &setting->one);
    log_writer_batch(&setting->three, "SET b 2");
    save_logs(setting, 3);
    expect(setting, "SET a 1;SET b 2;");
}

static void files_that_do_not_belong_together_are_refused(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    log_writer_batch(&setting->one, "SET b 2");
    struct log_writer twin;
    log_writer_begin(&twin, NULL);
    log_writer_batch(&twin, "SET a 1");
    log_writer_batch(&twin, "SET x 2");
    log_writer_begin(&setting->two, &twin);
    log_writer_batch(&setting->two, "SET y 3");
    save_logs(setting, 2);
    expect_refused(setting, KV_ECORRUPT, "does not belong");
    struct log_writer *only[] = {&setting->two};
    data_directory_manifest(&setting->data, only, 1);
    expect_refused(setting, KV_ECORRUPT, "begins in the middle");
    log_writer_free(&twin);
}

static void a_missing_file_and_a_missing_header_are_damage(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    save_logs(setting, 1);
    setting->one.file.data[3] ^= 1;
    log_writer_save(&setting->one, data_directory_file(&setting->data, INCR_1));
    expect_refused(setting, KV_ECORRUPT, "header");
    unlink(data_directory_file(&setting->data, INCR_1));
    expect_refused(setting, KV_ECORRUPT, "missing");
    data_directory_save(&setting->data, INCR_1, SLICE(""));
    expect_refused(setting, KV_ECORRUPT, "header");
}

static void data_without_a_manifest_is_refused(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    save_logs(setting, 1);
    unlink(data_directory_file(&setting->data, MANIFEST));
    expect_refused(setting, KV_EREFUSED, "manifest is missing");
    unlink(data_directory_file(&setting->data, INCR_1));
    data_directory_durable(&setting->data, 1);
    expect_refused(setting, KV_EREFUSED, "kv.durable");
}

static void a_refused_command_is_named_with_its_place(void **state)
{
    struct setting *setting = *state;
    log_writer_batch(&setting->one, "SET a 1");
    size_t at = setting->one.file.len;
    log_writer_batch(&setting->one, "LPUSH l 1");
    save_logs(setting, 1);
    setting->data.refuse = "lpush";
    expect_refused(setting, KV_EVERSION, "unknown command");
    assert_int_equal(setting->data.fault.offset, at);
    assert_non_null(strstr(setting->data.fault.path, INCR_1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(an_empty_directory_begins_empty),
        TEST(a_whole_log_is_applied_in_order),
        TEST(a_last_file_without_a_batch_is_replaced),
        TEST(files_that_hold_nothing_do_not_hinder_a_first_start),
        TEST(history_files_are_removed),
        TEST(what_the_manifest_does_not_name_is_left_alone),
        TEST(every_cut_in_the_last_batch_is_a_torn_tail),
        TEST(a_torn_tail_stops_the_start_where_that_was_asked_for),
        TEST(zero_bytes_at_the_end_are_a_torn_tail),
        TEST(a_forged_trailer_in_a_torn_value_deceives_nobody),
        TEST(torn_bytes_behind_a_header_go_with_their_file),
        TEST(damage_before_an_acknowledged_batch_is_refused),
        TEST(the_last_batch_is_proven_by_kv_durable),
        TEST(a_slot_of_other_data_proves_nothing),
        TEST(a_torn_file_with_a_successor_is_damage),
        TEST(batches_that_the_successor_states_again_are_read_there),
        TEST(a_file_that_was_healed_away_at_once_counts_for_nothing),
        TEST(files_that_do_not_belong_together_are_refused),
        TEST(a_missing_file_and_a_missing_header_are_damage),
        TEST(data_without_a_manifest_is_refused),
        TEST(a_refused_command_is_named_with_its_place),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
