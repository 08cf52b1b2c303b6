/* Users and what they may do, as data: see core/acl_rules.h for how rules change them, and
 * core/acl_check.h for how they are asked.
 *
 * A user has flags, the SHA-256 of each password, and selectors; the first selector is the root,
 * the others are those in parentheses. A request is allowed if one selector alone allows all of
 * it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/slice.h"

enum acl_user_flag {
    ACL_USER_ON = 1 << 0,
    ACL_USER_NOPASS = 1 << 1,
    ACL_USER_SKIP_SANITIZE = 1 << 2,
    ACL_USER_SANITIZE = 1 << 3,
};

enum acl_selector_flag {
    ACL_ALL_KEYS = 1 << 0,
    ACL_ALL_CHANNELS = 1 << 1,
    ACL_ALL_COMMANDS = 1 << 2, /* no command was ever taken away since +@all */
    /* rules begin with +@all, so commands of later versions are allowed, too */
    ACL_FROM_ALL = 1 << 3,
};

enum acl_permission { ACL_READ = 1, ACL_WRITE = 2, ACL_READ_WRITE = 3 };

/* A growable list of texts, each with a number whose meaning depends on the list. */
struct acl_text {
    uint32_t mark;
    size_t len;
    char bytes[];
};

struct acl_texts {
    struct acl_text **items;
    size_t count, room;
};

struct acl_selector {
    uint32_t flags;               /* enum acl_selector_flag */
    uint64_t *allowed;            /* a bit for each command_state.id */
    struct acl_texts keys;        /* patterns; mark: enum acl_permission */
    struct acl_texts channels;    /* patterns */
    struct acl_texts first_args;  /* allowed with this first argument; mark: command_state.id */
    struct acl_texts rules;       /* what was said about commands; mark: 1 for +, 0 for - */
};

struct acl_user {
    char *name;
    uint32_t flags;               /* enum acl_user_flag */
    struct acl_texts passwords;   /* SHA-256, 64 hex digits each */
    struct acl_selector **selectors;
    size_t selector_count;        /* at least 1 */
};

static inline struct slice acl_text_slice(const struct acl_text *text)
{
    return (struct slice){text->bytes, text->len};
}

/* The first equal text, or -1; with `mark` < 0 whatever its mark is. */
long acl_texts_find(const struct acl_texts *texts, struct slice text, int64_t mark);
void acl_texts_add(struct acl_texts *texts, struct slice text, uint32_t mark);
void acl_texts_remove(struct acl_texts *texts, size_t at);
void acl_texts_clear(struct acl_texts *texts);

/* `commands`: how many command_state.id there are. A selector allows nothing at first. */
struct acl_selector *acl_selector_new(int commands);
void acl_selector_free(struct acl_selector *selector);

/* A user who is off, without password and rights. */
struct acl_user *acl_user_new(struct slice name, int commands);
struct acl_user *acl_user_copy(const struct acl_user *user, int commands);
void acl_user_free(struct acl_user *user);
/* `user` becomes what `other` is, who then is what `user` was; the names stay. */
void acl_user_swap(struct acl_user *user, struct acl_user *other);
/* Takes over `selector`. */
void acl_user_add_selector(struct acl_user *user, struct acl_selector *selector);
/* Keep the root only. */
void acl_user_drop_selectors(struct acl_user *user);

/* True if some selector allows everything. */
bool acl_user_is_unrestricted(const struct acl_user *user);

/* Rules that make the selector what it is: "-@all +get", "~a* %R~b", "&news". */
void acl_selector_show_commands(const struct acl_selector *selector, struct buf *out);
void acl_selector_show_keys(const struct acl_selector *selector, struct buf *out);
void acl_selector_show_channels(const struct acl_selector *selector, struct buf *out);
/* The names of the user's flags, in the order in which they are shown. Returns how many. */
int acl_user_flag_names(const struct acl_user *user, const char *names[static 4]);
/* "user <name> <rules>", as ACL LIST shows it and ACL files hold it. */
void acl_user_show(const struct acl_user *user, struct buf *out);
