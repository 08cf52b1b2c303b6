/* The store's inside, for store.c and store_switch.c. */
#pragma once

#include "core/base/attr.h"
#include "persistence/cut.h"
#include "persistence/dump.h"
#include "persistence/log.h"
#include "persistence/manifest.h"
#include "persistence/store.h"

#define STORE_PATH_MAX 1024

/* While the log is being switched on: see store_switch.c. */
struct store_switch {
    struct manifest old;            /* what was there */
    uint64_t number;                /* of the base; the new log's files have higher ones */
    int aside;                      /* files of the old log that were renamed */
    char name[MANIFEST_NAME_MAX + 1]; /* appendonly.aof */
    char manifest_path[2 * STORE_PATH_MAX];
    char kept[CUT_PATH_MAX];        /* the copy of the old manifest; "" none */
};

struct store {
    const struct disk *disk;
    int lock_fd;
    char lock_path[STORE_PATH_MAX];
    char directory[STORE_PATH_MAX]; /* of the log */
    struct log *log;                /* NULL: none */
    struct store_switch *turning;   /* NULL: it is on, or off */
};

struct log_options store_log_options(const struct store *store,
                                     const struct store_options *options);

/* A log that is open is not switched off any more. A mark that stays makes the next start ask the
 * operator more than it must, at worst. */
void store_remove_off_mark(const struct store *store);
