/* Loaded into a program before libc (LD_PRELOAD): notes every system call that changes a file or a
 * directory, or makes it durable, with its bytes, and when it began and ended; and lets such calls
 * fail or take long when the test asks for it. tests/support/power_disk.py compiles it, reads the
 * notes, and says what a power cut could have left.
 *
 * Syncs only take as long as they are told (sync_us): nothing here needs the real disk.
 *
 * It knows nothing of the store: files are inode numbers on the device of KV_POWER_DIR, whoever
 * opened them, so that shell scripts and all they start are recorded as well. Nothing is locked:
 * threads take room in the file of notes (KV_POWER_RECORD, shared memory) by adding to `used`; the
 * order is that of the times. A record whose `end` is 0 is of a call that never returned.
 *
 * The file: a page of `struct control`, then records, each 8-byte aligned:
 *   struct record | name | second name | bytes
 * copy_file_range fails as on a file system without it, so that all goes through calls that are
 * noted. What libc's stdio writes is not: the test compares the notes with what is on the disk. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FIRST_RECORD 4096
#define PARTS_MAX 1024
#define ALIGN 8

enum op {
    OP_OPEN,     /* a: flags, b: existed before; only with O_CREAT or O_TRUNC */
    OP_WRITE,    /* a: offset, b: 1 if the call itself is a sync (O_DSYNC) */
    OP_TRUNCATE, /* a: size */
    OP_ALLOCATE, /* a: offset, b: mode, c: length */
    OP_SYNC,     /* fsync or fdatasync, of a file or directory */
    OP_SYNC_ALL, /* sync, syncfs */
    OP_RENAME,
    OP_LINK,
    OP_UNLINK,
    OP_MKDIR,
    OP_RMDIR,
};

struct control {
    _Atomic uint64_t used;
    uint64_t size;
    _Atomic int64_t sync_us;    /* each sync takes that much longer */
    _Atomic int64_t fail_mask;  /* a bit for each op that shall fail */
    _Atomic int64_t fail_skip;  /* after so many that don't */
    _Atomic int64_t fail_count; /* so many times */
    _Atomic int64_t fail_errno; /* 0: a write takes half of what it should */
    _Atomic int64_t failed;     /* so many did */
    _Atomic int64_t space;      /* bytes until the disk is full; -1: no limit */
    _Atomic int64_t no_allocate;
    uint64_t device;
};

struct record {
    uint64_t bytes; /* of the whole record, with padding */
    _Atomic uint64_t end;
    uint64_t begin, op;
    uint64_t inode;             /* the file; of a rename or link the one that moves */
    uint64_t parent, to_parent; /* directories in which the names are */
    int64_t result;             /* or -errno */
    int64_t a, b, c;
    uint64_t name_len, to_len, data_len;
};

static struct control *control;

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("KV_POWER_RECORD");
    struct stat facts;
    int fd;

    if (!path || stat(path, &facts) < 0)
        return;
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        abort();
    control = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (control == MAP_FAILED)
        abort();
    syscall(SYS_close, fd);
}

static uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_nsec;
}

/* What libc would have done. */
static long result(long returned)
{
    if (returned >= 0)
        return returned;
    errno = (int)-returned;
    return -1;
}

static long call_result(long returned)
{
    return returned < 0 ? -errno : returned;
}

/* Room for a record; NULL if nothing is recorded. */
static struct record *note(struct record facts, const char *name, const char *to,
                           const struct iovec *parts, int count)
{
    uint64_t at;
    struct record *record;
    char *out;

    facts.name_len = name ? strlen(name) : 0;
    facts.to_len = to ? strlen(to) : 0;
    for (int i = 0; i < count; i++)
        facts.data_len += parts[i].iov_len;
    facts.bytes = sizeof(facts) + facts.name_len + facts.to_len + facts.data_len;
    facts.bytes = (facts.bytes + ALIGN - 1) / ALIGN * ALIGN;
    at = atomic_fetch_add(&control->used, facts.bytes);
    if (at + facts.bytes > control->size)
        abort();
    record = (struct record *)((char *)control + at);
    out = (char *)(record + 1);
    if (name)
        out = mempcpy(out, name, facts.name_len);
    if (to)
        out = mempcpy(out, to, facts.to_len);
    for (int i = 0; i < count; i++)
        out = mempcpy(out, parts[i].iov_base, parts[i].iov_len);
    facts.begin = now();
    memcpy(record, &facts, sizeof(facts));
    return record;
}

