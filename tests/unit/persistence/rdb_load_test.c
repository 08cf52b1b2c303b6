/* Snapshots made by hand: every record, every cut, every flipped bit. */
#include "persistence/rdb_load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/type/entry.h"
#include "persistence/file.h"
#include "tests/support/log_writer.h"
#include "tests/support/rdb_writer.h"
#include "tests/support/test.h"

struct setting {
    char path[64];
    struct buf file, seen;
    struct rdb_load load;
    struct rdb_found found;
    struct fault fault;
    int refuse_at; /* the put that fails, from 1 */
    int puts, progress;
};

/* Each entry comes with what this says of its key, whichever thread has asked. */
static uint64_t hash_key(void *env unused, struct slice key)
{
    return hash_bytes(key, 1);
}

static int put(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    struct setting *setting = env;
    struct slice key = entry_key(entry);
    char digits[24];
    bool is_string = entry_type(entry) == TYPE_STRING;
    struct slice text = is_string ? entry_string(entry, digits) : SLICE("(another type)");
    assert_int_equal(hash, hash_bytes(key, 1));
    buf_printf(&setting->seen, "%d:%.*s=%.*s", db, (int)key.len, key.data,
               text.len > 20 ? 20 : (int)text.len, text.data);
    if (entry_deadline(entry) != ENTRY_NO_DEADLINE)
        buf_printf(&setting->seen, "@%lld", (long long)entry_deadline(entry));
    if (entry_access(entry) != 0)
        buf_printf(&setting->seen, "~%u", entry_access(entry));
    buf_append_char(&setting->seen, ' ');
    entry_free(entry);
    if (++setting->puts == setting->refuse_at)
        return fault_set(fault, KV_EREFUSED, "", -1, "no");
    return 0;
}

static void presize(void *env, int db, uint64_t keys)
{
    struct setting *setting = env;
    buf_printf(&setting->seen, "[%d:%llu] ", db, (unsigned long long)keys);
}

static void count_progress(void *env, uint64_t offset unused, uint64_t keys unused)
{
    struct setting *setting = env;
    setting->progress++;
}

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    snprintf(setting->path, sizeof(setting->path), "/tmp/kv-rdb-XXXXXX");
    close(mkstemp(setting->path));
    setting->load = (struct rdb_load){.disk = disk_real(),
                                      .path = setting->path,
                                      .env = setting,
                                      .put = put, .hash = hash_key,
                                      .presize = presize,
                                      .progress = count_progress};
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    unlink(setting->path);
    buf_free(&setting->file);
    buf_free(&setting->seen);
    free(setting);
    return 0;
}

static int load(struct setting *setting, struct slice bytes)
{
    buf_clear(&setting->seen);
    setting->puts = setting->progress = 0;
    setting->fault = (struct fault){.offset = -1};
    write_file(setting->path, bytes);
    int status = rdb_load(&setting->load, &setting->found, &setting->fault);
    buf_append_char(&setting->seen, '\0');
    return status;
}

static void bytes(struct setting *setting, struct slice more)
{
    buf_append_slice(&setting->file, more);
}

#define BYTES(text) bytes(setting, SLICE(text))

static void expect(struct setting *setting, const char *seen)
{
    int status = load(setting, buf_slice(&setting->file));
    if (status != 0)
        print_message("offset %lld: %s\n", (long long)setting->fault.offset, setting->fault.text);
    assert_int_equal(status, 0);
    assert_string_equal(setting->seen.data, seen);
    assert_int_equal(setting->found.end, setting->file.len);
}

static void expect_refused(struct setting *setting, int code, const char *text)
{
    assert_int_equal(load(setting, buf_slice(&setting->file)), code);
    assert_int_equal(setting->fault.code, code);
    assert_string_equal(setting->fault.path, setting->path);
    if (!strstr(setting->fault.text, text))
        print_message("%s\n", setting->fault.text);
    assert_non_null(strstr(setting->fault.text, text));
}

