/* Snapshots written to a disk in memory: what is in them, and when. */
#include "persistence/snapshot_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/type/entry.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/snapshot_file.h"
#include "persistence/snapshot_format.h"
#include "tests/support/faulty_disk.h"
#include "tests/support/snapshot_maker.h"
#include "tests/support/test.h"

struct setting {
    struct faulty_disk *disk;
    struct buf file;
    struct snapshot_result result;
    int keys;
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
    free(setting);
    return 0;
}

static void write_snapshot(struct setting *setting, enum snapshot_form form, const char *path)
{
    const struct disk *disk = faulty_disk_port(setting->disk);
    enum snapshot_state state = snapshot_maker_write(disk, form, path, 1, &setting->result);
    if (state != SNAPSHOT_DONE)
        print_message("%s\n", setting->result.problem);
    assert_int_equal(state, SNAPSHOT_DONE);
    buf_clear(&setting->file);
    assert_true(faulty_disk_get(setting->disk, path, &setting->file));
    assert_int_equal(setting->result.keys, SNAPSHOT_MAKER_KEYS);
    assert_int_equal(setting->result.file_bytes, setting->file.len);
}

static int put(void *env, int db unused, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    struct setting *setting = env;
    setting->keys++;
    entry_free(entry);
    return 0;
}

/* The stream of an RDB loads, and has the version that its frames asked for. */
static void expect_rdb(struct setting *setting, struct slice rdb)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct rdb_load load = {
        .disk = faulty_disk_port(disk), .path = "rdb", .env = setting, .put = put};
    struct rdb_found found;
    struct fault fault;
    faulty_disk_put(disk, "rdb", rdb);
    setting->keys = 0;
    int status = rdb_load(&load, &found, &fault);
    if (status < 0)
        print_message("%lld: %s\n", (long long)fault.offset, fault.text);
    assert_int_equal(status, 0);
    assert_int_equal(setting->keys, SNAPSHOT_MAKER_KEYS);
    assert_int_equal(found.keys, SNAPSHOT_MAKER_KEYS);
    assert_int_equal(found.version, 11);
    assert_true(found.checked);
    assert_int_equal(found.end, rdb.len);
    assert_int_equal(setting->result.raw_bytes, rdb.len);
    faulty_disk_free(disk);
}

static void a_plain_snapshot_is_a_stock_rdb(void **state)
{
    struct setting *setting = *state;
    write_snapshot(setting, SNAPSHOT_RDB, "data/dump.rdb");
    expect_rdb(setting, buf_slice(&setting->file));
    assert_false(faulty_disk_get(setting->disk, "data/dump.rdb.kvi", &setting->file));
}

/* Every part lies where the index says, with the sums that it says. */
static void expect_parts(const struct snapshot_index *index, struct slice file, struct slice rdb)
{
    uint64_t keys = 0;
    assert_string_equal(index->kvid, SNAPSHOT_MAKER_KVID);
    assert_int_equal(index->seq, 4711);
    assert_int_equal(index->raw_bytes, rdb.len);
    for (size_t i = 0; i < index->count; i++) {
        const struct snapshot_part *part = &index->parts[i];
        uint64_t bytes = snapshot_part_bytes(index, i), raw = snapshot_part_raw(index, i);
        assert_int_equal(crc32_bytes(0, file.data + part->offset, (size_t)bytes), part->crc);
        assert_true(part->raw + raw <= rdb.len);
        if (part->flags == 0) {
            assert_int_equal((uint8_t)rdb.data[part->raw], 0xfe);
            assert_int_equal(rdb.data[part->raw + 1], part->db);
        }
        keys += part->keys;
    }
    assert_int_equal(keys, SNAPSHOT_MAKER_KEYS);
    assert_int_equal(index->sum, crc64_bytes(0, rdb.data, rdb.len - 8));
    assert_int_equal(index->count, 14);
    assert_int_equal(index->parts[4].flags, SNAPSHOT_PART_CONTINUES);
    assert_int_equal(index->parts[5].flags, SNAPSHOT_PART_CONTINUES);
    assert_int_equal(index->parts[6].flags, 0);
    assert_int_equal(index->parts[7].flags, SNAPSHOT_PART_CONTINUES);
    assert_int_equal(index->parts[8].flags, SNAPSHOT_PART_CONTINUES);
}

