/* MEMORY: what a key takes, what all takes, and what one can do about it. */
#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/cmd/memory_figures.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/scripting.h"

static void memory_usage_run(struct ctx *ctx)
{
    const struct entry *entry;
    int64_t samples;

    /* Sizes are known without looking at samples; how many is checked as ever. */
    for (int at = 3; at < ctx->argc; at++) {
        if (!ctx_arg_is(ctx, at, "samples") || at + 1 >= ctx->argc) {
            reply_syntax_error(ctx);
            return;
        }
        if (!arg_i64(ctx, ctx->argv[++at], &samples))
            return;
        if (samples < 0) {
            reply_syntax_error(ctx);
            return;
        }
    }
    entry = ctx_find(ctx, ctx->argv[2], LOOKUP_PEEK).entry;
    if (entry == NULL)
        reply_null(ctx);
    else
        reply_int(ctx, (int64_t)entry_memory(entry));
}

static void put_figure(struct ctx *ctx, const char *name, int64_t value)
{
    reply_text(ctx, name);
    reply_int(ctx, value);
}

static void put_double(struct ctx *ctx, const char *name, double value)
{
    reply_text(ctx, name);
    reply_double(ctx, value);
}

/* A ratio and a difference. */
static void put_ratio(struct ctx *ctx, const char *ratio, const char *bytes, size_t over,
                      size_t under)
{
    put_double(ctx, ratio, memory_ratio(over, under));
    put_figure(ctx, bytes, (int64_t)over - (int64_t)under);
}

static void put_databases(struct ctx *ctx)
{
    char name[24];

    for (int db = 0; db < keyspace_databases(ctx->keyspace); db++) {
        if (keyspace_count(ctx->keyspace, db) == 0)
            continue;
        snprintf(name, sizeof(name), "db.%d", db);
        reply_text(ctx, name);
        reply_map(ctx, 3);
        put_figure(ctx, "overhead.hashtable.main",
                   (int64_t)keyspace_overhead(ctx->keyspace, db, false));
        put_figure(ctx, "overhead.hashtable.expires",
                   (int64_t)keyspace_overhead(ctx->keyspace, db, true));
        put_figure(ctx, "overhead.hashtable.slot-to-keys", 0);
    }
}

static size_t databases_in_use(struct ctx *ctx)
{
    size_t count = 0;

    for (int db = 0; db < keyspace_databases(ctx->keyspace); db++)
        count += keyspace_count(ctx->keyspace, db) > 0;
    return count;
}

#define STATS_FIGURES 27 /* besides those of databases */

static void memory_stats_run(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    struct scripting_figures scripts;
    struct memory_figures figures;
    uint64_t keys = keyspace_total(ctx->keyspace);

    memory_figures(engine, &figures);
    scripting_figures(engine, &scripts);
    const struct mem_stats *allocator = figures.allocator;
    size_t grown = figures.used > figures.startup ? figures.used - figures.startup : 0;
    reply_map(ctx, STATS_FIGURES + databases_in_use(ctx));
    put_figure(ctx, "peak.allocated", (int64_t)figures.peak);
    put_figure(ctx, "total.allocated", (int64_t)figures.used);
    put_figure(ctx, "startup.allocated", (int64_t)figures.startup);
    put_figure(ctx, "replication.backlog", 0);
    put_figure(ctx, "clients.slaves", 0);
    put_figure(ctx, "clients.normal", (int64_t)figures.sessions);
    put_figure(ctx, "cluster.links", 0);
    put_figure(ctx, "aof.buffer", (int64_t)journal_backlog(engine->journal));
    put_figure(ctx, "lua.caches", (int64_t)scripts.script_bytes);
    put_figure(ctx, "functions.caches", (int64_t)scripts.function_bytes);
    put_databases(ctx);
    put_figure(ctx, "overhead.total", (int64_t)figures.overhead);
    put_figure(ctx, "keys.count", (int64_t)keys);
    put_figure(ctx, "keys.bytes-per-key", keys ? (int64_t)(grown / keys) : 0);
    put_figure(ctx, "dataset.bytes", (int64_t)figures.dataset);
    put_double(ctx, "dataset.percentage", memory_percent((double)figures.dataset, (double)grown));
    put_double(ctx, "peak.percentage", memory_percent((double)figures.used, (double)figures.peak));
    put_figure(ctx, "allocator.allocated", (int64_t)allocator->allocated);
    put_figure(ctx, "allocator.active", (int64_t)allocator->active);
    put_figure(ctx, "allocator.resident", (int64_t)allocator->resident);
    put_ratio(ctx, "allocator-fragmentation.ratio", "allocator-fragmentation.bytes",
              allocator->active, allocator->allocated);
    put_ratio(ctx, "allocator-rss.ratio", "allocator-rss.bytes", allocator->resident,
              allocator->active);
    put_ratio(ctx, "rss-overhead.ratio", "rss-overhead.bytes", allocator->rss,
              allocator->resident);
    put_ratio(ctx, "fragmentation", "fragmentation.bytes", allocator->rss, allocator->allocated);
}

/* --- DOCTOR ----------------------------------------------------------------------------------- */

