/* Reading a snapshot.
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
 *     0xf5  0xf6  0xf7          functions, and data of modules: refused
 *     below                     a value's tag: key and value follow (core/type/rdb_value.h)
 *     0xff  8 bytes             the end; from version 5 on CRC64 of all before it, little-endian;
 *                               0: whoever wrote it did not count
 *
 * Any version is read as far as all in it is known: what a newer one added shows as a record or tag
 * that nobody reads, and nothing of it is guessed.
 *
 * The checksum comes last, so entries are handed out before it is known to hold. Who takes them may
 * serve none before rdb_load() has returned 0.
 *
 * Everything is hostile. A length is believed when the bytes are there; the window grows for one
 * string, up to what the file still has, and shrinks again. Values are decoded deeply checked.
 */
#include "persistence/rdb_load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/type/entry.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "persistence/file.h"

#define WINDOW_BYTES (256 * 1024)
#define PROGRESS_BYTES (256 * 1024)
#define CHECKSUM_VERSION_LEAST 5
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

static const struct type_limits usual_limits = {
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
    .hll_sparse_bytes = 3000,
};

/* The reading of one file. `in` stands somewhere in the window. */
struct loader {
    const struct rdb_load *load;
    struct rdb_found *out;
    struct rdb_in in;
    struct fault fault; /* of `in`, and the caller's in the end */
    int fd;
    uint64_t size;
    uint8_t *window;
    size_t window_bytes;
    const uint8_t *summed_to; /* in the window: what is before it is in the sum */
    uint64_t crc;
    int read_error; /* -errno of a read that failed */
    struct buf key;
    int db;
    int64_t deadline_ms;
    uint64_t progress_at;
};

/* --- The window ----------------------------------------------------------------------------- */

static void sum(struct loader *loader)
{
    struct rdb_in *in = &loader->in;
    loader->crc = crc64_bytes(loader->crc, loader->summed_to, (size_t)(in->at - loader->summed_to));
    loader->summed_to = in->at;
}

/* Move what is left to the front of a window of `bytes`. */
static void resize(struct loader *loader, size_t bytes)
{
    struct rdb_in *in = &loader->in;
    size_t left = (size_t)(in->end - in->at);
    if (bytes == loader->window_bytes) {
        memmove(loader->window, in->at, left);
    } else {
        uint8_t *window = mem_alloc(bytes);
        if (left > 0)
            memcpy(window, in->at, left);
        mem_free(loader->window);
        loader->window = window;
        loader->window_bytes = bytes;
    }
    in->at = loader->summed_to = loader->window;
    in->end = in->at + left;
}

static bool refill(struct rdb_in *in, size_t wanted)
{
    struct loader *loader = in->env;
    const struct disk *disk = loader->load->disk;
    size_t left = (size_t)(in->end - in->at);
    uint64_t unread = loader->size > in->offset ? loader->size - in->offset : 0;
    if (loader->read_error || wanted > left + unread)
        return false;
    sum(loader);
    resize(loader, wanted > WINDOW_BYTES ? wanted : WINDOW_BYTES);
    while ((size_t)(in->end - in->at) < wanted) {
        size_t have = (size_t)(in->end - in->at), room = loader->window_bytes - have;
        ssize_t got = disk->pread(disk->self, loader->fd, loader->window + have, room,
                                  (off_t)in->offset);
        if (got <= 0) {
            loader->read_error = got < 0 ? (int)got : 0;
            return false;
        }
        in->end += got;
        in->offset += (uint64_t)got;
    }
    return true;
}

/* --- Records -------------------------------------------------------------------------------- */

static int refuse(struct loader *loader, const char *what)
{
    return fault_set(&loader->fault, KV_EVERSION, loader->fault.path,
                     (int64_t)rdb_offset(&loader->in), "%s", what);
}

