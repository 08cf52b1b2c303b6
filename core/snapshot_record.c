/* Large values on their way into a snapshot.
 *
 * A record is opened when the value is first met, by the walk or by a change that is ahead of it,
 * and closed when its last byte is in a frame. In between the value goes on living: it is changed
 * (the type writes what is about to change to `out` first), renamed, moved to another database, or
 * dropped. Who drops it lends the entry to the record. The record knows it by its address.
 *
 *   waiting   `out` is the record's own buffer, in which are the key, what comes in front of the
 *             elements, and what was handed over since. When it is a frame long, or all waiting
 *             ones hold too much together, it goes to the side file (spill). A value that holds
 *             much besides (old nodes of a list) is stepped through before its turn, and may be
 *             complete when that comes
 *   current   one record at most: its buffer goes into the main lane piece by piece; when it is
 *             empty, `out` is the lane itself, and the value is stepped through
 *   closed    the type has forgotten the cut; what was lent is freed
 *
 * A long string is read where it lies, in pieces, up to the length that it had. Before bytes of it
 * are changed in place the pieces they lie in are copied, each once, and read from there in their
 * turn. Before all of it may change its rest is copied into the record: that is a memcpy, as the
 * change itself may be. When it is put over or removed, the entry is lent.
 *
 * When the snapshot is given up strings are forgotten; values of other types are stepped through
 * with no lane behind them, as only that puts their marks in order. Where all values are about to
 * be freed, all records are closed at once.
 */
#include "core/snapshot_record.h"

#include <string.h>

#include "core/base/mem.h"
#include "core/base/reaper.h"
#include "core/ds/table.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/snapshot_frame.h"
#include "core/snapshot_private.h"
#include "core/type/entry.h"
#include "core/type/rdb_value.h"
#include "core/type/value_cut.h"

#define PIECE_BYTES ((size_t)64 << 10)
#define SPILL_BYTES_LEAST ((size_t)4 << 10)
#define HEAVY_BYTES_LEAST ((size_t)256 << 10) /* of old nodes and the like */

struct snapshot_record {
    struct snapshot_record *next;
    const void *value;      /* the address of the value; of a string, of its entry */
    struct value_cut *cut;  /* NULL: a string */
    struct rdb_out out;
    struct buf buffer;
    size_t drained;         /* bytes of `buffer` that are in the lane */
    struct entry *string;   /* NULL: no string, or nothing of it is left to be read */
    size_t string_at;       /* bytes of it that were read: whole pieces */
    size_t string_len;      /* when it was met; it never gets shorter */
    char **pieces;          /* by number: copies of those that have changed since, until they are
                             * read. NULL: none have */
    size_t pieces_bytes;    /* that all this takes */
    struct entry *lent;     /* it has left the keyspace: to be freed */
    size_t bytes;           /* as it is in snapshot->record_bytes */
    int db, version;
    uint32_t number;        /* pieces of it are with the sink, under this; 0: none are */
};

/* --- Which record has a value ----------------------------------------------------------------- */

static uint64_t hash_address(const void *address)
{
    uint64_t hash = (uint64_t)(uintptr_t)address * 0x9e3779b97f4a7c15;

    return hash ^ hash >> 32;
}

static uint64_t hash_record(const void *env, const void *record)
{
    (void)env;
    return hash_address(((const struct snapshot_record *)record)->value);
}

/* The key is the address itself. */
static bool match_record(const void *env, const void *record, struct slice key)
{
    (void)env;
    return ((const struct snapshot_record *)record)->value == (const void *)key.data;
}

static const struct table_type type_records = {hash_record, match_record};

static struct table_slot *slot_of(const struct snapshot *snapshot, const void *value)
{
    return table_find(snapshot->by_value, hash_address(value), (struct slice){value, 0});
}

static struct snapshot_record *find(const struct snapshot *snapshot, const struct entry *entry)
{
    const void *value = entry_type(entry) == TYPE_STRING ? (const void *)entry : entry_value(entry);
    struct table_slot *slot = record_any(snapshot) ? slot_of(snapshot, value) : NULL;

    return slot == NULL ? NULL : table_item(slot);
}

