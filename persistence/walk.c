/* The walk over the files of a log, and the rules that bind them:
 *
 *   1. A file with a header holds batches. A file without one is raw: commands by a stock server,
 *      with nothing that protects them. In a sealed manifest, which kv wrote, a file is raw only
 *      where its line says so (kvraw); otherwise a missing header is damage.
 *   2. Files of kv form one chain: the header's first batch, first sequence and previous crc are
 *      those that the batch before it has, and its kvid is that of the data set.
 *   3. A file has a successor only after a sync that covers all of it, so a bad batch before the
 *      successor's first batch is damage. What stands behind that batch is dead: after a failed
 *      sync the successor holds those batches again, and may lack the ones behind.
 *   4. In the last file a bad batch is a torn tail unless evidence says otherwise: see verdict.c.
 *   5. Without a seal the manifest is a stock server's: it went on writing into the last file it
 *      found. Behind the last good batch of any file there may then be raw bytes, as many as the
 *      successor's first sequence tells. Evidence is searched all the same: a stock server appends,
 *      it does not mend.
 *   6. Raw bytes are read command by command. In the last file an incomplete command or MULTI at
 *      the end is torn, and so are zero bytes up to the end. Anything else that can't be read is
 *      damage: nobody can know whether what follows was acknowledged.
 *   7. The first file may begin with a snapshot (RDB), with raw commands behind it, or nothing. It
 *      has a checksum of its own, and is whole or damaged: a stock server answers for nothing
 *      before it is complete. The sequence does not count its bytes. kv's own base, which is not
 *      kvraw, has nothing behind it; neither has a dump.
 */
#include "persistence/walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/keys.h"
#include "persistence/reader.h"

#define KEYS_NAMED_MAX 5

/* The walk through one file. */
struct pass {
    struct walk *walk;
    struct walk_file *file;
    int index;
    const struct manifest_file *entry;
    struct reader reader;
    struct fault *fault;
};

static int corrupt(const struct walk *walk, const char *path, int64_t offset, struct fault *fault,
                   const char *format, ...) printf_like(5, 6);

/* Damage: what it is, and what to do about it for who does not do it already. */
static int corrupt(const struct walk *walk, const char *path, int64_t offset, struct fault *fault,
                   const char *format, ...)
{
    char what[700];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    if (walk->keep_going)
        return fault_set(fault, KV_ECORRUPT, path, offset, "%s", what);
    return fault_set(fault, KV_ECORRUPT, path, offset,
                     "%s. Nothing was changed. Look closer with: kv-check-aof %s ; go on without "
                     "what is damaged with: kv-check-aof --salvage %s",
                     what, walk->directory, walk->directory);
}

/* The next file behind `index` that has a header; NULL if the very next one has none, or there is
 * no other. */
static const struct walk_file *successor(const struct walk *walk, int index)
{
    if (index + 1 < walk->count && walk->files[index + 1].has_header)
        return &walk->files[index + 1];
    return NULL;
}

/* The batch behind the last good one is damaged. `proof` says how that is known. */
static int corrupt_batch(struct pass *pass, uint64_t to, const char *proof)
{
    struct reader *reader = &pass->reader;
    struct buf keys = {0};
    uint64_t number = reader->batch + 1;
    keys_name(reader, reader->at, to, KEYS_NAMED_MAX, &keys);
    buf_append_char(&keys, '\0');
    pass->file->verdict = VERDICT_CORRUPT;
    int status = corrupt(pass->walk, reader->path, (int64_t)reader->bad_at, pass->fault,
                         "batch %llu, which begins at offset %llu, is damaged: %s. It was "
                         "acknowledged: %s. Its keys, as far as they can be read: %s",
                         (unsigned long long)number, (unsigned long long)pass->file->good_to,
                         reader_why_text(reader->why), proof, keys.data);
    buf_free(&keys);
    return status;
}

