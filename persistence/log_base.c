/* Compaction, as far as the log has a part in it: how a snapshot takes the place of all that was
 * recorded before.
 *
 *   NONE              base_begin, at first: KV_EBUSY, while the sync thread prepares: it creates
 *                     the next file, empty, with space, its name durable, and syncs the old one
 *   NONE -> TURNING   base_begin, again: the main thread has handed over its last batch, hands over
 *                     no other, and begins to cut the snapshot; the sequence now is S
 *   TURNING -> OPEN   the log thread has written that batch and synced the file; the next file gets
 *                     its header, is synced, and named in the manifest: ... old file, new file
 *                     (from S). Batches go there from now on
 *   OPEN -> NAMING    base_end: the snapshot's file is complete, synced, under its name
 *   NAMING -> DONE    the manifest names it as base, then the files from S on; the old base and the
 *                     files before S are history. Then those are deleted
 *
 * The manifest of TURNING has a history line for the base to come: so what a crash leaves of it is
 * deleted by the next start, which deletes whatever is called history. A crash at any moment finds
 * the old base and all files, or the new base and those from S on; and as long as one manifest on
 * disk could name a file, the file is there: history is deleted after the manifest that calls it so
 * is durable.
 *
 * FAILURES. Up to the manifest's rename nothing has happened: the new file is deleted, the log goes
 * on in the old one (if that could be synced; else it heals), and the base has FAILED. From the
 * rename on either manifest may be found: the file is poisoned, and the log heals into another one
 * with a complete switch. A base that could not be named is called history again.
 *
 * Deleting a large file takes long, so the sync thread does it (or moves it into the archive). A
 * name stays in the manifest as history until its file is gone.
 *
 * Batches wait while the log turns, so what can be done before is; and naming the base is the sync
 * thread's, beside which they go on. If the file was poisoned meanwhile, the log heals first:
 * manifest_lock keeps the two from replacing the manifest at once. A prepared file that is older
 * than the one healing made is dropped: files are numbered in the order of their batches.
 */
#include "persistence/log_base.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "persistence/file.h"
#include "persistence/log_birth.h"
#include "persistence/log_heal.h"
#include "persistence/log_names.h"
#include "persistence/log_private.h"
#include "persistence/log_sync.h"

#define PATH_BYTES (LOG_PATH_MAX + MANIFEST_NAME_MAX + 8)
#define FILES_WANTED_MAX 64 /* incr files; beyond, a new base is due */

/* --- The main thread ------------------------------------------------------------------------- */

bool log_base_turning(const struct log *log)
{
    return atomic_load_explicit(&log->base_wish, memory_order_relaxed) == LOG_BASE_TURN;
}

static bool under_way(enum journal_base_state state)
{
    return state == JOURNAL_BASE_TURNING || state == JOURNAL_BASE_OPEN ||
           state == JOURNAL_BASE_NAMING;
}

static int has_room(struct log *log, uint64_t estimate, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    int64_t room = disk->free_bytes(disk->self, log->directory);

    if (room < 0 || (uint64_t)room >= estimate)
        return 0; /* if it can't be told, the writing will */
    return fault_set(fault, KV_ENOSPACE, log->directory, -1,
                     "no room for a new base of the log: it may need %llu bytes, %llu are free. "
                     "Free at least %llu bytes there",
                     (unsigned long long)estimate, (unsigned long long)room,
                     (unsigned long long)(estimate - (uint64_t)room));
}

int log_base_begin(struct journal *journal, uint64_t estimate, struct journal_base *out,
                   struct fault *fault)
{
    struct log *log = journal->store;
    int status;

    kv_assert(journal->open.len == 0);
    if (atomic_load(&log->base_wish) != LOG_BASE_NOTHING ||
        under_way(log_base_state(journal, NULL)))
        return fault_set(fault, KV_EBUSY, log->directory, -1, "a new base is being made already");
    status = has_room(log, estimate, fault);
    if (status < 0)
        return status;
    if (!log->prepared) {
        log->prepared = true;
        atomic_store(&log->base_wish, LOG_BASE_PREPARE);
        bell_ring(&log->due);
        return fault_set(fault, KV_EBUSY, log->directory, -1, "a new base is being prepared");
    }
    log->prepared = false;
    pthread_mutex_lock(&log->lock);
    log->base = (struct log_base){.number = log->next_number++, .seq = journal->sequence,
                                  .state = JOURNAL_BASE_TURNING};
    log_base_name(log->base.name, sizeof log->base.name, log->name, log->base.number);
    snprintf(out->path, sizeof out->path, "%s/%s", log->directory, log->base.name);
    pthread_mutex_unlock(&log->lock);
    out->seq = journal->sequence;
    memcpy(out->kvid, log->kvid, sizeof out->kvid);
    atomic_store(&log->base_wish, LOG_BASE_TURN);
    bell_ring(&log->work);
    return 0;
}

