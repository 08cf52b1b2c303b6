/* A batch's way into the file.
 *
 * THE PEN. Who writes the file holds log->pen: the log thread through each of its rounds, and the
 * main thread while it writes a batch itself. With it go the file's end, the numbers and the chain
 * of sums, and the end of the list of kept batches.
 *
 * AT ONCE. Under `everysec` and `no` replies wait for the write only, which for a small batch takes
 * a few microseconds: less than waking the log thread and being woken. So the main thread writes it
 * at the end of the turn and its replies leave in the same turn, if
 *
 *   - the pen is free, and nothing is in the mailbox: the order of batches is that of the turns
 *   - no sync runs (sync_lock is free): a write might wait for it
 *   - the log is healthy, and a chunk of space is left behind the batch: nothing else is to be done
 *   - no filler is written just now, and what is kept is not too much
 *   - the last such write was not slow: writing into the page cache waits where too much of it is
 *     dirty, and after one such wait the log thread takes over for a while
 *
 * Else it hands over, and waits for nobody. A write that fails is what it is in the log thread: the
 * file is poisoned, the batch stays in the list of kept ones, and the log thread is rung to heal.
 */
#include "persistence/log_write.h"

#include "core/base/mem.h"
#include "persistence/log_base.h"
#include "persistence/log_heal.h"
#include "persistence/log_private.h"

#define AT_ONCE_BYTES_MAX ((size_t)16 << 10)
#define SLOW_US 2000
#define REST_MS 100

struct log_batch *log_keep(struct log *log, struct buf *bytes, uint64_t seq, int64_t now_ms,
                           uint32_t changes)
{
    struct log_batch *batch = mem_alloc_zero(sizeof *batch);

    buf_swap(&batch->bytes, bytes);
    batch->seq = seq;
    batch->unix_second = now_ms / 1000;
    batch->changes = changes;
    batch->number = log->file.end.batch + 1;
    batch->taken_ms = bell_now_ms();
    pthread_mutex_lock(&log->lock);
    if (log->kept_last)
        log->kept_last->next = batch;
    else
        log->kept_first = batch;
    log->kept_last = batch;
    log->kept_bytes += batch->bytes.len;
    pthread_mutex_unlock(&log->lock);
    return batch;
}

void log_clear_pending(struct log *log)
{
    if (log->pending_bytes)
        atomic_fetch_sub_explicit(&log->journal->pending_bytes, log->pending_bytes,
                                  memory_order_relaxed);
    log->pending_bytes = 0;
}

/* The batch is in the kernel's hands. From the unlocking on a sync may cover and free it. */
static void note_written(struct log *log, const struct log_batch *batch)
{
    uint64_t seq = batch->seq;
    bool wake;

    pthread_mutex_lock(&log->lock);
    log->written = log->file.end;
    log->last_batch_bytes = batch->bytes.len;
    wake = log->timer_idle;
    log->timer_idle = false;
    pthread_mutex_unlock(&log->lock);
    log_clear_pending(log);
    atomic_store_explicit(&log->journal->written, seq, memory_order_release);
    if (wake)
        bell_ring(&log->due);
}

int log_write_batch(struct log *log, const struct log_batch *batch, struct fault *fault)
{
    int status = log_file_reserve(log, &log->file, batch->bytes.len, fault);
    uint64_t durable_batch;

    if (status < 0)
        return status;
    pthread_mutex_lock(&log->lock);
    durable_batch = log->durable.batch;
    pthread_mutex_unlock(&log->lock);
    status = log_file_write(log, &log->file, batch, durable_batch, fault);
    if (status < 0) {
        pthread_mutex_lock(&log->lock);
        log->write_errors++;
        pthread_mutex_unlock(&log->lock);
        log_poison(log, fault);
    } else if (!atomic_load(&log->poisoned)) {
        note_written(log, batch);
    }
    return status;
}

/* --- The main thread ------------------------------------------------------------------------- */

/* With the pen and sync_lock: is nothing else to be done before, or behind, a batch of so many
 * bytes? */
static bool nothing_in_the_way(struct log *log, size_t bytes)
{
    uint64_t kept_bytes;

    if (!mailbox_is_empty(&log->mailbox) || atomic_load(&log->poisoned) ||
        atomic_load(&log->journal->state) != JOURNAL_HEALTHY ||
        !log_file_has_space(log, &log->file, bytes) || !log_fill_rests(&log->fill))
        return false;
    pthread_mutex_lock(&log->lock);
    kept_bytes = log->kept_bytes;
    pthread_mutex_unlock(&log->lock);
    return kept_bytes + bytes <= LOG_KEPT_BYTES_MAX;
}

static void write_open(struct log *log, int64_t now_ms)
{
    struct journal *journal = log->journal;
    struct log_batch *batch;
    struct buf bytes = {0};
    struct fault fault;
    uint64_t begin = bell_now_us(), end;

    buf_append_slice(&bytes, buf_slice(&journal->open)); /* which keeps its block */
    batch = log_keep(log, &bytes, journal->sequence, now_ms, journal->open_changes);
    buf_clear(&journal->open);
    journal->open_changes = 0;
    if (log_write_batch(log, batch, &fault) < 0 || atomic_load(&log->poisoned)) {
        log->pending_bytes = batch->bytes.len;
        atomic_fetch_add_explicit(&journal->pending_bytes, log->pending_bytes,
                                  memory_order_relaxed);
        bell_ring(&log->work);
    }
    end = bell_now_us();
    if (end - begin > SLOW_US)
        log->rest_until_us = end + REST_MS * 1000;
}

bool log_write_at_once(struct log *log, int64_t now_ms)
{
    struct journal *journal = log->journal;
    bool done = false;

    if (atomic_load(&journal->policy) == JOURNAL_ALWAYS ||
        journal->open.len > AT_ONCE_BYTES_MAX ||
        (log->rest_until_us && bell_now_us() < log->rest_until_us))
        return false;
    log->rest_until_us = 0;
    if (pthread_mutex_trylock(&log->pen) != 0)
        return false;
    if (pthread_mutex_trylock(&log->sync_lock) == 0) {
        done = nothing_in_the_way(log, journal->open.len);
        if (done)
            write_open(log, now_ms);
        pthread_mutex_unlock(&log->sync_lock);
    }
    pthread_mutex_unlock(&log->pen);
    return done;
}
