/* Who waits for which key, in what order, and until when.
 *
 *   wait_key    a key that somebody waits for, with the links of its waiters     wait_keys.h
 *   waiter      one blocked session: a copy of its request, and one link for each of its keys
 *   heap        the waiters that have a deadline, the next one on top; monotonic milliseconds
 *
 *   waits (waiters_block)  -> served: its command ran again and replied    waiters_serve
 *                          -> told that the time is up, or unblocked       waiters_expire, _unblock
 *                          -> gone with its session                        waiters_forget
 *
 * Keys become ready in the order of their first change, and each is served as a whole before the
 * next. Serving may make other keys ready (BLMOVE a -> b): they come behind. It ends, because a
 * key becomes ready only by a change, and the only changes here are those of waiters that leave.
 *
 * A ready key's waiters are asked only while the key holds what they want: LPUSH of one element
 * looks at one of a thousand BLPOPs. A session that is about to be closed is passed over, so that
 * nothing is popped for nobody.
 */
#include "core/waiters.h"

#include <string.h>

#include "core/acl_judge.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/engine_state.h"
#include "core/push.h"
#include "core/record.h"
#include "core/run.h"
#include "core/tracking.h"
#include "core/wait_keys.h"

struct waiter {
    struct session *session;
    struct command_state *state;
    void (*timed_out)(struct ctx *ctx);
    int64_t deadline_ms;               /* monotonic; INT64_MAX: none */
    size_t heap_index;
    enum value_type type;
    bool on_delete;
    bool serving;                      /* its command runs */
    bool again;                        /* and wants to go on waiting */
    bool ending, with_error;           /* CLIENT UNBLOCK: it is in the list of those */
    struct waiter *next_ending;
    int argc, links_count;
    struct slice *argv;                /* these three lie behind the struct, in the same block */
    struct wait_link *links;
};

struct waiters {
    uint64_t clients, wants_deletions;
    struct waiter *ending_first;
    struct waiter **heap;
    size_t heap_count, heap_cap;
};

struct waiters *waiters_new(void)
{
    return mem_alloc_zero(sizeof(struct waiters));
}

void waiters_free(struct waiters *waiters)
{
    kv_assert(waiters->clients == 0);
    mem_free(waiters->heap);
    mem_free(waiters);
}

/* ---- deadlines ---- */

static void heap_set(struct waiters *waiters, size_t index, struct waiter *waiter)
{
    waiters->heap[index] = waiter;
    waiter->heap_index = index;
}

static void heap_up(struct waiters *waiters, size_t index)
{
    struct waiter *waiter = waiters->heap[index];
    while (index > 0 && waiters->heap[(index - 1) / 2]->deadline_ms > waiter->deadline_ms) {
        heap_set(waiters, index, waiters->heap[(index - 1) / 2]);
        index = (index - 1) / 2;
    }
    heap_set(waiters, index, waiter);
}

static void heap_down(struct waiters *waiters, size_t index)
{
    struct waiter *waiter = waiters->heap[index];
    for (size_t child; (child = 2 * index + 1) < waiters->heap_count; index = child) {
        struct waiter **heap = waiters->heap;
        if (child + 1 < waiters->heap_count &&
            heap[child + 1]->deadline_ms < heap[child]->deadline_ms)
            child++;
        if (heap[child]->deadline_ms >= waiter->deadline_ms)
            break;
        heap_set(waiters, index, heap[child]);
    }
    heap_set(waiters, index, waiter);
}

static void heap_put(struct waiters *waiters, struct waiter *waiter)
{
    if (waiter->deadline_ms == INT64_MAX)
        return;
    if (waiters->heap_count == waiters->heap_cap) {
        waiters->heap_cap = waiters->heap_cap ? waiters->heap_cap * 2 : 16;
        waiters->heap = mem_realloc(waiters->heap, waiters->heap_cap * sizeof *waiters->heap);
    }
    heap_set(waiters, waiters->heap_count++, waiter);
    heap_up(waiters, waiter->heap_index);
}

static void heap_take(struct waiters *waiters, struct waiter *waiter)
{
    if (waiter->deadline_ms == INT64_MAX)
        return;
    size_t index = waiter->heap_index;
    struct waiter *last = waiters->heap[--waiters->heap_count];
    if (last == waiter)
        return;
    heap_set(waiters, index, last);
    heap_up(waiters, index);
    heap_down(waiters, last->heap_index);
}

