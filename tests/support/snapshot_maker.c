/* What the header says. The frames are put together with tests/support/rdb_writer.c. */
#include "tests/support/snapshot_maker.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "persistence/snapshot_writer.h"
#include "tests/support/rdb_writer.h"

static void add(struct snapshot_sink *sink, struct snapshot_frame *frame)
{
    if (frame->version == 0)
        frame->version = 10;
    sink->put(sink->self, frame);
    kv_assert(frame->bytes.data == NULL);
    *frame = (struct snapshot_frame){0};
}

static void put_text(struct buf *out, const char *text)
{
    buf_append_char(out, (char)strlen(text));
    buf_append_text(out, text);
}

static void put_note(struct buf *out, const char *name, const char *text)
{
    buf_append_char(out, '\xfa');
    put_text(out, name);
    put_text(out, text);
}

static void put_head(struct snapshot_sink *sink, unsigned generation)
{
    struct snapshot_frame frame = {.db = -1};
    struct buf text = {0};
    buf_printf(&text, "%u", generation);
    buf_append_char(&text, '\0');
    put_note(&frame.bytes, "redis-ver", "7.2.4");
    put_note(&frame.bytes, "kvid", SNAPSHOT_MAKER_KVID);
    put_note(&frame.bytes, "kvseq", "4711");
    put_note(&frame.bytes, "generation", text.data);
    buf_free(&text);
    add(sink, &frame);
}

void snapshot_maker_put(struct snapshot_sink *sink, unsigned generation)
{
    struct snapshot_frame frame = {0};
    put_head(sink, generation);
    frame.keys = 2;
    rdb_writer_select(&frame.bytes, 0);
    rdb_writer_string(&frame.bytes, SLICE("alpha"), SLICE("1"));
    buf_append(&frame.bytes, "\xfc\x88\x13\0\0\0\0\0\0", 9);
    rdb_writer_string(&frame.bytes, SLICE("beta"), SLICE("two"));
    add(sink, &frame);
    /* a list of four elements, in three frames */
    frame.keys = 1;
    rdb_writer_select(&frame.bytes, 0);
    buf_append_char(&frame.bytes, '\x01');
    put_text(&frame.bytes, "long");
    buf_append(&frame.bytes, "\x04\x03one", 5);
    add(sink, &frame);
    frame.side = true;
    frame.keys = 1;
    rdb_writer_select(&frame.bytes, 0);
    rdb_writer_string(&frame.bytes, SLICE("side"), SLICE("kept"));
    add(sink, &frame);
    frame.continues = true;
    buf_append(&frame.bytes, "\x03two\x05", 5);
    add(sink, &frame);
    /* the first two of three elements, before their turn */
    frame.side = true;
    frame.value = 1;
    frame.keys = 1;
    rdb_writer_select(&frame.bytes, 0);
    buf_append_char(&frame.bytes, '\x01');
    put_text(&frame.bytes, "waits");
    buf_append(&frame.bytes, "\x03\x01p", 3);
    add(sink, &frame);
    frame.side = frame.continues = true;
    frame.value = 1;
    put_text(&frame.bytes, "q");
    add(sink, &frame);
    frame.side = true;
    frame.db = 5;
    frame.keys = 2;
    frame.version = 11;
    rdb_writer_select(&frame.bytes, 5);
    rdb_writer_string(&frame.bytes, SLICE("side5"), SLICE("five"));
    rdb_writer_string(&frame.bytes, SLICE("x"), SLICE("y"));
    add(sink, &frame);
    frame.continues = true;
    frame.keys = 1;
    buf_append_text(&frame.bytes, "three\x04" "four");
    rdb_writer_string(&frame.bytes, SLICE("after"), SLICE("ends"));
    add(sink, &frame);
    frame.value = 1;
    frame.fetch = true;
    add(sink, &frame);
    frame.continues = true;
    put_text(&frame.bytes, "r");
    add(sink, &frame);
    frame.keys = 1;
    rdb_writer_select(&frame.bytes, 0);
    rdb_writer_string(&frame.bytes, SLICE("later"), SLICE("z"));
    add(sink, &frame);
    frame.db = 5;
    frame.keys = 1;
    rdb_writer_select(&frame.bytes, 5);
    rdb_writer_string(&frame.bytes, SLICE("more"), SLICE("again"));
    add(sink, &frame);
    sink->finish(sink->self);
}

enum snapshot_state snapshot_maker_run(struct snapshot_sink *sink, enum snapshot_form form,
                                       const char *path, unsigned generation,
                                       struct snapshot_result *out)
{
    struct snapshot_order order = {.form = form, .path = path, .seq = 4711, .compress = true};
    enum snapshot_state state;
    struct fault fault;
    memcpy(order.kvid, SNAPSHOT_MAKER_KVID, sizeof(order.kvid));
    kv_assert(sink->begin(sink->self, &order, &fault) == 0);
    snapshot_maker_put(sink, generation);
    while ((state = sink->state(sink->self, out)) == SNAPSHOT_RUNNING)
        sink->wait(sink->self);
    return state;
}

enum snapshot_state snapshot_maker_write(const struct disk *disk, enum snapshot_form form,
                                         const char *path, unsigned generation,
                                         struct snapshot_result *out)
{
    struct snapshot_writer *writer = snapshot_writer_new(disk, NULL, NULL);
    enum snapshot_state state =
        snapshot_maker_run(snapshot_writer_sink(writer), form, path, generation, out);
    snapshot_writer_free(writer);
    return state;
}
