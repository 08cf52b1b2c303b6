/* Access control: all users, and who the sessions belong to.
 *
 * A session whose user may do everything has SESSION_RESTRICTED off: for it no check costs
 * anything. The flag is set again wherever a user or a session's user changes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/acl_log.h"
#include "core/acl_rules.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"

struct acl_user;
struct ctx;
struct engine;
struct fault;
struct session;

struct acl {
    struct acl_user **users; /* by name, in order; `default` is always there */
    size_t count;
    struct acl_user *default_user;
    struct acl_log log;
};

/* The default user alone, who may do everything, with requirepass if it is set. */
struct acl *acl_new(struct engine *engine);
void acl_free(struct acl *acl);

/* What rules refer to, now. */
struct acl_grammar acl_grammar(const struct engine *engine);

/* NULL if there is none of that name. */
struct acl_user *acl_find(const struct acl *acl, struct slice name);

/* Change a user, or make one: all rules or none. False: `why` is the text of the error reply,
 * without the prefix. Subscribers who lose the right to listen are disconnected. */
must_check bool acl_set_user(struct ctx *ctx, struct slice name, int count,
                             const struct slice *rules, struct buf *why);
/* Delete a user and disconnect the sessions; false if there is none. `actor`: whose command it is,
 * who still gets the reply; may be NULL. Not for the default user. */
bool acl_delete_user(struct engine *engine, struct slice name, struct session *actor);
/* Put the users of `other` in place of those there are, and free it. Sessions of users who are gone
 * are disconnected, others go on with what their user is now. */
void acl_replace(struct engine *engine, struct acl *other, struct session *actor);
/* For acl_replace: a set of users that no session belongs to. */
struct acl *acl_new_set(const struct engine *engine);
/* Adds to a set; `user` belongs to it from here on. Of a user who is there (only `default` is, in a
 * new set) the contents are replaced. */
void acl_add(struct acl *acl, struct acl_user *user);

/* requirepass is the one password of the set's default user, or none is needed: at start, and when
 * the option has been changed. */
void acl_require_password(const struct engine *engine, struct acl *acl);

/* --- Sessions -------------------------------------------------------------------------------- */

/* A new or reset session: the default user's, authenticated if that needs no password. */
void acl_begin_session(struct session *session);
/* The session is the user's from here on, and authenticated. */
void acl_take_on(struct session *session, struct acl_user *user);
/* Whether the default user has no password; and whether it lets everybody in. */
bool acl_needs_no_password(const struct engine *engine);
bool acl_is_open(const struct engine *engine);