static long finish(struct record *record, long status)
{
    if (record) {
        record->result = status;
        atomic_store(&record->end, now());
    }
    return result(status);
}

/* Shall this call fail? The errno, 0 for a short write, or -1. */
static int fault(enum op op)
{
    if (!(atomic_load(&control->fail_mask) & (1 << op)))
        return -1;
    if (atomic_load(&control->fail_skip) > 0 && atomic_fetch_sub(&control->fail_skip, 1) > 0)
        return -1;
    if (atomic_load(&control->fail_count) <= 0 || atomic_fetch_sub(&control->fail_count, 1) <= 0)
        return -1;
    atomic_fetch_add(&control->failed, 1);
    return (int)atomic_load(&control->fail_errno);
}

/* --- Files ------------------------------------------------------------------------------------ */

static bool is_ours(int fd, struct stat *facts)
{
    return control && syscall(SYS_newfstatat, fd, "", facts, AT_EMPTY_PATH) == 0 &&
           facts->st_dev == control->device &&
           (S_ISREG(facts->st_mode) || S_ISDIR(facts->st_mode));
}

/* Take up to `want` bytes of what is left; how many there were. */
static size_t take_space(size_t want)
{
    int64_t left = atomic_load(&control->space);
    int64_t taken;

    do {
        if (left < 0)
            return want;
        taken = left < (int64_t)want ? left : (int64_t)want;
    } while (!atomic_compare_exchange_weak(&control->space, &left, left - taken));
    return (size_t)taken;
}

