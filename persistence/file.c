/* The disk as the kernel gives it, and the few things that are built from its calls: reading a
 * whole file, replacing one durably, writing at an offset, copying a range aside.
 *
 * Rules that hold for all of it:
 *   1. No write and no sync that failed is tried again on the same file: after a failed fsync(2)
 *      Linux marks the pages clean, and the next fsync returns 0 though the bytes never reached
 *      the medium.
 *   2. A file that replaces another is made under a name that did not exist a moment ago (unlink,
 *      then O_EXCL), so that a temporary file whose sync once failed is never written over and
 *      believed.
 *   3. EINTR is retried only where nothing has happened yet.
 *
 * GIVING BACK. Where blocks that become free are discarded (ext4's `discard`, as in many clouds),
 * that takes about a millisecond per MiB: within the unlink, rename or close that frees them, or
 * when the journal is committed; and the flush of a log's fdatasync stands behind it in the
 * device's queue. An old dump of 250 MB, replaced at once, so kept replies for 300 ms under
 * `always`. Therefore a file that has lost its name is shortened by GIVE_BYTES at a time by a
 * thread that sleeps twice as long as each piece took. Not if somebody else has it open, who is to
 * read what the name stood for, or if it has another name: then it is closed, and whoever is last
 * pays. A process that ends leaves the rest to the kernel. Several such threads are no harm: each
 * leaves the disk two thirds of the time, so that space is free after three times as long as it
 * would be, at the latest. */
#include "persistence/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "persistence/bell.h"

#define PATH_BYTES_MAX 4096
#define SAME_NAMES_MAX 1000 /* of one file in an archive */
#define COPY_BLOCK_BYTES (64 * 1024)
#define GIVE_BYTES ((off_t)256 << 10)
#define GIVE_PAUSE_LEAST_US 100
#define WRITE_BYTES_MAX ((size_t)1 << 30) /* Linux takes at most 2 GiB less a page at once */

static int result(int returned)
{
    return returned < 0 ? -errno : returned;
}

static int real_open(void *self unused, const char *path, int flags, mode_t mode)
{
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return result(fd);
}

static int real_close(void *self unused, int fd)
{
    return result(close(fd));
}

/* The size of a file without a name that nobody else has open; else -1. */
static off_t size_if_alone(int fd)
{
    struct stat facts;

    if (fstat(fd, &facts) < 0 || !S_ISREG(facts.st_mode) || facts.st_nlink > 0)
        return -1;
    /* A lease on writing is granted to the only one who has it open. It is given up at once; if
     * somebody found the file in /proc in between, the signal for that is one that is ignored. */
    if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_WRLCK) < 0)
        return -1;
    return fcntl(fd, F_SETLEASE, F_UNLCK) < 0 ? -1 : facts.st_size;
}

static void *give_back_slowly(void *arg)
{
    int fd = (int)(intptr_t)arg;
    struct stat facts = {0};

    prctl(PR_SET_NAME, "kv-give-back");
    if (fstat(fd, &facts) < 0)
        facts.st_size = 0;
    for (off_t size = facts.st_size; size > GIVE_BYTES;) {
        uint64_t begin_us = bell_now_us(), pause_us;

        size = (size - 1) / GIVE_BYTES * GIVE_BYTES;
        if (ftruncate(fd, size) < 0)
            break;
        pause_us = 2 * (bell_now_us() - begin_us);
        if (pause_us < GIVE_PAUSE_LEAST_US)
            pause_us = GIVE_PAUSE_LEAST_US;
        nanosleep(&(struct timespec){(time_t)(pause_us / 1000000),
                                     (long)(pause_us % 1000000) * 1000}, NULL);
    }
    close(fd);
    return NULL;
}

static int real_give_back(void *self unused, int fd)
{
    pthread_attr_t detached;
    pthread_t thread;
    sigset_t all, before;
    int error;

    if (size_if_alone(fd) <= GIVE_BYTES)
        return result(close(fd));
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &detached, give_back_slowly, (void *)(intptr_t)fd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
    return error ? result(close(fd)) : 0;
}

