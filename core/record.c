/* The gate: engine->gate holds, for hash(db, key), the sequence of the last change. A command's
 * changed cells are collected while it runs, since the sequence is known only when its effects
 * are in the batch; record_commit sets them. */
#include "core/record.h"

#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/pubsub.h"
#include "core/resp.h"
#include "core/tracking.h"
#include "core/wait_keys.h"
#include "core/watch.h"

#define TOUCH_LISTENERS (ATTENTION_WATCHES | ATTENTION_TRACKERS | ATTENTION_TRACKED)

static uint32_t gate_cell(int db, uint64_t hash)
{
    return (uint32_t)((hash ^ (uint64_t)db * 0x9e3779b97f4a7c15ull) >> 48);
}

/* Effects of several databases carry the SELECT between them; that in front of the first is the
 * commit's. */
void record_effect(struct engine *engine, int db, int argc, const struct slice *argv)
{
    if (!engine->recording)
        return;
    if (engine->effect_count == 0)
        engine->effect_db = db;
    else if (db != engine->effect_last_db)
        resp_put_select(&engine->effects, db);
    engine->effect_last_db = db;
    engine->effect_count++;
    resp_put_command(&engine->effects, argc, argv);
}

void record_touched(struct engine *engine, const struct place *place)
{
    uint32_t cell = gate_cell(place->db, place->hash);
    buf_append(&engine->touched, &cell, sizeof cell);
    if (likely(!(engine->attention & TOUCH_LISTENERS)))
        return;
    watch_touch(engine, place->db, place->key, false);
    tracking_touch(engine, place->key);
}

void record_touched_all(struct engine *engine, int db)
{
    engine->touched_all++;
    watch_touch_all(engine, db);
}

uint64_t record_last_change(const struct engine *engine, int db, uint64_t hash)
{
    uint64_t sequence = engine->gate[gate_cell(db, hash)];
    return sequence > engine->gate_floor ? sequence : engine->gate_floor;
}

void record_event(struct engine *engine, char event_class, const char *event, int db,
                  struct slice key)
{
    engine->stats.key_events++;
    if (unlikely(engine->settings->notify_events))
        pubsub_notify(engine, event_class, event, db, key);
}

bool record_may_delete(const struct engine *engine)
{
    if (engine->loading)
        return false;
    return atomic_load_explicit(&engine->journal->state, memory_order_acquire) != JOURNAL_FAILED;
}

void record_delete(struct engine *engine, struct place *place, bool background, bool raise_gate)
{
    struct slice words[] = {SLICE("DEL"), place->key};
    record_effect(engine, place->db, 2, words);
    if (raise_gate) {
        record_touched(engine, place);
    } else {
        watch_touch(engine, place->db, place->key, true);
        tracking_touch(engine, place->key);
    }
    wait_keys_ready(engine, place->db, place->key);
    keyspace_remove(engine->keyspace, place, background);
}

/* ---- the commit ---- */

static void raise_gate(struct engine *engine, uint64_t sequence)
{
    const uint32_t *cells = (const uint32_t *)(const void *)engine->touched.data;
    size_t count = engine->touched.len / sizeof *cells;
    for (size_t i = 0; i < count; i++)
        engine->gate[cells[i]] = sequence;
    if (engine->touched_all)
        engine->gate_floor = sequence;
}

uint64_t record_commit(struct engine *engine)
{
    struct journal *journal = engine->journal;
    if (engine->effect_count > 0) {
        struct buf *open = &journal->open;
        size_t before = open->len;
        if (before == 0)
            engine->batch_db = -1;
        if (engine->batch_db != engine->effect_db)
            resp_put_select(open, engine->effect_db);
        bool several = engine->effect_count > 1;
        if (several)
            buf_append_text(open, "*1\r\n$5\r\nMULTI\r\n");
        buf_append_slice(open, buf_slice(&engine->effects));
        if (several)
            buf_append_text(open, "*1\r\n$4\r\nEXEC\r\n");
        engine->batch_db = engine->effect_last_db;
        journal->sequence += open->len - before;
        journal->open_changes++;
        raise_gate(engine, journal->sequence);
        engine->effect_count = 0;
        buf_clear(&engine->effects);
    }
    engine->touched_all = 0;
    buf_clear(&engine->touched);
    return journal->sequence;
}

void record_abandon(struct engine *engine)
{
    engine->effect_count = 0;
    engine->touched_all = 0;
    buf_clear(&engine->effects);
    buf_clear(&engine->touched);
}
