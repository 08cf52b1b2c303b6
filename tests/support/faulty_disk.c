/* The calls of a disk in memory, with stops and failures; the model stands in faulty_model.c. */
#include "tests/support/faulty_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "tests/support/faulty_model.h"

#define FIRST_FD 100000

/* The inode behind a descriptor, NULL if it is not open. */
static struct inode *inode_of(struct faulty_disk *disk, int fd)
{
    if (fd < FIRST_FD || fd >= FIRST_FD + OPEN_FILES_MAX)
        return NULL;
    return disk->files[fd - FIRST_FD].inode;
}

/* --- Stops and failures ----------------------------------------------------------------------- */

enum verdict { GO_ON, CUT_NOW, CUT_BEFORE, FAIL_NOW };

/* Count the call (with the lock taken), and say what is to become of it. */
static enum verdict call_begin(struct faulty_disk *disk, unsigned kind)
{
    enum verdict verdict = GO_ON;

    pthread_mutex_lock(&disk->lock);
    if (disk->stopped)
        return CUT_BEFORE;
    disk->calls[__builtin_ctz(kind)]++;
    if (disk->stop_in && disk->stop_kinds & kind && --disk->stop_in == 0) {
        disk->stopped = true;
        verdict = CUT_NOW;
    }
    for (int i = 0; i < FAILING_MAX; i++) {
        struct failing *failing = &disk->failing[i];

        if (!failing->count || !(failing->kinds & kind))
            continue;
        if (failing->in > 1) {
            failing->in--;
        } else if (verdict == GO_ON) {
            verdict = FAIL_NOW;
            disk->fail_error = failing->error;
            failing->count--;
        }
    }
    return verdict;
}

static int call_end(struct faulty_disk *disk, enum verdict verdict, int returned)
{
    int error = disk->fail_error == FAULTY_ENOSPC ? -ENOSPC : -EIO;

    pthread_mutex_unlock(&disk->lock);
    if (verdict == FAIL_NOW)
        return error;
    return verdict == GO_ON ? returned : -EIO;
}

/* --- The calls -------------------------------------------------------------------------------- */

static int open_inode(struct faulty_disk *disk, struct inode *inode)
{
    for (int i = 0; i < OPEN_FILES_MAX; i++) {
        if (disk->files[i].inode)
            continue;
        disk->files[i] = (struct open_file){inode, inode->sync_errors};
        inode->open_count++;
        return FIRST_FD + i;
    }
    return -EMFILE;
}

static int open_path(struct faulty_disk *disk, const char *path, int flags)
{
    struct inode *inode = faulty_find(disk, path);
    char parent[PATH_BYTES_MAX];

    if (inode && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if (!inode && !(flags & O_CREAT))
        return -ENOENT;
    if (!inode) {
        faulty_parent_of(path, parent);
        if (strcmp(parent, ".") != 0 && !faulty_find(disk, parent))
            return -ENOENT;
        inode = faulty_inode_new(disk, false);
        faulty_entries_set(&disk->seen, path, inode);
        faulty_add_name(disk, CHANGE_LINK, path, "", inode);
    }
    if (flags & O_TRUNC && inode->seen.len)
        faulty_add_truncate(disk, inode, 0);
    return open_inode(disk, inode);
}

static int faulty_open(void *self, const char *path, int flags, mode_t mode unused)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, flags & O_CREAT ? FAULTY_CREATE : FAULTY_OPEN);
    int fd = verdict == GO_ON || verdict == CUT_NOW ? open_path(disk, path, flags) : -EIO;

    return call_end(disk, verdict, fd);
}

static bool has_name(const struct faulty_disk *disk, const struct inode *inode)
{
    for (int i = 0; i < disk->seen.count; i++)
        if (disk->seen.list[i].inode == inode)
            return true;
    return false;
}

static int faulty_close(void *self, int fd)
{
    struct faulty_disk *disk = self;
    struct inode *inode;
    int status = -EBADF;

    pthread_mutex_lock(&disk->lock);
    inode = inode_of(disk, fd);
    if (inode) {
        if (inode->locked_by == fd)
            inode->locked_by = 0;
        if (--inode->open_count == 0 && inode->allocated > inode->seen.len)
            inode->allocated = inode->seen.len;
        disk->files[fd - FIRST_FD].inode = NULL;
        status = 0;
    }
    pthread_mutex_unlock(&disk->lock);
    return status;
}

/* All its bytes are gone from now on, as far as a crash can tell: who calls this must not need them
 * under a name that a crash brings back. */
static int faulty_give_back(void *self, int fd)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_TRUNCATE);
    struct inode *inode = inode_of(disk, fd);

    if (inode && (verdict == GO_ON || verdict == CUT_NOW) && !has_name(disk, inode))
        faulty_add_truncate(disk, inode, 0);
    call_end(disk, verdict, 0);
    return faulty_close(self, fd);
}

