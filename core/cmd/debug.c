/* DEBUG: the few of its subcommands that tests of applications live by. Off unless the config
 * says otherwise, as it stops the whole server. */
#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/session.h"

#define SLEEP_MAX_S 3600.0

static bool is_allowed(struct ctx *ctx)
{
    int enabled = ctx->engine->settings->enable_debug_command;
    if (enabled == 2 || (enabled == 1 && session_is_local(ctx->session)))
        return true;
    reply_error(ctx, "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
                     "\"local\", you can run it from a local connection, otherwise you need to set "
                     "this option in the configuration file, and then restart the server.");
    return false;
}

static void debug_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    double value = 0;
    if (!is_allowed(ctx))
        return;
    bool is_number = ctx->argc == 3 && num_parse_double(ctx->argv[2], &value);
    if (ctx->argc == 3 && ctx_arg_is(ctx, 1, "sleep") && host->sleep_us) {
        if (value > SLEEP_MAX_S)
            value = SLEEP_MAX_S;
        if (is_number && value > 0)
            host->sleep_us(host->self, (int64_t)(value * 1e6));
        reply_ok(ctx);
    } else if (ctx->argc == 3 && ctx_arg_is(ctx, 1, "set-active-expire")) {
        ctx->engine->expire_by_access_only = is_number && value == 0;
        reply_ok(ctx);
    } else {
        reply_error(ctx,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                    "HELP.",
                    (int)(ctx->argv[1].len > 128 ? 128 : ctx->argv[1].len), ctx->argv[1].data);
    }
}

const struct command commands_debug[] = {
    {.name = "debug",
     .run = debug_run,
     .arity = -2,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE,
     .group = "server",
     .since = "1.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Stops the server for some seconds (SLEEP), or the sweep for expired keys."},
    {.name = NULL},
};
