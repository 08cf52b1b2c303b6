/* What happens when the disk says no: the file is poisoned, the log heals into a new one, or
 * stands still and says why.
 *
 * A file is poisoned by the first failed or short write, or failed sync, and never written, synced
 * or believed again, but for what was confirmed before. Healing takes up at the last confirmed
 * batch D:
 *
 *   1. create the next file (a number never seen), header: first batch D + 1, crc of D
 *   2. write all kept batches there, D + 1 and on, with the numbers they had and new trailers
 *   3. sync it, sync the directory
 *   4. switch the manifest: ... old file, new file; if nothing of the old file was confirmed, the
 *      new one in its place
 *   5. now all kept batches are durable: raise the marks, go on in the new file
 *
 * What the old file holds behind D is dead: its successor's header says so. Up to the rename in 4
 * the old manifest stands, and on a failure the new file is deleted. From the rename on a crash
 * may find either manifest, and both start: so the new file stays, this attempt has failed all the
 * same, and only a later one that is complete to its end makes the log healthy. Its manifest names
 * another file; then the leftovers are deleted.
 */
#include "persistence/log_heal.h"

#include <stdio.h>
#include <string.h>

#include "persistence/file.h"
#include "persistence/log_private.h"
#include "persistence/log_sync.h"

#define CAUSE_BYTES 256
#define LINE_BYTES 384

void log_tell(struct log *log)
{
    bell_ring(&log->done);
    if (log->options.news)
        log->options.news(log->options.env);
}

void log_poison(struct log *log, const struct fault *fault)
{
    pthread_mutex_lock(&log->lock);
    if (!atomic_load(&log->poisoned))
        fault_line(fault, log->cause, CAUSE_BYTES);
    pthread_mutex_unlock(&log->lock);
    atomic_store(&log->poisoned, true);
}

/* Write all kept batches to `file`; only the log thread adds some, and nothing is confirmed while
 * the file is poisoned: the list stands still. */
static int write_kept(struct log *log, struct log_file *file, uint64_t durable_batch,
                      struct fault *fault)
{
    int status = 0;

    for (struct log_batch *batch = log->kept_first; batch && status == 0; batch = batch->next)
        status = log_file_write(log, file, batch, durable_batch, fault);
    return status;
}

static void go_on_in(struct log *log, const struct log_file *file)
{
    const struct disk *disk = log->options.disk;
    struct log_point end = file->end;
    int old_fd = log->file.fd;

    if (end.batch == log->durable.batch)
        end.offset = 0;
    pthread_mutex_lock(&log->sync_lock);
    pthread_mutex_lock(&log->lock);
    log->other_bytes += log->durable.offset;
    log->file = *file;
    log->written = file->end;
    log->heals++;
    log->base_due = true;
    memcpy(log->file_name, file->name, sizeof log->file_name);
    log->cause[0] = '\0';
    pthread_mutex_unlock(&log->lock);
    log_fill_follow(log);
    log_confirm(log, &end);
    atomic_store_explicit(&log->journal->written, file->end.seq, memory_order_release);
    atomic_store(&log->poisoned, false);
    pthread_mutex_unlock(&log->sync_lock);
    if (old_fd >= 0)
        disk->close(disk->self, old_fd);
}

static int heal(struct log *log, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    struct log_point durable;
    struct log_file file;
    uint64_t bytes;
    bool renamed = false;
    int status;

    kv_assert(atomic_load(&log->poisoned));
    pthread_mutex_lock(&log->sync_lock); /* a sync that runs ends first, in vain */
    pthread_mutex_lock(&log->lock);
    durable = log->durable;
    bytes = log->kept_bytes;
    pthread_mutex_unlock(&log->lock);
    pthread_mutex_unlock(&log->sync_lock);

    status = log_file_create(log, &file, &durable, bytes, fault);
    if (status < 0)
        return status;
    status = write_kept(log, &file, durable.batch, fault);
    if (status == 0)
        status = log_file_announce(log, &file, &renamed, fault);
    if (status == 0) {
        go_on_in(log, &file);
        log_stale_delete(log);
        return 0;
    }
    disk->close(disk->self, file.fd);
    if (renamed)
        log_stale_add(log, file.name);
    else
        disk->unlink(disk->self, file.path);
    return status;
}

int log_heal(struct log *log, struct fault *fault)
{
    int status;

    pthread_mutex_lock(&log->manifest_lock);
    status = heal(log, fault);
    pthread_mutex_unlock(&log->manifest_lock);
    return status;
}

void log_enter(struct log *log, enum journal_state state, const char *problem)
{
    pthread_mutex_lock(&log->lock);
    snprintf(log->problem, sizeof log->problem, "%s", problem ? problem : "");
    if (unlikely(log->unborn))
        log->birth_state = state;
    else
        atomic_store(&log->journal->state, (int)state);
    pthread_mutex_unlock(&log->lock);
}

void log_enter_by_space(struct log *log)
{
    char problem[1024];

    log->space_asked_ms = bell_now_ms();
    if (log_file_space_ahead(log, &log->file)) {
        log_enter(log, JOURNAL_HEALTHY, NULL);
        return;
    }
    snprintf(problem, sizeof problem,
             "%.*s: the disk is full: no room for the next %llu bytes of the log. Only deletions "
             "are taken until at least %llu bytes are free there; the server looks every %llu ms",
             LINE_BYTES, log->directory, (unsigned long long)log_file_chunk_min(log),
             (unsigned long long)(2 * log_file_chunk_min(log)),
             (unsigned long long)log->options.retry_ms);
    log_enter(log, JOURNAL_FULL, problem);
}

void log_enter_failed(struct log *log, const struct fault *fault)
{
    char problem[1024], line[LINE_BYTES], cause[CAUSE_BYTES + 8];
    uint64_t bytes;

    pthread_mutex_lock(&log->lock);
    bytes = log->kept_bytes + 2 * log_file_chunk_min(log);
    snprintf(cause, sizeof cause, "%s%s", log->cause, log->cause[0] ? "; then " : "");
    pthread_mutex_unlock(&log->lock);
    fault_line(fault, line, sizeof line);
    if (fault->code == KV_ENOSPACE)
        snprintf(problem, sizeof problem,
                 "%s%s. Free at least %llu bytes in %.150s: unconfirmed writes are in memory "
                 "and go to disk then; the server looks every %llu ms",
                 cause, line, (unsigned long long)bytes, log->directory,
                 (unsigned long long)log->options.retry_ms);
    else
        snprintf(problem, sizeof problem,
                 "%s%s. The log can't be continued in a new file in %.150s: check the device "
                 "(dmesg), rights and mount. Unconfirmed writes are in memory; the server tries "
                 "again every %llu ms",
                 cause, line, log->directory, (unsigned long long)log->options.retry_ms);
    log_enter(log, JOURNAL_FAILED, problem);
}
