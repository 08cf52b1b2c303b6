/* Salvage: tour the files, and write what is good again.
 *
 *   1. tour      every batch that is good, in order; a batch behind a damaged one counts if
 *                verdict.c proves it. What stands between is a gap: dropped, and reported.
 *   2. rewrite   a new incr file with a new kvid, salt, and numbers from 1. Its first batch is
 *                a line that says when this data parted from which, and a SELECT, since a file
 *                without commands is replaced at the next start:
 *                #KVR:v1:<Unix time>:<kvid, or - where there was none>
 *                Bytes of commands are copied as they are; trailers are new. Raw commands get
 *                trailers too, a SELECT in front of each batch.
 *   3. switch    sync the new file and the directory; keep a copy of the old manifest; then the
 *                new manifest, which names the new file only, behind the old base if that is a
 *                snapshot and good.
 *   4. rename    the other old files to <name>.damaged.<n>; write kv.durable for the new data.
 *
 * A crash before 3 is done leaves the old log and a file that nobody names; after it, the new
 * log and old files that nobody names.
 */
#include "persistence/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/num.h"
#include "core/resp.h"
#include "persistence/cut.h"
#include "persistence/durable.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/log_names.h"
#include "persistence/reader.h"
#include "persistence/verdict.h"
#include "persistence/walk.h"

#define CHUNK_BYTES (256 * 1024)
#define RAW_BATCH_BYTES (64 * 1024)

/* --- Tour ----------------------------------------------------------------------------------- */

struct tour {
    struct walk *walk;
    int file;
    struct reader *reader;
    const struct salvage_hooks *hooks;
    struct fault *fault;
    uint64_t resumed; /* where the search last made the reader go on; 0: nowhere */
};

static int tour_gap(struct tour *tour, uint64_t from, uint64_t to)
{
    if (from == to || !tour->hooks->gap)
        return 0;
    return tour->hooks->gap(tour->hooks->env, tour->file, tour->reader, from, to, tour->fault);
}

static int tour_good(struct tour *tour, const struct reader_batch *batch)
{
    return tour->hooks->good(tour->hooks->env, tour->file, tour->reader, batch, tour->fault);
}

/* Commands up to `end`; what can't be read to the end of the file is a gap. */
static int tour_raw(struct tour *tour, uint64_t end)
{
    struct reader *reader = tour->reader;
    struct reader_batch unit;
    int status = 0;
    while (status == 0) {
        status = reader_next_raw(reader, end, &unit, tour->fault);
        if (status == READER_GOOD)
            status = tour_good(tour, &unit);
        else if (status == READER_BAD || status == READER_END)
            return status == READER_BAD ? tour_gap(tour, reader->at, reader->size) : 0;
    }
    return status;
}

/* Behind a bad batch: stand in front of the next good one (1), or pass the rest (0). */
static int find_next(struct tour *tour)
{
    struct reader *reader = tour->reader;
    struct evidence evidence = {0};
    uint64_t from = reader->at;
    int found = verdict_search(reader, from, -1, &evidence, tour->fault);
    if (found == KV_ELIMIT || (found > 0 && evidence.from == tour->resumed))
        found = 0;
    if (found < 0)
        return found;
    if (!found && !tour->walk->manifest->sealed)
        return tour_raw(tour, reader->size); /* a stock server may have written it */
    int status = tour_gap(tour, from, found ? evidence.from : reader->size);
    if (status == 0 && found)
        reader_resume(reader, evidence.from, evidence.batch, evidence.seed);
    tour->resumed = evidence.from;
    return status ? status : found;
}

static int tour_batches(struct tour *tour, uint64_t *above)
{
    struct reader *reader = tour->reader;
    const struct walk *walk = tour->walk;
    const struct manifest_file *entry = &walk->manifest->files[walk->files[tour->file].entry];
    struct reader_batch batch;
    for (;;) {
        if (entry->raw && reader->at == entry->raw_from)
            return tour_raw(tour, entry->raw_to);
        int status = reader_next(reader, &batch, tour->fault);
        if (status == READER_GOOD && batch.trailer.batch > *above) {
            *above = batch.trailer.batch;
            status = tour_good(tour, &batch);
        } else if (status == READER_BAD) {
            status = find_next(tour);
            if (status == 0)
                return 0;
            status = status == 1 ? 0 : status;
        } else if (status == READER_END) {
            return 0;
        }
        if (status != 0)
            return status;
    }
}

