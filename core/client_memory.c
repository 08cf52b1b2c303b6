/* engine->clients_bytes is the sum of counted_bytes of all sessions; 0 while the option is off. */
#include "core/client_memory.h"

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/session.h"
#include "core/session_describe.h"
#include "core/settings.h"

/* 0: no limit. */
static size_t limit_of(const struct engine *engine)
{
    const struct settings *settings = engine->settings;
    if (settings->maxmemory_clients >= 0)
        return (size_t)settings->maxmemory_clients;
    return (size_t)(settings->maxmemory / 100 * -settings->maxmemory_clients);
}

static void count(struct session *session, size_t bytes)
{
    session->engine->clients_bytes += bytes - session->counted_bytes;
    session->counted_bytes = bytes;
}

static bool is_leaving(const struct session *session)
{
    return session->flags & SESSION_CLOSE_NOW;
}

void client_memory_note(struct session *session)
{
    if (likely(session->engine->settings->maxmemory_clients == 0))
        return;
    count(session, is_leaving(session) ? 0 : session_memory(session));
}

static struct session *biggest(const struct engine *engine)
{
    struct session *found = NULL;
    for (struct session *session = engine->sessions; session; session = session->next) {
        if (session->flags & (SESSION_NO_EVICT | SESSION_INTERNAL) || is_leaving(session))
            continue;
        if (!found || session->counted_bytes > found->counted_bytes)
            found = session;
    }
    return found;
}

static void evict(struct session *session)
{
    struct engine *engine = session->engine;
    struct host *host = engine->host;
    struct buf line = {0};
    session_describe(session, engine->now_ms, &line);
    host->log(host->self, HOST_NOTICE, "Evicting client: %.*s", (int)line.len - 1, line.data);
    buf_free(&line);
    engine->stats.evicted_clients++;
    count(session, 0);
    session->flags |= SESSION_CLOSE_NOW;
    host->close_session(host->self, session, false);
}

void client_memory_keep_bound(struct engine *engine)
{
    if (likely(engine->clients_bytes == 0))
        return;
    size_t most = limit_of(engine);
    while (unlikely(most > 0 && engine->clients_bytes > most)) {
        struct session *session = biggest(engine);
        if (!session)
            return;
        evict(session);
    }
}

void client_memory_tick(struct engine *engine)
{
    bool off = limit_of(engine) == 0;
    if (likely(off && engine->clients_bytes == 0))
        return;
    for (struct session *session = engine->sessions; session; session = session->next)
        count(session, off || is_leaving(session) ? 0 : session_memory(session));
    client_memory_keep_bound(engine);
}
