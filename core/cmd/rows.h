/* What the files of commands share to write their rows: the arrays' declarations, and short forms
 * for where the keys are. */
#pragma once

#include "core/command.h"

extern const struct command commands_acl[];
extern const struct command commands_connection[];
extern const struct command commands_client[];
extern const struct command commands_server[];
extern const struct command commands_save[];
extern const struct command commands_command[];
extern const struct command commands_config[];
extern const struct command commands_info[];
extern const struct command commands_debug[];
extern const struct command commands_lolwut[];
extern const struct command commands_string[];
extern const struct command commands_string_range[];
extern const struct command commands_string_number[];
extern const struct command commands_string_lcs[];
extern const struct command commands_set[];
extern const struct command commands_set_algebra[];
extern const struct command commands_stream[];
extern const struct command commands_stream_read[];
extern const struct command commands_stream_group[];
extern const struct command commands_stream_claim[];
extern const struct command commands_stream_info[];
extern const struct command commands_generic[];
extern const struct command commands_expire[];
extern const struct command commands_scan[];
extern const struct command commands_object[];
extern const struct command commands_wait[];
extern const struct command commands_replication[];
extern const struct command commands_cluster[];
extern const struct command commands_module[];
extern const struct command commands_slowlog[];
extern const struct command commands_latency[];
extern const struct command commands_hash[];
extern const struct command commands_hash_scan[];
extern const struct command commands_hash_expire[];
extern const struct command commands_hash_expire_values[];
extern const struct command commands_zset[];
extern const struct command commands_zset_range[];
extern const struct command commands_zset_pop[];
extern const struct command commands_zset_block[];
extern const struct command commands_zset_algebra[];
extern const struct command commands_geo[];
extern const struct command commands_geo_search[];
extern const struct command commands_dump[];
extern const struct command commands_migrate[];
extern const struct command commands_sort[];
extern const struct command commands_hyperloglog[];
extern const struct command commands_bitmap[];
extern const struct command commands_bitmap_op[];
extern const struct command commands_bitmap_field[];
extern const struct command commands_memory[];
extern const struct command commands_transaction[];
extern const struct command commands_list[];
extern const struct command commands_list_edit[];
extern const struct command commands_list_block[];
extern const struct command commands_pubsub[];
extern const struct command commands_monitor[];
extern const struct command commands_eval[];
extern const struct command commands_function[];

/* The row of a container's HELP. */
#define ROW_HELP(run_function, row_categories, row_group, row_since)                               \
    {.name = "help",                                                                               \
     .run = run_function,                                                                          \
     .arity = 2,                                                                                   \
     .record = RECORD_NOTHING,                                                                     \
     .flags = COMMAND_LOADING | COMMAND_STALE,                                                     \
     .categories = row_categories,                                                                 \
     .group = row_group,                                                                           \
     .since = row_since,                                                                           \
     .complexity = "O(1)",                                                                         \
     .summary = "Explains the subcommands."}

#define KEYS_RANGE(key_flags, from, to, by)                                                        \
    {.flags = (key_flags), .first = from, .last = to, .step = by}
/* One key, argument 1. */
#define KEYS_ONE(key_flags) {KEYS_RANGE(key_flags, 1, 0, 1)}
/* All arguments are keys. */
#define KEYS_EACH(key_flags) {KEYS_RANGE(key_flags, 1, -1, 1)}
/* Keys and values in turn. */
#define KEYS_PAIRS(key_flags) {KEYS_RANGE(key_flags, 1, -1, 2)}
/* Two keys that are used differently. */
#define KEYS_TWO(flags_1, flags_2) {KEYS_RANGE(flags_1, 1, 0, 1), KEYS_RANGE(flags_2, 2, 0, 1)}
/* One key behind a subcommand's name. */
#define KEYS_SECOND(key_flags) {KEYS_RANGE(key_flags, 2, 0, 1)}
