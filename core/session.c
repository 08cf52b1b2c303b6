/* The list of sessions, their blocking and unblocking. */
#include "core/session.h"

#include <stdio.h>

#include "core/acl.h"
#include "core/acl_user.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/engine_state.h"
#include "core/monitor.h"
#include "core/pubsub.h"
#include "core/push.h"
#include "core/session_ids.h"
#include "core/tracking.h"
#include "core/transaction.h"
#include "core/waiters.h"

static const char failed_log_text[] =
    "-MISCONF This change is not confirmed on disk: the log failed while it was written. "
    "It may or may not survive a restart. Look at INFO persistence and the server's log.\r\n";

void session_open(struct engine *engine, struct session *session)
{
    session->id = ++engine->session_next_id;
    session->engine = engine;
    session->resp = 2;
    acl_begin_session(session);
    session->created_ms = session->active_ms = engine->now_ms;
    session->previous = engine->sessions_last;
    session->next = NULL;
    if (session->previous)
        session->previous->next = session;
    else
        engine->sessions = session;
    engine->sessions_last = session;
    session_ids_add(session);
    engine->session_count++;
    engine->stats.connections++;
}

void session_close(struct session *session)
{
    struct engine *engine = session->engine;
    transaction_discard(session);
    if (session->waiter)
        waiters_forget(session);
    pubsub_forget(session);
    tracking_off(session);
    engine->clients_bytes -= session->counted_bytes;
    monitor_stop(session);
    push_forget(session);
    session_ids_remove(session);
    if (session->flags & SESSION_BLOCKED)
        engine->blocked_count--;
    if (session->previous)
        session->previous->next = session->next;
    else
        engine->sessions = session->next;
    if (session->next)
        session->next->previous = session->previous;
    else
        engine->sessions_last = session->previous;
    engine->session_count--;
    mem_free(session->name);
    mem_free(session->library_name);
    mem_free(session->library_version);
    output_free(&session->output);
    session->name = session->library_name = session->library_version = NULL;
}

bool session_is_local(const struct session *session)
{
    return session->flags & SESSION_UNIX_SOCKET || strncmp(session->address, "127.", 4) == 0 ||
           strncmp(session->address, "[::1]:", 6) == 0 ||
           strncmp(session->address, "::1:", 4) == 0;
}

bool session_settle(struct session *session)
{
    struct journal *journal = session->engine->journal;
    uint64_t confirmed = journal_confirmed(journal);
    output_release(&session->output, confirmed);
    int state = atomic_load_explicit(&journal->state, memory_order_acquire);
    if (state == JOURNAL_FAILED)
        output_fail(&session->output, confirmed, SLICE(failed_log_text));
    return output_ready(&session->output) > 0;
}

void session_block(struct session *session, uint64_t sequence, int64_t until_ms,
                   void (*unblock)(struct ctx *ctx, bool timed_out))
{
    kv_assert(!(session->flags & SESSION_BLOCKED));
    session->flags |= SESSION_BLOCKED;
    session->blocked_sequence = sequence;
    session->blocked_until_ms = until_ms;
    session->unblock = unblock;
    session->engine->blocked_count++;
}

void session_unblock(struct session *session, bool timed_out)
{
    struct engine *engine = session->engine;
    session->flags &= ~(uint32_t)(SESSION_BLOCKED | SESSION_WAITS_LOG);
    engine->blocked_count--;
    struct ctx ctx = {
        .engine = engine,
        .session = session,
        .output = &session->output,
        .arena = &engine->arena,
        .keyspace = engine->keyspace,
        .state = session->last_command,
        .command = session->last_command->command,
        .db = session->db,
        .now_ms = engine->now_ms,
    };
    session->unblock(&ctx, timed_out);
    session->unblock = NULL;
    ctx.state->failed += ctx.failed;
    if (!(session->flags & SESSION_PUSHED)) /* else it is stamped with what stands before it */
        output_mark(&session->output, 0, false);
    engine->host->wake_session(engine->host->self, session);
}

void session_reset(struct session *session)
{
    transaction_discard(session);
    pubsub_forget(session);
    tracking_off(session);
    monitor_stop(session);
    session->db = 0;
    session->resp = 2;
    mem_free(session->name);
    session->name = NULL;
    session->flags &= ~(uint32_t)(SESSION_REPLY_OFF | SESSION_REPLY_SKIP_NEXT | SESSION_NO_EVICT |
                                  SESSION_NO_TOUCH | SESSION_IMPORT_SOURCE |
                                  SESSION_CAPA_REDIRECT);
    acl_begin_session(session);
}
