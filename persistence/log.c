/* The log: from the journal's open batch to stable storage.
 *
 * THREADS. The main thread fills journal->open and hands it over; the log thread (`kv-log`) writes,
 * and syncs under `always`; the sync thread (`kv-sync`) syncs by the clock under `everysec` and
 * `no`, and writes kv.durable. Files:
 *
 *   log.c       the port's functions (main thread), the log thread's loop, open and close
 *   log_write.c a batch's way into the file, and who may write it
 *   log_file.c  header, batches, space ahead, the manifest switch
 *   log_sync.c  syncs, marks, the sync thread
 *   log_fill.c  bytes written ahead, for batches to be written over
 *   log_heal.c  poisoned files, healing, the words for it
 *   log_base.c  a snapshot takes the place of what was recorded before
 *   log_birth.c a log that is switched on, until its first base is named
 *
 * A BATCH'S WAY. turn_end puts the open batch into the mailbox (mailbox.c): swapped in if that is
 * empty, else, if small, behind what is there. The log thread takes out what has come together,
 * appends it to the list of kept batches, writes it with one call, raises `written`, syncs if the
 * policy is `always`, raises `durable`, tells the main thread, and looks into the mailbox again. So
 * batches form by themselves while a sync runs, and one client alone waits for nobody. A batch is
 * kept until it is durable. Where replies wait for no sync the main thread writes small batches
 * itself while the log thread rests (log_write.c).
 *
 * STATES, all entered by the log thread alone (log_enter):
 *
 *   HEALTHY -> FULL     log_enter_by_space: the second chunk of space ahead can't be had
 *   FULL -> HEALTHY     the same, after every batch, every retry_ms, and on retry()
 *   any -> FAILED       log_enter_failed: a batch could not be written or confirmed, and healing
 *                       failed as well
 *   FAILED -> HEALTHY,  a later attempt, every retry_ms and on retry(), went through to its end
 *             FULL
 *
 * While the first attempt to heal runs the state stays what it was: clients wait a little longer,
 * and get their success if it works.
 *
 * INVARIANTS (log_check, in debug builds)
 *   1. durable <= written <= what was handed over, in batches and bytes.
 *   2. The kept batches are those behind `durable`, all of them, without a gap, in order.
 *   3. A mark rises only after the call that justifies it has returned 0, on a file that no call
 *      has failed on.
 *   4. Under `always` at most one batch is between its write and its sync.
 *   5. The manifest on disk names, at any time, files that start and hold all that is durable.
 *   6. The main thread waits for no lock that is held across a system call.
 *   7. Who writes the file, changes its end or lengthens the list of kept batches has the pen.
 *
 * Why a mailbox for one batch and not a queue: a queue would let batches pile up that one sync
 * could have covered together.
 */
#include "persistence/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "persistence/file.h"
#include "persistence/log_base.h"
#include "persistence/log_birth.h"
#include "persistence/log_heal.h"
#include "persistence/log_private.h"
#include "persistence/log_sync.h"
#include "persistence/log_write.h"

#define SPIN_US 20
#define TIMER_SLACK_NS 1000

static void log_check(struct log *log unused)
{
#ifdef KV_DEBUG
    uint64_t number, bytes = 0;

    pthread_mutex_lock(&log->lock);
    number = log->durable.batch;
    kv_assert(log->written.batch >= log->durable.batch);
    kv_assert(log->written.seq >= log->durable.seq);
    for (struct log_batch *batch = log->kept_first; batch; batch = batch->next) {
        kv_assert(batch->number == ++number);
        bytes += batch->bytes.len;
    }
    kv_assert(number >= log->written.batch);
    kv_assert(number <= log->written.batch + 1);
    kv_assert(bytes == log->kept_bytes);
    pthread_mutex_unlock(&log->lock);
#endif
}

/* --- The main thread ------------------------------------------------------------------------- */

static void port_turn_end(struct journal *journal, int64_t now_ms)
{
    struct log *log = journal->store;

    if (journal->open.len == 0 || log_base_turning(log) || log_write_at_once(log, now_ms))
        return;
    if (mailbox_put(&log->mailbox, journal, now_ms))
        bell_ring(&log->work);
}

