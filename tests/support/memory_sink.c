/* See memory_sink.h. */
#include "tests/support/memory_sink.h"

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/keyspace.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "tests/support/test.h"

static const struct type_limits limits = {
    .hash_entries = 512,
    .hash_value_bytes = 64,
    .set_intset_entries = 512,
    .set_entries = 128,
    .set_value_bytes = 64,
    .zset_entries = 128,
    .zset_value_bytes = 64,
    .list_node_size = -2,
    .stream_node_bytes = 4096,
    .stream_node_entries = 100,
};

static void drop_frames(struct memory_sink *sink)
{
    for (size_t i = 0; i < sink->count; i++)
        buf_free(&sink->frames[i].bytes);
    sink->count = sink->written = 0;
    sink->keys = 0;
}

static int begin(void *self, const struct snapshot_order *order, struct fault *fault)
{
    struct memory_sink *sink = self;

    (void)fault;
    assert_int_not_equal(sink->current, SNAPSHOT_RUNNING);
    drop_frames(sink);
    sink->order = *order;
    sink->current = SNAPSHOT_RUNNING;
    sink->begun++;
    return 0;
}

static void put(void *self, struct snapshot_frame *frame)
{
    struct memory_sink *sink = self;

    assert_int_equal(frame->bytes.len > 0, !frame->fetch);
    assert_true(sink->count < MEMORY_SINK_FRAMES);
    if (sink->current == SNAPSHOT_FAILED) {
        buf_free(&frame->bytes);
        return;
    }
    assert_int_equal(sink->current, SNAPSHOT_RUNNING);
    sink->frames[sink->count++] = *frame;
    sink->keys += frame->keys;
    if (!sink->slow)
        sink->written = sink->count;
}

static void finish(void *self)
{
    struct memory_sink *sink = self;

    sink->written = sink->count;
    if (sink->current == SNAPSHOT_RUNNING)
        sink->current = SNAPSHOT_DONE;
}

static void cancel(void *self)
{
    struct memory_sink *sink = self;

    drop_frames(sink);
    sink->current = SNAPSHOT_IDLE;
    sink->cancelled++;
}

static enum snapshot_state state(void *self, struct snapshot_result *out)
{
    struct memory_sink *sink = self;

    *out = (struct snapshot_result){.keys = sink->keys};
    return sink->current;
}

static size_t held(void *self)
{
    struct memory_sink *sink = self;
    size_t bytes = 0;

    for (size_t i = sink->written; i < sink->count; i++)
        bytes += sink->frames[i].bytes.len;
    return bytes;
}

static void wait_for_news(void *self)
{
    memory_sink_write(self, 1);
}

void memory_sink_open(struct memory_sink *sink)
{
    *sink = (struct memory_sink){.current = SNAPSHOT_IDLE};
    sink->port = (struct snapshot_sink){sink,   begin, put,  finish,
                                        cancel, state, held, wait_for_news};
}

void memory_sink_close(struct memory_sink *sink)
{
    drop_frames(sink);
}

void memory_sink_write(struct memory_sink *sink, size_t frames)
{
    sink->written += frames;
    if (sink->written > sink->count)
        sink->written = sink->count;
}

void memory_sink_fail(struct memory_sink *sink)
{
    drop_frames(sink);
    sink->current = SNAPSHOT_FAILED;
}

/* --- Loading ---------------------------------------------------------------------------------- */

/* Where the reading is. */
struct loading {
    struct rdb_in in;
    struct fault fault;
    struct keyspace *keyspace;
    int db;
    uint64_t keys;
    const char *aux;
    char *aux_out;
    bool aux_found;
};

static int64_t get_deadline(struct loading *loading, uint8_t *tag)
{
    uint64_t deadline;

    if (*tag != 0xfc)
        return ENTRY_NO_DEADLINE;
    assert_int_equal(rdb_get_u64(&loading->in, &deadline), 0);
    assert_int_equal(rdb_get_byte(&loading->in, tag), 0);
    return (int64_t)deadline;
}

static void get_entry(struct loading *loading, uint8_t tag)
{
    int64_t deadline = get_deadline(loading, &tag);
    struct slice text;
    struct buf key = {0};
    struct entry *entry;
    struct place place;
    bool empty;

    assert_int_equal(rdb_get_string(&loading->in, &text), 0);
    buf_append_slice(&key, text);
    if (rdb_get_value(&loading->in, tag, buf_slice(&key), deadline, &entry, &empty) != 0)
        fail_msg("%s", loading->fault.text);
    assert_false(empty);
    assert_true(loading->db >= 0);
    place = keyspace_find(loading->keyspace, loading->db, buf_slice(&key),
                          keyspace_hash(loading->keyspace, buf_slice(&key)));
    assert_null(place.entry);
    keyspace_put(loading->keyspace, &place, entry);
    loading->keys++;
    buf_free(&key);
}

