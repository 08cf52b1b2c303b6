/* struct engine: what the parts of core share. Data only; the functions that work on it are in the
 * headers of the parts (record.h, evict.h, run.h ... and on top engine.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
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
struct keyspace;
struct latency;
struct pubsub;
struct reaper;
struct registry;
struct save;
struct scripting;
struct slowlog;
struct table;
struct tracking;
struct wait_keys;
struct waiters;
struct watched_keys;

#define GATE_CELLS 65536
#define ENGINE_DATABASES_MAX 65536

/* Who is to hear of commands or changes. Each bit is kept by the part that it names; mostly all are
 * 0, and one test of the word spares the way of a command the questions. */
enum engine_attention {
    ATTENTION_MONITORS = 1 << 0, /* monitor.c: engine->monitors */
    ATTENTION_TRACKERS = 1 << 1, /* tracking.c: engine->trackers > 0 */
    ATTENTION_TRACKED = 1 << 2,  /* tracking.c: there is a table of keys */
    ATTENTION_WATCHES = 1 << 3,  /* watch.c: keys are watched */
    ATTENTION_WAITERS = 1 << 4,  /* wait_keys.c: keys are waited for, or are to be served */
};

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
    uint32_t attention;               /* enum engine_attention */
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
    struct session *sessions, *sessions_last; /* the oldest first */
    struct table *session_ids;        /* the same by id */
    struct session *pushed;           /* got a push that is not stamped */
    uint64_t clients_bytes;           /* see client_memory.h */
    struct session *monitors;         /* MONITOR */
    struct session *current;          /* whose command runs; NULL between commands */
    const struct ctx *running;        /* the innermost command that runs; NULL between commands */
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
    unsigned touched_all;             /* how often: FLUSHALL, SWAPDB ... */
    bool recording;                   /* the journal is on, and nothing is loaded */
    int journal_state_told;           /* the state that the operator knows of */
    int batch_db;                     /* database selected in the open batch; -1 none yet */

    /* scripts */
    struct scripting *scripting;      /* NULL: there are none */
    bool busy;                        /* a script runs for long: see COMMAND_ALLOW_BUSY */
    struct session *busy_session;     /* whose; NULL when the process stops because of it */
    bool stopping;                    /* the host was asked to stop */

    /* loading */
    bool loading;                     /* replay: gate and journal are off, nothing expires */
    uint64_t loading_total, loading_done, loading_commands;
    int64_t loading_started_ms;

    /* eviction and expiry keep their place here */
    struct evict_pool *evict_pool;
    int expire_db, expire_fields_db;
    bool expire_by_access_only;       /* DEBUG SET-ACTIVE-EXPIRE 0 */
    bool tick_paused;                 /* DEBUG PAUSE-CRON 1 */
    bool scripts_unbound;             /* DEBUG SET-DISABLE-DENY-SCRIPTS 1 */
    bool payloads_unchecked;          /* DEBUG SET-SKIP-CHECKSUM-VALIDATION 1 */
    char run_id[41], repl_id[41];
    struct session replay_session;    /* whose database SELECT changes while the log is applied */
    char kvid[33];                    /* of the data set; "" without a log */
    struct save *save;
    const char *executable;           /* for INFO */

    /* snapshots */
    struct snapshot *snapshot;        /* NULL before the first one */
    struct snapshot_sink *sink;       /* borrowed; NULL: there can be none */
    bool snapshot_holds;              /* commands that write wait for its memory */
    bool news_due;                    /* who waited may go on: engine_news at the next turn's end */
};

static inline void engine_attend(struct engine *engine, enum engine_attention bit, bool wanted)
{
    engine->attention = wanted ? engine->attention | bit : engine->attention & ~(uint32_t)bit;
}
