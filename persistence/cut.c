/* Cutting a tail: the copy is durable before the file becomes shorter, so that at any point of a
 * crash what was cut exists at least once. */
#include "persistence/cut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/base/fault.h"
#include "persistence/file.h"
#include "persistence/reader.h"

#define NAMES_MAX 100000

int cut_free_name(const struct disk *disk, const char *directory, const char *name,
                  const char *what, char out[static CUT_PATH_MAX], struct fault *fault)
{
    for (int n = 1; n < NAMES_MAX; n++) {
        int len = snprintf(out, CUT_PATH_MAX, "%s/%s.%s.%d", directory, name, what, n);
        if (len < 0 || len >= CUT_PATH_MAX)
            return fault_set(fault, KV_ELIMIT, directory, -1, "the path is too long");
        int there = disk->exists(disk->self, out);
        if (there == 0)
            return 0;
        if (there < 0)
            return fault_status(fault, there, out, -1, "stat");
    }
    return fault_set(fault, KV_ELIMIT, directory, -1, "there is no free name %s.%s.<n>", name,
                     what);
}

int cut_copy(const struct disk *disk, const char *directory, const char *name, const char *what,
             char copy[static CUT_PATH_MAX], struct fault *fault)
{
    char path[CUT_PATH_MAX];
    copy[0] = '\0';
    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return fault_set(fault, KV_ELIMIT, directory, -1, "the path is too long");
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fault_status(fault, fd, path, -1, "open");
    int64_t size = disk->size(disk->self, fd);
    int status = size < 0 ? fault_status(fault, size, path, -1, "stat") : 0;
    if (status == 0)
        status = cut_free_name(disk, directory, name, what, copy, fault);
    if (status == 0)
        status = file_copy_range(disk, fd, path, 0, (off_t)size, copy, fault);
    disk->close(disk->self, fd);
    return status;
}

static int keep_copy(const struct disk *disk, const char *directory, const char *name,
                     const struct reader *reader, uint64_t offset, uint64_t end,
                     char copy[static CUT_PATH_MAX], struct fault *fault)
{
    int status = cut_free_name(disk, directory, name, "torn", copy, fault);
    if (status == 0)
        status = file_copy_range(disk, reader->fd, reader->path, (off_t)offset,
                                 (off_t)(end - offset), copy, fault);
    if (status < 0)
        return status;
    status = disk->fsync_directory(disk->self, directory);
    return status < 0 ? fault_status(fault, status, directory, -1, "sync of the directory") : 0;
}

static int shorten(const struct disk *disk, const char *path, uint64_t to, struct fault *fault)
{
    int fd = disk->open(disk->self, path, O_RDWR, 0);
    if (fd < 0)
        return fault_status(fault, fd, path, -1, "open");
    int status = disk->truncate(disk->self, fd, (off_t)to);
    if (status < 0)
        status = fault_status(fault, status, path, -1, "truncate");
    if (status == 0) {
        status = disk->fsync(disk->self, fd);
        if (status < 0)
            status = fault_status(fault, status, path, -1, "sync");
    }
    disk->close(disk->self, fd);
    return status;
}

int cut_tail(const struct disk *disk, const char *directory, const char *name, const char *path,
             uint64_t offset, char copy[static CUT_PATH_MAX], struct fault *fault)
{
    struct reader reader;
    uint64_t content;
    copy[0] = '\0';
    int status = reader_open(&reader, disk, path, fault);
    if (status < 0)
        return status;
    status = reader_content_end(&reader, offset, &content, fault);
    if (status == 0 && content > offset)
        status = keep_copy(disk, directory, name, &reader, offset, content, copy, fault);
    reader_close(&reader);
    return status == 0 ? shorten(disk, path, offset, fault) : status;
}
