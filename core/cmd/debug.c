/* DEBUG: what test suites of Redis and of its clients live by. Off unless the config says
 * otherwise, as it may stop the whole server. Those about keys are in debug_value.c. */
#include <stdio.h>
#include <string.h>

#include "core/base/num.h"
#include "core/cmd/debug.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/session.h"

#define SLEEP_MAX_S 3600.0
#define HELP_LINES_MAX 128
#define HELP_LINE_BYTES 160
#define PACKED_BYTES_MAX ((int64_t)4 << 30)

static const char *debug_forbidden(const struct ctx *ctx)
{
    int enabled = ctx->engine->settings->enable_debug_command;
    if (enabled == 2 || (enabled == 1 && session_is_local(ctx->session)))
        return NULL;
    return "ERR DEBUG command not allowed. If the enable-debug-command option is set to "
           "\"local\", you can run it from a local connection, otherwise you need to set "
           "this option in the configuration file, and then restart the server.";
}

/* ---- time ---- */

static void sleep_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    double seconds;
    if (!host->sleep_us) {
        reply_error(ctx, "ERR this server can't sleep");
        return;
    }
    if (!num_parse_double(ctx->argv[2], &seconds))
        seconds = 0;
    if (seconds > SLEEP_MAX_S)
        seconds = SLEEP_MAX_S;
    if (seconds > 0)
        host->sleep_us(host->self, (int64_t)(seconds * 1e6));
    reply_ok(ctx);
}

static void set_active_expire_run(struct ctx *ctx)
{
    double value;
    ctx->engine->expire_by_access_only = num_parse_double(ctx->argv[2], &value) && value == 0;
    reply_ok(ctx);
}

/* ---- what a client may get ---- */

static void put(struct ctx *ctx, const char *text)
{
    output_append(ctx->output, text, strlen(text));
}

static void protocol_map(struct ctx *ctx)
{
    reply_map(ctx, 3);
    for (int i = 0; i < 3; i++) {
        reply_int(ctx, i);
        reply_bool(ctx, i == 1);
    }
}

static void protocol_attribute(struct ctx *ctx)
{
    if (ctx->session->resp >= 3) {
        put(ctx, "|1\r\n");
        reply_text(ctx, "key-popularity");
        reply_array(ctx, 2);
        reply_text(ctx, "key:123");
        reply_int(ctx, 90);
    }
    reply_text(ctx, "Some real reply following the attribute");
}

static void protocol_push(struct ctx *ctx)
{
    if (ctx->session->resp < 3) {
        reply_error(ctx, "ERR RESP2 is not supported by this command");
        return;
    }
    reply_push(ctx, 2);
    reply_text(ctx, "server-cpu-usage");
    reply_int(ctx, 42);
    reply_text(ctx, "Some real reply following the push reply");
}

static void protocol_big_number(struct ctx *ctx)
{
    if (ctx->session->resp >= 3)
        put(ctx, "(1234567999999999999999999999999999999\r\n");
    else
        reply_text(ctx, "1234567999999999999999999999999999999");
}

static void protocol_run(struct ctx *ctx)
{
    bool is_set = ctx_arg_is(ctx, 2, "set");
    if (ctx_arg_is(ctx, 2, "string"))
        reply_text(ctx, "Hello World");
    else if (ctx_arg_is(ctx, 2, "integer"))
        reply_int(ctx, 12345);
    else if (ctx_arg_is(ctx, 2, "double"))
        reply_double(ctx, 3.141);
    else if (ctx_arg_is(ctx, 2, "null"))
        reply_null(ctx);
    else if (ctx_arg_is(ctx, 2, "map"))
        protocol_map(ctx);
    else if (ctx_arg_is(ctx, 2, "attrib"))
        protocol_attribute(ctx);
    else if (ctx_arg_is(ctx, 2, "push"))
        protocol_push(ctx);
    else if (ctx_arg_is(ctx, 2, "bignum"))
        protocol_big_number(ctx);
    else if (ctx_arg_is(ctx, 2, "verbatim"))
        reply_verbatim(ctx, SLICE("This is a verbatim\nstring"), "txt");
    else if (ctx_arg_is(ctx, 2, "true") || ctx_arg_is(ctx, 2, "false"))
        reply_bool(ctx, ctx_arg_is(ctx, 2, "true"));
    else if (is_set || ctx_arg_is(ctx, 2, "array")) {
        is_set ? reply_set(ctx, 3) : reply_array(ctx, 3);
        for (int i = 0; i < 3; i++)
            reply_int(ctx, i);
    } else
        reply_error(ctx, "ERR Wrong protocol type name. Please use one of the following: "
                         "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|"
                         "true|false");
}