/* The same for a snapshot, of which only a copy helps. */
static int corrupt_snapshot(struct pass *pass, int64_t offset, const char *what)
{
    char text[700];
    pass->file->verdict = VERDICT_CORRUPT;
    pass->file->rdb.end = 0;
    snprintf(text, sizeof(text), "%s", what);
    return fault_set(pass->fault, KV_ECORRUPT, pass->file->path, offset,
                     "the snapshot is damaged: %s%s", text,
                     pass->walk->keep_going ? ""
                     : pass->file->dump ? ". Nothing was changed. Put a good copy in its place, or "
                                          "move it away to begin empty"
                                        : ". Nothing was changed. Put a good copy of this file in "
                                          "its place, or restore a backup (kv-restore). What of it "
                                          "can be kept is told by kv-check-aof --salvage");
}

static int pass_good(struct pass *pass, const struct reader_batch *batch)
{
    struct walk_file *file = pass->file;
    struct walk *walk = pass->walk;
    if (batch->trailer.batch && file->batches++ == 0)
        file->batch_from = batch->trailer.batch;
    if (batch->trailer.batch)
        file->batch_to = batch->trailer.batch;
    file->commands += batch->commands;
    file->good_to = batch->to;
    file->seq_to = pass->reader.seq;
    return walk->good ? walk->good(walk->env, pass->index, &pass->reader, batch, pass->fault) : 0;
}

static int torn(struct pass *pass)
{
    struct walk_file *file = pass->file;
    file->verdict = VERDICT_TORN;
    if (pass->reader.why == READER_ZEROS)
        snprintf(file->why, sizeof(file->why), "zero bytes");
    else
        snprintf(file->why, sizeof(file->why), "%s %llu: %s", file->raw ? "command" : "batch",
                 (unsigned long long)(file->raw ? file->commands + 1 : pass->reader.batch + 1),
                 reader_why_text(pass->reader.why));
    return 0;
}

/* Raw bytes from the reader's place up to `end`. `may_tear`: an incomplete end is a torn tail, and
 * zero bytes at the end of the file are not looked at. */
static int walk_raw(struct pass *pass, uint64_t end, bool may_tear)
{
    struct reader *reader = &pass->reader;
    struct walk_file *file = pass->file;
    struct reader_batch unit;
    uint64_t content = end;
    int status = may_tear ? reader_content_end(reader, reader->at, &content, pass->fault) : 0;
    file->raw = true;
    file->raw_from = reader->at;
    while (status == 0) {
        status = reader_next_raw(reader, content, &unit, pass->fault);
        if (status == READER_GOOD && unit.has_mark && !file->has_header)
            status = corrupt(pass->walk, reader->path, 0, pass->fault,
                             "the file holds kv's commit marks, but its header can't be read");
        if (status == READER_GOOD)
            status = pass_good(pass, &unit);
    }
    file->raw_to = reader->at;
    file->good_to = reader->at;
    if (status == READER_END && content < end)
        reader->why = READER_ZEROS;
    else if (status == READER_END || status != READER_BAD)
        return status == READER_END ? 0 : status;
    if (may_tear && (status == READER_END || reader->why == READER_CUT))
        return torn(pass);
    file->verdict = VERDICT_CORRUPT;
    return corrupt(pass->walk, reader->path, (int64_t)reader->bad_at, pass->fault,
                   "a command written by a stock server can't be read: %s",
                   reader_why_text(reader->why));
}

/* Nothing good is behind the reader, and no file of kv's behind this one. Torn, damaged, or a stock
 * server's? */
static int judge_tail(struct pass *pass)
{
    struct walk *walk = pass->walk;
    struct reader *reader = &pass->reader;
    struct evidence evidence = {0};
    char proof[200];
    if (pass->file->last && walk->slot.kvid[0] && walk->slot.batch > reader->batch) {
        snprintf(proof, sizeof(proof), "kv.durable names batch %llu as durable",
                 (unsigned long long)walk->slot.batch);
        return corrupt_batch(pass, reader->size, proof);
    }
    enum reader_why why = reader->why;
    uint64_t bad_at = reader->bad_at;
    int found = verdict_search(reader, reader->at, (int64_t)reader->batch, &evidence, pass->fault);
    if (found == KV_ELIMIT)
        return corrupt_batch(pass, reader->size, "that can't be told, and is assumed");
    if (found < 0)
        return found;
    reader->why = why;
    reader->bad_at = bad_at;
    if (found > 0 || why == READER_SEQ) {
        snprintf(proof, sizeof(proof), "batch %llu, at offset %llu, names batch %llu as durable",
                 (unsigned long long)evidence.batch, (unsigned long long)evidence.from,
                 (unsigned long long)evidence.durable_batch);
        return corrupt_batch(pass, found > 0 ? evidence.from : reader->size,
                             found > 0 ? proof : "its checksum holds");
    }
    if (!walk->manifest->sealed)
        return walk_raw(pass, reader->size, pass->file->last);
    return pass->file->last ? torn(pass)
                            : corrupt_batch(pass, reader->size, "the file has a successor");
}

