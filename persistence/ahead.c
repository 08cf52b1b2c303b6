/* Reading ahead.
 *
 *   thread    checks batch after batch and raises `checked`: file and offset in one number
 *   caller    applies up to `checked`; raises `applied` when it asks for more
 *
 * `checked` is stored without a lock for each batch, and the lock is taken, and the caller
 * woken, once every WAKE_BYTES and where a file ends. The thread waits when it is
 * AHEAD_BYTES_MAX ahead: so what the caller reads is still in the processor's cache, and a log
 * larger than memory is not read from the medium twice. A batch larger than that is checked
 * whole all the same, since that bound is looked at between batches.
 *
 * Within a file the good bytes are one stretch. Where it ends is in the file's `good_to`, which
 * is written before `checked` passes on to the next file. */
#include "persistence/ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/reader.h"
#include "persistence/walk.h"

#define WAKE_BYTES (128 * 1024)
#define AHEAD_BYTES_MAX (4 * 1024 * 1024)
#define OFFSET_BITS 48

struct ahead {
    struct walk *walk;
    int from; /* its first file */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    _Atomic uint64_t checked, applied; /* file << OFFSET_BITS | offset */
    _Atomic bool stop;
    uint64_t woken; /* the thread's: `checked` when it last woke the caller */
    bool ended;     /* under the lock */
    int status;     /* of the walk, once it has ended */
    struct fault fault;
    struct ahead_part part; /* the caller's: handed out last */
};

static uint64_t place(int file, uint64_t offset)
{
    kv_assert(offset >> OFFSET_BITS == 0);
    return (uint64_t)file << OFFSET_BITS | offset;
}

static void wake(struct ahead *ahead)
{
    pthread_mutex_lock(&ahead->lock);
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
}

/* Too far ahead: wait until the caller has come closer. */
static void wait_for_caller(struct ahead *ahead, uint64_t checked)
{
    pthread_mutex_lock(&ahead->lock);
    while (!atomic_load(&ahead->stop)) {
        uint64_t applied = atomic_load(&ahead->applied);
        bool same_file = checked >> OFFSET_BITS == applied >> OFFSET_BITS;
        if (same_file && checked - applied <= AHEAD_BYTES_MAX / 2)
            break;
        pthread_cond_broadcast(&ahead->changed);
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    }
    pthread_mutex_unlock(&ahead->lock);
}

static int take_good(void *env, int file, struct reader *reader unused,
                     const struct reader_batch *batch, struct fault *fault unused)
{
    struct ahead *ahead = env;
    uint64_t checked = place(file, batch->to);
    atomic_store_explicit(&ahead->checked, checked, memory_order_release);
    if (checked - ahead->woken >= WAKE_BYTES) {
        ahead->woken = checked;
        wake(ahead);
        uint64_t applied = atomic_load_explicit(&ahead->applied, memory_order_acquire);
        if (checked - applied > AHEAD_BYTES_MAX)
            wait_for_caller(ahead, checked);
    }
    return atomic_load_explicit(&ahead->stop, memory_order_relaxed) ? KV_EREFUSED : 0;
}

static void *run(void *env)
{
    struct ahead *ahead = env;
    struct walk *walk = ahead->walk;
    int status = 0;
    for (int i = ahead->from; status == 0 && i < walk->count; i++) {
        status = walk_file(walk, i, &ahead->fault);
        if (status == 0 && i + 1 < walk->count) {
            atomic_store(&ahead->checked, place(i + 1, 0));
            wake(ahead);
        }
    }
    pthread_mutex_lock(&ahead->lock);
    ahead->status = status;
    ahead->ended = true;
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    return NULL;
}

int ahead_start(struct walk *walk, int from, struct ahead **out, struct fault *fault)
{
    struct ahead *ahead = mem_alloc_zero(sizeof(*ahead));
    sigset_t all, before;
    ahead->walk = walk;
    ahead->from = ahead->part.file = from;
    ahead->checked = ahead->applied = ahead->woken = place(from, 0);
    ahead->fault.offset = -1;
    pthread_mutex_init(&ahead->lock, NULL);
    pthread_cond_init(&ahead->changed, NULL);
    walk->env = ahead;
    walk->good = take_good;
    /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&ahead->thread, NULL, run, ahead);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error) {
        mem_free(ahead);
        return fault_set(fault, KV_ELIMIT, NULL, -1, "no thread could be started to read the log");
    }
    *out = ahead;
    return 0;
}

/* What there is behind the last part, without waiting. Of a file that was passed, up to its end. */
static bool find_part(struct ahead *ahead)
{
    struct ahead_part *part = &ahead->part;
    uint64_t checked = atomic_load_explicit(&ahead->checked, memory_order_acquire);
    int file = (int)(checked >> OFFSET_BITS);
    part->from = part->to;
    if (file > part->file && part->to >= ahead->walk->files[part->file].good_to) {
        part->file++;
        part->from = part->to = 0;
    }
    if (file > part->file)
        part->to = ahead->walk->files[part->file].good_to;
    else
        part->to = checked & ((UINT64_C(1) << OFFSET_BITS) - 1);
    return part->to > part->from || file > part->file;
}

int ahead_next(struct ahead *ahead, struct ahead_part *out)
{
    atomic_store_explicit(&ahead->applied, place(ahead->part.file, ahead->part.to),
                          memory_order_release);
    pthread_mutex_lock(&ahead->lock);
    pthread_cond_broadcast(&ahead->changed);
    bool found = false;
    for (;;) {
        bool ended = ahead->ended; /* first: what was checked before that is seen below */
        found = find_part(ahead);
        if (found || ended)
            break;
        pthread_cond_wait(&ahead->changed, &ahead->lock);
    }
    pthread_mutex_unlock(&ahead->lock);
    *out = ahead->part;
    return found;
}

int ahead_stop(struct ahead *ahead, struct fault *fault)
{
    pthread_mutex_lock(&ahead->lock);
    bool ended = ahead->ended;
    atomic_store(&ahead->stop, true);
    pthread_cond_broadcast(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
    int status = ended ? ahead->status : 0;
    if (status < 0 && fault)
        *fault = ahead->fault;
    pthread_cond_destroy(&ahead->changed);
    pthread_mutex_destroy(&ahead->lock);
    mem_free(ahead);
    return status;
}
