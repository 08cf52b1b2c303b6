/* Make a snapshot of kv out of any snapshot: build/bench/snapshot_make IN OUT lz4|rdb|base.
 * Entries are encoded one after the other into frames of 4 MiB, as the server does it in slices;
 * prints bytes and time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/fault.h"
#include "core/snapshot_sink.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/snapshot_writer.h"

#define HELD_MAX ((size_t)64 << 20)

struct maker {
    struct snapshot_sink *sink;
    struct snapshot_frame frame;
    double waited;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void flush(struct maker *maker)
{
    double began = now();
    if (maker->frame.bytes.len > 0)
        maker->sink->put(maker->sink->self, &maker->frame);
    maker->frame = (struct snapshot_frame){.version = RDB_VERSION_USUAL};
    while (maker->sink->held(maker->sink->self) > HELD_MAX)
        maker->sink->wait(maker->sink->self);
    maker->waited += now() - began;
}

static void put_len(struct buf *out, uint64_t len)
{
    struct rdb_out rdb = {.buf = out, .version = RDB_VERSION_USUAL};
    rdb_put_len(&rdb, len);
}

static int put(void *env, int db, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    struct maker *maker = env;
    struct snapshot_frame *frame = &maker->frame;
    int64_t deadline = entry_deadline(entry);
    int version = rdb_version_of(entry);
    if (frame->bytes.len >= SNAPSHOT_FRAME_BYTES || (frame->bytes.len > 0 && frame->db != db))
        flush(maker);
    if (frame->bytes.len == 0) {
        buf_append_char(&frame->bytes, '\xfe');
        put_len(&frame->bytes, (uint64_t)db);
        frame->db = db;
    }
    struct rdb_out out = {.buf = &frame->bytes, .version = version};
    if (deadline != ENTRY_NO_DEADLINE) {
        buf_append_char(&frame->bytes, '\xfc');
        rdb_put_u64(&out, (uint64_t)deadline);
    }
    buf_append_char(&frame->bytes, (char)rdb_tag_of(entry, version));
    rdb_put_string(&out, entry_key(entry));
    rdb_put_value(&out, entry);
    frame->keys++;
    if (version > frame->version)
        frame->version = version;
    entry_free(entry);
    return 0;
}

static void put_head(struct maker *maker)
{
    struct rdb_out out = {.buf = &maker->frame.bytes, .version = RDB_VERSION_USUAL};
    buf_append_char(out.buf, '\xfa');
    rdb_put_string(&out, SLICE("redis-ver"));
    rdb_put_string(&out, SLICE("7.2.4"));
    maker->frame.db = -1;
    flush(maker);
}

static enum snapshot_form form_of(const char *name)
{
    if (strcmp(name, "lz4") == 0)
        return SNAPSHOT_LZ4;
    return strcmp(name, "base") == 0 ? SNAPSHOT_BASE : SNAPSHOT_RDB;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: snapshot_make IN OUT lz4|rdb|base\n");
        return 1;
    }
    struct snapshot_writer *writer = snapshot_writer_new(disk_real(), NULL, NULL);
    struct maker maker = {.sink = snapshot_writer_sink(writer)};
    struct snapshot_order order = {.form = form_of(argv[3]), .path = argv[2], .compress = true};
    struct rdb_load load = {.disk = disk_real(), .path = argv[1], .env = &maker, .put = put};
    struct rdb_found found;
    struct snapshot_result result;
    struct fault fault = {0};
    char line[2048];
    double began = now();
    int status = maker.sink->begin(maker.sink->self, &order, &fault);
    if (status == 0) {
        put_head(&maker);
        status = rdb_load(&load, &found, &fault);
    }
    if (status < 0) {
        fprintf(stderr, "%s\n", fault_line(&fault, line, sizeof(line)));
        snapshot_writer_free(writer);
        return 1;
    }
    flush(&maker);
    maker.sink->finish(maker.sink->self);
    while (maker.sink->state(maker.sink->self, &result) == SNAPSHOT_RUNNING)
        maker.sink->wait(maker.sink->self);
    bool done = maker.sink->state(maker.sink->self, &result) == SNAPSHOT_DONE;
    printf("%llu keys, RDB %llu bytes, file %llu bytes, %.2f s (%.2f s waiting) %s\n",
           (unsigned long long)result.keys, (unsigned long long)result.raw_bytes,
           (unsigned long long)result.file_bytes, now() - began, maker.waited,
           result.problem);
    snapshot_writer_free(writer);
    return done ? 0 : 1;
}
