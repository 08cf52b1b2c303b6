/* The rules of ACL SETUSER: "on", ">password", "~key*", "+@read", "-get", "(+set ~a)" ...
 *
 *   rule      = user-rule | selector-rule | "(" { selector-rule } ")"
 *   user-rule = on | off | nopass | resetpass | >password | <password | #hash | !hash | reset
 *             | clearselectors | sanitize-payload | skip-sanitize-payload
 *   selector-rule = ~pattern | %R~pattern | %W~pattern | %RW~pattern | allkeys | resetkeys
 *             | &pattern | allchannels | resetchannels | allcommands | nocommands
 *             | +command | -command | +command|subcommand | -command|subcommand
 *             | +command|first-argument | +@category | -@category
 *
 * Commands go by the names of their rows, whatever rename-command calls them. */
#pragma once

#include <stdbool.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/base/slice.h"

struct acl_user;
struct registry;

/* What rules refer to. */
struct acl_grammar {
    struct registry *registry;
    int commands;      /* ids in it */
    bool all_channels; /* acl-pubsub-default is allchannels: what new selectors may listen to */
};

/* A user as SETUSER makes one that is not there yet. */
struct acl_user *acl_rules_new_user(const struct acl_grammar *grammar, struct slice name);

/* Apply one rule. False: `why` says in Redis' words what is wrong, and the user may have been
 * changed in part. Selectors must have been joined. */
must_check bool acl_rules_apply(const struct acl_grammar *grammar, struct acl_user *user,
                                struct slice rule, const char **why);

/* Selectors that are spread over several words become one each: "(+get" "~a)" -> "(+get ~a)".
 *   joined   set to an array in the arena
 *   returns  how many, or -1 - i if the one that begins at word i is not closed. */
int acl_rules_join(struct arena *arena, int count, const struct slice *words,
                   struct slice **joined);

/* A name without spaces and zero bytes. */
bool acl_rules_name_fits(struct slice name);
