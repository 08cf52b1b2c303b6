/* Salvaging a snapshot by its index.
 *
 * A unit, as in snapshot_parts.c, is a part that begins with a key, and those behind it that go on
 * with its last value. It holds if each of its parts has the crc32 of the index, and unpacks; then
 * it is copied as it is, and else lost as a whole. So no value is kept in part, and nothing is kept
 * that was not checked. Of the head the first part (magic) must hold; notes and functions may be
 * lost. The end is made anew, with the CRC64 of what was copied: who loads it checks and decodes
 * all of it. */
#include "persistence/snapshot_salvage.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/snapshot_format.h"

struct job {
    const struct disk *disk;
    const char *path, *to;
    struct snapshot_index index;
    bool packed;
    int fd, to_fd;
    uint64_t written, sum;
    struct snapshot_unpacker *unpacker;
    struct buf bytes, raw;
    void (*lost)(void *env, const char *line);
    void *env;
    struct snapshot_salvaged *out;
    struct fault *fault;
};

/* The part's bytes of the RDB to job->raw: 1. 0: it does not hold. */
static int get_part(struct job *job, size_t part)
{
    uint64_t len = snapshot_part_bytes(&job->index, part);
    uint64_t raw = snapshot_part_raw(&job->index, part);
    int64_t size = job->disk->size(job->disk->self, job->fd);
    if (size < 0)
        return fault_status(job->fault, size, job->path, -1, "stat");
    if (len > (uint64_t)size || (job->packed ? raw > snapshot_frame_raw_max(len) : raw != len))
        return 0;
    buf_clear(&job->bytes);
    char *bytes = buf_reserve(&job->bytes, (size_t)len);
    for (uint64_t done = 0; done < len;) {
        uint64_t at = job->index.parts[part].offset + done;
        ssize_t got = job->disk->pread(job->disk->self, job->fd, bytes + done,
                                       (size_t)(len - done), (off_t)at);
        if (got < 0)
            return fault_status(job->fault, got, job->path, (int64_t)at, "read");
        if (got == 0)
            return 0;
        done += (uint64_t)got;
    }
    if (crc32_bytes(0, bytes, (size_t)len) != job->index.parts[part].crc)
        return 0;
    buf_clear(&job->raw);
    char *to = buf_reserve(&job->raw, (size_t)raw);
    if (job->packed && !snapshot_frame_unpack(job->unpacker, (struct slice){bytes, (size_t)len}, to,
                                              (size_t)raw))
        return 0;
    if (!job->packed)
        memcpy(to, bytes, (size_t)len);
    job->raw.len = (size_t)raw;
    return 1;
}

static int put(struct job *job, struct slice bytes)
{
    if (!job->to)
        return 0;
    int status = file_write_at(job->disk, job->to_fd, job->to, bytes.data, bytes.len,
                               (off_t)job->written, job->fault);
    job->written += bytes.len;
    job->sum = crc64_bytes(job->sum, bytes.data, bytes.len);
    return status;
}

static void tell(struct job *job, size_t from, size_t to, uint64_t keys)
{
    const struct snapshot_part *part = &job->index.parts[from];
    char line[300], what[120] = "notes or functions";
    uint64_t before = 0;
    for (size_t i = 0; i < from; i++)
        before += job->index.parts[i].keys;
    if (part->flags != SNAPSHOT_PART_HEAD)
        snprintf(what, sizeof(what), "keys %" PRIu64 " to %" PRIu64 " of %" PRIu64
                 ", in database %d", before + 1, before + keys, job->index.keys, part->db);
    snprintf(line, sizeof(line), "lost: frames %zu to %zu of %zu, from offset %" PRIu64 ": %s",
             from + 1, to, job->index.count, part->offset, what);
    if (job->lost)
        job->lost(job->env, line);
}

