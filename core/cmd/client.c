/* CLIENT: a connection looks at itself and at the others. */
#include "core/cmd/client.h"

#include <stdint.h>

#include "core/acl.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/cmd/client_list.h"
#include "core/cmd/client_tracking.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/pubsub.h"
#include "core/session.h"
#include "core/session_describe.h"
#include "core/session_ids.h"
#include "core/waiters.h"

bool client_name_check(struct ctx *ctx, const char *what, struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] < '!' || name.data[i] > '~') {
            reply_error(ctx, "ERR %s cannot contain spaces, newlines or special characters.", what);
            return false;
        }
    return true;
}

void client_name_set(char **field, struct slice name)
{
    mem_free(*field);
    *field = NULL;
    if (!name.len)
        return;
    *field = mem_alloc(name.len + 1);
    memcpy(*field, name.data, name.len);
    (*field)[name.len] = '\0';
}

static void id_run(struct ctx *ctx)
{
    reply_int(ctx, (int64_t)ctx->session->id);
}

static void getname_run(struct ctx *ctx)
{
    if (ctx->session->name)
        reply_text(ctx, ctx->session->name);
    else
        reply_null(ctx);
}

static void setname_run(struct ctx *ctx)
{
    if (!client_name_check(ctx, "Client names", ctx->argv[2]))
        return;
    client_name_set(&ctx->session->name, ctx->argv[2]);
    reply_ok(ctx);
}

static void setinfo_run(struct ctx *ctx)
{
    bool is_name = ctx_arg_is(ctx, 2, "lib-name");
    if (!is_name && !ctx_arg_is(ctx, 2, "lib-ver")) {
        reply_error(ctx, "ERR Unrecognized option '%.*s'",
                    (int)(ctx->argv[2].len > 128 ? 128 : ctx->argv[2].len), ctx->argv[2].data);
        return;
    }
    if (!client_name_check(ctx, is_name ? "lib-name" : "lib-ver", ctx->argv[3]))
        return;
    client_name_set(is_name ? &ctx->session->library_name : &ctx->session->library_version,
                    ctx->argv[3]);
    reply_ok(ctx);
}

static void info_run(struct ctx *ctx)
{
    struct buf line = {0};
    session_describe(ctx->session, ctx->now_ms, &line);
    reply_verbatim(ctx, buf_slice(&line), "txt");
    buf_free(&line);
}

/* ---- switches ---- */

static void client_switch(struct ctx *ctx, uint32_t flag)
{
    if (ctx_arg_is(ctx, 2, "on"))
        ctx->session->flags |= flag;
    else if (ctx_arg_is(ctx, 2, "off"))
        ctx->session->flags &= ~flag;
    else {
        reply_syntax_error(ctx);
        return;
    }
    reply_ok(ctx);
}

static void no_evict_run(struct ctx *ctx)
{
    client_switch(ctx, SESSION_NO_EVICT);
}

static void no_touch_run(struct ctx *ctx)
{
    client_switch(ctx, SESSION_NO_TOUCH);
}

/* Words that the server does not know are no error: clients tell all they can. */
static void capa_run(struct ctx *ctx)
{
    for (int i = 2; i < ctx->argc; i++)
        if (ctx_arg_is(ctx, i, "redirect"))
            ctx->session->flags |= SESSION_CAPA_REDIRECT;
    reply_ok(ctx);
}

static void import_source_run(struct ctx *ctx)
{
    if (!ctx->engine->settings->import_mode && !ctx_arg_is(ctx, 2, "off"))
        reply_error(ctx, "ERR Server is not in import mode");
    else
        client_switch(ctx, SESSION_IMPORT_SOURCE);
}

/* OFF and SKIP answer nothing themselves. */
static void reply_run(struct ctx *ctx)
{
    uint32_t *flags = &ctx->session->flags;
    if (ctx_arg_is(ctx, 2, "on")) {
        *flags &= ~(uint32_t)(SESSION_REPLY_OFF | SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT);
        reply_ok(ctx);
    } else if (ctx_arg_is(ctx, 2, "off")) {
        *flags |= SESSION_REPLY_OFF;
    } else if (ctx_arg_is(ctx, 2, "skip")) {
        if (!(*flags & SESSION_REPLY_OFF))
            *flags |= SESSION_REPLY_SKIP_NEXT;
    } else {
        reply_syntax_error(ctx);
    }
}

