/* The check in front of a command, and logging in: both write into ACL LOG what they refuse. */
#include "core/acl_judge.h"

#include "core/acl.h"
#include "core/acl_user.h"
#include "core/base/hash.h"
#include "core/ctx.h"
#include "core/registry.h"
#include "core/session.h"
#include "core/session_describe.h"
#include "core/settings.h"

#define CLIENT_BYTES_MAX 1024 /* of a line of CLIENT LIST in ACL LOG */

static bool password_fits(const struct acl_user *user, struct slice password)
{
    char digits[65];
    bool fits = false;
    sha256_hex(password, digits);
    for (size_t i = 0; i < user->passwords.count; i++)
        if (secret_equal((struct slice){digits, 64}, acl_text_slice(user->passwords.items[i])))
            fits = true;
    return fits || user->flags & ACL_USER_NOPASS;
}

static void log_denial(struct ctx *ctx, enum acl_verdict reason, enum acl_context context,
                       struct slice object, struct slice username)
{
    struct engine *engine = ctx->engine;
    struct buf line = {0};
    session_describe(ctx_caller(ctx), ctx->now_ms, &line);
    size_t len = line.len > CLIENT_BYTES_MAX ? CLIENT_BYTES_MAX : line.len;
    if (len > 0 && line.data[len - 1] == '\n')
        len--;
    acl_log_add(&engine->acl->log, engine->settings->acllog_max_len, ctx->now_ms, reason, context,
                object, username, (struct slice){line.data, len});
    buf_free(&line);
}

bool acl_log_in(struct ctx *ctx, struct slice name, struct slice password)
{
    struct acl_user *user = acl_find(ctx->engine->acl, name);
    if (user && user->flags & ACL_USER_ON && password_fits(user, password)) {
        acl_take_on(ctx->session, user);
        return true;
    }
    ctx->engine->stats.acl_denied_auth++;
    log_denial(ctx, ACL_DENIED_AUTH, ACL_TOPLEVEL, ctx->argv[0], name);
    return false;
}

enum acl_verdict acl_judge(struct ctx *ctx, enum acl_context context)
{
    struct session *session = ctx->session;
    struct stats *stats = &ctx->engine->stats;
    int at;
    if (likely(!(session->flags & SESSION_RESTRICTED)))
        return ACL_ALLOWED;
    enum acl_verdict verdict = acl_check(session->user, ctx->state, ctx->argc, ctx->argv, &at);
    if (verdict == ACL_ALLOWED)
        return verdict;
    stats->acl_denied_command += verdict == ACL_DENIED_COMMAND;
    stats->acl_denied_key += verdict == ACL_DENIED_KEY;
    stats->acl_denied_channel += verdict == ACL_DENIED_CHANNEL;
    struct slice object =
        verdict == ACL_DENIED_COMMAND ? slice_of(ctx->state->full_name) : ctx->argv[at];
    log_denial(ctx, verdict, context, object, slice_of(session->user->name));
    return verdict;
}

void acl_deny_text(const struct ctx *ctx, enum acl_verdict verdict, struct buf *out)
{
    if (verdict == ACL_DENIED_COMMAND)
        buf_printf(out, "NOPERM this user has no permissions to run the '%s' command",
                   ctx->state->full_name);
    else if (verdict == ACL_DENIED_KEY)
        buf_append_text(out, "NOPERM this user has no permissions to access one of the keys used "
                             "as arguments");
    else
        buf_append_text(out, "NOPERM this user has no permissions to access one of the channels "
                             "used as arguments");
}

bool acl_reads_all(const struct ctx *ctx)
{
    return !(ctx->session->flags & SESSION_RESTRICTED) ||
           acl_check_reads_all(ctx->session->user, ctx->state, ctx->argc, ctx->argv);
}
