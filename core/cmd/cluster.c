/* CLUSTER, and what clients of a cluster send: kv is no cluster, and answers each of them as a
 * server does whose cluster mode is off. So clients and tools that ask first go on without. */
#include "core/cmd/rows.h"
#include "core/ctx.h"

static void cluster_run(struct ctx *ctx)
{
    reply_error(ctx, "ERR This instance has cluster support disabled");
}

#define CLUSTER_ROW(row_name, row_arity, row_flags, row_since, row_summary)                        \
    .name = row_name, .run = cluster_run, .arity = row_arity, .record = RECORD_NOTHING,            \
    .flags = (row_flags) | COMMAND_STALE | COMMAND_NO_HOLD, .group = "cluster",                    \
    .since = row_since, .complexity = "O(1)", .summary = row_summary
#define CLUSTER_ADMIN (COMMAND_ADMIN | COMMAND_NO_ASYNC_LOADING)

static const char *const cluster_chance[] = {"nondeterministic_output", NULL};
static const char *const slot_stats_tips[] = {"nondeterministic_output",
                                              "request_policy:all_shards", NULL};
static const char *const meet_history[] = {"4.0.0", "`cluster_bus_port`.", NULL};
static const char *const slots_history[] = {"4.0.0", "With the ids of nodes.", "7.0.0",
                                            "With more about their addresses.", NULL};

#define SLOT_RANGES "start-slot_end-slot{start-slot:integer end-slot:integer}..."

