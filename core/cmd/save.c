/* Snapshots on request: see core/save.h. */
#include "core/base/fault.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/save.h"

static void reply_fault(struct ctx *ctx, const struct fault *fault)
{
    char line[1024];
    reply_error(ctx, "ERR %s", fault_line(fault, line, sizeof line));
}

static bool dump_runs(struct ctx *ctx, struct save_report *report)
{
    save_report(ctx->engine, report);
    if (!report->dump.running)
        return false;
    reply_error(ctx, "ERR Background save already in progress");
    return true;
}

static void save_run(struct ctx *ctx)
{
    struct save_report report;
    struct fault fault = {0};
    if (dump_runs(ctx, &report))
        return;
    if (save_dump_wait(ctx->engine, &fault) < 0)
        reply_fault(ctx, &fault);
    else
        reply_ok(ctx);
}

static void bgsave_cancel(struct ctx *ctx)
{
    switch (save_cancel(ctx->engine)) {
    case SAVE_RUNNING_CANCELLED: reply_simple(ctx, "Background saving cancelled"); return;
    case SAVE_SCHEDULED_CANCELLED:
        reply_simple(ctx, "Scheduled background saving cancelled");
        return;
    case SAVE_NONE_CANCELLED: break;
    }
    reply_error(ctx, "ERR Background saving is currently not in progress or scheduled");
}

/* Inside a transaction the journal does not have yet what was changed so far: the snapshot begins
 * behind it. */
static void bgsave_run(struct ctx *ctx)
{
    bool schedule = ctx->argc == 2 && ctx_arg_is(ctx, 1, "schedule");
    struct save_report report;
    struct fault fault = {0};
    if (ctx->argc == 2 && ctx_arg_is(ctx, 1, "cancel")) {
        bgsave_cancel(ctx);
        return;
    }
    if (ctx->argc > 2 || (ctx->argc == 2 && !schedule)) {
        reply_syntax_error(ctx);
        return;
    }
    if (dump_runs(ctx, &report))
        return;
    if (report.base.running && !schedule) {
        reply_error(ctx, "ERR Another child process is active (AOF?): can't BGSAVE right now. Use "
                         "BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.");
    } else if (report.base.running || ctx->may_not_block) {
        save_schedule_dump(ctx->engine);
        reply_simple(ctx, report.base.running ? "Background saving scheduled"
                                              : "Background saving started");
    } else if (save_dump(ctx->engine, &fault) < 0) {
        reply_fault(ctx, &fault);
    } else {
        reply_simple(ctx, "Background saving started");
    }
}

static void bgrewriteaof_run(struct ctx *ctx)
{
    struct save_report report;
    struct fault fault = {0};
    save_report(ctx->engine, &report);
    if (report.base.running)
        reply_error(ctx, "ERR Background append only file rewriting already in progress");
    else if (!report.base.scheduled && save_base(ctx->engine, &fault) < 0)
        reply_fault(ctx, &fault);
    else
        reply_simple(ctx, report.dump.running
                              ? "Background append only file rewriting scheduled"
                              : "Background append only file rewriting started");
}

static void lastsave_run(struct ctx *ctx)
{
    struct save_report report;
    save_report(ctx->engine, &report);
    reply_int(ctx, report.last_dump_unix);
}

static const char *const bgsave_history[] = {"3.2.2", "`SCHEDULE`.", "8.1.0", "`CANCEL`.", NULL};
static const char *const random_tips[] = {"nondeterministic_output", NULL};

#define SAVE_FLAGS (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_ASYNC_LOADING)

const struct command commands_save[] = {
    {.name = "save",
     .run = save_run,
     .arity = 1,
     .flags = SAVE_FLAGS | COMMAND_NO_MULTI,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(N), where N is the number of all keys",
     .summary = "Writes a snapshot, and answers when it is on the disk."},
    {.name = "bgsave",
     .run = bgsave_run,
     .arity = -1,
     .flags = SAVE_FLAGS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Begins to write a snapshot while the server goes on.",
     .syntax = "[schedule=SCHEDULE^3.2.2] [cancel=CANCEL^8.1.0]",
     .history = bgsave_history},
    {.name = "bgrewriteaof",
     .run = bgrewriteaof_run,
     .arity = 1,
     .flags = SAVE_FLAGS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Begins to replace what the log has recorded by a snapshot."},
    {.name = "lastsave",
     .run = lastsave_run,
     .arity = 1,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_ADMIN | CATEGORY_DANGEROUS,
     .group = "server",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers when the last snapshot was complete, as a Unix time.",
     .tips = random_tips},
    {.name = NULL},
};
