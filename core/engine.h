/* The engine: executes requests on the keyspace and records what they did.
 *
 * A request goes: lookup -> gate (arity, auth, loading, memory, state of the log) -> the
 * command's function on a ctx -> effects appended to the journal's open batch -> the reply
 * stamped with the sequence it depends on. Everything here runs on the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/rng.h"
#include "core/base/slice.h"
#include "core/command.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/session.h"
#include "core/settings.h"
#include "core/stats.h"

struct acl;
struct ctx;
struct fault;
struct keyspace;
struct pubsub;
struct registry;
struct table;
struct tracking;
struct watched_keys;
struct latency;
struct reaper;
struct slowlog;
struct wait_keys;
struct waiters;

#define GATE_CELLS 65536
#define ENGINE_DATABASES_MAX 65536

struct engine {
    struct settings *settings;
    struct host *host;
    struct journal *journal;
    struct keyspace *keyspace;
    struct registry *registry;
    struct acl *acl;
    struct reaper *reaper;
    struct rng rng;
    struct arena arena;               /* for one command */
    struct stats stats;
    struct slowlog *slowlog;
    struct latency *latency;
    uint64_t syncs_noted;             /* syncs of the log that latency knows of */

    /* the clock, read once a turn and once a command */
    int64_t now_ms;                   /* wall clock */
    uint64_t now_ns;                  /* monotonic */
    int64_t wall_offset_ms;           /* wall clock less monotonic, read once a turn */
    int64_t started_ms;
    uint64_t turn_began_ns;
    uint64_t turns;

    /* sessions */
    struct watched_keys *watched;
    struct pubsub *pubsub;
    struct session *sessions;
    struct table *session_ids;        /* the same by id */
    struct session *pushed;           /* got a push that is not stamped */
    struct session *monitors;         /* MONITOR */
    struct session *current;          /* whose command runs; NULL between commands */
    struct tracking *tracking;
    struct buf own_pushes;            /* for `current`, behind its reply */
    uint64_t trackers, trackers_missed; /* sessions that track; of them with TRACKER_MISSED */
    uint64_t session_count, session_next_id, blocked_count; /* blocked: they wait for the log */
    struct wait_keys *wait_keys;
    struct waiters *waiters;          /* those that wait for keys */
    int64_t paused_until_ms;          /* CLIENT PAUSE */
    bool paused_writes_only;

    /* the gate: sequence of the last change by hash(db, key); a floor for changes of everything */
    uint64_t gate[GATE_CELLS];
    uint64_t gate_floor;
    struct buf effects;               /* of the command that runs */
    int effect_count, effect_db, effect_last_db; /* databases of the first and the last effect */
    struct buf touched;               /* gate cells (uint32_t) that the command has changed */
    bool touched_all;                 /* FLUSHALL, SWAPDB ... */
    bool recording;                   /* the journal is on, and nothing is loaded */
    int journal_state_told;           /* the state that the operator knows of */
    int batch_db;                     /* database selected in the open batch; -1 none yet */

    /* loading */
    bool loading;                     /* replay: gate and journal are off, nothing expires */
    uint64_t loading_total, loading_done, loading_commands;
    int64_t loading_started_ms;

    /* eviction and expiry keep their place here */
    struct evict_pool *evict_pool;
    int expire_db, expire_fields_db;
    bool expire_by_access_only;       /* DEBUG SET-ACTIVE-EXPIRE 0 */
    char run_id[41];
    struct session replay_session;    /* whose database SELECT changes while the log is applied */
    char kvid[33];                    /* of the data set; "" without a log */
    const char *executable;           /* for INFO */

    /* snapshots */
    struct snapshot *snapshot;        /* NULL before the first one */
    struct snapshot_sink *sink;       /* borrowed; NULL: there can be none */
    bool snapshot_holds;              /* commands that write wait for its memory */
    bool news_due;                    /* who waited may go on: engine_news at the next turn's end */
    /* Call `found` with the code of each library; NULL: there are none. */
    void (*each_function)(struct engine *engine, void (*found)(void *env, struct slice code),
                          void *env);
};

struct engine_options {
    struct settings *settings;        /* all borrowed: they outlive the engine */
    struct host *host;
    struct journal *journal;
    const struct command *const *commands;
};

struct engine *engine_new(const struct engine_options *options);
void engine_free(struct engine *engine);

enum engine_result {
    ENGINE_DONE,   /* executed or answered with an error; the reply is in the session's output */
    ENGINE_WAIT,   /* not now (back-pressure, CLIENT PAUSE): offer it again after the next news */
};

/* argv is borrowed for the call. */
enum engine_result engine_execute(struct engine *engine, struct session *session, int argc,
                                  const struct slice *argv);

/* After ENGINE_WAIT: may the request be offered again? Ask at each turn. */
bool engine_admits(const struct engine *engine, const struct session *session);

/* Read the clock: at the beginning of each turn. */
void engine_turn_begin(struct engine *engine);
/* Hand the open batch over. At the end of each turn, before replies are sent. */
void engine_turn_end(struct engine *engine);
/* Work that can wait, when everything else is done. True: more is left, the loop shall not wait. */
bool engine_turn_spare(struct engine *engine);
/* A mark of the journal has risen, or its state has changed: serve who waits for it. */
void engine_news(struct engine *engine);
/* The bounded background work: expiry, blocked deadlines, samples for INFO. About ten times a
 * second (hz). */
void engine_tick(struct engine *engine);
/* How long the loop may sleep at most before it calls engine_tick. */
int64_t engine_tick_ms(const struct engine *engine);

/* SHUTDOWN's part that core knows: sync the log and ask the host to stop. False: refused, `why`
 * says so. */
bool engine_shutdown(struct engine *engine, bool save, bool no_save, bool force,
                     char why[static 512]);
