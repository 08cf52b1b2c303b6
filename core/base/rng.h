/* A small random generator (xoshiro256**, Blackman and Vigna 2018): choices of eviction, SCAN,
 * RANDOMKEY and SPOP. Not for secrets: those come from host->random_bytes. */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *rng, uint64_t seed); /* spread by splitmix64 */
uint64_t rng_next(struct rng *rng);
/* Even over 0 .. bound-1; bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
