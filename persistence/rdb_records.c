/* Reading the records of an RDB.
 *
 *   REDIS, 4 digits             or VALKEY, 3 digits: the version
 *   records, each a byte:
 *     0xfa  name, text          a note: some are kept (see note_of), others are passed over
 *     0xfe  length              the database that what follows is in
 *     0xfb  length, length      how many keys it has, and how many of them with a deadline
 *     0xfd  4 bytes             the next key's deadline in seconds, little-endian
 *     0xfc  8 bytes             the same in milliseconds
 *     0xf9  byte                how often the next key was used: passed over
 *     0xf8  length              how long it was not used: passed over
 *     0xf4  3 lengths           a slot of a cluster: passed over
 *     0xf5  text                a library of functions
 *     0xf6  0xf7                functions of a time before Redis 7.0, data of modules: refused
 *     below                     a value's tag: key and value follow (core/type/rdb_value.h)
 *     0xff  8 bytes             the end; from version 5 on CRC64 of all before it, little-endian;
 *                               0: whoever wrote it did not count
 *
 * Any version is read as far as all in it is known: what a newer one added shows as a record or tag
 * that nobody reads, and nothing of it is guessed. */
#include "persistence/rdb_records.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/num.h"
#include "core/base/slice.h"
#include "core/evict.h"
#include "core/type/entry.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "persistence/rdb_load.h"

#define KEY_BYTES_SHOWN 64
/* An entry takes about this in a file, at least: tag, key and value. What is said of the number of
 * keys is believed up to that. */
#define ENTRY_BYTES_LEAST 8

enum {
    RECORD_SLOT = 0xf4,
    RECORD_FUNCTION = 0xf5,
    RECORD_FUNCTION_OLD = 0xf6,
    RECORD_MODULE = 0xf7,
    RECORD_IDLE = 0xf8,
    RECORD_USED = 0xf9,
    RECORD_NOTE = 0xfa,
    RECORD_SIZES = 0xfb,
    RECORD_DEADLINE_MS = 0xfc,
    RECORD_DEADLINE_S = 0xfd,
    RECORD_DATABASE = 0xfe,
    RECORD_END = 0xff,
    RECORD_LEAST = 0xf0, /* tags of values lie below */
};

static int refuse(struct rdb_records *records, const char *what)
{
    return fault_set(records->in->fault, KV_EVERSION, records->in->fault->path,
                     (int64_t)rdb_offset(records->in), "%s", what);
}

enum note { NOTE_OTHER, NOTE_SERVER, NOTE_CREATED, NOTE_KVID, NOTE_SEQ };

static enum note note_of(struct slice name)
{
    if (slice_equal(name, SLICE("redis-ver")) || slice_equal(name, SLICE("valkey-ver")))
        return NOTE_SERVER;
    if (slice_equal(name, SLICE("ctime")))
        return NOTE_CREATED;
    if (slice_equal(name, SLICE("kvid")))
        return NOTE_KVID;
    return slice_equal(name, SLICE("kvseq")) ? NOTE_SEQ : NOTE_OTHER;
}

static void take_text(char *out, size_t bytes, struct slice text)
{
    size_t len = text.len < bytes ? text.len : bytes - 1;
    memcpy(out, text.data, len);
    out[len] = '\0';
}

/* A note that is not what it should be tells nothing. */
static int get_note(struct rdb_records *records)
{
    struct rdb_found *out = records->out;
    struct slice name, text;
    int status = rdb_get_string(records->in, &name);
    if (status < 0)
        return status;
    enum note note = note_of(name);
    status = rdb_get_string(records->in, &text);
    if (status < 0)
        return status;
    switch (note) {
    case NOTE_SERVER: take_text(out->server, sizeof(out->server), text); break;
    case NOTE_KVID: take_text(out->kvid, sizeof(out->kvid), text); break;
    case NOTE_CREATED: (void)!num_parse_i64(text, &out->created); break;
    case NOTE_SEQ: (void)!num_parse_u64(text, &out->kvseq); break;
    case NOTE_OTHER: break;
    }
    return 0;
}

static int get_database(struct rdb_records *records)
{
    uint64_t db;
    int status = rdb_get_len(records->in, &db);
    if (status == 0 && db > INT_MAX)
        return rdb_bad(records->in, "there is no database %llu", (unsigned long long)db);
    if (status == 0)
        records->db = (int)db;
    return status;
}

static int get_sizes(struct rdb_records *records)
{
    uint64_t keys, expiring, at;
    int status = rdb_get_len(records->in, &keys);
    if (status == 0)
        status = rdb_get_len(records->in, &expiring);
    if (status < 0 || !records->load->presize)
        return status;
    at = rdb_offset(records->in);
    uint64_t most = (records->size > at ? records->size - at : 0) / ENTRY_BYTES_LEAST;
    records->load->presize(records->load->env, records->db, keys < most ? keys : most);
    return 0;
}

static int pass_lens(struct rdb_records *records, int count)
{
    uint64_t len;
    int status = 0;
    for (int i = 0; status == 0 && i < count; i++)
        status = rdb_get_len(records->in, &len);
    return status;
}

static int get_deadline(struct rdb_records *records, bool seconds)
{
    struct slice bytes;
    uint64_t bits = 0;
    int status = rdb_get_raw(records->in, seconds ? 4 : 8, &bytes);
    if (status < 0)
        return status;
    for (size_t i = 0; i < bytes.len; i++)
        bits |= (uint64_t)(uint8_t)bytes.data[i] << 8 * i;
    records->deadline_ms = seconds ? (int64_t)(int32_t)(uint32_t)bits * 1000 : (int64_t)bits;
    if (records->deadline_ms < 0)
        records->deadline_ms = 0; /* long past, either way */
    return 0;
}