static void a_base_has_its_index_beside_it(void **state)
{
    struct setting *setting = *state;
    struct snapshot_index index;
    struct buf kvi = {0};
    const char *why;
    write_snapshot(setting, SNAPSHOT_BASE, "data/base.rdb");
    expect_rdb(setting, buf_slice(&setting->file));
    assert_true(faulty_disk_get(setting->disk, "data/base.rdb.kvi", &kvi));
    assert_true(snapshot_index_get(buf_slice(&kvi), 0, &index, &why));
    assert_int_equal(index.bytes, setting->file.len);
    expect_parts(&index, buf_slice(&setting->file), buf_slice(&setting->file));
    snapshot_index_free(&index);
    buf_free(&kvi);
}

static void unpack_all(struct slice file, struct buf *out)
{
    struct snapshot_unpacker *unpacker = snapshot_unpacker_new();
    bool more = false;
    while (file.len > 0) {
        size_t made;
        char *to = buf_reserve(out, 4096);
        assert_true(snapshot_stream_unpack(unpacker, &file, to, 4096, &made, &more));
        out->len += made;
    }
    assert_false(more);
    snapshot_unpacker_free(unpacker);
}

static void an_lz4_snapshot_unpacks_to_a_stock_rdb(void **state)
{
    struct setting *setting = *state;
    struct buf rdb = {0};
    struct snapshot_head head;
    struct snapshot_index index;
    uint64_t footer;
    const char *why;
    write_snapshot(setting, SNAPSHOT_LZ4, "data/dump.rdb.lz4");
    struct slice file = buf_slice(&setting->file);
    unpack_all(file, &rdb);
    expect_rdb(setting, buf_slice(&rdb));
    assert_true(snapshot_head_get(file.data, &head));
    assert_string_equal(head.kvid, SNAPSHOT_MAKER_KVID);
    assert_int_equal(head.seq, 4711);
    assert_int_equal(head.raw_bytes, rdb.len);
    assert_true(snapshot_tail_get(file.data + file.len - SNAPSHOT_TAIL_BYTES, &footer));
    struct slice end = {file.data + footer, file.len - (size_t)footer};
    assert_true(snapshot_footer_get(end, footer, &index, &why));
    expect_parts(&index, file, buf_slice(&rdb));
    snapshot_index_free(&index);
    buf_free(&rdb);
}

static void count_name(void *env, const char *name unused)
{
    ++*(int *)env;
}

static int names(struct setting *setting)
{
    const struct disk *disk = faulty_disk_port(setting->disk);
    int count = 0;
    assert_int_equal(disk->list(disk->self, "data", count_name, &count), 0);
    return count;
}

static void order_of(struct snapshot_order *order, const char *path)
{
    *order = (struct snapshot_order){.form = SNAPSHOT_BASE, .path = path};
}

