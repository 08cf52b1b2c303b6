/* Reading a snapshot: an RDB file of Redis or Valkey, alone or in front of a log's commands, or one
 * of kv in LZ4 frames. Essay in rdb_load.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct disk;
struct entry;
struct fault;
struct snapshot_index;
struct type_limits;

#define RDB_THREADS_NONE (-1)
#define RDB_MAGIC_BYTES 9 /* "REDIS0010", "VALKEY080" */

struct rdb_load {
    const struct disk *disk;
    const char *path;
    const struct type_limits *limits; /* must outlive the entries; NULL: Redis' defaults */
    void *env;
    /* Takes the entry over. 0, or KV_E... with `fault` filled in, which ends the reading. NULL:
     * only check. */
    int (*put)(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault);
    /* What `put` and `soon` are given for a key; 0 if NULL. Any thread calls it, at any time. */
    uint64_t (*hash)(void *env, struct slice key);
    /* May be NULL. Called some time before an entry is put, in two steps (0, 1): what putting it
     * will need may be brought into the processor's cache; nothing may change. */
    void (*soon)(void *env, int db, int step, uint64_t hash);
    /* A library of functions, as for `put`. NULL: it is refused. */
    int (*function)(void *env, struct slice code, struct fault *fault);
    /* Threads that decode, beside the one that calls: 0 for as many as pay, RDB_THREADS_NONE. All
     * functions but `hash` are called by the caller's thread in any case. */
    int threads;
    /* Sum up the CRC64 of all, also where parts have their own checksums (kv-check-rdb). */
    bool sum_all;
    /* End behind the notes at the beginning: nothing is put, and `end` stays 0. */
    bool notes_only;
    /* Before the first entry of a database, how many there will be at most. May be NULL. */
    void (*presize)(void *env, int db, uint64_t keys);
    /* Between two entries, every 256 KiB or so: bytes of the file. May be NULL. */
    void (*progress)(void *env, uint64_t bytes, uint64_t keys);
};

struct rdb_found {
    uint64_t end;      /* the offset behind the checksum; 0 if it was not reached */
    uint64_t keys;     /* entries, collections without elements not counted */
    uint64_t expiring; /* of them with a deadline */
    int version;
    bool valkey;
    bool checked;    /* there were checksums, of all that was read, and they held */
    bool packed;     /* it is of LZ4 frames */
    uint64_t parts;  /* of its index; 0: it was read as one stream */
    uint64_t raw_bytes; /* of the RDB, where that is not the file */
    char problem[200];  /* of the index, which was not used; "" if there is none */
    char server[32]; /* the version of the server that wrote it, "" if it does not say */
    char kvid[33];   /* of the data set, "" if it does not say */
    uint64_t kvseq;
    int64_t created; /* Unix time, 0 if it does not say */
};

/* Does a file that begins so claim to be a snapshot? */
bool rdb_is_magic(struct slice begin);
/* The same, LZ4 frames included. */
bool rdb_is_snapshot(struct slice begin);

/* Read it from its beginning to its end; what stands behind an RDB that is not packed is not looked
 * at. Memory is bounded by windows of 256 KiB, a few parts (4 MiB) of an indexed file and some
 * batches of entries, and while an entry is read by what its largest string needs: never more than
 * there is in the file. KV_ECORRUPT: damaged. KV_EVERSION: it holds what is not known here. KV_EIO.
 * `fault` names file and offset, and the part. Entries that were put before stay where they are:
 * nothing of them may be served. */
must_check int rdb_load(const struct rdb_load *load, struct rdb_found *out, struct fault *fault);

/* The index of a file, which may be damaged elsewhere. 1: it is whole, and fits; the caller frees
 * it. 0: there is none of that kind. KV_EIO. */
must_check int rdb_index(const struct disk *disk, const char *path, struct snapshot_index *out,
                         bool *packed, struct fault *fault);
