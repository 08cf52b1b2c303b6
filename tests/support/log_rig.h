/* A log on a faulty disk, for tests: open it, put commands in, wait for marks, read back what the
 * files hold by rules written down here once more, independent of the store's own reader. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/journal.h"
#include "persistence/log.h"
#include "persistence/store.h"
#include "tests/support/faulty_disk.h"

#define RIG_DIRECTORY "data/appendonlydir"
#define RIG_KVID "0123456789abcdef0123456789abcdef"

struct log_rig {
    struct faulty_disk *disk;
    struct journal journal;
    struct log *log;              /* NULL: not open */
    struct store *store;          /* the same, of rig_open_store */
    struct log_options options;   /* change before rig_open */
    struct fault fault;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t news;
};

/* A rig on `disk`, which it does not own; always, no space ahead, no time stamps. */
void rig_init(struct log_rig *rig, struct faulty_disk *disk);
void rig_free(struct log_rig *rig);

/* An empty directory, and a log_start for it. */
void rig_make_directory(struct faulty_disk *disk);
struct log_start rig_first_start(void);
must_check int rig_open(struct log_rig *rig, const struct log_start *start);

/* The whole way instead: lock, probe, recover, open. Every command goes to `apply`. */
typedef int rig_apply(void *env, int argc, const struct slice *argv, struct fault *fault);
must_check int rig_open_store(struct log_rig *rig, rig_apply *apply, void *env);
/* The options that rig_open_store goes by, with nobody who takes commands. */
struct store_options rig_store_options(struct log_rig *rig);
/* Recovery alone, as rig_open_store does it. */
must_check int rig_recover(struct faulty_disk *disk, rig_apply *apply, void *env,
                           struct fault *fault);

/* SET key value, behind a SELECT if the batch is new. */
void rig_set(struct log_rig *rig, const char *key, const char *value);
void rig_append(struct log_rig *rig, const char *commands);
void rig_turn(struct log_rig *rig);

/* Hand over and wait until all that was put in is confirmed, or the state is FAILED (false). */
bool rig_commit(struct log_rig *rig);
/* Wait until the state is this one; turns go on meanwhile. */
void rig_wait_state(struct log_rig *rig, enum journal_state state);

/* Begin a base, when it is prepared. */
must_check int rig_base_begin(struct log_rig *rig, struct journal_base *out);
/* Wait until it is named, or has failed. */
enum journal_base_state rig_wait_base(struct log_rig *rig);

/* What the files named in the manifest hold: the commands of all good batches, in order, without
 * the # lines. Fails the test if header, trailer, chain or numbering is not as format.c says. */
struct rig_content {
    struct buf commands;
    uint64_t files, batches, last_batch, seq;
    uint32_t crc; /* of the last trailer */
};
void rig_read(struct faulty_disk *disk, struct rig_content *out);
void rig_content_free(struct rig_content *content);
