/* What a user may do: asked before each command of a user who may not do everything. */
#pragma once

#include <stdbool.h>

#include "core/base/slice.h"

struct acl_user;
struct command_state;

/* In the order of how much a denial tells: of several selectors that refuse, the one that got
 * farthest is reported. */
enum acl_verdict {
    ACL_ALLOWED,
    ACL_DENIED_COMMAND,
    ACL_DENIED_KEY,
    ACL_DENIED_AUTH,    /* no verdict on a command: for the log */
    ACL_DENIED_CHANNEL,
};

/* May the user run this command with these arguments? `position` becomes the index of the argument
 * that is denied (a key or a channel), 0 for the command itself. */
enum acl_verdict acl_check(const struct acl_user *user, const struct command_state *state, int argc,
                           const struct slice *argv, int *position);

/* Does a selector that allows the whole request allow reading all keys? For commands that make up
 * names of keys (SORT BY, GET). */
bool acl_check_reads_all(const struct acl_user *user, const struct command_state *state, int argc,
                         const struct slice *argv);

/* May the user listen to a channel, or to a pattern (only if the same pattern was granted)? */
bool acl_check_channel(const struct acl_user *user, struct slice channel, bool is_pattern);
