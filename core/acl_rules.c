/* Reading rules. What a rule about commands says is done twice: to the bitmap of allowed commands,
 * and to the list of rules, from which the user is shown and stored. A rule drops older ones about
 * the same command, its subcommands, or the same category, so the list stays as short as what it
 * says; and as it is kept as it was written, "+@read" includes what later versions put there. */
#include "core/acl_rules.h"

#include <string.h>

#include "core/acl_user.h"
#include "core/base/hash.h"
#include "core/base/text.h"
#include "core/category.h"
#include "core/registry.h"

#define HASH_CHARS 64

static const char why_syntax[] = "Syntax error";
static const char why_unknown[] = "Unknown command or category name in ACL";
static const char why_key_after_all[] =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns";
static const char why_channel_after_all[] =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels";
static const char why_no_password[] =
    "The password you are trying to remove from the user does not exist";
static const char why_hash[] = "The password hash must be exactly 64 characters and contain only "
                               "lowercase hexadecimal characters";
static const char why_first_arg[] = "Allowing first-arg of a subcommand is not supported";

static bool wrong(const char **why, const char *text)
{
    *why = text;
    return false;
}

static struct slice rest(struct slice text, size_t from)
{
    return (struct slice){text.data + from, text.len - from};
}

static bool has_space(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == ' ' || (c >= '\t' && c <= '\r') || c == '\0')
            return true;
    }
    return false;
}

bool acl_rules_name_fits(struct slice name)
{
    return !has_space(name);
}

/* --- Commands -------------------------------------------------------------------------------- */

static void set_bit(struct acl_selector *selector, int id, bool allow)
{
    uint64_t bit = 1ull << (id & 63);
    if (allow)
        selector->allowed[id >> 6] |= bit;
    else
        selector->allowed[id >> 6] &= ~bit;
    for (size_t i = selector->first_args.count; i-- > 0;)
        if (selector->first_args.items[i]->mark == (uint32_t)id)
            acl_texts_remove(&selector->first_args, i);
}

static void set_command(struct acl_selector *selector, const struct command_state *state,
                        bool allow)
{
    set_bit(selector, state->id, allow);
    for (int i = 0; i < state->child_count; i++)
        set_bit(selector, state->children[i].id, allow);
}

/* Lower case, as rules are kept; of "select|A" only up to `lower` characters. */
static void keep_rule(struct acl_selector *selector, struct slice text, size_t lower, bool allow)
{
    struct acl_texts *rules = &selector->rules;
    struct buf name = {0};
    buf_append_slice(&name, text);
    for (size_t i = 0; i < lower; i++)
        if (name.data[i] >= 'A' && name.data[i] <= 'Z')
            name.data[i] |= 0x20;
    for (size_t i = rules->count; i-- > 0;) {
        struct slice old = acl_text_slice(rules->items[i]);
        bool same = old.len >= name.len && memcmp(old.data, name.data, name.len) == 0 &&
                    (old.len == name.len || old.data[name.len] == '|');
        if (same)
            acl_texts_remove(rules, i);
    }
    acl_texts_add(rules, buf_slice(&name), allow);
    buf_free(&name);
    if (!allow)
        selector->flags &= ~(uint32_t)ACL_ALL_COMMANDS;
}

struct category_change {
    struct acl_selector *selector;
    uint32_t category;
    bool allow;
};

static void change_category(void *env, struct command_state *state)
{
    struct category_change *change = env;
    if (category_of_command(state->command) & change->category)
        set_command(change->selector, state, change->allow);
}

static void set_all(const struct acl_grammar *grammar, struct acl_selector *selector, bool allow)
{
    acl_texts_clear(&selector->rules);
    acl_texts_clear(&selector->first_args);
    selector->flags &= ~(uint32_t)(ACL_ALL_COMMANDS | ACL_FROM_ALL);
    if (allow)
        selector->flags |= ACL_ALL_COMMANDS | ACL_FROM_ALL;
    for (int id = 0; id < grammar->commands; id++)
        set_bit(selector, id, allow);
}

static bool apply_category(const struct acl_grammar *grammar, struct acl_selector *selector,
                           struct slice rule, const char **why)
{
    struct category_change change = {selector, 0, rule.data[0] == '+'};
    if (slice_is(rest(rule, 2), "all")) {
        set_all(grammar, selector, change.allow);
        return true;
    }
    change.category = category_find(rest(rule, 2));
    if (!change.category)
        return wrong(why, why_unknown);
    registry_each(grammar->registry, change_category, &change);
    keep_rule(selector, rest(rule, 1), rule.len - 1, change.allow);
    return true;
}

/* "get", "config|get" by the names of the rows. */
static struct command_state *find_command(const struct acl_grammar *grammar, struct slice name)
{
    const char *bar = memchr(name.data, '|', name.len);
    size_t len = bar ? (size_t)(bar - name.data) : name.len;
    struct command_state *state = registry_find_declared(grammar->registry, name.data, len);
    if (!bar || !state)
        return state;
    return registry_find_child(state, bar + 1, name.len - len - 1);
}

