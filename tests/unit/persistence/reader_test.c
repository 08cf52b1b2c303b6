/* The reader: batches as they are written, everything else where it goes wrong. */
#include "persistence/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "tests/support/log_writer.h"

struct setting {
    char path[64];
    struct log_writer writer;
    struct reader reader;
    struct buf seen; /* commands visited: words separated by spaces, ; behind each */
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    snprintf(setting->path, sizeof(setting->path), "/tmp/kv-reader-XXXXXX");
    int fd = mkstemp(setting->path);
    if (fd < 0)
        return -1;
    close(fd);
    log_writer_begin(&setting->writer, NULL);
    setting->reader.fd = -1;
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    reader_close(&setting->reader);
    log_writer_free(&setting->writer);
    buf_free(&setting->seen);
    unlink(setting->path);
    free(setting);
    return 0;
}

static struct reader *open_bytes(struct setting *setting, struct slice bytes)
{
    write_file(setting->path, bytes);
    reader_close(&setting->reader);
    assert_int_equal(reader_open(&setting->reader, disk_real(), setting->path, NULL), 0);
    return &setting->reader;
}

static struct reader *open_written(struct setting *setting)
{
    return open_bytes(setting, buf_slice(&setting->writer.file));
}

static int see(void *env, uint64_t offset unused, int argc, const struct slice *argv,
               struct fault *fault unused)
{
    struct setting *setting = env;
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            buf_append_char(&setting->seen, ' ');
        if (argv[i].len < 100)
            buf_append_slice(&setting->seen, argv[i]);
        else
            buf_printf(&setting->seen, "<%zu>", argv[i].len);
    }
    buf_append_char(&setting->seen, ';');
    return 0;
}

/* Read all batches and their commands; returns what ended that. */
static int read_all(struct setting *setting)
{
    struct reader_batch batch;
    int status;
    while ((status = reader_next(&setting->reader, &batch, NULL)) == READER_GOOD)
        assert_int_equal(
            reader_each(&setting->reader, batch.from, batch.to, UINT64_MAX, see, setting, NULL), 0);
    return status;
}

static void expect_seen(struct setting *setting, const char *text)
{
    buf_append_char(&setting->seen, '\0');
    assert_string_equal(setting->seen.data, text);
    buf_clear(&setting->seen);
}

static void batches_are_read_in_order(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    log_writer_line(writer, "#TS:1700000000\r\n");
    log_writer_command(writer, "SELECT 0");
    log_writer_batch(writer, "SET a 1");
    log_writer_command(writer, "MULTI");
    log_writer_command(writer, "SET b 2");
    log_writer_command(writer, "DEL a");
    log_writer_batch(writer, "EXEC");
    log_writer_seal(writer);
    struct reader *reader = open_written(setting);
    struct reader_batch batch;
    assert_true(reader->has_header);
    assert_int_equal(reader_next(reader, &batch, NULL), READER_GOOD);
    assert_int_equal(batch.commands, 2);
    assert_int_equal(batch.time, 1700000000);
    assert_int_equal(reader_next(reader, &batch, NULL), READER_GOOD);
    assert_int_equal(batch.commands, 2);
    assert_int_equal(batch.time, -1);
    assert_int_equal(reader_next(reader, &batch, NULL), READER_GOOD);
    assert_int_equal(reader_next(reader, &batch, NULL), READER_END);
    assert_int_equal(reader->batch, 3);
    assert_int_equal(reader->seq, writer->seq);
    assert_int_equal(reader->crc, writer->crc);
    open_written(setting);
    assert_int_equal(read_all(setting), READER_END);
    expect_seen(setting, "SELECT 0;SET a 1;SET b 2;DEL a;");
}

/* What a client stores is passed over by its length, whatever it looks like. */
static void a_trailer_within_a_value_is_not_seen(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    log_writer_batch(writer, "SET a 1");
    struct buf copy = {0};
    buf_append(&copy, writer->file.data, writer->file.len);
    struct slice argv[] = {SLICE("SET"), SLICE("b"), buf_slice(&copy)};
    log_writer_argv(writer, 3, argv);
    log_writer_seal(writer);
    log_writer_batch(writer, "SET c 3");
    open_written(setting);
    assert_int_equal(read_all(setting), READER_END);
    assert_int_equal(setting->reader.batch, 3);
    buf_free(&copy);
}