int64_t waiters_next_ms(const struct engine *engine)
{
    const struct waiters *waiters = engine->waiters;
    return waiters->heap_count > 0 ? waiters->heap[0]->deadline_ms : INT64_MAX;
}

/* ---- waiting and its end ---- */

static struct waiter *waiter_new(const struct ctx *ctx, int keys)
{
    size_t bytes = slices_bytes(ctx->argc, ctx->argv);
    size_t links_at = sizeof(struct waiter);
    size_t argv_at = links_at + (size_t)keys * sizeof(struct wait_link);
    size_t bytes_at = argv_at + (size_t)ctx->argc * sizeof(struct slice);
    char *block = mem_alloc(bytes_at + bytes);
    struct waiter *waiter = (struct waiter *)(void *)block;
    *waiter = (struct waiter){
        .session = ctx->session,
        .state = ctx->state,
        .argc = ctx->argc,
        .argv = (struct slice *)(void *)(block + argv_at),
        .links = (struct wait_link *)(void *)(block + links_at),
    };
    char *to = block + bytes_at;
    for (int i = 0; i < ctx->argc; i++) {
        struct slice arg = ctx->argv[i];
        if (arg.len > 0)
            memcpy(to, arg.data, arg.len);
        waiter->argv[i] = (struct slice){to, arg.len};
        to += arg.len;
    }
    return waiter;
}

void waiters_block(struct ctx *ctx, int count, const struct slice *keys, enum value_type type,
                   bool on_delete, int64_t timeout_ms, void (*timed_out)(struct ctx *ctx))
{
    struct engine *engine = ctx->engine;
    struct waiters *waiters = engine->waiters;
    struct session *session = ctx->session;
    if (session->waiter && session->waiter->serving) {
        session->waiter->again = true;
        return;
    }
    if (ctx->may_not_block || ctx->replay || session->flags & SESSION_INTERNAL) {
        timed_out(ctx);
        return;
    }
    kv_assert(!(session->flags & SESSION_BLOCKED));
    struct waiter *waiter = waiter_new(ctx, count);
    waiter->type = type;
    waiter->on_delete = on_delete;
    waiter->timed_out = timed_out;
    waiter->deadline_ms = INT64_MAX;
    int64_t now_ms = (int64_t)((engine->now_ns + 999999) / 1000000); /* never too early */
    if (timeout_ms > 0 && __builtin_add_overflow(now_ms, timeout_ms, &waiter->deadline_ms))
        waiter->deadline_ms = INT64_MAX;
    for (int i = 0; i < count; i++)
        waiter->links_count += wait_keys_join(engine, ctx->db, keys[i], waiter,
                                              &waiter->links[waiter->links_count]);
    heap_put(waiters, waiter);
    waiters->clients++;
    waiters->wants_deletions += on_delete ? (uint64_t)waiter->links_count : 0;
    session->waiter = waiter;
    session->waiter_bytes = slices_bytes(ctx->argc, ctx->argv);
    session->flags |= SESSION_BLOCKED;
}

void waiters_forget(struct session *session)
{
    struct waiters *waiters = session->engine->waiters;
    struct waiter *waiter = session->waiter;
    if (waiter->ending) {
        struct waiter **at = &waiters->ending_first;
        while (*at != waiter)
            at = &(*at)->next_ending;
        *at = waiter->next_ending;
    }
    for (int i = 0; i < waiter->links_count; i++)
        wait_keys_leave(session->engine, &waiter->links[i]);
    heap_take(waiters, waiter);
    waiters->clients--;
    waiters->wants_deletions -= waiter->on_delete ? (uint64_t)waiter->links_count : 0;
    session->waiter = NULL;
    session->waiter_bytes = 0;
    session->flags &= ~(uint32_t)SESSION_BLOCKED;
    mem_free(waiter);
}

static struct ctx late_ctx(const struct waiter *waiter)
{
    struct session *session = waiter->session;
    struct engine *engine = session->engine;
    return (struct ctx){
        .engine = engine,
        .session = session,
        .output = &session->output,
        .arena = &engine->arena,
        .keyspace = engine->keyspace,
        .command = waiter->state->command,
        .state = waiter->state,
        .argc = waiter->argc,
        .argv = waiter->argv,
        .db = session->db,
        .now_ms = engine->now_ms,
        .woken = true,
    };
}

static void wake_session(struct session *session)
{
    struct host *host = session->engine->host;
    host->wake_session(host->self, session);
}

