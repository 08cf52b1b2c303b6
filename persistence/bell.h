/* A bell: one thread waits for it, others ring it. Ringing costs two memory accesses as long as
 * nobody sleeps; nothing is lost that was rung after the waiting thread last looked.
 *
 *   for (;;) {
 *       uint32_t seen = bell_seen(&bell);
 *       if (there is work)
 *           do it;
 *       else
 *           bell_wait(&bell, seen, timeout_us, 0);
 *   }
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct bell {
    _Atomic uint32_t rung;   /* counts */
    _Atomic uint32_t asleep; /* the waiting thread is in the kernel, or about to be */
};

static inline uint32_t bell_seen(struct bell *bell)
{
    return atomic_load(&bell->rung);
}

void bell_ring(struct bell *bell);

/* Return when the bell has been rung since `seen`, or after timeout_us (-1: never). Looks for
 * spin_us before it goes to sleep; returns 1 if that was enough. May return early. */
int bell_wait(struct bell *bell, uint32_t seen, int64_t timeout_us, uint32_t spin_us);

/* Clocks of the log's threads: never going back. */
uint64_t bell_now_us(void);
static inline uint64_t bell_now_ms(void)
{
    return bell_now_us() / 1000;
}
