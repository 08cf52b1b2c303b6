/* From a data directory to a journal, and back: lock, probe, recover, open; close, unlock.
 *
 *   kv.lock    holds the process number; flock(2) on it keeps a second process out. It stays there
 *              when the server ends: deleting a lock file lets two processes lock two files.
 *   kv.probe   written, synced, renamed and deleted at start: what the log will need must work now,
 *              not at the first write of a client. What does not is said with the command that
 *              mends it.
 */
#include "persistence/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/log_birth.h"
#include "persistence/store_private.h"
#include "persistence/store_switch.h"

#define RETRY_MS 1000
#define PID_BYTES_MAX 32

/* A call in `directory` failed: for what an operator can mend by rights or mounts, say how. */
static int explain(struct fault *fault, const char *directory, int error, const char *doing)
{
    char path[sizeof fault->path];
    unsigned uid = geteuid(), gid = getegid();

    snprintf(path, sizeof path, "%s", directory);
    if (error == EACCES || error == EPERM)
        return fault_set(fault, KV_EIO, path, -1,
                         "%s: %s. The server runs as uid %u, gid %u and must be able to write "
                         "there. Run: chown -R %u:%u '%s' && chmod -R u+rwX '%s'",
                         doing, strerror(error), uid, gid, uid, gid, path, path);
    if (error == EROFS)
        return fault_set(fault, KV_EIO, path, -1,
                         "%s: the file system is mounted read-only (the server runs as uid %u, "
                         "gid %u). Run: mount -o remount,rw \"$(findmnt -no TARGET -T '%s')\"",
                         doing, uid, gid, path);
    if (error == ENOENT)
        return fault_set(fault, KV_EIO, path, -1,
                         "there is no such directory. Run: mkdir -p '%s' && chown %u:%u '%s'",
                         path, uid, gid, path);
    return fault_status(fault, -error, path, -1, doing);
}

/* Another process has the lock: name it. */
static int busy(const struct store *store, struct fault *fault)
{
    struct buf content = {0};
    int pid = 0;

    if (file_read_all(store->disk, store->lock_path, PID_BYTES_MAX, &content, NULL) == 0)
        for (size_t i = 0; i < content.len && content.data[i] >= '0' && content.data[i] <= '9' &&
                           pid < 100000000; i++)
            pid = 10 * pid + (content.data[i] - '0');
    buf_free(&content);
    if (pid)
        return fault_set(fault, KV_EBUSY, store->lock_path, -1,
                         "another server uses this data directory: process %d. One process only; "
                         "stop it, or give this one another --dir", pid);
    return fault_set(fault, KV_EBUSY, store->lock_path, -1,
                     "another server uses this data directory. One process only; stop it, or "
                     "give this one another --dir");
}

static int take_lock(struct store *store, const char *dir, struct fault *fault)
{
    const struct disk *disk = store->disk;
    char pid[PID_BYTES_MAX];
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid()), status;

    store->lock_fd = disk->open(disk->self, store->lock_path, O_RDWR | O_CREAT, 0644);
    if (store->lock_fd < 0)
        return explain(fault, dir, -store->lock_fd, "creating kv.lock");
    status = disk->lock(disk->self, store->lock_fd);
    if (status == -EWOULDBLOCK)
        return busy(store, fault);
    if (status < 0)
        return explain(fault, dir, -status, "locking kv.lock");
    /* The number is for people: without it the lock holds as well. */
    if (disk->truncate(disk->self, store->lock_fd, 0) == 0)
        disk->pwrite(disk->self, store->lock_fd, pid, (size_t)len, 0);
    return 0;
}

/* Do in `directory` what the log will do there. */
static int probe(const struct disk *disk, const char *directory, struct fault *fault)
{
    char path[STORE_PATH_MAX + 16];
    struct fault inner = {0};
    bool renamed;
    int status;

    snprintf(path, sizeof path, "%s/kv.probe", directory);
    status = file_replace(disk, path, SLICE("probe\n"), &renamed, &inner);
    if (status == 0) {
        status = disk->unlink(disk->self, path);
        return status < 0 ? explain(fault, directory, -status, "deleting kv.probe") : 0;
    }
    if (inner.code == KV_ENOSPACE)
        return fault_set(fault, KV_ENOSPACE, directory, -1,
                         "the disk is full: kv.probe can't be written. Free some space there; the "
                         "log needs two chunks ahead to take writes");
    return explain(fault, directory, inner.system_errno ? inner.system_errno : EIO,
                   "writing, syncing and renaming kv.probe");
}

static int probe_all(const struct store *store, const char *dir, struct fault *fault)
{
    const struct disk *disk = store->disk;
    int status = probe(disk, dir, fault);

    if (status == 0 && disk->exists(disk->self, store->directory) == 1)
        status = probe(disk, store->directory, fault);
    return status;
}