static int get_header(struct loader *loader)
{
    struct rdb_in *in = &loader->in;
    struct slice magic;
    uint64_t version;
    int status = rdb_get_raw(in, RDB_MAGIC_BYTES, &magic);
    if (status < 0)
        return status;
    loader->out->valkey = in->valkey = memcmp(magic.data, "VALKEY", 6) == 0;
    size_t name = in->valkey ? 6 : 5;
    struct slice digits = {magic.data + name, magic.len - name};
    while (digits.len > 1 && digits.data[0] == '0') {
        digits.data++;
        digits.len--;
    }
    if (!rdb_is_magic(magic) || !num_parse_u64(digits, &version) || version == 0)
        return rdb_bad(in, "the file does not begin as a snapshot (RDB) does");
    loader->out->version = in->version = (int)version;
    return 0;
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
static int get_note(struct loader *loader)
{
    struct rdb_found *out = loader->out;
    struct slice name, text;
    int status = rdb_get_string(&loader->in, &name);
    if (status < 0)
        return status;
    enum note note = note_of(name);
    status = rdb_get_string(&loader->in, &text);
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

static int get_database(struct loader *loader)
{
    uint64_t db;
    int status = rdb_get_len(&loader->in, &db);
    if (status == 0 && db > INT_MAX)
        return rdb_bad(&loader->in, "there is no database %llu", (unsigned long long)db);
    if (status == 0)
        loader->db = (int)db;
    return status;
}

static int get_sizes(struct loader *loader)
{
    uint64_t keys, expiring, at;
    int status = rdb_get_len(&loader->in, &keys);
    if (status == 0)
        status = rdb_get_len(&loader->in, &expiring);
    if (status < 0 || !loader->load->presize)
        return status;
    at = rdb_offset(&loader->in);
    uint64_t most = (loader->size > at ? loader->size - at : 0) / ENTRY_BYTES_LEAST;
    loader->load->presize(loader->load->env, loader->db, keys < most ? keys : most);
    return 0;
}

static int pass_lens(struct loader *loader, int count)
{
    uint64_t len;
    int status = 0;
    for (int i = 0; status == 0 && i < count; i++)
        status = rdb_get_len(&loader->in, &len);
    return status;
}

static int get_deadline(struct loader *loader, bool seconds)
{
    struct slice bytes;
    uint64_t bits = 0;
    int status = rdb_get_raw(&loader->in, seconds ? 4 : 8, &bytes);
    if (status < 0)
        return status;
    for (size_t i = 0; i < bytes.len; i++)
        bits |= (uint64_t)(uint8_t)bytes.data[i] << 8 * i;
    loader->deadline_ms = seconds ? (int64_t)(int32_t)(uint32_t)bits * 1000 : (int64_t)bits;
    if (loader->deadline_ms < 0)
        loader->deadline_ms = 0; /* long past, either way */
    return 0;
}

static int get_byte(struct loader *loader)
{
    uint8_t byte;
    return rdb_get_byte(&loader->in, &byte);
}

static int get_entry(struct loader *loader, uint8_t tag)
{
    struct rdb_in *in = &loader->in;
    struct entry *entry;
    struct slice key;
    bool empty;
    int status = rdb_get_string(in, &key);
    if (status < 0)
        return status;
    buf_clear(&loader->key);
    buf_append_slice(&loader->key, key);
    key = buf_slice(&loader->key);
    status = rdb_get_value(in, tag, key, loader->deadline_ms, &entry, &empty);
    if (status < 0)
        return fault_set(&loader->fault, status, loader->fault.path, loader->fault.offset,
                         "%s (key '%.*s' of database %d)", loader->fault.text,
                         key.len > KEY_BYTES_SHOWN ? KEY_BYTES_SHOWN : (int)key.len, key.data,
                         loader->db);
    bool expires = loader->deadline_ms != ENTRY_NO_DEADLINE;
    loader->deadline_ms = ENTRY_NO_DEADLINE;
    if (empty)
        return 0;
    loader->out->keys++;
    loader->out->expiring += expires;
    if (!loader->load->put) {
        entry_free(entry);
        return 0;
    }
    loader->fault.offset = -1;
    status = loader->load->put(loader->load->env, loader->db, entry, &loader->fault);
    if (status < 0 && !loader->fault.path[0])
        snprintf(loader->fault.path, sizeof(loader->fault.path), "%s", loader->load->path);
    if (status < 0 && loader->fault.offset < 0)
        loader->fault.offset = (int64_t)rdb_offset(in);
    return status;
}

static int get_end(struct loader *loader)
{
    struct rdb_in *in = &loader->in;
    struct slice bytes;
    uint64_t stored = 0;
    if (in->version >= CHECKSUM_VERSION_LEAST || in->valkey) {
        sum(loader);
        uint64_t crc = loader->crc;
        int status = rdb_get_raw(in, 8, &bytes);
        if (status < 0)
            return status;
        for (size_t i = 0; i < 8; i++)
            stored |= (uint64_t)(uint8_t)bytes.data[i] << 8 * i;
        if (stored != 0 && stored != crc)
            return rdb_bad(in, "the checksum of the snapshot does not hold");
    }
    loader->out->checked = stored != 0;
    loader->out->end = rdb_offset(in);
    return 0;
}

static int get_record(struct loader *loader, uint8_t kind)
{
    switch (kind) {
    case RECORD_NOTE: return get_note(loader);
    case RECORD_DATABASE: return get_database(loader);
    case RECORD_SIZES: return get_sizes(loader);
    case RECORD_DEADLINE_S: return get_deadline(loader, true);
    case RECORD_DEADLINE_MS: return get_deadline(loader, false);
    case RECORD_USED: return get_byte(loader);
    case RECORD_IDLE: return pass_lens(loader, 1);
    case RECORD_SLOT: return pass_lens(loader, 3);
    case RECORD_FUNCTION:
    case RECORD_FUNCTION_OLD:
        return refuse(loader, "the snapshot holds functions (FUNCTION LOAD), which this version of "
                              "kv does not have. On the server that wrote it: FUNCTION FLUSH, then "
                              "BGREWRITEAOF or SAVE");
    case RECORD_MODULE:
        return refuse(loader, "the snapshot holds data of a module: modules are not known here");
    default: break;
    }
    if (kind >= RECORD_LEAST) {
        char what[96];
        snprintf(what, sizeof(what),
                 "the snapshot holds a record of kind %d, which is not known here", kind);
        return refuse(loader, what);
    }
    return get_entry(loader, kind);
}

static void progress(struct loader *loader)
{
    uint64_t at = rdb_offset(&loader->in);
    if (!loader->load->progress || at - loader->progress_at < PROGRESS_BYTES)
        return;
    loader->progress_at = at;
    loader->load->progress(loader->load->env, at, loader->out->keys);
}

static int get_all(struct loader *loader)
{
    uint8_t kind;
    int status = get_header(loader);
    while (status == 0) {
        progress(loader);
        status = rdb_get_byte(&loader->in, &kind);
        if (status == 0 && kind == RECORD_END)
            return get_end(loader);
        if (status == 0 && loader->load->notes_only && kind != RECORD_NOTE)
            return 0;
        if (status == 0)
            status = get_record(loader, kind);
    }
    return status;
}

/* --- The file ------------------------------------------------------------------------------- */

static int call_failed(struct fault *fault, int64_t status, const char *path, const char *doing)
{
    errno = (int)-status;
    return fault_errno(fault, path, -1, doing);
}

bool rdb_is_magic(struct slice begin)
{
    return (begin.len >= 5 && memcmp(begin.data, "REDIS", 5) == 0) ||
           (begin.len >= 6 && memcmp(begin.data, "VALKEY", 6) == 0);
}

int rdb_load(const struct rdb_load *load, struct rdb_found *out, struct fault *fault)
{
    const struct disk *disk = load->disk;
    struct loader loader = {.load = load,
                            .out = out,
                            .in = {.refill = refill, .foreign = true},
                            .fault = {.offset = -1},
                            .deadline_ms = ENTRY_NO_DEADLINE};
    *out = (struct rdb_found){0};
    snprintf(loader.fault.path, sizeof(loader.fault.path), "%s", load->path);
    loader.fd = disk->open(disk->self, load->path, O_RDONLY, 0);
    if (loader.fd < 0)
        return call_failed(fault, loader.fd, load->path, "open");
    int64_t size = disk->size(disk->self, loader.fd);
    if (size < 0) {
        disk->close(disk->self, loader.fd);
        return call_failed(fault, size, load->path, "stat");
    }
    loader.size = (uint64_t)size;
    loader.in.env = &loader;
    loader.in.fault = &loader.fault;
    loader.in.limits = load->limits ? load->limits : &usual_limits;
    resize(&loader, WINDOW_BYTES);
    int status = get_all(&loader);
    if (status < 0 && loader.read_error)
        status = call_failed(&loader.fault, loader.read_error, load->path, "read");
    if (status == KV_EFORMAT)
        status = loader.fault.code = KV_ECORRUPT;
    if (status < 0 && fault)
        *fault = loader.fault;
    disk->close(disk->self, loader.fd);
    mem_free(loader.window);
    buf_free(&loader.key);
    rdb_in_free(&loader.in);
    return status;
}
