/* The context of one command: all that it may use. A command looks keys up, changes them and
 * replies through it; what the reply depends on, what is recorded, and what a lookup means for
 * expiry, statistics and LRU is decided here, once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/engine_state.h"
#include "core/keyspace.h"
#include "core/output.h"
#include "core/registry.h"
#include "core/reply.h"
#include "core/type/entry.h"

struct ctx {
    struct engine *engine;
    struct session *session;
    struct output *output;
    struct arena *arena;
    struct keyspace *keyspace;
    const struct command *command;
    struct command_state *state;
    int argc;
    const struct slice *argv;         /* argv[0] is the name; of a subcommand argv[1], too */
    int db;
    int64_t now_ms;                   /* the clock value of this command */
    uint64_t depends;                 /* the newest sequence the reply depends on */
    int64_t script_us;                /* in a script: the wall clock when it began; else 0 */
    bool failed;                      /* an error was replied */
    bool changed;                     /* it changed the keyspace (not only by deadlines) */
    bool may_not_block;               /* it is part of a transaction: see waiters_block */
    bool replay;
    bool woken;                       /* runs again, for a session that waited for a key */
    bool pushed;                      /* what it replied are pushes */
};

enum lookup {
    LOOKUP_READ,    /* counts a hit or miss, tells of a miss (event), updates LRU/LFU */
    LOOKUP_WRITE,   /* to be changed: updates LRU/LFU, counts nothing */
    LOOKUP_VIEW,    /* counts, and tells of a miss (TTL, TYPE, EXISTS) */
    LOOKUP_INSPECT, /* counts (OBJECT) */
    LOOKUP_PEEK,    /* nothing of it */
};

/* Find a key of the current database. A key past its deadline is deleted, recorded, and not
 * found; so with the fields of a hash (which are there still while the log takes no deletions).
 * Raises ctx->depends to the key's last change, found or not. */
struct place ctx_find(struct ctx *ctx, struct slice key, enum lookup how);
struct place ctx_find_in(struct ctx *ctx, int db, struct slice key, enum lookup how);

/* The same, and the type checked: false if the wrong type error was replied. place->entry may be
 * NULL. */
must_check bool ctx_find_type(struct ctx *ctx, struct slice key, enum lookup how,
                              enum value_type type, struct place *out);

/* Changes; each ends with ctx_changed by itself. */
void ctx_put(struct ctx *ctx, struct place *place, struct entry *entry);
/* The same, told as a new key (class n of events) also where one is replaced. */
void ctx_put_anew(struct ctx *ctx, struct place *place, struct entry *entry);
void ctx_put_string(struct ctx *ctx, struct place *place, struct slice value, int64_t deadline_ms);
void ctx_remove(struct ctx *ctx, struct place *place, bool background);
struct entry *ctx_take(struct ctx *ctx, struct place *place);
void ctx_set_deadline(struct ctx *ctx, struct place *place, int64_t deadline_ms);
/* Around a change in place: begin before the first byte is touched, end with where the entry is
 * now. */
void ctx_change_begin(struct ctx *ctx, struct place *place);
/* The same for bytes of a string: see keyspace_before_write. */
void ctx_write_begin(struct ctx *ctx, struct place *place, size_t from, size_t to);
void ctx_change_end(struct ctx *ctx, struct place *place, struct entry *entry);
/* FLUSHDB, FLUSHALL (db -1), SWAPDB: raise the floor of the gate. Return what the keyspace's
 * functions do. */
uint64_t ctx_flush(struct ctx *ctx, int db, bool background);
void ctx_swap(struct ctx *ctx, int a, int b);

/* A keyspace event happened at a key: see record_event. */
void ctx_event(struct ctx *ctx, char event_class, const char *event, int db, struct slice key);

/* The reply depends on a key's last change, though it is not looked up. */
void ctx_depends_on(struct ctx *ctx, int db, struct slice key);
/* The reply depends on all keys (DBSIZE, SCAN, KEYS ...). */
void ctx_depends_on_all(struct ctx *ctx);

/* The session whose request it is: of a command in a script, who called that. */
const struct session *ctx_caller(const struct ctx *ctx);

/* Record an effect (rows with RECORD_EFFECTS; all effects of one request are whole in the log).
 * Numbers are written as text: see CTX_INT. */
void ctx_effect(struct ctx *ctx, int argc, const struct slice *argv);
void ctx_effect_in(struct ctx *ctx, int db, int argc, const struct slice *argv);
/* The digits of a number as a slice in the arena. */
struct slice ctx_digits(struct ctx *ctx, int64_t value);
/* DEL key, recorded. */
void ctx_effect_delete(struct ctx *ctx, int db, struct slice key);

/* An argument equals a word, in any case. `lower` is lower case. */
bool ctx_arg_is(const struct ctx *ctx, int index, const char *lower);