static int set_paths(struct store *store, const struct recovery_options *recovery,
                     struct fault *fault)
{
    int lock_len = snprintf(store->lock_path, sizeof store->lock_path, "%s/kv.lock",
                            recovery->dir);
    int len = snprintf(store->directory, sizeof store->directory, "%s/%s", recovery->dir,
                       recovery->append_dirname);

    if (lock_len < (int)sizeof store->lock_path && len < (int)sizeof store->directory)
        return 0;
    return fault_set(fault, KV_ELIMIT, recovery->dir, -1, "the path is too long");
}

void store_remove_off_mark(const struct store *store)
{
    const struct disk *disk = store->disk;
    char path[STORE_PATH_MAX + 16];

    snprintf(path, sizeof path, "%s/" DUMP_OFF_MARK, store->directory);
    if (disk->exists(disk->self, path) == 1 && disk->unlink(disk->self, path) == 0)
        disk->fsync_directory(disk->self, store->directory);
}

struct log_options store_log_options(const struct store *store,
                                     const struct store_options *options)
{
    return (struct log_options){
        .disk = store->disk,
        .directory = store->directory,
        .name = options->recovery.append_filename,
        .policy = options->policy,
        .chunk_bytes = options->chunk_bytes,
        .fill_bytes = options->fill_bytes,
        .fill_pause_ms = options->fill_pause_ms,
        .retry_ms = RETRY_MS,
        .time_stamps = options->time_stamps,
        .archive = options->recovery.archive,
        .news = options->news,
        .env = options->news_env,
    };
}

static int recover_and_open(struct store *store, const struct store_options *options,
                            struct journal *journal, struct recovery_result *result,
                            struct fault *fault)
{
    struct log_options log = store_log_options(store, options);
    int status = log_birth_sweep(store->disk, store->directory, log.name, fault);

    if (status == 0)
        status = recovery_run(&options->recovery, result, fault);
    if (status < 0)
        return status;
    status = log_open(&log, &result->start, journal, &store->log, fault);
    manifest_free(&result->start.manifest);
    if (status == 0)
        store_remove_off_mark(store);
    return status;
}

static void store_free(struct store *store)
{
    if (store->turning)
        manifest_free(&store->turning->old);
    mem_free(store->turning);
    if (store->lock_fd >= 0)
        store->disk->close(store->disk->self, store->lock_fd);
    mem_free(store);
}

int store_open_bare(const struct store_options *options, struct store **out, struct fault *fault)
{
    struct store *store = mem_alloc_zero(sizeof *store);
    const char *dir = options->recovery.dir;
    int status;

    store->disk = options->recovery.disk;
    store->lock_fd = -1;
    status = set_paths(store, &options->recovery, fault);
    if (status == 0)
        status = take_lock(store, dir, fault);
    if (status == 0)
        status = probe_all(store, dir, fault);
    if (status < 0) {
        store_free(store);
        return status;
    }
    *out = store;
    return 0;
}

int store_open(const struct store_options *options, struct journal *journal, struct store **out,
               struct recovery_result *result, struct fault *fault)
{
    struct store *store;
    int status = store_open_bare(options, &store, fault);

    memset(result, 0, sizeof *result);
    if (status < 0)
        return status;
    status = recover_and_open(store, options, journal, result, fault);
    if (status < 0) {
        store_free(store);
        return status;
    }
    *out = store;
    return 0;
}

int store_open_dump(const struct store_options *options, struct store **out,
                    struct recovery_result *result, struct fault *fault)
{
    struct store *store;
    int status = store_open_bare(options, &store, fault);

    memset(result, 0, sizeof *result);
    if (status < 0)
        return status;
    status = log_birth_sweep(store->disk, store->directory, options->recovery.append_filename,
                             fault);
    if (status == 0)
        status = dump_recover(&options->recovery, result, fault);
    if (status < 0) {
        store_free(store);
        return status;
    }
    *out = store;
    return 0;
}

bool store_has_log(const struct store *store)
{
    return store->log != NULL;
}

int store_turn_off(struct store *store, int64_t now_s, struct fault *fault)
{
    struct log *log = store->log;
    char path[STORE_PATH_MAX + 16], text[32];
    int len = snprintf(text, sizeof text, "%lld\n", (long long)now_s);
    bool renamed;
    int status;

    store->log = NULL;
    status = log_close(log, fault);
    if (status < 0)
        return status;
    snprintf(path, sizeof path, "%s/" DUMP_OFF_MARK, store->directory);
    return file_replace(store->disk, path, (struct slice){text, (size_t)len}, &renamed, fault);
}

int store_close(struct store *store, struct fault *fault)
{
    int status = store->log ? log_close(store->log, fault) : 0;

    store_free(store);
    return status;
}

void store_abandon(struct store *store)
{
    if (store->log)
        log_abandon(store->log);
    store_free(store);
}