void log_base_end(struct journal *journal, bool complete)
{
    struct log *log = journal->store;

    kv_assert(atomic_load(&log->base_wish) == LOG_BASE_NOTHING);
    pthread_mutex_lock(&log->lock);
    kv_assert(log->base.state == JOURNAL_BASE_OPEN);
    log->base.state = complete ? JOURNAL_BASE_NAMING : JOURNAL_BASE_NONE;
    pthread_mutex_unlock(&log->lock);
    if (!complete)
        return;
    atomic_store(&log->base_wish, LOG_BASE_NAME);
    bell_ring(&log->due);
}

enum journal_base_state log_base_state(struct journal *journal, char problem[512])
{
    struct log *log = journal->store;
    enum journal_base_state state;

    pthread_mutex_lock(&log->lock);
    state = log->base.state;
    if (problem)
        memcpy(problem, log->base.problem, sizeof log->base.problem);
    if (log_birth_failed(log)) {
        state = JOURNAL_BASE_FAILED;
        if (problem)
            snprintf(problem, 512, "%.511s", log->problem);
    }
    pthread_mutex_unlock(&log->lock);
    return state;
}

/* --- The log thread -------------------------------------------------------------------------- */

void log_count_other_bytes(struct log *log)
{
    const struct disk *disk = log->options.disk;
    char path[PATH_BYTES];
    uint64_t other_bytes = 0, base_bytes = 0;

    for (int i = 0; i < log->manifest.count; i++) {
        const struct manifest_file *named = &log->manifest.files[i];
        int64_t bytes;
        int fd;

        if (named->type == MANIFEST_HISTORY || strcmp(named->name, log->file.name) == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", log->directory, named->name);
        fd = disk->open(disk->self, path, O_RDONLY, 0);
        bytes = fd < 0 ? 0 : disk->size(disk->self, fd);
        if (fd >= 0)
            disk->close(disk->self, fd);
        other_bytes += bytes > 0 ? (uint64_t)bytes : 0;
        if (named->type == MANIFEST_BASE)
            base_bytes = bytes > 0 ? (uint64_t)bytes : 0;
    }
    pthread_mutex_lock(&log->lock);
    log->other_bytes = other_bytes;
    log->base_bytes = base_bytes;
    pthread_mutex_unlock(&log->lock);
}

/* The wish is fulfilled, or not: say so, and let the main thread go on. */
static void conclude(struct log *log, enum journal_base_state state, const struct fault *fault)
{
    pthread_mutex_lock(&log->lock);
    log->base.state = state;
    if (fault)
        fault_line(fault, log->base.problem, sizeof log->base.problem);
    pthread_mutex_unlock(&log->lock);
    atomic_store(&log->base_wish, LOG_BASE_NOTHING);
    log_tell(log);
}

static void trim(struct log *log, const struct log_file *file)
{
    const struct disk *disk = log->options.disk;

    if (file->reserved > file->end.offset)
        disk->truncate(disk->self, file->fd, (off_t)file->end.offset);
    disk->close(disk->self, file->fd);
}

/* It has a successor: the sync thread cuts off the space ahead of it, for which a batch would wait
 * here. */
static void leave(struct log *log, const struct log_file *file)
{
    bool left;

    pthread_mutex_lock(&log->lock);
    left = log->left.fd < 0;
    if (left)
        log->left = *file;
    pthread_mutex_unlock(&log->lock);
    if (left)
        bell_ring(&log->due);
    else
        trim(log, file);
}

void log_base_trim(struct log *log)
{
    struct log_file file;

    pthread_mutex_lock(&log->lock);
    file = log->left;
    log->left.fd = -1;
    pthread_mutex_unlock(&log->lock);
    if (file.fd >= 0)
        trim(log, &file);
}

/* Batches go to `file` from now on; all before is durable. */
static void go_over_to(struct log *log, const struct log_file *file)
{
    struct log_file old = log->file;

    pthread_mutex_lock(&log->sync_lock);
    pthread_mutex_lock(&log->lock);
    log->other_bytes += old.end.offset;
    log->file = *file;
    log->written = file->end;
    log->durable = file->end;
    log->durable.offset = 0; /* the last durable batch lies in the file before */
    memcpy(log->file_name, file->name, sizeof log->file_name);
    log->base.first_incr = file->number;
    pthread_mutex_unlock(&log->lock);
    pthread_mutex_unlock(&log->sync_lock);
    log_fill_follow(log);
    leave(log, &old);
}

/* The file that was prepared, or another one. */
static int begin_next(struct log *log, struct log_file *file, struct fault *fault)
{
    if (log->ahead.fd >= 0 && log->ahead.number > log->file.number) {
        *file = log->ahead;
        log->ahead.fd = -1;
        return log_file_begin(log, file, &log->durable, 0, fault);
    }
    log_file_drop(log, &log->ahead);
    return log_file_create(log, file, &log->durable, 0, fault);
}

/* Create the next file and name it, with the base to come as history. */
static int open_next(struct log *log, struct log_file *file, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    bool renamed = false;
    int status = begin_next(log, file, fault);

    if (status < 0)
        return status;
    manifest_add(&log->manifest, MANIFEST_HISTORY, log->base.name, log->base.number);
    status = log_file_announce(log, file, &renamed, fault);
    if (status == 0)
        return 0;
    disk->close(disk->self, file->fd);
    if (renamed) {
        log_stale_add(log, file->name);
        log_poison(log, fault);
    } else {
        disk->unlink(disk->self, file->path);
    }
    return status;
}

static void turn(struct log *log)
{
    struct log_file file;
    struct fault fault = {0};
    int status = log_sync_written(log, &fault);

    if (status == 0)
        status = open_next(log, &file, &fault);
    if (status < 0) {
        conclude(log, JOURNAL_BASE_FAILED, &fault);
        return;
    }
    go_over_to(log, &file);
    log_stale_delete(log);
    conclude(log, JOURNAL_BASE_OPEN, NULL);
}

bool log_base_work(struct log *log, bool mail)
{
    if (atomic_load(&log->base_wish) != LOG_BASE_TURN || mail)
        return false; /* what was handed over comes first */
    pthread_mutex_lock(&log->manifest_lock);
    turn(log);
    pthread_mutex_unlock(&log->manifest_lock);
    return true;
}

/* --- The sync thread: naming and preparing --------------------------------------------------- */

static bool is_before_base(const struct log *log, const struct manifest_file *file)
{
    if (file->type == MANIFEST_INCR)
        return file->seq < log->base.first_incr;
    return file->type == MANIFEST_BASE;
}

/* The base, the files from S on, and all before as history. */
static void manifest_with_base(const struct log *log, struct manifest *out)
{
    struct manifest_file *base;

    manifest_copy(out, &log->manifest);
    out->count = 0;
    for (int i = 0; i < log->manifest.count; i++) {
        struct manifest_file file = log->manifest.files[i];

        if (strcmp(file.name, log->base.name) == 0)
            continue;
        if (is_before_base(log, &file))
            file = (struct manifest_file){.type = MANIFEST_HISTORY, .seq = file.seq};
        memcpy(file.name, log->manifest.files[i].name, sizeof file.name);
        out->files[out->count++] = file;
    }
    base = manifest_add(out, MANIFEST_BASE, log->base.name, log->base.number);
    memcpy(base->kvid, log->kvid, sizeof base->kvid);
    base->kvseq = log->base.seq;
}

/* The sync thread is to part with what the manifest calls history. */
static void retire(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    for (int i = 0; i < log->manifest.count; i++) {
        const struct manifest_file *file = &log->manifest.files[i];

        if (file->type == MANIFEST_HISTORY)
            buf_append(&log->retired, file->name, strlen(file->name) + 1);
    }
    pthread_mutex_unlock(&log->lock);
    bell_ring(&log->due);
}

static void name(struct log *log)
{
    struct manifest next;
    struct fault fault = {0};
    bool renamed = false;
    int status;

    manifest_with_base(log, &next);
    status = log->unborn ? log->birth.before(log->birth.env, &fault) : 0;
    if (status == 0)
        status = manifest_store(log->options.disk, log->manifest_path, &next, &renamed, &fault);
    if (status < 0) {
        manifest_free(&next);
        if (renamed && !log->unborn) /* else it is given up */
            log_poison(log, &fault);
        else if (!log->unborn)
            retire(log);
        conclude(log, JOURNAL_BASE_FAILED, &fault);
        return;
    }
    manifest_free(&log->manifest);
    log->manifest = next;
    pthread_mutex_lock(&log->lock);
    log->base_due = false;
    pthread_mutex_unlock(&log->lock);
    log_count_other_bytes(log);
    if (log->unborn)
        log_birth_end(log);
    retire(log);
    conclude(log, JOURNAL_BASE_DONE, NULL);
}

/* What fails here is tried again by the turn, which tells of it. */
static void prepare(struct log *log)
{
    const struct disk *disk = log->options.disk;
    struct log_file *file = &log->ahead;
    struct fault fault;
    uint64_t ahead = 2 * log->options.chunk_bytes;

    log_file_drop(log, file);
    if (log_file_make(log, file, &fault) == 0) {
        if (ahead > 0 && disk->allocate(disk->self, file->fd, 0, (off_t)ahead) == 0)
            file->reserved = ahead;
        file->entered = disk->fsync(disk->self, file->fd) == 0 &&
                        disk->fsync_directory(disk->self, log->directory) == 0;
        if (!file->entered)
            log_file_drop(log, file);
    }
    if (log_sync_written(log, &fault) < 0)
        bell_ring(&log->work);
    atomic_store(&log->base_wish, LOG_BASE_NOTHING);
    log_tell(log);
}

bool log_base_sync_work(struct log *log)
{
    int wish = atomic_load(&log->base_wish);
    bool done = true;
    struct fault fault;

    if (wish == LOG_BASE_PREPARE) {
        prepare(log);
        return true;
    }
    if (wish != LOG_BASE_NAME)
        return false;
    (void)!log_sync_written(log, &fault); /* no batch gets old because of this */
    pthread_mutex_lock(&log->manifest_lock);
    if (atomic_load(&log->poisoned) || log->given_up)
        done = false; /* the log thread rings when it has healed */
    else
        name(log);
    pthread_mutex_unlock(&log->manifest_lock);
    if (atomic_load(&log->poisoned))
        bell_ring(&log->work);
    return done;
}

/* --- The manifest ----------------------------------------------------------------------------- */

void log_base_forget(struct log *log, struct manifest *manifest)
{
    const struct disk *disk = log->options.disk;
    char path[PATH_BYTES];
    int kept = 0;

    for (int i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];

        snprintf(path, sizeof path, "%s/%s", log->directory, file->name);
        if (file->type == MANIFEST_HISTORY && strcmp(file->name, log->base.name) != 0 &&
            disk->exists(disk->self, path) == 0)
            continue;
        manifest->files[kept++] = *file;
    }
    manifest->count = kept;
}

bool log_base_is_due(const struct manifest *manifest)
{
    int incrs = 0;

    for (int i = 0; i < manifest->count; i++) {
        if (manifest->files[i].raw || manifest->files[i].holes)
            return true;
        incrs += manifest->files[i].type == MANIFEST_INCR;
    }
    return incrs > FILES_WANTED_MAX;
}

/* --- The sync thread: parting with what is history ------------------------------------------- */

bool log_base_has_retired(struct log *log)
{
    bool has;

    pthread_mutex_lock(&log->lock);
    has = log->retired.len > 0;
    pthread_mutex_unlock(&log->lock);
    return has;
}

void log_base_delete_retired(struct log *log)
{
    struct buf names = {0};

    pthread_mutex_lock(&log->lock);
    buf_swap(&names, &log->retired);
    pthread_mutex_unlock(&log->lock);
    log_fill_part(log);
    for (const char *at = names.data; at < names.data + names.len; at += strlen(at) + 1)
        log_retire(log->options.disk, log->directory, at, log->options.archive,
                   log->kvid);
    buf_free(&names);
}
