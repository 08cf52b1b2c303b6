/* The walk over a log: all files that a manifest names, in order, by the rules that bind them to
 * one another. It reads and judges, and changes nothing. Essay in walk.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "persistence/durable.h"
#include "persistence/format.h"
#include "persistence/manifest.h"
#include "persistence/rdb_load.h"
#include "persistence/verdict.h"

struct disk;
struct fault;
struct reader;
struct reader_batch;

/* One file, and after walk_file() what was found in it. */
struct walk_file {
    int entry; /* its line in the manifest */
    char path[512];
    bool moving; /* still beside the directory: a single-file log of a stock server, or a dump */
    bool dump;   /* the same, and it is a dump: to be copied, not moved */
    bool last;
    bool snapshot;        /* begins with an RDB */
    struct rdb_found rdb; /* what that holds */
    uint64_t size;
    bool has_header;
    struct format_header header;
    uint64_t seq_from, seq_to, batch_from, batch_to; /* numbers of its first and last batch */
    uint64_t batches, commands;
    uint64_t good_to; /* all before is good */
    bool raw;         /* raw_from .. raw_to has no trailers: written by a stock server; from 0 if
                       * it begins with a snapshot */
    uint64_t raw_from, raw_to;
    enum verdict verdict;
    char why[160];  /* TORN: what is wrong behind good_to */
    char lost[600]; /* keep_going: why it can't be walked; "" if it can */
};

struct walk {
    const struct disk *disk;
    const char *directory; /* appendonlydir */
    const char *parent;    /* dir */
    const struct manifest *manifest;
    const char *dump;    /* name of a base that is a dump, if it lies in `parent`; may be NULL */
    struct durable slot; /* of kv.durable; kvid "" if there is none */
    bool alone;          /* one file, taken out of its log: what was before it is not asked */
    bool keep_going;     /* walk_open: note damage in the file's `lost`, and go on */
    void *env;
    /* Called for each batch (or raw command) that was found good; `file` is an index. A
     * negative result ends the walk. NULL: only judge. */
    int (*good)(void *env, int file, struct reader *reader, const struct reader_batch *batch,
                struct fault *fault);
    /* What to do with entries of snapshots; limits, put, presize and progress, whose env is that
     * above. */
    struct rdb_load rdb;
    /* filled in by walk_open */
    struct walk_file *files;
    int count;
    char kvid[33]; /* "" if no file has one */
    /* where the stream stands */
    bool chained; /* a file with a header was walked: batch and crc say something */
    bool broken;  /* the file before was damaged: the next one need not go on from it */
    uint64_t batch, seq;
    uint32_t crc;
};

/* Find and open every file once and read its header. The members before `files` are set by the
 * caller. KV_ECORRUPT: a file is missing, is not what the manifest says, or belongs to other
 * data. walk_close in any case. */
must_check int walk_open(struct walk *walk, struct fault *fault);

/* Walk one file; in order. 0: verdict CLEAN or TORN. KV_ECORRUPT with file, offset, batch, keys.
 * KV_EVERSION: a snapshot holds what is not known here. */
must_check int walk_file(struct walk *walk, int file, struct fault *fault);

/* After the last file: is there anything that kv.durable proves, but no file holds? */
must_check int walk_end(const struct walk *walk, struct fault *fault);

void walk_close(struct walk *walk);
