/* CLIENT LIST and KILL, which choose clients by the same filters. */
#include "core/cmd/client_list.h"

#include "core/acl.h"
#include "core/base/num.h"
#include "core/ctx.h"
#include "core/pubsub.h"
#include "core/session_describe.h"
#include "core/session_ids.h"

/* There are no replicas yet: CLIENT_REPLICA is nobody's. */
enum client_type { CLIENT_ANY, CLIENT_NORMAL, CLIENT_PUBSUB, CLIENT_REPLICA, CLIENT_UNKNOWN };

struct filter {
    int id_first, id_count;            /* arguments that are ids; 0: any */
    const struct slice *address, *local_address;
    const struct acl_user *user;
    enum client_type type;
    bool skip_me, kills;
    int64_t age_seconds;               /* 0: any */
};

static int shown_len(struct slice word)
{
    return word.len > 128 ? 128 : (int)word.len;
}

static enum client_type type_of(struct slice word)
{
    if (slice_is(word, "normal"))
        return CLIENT_NORMAL;
    if (slice_is(word, "pubsub"))
        return CLIENT_PUBSUB;
    if (slice_is(word, "master") || slice_is(word, "primary") || slice_is(word, "slave") ||
        slice_is(word, "replica"))
        return CLIENT_REPLICA;
    return CLIENT_UNKNOWN;
}

/* ---- reading ---- */

static bool read_id(struct ctx *ctx, const struct filter *filter, struct slice word)
{
    int64_t id;
    bool good = num_parse_i64(word, &id) && (!filter->kills || id > 0);
    if (!good)
        reply_error(ctx, filter->kills ? "ERR client-id should be greater than 0"
                                       : "ERR Invalid client ID");
    return good;
}

static bool is_option(struct slice word)
{
    static const char *const names[] = {"id", "addr", "laddr", "user", "type", "skipme", "maxage"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is(word, names[i]))
            return true;
    return false;
}

/* One id at least; then KILL takes as many as there are, and LIST all up to the next option. */
static bool ends_ids(const struct filter *filter, struct slice word)
{
    int64_t id;
    return is_option(word) || (filter->kills && !num_parse_i64(word, &id));
}

/* ID and as many as follow. Returns how many arguments, 0 if an error was replied. */
static int read_ids(struct ctx *ctx, int at, struct filter *filter)
{
    int from = at + 1;
    at = from;
    while (at < ctx->argc && !(at > from && ends_ids(filter, ctx->argv[at]))) {
        if (!read_id(ctx, filter, ctx->argv[at]))
            return 0;
        at++;
    }
    filter->id_first = from;
    filter->id_count = at - from;
    return at - from + 1;
}

static bool read_age(struct ctx *ctx, struct slice word, struct filter *filter)
{
    bool is_number = num_parse_i64(word, &filter->age_seconds);
    if (is_number && filter->age_seconds > 0)
        return true;
    reply_error(ctx, is_number ? "ERR maxage should be greater than 0"
                               : "ERR maxage is not an integer or out of range");
    return false;
}

static bool read_option(struct ctx *ctx, int at, struct filter *filter)
{
    const struct slice *value = &ctx->argv[at + 1];
    if (ctx_arg_is(ctx, at, "maxage"))
        return read_age(ctx, *value, filter);
    if (ctx_arg_is(ctx, at, "type")) {
        filter->type = type_of(*value);
        if (filter->type != CLIENT_UNKNOWN)
            return true;
        reply_error(ctx, "ERR Unknown client type '%.*s'", shown_len(*value), value->data);
    } else if (ctx_arg_is(ctx, at, "addr")) {
        filter->address = value;
        return true;
    } else if (ctx_arg_is(ctx, at, "laddr")) {
        filter->local_address = value;
        return true;
    } else if (ctx_arg_is(ctx, at, "user")) {
        filter->user = acl_find(ctx->engine->acl, *value);
        if (filter->user)
            return true;
        reply_error(ctx, "ERR No such user '%.*s'", shown_len(*value), value->data);
    } else if (ctx_arg_is(ctx, at, "skipme") &&
               (slice_is(*value, "yes") || slice_is(*value, "no"))) {
        filter->skip_me = slice_is(*value, "yes");
        return true;
    } else {
        reply_syntax_error(ctx);
    }
    return false;
}

