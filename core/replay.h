/* Replay: the log's commands go through the same functions as a client's, with gate, journal and
 * clock off: nothing is recorded, nothing expires, nothing blocks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct engine;
struct entry;
struct fault;

/* Loading begins and ends; figures for LOADING and INFO in between. */
void replay_loading(struct engine *engine, bool loading);

/* Empty the keyspace, unrecorded: what it held comes back from a file. */
void replay_forget_all(struct engine *engine);

/* Apply one command of the log. 0, or KV_EFORMAT / KV_EVERSION with the command named. */
must_check int replay_command(struct engine *engine, int argc, const struct slice *argv,
                              struct fault *fault);
/* Put one entry of a snapshot, which is taken over; `hash` is keyspace_hash of its key.
 * KV_EREFUSED: there is no such database here. KV_ECORRUPT: the key is there already. */
must_check int replay_entry(struct engine *engine, int db, struct entry *entry, uint64_t hash,
                            struct fault *fault);
/* Before: bring the place of its key into the cache, in two steps (0, 1). */
void replay_entry_soon(struct engine *engine, int db, int step, uint64_t hash);
/* Before those of a database: about how many there will be. */
void replay_presize(struct engine *engine, int db, uint64_t keys);
/* Before: bring its key into the cache, in two steps (0, 1). */
void replay_soon(struct engine *engine, int step, int argc, const struct slice *argv);
