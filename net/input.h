/* The input of a connection: bytes are read, cut into requests in place, and each is offered to the
 * engine. */
#pragma once

#include <stdbool.h>

struct conn;
struct input_batch;

/* Room for the requests that are parsed ahead: one serves all connections; mem_free gives it
 * back. */
struct input_batch *input_batch_new(void);

/* The socket has something to read: one read, and all requests that are complete then. */
void input_ready(struct conn *conn);
/* Go on with requests that were read before and could not be executed then. */
void input_resume(struct conn *conn);
/* With an I/O thread: there is something that input_ready can use now. */
bool input_has_news(const struct conn *conn);
/* With an I/O thread: tell it what the requests have changed, before the replies leave. */
void input_tell(struct conn *conn);
/* Who waits in a command, with so much behind it that nothing more is read, may have left. */
void input_look_for_end(struct conn *conn);
/* Note in the session what the input takes. */
void input_note(struct conn *conn);
/* Give back all it has. */
void input_free(struct conn *conn);
/* Give back what an idle connection does not need. */
void input_trim(struct conn *conn);
