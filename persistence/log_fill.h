/* Filler: space ahead of the log's end that is written already, so that a sync of what is written
 * over it has no metadata to commit. A part of the log; the essay stands in log_fill.c. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "persistence/format.h"

struct log;
struct log_file;

struct log_fill {
    pthread_mutex_t lock;     /* held while bytes are written at `size` or behind it */
    uint64_t number;          /* with lock: of the file that is written now */
    uint64_t size;            /* with lock: of that file, filler included */
    _Atomic uint64_t synced;  /* filler is on the medium up to here */
    _Atomic uint64_t goal;    /* and is wanted up to here */
    /* the log thread's */
    uint64_t looked_ms, looked_at;
    /* the sync thread's, changed with lock */
    int fd;                   /* of its own: each hears of every failed write-back */
    uint64_t fd_number;
};

/* What is put behind a batch. */
struct log_mark {
    bool locked;
    size_t len;
    char bytes[FORMAT_MARK_MAX];
};

void log_fill_init(struct log_fill *fill);
void log_fill_free(struct log *log);

/* Log thread: log->file is another one now. When this returns, no filler is written to the one
 * before. */
void log_fill_follow(struct log *log);

/* With the pen, around the write of a batch that will end at `end`: what is to be written right
 * behind it. */
void log_fill_begin(struct log *log, const struct log_file *file, uint64_t end,
                    struct log_mark *mark);
void log_fill_end(struct log *log, uint64_t end, const struct log_mark *mark);

/* With the pen: is no filler being written, and so the lock free? */
static inline bool log_fill_rests(const struct log_fill *fill)
{
    return atomic_load(&fill->goal) <= atomic_load(&fill->synced);
}

/* Log thread, after a batch: ask for more filler if it runs short. */
void log_fill_look(struct log *log);

/* Sync thread: write and sync a piece if one is wanted; false if none is. On failure the file is
 * poisoned. */
bool log_fill_work(struct log *log);
/* Sync thread: let go of a file that is not written any more. */
void log_fill_part(struct log *log);
