/* The client-output-buffer-limit of a session: how much output may wait for it to be read. */
#pragma once

struct output_limit;
struct session;

/* The limit in force. */
const struct output_limit *session_limit(const struct session *session);
/* Put it into force: for a new session, when it subscribes or no longer does, and when the setting
 * has changed. */
void session_limit_choose(struct session *session);