static bool read_filter(struct ctx *ctx, struct filter *filter)
{
    for (int at = 2; at < ctx->argc;) {
        if (at + 1 == ctx->argc) {
            reply_syntax_error(ctx);
            return false;
        }
        int used = 2;
        if (ctx_arg_is(ctx, at, "id"))
            used = read_ids(ctx, at, filter);
        else if (!read_option(ctx, at, filter))
            return false;
        if (used == 0)
            return false;
        at += used;
    }
    return true;
}

/* ---- choosing ---- */

static bool fits(const struct ctx *ctx, const struct session *session, const struct filter *filter)
{
    enum client_type type = pubsub_total(session) ? CLIENT_PUBSUB : CLIENT_NORMAL;
    if (session->flags & (SESSION_INTERNAL | SESSION_CLOSE_NOW) ||
        (filter->kills && session->flags & SESSION_CLOSE_AFTER_REPLY))
        return false;
    if (filter->skip_me && session == ctx->session)
        return false;
    if (filter->type != CLIENT_ANY && filter->type != type)
        return false;
    if (filter->address && !slice_equal(*filter->address, slice_of(session->address)))
        return false;
    if (filter->local_address &&
        !slice_equal(*filter->local_address, slice_of(session->local_address)))
        return false;
    if (filter->user && session->user != filter->user)
        return false;
    return !filter->age_seconds ||
           (ctx->now_ms - session->created_ms) / 1000 >= filter->age_seconds;
}

/* Visit those that fit: in the order of the ids if there are any, else the oldest first. */
static int64_t each(struct ctx *ctx, const struct filter *filter,
                    void (*visit)(struct ctx *ctx, struct session *session, void *env), void *env)
{
    struct session *session = filter->id_count ? NULL : ctx->engine->sessions;
    int64_t count = 0;
    for (int i = 0; i < filter->id_count; i++) {
        int64_t id = 0;
        bool good = num_parse_i64(ctx->argv[filter->id_first + i], &id);
        kv_assert(good);
        struct session *one = session_by_id(ctx->engine, (uint64_t)id);
        if (!one || !fits(ctx, one, filter))
            continue;
        count++;
        visit(ctx, one, env);
    }
    for (; session; session = session->next) {
        if (!fits(ctx, session, filter))
            continue;
        count++;
        visit(ctx, session, env);
    }
    return count;
}

static void describe(struct ctx *ctx, struct session *session, void *env)
{
    session_describe(session, ctx->now_ms, env);
}

void client_list_run(struct ctx *ctx)
{
    struct filter filter = {0};
    struct buf lines = {0};
    if (!read_filter(ctx, &filter))
        return;
    each(ctx, &filter, describe, &lines);
    reply_verbatim(ctx, buf_slice(&lines), "txt");
    buf_free(&lines);
}

/* To oneself the reply still leaves. */
static void kill(struct ctx *ctx, struct session *session, void *env unused)
{
    struct host *host = ctx->engine->host;
    bool oneself = session == ctx->session;
    session->flags |= oneself ? SESSION_CLOSE_AFTER_REPLY : 0;
    host->close_session(host->self, session, oneself);
}

void client_kill_run(struct ctx *ctx)
{
    struct filter filter = {.skip_me = true, .kills = true};
    if (ctx->argc == 3) { /* the old form: one address, which may be one's own */
        filter.skip_me = false;
        filter.address = &ctx->argv[2];
        if (each(ctx, &filter, kill, NULL))
            reply_ok(ctx);
        else
            reply_error(ctx, "ERR No such client");
    } else if (read_filter(ctx, &filter)) {
        reply_int(ctx, each(ctx, &filter, kill, NULL));
    }
}
