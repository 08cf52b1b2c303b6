/* The log's inside, for log.c and log_*.c only; the essay stands in
 * log.c. */
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
#include "persistence/log_fill.h"
#include "persistence/mailbox.h"
#include "persistence/manifest.h"

#define LOG_STALE_MAX 16
#define LOG_KEPT_BYTES_MAX ((uint64_t)64 << 20) /* unsynced batches kept before a sync is forced */
#define LOG_SPARE_BYTES_MAX ((size_t)1 << 20)   /* a larger buffer is given back */
#define LOG_EVERYSEC_MS 1000
#define LOG_NO_MS 30000
#define LOG_QUIET_MS 1000                       /* of quiet before kv.durable is written */

enum log_base_wish { LOG_BASE_NOTHING, LOG_BASE_PREPARE, LOG_BASE_TURN, LOG_BASE_NAME };

struct log_base { /* the one that is being made: see log_base.c */
    char name[MANIFEST_NAME_MAX + 1];
    uint64_t number;     /* in its name */
    uint64_t seq;        /* of what it holds */
    uint64_t first_incr; /* the number of the file that follows it */
    enum journal_base_state state;
    char problem[512];
};

struct log {
    /* set once by log_open */
    struct log_options options;
    char directory[LOG_PATH_MAX], name[MANIFEST_NAME_MAX + 1];
    char manifest_path[LOG_PATH_MAX], durable_path[LOG_PATH_MAX];
    char kvid[33];
    struct journal *journal;
    uint32_t spin_us;
    pthread_t writer, timer;

    struct mailbox mailbox;
    struct bell work;       /* the log thread waits for it */
    struct bell due;        /* the sync thread */
    struct bell done;       /* the main thread, in sync */
    _Atomic bool stop;
    _Atomic bool retry;
    _Atomic bool sync_wanted;
    _Atomic bool poisoned;  /* the current file failed */
    _Atomic uint64_t attempts; /* to get going again that failed */
    _Atomic int base_wish;  /* enum log_base_wish: the main thread's, until it is fulfilled */

    /* Held while the manifest on disk is replaced, by the log thread or the sync thread; before
     * the other locks. */
    pthread_mutex_t manifest_lock;
    struct manifest manifest;
    struct log_file ahead;  /* prepared for the next turn (fd -1: none): the sync thread's while the
                             * wish is LOG_BASE_PREPARE, else the log thread's */
    struct log_file left;   /* has a successor; the space ahead of it is still to be cut off (fd -1:
                             * none). With `lock` */
    bool prepared;          /* the main thread's: it is, or could not be */

    /* Held by who writes: the log thread through a round, or the main thread, which never waits
     * for it. Before the other locks. */
    pthread_mutex_t pen;
    uint64_t pending_bytes; /* of the batch at hand, until it is written */
    uint64_t rest_until_us; /* the main thread's: it leaves writing to the log thread */

    /* The log thread's alone. */
    uint64_t sync_us;       /* that a sync takes, smoothed */
    uint64_t space_asked_ms; /* when room was last asked for, in state FULL */
    bool no_allocate;       /* the file system can't */
    char stale[LOG_STALE_MAX][MANIFEST_NAME_MAX + 1]; /* to delete once no manifest names them */
    int stale_count;

    /* Held while a sync runs and while `file` changes. Between the two threads of the log only:
     * the main thread never waits for it. */
    pthread_mutex_t sync_lock;
    struct log_file file;   /* with the pen; fd and name also for the holder of sync_lock */

    struct log_fill fill;

    /* While no start finds this log. Changed by holders of manifest_lock and `lock`. */
    bool unborn, given_up;
    struct log_birth birth;
    struct manifest birth_old;
    enum journal_state birth_state; /* what the journal's would be */

    /* Never held across a system call. */
    pthread_mutex_t lock;
    struct log_batch *kept_first, *kept_last; /* not durable; oldest first */
    uint64_t kept_bytes;
    struct buf spare;
    uint64_t next_number;   /* of a file */
    struct log_base base;
    bool base_due;
    struct buf retired;     /* names that the manifest calls history, each with its end byte: the
                             * sync thread deletes the files */
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
