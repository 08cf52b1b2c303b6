/* Expiry of fields.
 *
 * A hash knows its first deadline (hash.h), and the keyspace indexes the hashes that have one. So
 * a look at a hash costs one comparison while nothing is due; when something is, all of it is
 * deleted before the looker sees the hash. The sweep goes through the index group by group, with a
 * cursor of its own in each database, as expiry.c does for keys, and deletes in slices: a hash with
 * a million fields that are due at once holds up nobody but those who look at it.
 *
 * The deletions hold no reader: the deadlines are durable, or the reader waits for them anyway.
 */
#include "core/expiry_fields.h"

#include "core/base/attr.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/keyspace.h"
#include "core/record.h"
#include "core/tracking.h"
#include "core/type/hash.h"
#include "core/type/value.h"

#define EFFECT_FIELDS_MAX 128 /* names in one HDEL */
#define SLICE_FIELDS_MAX 512  /* deleted between two looks at the clock */
#define DUE_HASHES_MAX 64     /* of one group; what is beyond waits for the next round */
#define SAMPLE_GROUPS 16      /* visited in one database in a turn; */
#define STALE_PERCENT 10      /* and again, if more of the hashes than this had something due */

bool expiry_fields_due(const struct entry *entry, int64_t now_ms)
{
    int64_t first_ms;

    if (entry_type(entry) != TYPE_HASH)
        return false;
    first_ms = value_deadline(entry);
    return first_ms != ENTRY_NO_DEADLINE && first_ms <= now_ms;
}

/* Delete up to `most` fields and record it as one HDEL; returns how many. */
static size_t delete_some(struct engine *engine, const struct place *place, struct hash *hash,
                          size_t most)
{
    struct slice words[2 + EFFECT_FIELDS_MAX] = {SLICE("HDEL"), place->key};
    struct hash_item item;
    size_t count = 0;

    while (count < most && hash_first(*hash, &item) && item.deadline_ms <= engine->now_ms) {
        struct slice name = arena_copy(&engine->arena, item.field);

        hash_delete(hash, name);
        words[2 + count++] = name;
    }
    if (count > 0)
        record_effect(engine, place->db, (int)count + 2, words);
    return count;
}

size_t expiry_fields_delete(struct engine *engine, struct place *place, size_t most)
{
    struct entry *entry = place->entry;
    struct hash hash = hash_of(entry);
    size_t count = 0, step;

    keyspace_before_change(engine->keyspace, place);
    do {
        step = most - count < EFFECT_FIELDS_MAX ? most - count : EFFECT_FIELDS_MAX;
        step = delete_some(engine, place, &hash, step);
        count += step;
    } while (step > 0);
    entry_set_value(entry, hash.encoding, hash.value);
    keyspace_after_change(engine->keyspace, place, entry);
    tracking_touch(engine, place->key);
    engine->stats.expired_fields += count;
    record_event(engine, 'h', "hexpired", place->db, place->key);
    if (hash_count(hash) == 0) {
        record_event(engine, 'g', "del", place->db, place->key);
        keyspace_remove(engine->keyspace, place, false);
    }
    return count;
}

/* --- The sweep -------------------------------------------------------------------------------- */

struct look {
    int64_t now_ms;
    size_t seen, due;
    struct entry *found[DUE_HASHES_MAX];
};

static void look_at(void *env, struct entry *entry)
{
    struct look *look = env;

    look->seen++;
    if (look->due < DUE_HASHES_MAX && expiry_fields_due(entry, look->now_ms))
        look->found[look->due++] = entry;
}

static bool out_of_time(const struct engine *engine, uint64_t until_ns)
{
    return engine->host->monotonic_ns(engine->host->self) >= until_ns;
}

/* All that is due in one hash. False if the time ran out in it. */
static bool sweep_hash(struct engine *engine, int db, struct entry *entry, uint64_t until_ns)
{
    struct slice key = entry_key(entry);
    struct place place =
        keyspace_find(engine->keyspace, db, key, keyspace_hash(engine->keyspace, key));

    kv_assert(place.entry == entry);
    do {
        /* The key may go with its last field. */
        place.key = arena_copy(&engine->arena, key);
        expiry_fields_delete(engine, &place, SLICE_FIELDS_MAX);
        arena_reset(&engine->arena);
        if (out_of_time(engine, until_ns))
            return false;
    } while (place.entry != NULL && expiry_fields_due(place.entry, engine->now_ms));
    return true;
}

/* Visit some groups. False if the time ran out. */
static bool sweep_sample(struct engine *engine, int db, uint64_t until_ns, size_t *seen,
                         size_t *stale)
{
    struct keyspace_sweep *kept = keyspace_sweep(engine->keyspace, db);
    struct look look;

    for (int groups = 0; groups < SAMPLE_GROUPS; groups++) {
        uint64_t here = kept->inner_cursor;

        look.now_ms = engine->now_ms;
        look.seen = look.due = 0;
        kept->inner_cursor =
            keyspace_scan_inner_deadlines(engine->keyspace, db, here, look_at, &look);
        *seen += look.seen;
        *stale += look.due;
        for (size_t i = 0; i < look.due; i++) {
            if (!sweep_hash(engine, db, look.found[i], until_ns)) {
                kept->inner_cursor = here;
                return false;
            }
        }
        if (kept->inner_cursor == 0)
            break;
    }
    return !out_of_time(engine, until_ns);
}

static bool sweep_database(struct engine *engine, int db, uint64_t until_ns)
{
    size_t seen, stale;

    do {
        seen = stale = 0;
        if (!sweep_sample(engine, db, until_ns, &seen, &stale))
            return false;
    } while (stale * 100 > seen * STALE_PERCENT);
    return true;
}

bool expiry_fields_sweep(struct engine *engine, uint64_t until_ns)
{
    int databases = keyspace_databases(engine->keyspace);

    for (int turn = 0; turn < databases; turn++) {
        engine->expire_fields_db %= databases;
        if (keyspace_inner_deadlines(engine->keyspace, engine->expire_fields_db) > 0 &&
            !sweep_database(engine, engine->expire_fields_db, until_ns))
            return false;
        engine->expire_fields_db++;
    }
    return true;
}