/* ---- PAUSE ---- */

static void pause_run(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    int64_t timeout_ms, until_ms;
    bool writes_only = ctx->argc == 4 && ctx_arg_is(ctx, 3, "write");
    if (ctx->argc > 4) {
        reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. "
                         "Try CLIENT HELP.");
    } else if (ctx->argc == 4 && !writes_only && !ctx_arg_is(ctx, 3, "all")) {
        reply_error(ctx, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    } else if (!num_parse_i64(ctx->argv[2], &timeout_ms)) {
        reply_error(ctx, "ERR timeout is not an integer or out of range");
    } else if (timeout_ms < 0) {
        reply_error(ctx, "ERR timeout is negative");
    } else if (__builtin_add_overflow(timeout_ms, ctx->now_ms, &until_ms)) {
        reply_error(ctx, "ERR timeout is out of range");
    } else {
        bool paused = engine->paused_until_ms > ctx->now_ms;
        engine->paused_writes_only = writes_only && (!paused || engine->paused_writes_only);
        if (!paused || until_ms > engine->paused_until_ms)
            engine->paused_until_ms = until_ms;
        reply_ok(ctx);
    }
}

static void unpause_run(struct ctx *ctx)
{
    ctx->engine->paused_until_ms = 0;
    ctx->engine->news_due = true; /* who waits goes on within this turn */
    reply_ok(ctx);
}

/* ---- UNBLOCK ---- */