/* All records that are read. */
static void put_everything(struct setting *setting)
{
    rdb_writer_begin(&setting->file, "REDIS0010");
    BYTES("\xfa\x09redis-ver\x06" "7.0.15");
    BYTES("\xfa\x07unknown\xc0\x2a");
    rdb_writer_select(&setting->file, 0);
    BYTES("\xfb\x03\x02");
    rdb_writer_string(&setting->file, SLICE("a"), SLICE("1"));
    BYTES("\xfc\x01\x02\x00\x00\x00\x00\x00\x00");
    rdb_writer_string(&setting->file, SLICE("b"), SLICE("text"));
    BYTES("\xfd\x02\x00\x00\x00\xf9\x05");
    rdb_writer_string(&setting->file, SLICE("c"), SLICE("x"));
    rdb_writer_select(&setting->file, 9);
    BYTES("\xf4\x01\x40\x80\x05\xf8\x40\x80");
    rdb_writer_string(&setting->file, SLICE(""), SLICE(""));
    BYTES("\x00\xc0\x07\xc3\x05\x0a\x00z\xe0\x00\x00"); /* key 7, ten times z */
    rdb_writer_end(&setting->file);
}

static void every_record_is_read(void **state)
{
    struct setting *setting = *state;
    put_everything(setting);
    expect(setting, "[0:3] 0:a=1 0:b=text@513 0:c=x@2000~6 9:=~640 9:7=zzzzzzzzzz ");
    assert_int_equal(setting->found.keys, 5);
    assert_int_equal(setting->found.expiring, 2);
    assert_int_equal(setting->found.version, 10);
    assert_false(setting->found.valkey);
    assert_true(setting->found.checked);
    assert_string_equal(setting->found.server, "7.0.15");
    /* only checked */
    setting->load.put = NULL;
    setting->load.presize = NULL;
    expect(setting, "");
    assert_int_equal(setting->found.keys, 5);
}

static void what_stands_behind_the_end_is_not_looked_at(void **state)
{
    struct setting *setting = *state;
    put_everything(setting);
    size_t end = setting->file.len;
    BYTES("*1\r\n$4\r\nPING\r\n");
    assert_int_equal(load(setting, buf_slice(&setting->file)), 0);
    assert_int_equal(setting->found.end, end);
}

static void versions_are_read_as_far_as_all_in_them_is_known(void **state)
{
    static const char *const good[] = {"REDIS0001", "REDIS0003", "REDIS0012", "REDIS0099",
                                       "VALKEY080", "VALKEY081"};
    static const char *const bad[] = {"REDIS0000", "REDISxxxx", "REDIS 010", "VALKEYxxx",
                                      "KEYDB0010"};
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        buf_clear(&setting->file);
        rdb_writer_begin(&setting->file, good[i]);
        rdb_writer_string(&setting->file, SLICE("a"), SLICE("1"));
        if (i < 2)
            BYTES("\xff"); /* no checksum before version 5 */
        else
            rdb_writer_end(&setting->file);
        expect(setting, "0:a=1 ");
        assert_int_equal(setting->found.valkey, good[i][0] == 'V');
        assert_int_equal(setting->found.version, atoi(good[i] + (good[i][0] == 'V' ? 6 : 5)));
        assert_int_equal(setting->found.checked, i >= 2);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        buf_clear(&setting->file);
        rdb_writer_begin(&setting->file, bad[i]);
        rdb_writer_end(&setting->file);
        expect_refused(setting, KV_ECORRUPT, "does not begin as a snapshot");
    }
}

static void what_is_not_known_here_is_named(void **state)
{
    static const struct {
        struct slice record;
        const char *text;
    } unknown[] = {
        {SLICE("\xf5\x01x"), "FUNCTION FLUSH"},
        {SLICE("\xf6\x01x"), "FUNCTION FLUSH"},
        {SLICE("\xf7\x01x"), "module"},
        {SLICE("\x07\x01k\x00"), "key 'k' of database 0"},
        {SLICE("\x07\x01k\x00"), "module"},
        {SLICE("\x63\x01k\x00"), "type 99"},
        {SLICE("\xf3\x01k\x00"), "kind 243"},
        {SLICE("\xf0\x01k\x00"), "kind 240"},
    };
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
        buf_clear(&setting->file);
        rdb_writer_begin(&setting->file, "REDIS0010");
        buf_append_slice(&setting->file, unknown[i].record);
        rdb_writer_end(&setting->file);
        expect_refused(setting, KV_EVERSION, unknown[i].text);
        assert_true(setting->fault.offset >= 10);
        assert_true(setting->fault.offset <= 12);
    }
}

static void every_cut_is_found(void **state)
{
    struct setting *setting = *state;
    put_everything(setting);
    for (size_t len = 0; len < setting->file.len; len++) {
        assert_int_equal(load(setting, (struct slice){setting->file.data, len}), KV_ECORRUPT);
        assert_true(setting->fault.offset >= 0);
        assert_true((size_t)setting->fault.offset <= len);
    }
}

