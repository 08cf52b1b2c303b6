/* The file that the log writes: its header, its batches, the space ahead of them, and how it gets
 * into the manifest.
 *
 * Space: `reserved` is the offset up to which blocks are ours (fallocate with KEEP_SIZE, so that
 * the size stays that of the bytes). Two chunks ahead of the end are kept; when less than one is
 * left, one and more is asked for. Where that can't be had, chunks of half the size are tried, down
 * to a sixteenth, so that a small disk is used to its end; what is left when two of the smallest
 * can't be had is the reserve from which deletions are still logged. On file systems without
 * fallocate the free space that the system reports takes the place of blocks.
 */
#include "persistence/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "core/base/hash.h"
#include "persistence/file.h"
#include "persistence/format.h"
#include "persistence/log_base.h"
#include "persistence/log_birth.h"
#include "persistence/log_names.h"
#include "persistence/log_private.h"

#define CREATE_TRIES_MAX 1000
#define CHUNK_DIVISOR_MAX 16

static uint64_t random_salt(void)
{
    uint64_t salt;

    kv_assert(getrandom(&salt, sizeof salt, 0) == sizeof salt);
    return salt;
}

/* Take space up to offset `to`. 0, -ENOSPC, or another -errno. */
static int64_t take_space(struct log *log, struct log_file *file, uint64_t to)
{
    const struct disk *disk = log->options.disk;
    uint64_t from = file->reserved > file->end.offset ? file->reserved : file->end.offset;
    int64_t status = -EOPNOTSUPP;

    if (to <= from)
        return 0;
    if (!log->no_allocate) {
        status = disk->allocate(disk->self, file->fd, (off_t)from, (off_t)(to - from));
        log->no_allocate = status == -EOPNOTSUPP;
    }
    if (status == -EOPNOTSUPP) {
        status = disk->free_bytes(disk->self, log->directory);
        if (status >= 0)
            status = (uint64_t)status < to - file->end.offset ? -ENOSPC : 0;
    }
    if (status == 0)
        file->reserved = to;
    return status == -EDQUOT ? -ENOSPC : status;
}

/* Where a batch of so many bytes ends, at the latest, with all that stands beside it. */
static uint64_t end_of(const struct log *log, const struct log_file *file, uint64_t bytes)
{
    return file->end.offset + bytes + FORMAT_TIMESTAMP_MAX + FORMAT_TRAILER_MAX +
           (log->options.fill_bytes ? FORMAT_MARK_MAX : 0);
}

int log_file_reserve(struct log *log, struct log_file *file, uint64_t bytes, struct fault *fault)
{
    uint64_t need = end_of(log, file, bytes);
    int64_t status;

    if (!log->options.chunk_bytes || need <= file->reserved)
        return 0;
    status = take_space(log, file, need + 2 * log->options.chunk_bytes);
    if (status == -ENOSPC)
        status = take_space(log, file, need);
    if (status != -ENOSPC)
        return 0;
    return fault_status(fault, status, file->path, (int64_t)file->end.offset,
                        "taking space ahead");
}

uint64_t log_file_chunk_min(const struct log *log)
{
    uint64_t chunk = log->options.chunk_bytes;

    return chunk / CHUNK_DIVISOR_MAX ? chunk / CHUNK_DIVISOR_MAX : chunk;
}

bool log_file_has_space(const struct log *log, const struct log_file *file, uint64_t bytes)
{
    uint64_t end = bytes ? end_of(log, file, bytes) : file->end.offset;

    if (!log->options.chunk_bytes)
        return true;
    return file->chunk && file->reserved >= end + file->chunk;
}

bool log_file_space_ahead(struct log *log, struct log_file *file)
{
    uint64_t min = log_file_chunk_min(log);

    if (log_file_has_space(log, file, 0))
        return true;
    for (uint64_t chunk = log->options.chunk_bytes; chunk >= min; chunk /= 2) {
        if (take_space(log, file, file->end.offset + 2 * chunk) != -ENOSPC) {
            file->chunk = chunk;
            return true;
        }
    }
    (void)!take_space(log, file, file->end.offset + min); /* the reserve, as far as it goes */
    file->chunk = 0;
    return false;
}