/* Arguments larger than the window, and so many that one command is. */
static void commands_larger_than_the_window_are_read(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct slice big = {mem_alloc_zero(9000000), 9000000};
    struct slice argv[] = {SLICE("SET"), SLICE("big"), big};
    log_writer_batch(writer, "SET a 1");
    log_writer_argv(writer, 3, argv);
    log_writer_seal(writer);
    struct slice *many = mem_alloc(200000 * sizeof(*many));
    for (int i = 0; i < 200000; i++)
        many[i] = SLICE("abcdefghij");
    log_writer_argv(writer, 200000, many);
    log_writer_seal(writer);
    log_writer_batch(writer, "SET z 1");
    open_written(setting);
    assert_int_equal(read_all(setting), READER_END);
    buf_append_char(&setting->seen, '\0');
    assert_memory_equal(setting->seen.data, "SET a 1;SET big <9000000>;abcdefghij abcdefghij", 40);
    assert_non_null(strstr(setting->seen.data, "abcdefghij;SET z 1;"));
    assert_true(setting->reader.window_cap < 32 << 20);
    mem_free((void *)big.data);
    mem_free(many);
}

/* Any flipped bit, anywhere, ends the walk at its batch or, in the header, before the first one. */
static void every_flipped_bit_is_found(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    uint64_t ends[4] = {0};
    struct reader_batch batch;
    for (int i = 0; i < 4; i++) {
        log_writer_line(writer, "#TS:1700000000\r\n");
        log_writer_command(writer, "SELECT 0");
        log_writer_batch(writer, "SET key value");
        ends[i] = writer->file.len;
    }
    for (size_t at = 0; at < writer->file.len; at++) {
        int bit = 1 << at % 8;
        writer->file.data[at] = (char)(writer->file.data[at] ^ bit);
        struct reader *reader = open_written(setting);
        int good = 0;
        while (reader->has_header && reader_next(reader, &batch, NULL) == READER_GOOD)
            good++;
        int expected = 0;
        while (ends[expected] <= at)
            expected++;
        assert_int_equal(good, expected);
        writer->file.data[at] = (char)(writer->file.data[at] ^ bit);
    }
}

static void every_cut_inside_a_batch_is_a_cut(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct reader_batch batch;
    log_writer_batch(writer, "SET a 1");
    size_t first = writer->file.len;
    log_writer_line(writer, "#TS:1700000000\r\n");
    log_writer_command(writer, "MULTI");
    log_writer_command(writer, "SET b 22222222222");
    log_writer_batch(writer, "EXEC");
    for (size_t len = first; len <= writer->file.len; len++) {
        struct reader *reader = open_bytes(setting, (struct slice){writer->file.data, len});
        assert_int_equal(reader_next(reader, &batch, NULL), READER_GOOD);
        int status = reader_next(reader, &batch, NULL);
        if (len == first) {
            assert_int_equal(status, READER_END);
        } else if (len == writer->file.len) {
            assert_int_equal(status, READER_GOOD);
        } else {
            assert_int_equal(status, READER_BAD);
            assert_int_equal(reader->why, READER_CUT);
        }
        assert_int_equal(reader->at, status == READER_GOOD ? writer->file.len : first);
    }
}

/* Filler behind the last batch: of `lines` lines, the first of them a part of one. */
static void add_filler(struct buf *file, int lines)
{
    size_t len = (size_t)lines * FORMAT_FILLER_LINE - file->len % FORMAT_FILLER_LINE;
    format_put_filler(buf_reserve(file, len), file->len, len);
    file->len += len;
}

/* Property: wherever in its 512 bytes a batch ends, filler behind it is not seen, and no byte of
 * the batch is taken for filler; the same if a crash has left zeros in the place of its sectors. */
static void filler_is_not_seen(void **state)
{
    struct setting *setting = *state;
    char words[1300] = "SET key ";
    bool ends[FORMAT_FILLER_LINE] = {false};
    for (size_t len = 1; len <= 1200; len++) {
        struct log_writer *writer = &setting->writer;
        struct reader_batch batch;
        log_writer_free(writer);
        log_writer_begin(writer, NULL);
        memset(words + 8, '.', len);
        log_writer_batch(writer, words);
        size_t end = writer->file.len;
        ends[end % FORMAT_FILLER_LINE] = true;
        assert_int_equal(open_written(setting)->size, end);
        add_filler(&writer->file, 3);
        assert_int_equal(open_written(setting)->size, end);
        assert_int_equal(reader_next(&setting->reader, &batch, NULL), READER_GOOD);
        assert_int_equal(reader_next(&setting->reader, &batch, NULL), READER_END);
        size_t sector = end + FORMAT_FILLER_LINE - end % FORMAT_FILLER_LINE;
        memset(writer->file.data + end, 0, sector - end);
        assert_int_equal(open_written(setting)->size, end);
        memset(buf_reserve(&writer->file, 1000), 0, 1000);
        writer->file.len += 1000;
        assert_int_equal(open_written(setting)->size, end);
        memset(writer->file.data + end, 0, writer->file.len - end);
        assert_int_equal(open_written(setting)->size, writer->file.len);
    }
    for (int at = 0; at < FORMAT_FILLER_LINE; at++)
        assert_true(ends[at]);
}

