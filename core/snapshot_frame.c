/* Frames: runs of RDB bytes that begin with the selection of a database.
 *
 *   SELECTDB db                              whenever the next key's database is another one, and
 *                                            at the beginning of a frame
 *   [EXPIRETIME_MS u64] [use] tag key value  keys, in any order; `use` is the idle time or the
 *                                            frequency, where maxmemory-policy is LRU or LFU
 *
 * A frame that continues a value begins with the value's next bytes instead; keys behind its end
 * have a SELECTDB before them again. The head has the AUX fields, the functions, and for each
 * database SELECTDB and RESIZEDB: so who loads the file knows all sizes before the first key.
 *
 * Two lanes. What the walk takes is in `main`. While a value that takes several frames is open
 * there, whole keys that must be written at once go to `side`. Pieces of large values that wait for
 * their turn go there as well when they are too much for memory, in frames with the value's number;
 * when its turn comes a frame without bytes says that here is their place.
 */
#include "core/snapshot_frame.h"

#include "core/base/num.h"
#include "core/engine_state.h"
#include "core/evict.h"
#include "core/keyspace.h"
#include "core/scripting.h"
#include "core/snapshot_private.h"
#include "core/snapshot_sink.h"
#include "core/type/entry.h"
#include "core/type/rdb_value.h"
#include "core/version.h"

enum opcode {
    OPCODE_FUNCTION = 0xf5,
    OPCODE_AUX = 0xfa,
    OPCODE_RESIZE = 0xfb,
    OPCODE_IDLE = 0xf8,
    OPCODE_FREQUENCY = 0xf9,
    OPCODE_DEADLINE_MS = 0xfc,
    OPCODE_SELECT = 0xfe,
};

static void lane_reset(struct snapshot_lane *lane, bool side)
{
    *lane = (struct snapshot_lane){.db = -1, .first_db = -1, .version = RDB_VERSION_LEAST,
                                   .side = side};
}

void frame_reset(struct snapshot *snapshot)
{
    buf_free(&snapshot->main.bytes);
    buf_free(&snapshot->side.bytes);
    lane_reset(&snapshot->main, false);
    lane_reset(&snapshot->side, true);
}

size_t frame_memory(const struct snapshot *snapshot)
{
    return snapshot->main.bytes.cap + snapshot->side.bytes.cap;
}

void frame_seal(struct snapshot *snapshot, struct snapshot_lane *lane, bool within, bool all)
{
    struct snapshot_frame frame = {
        .bytes = lane->bytes,
        .db = lane->first_db,
        .keys = lane->keys,
        .version = lane->version,
        .continues = lane->continues,
        .side = lane->side,
    };

    if (lane->bytes.len < snapshot->frame_bytes && (!all || lane->bytes.len == 0))
        return;
    lane->bytes = (struct buf){0};
    lane_reset(lane, frame.side);
    if (within) {
        lane->continues = true;
        buf_reserve(&lane->bytes, snapshot->frame_bytes + snapshot->frame_bytes / 64);
        lane->first_db = frame.db;
        lane->version = frame.version;
    }
    snapshot->sink->put(snapshot->sink->self, &frame);
}

void frame_put_select(struct buf *buf, int db)
{
    struct rdb_out out = {.buf = buf};

    buf_append_char(buf, (char)OPCODE_SELECT);
    rdb_put_len(&out, (uint64_t)db);
}

static void put_select(struct snapshot_lane *lane, int db)
{
    if (lane->bytes.len == 0 && lane->first_db < 0)
        lane->first_db = db;
    if (lane->db == db)
        return;
    frame_put_select(&lane->bytes, db);
    lane->db = db;
}

/* A key begins in the lane: the frame knows its database and version. */
static void begin_key(const struct snapshot *snapshot, struct snapshot_lane *lane, int version)
{
    if (unlikely(lane->bytes.cap == 0))
        buf_reserve(&lane->bytes, snapshot->frame_bytes + snapshot->frame_bytes / 64);
    lane->keys++;
    if (version > lane->version)
        lane->version = version;
}

void frame_begin_value(struct snapshot *snapshot, int db, int version, uint32_t number)
{
    struct snapshot_lane *lane = &snapshot->main;
    struct snapshot_frame frame = {.db = db, .version = version, .value = number, .fetch = true};

    if (number != 0) {
        frame_seal(snapshot, lane, false, true);
        snapshot->sink->put(snapshot->sink->self, &frame);
        lane->continues = true;
    }
    begin_key(snapshot, lane, version);
    lane->keys -= number != 0;
    if (lane->bytes.len == 0)
        lane->first_db = db;
    lane->db = number != 0 ? -1 : db;
}

void frame_end_value(struct snapshot *snapshot)
{
    struct snapshot_lane *lane = &snapshot->main;
    struct buf bytes = lane->bytes;

    if (bytes.len > 0)
        return;
    lane_reset(lane, false);
    lane->bytes = bytes;
}

