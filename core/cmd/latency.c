/* LATENCY: what took long, and how long commands take. */
#include "core/latency.h"

#include "core/base/buf.h"
#include "core/base/histogram.h"
#include "core/cmd/latency_report.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

static void latency_latest_run(struct ctx *ctx)
{
    const struct latency *latency = ctx->engine->latency;
    const struct latency_event *event;
    int count = 0;

    while (latency_at(latency, count))
        count++;
    reply_array(ctx, (size_t)count);
    for (int i = 0; (event = latency_at(latency, i)); i++) {
        const struct latency_sample *last = latency_sample_at(event, event->count - 1);

        reply_array(ctx, 6);
        reply_text(ctx, event->name);
        reply_int(ctx, last->time_s);
        reply_int(ctx, (int64_t)last->ms);
        reply_int(ctx, (int64_t)event->max_ms);
        reply_int(ctx, (int64_t)event->sum_ms);
        reply_int(ctx, (int64_t)event->times);
    }
}

static const struct latency_event *named(const struct ctx *ctx)
{
    return latency_find(ctx->engine->latency, ctx->argv[2].data, ctx->argv[2].len);
}

static void latency_history_run(struct ctx *ctx)
{
    const struct latency_event *event = named(ctx);

    reply_array(ctx, event ? (size_t)event->count : 0);
    for (int i = 0; event && i < event->count; i++) {
        const struct latency_sample *sample = latency_sample_at(event, i);

        reply_array(ctx, 2);
        reply_int(ctx, sample->time_s);
        reply_int(ctx, (int64_t)sample->ms);
    }
}

static void latency_graph_run(struct ctx *ctx)
{
    const struct latency_event *event = named(ctx);
    struct buf text = {0};

    if (!event) {
        reply_error(ctx, "ERR No samples available for event '%.*s'", (int)ctx->argv[2].len,
                    ctx->argv[2].data);
        return;
    }
    latency_graph(event, ctx->now_ms / 1000, &text);
    reply_verbatim(ctx, buf_slice(&text), "txt");
    buf_free(&text);
}

static void latency_doctor_run(struct ctx *ctx)
{
    struct buf text = {0};

    latency_doctor(ctx->engine, &text);
    reply_verbatim(ctx, buf_slice(&text), "txt");
    buf_free(&text);
}

static void latency_reset_run(struct ctx *ctx)
{
    int count = 0;

    if (ctx->argc == 2)
        count = latency_reset(ctx->engine->latency, NULL, 0);
    for (int i = 2; i < ctx->argc; i++)
        count += latency_reset(ctx->engine->latency, ctx->argv[i].data, ctx->argv[i].len);
    reply_int(ctx, count);
}

/* ---- HISTOGRAM ---- */

/* The bounds are those of Redis' histograms: powers of two, in units of 1,024 ns, at the precision
 * of two digits. */
static uint64_t bound_us(int step)
{
    uint64_t ns = (uint64_t)1024 << step;

    return (ns + ns / 128 - 1) / 1000;
}

/* Call for each bound at which the count rises; returns how many there are. */
static size_t each_bound(struct ctx *ctx, const struct histogram *histogram, bool reply)
{
    uint64_t seen = 0;
    size_t bounds = 0;

    for (int step = 0; seen < histogram->count && step < 40; step++) {
        uint64_t count = histogram_count_to(histogram, bound_us(step));

        if (count == seen)
            continue;
        seen = count;
        bounds++;
        if (reply) {
            reply_int(ctx, (int64_t)bound_us(step));
            reply_int(ctx, (int64_t)count);
        }
    }
    return bounds;
}

/* Tells of a command and of its subcommands; counts only, if there is no context. */
struct telling {
    struct ctx *ctx;
    size_t count;
};

