/* The event loop on libev's epoll backend.
 *
 * A prepare watcher is the end of a turn: libev calls it when all handlers have run, just before
 * it waits. A check watcher of the highest priority is the beginning. loop_wake is an async
 * watcher: libev writes to its eventfd only when the loop is really waiting, so that waking a
 * busy loop costs one atomic store. What was woken for is asked with loop_woken() in turn_end,
 * not handled in a callback of its own: everything that a turn brought is looked at once, in one
 * order.
 *
 * libev calls what is pending from the last event to the first. So the handlers of descriptors are
 * not called by it: on_io puts them on a stack, which `invoke` turns over into a queue when libev
 * is through. A loop_poll within a handler serves what is left of the queue, too. */
#include "net/loop.h"

#include <ev.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

#define LOOP_SIGNALS_MAX 8

_Static_assert(sizeof(struct ev_io) <= LOOP_WATCHER_BYTES, "a watcher must fit");

struct loop_signal {
    struct ev_signal watcher;
    void (*handler)(void *env, int signal_number);
    void *env;
};

struct loop {
    struct ev_loop *ev;
    struct loop_hooks hooks;
    struct ev_prepare prepare;
    struct ev_check check;
    struct ev_idle idle;
    struct ev_timer timer;
    struct ev_async async;
    struct ev_io pause;   /* of a timerfd, made at first use: libev's timers count milliseconds */
    bool pause_set;
    struct loop_io *fresh;        /* ready, the first one last */
    struct loop_io *due, **due_end; /* the first one first */
    _Atomic bool woken;
    struct loop_signal signals[LOOP_SIGNALS_MAX];
    int signal_count;
};

static struct ev_io *watcher_of(struct loop_io *io)
{
    return (struct ev_io *)(void *)io->watcher;
}

static void on_prepare(struct ev_loop *ev, unused struct ev_prepare *watcher, unused int events)
{
    struct loop *loop = ev_userdata(ev);
    loop->hooks.turn_end(loop->hooks.env);
}

static void on_check(struct ev_loop *ev, unused struct ev_check *watcher, unused int events)
{
    struct loop *loop = ev_userdata(ev);
    if (ev_is_active(&loop->idle))
        ev_idle_stop(ev, &loop->idle);
    loop->hooks.turn_begin(loop->hooks.env);
}

static void on_idle(unused struct ev_loop *ev, unused struct ev_idle *watcher, unused int events)
{
}

static void on_timer(struct ev_loop *ev, unused struct ev_timer *watcher, unused int events)
{
    struct loop *loop = ev_userdata(ev);
    loop->hooks.tick(loop->hooks.env);
}

static void on_pause(unused struct ev_loop *ev, struct ev_io *watcher, unused int events)
{
    struct loop *loop = watcher->data;
    uint64_t count;
    (void)!read(watcher->fd, &count, sizeof(count));
    loop->pause_set = false;
}

static void on_async(unused struct ev_loop *ev, unused struct ev_async *watcher, unused int events)
{
}

static void on_signal(unused struct ev_loop *ev, struct ev_signal *watcher, unused int events)
{
    struct loop_signal *signal = watcher->data;
    signal->handler(signal->env, watcher->signum);
}

static void put(struct loop_io **link, struct loop_io *io)
{
    io->next = *link;
    io->link = link;
    if (io->next)
        io->next->link = &io->next;
    *link = io;
}

static void take(struct loop *loop, struct loop_io *io)
{
    if (io->next)
        io->next->link = io->link;
    else if (loop->due_end == &io->next)
        loop->due_end = io->link;
    *io->link = io->next;
    io->link = NULL;
}

static void on_io(struct ev_loop *ev, struct ev_io *watcher, int events)
{
    struct loop *loop = ev_userdata(ev);
    struct loop_io *io = watcher->data;
    if (likely(!io->link)) {
        io->events = 0;
        put(&loop->fresh, io);
    }
    if (events & EV_READ)
        io->events |= LOOP_READ;
    if (events & EV_WRITE)
        io->events |= LOOP_WRITE;
}

static void invoke(struct ev_loop *ev)
{
    struct loop *loop = ev_userdata(ev);
    struct loop_io *io;
    ev_invoke_pending(ev);
    while ((io = loop->fresh)) {
        take(loop, io);
        put(loop->due_end, io);
        loop->due_end = &io->next;
    }
    while ((io = loop->due)) {
        take(loop, io);
        int events = io->events & loop_io_wanted(io);
        if (likely(events))
            io->ready(io, events);
    }
}