/* That nothing came is news, too: it depends on whatever was the last change of each key. */
static void end_wait(struct waiter *waiter)
{
    struct session *session = waiter->session;
    struct ctx ctx = late_ctx(waiter);
    push_stamp_session(session);
    if (waiter->with_error) {
        reply_error(&ctx, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    } else {
        for (int i = 0; i < waiter->links_count; i++) {
            struct wait_key *key = waiter->links[i].key;
            ctx_depends_on(&ctx, key->db, (struct slice){key->bytes, key->len});
        }
        waiter->timed_out(&ctx);
    }
    ctx.state->failed += ctx.failed;
    run_finish(&ctx);
    waiters_forget(session);
    wake_session(session);
}

void waiters_expire(struct engine *engine)
{
    struct waiters *waiters = engine->waiters;
    while (waiters_next_ms(engine) <= (int64_t)(engine->now_ns / 1000000))
        end_wait(waiters->heap[0]);
}

/* Behind the command that asks for it, whose effects may not be complete. */
bool waiters_unblock(struct session *session, bool error)
{
    struct waiters *waiters = session->engine->waiters;
    struct waiter *waiter = session->waiter;
    if (!waiter || waiter->ending)
        return false;
    waiter->ending = true;
    waiter->with_error = error;
    waiter->next_ending = waiters->ending_first;
    waiters->ending_first = waiter;
    return true;
}

/* ---- serving ---- */

/* What its user was allowed when it came may have been taken since. */
static void run_if_allowed(struct ctx *ctx)
{
    enum acl_verdict verdict = acl_judge(ctx, ACL_TOPLEVEL);
    if (likely(verdict == ACL_ALLOWED)) {
        run_command(ctx);
        return;
    }
    struct buf text = {0};
    acl_deny_text(ctx, verdict, &text);
    reply_error(ctx, "%.*s", (int)text.len, text.data);
    ctx->state->rejected++;
    buf_free(&text);
}

static void serve_waiter(struct waiter *waiter)
{
    struct session *session = waiter->session;
    struct ctx ctx = late_ctx(waiter);
    push_stamp_session(session);
    waiter->serving = true;
    waiter->again = false;
    session->engine->current = session;
    run_if_allowed(&ctx);
    waiter->serving = false;
    if (waiter->again)
        record_commit(session->engine); /* keys that had expired */
    else
        run_finish(&ctx);
    tracking_answered(session->engine);
    push_own(session->engine);
    session->engine->current = NULL;
    arena_reset(&session->engine->arena);
    if (waiter->again)
        return;
    waiters_forget(session);
    wake_session(session);
}

static struct entry *entry_at(const struct engine *engine, const struct wait_key *key)
{
    struct slice name = {key->bytes, key->len};
    uint64_t hash = keyspace_hash(engine->keyspace, name);
    return keyspace_find(engine->keyspace, key->db, name, hash).entry;
}

/* Whether the key, as it is now, may have something for the waiter. */
static bool may_serve(const struct waiter *waiter, const struct entry *entry)
{
    if (waiter->session->flags & (SESSION_CLOSE_NOW | SESSION_CLOSE_AFTER_REPLY))
        return false;
    if (entry && entry_type(entry) == waiter->type)
        return true;
    return waiter->on_delete;
}

/* Nobody is asked twice: who goes on waiting keeps the place. */
static void serve_key(struct engine *engine, struct wait_key *key)
{
    uint64_t turns = key->links;
    struct wait_link *link = key->first;
    while (link && turns-- > 0) {
        struct wait_link *next = link->next;
        const struct entry *entry = entry_at(engine, key);
        if (!entry && engine->waiters->wants_deletions == 0)
            return;
        if (may_serve(link->waiter, entry))
            serve_waiter(link->waiter);
        link = next;
    }
}

void waiters_serve(struct engine *engine)
{
    struct waiters *waiters = engine->waiters;
    while (unlikely(waiters->ending_first))
        end_wait(waiters->ending_first);
    struct wait_key *key;
    while (unlikely((key = wait_keys_take_ready(engine)) != NULL)) {
        serve_key(engine, key);
        wait_keys_served(engine, key);
    }
}

uint64_t waiters_clients(const struct engine *engine)
{
    return engine->waiters->clients;
}

uint64_t waiters_timeouts(const struct engine *engine)
{
    return engine->waiters->heap_count;
}

uint64_t waiters_keys(const struct engine *engine)
{
    return wait_keys_count(engine->wait_keys);
}

uint64_t waiters_deletions(const struct engine *engine)
{
    return engine->waiters->wants_deletions;
}
