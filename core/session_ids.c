/* One table of pointers to the sessions themselves. Ids are given out in order and never come from
 * outside, so their hash needs no secret. */
#include "core/session_ids.h"

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/ds/table.h"
#include "core/engine_state.h"

static struct slice key_of(const uint64_t *id)
{
    return (struct slice){(const char *)id, sizeof *id};
}

static uint64_t hash_id(const uint64_t *id)
{
    return hash_bytes(key_of(id), 0);
}

static uint64_t hash_session(const void *env unused, const void *item)
{
    const struct session *session = item;
    return hash_id(&session->id);
}

static bool match_session(const void *env unused, const void *item, struct slice key)
{
    const struct session *session = item;
    return slice_equal(key_of(&session->id), key);
}

static const struct table_type session_type = {hash_session, match_session};

struct table *session_ids_new(void)
{
    return table_new(&session_type, NULL);
}

void session_ids_free(struct table *ids)
{
    kv_assert(table_count(ids) == 0);
    table_free(ids, NULL);
}

void session_ids_add(struct session *session)
{
    table_insert(session->engine->session_ids, hash_id(&session->id), session);
}

void session_ids_remove(struct session *session)
{
    struct table *ids = session->engine->session_ids;
    uint64_t hash = hash_id(&session->id);
    struct table_slot *slot = table_find(ids, hash, key_of(&session->id));
    kv_assert(slot);
    table_remove(ids, hash, slot);
}

struct session *session_by_id(struct engine *engine, uint64_t id)
{
    struct table_slot *slot = table_find(engine->session_ids, hash_id(&id), key_of(&id));
    return slot ? table_item(slot) : NULL;
}