static void port_set_policy(struct journal *journal, enum journal_policy policy)
{
    struct log *log = journal->store;

    atomic_store(&journal->policy, (int)policy);
    if (policy == JOURNAL_ALWAYS) {
        atomic_store(&log->sync_wanted, true);
        bell_ring(&log->work);
    }
    bell_ring(&log->due);
}

static void port_report(struct journal *journal, struct journal_report *out)
{
    struct log *log = journal->store;

    memset(out, 0, sizeof *out);
    out->pending_bytes = journal_backlog(journal);
    pthread_mutex_lock(&log->lock);
    out->written = log->written.seq;
    out->durable = log->durable.seq;
    out->batch = log->written.batch;
    out->durable_batch = log->durable.batch;
    out->base_bytes = log->base_bytes;
    out->file_bytes = log->other_bytes + log->written.offset;
    out->syncs = log->syncs;
    out->sync_errors = log->sync_errors;
    out->write_errors = log->write_errors;
    out->heals = log->heals;
    out->base_due = log->base_due;
    out->last_sync_us = log->last_sync_us;
    out->max_sync_us = log->max_sync_us;
    out->last_batch_commands_bytes = log->last_batch_bytes;
    if (log->kept_first)
        out->unsynced_since_ms = bell_now_ms() - log->kept_first->taken_ms;
    snprintf(out->file, sizeof out->file, "%.*s", (int)sizeof out->file - 1, log->file_name);
    memcpy(out->problem, log->problem, sizeof out->problem);
    pthread_mutex_unlock(&log->lock);
}