/* `offset` < 0: where the descriptor stands. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    struct iovec pieces[PARTS_MAX];
    struct stat facts;
    struct record *record;
    long modes, status;
    size_t len = 0, limit, past = 0;
    int failure;
    off_t at = offset;

    if (count > PARTS_MAX || !is_ours(fd, &facts)) {
        if (offset < 0 && !flags)
            return result(call_result(syscall(SYS_writev, fd, parts, count)));
        return result(call_result(syscall(SYS_pwritev2, fd, parts, count, offset, 0, flags)));
    }
    modes = syscall(SYS_fcntl, fd, F_GETFL);
    if (at < 0)
        at = modes & O_APPEND ? facts.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (at + (off_t)len > (off_t)facts.st_blocks * 512)
        past = (size_t)(at + (off_t)len - (off_t)facts.st_blocks * 512);
    limit = len - past + take_space(past);
    failure = fault(OP_WRITE);
    if (failure == 0)
        limit = len / 2;
    count = limit ? count : 0;
    for (int i = 0, left = (int)limit; i < count; i++) {
        pieces[i] = parts[i];
        if (pieces[i].iov_len > (size_t)left)
            pieces[i].iov_len = (size_t)left;
        left -= (int)pieces[i].iov_len;
    }
    record = note((struct record){.op = OP_WRITE,
                                  .inode = facts.st_ino,
                                  .a = at,
                                  .b = (modes & O_DSYNC) || (flags & (RWF_DSYNC | RWF_SYNC))},
                  NULL, NULL, pieces, count);
    if (failure > 0)
        status = -failure;
    else if (len > 0 && limit == 0)
        status = -ENOSPC;
    else if (offset < 0 && !flags)
        status = call_result(syscall(SYS_writev, fd, pieces, count));
    else
        status = call_result(syscall(SYS_pwritev2, fd, pieces, count, offset, 0, flags));
    return finish(record, status);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    struct iovec part = {(void *)bytes, len};

    return write_parts(fd, &part, 1, -1, 0);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return write_parts(fd, parts, count, -1, 0);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
    struct iovec part = {(void *)bytes, len};

    return write_parts(fd, &part, 1, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return write_parts(fd, parts, count, offset, 0);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t offset, int flags)
{
    return write_parts(fd, parts, count, offset, flags);
}

ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
ssize_t pwritev64(int, const struct iovec *, int, off_t) __attribute__((alias("pwritev")));
ssize_t pwritev64v2(int, const struct iovec *, int, off_t, int)
    __attribute__((alias("pwritev2")));

int ftruncate(int fd, off_t size)
{
    struct stat facts;
    struct record *record;
    int failure;

    if (!is_ours(fd, &facts))
        return (int)result(call_result(syscall(SYS_ftruncate, fd, size)));
    failure = fault(OP_TRUNCATE);
    record = note((struct record){.op = OP_TRUNCATE, .inode = facts.st_ino, .a = size}, NULL, NULL,
                  NULL, 0);
    return (int)finish(record,
                       failure > 0 ? -failure : call_result(syscall(SYS_ftruncate, fd, size)));
}

int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct stat facts;
    struct record *record;
    long status = 0;
    int failure;

    if (!is_ours(fd, &facts))
        return (int)result(call_result(syscall(SYS_fallocate, fd, mode, offset, len)));
    if (atomic_load(&control->no_allocate))
        return (int)result(-EOPNOTSUPP);
    failure = fault(OP_ALLOCATE);
    if (failure > 0)
        status = -failure;
    else if (atomic_load(&control->space) >= 0 && atomic_load(&control->space) < len)
        status = -ENOSPC;
    record = note((struct record){.op = OP_ALLOCATE, .inode = facts.st_ino, .a = offset, .b = mode,
                                  .c = len}, NULL, NULL, NULL, 0);
    if (status == 0)
        status = call_result(syscall(SYS_fallocate, fd, mode, offset, len));
    if (status == 0)
        take_space((size_t)len);
    return (int)finish(record, status);
}

int fallocate64(int, int, off_t, off_t) __attribute__((alias("fallocate")));

int posix_fallocate(int fd, off_t offset, off_t len)
{
    return fallocate(fd, 0, offset, len) < 0 ? errno : 0;
}

int posix_fallocate64(int, off_t, off_t) __attribute__((alias("posix_fallocate")));

static int sync_file(long number, int fd)
{
    struct timespec pause;
    struct stat facts;
    struct record *record;
    int failure;

    if (!is_ours(fd, &facts))
        return (int)result(call_result(syscall(number, fd)));
    failure = fault(OP_SYNC);
    record = note((struct record){.op = OP_SYNC, .inode = facts.st_ino}, NULL, NULL, NULL, 0);
    pause = (struct timespec){.tv_nsec = atomic_load(&control->sync_us) % 1000000 * 1000};
    if (pause.tv_nsec)
        nanosleep(&pause, NULL);
    return (int)finish(record, failure > 0 ? -failure : 0);
}

int fsync(int fd)
{
    return sync_file(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_file(SYS_fdatasync, fd);
}

int syncfs(int fd)
{
    struct record *record =
        control ? note((struct record){.op = OP_SYNC_ALL}, NULL, NULL, NULL, 0) : NULL;

    return (int)finish(record, call_result(syscall(SYS_syncfs, fd)));
}

/* --- Names ------------------------------------------------------------------------------------ */

struct place {
    uint64_t parent;
    uint64_t inode; /* of what has that name; 0: nothing */
    char name[NAME_MAX + 1];
};

