/* Reading ahead: logs large enough for the thread are applied in order and once, and whatever ends
 * the walk, here or there, ends both. */
#include "persistence/ahead.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/support/data_directory.h"
#include "tests/support/rdb_writer.h"
#include "tests/support/test.h"

#define BATCHES 4000
#define VALUE_BYTES 3000 /* 12 MB a file: more than the thread may be ahead */

#define OF_THE_BASE "PUT 0 key value;"

struct setting {
    struct data_directory data;
    struct log_writer files[3];
    struct buf base;
};

static void put_batch(struct log_writer *writer, int number)
{
    char key[16];
    static char value[VALUE_BYTES];
    memset(value, 'a' + number % 26, sizeof(value));
    int len = snprintf(key, sizeof(key), "%d", number);
    struct slice argv[] = {SLICE("SET"), {key, (size_t)len}, {value, sizeof(value)}};
    log_writer_argv(writer, 3, argv);
    log_writer_seal(writer);
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    data_directory_make(&setting->data);
    for (int i = 0; i < 3; i++) {
        log_writer_begin(&setting->files[i], i > 0 ? &setting->files[i - 1] : NULL);
        for (int j = 0; i != 1 && j < BATCHES; j++)
            put_batch(&setting->files[i], i / 2 * BATCHES + j);
    }
    *state = setting;
    return 0;
}

/* The same behind a snapshot. */
static int set_up_base(void **state)
{
    set_up(state);
    struct setting *setting = *state;
    rdb_writer_begin(&setting->base, "REDIS0010");
    rdb_writer_select(&setting->base, 0);
    rdb_writer_string(&setting->base, SLICE("key"), SLICE("value"));
    rdb_writer_end(&setting->base);
    setting->data.base = buf_slice(&setting->base);
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    data_directory_remove(&setting->data);
    for (int i = 0; i < 3; i++)
        log_writer_free(&setting->files[i]);
    buf_free(&setting->base);
    free(setting);
    return 0;
}

static int recover(struct setting *setting)
{
    struct log_writer *files[] = {&setting->files[0], &setting->files[1], &setting->files[2]};
    data_directory_manifest(&setting->data, files, 3);
    return data_directory_recover(&setting->data);
}

/* How many commands were applied, behind the base if there is one; they must be 0, 1, 2 ... */
static int applied(struct setting *setting)
{
    const char *at = setting->data.applied.data;
    int count = 0;
    if (setting->base.len > 0) {
        assert_memory_equal(at, OF_THE_BASE, strlen(OF_THE_BASE));
        at += strlen(OF_THE_BASE);
    }
    for (; *at; count++) {
        char *end;
        assert_memory_equal(at, "SET ", 4);
        assert_int_equal(strtol(at + 4, &end, 10), count);
        at = end + 1 + VALUE_BYTES + 1;
        assert_int_equal(at[-2], 'a' + count % 26);
        assert_int_equal(at[-1], ';');
    }
    return count;
}

static void a_large_log_is_applied_in_order(void **state)
{
    struct setting *setting = *state;
    assert_int_equal(recover(setting), 0);
    assert_int_equal(applied(setting), 2 * BATCHES);
    assert_int_equal(setting->data.result.batches, 2 * BATCHES);
    assert_int_equal(setting->data.result.start.seq, setting->files[2].seq);
}

static void a_torn_tail_of_a_large_log_is_cut(void **state)
{
    struct setting *setting = *state;
    setting->files[2].file.len -= 100;
    assert_int_equal(recover(setting), 0);
    assert_int_equal(applied(setting), 2 * BATCHES - 1);
    assert_true(setting->data.result.torn_bytes > 0);
}

static void damage_in_a_large_log_is_refused(void **state)
{
    struct setting *setting = *state;
    for (int i = 0; i < 3; i += 2) {
        size_t at = setting->files[i].file.len / 2;
        setting->files[i].file.data[at] ^= 1;
        assert_int_equal(recover(setting), KV_ECORRUPT);
        assert_true(applied(setting) <= (i > 0 ? 2 : 1) * BATCHES);
        assert_non_null(strstr(setting->data.fault.text, "kv-check-aof"));
        setting->files[i].file.data[at] ^= 1;
    }
    assert_int_equal(recover(setting), 0);
}

/* The first command and one in the middle, while the thread is far ahead or waits. */
static void a_refused_command_ends_both(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->files[2];
    log_writer_batch(writer, "LPUSH a b");
    for (int i = 0; i < BATCHES; i++)
        put_batch(writer, 2 * BATCHES + i);
    setting->data.refuse = "lpush";
    assert_int_equal(recover(setting), KV_EVERSION);
    assert_int_equal(applied(setting), 2 * BATCHES);
    assert_true(setting->data.fault.offset > 0);
    setting->data.refuse = "set";
    assert_int_equal(recover(setting), KV_EVERSION);
    assert_int_equal(applied(setting), 0);
}

#define TEST(test) \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down), \
    cmocka_unit_test_setup_teardown(test, set_up_base, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_large_log_is_applied_in_order),
        TEST(a_torn_tail_of_a_large_log_is_cut),
        TEST(damage_in_a_large_log_is_refused),
        TEST(a_refused_command_ends_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
