/* The input of a connection: bytes are read, cut into requests in place, and each is offered to the
 * engine. */
#pragma once

struct conn;

/* The socket has something to read: one read, and all requests that are complete then. */
void input_ready(struct conn *conn);
/* Go on with requests that were read before and could not be executed then. */
void input_resume(struct conn *conn);
/* Give back what an idle connection does not need. */
void input_trim(struct conn *conn);
