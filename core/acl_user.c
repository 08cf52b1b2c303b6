/* Users and selectors: lists of texts and a bitmap of commands. */
#include "core/acl_user.h"

#include <string.h>

#include "core/base/mem.h"

/* --- Lists of texts -------------------------------------------------------------------------- */

long acl_texts_find(const struct acl_texts *texts, struct slice text, int64_t mark)
{
    for (size_t i = 0; i < texts->count; i++)
        if (slice_equal(acl_text_slice(texts->items[i]), text) &&
            (mark < 0 || texts->items[i]->mark == mark))
            return (long)i;
    return -1;
}

void acl_texts_add(struct acl_texts *texts, struct slice text, uint32_t mark)
{
    if (texts->count == texts->room) {
        texts->room = texts->room ? 2 * texts->room : 4;
        texts->items = mem_realloc(texts->items, texts->room * sizeof *texts->items);
    }
    struct acl_text *item = mem_alloc(sizeof *item + text.len);
    item->mark = mark;
    item->len = text.len;
    if (text.len > 0)
        memcpy(item->bytes, text.data, text.len);
    texts->items[texts->count++] = item;
}

void acl_texts_remove(struct acl_texts *texts, size_t at)
{
    mem_free(texts->items[at]);
    texts->count--;
    memmove(&texts->items[at], &texts->items[at + 1], (texts->count - at) * sizeof *texts->items);
}

void acl_texts_clear(struct acl_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        mem_free(texts->items[i]);
    mem_free(texts->items);
    *texts = (struct acl_texts){0};
}

static void texts_copy(struct acl_texts *to, const struct acl_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        acl_texts_add(to, acl_text_slice(from->items[i]), from->items[i]->mark);
}

/* --- Selectors ------------------------------------------------------------------------------- */

static size_t bitmap_bytes(int commands)
{
    return ((size_t)commands + 63) / 64 * sizeof(uint64_t);
}

struct acl_selector *acl_selector_new(int commands)
{
    struct acl_selector *selector = mem_alloc_zero(sizeof *selector);
    selector->allowed = mem_alloc_zero(bitmap_bytes(commands));
    return selector;
}

void acl_selector_free(struct acl_selector *selector)
{
    acl_texts_clear(&selector->keys);
    acl_texts_clear(&selector->channels);
    acl_texts_clear(&selector->first_args);
    acl_texts_clear(&selector->rules);
    mem_free(selector->allowed);
    mem_free(selector);
}

static struct acl_selector *selector_copy(const struct acl_selector *from, int commands)
{
    struct acl_selector *to = acl_selector_new(commands);
    to->flags = from->flags;
    memcpy(to->allowed, from->allowed, bitmap_bytes(commands));
    texts_copy(&to->keys, &from->keys);
    texts_copy(&to->channels, &from->channels);
    texts_copy(&to->first_args, &from->first_args);
    texts_copy(&to->rules, &from->rules);
    return to;
}

/* --- Users ----------------------------------------------------------------------------------- */

struct acl_user *acl_user_new(struct slice name, int commands)
{
    struct acl_user *user = mem_alloc_zero(sizeof *user);
    user->name = mem_alloc(name.len + 1);
    if (name.len > 0)
        memcpy(user->name, name.data, name.len);
    user->name[name.len] = '\0';
    acl_user_add_selector(user, acl_selector_new(commands));
    return user;
}

struct acl_user *acl_user_copy(const struct acl_user *user, int commands)
{
    struct acl_user *copy = acl_user_new(slice_of(user->name), commands);
    copy->flags = user->flags;
    texts_copy(&copy->passwords, &user->passwords);
    acl_selector_free(copy->selectors[0]);
    copy->selector_count = 0;
    for (size_t i = 0; i < user->selector_count; i++)
        acl_user_add_selector(copy, selector_copy(user->selectors[i], commands));
    return copy;
}

void acl_user_free(struct acl_user *user)
{
    for (size_t i = 0; i < user->selector_count; i++)
        acl_selector_free(user->selectors[i]);
    mem_free(user->selectors);
    acl_texts_clear(&user->passwords);
    mem_free(user->name);
    mem_free(user);
}

void acl_user_swap(struct acl_user *user, struct acl_user *other)
{
    struct acl_user was = *user;
    *user = *other;
    *other = was;
    other->name = user->name;
    user->name = was.name;
}

void acl_user_add_selector(struct acl_user *user, struct acl_selector *selector)
{
    size_t bytes = (user->selector_count + 1) * sizeof(struct acl_selector *);
    user->selectors = mem_realloc(user->selectors, bytes);
    user->selectors[user->selector_count++] = selector;
}

