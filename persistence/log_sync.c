/* Syncs, the marks they raise, and the thread that syncs by the clock.
 *
 * Two threads may sync the file: the log thread under `always` (after every batch), when a sync is
 * asked for, and when too much is kept; the sync thread under `everysec` and `no`. Linux reports a
 * failed write-back to one caller of fsync(2) only, so the other one must not believe its own
 * success: syncs are made one at a time under sync_lock, and one that fails poisons the file before
 * the lock is given back. A success counts only if the file is not poisoned by then.
 *
 * kv.durable is written by the sync thread alone, when nothing was synced for a second; its error
 * is no error of the log: the file is then left alone, and one proof is missing. That, and parting
 * with old files, may take longer than a sync: so what is written by then is synced before, and
 * nothing gets older than a second because of it.
 */
#include "persistence/log_sync.h"

#include <string.h>

#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/log_base.h"
#include "persistence/log_heal.h"
#include "persistence/log_private.h"

/* With sync_lock, without which nothing leaves the list: the last kept batch that `point` covers,
 * NULL if none, and the bytes up to it. Found without the lock, for there may be many. */
static struct log_batch *last_covered(struct log_batch *first, const struct log_point *point,
                                      uint64_t *bytes)
{
    struct log_batch *last = first;

    if (!first || first->number > point->batch)
        return NULL;
    *bytes = last->bytes.len;
    while (last->number < point->batch) { /* so that only a `next` that is final is followed */
        last = last->next;
        *bytes += last->bytes.len;
    }
    return last;
}

void log_confirm(struct log *log, const struct log_point *point)
{
    struct log_batch *batch, *first, *last;
    uint64_t bytes = 0;

    pthread_mutex_lock(&log->lock);
    first = log->kept_first;
    pthread_mutex_unlock(&log->lock);
    last = last_covered(first, point, &bytes);
    pthread_mutex_lock(&log->lock);
    kv_assert(point->batch >= log->durable.batch);
    kv_assert(point->seq >= log->durable.seq);
    log->durable = *point;
    log->synced_ms = bell_now_ms();
    if (last) {
        log->kept_first = last->next;
        log->kept_bytes -= bytes;
        last->next = NULL;
        if (!log->kept_first)
            log->kept_last = NULL;
        if (!log->spare.data && last->bytes.cap <= LOG_SPARE_BYTES_MAX) {
            buf_clear(&last->bytes);
            buf_swap(&log->spare, &last->bytes);
        }
    }
    pthread_mutex_unlock(&log->lock);
    atomic_store_explicit(&log->journal->durable, point->seq, memory_order_release);
    while (last && first) {
        batch = first;
        first = batch->next;
        buf_free(&batch->bytes);
        mem_free(batch);
    }
}

/* With sync_lock: sync the file up to `point`. */
static int sync_file(struct log *log, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    uint64_t begin = bell_now_us(), us;
    int status = disk->fdatasync(disk->self, log->file.fd);

    us = bell_now_us() - begin;
    pthread_mutex_lock(&log->lock);
    log->syncs++;
    log->sync_errors += status < 0;
    log->last_sync_us = us;
    if (us > log->max_sync_us)
        log->max_sync_us = us;
    pthread_mutex_unlock(&log->lock);
    if (status < 0) {
        status = fault_status(fault, status, log->file.path, -1, "fdatasync");
        log_poison(log, fault);
        return status;
    }
    if (atomic_load(&log->poisoned))
        return fault_set(fault, KV_EIO, log->file.path, -1, "a write failed");
    return 0;
}

int log_sync_written(struct log *log, struct fault *fault)
{
    struct log_point target;
    bool needed;
    int status = 0;

    pthread_mutex_lock(&log->sync_lock);
    pthread_mutex_lock(&log->lock);
    target = log->written;
    needed = target.batch > log->durable.batch;
    pthread_mutex_unlock(&log->lock);
    if (atomic_load(&log->poisoned))
        status = fault_set(fault, KV_EIO, log->file.path, -1, "a write or sync failed");
    else if (needed)
        status = sync_file(log, fault);
    if (status == 0 && needed)
        log_confirm(log, &target);
    pthread_mutex_unlock(&log->sync_lock);
    return status;
}

/* With `lock`: kv.durable does not prove yet what is durable. While the log is unborn, what is
 * there proves the log that a start finds. */
static bool slot_is_behind(const struct log *log)
{
    return log->durable.batch > log->slot.batch && log->durable.offset && !log->slot_broken &&
           !log->unborn;
}

void log_slot_write(struct log *log)
{
    struct durable slot = log->slot;
    struct fault fault;
    bool due;

    pthread_mutex_lock(&log->lock);
    due = slot_is_behind(log);
    slot.batch = log->durable.batch;
    slot.seq = log->durable.seq;
    slot.offset = log->durable.offset;
    memcpy(slot.file, log->file_name, sizeof slot.file);
    pthread_mutex_unlock(&log->lock);
    if (!due)
        return;
    if (durable_store(log->options.disk, log->directory, log->durable_path, &slot, &fault) == 0)
        log->slot = slot;
    else
        log->slot_broken = true;
}

/* How old a written batch may get before its sync; 0: the log thread syncs it. */
static uint64_t interval_ms(const struct log *log)
{
    int policy = atomic_load(&log->journal->policy);

    if (policy == JOURNAL_ALWAYS)
        return 0;
    return policy == JOURNAL_EVERYSEC ? LOG_EVERYSEC_MS : LOG_NO_MS;
}

/* When the next sync and the next slot are due (UINT64_MAX: not); with `idle` noted for the log
 * thread if neither is. */
static void next_due(struct log *log, uint64_t *sync_ms, uint64_t *slot_ms)
{
    uint64_t interval = interval_ms(log);
    bool poisoned = atomic_load(&log->poisoned);

    *sync_ms = *slot_ms = UINT64_MAX;
    pthread_mutex_lock(&log->lock);
    if (interval && log->written.batch > log->durable.batch && !poisoned)
        *sync_ms = log->kept_first->taken_ms + interval;
    if (slot_is_behind(log))
        *slot_ms = log->synced_ms + LOG_QUIET_MS;
    log->timer_idle = *sync_ms == UINT64_MAX && *slot_ms == UINT64_MAX;
    pthread_mutex_unlock(&log->lock);
}

void *log_timer_main(void *arg)
{
    struct log *log = arg;
    struct fault fault;

    for (;;) {
        uint32_t seen = bell_seen(&log->due);
        uint64_t now = bell_now_ms(), sync_ms, slot_ms, next;
        bool chores;

        if (atomic_load(&log->stop))
            return NULL;
        log_base_trim(log);
        if (log_base_sync_work(log))
            continue;
        if (log_fill_work(log))
            continue;
        next_due(log, &sync_ms, &slot_ms);
        next = sync_ms < slot_ms ? sync_ms : slot_ms;
        chores = slot_ms <= now || log_base_has_retired(log);
        if (sync_ms <= now || (chores && sync_ms != UINT64_MAX)) {
            if (log_sync_written(log, &fault) == 0)
                log_tell(log);
            else
                bell_ring(&log->work);
        } else if (!chores) {
            bell_wait(&log->due, seen, next == UINT64_MAX ? -1 : (int64_t)(next - now) * 1000, 0);
        }
        if (chores)
            log_base_delete_retired(log);
        if (slot_ms <= now)
            log_slot_write(log);
    }
}