/* Raw bytes that the manifest names. */
static int walk_raw_named(struct pass *pass)
{
    struct reader *reader = &pass->reader;
    if (reader->at != pass->entry->raw_from || reader->size < pass->entry->raw_to)
        return corrupt(pass->walk, reader->path, (int64_t)reader->at, pass->fault,
                       "the bytes that a stock server wrote (%llu to %llu) are not there",
                       (unsigned long long)pass->entry->raw_from,
                       (unsigned long long)pass->entry->raw_to);
    return walk_raw(pass, pass->entry->raw_to, false);
}

static int walk_batches(struct pass *pass)
{
    struct walk *walk = pass->walk;
    struct reader *reader = &pass->reader;
    const struct walk_file *next = successor(walk, pass->index);
    uint64_t stop = next ? next->header.first_batch : 0;
    bool raw_named = pass->entry->raw;
    struct reader_batch batch;
    int status = 0;
    while (status == 0) {
        if ((stop && reader->batch + 1 == stop) ||
            (raw_named && reader->at == pass->entry->raw_from))
            status = READER_END;
        else
            status = reader_next(reader, &batch, pass->fault);
        if (status == READER_GOOD)
            status = pass_good(pass, &batch);
    }
    if (status != READER_END && status != READER_BAD)
        return status;
    walk->batch = reader->batch;
    walk->crc = reader->crc;
    if (stop && reader->batch + 1 != stop) {
        if (status == READER_END) {
            reader->why = READER_CUT;
            reader->bad_at = reader->size;
        }
        return corrupt_batch(pass, reader->size, "the file has a successor");
    }
    if (raw_named)
        return walk_raw_named(pass);
    if (!stop)
        return status == READER_BAD ? judge_tail(pass) : 0;
    if (walk->manifest->sealed || next->header.first_seq <= reader->seq)
        return 0;
    return walk_raw(pass, reader->size, false);
}

/* Rule 2. */
static int check_chain(struct pass *pass)
{
    struct walk *walk = pass->walk;
    const struct walk_file *file = pass->file;
    const struct format_header *header = &file->header;
    const char *what = NULL;
    if (walk->alone || walk->broken)
        return 0;
    if (walk->chained && header->first_batch != walk->batch + 1)
        what = "its first batch does not follow the last one";
    else if (walk->chained && header->previous_crc != walk->crc)
        what = "it does not belong behind the file before it";
    else if ((walk->chained || pass->index > 0) && header->first_seq != walk->seq)
        what = "its first sequence is not where the stream stands";
    else if (!manifest_base(walk->manifest) && pass->index == 0 &&
             (header->first_batch != 1 || header->first_seq != 0))
        what = "the log begins in the middle: what was before it is missing";
    else if (walk->manifest->sealed && pass->entry->kvseq != header->first_seq)
        what = "its first sequence is not that of the manifest";
    if (!what)
        return 0;
    pass->file->verdict = VERDICT_CORRUPT;
    return corrupt(walk, file->path, 0, pass->fault, "the file's header is not as it must be: %s",
                   what);
}

/* Rule 7. The reader comes to stand behind the snapshot. */
static int walk_snapshot(struct pass *pass, uint64_t end)
{
    struct walk_file *file = pass->file;
    struct fault fault = {.offset = -1};
    struct rdb_load load = pass->walk->rdb;
    bool alone = file->dump || (pass->walk->manifest->sealed && !pass->entry->raw);
    load.disk = pass->walk->disk;
    load.path = file->path;
    load.env = pass->walk->env;
    int status = rdb_load(&load, &file->rdb, &fault);
    if (status == KV_ECORRUPT)
        return corrupt_snapshot(pass, fault.offset, fault.text);
    if (status < 0) {
        if (pass->fault)
            *pass->fault = fault;
        return status;
    }
    if (file->rdb.end > end || (alone && file->rdb.end < end))
        return corrupt_snapshot(pass, (int64_t)file->rdb.end,
                                file->rdb.end > end ? "it is longer than the manifest says"
                                                    : "it ends here, and the file does not");
    pass->reader.at = file->good_to = file->rdb.end;
    return 0;
}