static void error_run(struct ctx *ctx)
{
    reply_error(ctx, "%.*s", (int)ctx->argv[2].len, ctx->argv[2].data);
}

static void log_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    host->log(host->self, HOST_WARNING, "DEBUG LOG: %.*s", (int)ctx->argv[2].len,
              ctx->argv[2].data);
    reply_ok(ctx);
}

/* ---- the server ---- */

static void structsize_run(struct ctx *ctx)
{
    char line[128];
    snprintf(line, sizeof line, "bits:%zu slice:%zu buf:%zu session:%zu command:%zu",
             sizeof(void *) * 8, sizeof(struct slice), sizeof(struct buf), sizeof(struct session),
             sizeof(struct command));
    reply_text(ctx, line);
}

static void change_repl_id_run(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    uint8_t bytes[(sizeof engine->repl_id - 1) / 2];
    engine->host->random_bytes(engine->host->self, bytes, sizeof bytes);
    num_format_hex(engine->repl_id, bytes, sizeof bytes);
    reply_ok(ctx);
}

static bool is_on(const struct ctx *ctx)
{
    int64_t value;
    return num_parse_i64(ctx->argv[2], &value) && value != 0;
}

static void pause_cron_run(struct ctx *ctx)
{
    ctx->engine->tick_paused = is_on(ctx);
    reply_ok(ctx);
}

static void set_skip_checksum_validation_run(struct ctx *ctx)
{
    ctx->engine->payloads_unchecked = is_on(ctx);
    reply_ok(ctx);
}

static void set_disable_deny_scripts_run(struct ctx *ctx)
{
    ctx->engine->scripts_unbound = is_on(ctx);
    reply_ok(ctx);
}

/* Replies have no buffer of a fixed size that shrinks: there is nothing to set. */
static void replybuffer_run(struct ctx *ctx)
{
    if (ctx_arg_is(ctx, 2, "peak-reset-time") || ctx_arg_is(ctx, 2, "resizing"))
        reply_ok(ctx);
    else
        reply_syntax_error(ctx);
}

/* Lists have no nodes of a single element: there is nothing to set. */
static void quicklist_packed_threshold_run(struct ctx *ctx)
{
    int64_t bytes;
    if (num_parse_memory(ctx->argv[2], &bytes) && bytes >= 0 && bytes < PACKED_BYTES_MAX)
        reply_ok(ctx);
    else
        reply_error(ctx, "ERR argument must be a memory value bigger than 1 and smaller than 4gb");
}

static void panic_run(struct ctx *ctx)
{
    (void)ctx;
    kv_assert(!"DEBUG PANIC");
}

static void segfault_run(struct ctx *ctx)
{
    volatile char *volatile nowhere = NULL;
    (void)ctx;
    *nowhere = 'x';
}

static void help_run(struct ctx *ctx);

