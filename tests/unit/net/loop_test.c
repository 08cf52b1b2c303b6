/* The loop: the order of a turn, interest, waking from another thread, the clock. */
#include "net/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/test.h"

struct fixture {
    struct loop *loop;
    char order[256]; /* a letter for each call: b(egin), e(nd), t(ick), r(eady) */
    int len;
    int turns_left;
    int woken;
    struct loop_io io;
    int pipe[2];
};

static void note(struct fixture *f, char letter)
{
    if (f->len < (int)sizeof f->order - 1)
        f->order[f->len++] = letter;
}

static void on_begin(void *env)
{
    note(env, 'b');
}

static void on_end(void *env)
{
    struct fixture *f = env;
    note(f, 'e');
    f->woken += loop_woken(f->loop);
    if (--f->turns_left <= 0)
        loop_stop(f->loop);
}

static void on_tick(void *env)
{
    note(env, 't');
}

static void on_ready(struct loop_io *io, int events)
{
    struct fixture *f = (struct fixture *)(void *)((char *)io - offsetof(struct fixture, io));
    note(f, events & LOOP_READ ? 'r' : 'w');
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct loop_hooks hooks = {on_begin, on_end, on_tick, f};
    f->loop = loop_new(&hooks);
    assert_non_null(f->loop);
    assert_int_equal(pipe(f->pipe), 0);
    loop_io_open(f->loop, &f->io, f->pipe[0], on_ready);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    loop_io_close(f->loop, &f->io);
    loop_free(f->loop);
    close(f->pipe[0]);
    close(f->pipe[1]);
    free(f);
    return 0;
}

/* Of several: each is a letter, and may close another when its turn comes. */
struct several {
    struct loop_io io;
    struct fixture *fixture;
    struct several *closes;
    int pipe[2];
    char letter;
    bool open;
};

static void on_several(struct loop_io *io, int events)
{
    (void)events;
    struct several *one = (struct several *)(void *)io;
    char byte;
    assert_true(one->open);
    note(one->fixture, one->letter);
    assert_int_equal(read(one->pipe[0], &byte, 1), 1);
    if (one->closes && one->closes->open) {
        loop_io_close(one->fixture->loop, &one->closes->io);
        one->closes->open = false;
    }
    one->closes = NULL;
}

#define SEVERAL 5

static void open_several(struct fixture *f, struct several *all)
{
    for (int i = 0; i < SEVERAL; i++) {
        all[i] = (struct several){.fixture = f, .letter = (char)('1' + i), .open = true};
        assert_int_equal(pipe(all[i].pipe), 0);
        loop_io_open(f->loop, &all[i].io, all[i].pipe[0], on_several);
        loop_io_want(f->loop, &all[i].io, LOOP_READ);
    }
    f->turns_left = 100;
    loop_poll(f->loop);
    f->len = 0;
    memset(f->order, 0, sizeof f->order);
}

static void close_several(struct fixture *f, struct several *all)
{
    for (int i = 0; i < SEVERAL; i++) {
        if (all[i].open)
            loop_io_close(f->loop, &all[i].io);
        close(all[i].pipe[0]);
        close(all[i].pipe[1]);
    }
}

static void who_was_ready_first_is_served_first(void **state)
{
    struct fixture *f = *state;
    struct several all[SEVERAL];
    static const int order[SEVERAL] = {3, 1, 4, 0, 2};
    open_several(f, all);
    for (int i = 0; i < SEVERAL; i++)
        assert_int_equal(write(all[order[i]].pipe[1], "x", 1), 1);
    loop_poll(f->loop);
    assert_string_equal(f->order, "eb42513e");
    close_several(f, all);
}

