/* The log: batches of effects go to the current incr file by a thread of its own, which writes
 * each with one call and syncs by policy. Essay, states and invariants stand in log.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/journal.h"
#include "persistence/manifest.h"

struct disk;
struct fault;
struct log;

struct log_options {
    const struct disk *disk;
    const char *directory;            /* appendonlydir, existing, locked by the caller */
    const char *name;                 /* appendonly.aof */
    enum journal_policy policy;
    uint64_t chunk_bytes;             /* space taken ahead at a time; 0: none */
    uint64_t fill_bytes;              /* filler kept ahead of the end under `always`; 0: none */
    uint64_t fill_pause_ms;           /* for which the log is watched before it gets some */
    uint64_t retry_ms;                /* between attempts to heal */
    bool time_stamps;                 /* #TS lines */
    const char *archive;              /* where files go that a new base makes superfluous; "" or
                                       * NULL: they are deleted. Outlives the log */
    /* Called on the log thread when a mark has risen or the state has changed: wakes the loop. */
    void (*news)(void *env);
    void *env;
};

/* A log that no start finds yet: until base_end has named its base, what is on disk is what was
 * there before, with the new log's files as history (log_birth.c). */
struct log_birth {
    char base[MANIFEST_NAME_MAX + 1]; /* the name that its base is to have */
    uint64_t base_number;
    const struct manifest *old;       /* as it is on disk; the log takes its own copy */
    /* On the sync thread: before the manifest names the log (KV_E...: it does not), and after. */
    int (*before)(void *env, struct fault *fault);
    void (*after)(void *env);
    void *env;
};

/* Where the log stands when it begins: what recovery found. */
struct log_start {
    char kvid[33];
    uint64_t seq;             /* stream offset */
    uint64_t batch;           /* the last batch there is; the first new one is batch + 1 */
    uint32_t crc;             /* of the last trailer, for the new header's <previous crc> */
    uint64_t next_file;       /* a number never seen in the directory */
    uint64_t durable_turn;    /* of kv.durable */
    /* As it is on disk; the log takes its own copy and appends the new incr file. */
    struct manifest manifest;
    const struct log_birth *birth; /* NULL: the log is named at once; else `manifest` is empty */
};

/* Create the new incr file (O_EXCL, header, sync, directory sync), switch the manifest, start
 * the threads, and fill in `journal`. Blocks. On failure nothing is started; the directory is in
 * a state that starts. */
must_check int log_open(const struct log_options *options, const struct log_start *start,
                        struct journal *journal, struct log **out, struct fault *fault);

/* Write and sync all, trim the space taken ahead, write kv.durable, end the threads. If the log
 * is FAILED, or fails now, returns KV_E... and everything is released all the same. */
int log_close(struct log *log, struct fault *fault);

/* Stop the threads at once, as a crash would: for tests. */
void log_abandon(struct log *log);
/* The log that is being born is not wanted any more, or can't be: everything is released, the
 * journal is off. Its files stay. False, and nothing was done: it is named already. */
bool log_birth_give_up(struct log *log);

/* What the journal port's functions do, on the log: see core/journal.h. */
extern const struct journal_ops log_journal_ops;