/* Where a path lies. False if it isn't on our device. */
static bool find(int at, const char *path, struct place *out)
{
    char parent[PATH_MAX];
    size_t len = strlen(path), cut;
    struct stat facts;

    while (len > 1 && path[len - 1] == '/')
        len--;
    for (cut = len; cut > 0 && path[cut - 1] != '/';)
        cut--;
    if (!control || len >= sizeof(parent) || len - cut > NAME_MAX)
        return false;
    memcpy(parent, path, cut);
    strcpy(parent + cut, ".");
    memcpy(out->name, path + cut, len - cut);
    out->name[len - cut] = '\0';
    if (syscall(SYS_newfstatat, at, parent, &facts, 0) < 0 || facts.st_dev != control->device)
        return false;
    out->parent = facts.st_ino;
    out->inode = 0;
    if (syscall(SYS_newfstatat, at, path, &facts, AT_SYMLINK_NOFOLLOW) == 0)
        out->inode = facts.st_ino;
    return true;
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    struct place place;
    struct stat facts;
    struct record *record;
    long status;
    int failure;

    if (!(flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE ||
        !find(at, path, &place))
        return (int)result(call_result(syscall(SYS_openat, at, path, flags, mode)));
    failure = fault(OP_OPEN);
    record = note((struct record){.op = OP_OPEN, .parent = place.parent, .a = flags,
                                  .b = place.inode != 0}, place.name, NULL, NULL, 0);
    status = failure > 0 ? -failure : call_result(syscall(SYS_openat, at, path, flags, mode));
    if (status >= 0 && is_ours((int)status, &facts))
        record->inode = facts.st_ino;
    return (int)finish(record, status);
}

#define MODE_OF(flags, mode) \
    do { \
        if ((flags) & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_at(at, path, flags, mode);
}

int creat(const char *path, mode_t mode)
{
    return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
int creat64(const char *, mode_t) __attribute__((alias("creat")));

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned int flags)
{
    struct place one, two;
    struct record *record;
    int failure;

    if (!find(from_at, from, &one) || !find(to_at, to, &two))
        return (int)result(call_result(syscall(SYS_renameat2, from_at, from, to_at, to, flags)));
    failure = fault(OP_RENAME);
    record = note((struct record){.op = OP_RENAME, .inode = one.inode, .parent = one.parent,
                                  .to_parent = two.parent, .a = flags, .b = (int64_t)two.inode},
                  one.name, two.name, NULL, 0);
    return (int)finish(record, failure > 0 ? -failure : call_result(syscall(
        SYS_renameat2, from_at, from, to_at, to, flags)));
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    struct place one, two;
    struct record *record;

    if (!find(from_at, from, &one) || !find(to_at, to, &two))
        return (int)result(call_result(syscall(SYS_linkat, from_at, from, to_at, to, flags)));
    record = note((struct record){.op = OP_LINK, .inode = one.inode, .to_parent = two.parent},
                  NULL, two.name, NULL, 0);
    return (int)finish(record, call_result(syscall(SYS_linkat, from_at, from, to_at, to, flags)));
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlinkat(int at, const char *path, int flags)
{
    struct place place;
    enum op op = flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK;
    struct record *record;
    int failure;

    if (!find(at, path, &place))
        return (int)result(call_result(syscall(SYS_unlinkat, at, path, flags)));
    failure = fault(op);
    record = note((struct record){.op = op, .inode = place.inode, .parent = place.parent},
                  place.name, NULL, NULL, 0);
    return (int)finish(record, failure > 0 ? -failure : call_result(syscall(SYS_unlinkat, at, path,
                                                                            flags)));
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdirat(int at, const char *path, mode_t mode)
{
    struct place place;
    struct stat facts;
    struct record *record;
    long status;

    if (!find(at, path, &place))
        return (int)result(call_result(syscall(SYS_mkdirat, at, path, mode)));
    record = note((struct record){.op = OP_MKDIR, .parent = place.parent}, place.name, NULL, NULL,
                  0);
    status = call_result(syscall(SYS_mkdirat, at, path, mode));
    if (status == 0 && syscall(SYS_newfstatat, at, path, &facts, 0) == 0)
        record->inode = facts.st_ino;
    return (int)finish(record, status);
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* --- What the disk says, and what is taken away ----------------------------------------------- */

int statvfs(const char *path, struct statvfs *out)
{
    static int (*real)(const char *, struct statvfs *);
    int status;

    if (!real)
        real = (int (*)(const char *, struct statvfs *))dlsym(RTLD_NEXT, "statvfs");
    status = real(path, out);
    if (status == 0 && control && atomic_load(&control->space) >= 0)
        out->f_bavail = out->f_bfree = (fsblkcnt_t)((uint64_t)control->space / out->f_frsize);
    return status;
}

ssize_t copy_file_range(int from, off64_t *from_at, int to, off64_t *to_at, size_t len,
                        unsigned int flags)
{
    (void)from, (void)from_at, (void)to, (void)to_at, (void)len, (void)flags;
    return result(-EOPNOTSUPP);
}