static void unblock_with_error(struct ctx *ctx, bool timed_out unused)
{
    reply_error(ctx, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
}

static void unblock_run(struct ctx *ctx)
{
    int64_t id;
    bool with_error = ctx->argc == 4 && ctx_arg_is(ctx, 3, "error");
    if (ctx->argc > 4) {
        reply_wrong_arity(ctx);
        return;
    }
    if (ctx->argc == 4 && !with_error && !ctx_arg_is(ctx, 3, "timeout")) {
        reply_error(ctx, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!arg_i64(ctx, ctx->argv[2], &id))
        return;
    struct session *session = session_by_id(ctx->engine, (uint64_t)id);
    if (!session || !(session->flags & SESSION_BLOCKED)) {
        reply_int(ctx, 0);
        return;
    }
    if (session->waiter) {
        reply_int(ctx, waiters_unblock(session, with_error));
        return;
    }
    if (with_error)
        session->unblock = unblock_with_error;
    session_unblock(session, true);
    reply_int(ctx, 1);
}

/* ---- HELP, rows ---- */

static const char *const help_lines[] = {
    "CACHING (YES|NO)",
    "    Track the keys of the next command, or don't.",
    "CAPA <capability> [...]",
    "    Tell the server what the client can do; it knows `redirect`.",
    "GETNAME",
    "    Tell the name of this connection.",
    "GETREDIR",
    "    Tell which client gets this connection's tracking messages; -1: no tracking.",
    "ID",
    "    Tell the id of this connection.",
    "IMPORT-SOURCE (ON|OFF)",
    "    Let this connection see expired keys while import-mode is on.",
    "INFO",
    "    Describe this connection.",
    "KILL <ip:port>",
    "    Close the connection from <ip:port>.",
    "KILL <option> <value> [<option> <value> [...]]",
    "    Close connections that all options fit:",
    "    * ID <client-id> [...]",
    "    * ADDR (<ip:port>|<unixsocket>:0), the client's address",
    "    * LADDR (<ip:port>|<unixsocket>:0), the server's address",
    "    * TYPE (NORMAL|PRIMARY|REPLICA|PUBSUB)",
    "    * USER <username>",
    "    * MAXAGE <seconds>, at least so old",
    "    * SKIPME (YES|NO), spare this connection (default: yes)",
    "LIST [<option> <value> [<option> <value> [...]]]",
    "    Describe all connections, or those that the options fit: as those of KILL.",
    "NO-EVICT (ON|OFF)",
    "    Keep this connection open when clients take too much memory.",
    "NO-TOUCH (ON|OFF)",
    "    Let this connection's reads not count as use of the keys.",
    "PAUSE <timeout> [WRITE|ALL]",
    "    Let all commands, or those that write, wait for <timeout> milliseconds.",
    "REPLY (ON|OFF|SKIP)",
    "    Answer the commands of this connection, none of them, or not the next one.",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "    Tell which client library this is.",
    "SETNAME <name>",
    "    Give this connection a name.",
    "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
    "         [OPTIN] [OPTOUT] [NOLOOP]",
    "    Tell this connection, or another, when keys that it has read change.",
    "TRACKINGINFO",
    "    Describe the tracking of keys for this connection.",
    "UNBLOCK <client-id> [TIMEOUT|ERROR]",
    "    End the wait of a blocked client.",
    "UNPAUSE",
    "    End a pause.",
};

static void help_run(struct ctx *ctx)
{
    reply_help(ctx, help_lines, sizeof help_lines / sizeof help_lines[0]);
}

static const char *const random_tips[] = {"nondeterministic_output", NULL};
static const char *const kill_history[] = {
    "2.8.12", "Takes filters.",
    "2.8.12", "`ID`.",
    "3.2.0", "`TYPE` knows `master`.",
    "5.0.0", "`TYPE` knows `replica` as another word for `slave`.",
    "6.2.0", "`LADDR`.",
    "7.4.0", "`MAXAGE`.",
    "8.1.0", "Several after one `ID`.",
    NULL};
static const char *const list_history[] = {
    "2.8.12", "The field `id`.",
    "5.0.0", "`TYPE`.",
    "6.0.0", "The field `user`.",
    "6.2.0", "The fields `argv-mem`, `tot-mem`, `laddr` and `redir`, and `ID`.",
    "7.0.0", "The fields `resp`, `multi-mem`, `rbs` and `rbp`.",
    "7.0.3", "The field `ssub`.",
    "7.2.0", "The fields `lib-name` and `lib-ver`.",
    "8.0.0", "The fields `watch`, `tot-net-in`, `tot-net-out` and `tot-cmds`.",
    "8.1.0", "The field `capa`; the other filters of CLIENT KILL.",
    NULL};
static const char *const pause_history[] = {"6.2.0", "The mode, with `WRITE`.", NULL};

#define HELP_FLAGS (COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD | COMMAND_KEEPS_CACHING)
#define OPEN_FLAGS (COMMAND_NOSCRIPT | HELP_FLAGS)
#define ADMIN_FLAGS (OPEN_FLAGS | COMMAND_ADMIN)
#define CLIENT_ROW(row_name, row_run, row_arity, row_flags, row_since, row_complexity)             \
    .name = row_name, .run = row_run, .arity = row_arity, .flags = row_flags,                      \
    .categories = CATEGORY_CONNECTION, .group = "connection", .since = row_since,                  \
    .complexity = row_complexity
#define PER_CLIENT "O(N) where N is the number of connections"

static const struct command client_rows[] = {
    {CLIENT_ROW("caching", client_caching_run, 3, OPEN_FLAGS, "6.0.0", "O(1)"),
     .summary = "Says whether the keys of the next command are tracked.",
     .syntax = "mode(yes=YES|no=NO)"},
    {CLIENT_ROW("capa", capa_run, -3, OPEN_FLAGS, "8.0.0", "O(1)"),
     .summary = "Tells the server what the client can do.",
     .syntax = "capability:string..."},
    {CLIENT_ROW("getname", getname_run, 2, OPEN_FLAGS, "2.6.9", "O(1)"),
     .summary = "Answers the name of this connection."},
    {CLIENT_ROW("getredir", client_getredir_run, 2, OPEN_FLAGS, "6.0.0", "O(1)"),
     .summary = "Answers which client gets the tracking messages of this connection."},
    {CLIENT_ROW("help", help_run, 2, HELP_FLAGS, "5.0.0", "O(1)"),
     .summary = "Tells what the subcommands do."},
    {CLIENT_ROW("id", id_run, 2, OPEN_FLAGS, "5.0.0", "O(1)"),
     .summary = "Answers the id of this connection."},
    {CLIENT_ROW("import-source", import_source_run, 3, OPEN_FLAGS, "8.1.0", "O(1)"),
     .summary = "Lets this connection see expired keys while the server is in import mode.",
     .syntax = "enabled(on=ON|off=OFF)"},
    {CLIENT_ROW("info", info_run, 2, OPEN_FLAGS, "6.2.0", "O(1)"),
     .summary = "Describes this connection.",
     .tips = random_tips},
    {CLIENT_ROW("kill", client_kill_run, -3, ADMIN_FLAGS, "2.4.0", PER_CLIENT),
     .summary = "Closes connections.",
     .syntax = "filter(ip:port:string!2.8.12|new-format([client-id:integer@ID^2.8.12...]|"
               "[normal_master_slave_pubsub(normal=NORMAL|master=MASTER^3.2.0|slave=SLAVE|"
               "replica=REPLICA^5.0.0|pubsub=PUBSUB)@TYPE^2.8.12]|[username:string@USER]|"
               "[ip:port:string@ADDR]|[ip:port:string@LADDR^6.2.0]|[yes/no:string@SKIPME]|"
               "[maxage:integer@MAXAGE^7.4.0])...)",
     .history = kill_history},
    {CLIENT_ROW("list", client_list_run, -2, ADMIN_FLAGS, "2.4.0", PER_CLIENT),
     .summary = "Describes connections, one a line.",
     .syntax = "[normal_master_replica_pubsub(normal=NORMAL|master=MASTER|replica=REPLICA|"
               "pubsub=PUBSUB)@TYPE^5.0.0] [id{client-id:integer...}@ID^6.2.0] "
               "[username:string@USER^8.1.0] [addr:string@ADDR^8.1.0] "
               "[laddr:string@LADDR^8.1.0] [skipme(yes=YES|no=NO)@SKIPME^8.1.0] "
               "[maxage:integer@MAXAGE^8.1.0]",
     .history = list_history,
     .tips = random_tips},
    {CLIENT_ROW("no-evict", no_evict_run, 3, ADMIN_FLAGS, "7.0.0", "O(1)"),
     .summary = "Keeps this connection open when clients take too much memory.",
     .syntax = "enabled(on=ON|off=OFF)"},
    {CLIENT_ROW("no-touch", no_touch_run, 3, OPEN_FLAGS, "7.2.0", "O(1)"),
     .summary = "Lets what this connection reads not count as used.",
     .syntax = "enabled(on=ON|off=OFF)"},
    {CLIENT_ROW("pause", pause_run, -3, ADMIN_FLAGS, "2.9.50", "O(1)"),
     .summary = "Lets the commands of all clients wait for some time.",
     .syntax = "timeout:integer [mode(write=WRITE|all=ALL)^6.2.0]",
     .history = pause_history},
    {CLIENT_ROW("reply", reply_run, 3, OPEN_FLAGS, "3.2.0", "O(1)"),
     .summary = "Says whether commands are answered.",
     .syntax = "on_off_skip(on=ON|off=OFF|skip=SKIP)"},
    {CLIENT_ROW("setinfo", setinfo_run, 4, OPEN_FLAGS, "7.2.0", "O(1)"),
     .summary = "Tells the server which client library this is.",
     .syntax = "attr(libname:string@LIB-NAME|libver:string@LIB-VER)"},
    {CLIENT_ROW("setname", setname_run, 3, OPEN_FLAGS, "2.6.9", "O(1)"),
     .summary = "Gives this connection a name.",
     .syntax = "connection-name:string"},
    {CLIENT_ROW("tracking", client_tracking_run, -3, OPEN_FLAGS, "6.0.0",
                "O(1), but for many prefixes."),
     .summary = "Switches on or off that this connection is told when keys it has read change.",
     .syntax = "status(on=ON|off=OFF) [client-id:integer@REDIRECT] [prefix:string@PREFIX...+] "
               "[bcast=BCAST] [optin=OPTIN] [optout=OPTOUT] [noloop=NOLOOP]"},
    {CLIENT_ROW("trackinginfo", client_trackinginfo_run, 2, OPEN_FLAGS, "6.2.0", "O(1)"),
     .summary = "Describes the tracking of keys for this connection."},
    {CLIENT_ROW("unblock", unblock_run, -3, ADMIN_FLAGS, "5.0.0", PER_CLIENT),
     .summary = "Ends the wait of another client.",
     .syntax = "client-id:integer [timeout_error(timeout=TIMEOUT|error=ERROR)]"},
    {CLIENT_ROW("unpause", unpause_run, 2, ADMIN_FLAGS, "6.2.0", PER_CLIENT),
     .summary = "Ends a pause."},
    {.name = NULL},
};

const struct command commands_client[] = {
    {.name = "client",
     .arity = -2,
     .group = "connection",
     .since = "2.4.0",
     .complexity = "That of the subcommand.",
     .summary = "The commands about connections.",
     .subcommands = client_rows},
    {.name = NULL},
};
