/* Recovery: from the files of a data directory to an applied stream of commands and a place
 * where the log goes on. The journey and the verdicts (CLEAN, TORN, CORRUPT) stand in recovery.c
 * and verdict.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "persistence/log.h"

struct disk;
struct entry;
struct fault;
struct type_limits;

struct recovery_progress {
    uint64_t bytes_total, bytes_done, commands;
    uint64_t keys; /* of a snapshot */
};

struct recovery_options {
    const struct disk *disk;
    const char *dir;             /* the data directory; appendonlydir lies in it */
    const char *append_dirname;  /* "appendonlydir" */
    const char *append_filename; /* "appendonly.aof" */
    const char *db_filename;     /* "dump.rdb": without a log it becomes the log's base */
    const char *archive;         /* where files go that are superfluous; "" or NULL: deleted */
    bool refuses_torn;           /* aof-load-truncated no: a torn tail stops the start, uncut */
    const struct type_limits *limits; /* of the entries of a snapshot */
    void *env;
    /* Apply one command of the log. 0, or KV_E... with `fault` saying which command and why. */
    int (*apply)(void *env, int argc, const struct slice *argv, struct fault *fault);
    /* Put one entry of a snapshot, which comes before all commands; it is taken over. */
    int (*put)(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault);
    /* Of its key, which `put` is given; any thread may call it, at any time. NULL: 0. */
    uint64_t (*hash)(void *env, struct slice key);
    /* May be NULL. As `soon`, some time before an entry is put. */
    void (*put_soon)(void *env, int db, int step, uint64_t hash);
    /* Add a library of functions that a snapshot holds. NULL: it is refused. */
    int (*function)(void *env, struct slice code, struct fault *fault);
    /* Before those of a database: how many there will be. May be NULL. */
    void (*presize)(void *env, int db, uint64_t keys);
    /* May be NULL. Called some time before a command is applied, in two steps (0, 1): what it will
     * need may be brought into the processor's cache; nothing may change. */
    void (*soon)(void *env, int step, int argc, const struct slice *argv);
    /* Now and then (every few thousand commands, or 2 MiB): for LOADING replies and progress
     * lines. */
    void (*progress)(void *env, const struct recovery_progress *progress);
    /* One line for the operator. */
    void (*say)(void *env, bool warning, const char *line);
    void (*random_bytes)(void *env, void *out, size_t len); /* for a new kvid */
};

struct recovery_result {
    struct log_start start; /* for log_open; the caller frees start.manifest */
    uint64_t batches, commands, keys; /* keys: those of a snapshot */
    uint64_t torn_bytes; /* cut from the tail, kept aside */
    char torn_copy[512]; /* where */
    bool imported;       /* taken over from a stock server */
};

/* Run it. The data directory is locked by the caller. Creates appendonlydir if there is nothing
 * at all. On failure (KV_ECORRUPT, KV_EREFUSED, KV_EVERSION, KV_EIO ...) nothing but a torn
 * tail's copy has been written, and `fault` names file, offset, batch and the command that mends
 * it. May be repeated after a crash at any point. */
must_check int recovery_run(const struct recovery_options *options, struct recovery_result *out,
                            struct fault *fault);
