/* The reaper: everything that is given is freed once, in order, before it stops. */
#include "core/base/reaper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

struct job {
    pthread_mutex_t *gate; /* held by the test as long as the job shall not end */
    int *next, order;
};

static void free_job(void *what)
{
    struct job *job = what;

    if (job->gate != NULL) {
        pthread_mutex_lock(job->gate);
        pthread_mutex_unlock(job->gate);
    }
    job->order = (*job->next)++;
}

static void all_is_freed_in_order_before_the_reaper_stops(void **state)
{
    struct reaper *reaper = reaper_start();
    static struct job jobs[1000];
    int next = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        jobs[i] = (struct job){NULL, &next, -1};
        reaper_give(reaper, free_job, &jobs[i], 1);
    }
    reaper_stop(reaper);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(jobs[i].order, i);
}

static void what_is_not_yet_freed_is_pending(void **state)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct reaper *reaper = reaper_start();
    int next = 0;
    struct job first = {&gate, &next, -1}, second = {NULL, &next, -1};

    (void)state;
    assert_int_equal(reaper_pending(reaper), 0);
    pthread_mutex_lock(&gate);
    reaper_give(reaper, free_job, &first, 10);
    reaper_give(reaper, free_job, &second, 5);
    assert_int_equal(reaper_pending(reaper), 15);
    assert_int_equal(reaper_done(reaper), 0);
    pthread_mutex_unlock(&gate);
    while (reaper_pending(reaper) > 0)
        ;
    while (reaper_done(reaper) < 15)
        ;
    reaper_stop(reaper);
    assert_int_equal(next, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_freed_in_order_before_the_reaper_stops),
        cmocka_unit_test(what_is_not_yet_freed_is_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
