/* Eviction.
 *
 * The access field of an entry (24 bits) holds, by the policy in force:
 *   LRU (and all others)   seconds of the wall clock at the last use, modulo 2^24 (194 days)
 *   LFU                    minutes of the wall clock at the last decay, modulo 2^16, in the upper
 *                          16 bits; below them a logarithmic counter of uses
 * The counter starts at 5; the more it shows, the less likely a use raises it (lfu-log-factor); it
 * loses 1 for each lfu-decay-time minutes. When the policy changes the fields are read as the other
 * kind until they are touched: nothing is rewritten.
 *
 * Victims are found by sampling, not by a list through all keys, which would cost two pointers a
 * key and a write to its neighbours at each use: each round draws maxmemory-samples keys of each
 * database and offers them to a pool of the 16 best candidates so far, which outlives the call. A
 * candidate is named by database and key, for its entry may be gone or used again by the time its
 * turn comes; it is looked up then, and passed over if it is no longer as good as it was.
 */
#include "core/evict.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/keyspace.h"
#include "core/latency.h"
#include "core/record.h"
#include "core/settings.h"
#include "core/type/entry.h"

#define POOL_SIZE 16
#define POOL_KEY_KEPT 256   /* a candidate's buffer is given back if its key was longer */
#define SAMPLES_MAX 64      /* maxmemory-samples beyond are cut */
#define CLOCK_EVERY 8       /* evictions between two looks at the clock */
#define LFU_INITIAL 5
#define LFU_COUNTER_MAX 255
#define LRU_CLOCK_MASK ENTRY_ACCESS_MAX
#define TOLD_IDLE 512 /* as told, this and above is idle seconds, below a frequency */
#define TENACITY_STEP_US 50 /* up to tenacity 10 (the default: 500 us) each step adds this */
#define TENACITY_LINEAR 10
#define TENACITY_DOUBLES 5  /* beyond, the time doubles each 5 steps; */
#define TENACITY_ALWAYS 100 /* at 100 it has no bound */

struct candidate {
    uint64_t score; /* the higher, the better to evict */
    int db;
    struct buf key;
};

/* Candidates in rising order of score. */
struct evict_pool {
    int policy; /* what the scores mean */
    int count;
    struct candidate best[POOL_SIZE];
};

/* --- The access field ------------------------------------------------------------------------- */

static bool uses_lfu(const struct engine *engine)
{
    int policy = engine->settings->maxmemory_policy;

    return policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU;
}

static uint32_t lru_clock(const struct engine *engine)
{
    return (uint32_t)((uint64_t)engine->now_ms / 1000) & LRU_CLOCK_MASK;
}

static uint32_t lfu_minutes(const struct engine *engine)
{
    return (uint32_t)((uint64_t)engine->now_ms / 60000) & 0xffff;
}

static uint32_t lfu_decayed(const struct engine *engine, uint32_t access)
{
    uint32_t counter = access & LFU_COUNTER_MAX;
    uint32_t elapsed = (lfu_minutes(engine) - (access >> 8)) & 0xffff;
    int64_t decay_time = engine->settings->lfu_decay_time;
    uint64_t lost = decay_time <= 0 ? 0 : elapsed / (uint64_t)decay_time;

    return lost >= counter ? 0 : counter - (uint32_t)lost;
}

static uint32_t lfu_raised(struct engine *engine, uint32_t counter)
{
    uint64_t above = counter > LFU_INITIAL ? counter - LFU_INITIAL : 0;
    int64_t factor = engine->settings->lfu_log_factor;

    if (counter == LFU_COUNTER_MAX)
        return counter;
    if (rng_below(&engine->rng, above * (uint64_t)(factor < 0 ? 0 : factor) + 1) != 0)
        return counter;
    return counter + 1;
}

uint32_t evict_access_new(const struct engine *engine)
{
    if (uses_lfu(engine))
        return lfu_minutes(engine) << 8 | LFU_INITIAL;
    return lru_clock(engine);
}

hot void evict_access_touch(struct engine *engine, struct entry *entry)
{
    uint32_t before = entry_access(entry), after;

    if (uses_lfu(engine))
        after = lfu_minutes(engine) << 8 | lfu_raised(engine, lfu_decayed(engine, before));
    else
        after = lru_clock(engine);
    if (after != before)
        entry_set_access(entry, after);
}