struct loop *loop_new(const struct loop_hooks *hooks)
{
    struct ev_loop *ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (!ev)
        return NULL;
    struct loop *loop = mem_alloc_zero(sizeof(*loop));
    loop->ev = ev;
    loop->hooks = *hooks;
    loop->due_end = &loop->due;
    ev_set_userdata(ev, loop);
    ev_set_invoke_pending_cb(ev, invoke);
    ev_prepare_init(&loop->prepare, on_prepare);
    ev_prepare_start(ev, &loop->prepare);
    ev_check_init(&loop->check, on_check);
    ev_set_priority(&loop->check, EV_MAXPRI);
    ev_check_start(ev, &loop->check);
    ev_idle_init(&loop->idle, on_idle);
    ev_init(&loop->timer, on_timer);
    ev_init(&loop->pause, on_pause);
    loop->pause.data = loop;
    loop->pause.fd = -1;
    ev_async_init(&loop->async, on_async);
    ev_async_start(ev, &loop->async);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    for (int i = 0; i < loop->signal_count; i++)
        ev_signal_stop(loop->ev, &loop->signals[i].watcher);
    ev_async_stop(loop->ev, &loop->async);
    ev_timer_stop(loop->ev, &loop->timer);
    ev_io_stop(loop->ev, &loop->pause);
    if (loop->pause.fd >= 0)
        close(loop->pause.fd);
    ev_idle_stop(loop->ev, &loop->idle);
    ev_check_stop(loop->ev, &loop->check);
    ev_prepare_stop(loop->ev, &loop->prepare);
    ev_loop_destroy(loop->ev);
    mem_free(loop);
}

void loop_io_open(unused struct loop *loop, struct loop_io *io, int fd,
                  void (*ready)(struct loop_io *io, int events))
{
    struct ev_io *watcher = watcher_of(io);
    memset(watcher, 0, sizeof(*watcher));
    ev_io_init(watcher, on_io, fd, 0);
    watcher->data = io;
    io->ready = ready;
    io->link = NULL;
}

void loop_io_want(struct loop *loop, struct loop_io *io, int events)
{
    struct ev_io *watcher = watcher_of(io);
    if (events == loop_io_wanted(io))
        return;
    if (ev_is_active(watcher))
        ev_io_stop(loop->ev, watcher);
    int wanted = (events & LOOP_READ ? EV_READ : 0) | (events & LOOP_WRITE ? EV_WRITE : 0);
    ev_io_set(watcher, watcher->fd, wanted);
    if (wanted)
        ev_io_start(loop->ev, watcher);
}

int loop_io_wanted(const struct loop_io *io)
{
    const struct ev_io *watcher = (const struct ev_io *)(const void *)io->watcher;
    if (!ev_is_active(watcher))
        return 0;
    return (watcher->events & EV_READ ? LOOP_READ : 0) |
           (watcher->events & EV_WRITE ? LOOP_WRITE : 0);
}

void loop_io_close(struct loop *loop, struct loop_io *io)
{
    ev_io_stop(loop->ev, watcher_of(io));
    if (io->link)
        take(loop, io);
}

void loop_tick_in(struct loop *loop, int64_t ms)
{
    ev_timer_stop(loop->ev, &loop->timer);
    ev_timer_set(&loop->timer, (double)ms / 1000.0, 0.0);
    ev_timer_start(loop->ev, &loop->timer);
}

void loop_again(struct loop *loop)
{
    if (!ev_is_active(&loop->idle))
        ev_idle_start(loop->ev, &loop->idle);
}

void loop_again_in(struct loop *loop, uint64_t ns)
{
    struct itimerspec wait = {.it_value = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)}};
    if (loop->pause_set)
        return;
    if (unlikely(loop->pause.fd < 0)) {
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        ev_io_set(&loop->pause, fd, EV_READ);
        if (fd >= 0)
            ev_io_start(loop->ev, &loop->pause);
    }
    if (ns > 0 && loop->pause.fd >= 0 && timerfd_settime(loop->pause.fd, 0, &wait, NULL) == 0)
        loop->pause_set = true;
    else
        loop_again(loop);
}

void loop_wake(struct loop *loop)
{
    atomic_store_explicit(&loop->woken, true, memory_order_release);
    ev_async_send(loop->ev, &loop->async);
}

void loop_nudge(struct loop *loop)
{
    ev_async_send(loop->ev, &loop->async);
}

bool loop_woken(struct loop *loop)
{
    if (!atomic_load_explicit(&loop->woken, memory_order_relaxed))
        return false;
    return atomic_exchange_explicit(&loop->woken, false, memory_order_acquire);
}

void loop_on_signal(struct loop *loop, int signal_number,
                    void (*handler)(void *env, int signal_number), void *env)
{
    kv_assert(loop->signal_count < LOOP_SIGNALS_MAX);
    struct loop_signal *signal = &loop->signals[loop->signal_count++];
    signal->handler = handler;
    signal->env = env;
    ev_signal_init(&signal->watcher, on_signal, signal_number);
    signal->watcher.data = signal;
    ev_signal_start(loop->ev, &signal->watcher);
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_poll(struct loop *loop)
{
    ev_run(loop->ev, EVRUN_NOWAIT);
    loop->hooks.turn_end(loop->hooks.env); /* libev would call it before the next wait only */
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}
