/* The disk: every system call that touches a file, behind a struct of functions that tests
 * replace with a faulty one. Nothing else in the store calls write, sync, rename, truncate,
 * fallocate or unlink.
 *
 * Every function returns 0 or more on success and -errno on failure, and never retries a write
 * or sync that failed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct fault;

struct disk {
    void *self;
    /* flags and mode as open(2); O_CLOEXEC is added. Returns the descriptor. */
    int (*open)(void *self, const char *path, int flags, mode_t mode);
    int (*close)(void *self, int fd);
    /* Close a file that has lost its name, durably where a crash must not find it cut off. Its
     * space may come back later, in small pieces: to free much of it at once takes long on some
     * disks, and syncs wait behind that. Does not block. */
    int (*give_back)(void *self, int fd);
    /* May write less than asked (a short write): the count. EINTR is retried. */
    ssize_t (*pwritev)(void *self, int fd, const struct iovec *parts, int count, off_t offset);
    ssize_t (*pwrite)(void *self, int fd, const void *bytes, size_t len, off_t offset);
    ssize_t (*pread)(void *self, int fd, void *bytes, size_t len, off_t offset);
    int (*fdatasync)(void *self, int fd);
    int (*fsync)(void *self, int fd);
    /* Bring a stretch of the file to the device and wait for that. No sync: nothing is confirmed,
     * and the sync that follows has the less to do. */
    int (*write_out)(void *self, int fd, off_t offset, off_t len);
    int (*fsync_directory)(void *self, const char *path);
    int (*rename)(void *self, const char *from, const char *to);
    int (*unlink)(void *self, const char *path);
    int (*mkdir)(void *self, const char *path, mode_t mode);
    int (*rmdir)(void *self, const char *path);
    int (*truncate)(void *self, int fd, off_t len);
    /* Space ahead, the size not changed (FALLOC_FL_KEEP_SIZE). -EOPNOTSUPP where the file system
     * can't. */
    int (*allocate)(void *self, int fd, off_t offset, off_t len);
    /* Drop clean pages, so that the next read is of the medium. */
    int (*drop_cache)(void *self, int fd);
    int64_t (*size)(void *self, int fd);
    /* 1 if it exists, 0 if not. */
    int (*exists)(void *self, const char *path);
    /* Call visit(env, name) for each entry but . and .. ; order undefined. */
    int (*list)(void *self, const char *path, void (*visit)(void *env, const char *name),
                void *env);
    /* Free bytes for us on the file system of `path`. */
    int64_t (*free_bytes)(void *self, const char *path);
    /* An exclusive lock on an open file, not waiting: -EWOULDBLOCK if another process has it. */
    int (*lock)(void *self, int fd);
};

/* The real one. */
const struct disk *disk_real(void);

/* The whole file, at most `max` bytes, appended to `out`. 0 or KV_E... */
must_check int file_read_all(const struct disk *disk, const char *path, size_t max, struct buf *out,
                             struct fault *fault);

/* Replace `path` durably: write `path`.tmp, sync it, rename, sync the directory. Before the
 * rename any failure leaves the old file as it was; if the rename itself or the directory's sync
 * fails, *renamed is set, and which of the two a crash leaves is open. */
must_check int file_replace(const struct disk *disk, const char *path, struct slice content,
                            bool *renamed, struct fault *fault);

/* The same with these permissions, less the umask, instead of 0644. */
must_check int file_replace_as(const struct disk *disk, const char *path, mode_t mode,
                               struct slice content, bool *renamed, struct fault *fault);

/* All of `bytes` at `offset`; a short write is a failure (KV_ENOSPACE if the disk is full, else
 * KV_EIO). */
must_check int file_write_at(const struct disk *disk, int fd, const char *path, const void *bytes,
                             size_t len, off_t offset, struct fault *fault);

/* All of `parts` at `offset`, with one call (more, above 1 GiB). A short write is a failure, as
 * above. */
must_check int file_append(const struct disk *disk, int fd, const char *path,
                           const struct iovec *parts, int count, int64_t offset,
                           struct fault *fault);

/* Open a file that is about to lose its name, to be given back when it has; negative if it can't
 * be: then the kernel frees its space at once. */
int file_open_old(const struct disk *disk, const char *path);

/* unlink(2), and its space is given back. For files of which a crash may leave the name, cut off
 * or not: what is durable already does not count on them. 0 or -errno. */
int file_unlink(const struct disk *disk, const char *path);

/* Part with a file of a directory for good: move it into the directory `archive` (which is made if
 * need be, and the one above it), or delete it (`archive` NULL or ""). If the archive has a file
 * of that name, it stays, and the other becomes <name>.1, or .2, and so on. A file that is not
 * there is no error; what can't be moved stays. 0 or -errno. */
int file_retire(const struct disk *disk, const char *directory, const char *name,
                const char *archive);

/* Copy `len` bytes from `offset` of an open file into a new file (O_EXCL) and sync it. */
must_check int file_copy_range(const struct disk *disk, int fd, const char *path, off_t offset,
                               off_t len, const char *to, struct fault *fault);