static void forget(struct snapshot *snapshot, const struct snapshot_record *record)
{
    struct table_slot *slot = slot_of(snapshot, record->value);

    kv_assert(slot != NULL);
    table_remove(snapshot->by_value, hash_address(record->value), slot);
}

bool record_any(const struct snapshot *snapshot)
{
    return snapshot->current != NULL || snapshot->first != NULL;
}

/* --- Life ------------------------------------------------------------------------------------- */

bool record_is_large(const struct entry *entry)
{
    if (entry_type(entry) == TYPE_STRING)
        return entry_string_len(entry) > KEYSPACE_CUT_LONG_STRING;
    return value_is_large(entry);
}

static void account(struct snapshot *snapshot, struct snapshot_record *record)
{
    size_t bytes = sizeof(*record) + record->buffer.cap + record->pieces_bytes;

    if (record->cut != NULL)
        bytes += record->cut->memory;
    snapshot->record_bytes += bytes - record->bytes;
    record->bytes = bytes;
}

void record_open(struct snapshot *snapshot, int db, const struct entry *entry)
{
    struct snapshot_record *record = mem_alloc_zero(sizeof(*record));

    record->db = db;
    record->out = frame_out(snapshot, entry, &record->buffer);
    record->version = record->out.version;
    frame_put_select(&record->buffer, db);
    frame_put_key(snapshot, entry, &record->out);
    if (entry_type(entry) == TYPE_STRING) {
        record->string = (struct entry *)(uintptr_t)entry;
        record->value = entry;
        record->string_len = entry_string_len(entry);
        rdb_put_len(&record->out, record->string_len);
    } else {
        record->value = entry_value(entry);
        record->cut = value_cut_begin(entry, &record->out);
    }
    *snapshot->last = record;
    snapshot->last = &record->next;
    if (snapshot->by_value == NULL)
        snapshot->by_value = table_new(&type_records, NULL);
    table_insert(snapshot->by_value, hash_address(record->value), record);
    account(snapshot, record);
}

static void free_entry(void *entry)
{
    entry_free(entry);
}

static size_t piece_count(const struct snapshot_record *record)
{
    return (record->string_len + PIECE_BYTES - 1) / PIECE_BYTES;
}

static void free_pieces(struct snapshot_record *record)
{
    if (record->pieces == NULL)
        return;
    for (size_t i = 0; i < piece_count(record); i++)
        mem_free(record->pieces[i]);
    mem_free(record->pieces);
    record->pieces = NULL;
    record->pieces_bytes = 0;
}

/* Nothing of the value is needed any more. */
static void let_go(struct snapshot *snapshot, struct snapshot_record *record)
{
    if (record->cut != NULL || record->string != NULL)
        forget(snapshot, record);
    if (record->cut != NULL)
        value_cut_drop(record->cut);
    if (record->lent != NULL)
        reaper_give(snapshot->engine->reaper, free_entry, record->lent, 1);
    free_pieces(record);
    record->cut = NULL;
    record->string = record->lent = NULL;
}

/* The value's last byte is written, or will never be. */
static void record_close(struct snapshot *snapshot, struct snapshot_record *record)
{
    if (snapshot->heavy == record)
        snapshot->heavy = NULL;
    let_go(snapshot, record);
    buf_free(&record->buffer);
    snapshot->record_bytes -= record->bytes;
    mem_free(record);
    if (snapshot->record_bytes == 0) {
        kv_assert(table_count(snapshot->by_value) == 0);
        table_free(snapshot->by_value, NULL);
        snapshot->by_value = NULL;
    }
}

/* --- Turns ------------------------------------------------------------------------------------ */

static struct snapshot_record *pop(struct snapshot *snapshot)
{
    struct snapshot_record *record = snapshot->first;

    if (record == NULL)
        return NULL;
    snapshot->first = record->next;
    if (snapshot->first == NULL)
        snapshot->last = &snapshot->first;
    return record;
}

/* What it holds is the sink's from here on. */
static void spill(struct snapshot *snapshot, struct snapshot_record *record)
{
    bool first = record->number == 0;

    if (record->buffer.len == 0)
        return;
    if (first)
        record->number = ++snapshot->values;
    frame_spill(snapshot, &record->buffer, record->db, record->version, record->number, first);
    account(snapshot, record);
}