/* A base of ours, whole, under the manifest of a stock server, which has no keys of ours: it says
 * itself where it stands in the stream. */
static bool is_own_base(const struct pass *pass)
{
    const struct walk_file *file = pass->file;
    return !pass->walk->manifest->sealed && file->snapshot && !file->dump && file->rdb.kvid[0] &&
           file->rdb.checked && file->rdb.end == file->size;
}

/* A file without a header. */
static int walk_plain(struct pass *pass)
{
    struct walk *walk = pass->walk;
    struct walk_file *file = pass->file;
    bool whole = !walk->manifest->sealed || !pass->entry->raw;
    uint64_t end = whole ? file->size : pass->entry->raw_to;
    bool own = walk->manifest->sealed && !pass->entry->raw;
    int status = 0;
    if (own)
        file->seq_from = file->seq_to = walk->seq = pass->entry->kvseq;
    pass->reader.seq = walk->seq;
    if (file->snapshot)
        status = walk_snapshot(pass, end);
    if (status == 0 && is_own_base(pass)) {
        own = true;
        file->seq_from = file->seq_to = walk->seq = pass->reader.seq = file->rdb.kvseq;
    }
    if (status == 0 && !own)
        status = walk_raw(pass, end, file->last && !walk->manifest->sealed);
    if (file->snapshot)
        file->raw_from = 0;
    return status;
}

int walk_file(struct walk *walk, int index, struct fault *fault)
{
    struct walk_file *file = &walk->files[index];
    struct pass pass = {.walk = walk,
                        .file = file,
                        .index = index,
                        .entry = &walk->manifest->files[file->entry],
                        .fault = fault};
    int status = reader_open(&pass.reader, walk->disk, file->path, fault);
    if (status < 0)
        return status;
    file->seq_from = file->seq_to = file->has_header ? file->header.first_seq : walk->seq;
    file->good_to = pass.reader.at;
    if (file->has_header) {
        status = check_chain(&pass);
        if (status == 0)
            status = walk_batches(&pass);
        walk->chained = true;
    } else {
        status = walk_plain(&pass);
    }
    walk->seq = pass.reader.seq;
    walk->broken = status == KV_ECORRUPT;
    reader_close(&pass.reader);
    return status;
}

int walk_end(const struct walk *walk, struct fault *fault)
{
    if (!walk->slot.kvid[0] || walk->slot.batch <= walk->batch)
        return 0;
    const char *path = walk->count ? walk->files[walk->count - 1].path : walk->directory;
    return corrupt(walk, path, -1, fault,
                   "the log ends behind batch %llu, but kv.durable names batch %llu as durable: "
                   "the end of the log is missing",
                   (unsigned long long)walk->batch, (unsigned long long)walk->slot.batch);
}

/* Where the file is: in the directory, or, if it is the single file of an old stock server that is
 * being moved there, still beside it. */
static int find_file(struct walk *walk, struct walk_file *file, struct fault *fault)
{
    const struct manifest_file *entry = &walk->manifest->files[file->entry];
    int len = snprintf(file->path, sizeof(file->path), "%s/%s", walk->directory, entry->name);
    if (len < 0 || (size_t)len >= sizeof(file->path))
        return fault_set(fault, KV_ELIMIT, walk->directory, -1, "the path is too long");
    int there = walk->disk->exists(walk->disk->self, file->path);
    if (there == 0 && !walk->manifest->sealed && entry->type == MANIFEST_BASE) {
        char beside[512];
        snprintf(beside, sizeof(beside), "%s/%s", walk->parent, entry->name);
        there = walk->disk->exists(walk->disk->self, beside);
        if (there > 0) {
            memcpy(file->path, beside, sizeof(beside));
            file->moving = true;
            file->dump = walk->dump && strcmp(entry->name, walk->dump) == 0;
        }
    }
    if (there < 0)
        return fault_status(fault, there, file->path, -1, "stat");
    if (there == 0)
        return corrupt(walk, file->path, -1, fault,
                       "the manifest names this file, but it is missing");
    return 0;
}