/* Zero bytes alone, and a batch that is cut among dots, are torn as ever. */
static void a_torn_batch_is_no_filler(void **state)
{
    struct setting *setting = *state;
    struct reader_batch batch;
    log_writer_batch(&setting->writer, "SET key value");
    size_t first = setting->writer.file.len;
    log_writer_batch(&setting->writer, "SET key ..........................................");
    for (size_t cut = first + 1; cut < setting->writer.file.len; cut++) {
        struct slice bytes = {setting->writer.file.data, cut};
        open_bytes(setting, bytes);
        assert_int_equal(reader_next(&setting->reader, &batch, NULL), READER_GOOD);
        assert_int_equal(batch.to, first);
        assert_int_equal(reader_next(&setting->reader, &batch, NULL), READER_BAD);
    }
}

static void raw_commands_are_read_one_by_one_and_multi_whole(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct reader_batch batch;
    uint64_t start = writer->file.len, ends[4];
    log_writer_command(writer, "SELECT 0");
    ends[0] = writer->file.len;
    log_writer_line(writer, "#TS:1700000000\r\n");
    ends[1] = writer->file.len;
    log_writer_command(writer, "multi");
    log_writer_command(writer, "SET b 2");
    log_writer_command(writer, "SET c 3");
    log_writer_command(writer, "exec");
    ends[2] = writer->file.len;
    log_writer_command(writer, "SET d 4");
    ends[3] = writer->file.len;
    for (uint64_t len = start; len <= writer->file.len; len++) {
        struct reader *reader = open_bytes(setting, (struct slice){writer->file.data, len});
        uint64_t good = start;
        int status;
        while ((status = reader_next_raw(reader, reader->size, &batch, NULL)) == READER_GOOD)
            good = batch.to;
        uint64_t expected = start;
        for (int i = 0; i < 4; i++)
            expected = ends[i] <= len ? ends[i] : expected;
        assert_int_equal(good, expected);
        assert_int_equal(status, good == len ? READER_END : READER_BAD);
        if (status == READER_BAD)
            assert_int_equal(reader->why, READER_CUT);
    }
}

static void what_is_no_command_is_told_apart(void **state)
{
    static const struct {
        struct slice bytes;
        enum reader_why why;
    } bad[] = {
        {SLICE("SET a 1\r\n"), READER_GRAMMAR},
        {SLICE("*x\r\n"), READER_GRAMMAR},
        {SLICE("*0\r\n"), READER_GRAMMAR},
        {SLICE("*-1\r\n"), READER_GRAMMAR},
        {SLICE("*01\r\n$4\r\nPING\r\n"), READER_GRAMMAR},
        {SLICE("*1\n$4\nPING\n"), READER_GRAMMAR},
        {SLICE("*1\r\n:4\r\n"), READER_GRAMMAR},
        {SLICE("*1\r\n$4\r\nPINGxx*1\r\n"), READER_GRAMMAR},
        {SLICE("*1\r\n$9999999999999999999\r\nPING"), READER_CUT},
        {SLICE("*99999999999999999999\r\n$1\r\na\r\n"), READER_GRAMMAR},
        {SLICE("*2147483648\r\n$1\r\na\r\n"), READER_GRAMMAR},
        {SLICE("*1\r\n$5\r\nPING\r\n"), READER_CUT},
        {SLICE("\0\0\0\0"), READER_ZEROS},
        {SLICE("*1\r\n$4\r\nEXEC\r\n"), READER_GRAMMAR},
        {SLICE("*1\r\n$5\r\nMULTI\r\n*1\r\n$5\r\nMULTI\r\n"), READER_GRAMMAR},
        {SLICE("*1\r\n$5\r\nMULTI\r\n"), READER_CUT},
        {SLICE("#no end of line"), READER_CUT},
    };
    struct setting *setting = *state;
    struct reader_batch batch;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct reader *reader = open_bytes(setting, bad[i].bytes);
        assert_false(reader->has_header);
        assert_int_equal(reader_next_raw(reader, reader->size, &batch, NULL), READER_BAD);
        assert_int_equal(reader->why, bad[i].why);
        assert_int_equal(reader->at, 0);
    }
}

static void a_line_longer_than_stock_servers_skip_is_bad(void **state)
{
    struct setting *setting = *state;
    struct reader_batch batch;
    struct buf line = {0};
    for (int len = 1022; len <= 1025; len++) {
        buf_clear(&line);
        while (line.len + 1 < (size_t)len)
            buf_append_char(&line, '#');
        buf_append_char(&line, '\n');
        struct reader *reader = open_bytes(setting, buf_slice(&line));
        assert_int_equal(reader_next_raw(reader, reader->size, &batch, NULL),
                         len <= 1024 ? READER_GOOD : READER_BAD);
    }
    buf_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(batches_are_read_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trailer_within_a_value_is_not_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commands_larger_than_the_window_are_read, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_cut_inside_a_batch_is_a_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filler_is_not_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_batch_is_no_filler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(raw_commands_are_read_one_by_one_and_multi_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_command_is_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_longer_than_stock_servers_skip_is_bad, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
