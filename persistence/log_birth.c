/* A log that is switched on while the server runs, until its first base is named.
 *
 * It is written, synced and healed as any log, from its first batch on, beside the snapshot that is
 * to be its base; but it holds nothing without that. So its manifest is kept in memory alone, and
 * what is stored is the manifest that was there, with each file of the new log, its base to come
 * included, as history: a start goes by what was there, and deletes what is new.
 *
 *   unborn  -- the base is complete, the manifest names it and the files --> the log, HEALTHY
 *           -- the disk is full, or healing failed --> base_state is FAILED: the owner gives it up
 *
 * While it is unborn journal->state is BEGINNING, whatever happens, and no reply is held: what it
 * has synced is of no use to a start. Its own state is kept aside, and takes effect in the moment
 * in which it is named.
 *
 * Where no log was before, a manifest stays that names nothing but history. That is no log: a start
 * deletes those files and then the manifest, and goes by the dump, if there is one.
 */
#include "persistence/log_birth.h"

#include <stdatomic.h>
#include <stdio.h>

#include "persistence/file.h"
#include "persistence/log_names.h"
#include "persistence/log_private.h"

void log_birth_begin(struct log *log, const struct log_birth *birth)
{
    kv_assert(log->manifest.count == 0);
    log->unborn = true;
    log->birth = *birth;
    log->birth_state = JOURNAL_HEALTHY;
    manifest_copy(&log->birth_old, birth->old);
    log->birth.old = &log->birth_old;
    log->base = (struct log_base){.number = birth->base_number, .seq = log->durable.seq,
                                  .state = JOURNAL_BASE_OPEN};
    memcpy(log->base.name, birth->base, sizeof log->base.name);
    manifest_add(&log->manifest, MANIFEST_HISTORY, birth->base, birth->base_number);
}

int log_birth_store(struct log *log, const struct manifest *next, bool *renamed,
                    struct fault *fault)
{
    struct manifest manifest;
    int status;

    manifest_copy(&manifest, &log->birth_old);
    for (int i = 0; i < next->count; i++)
        manifest_add(&manifest, MANIFEST_HISTORY, next->files[i].name, next->files[i].seq);
    status = manifest_store(log->options.disk, log->manifest_path, &manifest, renamed, fault);
    manifest_free(&manifest);
    return status;
}

bool log_birth_failed(const struct log *log)
{
    return unlikely(log->unborn) && log->birth_state != JOURNAL_HEALTHY;
}

void log_birth_end(struct log *log)
{
    pthread_mutex_lock(&log->lock);
    log->unborn = false;
    atomic_store(&log->journal->state, (int)log->birth_state);
    pthread_mutex_unlock(&log->lock);
    log->birth.after(log->birth.env);
}

static bool names_nothing(const struct manifest *manifest, uint64_t *lowest)
{
    *lowest = UINT64_MAX;
    for (int i = 0; i < manifest->count; i++) {
        if (manifest->files[i].type != MANIFEST_HISTORY)
            return false;
        if (manifest->files[i].seq < *lowest)
            *lowest = manifest->files[i].seq;
    }
    return manifest->sealed;
}

static int delete_file(const struct disk *disk, const char *directory, const char *name,
                       struct fault *fault)
{
    char path[LOG_PATH_MAX + MANIFEST_NAME_MAX];

    log_retire(disk, directory, name, NULL, NULL);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (disk->exists(disk->self, path) == 0)
        return 0;
    return fault_set(fault, KV_EIO, path, -1, "it is a leftover and can't be deleted");
}

/* All files of that log, those included that were not in a manifest yet. */
static int delete_files(const struct disk *disk, const char *directory, const char *name,
                        uint64_t lowest, struct fault *fault)
{
    char file[MANIFEST_NAME_MAX + 1];
    struct log_numbers numbers;
    int status = log_numbers_read(disk, directory, name, &numbers, fault);

    for (uint64_t i = lowest; status == 0 && i <= numbers.highest; i++) {
        log_base_name(file, sizeof file, name, i);
        status = delete_file(disk, directory, file, fault);
        log_incr_name(file, sizeof file, name, i);
        if (status == 0)
            status = delete_file(disk, directory, file, fault);
    }
    return status;
}

int log_birth_sweep(const struct disk *disk, const char *directory, const char *name,
                    struct fault *fault)
{
    char path[LOG_PATH_MAX + MANIFEST_NAME_MAX];
    struct manifest manifest = {0};
    uint64_t lowest;
    int status;

    snprintf(path, sizeof path, "%s/%s.manifest", directory, name);
    if (disk->exists(disk->self, path) != 1 ||
        manifest_load(disk, path, &manifest, NULL) < 0)
        return 0; /* recovery has the words for what is wrong with it */
    status = 1;
    if (names_nothing(&manifest, &lowest))
        status = delete_files(disk, directory, name, lowest, fault);
    manifest_free(&manifest);
    if (status != 0)
        return status < 0 ? status : 0;
    status = disk->fsync_directory(disk->self, directory);
    if (status == 0)
        status = disk->unlink(disk->self, path);
    if (status == 0)
        status = disk->fsync_directory(disk->self, directory);
    return status < 0 ? fault_status(fault, status, path, -1, "delete") : 0;
}
