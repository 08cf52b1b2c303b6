/* The threads that write snapshots.
 *
 * The main thread queues frames; a thread takes a job (a snapshot) after the other through what
 * snapshot_file.c does: create, add each frame, finish; or discard, after a failure or a
 * cancellation. How much may be queued is the caller's to bound: it asks `held`.
 *
 * Two threads, started by the first snapshot, of which one works at a time, a step each:
 *
 *   patient   compresses and sums up, at the lowest priority: it takes the processor when nobody
 *             else wants it, and whoever wakes up beside it, the main thread or a client, runs at
 *             once. It touches no file: held up in the middle of that, it would hold up all others
 *   ordinary  all that concerns files. It does the other's work as well, for the rest of the job,
 *             when the patient one has got nowhere with a step for HASTE_MS, when more than
 *             HASTE_BYTES wait, or when the main thread itself waits
 *
 * (Why two: a thread may lower its priority, but not raise it again.)
 *
 * State, as the main thread sees it: IDLE -begin-> RUNNING -finish-> DONE, or FAILED at any time;
 * cancel makes it IDLE at once, while the threads go on to tidy up behind. A cancellation that
 * comes when the file has its name already leaves the complete file.
 *
 * Invariants: who has set `busy` alone touches a job's files; the queue, the states and `held` are
 * under the lock; `current` is the job that the main thread speaks of, NULL when that has ended. */
#include "persistence/snapshot_writer.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/snapshot_sink.h"
#include "persistence/bell.h"
#include "persistence/snapshot_file.h"

#define THREADS 2
#define HASTE_MS 1000
#define HASTE_BYTES (8 * SNAPSHOT_FRAME_BYTES)

enum step { STEP_NONE, STEP_CREATE, STEP_PACK, STEP_ADD, STEP_FINISH };

struct queued {
    struct queued *next;
    struct snapshot_frame frame;
};

struct job {
    struct job *next;
    struct queued *first, *last;
    bool finishing;
    _Atomic bool cancelled;
    enum snapshot_io io;
    /* the threads' */
    bool created;
    struct queued *packed;      /* to be added next */
    struct snapshot_file *file;
};

struct snapshot_writer {
    struct snapshot_sink sink;
    const struct disk *disk;
    void (*news)(void *env);
    void *env;
    pthread_t thread[THREADS];
    int threads;         /* that were started */
    pthread_mutex_t lock;
    pthread_cond_t work, changed;
    struct job *jobs;    /* the first is in a thread's hands */
    bool busy;           /* one is at a step */
    bool haste;
    uint64_t began_ms;   /* the step */
    struct job *current;
    bool stop;
    enum snapshot_state state;
    struct snapshot_result result;
    size_t held;
    uint64_t changes, seen;
    unsigned number;     /* of the last job */
};

/* --- The thread ----------------------------------------------------------------------------- */

static void free_frame(struct queued *queued)
{
    buf_free(&queued->frame.bytes);
    mem_free(queued);
}

static void drop_queue(struct snapshot_writer *writer, struct job *job)
{
    struct queued *next;
    for (struct queued *queued = job->first; queued; queued = next) {
        next = queued->next;
        writer->held -= queued->frame.bytes.cap;
        free_frame(queued);
    }
    job->first = job->last = NULL;
}

/* Under the lock: something has changed. */
static void tell(struct snapshot_writer *writer)
{
    writer->changes++;
    pthread_cond_broadcast(&writer->changed);
}

static void ring(struct snapshot_writer *writer)
{
    if (writer->news)
        writer->news(writer->env);
}

static void written(struct snapshot_writer *writer, struct job *job, struct queued *queued)
{
    pthread_mutex_lock(&writer->lock);
    writer->held -= queued->frame.bytes.cap;
    if (writer->current == job)
        snapshot_file_progress(job->file, &writer->result);
    tell(writer);
    pthread_mutex_unlock(&writer->lock);
    free_frame(queued);
    ring(writer);
}

/* The job has come to its end, its files are as they will be. */
static void end(struct snapshot_writer *writer, struct job *job, bool complete)
{
    pthread_mutex_lock(&writer->lock);
    drop_queue(writer, job);
    if (job->packed) {
        writer->held -= job->packed->frame.bytes.len;
        free_frame(job->packed);
    }
    if (writer->current == job) {
        snapshot_file_progress(job->file, &writer->result);
        writer->state = complete ? SNAPSHOT_DONE : SNAPSHOT_FAILED;
        if (!complete)
            snapshot_file_problem(job->file, writer->result.problem,
                                  sizeof(writer->result.problem));
        writer->current = NULL;
    }
    writer->jobs = job->next;
    writer->haste = false;
    tell(writer);
    pthread_mutex_unlock(&writer->lock);
    snapshot_file_free(job->file);
    mem_free(job);
    ring(writer);
}

