/* The reaper: a queue under a lock and one thread that empties it. */
#include "core/base/reaper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

struct reaper_job {
    struct reaper_job *next;
    void (*free_it)(void *what);
    void *what;
    uint64_t items;
};

struct reaper {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct reaper_job *first, **last; /* under the lock, as is `stopping` */
    bool stopping;
    atomic_uint_least64_t pending, done;
};

static void *reaper_run(void *argument)
{
    struct reaper *reaper = argument;

    for (;;) {
        struct reaper_job *jobs;

        pthread_mutex_lock(&reaper->lock);
        while (reaper->first == NULL && !reaper->stopping)
            pthread_cond_wait(&reaper->given, &reaper->lock);
        jobs = reaper->first;
        reaper->first = NULL;
        reaper->last = &reaper->first;
        pthread_mutex_unlock(&reaper->lock);
        if (jobs == NULL)
            return NULL;
        while (jobs != NULL) {
            struct reaper_job *job = jobs;

            jobs = job->next;
            job->free_it(job->what);
            atomic_fetch_sub(&reaper->pending, job->items);
            atomic_fetch_add(&reaper->done, job->items);
            mem_free(job);
        }
    }
}

struct reaper *reaper_start(void)
{
    struct reaper *reaper = mem_alloc_zero(sizeof(*reaper));

    reaper->last = &reaper->first;
    kv_assert(pthread_mutex_init(&reaper->lock, NULL) == 0);
    kv_assert(pthread_cond_init(&reaper->given, NULL) == 0);
    kv_assert(pthread_create(&reaper->thread, NULL, reaper_run, reaper) == 0);
    return reaper;
}

void reaper_stop(struct reaper *reaper)
{
    pthread_mutex_lock(&reaper->lock);
    reaper->stopping = true;
    pthread_cond_signal(&reaper->given);
    pthread_mutex_unlock(&reaper->lock);
    kv_assert(pthread_join(reaper->thread, NULL) == 0);
    pthread_cond_destroy(&reaper->given);
    pthread_mutex_destroy(&reaper->lock);
    mem_free(reaper);
}

void reaper_give(struct reaper *reaper, void (*free_it)(void *what), void *what, uint64_t items)
{
    struct reaper_job *job = mem_alloc(sizeof(*job));

    *job = (struct reaper_job){.free_it = free_it, .what = what, .items = items};
    atomic_fetch_add(&reaper->pending, items);
    pthread_mutex_lock(&reaper->lock);
    *reaper->last = job;
    reaper->last = &job->next;
    pthread_cond_signal(&reaper->given);
    pthread_mutex_unlock(&reaper->lock);
}

uint64_t reaper_pending(const struct reaper *reaper)
{
    return atomic_load(&reaper->pending);
}

uint64_t reaper_done(const struct reaper *reaper)
{
    return atomic_load(&reaper->done);
}
