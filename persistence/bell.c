/* The bell is a futex(2) with a flag that says whether anybody sleeps on it.
 *
 * Ringing is: count, then look at the flag. Waiting is: set the flag, then look at the count (the
 * kernel does, in FUTEX_WAIT). Both orders are sequentially consistent, so that at least one of
 * the two sees the other: no ring is slept through.
 */
#include "persistence/bell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOKS_PER_CLOCK 16

uint64_t bell_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void bell_ring(struct bell *bell)
{
    atomic_fetch_add(&bell->rung, 1);
    if (atomic_load(&bell->asleep))
        syscall(SYS_futex, &bell->rung, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int spin(struct bell *bell, uint32_t seen, uint32_t spin_us)
{
    uint64_t end = bell_now_us() + spin_us;

    do {
        for (int i = 0; i < LOOKS_PER_CLOCK; i++) {
            if (atomic_load_explicit(&bell->rung, memory_order_acquire) != seen)
                return 1;
            relax();
        }
    } while (bell_now_us() < end);
    return 0;
}

int bell_wait(struct bell *bell, uint32_t seen, int64_t timeout_us, uint32_t spin_us)
{
    struct timespec timeout = {timeout_us / 1000000, timeout_us % 1000000 * 1000};

    if (spin_us && spin(bell, seen, spin_us))
        return 1;
    atomic_store(&bell->asleep, 1);
    if (atomic_load(&bell->rung) == seen)
        syscall(SYS_futex, &bell->rung, FUTEX_WAIT_PRIVATE, seen,
                timeout_us < 0 ? NULL : &timeout, NULL, 0);
    atomic_store(&bell->asleep, 0);
    return 0;
}