/* Of this thread. What the system refuses, or has no name for, is no reason to stop. */
static void set_io_priority(enum snapshot_io io)
{
    static const int values[] = { /* ioprio_set(2): the class above bit 13, the level below */
        [SNAPSHOT_IO_NORMAL] = 0,
        [SNAPSHOT_IO_LOW] = 2 << 13 | 7,
        [SNAPSHOT_IO_IDLE] = 3 << 13,
    };
    const int of_a_thread = 1;
    (void)syscall(SYS_ioprio_set, of_a_thread, 0, values[io]);
}

/* The next step of the first job, under the lock. */
static enum step next_step(const struct snapshot_writer *writer)
{
    const struct job *job = writer->jobs;
    if (!job || writer->busy)
        return STEP_NONE;
    if (!job->created)
        return STEP_CREATE;
    if (job->cancelled)
        return STEP_FINISH;
    if (job->packed)
        return STEP_ADD;
    if (job->first)
        return STEP_PACK;
    return job->finishing ? STEP_FINISH : STEP_NONE;
}

static int do_step(struct snapshot_writer *writer, struct job *job, enum step step)
{
    struct queued *queued = job->packed;
    int status;
    switch (step) {
    case STEP_CREATE:
        set_io_priority(job->io);
        job->created = true;
        return snapshot_file_create(job->file);
    case STEP_PACK:
        snapshot_file_pack(job->file, &queued->frame);
        return 0;
    case STEP_ADD:
        status = snapshot_file_add(job->file, &queued->frame);
        job->packed = NULL;
        written(writer, job, queued);
        return status;
    default:
        return snapshot_file_finish(job->file, &job->cancelled);
    }
}

/* Under the lock, which is given up meanwhile. */
static void take_step(struct snapshot_writer *writer, enum step step)
{
    struct job *job = writer->jobs;
    int status;
    if (step == STEP_PACK) {
        job->packed = job->first;
        job->first = job->packed->next;
        if (!job->first)
            job->last = NULL;
    }
    writer->busy = true;
    writer->began_ms = bell_now_ms();
    pthread_mutex_unlock(&writer->lock);
    status = do_step(writer, job, step);
    if (status < 0)
        snapshot_file_discard(job->file);
    if (status < 0 || step == STEP_FINISH)
        end(writer, job, status == 0);
    pthread_mutex_lock(&writer->lock);
    writer->busy = false;
    pthread_cond_broadcast(&writer->work);
}