uint64_t evict_idle_seconds(const struct engine *engine, const struct entry *entry)
{
    uint32_t idle = (lru_clock(engine) - entry_access(entry)) & LRU_CLOCK_MASK;

    /* A clock that was set back is not half a year of idleness. */
    return idle > LRU_CLOCK_MASK - 3600 ? 0 : idle;
}

uint32_t evict_frequency(const struct engine *engine, const struct entry *entry)
{
    return lfu_decayed(engine, entry_access(entry));
}

void evict_set_idle(struct engine *engine, struct entry *entry, uint64_t seconds)
{
    if (seconds > LRU_CLOCK_MASK - 3600)
        seconds = LRU_CLOCK_MASK - 3600;
    entry_set_access(entry, lru_clock(engine) - (uint32_t)seconds);
}

void evict_set_frequency(struct engine *engine, struct entry *entry, uint32_t frequency)
{
    uint32_t counter = frequency > LFU_COUNTER_MAX ? LFU_COUNTER_MAX : frequency;

    entry_set_access(entry, lfu_minutes(engine) << 8 | counter);
}

enum evict_use evict_use_kept(const struct engine *engine)
{
    int policy = engine->settings->maxmemory_policy;

    if (uses_lfu(engine))
        return EVICT_USE_FREQUENCY;
    return policy == EVICT_ALLKEYS_LRU || policy == EVICT_VOLATILE_LRU ? EVICT_USE_IDLE
                                                                       : EVICT_USE_NONE;
}

uint32_t evict_told_frequency(uint8_t frequency)
{
    return 1 + (uint32_t)frequency;
}

uint32_t evict_told_idle(uint64_t seconds)
{
    uint32_t most = ENTRY_ACCESS_MAX - TOLD_IDLE;

    return TOLD_IDLE + (seconds < most ? (uint32_t)seconds : most);
}

void evict_access_take(struct engine *engine, struct entry *entry)
{
    uint32_t told = entry_access(entry);

    if (told >= TOLD_IDLE && !uses_lfu(engine))
        evict_set_idle(engine, entry, told - TOLD_IDLE);
    else if (told > 0 && told < TOLD_IDLE && uses_lfu(engine))
        evict_set_frequency(engine, entry, told - 1);
    else
        entry_set_access(entry, evict_access_new(engine));
}

/* --- Policies --------------------------------------------------------------------------------- */

static bool volatile_only(int policy)
{
    return policy == EVICT_VOLATILE_LRU || policy == EVICT_VOLATILE_LFU ||
        policy == EVICT_VOLATILE_RANDOM || policy == EVICT_VOLATILE_TTL;
}

static uint64_t score_of(const struct engine *engine, int policy, const struct entry *entry)
{
    switch (policy) {
    case EVICT_ALLKEYS_LFU:
    case EVICT_VOLATILE_LFU:
        return LFU_COUNTER_MAX - lfu_decayed(engine, entry_access(entry));
    case EVICT_VOLATILE_TTL:
        return (uint64_t)INT64_MAX - (uint64_t)entry_deadline(entry);
    default:
        return evict_idle_seconds(engine, entry);
    }
}

/* --- The pool --------------------------------------------------------------------------------- */

static void candidate_forget(struct candidate *candidate)
{
    if (candidate->key.cap > POOL_KEY_KEPT)
        buf_free(&candidate->key);
    else
        buf_clear(&candidate->key);
}

static void pool_clear(struct evict_pool *pool)
{
    while (pool->count > 0)
        candidate_forget(&pool->best[--pool->count]);
}

static struct evict_pool *pool_of(struct engine *engine)
{
    struct evict_pool *pool = engine->evict_pool;

    if (pool == NULL) {
        pool = mem_alloc_zero(sizeof(*pool));
        engine->evict_pool = pool;
    }
    if (pool->policy != engine->settings->maxmemory_policy) {
        pool_clear(pool);
        pool->policy = engine->settings->maxmemory_policy;
    }
    return pool;
}

