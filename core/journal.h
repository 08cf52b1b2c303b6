/* The journal: the port through which core asks for durability. tools/kv_server.c connects it to
 * persistence/store.c; a journal that is off (journal_off) accepts nothing and holds nothing
 * back.
 *
 * The engine appends the effects of each command to the open batch and so moves `sequence`, the
 * byte offset in the stream of effects (lines that begin with # not counted). At the end of each
 * loop turn it calls `turn_end`; the store takes the batch when its thread is idle. Two marks
 * rise: `written` (in the kernel's hands) and `durable` (on stable storage). A reply that depends
 * on sequence n may leave when n <= the mark that the policy names: journal_confirmed().
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"

struct fault;

enum journal_state {
    JOURNAL_OFF,     /* --persistence no: nothing is recorded, nothing waits */
    JOURNAL_BEGINNING, /* all is recorded, but no start would find it: the first base is being
                        * written. Nothing waits. HEALTHY when it is named */
    JOURNAL_HEALTHY,
    JOURNAL_FULL,    /* the disk is full: only deletions (delete, expiry, eviction) are recorded */
    JOURNAL_FAILED,  /* a write or sync failed and healing has not succeeded: reads only */
};

enum journal_policy { JOURNAL_NO, JOURNAL_EVERYSEC, JOURNAL_ALWAYS };

/* What INFO and WAITAOF report; every figure is of something finished. */
struct journal_report {
    uint64_t written, durable;       /* sequences */
    uint64_t batch, durable_batch;
    uint64_t file_bytes;             /* of all log files named in the manifest, the base included */
    uint64_t base_bytes;
    uint64_t pending_bytes;          /* handed over or open, not written */
    uint64_t syncs, sync_errors, write_errors, heals;
    uint64_t last_sync_us, max_sync_us;
    uint64_t unsynced_since_ms;      /* age of the oldest change that is not durable; 0 if none */
    uint64_t last_batch_commands_bytes;
    bool base_due;                   /* the log was mended, holds what no checksum protects, or is
                                      * in too many files: a new base is wanted soon */
    char file[64];                   /* name of the current incr file */
    char problem[1024];              /* FULL, FAILED: what happened, where, what mends it */
};

/* A new base for the log: a snapshot of what is in the keyspace now takes the place of all that was
 * recorded before. */
enum journal_base_state {
    JOURNAL_BASE_NONE,
    JOURNAL_BASE_TURNING, /* the log goes over to a new file; no batch is taken meanwhile */
    JOURNAL_BASE_OPEN,    /* it has; the snapshot is awaited */
    JOURNAL_BASE_NAMING,  /* the snapshot is complete; the manifest is about to name it */
    JOURNAL_BASE_DONE,
    JOURNAL_BASE_FAILED,  /* by the log; the log itself goes on, or heals */
};

struct journal_base {
    char path[1280];  /* where the snapshot is to be written */
    uint64_t seq;     /* of what it must hold */
    char kvid[33];
};

struct journal;

struct journal_ops {
    /* The turn is over: take the open batch, if that can be done at once; then open.len is 0. The
     * next news come when it can be done again. `now_ms` is wall-clock time. Waits for no sync and
     * no thread; where replies wait for no sync the batch may be written at once, and `written`
     * has risen then. */
    void (*turn_end)(struct journal *journal, int64_t now_ms);
    void (*set_policy)(struct journal *journal, enum journal_policy policy);
    void (*report)(struct journal *journal, struct journal_report *out);
    /* Hand over the open batch and wait until all is durable, whatever the policy. Blocks. 0 or
     * KV_E... */
    int (*sync)(struct journal *journal, struct fault *fault);
    /* FAILED or FULL: try again at once, not at the next interval. Does not block. */
    void (*retry)(struct journal *journal);
    /* The open batch is empty: what is recorded from here on goes into a new file, and a snapshot
     * of the keyspace as it is now may become the base. `estimate` bytes are wanted for it. The
     * state is TURNING on success. KV_EBUSY: one is under way; KV_ENOSPACE; nothing has changed
     * then. Does not wait for the disk. */
    int (*base_begin)(struct journal *journal, uint64_t estimate, struct journal_base *out,
                      struct fault *fault);
    /* The snapshot is complete and durable, or given up: name it, or go on without. In state OPEN,
     * and after that the next state is DONE or FAILED, or NONE. */
    void (*base_end)(struct journal *journal, bool complete);
    /* DONE and FAILED are told until the next begin. `problem` may be NULL. */
    enum journal_base_state (*base_state)(struct journal *journal, char problem[512]);
};

struct journal {
    const struct journal_ops *ops;
    void *store;                    /* who fills the port in */
    struct buf open;                /* the open batch: whole RESP commands, MULTI ... EXEC
                                     * around what must be whole */
    uint64_t sequence;              /* at the end of `open`; main thread only */
    uint32_t open_changes;          /* commands in `open` that changed something; counted by the
                                     * engine, set to 0 when the batch is taken */
    _Atomic uint64_t written;
    _Atomic uint64_t durable;
    _Atomic uint64_t pending_bytes; /* taken by the log thread and not written yet */
    _Atomic int state;              /* enum journal_state */
    _Atomic int policy;             /* enum journal_policy */
};

/* A journal in state JOURNAL_OFF. */
void journal_off(struct journal *journal);

/* A start would find what is recorded: neither OFF nor BEGINNING. */
bool journal_keeps(const struct journal *journal);
/* Nothing that the journal knows of keeps a command from writing. */
bool journal_takes_writes(const struct journal *journal);

/* Up to here replies may leave: durable under `always`, else written; all if the journal is off. */
uint64_t journal_confirmed(const struct journal *journal);

/* Bytes not written yet, the open batch included: what back-pressure looks at. */
uint64_t journal_backlog(const struct journal *journal);
