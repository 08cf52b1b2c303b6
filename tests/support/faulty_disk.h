/* A disk in memory that can be cut off, fail and fill up: what tests put in the place of the real
 * one. It knows of every write, creation, rename and deletion whether a sync has confirmed it, and
 * so which states a power cut may leave.
 *
 * Paths are plain: directory and name; a directory exists once it was made. Every function may be
 * called by several threads.
 *
 * A test runs its script once to count the calls, then again and again with a stop at call 1, 2,
 * 3 ...; takes crash states of each; recovers from each; and checks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct buf;
struct disk;
struct faulty_disk;

/* Kinds of calls, for counting and failing. */
enum {
    FAULTY_CREATE = 1,          /* open with O_CREAT */
    FAULTY_OPEN = 2,            /* open without */
    FAULTY_WRITE = 4,           /* pwritev, pwrite */
    FAULTY_READ = 8,
    FAULTY_SYNC = 16,           /* fdatasync, fsync, write_out */
    FAULTY_SYNC_DIRECTORY = 32,
    FAULTY_RENAME = 64,
    FAULTY_UNLINK = 128,
    FAULTY_MKDIR = 256,
    FAULTY_TRUNCATE = 512,
    FAULTY_ALLOCATE = 1024,
    FAULTY_ASK = 2048,          /* size, exists, list, free_bytes, drop_cache, lock, close */
    /* Not among the changes: it takes back a directory whose name could not be synced; where that
     * fails as well, nothing but another name helps. */
    FAULTY_RMDIR = 4096,
    FAULTY_CHANGE = FAULTY_CREATE | FAULTY_WRITE | FAULTY_SYNC | FAULTY_SYNC_DIRECTORY |
                    FAULTY_RENAME | FAULTY_UNLINK | FAULTY_MKDIR | FAULTY_TRUNCATE,
    FAULTY_ANY = FAULTY_CHANGE | FAULTY_OPEN | FAULTY_READ | FAULTY_ALLOCATE | FAULTY_ASK |
                 FAULTY_RMDIR,
};

enum faulty_error {
    /* A write leaves half of its bytes behind; a sync drops its pages, or not, while the next sync
     * says all is well and reads still see them; a rename may be found done after a crash. */
    FAULTY_EIO,
    FAULTY_ENOSPC,
    /* A write takes half of its bytes and says so. Other calls: as FAULTY_EIO. */
    FAULTY_SHORT,
};

struct faulty_disk *faulty_disk_new(void);
void faulty_disk_free(struct faulty_disk *disk);

/* The disk as the store sees it; good as long as `disk`. */
const struct disk *faulty_disk_port(struct faulty_disk *disk);

/* Bytes there are in all (0: no limit), and whether allocate works. */
void faulty_disk_set_capacity(struct faulty_disk *disk, uint64_t bytes);
void faulty_disk_set_allocate(struct faulty_disk *disk, bool works);

/* How many calls of these kinds there have been. */
uint64_t faulty_disk_calls(struct faulty_disk *disk, unsigned kinds);

/* Power fails during the nth call (1: the next) of these kinds: it takes effect without being
 * confirmed, fails, and so do all after it. 0: no stop. */
void faulty_disk_stop_at(struct faulty_disk *disk, unsigned kinds, uint64_t nth);
void faulty_disk_stop(struct faulty_disk *disk);
bool faulty_disk_stopped(struct faulty_disk *disk);

/* The nth call (1: the next) of these kinds and the count - 1 after it fail; may be called up to
 * four times for several failures. nth 0: no more failures. */
void faulty_disk_fail_at(struct faulty_disk *disk, unsigned kinds, uint64_t nth, uint64_t count,
                         enum faulty_error error);

/* What becomes of changes that no sync has confirmed. */
enum faulty_fate {
    FAULTY_KEEP,
    FAULTY_DROP,
    FAULTY_PREFIX, /* data only: the first `bytes` written bytes are there, in order, all files */
    FAULTY_ZEROS,  /* data only: the same, and the rest reads as zeros */
    FAULTY_RANDOM, /* each change kept or not, by `seed`; of a write each 512-byte sector */
};

struct faulty_choice {
    enum faulty_fate data;
    enum faulty_fate names; /* creations, renames, deletions: KEEP, DROP, RANDOM */
    uint64_t bytes;
    uint64_t seed;
};

/* Written bytes that no sync has confirmed: the bound of `bytes` above. */
uint64_t faulty_disk_unsynced_bytes(struct faulty_disk *disk);

/* The disk after power comes back. `disk` must not be in use, and is as it was. */
struct faulty_disk *faulty_disk_crash(struct faulty_disk *disk, const struct faulty_choice *choice);

/* A file as programs see it now, appended to `out`; false if there is none. */
must_check bool faulty_disk_get(struct faulty_disk *disk, const char *path, struct buf *out);
/* Make or replace a file, confirmed at once, whatever stops and fails. */
void faulty_disk_put(struct faulty_disk *disk, const char *path, struct slice content);
void faulty_disk_put_directory(struct faulty_disk *disk, const char *path);