/* Each of the others in turn is closed by the first handler of the turn. */
static void who_was_closed_is_not_called(void **state)
{
    struct fixture *f = *state;
    static const char *const left[SEVERAL] = {"", "eb1345e", "eb1245e", "eb1235e", "eb1234e"};
    for (int closed = 1; closed < SEVERAL; closed++) {
        struct several all[SEVERAL];
        open_several(f, all);
        all[0].closes = &all[closed];
        for (int i = 0; i < SEVERAL; i++)
            assert_int_equal(write(all[i].pipe[1], "x", 1), 1);
        loop_poll(f->loop);
        assert_string_equal(f->order, left[closed]);
        f->len = 0;
        memset(f->order, 0, sizeof f->order);
        assert_int_equal(write(all[closed == 1 ? 2 : 1].pipe[1], "x", 1), 1);
        loop_poll(f->loop);
        assert_string_equal(f->order, closed == 1 ? "eb3e" : "eb2e");
        close_several(f, all);
        f->len = 0;
        memset(f->order, 0, sizeof f->order);
    }
}

static void a_turn_begins_handles_and_ends(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    loop_io_want(f->loop, &f->io, LOOP_READ);
    assert_int_equal(loop_io_wanted(&f->io), LOOP_READ);
    f->turns_left = 2;
    loop_run(f->loop);
    assert_string_equal(f->order, "ebre"); /* the first end is before the first wait */
}

static void a_poll_ends_with_the_end_of_its_turn(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 100;
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    loop_io_want(f->loop, &f->io, LOOP_READ);
    loop_poll(f->loop);
    assert_string_equal(f->order, "ebre");
}

static void without_interest_nothing_is_told(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 100;
    assert_int_equal(write(f->pipe[1], "x", 1), 1);
    loop_io_want(f->loop, &f->io, LOOP_READ);
    loop_io_want(f->loop, &f->io, 0);
    assert_int_equal(loop_io_wanted(&f->io), 0);
    loop_poll(f->loop);
    loop_poll(f->loop);
    assert_null(strchr(f->order, 'r'));
    loop_io_want(f->loop, &f->io, LOOP_READ);
    loop_poll(f->loop);
    assert_non_null(strchr(f->order, 'r'));
}

static void the_tick_comes_once(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 2;
    loop_tick_in(f->loop, 1);
    loop_run(f->loop);
    assert_string_equal(f->order, "ebte");
    loop_again(f->loop);
    f->turns_left = 2;
    loop_run(f->loop);
    assert_string_equal(f->order, "ebteebe");
}

static void again_does_not_wait(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 2;
    loop_again(f->loop);
    loop_run(f->loop); /* would never return if it waited */
    assert_string_equal(f->order, "ebe");
}

static void again_in_some_time_waits_no_longer(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 2;
    loop_again_in(f->loop, 200000);
    loop_again_in(f->loop, 300000); /* the first one holds */
    loop_run(f->loop);
    assert_string_equal(f->order, "ebe");
    loop_again_in(f->loop, 0);
    f->turns_left = 2;
    loop_run(f->loop);
    assert_string_equal(f->order, "ebeebe");
}

static void *wake(void *env)
{
    struct fixture *f = env;
    for (int i = 0; i < 1000; i++)
        loop_wake(f->loop);
    return NULL;
}

static void waking_from_a_thread_ends_the_waiting(void **state)
{
    struct fixture *f = *state;
    f->turns_left = 2;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake, f), 0);
    loop_run(f->loop);
    pthread_join(thread, NULL);
    f->turns_left = 100;
    loop_poll(f->loop);
    assert_true(f->woken >= 1);
    assert_false(loop_woken(f->loop));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_turn_begins_handles_and_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_ready_first_is_served_first, setup, teardown),
        cmocka_unit_test_setup_teardown(who_was_closed_is_not_called, setup, teardown),
        cmocka_unit_test_setup_teardown(a_poll_ends_with_the_end_of_its_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(without_interest_nothing_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_tick_comes_once, setup, teardown),
        cmocka_unit_test_setup_teardown(again_does_not_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(again_in_some_time_waits_no_longer, setup, teardown),
        cmocka_unit_test_setup_teardown(waking_from_a_thread_ends_the_waiting, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
