/* The sweep.
 *
 * Keys past their deadline are deleted when somebody looks for them; the sweep finds those that
 * nobody looks for. It goes through the table of deadlines of each database, group by group, with
 * a cursor that is kept between calls: so each key is met once a round, however few are expired.
 * A database that has shown more than STALE_LOW percent of expired keys in a sample is worth
 * another sample at once; else its turn is over. active-expire-effort (1 to 10) makes the samples
 * larger and the sweep harder to please.
 *
 * One call gives every database at most one turn, and stops when its budget is used up; the next
 * call begins with the database after the last: none waits behind one that has too much.
 */
#include "core/expiry.h"

#include "core/base/attr.h"
#include "core/engine_state.h"
#include "core/expiry_fields.h"
#include "core/host.h"
#include "core/keyspace.h"
#include "core/latency.h"
#include "core/record.h"
#include "core/settings.h"
#include "core/type/entry.h"

#define SAMPLE_KEYS 32        /* at effort 1; */
#define SAMPLE_KEYS_EFFORT 8  /* each further step adds this */
#define STALE_LOW 10          /* percent at effort 1; each further step takes 1 off */
#define EMPTY_GROUPS_MAX 64   /* visited for a sample that finds no keys */
#define EXPIRED_MAX 256       /* of one group; what is beyond waits for the next round */
#define AVERAGE_WEIGHT 0.05   /* of the newest sample in a running average */

/* One group of a table, as it is visited. */
struct look {
    int64_t now_ms;
    size_t seen, alive, stale;
    double ttl_ms; /* sum over those alive */
    struct entry *expired[EXPIRED_MAX];
};

/* What a call has found in all databases. */
struct sweep {
    struct engine *engine;
    uint64_t deadline_ns; /* of the call, monotonic */
    size_t seen, expired;
    size_t sample_keys, stale_percent;
};

static void look_at(void *env, struct entry *entry)
{
    struct look *look = env;
    int64_t deadline_ms = entry_deadline(entry);

    look->seen++;
    if (deadline_ms > look->now_ms) {
        look->alive++;
        look->ttl_ms += (double)(deadline_ms - look->now_ms);
    } else if (look->stale < EXPIRED_MAX) {
        look->expired[look->stale++] = entry;
    }
}

static uint64_t clock_ns(const struct engine *engine)
{
    return engine->host->monotonic_ns(engine->host->self);
}

void expiry_delete(struct engine *engine, struct place *place)
{
    uint64_t begun_ns = latency_begin(engine);

    record_event(engine, 'x', "expired", place->db, place->key);
    engine->stats.expired++;
    record_delete(engine, place, engine->settings->lazyfree_expire, false);
    latency_end(engine, LATENCY_EXPIRE_DEL, begun_ns);
}

static void expire(struct engine *engine, int db, struct entry *entry)
{
    struct slice key = entry_key(entry);
    struct place place =
        keyspace_find(engine->keyspace, db, key, keyspace_hash(engine->keyspace, key));

    kv_assert(place.entry == entry);
    expiry_delete(engine, &place);
}

static bool out_of_time(const struct sweep *sweep)
{
    return clock_ns(sweep->engine) >= sweep->deadline_ns;
}

/* What one sample of a database has shown. */
struct sample {
    size_t seen, expired, alive;
    double ttl_ms;
};

/* Visit groups until there are enough keys, the table is through, or the time is over. */
static struct sample take_sample(struct sweep *sweep, int db)
{
    struct engine *engine = sweep->engine;
    struct keyspace_sweep *kept = keyspace_sweep(engine->keyspace, db);
    struct sample sample = {0};
    struct look look;

    for (size_t groups = 0; sample.seen < sweep->sample_keys && groups < EMPTY_GROUPS_MAX;
         groups++) {
        look.now_ms = engine->now_ms;
        look.seen = look.alive = look.stale = 0;
        look.ttl_ms = 0;
        kept->cursor =
            keyspace_scan_deadlines(engine->keyspace, db, kept->cursor, look_at, &look);
        for (size_t i = 0; i < look.stale; i++)
            expire(engine, db, look.expired[i]);
        sample.seen += look.seen;
        sample.expired += look.stale;
        sample.alive += look.alive;
        sample.ttl_ms += look.ttl_ms;
        if (kept->cursor == 0 || out_of_time(sweep))
            break;
    }
    return sample;
}

static void note_ttl(struct keyspace *keyspace, int db, const struct sample *sample)
{
    struct keyspace_sweep *kept = keyspace_sweep(keyspace, db);
    double mean;

    if (sample->alive == 0)
        return;
    mean = sample->ttl_ms / (double)sample->alive;
    if (kept->average_ttl_ms <= 0 || sample->alive >= keyspace_deadlines(keyspace, db))
        kept->average_ttl_ms = mean;
    else
        kept->average_ttl_ms += (mean - kept->average_ttl_ms) * AVERAGE_WEIGHT;
}

/* One database's turn. False if the time ran out in it. */
static bool sweep_database(struct sweep *sweep, int db)
{
    struct keyspace *keyspace = sweep->engine->keyspace;

    while (keyspace_deadlines(keyspace, db) > 0) {
        struct sample sample = take_sample(sweep, db);

        sweep->seen += sample.seen;
        sweep->expired += sample.expired;
        note_ttl(keyspace, db, &sample);
        if (out_of_time(sweep))
            return false;
        if (sample.expired * 100 <= sample.seen * sweep->stale_percent)
            break;
    }
    return true;
}

static void note_stale(struct engine *engine, const struct sweep *sweep)
{
    double now = sweep->seen == 0 ? 0 : 100.0 * (double)sweep->expired / (double)sweep->seen;
    double *average = &engine->stats.expired_stale_percent;

    *average += (now - *average) * AVERAGE_WEIGHT;
}

void expiry_sweep(struct engine *engine, uint64_t budget_us)
{
    int databases = keyspace_databases(engine->keyspace);
    int64_t effort = engine->settings->active_expire_effort;
    uint64_t started;
    struct sweep sweep = {.engine = engine};

    if (!record_may_delete(engine) || engine->paused_until_ms > engine->now_ms ||
        engine->expire_by_access_only || engine->settings->import_mode)
        return;
    effort = effort < 1 ? 0 : effort > 10 ? 9 : effort - 1;
    sweep.sample_keys = SAMPLE_KEYS + SAMPLE_KEYS_EFFORT * (size_t)effort;
    sweep.stale_percent = STALE_LOW - (size_t)effort;
    started = clock_ns(engine);
    sweep.deadline_ns = started + budget_us * 1000;
    for (int turn = 0; turn < databases; turn++) {
        engine->expire_db %= databases;
        if (!sweep_database(&sweep, engine->expire_db++)) {
            engine->stats.expired_time_cap++;
            break;
        }
    }
    note_stale(engine, &sweep);
    /* Fields have half a budget of their own, so that neither waits for the other. */
    if (!expiry_fields_sweep(engine, clock_ns(engine) + budget_us * 500))
        engine->stats.expired_time_cap++;
    uint64_t took_us = (clock_ns(engine) - started) / 1000;
    engine->stats.expire_cycle_us += took_us;
    latency_add(engine, LATENCY_EXPIRE_CYCLE, took_us / 1000);
}

int64_t expiry_average_ttl(const struct engine *engine, int db)
{
    if (keyspace_deadlines(engine->keyspace, db) == 0)
        return 0;
    return (int64_t)keyspace_sweep(engine->keyspace, db)->average_ttl_ms;
}