/* +command|first-argument: what stands behind the last bar is no subcommand. */
static bool apply_first_arg(const struct acl_grammar *grammar, struct acl_selector *selector,
                            struct slice name, const char **why)
{
    const char *bar = memrchr(name.data, '|', name.len);
    size_t len = bar ? (size_t)(bar - name.data) : 0;
    struct command_state *state =
        bar ? find_command(grammar, (struct slice){name.data, len}) : NULL;
    if (!state)
        return wrong(why, why_unknown);
    if (state->parent)
        return wrong(why, why_first_arg);
    if (len + 1 == name.len)
        return wrong(why, why_syntax);
    if (state->child_count > 0)
        return wrong(why, why_unknown);
    struct slice arg = rest(name, len + 1);
    if (acl_texts_find(&selector->first_args, arg, state->id) < 0)
        acl_texts_add(&selector->first_args, arg, (uint32_t)state->id);
    keep_rule(selector, name, len, true);
    return true;
}

static bool apply_command(const struct acl_grammar *grammar, struct acl_selector *selector,
                          struct slice rule, const char **why)
{
    if (rule.len > 1 && rule.data[1] == '@')
        return apply_category(grammar, selector, rule, why);
    bool allow = rule.data[0] == '+';
    struct slice name = rest(rule, 1);
    struct command_state *state = find_command(grammar, name);
    if (!state && allow)
        return apply_first_arg(grammar, selector, name, why);
    if (!state)
        return wrong(why, why_unknown);
    set_command(selector, state, allow);
    keep_rule(selector, name, name.len, allow);
    return true;
}

/* --- Keys and channels ----------------------------------------------------------------------- */

/* Which permissions a pattern of the form %R~... gives; 0 if it has another form. */
static uint32_t read_permissions(struct slice rule, size_t *pattern_at)
{
    uint32_t permissions = 0;
    size_t at = 1;
    for (; at < rule.len && rule.data[at] != '~'; at++) {
        uint32_t one = slice_is((struct slice){&rule.data[at], 1}, "r")   ? ACL_READ
                       : slice_is((struct slice){&rule.data[at], 1}, "w") ? ACL_WRITE
                                                                          : 0;
        if (!one || permissions & one)
            return 0;
        permissions |= one;
    }
    *pattern_at = at < rule.len ? at + 1 : at;
    return permissions;
}

static bool apply_key(struct acl_selector *selector, struct slice rule, const char **why)
{
    uint32_t permissions = ACL_READ_WRITE;
    size_t at = 1;
    if (selector->flags & ACL_ALL_KEYS)
        return wrong(why, why_key_after_all);
    if (rule.data[0] == '%')
        permissions = read_permissions(rule, &at);
    struct slice pattern = rest(rule, at);
    if (!permissions || has_space(pattern))
        return wrong(why, why_syntax);
    long old = acl_texts_find(&selector->keys, pattern, -1);
    if (old >= 0)
        selector->keys.items[old]->mark |= permissions;
    else
        acl_texts_add(&selector->keys, pattern, permissions);
    return true;
}

static bool apply_channel(struct acl_selector *selector, struct slice rule, const char **why)
{
    struct slice pattern = rest(rule, 1);
    if (selector->flags & ACL_ALL_CHANNELS)
        return wrong(why, why_channel_after_all);
    if (has_space(pattern))
        return wrong(why, why_syntax);
    if (acl_texts_find(&selector->channels, pattern, -1) < 0)
        acl_texts_add(&selector->channels, pattern, 0);
    return true;
}

static void set_keys(struct acl_selector *selector, bool all)
{
    acl_texts_clear(&selector->keys);
    selector->flags &= ~(uint32_t)ACL_ALL_KEYS;
    if (all)
        selector->flags |= ACL_ALL_KEYS;
}

static void set_channels(struct acl_selector *selector, bool all)
{
    acl_texts_clear(&selector->channels);
    selector->flags &= ~(uint32_t)ACL_ALL_CHANNELS;
    if (all)
        selector->flags |= ACL_ALL_CHANNELS;
}

static bool apply_to_selector(const struct acl_grammar *grammar, struct acl_selector *selector,
                              struct slice rule, const char **why)
{
    if (slice_is(rule, "allkeys") || slice_is(rule, "~*"))
        set_keys(selector, true);
    else if (slice_is(rule, "resetkeys"))
        set_keys(selector, false);
    else if (slice_is(rule, "allchannels") || slice_is(rule, "&*"))
        set_channels(selector, true);
    else if (slice_is(rule, "resetchannels"))
        set_channels(selector, false);
    else if (slice_is(rule, "allcommands") || slice_is(rule, "nocommands"))
        set_all(grammar, selector, slice_is(rule, "allcommands"));
    else if (rule.data[0] == '~' || rule.data[0] == '%')
        return apply_key(selector, rule, why);
    else if (rule.data[0] == '&')
        return apply_channel(selector, rule, why);
    else if (rule.data[0] == '+' || rule.data[0] == '-')
        return apply_command(grammar, selector, rule, why);
    else
        return wrong(why, why_syntax);
    return true;
}

/* --- Users ----------------------------------------------------------------------------------- */