static const struct debug_subcommand debug_server[] = {
    {"assert", 2, 2, panic_run, "", "Crash by an assertion that fails."},
    {"change-repl-id", 2, 2, change_repl_id_run, "", "Another master_replid in INFO."},
    {"error", 3, 3, error_run, "<string>", "Reply with this error."},
    {"help", 2, 2, help_run, "", "Print this help."},
    {"log", 3, 3, log_run, "<message>", "Write it to the server's log."},
    {"panic", 2, 2, panic_run, "", "Crash by an assertion that fails."},
    {"pause-cron", 3, 3, pause_cron_run, "<0|1>", "1: no expiry and eviction in the background."},
    {"protocol", 3, 3, protocol_run, "<type>",
     "Reply with a value of this type: string, integer, double, bignum, null, array, set, map, "
     "attrib, push, verbatim, true, false."},
    {"quicklist-packed-threshold", 3, 3, quicklist_packed_threshold_run, "<size>",
     "Accepted for test suites; lists store all elements alike."},
    {"replybuffer", 4, 4, replybuffer_run, "<PEAK-RESET-TIME|RESIZING> <value>",
     "Accepted for test suites; buffers of replies take what they need."},
    {"segfault", 2, 2, segfault_run, "", "Crash by a bad address."},
    {"set-active-expire", 3, 3, set_active_expire_run, "<0|1>",
     "0: keys expire when they are looked at, and not in the background."},
    {"set-disable-deny-scripts", 3, 3, set_disable_deny_scripts_run, "<0|1>",
     "1: scripts may call commands that are not allowed from scripts."},
    {"set-skip-checksum-validation", 3, 3, set_skip_checksum_validation_run, "<0|1>",
     "1: RESTORE takes payloads whose checksum is wrong."},
    {"sleep", 3, 3, sleep_run, "<seconds>", "Stop the server for so long. Decimals are allowed."},
    {"structsize", 2, 2, structsize_run, "", "Sizes of some structures."},
    {0},
};

static const struct debug_subcommand *const debug_lists[] = {debug_server, debug_values,
                                                             debug_disk};

#define LISTS (sizeof debug_lists / sizeof debug_lists[0])

static void help_run(struct ctx *ctx)
{
    const char *lines[HELP_LINES_MAX];
    size_t count = 0;
    lines[count++] = "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:";
    for (size_t i = 0; i < LISTS; i++) {
        for (const struct debug_subcommand *sub = debug_lists[i]; sub->name; sub++) {
            char *line = arena_alloc(ctx->arena, HELP_LINE_BYTES);
            size_t len = 0;
            for (; sub->name[len]; len++)
                line[len] = sub->name[len] >= 'a' ? (char)(sub->name[len] - 32) : sub->name[len];
            snprintf(line + len, HELP_LINE_BYTES - len, " %s", sub->arguments);
            kv_assert(count + 2 <= HELP_LINES_MAX);
            lines[count++] = line;
            line = arena_alloc(ctx->arena, strlen(sub->help) + 5);
            sprintf(line, "    %s", sub->help);
            lines[count++] = line;
        }
    }
    reply_array(ctx, count);
    for (size_t i = 0; i < count; i++)
        reply_simple(ctx, lines[i]);
}

static const struct debug_subcommand *find(const struct ctx *ctx)
{
    for (size_t i = 0; i < LISTS; i++)
        for (const struct debug_subcommand *sub = debug_lists[i]; sub->name; sub++)
            if (ctx_arg_is(ctx, 1, sub->name) && ctx->argc >= sub->least &&
                (sub->most == 0 || ctx->argc <= sub->most))
                return sub;
    return NULL;
}

static void debug_run(struct ctx *ctx)
{
    const struct debug_subcommand *sub = find(ctx);
    const char *forbidden = debug_forbidden(ctx); /* scripts don't pass the gate */
    if (forbidden)
        reply_error(ctx, "%s", forbidden);
    else if (sub)
        sub->run(ctx);
    else
        reply_error(ctx,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try DEBUG "
                    "HELP.",
                    (int)(ctx->argv[1].len > 128 ? 128 : ctx->argv[1].len), ctx->argv[1].data);
}

const struct command commands_debug[] = {
    {.name = "debug",
     .run = debug_run,
     .forbidden = debug_forbidden,
     .arity = -2,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE |
              COMMAND_PROTECTED,
     .group = "server",
     .since = "1.0.0",
     .complexity = "That of the subcommand.",
     .summary = "Looks into the server and its values, stops it for a time, and more for tests."},
    {.name = NULL},
};