void evict_free(struct engine *engine)
{
    struct evict_pool *pool = engine->evict_pool;

    if (pool == NULL)
        return;
    for (int i = 0; i < POOL_SIZE; i++)
        buf_free(&pool->best[i].key);
    mem_free(pool);
    engine->evict_pool = NULL;
}

static bool pool_has(const struct evict_pool *pool, int db, struct slice key)
{
    for (int i = 0; i < pool->count; i++)
        if (pool->best[i].db == db && slice_equal(buf_slice(&pool->best[i].key), key))
            return true;
    return false;
}

/* Take the candidate in if it is better than the worst, or there is room. */
static void pool_offer(struct evict_pool *pool, uint64_t score, int db, struct slice key)
{
    struct candidate fresh;
    int at = pool->count;

    if (pool->count == POOL_SIZE && score <= pool->best[0].score)
        return;
    if (pool_has(pool, db, key))
        return;
    if (pool->count == POOL_SIZE) {
        candidate_forget(&pool->best[0]);
        fresh = pool->best[0];
        memmove(&pool->best[0], &pool->best[1], (POOL_SIZE - 1) * sizeof(fresh));
        at--;
    } else {
        fresh = pool->best[pool->count++];
    }
    for (; at > 0 && pool->best[at - 1].score > score; at--)
        pool->best[at] = pool->best[at - 1];
    fresh.score = score;
    fresh.db = db;
    buf_append_slice(&fresh.key, key);
    pool->best[at] = fresh;
}

/* Draw samples of every database. False if there is nothing to draw from. */
static bool pool_fill(struct engine *engine, struct evict_pool *pool)
{
    bool deadlines_only = volatile_only(pool->policy), any = false;
    int64_t wanted = engine->settings->maxmemory_samples;
    struct entry *samples[SAMPLES_MAX];

    if (wanted < 1)
        wanted = 1;
    if (wanted > SAMPLES_MAX)
        wanted = SAMPLES_MAX;
    for (int db = 0; db < keyspace_databases(engine->keyspace); db++) {
        size_t count = keyspace_sample(engine->keyspace, db, deadlines_only, &engine->rng, samples,
                                       (size_t)wanted);

        /* None of them is likely to be in the cache: wait for all at the same time. */
        for (size_t i = 0; i < count; i++)
            fetch_ahead(samples[i]);
        for (size_t i = 0; i < count; i++)
            pool_offer(pool, score_of(engine, pool->policy, samples[i]), db,
                       entry_key(samples[i]));
        any = any || count > 0;
    }
    return any;
}

/* Take the best candidate out of the pool. False if it is gone, or in use again. */
static bool pool_take(struct engine *engine, struct evict_pool *pool, struct place *victim)
{
    struct candidate *best = &pool->best[--pool->count];
    struct slice key = buf_slice(&best->key);
    bool good;

    *victim =
        keyspace_find(engine->keyspace, best->db, key, keyspace_hash(engine->keyspace, key));
    good = victim->entry != NULL &&
        (!volatile_only(pool->policy) || entry_deadline(victim->entry) != ENTRY_NO_DEADLINE) &&
        score_of(engine, pool->policy, victim->entry) >= best->score;
    if (good)
        victim->key = entry_key(victim->entry);
    candidate_forget(best);
    return good;
}

/* --- Victims ---------------------------------------------------------------------------------- */

/* Any key that the policy allows, each as likely, whatever its database. */
static bool random_victim(struct engine *engine, bool deadlines_only, struct place *victim)
{
    struct keyspace *keyspace = engine->keyspace;
    uint64_t total = 0, skip;

    for (int db = 0; db < keyspace_databases(keyspace); db++)
        total += deadlines_only ? keyspace_deadlines(keyspace, db) : keyspace_count(keyspace, db);
    if (total == 0)
        return false;
    skip = rng_below(&engine->rng, total);
    for (int db = 0;; db++) {
        uint64_t count =
            deadlines_only ? keyspace_deadlines(keyspace, db) : keyspace_count(keyspace, db);

        if (skip < count) {
            struct entry *entry = keyspace_random(keyspace, db, deadlines_only, &engine->rng);
            struct slice key = entry_key(entry);

            *victim = keyspace_find(keyspace, db, key, keyspace_hash(keyspace, key));
            return true;
        }
        skip -= count;
    }
}

