/* The verdict's search: real batches behind a bad one are found, whatever was damaged; nothing that
 * a client could have written is taken for one. */
#include "persistence/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "persistence/file.h"
#include "persistence/reader.h"
#include "tests/support/log_writer.h"

struct setting {
    char path[64];
    struct log_writer writer;
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    snprintf(setting->path, sizeof(setting->path), "/tmp/kv-verdict-XXXXXX");
    int fd = mkstemp(setting->path);
    if (fd < 0)
        return -1;
    close(fd);
    log_writer_begin(&setting->writer, NULL);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    log_writer_free(&setting->writer);
    unlink(setting->path);
    free(setting);
    return 0;
}

/* Save, walk to the first bad batch, search. */
static int search(struct setting *setting, struct evidence *evidence, uint64_t *good)
{
    struct reader reader;
    struct reader_batch batch;
    log_writer_save(&setting->writer, setting->path);
    assert_int_equal(reader_open(&reader, disk_real(), setting->path, NULL), 0);
    assert_true(reader.has_header);
    while (reader_next(&reader, &batch, NULL) == READER_GOOD)
        ;
    int found = verdict_search(&reader, reader.at, (int64_t)reader.batch, evidence, NULL);
    *good = reader.batch;
    reader_close(&reader);
    return found;
}

/* Three batches, each naming the one before as durable. Any flipped bit of the second is proven
 * damage by the third: it names the second as durable, and its crc holds. */
static void damage_of_an_acknowledged_batch_is_proven(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    uint64_t good;
    log_writer_batch(writer, "SET a 1");
    size_t from = writer->file.len;
    log_writer_line(writer, "#TS:1700000000\r\n");
    log_writer_batch(writer, "SET b 2");
    size_t to = writer->file.len;
    log_writer_batch(writer, "SET c 3");
    for (size_t at = from; at < to; at++) {
        for (int bit = 0; bit < 8; bit++) {
            writer->file.data[at] = (char)(writer->file.data[at] ^ (1 << bit));
            assert_int_equal(search(setting, &evidence, &good), 1);
            assert_int_equal(good, 1);
            assert_int_equal(evidence.batch, 3);
            assert_int_equal(evidence.durable_batch, 2);
            assert_int_equal(evidence.from, to);
            writer->file.data[at] = (char)(writer->file.data[at] ^ (1 << bit));
        }
    }
}

/* Zero all of the second batch, its trailer too: the batch behind the third proves it. */
static void a_batch_that_is_gone_is_proven_by_the_second_behind_it(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    uint64_t good;
    log_writer_batch(writer, "SET a 1");
    size_t from = writer->file.len;
    log_writer_batch(writer, "SET b 2");
    size_t to = writer->file.len;
    log_writer_batch(writer, "SET c 3");
    log_writer_batch(writer, "SET d 4");
    memset(writer->file.data + from, 0, to - from);
    assert_int_equal(search(setting, &evidence, &good), 1);
    assert_int_equal(good, 1);
    assert_int_equal(evidence.batch, 4);
}

/* The first batch, whose crc covers the header: its neighbour proves it too. */
static void damage_of_the_first_batch_is_proven(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    uint64_t good;
    size_t from = writer->file.len;
    log_writer_batch(writer, "SET a 1");
    size_t to = writer->file.len;
    log_writer_batch(writer, "SET b 2");
    for (size_t at = from; at < to; at++) {
        writer->file.data[at] ^= 1;
        assert_int_equal(search(setting, &evidence, &good), 1);
        assert_int_equal(good, 0);
        assert_int_equal(evidence.batch, 2);
        writer->file.data[at] ^= 1;
    }
}

/* Batches written together before any sync say nothing about one another. */
static void batches_behind_that_name_nothing_durable_prove_nothing(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    uint64_t good;
    log_writer_batch(writer, "SET a 1");
    size_t from = writer->file.len;
    for (int i = 0; i < 500; i++) {
        writer->durable = 1;
        log_writer_batch(writer, "SET b 2");
    }
    writer->file.data[from] ^= 1;
    assert_int_equal(search(setting, &evidence, &good), 0);
    /* ... but the first that does is found among them all. */
    writer->durable = 300;
    log_writer_batch(writer, "SET c 3");
    assert_int_equal(search(setting, &evidence, &good), 1);
    assert_int_equal(evidence.durable_batch, 300);
}

/* Put into a value: a line that reads as a trailer, stands where it says, and covers bytes back to
 * another such line, with a crc made without the salt. `count` of them. */
static void forge(struct buf *value, uint64_t value_at, int count)
{
    struct format_trailer trailer = {.batch = 100, .seq = 1, .durable_batch = 99};
    for (int i = 0; i < count; i++) {
        trailer.offset = value_at + value->len;
        trailer.len = i ? value->len : 0;
        uint32_t crc = crc32_bytes(format_seed(trailer.crc, 0), value->data, value->len);
        char *to = buf_reserve(value, FORMAT_TRAILER_MAX);
        value->len += format_put_trailer(to, &trailer, crc);
    }
}

static void forged_and_copied_trailers_prove_nothing(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    struct buf value = {0};
    uint64_t good;
    log_writer_batch(writer, "SET a 1");
    log_writer_batch(writer, "SET a 2");
    buf_append(&value, writer->file.data, writer->file.len);
    struct slice argv[] = {SLICE("SET"), SLICE("x"), {0}};
    uint64_t at = writer->file.len + sizeof("*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$00000\r\n") - 1;
    buf_clear(&value);
    buf_append(&value, writer->file.data, writer->file.len);
    forge(&value, at, 400);
    assert_true(value.len > 9999);
    assert_true(value.len < 100000);
    argv[2] = buf_slice(&value);
    log_writer_argv(writer, 3, argv);
    /* no trailer: the crash came before */
    assert_int_equal(search(setting, &evidence, &good), 0);
    assert_int_equal(good, 2);
    buf_free(&value);
}

/* A hundred thousand forged lines whose lengths overlap: one pass serves them all. */
static void many_forged_trailers_cost_one_pass(void **state)
{
    struct setting *setting = *state;
    struct log_writer *writer = &setting->writer;
    struct evidence evidence;
    uint64_t good;
    log_writer_batch(writer, "SET a 1");
    struct format_trailer trailer = {.batch = 100, .seq = 1, .durable_batch = 99};
    for (int i = 0; i < 100000; i++) {
        trailer.offset = writer->file.len;
        trailer.len = writer->file.len - writer->batch_at - (i < 10 ? 0 : 60 + (unsigned)i % 7);
        char *to = buf_reserve(&writer->file, FORMAT_TRAILER_MAX);
        writer->file.len += format_put_trailer(to, &trailer, 0);
    }
    assert_int_equal(search(setting, &evidence, &good), 0);
    assert_int_equal(good, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damage_of_an_acknowledged_batch_is_proven, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_batch_that_is_gone_is_proven_by_the_second_behind_it,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_of_the_first_batch_is_proven, set_up, tear_down),
        cmocka_unit_test_setup_teardown(batches_behind_that_name_nothing_durable_prove_nothing,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(forged_and_copied_trailers_prove_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_forged_trailers_cost_one_pass, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
