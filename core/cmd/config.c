/* CONFIG: settings at run time. What an option means, and what may be changed, is in
 * core/settings_rows.c; what lives by an option hears of its change through the host. */
#include <errno.h>
#include <stdio.h>

#include "core/acl.h"
#include "core/acl_file.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/save.h"
#include "core/settings_rewrite.h"

/* What CONFIG GET shows in place of a password that is set, and CONFIG SET does not take for one:
 * who writes back what was read must not change it. */
#define SECRET_SHOWN "********"

/* ---- GET ---- */

struct got {
    struct ctx *ctx;
    size_t pairs;
    bool count_only;
};

static void got_one(void *env, const char *name, struct slice value)
{
    struct got *got = env;
    got->pairs++;
    if (got->count_only)
        return;
    reply_text(got->ctx, name);
    if (value.len > 0 && settings_is_secret(slice_of(name)))
        value = SLICE(SECRET_SHOWN);
    reply_bulk(got->ctx, value);
}

static void get_run(struct ctx *ctx)
{
    struct got got = {.ctx = ctx, .count_only = true};
    const struct settings *settings = ctx->engine->settings;
    settings_get(settings, ctx->argc - 2, ctx->argv + 2, got_one, &got);
    reply_map(ctx, got.pairs);
    got.count_only = false;
    settings_get(settings, ctx->argc - 2, ctx->argv + 2, got_one, &got);
}

/* ---- SET ---- */

static int changed(void *env, const char *name, struct fault *fault)
{
    struct ctx *ctx = env;
    struct host *host = ctx->engine->host;
    char line[160];
    if (strcmp(name, "requirepass") == 0)
        acl_require_password(ctx->engine, ctx->engine->acl);
    if (strcmp(name, "acllog-max-len") == 0)
        acl_log_trim(&ctx->engine->acl->log, ctx->engine->settings->acllog_max_len);
    settings_warning(name, line);
    if (line[0])
        host->log(host->self, HOST_WARNING, "CONFIG SET: %s", line);
    if (!host->setting_changed)
        return 0;
    int result = host->setting_changed(host->self, name, fault);
    if (result < 0)
        host->log(host->self, HOST_WARNING, "CONFIG SET %s: %s", name, fault->text);
    return result;
}

/* Redis says no more than this to a client when an address can't be had; the log says why. */
static const char *set_reason(struct slice name, const char *why)
{
    bool is_port = slice_is(name, "port") || slice_is(name, "tls-port");
    if (is_port && !strstr(why, "argument") && !strstr(why, "parameter"))
        return "Unable to listen on this port. Check server logs.";
    if (slice_is(name, "bind") && !strstr(why, "parameter"))
        return "Failed to bind to specified addresses.";
    return why;
}

/* CONFIG SET name value ... */
static bool set_is_secret(int argc unused, const struct slice *argv, int index)
{
    return index >= 3 && index % 2 == 1 && settings_is_secret(argv[index - 1]);
}

static bool set_names_log(const struct ctx *ctx)
{
    for (int i = 2; i < ctx->argc; i += 2)
        if (ctx_arg_is(ctx, i, "persistence") || ctx_arg_is(ctx, i, "appendonly"))
            return true;
    return false;
}

/* The log is on, or why it is not. */
static void set_unblock(struct ctx *ctx, bool timed_out)
{
    struct save_report report;
    if (timed_out)
        reply_error(ctx, "ERR The log is still being switched on: INFO persistence has log_state");
    else if (journal_keeps(ctx->engine->journal))
        reply_ok(ctx);
    else {
        save_report(ctx->engine, &report);
        reply_error(ctx, "ERR CONFIG SET failed - the log could not be switched on: %s",
                    report.problem);
    }
}

/* The log is switched on in the background. Who asks for it is answered when it is on, and all that
 * is in memory durable; or why that failed. */
static void set_reply(struct ctx *ctx)
{
    struct session *session = ctx->session;
    if (!save_turning_on(ctx->engine) || !set_names_log(ctx) || ctx->may_not_block ||
        session->flags & SESSION_INTERNAL) {
        reply_ok(ctx);
        return;
    }
    session->flags |= SESSION_WAITS_LOG;
    session_block(session, UINT64_MAX, 0, set_unblock);
}

static int set(struct ctx *ctx, int *failed, char why[static 512])
{
    int pairs = (ctx->argc - 2) / 2;
    for (int i = 0; i < pairs; i++) {
        const struct slice *pair = ctx->argv + 2 + 2 * i;
        if (settings_is_secret(pair[0]) && slice_is(pair[1], SECRET_SHOWN)) {
            snprintf(why, 512, "this is what CONFIG GET shows in place of a secret");
            *failed = i;
            return KV_EREFUSED;
        }
    }
    return settings_set(ctx->engine->settings, pairs, ctx->argv + 2,
                        session_is_local(ctx->session), changed, ctx, failed, why);
}

static struct slice lower(struct ctx *ctx, struct slice word)
{
    char *copy = arena_alloc(ctx->arena, word.len + 1);
    for (size_t i = 0; i < word.len; i++)
        copy[i] = word.data[i] >= 'A' && word.data[i] <= 'Z' ? (char)(word.data[i] + 32)
                                                             : word.data[i];
    return (struct slice){copy, word.len};
}