static ssize_t real_pwritev(void *self unused, int fd, const struct iovec *parts, int count,
                            off_t offset)
{
    ssize_t written;

    do {
        written = pwritev(fd, parts, count, offset);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

static ssize_t real_pwrite(void *self unused, int fd, const void *bytes, size_t len, off_t offset)
{
    ssize_t written;

    do {
        written = pwrite(fd, bytes, len, offset);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

static ssize_t real_pread(void *self unused, int fd, void *bytes, size_t len, off_t offset)
{
    ssize_t got;

    do {
        got = pread(fd, bytes, len, offset);
    } while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

static int real_fdatasync(void *self unused, int fd)
{
    return result(fdatasync(fd));
}

static int real_fsync(void *self unused, int fd)
{
    return result(fsync(fd));
}

static int real_write_out(void *self unused, int fd, off_t offset, off_t len)
{
    const unsigned all =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

    if (sync_file_range(fd, offset, len, all) == 0)
        return 0;
    return errno == EIO || errno == ENOSPC || errno == EDQUOT ? -errno : 0; /* else: not here */
}

static int real_fsync_directory(void *self unused, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status;

    if (fd < 0)
        return -errno;
    status = result(fsync(fd));
    close(fd);
    return status;
}

static int real_rename(void *self unused, const char *from, const char *to)
{
    return result(rename(from, to));
}

static int real_unlink(void *self unused, const char *path)
{
    return result(unlink(path));
}

static int real_mkdir(void *self unused, const char *path, mode_t mode)
{
    return result(mkdir(path, mode));
}

static int real_rmdir(void *self unused, const char *path)
{
    return result(rmdir(path));
}

static int real_truncate(void *self unused, int fd, off_t len)
{
    int status;

    do {
        status = ftruncate(fd, len);
    } while (status < 0 && errno == EINTR);
    return result(status);
}

static int real_allocate(void *self unused, int fd, off_t offset, off_t len)
{
    int status;

    do {
        status = fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, len);
    } while (status < 0 && errno == EINTR);
    if (status < 0 && errno == ENOSYS)
        return -EOPNOTSUPP;
    return result(status);
}

static int real_drop_cache(void *self unused, int fd)
{
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int64_t real_size(void *self unused, int fd)
{
    struct stat facts;

    return fstat(fd, &facts) < 0 ? -errno : facts.st_size;
}

static int real_exists(void *self unused, const char *path)
{
    struct stat facts;

    if (stat(path, &facts) == 0)
        return 1;
    return errno == ENOENT ? 0 : -errno;
}

static int real_list(void *self unused, const char *path, void (*visit)(void *env,
                                                                        const char *name),
                                                                            void *env)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    int status;

    if (!directory)
        return -errno;
    for (errno = 0; (entry = readdir(directory)); errno = 0)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            visit(env, entry->d_name);
    status = -errno;
    closedir(directory);
    return status;
}

static int64_t real_free_bytes(void *self unused, const char *path)
{
    struct statvfs facts;

    if (statvfs(path, &facts) < 0)
        return -errno;
    return (int64_t)((uint64_t)facts.f_bavail * (uint64_t)facts.f_frsize);
}

static int real_lock(void *self unused, int fd)
{
    return result(flock(fd, LOCK_EX | LOCK_NB));
}

const struct disk *disk_real(void)
{
    static const struct disk real = {
        .open = real_open,
        .close = real_close,
        .give_back = real_give_back,
        .pwritev = real_pwritev,
        .pwrite = real_pwrite,
        .pread = real_pread,
        .fdatasync = real_fdatasync,
        .fsync = real_fsync,
        .write_out = real_write_out,
        .fsync_directory = real_fsync_directory,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .truncate = real_truncate,
        .allocate = real_allocate,
        .drop_cache = real_drop_cache,
        .size = real_size,
        .exists = real_exists,
        .list = real_list,
        .free_bytes = real_free_bytes,
        .lock = real_lock,
    };

    return &real;
}

/* A call returned -errno: say so. */
/* The directory in which `path` lies, into `out`. */
static void directory_of(const char *path, char out[static PATH_BYTES_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    kv_assert(len < PATH_BYTES_MAX);
    if (!slash)
        memcpy(out, ".", 2);
    else if (len == 0)
        memcpy(out, "/", 2);
    else {
        memcpy(out, path, len);
        out[len] = '\0';
    }
}

/* Less was written than asked, and no errno came with it: find out whether the disk is full. */
static int short_write(const struct disk *disk, struct fault *fault, const char *path,
                       int64_t offset, size_t len, size_t written)
{
    char directory[PATH_BYTES_MAX];
    int64_t free_bytes;

    directory_of(path, directory);
    free_bytes = disk->free_bytes(disk->self, directory);
    if (free_bytes >= 0 && (uint64_t)free_bytes < len - written)
        return fault_status(fault, -ENOSPC, path, offset, "write");
    return fault_set(fault, KV_EIO, path, offset, "write: only %zu of %zu bytes were taken",
                     written, len);
}

int file_write_at(const struct disk *disk, int fd, const char *path, const void *bytes, size_t len,
                  off_t offset, struct fault *fault)
{
    ssize_t written = disk->pwrite(disk->self, fd, bytes, len, offset);

    if (written < 0)
        return fault_status(fault, written, path, offset, "write");
    if ((size_t)written < len)
        return short_write(disk, fault, path, offset, len, (size_t)written);
    return 0;
}

static int append_once(const struct disk *disk, int fd, const char *path,
                       const struct iovec *parts, int count, size_t len, int64_t offset,
                       struct fault *fault)
{
    ssize_t written = disk->pwritev(disk->self, fd, parts, count, (off_t)offset);

    if (written < 0)
        return fault_status(fault, written, path, offset, "write");
    if ((size_t)written < len)
        return short_write(disk, fault, path, offset, len, (size_t)written);
    return 0;
}

int file_append(const struct disk *disk, int fd, const char *path, const struct iovec *parts,
                int count, int64_t offset, struct fault *fault)
{
    size_t total = 0;
    int status = 0;

    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (total <= WRITE_BYTES_MAX)
        return append_once(disk, fd, path, parts, count, total, offset, fault);
    for (int i = 0; i < count; i++) {
        char *from = parts[i].iov_base;

        for (size_t done = 0; status == 0 && done < parts[i].iov_len;) {
            size_t left = parts[i].iov_len - done;
            struct iovec piece = {from + done, left < WRITE_BYTES_MAX ? left : WRITE_BYTES_MAX};

            status = append_once(disk, fd, path, &piece, 1, piece.iov_len, offset, fault);
            done += piece.iov_len;
            offset += (int64_t)piece.iov_len;
        }
    }
    return status;
}

int file_read_all(const struct disk *disk, const char *path, size_t max, struct buf *out,
                  struct fault *fault)
{
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    size_t total = 0;
    int64_t size;
    int status = 0;

    if (fd < 0)
        return fault_status(fault, fd, path, -1, "open");
    size = disk->size(disk->self, fd);
    if (size < 0) {
        status = fault_status(fault, size, path, -1, "stat");
        goto out;
    }
    if ((uint64_t)size > max) {
        status = fault_set(fault, KV_ELIMIT, path, -1, "has %lld bytes, more than %zu",
                           (long long)size, max);
        goto out;
    }
    while (total < (size_t)size) {
        char *to = buf_reserve(out, (size_t)size - total);
        ssize_t got = disk->pread(disk->self, fd, to, (size_t)size - total, (off_t)total);

        if (got < 0) {
            status = fault_status(fault, got, path, (int64_t)total, "read");
            goto out;
        }
        if (got == 0)
            break;
        out->len += (size_t)got;
        total += (size_t)got;
    }
out:
    disk->close(disk->self, fd);
    return status;
}

/* Write and sync `content` as the new file `path`. On failure no such file is left, as far as
 * the disk lets us. */
static int write_new(const struct disk *disk, const char *path, mode_t mode, struct slice content,
                     struct fault *fault)
{
    int fd, status, closed;

    status = disk->unlink(disk->self, path);
    if (status < 0 && status != -ENOENT)
        return fault_status(fault, status, path, -1, "unlink");
    fd = disk->open(disk->self, path, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return fault_status(fault, fd, path, -1, "create");
    status = file_write_at(disk, fd, path, content.data, content.len, 0, fault);
    if (status == 0) {
        status = disk->fsync(disk->self, fd);
        if (status < 0)
            status = fault_status(fault, status, path, -1, "sync");
    }
    closed = disk->close(disk->self, fd);
    if (status == 0 && closed < 0)
        status = fault_status(fault, closed, path, -1, "close");
    if (status < 0)
        disk->unlink(disk->self, path);
    return status;
}

int file_replace_as(const struct disk *disk, const char *path, mode_t mode, struct slice content,
                    bool *renamed, struct fault *fault)
{
    char aside[PATH_BYTES_MAX], directory[PATH_BYTES_MAX];
    int len = snprintf(aside, sizeof aside, "%s.tmp", path);
    int status;

    *renamed = false;
    if (len < 0 || (size_t)len >= sizeof aside)
        return fault_set(fault, KV_ELIMIT, path, -1, "the path is too long");
    directory_of(path, directory);
    status = write_new(disk, aside, mode, content, fault);
    if (status < 0)
        return status;
    *renamed = true;
    status = disk->rename(disk->self, aside, path);
    if (status < 0)
        return fault_status(fault, status, path, -1, "rename");
    status = disk->fsync_directory(disk->self, directory);
    if (status < 0)
        return fault_status(fault, status, directory, -1, "sync of the directory");
    return 0;
}

int file_replace(const struct disk *disk, const char *path, struct slice content, bool *renamed,
                 struct fault *fault)
{
    return file_replace_as(disk, path, 0644, content, renamed, fault);
}

int file_copy_range(const struct disk *disk, int fd, const char *path, off_t offset, off_t len,
                    const char *to, struct fault *fault)
{
    int to_fd = disk->open(disk->self, to, O_WRONLY | O_CREAT | O_EXCL, 0644);
    off_t done = 0;
    char *block;
    int status = 0, closed;

    if (to_fd < 0)
        return fault_status(fault, to_fd, to, -1, "create");
    block = mem_alloc(COPY_BLOCK_BYTES);
    while (status == 0 && done < len) {
        size_t want = len - done < COPY_BLOCK_BYTES ? (size_t)(len - done) : COPY_BLOCK_BYTES;
        ssize_t got = disk->pread(disk->self, fd, block, want, offset + done);

        if (got < 0)
            status = fault_status(fault, got, path, offset + done, "read");
        else if (got == 0)
            status = fault_set(fault, KV_EIO, path, offset + done, "read: the file ends here");
        else
            status = file_write_at(disk, to_fd, to, block, (size_t)got, done, fault);
        done += got > 0 ? got : 0;
    }
    mem_free(block);
    if (status == 0) {
        status = disk->fsync(disk->self, to_fd);
        if (status < 0)
            status = fault_status(fault, status, to, -1, "sync");
    }
    closed = disk->close(disk->self, to_fd);
    if (status == 0 && closed < 0)
        status = fault_status(fault, closed, to, -1, "close");
    if (status < 0)
        disk->unlink(disk->self, to);
    return status;
}

/* <archive>/<name>, or with a number behind it if there is one already. */
static int free_name(const struct disk *disk, const char *archive, const char *name,
                     char out[static PATH_BYTES_MAX])
{
    int status = 1;

    for (int i = 0; status == 1; i++) {
        int len = i == 0 ? snprintf(out, PATH_BYTES_MAX, "%s/%s", archive, name)
                         : snprintf(out, PATH_BYTES_MAX, "%s/%s.%d", archive, name, i);

        if (len >= PATH_BYTES_MAX)
            return -ENAMETOOLONG;
        if (i > SAME_NAMES_MAX)
            return -EEXIST;
        status = disk->exists(disk->self, out);
    }
    return status;
}

/* Make a directory, and the one above it, each durable under its name. One whose name could not be
 * synced is taken back: it would be found next time, and taken for durable. */
static int make_directory(const struct disk *disk, const char *path)
{
    char parent[PATH_BYTES_MAX];
    int status = disk->mkdir(disk->self, path, 0755);

    directory_of(path, parent);
    if (status == -ENOENT && strlen(parent) < strlen(path)) {
        status = make_directory(disk, parent);
        if (status == 0)
            status = disk->mkdir(disk->self, path, 0755);
    }
    if (status < 0)
        return status == -EEXIST ? 0 : status;
    status = disk->fsync_directory(disk->self, parent);
    if (status < 0)
        disk->rmdir(disk->self, path);
    return status;
}

int file_open_old(const struct disk *disk, const char *path)
{
    /* O_NONBLOCK: what has this name may be a pipe */
    return disk->open(disk->self, path, O_RDWR | O_NONBLOCK | O_NOFOLLOW, 0);
}

int file_unlink(const struct disk *disk, const char *path)
{
    int fd = file_open_old(disk, path);
    int status = disk->unlink(disk->self, path);

    if (fd >= 0)
        disk->give_back(disk->self, fd);
    return status;
}

int file_retire(const struct disk *disk, const char *directory, const char *name,
                const char *archive)
{
    char from[PATH_BYTES_MAX], to[PATH_BYTES_MAX];
    int status;

    if (snprintf(from, sizeof from, "%s/%s", directory, name) >= (int)sizeof from)
        return -ENAMETOOLONG;
    if (!archive || !archive[0]) {
        status = file_unlink(disk, from);
        return status == -ENOENT ? 0 : status;
    }
    status = disk->exists(disk->self, from);
    if (status <= 0)
        return status;
    status = make_directory(disk, archive);
    if (status == 0)
        status = free_name(disk, archive, name, to);
    if (status == 0)
        status = disk->rename(disk->self, from, to);
    return status < 0 ? status : disk->fsync_directory(disk->self, archive);
}