static int failed_now(struct log *log, struct fault *fault)
{
    char problem[1024];

    pthread_mutex_lock(&log->lock);
    memcpy(problem, log->problem, sizeof problem);
    pthread_mutex_unlock(&log->lock);
    return fault_set(fault, KV_EIO, log->directory, -1, "%s", problem);
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int port_sync(struct journal *journal, struct fault *fault)
{
    struct log *log = journal->store;
    uint64_t attempts = atomic_load(&log->attempts);

    if (atomic_load(&journal->state) == JOURNAL_FAILED)
        journal->ops->retry(journal);
    for (;;) {
        uint32_t seen = bell_seen(&log->done);

        if (journal->open.len > 0)
            port_turn_end(journal, wall_ms());
        else if (atomic_load(&journal->durable) == journal->sequence)
            return 0;
        if (atomic_load(&journal->state) == JOURNAL_FAILED &&
            atomic_load(&log->attempts) > attempts)
            return failed_now(log, fault);
        atomic_store(&log->sync_wanted, true);
        bell_ring(&log->work);
        bell_wait(&log->done, seen, LOG_EVERYSEC_MS * 1000, 0);
    }
}

static void port_retry(struct journal *journal)
{
    struct log *log = journal->store;

    atomic_store(&log->retry, true);
    bell_ring(&log->work);
}

const struct journal_ops log_journal_ops = {
    .turn_end = port_turn_end,
    .set_policy = port_set_policy,
    .report = port_report,
    .sync = port_sync,
    .retry = port_retry,
    .base_begin = log_base_begin,
    .base_end = log_base_end,
    .base_state = log_base_state,
};

/* --- The log thread -------------------------------------------------------------------------- */

/* Take the batch out of the mailbox, and leave a used buffer in it. NULL: not just now. */
static struct log_batch *take_mail(struct log *log)
{
    struct log_batch *batch;
    struct buf used = {0};
    struct mail mail;

    pthread_mutex_lock(&log->lock);
    buf_swap(&used, &log->spare);
    pthread_mutex_unlock(&log->lock);
    if (!mailbox_take(&log->mailbox, &used, &mail)) {
        buf_free(&used);
        return NULL;
    }
    batch = log_keep(log, &mail.bytes, mail.seq, mail.now_ms, mail.changes);
    log->pending_bytes = batch->bytes.len;
    return batch;
}

/* Is a sync due before the next batch may be taken? */
static bool sync_at_once(struct log *log)
{
    uint64_t kept_bytes;

    if (atomic_load(&log->journal->policy) == JOURNAL_ALWAYS)
        return true;
    pthread_mutex_lock(&log->lock);
    kept_bytes = log->kept_bytes;
    pthread_mutex_unlock(&log->lock);
    return kept_bytes > LOG_KEPT_BYTES_MAX;
}

/* Write the batch (NULL: none, the file was poisoned while idle), sync it if it must be, and heal
 * if either fails. After success `batch` may be gone. After a failure the file is poisoned, or the
 * batch found no space and is not written: in either case this may be called again. */
static int attempt(struct log *log, const struct log_batch *batch, struct fault *fault)
{
    int status = 0;

    if (!atomic_load(&log->poisoned) && batch) {
        status = log_write_batch(log, batch, fault);
        if (status == 0 && sync_at_once(log))
            status = log_sync_written(log, fault);
    }
    if (atomic_load(&log->poisoned))
        status = log_heal(log, fault);
    return status;
}

/* Wait for the next attempt; false if the log is to stop. */
static bool wait_for_retry(struct log *log)
{
    uint64_t end = bell_now_ms() + log->options.retry_ms;

    for (;;) {
        uint32_t seen = bell_seen(&log->work);
        uint64_t now = bell_now_ms();

        if (atomic_load(&log->stop))
            return false;
        if (atomic_exchange(&log->retry, false) || now >= end)
            return true;
        bell_wait(&log->work, seen, (int64_t)(end - now) * 1000, 0);
    }
}

/* Try until the batch is where the policy wants it; false if the log is to stop before. */
static bool settle(struct log *log, const struct log_batch *batch)
{
    struct fault fault;

    atomic_store(&log->retry, false);
    while (attempt(log, batch, &fault) < 0) {
        log_enter_failed(log, &fault);
        atomic_fetch_add(&log->attempts, 1);
        log_tell(log);
        if (!wait_for_retry(log))
            return false;
    }
    log_clear_pending(log);
    if (atomic_load(&log->journal->state) == JOURNAL_FAILED)
        log_enter_by_space(log);
    if (unlikely(atomic_load_explicit(&log->base_wish, memory_order_relaxed) == LOG_BASE_NAME))
        bell_ring(&log->due); /* it may have waited for healing */
    return true;
}

/* Under `always`, with a batch of this many changes confirmed: shall the next one wait for more? */
static void gather(struct log *log, uint32_t changes)
{
    if (atomic_load(&log->journal->policy) != JOURNAL_ALWAYS)
        return;
    pthread_mutex_lock(&log->lock);
    log->sync_us = (3 * log->sync_us + log->last_sync_us) / 4;
    pthread_mutex_unlock(&log->lock);
    mailbox_gather(&log->mailbox, changes, log->sync_us);
}

static bool commit_mail(struct log *log)
{
    struct log_batch *batch = take_mail(log);
    uint32_t changes;

    if (!batch)
        return true;
    changes = batch->changes;
    log_check(log);
    if (!settle(log, batch))
        return false;
    log_check(log);
    gather(log, changes);
    log_tell(log);
    log_fill_look(log);
    return true;
}

/* Take space ahead if less than a chunk is left; in state FULL, see whether there is some again. */
static void look_after_space(struct log *log)
{
    int before = atomic_load(&log->journal->state), after;

    if (before == JOURNAL_HEALTHY && log_file_has_space(log, &log->file, 0))
        return;
    log_enter_by_space(log);
    after = atomic_load(&log->journal->state);
    if (after != before)
        log_tell(log);
}

/* One round of the log thread, with the pen. 0: something was done; else nothing is to be done for
 * so many us (-1: until the bell rings). */
static int64_t work(struct log *log)
{
    bool hurry = atomic_load(&log->sync_wanted) || log_base_turning(log);
    int64_t due = mailbox_due(&log->mailbox, hurry);
    struct fault fault;

    if (!atomic_load(&log->poisoned) && log_base_work(log, due >= 0))
        return 0;
    if (atomic_load(&log->poisoned)) {
        if (settle(log, NULL))
            log_tell(log);
        return 0;
    }
    if (due == 0) {
        if (commit_mail(log) && log->options.chunk_bytes)
            look_after_space(log);
        return 0;
    }
    if (due < 0 && atomic_exchange(&log->sync_wanted, false)) {
        if (log_sync_written(log, &fault) == 0)
            log_tell(log);
        return 0;
    }
    if (atomic_load(&log->journal->state) == JOURNAL_FULL) {
        if (atomic_exchange(&log->retry, false) ||
            bell_now_ms() >= log->space_asked_ms + log->options.retry_ms) {
            look_after_space(log);
            return 0;
        }
        if (due < 0)
            due = (int64_t)log->options.retry_ms * 1000;
    }
    return due;
}

/* Spinning pays as long as it is answered: it is given up after some vain attempts in a row, and
 * tried again now and then. */
struct spinning {
    uint32_t vain, pause;
};

static uint32_t spin_time(const struct log *log, struct spinning *spinning)
{
    if (spinning->pause > 0) {
        spinning->pause--;
        return 0;
    }
    return log->spin_us;
}

static void spin_note(struct spinning *spinning, bool answered)
{
    if (answered)
        spinning->vain = 0;
    else if (++spinning->vain >= 4)
        *spinning = (struct spinning){.vain = 3, .pause = 64};
}

static void *log_main(void *arg)
{
    struct log *log = arg;
    struct spinning spinning = {0, 0};

    prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS); /* waits for company are short */
    for (;;) {
        uint32_t seen = bell_seen(&log->work), spin_us; /* first: a ring for stop is not missed */
        int64_t due;
        bool answered;

        if (atomic_load(&log->stop))
            return NULL;
        pthread_mutex_lock(&log->pen);
        due = work(log);
        pthread_mutex_unlock(&log->pen);
        if (due == 0)
            continue;
        spin_us = spin_time(log, &spinning);
        answered = bell_wait(&log->work, seen, due, spin_us);
        if (spin_us)
            spin_note(&spinning, answered);
    }
}

