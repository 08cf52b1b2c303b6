/* The bell: no ring is slept through. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

#include "core/base/attr.h"
#include "persistence/bell.h"

#define ROUNDS 20000

static void a_ring_before_the_wait_is_not_lost(void **state unused)
{
    struct bell bell = {0, 0};
    uint32_t seen = bell_seen(&bell);

    bell_ring(&bell);
    bell_wait(&bell, seen, -1, 0);
    assert_int_equal(bell_wait(&bell, seen, -1, 1000), 1);
    assert_int_equal(bell_seen(&bell), seen + 1);
}

static void a_wait_ends_after_its_time(void **state unused)
{
    struct bell bell = {0, 0};
    uint64_t begin = bell_now_us();

    assert_int_equal(bell_wait(&bell, bell_seen(&bell), 2000, 10), 0);
    assert_true(bell_now_us() - begin >= 1000);
}

struct pair {
    struct bell there, back;
    _Atomic int value;
};

static void *answer(void *arg)
{
    struct pair *pair = arg;

    for (int i = 1; i < ROUNDS; i += 2) {
        for (;;) {
            uint32_t seen = bell_seen(&pair->there);

            if (atomic_load(&pair->value) == i)
                break;
            bell_wait(&pair->there, seen, -1, i % 3 ? 0 : 5);
        }
        atomic_store(&pair->value, i + 1);
        bell_ring(&pair->back);
    }
    return NULL;
}

/* Two threads take turns, twenty thousand times; one lost ring and the test stands still. */
static void two_threads_never_miss_each_other(void **state unused)
{
    struct pair pair = {0};
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, answer, &pair), 0);
    for (int i = 0; i < ROUNDS; i += 2) {
        atomic_store(&pair.value, i + 1);
        bell_ring(&pair.there);
        for (;;) {
            uint32_t seen = bell_seen(&pair.back);

            if (atomic_load(&pair.value) == i + 2)
                break;
            bell_wait(&pair.back, seen, -1, 0);
        }
    }
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_before_the_wait_is_not_lost),
        cmocka_unit_test(a_wait_ends_after_its_time),
        cmocka_unit_test(two_threads_never_miss_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