/* A file without a header: may it be so? */
static int check_raw(struct walk *walk, struct reader *reader, struct walk_file *file,
                     const struct manifest_file *entry, struct fault *fault)
{
    struct slice magic;
    int status = reader_view(reader, 0, RDB_MAGIC_BYTES, &magic, fault);
    if (status < 0)
        return status;
    file->snapshot = file == walk->files && rdb_is_snapshot(magic);
    if (file->dump && !file->snapshot)
        return fault_set(fault, KV_ECORRUPT, reader->path, 0,
                         "this is no snapshot (RDB), though it has its name. Nothing was changed. "
                         "Put a good copy in its place, or move it away to begin empty");
    if (!walk->manifest->sealed)
        return 0;
    if (file->snapshot && !entry->raw && entry->type == MANIFEST_BASE)
        return 0;
    if (!entry->raw || entry->raw_from != 0)
        return corrupt(walk, reader->path, 0, fault, "the file does not begin with kv's header");
    if (reader->size < entry->raw_to)
        return corrupt(walk, reader->path, (int64_t)reader->size, fault,
                       "the file is shorter than the manifest says");
    return 0;
}

static int take_kvid(struct walk *walk, const char *path, const char *kvid, struct fault *fault)
{
    if (!walk->kvid[0])
        memcpy(walk->kvid, kvid, sizeof(walk->kvid));
    if (strcmp(walk->kvid, kvid) != 0)
        return corrupt(walk, path, 0, fault,
                       "the file belongs to other data: its kvid is %s, that of the files before "
                       "it is %s",
                       kvid, walk->kvid);
    return 0;
}

static int open_file(struct walk *walk, struct walk_file *file, struct fault *fault)
{
    const struct manifest_file *entry = &walk->manifest->files[file->entry];
    struct reader reader;
    int status = find_file(walk, file, fault);
    if (status < 0)
        return status;
    status = reader_open(&reader, walk->disk, file->path, fault);
    if (status < 0)
        return status;
    file->size = reader.size;
    file->has_header = reader.has_header;
    file->header = reader.header;
    if (entry->kvid[0])
        status = take_kvid(walk, file->path, entry->kvid, fault);
    if (status == 0 && file->has_header)
        status = take_kvid(walk, file->path, file->header.kvid, fault);
    if (status == 0 && !file->has_header)
        status = check_raw(walk, &reader, file, entry, fault);
    reader_close(&reader);
    return status;
}

int walk_open(struct walk *walk, struct fault *fault)
{
    const struct manifest *manifest = walk->manifest;
    const struct walk_file *before = NULL;
    walk->files = mem_alloc_zero((size_t)(manifest->count + 1) * sizeof(*walk->files));
    for (int i = 0; i < manifest->count; i++)
        if (manifest->files[i].type != MANIFEST_HISTORY)
            walk->files[walk->count++].entry = i;
    if (walk->count > 0)
        walk->files[walk->count - 1].last = true;
    for (int i = 0; i < walk->count; i++) {
        struct walk_file *file = &walk->files[i];
        int status = open_file(walk, file, fault);
        if (status < 0 && walk->keep_going && fault &&
            (status == KV_ECORRUPT || status == KV_EREFUSED)) {
            snprintf(file->lost, sizeof(file->lost), "%.599s", fault->text);
            file->verdict = VERDICT_CORRUPT;
            status = 0;
        }
        if (status < 0)
            return status;
        if (file->has_header && before && !walk->keep_going &&
            file->header.first_batch < before->header.first_batch)
            return corrupt(walk, file->path, 0, fault,
                           "its first batch is before that of the file in front of it");
        if (file->has_header)
            before = file;
    }
    if (strcmp(walk->slot.kvid, walk->kvid) != 0)
        walk->slot = (struct durable){.turn = walk->slot.turn};
    return 0;
}

void walk_close(struct walk *walk)
{
    mem_free(walk->files);
    walk->files = NULL;
    walk->count = 0;
}