/* The first line of a file whose header can't be read. */
static int pass_lost_header(struct tour *tour)
{
    struct slice bytes;
    int status = reader_view(tour->reader, 0, FORMAT_HEADER_MAX, &bytes, tour->fault);
    if (status < 0 || bytes.len == 0 || bytes.data[0] == '*')
        return status;
    const char *end = memchr(bytes.data, '\n', bytes.len);
    tour->reader->at = end ? (uint64_t)(end - bytes.data) + 1 : tour->reader->size;
    return tour_gap(tour, 0, tour->reader->at);
}

int salvage_tour(struct walk *walk, int file, uint64_t *above, const struct salvage_hooks *hooks,
                 struct fault *fault)
{
    const struct manifest_file *entry = &walk->manifest->files[walk->files[file].entry];
    bool header_lost = walk->manifest->sealed && !entry->raw;
    struct reader reader;
    struct tour tour = {
        .walk = walk, .file = file, .reader = &reader, .hooks = hooks, .fault = fault};
    if (walk->files[file].size == 0)
        return 0;
    int status = reader_open(&reader, walk->disk, walk->files[file].path, fault);
    if (status < 0)
        return status;
    if (walk->files[file].snapshot) {
        reader.at = walk->files[file].rdb.end;
        if (reader.at > 0) /* else it is damaged, and its end not known */
            status = tour_raw(&tour, entry->raw ? entry->raw_to : reader.size);
    } else if (reader.has_header) {
        status = tour_batches(&tour, above);
    } else {
        status = header_lost ? pass_lost_header(&tour) : 0;
        if (status == 0)
            status = tour_raw(&tour, entry->raw ? entry->raw_to : reader.size);
    }
    reader_close(&reader);
    return status;
}

/* --- A manifest from names ------------------------------------------------------------------ */

struct listing {
    struct manifest *out;
    const char *name;
};

static void take_name(void *env, const char *name)
{
    struct listing *listing = env;
    size_t stem = strlen(listing->name), len = strlen(name);
    uint64_t number;
    if (len > 4 && len <= MANIFEST_NAME_MAX && strcmp(name + len - 4, ".rdb") == 0 &&
        !manifest_base(listing->out) && listing->out->count < MANIFEST_FILES_MAX)
        manifest_add(listing->out, MANIFEST_BASE, name, 1);
    if (strncmp(name, listing->name, stem) != 0 || name[stem] != '.' ||
        strlen(name) > MANIFEST_NAME_MAX || listing->out->count == MANIFEST_FILES_MAX)
        return;
    const char *digits = name + stem + 1, *end = strchr(digits, '.');
    if (!end || !num_parse_u64((struct slice){digits, (size_t)(end - digits)}, &number))
        return;
    if (strcmp(end, ".incr.aof") == 0)
        manifest_add(listing->out, MANIFEST_INCR, name, number);
    else if (strcmp(end, ".base.aof") == 0 && !manifest_base(listing->out))
        manifest_add(listing->out, MANIFEST_BASE, name, number);
}

