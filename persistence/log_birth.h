/* A log that is switched on while the server runs, until its first base is named. Essay in
 * log_birth.c. For the files of the log and the store. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"

struct disk;
struct fault;
struct log;
struct log_birth;
struct manifest;

void log_birth_begin(struct log *log, const struct log_birth *birth);
/* Store the manifest that was there, with all that `next` names as history. */
must_check int log_birth_store(struct log *log, const struct manifest *next, bool *renamed,
                               struct fault *fault);
/* What a crash, or who gave it up, has left of a log where none was before: its manifest names no
 * file that counts. It is deleted, manifest and all. */
must_check int log_birth_sweep(const struct disk *disk, const char *directory, const char *name,
                               struct fault *fault);
/* It can't become the log. The caller holds log->lock. */
bool log_birth_failed(const struct log *log);
/* The manifest names it: from here on it is the log. */
void log_birth_end(struct log *log);
