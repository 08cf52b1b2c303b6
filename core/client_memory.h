/* The memory of all clients together, and maxmemory-clients: beyond it the clients that take the
 * most are disconnected, but for those with CLIENT NO-EVICT. Costs nothing while the option is off.
 */
#pragma once

struct engine;
struct session;

/* What the session takes may have changed. */
void client_memory_note(struct session *session);
/* At the end of a turn. */
void client_memory_keep_bound(struct engine *engine);
/* About ten times a second: count all anew, so that changes which nobody noted are found, and so
 * that the option can be switched on. */
void client_memory_tick(struct engine *engine);
