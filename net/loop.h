/* The event loop: the only file that knows libev. One turn is: wait, turn_begin, what was ready,
 * turn_end.
 *
 * Nothing is allocated per event, and a turn costs one epoll_wait and what the handlers do: turns
 * that change no interest make no epoll_ctl. Everything but loop_wake belongs to the thread that
 * runs the loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;

enum loop_event { LOOP_READ = 1, LOOP_WRITE = 2 };

#define LOOP_WATCHER_BYTES 56

/* Embedded by who owns a descriptor. `ready` is called with the events that are there, in a turn
 * in the order in which they came: who sent first is answered first. */
struct loop_io {
    _Alignas(8) unsigned char watcher[LOOP_WATCHER_BYTES];
    void (*ready)(struct loop_io *io, int events);
    struct loop_io *next, **link; /* link NULL: its handler is not due */
    int events;
};

struct loop_hooks {
    void (*turn_begin)(void *env); /* back from waiting, before any handler */
    void (*turn_end)(void *env);   /* all handlers were called; the loop is about to wait */
    void (*tick)(void *env);       /* the time given to loop_tick_in is over; it must be set anew */
    void *env;
};

/* NULL if the system has no epoll or no descriptor is left. */
struct loop *loop_new(const struct loop_hooks *hooks);
void loop_free(struct loop *loop);

/* `io` takes part, with no interest yet. */
void loop_io_open(struct loop *loop, struct loop_io *io, int fd,
                  void (*ready)(struct loop_io *io, int events));
/* Set its interest: LOOP_READ and LOOP_WRITE, or 0. Free if it is what it was. */
void loop_io_want(struct loop *loop, struct loop_io *io, int events);
int loop_io_wanted(const struct loop_io *io);
/* Forget it; before its descriptor is closed. */
void loop_io_close(struct loop *loop, struct loop_io *io);

/* Call `tick` once, after about `ms`; replaces what was set. */
void loop_tick_in(struct loop *loop, int64_t ms);
/* Do not wait at the end of this turn. */
void loop_again(struct loop *loop);
/* Wait so long at most. A time that was set before holds until it is over. */
void loop_again_in(struct loop *loop, uint64_t ns);

/* From any thread, any number of times: end the waiting. */
void loop_wake(struct loop *loop);
/* From any thread: end the waiting, and nothing else. */
void loop_nudge(struct loop *loop);
/* True if loop_wake was called since this was last asked. */
bool loop_woken(struct loop *loop);

/* Call `handler` in a turn when the signal has arrived; a few signals at most. */
void loop_on_signal(struct loop *loop, int signal_number,
                    void (*handler)(void *env, int signal_number), void *env);

/* Turns until loop_stop. */
void loop_run(struct loop *loop);
/* One turn without waiting. */
void loop_poll(struct loop *loop);
/* Leave loop_run; within turn_end at once, else after this turn. */
void loop_stop(struct loop *loop);
