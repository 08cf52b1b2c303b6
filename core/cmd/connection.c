/* The connection group without CLIENT: who one is, which protocol one speaks, which database one
 * uses. */
#include <stdio.h>

#include "core/acl.h"
#include "core/acl_judge.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/cmd/client.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/pubsub.h"
#include "core/session.h"
#include "core/version.h"

static bool log_in(struct ctx *ctx, struct slice user, struct slice password)
{
    if (acl_log_in(ctx, user, password))
        return true;
    reply_error(ctx, "WRONGPASS invalid username-password pair or user is disabled.");
    return false;
}

static bool auth_is_secret(int argc unused, const struct slice *argv unused, int index)
{
    return index >= 1;
}

static void auth_run(struct ctx *ctx)
{
    if (ctx->argc > 3) {
        reply_syntax_error(ctx);
    } else if (ctx->argc == 2 && acl_needs_no_password(ctx->engine)) {
        reply_error(ctx, "ERR AUTH <password> called without any password configured for the "
                         "default user. Are you sure your configuration is correct?");
    } else {
        struct slice user = ctx->argc == 3 ? ctx->argv[1] : SLICE("default");
        if (log_in(ctx, user, ctx->argv[ctx->argc - 1]))
            reply_ok(ctx);
    }
}

static void echo_run(struct ctx *ctx)
{
    reply_bulk(ctx, ctx->argv[1]);
}

/* In RESP2 a subscriber's client reads messages: the answer looks like one. */
static void ping_subscriber(struct ctx *ctx)
{
    reply_array(ctx, 2);
    reply_text(ctx, "pong");
    reply_bulk(ctx, ctx->argc == 2 ? ctx->argv[1] : SLICE(""));
}

static void ping_run(struct ctx *ctx)
{
    if (ctx->argc > 2)
        reply_wrong_arity(ctx);
    else if (ctx->session->resp == 2 && pubsub_total(ctx->session))
        ping_subscriber(ctx);
    else if (ctx->argc == 2)
        reply_bulk(ctx, ctx->argv[1]);
    else
        reply_simple(ctx, "PONG");
}

static void quit_run(struct ctx *ctx)
{
    reply_ok(ctx);
    ctx->engine->host->close_session(ctx->engine->host->self, ctx->session, true);
}

static void reset_run(struct ctx *ctx)
{
    session_reset(ctx->session);
    reply_simple(ctx, "RESET");
}

static void select_run(struct ctx *ctx)
{
    if (arg_db(ctx, ctx->argv[1], &ctx->session->db))
        reply_ok(ctx);
}

/* ---- HELLO ---- */

struct hello {
    int64_t protocol; /* 0: as it is */
    const struct slice *user_password, *name;
};