/* Write at `offset`; the count, or -errno. Called with the lock, gives it back. */
static ssize_t write_bytes(struct faulty_disk *disk, enum verdict verdict, struct inode *inode,
                           uint64_t offset, struct slice bytes)
{
    uint64_t len = bytes.len;
    int error;

    if (verdict == CUT_BEFORE)
        return call_end(disk, verdict, 0);
    if (!inode)
        return call_end(disk, GO_ON, -EBADF);
    len = faulty_room_for(disk, inode, offset, len);
    if (verdict == FAIL_NOW)
        len /= 2;
    faulty_add_write(disk, inode, offset, bytes.data, len);
    if (verdict == FAIL_NOW && disk->fail_error == FAULTY_SHORT)
        verdict = GO_ON;
    error = call_end(disk, verdict, len == 0 && bytes.len ? -ENOSPC : 0);
    return error < 0 ? error : (ssize_t)len;
}

static ssize_t faulty_pwritev(void *self, int fd, const struct iovec *parts, int count,
                              off_t offset)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_WRITE);
    struct buf all = {0};
    ssize_t written;

    for (int i = 0; i < count; i++)
        buf_append(&all, parts[i].iov_base, parts[i].iov_len);
    written = write_bytes(disk, verdict, inode_of(disk, fd), (uint64_t)offset, buf_slice(&all));
    buf_free(&all);
    return written;
}

static ssize_t faulty_pwrite(void *self, int fd, const void *bytes, size_t len, off_t offset)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_WRITE);

    return write_bytes(disk, verdict, inode_of(disk, fd), (uint64_t)offset,
                       (struct slice){bytes, len});
}

static ssize_t faulty_pread(void *self, int fd, void *bytes, size_t len, off_t offset)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_READ);
    struct inode *inode = inode_of(disk, fd);
    uint64_t from = (uint64_t)offset, got = 0;
    int error;

    if (inode && verdict == GO_ON && from < inode->seen.len) {
        got = inode->seen.len - from < len ? inode->seen.len - from : len;
        memcpy(bytes, inode->seen.data + from, got);
    }
    error = call_end(disk, verdict, inode ? 0 : -EBADF);
    return error < 0 ? error : (ssize_t)got;
}

static int faulty_fsync(void *self, int fd)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_SYNC);
    struct inode *inode = inode_of(disk, fd);
    struct open_file *file;
    bool heard;

    if (!inode)
        return call_end(disk, verdict, -EBADF);
    file = &disk->files[fd - FIRST_FD];
    if (verdict == GO_ON)
        faulty_sync_inode(inode, SYNCED);
    if (verdict == FAIL_NOW) {
        faulty_sync_inode(inode, LIMBO);
        inode->sync_errors++;
    }
    heard = file->sync_errors == inode->sync_errors;
    file->sync_errors = inode->sync_errors;
    return call_end(disk, verdict, heard ? 0 : -EIO);
}

/* What reaches the device without a sync may be lost all the same; one that fails has lost it. */
static int faulty_write_out(void *self, int fd, off_t offset unused, off_t len unused)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_SYNC);
    struct inode *inode = inode_of(disk, fd);

    if (inode && verdict == FAIL_NOW)
        faulty_sync_inode(inode, LIMBO);
    return call_end(disk, verdict, inode ? 0 : -EBADF);
}

static int faulty_fsync_directory(void *self, const char *path)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_SYNC_DIRECTORY);
    bool there = strcmp(path, ".") == 0 || faulty_find(disk, path);

    if (there && verdict == GO_ON)
        faulty_sync_names(disk, path, SYNCED);
    if (there && verdict == FAIL_NOW)
        faulty_sync_names(disk, path, LIMBO);
    return call_end(disk, verdict, there ? 0 : -ENOENT);
}

static int faulty_rename(void *self, const char *from, const char *to)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_RENAME);
    struct inode *inode = verdict == CUT_BEFORE ? NULL : faulty_find(disk, from);
    struct change *change;

    if (inode) {
        change = faulty_add_name(disk, CHANGE_RENAME, to, from, inode);
        if (verdict == FAIL_NOW)
            change->standing = LIMBO;
        else
            faulty_names_apply(&disk->seen, change);
    }
    return call_end(disk, verdict, inode ? 0 : -ENOENT);
}

static int take_name(struct faulty_disk *disk, unsigned kind, const char *path)
{
    enum verdict verdict = call_begin(disk, kind);
    bool there = faulty_find(disk, path);

    if (there && (verdict == GO_ON || verdict == CUT_NOW))
        faulty_names_apply(&disk->seen, faulty_add_name(disk, CHANGE_UNLINK, path, "", NULL));
    return call_end(disk, verdict, there ? 0 : -ENOENT);
}

