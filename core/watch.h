/* WATCH: a watched key that is changed by anybody, or passes its deadline, makes the EXEC of who
 * watches it answer nil. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"

struct engine;
struct session;
struct watched_keys;

struct watched_keys *watched_keys_new(void);
void watched_keys_free(struct watched_keys *keys);

/* Watch a key of the session's database. */
void watch_key(struct session *session, struct slice key);
/* All watches of the session. */
void watch_forget(struct session *session);
/* One of its keys was changed, or has passed its deadline since. */
bool watch_broken(const struct session *session);
int watch_count(const struct session *session);
/* How many keys somebody watches. */
size_t watch_keys(const struct engine *engine);

/* A key was changed: who watches it will fail; not so `by_deadline` if the deadline had passed when
 * the watch began. Cheap when nobody watches anything. */
void watch_touch(struct engine *engine, int db, struct slice key, bool by_deadline);
/* Databases were emptied or swapped (db -1: all): every watched key of them that is there, or was,
 * counts as changed. */
void watch_touch_all(struct engine *engine, int db);
/* The database has become another one: a watched key that is there now counts as changed, but not
 * if its deadline has passed. */
void watch_replaced(struct engine *engine, int db);