static void tell_one(void *env, struct command_state *state)
{
    struct telling *telling = env;
    struct ctx *ctx = telling->ctx;

    if (!state->histogram || state->histogram->count == 0)
        return;
    telling->count++;
    if (!ctx)
        return;
    reply_text(ctx, state->full_name);
    reply_map(ctx, 2);
    reply_text(ctx, "calls");
    reply_int(ctx, (int64_t)state->histogram->count);
    reply_text(ctx, "histogram_usec");
    reply_map(ctx, each_bound(ctx, state->histogram, false));
    each_bound(ctx, state->histogram, true);
}

static void tell(struct ctx *ctx, struct telling *telling)
{
    if (ctx->argc == 2)
        registry_each(ctx->engine->registry, tell_one, telling);
    for (int i = 2; i < ctx->argc; i++) {
        struct command_state *state = registry_find_full(ctx->engine->registry, ctx->argv[i]);

        if (!state)
            continue;
        tell_one(telling, state);
        for (int child = 0; child < state->child_count; child++)
            tell_one(telling, &state->children[child]);
    }
}

static void latency_histogram_run(struct ctx *ctx)
{
    struct telling telling = {.ctx = NULL};

    tell(ctx, &telling);
    reply_map(ctx, telling.count);
    telling.ctx = ctx;
    tell(ctx, &telling);
}

static void latency_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "DOCTOR",
        "    Answer what took long, and what one can do about it.",
        "GRAPH <event>",
        "    Answer a picture of the samples of <event>.",
        "HISTORY <event>",
        "    Answer the samples of <event>: when (seconds) and how long (milliseconds).",
        "LATEST",
        "    Answer of each event its last sample and its worst.",
        "RESET [<event> ...]",
        "    Forget the samples of these events, or of all.",
        "HISTOGRAM [<command> ...]",
        "    Answer how many calls of these commands, or of all, took how many microseconds at",
        "    most.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static const char *const special_tips[] = {"nondeterministic_output", "request_policy:all_nodes",
                                           "response_policy:special", NULL};
static const char *const reset_tips[] = {"request_policy:all_nodes",
                                         "response_policy:all_succeeded", NULL};

#define LATENCY_ROW(row_name, row_run, row_arity, row_since, row_tips)                             \
    .name = row_name, .run = row_run, .arity = row_arity, .record = RECORD_NOTHING,                \
    .flags = COMMAND_ADMIN | COMMAND_LOADING | COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_NO_HOLD, \
    .group = "server", .since = row_since, .tips = row_tips

static const struct command latency_subcommands[] = {
    {LATENCY_ROW("doctor", latency_doctor_run, 2, "2.8.13", special_tips),
     .complexity = "O(1)",
     .summary = "Tells what took long, and what one can do about it."},
    {LATENCY_ROW("graph", latency_graph_run, 3, "2.8.13", special_tips),
     .complexity = "O(1)",
     .summary = "Draws the samples of an event.",
     .syntax = "event:string"},
    {LATENCY_ROW("histogram", latency_histogram_run, -2, "7.0.0", special_tips),
     .complexity = "O(N) for N commands.",
     .summary = "Answers how long commands take, as cumulative histograms.",
     .syntax = "[command:string...]"},
    {LATENCY_ROW("history", latency_history_run, 3, "2.8.13", special_tips),
     .complexity = "O(1)",
     .summary = "Answers the samples of an event.",
     .syntax = "event:string"},
    {LATENCY_ROW("latest", latency_latest_run, 2, "2.8.13", special_tips),
     .complexity = "O(1)",
     .summary = "Answers the last and the worst sample of each event."},
    {LATENCY_ROW("reset", latency_reset_run, -2, "2.8.13", reset_tips),
     .complexity = "O(1)",
     .summary = "Forgets the samples of some events or all.",
     .syntax = "[event:string...]"},
    ROW_HELP(latency_help_run, 0, "server", "2.8.13"),
    {.name = NULL},
};

const struct command commands_latency[] = {
    {.name = "latency",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "2.8.13",
     .complexity = "That of the subcommand.",
     .summary = "Commands about what takes long.",
     .subcommands = latency_subcommands},
    {.name = NULL},
};
