/* The input of a connection: bytes are read, cut into requests in place, and each is offered to the
 * engine. */
#pragma once

struct conn;
struct input_batch;

/* Room for the requests that are parsed ahead: one serves all connections; mem_free gives it
 * back. */
struct input_batch *input_batch_new(void);

/* The socket has something to read: one read, and all requests that are complete then. */
void input_ready(struct conn *conn);
/* Go on with requests that were read before and could not be executed then. */
void input_resume(struct conn *conn);
/* Give back what an idle connection does not need. */
void input_trim(struct conn *conn);