static void get_aux(struct loading *loading)
{
    struct slice text;
    bool wanted;

    assert_int_equal(rdb_get_string(&loading->in, &text), 0);
    wanted = loading->aux != NULL && slice_equal(text, slice_of(loading->aux));
    assert_int_equal(rdb_get_string(&loading->in, &text), 0);
    if (wanted) {
        assert_true(text.len < 64);
        memcpy(loading->aux_out, text.data, text.len);
        loading->aux_out[text.len] = '\0';
        loading->aux_found = true;
    }
}

static void get_all(struct loading *loading, struct slice bytes)
{
    loading->in.at = (const uint8_t *)bytes.data;
    loading->in.end = loading->in.at + bytes.len;
    while (loading->in.at < loading->in.end) {
        uint64_t number;
        uint8_t byte;

        assert_int_equal(rdb_get_byte(&loading->in, &byte), 0);
        switch (byte) {
        case 0xfa: get_aux(loading); break;
        case 0xfb:
            assert_int_equal(rdb_get_len(&loading->in, &number), 0);
            assert_int_equal(rdb_get_len(&loading->in, &number), 0);
            break;
        case 0xfe:
            assert_int_equal(rdb_get_len(&loading->in, &number), 0);
            loading->db = (int)number;
            break;
        default: get_entry(loading, byte); break;
        }
    }
}

static void loading_begin(struct loading *loading, struct keyspace *keyspace)
{
    *loading = (struct loading){.keyspace = keyspace, .db = -1};
    loading->in.version = 12;
    loading->in.foreign = true;
    loading->in.limits = &limits;
    loading->in.fault = &loading->fault;
}

static void check_frame(const struct memory_sink *sink, size_t index)
{
    const struct snapshot_frame *frame = &sink->frames[index];

    assert_true(frame->version >= RDB_VERSION_LEAST);
    if (index == 0) {
        assert_int_equal(frame->db, -1);
        assert_int_equal(frame->keys, 0);
        assert_false(frame->side);
        assert_false(frame->continues);
        return;
    }
    assert_true(frame->db >= 0);
    if (frame->side && frame->value == 0)
        assert_false(frame->continues);
    assert_false(frame->value != 0 && frame->fetch == frame->side);
    if (!frame->continues && !frame->fetch) {
        assert_int_equal((uint8_t)frame->bytes.data[0], 0xfe);
        assert_int_equal((uint8_t)frame->bytes.data[1], frame->db);
        assert_true(frame->keys > 0);
    }
}

/* Each run of frames that belongs together is read by itself, as it may be by a thread of its own.
 */
static void load_run(struct loading *loading, struct buf *run, uint64_t *keys)
{
    loading->db = -1;
    loading->keys = 0;
    get_all(loading, buf_slice(run));
    assert_int_equal(loading->keys, *keys);
    buf_clear(run);
    *keys = 0;
}

/* A row of frames, or one value's, which are read with the run that ends behind them. */
static void load_row(const struct memory_sink *sink, struct loading *loading, bool side,
                     uint32_t value, struct buf *run, uint64_t *keys)
{
    for (size_t i = 0; i < sink->count; i++) {
        const struct snapshot_frame *frame = &sink->frames[i];

        if (frame->side != side || (side && frame->value != value))
            continue;
        check_frame(sink, i);
        if (!frame->continues && !frame->fetch)
            load_run(loading, run, keys);
        if (frame->fetch)
            load_row(sink, loading, true, frame->value, run, keys);
        buf_append_slice(run, buf_slice(&frame->bytes));
        *keys += frame->keys;
    }
}

static void load_lane(const struct memory_sink *sink, struct loading *loading, bool side)
{
    struct buf run = {0};
    uint64_t keys = 0;

    load_row(sink, loading, side, 0, &run, &keys);
    load_run(loading, &run, &keys);
    buf_free(&run);
}

void memory_sink_load(const struct memory_sink *sink, struct keyspace *keyspace)
{
    struct loading loading;

    assert_int_equal(sink->current, SNAPSHOT_DONE);
    assert_true(sink->count > 0);
    loading_begin(&loading, keyspace);
    load_lane(sink, &loading, false);
    load_lane(sink, &loading, true);
    rdb_in_free(&loading.in);
}

bool memory_sink_aux(const struct memory_sink *sink, const char *name, char *out)
{
    struct loading loading;

    assert_true(sink->count > 0);
    loading_begin(&loading, NULL);
    loading.aux = name;
    loading.aux_out = out;
    get_all(&loading, buf_slice(&sink->frames[0].bytes));
    rdb_in_free(&loading.in);
    return loading.aux_found;
}
