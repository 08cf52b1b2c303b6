/* Queues and watches.
 *
 * A queued request is one block: struct queued, its slices, the bytes they point to. A watch hangs
 * in two lists, that of its session and that of its key; keys that somebody watches are in one
 * table, by database and name. A session whose watch was touched has SESSION_WATCH_BROKEN.
 */
#include "core/transaction.h"

#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/ds/table.h"

struct queued {
    struct queued *next;
    struct command_state *state;
    int argc;
    struct slice argv[];
};

struct transaction {
    struct queued *first, *last;
    int count;
    uint32_t flags; /* enum command_flag of all that is queued */
    uint64_t bytes;
    bool failed;
};

struct watched_key {
    int db;
    size_t key_len;
    struct watch *watches;
    char key[];
};

struct watch {
    struct session *session;
    struct watched_key *key;
    struct watch *next_of_session;
    struct watch *next_of_key, **link_of_key;
    bool was_expired; /* when it was watched: its deletion is no change */
};

struct watched_keys {
    struct table *table;
    uint64_t seed;
};

/* The key of the table: bytes behind the number of the database. */
struct watched_name {
    int db;
    struct slice key;
};

/* --- Watches --------------------------------------------------------------------------------- */

static uint64_t hash_name(uint64_t seed, int db, struct slice key)
{
    return hash_bytes(key, seed + (uint64_t)db * 0x9e3779b97f4a7c15ull);
}

static uint64_t hash_item(const void *env, const void *item)
{
    const struct watched_keys *keys = env;
    const struct watched_key *watched = item;
    return hash_name(keys->seed, watched->db, (struct slice){watched->key, watched->key_len});
}

static bool match_item(const void *env unused, const void *item, struct slice key)
{
    const struct watched_key *watched = item;
    const struct watched_name *name = (const void *)key.data;
    return watched->db == name->db &&
           slice_equal(name->key, (struct slice){watched->key, watched->key_len});
}

static const struct table_type watched_type = {hash_item, match_item};

struct watched_keys *watched_keys_new(void)
{
    struct watched_keys *keys = mem_alloc_zero(sizeof *keys);
    keys->table = table_new(&watched_type, keys);
    return keys;
}

void watched_keys_free(struct watched_keys *keys)
{
    kv_assert(table_count(keys->table) == 0);
    table_free(keys->table, NULL);
    mem_free(keys);
}

static struct table_slot *find(const struct watched_keys *keys, int db, struct slice key)
{
    struct watched_name name = {db, key};
    return table_find(keys->table, hash_name(keys->seed, db, key),
                      (struct slice){(const char *)&name, sizeof name});
}

static struct watched_key *find_or_add(struct watched_keys *keys, int db, struct slice key)
{
    struct table_slot *slot = find(keys, db, key);
    if (slot)
        return table_item(slot);
    struct watched_key *watched = mem_alloc(sizeof *watched + key.len);
    *watched = (struct watched_key){.db = db, .key_len = key.len};
    if (key.len > 0)
        memcpy(watched->key, key.data, key.len);
    table_insert(keys->table, hash_name(keys->seed, db, key), watched);
    return watched;
}

static bool is_past(const struct engine *engine, const struct entry *entry)
{
    int64_t deadline = entry ? entry_deadline(entry) : ENTRY_NO_DEADLINE;
    return deadline != ENTRY_NO_DEADLINE && deadline <= engine->now_ms;
}

void transaction_watch(struct ctx *ctx, struct slice key)
{
    struct session *session = ctx->session;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session)
        if (watch->key->db == ctx->db &&
            slice_equal(key, (struct slice){watch->key->key, watch->key->key_len}))
            return;
    struct watched_key *watched = find_or_add(ctx->engine->watched, ctx->db, key);
    struct place place =
        keyspace_find(ctx->keyspace, ctx->db, key, keyspace_hash(ctx->keyspace, key));
    struct watch *watch = mem_alloc(sizeof *watch);
    *watch = (struct watch){
        .session = session,
        .key = watched,
        .next_of_session = session->watches,
        .next_of_key = watched->watches,
        .link_of_key = &watched->watches,
        .was_expired = is_past(ctx->engine, place.entry),
    };
    if (watched->watches)
        watched->watches->link_of_key = &watch->next_of_key;
    watched->watches = watch;
    session->watches = watch;
}

static void forget_key(struct watched_keys *keys, struct watched_key *watched)
{
    struct slice key = {watched->key, watched->key_len};
    table_remove(keys->table, hash_name(keys->seed, watched->db, key),
                 find(keys, watched->db, key));
    mem_free(watched);
}

void transaction_unwatch(struct session *session)
{
    while (session->watches) {
        struct watch *watch = session->watches;
        session->watches = watch->next_of_session;
        *watch->link_of_key = watch->next_of_key;
        if (watch->next_of_key)
            watch->next_of_key->link_of_key = watch->link_of_key;
        if (!watch->key->watches)
            forget_key(session->engine->watched, watch->key);
        mem_free(watch);
    }
    session->flags &= ~(uint32_t)SESSION_WATCH_BROKEN;
}

