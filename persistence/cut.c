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

static int call_failed(struct fault *fault, int status, const char *path, const char *doing)
{
    errno = -status;
    return fault_errno(fault, path, -1, doing);
}

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
            return call_failed(fault, there, out, "stat");
    }
    return fault_set(fault, KV_ELIMIT, directory, -1, "there is no free name %s.%s.<n>", name,
                     what);
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
    return status < 0 ? call_failed(fault, status, directory, "sync of the directory") : 0;
}

static int shorten(const struct disk *disk, const char *path, uint64_t to, struct fault *fault)
{
    int fd = disk->open(disk->self, path, O_RDWR, 0);
    if (fd < 0)
        return call_failed(fault, fd, path, "open");
    int status = disk->truncate(disk->self, fd, (off_t)to);
    if (status < 0)
        status = call_failed(fault, status, path, "truncate");
    if (status == 0) {
        status = disk->fsync(disk->self, fd);
        if (status < 0)
            status = call_failed(fault, status, path, "sync");
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