#define DOCTOR_BYTES_MIN (5 * 1024 * 1024)       /* with less, ratios mean nothing */
#define DOCTOR_WASTE_MIN (10 * 1024 * 1024)      /* less is no trouble */
#define DOCTOR_PEAK 1.5
#define DOCTOR_FRAGMENTED 1.4
#define DOCTOR_SESSION_BYTES (200 * 1024)        /* a client, on average */

static bool is_wasted(size_t over, size_t under, double ratio)
{
    return memory_ratio(over, under) > ratio && over - under > DOCTOR_WASTE_MIN;
}

/* What there is to say about the figures, if anything. */
static void put_findings(const struct engine *engine, const struct memory_figures *figures,
                         struct buf *out)
{
    const struct mem_stats *allocator = figures->allocator;
    uint64_t sessions = engine->session_count;

    if (memory_ratio(figures->peak, figures->used) > DOCTOR_PEAK)
        buf_append_text(out, "- At its peak the server used more than 1.5 times as much as now. "
                             "What the allocator keeps of it may make the process look too large; "
                             "MEMORY PURGE gives back what can be given back.\n");
    if (is_wasted(allocator->active, allocator->allocated, DOCTOR_FRAGMENTED))
        buf_append_text(out, "- Memory is fragmented: pages are held by few blocks each. It comes "
                             "from deleting, or changing the size of, many values. A restart packs "
                             "them again.\n");
    if (is_wasted(allocator->resident, allocator->active, DOCTOR_FRAGMENTED))
        buf_append_text(out, "- The allocator holds pages that it does not use. MEMORY PURGE gives "
                             "them back.\n");
    if (is_wasted(allocator->rss, allocator->resident, DOCTOR_FRAGMENTED))
        buf_append_text(out, "- The process is much larger than what its allocator holds: threads, "
                             "libraries, or pages that the system has not taken back yet.\n");
    if (sessions > 0 && figures->sessions / sessions > DOCTOR_SESSION_BYTES)
        buf_append_text(out, "- Clients have large buffers: they send much at once, or do not read "
                             "what they asked for. CLIENT LIST shows which (qbuf, omem); "
                             "client-output-buffer-limit bounds them.\n");
}

static void memory_doctor_run(struct ctx *ctx)
{
    struct memory_figures figures;
    struct buf text = {0}, findings = {0};

    memory_figures(ctx->engine, &figures);
    put_findings(ctx->engine, &figures, &findings);
    if (figures.used < DOCTOR_BYTES_MIN)
        buf_append_text(&text, "There is too little in memory to tell anything from it.\n");
    else if (findings.len == 0)
        buf_append_text(&text, "Nothing stands out in how memory is used.\n");
    else
        buf_append_slice(&text, buf_slice(&findings));
    reply_verbatim(ctx, buf_slice(&text), "txt");
    buf_free(&findings);
    buf_free(&text);
}

static void memory_purge_run(struct ctx *ctx)
{
    mem_purge();
    reply_ok(ctx);
}

static void put_report(void *env, const char *text)
{
    buf_append_text(env, text);
}

static void memory_malloc_stats_run(struct ctx *ctx)
{
    struct buf text = {0};

    if (mem_report(put_report, &text))
        reply_verbatim(ctx, buf_slice(&text), "txt");
    else
        reply_text(ctx, "Stats not supported for the current allocator");
    buf_free(&text);
}

static void memory_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Answer what stands out in how memory is used.",
        "MALLOC-STATS",
        "    Answer the allocator's own report.",
        "PURGE",
        "    Give memory that is not used back to the system.",
        "STATS",
        "    Answer what memory is used for.",
        "USAGE <key> [SAMPLES <count>]",
        "    Answer how many bytes <key> and its value take. The figure is exact whatever",
        "    <count> is, which is there for compatibility.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static const char *const special_tips[] = {"nondeterministic_output", "request_policy:all_shards",
                                           "response_policy:special", NULL};
static const char *const purge_tips[] = {"request_policy:all_shards",
                                         "response_policy:all_succeeded", NULL};

#define MEMORY_ROW(row_name, row_run, row_tips)                                                    \
    .name = row_name, .run = row_run, .arity = 2, .record = RECORD_NOTHING,                        \
    .flags = COMMAND_NO_HOLD, .group = "server", .since = "4.0.0", .tips = row_tips

static const struct command memory_subcommands[] = {
    {.name = "usage",
     .run = memory_usage_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "server",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many bytes a key and its value take.",
     .syntax = "key:key [count:integer@SAMPLES]"},
    {MEMORY_ROW("doctor", memory_doctor_run, special_tips),
     .complexity = "O(1)",
     .summary = "Tells what stands out in how memory is used."},
    {MEMORY_ROW("malloc-stats", memory_malloc_stats_run, special_tips),
     .complexity = "That of the allocator.",
     .summary = "Answers the allocator's own report."},
    {MEMORY_ROW("purge", memory_purge_run, purge_tips),
     .complexity = "That of the allocator.",
     .summary = "Gives memory that is not used back to the system."},
    {MEMORY_ROW("stats", memory_stats_run, special_tips),
     .complexity = "O(N) for N databases and clients.",
     .summary = "Answers what memory is used for."},
    ROW_HELP(memory_help_run, 0, "server", "4.0.0"),
    {.name = NULL},
};

const struct command commands_memory[] = {
    {.name = "memory",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "4.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands that tell about memory.",
     .subcommands = memory_subcommands},
    {.name = NULL},
};