/* --- Open and close -------------------------------------------------------------------------- */

static void log_free(struct log *log)
{
    const struct disk *disk = log->options.disk;
    struct log_batch *next;

    if (log->file.fd >= 0)
        disk->close(disk->self, log->file.fd);
    if (log->left.fd >= 0)
        disk->close(disk->self, log->left.fd);
    log_file_drop(log, &log->ahead);
    for (struct log_batch *batch = log->kept_first; batch; batch = next) {
        next = batch->next;
        buf_free(&batch->bytes);
        mem_free(batch);
    }
    log_fill_free(log);
    mailbox_free(&log->mailbox);
    buf_free(&log->spare);
    buf_free(&log->retired);
    manifest_free(&log->manifest);
    manifest_free(&log->birth_old);
    pthread_mutex_destroy(&log->pen);
    pthread_mutex_destroy(&log->lock);
    pthread_mutex_destroy(&log->sync_lock);
    pthread_mutex_destroy(&log->manifest_lock);
    mem_free(log);
}

static int copy_paths(struct log *log, const struct log_options *options, struct fault *fault)
{
    size_t len = strlen(options->directory) + strlen(options->name) + sizeof "/.manifest.tmp";

    if (len > LOG_PATH_MAX || strlen(options->name) > MANIFEST_NAME_MAX - 32)
        return fault_set(fault, KV_ELIMIT, options->directory, -1, "the path is too long");
    snprintf(log->directory, sizeof log->directory, "%s", options->directory);
    snprintf(log->name, sizeof log->name, "%s", options->name);
    snprintf(log->manifest_path, sizeof log->manifest_path, "%s/%s.manifest", options->directory,
             options->name);
    snprintf(log->durable_path, sizeof log->durable_path, "%s/kv.durable", options->directory);
    return 0;
}

static struct log *log_new(const struct log_options *options, const struct log_start *start,
                           struct journal *journal)
{
    struct log *log = mem_alloc_zero(sizeof *log);

    log->options = *options;
    log->journal = journal;
    log->file.fd = log->ahead.fd = log->left.fd = -1;
    log_fill_init(&log->fill);
    mailbox_init(&log->mailbox);
    log->next_number = start->next_file;
    log->spin_us = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? SPIN_US : 0;
    memcpy(log->kvid, start->kvid, sizeof log->kvid);
    manifest_copy(&log->manifest, &start->manifest);
    pthread_mutex_init(&log->pen, NULL);
    pthread_mutex_init(&log->lock, NULL);
    pthread_mutex_init(&log->sync_lock, NULL);
    pthread_mutex_init(&log->manifest_lock, NULL);
    log->durable = (struct log_point){start->batch, start->seq, 0, start->crc};
    memcpy(log->slot.kvid, start->kvid, sizeof log->slot.kvid);
    log->slot.turn = start->durable_turn;
    log->slot.batch = start->batch;
    if (start->birth)
        log_birth_begin(log, start->birth);
    return log;
}

