/* A message to a client that does not read would grow without a limit: normal clients have none.
 * Behind UNSENT_MAX bytes of unsent output nothing more is written; the client is told to forget
 * everything as soon as there is room again, which is what all that it missed amounts to. */
#include "core/tracker.h"

#include "core/base/attr.h"
#include "core/engine_state.h"
#include "core/pubsub.h"
#include "core/push.h"
#include "core/session_ids.h"

#define UNSENT_MAX (8 * 1024 * 1024)

static void tell_broken(struct session *session)
{
    session->tracker->options |= TRACKER_BROKEN;
    if (session->resp != 3)
        return;
    struct buf message = {0};
    buf_printf(&message, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
               (unsigned long long)session->tracker->redirect);
    push_write(session, buf_slice(&message));
    buf_free(&message);
}

static bool is_full(const struct session *target)
{
    return output_unsent(&target->output) > UNSENT_MAX;
}

void tracker_send(struct session *session, const struct slice *keys)
{
    struct tracker *tracker = session->tracker;
    struct session *target = session;
    if (tracker->redirect)
        target = session_by_id(session->engine, tracker->redirect);
    if (!target) {
        tell_broken(session);
        return;
    }
    if (target->resp != 3 && !(tracker->redirect && pubsub_total(target)))
        return;
    if (unlikely(is_full(target))) {
        session->engine->trackers_missed += !(tracker->options & TRACKER_MISSED);
        tracker->options |= TRACKER_MISSED;
        return;
    }
    push_write(target, target->resp == 3
                           ? SLICE(">2\r\n$10\r\ninvalidate\r\n")
                           : SLICE("*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n"));
    if (keys)
        push_write(target, *keys);
    else
        push_write(target, target->resp == 3 ? SLICE("_\r\n") : SLICE("$-1\r\n"));
}

void tracker_send_missed(struct engine *engine)
{
    if (likely(engine->trackers_missed == 0))
        return;
    for (struct session *session = engine->sessions; session; session = session->next) {
        struct tracker *tracker = session->tracker;
        if (!tracker || !(tracker->options & TRACKER_MISSED))
            continue;
        struct session *target = session;
        if (tracker->redirect)
            target = session_by_id(engine, tracker->redirect);
        if (target && is_full(target))
            continue;
        tracker->options &= ~(uint32_t)TRACKER_MISSED;
        engine->trackers_missed--;
        tracker_send(session, NULL);
    }
}
