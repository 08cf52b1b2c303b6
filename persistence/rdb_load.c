/* Reading the file of a snapshot: which kind it is, and who reads it.
 *
 *   begins with          index                          is read
 *   REDIS, VALKEY        <path>.kvi, that fits          by its parts (snapshot_parts.c)
 *                        none, or it does not fit       as one stream (rdb_stream.c)
 *   an LZ4 frame         the footer, whole              by its parts
 *                        none, or damaged               as one stream, unpacked
 *
 * An index fits if it is whole, the file is as long as it says, and what stands where the RDB ends
 * is the checksum that it names: so an index that was left by another base is not taken for this
 * one's. Without a good index nothing is lost but time: the stream ends with a checksum of its own.
 * That the index was not used is told (`problem`).
 *
 * Large files are decoded in threads beside the caller's (entry_feed.c). */
#include "persistence/rdb_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/entry_feed.h"
#include "persistence/file.h"
#include "persistence/rdb_source.h"
#include "persistence/rdb_stream.h"
#include "persistence/snapshot_format.h"
#include "persistence/snapshot_parts.h"

#define PATH_BYTES_MAX 1024

struct file {
    const struct rdb_load *load;
    int fd;
    uint64_t size;
    /* for a thread */
    struct rdb_file_source stream;
    struct rdb_found *out;
};

bool rdb_is_magic(struct slice begin)
{
    return (begin.len >= 5 && memcmp(begin.data, "REDIS", 5) == 0) ||
           (begin.len >= 6 && memcmp(begin.data, "VALKEY", 6) == 0);
}

bool rdb_is_snapshot(struct slice begin)
{
    return rdb_is_magic(begin) || snapshot_is_lz4(begin);
}

/* All of it: 0, KV_EIO, KV_ECORRUPT if the file ends before. */
static int read_all(const struct file *file, char *to, size_t len, uint64_t offset,
                    struct fault *fault)
{
    for (size_t done = 0; done < len;) {
        const struct disk *disk = file->load->disk;
        ssize_t got = disk->pread(disk->self, file->fd, to + done, len - done,
                                  (off_t)(offset + done));
        if (got < 0)
            return fault_status(fault, got, file->load->path, -1, "read");
        if (got == 0)
            return fault_set(fault, KV_ECORRUPT, file->load->path, (int64_t)(offset + done),
                             "the file ends here");
        done += (size_t)got;
    }
    return 0;
}

/* --- One stream ----------------------------------------------------------------------------- */

static int stream_work(void *env, int number unused, const struct rdb_load *load,
                       struct fault *fault)
{
    struct file *file = env;
    return rdb_stream_load(load, &file->stream.source, file->out, fault);
}

static int load_stream(struct file *file, bool packed, struct rdb_found *out, struct fault *fault)
{
    struct entry_feed feed = {.load = file->load, .env = file, .work = stream_work};
    int status;
    file->out = out;
    rdb_file_source_begin(&file->stream, file->load->disk, file->fd, file->load->path, file->size,
                          packed);
    feed.threads = entry_feed_threads(file->load, file->size, false);
    status = feed.threads > 0 ? entry_feed_run(&feed, fault)
                              : rdb_stream_load(file->load, &file->stream.source, out, fault);
    if (packed && out->end > 0) {
        out->raw_bytes = out->end;
        out->end = file->size;
    }
    rdb_file_source_end(&file->stream);
    return status;
}

/* --- The index ------------------------------------------------------------------------------ */

static int load_parts(const struct file *file, const struct snapshot_index *index, bool packed,
                      struct rdb_found *out, struct fault *fault)
{
    const struct snapshot_parts parts = {
        .load = file->load, .index = index, .fd = file->fd, .packed = packed};
    int status = snapshot_parts_load(&parts, out, fault);
    if (status == 0 && !file->load->notes_only)
        out->end = packed ? file->size : index->bytes;
    return status;
}

/* 1: the file's footer is a whole index. 0: out->problem says why not. */
static int get_footer(const struct file *file, struct snapshot_index *index,
                      struct rdb_found *out, struct fault *fault)
{
    char tail[SNAPSHOT_TAIL_BYTES];
    uint64_t footer;
    const char *why = "its tail is missing or damaged: perhaps the file was cut short";
    int status = 0, there = 0;
    if (file->size >= SNAPSHOT_HEAD_BYTES + sizeof(tail))
        status = read_all(file, tail, sizeof(tail), file->size - sizeof(tail), fault);
    if (status < 0)
        return status;
    if (file->size >= SNAPSHOT_HEAD_BYTES + sizeof(tail) && snapshot_tail_get(tail, &footer) &&
        footer < file->size && file->size - footer <= SNAPSHOT_INDEX_MAX) {
        size_t len = (size_t)(file->size - footer);
        char *bytes = mem_alloc(len);
        status = read_all(file, bytes, len, footer, fault);
        if (status == 0)
            there = snapshot_footer_get((struct slice){bytes, len}, footer, index, &why);
        mem_free(bytes);
    }
    if (status == 0 && !there)
        snprintf(out->problem, sizeof(out->problem), "the index at its end can't be used (%s)",
                 why);
    return status < 0 ? status : there;
}

