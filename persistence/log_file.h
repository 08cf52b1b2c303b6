/* The file that the log writes: header, batches, space ahead, the switch of the manifest. A part of
 * the log: see log.c and log_private.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "persistence/manifest.h"

struct fault;
struct log;

#define LOG_PATH_MAX 1024

struct log_batch { /* between its hand-over and the sync that covers it */
    struct log_batch *next;
    struct buf bytes;
    uint64_t number, seq;   /* seq: at its end */
    int64_t unix_second;
    uint64_t taken_ms;
    uint32_t changes;
};

struct log_point { /* a place between two batches */
    uint64_t batch, seq;    /* of the last batch before it */
    uint64_t offset;        /* in the current file; 0 if the point lies in an earlier one */
    uint32_t crc;           /* of the last trailer */
};

struct log_file { /* the one that is written now */
    int fd;                 /* -1: none */
    char name[MANIFEST_NAME_MAX + 1];
    char path[LOG_PATH_MAX];
    uint64_t number;
    bool entered;           /* its name is durable in the directory */
    uint64_t first_seq;
    uint64_t salt;
    uint64_t reserved;      /* space is taken up to this offset */
    uint64_t chunk;         /* as it was taken last; 0: the disk is full */
    int64_t last_second;    /* of the last #TS line, 0 if none */
    uint32_t seed;          /* of the next batch's crc */
    struct log_point end;
};

/* Create the next file (O_EXCL), empty. */
must_check int log_file_make(struct log *log, struct log_file *file, struct fault *fault);
/* In a file that was made: take space, write the header, as log_file_create does. */
must_check int log_file_begin(struct log *log, struct log_file *file, const struct log_point *at,
                              uint64_t bytes, struct fault *fault);
/* Close and delete it, if there is one. */
void log_file_drop(const struct log *log, struct log_file *file);
/* Create the next file (O_EXCL) for batches behind `at`, take space for `bytes` and ahead, write
 * the header; not synced. On failure nothing is open, and what was created is deleted. */
must_check int log_file_create(struct log *log, struct log_file *file, const struct log_point *at,
                               uint64_t bytes, struct fault *fault);

/* Space for a batch of `bytes`. KV_ENOSPACE, or 0: also if the write will have to tell. */
must_check int log_file_reserve(struct log *log, struct log_file *file, uint64_t bytes,
                                struct fault *fault);

/* Keep two chunks ahead, smaller ones where the disk is nearly full. False if the second of the
 * smallest can't be had. */
bool log_file_space_ahead(struct log *log, struct log_file *file);
/* Is a chunk left behind a batch of `bytes` (0: none)? */
bool log_file_has_space(const struct log *log, const struct log_file *file, uint64_t bytes);
uint64_t log_file_chunk_min(const struct log *log);

/* Append the batch with its trailer, and move file->end. After a failure the file is unusable. */
must_check int log_file_write(struct log *log, struct log_file *file,
                              const struct log_batch *batch, uint64_t durable_batch,
                              struct fault *fault);

/* Sync the file and its name, and switch the manifest to one that names it last and leaves out
 * files that held no batch before it. On success that is log->manifest. */
must_check int log_file_announce(struct log *log, struct log_file *file, bool *renamed,
                                 struct fault *fault);

/* Note a file that is to be deleted when no manifest can name it any more; delete those. */
void log_stale_add(struct log *log, const char *name);
void log_stale_delete(struct log *log);