/* How the next entry was used. */
static int get_frequency(struct rdb_records *records)
{
    uint8_t frequency;
    int status = rdb_get_byte(records->in, &frequency);
    if (status == 0)
        records->used = evict_told_frequency(frequency);
    return status;
}

static int get_idle(struct rdb_records *records)
{
    uint64_t seconds;
    int status = rdb_get_len(records->in, &seconds);
    if (status == 0)
        records->used = evict_told_idle(seconds);
    return status;
}

/* What put() has refused lies about here, if it does not say better. */
static int put(struct rdb_records *records, struct entry *entry)
{
    struct fault *fault = records->in->fault;
    fault->offset = -1;
    const struct rdb_load *load = records->load;
    uint64_t hash = load->hash ? load->hash(load->env, buf_slice(&records->key)) : 0;
    int status = load->put(load->env, records->db, entry, hash, fault);
    if (status < 0 && !fault->path[0])
        snprintf(fault->path, sizeof(fault->path), "%s", records->load->path);
    if (status < 0 && fault->offset < 0)
        fault->offset = (int64_t)rdb_offset(records->in);
    return status;
}

static int get_entry(struct rdb_records *records, uint8_t tag)
{
    struct fault *fault = records->in->fault;
    struct entry *entry;
    struct slice key;
    bool empty;
    int status = rdb_get_string(records->in, &key);
    if (status < 0)
        return status;
    buf_clear(&records->key);
    buf_append_slice(&records->key, key);
    key = buf_slice(&records->key);
    status = rdb_get_value(records->in, tag, key, records->deadline_ms, &entry, &empty);
    if (status < 0)
        return fault_set(fault, status, fault->path, fault->offset,
                         "%s (key '%.*s' of database %d)", fault->text,
                         key.len > KEY_BYTES_SHOWN ? KEY_BYTES_SHOWN : (int)key.len, key.data,
                         records->db);
    bool expires = records->deadline_ms != ENTRY_NO_DEADLINE;
    uint32_t used = records->used;
    records->deadline_ms = ENTRY_NO_DEADLINE;
    records->used = 0;
    records->entries++;
    if (empty)
        return 0;
    entry_set_access(entry, used);
    records->out->keys++;
    records->out->expiring += expires;
    if (records->load->put)
        return put(records, entry);
    entry_free(entry);
    return 0;
}

static int get_function(struct rdb_records *records, bool old)
{
    const struct rdb_load *load = records->load;
    struct slice code;
    if (!load->function || old)
        return refuse(records,
                      "the snapshot holds functions (FUNCTION LOAD), which this version of kv does "
                      "not have. On the server that wrote it: FUNCTION FLUSH, then BGREWRITEAOF or "
                      "SAVE");
    int status = rdb_get_string(records->in, &code);
    return status < 0 ? status : load->function(load->env, code, records->in->fault);
}

static int get_record(struct rdb_records *records, uint8_t kind)
{
    switch (kind) {
    case RECORD_NOTE: return get_note(records);
    case RECORD_DATABASE: return get_database(records);
    case RECORD_SIZES: return get_sizes(records);
    case RECORD_DEADLINE_S: return get_deadline(records, true);
    case RECORD_DEADLINE_MS: return get_deadline(records, false);
    case RECORD_USED: return get_frequency(records);
    case RECORD_IDLE: return get_idle(records);
    case RECORD_SLOT: return pass_lens(records, 3);
    case RECORD_FUNCTION: return get_function(records, false);
    case RECORD_FUNCTION_OLD: return get_function(records, true);
    case RECORD_MODULE:
        return refuse(records, "the snapshot holds data of a module: modules are not known here");
    default: break;
    }
    if (kind >= RECORD_LEAST) {
        char what[96];
        snprintf(what, sizeof(what),
                 "the snapshot holds a record of kind %d, which is not known here", kind);
        return refuse(records, what);
    }
    return get_entry(records, kind);
}

int rdb_records_begin(struct rdb_records *records)
{
    struct rdb_in *in = records->in;
    struct slice magic;
    uint64_t version;
    int status = rdb_get_raw(in, RDB_MAGIC_BYTES, &magic);
    if (status < 0)
        return status;
    records->out->valkey = in->valkey = memcmp(magic.data, "VALKEY", 6) == 0;
    size_t name = in->valkey ? 6 : 5;
    struct slice digits = {magic.data + name, magic.len - name};
    while (digits.len > 1 && digits.data[0] == '0') {
        digits.data++;
        digits.len--;
    }
    if (!rdb_is_magic(magic) || !num_parse_u64(digits, &version) || version == 0)
        return rdb_bad(in, "the file does not begin as a snapshot (RDB) does");
    records->out->version = in->version = (int)version;
    return 0;
}

int rdb_records_next(struct rdb_records *records, bool *end)
{
    uint8_t kind;
    int status = rdb_get_byte(records->in, &kind);
    *end = status == 0 &&
        (kind == RECORD_END || (records->load->notes_only && kind != RECORD_NOTE));
    return status < 0 || *end ? status : get_record(records, kind);
}

void rdb_records_free(struct rdb_records *records)
{
    buf_free(&records->key);
}
