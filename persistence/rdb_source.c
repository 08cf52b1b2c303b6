/* Streams out of files. The LZ4 library finds the frames in the stream by itself, skips those that
 * are to be skipped, and compares each frame's content with the hash behind it: in the end all that
 * has come out is good, or the stream has failed. */
#include "persistence/rdb_source.h"

#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/snapshot_format.h"

#define INPUT_BYTES (256 * 1024)
#define COPY_BYTES (256 * 1024)

static ssize_t read_plain(void *self, void *to, size_t room, uint64_t offset, struct fault *fault)
{
    const struct rdb_file_source *file = self;
    ssize_t got = file->disk->pread(file->disk->self, file->fd, to, room, (off_t)offset);
    return got < 0 ? fault_status(fault, got, file->path, -1, "read") : got;
}

static ssize_t read_packed(void *self, void *to, size_t room, uint64_t offset unused,
                           struct fault *fault)
{
    struct rdb_file_source *file = self;
    for (;;) {
        size_t made = 0;
        if (file->left.len == 0) {
            ssize_t got = read_plain(file, file->input, INPUT_BYTES, file->at, fault);
            if (got < 0)
                return got;
            file->left = (struct slice){file->input, (size_t)got};
            file->at += (uint64_t)got;
            if (got == 0 && !file->within)
                return 0;
            if (got == 0)
                return fault_set(fault, KV_ECORRUPT, file->path, (int64_t)file->at,
                                 "the file ends within an LZ4 frame");
        }
        if (!snapshot_stream_unpack(file->unpacker, &file->left, to, room, &made, &file->within))
            return fault_set(fault, KV_ECORRUPT, file->path, (int64_t)(file->at - file->left.len),
                             "an LZ4 frame is damaged, near this offset");
        if (made > 0)
            return (ssize_t)made;
    }
}

void rdb_file_source_begin(struct rdb_file_source *file, const struct disk *disk, int fd,
                           const char *path, uint64_t size, bool packed)
{
    *file = (struct rdb_file_source){.disk = disk, .fd = fd, .path = path};
    file->source = (struct rdb_source){.self = file, .size = size, .read = read_plain};
    if (packed) {
        file->source.size = snapshot_frame_raw_max(size);
        file->source.read = read_packed;
        file->unpacker = snapshot_unpacker_new();
        file->input = mem_alloc(INPUT_BYTES);
    }
}

void rdb_file_source_end(struct rdb_file_source *file)
{
    snapshot_unpacker_free(file->unpacker);
    mem_free(file->input);
}

static int copy(const struct disk *disk, const struct rdb_source *source, uint64_t len, int to_fd,
                const char *to, struct fault *fault)
{
    char *block = mem_alloc(COPY_BYTES);
    int status = 0;
    for (uint64_t done = 0; status == 0 && done < len;) {
        size_t room = len - done < COPY_BYTES ? (size_t)(len - done) : COPY_BYTES;
        ssize_t got = source->read(source->self, block, room, done, fault);
        struct iovec part = {block, got > 0 ? (size_t)got : 0};
        if (got == 0)
            status = fault_set(fault, KV_ECORRUPT, to, (int64_t)done, "the RDB ends before");
        else if (got < 0)
            status = (int)got;
        else
            status = file_append(disk, to_fd, to, &part, 1, (int64_t)done, fault);
        done += part.iov_len;
    }
    mem_free(block);
    if (status < 0)
        return status;
    status = disk->fsync(disk->self, to_fd);
    return status < 0 ? fault_status(fault, status, to, -1, "sync") : 0;
}

int rdb_source_copy(const struct disk *disk, const char *path, bool packed, uint64_t len,
                    const char *to, struct fault *fault)
{
    struct rdb_file_source file;
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (fd < 0)
        return fault_status(fault, fd, path, -1, "open");
    int to_fd = disk->open(disk->self, to, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (to_fd < 0) {
        disk->close(disk->self, fd);
        return fault_status(fault, to_fd, to, -1, "create");
    }
    int64_t size = disk->size(disk->self, fd);
    rdb_file_source_begin(&file, disk, fd, path, size > 0 ? (uint64_t)size : 0, packed);
    int status = copy(disk, &file.source, len, to_fd, to, fault);
    rdb_file_source_end(&file);
    disk->close(disk->self, fd);
    int closed = disk->close(disk->self, to_fd);
    if (status == 0 && closed < 0)
        status = fault_status(fault, closed, to, -1, "close");
    if (status < 0)
        disk->unlink(disk->self, to);
    return status;
}
