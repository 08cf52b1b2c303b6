/* The list of sessions, their blocking and unblocking, and how CLIENT LIST shows them. */
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
#include "core/tracker.h"
#include "core/tracking.h"
#include "core/transaction.h"
#include "core/waiters.h"
#include "core/watch.h"

#define SUBSCRIPTION_BYTES 128 /* one, with its share of the channel */

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
    session->flags &= ~(uint32_t)SESSION_BLOCKED;
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
    if (!(session->flags & SESSION_PUSHED)) /* else it is stamped with what stands before it */
        output_mark(&session->output, 0, false);
    engine->host->wake_session(engine->host->self, session);
}

static const char *flag_letters(const struct session *session, char out[static 16])
{
    int count = 0;
    if (session->flags & SESSION_MONITOR)
        out[count++] = 'O';
    if (pubsub_total(session))
        out[count++] = 'P';
    if (session->transaction)
        out[count++] = 'x';
    if (session->flags & SESSION_BLOCKED)
        out[count++] = 'b';
    if (session->tracker)
        out[count++] = 't';
    if (session->tracker && session->tracker->options & TRACKER_BROKEN)
        out[count++] = 'R';
    if (session->tracker && session->tracker->options & TRACKER_BCAST)
        out[count++] = 'B';
    if (session->flags & SESSION_WATCH_BROKEN)
        out[count++] = 'd';
    if (session->flags & SESSION_CLOSE_AFTER_REPLY)
        out[count++] = 'c';
    if (session->flags & SESSION_CLOSE_NOW)
        out[count++] = 'A';
    if (session->flags & SESSION_UNIX_SOCKET)
        out[count++] = 'U';
    if (session->flags & SESSION_NO_EVICT)
        out[count++] = 'e';
    if (session->flags & SESSION_NO_TOUCH)
        out[count++] = 'T';
    if (session->flags & SESSION_IMPORT_SOURCE)
        out[count++] = 'I';
    if (count == 0)
        out[count++] = 'N';
    out[count] = 0;
    return out;
}

size_t session_memory(const struct session *session)
{
    size_t bytes = sizeof *session + session->query_bytes + session->query_free +
                   session->argv_bytes + session->output.chunk_bytes;
    if (session->transaction)
        bytes += (size_t)transaction_bytes(session);
    if (session->subscriptions)
        bytes += (size_t)pubsub_total(session) * SUBSCRIPTION_BYTES;
    if (session->tracker)
        bytes += sizeof *session->tracker +
                 (size_t)session->tracker->prefix_count * sizeof *session->tracker->prefixes;
    return bytes;
}

void session_describe(const struct session *session, int64_t now_ms, struct buf *out)
{
    char letters[16];
    size_t memory = session_memory(session);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%lld idle=%lld flags=%s "
                    "capa=%s db=%d",
               (unsigned long long)session->id, session->address, session->local_address,
               session->fd, session->name ? session->name : "",
               (long long)(now_ms - session->created_ms) / 1000,
               (long long)(now_ms - session->active_ms) / 1000, flag_letters(session, letters),
               session->flags & SESSION_CAPA_REDIRECT ? "r" : "", session->db);
    buf_printf(out,
               " sub=%u psub=%u ssub=%u multi=%d watch=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu"
               " multi-mem=%zu rbs=%zu rbp=0 obl=%zu oll=%d omem=%zu tot-mem=%zu events=%s cmd=%s"
               " user=%s redir=%lld resp=%d lib-name=%s lib-ver=%s tot-net-in=%llu tot-net-out=%llu"
               " tot-cmds=%llu\n",
               pubsub_count(session, PUBSUB_CHANNEL), pubsub_count(session, PUBSUB_PATTERN),
               pubsub_count(session, PUBSUB_SHARD), transaction_count(session),
               watch_count(session), session->query_bytes, session->query_free,
               session->argv_bytes, (size_t)transaction_bytes(session),
               session->output.chunk_bytes, output_unsent(&session->output),
               session->output.first && session->output.first != session->output.last,
               session->output.chunk_bytes, memory, output_ready(&session->output) ? "rw" : "r",
               session->last_command ? session->last_command->full_name : "NULL",
               session->user->name,
               session->tracker ? (long long)session->tracker->redirect : -1LL, session->resp,
               session->library_name ? session->library_name : "",
               session->library_version ? session->library_version : "",
               (unsigned long long)session->bytes_in, (unsigned long long)session->bytes_out,
               (unsigned long long)session->commands);
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
