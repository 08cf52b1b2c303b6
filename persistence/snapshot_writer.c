/* The thread that writes snapshots.
 *
 * The main thread queues frames; one thread, started by the first snapshot, takes a job (a
 * snapshot) after the other through what snapshot_file.c does: create, add each frame, finish; or
 * discard, after a failure or a cancellation. How much may be queued is the caller's to bound: it
 * asks `held`.
 *
 * State, as the main thread sees it: IDLE -begin-> RUNNING -finish-> DONE, or FAILED at any time;
 * cancel makes it IDLE at once, while the thread goes on to tidy up behind. A cancellation that
 * comes when the file has its name already leaves the complete file.
 *
 * Invariants: the thread alone touches a job's files; the queue, the states and `held` are under
 * the lock; `current` is the job that the main thread speaks of, NULL when that has ended. */
#include "persistence/snapshot_writer.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/snapshot_sink.h"
#include "persistence/snapshot_file.h"

struct queued {
    struct queued *next;
    struct snapshot_frame frame;
};

struct job {
    struct job *next;
    struct queued *first, *last;
    bool finishing;
    _Atomic bool cancelled;
    struct snapshot_file *file; /* the thread's */
    enum snapshot_io io;
};

struct snapshot_writer {
    struct snapshot_sink sink;
    const struct disk *disk;
    void (*news)(void *env);
    void *env;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t work, changed;
    struct job *jobs;    /* the first is in the thread's hands */
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
        writer->held -= queued->frame.bytes.len;
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

/* The next frame of the job; NULL with the job finishing, or cancelled. */
static struct queued *take(struct snapshot_writer *writer, struct job *job)
{
    pthread_mutex_lock(&writer->lock);
    while (!job->first && !job->finishing && !job->cancelled)
        pthread_cond_wait(&writer->work, &writer->lock);
    struct queued *queued = job->cancelled ? NULL : job->first;
    if (queued) {
        job->first = queued->next;
        if (!job->first)
            job->last = NULL;
    }
    pthread_mutex_unlock(&writer->lock);
    return queued;
}

static void written(struct snapshot_writer *writer, struct job *job, struct queued *queued)
{
    pthread_mutex_lock(&writer->lock);
    writer->held -= queued->frame.bytes.len;
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
    if (writer->current == job) {
        snapshot_file_progress(job->file, &writer->result);
        writer->state = complete ? SNAPSHOT_DONE : SNAPSHOT_FAILED;
        if (!complete)
            snapshot_file_problem(job->file, writer->result.problem,
                                  sizeof(writer->result.problem));
        writer->current = NULL;
    }
    writer->jobs = job->next;
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

static void do_job(struct snapshot_writer *writer, struct job *job)
{
    struct queued *queued;
    set_io_priority(job->io);
    int status = snapshot_file_create(job->file);
    while (status == 0 && (queued = take(writer, job))) {
        status = snapshot_file_add(job->file, &queued->frame);
        written(writer, job, queued);
    }
    if (status == 0)
        status = snapshot_file_finish(job->file, &job->cancelled);
    if (status < 0)
        snapshot_file_discard(job->file);
    end(writer, job, status == 0);
}

static void *run(void *env)
{
    struct snapshot_writer *writer = env;
    for (;;) {
        pthread_mutex_lock(&writer->lock);
        while (!writer->jobs && !writer->stop)
            pthread_cond_wait(&writer->work, &writer->lock);
        struct job *job = writer->jobs;
        pthread_mutex_unlock(&writer->lock);
        if (!job)
            return NULL;
        do_job(writer, job);
    }
}

/* Signals are the main thread's. */
static int start_thread(struct snapshot_writer *writer, struct fault *fault)
{
    sigset_t all, before;
    if (writer->started)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return fault_set(fault, KV_ELIMIT, NULL, -1,
                         "no thread could be started to write the snapshot: %s", strerror(error));
    writer->started = true;
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
    status = start_thread(writer, fault);
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
        writer->held += queued->frame.bytes.len;
        if (job->last)
            job->last->next = queued;
        else
            job->first = queued;
        job->last = queued;
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
    pthread_cond_broadcast(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    if (writer->started)
        pthread_join(writer->thread, NULL);
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
