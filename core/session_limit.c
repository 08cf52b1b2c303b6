/* A session is a subscriber as long as it listens to anything. A monitor is limited as a replica,
 * of which there are none: what it is sent does not depend on what it asks for. */
#include "core/session_limit.h"

#include "core/engine_state.h"
#include "core/pubsub.h"
#include "core/session.h"
#include "core/settings.h"

const struct output_limit *session_limit(const struct session *session)
{
    const struct settings *settings = session->engine->settings;
    bool listens = false;
    if (session->flags & SESSION_MONITOR)
        return &settings->output_limits[OUTPUT_REPLICA];
    for (int kind = 0; kind < PUBSUB_KINDS; kind++)
        listens |= session->subscribed[kind] > 0;
    return &settings->output_limits[listens ? OUTPUT_PUBSUB : OUTPUT_NORMAL];
}

void session_limit_choose(struct session *session)
{
    session->output.limit = (size_t)session_limit(session)->hard_bytes;
}
