/* xoshiro256** 1.0 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018).
 */
#include "core/base/rng.h"

#include "core/base/attr.h"

static uint64_t rng_rotate(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

void rng_seed(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15;

        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        rng->state[i] = z ^ (z >> 31);
    }
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rng_rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rng_rotate(s[3], 45);
    return result;
}

/* Lemire's way ("Fast random integer generation in an interval", 2019): the upper half of a
 * product, with the few products refused that would make some results likelier. */
uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    kv_assert(bound > 0);
    unsigned __int128 product = (unsigned __int128)rng_next(rng) * bound;

    if (unlikely((uint64_t)product < bound)) {
        uint64_t refused = -bound % bound;

        while ((uint64_t)product < refused)
            product = (unsigned __int128)rng_next(rng) * bound;
    }
    return (uint64_t)(product >> 64);
}