static const struct command cluster_subcommands[] = {
    {CLUSTER_ROW("addslots", -3, CLUSTER_ADMIN, "3.0.0", "Gives slots to a node."),
     .syntax = "slot:integer..."},
    {CLUSTER_ROW("addslotsrange", -4, CLUSTER_ADMIN, "7.0.0", "Gives ranges of slots to a node."),
     .syntax = SLOT_RANGES},
    {CLUSTER_ROW("bumpepoch", 2, CLUSTER_ADMIN, "3.0.0", "Raises the epoch of the configuration."),
     .tips = cluster_chance},
    {CLUSTER_ROW("count-failure-reports", 3, COMMAND_ADMIN, "3.0.0",
                 "Answers how many nodes report that a node has failed."),
     .syntax = "node-id:string",
     .tips = cluster_chance},
    {CLUSTER_ROW("countkeysinslot", 3, 0, "3.0.0", "Answers how many keys a slot has here."),
     .syntax = "slot:integer"},
    {CLUSTER_ROW("delslots", -3, CLUSTER_ADMIN, "3.0.0", "Takes slots from a node."),
     .syntax = "slot:integer..."},
    {CLUSTER_ROW("delslotsrange", -4, CLUSTER_ADMIN, "7.0.0", "Takes ranges of slots from a node."),
     .syntax = SLOT_RANGES},
    {CLUSTER_ROW("failover", -2, CLUSTER_ADMIN, "3.0.0", "Lets a replica take over."),
     .syntax = "[options(force=FORCE|takeover=TAKEOVER)]"},
    {CLUSTER_ROW("flushslots", 2, CLUSTER_ADMIN, "3.0.0", "Takes all slots from a node.")},
    {CLUSTER_ROW("forget", 3, CLUSTER_ADMIN, "3.0.0", "Takes a node out of the cluster."),
     .syntax = "node-id:string"},
    {CLUSTER_ROW("getkeysinslot", 4, 0, "3.0.0", "Answers names of keys of a slot."),
     .syntax = "slot:integer count:integer",
     .tips = cluster_chance},
    {CLUSTER_ROW("help", 2, COMMAND_LOADING, "5.0.0", "Explains the subcommands.")},
    {CLUSTER_ROW("info", 2, 0, "3.0.0", "Answers figures about the cluster."),
     .tips = cluster_chance},
    {CLUSTER_ROW("keyslot", 3, 0, "3.0.0", "Answers the slot of a key."),
     .syntax = "key:string"},
    {CLUSTER_ROW("links", 2, 0, "7.0.0", "Answers the connections between nodes."),
     .tips = cluster_chance},
    {CLUSTER_ROW("meet", -4, CLUSTER_ADMIN, "3.0.0", "Brings a node into the cluster."),
     .syntax = "ip:string port:integer [cluster_bus_port:integer^4.0.0]",
     .history = meet_history},
    {CLUSTER_ROW("myid", 2, 0, "3.0.0", "Answers the id of this node.")},
    {CLUSTER_ROW("myshardid", 2, 0, "7.2.0", "Answers the id of the shard of this node."),
     .tips = cluster_chance},
    {CLUSTER_ROW("nodes", 2, 0, "3.0.0", "Answers the nodes as this one sees them."),
     .tips = cluster_chance},
    {CLUSTER_ROW("replicas", 3, COMMAND_ADMIN, "5.0.0", "Answers the replicas of a node."),
     .syntax = "node-id:string",
     .tips = cluster_chance},
    {CLUSTER_ROW("replicate", 3, CLUSTER_ADMIN, "3.0.0", "Makes this node a replica."),
     .syntax = "node-id:string"},
    {CLUSTER_ROW("reset", -2, COMMAND_ADMIN | COMMAND_NOSCRIPT, "3.0.0",
                 "Makes this node forget its cluster."),
     .syntax = "[hard_soft(hard=HARD|soft=SOFT)]"},
    {CLUSTER_ROW("saveconfig", 2, CLUSTER_ADMIN, "3.0.0", "Writes the configuration to disk.")},
    {CLUSTER_ROW("set-config-epoch", 3, CLUSTER_ADMIN, "3.0.0", "Sets the epoch of a new node."),
     .syntax = "config-epoch:integer"},
    {CLUSTER_ROW("setslot", -4, CLUSTER_ADMIN, "3.0.0", "Moves a slot between nodes."),
     .syntax = "slot:integer subcommand(node-id:string@IMPORTING|node-id:string@MIGRATING|"
               "node-id:string@NODE|stable=STABLE)"},
    {CLUSTER_ROW("shards", 2, 0, "7.0.0", "Answers which nodes serve which slots."),
     .tips = cluster_chance},
    {CLUSTER_ROW("slaves", 3, COMMAND_ADMIN, "3.0.0", "Answers the replicas of a node."),
     .syntax = "node-id:string",
     .tips = cluster_chance,
     .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`"},
    {CLUSTER_ROW("slot-stats", -4, COMMAND_LOADING, "8.0.0", "Answers how much slots are used."),
     .syntax = "filter(slotsrange{start-slot:integer end-slot:integer}@SLOTSRANGE|"
               "orderby{metric:string [limit:integer@LIMIT] [order(asc=ASC|desc=DESC)]}@ORDERBY)",
     .tips = slot_stats_tips},
    {CLUSTER_ROW("slots", 2, 0, "3.0.0", "Answers which nodes serve which slots."),
     .tips = cluster_chance,
     .history = slots_history,
     .deprecated_since = "7.0.0",
     .replaced_by = "`CLUSTER SHARDS`"},
    {.name = NULL},
};

const struct command commands_cluster[] = {
    {.name = "cluster",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands of a cluster, which kv is not.",
     .subcommands = cluster_subcommands},
    {.name = "asking",
     .run = cluster_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_FAST | COMMAND_NO_HOLD,
     .categories = CATEGORY_CONNECTION,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Precedes a request that another node of a cluster has sent here."},
    {.name = "readonly",
     .run = cluster_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD,
     .categories = CATEGORY_CONNECTION,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Allows reads from a replica of a cluster."},
    {.name = "readwrite",
     .run = cluster_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_FAST | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD,
     .categories = CATEGORY_CONNECTION,
     .group = "cluster",
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Takes READONLY back."},
    {.name = NULL},
};