static void set_run(struct ctx *ctx)
{
    char why[512];
    int failed = 0;
    if (ctx->argc % 2) {
        reply_syntax_error(ctx);
        return;
    }
    int result = set(ctx, &failed, why);
    if (result == 0) {
        set_reply(ctx);
        return;
    }
    struct slice name = ctx->argv[2 + 2 * failed];
    int len = (int)(name.len > 128 ? 128 : name.len);
    if (result == KV_ELIMIT) /* Redis shows the name as it is written, not as it was sent */
        name = lower(ctx, name);
    if (result == KV_EFORMAT)
        reply_error(ctx, "ERR Unknown option or number of arguments for CONFIG SET - '%.*s'", len,
                    name.data);
    else
        reply_error(ctx, "ERR CONFIG SET failed (possibly related to argument '%.*s') - %s", len,
                    name.data, set_reason(name, why));
}

/* ---- REWRITE ---- */

static int rewrite(struct ctx *ctx, const char *path, struct fault *fault)
{
    struct host *host = ctx->engine->host;
    char *old_text = NULL;
    size_t len = 0;
    struct buf text = {0}, users = {0};
    int result = host->read_file(host->self, path, &old_text, &len, fault);
    if (result < 0 && fault->system_errno != ENOENT)
        return result;
    if (result < 0)
        old_text = NULL, len = 0; /* it has been removed: written anew */
    if (!ctx->engine->settings->aclfile)
        acl_file_write_config(ctx->engine, &users);
    settings_rewrite(ctx->engine->settings, (struct slice){old_text, len}, buf_slice(&users),
                     &text);
    buf_free(&users);
    result = host->replace_file(host->self, path, buf_slice(&text), fault);
    buf_free(&text);
    mem_free(old_text);
    return result;
}

static void rewrite_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    const char *path = ctx->engine->settings->config_file;
    struct fault fault = {.offset = -1};
    char line[1024];
    if (!path) {
        reply_error(ctx, "ERR The server is running without a config file");
    } else if (rewrite(ctx, path, &fault) < 0) {
        fault_line(&fault, line, sizeof line);
        host->log(host->self, HOST_WARNING, "CONFIG REWRITE failed: %s", line);
        reply_error(ctx, "ERR Rewriting config file: %s",
                    fault.system_errno ? strerror(fault.system_errno) : fault.text);
    } else {
        host->log(host->self, HOST_NOTICE, "CONFIG REWRITE executed with success.");
        reply_ok(ctx);
    }
}

static void resetstat_run(struct ctx *ctx)
{
    stats_reset(&ctx->engine->stats);
    registry_reset_stats(ctx->engine->registry);
    reply_ok(ctx);
}

static const char *const help_lines[] = {
    "GET <pattern> [<pattern> ...]",
    "    Tell the options whose names match a glob-style pattern, with their values.",
    "RESETSTAT",
    "    Set the counters of INFO to zero.",
    "REWRITE",
    "    Write what has been changed into the config file.",
    "SET <option> <value> [<option> <value> ...]",
    "    Change options: all that are named, or none.",
};

static void help_run(struct ctx *ctx)
{
    reply_help(ctx, help_lines, sizeof help_lines / sizeof help_lines[0]);
}

static const char *const get_history[] = {"7.0.0", "Takes several patterns.", NULL};
static const char *const set_history[] = {"7.0.0", "Takes several options.", NULL};
static const char *const set_tips[] = {"request_policy:all_nodes", "response_policy:all_succeeded",
                                       NULL};

#define CONFIG_FLAGS                                                                               \
    (COMMAND_ADMIN | COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD)
#define PER_OPTION "O(N) where N is the number of options"

static const struct command config_rows[] = {
    {.name = "get",
     .run = get_run,
     .arity = -3,
     .flags = CONFIG_FLAGS,
     .group = "server",
     .since = "2.0.0",
     .complexity = PER_OPTION,
     .summary = "Answers the values of options.",
     .syntax = "parameter{parameter:string}...",
     .history = get_history},
    {.name = "help",
     .run = help_run,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Tells what the subcommands do."},
    {.name = "resetstat",
     .run = resetstat_run,
     .arity = 2,
     .flags = CONFIG_FLAGS,
     .group = "server",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets the counters of INFO to zero."},
    {.name = "rewrite",
     .run = rewrite_run,
     .arity = 2,
     .flags = CONFIG_FLAGS,
     .group = "server",
     .since = "2.8.0",
     .complexity = "O(N) where N is the size of the file",
     .summary = "Writes the present options into the config file."},
    {.name = "set",
     .run = set_run,
     .is_secret = set_is_secret,
     .arity = -4,
     .flags = CONFIG_FLAGS,
     .group = "server",
     .since = "2.0.0",
     .complexity = PER_OPTION,
     .summary = "Changes options, all or none.",
     .syntax = "parameter_value{parameter:string value:string}...",
     .history = set_history,
     .tips = set_tips},
    {.name = NULL},
};

const struct command commands_config[] = {
    {.name = "config",
     .arity = -2,
     .group = "server",
     .since = "2.0.0",
     .complexity = "That of the subcommand.",
     .summary = "The commands about settings.",
     .subcommands = config_rows},
    {.name = NULL},
};
