/* Monitors are linked through session->monitor_next. */
#include "core/monitor.h"

#include "core/base/text.h"
#include "core/ctx.h"
#include "core/push.h"
#include "core/session_limit.h"

#define LINE_BYTES_MAX (16 * 1024 * 1024) /* arguments beyond are told by their length only */

void monitor_start(struct session *session)
{
    struct engine *engine = session->engine;
    session->flags |= SESSION_MONITOR;
    session->monitor_next = engine->monitors;
    engine->monitors = session;
    engine_attend(engine, ATTENTION_MONITORS, true);
    session_limit_choose(session);
}

void monitor_stop(struct session *session)
{
    if (!(session->flags & SESSION_MONITOR))
        return;
    struct session **link = &session->engine->monitors;
    while (*link != session)
        link = &(*link)->monitor_next;
    *link = session->monitor_next;
    engine_attend(session->engine, ATTENTION_MONITORS, session->engine->monitors != NULL);
    session->flags &= ~(uint32_t)SESSION_MONITOR;
    session_limit_choose(session);
}

static void put_who(const struct ctx *ctx, struct buf *line)
{
    const struct session *session = ctx->session;
    struct slice address = slice_of(session->address);
    buf_printf(line, " [%d ", session->db);
    if (session->flags & SESSION_INTERNAL) {
        buf_append_text(line, "lua");
    } else if (session->flags & SESSION_UNIX_SOCKET) { /* "/path:0" */
        buf_append_text(line, "unix:");
        buf_append(line, address.data, address.len > 2 ? address.len - 2 : 0);
    } else {
        buf_append_slice(line, address);
    }
    buf_append_char(line, ']');
}

static void put_argument(const struct ctx *ctx, int index, struct buf *line)
{
    struct slice argument = ctx->argv[index];
    buf_append_char(line, ' ');
    if (command_is_secret(ctx->command, ctx->argc, ctx->argv, index))
        buf_append_text(line, "\"(redacted)\"");
    else if (line->len + argument.len > LINE_BYTES_MAX)
        buf_printf(line, "\"... (%zu bytes)\"", argument.len);
    else
        buf_append_slice(line, text_quote(ctx->arena, argument));
}

void monitor_show(const struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    if (likely(!engine->monitors) || ctx->command->flags & COMMAND_ADMIN || ctx->woken)
        return;
    struct buf line = {0};
    int64_t now_us = engine->host->wall_us(engine->host->self);
    buf_printf(&line, "+%lld.%06d", (long long)(now_us / 1000000), (int)(now_us % 1000000));
    put_who(ctx, &line);
    for (int i = 0; i < ctx->argc; i++)
        put_argument(ctx, i, &line);
    buf_append_text(&line, "\r\n");
    for (struct session *at = engine->monitors; at; at = at->monitor_next)
        push_write(at, buf_slice(&line));
    buf_free(&line);
}
