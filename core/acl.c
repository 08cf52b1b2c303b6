/* The set of users, in order of their names, and what joins it to sessions and commands. */
#include "core/acl.h"

#include <string.h>

#include "core/acl_user.h"
#include "core/base/arena.h"
#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/pubsub.h"
#include "core/registry.h"
#include "core/session.h"
#include "core/settings.h"

/* --- The set --------------------------------------------------------------------------------- */

struct acl_grammar acl_grammar(const struct engine *engine)
{
    return (struct acl_grammar){
        .registry = engine->registry,
        .commands = registry_ids(engine->registry),
        .all_channels = engine->settings->acl_all_channels,
    };
}

/* Where the name is, or belongs. */
static size_t place_of(const struct acl *acl, struct slice name, bool *found)
{
    size_t low = 0, high = acl->count;
    *found = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(slice_of(acl->users[middle]->name), name);
        if (order == 0)
            *found = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct acl_user *acl_find(const struct acl *acl, struct slice name)
{
    bool found;
    size_t at = place_of(acl, name, &found);
    return found ? acl->users[at] : NULL;
}

void acl_add(struct acl *acl, struct acl_user *user)
{
    bool found;
    size_t at = place_of(acl, slice_of(user->name), &found);
    if (found) {
        acl_user_swap(acl->users[at], user);
        acl_user_free(user);
        return;
    }
    acl->users = mem_realloc(acl->users, (acl->count + 1) * sizeof *acl->users);
    memmove(&acl->users[at + 1], &acl->users[at], (acl->count - at) * sizeof *acl->users);
    acl->users[at] = user;
    acl->count++;
}

static void apply_own(const struct acl_grammar *grammar, struct acl_user *user, struct slice rule)
{
    const char *why;
    bool good = acl_rules_apply(grammar, user, rule, &why);
    kv_assert(good);
}

struct acl *acl_new_set(const struct engine *engine)
{
    static const char *const rules[] = {"on", "nopass", "allkeys", "allchannels", "allcommands"};
    struct acl_grammar grammar = acl_grammar(engine);
    struct acl *acl = mem_alloc_zero(sizeof *acl);
    acl->default_user = acl_rules_new_user(&grammar, SLICE("default"));
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        apply_own(&grammar, acl->default_user, slice_of(rules[i]));
    acl_add(acl, acl->default_user);
    return acl;
}

struct acl *acl_new(struct engine *engine)
{
    engine->acl = acl_new_set(engine);
    acl_require_password(engine, engine->acl);
    return engine->acl;
}

void acl_free(struct acl *acl)
{
    for (size_t i = 0; i < acl->count; i++)
        acl_user_free(acl->users[i]);
    mem_free(acl->users);
    acl_log_trim(&acl->log, 0);
    mem_free(acl);
}

/* --- Changes, and what they mean to sessions ------------------------------------------------- */

static void refresh(struct session *session)
{
    session->flags &= ~(uint32_t)SESSION_RESTRICTED;
    if (!acl_user_is_unrestricted(session->user))
        session->flags |= SESSION_RESTRICTED;
}

static void disconnect(struct engine *engine, struct session *session, const struct session *actor)
{
    if (session == actor) /* the reply still leaves */
        session->flags |= SESSION_CLOSE_AFTER_REPLY;
    engine->host->close_session(engine->host->self, session, session == actor);
}

struct listener {
    const struct acl_user *user;
    bool loses;
};

static void check_subscription(void *env, enum pubsub_kind kind, struct slice name)
{
    struct listener *listener = env;
    if (!acl_check_channel(listener->user, name, kind == PUBSUB_PATTERN))
        listener->loses = true;
}

/* The user is no more what it was. */
static void user_changed(struct engine *engine, const struct acl_user *user,
                         const struct session *actor)
{
    for (struct session *session = engine->sessions; session; session = session->next) {
        struct listener listener = {.user = user};
        if (session->user != user)
            continue;
        refresh(session);
        if (session->flags & SESSION_RESTRICTED)
            pubsub_each_of(session, check_subscription, &listener);
        if (listener.loses)
            disconnect(engine, session, actor);
    }
}

/* The user is about to go. Who is left without a user is nobody until the connection closes. */
static void user_gone(struct engine *engine, const struct acl_user *user,
                      const struct session *actor)
{
    for (struct session *session = engine->sessions; session; session = session->next) {
        if (session->user != user)
            continue;
        session->user = engine->acl->default_user;
        session->flags &= ~(uint32_t)SESSION_AUTHENTICATED;
        refresh(session);
        disconnect(engine, session, actor);
    }
}

static bool apply_all(const struct acl_grammar *grammar, struct acl_user *user, int count,
                      const struct slice *rules, struct buf *why)
{
    const char *reason;
    for (int i = 0; i < count; i++) {
        if (acl_rules_apply(grammar, user, rules[i], &reason))
            continue;
        buf_append_text(why, "Error in ACL SETUSER modifier '");
        buf_append_slice(why, rules[i]);
        buf_printf(why, "': %s", reason);
        return false;
    }
    return true;
}

bool acl_set_user(struct ctx *ctx, struct slice name, int count, const struct slice *rules,
                  struct buf *why)
{
    struct engine *engine = ctx->engine;
    struct acl_grammar grammar = acl_grammar(engine);
    struct slice *joined;
    int words = acl_rules_join(ctx->arena, count, rules, &joined);
    if (words < 0) {
        buf_append_text(why, "Unmatched parenthesis in acl selector starting at '");
        buf_append_slice(why, rules[-1 - words]);
        buf_append_text(why, "'.");
        return false;
    }
    struct acl_user *user = acl_find(engine->acl, name);
    struct acl_user *fresh =
        user ? acl_user_copy(user, grammar.commands) : acl_rules_new_user(&grammar, name);
    if (!apply_all(&grammar, fresh, words, joined, why)) {
        acl_user_free(fresh);
        return false;
    }
    acl_add(engine->acl, fresh);
    if (user)
        user_changed(engine, user, ctx->session);
    return true;
}

static void take_out(struct acl *acl, size_t at)
{
    acl->count--;
    memmove(&acl->users[at], &acl->users[at + 1], (acl->count - at) * sizeof *acl->users);
}

bool acl_delete_user(struct engine *engine, struct slice name, struct session *actor)
{
    bool found;
    size_t at = place_of(engine->acl, name, &found);
    if (!found)
        return false;
    struct acl_user *user = engine->acl->users[at];
    kv_assert(user != engine->acl->default_user);
    take_out(engine->acl, at);
    user_gone(engine, user, actor);
    acl_user_free(user);
    return true;
}

void acl_replace(struct engine *engine, struct acl *other, struct session *actor)
{
    struct acl *acl = engine->acl;
    for (size_t i = acl->count; i-- > 0;)
        if (!acl_find(other, slice_of(acl->users[i]->name)))
            acl_delete_user(engine, slice_of(acl->users[i]->name), actor);
    while (other->count > 0) {
        struct acl_user *user = other->users[0];
        struct acl_user *present = acl_find(acl, slice_of(user->name));
        take_out(other, 0);
        acl_add(acl, user);
        if (present)
            user_changed(engine, present, actor);
    }
    acl_free(other);
}

void acl_require_password(const struct engine *engine, struct acl *acl)
{
    struct slice password = buf_slice(&engine->settings->requirepass);
    struct acl_grammar grammar = acl_grammar(engine);
    struct acl_user *user = acl->default_user;
    struct buf rule = {0};
    apply_own(&grammar, user, SLICE("resetpass"));
    if (password.len > 0) {
        buf_append_char(&rule, '>');
        buf_append_slice(&rule, password);
    } else {
        buf_append_text(&rule, "nopass");
    }
    apply_own(&grammar, user, buf_slice(&rule));
    buf_free(&rule);
}

/* --- Sessions -------------------------------------------------------------------------------- */

bool acl_needs_no_password(const struct engine *engine)
{
    return engine->acl->default_user->flags & ACL_USER_NOPASS;
}

bool acl_is_open(const struct engine *engine)
{
    const uint32_t open = ACL_USER_ON | ACL_USER_NOPASS;
    return (engine->acl->default_user->flags & open) == open;
}

void acl_begin_session(struct session *session)
{
    session->user = session->engine->acl->default_user;
    session->flags &= ~(uint32_t)SESSION_AUTHENTICATED;
    if (acl_is_open(session->engine))
        session->flags |= SESSION_AUTHENTICATED;
    refresh(session);
}

void acl_take_on(struct session *session, struct acl_user *user)
{
    session->user = user;
    session->flags |= SESSION_AUTHENTICATED;
    refresh(session);
}