/* Under the lock: the ordinary thread waits, and sees whether the other one gets on. */
static void wait_watchfully(struct snapshot_writer *writer)
{
    struct timespec until;
    if (!writer->jobs) {
        pthread_cond_wait(&writer->work, &writer->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += HASTE_MS / 1000;
    pthread_cond_timedwait(&writer->work, &writer->lock, &until);
    if (writer->busy && bell_now_ms() - writer->began_ms > HASTE_MS)
        writer->haste = true;
}

static void *run_ordinary(void *env)
{
    struct snapshot_writer *writer = env;
    pthread_setname_np(pthread_self(), "kv-snapshot");
    pthread_mutex_lock(&writer->lock);
    while (writer->jobs || !writer->stop) {
        enum step step = next_step(writer);
        if (step != STEP_NONE && (step != STEP_PACK || writer->haste))
            take_step(writer, step);
        else
            wait_watchfully(writer);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

static void *run_patient(void *env)
{
    struct snapshot_writer *writer = env;
    struct sched_param none = {0};
    pthread_setname_np(pthread_self(), "kv-pack");
    (void)!pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    pthread_mutex_lock(&writer->lock);
    while (writer->jobs || !writer->stop) {
        if (next_step(writer) == STEP_PACK && !writer->haste)
            take_step(writer, STEP_PACK);
        else
            pthread_cond_wait(&writer->work, &writer->lock);
    }
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* Signals are the main thread's. */
static int start_threads(struct snapshot_writer *writer, struct fault *fault)
{
    static void *(*const mains[])(void *) = {run_ordinary, run_patient};
    sigset_t all, before;
    int error = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (error == 0 && writer->threads < THREADS) {
        error = pthread_create(&writer->thread[writer->threads], NULL, mains[writer->threads],
                               writer);
        writer->threads += error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return fault_set(fault, KV_ELIMIT, NULL, -1,
                         "no thread could be started to write the snapshot: %s", strerror(error));
    return 0;
}

/* --- The sink, called by the main thread ---------------------------------------------------- */

static int begin(void *self, const struct snapshot_order *order, struct fault *fault)
{
    struct snapshot_writer *writer = self;
    struct snapshot_file *file;
    pthread_mutex_lock(&writer->lock);
    bool busy = writer->current != NULL;
    pthread_mutex_unlock(&writer->lock);
    if (busy)
        return fault_set(fault, KV_EBUSY, order->path, -1, "another snapshot is being written");
    int status = snapshot_file_new(writer->disk, order, ++writer->number, &file, fault);
    if (status < 0)
        return status;
    status = start_threads(writer, fault);
    if (status < 0) {
        snapshot_file_free(file);
        return status;
    }
    struct job *job = mem_alloc_zero(sizeof(*job));
    job->file = file;
    job->io = order->io;
    pthread_mutex_lock(&writer->lock);
    struct job **link = &writer->jobs;
    while (*link)
        link = &(*link)->next;
    *link = writer->current = job;
    writer->state = SNAPSHOT_RUNNING;
    writer->result = (struct snapshot_result){0};
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    return 0;
}

/* A frame that comes after the job has failed is dropped: its state tells. */
static void put(void *self, struct snapshot_frame *frame)
{
    struct snapshot_writer *writer = self;
    struct queued *queued = mem_alloc_zero(sizeof(*queued));
    queued->frame = *frame;
    frame->bytes = (struct buf){0};
    pthread_mutex_lock(&writer->lock);
    struct job *job = writer->current;
    if (job) {
        kv_assert(!job->finishing);
        writer->held += queued->frame.bytes.cap;
        if (job->last)
            job->last->next = queued;
        else
            job->first = queued;
        job->last = queued;
        writer->haste |= writer->held > HASTE_BYTES;
        pthread_cond_broadcast(&writer->work);
    }
    pthread_mutex_unlock(&writer->lock);
    if (!job)
        free_frame(queued);
}

static void finish(void *self)
{
    struct snapshot_writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    if (writer->current)
        writer->current->finishing = true;
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->lock);
}

static void cancel(void *self)
{
    struct snapshot_writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    if (writer->current) {
        writer->current->cancelled = true;
        drop_queue(writer, writer->current);
    }
    writer->current = NULL;
    writer->state = SNAPSHOT_IDLE;
    tell(writer);
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->lock);
}

static enum snapshot_state state(void *self, struct snapshot_result *out)
{
    struct snapshot_writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    enum snapshot_state now = writer->state;
    if (out)
        *out = writer->result;
    pthread_mutex_unlock(&writer->lock);
    return now;
}

static size_t held(void *self)
{
    struct snapshot_writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    size_t bytes = writer->held;
    pthread_mutex_unlock(&writer->lock);
    return bytes;
}

/* What has changed since the last wait counts, so nothing can be missed between asking for the
 * state and waiting. */
static void wait_for_change(void *self)
{
    struct snapshot_writer *writer = self;
    pthread_mutex_lock(&writer->lock);
    writer->haste |= writer->jobs != NULL;
    pthread_cond_broadcast(&writer->work);
    while (writer->state == SNAPSHOT_RUNNING && writer->changes == writer->seen)
        pthread_cond_wait(&writer->changed, &writer->lock);
    writer->seen = writer->changes;
    pthread_mutex_unlock(&writer->lock);
}

struct snapshot_writer *snapshot_writer_new(const struct disk *disk, void (*news)(void *env),
                                            void *env)
{
    struct snapshot_writer *writer = mem_alloc_zero(sizeof(*writer));
    writer->disk = disk;
    writer->news = news;
    writer->env = env;
    writer->sink = (struct snapshot_sink){.self = writer,
                                          .begin = begin,
                                          .put = put,
                                          .finish = finish,
                                          .cancel = cancel,
                                          .state = state,
                                          .held = held,
                                          .wait = wait_for_change};
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->work, NULL);
    pthread_cond_init(&writer->changed, NULL);
    return writer;
}

void snapshot_writer_free(struct snapshot_writer *writer)
{
    if (!writer)
        return;
    cancel(writer);
    pthread_mutex_lock(&writer->lock);
    writer->stop = true;
    writer->haste = writer->jobs != NULL;
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    for (int i = 0; i < writer->threads; i++)
        pthread_join(writer->thread[i], NULL);
    kv_assert(!writer->jobs);
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->changed);
    pthread_mutex_destroy(&writer->lock);
    mem_free(writer);
}

struct snapshot_sink *snapshot_writer_sink(struct snapshot_writer *writer)
{
    return &writer->sink;
}