static struct acl_selector *new_selector(const struct acl_grammar *grammar)
{
    struct acl_selector *selector = acl_selector_new(grammar->commands);
    set_channels(selector, grammar->all_channels);
    return selector;
}

struct acl_user *acl_rules_new_user(const struct acl_grammar *grammar, struct slice name)
{
    struct acl_user *user = acl_user_new(name, grammar->commands);
    set_channels(user->selectors[0], grammar->all_channels);
    return user;
}

static bool add_selector(const struct acl_grammar *grammar, struct acl_user *user,
                         struct slice rule, const char **why)
{
    struct acl_selector *selector = new_selector(grammar);
    struct arena arena = {0};
    struct slice *words;
    bool good = true;
    int count = text_split(&arena, (struct slice){rule.data + 1, rule.len - 2}, &words);
    if (count < 0)
        good = wrong(why, why_syntax);
    for (int i = 0; i < count && good; i++)
        good = words[i].len == 0 || apply_to_selector(grammar, selector, words[i], why);
    arena_free(&arena);
    if (good)
        acl_user_add_selector(user, selector);
    else
        acl_selector_free(selector);
    return good;
}

static bool is_hash(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr("0123456789abcdef", text.data[i], 16))
            return false;
    return text.len == HASH_CHARS;
}

/* >password, <password, #hash, !hash */
static bool apply_password(struct acl_user *user, struct slice rule, const char **why)
{
    char digits[HASH_CHARS + 1];
    struct slice hash = rest(rule, 1);
    char kind = rule.data[0];
    if (kind == '>' || kind == '<') {
        sha256_hex(hash, digits);
        hash = (struct slice){digits, HASH_CHARS};
    } else if (!is_hash(hash)) {
        return wrong(why, why_hash);
    }
    long at = acl_texts_find(&user->passwords, hash, -1);
    if (kind == '>' || kind == '#') {
        if (at < 0)
            acl_texts_add(&user->passwords, hash, 0);
        user->flags &= ~(uint32_t)ACL_USER_NOPASS;
        return true;
    }
    if (at < 0)
        return wrong(why, why_no_password);
    acl_texts_remove(&user->passwords, (size_t)at);
    return true;
}

static void set_flags(struct acl_user *user, uint32_t set, uint32_t clear)
{
    user->flags = (user->flags & ~clear) | set;
}

static void reset(const struct acl_grammar *grammar, struct acl_user *user)
{
    acl_texts_clear(&user->passwords);
    acl_user_drop_selectors(user);
    user->flags = ACL_USER_SANITIZE;
    set_keys(user->selectors[0], false);
    set_channels(user->selectors[0], grammar->all_channels);
    set_all(grammar, user->selectors[0], false);
}

bool acl_rules_apply(const struct acl_grammar *grammar, struct acl_user *user, struct slice rule,
                     const char **why)
{
    if (rule.len == 0)
        return true;
    if (slice_is(rule, "on"))
        set_flags(user, ACL_USER_ON, 0);
    else if (slice_is(rule, "off"))
        set_flags(user, 0, ACL_USER_ON);
    else if (slice_is(rule, "skip-sanitize-payload"))
        set_flags(user, ACL_USER_SKIP_SANITIZE, ACL_USER_SANITIZE);
    else if (slice_is(rule, "sanitize-payload"))
        set_flags(user, ACL_USER_SANITIZE, ACL_USER_SKIP_SANITIZE);
    else if (slice_is(rule, "nopass") || slice_is(rule, "resetpass")) {
        acl_texts_clear(&user->passwords);
        set_flags(user, slice_is(rule, "nopass") ? ACL_USER_NOPASS : 0, ACL_USER_NOPASS);
    } else if (slice_is(rule, "reset"))
        reset(grammar, user);
    else if (slice_is(rule, "clearselectors"))
        acl_user_drop_selectors(user);
    else if (memchr("><#!", rule.data[0], 4))
        return apply_password(user, rule, why);
    else if (rule.data[0] == '(' && rule.data[rule.len - 1] == ')' && rule.len > 1)
        return add_selector(grammar, user, rule, why);
    else
        return apply_to_selector(grammar, user->selectors[0], rule, why);
    return true;
}

int acl_rules_join(struct arena *arena, int count, const struct slice *words,
                   struct slice **joined)
{
    int made = 0;
    *joined = arena_alloc(arena, sizeof **joined * (size_t)(count ? count : 1));
    for (int i = 0; i < count; i++) {
        struct slice word = words[i];
        int first = i;
        if (word.len == 0 || word.data[0] != '(' || word.data[word.len - 1] == ')') {
            (*joined)[made++] = word;
            continue;
        }
        size_t bytes = word.len;
        do {
            if (++i == count)
                return -1 - first;
            bytes += 1 + words[i].len;
        } while (words[i].len == 0 || words[i].data[words[i].len - 1] != ')');
        char *out = arena_alloc(arena, bytes), *to = out;
        for (int j = first; j <= i; j++) {
            if (j > first)
                *to++ = ' ';
            if (words[j].len > 0)
                to = mempcpy(to, words[j].data, words[j].len);
        }
        (*joined)[made++] = (struct slice){out, bytes};
    }
    return made;
}
