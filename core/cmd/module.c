/* MODULE: none are loaded, and none can be. */
#include "core/cmd/rows.h"
#include "core/ctx.h"

static void module_list_run(struct ctx *ctx)
{
    reply_array(ctx, 0);
}

/* As a server says it that was told not to load any. */
static const char *module_forbidden(const struct ctx *ctx unused)
{
    return "ERR MODULE command not allowed. kv loads no modules, whatever the "
           "enable-module-command option is set to.";
}

static void module_refuse_run(struct ctx *ctx)
{
    reply_error(ctx, "%s", module_forbidden(ctx));
}

static void module_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "LIST",
        "    Answer the modules that are loaded: none.",
        "LOAD <path> [<arg> ...], LOADEX <path> ..., UNLOAD <name>",
        "    Refused: kv loads no modules.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

#define MODULE_REFUSED (COMMAND_NO_ASYNC_LOADING | COMMAND_PROTECTED)

#define MODULE_ROW(row_name, row_run, row_arity, row_flags, row_since)                             \
    .name = row_name, .run = row_run, .arity = row_arity, .record = RECORD_NOTHING,                \
    .flags = (row_flags) | COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_NO_HOLD, .group = "server",  \
    .since = row_since, .complexity = "O(1)"

static const char *const module_list_tips[] = {"nondeterministic_output_order", NULL};

static const struct command module_subcommands[] = {
    {MODULE_ROW("list", module_list_run, 2, 0, "4.0.0"),
     .summary = "Answers the modules that are loaded: none.",
     .tips = module_list_tips},
    {MODULE_ROW("load", module_refuse_run, -3, MODULE_REFUSED, "4.0.0"),
     .forbidden = module_forbidden,
     .summary = "Is refused: kv loads no modules.",
     .syntax = "path:string [arg:string]..."},
    {MODULE_ROW("loadex", module_refuse_run, -3, MODULE_REFUSED, "7.0.0"),
     .forbidden = module_forbidden,
     .summary = "Is refused: kv loads no modules.",
     .syntax = "path:string [configs{name:string value:string}]@CONFIG...+ "
               "[args{arg:string}]@ARGS..."},
    {MODULE_ROW("unload", module_refuse_run, 3, MODULE_REFUSED, "4.0.0"),
     .forbidden = module_forbidden,
     .summary = "Is refused: there are no modules.",
     .syntax = "name:string"},
    ROW_HELP(module_help_run, 0, "server", "5.0.0"),
    {.name = NULL},
};

const struct command commands_module[] = {
    {.name = "module",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "server",
     .since = "4.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Commands about modules, of which there are none.",
     .subcommands = module_subcommands},
    {.name = NULL},
};