static int by_number(const void *a, const void *b)
{
    const struct manifest_file *x = a, *y = b;
    if (x->type != y->type)
        return x->type == MANIFEST_BASE ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

int salvage_manifest(const struct disk *disk, const char *directory, const char *name,
                     struct manifest *out, struct fault *fault)
{
    struct listing listing = {.out = out, .name = name};
    *out = (struct manifest){.sealed = true};
    int status = disk->list(disk->self, directory, take_name, &listing);
    if (status < 0)
        return fault_status(fault, status, directory, -1, "list");
    if (out->count == 0)
        return fault_set(fault, KV_EREFUSED, directory, -1, "there is no log file %s.*", name);
    qsort(out->files, (size_t)out->count, sizeof(*out->files), by_number);
    return 0;
}

/* --- Rewrite -------------------------------------------------------------------------------- */

struct rewrite {
    struct walk *walk;
    const struct salvage_options *options;
    struct salvage_result *out;
    struct fault *fault;
    char path[512];
    int fd;
    struct format_header header;
    struct buf pending; /* behind `written` */
    uint64_t written;
    uint64_t number; /* in its name */
    uint64_t batch_at, seq, batch;
    uint32_t crc, running; /* of the last trailer; over the open batch so far */
    int64_t db;            /* of the last command copied */
};

static int flush(struct rewrite *rewrite)
{
    const struct disk *disk = rewrite->walk->disk;
    struct buf *pending = &rewrite->pending;
    rewrite->running = crc32_bytes(rewrite->running, pending->data, pending->len);
    int status = file_write_at(disk, rewrite->fd, rewrite->path, pending->data, pending->len,
                               (off_t)rewrite->written, rewrite->fault);
    rewrite->written += pending->len;
    buf_clear(pending);
    return status;
}

static int put(struct rewrite *rewrite, const void *bytes, size_t len)
{
    buf_append(&rewrite->pending, bytes, len);
    return rewrite->pending.len < CHUNK_BYTES ? 0 : flush(rewrite);
}

static uint64_t end_of(const struct rewrite *rewrite)
{
    return rewrite->written + rewrite->pending.len;
}

static int seal(struct rewrite *rewrite)
{
    char line[FORMAT_TRAILER_MAX];
    uint64_t at = end_of(rewrite);
    if (at == rewrite->batch_at)
        return 0;
    int status = flush(rewrite);
    if (status < 0)
        return status;
    struct format_trailer trailer = {.batch = rewrite->batch + 1,
                                     .seq = rewrite->seq,
                                     .offset = at,
                                     .len = at - rewrite->batch_at,
                                     .durable_batch = rewrite->batch};
    size_t len = format_put_trailer(line, &trailer, rewrite->running);
    rewrite->batch++;
    rewrite->crc = trailer.crc;
    buf_append(&rewrite->pending, line, len);
    status = flush(rewrite);
    rewrite->running = format_seed(trailer.crc, rewrite->header.salt);
    rewrite->batch_at = rewrite->written;
    return status;
}

static int follow_db(void *env, uint64_t offset unused, int argc, const struct slice *argv,
                     struct fault *fault unused)
{
    struct rewrite *rewrite = env;
    int64_t db;
    if (argc == 2 && slice_is(argv[0], "select") && num_parse_i64(argv[1], &db))
        rewrite->db = db;
    return 0;
}

/* A raw batch is made whole by the SELECT in front of it. */
static int put_select(struct rewrite *rewrite)
{
    struct buf select = {0};
    resp_put_select(&select, rewrite->db);
    rewrite->seq += select.len;
    int status = put(rewrite, select.data, select.len);
    buf_free(&select);
    return status;
}

static int copy_good(void *env, int file unused, struct reader *reader,
                     const struct reader_batch *batch, struct fault *fault)
{
    struct rewrite *rewrite = env;
    bool raw = batch->trailer.batch == 0;
    uint64_t to = raw ? batch->to : batch->trailer.offset;
    if (rewrite->options->to_time && batch->time > rewrite->options->time)
        return 1;
    if (raw && batch->command_bytes == 0 && batch->time < 0)
        return 0; /* a commit mark, in a file whose header is lost */
    int status = 0;
    if (!raw || end_of(rewrite) - rewrite->batch_at >= RAW_BATCH_BYTES)
        status = seal(rewrite); /* what raw commands left open */
    if (status == 0 && raw && end_of(rewrite) == rewrite->batch_at)
        status = put_select(rewrite);
    for (uint64_t at = batch->from; status == 0 && at < to;) {
        struct slice bytes;
        uint64_t left = to - at;
        status =
            reader_view(reader, at, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, &bytes, fault);
        if (status == 0)
            status = put(rewrite, bytes.data, bytes.len);
        at += bytes.len;
    }
    if (status == 0)
        status = reader_each(reader, batch->from, batch->to, UINT64_MAX, follow_db, rewrite, fault);
    rewrite->seq += batch->command_bytes;
    rewrite->out->commands += batch->commands;
    if (status == 0 && !raw)
        status = seal(rewrite);
    return status;
}

static int count_gap(void *env, int file unused, struct reader *reader unused, uint64_t from,
                     uint64_t to, struct fault *fault unused)
{
    struct rewrite *rewrite = env;
    rewrite->out->dropped += to - from;
    return 0;
}

static int create(struct rewrite *rewrite)
{
    const struct walk *walk = rewrite->walk;
    const struct disk *disk = walk->disk;
    unsigned char chance[24];
    struct log_numbers numbers;
    int status = log_numbers_read(disk, walk->directory, rewrite->options->name, &numbers,
                                  rewrite->fault);
    if (status < 0)
        return status;
    log_numbers_add(&numbers, walk->manifest);
    rewrite->number = numbers.highest + 1;
    log_incr_name(rewrite->out->file, sizeof(rewrite->out->file), rewrite->options->name,
                  rewrite->number);
    int len = snprintf(rewrite->path, sizeof(rewrite->path), "%s/%s", walk->directory,
                       rewrite->out->file);
    if (len < 0 || (size_t)len >= sizeof(rewrite->path))
        return fault_set(rewrite->fault, KV_ELIMIT, walk->directory, -1, "the path is too long");
    rewrite->fd = disk->open(disk->self, rewrite->path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (rewrite->fd < 0)
        return fault_status(rewrite->fault, rewrite->fd, rewrite->path, -1, "create");
    struct format_header *header = &rewrite->header;
    rewrite->options->random_bytes(rewrite->options->env, chance, sizeof(chance));
    num_format_hex(header->kvid, chance, 16);
    memcpy(&header->salt, chance + 16, sizeof(header->salt));
    header->first_batch = 1;
    header->first_seq = rewrite->seq;
    char *to = buf_reserve(&rewrite->pending, FORMAT_HEADER_MAX);
    rewrite->pending.len = format_put_header(to, header);
    rewrite->running = format_seed(0, header->salt);
    rewrite->batch_at = rewrite->pending.len;
    buf_printf(&rewrite->pending, "#KVR:v1:%lld:%s\r\n", (long long)rewrite->options->now,
               walk->kvid[0] ? walk->kvid : "-");
    status = put_select(rewrite);
    return status < 0 ? status : seal(rewrite);
}

static int write_all(struct rewrite *rewrite)
{
    const struct salvage_hooks hooks = {.env = rewrite, .good = copy_good, .gap = count_gap};
    const struct disk *disk = rewrite->walk->disk;
    uint64_t above = 0;
    int status = 0;
    for (int i = 0; status == 0 && i < rewrite->walk->count; i++)
        status = salvage_tour(rewrite->walk, i, &above, &hooks, rewrite->fault);
    if (status >= 0)
        status = seal(rewrite);
    if (status == 0)
        status = flush(rewrite);
    if (status < 0)
        return status;
    status = disk->fsync(disk->self, rewrite->fd);
    if (status < 0)
        return fault_status(rewrite->fault, status, rewrite->path, -1, "sync");
    status = disk->fsync_directory(disk->self, rewrite->walk->directory);
    if (status < 0)
        return fault_status(rewrite->fault, status, rewrite->walk->directory, -1,
                           "sync of the directory");
    rewrite->out->batches = rewrite->batch - 1;
    rewrite->out->bytes = rewrite->written;
    return 0;
}

/* --- Switch and rename ---------------------------------------------------------------------- */

/* The snapshot that the log begins with: it stays, as the base of the new data. */
static const struct walk_file *base_of(const struct walk *walk)
{
    return walk->count > 0 && walk->files[0].snapshot ? &walk->files[0] : NULL;
}

static int switch_manifest(struct rewrite *rewrite)
{
    char path[512], name[MANIFEST_NAME_MAX + 1], kept[CUT_PATH_MAX];
    struct manifest manifest = {0};
    bool renamed;
    snprintf(name, sizeof(name), "%s.manifest", rewrite->options->name);
    snprintf(path, sizeof(path), "%s/%s", rewrite->walk->directory, name);
    int status = cut_copy(rewrite->walk->disk, rewrite->walk->directory, name, "damaged", kept,
                          rewrite->fault);
    if (status < 0)
        return status;
    struct manifest_file *file = manifest_add(&manifest, MANIFEST_INCR, rewrite->out->file,
                                              rewrite->number);
    memcpy(file->kvid, rewrite->header.kvid, sizeof(file->kvid));
    file->kvseq = rewrite->header.first_seq;
    file->holes = rewrite->options->damaged;
    for (int i = 0; i < rewrite->walk->count; i++)
        file->holes |= rewrite->walk->manifest->files[rewrite->walk->files[i].entry].holes;
    const struct walk_file *base = base_of(rewrite->walk);
    if (base) {
        const struct manifest_file *old = &rewrite->walk->manifest->files[base->entry];
        file = manifest_add(&manifest, MANIFEST_BASE, old->name, old->seq);
        memcpy(file->kvid, rewrite->header.kvid, sizeof(file->kvid));
        file->kvseq = rewrite->header.first_seq;
        file->raw = base->rdb.end < base->size; /* what is behind the snapshot was written again */
        file->raw_to = file->raw ? base->rdb.end : 0;
    }
    status = manifest_store(rewrite->walk->disk, path, &manifest, &renamed, rewrite->fault);
    manifest_free(&manifest);
    return status;
}

static int rename_old(struct rewrite *rewrite)
{
    const struct walk *walk = rewrite->walk;
    const struct disk *disk = walk->disk;
    for (int i = base_of(walk) ? 1 : 0; i < walk->count; i++) {
        const char *name = walk->manifest->files[walk->files[i].entry].name;
        char to[CUT_PATH_MAX];
        int status = cut_free_name(disk, walk->directory, name, "damaged", to, rewrite->fault);
        if (status < 0)
            return status;
        status = disk->rename(disk->self, walk->files[i].path, to);
        if (status < 0 && status != -ENOENT)
            return fault_status(rewrite->fault, status, walk->files[i].path, -1, "rename");
    }
    int status = disk->fsync_directory(disk->self, walk->directory);
    return status < 0
               ? fault_status(rewrite->fault, status, walk->directory, -1, "sync of the directory")
               : 0;
}

static int write_durable(struct rewrite *rewrite)
{
    struct durable durable = {.turn = rewrite->walk->slot.turn,
                              .batch = rewrite->batch,
                              .seq = rewrite->seq,
                              .offset = rewrite->written};
    char path[512];
    memcpy(durable.kvid, rewrite->header.kvid, sizeof(durable.kvid));
    snprintf(durable.file, sizeof(durable.file), "%s", rewrite->out->file);
    snprintf(path, sizeof(path), "%s/kv.durable", rewrite->walk->directory);
    return durable_store(rewrite->walk->disk, rewrite->walk->directory, path, &durable,
                         rewrite->fault);
}

int salvage_run(struct walk *walk, const struct salvage_options *options,
                struct salvage_result *out, struct fault *fault)
{
    struct rewrite rewrite = {
        .walk = walk, .options = options, .out = out, .fault = fault, .fd = -1};
    *out = (struct salvage_result){0};
    if (base_of(walk)) /* which says so itself, to a stock server's manifest */
        rewrite.seq = walk->files[0].rdb.kvseq;
    int status = create(&rewrite);
    if (status == 0)
        status = write_all(&rewrite);
    if (rewrite.fd >= 0)
        walk->disk->close(walk->disk->self, rewrite.fd);
    if (status < 0 && rewrite.fd >= 0)
        walk->disk->unlink(walk->disk->self, rewrite.path);
    if (status == 0)
        status = switch_manifest(&rewrite);
    if (status == 0)
        status = rename_old(&rewrite);
    if (status == 0)
        status = write_durable(&rewrite);
    buf_free(&rewrite.pending);
    return status;
}
