/* Poisoned files, healing, and the log's states with the words for them. A part of the log. */
#pragma once

#include "core/base/attr.h"
#include "core/journal.h"

struct fault;
struct log;

/* The current file is not to be used any more, because of `fault`. */
void log_poison(struct log *log, const struct fault *fault);

/* Write all kept batches into a new file and go on there. */
must_check int log_heal(struct log *log, struct fault *fault);

/* Enter a state and say why (`problem` NULL: no problem). */
void log_enter(struct log *log, enum journal_state state, const char *problem);

/* HEALTHY or FULL, by whether there is space ahead; called when neither write nor sync fails. */
void log_enter_by_space(struct log *log);

/* FAILED: compose the problem from what poisoned the file and what made mending fail. */
void log_enter_failed(struct log *log, const struct fault *fault);

/* A mark has risen or the state has changed: tell whoever waits. */
void log_tell(struct log *log);