static bool next_victim(struct engine *engine, struct place *victim)
{
    int policy = engine->settings->maxmemory_policy;
    struct evict_pool *pool;

    if (policy == EVICT_ALLKEYS_RANDOM || policy == EVICT_VOLATILE_RANDOM)
        return random_victim(engine, volatile_only(policy), victim);
    pool = pool_of(engine);
    /* One round of samples for each victim: the pool only ever gets better. A candidate that is
     * passed over has kept others out, so another round comes before the next is looked at. There
     * are 16 of that kind at most: what is drawn now is what it is. */
    do {
        if (!pool_fill(engine, pool))
            return false;
    } while (!pool_take(engine, pool, victim));
    return true;
}

static uint64_t time_limit_ns(const struct engine *engine)
{
    int64_t tenacity = engine->settings->maxmemory_eviction_tenacity;
    uint64_t us;

    if (tenacity >= TENACITY_ALWAYS)
        return UINT64_MAX;
    if (tenacity <= TENACITY_LINEAR)
        us = tenacity < 0 ? 0 : (uint64_t)tenacity * TENACITY_STEP_US;
    else
        us = (uint64_t)TENACITY_LINEAR * TENACITY_STEP_US
            << (tenacity - TENACITY_LINEAR) / TENACITY_DOUBLES;
    return us * 1000;
}

/* INFO's total_eviction_exceeded_time: how long the keyspace has been above maxmemory. */
static void note_exceeded(struct engine *engine, bool exceeded)
{
    struct stats *stats = &engine->stats;

    if (exceeded && stats->eviction_since_ms == 0) {
        stats->eviction_since_ms = engine->now_ms;
    } else if (!exceeded && stats->eviction_since_ms != 0) {
        if (engine->now_ms > stats->eviction_since_ms)
            stats->eviction_exceeded_ms += (uint64_t)(engine->now_ms - stats->eviction_since_ms);
        stats->eviction_since_ms = 0;
    }
}

static uint64_t now_ns(const struct engine *engine)
{
    return engine->host->monotonic_ns(engine->host->self);
}

static void evict(struct engine *engine, struct place *victim)
{
    uint64_t begun_ns = latency_begin(engine);

    record_event(engine, 'e', "evicted", victim->db, victim->key);
    engine->stats.evicted++;
    record_delete(engine, victim, engine->settings->lazyfree_eviction, true);
    latency_end(engine, LATENCY_EVICTION_DEL, begun_ns);
}

/* What maxmemory is compared with: the keyspace, and what the server took before it had any keys,
 * as in used_memory. Buffers are not counted: a slow disk evicts nobody. */
static size_t counted(const struct engine *engine)
{
    return keyspace_memory(engine->keyspace) + engine->stats.memory_at_start;
}

static bool evict_while_above(struct engine *engine, size_t most)
{
    uint64_t started = now_ns(engine), limit = time_limit_ns(engine);
    struct place victim;

    for (unsigned done = 1; next_victim(engine, &victim); done++) {
        evict(engine, &victim);
        if (counted(engine) <= most)
            return true;
        if (done % CLOCK_EVERY == 0 && now_ns(engine) - started >= limit)
            return true;
    }
    return false;
}

bool evict_to_fit(struct engine *engine)
{
    int64_t most = engine->settings->maxmemory;
    uint64_t started;
    bool fits;

    if (likely(most <= 0 || counted(engine) <= (size_t)most)) {
        if (unlikely(engine->stats.eviction_since_ms != 0))
            note_exceeded(engine, false);
        return true;
    }
    if (engine->loading || engine->paused_until_ms > engine->now_ms)
        return true;
    started = now_ns(engine);
    fits = engine->settings->maxmemory_policy != EVICT_NONE && !engine->settings->import_mode &&
        record_may_delete(engine) && evict_while_above(engine, (size_t)most);
    latency_add(engine, LATENCY_EVICTION_CYCLE, (now_ns(engine) - started) / 1000000);
    note_exceeded(engine, counted(engine) > (size_t)most);
    return fits;
}
