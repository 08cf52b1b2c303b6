/* Reading a snapshot: an RDB file of Redis or Valkey, alone or in front of a log's commands. Essay
 * in rdb_load.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct disk;
struct entry;
struct fault;
struct type_limits;

#define RDB_MAGIC_BYTES 9 /* "REDIS0010", "VALKEY080" */

struct rdb_load {
    const struct disk *disk;
    const char *path;
    const struct type_limits *limits; /* must outlive the entries; NULL: Redis' defaults */
    void *env;
    /* Takes the entry over. 0, or KV_E... with `fault` filled in, which ends the reading. NULL:
     * only check. */
    int (*put)(void *env, int db, struct entry *entry, struct fault *fault);
    /* End behind the notes at the beginning: nothing is put, and `end` stays 0. */
    bool notes_only;
    /* Before the first entry of a database, how many there will be at most. May be NULL. */
    void (*presize)(void *env, int db, uint64_t keys);
    /* Between two entries, every 256 KiB or so. May be NULL. */
    void (*progress)(void *env, uint64_t offset, uint64_t keys);
};

struct rdb_found {
    uint64_t end;      /* the offset behind the checksum; 0 if it was not reached */
    uint64_t keys;     /* entries, collections without elements not counted */
    uint64_t expiring; /* of them with a deadline */
    int version;
    bool valkey;
    bool checked;    /* there was a checksum, and it held */
    char server[32]; /* the version of the server that wrote it, "" if it does not say */
    char kvid[33];   /* of the data set, "" if it does not say */
    uint64_t kvseq;
    int64_t created; /* Unix time, 0 if it does not say */
};

/* A stream of bytes, read from its beginning to its end. */
struct rdb_source {
    void *self;
    uint64_t size; /* the stream has no more than that */
    /* Up to `room` bytes at `offset`, which goes up without a gap: how many, 0 at the end, KV_E...
     * with the fault filled in. */
    ssize_t (*read)(void *self, void *to, size_t room, uint64_t offset, struct fault *fault);
};

/* The limits of Redis' defaults. */
extern const struct type_limits rdb_usual_limits;

/* Does a file that begins so claim to be a snapshot? */
bool rdb_is_magic(struct slice begin);

/* Read it from its beginning to its end; what stands behind is not looked at. Memory is a window of
 * 256 KiB, and while an entry is read what its largest string needs: never more than there is in
 * the file. KV_ECORRUPT: damaged. KV_EVERSION: it holds what is not known here. KV_EIO. `fault`
 * names file and offset. */
must_check int rdb_load(const struct rdb_load *load, struct rdb_found *out, struct fault *fault);
/* The same of a stream; the load's disk is not used, its path is for messages. */
must_check int rdb_load_stream(const struct rdb_load *load, const struct rdb_source *source,
                               struct rdb_found *out, struct fault *fault);
