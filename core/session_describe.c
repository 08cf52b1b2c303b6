/* What CLIENT LIST, ACL LOG and the operator's log show of a session. */
#include "core/session_describe.h"

#include "core/acl_user.h"
#include "core/base/buf.h"
#include "core/ctx.h"
#include "core/pubsub.h"
#include "core/registry.h"
#include "core/session.h"
#include "core/tracker.h"
#include "core/transaction.h"
#include "core/watch.h"

#define SUBSCRIPTION_BYTES 128 /* one, with its share of the channel */

static const char *flag_letters(const struct session *session, char out[static 16])
{
    int count = 0;
    if (session->flags & SESSION_MONITOR)
        out[count++] = 'O';
    if (pubsub_total(session))
        out[count++] = 'P';
    if (session->transaction)
        out[count++] = 'x';
    if (session->flags & (SESSION_BLOCKED | SESSION_WAITS))
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

/* Of the command that runs or waits, or of what has come of the next one. */
static size_t argument_bytes(const struct session *session)
{
    const struct ctx *running = session->engine->running;
    size_t bytes = session->argv_bytes + session->waiter_bytes;
    if (running && running->session == session)
        bytes += slices_bytes(running->argc, running->argv);
    return bytes;
}

size_t session_memory(const struct session *session)
{
    size_t bytes = sizeof *session + session->query_bytes + session->query_free +
                   session->query_awaited + argument_bytes(session) +
                   session->output.chunk_bytes;
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
    size_t memory = session_memory(session), kept = output_kept(&session->output);
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
               watch_count(session), session->query_bytes,
               session->query_free + session->query_awaited, argument_bytes(session),
               (size_t)transaction_bytes(session),
               kept, output_unsent(&session->output),
               session->output.first && session->output.first != session->output.last,
               session->output.chunk_bytes - kept, memory,
               output_ready(&session->output) ? "rw" : "r",
               session->last_command ? session->last_command->full_name : "NULL",
               session->user->name,
               session->tracker ? (long long)session->tracker->redirect : -1LL, session->resp,
               session->library_name ? session->library_name : "",
               session->library_version ? session->library_version : "",
               (unsigned long long)session->bytes_in, (unsigned long long)session->bytes_out,
               (unsigned long long)session->commands);
}