static uint64_t take_number(struct log *log)
{
    uint64_t number;

    pthread_mutex_lock(&log->lock);
    number = log->next_number++;
    pthread_mutex_unlock(&log->lock);
    return number;
}

/* Open the first number from next_number on that no file has. */
static int create_next(struct log *log, struct log_file *file, struct fault *fault)
{
    const struct disk *disk = log->options.disk;

    for (int i = 0; i < CREATE_TRIES_MAX; i++) {
        int len, path_len;

        file->number = take_number(log);
        len = log_incr_name(file->name, sizeof file->name, log->name, file->number);
        path_len = snprintf(file->path, sizeof file->path, "%s/%s", log->directory, file->name);
        if (len >= (int)sizeof file->name || path_len >= (int)sizeof file->path)
            return fault_set(fault, KV_ELIMIT, log->directory, -1, "the name is too long");
        file->fd = disk->open(disk->self, file->path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (file->fd >= 0)
            return 0;
        if (file->fd != -EEXIST)
            break;
    }
    return fault_status(fault, file->fd, file->path, -1, "create");
}

int log_file_make(struct log *log, struct log_file *file, struct fault *fault)
{
    int status;

    memset(file, 0, sizeof *file);
    status = create_next(log, file, fault);
    if (status < 0)
        file->fd = -1;
    return status;
}

void log_file_drop(const struct log *log, struct log_file *file)
{
    const struct disk *disk = log->options.disk;

    if (file->fd < 0)
        return;
    disk->close(disk->self, file->fd);
    disk->unlink(disk->self, file->path);
    file->fd = -1;
}

int log_file_begin(struct log *log, struct log_file *file, const struct log_point *at,
                   uint64_t bytes, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    struct format_header header = {.first_batch = at->batch + 1, .first_seq = at->seq,
                                   .previous_crc = at->crc, .salt = random_salt()};
    char line[FORMAT_HEADER_MAX];
    struct iovec part = {line, 0};
    int status;

    memcpy(header.kvid, log->kvid, sizeof header.kvid);
    part.iov_len = format_put_header(line, &header);
    file->salt = header.salt;
    file->first_seq = at->seq;
    file->end = *at;
    file->end.offset = 0;
    status = log_file_reserve(log, file, part.iov_len + bytes, fault);
    if (status == 0)
        status = file_append(disk, file->fd, file->path, &part, 1, 0, fault);
    if (status < 0) {
        log_file_drop(log, file);
        return status;
    }
    file->end.offset = part.iov_len;
    file->seed = crc32_bytes(format_seed(at->crc, file->salt), line, part.iov_len);
    return 0;
}

int log_file_create(struct log *log, struct log_file *file, const struct log_point *at,
                    uint64_t bytes, struct fault *fault)
{
    int status = log_file_make(log, file, fault);

    return status < 0 ? status : log_file_begin(log, file, at, bytes, fault);
}

int log_file_write(struct log *log, struct log_file *file, const struct log_batch *batch,
                   uint64_t durable_batch, struct fault *fault)
{
    char stamp[FORMAT_TIMESTAMP_MAX], line[FORMAT_TRAILER_MAX];
    struct log_mark mark;
    struct iovec parts[4] = {
        {stamp, 0}, {batch->bytes.data, batch->bytes.len}, {line, 0}, {mark.bytes, 0}};
    struct format_trailer trailer = {.batch = batch->number, .seq = batch->seq,
                                     .durable_batch = durable_batch};
    uint32_t crc = file->seed;
    uint64_t end;
    int status;

    kv_assert(batch->number == file->end.batch + 1);
    kv_assert(batch->seq == file->end.seq + batch->bytes.len);
    kv_assert(batch->bytes.len > 0);
    kv_assert(durable_batch < batch->number);
    if (log->options.time_stamps && batch->unix_second != file->last_second)
        parts[0].iov_len = format_put_timestamp(stamp, batch->unix_second);
    crc = crc32_bytes(crc, stamp, parts[0].iov_len);
    crc = crc32_bytes(crc, batch->bytes.data, batch->bytes.len);
    trailer.len = parts[0].iov_len + batch->bytes.len;
    trailer.offset = file->end.offset + trailer.len;
    parts[2].iov_len = format_put_trailer(line, &trailer, crc);
    end = trailer.offset + parts[2].iov_len;
    log_fill_begin(log, file, end, &mark);
    parts[3].iov_len = mark.len;
    status = file_append(log->options.disk, file->fd, file->path, parts, 4,
                         (int64_t)file->end.offset, fault);
    log_fill_end(log, end, &mark);
    if (status < 0)
        return status;
    file->last_second = batch->unix_second;
    file->seed = format_seed(trailer.crc, file->salt);
    file->end = (struct log_point){.batch = batch->number, .seq = batch->seq,
                                   .offset = end, .crc = trailer.crc};
    return 0;
}

/* A file that begins where the new one does holds no batch that counts: it is replaced. */
static bool is_replaced(const struct log *log, const struct manifest_file *old,
                        const struct log_file *file)
{
    return old->type == MANIFEST_INCR && !old->raw && old->kvseq == file->first_seq &&
           strcmp(old->kvid, log->kvid) == 0;
}

static void next_manifest(struct log *log, const struct log_file *file, struct manifest *out)
{
    struct manifest_file *added;

    manifest_copy(out, &log->manifest);
    out->count = 0;
    for (int i = 0; i < log->manifest.count; i++)
        if (!is_replaced(log, &log->manifest.files[i], file))
            out->files[out->count++] = log->manifest.files[i];
    log_base_forget(log, out);
    added = manifest_add(out, MANIFEST_INCR, file->name, file->number);
    memcpy(added->kvid, log->kvid, sizeof added->kvid);
    added->kvseq = file->first_seq;
}

int log_file_announce(struct log *log, struct log_file *file, bool *renamed, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    struct manifest next;
    int status;

    *renamed = false;
    if (log->manifest.count >= MANIFEST_FILES_MAX - 2)
        return fault_set(fault, KV_ELIMIT, log->manifest_path, -1,
                         "the manifest names %d files already", log->manifest.count);
    status = disk->fsync(disk->self, file->fd);
    if (status < 0)
        return fault_status(fault, status, file->path, -1, "sync");
    if (!file->entered)
        status = disk->fsync_directory(disk->self, log->directory);
    if (status < 0)
        return fault_status(fault, status, log->directory, -1, "sync of the directory");
    next_manifest(log, file, &next);
    status = log->unborn ? log_birth_store(log, &next, renamed, fault)
                         : manifest_store(disk, log->manifest_path, &next, renamed, fault);
    if (status < 0) {
        manifest_free(&next);
        return status;
    }
    for (int i = 0; i < log->manifest.count; i++)
        if (is_replaced(log, &log->manifest.files[i], file))
            log_stale_add(log, log->manifest.files[i].name);
    manifest_free(&log->manifest);
    log->manifest = next;
    return 0;
}

void log_stale_add(struct log *log, const char *name)
{
    if (log->stale_count < LOG_STALE_MAX)
        snprintf(log->stale[log->stale_count++], sizeof log->stale[0], "%s", name);
}

void log_stale_delete(struct log *log)
{
    const struct disk *disk = log->options.disk;
    char path[LOG_PATH_MAX + MANIFEST_NAME_MAX + 2];

    for (int i = 0; i < log->stale_count; i++) {
        snprintf(path, sizeof path, "%s/%s", log->directory, log->stale[i]);
        disk->unlink(disk->self, path);
    }
    log->stale_count = 0;
}
