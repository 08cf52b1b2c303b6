/* A data directory in /tmp for one test: files put into it, recovery run on it, what it applied. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "persistence/durable.h"
#include "persistence/manifest.h"
#include "persistence/recovery.h"
#include "tests/support/log_writer.h"

struct data_directory {
    char path[64], log[96]; /* and its appendonlydir */
    struct buf applied;     /* commands: words separated by spaces, ; behind each; entries of a
                             * snapshot as PUT <db> <key> <value> */
    struct buf said;        /* lines for the operator */
    struct recovery_result result;
    struct fault fault;
    const char *refuse; /* apply refuses a command of this name */
    bool refuses_torn;
    struct slice base; /* the snapshot (RDB) that a log begins with; empty: none */
};

void data_directory_make(struct data_directory *directory);
/* Remove it with all files. */
void data_directory_remove(struct data_directory *directory);

/* Path of a file in the log's directory ("" for itself); good until the next call. */
const char *data_directory_file(struct data_directory *directory, const char *name);
bool data_directory_has(struct data_directory *directory, const char *name);

void data_directory_save(struct data_directory *directory, const char *name, struct slice bytes);
/* A sealed manifest that names `count` files of kv's, appendonly.aof.<1..>.incr.aof. */
void data_directory_manifest(struct data_directory *directory, struct log_writer *const *files,
                             int count);
void data_directory_durable(struct data_directory *directory, uint64_t batch);

/* Run recovery; frees what an earlier run left. Returns its status; `applied` has an end byte. */
int data_directory_recover(struct data_directory *directory);
