/* Switching the log on while the server runs. Essay in store_switch.c. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

struct fault;
struct journal;
struct recovery_options;
struct store;
struct store_options;

/* Switching the log on, for what is in memory, in two steps. _prepare says where the snapshot of it
 * is to be written, as the base of a new data set. _turn_on, when that file is complete, makes it
 * the log's base with one switch of the manifest, and sets the files of the log that was there
 * aside, under other names, which is said. A failure leaves that log as it was. */
struct store_base {
    char path[1536], name[256];
    char kvid[33];
    uint64_t number; /* in its name */
};
must_check int store_prepare(struct store *store, const struct store_options *options,
                             struct store_base *out, struct fault *fault);
must_check int store_turn_on(struct store *store, const struct store_options *options,
                             const struct store_base *base, struct journal *journal,
                             struct fault *fault);
