/* INFO: which sections are asked for, and the row. The sections themselves are in info_server.c,
 * info_memory.c and info_stats.c. */
#include "core/cmd/info.h"

#include "core/base/buf.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

struct section {
    const char *name;
    void (*write)(struct engine *engine, struct buf *out);
    bool by_default; /* in INFO without a name */
};

static const struct section sections[] = {
    {"server", info_server, true},
    {"clients", info_clients, true},
    {"memory", info_memory, true},
    {"persistence", info_persistence, true},
    {"stats", info_stats, true},
    {"replication", info_replication, true},
    {"cpu", info_cpu, true},
    {"modules", info_modules, true},
    {"commandstats", info_commandstats, false},
    {"errorstats", info_errorstats, true},
    {"latencystats", info_latencystats, false},
    {"cluster", info_cluster, true},
    {"keyspace", info_keyspace, true},
};
#define SECTIONS (sizeof sections / sizeof sections[0])

static bool is_wanted(const struct ctx *ctx, const struct section *section)
{
    if (ctx->argc == 1)
        return section->by_default;
    for (int i = 1; i < ctx->argc; i++)
        if (ctx_arg_is(ctx, i, section->name) || ctx_arg_is(ctx, i, "everything") ||
            ctx_arg_is(ctx, i, "all") ||
            (ctx_arg_is(ctx, i, "default") && section->by_default))
            return true;
    return false;
}

static void info_run(struct ctx *ctx)
{
    struct buf out = {0};
    for (size_t i = 0; i < SECTIONS; i++) {
        if (!is_wanted(ctx, &sections[i]))
            continue;
        if (out.len)
            buf_append_text(&out, "\r\n");
        sections[i].write(ctx->engine, &out);
    }
    reply_verbatim(ctx, buf_slice(&out), "txt");
    buf_free(&out);
}

static const char *const info_history[] = {"7.0.0", "Takes several sections.", NULL};
static const char *const info_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                        "response_policy:special", NULL};

const struct command commands_info[] = {
    {.name = "info",
     .run = info_run,
     .arity = -1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD,
     .categories = CATEGORY_DANGEROUS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of connections and databases",
     .summary = "Answers figures about the server.",
     .syntax = "[section:string...]",
     .history = info_history,
     .tips = info_tips},
    {.name = NULL},
};
