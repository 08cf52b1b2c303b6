/* The recording of what a command did: its effects, the gate cells of the keys it changed, and the
 * commit that puts both into the open batch of the journal. Below the ctx of a command, so that
 * expiry and eviction, which delete outside of any, record the same way.
 *
 * The functions of core call one way only:
 *   record < expiry_fields, evict, expiry < ctx < run < transaction, waiters < session < engine
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct engine;
struct place;

/* Record an effect, if anything is recorded at present. All effects until the next commit are whole
 * in the log. */
void record_effect(struct engine *engine, int db, int argc, const struct slice *argv);

/* A key has changed: its gate cell is raised when the effects are in the batch, and who watches
 * or tracks the key hears of it. */
void record_touched(struct engine *engine, const struct place *place);
/* A database (-1: all) was emptied or swapped: the same for all keys. */
void record_touched_all(struct engine *engine, int db);
/* The sequence of the last change of a key with this hash, or of everything. */
uint64_t record_last_change(const struct engine *engine, int db, uint64_t hash);

/* A keyspace event happened ("set", "del", "expire" ...): counted for INFO; the one place for
 * whoever wants to hear of events. `event_class` is the letter of notify-keyspace-events. */
void record_event(struct engine *engine, char event_class, const char *event, int db,
                  struct slice key);

/* Whether the log takes deletions at present (it does not while FAILED or loading). */
bool record_may_delete(const struct engine *engine);
/* Delete outside of a command's own changes (expiry, sweep, eviction): recorded as DEL.
 * `raise_gate`: a reader waits until it is durable (evictions do, deletions by deadline hold
 * nobody). Outside of a command record_commit follows. */
void record_delete(struct engine *engine, struct place *place, bool background, bool raise_gate);

/* Forget the effects that were recorded since the last commit: the process stops, as if it had been
 * killed before the command. */
void record_abandon(struct engine *engine);
/* Move recorded effects into the open batch. Called by the engine behind each command, and by
 * those who delete outside of one. Returns the sequence after them. */
uint64_t record_commit(struct engine *engine);
