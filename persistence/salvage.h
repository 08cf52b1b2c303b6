/* Going on from what is there as new data (a new kvid), on an operator's explicit word: without
 * what is damaged, or later than a time, or beside the data that it is a copy of. What is good is
 * written again into a new file; the old files are kept under other names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "persistence/manifest.h"

struct disk;
struct fault;
struct reader;
struct reader_batch;
struct walk;

struct salvage_hooks {
    void *env;
    /* A batch (or raw command) that is good. A result above 0 ends the tour of all files. */
    int (*good)(void *env, int file, struct reader *reader, const struct reader_batch *batch,
                struct fault *fault);
    /* A stretch that can't be used. NULL: not asked for. */
    int (*gap)(void *env, int file, struct reader *reader, uint64_t from, uint64_t to,
               struct fault *fault);
};

/* Tour one file of a walk that was opened: behind a bad batch go on with the next one that
 * provably belongs to the file. `above` is the number of the last batch that was seen, raised
 * here: batches at or below it are passed over. A file whose header is lost is read command by
 * command; of a file with a snapshot, which walk_file has read, what stands behind that. */
must_check int salvage_tour(struct walk *walk, int file, uint64_t *above,
                            const struct salvage_hooks *hooks, struct fault *fault);

/* A manifest made from the names in the directory, for when the real one is lost. */
must_check int salvage_manifest(const struct disk *disk, const char *directory, const char *name,
                                struct manifest *out, struct fault *fault);

struct salvage_options {
    const char *name; /* appendonly.aof */
    bool to_time;     /* stop before the first batch that is later than `time` */
    int64_t time;
    bool damaged; /* what needs what was lost is to be passed over at a start */
    int64_t now;  /* Unix time, for the record of where the new data comes from */
    void *env;
    void (*random_bytes)(void *env, void *out, size_t len);
};

struct salvage_result {
    uint64_t batches, commands, bytes; /* of the new file */
    uint64_t dropped;                  /* bytes of the old ones */
    char file[256];                    /* the new one's name */
};

/* Write all that is good into a new file, switch the manifest to it, rename the old files to
 * <name>.damaged.<n>, and write kv.durable. Until the manifest is switched nothing has changed. */
must_check int salvage_run(struct walk *walk, const struct salvage_options *options,
                           struct salvage_result *out, struct fault *fault);