static bool hello_parse(struct ctx *ctx, struct hello *hello)
{
    if (ctx->argc < 2)
        return true;
    if (!num_parse_i64(ctx->argv[1], &hello->protocol)) {
        reply_error(ctx, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (hello->protocol < 2 || hello->protocol > 3) {
        reply_error(ctx, "NOPROTO unsupported protocol version");
        return false;
    }
    for (int i = 2; i < ctx->argc; i++) {
        int more = ctx->argc - i - 1;
        if (ctx_arg_is(ctx, i, "auth") && more >= 2) {
            hello->user_password = &ctx->argv[i + 1];
            i += 2;
        } else if (ctx_arg_is(ctx, i, "setname") && more >= 1) {
            hello->name = &ctx->argv[++i];
            if (!client_name_check(ctx, "Client names", *hello->name))
                return false;
        } else {
            reply_error(ctx, "ERR Syntax error in HELLO option '%.*s'",
                        (int)(ctx->argv[i].len > 128 ? 128 : ctx->argv[i].len), ctx->argv[i].data);
            return false;
        }
    }
    return true;
}

/* HELLO proto [AUTH user password] ... */
static bool hello_is_secret(int argc unused, const struct slice *argv, int index)
{
    return (index >= 3 && slice_is(argv[index - 1], "auth")) ||
           (index >= 4 && slice_is(argv[index - 2], "auth"));
}

static void hello_run(struct ctx *ctx)
{
    struct session *session = ctx->session;
    struct hello hello = {0};
    if (!hello_parse(ctx, &hello))
        return;
    if (hello.user_password && !log_in(ctx, hello.user_password[0], hello.user_password[1]))
        return;
    if (!(session->flags & SESSION_AUTHENTICATED)) {
        reply_error(ctx, "NOAUTH HELLO must be called with the client already authenticated, "
                         "otherwise the HELLO AUTH <user> <pass> option can be used to "
                         "authenticate the client and select the RESP protocol version at the "
                         "same time");
        return;
    }
    if (hello.name)
        client_name_set(&session->name, *hello.name);
    if (hello.protocol)
        session->resp = (uint8_t)hello.protocol;
    const char *zone = ctx->engine->settings->availability_zone;
    bool has_zone = zone && *zone;
    reply_map(ctx, has_zone ? 8 : 7);
    reply_text(ctx, "server");
    reply_text(ctx, "redis"); /* clients choose by it how they speak */
    reply_text(ctx, "version");
    reply_text(ctx, KV_REDIS_VERSION);
    reply_text(ctx, "proto");
    reply_int(ctx, session->resp);
    reply_text(ctx, "id");
    reply_int(ctx, (int64_t)session->id);
    reply_text(ctx, "mode");
    reply_text(ctx, "standalone");
    reply_text(ctx, "role");
    reply_text(ctx, "master");
    reply_text(ctx, "modules");
    reply_array(ctx, 0);
    if (!has_zone)
        return;
    reply_text(ctx, "availability_zone");
    reply_text(ctx, zone);
}

#define ALWAYS_FLAGS                                                                               \
    (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST | COMMAND_NO_AUTH |         \
     COMMAND_ALLOW_BUSY)

static const char *const auth_history[] = {"6.0.0", "Takes a user name, too.", NULL};
static const char *const hello_history[] = {
    "6.2.0", "The version may be left out: only the connection's facts are told.", NULL};
static const char *const ping_tips[] = {"request_policy:all_shards",
                                        "response_policy:all_succeeded", NULL};

const struct command commands_connection[] = {
    {.name = "auth",
     .run = auth_run,
     .is_secret = auth_is_secret,
     .arity = -2,
     .flags = ALWAYS_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Proves who this connection belongs to.",
     .syntax = "[username:string^6.0.0] password:string",
     .history = auth_history},
    {.name = "echo",
     .run = echo_run,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers what it was sent.",
     .syntax = "message:string"},
    {.name = "hello",
     .run = hello_run,
     .is_secret = hello_is_secret,
     .arity = -1,
     .flags = ALWAYS_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Chooses the protocol, and tells about the server and the connection.",
     .syntax = "[arguments{protover:integer "
               "[username_password{username:string password:string}@AUTH] "
               "[clientname:string@SETNAME]}]",
     .history = hello_history},
    {.name = "ping",
     .run = ping_run,
     .arity = -1,
     .flags = COMMAND_WHILE_SUBSCRIBED | COMMAND_FAST,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers PONG, or what it was sent.",
     .syntax = "[message:string]",
     .tips = ping_tips},
    {.name = "quit",
     .run = quit_run,
     .arity = -1,
     .flags = COMMAND_WHILE_SUBSCRIBED | COMMAND_NEVER_QUEUED | ALWAYS_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Closes the connection when all replies have left."},
    {.name = "reset",
     .run = reset_run,
     .arity = 1,
     .flags = COMMAND_WHILE_SUBSCRIBED | COMMAND_NEVER_QUEUED | ALWAYS_FLAGS,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Makes the connection as it was when it began."},
    {.name = "select",
     .run = select_run,
     .arity = 2,
     .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_FAST,
     .categories = CATEGORY_CONNECTION,
     .group = "connection",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Chooses the database of this connection.",
     .syntax = "index:integer"},
    {.name = NULL},
};
