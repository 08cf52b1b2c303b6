/* Sessions by their id. */
#pragma once

#include <stdint.h>

struct engine;
struct session;
struct table;

struct table *session_ids_new(void);
void session_ids_free(struct table *ids);

void session_ids_add(struct session *session);
void session_ids_remove(struct session *session);
/* NULL if there is none. */
struct session *session_by_id(struct engine *engine, uint64_t id);