/* After a value that waits has grown. */
static void spill_if_long(struct snapshot *snapshot, struct snapshot_record *record)
{
    size_t len = record->buffer.len;

    if (len >= snapshot->frame_bytes ||
        (len >= SPILL_BYTES_LEAST && snapshot->record_bytes > snapshot->spill_bytes))
        spill(snapshot, record);
}

/* The one that grows while memory is short: it is stepped through from here on. */
static void note_heavy(struct snapshot *snapshot, struct snapshot_record *record)
{
    if (snapshot->heavy == NULL && record->cut != NULL &&
        record->cut->memory >= HEAVY_BYTES_LEAST &&
        snapshot->record_bytes > 2 * snapshot->spill_bytes)
        snapshot->heavy = record;
}

/* Memory is short: step through a value that waits. False: none has to be. */
static bool heavy_step(struct snapshot *snapshot)
{
    struct snapshot_record *record = snapshot->heavy;

    if (record == NULL)
        return false;
    if (!value_cut_step(record->cut)) {
        let_go(snapshot, record);
        snapshot->heavy = NULL;
        spill(snapshot, record);
    } else if (record->cut->memory < HEAVY_BYTES_LEAST) {
        snapshot->heavy = NULL;
    }
    account(snapshot, record);
    spill_if_long(snapshot, record);
    snapshot->progress.pieces++;
    return true;
}

/* What was handed over before its turn. False: nothing is left of it. */
static bool drain(struct snapshot *snapshot, struct snapshot_record *record)
{
    size_t left = record->buffer.len - record->drained;

    if (record->out.buf != &record->buffer)
        return false;
    if (left > PIECE_BYTES)
        left = PIECE_BYTES;
    buf_append(&snapshot->main.bytes, record->buffer.data + record->drained, left);
    record->drained += left;
    if (record->drained == record->buffer.len) {
        buf_free(&record->buffer);
        record->out.buf = &snapshot->main.bytes;
    }
    account(snapshot, record);
    return true;
}

/* The next bytes of a string. False: that was all. */
static bool string_step(struct snapshot_record *record)
{
    size_t piece = record->string_at / PIECE_BYTES, left;
    struct slice text;
    char digits[24], *copy;

    if (record->string == NULL)
        return false;
    text = entry_string(record->string, digits);
    kv_assert(text.len >= record->string_len);
    left = record->string_len - record->string_at;
    if (left > PIECE_BYTES)
        left = PIECE_BYTES;
    copy = record->pieces != NULL ? record->pieces[piece] : NULL;
    rdb_put_bytes(&record->out, copy != NULL ? copy : text.data + record->string_at, left);
    if (copy != NULL) {
        mem_free(copy);
        record->pieces[piece] = NULL;
        record->pieces_bytes -= left;
    }
    record->string_at += left;
    return record->string_at < record->string_len;
}

bool record_step(struct snapshot *snapshot)
{
    struct snapshot_record *record = snapshot->current;
    bool more;

    if (record == NULL) {
        if ((record = snapshot->current = pop(snapshot)) == NULL)
            return false;
        if (snapshot->heavy == record)
            snapshot->heavy = NULL;
        if (snapshot->phase == SNAPSHOT_CUTTING)
            frame_begin_value(snapshot, record->db, record->version, record->number);
    } else if (snapshot->phase == SNAPSHOT_CUTTING && heavy_step(snapshot)) {
        return true;
    }
    if (snapshot->phase == SNAPSHOT_CUTTING && drain(snapshot, record)) {
        more = true;
    } else {
        more = record->cut != NULL ? value_cut_step(record->cut) : string_step(record);
        account(snapshot, record);
        snapshot->progress.pieces++;
    }
    if (!more) {
        kv_assert(record->cut == NULL || record->cut->done);
        snapshot->current = NULL;
        record_close(snapshot, record);
    }
    if (snapshot->phase == SNAPSHOT_CUTTING) {
        frame_seal(snapshot, &snapshot->main, more, false);
        if (!more)
            frame_end_value(snapshot);
    } else {
        buf_clear(&snapshot->scratch);
    }
    return true;
}

