/* The arrays of rows, one for each file of commands. They are declared here and nowhere else:
 * nobody but the list below uses them by name. */
#include "core/cmd/commands.h"

#include <stddef.h>

#include "core/cmd/rows.h"

const struct command *const command_tables[] = {
    commands_connection,    commands_client,
    commands_save,           commands_server,        commands_command,
    commands_config,        commands_info,
    commands_debug,         commands_lolwut,
    commands_string,        commands_string_range,
    commands_string_number, commands_string_lcs,
    commands_dump,          commands_memory,
    commands_bitmap,        commands_bitmap_op,
    commands_bitmap_field,  commands_hyperloglog,
    commands_migrate,       commands_sort,
    commands_set,           commands_set_algebra,
    commands_stream,        commands_stream_read,
    commands_stream_group,  commands_stream_claim,
    commands_stream_info,
    commands_generic,       commands_expire,
    commands_scan,          commands_object,
    commands_zset,          commands_zset_range,
    commands_zset_pop,      commands_zset_block,
    commands_zset_algebra,  commands_geo,
    commands_geo_search,
    commands_wait,          commands_transaction,
    commands_acl,
    commands_list,          commands_list_edit,
    commands_list_block,    commands_hash,
    commands_hash_scan,     commands_hash_expire,
    commands_hash_expire_values, commands_pubsub,
    commands_eval,          commands_function,
    commands_replication,   commands_cluster,
    commands_module,        commands_slowlog,
    commands_latency,
    commands_monitor,
    NULL,
};
