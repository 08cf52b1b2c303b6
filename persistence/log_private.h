/* What log.c, log_file.c, log_sync.c and log_heal.c share; the essay stands in log.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "persistence/bell.h"
#include "persistence/durable.h"
#include "persistence/log.h"
#include "persistence/log_file.h"
#include "persistence/manifest.h"

#define LOG_STALE_MAX 16
#define LOG_KEPT_BYTES_MAX ((uint64_t)64 << 20) /* unsynced batches kept before a sync is forced */
#define LOG_SPARE_BYTES_MAX ((size_t)1 << 20)   /* a larger buffer is given back */
#define LOG_EVERYSEC_MS 1000
#define LOG_NO_MS 30000
#define LOG_QUIET_MS 1000                       /* of quiet before kv.durable is written */

struct log {
    /* set once by log_open */
    struct log_options options;
    char directory[LOG_PATH_MAX], name[MANIFEST_NAME_MAX + 1];
    char manifest_path[LOG_PATH_MAX], durable_path[LOG_PATH_MAX];
    char kvid[33];
    struct journal *journal;
    uint32_t spin_us;
    pthread_t writer, timer;

    /* The mailbox: the main thread's while !busy, the log thread's while busy. */
    struct buf mail;
    uint64_t mail_seq;
    int64_t mail_ms;
    _Atomic bool busy;

    struct bell work;       /* the log thread waits for it */
    struct bell due;        /* the sync thread */
    struct bell done;       /* the main thread, in sync */
    _Atomic bool stop;
    _Atomic bool retry;
    _Atomic bool sync_wanted;
    _Atomic bool poisoned;  /* the current file failed */
    _Atomic uint64_t attempts; /* to get going again that failed */

    /* The log thread's alone. */
    struct manifest manifest;
    uint64_t next_number;
    uint64_t space_asked_ms; /* when room was last asked for, in state FULL */
    bool no_allocate;       /* the file system can't */
    char stale[LOG_STALE_MAX][MANIFEST_NAME_MAX + 1]; /* to delete once no manifest names them */
    int stale_count;

    /* Held while a sync runs and while `file` changes. Between the two threads of the log only:
     * the main thread never takes it. */
    pthread_mutex_t sync_lock;
    struct log_file file;   /* the log thread's; fd and name also for the holder of sync_lock */

    /* Never held across a system call. */
    pthread_mutex_t lock;
    struct log_batch *kept_first, *kept_last; /* not durable; oldest first */
    uint64_t kept_bytes;
    struct buf spare;
    struct log_point written, durable;
    bool timer_idle;        /* the sync thread waits without end */
    uint64_t synced_ms;
    uint64_t other_bytes, base_bytes;
    uint64_t last_batch_bytes;
    uint64_t syncs, sync_errors, write_errors, heals, last_sync_us, max_sync_us;
    char file_name[MANIFEST_NAME_MAX + 1];
    char cause[256];        /* what poisoned the file */
    char problem[1024];

    /* The sync thread's, until it has ended. */
    struct durable slot;
    bool slot_broken;       /* a sync of kv.durable failed: it is not written again */
};

/* --- log_sync.c */

/* Sync what is written, and raise durable. On failure the file is poisoned. */
must_check int log_sync_written(struct log *log, struct fault *fault);

/* All batches up to `point` are durable: raise the mark, let their buffers go. */
void log_confirm(struct log *log, const struct log_point *point);

void *log_timer_main(void *log); /* the sync thread */

/* Write kv.durable if it does not name the last durable batch. */
void log_slot_write(struct log *log);

/* --- log_heal.c */

/* The current file is not to be used any more, because of `fault`. */
void log_poison(struct log *log, const struct fault *fault);

/* Write all kept batches into a new file and go on there. */
must_check int log_heal(struct log *log, struct fault *fault);

/* Enter a state and say why (`problem` NULL: no problem). */
void log_enter(struct log *log, enum journal_state state, const char *problem);

/* HEALTHY or FULL, by whether there is space ahead; called when neither write nor sync fails. */
void log_enter_by_space(struct log *log);

/* FAILED: compose the problem from what poisoned the file and what made mending fail. */
void log_enter_failed(struct log *log, const struct fault *fault);

/* A mark has risen or the state has changed: tell whoever waits. */
void log_tell(struct log *log);