void acl_user_drop_selectors(struct acl_user *user)
{
    while (user->selector_count > 1)
        acl_selector_free(user->selectors[--user->selector_count]);
}

bool acl_user_is_unrestricted(const struct acl_user *user)
{
    const uint32_t all = ACL_ALL_KEYS | ACL_ALL_CHANNELS | ACL_ALL_COMMANDS;
    for (size_t i = 0; i < user->selector_count; i++)
        if ((user->selectors[i]->flags & all) == all)
            return true;
    return false;
}

/* --- Showing --------------------------------------------------------------------------------- */

void acl_selector_show_commands(const struct acl_selector *selector, struct buf *out)
{
    buf_append_text(out, selector->flags & ACL_FROM_ALL ? "+@all" : "-@all");
    for (size_t i = 0; i < selector->rules.count; i++) {
        buf_append_text(out, selector->rules.items[i]->mark ? " +" : " -");
        buf_append_slice(out, acl_text_slice(selector->rules.items[i]));
    }
}

static void show_key(const struct acl_text *pattern, bool first, struct buf *out)
{
    static const char *const prefixes[] = {
        [ACL_READ] = "%R~", [ACL_WRITE] = "%W~", [ACL_READ_WRITE] = "~"};
    if (!first)
        buf_append_char(out, ' ');
    buf_append_text(out, prefixes[pattern->mark]);
    buf_append_slice(out, acl_text_slice(pattern));
}

/* %RW~* among other patterns is shown as ~* and last: ahead of them, ~* would make what is shown
 * refuse to be read again. */
void acl_selector_show_keys(const struct acl_selector *selector, struct buf *out)
{
    const struct acl_texts *keys = &selector->keys;
    long star = acl_texts_find(keys, SLICE("*"), ACL_READ_WRITE);
    bool first = true;
    if (selector->flags & ACL_ALL_KEYS)
        buf_append_text(out, "~*");
    for (size_t i = 0; i < keys->count; i++) {
        if ((long)i == star)
            continue;
        show_key(keys->items[i], first, out);
        first = false;
    }
    if (star >= 0)
        show_key(keys->items[star], first, out);
}

void acl_selector_show_channels(const struct acl_selector *selector, struct buf *out)
{
    if (selector->flags & ACL_ALL_CHANNELS)
        buf_append_text(out, "&*");
    for (size_t i = 0; i < selector->channels.count; i++) {
        buf_append_text(out, i ? " &" : "&");
        buf_append_slice(out, acl_text_slice(selector->channels.items[i]));
    }
}

static void show_selector(const struct acl_selector *selector, struct buf *out)
{
    if (selector->flags & ACL_ALL_KEYS || selector->keys.count > 0) {
        acl_selector_show_keys(selector, out);
        buf_append_char(out, ' ');
    }
    if (!(selector->flags & ACL_ALL_CHANNELS))
        buf_append_text(out, selector->channels.count ? "resetchannels " : "resetchannels");
    acl_selector_show_channels(selector, out);
    buf_append_char(out, ' ');
    acl_selector_show_commands(selector, out);
}

int acl_user_flag_names(const struct acl_user *user, const char *names[static 4])
{
    int count = 0;
    names[count++] = user->flags & ACL_USER_ON ? "on" : "off";
    if (user->flags & ACL_USER_NOPASS)
        names[count++] = "nopass";
    if (user->flags & ACL_USER_SKIP_SANITIZE)
        names[count++] = "skip-sanitize-payload";
    if (user->flags & ACL_USER_SANITIZE)
        names[count++] = "sanitize-payload";
    return count;
}

void acl_user_show(const struct acl_user *user, struct buf *out)
{
    const char *names[4];
    int count = acl_user_flag_names(user, names);
    buf_append_text(out, "user ");
    buf_append_text(out, user->name);
    buf_append_char(out, ' ');
    for (int i = 0; i < count; i++) {
        buf_append_text(out, names[i]);
        buf_append_char(out, ' ');
    }
    for (size_t i = 0; i < user->passwords.count; i++) {
        buf_append_char(out, '#');
        buf_append_slice(out, acl_text_slice(user->passwords.items[i]));
        buf_append_char(out, ' ');
    }
    show_selector(user->selectors[0], out);
    for (size_t i = 1; i < user->selector_count; i++) {
        buf_append_text(out, " (");
        show_selector(user->selectors[i], out);
        buf_append_char(out, ')');
    }
}