void record_give_up(struct snapshot *snapshot)
{
    struct snapshot_record **at = &snapshot->first, *strings = NULL, *record;

    snapshot->heavy = NULL;
    if ((record = snapshot->current) != NULL) {
        record->next = snapshot->first;
        snapshot->first = record;
        if (record->next == NULL)
            snapshot->last = &record->next;
        snapshot->current = NULL;
    }
    while ((record = *at) != NULL) {
        buf_free(&record->buffer);
        record->out.buf = &snapshot->scratch;
        account(snapshot, record);
        if (record->cut != NULL) {
            at = &record->next;
        } else {
            *at = record->next;
            record->next = strings;
            strings = record;
        }
    }
    snapshot->last = at;
    while ((record = strings) != NULL) {
        strings = record->next;
        record_close(snapshot, record);
    }
}

void record_drop(struct snapshot *snapshot)
{
    struct snapshot_record *record = snapshot->current;

    snapshot->current = NULL;
    if (record == NULL)
        record = pop(snapshot);
    for (; record != NULL; record = pop(snapshot))
        record_close(snapshot, record);
}

/* --- What the keyspace tells ------------------------------------------------------------------ */

void record_release(struct snapshot *snapshot, const struct entry *entry)
{
    struct snapshot_record *record = find(snapshot, entry);

    if (record == NULL || record->string == NULL)
        return;
    while (string_step(record))
        if (record->out.buf == &snapshot->main.bytes)
            frame_seal(snapshot, &snapshot->main, true, false);
        else if (record != snapshot->current)
            spill_if_long(snapshot, record);
    forget(snapshot, record);
    free_pieces(record);
    record->string = NULL;
    account(snapshot, record);
}

void record_touch(struct snapshot *snapshot, const struct entry *entry, size_t from, size_t to)
{
    struct snapshot_record *record = find(snapshot, entry);
    struct slice text;
    char digits[24];

    if (record == NULL || record->string == NULL)
        return;
    text = entry_string(record->string, digits);
    if (from < record->string_at)
        from = record->string_at;
    if (to > record->string_len)
        to = record->string_len;
    if (from >= to)
        return;
    if (record->pieces == NULL) {
        record->pieces = mem_alloc_zero(piece_count(record) * sizeof *record->pieces);
        record->pieces_bytes = piece_count(record) * sizeof *record->pieces;
    }
    for (size_t i = from / PIECE_BYTES; i <= (to - 1) / PIECE_BYTES; i++) {
        size_t at = i * PIECE_BYTES, len = record->string_len - at;

        if (record->pieces[i] != NULL)
            continue;
        if (len > PIECE_BYTES)
            len = PIECE_BYTES;
        record->pieces[i] = mem_alloc(len);
        memcpy(record->pieces[i], text.data + at, len);
        record->pieces_bytes += len;
    }
    account(snapshot, record);
}

void record_moved(struct snapshot *snapshot, const void *old, struct entry *entry)
{
    struct table_slot *slot = record_any(snapshot) ? slot_of(snapshot, old) : NULL;
    struct snapshot_record *record = slot == NULL ? NULL : table_item(slot);

    if (record == NULL || record->string == NULL)
        return;
    forget(snapshot, record);
    record->value = record->string = entry;
    table_insert(snapshot->by_value, hash_address(entry), record);
}

bool record_reads(const struct snapshot *snapshot, const struct entry *entry)
{
    return find(snapshot, entry) != NULL;
}

bool record_handed_over(struct snapshot *snapshot, const struct entry *entry)
{
    struct snapshot_record *record = find(snapshot, entry);

    if (record == NULL)
        return false;
    account(snapshot, record);
    if (snapshot->phase == SNAPSHOT_CUTTING && record != snapshot->current) {
        spill_if_long(snapshot, record);
        note_heavy(snapshot, record);
    }
    return true;
}

bool record_keep(struct snapshot *snapshot, struct entry *entry)
{
    struct snapshot_record *record = find(snapshot, entry);

    if (record == NULL)
        return false;
    kv_assert(record->lent == NULL);
    record->lent = entry;
    return true;
}
