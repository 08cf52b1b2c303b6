/* The manifest of a log directory: which files make up the log, in order. Stock lines that Redis
 * >= 7.0 reads, with keys of ours that it ignores, a history line that names an empty file, and
 * a seal:
 *
 *   file appendonly.aof.kv seq 1 type h
 *   file appendonly.aof.3.base.rdb seq 3 type b kvid 5f0c... kvseq 81920
 *   file appendonly.aof.7.incr.aof seq 7 type i kvid 5f0c... kvseq 81920
 *   # kv:v1:<crc32 of all bytes before this line>
 *
 * A stock server that starts on the directory deletes the history file and rewrites the manifest
 * without our keys and seal: that is how its hand is told from damage. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct disk;
struct fault;

#define MANIFEST_BYTES_MAX (1 << 20)
#define MANIFEST_FILES_MAX 4096
#define MANIFEST_NAME_MAX 255

enum manifest_type { MANIFEST_BASE = 'b', MANIFEST_HISTORY = 'h', MANIFEST_INCR = 'i' };

struct manifest_file {
    char name[MANIFEST_NAME_MAX + 1];
    uint64_t seq; /* the number in the name */
    enum manifest_type type;
    char kvid[33];  /* "" if the line has none: not written by kv */
    uint64_t kvseq; /* sequence at the file's start */
    bool raw;       /* has bytes from a stock server, without trailers: raw_from .. raw_to */
    uint64_t raw_from, raw_to;
    bool holes; /* salvaged: what a command changes may be missing */
};

struct manifest {
    struct manifest_file *files; /* owned; base first, then incr in order; history lines too */
    int count, cap;
    bool sealed;  /* the seal was there and held */
    bool kv_mark; /* the history line of ours is there */
};

void manifest_free(struct manifest *manifest);

/* Read from bytes. Without a seal it is a stock manifest (sealed false). A seal that does not
 * hold: KV_ECORRUPT. Anything else that is not a manifest: KV_EFORMAT with the line's number in
 * the text. Names with a slash, duplicate names or numbers, two bases, empty lines and those over
 * 1,023 bytes are refused. Unknown keys are ignored. */
must_check int manifest_parse(struct slice text, const char *path, struct manifest *out,
                              struct fault *fault);

/* Our form: history line first, then all files, then the seal. */
void manifest_format(const struct manifest *manifest, struct buf *out);

/* The form of a stock server: no mark, no seal, no keys of ours. */
void manifest_format_stock(const struct manifest *manifest, struct buf *out);

/* Read the manifest file: KV_EIO if it can't be read. */
must_check int manifest_load(const struct disk *disk, const char *path, struct manifest *out,
                             struct fault *fault);

/* Replace the file durably (file_replace) and make sure the empty history file exists first. */
must_check int manifest_store(const struct disk *disk, const char *path,
                              const struct manifest *manifest, bool *renamed, struct fault *fault);

struct manifest_file *manifest_add(struct manifest *manifest, enum manifest_type type,
                                   const char *name, uint64_t seq);
void manifest_copy(struct manifest *to, const struct manifest *from);
/* The base, or NULL. */
const struct manifest_file *manifest_base(const struct manifest *manifest);
/* The last incr file, or NULL. */
const struct manifest_file *manifest_last_incr(const struct manifest *manifest);