static int faulty_unlink(void *self, const char *path)
{
    return take_name(self, FAULTY_UNLINK, path);
}

static bool has_parent(struct faulty_disk *disk, const char *path)
{
    char parent[256] = "";
    const char *slash = strrchr(path, '/');

    if (slash)
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    return !slash || faulty_find(disk, parent);
}

static int faulty_mkdir(void *self, const char *path, mode_t mode unused)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_MKDIR);
    bool there = faulty_find(disk, path);

    if (!has_parent(disk, path))
        return call_end(disk, verdict, -ENOENT);
    if (!there && (verdict == GO_ON || verdict == CUT_NOW)) {
        struct inode *inode = faulty_inode_new(disk, true);

        faulty_names_apply(&disk->seen, faulty_add_name(disk, CHANGE_LINK, path, "", inode));
    }
    return call_end(disk, verdict, there ? -EEXIST : 0);
}

static int faulty_rmdir(void *self, const char *path)
{
    return take_name(self, FAULTY_RMDIR, path); /* empty: nobody tries another */
}

static int faulty_truncate(void *self, int fd, off_t len)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_TRUNCATE);
    struct inode *inode = inode_of(disk, fd);

    if (inode && (verdict == GO_ON || verdict == CUT_NOW))
        faulty_add_truncate(disk, inode, (uint64_t)len);
    return call_end(disk, verdict, inode ? 0 : -EBADF);
}

static int faulty_allocate(void *self, int fd, off_t offset, off_t len)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ALLOCATE);
    struct inode *inode = inode_of(disk, fd);
    uint64_t end = (uint64_t)(offset + len);
    int status = inode ? 0 : -EBADF;

    if (inode && !disk->allocate_works)
        status = -EOPNOTSUPP;
    else if (inode && end > inode->allocated && verdict == GO_ON) {
        if (faulty_room_for(disk, inode, 0, end) < end)
            status = -ENOSPC;
        else
            inode->allocated = end;
    }
    return call_end(disk, verdict, status);
}

/* The pages of changes in limbo go: what the medium holds is seen. */
static int faulty_drop_cache(void *self, int fd)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    struct inode *inode = inode_of(disk, fd);

    if (inode && verdict == GO_ON) {
        buf_clear(&inode->seen);
        buf_append_slice(&inode->seen, buf_slice(&inode->base));
        for (struct change *change = inode->changes.first; change; change = change->next)
            if (change->standing != LIMBO)
                faulty_data_apply(&inode->seen, change);
    }
    return call_end(disk, verdict, 0);
}

static int64_t faulty_size(void *self, int fd)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    struct inode *inode = inode_of(disk, fd);
    int64_t size = inode ? (int64_t)inode->seen.len : -EBADF;
    int error = call_end(disk, verdict, 0);

    return error < 0 ? error : size;
}

static int faulty_exists(void *self, const char *path)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    bool there = faulty_find(disk, path);

    return call_end(disk, verdict, there);
}

static int faulty_list(void *self, const char *path, void (*visit)(void *env, const char *name),
                       void *env)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    bool there = strcmp(path, ".") == 0 || faulty_find(disk, path);
    char parent[PATH_BYTES_MAX];
    struct buf names = {0};
    int status;

    for (int i = 0; verdict == GO_ON && i < disk->seen.count; i++) {
        const char *entry = disk->seen.list[i].path;
        const char *slash = strrchr(entry, '/');
        const char *name = slash ? slash + 1 : entry;

        faulty_parent_of(entry, parent);
        if (strcmp(parent, path) == 0)
            buf_append(&names, name, strlen(name) + 1);
    }
    status = call_end(disk, verdict, there ? 0 : -ENOENT);
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
        visit(env, names.data + at); /* which may call us */
    buf_free(&names);
    return status;
}

static int64_t faulty_free_bytes(void *self, const char *path unused)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    int64_t bytes = (int64_t)faulty_free_space(disk);
    int error = call_end(disk, verdict, 0);

    return error < 0 ? error : bytes;
}

static int faulty_lock(void *self, int fd)
{
    struct faulty_disk *disk = self;
    enum verdict verdict = call_begin(disk, FAULTY_ASK);
    struct inode *inode = inode_of(disk, fd);
    int status = inode ? 0 : -EBADF;

    if (inode && inode->locked_by && inode->locked_by != fd)
        status = -EWOULDBLOCK;
    else if (inode && verdict == GO_ON)
        inode->locked_by = fd;
    return call_end(disk, verdict, status);
}

