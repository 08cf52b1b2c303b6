/* Sessions that got a push since the last stamp are linked through session->pushed_next, and have
 * SESSION_PUSHED. */
#include "core/push.h"

#include "core/base/attr.h"
#include "core/engine_state.h"

#define OWN_KEPT_BYTES (64 * 1024)

void push_note(struct session *session)
{
    if (session->flags & SESSION_PUSHED)
        return;
    session->flags |= SESSION_PUSHED;
    session->pushed_next = session->engine->pushed;
    session->engine->pushed = session;
}

void push_write(struct session *session, struct slice bytes)
{
    struct engine *engine = session->engine;
    if (session == engine->current) {
        buf_append_slice(&engine->own_pushes, bytes);
        return;
    }
    output_append(&session->output, bytes.data, bytes.len);
    push_note(session);
}

void push_own(struct engine *engine)
{
    struct buf *own = &engine->own_pushes;
    if (likely(own->len == 0))
        return;
    struct session *session = engine->current;
    output_append(&session->output, own->data, own->len);
    push_note(session);
    if (own->cap > OWN_KEPT_BYTES)
        buf_free(own);
    else
        buf_clear(own);
}

static void stamp(struct session *session)
{
    struct engine *engine = session->engine;
    uint64_t newest = engine->journal->sequence;
    session->flags &= ~(uint32_t)SESSION_PUSHED;
    output_mark(&session->output, newest <= journal_confirmed(engine->journal) ? 0 : newest, true);
    engine->host->wake_session(engine->host->self, session);
}

void push_stamp(struct engine *engine)
{
    while (unlikely(engine->pushed)) {
        struct session *session = engine->pushed;
        engine->pushed = session->pushed_next;
        stamp(session);
    }
}

static void take_out(struct session *session)
{
    struct session **link = &session->engine->pushed;
    while (*link && *link != session)
        link = &(*link)->pushed_next;
    if (*link)
        *link = session->pushed_next;
}

void push_stamp_session(struct session *session)
{
    if (likely(!(session->flags & SESSION_PUSHED)))
        return;
    take_out(session);
    stamp(session);
}

void push_forget(struct session *session)
{
    if (session->flags & SESSION_PUSHED)
        take_out(session);
    session->flags &= ~(uint32_t)SESSION_PUSHED;
}
