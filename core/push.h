/* What a session is sent without having asked: messages, invalidations, what MONITOR shows.
 *
 * It is written into the session's output at once, and stamped when the command that caused it is
 * finished, with the newest sequence: whoever caused it may have seen everything before. So nobody
 * hears of a change that a crash could take back. If the log fails, held pushes are dropped.
 */
#pragma once

#include "core/base/slice.h"

struct engine;
struct session;

/* Write into its output at once; behind the reply, if it is the session whose command runs. */
void push_write(struct session *session, struct slice bytes);
/* What was kept for that session: its command was answered. */
void push_own(struct engine *engine);
/* Bytes were written into its output, not as a part of its own reply. */
void push_note(struct session *session);
/* Stamp what was written since the last call: it may leave when all is confirmed that has happened
 * until now. Behind each command, and before a session that may have got some replies. */
void push_stamp(struct engine *engine);
/* The same, of one session. */
void push_stamp_session(struct session *session);
/* The session leaves. */
void push_forget(struct session *session);