static void a_cancelled_snapshot_leaves_nothing_and_the_next_begins_at_once(void **state)
{
    struct setting *setting = *state;
    struct snapshot_writer *writer =
        snapshot_writer_new(faulty_disk_port(setting->disk), NULL, NULL);
    struct snapshot_sink *sink = snapshot_writer_sink(writer);
    struct snapshot_order order;
    struct snapshot_frame frame = {.keys = 1, .version = 10};
    struct fault fault;
    order_of(&order, "data/a.rdb");
    assert_int_equal(sink->state(sink->self, NULL), SNAPSHOT_IDLE);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sink->begin(sink->self, &order, &fault), 0);
        assert_int_equal(sink->begin(sink->self, &order, &fault), KV_EBUSY);
        buf_append_text(&frame.bytes, "\xfe");
        sink->put(sink->self, &frame);
        assert_null(frame.bytes.data);
        if (i % 3 == 0)
            sink->wait(sink->self);
        sink->cancel(sink->self);
        assert_int_equal(sink->state(sink->self, NULL), SNAPSHOT_IDLE);
    }
    assert_int_equal(snapshot_maker_run(sink, SNAPSHOT_LZ4, "data/b.lz4", 1, &setting->result),
                     SNAPSHOT_DONE);
    assert_int_equal(sink->held(sink->self), 0);
    sink->cancel(sink->self);
    assert_int_equal(sink->begin(sink->self, &order, &fault), 0);
    snapshot_writer_free(writer);
    assert_int_equal(names(setting), 1);
}

static void a_failure_is_told_with_its_path_and_frames_after_it_are_dropped(void **state)
{
    struct setting *setting = *state;
    struct snapshot_writer *writer =
        snapshot_writer_new(faulty_disk_port(setting->disk), NULL, NULL);
    struct snapshot_sink *sink = snapshot_writer_sink(writer);
    struct snapshot_order order;
    struct fault fault;
    order_of(&order, "data/a.rdb");
    faulty_disk_fail_at(setting->disk, FAULTY_WRITE, 2, 1, FAULTY_ENOSPC);
    assert_int_equal(sink->begin(sink->self, &order, &fault), 0);
    snapshot_maker_put(sink, 1);
    while (sink->state(sink->self, &setting->result) == SNAPSHOT_RUNNING)
        sink->wait(sink->self);
    assert_int_equal(sink->state(sink->self, &setting->result), SNAPSHOT_FAILED);
    assert_non_null(strstr(setting->result.problem, "data/temp-"));
    assert_non_null(strstr(setting->result.problem, "No space left on device"));
    assert_non_null(strstr(setting->result.problem, "needs more than"));
    struct snapshot_frame frame = {.version = 10};
    buf_append_text(&frame.bytes, "late");
    sink->put(sink->self, &frame);
    assert_null(frame.bytes.data);
    assert_int_equal(sink->held(sink->self), 0);
    assert_int_equal(names(setting), 0);
    assert_int_equal(snapshot_maker_run(sink, SNAPSHOT_RDB, "data/b.rdb", 1, &setting->result),
                     SNAPSHOT_DONE);
    snapshot_writer_free(writer);
    assert_int_equal(names(setting), 1);
}

static void a_sweep_takes_what_is_temporary_and_ours(void **state)
{
    struct setting *setting = *state;
    const char *ours[] = {"data/temp-12.3.rdb", "data/temp-1.30.rdb.kvi", "data/temp-7.1.rdb.side"};
    const char *others[] = {"data/temp-12.rdb", "data/temp-1.x.rdb", "data/dump.rdb", "data/temp-",
                            "data/temp-1.2.rdb.bak"};
    for (size_t i = 0; i < 3; i++)
        faulty_disk_put(setting->disk, ours[i], SLICE("x"));
    for (size_t i = 0; i < 5; i++)
        faulty_disk_put(setting->disk, others[i], SLICE("x"));
    snapshot_file_sweep(faulty_disk_port(setting->disk), "data");
    assert_int_equal(names(setting), 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(faulty_disk_get(setting->disk, others[i], &setting->file));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_plain_snapshot_is_a_stock_rdb),
        CASE(a_base_has_its_index_beside_it),
        CASE(an_lz4_snapshot_unpacks_to_a_stock_rdb),
        CASE(a_cancelled_snapshot_leaves_nothing_and_the_next_begins_at_once),
        CASE(a_failure_is_told_with_its_path_and_frames_after_it_are_dropped),
        CASE(a_sweep_takes_what_is_temporary_and_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
