/* kv.durable: two 512-byte slots, written in turn and synced, that name the last durable batch.
 * They prove the last batch of the log, which no later trailer does; they are never on the
 * commit path.
 *
 *   KVD1 <kvid> <turn> <batch> <seq> <file name> <offset behind its trailer> <crc32 of all before>
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;

#define DURABLE_SLOT_BYTES 512

struct durable {
    char kvid[33];
    uint64_t turn; /* rises with each write; the slot is turn % 2 */
    uint64_t batch, seq;
    char file[256];
    uint64_t offset;
};

/* The valid slot with the higher turn. found: 2 both slots valid, 1 one, 0 none (missing, bad or
 * empty file); a read error is the only failure. */
must_check int durable_load(const struct disk *disk, const char *path, struct durable *out,
                            int *found, struct fault *fault);

/* Write the slot durable->turn + 1 and sync; on success turn is raised. Creates the file (and
 * syncs `directory`). */
must_check int durable_store(const struct disk *disk, const char *directory, const char *path,
                             struct durable *durable, struct fault *fault);
