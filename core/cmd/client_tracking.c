/* CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO: which keys a connection is told about. */
#include "core/cmd/client_tracking.h"

#include "core/base/num.h"
#include "core/ctx.h"
#include "core/session_ids.h"
#include "core/tracker.h"
#include "core/tracking.h"

struct wish {
    uint32_t options;        /* enum tracker_option */
    uint64_t redirect;
    int prefix_count;
    struct slice *prefixes;  /* in the arena */
};

static bool read_redirect(struct ctx *ctx, struct slice word, struct wish *wish)
{
    int64_t id;
    if (wish->redirect) {
        reply_error(ctx, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!arg_i64(ctx, word, &id))
        return false;
    wish->redirect = (uint64_t)id;
    if (session_by_id(ctx->engine, wish->redirect))
        return true;
    reply_error(ctx, "ERR The client ID you want redirect to does not exist");
    return false;
}

static bool read_options(struct ctx *ctx, struct wish *wish)
{
    wish->prefixes = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof *wish->prefixes);
    for (int i = 3; i < ctx->argc; i++) {
        bool more = i + 1 < ctx->argc;
        if (ctx_arg_is(ctx, i, "redirect") && more) {
            if (!read_redirect(ctx, ctx->argv[++i], wish))
                return false;
        } else if (ctx_arg_is(ctx, i, "bcast")) {
            wish->options |= TRACKER_BCAST;
        } else if (ctx_arg_is(ctx, i, "optin")) {
            wish->options |= TRACKER_OPTIN;
        } else if (ctx_arg_is(ctx, i, "optout")) {
            wish->options |= TRACKER_OPTOUT;
        } else if (ctx_arg_is(ctx, i, "noloop")) {
            wish->options |= TRACKER_NOLOOP;
        } else if (ctx_arg_is(ctx, i, "prefix") && more) {
            wish->prefixes[wish->prefix_count++] = ctx->argv[++i];
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* What the options say together, and with those that are in force. */
static bool options_fit(struct ctx *ctx, const struct wish *wish)
{
    const struct tracker *tracker = ctx->session->tracker;
    uint32_t options = wish->options, before = tracker ? tracker->options : 0;
    uint32_t opt = options & (TRACKER_OPTIN | TRACKER_OPTOUT);
    uint32_t opt_before = before & (TRACKER_OPTIN | TRACKER_OPTOUT);
    if (!(options & TRACKER_BCAST) && wish->prefix_count)
        reply_error(ctx, "ERR PREFIX option requires BCAST mode to be enabled");
    else if (tracker && (options ^ before) & TRACKER_BCAST)
        reply_error(ctx, "ERR You can't switch BCAST mode on/off before disabling tracking for "
                         "this client, and then re-enabling it with a different mode.");
    else if (options & TRACKER_BCAST && opt)
        reply_error(ctx, "ERR OPTIN and OPTOUT are not compatible with BCAST");
    else if (opt == (TRACKER_OPTIN | TRACKER_OPTOUT))
        reply_error(ctx, "ERR You can't specify both OPTIN mode and OPTOUT mode");
    else if (opt && opt_before && opt != opt_before)
        reply_error(ctx, "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for "
                         "this client, and then re-enabling it with a different mode.");
    else
        return true;
    return false;
}

/* ---- prefixes ---- */

static bool overlap(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    return len == 0 || memcmp(a.data, b.data, len) == 0;
}

static void reply_overlap(struct ctx *ctx, struct slice a, const char *which, struct slice b)
{
    reply_error(ctx, "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single "
                     "client must not overlap.",
                a.len > 128 ? 128 : (int)a.len, a.data, which, b.len > 128 ? 128 : (int)b.len,
                b.data);
}

static bool prefixes_fit(struct ctx *ctx, const struct wish *wish)
{
    const struct session *session = ctx->session;
    int before = session->tracker ? session->tracker->prefix_count : 0;
    if (wish->prefix_count > TRACKING_PREFIXES_MAX - before) {
        reply_error(ctx, "ERR A client may have %d prefixes at most", TRACKING_PREFIXES_MAX);
        return false;
    }
    for (int i = 0; i < wish->prefix_count; i++) {
        struct slice prefix = wish->prefixes[i];
        for (int j = 0; j < before; j++)
            if (overlap(prefix, tracking_prefix(session, j))) {
                reply_overlap(ctx, prefix, "an existing", tracking_prefix(session, j));
                return false;
            }
        for (int j = i + 1; j < wish->prefix_count; j++)
            if (overlap(prefix, wish->prefixes[j])) {
                reply_overlap(ctx, prefix, "another provided", wish->prefixes[j]);
                return false;
            }
    }
    return true;
}

/* BCAST without a prefix is for every key: the empty one. It stands in front of all others. */
static void want_everything(struct ctx *ctx, struct wish *wish)
{
    const struct tracker *tracker = ctx->session->tracker;
    bool has = tracker && tracker->prefix_count && tracking_prefix(ctx->session, 0).len == 0;
    if (!has)
        wish->prefixes[wish->prefix_count++] = SLICE("");
}

void client_tracking_run(struct ctx *ctx)
{
    struct wish wish = {0};
    if (!read_options(ctx, &wish))
        return;
    if (ctx_arg_is(ctx, 2, "off")) {
        tracking_off(ctx->session);
    } else if (ctx_arg_is(ctx, 2, "on")) {
        if (!options_fit(ctx, &wish) || !prefixes_fit(ctx, &wish))
            return;
        if (wish.options & TRACKER_BCAST && wish.prefix_count == 0)
            want_everything(ctx, &wish);
        tracking_on(ctx->session, wish.options, wish.redirect, wish.prefix_count, wish.prefixes);
    } else {
        reply_syntax_error(ctx);
        return;
    }
    reply_ok(ctx);
}

void client_caching_run(struct ctx *ctx)
{
    struct tracker *tracker = ctx->session->tracker;
    bool yes = ctx_arg_is(ctx, 2, "yes");
    if (!tracker) {
        reply_error(ctx, "ERR CLIENT CACHING can be called only when the client is in tracking "
                         "mode with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !ctx_arg_is(ctx, 2, "no")) {
        reply_syntax_error(ctx);
    } else if (yes && !(tracker->options & TRACKER_OPTIN)) {
        reply_error(ctx, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                         "mode.");
    } else if (!yes && !(tracker->options & TRACKER_OPTOUT)) {
        reply_error(ctx, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                         "mode.");
    } else {
        tracker->options |= TRACKER_CACHING;
        reply_ok(ctx);
    }
}

void client_getredir_run(struct ctx *ctx)
{
    const struct tracker *tracker = ctx->session->tracker;
    reply_int(ctx, tracker ? (int64_t)tracker->redirect : -1);
}

static int flag_names(const struct tracker *tracker, const char *names[static 8])
{
    int count = 0;
    if (!tracker) {
        names[count++] = "off";
        return count;
    }
    bool caching = tracker->options & TRACKER_CACHING;
    names[count++] = "on";
    if (tracker->options & TRACKER_BCAST)
        names[count++] = "bcast";
    if (tracker->options & TRACKER_OPTIN) {
        names[count++] = "optin";
        if (caching)
            names[count++] = "caching-yes";
    }
    if (tracker->options & TRACKER_OPTOUT) {
        names[count++] = "optout";
        if (caching)
            names[count++] = "caching-no";
    }
    if (tracker->options & TRACKER_NOLOOP)
        names[count++] = "noloop";
    if (tracker->options & TRACKER_BROKEN)
        names[count++] = "broken_redirect";
    return count;
}

void client_trackinginfo_run(struct ctx *ctx)
{
    const struct tracker *tracker = ctx->session->tracker;
    const char *names[8];
    int flags = flag_names(tracker, names);
    int prefixes = tracker ? tracker->prefix_count : 0;
    reply_map(ctx, 3);
    reply_text(ctx, "flags");
    reply_set(ctx, (size_t)flags);
    for (int i = 0; i < flags; i++)
        reply_text(ctx, names[i]);
    reply_text(ctx, "redirect");
    client_getredir_run(ctx);
    reply_text(ctx, "prefixes");
    reply_array(ctx, (size_t)prefixes);
    for (int i = 0; i < prefixes; i++)
        reply_bulk(ctx, tracking_prefix(ctx->session, i));
}
