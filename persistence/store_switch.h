/* Switching the log on while the server runs. Essay in store_switch.c. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"

struct fault;
struct journal;
struct journal_base;
struct store;
struct store_options;

/* Switch the log on, for what is in memory now. The journal is BEGINNING when this returns, of a
 * new data set at sequence 0; `out` says where the snapshot of it is to be written, which base_end
 * makes the log's base. Blocks for some syncs. A failure leaves all as it was. */
must_check int store_turn_on(struct store *store, const struct store_options *options,
                             struct journal *journal, struct journal_base *out,
                             struct fault *fault);
/* The base is DONE. What became of the log that was there before is said. */
void store_turned_on(struct store *store, const struct store_options *options);
/* Or it has FAILED, or is not wanted any more: the journal is off, what was there before is as it
 * was; `status` tells if that could be stored, else the next start may find either. False, and
 * nothing is done: it is DONE. Waits for a sync that runs. */
bool store_turn_on_give_up(struct store *store, int *status, struct fault *fault);