static void touch(struct watched_key *watched, bool by_deadline)
{
    for (struct watch *watch = watched->watches; watch; watch = watch->next_of_key)
        if (!by_deadline || !watch->was_expired)
            watch->session->flags |= SESSION_WATCH_BROKEN;
}

void transaction_touch(struct engine *engine, int db, struct slice key, bool by_deadline)
{
    if (likely(table_count(engine->watched->table) == 0))
        return;
    struct table_slot *slot = find(engine->watched, db, key);
    if (slot)
        touch(table_item(slot), by_deadline);
}

void transaction_touch_all(struct engine *engine, int db)
{
    struct table_walk walk;
    struct table_slot *slot;
    table_walk_start(&walk, engine->watched->table);
    while ((slot = table_walk_next(&walk))) {
        struct watched_key *watched = table_item(slot);
        struct slice key = {watched->key, watched->key_len};
        uint64_t hash = keyspace_hash(engine->keyspace, key);
        if (db >= 0 && watched->db != db)
            continue;
        if (keyspace_find(engine->keyspace, watched->db, key, hash).slot)
            touch(watched, false);
    }
}

/* A key whose deadline has passed since it was watched, though nobody has deleted it yet. */
static bool any_expired(const struct session *session)
{
    struct engine *engine = session->engine;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session) {
        struct slice key = {watch->key->key, watch->key->key_len};
        uint64_t hash = keyspace_hash(engine->keyspace, key);
        struct place place = keyspace_find(engine->keyspace, watch->key->db, key, hash);
        if (!watch->was_expired && is_past(engine, place.entry))
            return true;
    }
    return false;
}

int transaction_watches(const struct session *session)
{
    int count = 0;
    for (struct watch *watch = session->watches; watch; watch = watch->next_of_session)
        count++;
    return count;
}

/* --- The queue ------------------------------------------------------------------------------- */

void transaction_begin(struct session *session)
{
    kv_assert(!session->transaction);
    session->transaction = mem_alloc_zero(sizeof *session->transaction);
}

bool transaction_queue(struct ctx *ctx)
{
    struct transaction *transaction = ctx->session->transaction;
    size_t bytes = sizeof(struct queued) + (size_t)ctx->argc * sizeof(struct slice);
    size_t head = bytes;
    for (int i = 0; i < ctx->argc; i++)
        bytes += ctx->argv[i].len;
    if (transaction->bytes + bytes > (uint64_t)ctx->engine->settings->query_buffer_limit) {
        transaction->failed = true;
        return false;
    }
    struct queued *queued = mem_alloc(bytes);
    char *to = (char *)queued + head;
    *queued = (struct queued){.state = ctx->state, .argc = ctx->argc};
    for (int i = 0; i < ctx->argc; i++) {
        if (ctx->argv[i].len > 0)
            memcpy(to, ctx->argv[i].data, ctx->argv[i].len);
        queued->argv[i] = (struct slice){to, ctx->argv[i].len};
        to += ctx->argv[i].len;
    }
    if (transaction->last)
        transaction->last->next = queued;
    else
        transaction->first = queued;
    transaction->last = queued;
    transaction->count++;
    transaction->bytes += bytes;
    transaction->flags |= ctx->command->flags;
    return true;
}

void transaction_fail(struct session *session)
{
    if (session->transaction)
        session->transaction->failed = true;
}

void transaction_discard(struct session *session)
{
    struct transaction *transaction = session->transaction;
    transaction_unwatch(session);
    if (!transaction)
        return;
    session->transaction = NULL;
    while (transaction->first) {
        struct queued *queued = transaction->first;
        transaction->first = queued->next;
        mem_free(queued);
    }
    mem_free(transaction);
}

uint32_t transaction_flags(const struct session *session)
{
    return session->transaction ? session->transaction->flags : 0;
}

int transaction_count(const struct session *session)
{
    return session->transaction ? session->transaction->count : -1;
}

uint64_t transaction_bytes(const struct session *session)
{
    return session->transaction ? session->transaction->bytes : 0;
}

static void run_queued(struct ctx *outer, struct queued *queued)
{
    struct ctx ctx = *outer;
    ctx.state = queued->state;
    ctx.command = queued->state->command;
    ctx.argc = queued->argc;
    ctx.argv = queued->argv;
    ctx.db = ctx.session->db;
    ctx.failed = ctx.changed = false;
    ctx.may_not_block = true;
    engine_run(&ctx);
    outer->changed |= ctx.changed;
    outer->depends = ctx.depends;
}

void transaction_run(struct ctx *ctx)
{
    struct session *session = ctx->session;
    struct transaction *transaction = session->transaction;
    if (transaction->failed) {
        transaction_discard(session);
        reply_error(ctx, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    if (session->flags & SESSION_WATCH_BROKEN || any_expired(session)) {
        transaction_discard(session);
        ctx_depends_on_all(ctx);
        reply_null_array(ctx);
        return;
    }
    /* What runs is no more in a transaction: its own changes must not break its own watches. */
    transaction_unwatch(session);
    session->transaction = NULL;
    reply_array(ctx, (size_t)transaction->count);
    for (struct queued *queued = transaction->first; queued; queued = queued->next)
        run_queued(ctx, queued);
    session->transaction = transaction;
    transaction_discard(session);
}
