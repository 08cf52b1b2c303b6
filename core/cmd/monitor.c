/* MONITOR: see what all others do. */
#include "core/monitor.h"

#include "core/cmd/rows.h"
#include "core/ctx.h"

/* Who is one already is not answered again, as with Redis. */
static void monitor_run(struct ctx *ctx)
{
    if (ctx->may_not_block) {
        reply_error(ctx, "ERR MONITOR isn't allowed for DENY BLOCKING client");
    } else if (!(ctx->session->flags & SESSION_MONITOR)) {
        monitor_start(ctx->session);
        reply_ok(ctx);
    }
}

const struct command commands_monitor[] = {
    {.name = "monitor",
     .run = monitor_run,
     .arity = 1,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
     .group = "server",
     .since = "1.0.0",
     .summary = "Shows every command that the server runs."},
    {.name = NULL},
};
