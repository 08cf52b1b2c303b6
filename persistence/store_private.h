/* The store's inside, for store.c and store_switch.c. */
#pragma once

#include "core/base/attr.h"
#include "persistence/dump.h"
#include "persistence/log.h"
#include "persistence/store.h"

#define STORE_PATH_MAX 1024

struct store {
    const struct disk *disk;
    int lock_fd;
    char lock_path[STORE_PATH_MAX];
    char directory[STORE_PATH_MAX]; /* of the log */
    struct log *log;                /* NULL: none */
};

struct log_options store_log_options(const struct store *store,
                                     const struct store_options *options);

/* A log that is open is not switched off any more. A mark that stays makes the next start ask the
 * operator more than it must, at worst. */
void store_remove_off_mark(const struct store *store);
