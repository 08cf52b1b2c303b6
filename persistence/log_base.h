/* A new base for the log, and the files that it makes superfluous. A part of the log. */
#pragma once

#include <stdbool.h>

#include "core/journal.h"

struct log;
struct manifest;

/* What the journal port's functions do: see core/journal.h. */
int log_base_begin(struct journal *journal, uint64_t estimate, struct journal_base *out,
                   struct fault *fault);
void log_base_end(struct journal *journal, bool complete);
enum journal_base_state log_base_state(struct journal *journal, char problem[512]);

/* Main thread: no batch may be handed over now. */
bool log_base_turning(const struct log *log);

/* Log thread, not poisoned: turn, if that is wished and can be done now; true if it was. */
bool log_base_work(struct log *log, bool mail);

/* Sync thread: cut off the space ahead of a file that has a successor, if there is one. */
void log_base_trim(struct log *log);

/* Sync thread: prepare a turn, or name a base, if that is wished; true if it was done. */
bool log_base_sync_work(struct log *log);

/* Log thread: the manifest without the history lines whose files are gone. */
void log_base_forget(struct log *log, struct manifest *manifest);

/* Sync thread: are there files that were retired? Delete them. */
bool log_base_has_retired(struct log *log);
void log_base_delete_retired(struct log *log);

/* What the files but the current one hold, for INFO; an error counts nothing. */
void log_count_other_bytes(struct log *log);

/* At open: is a new base due, by what the manifest names? */
bool log_base_is_due(const struct manifest *manifest);