void frame_spill(struct snapshot *snapshot, struct buf *bytes, int db, int version,
                 uint32_t number, bool first)
{
    struct snapshot_frame frame = {
        .bytes = *bytes,
        .db = db,
        .keys = first,
        .version = version,
        .continues = !first,
        .side = true,
        .value = number,
    };

    *bytes = (struct buf){0};
    snapshot->sink->put(snapshot->sink->self, &frame);
}

struct rdb_out frame_out(const struct snapshot *snapshot, const struct entry *entry,
                         struct buf *buf)
{
    struct rdb_out out = {.buf = buf, .version = snapshot->version, .compress = snapshot->compress};

    if (out.version == 0)
        out.version = rdb_version_of(entry);
    return out;
}

/* How it was used, where the policy asks. */
static void put_use(const struct engine *engine, const struct entry *entry, struct rdb_out *out)
{
    enum evict_use use = evict_use_kept(engine);

    if (use == EVICT_USE_IDLE) {
        buf_append_char(out->buf, (char)OPCODE_IDLE);
        rdb_put_len(out, evict_idle_seconds(engine, entry));
    } else if (use == EVICT_USE_FREQUENCY) {
        buf_append_char(out->buf, (char)OPCODE_FREQUENCY);
        buf_append_char(out->buf, (char)evict_frequency(engine, entry));
    }
}

void frame_put_key(const struct snapshot *snapshot, const struct entry *entry,
                   struct rdb_out *out)
{
    int64_t deadline = entry_deadline(entry);

    if (deadline != ENTRY_NO_DEADLINE) {
        buf_append_char(out->buf, (char)OPCODE_DEADLINE_MS);
        rdb_put_u64(out, (uint64_t)deadline);
    }
    put_use(snapshot->engine, entry, out);
    buf_append_char(out->buf, (char)rdb_tag_of(entry, out->version));
    rdb_put_string(out, entry_key(entry));
}

size_t frame_put_entry(struct snapshot *snapshot, int db, const struct entry *entry)
{
    struct snapshot_lane *lane = snapshot->current == NULL ? &snapshot->main : &snapshot->side;
    struct rdb_out out = frame_out(snapshot, entry, &lane->bytes);

    size_t before = lane->bytes.len, bytes;

    begin_key(snapshot, lane, out.version);
    put_select(lane, db);
    frame_put_key(snapshot, entry, &out);
    rdb_put_value(&out, entry);
    bytes = lane->bytes.len - before;
    frame_seal(snapshot, lane, false, false);
    return bytes;
}

/* --- The head --------------------------------------------------------------------------------- */

static void put_aux(struct rdb_out *out, const char *name, struct slice text)
{
    buf_append_char(out->buf, (char)OPCODE_AUX);
    rdb_put_string(out, slice_of(name));
    rdb_put_string(out, text);
}

static void put_aux_number(struct rdb_out *out, const char *name, uint64_t value)
{
    char digits[NUM_I64_MAX_CHARS];

    put_aux(out, name, (struct slice){digits, num_format_i64(digits, (int64_t)value)});
}

static void put_function(void *env, struct slice code)
{
    struct rdb_out *out = env;

    buf_append_char(out->buf, (char)OPCODE_FUNCTION);
    rdb_put_string(out, code);
}

static void put_sizes(struct snapshot_lane *lane, const struct keyspace *keyspace)
{
    struct rdb_out out = {.buf = &lane->bytes};

    for (int db = 0; db < keyspace_databases(keyspace); db++) {
        if (keyspace_count(keyspace, db) == 0)
            continue;
        put_select(lane, db);
        buf_append_char(&lane->bytes, (char)OPCODE_RESIZE);
        rdb_put_len(&out, keyspace_count(keyspace, db));
        rdb_put_len(&out, keyspace_deadlines(keyspace, db));
    }
}

void frame_put_head(struct snapshot *snapshot, const struct snapshot_order *order)
{
    struct engine *engine = snapshot->engine;
    struct snapshot_lane *lane = &snapshot->main;
    struct rdb_out out = {.buf = &lane->bytes};

    put_aux(&out, "redis-ver", SLICE(KV_REDIS_VERSION));
    put_aux(&out, "redis-bits", SLICE("64"));
    put_aux_number(&out, "ctime", (uint64_t)(engine->now_ms / 1000));
    put_aux_number(&out, "used-mem", keyspace_memory(engine->keyspace));
    put_aux_number(&out, "aof-base", order->form == SNAPSHOT_BASE);
    if (order->kvid[0] != '\0') {
        put_aux(&out, "kvid", slice_of(order->kvid));
        put_aux_number(&out, "kvseq", order->seq);
    }
    functions_each(engine, put_function, &out);
    lane->first_db = -1;
    put_sizes(lane, engine->keyspace);
    lane->first_db = -1;
    frame_seal(snapshot, lane, false, true);
}
