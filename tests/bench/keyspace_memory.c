/* Bytes and time a key: what the allocator hands out for a million keys of 16 bytes with values of
 * 32, and what a find, an overwriting and an insertion cost.
 *
 *   build/bench/keyspace_memory [KEYS]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/keyspace.h"

#define KEY_BYTES 16
#define VALUE_BYTES 32
#define BATCH 16 /* keys that are looked for together: hashed, prefetched, then found */

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static struct slice key_of(uint64_t id, char out[static KEY_BYTES + 1])
{
    snprintf(out, KEY_BYTES + 1, "key:%012" PRIu64, id);
    return (struct slice){out, KEY_BYTES};
}

static double put_all(struct keyspace *keyspace, uint64_t keys, int64_t deadline_ms)
{
    char text[KEY_BYTES + 1], value[VALUE_BYTES];
    double started = now_ns();

    for (uint64_t id = 0; id < keys; id++) {
        struct slice key = key_of(id, text);
        struct place place = keyspace_find(keyspace, 0, key, keyspace_hash(keyspace, key));

        for (int i = 0; i < VALUE_BYTES; i++)
            value[i] = (char)(id >> (i & 7));
        keyspace_put_string(keyspace, &place, (struct slice){value, VALUE_BYTES}, deadline_ms);
    }
    return (now_ns() - started) / (double)keys;
}

/* Random keys, in batches of `batch`: as single commands look for them, and as pipelined ones. */
static double find_all(struct keyspace *keyspace, uint64_t keys, unsigned batch, bool put)
{
    char texts[BATCH][KEY_BYTES + 1];
    uint64_t hashes[BATCH];
    struct slice names[BATCH];
    struct rng rng;
    double started = now_ns();
    uint64_t found = 0;

    rng_seed(&rng, 1);
    for (uint64_t done = 0; done < keys; done += batch) {
        for (unsigned i = 0; i < batch; i++) {
            names[i] = key_of(rng_below(&rng, keys), texts[i]);
            hashes[i] = keyspace_hash(keyspace, names[i]);
            if (batch > 1)
                keyspace_prefetch(keyspace, 0, hashes[i]);
        }
        for (unsigned i = 0; i < batch; i++) {
            struct place place = keyspace_find(keyspace, 0, names[i], hashes[i]);

            found += place.entry != NULL;
            if (put)
                keyspace_put_string(keyspace, &place, SLICE("value-of-thirty-two-bytes-length"),
                                    ENTRY_NO_DEADLINE);
        }
    }
    if (found < keys)
        abort();
    return (now_ns() - started) / (double)keys;
}

static void report(const char *what, uint64_t keys, const struct keyspace *keyspace,
                   const struct mem_stats *before)
{
    struct mem_stats after;

    mem_stats_read(&after);
    printf("%-22s allocated %6.2f, active %6.2f, counted %6.2f, table %5.2f bytes/key\n", what,
           (double)(after.allocated - before->allocated) / (double)keys,
           (double)(after.active - before->active) / (double)keys,
           (double)keyspace_memory(keyspace) / (double)keys,
           (double)keyspace_overhead(keyspace, 0, false) / (double)keys);
}

int main(int argc, char **argv)
{
    uint64_t keys = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    struct keyspace *keyspace = keyspace_new(16, 42, NULL);
    struct mem_stats before;
    char text[KEY_BYTES + 1];
    double started, formatting;

    keys -= keys % BATCH;
    if (keys == 0)
        return 2;
    mem_stats_read(&before);
    started = now_ns();
    for (uint64_t id = 0; id < keys; id++)
        key_of(id, text);
    formatting = (now_ns() - started) / (double)keys;
    printf("%" PRIu64 " keys of %d + %d bytes; making a key's text takes %.0f ns\n", keys,
           KEY_BYTES, VALUE_BYTES, formatting);
    printf("insert                 %6.0f ns\n", put_all(keyspace, keys, ENTRY_NO_DEADLINE));
    report("without deadlines:", keys, keyspace, &before);
    printf("find                   %6.0f ns\n", find_all(keyspace, keys, 1, false));
    printf("find, prefetched       %6.0f ns\n", find_all(keyspace, keys, BATCH, false));
    printf("overwrite              %6.0f ns\n", find_all(keyspace, keys, 1, true));
    printf("overwrite, prefetched  %6.0f ns\n", find_all(keyspace, keys, BATCH, true));
    printf("set a deadline         %6.0f ns\n", put_all(keyspace, keys, 1700000000000));
    report("with deadlines:", keys, keyspace, &before);
    keyspace_free(keyspace);
    return 0;
}
