/* The dump beside the log: a snapshot that SAVE and BGSAVE write, or that a stock server left. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;
struct recovery_options;
struct recovery_result;

#define DUMP_NAME_MAX 255
#define DUMP_OFF_MARK "kv.off" /* in the log's directory: the log was switched off on purpose */

/* The name of the dump in `dir`: `name` if there is such a file, else the same with or without its
 * ending .lz4; if both are there, the one that was made later. "" if there is none. */
must_check int dump_find(const struct disk *disk, const char *dir, const char *name,
                         char out[static DUMP_NAME_MAX + 1], struct fault *fault);

/* KV_EREFUSED if there is a log that was switched off, and `dump` was made afterwards. */
must_check int dump_check_log(const struct recovery_options *options, const char *dump,
                              struct fault *fault);

/* Load the dump, if there is one. */
must_check int dump_load(const struct recovery_options *options, struct recovery_result *out,
                         struct fault *fault);

/* Load the dump, if there is one, for a server without a log. Refuses (KV_EREFUSED) where a log
 * lies that was not switched off: it would be left out. */
must_check int dump_recover(const struct recovery_options *options, struct recovery_result *out,
                            struct fault *fault);