/* The first file of this run, durably named. */
static int open_first_file(struct log *log, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    bool renamed = false;
    int status = log_file_create(log, &log->file, &log->durable, 0, fault);

    if (status < 0)
        return status;
    status = log_file_announce(log, &log->file, &renamed, fault);
    if (status < 0 && !renamed)
        disk->unlink(disk->self, log->file.path);
    if (status < 0)
        return status;
    log_stale_delete(log);
    log->written = log->file.end;
    log_fill_follow(log);
    memcpy(log->file_name, log->file.name, sizeof log->file_name);
    log->base.first_incr = log->file.number;
    log->base_due = log_base_is_due(&log->manifest);
    log_count_other_bytes(log);
    return 0;
}

static void fill_journal(struct log *log, struct journal *journal)
{
    journal_off(journal);
    journal->ops = &log_journal_ops;
    journal->store = log;
    journal->sequence = log->durable.seq;
    atomic_store(&journal->written, log->durable.seq);
    atomic_store(&journal->durable, log->durable.seq);
    atomic_store(&journal->policy, (int)log->options.policy);
    if (log->unborn)
        atomic_store(&journal->state, JOURNAL_BEGINNING);
    log_enter_by_space(log);
}

static int start_threads(struct log *log, struct fault *fault)
{
    sigset_t all, before;
    int error;

    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&log->writer, NULL, log_main, log);
    if (error == 0) {
        pthread_setname_np(log->writer, "kv-log");
        error = pthread_create(&log->timer, NULL, log_timer_main, log);
        if (error == 0) {
            pthread_setname_np(log->timer, "kv-sync");
        } else {
            atomic_store(&log->stop, true);
            bell_ring(&log->work);
            pthread_join(log->writer, NULL);
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return error ? fault_errno(fault, log->directory, -1, "starting the log's threads") : 0;
}

int log_open(const struct log_options *options, const struct log_start *start,
             struct journal *journal, struct log **out, struct fault *fault)
{
    struct log *log = log_new(options, start, journal);
    int status = copy_paths(log, options, fault);

    if (status == 0)
        status = open_first_file(log, fault);
    if (status == 0) {
        fill_journal(log, journal);
        status = start_threads(log, fault);
    }
    if (status < 0) {
        journal_off(journal);
        log_free(log);
        return status;
    }
    *out = log;
    return 0;
}

static void stop_threads(struct log *log)
{
    atomic_store(&log->stop, true);
    bell_ring(&log->work);
    bell_ring(&log->due);
    pthread_join(log->writer, NULL);
    pthread_join(log->timer, NULL);
}

/* Nothing more comes. If something was lost, no reply must take this for a journal that is off. */
static void release_journal(struct journal *journal, bool lost)
{
    uint64_t durable = atomic_load(&journal->durable);

    buf_free(&journal->open);
    journal_off(journal);
    if (lost) {
        atomic_store(&journal->written, durable);
        atomic_store(&journal->durable, durable);
        atomic_store(&journal->state, JOURNAL_FAILED);
    }
}

int log_close(struct log *log, struct fault *fault)
{
    const struct disk *disk = log->options.disk;
    struct journal *journal = log->journal;
    int status = journal->ops->sync(journal, fault);

    stop_threads(log);
    log_base_trim(log);
    log_base_delete_retired(log);
    if (status == 0) {
        log_slot_write(log);
        if (log->file.reserved > log->file.end.offset)
            disk->truncate(disk->self, log->file.fd, (off_t)log->file.end.offset);
    }
    release_journal(journal, status < 0);
    log_free(log);
    return status;
}

void log_abandon(struct log *log)
{
    struct journal *journal = log->journal;

    stop_threads(log);
    release_journal(journal, true);
    log_free(log);
}

bool log_birth_give_up(struct log *log)
{
    struct journal *journal = log->journal;
    bool unborn;

    pthread_mutex_lock(&log->manifest_lock);
    unborn = log->given_up = log->unborn;
    pthread_mutex_unlock(&log->manifest_lock);
    if (!unborn)
        return false;
    stop_threads(log);
    release_journal(journal, false);
    log_free(log);
    return true;
}