static void every_flipped_bit_is_found(void **state)
{
    struct setting *setting = *state;
    put_everything(setting);
    for (size_t bit = 0; bit < setting->file.len * 8; bit++) {
        setting->file.data[bit / 8] ^= (char)(1 << bit % 8);
        int status = load(setting, buf_slice(&setting->file));
        if (status != KV_ECORRUPT && status != KV_EVERSION)
            fail_msg("bit %zu: %d", bit, status);
        setting->file.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    /* a checksum of zero says that nobody counted */
    memset(setting->file.data + setting->file.len - 8, 0, 8);
    setting->file.data[setting->file.len - 10] ^= 1;
    assert_int_equal(load(setting, buf_slice(&setting->file)), KV_ECORRUPT);
    setting->file.data[setting->file.len - 10] ^= 1;
    assert_int_equal(load(setting, buf_slice(&setting->file)), 0);
    assert_false(setting->found.checked);
}

/* Lengths are believed when the bytes are there. */
static void a_length_that_lies_makes_nothing_large(void **state)
{
    static const struct slice lies[] = {
        SLICE("\x00\x01k\x80\xff\xff\xff\x00"),
        SLICE("\x00\x81\x00\x00\x00\x0f\xff\xff\xff\xff"),
        SLICE("\xfe\x81\x00\x00\x00\x0f\xff\xff\xff\xff"),
        SLICE("\x00\x01k\xc3\x01\x80\xff\xff\xff\xff\x00"),
        SLICE("\xfa\x01k\x80\x7f\xff\xff\xff"),
        SLICE("\x01\x01k\x80\x7f\xff\xff\xff"),
        SLICE("\xfb\x81\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
    };
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        buf_clear(&setting->file);
        rdb_writer_begin(&setting->file, "REDIS0010");
        buf_append_slice(&setting->file, lies[i]);
        int status = load(setting, buf_slice(&setting->file));
        assert_true(status == KV_ECORRUPT || status == KV_EVERSION);
        if (lies[i].data[0] == '\xfb')
            assert_string_equal(setting->seen.data, "[0:0] ");
    }
}

/* Strings larger than the window, and many of them: the sum goes over all. */
static void a_large_file_is_read_in_a_small_window(void **state)
{
    struct setting *setting = *state;
    static const size_t sizes[] = {10, 262144, 700000, 3, 262130, 100, 1000000, 5};
    rdb_writer_begin(&setting->file, "REDIS0010");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char head[] = {0, 1, (char)('a' + i), (char)0x80, (char)(sizes[i] >> 24),
                       (char)(sizes[i] >> 16), (char)(sizes[i] >> 8), (char)sizes[i]};
        buf_append(&setting->file, head, sizeof(head));
        for (size_t j = 0; j < sizes[i]; j++)
            buf_append_char(&setting->file, (char)('A' + (j * 7 + i) % 26));
    }
    rdb_writer_end(&setting->file);
    assert_int_equal(load(setting, buf_slice(&setting->file)), 0);
    assert_int_equal(setting->found.keys, 8);
    assert_true(setting->found.checked);
    assert_true(setting->progress >= 3);
    setting->file.data[500000] ^= 1;
    expect_refused(setting, KV_ECORRUPT, "checksum");
    assert_int_equal(setting->fault.offset, setting->file.len);
}

static void who_takes_entries_may_end_it(void **state)
{
    struct setting *setting = *state;
    put_everything(setting);
    setting->refuse_at = 2;
    expect_refused(setting, KV_EREFUSED, "no");
    assert_int_equal(setting->puts, 2);
    assert_true(setting->fault.offset > 0);
    setting->load.path = "/tmp/kv-no-such-file/x";
    assert_int_equal(rdb_load(&setting->load, &setting->found, &setting->fault), KV_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(every_record_is_read),
        TEST(what_stands_behind_the_end_is_not_looked_at),
        TEST(versions_are_read_as_far_as_all_in_them_is_known),
        TEST(what_is_not_known_here_is_named),
        TEST(every_cut_is_found),
        TEST(every_flipped_bit_is_found),
        TEST(a_length_that_lies_makes_nothing_large),
        TEST(a_large_file_is_read_in_a_small_window),
        TEST(who_takes_entries_may_end_it),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