/* The parts from .. to: all or none of them, so several are read twice. */
static int take_unit(struct job *job, size_t from, size_t to)
{
    uint64_t keys = 0;
    int holds = 1;
    for (size_t i = from; i < to; i++)
        keys += job->index.parts[i].keys;
    for (size_t i = from; holds == 1 && i < to; i++)
        holds = get_part(job, i);
    for (size_t i = from; holds == 1 && i < to; i++) {
        int status = to - from == 1 ? 1 : get_part(job, i);
        if (status == 1)
            status = put(job, buf_slice(&job->raw));
        else if (status == 0)
            status = fault_set(job->fault, KV_EIO, job->path, -1, "it changes while it is read");
        if (status < 0)
            return status;
    }
    job->out->parts += to - from;
    if (holds == 1)
        job->out->keys += keys;
    if (holds == 0) {
        tell(job, from, to, keys);
        job->out->parts_lost += to - from;
        job->out->keys_lost += keys;
    }
    return holds < 0 ? holds : 0;
}

static int put_end(struct job *job)
{
    char sum[8];
    int status = put(job, SLICE("\xff"));
    for (int i = 0; i < 8; i++)
        sum[i] = (char)(job->sum >> 8 * i);
    if (status == 0)
        status = put(job, (struct slice){sum, sizeof(sum)});
    return status;
}

static int take_all(struct job *job)
{
    const struct snapshot_index *index = &job->index;
    int status = index->count > 1 ? get_part(job, 0) : 0;
    if (status == 0)
        return fault_set(job->fault, KV_EREFUSED, job->path, 0,
                         "the snapshot's very beginning is damaged: nothing of it can be kept");
    status = status > 0 ? 0 : status;
    for (size_t at = 0, to; status == 0 && at + 1 < index->count; at = to) {
        for (to = at + 1; to + 1 < index->count &&
             index->parts[to].flags == SNAPSHOT_PART_CONTINUES; to++)
            continue;
        status = take_unit(job, at, to);
    }
    return status == 0 ? put_end(job) : status;
}

static int open_both(struct job *job)
{
    const struct disk *disk = job->disk;
    job->fd = disk->open(disk->self, job->path, O_RDONLY, 0);
    if (job->fd < 0)
        return fault_status(job->fault, job->fd, job->path, -1, "open");
    if (!job->to)
        return 0;
    job->to_fd = disk->open(disk->self, job->to, O_WRONLY | O_CREAT | O_EXCL, 0644);
    return job->to_fd < 0 ? fault_status(job->fault, job->to_fd, job->to, -1, "create") : 0;
}

int snapshot_salvage(const struct disk *disk, const char *path, const char *to,
                     void (*lost)(void *env, const char *line), void *env,
                     struct snapshot_salvaged *out, struct fault *fault)
{
    struct job job = {.disk = disk, .path = path, .to = to, .fd = -1, .to_fd = -1, .lost = lost,
                      .env = env, .out = out, .fault = fault};
    *out = (struct snapshot_salvaged){0};
    int status = rdb_index(disk, path, &job.index, &job.packed, fault);
    if (status == 0)
        status = fault_set(fault, KV_EREFUSED, path, -1,
                           "the snapshot has no good index, without which nobody can tell what of "
                           "it holds");
    if (status < 0)
        return status;
    job.unpacker = snapshot_unpacker_new();
    status = open_both(&job);
    if (status == 0)
        status = take_all(&job);
    if (status == 0 && to) {
        status = disk->fsync(disk->self, job.to_fd);
        if (status < 0)
            status = fault_status(fault, status, to, -1, "sync");
    }
    if (job.fd >= 0)
        disk->close(disk->self, job.fd);
    if (job.to_fd >= 0) {
        disk->close(disk->self, job.to_fd);
        if (status < 0)
            disk->unlink(disk->self, to);
    }
    snapshot_unpacker_free(job.unpacker);
    snapshot_index_free(&job.index);
    buf_free(&job.bytes);
    buf_free(&job.raw);
    return status;
}