static const struct disk faulty_port = {
    .open = faulty_open,
    .close = faulty_close,
    .give_back = faulty_give_back,
    .pwritev = faulty_pwritev,
    .pwrite = faulty_pwrite,
    .pread = faulty_pread,
    .fdatasync = faulty_fsync,
    .fsync = faulty_fsync,
    .fsync_directory = faulty_fsync_directory,
    .rename = faulty_rename,
    .unlink = faulty_unlink,
    .mkdir = faulty_mkdir,
    .rmdir = faulty_rmdir,
    .truncate = faulty_truncate,
    .allocate = faulty_allocate,
    .write_out = faulty_write_out,
    .drop_cache = faulty_drop_cache,
    .size = faulty_size,
    .exists = faulty_exists,
    .list = faulty_list,
    .free_bytes = faulty_free_bytes,
    .lock = faulty_lock,
};

/* --- For tests -------------------------------------------------------------------------------- */

struct faulty_disk *faulty_disk_new(void)
{
    struct faulty_disk *disk = mem_alloc_zero(sizeof *disk);

    disk->port = faulty_port;
    disk->port.self = disk;
    disk->allocate_works = true;
    pthread_mutex_init(&disk->lock, NULL);
    return disk;
}

void faulty_disk_free(struct faulty_disk *disk)
{
    struct inode *next;

    if (!disk)
        return;
    for (struct inode *inode = disk->inodes; inode; inode = next) {
        next = inode->next_of_all;
        while (inode->changes.first)
            faulty_changes_drop_first(&inode->changes);
        buf_free(&inode->seen);
        buf_free(&inode->base);
        mem_free(inode);
    }
    while (disk->names.first)
        faulty_changes_drop_first(&disk->names);
    mem_free(disk->seen.list);
    mem_free(disk->base.list);
    pthread_mutex_destroy(&disk->lock);
    mem_free(disk);
}

const struct disk *faulty_disk_port(struct faulty_disk *disk)
{
    return &disk->port;
}

void faulty_disk_set_capacity(struct faulty_disk *disk, uint64_t bytes)
{
    pthread_mutex_lock(&disk->lock);
    disk->capacity = bytes;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_set_allocate(struct faulty_disk *disk, bool works)
{
    pthread_mutex_lock(&disk->lock);
    disk->allocate_works = works;
    pthread_mutex_unlock(&disk->lock);
}

uint64_t faulty_disk_calls(struct faulty_disk *disk, unsigned kinds)
{
    uint64_t sum = 0;

    pthread_mutex_lock(&disk->lock);
    for (int i = 0; i < 16; i++)
        if (kinds & 1u << i)
            sum += disk->calls[i];
    pthread_mutex_unlock(&disk->lock);
    return sum;
}

void faulty_disk_stop_at(struct faulty_disk *disk, unsigned kinds, uint64_t nth)
{
    pthread_mutex_lock(&disk->lock);
    disk->stop_kinds = kinds;
    disk->stop_in = nth;
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_stop(struct faulty_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    disk->stopped = true;
    pthread_mutex_unlock(&disk->lock);
}

bool faulty_disk_stopped(struct faulty_disk *disk)
{
    bool stopped;

    pthread_mutex_lock(&disk->lock);
    stopped = disk->stopped;
    pthread_mutex_unlock(&disk->lock);
    return stopped;
}

void faulty_disk_fail_at(struct faulty_disk *disk, unsigned kinds, uint64_t nth, uint64_t count,
                         enum faulty_error error)
{
    int i = 0;

    pthread_mutex_lock(&disk->lock);
    if (nth == 0) {
        memset(disk->failing, 0, sizeof disk->failing);
    } else {
        while (disk->failing[i].count)
            kv_assert(++i < FAILING_MAX);
        disk->failing[i] = (struct failing){kinds, nth, count, error};
    }
    pthread_mutex_unlock(&disk->lock);
}

bool faulty_disk_get(struct faulty_disk *disk, const char *path, struct buf *out)
{
    struct inode *inode;

    pthread_mutex_lock(&disk->lock);
    inode = faulty_find(disk, path);
    if (inode)
        buf_append_slice(out, buf_slice(&inode->seen));
    pthread_mutex_unlock(&disk->lock);
    return inode;
}

static struct inode *put_inode(struct faulty_disk *disk, const char *path, bool directory)
{
    struct inode *inode = faulty_inode_new(disk, directory);

    faulty_entries_set(&disk->seen, path, inode);
    faulty_add_name(disk, CHANGE_LINK, path, "", inode)->standing = SYNCED;
    return inode;
}

void faulty_disk_put(struct faulty_disk *disk, const char *path, struct slice content)
{
    struct inode *inode;

    pthread_mutex_lock(&disk->lock);
    inode = put_inode(disk, path, false);
    buf_append_slice(&inode->seen, content);
    buf_append_slice(&inode->base, content);
    pthread_mutex_unlock(&disk->lock);
}

void faulty_disk_put_directory(struct faulty_disk *disk, const char *path)
{
    pthread_mutex_lock(&disk->lock);
    put_inode(disk, path, true);
    pthread_mutex_unlock(&disk->lock);
}