static int load_packed(struct file *file, struct rdb_found *out, struct fault *fault)
{
    char bytes[SNAPSHOT_HEAD_BYTES];
    struct snapshot_head head = {0};
    struct snapshot_index index = {0};
    bool ours = false;
    out->packed = true;
    if (file->size >= sizeof(bytes)) {
        int status = read_all(file, bytes, sizeof(bytes), 0, fault);
        if (status < 0)
            return status;
        ours = snapshot_head_get(bytes, &head);
        if (!ours && memcmp(bytes, "\x50\x2a\x4d\x18", 4) == 0)
            return fault_set(fault, KV_ECORRUPT, file->load->path, 0,
                             "the head of the file is damaged");
    }
    int there = ours ? get_footer(file, &index, out, fault) : 0;
    if (there < 0)
        return there;
    if (there && (strcmp(head.kvid, index.kvid) != 0 || head.seq != index.seq ||
                  head.raw_bytes != index.raw_bytes)) {
        snapshot_index_free(&index);
        return fault_set(fault, KV_ECORRUPT, file->load->path, 0,
                         "the head and the index of the file are not of one snapshot");
    }
    if (!there)
        return load_stream(file, true, out, fault);
    int status = load_parts(file, &index, true, out, fault);
    snapshot_index_free(&index);
    return status;
}

/* Does the RDB end where the index says, and as it says? */
static int index_fits(const struct file *file, const struct snapshot_index *index,
                      struct fault *fault)
{
    char end[SNAPSHOT_END_BYTES];
    uint64_t sum = 0;
    if (index->bytes > file->size || index->bytes != index->raw_bytes)
        return 0;
    int status = read_all(file, end, sizeof(end), index->bytes - sizeof(end), fault);
    if (status < 0)
        return status;
    for (int i = 0; i < 8; i++)
        sum |= (uint64_t)(uint8_t)end[1 + i] << 8 * i;
    return sum == index->sum;
}

/* 1: there is an index beside the file, and it fits. 0: there is none, or out->problem says why it
 * does not. */
static int get_kvi(const struct file *file, struct snapshot_index *index, struct rdb_found *out,
                   struct fault *fault)
{
    const struct disk *disk = file->load->disk;
    char path[PATH_BYTES_MAX];
    struct buf bytes = {0};
    const char *why;
    if (snprintf(path, sizeof(path), "%s" SNAPSHOT_INDEX_SUFFIX, file->load->path) >=
        (int)sizeof(path))
        return 0;
    int there = disk->exists(disk->self, path);
    if (there <= 0)
        return there < 0 ? fault_status(fault, there, path, -1, "stat") : 0;
    int status = file_read_all(disk, path, SNAPSHOT_INDEX_MAX, &bytes, fault);
    if (status == KV_EIO) {
        buf_free(&bytes);
        return status;
    }
    if (status < 0 || !snapshot_index_get(buf_slice(&bytes), 0, index, &why)) {
        snprintf(out->problem, sizeof(out->problem), "its index %s can't be used (%s)",
                 SNAPSHOT_INDEX_SUFFIX, status < 0 ? "it is too large" : why);
        buf_free(&bytes);
        return 0;
    }
    buf_free(&bytes);
    there = index_fits(file, index, fault);
    if (there == 0)
        snprintf(out->problem, sizeof(out->problem), "its index %s is not of this file",
                 SNAPSHOT_INDEX_SUFFIX);
    if (there <= 0)
        snapshot_index_free(index);
    return there;
}

static int load_plain(struct file *file, struct rdb_found *out, struct fault *fault)
{
    struct snapshot_index index = {0};
    int there = file->load->notes_only ? 0 : get_kvi(file, &index, out, fault);
    if (there < 0)
        return there;
    if (there == 0)
        return load_stream(file, false, out, fault);
    int status = load_parts(file, &index, false, out, fault);
    snapshot_index_free(&index);
    return status;
}

/* 1 if it is of LZ4 frames, 0 if not. */
static int open_file(struct file *file, struct fault *fault)
{
    const struct disk *disk = file->load->disk;
    const char *path = file->load->path;
    char begin[4] = "";
    file->fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (file->fd < 0)
        return fault_status(fault, file->fd, path, -1, "open");
    int64_t size = disk->size(disk->self, file->fd);
    int status = size < 0 ? fault_status(fault, size, path, -1, "stat") : 0;
    if (status == 0 && size >= (int64_t)sizeof(begin))
        status = read_all(file, begin, sizeof(begin), 0, fault);
    file->size = status == 0 ? (uint64_t)size : 0;
    if (status == 0)
        return snapshot_is_lz4((struct slice){begin, sizeof(begin)});
    disk->close(disk->self, file->fd);
    return status;
}

int rdb_load(const struct rdb_load *load, struct rdb_found *out, struct fault *fault)
{
    struct file file = {.load = load};
    *out = (struct rdb_found){0};
    int status = open_file(&file, fault);
    if (status < 0)
        return status;
    status = status ? load_packed(&file, out, fault) : load_plain(&file, out, fault);
    load->disk->close(load->disk->self, file.fd);
    return status;
}

int rdb_index(const struct disk *disk, const char *path, struct snapshot_index *out, bool *packed,
              struct fault *fault)
{
    const struct rdb_load load = {.disk = disk, .path = path};
    struct file file = {.load = &load};
    struct rdb_found found = {0};
    *out = (struct snapshot_index){0};
    int status = open_file(&file, fault);
    if (status < 0)
        return status;
    *packed = status;
    status = *packed ? get_footer(&file, out, &found, fault) : get_kvi(&file, out, &found, fault);
    disk->close(disk->self, file.fd);
    return status;
}
