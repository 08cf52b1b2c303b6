/* A list, the newest entry first. */
#include "core/acl_log.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/mem.h"

#define GROUP_ENTRIES 10   /* so many are looked at for an equal one */
#define GROUP_MS 60000     /* no older than this */

static char *keep(struct slice text, size_t *len)
{
    char *copy = mem_alloc(text.len);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    *len = text.len;
    return copy;
}

static struct slice shorten(struct slice text)
{
    return (struct slice){text.data,
                          text.len > ACL_LOG_OBJECT_BYTES ? ACL_LOG_OBJECT_BYTES : text.len};
}

static void entry_free(struct acl_entry *entry)
{
    mem_free(entry->object);
    mem_free(entry->username);
    mem_free(entry->client);
    mem_free(entry);
}

static bool is_same(const struct acl_entry *entry, const struct acl_entry *other)
{
    return entry->reason == other->reason && entry->context == other->context &&
           other->updated_ms - entry->updated_ms <= GROUP_MS &&
           slice_equal((struct slice){entry->object, entry->object_len},
                       (struct slice){other->object, other->object_len}) &&
           slice_equal((struct slice){entry->username, entry->username_len},
                       (struct slice){other->username, other->username_len});
}

/* Take an entry like `fresh` out of the list; NULL if there is none among the newest. */
static struct acl_entry *take_same(struct acl_log *log, const struct acl_entry *fresh)
{
    struct acl_entry **link = &log->first;
    for (int i = 0; i < GROUP_ENTRIES && *link; i++, link = &(*link)->next) {
        struct acl_entry *entry = *link;
        if (!is_same(entry, fresh))
            continue;
        *link = entry->next;
        log->count--;
        return entry;
    }
    return NULL;
}

void acl_log_trim(struct acl_log *log, int64_t most)
{
    struct acl_entry **link = &log->first;
    for (int64_t i = 0; i < most && *link; i++)
        link = &(*link)->next;
    while (*link) {
        struct acl_entry *entry = *link;
        *link = entry->next;
        log->count--;
        entry_free(entry);
    }
}

void acl_log_add(struct acl_log *log, int64_t most, int64_t now_ms, enum acl_verdict reason,
                 enum acl_context context, struct slice object, struct slice username,
                 struct slice client)
{
    struct acl_entry *fresh = mem_alloc_zero(sizeof *fresh);
    fresh->reason = reason;
    fresh->context = context;
    fresh->count = 1;
    fresh->created_ms = fresh->updated_ms = now_ms;
    fresh->object = keep(shorten(object), &fresh->object_len);
    fresh->username = keep(shorten(username), &fresh->username_len);
    fresh->client = keep(client, &fresh->client_len);
    struct acl_entry *old = take_same(log, fresh);
    if (old) {
        fresh->id = old->id;
        fresh->count += old->count;
        fresh->created_ms = old->created_ms;
        entry_free(old);
    } else {
        fresh->id = log->next_id++;
    }
    fresh->next = log->first;
    log->first = fresh;
    if (++log->count > most)
        acl_log_trim(log, most);
}

const char *acl_log_reason(enum acl_verdict reason)
{
    static const char *const names[] = {
        [ACL_ALLOWED] = "unknown",   [ACL_DENIED_COMMAND] = "command", [ACL_DENIED_KEY] = "key",
        [ACL_DENIED_AUTH] = "auth", [ACL_DENIED_CHANNEL] = "channel",
    };
    return names[reason];
}

const char *acl_log_context(enum acl_context context)
{
    static const char *const names[] = {"toplevel", "multi", "lua", "module"};
    return names[context];
}
