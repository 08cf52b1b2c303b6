/* A tree of prefixes by name; each has its sessions, and a tree of the keys that were touched in
 * this turn, with the id of the session that did it last (NOLOOP: that one is not told). The
 * prefixes of a key are found by a few steps down in the order of the tree.
 */
#include "core/tracking_prefixes.h"

#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/ds/radix.h"
#include "core/session.h"
#include "core/tracker.h"

#define NO_WRITER UINTPTR_MAX

struct tracked_prefix {
    struct session **sessions;
    size_t session_count, session_cap;
    struct radix *touched; /* NULL: nothing */
    size_t len;
    char name[];
};

struct tracked_prefixes {
    struct radix *by_name;
    struct radix_account account;
    struct radix_at at; /* for searches */
    bool any_touched;
};

struct tracked_prefixes *tracked_prefixes_new(void)
{
    struct tracked_prefixes *prefixes = mem_alloc_zero(sizeof *prefixes);
    prefixes->by_name = radix_new(&prefixes->account);
    return prefixes;
}

void tracked_prefixes_free(struct tracked_prefixes *prefixes)
{
    kv_assert(radix_count(prefixes->by_name) == 0);
    radix_free(prefixes->by_name, NULL);
    radix_at_free(&prefixes->at);
    mem_free(prefixes);
}

size_t tracked_prefixes_count(const struct tracked_prefixes *prefixes)
{
    return radix_count(prefixes->by_name);
}

struct slice tracked_prefix_name(const struct tracked_prefix *prefix)
{
    return (struct slice){prefix->name, prefix->len};
}

/* ---- sessions ---- */

static struct tracked_prefix *find_or_add(struct tracked_prefixes *prefixes, struct slice name)
{
    struct tracked_prefix *prefix = radix_get(prefixes->by_name, name);
    if (prefix)
        return prefix;
    prefix = mem_alloc_zero(sizeof *prefix + name.len);
    prefix->len = name.len;
    if (name.len > 0)
        memcpy(prefix->name, name.data, name.len);
    radix_set(prefixes->by_name, name, prefix);
    return prefix;
}

static void put_in_order(struct tracker *tracker, struct tracked_prefix *prefix)
{
    size_t count = (size_t)tracker->prefix_count;
    tracker->prefixes = mem_realloc(tracker->prefixes, (count + 1) * sizeof prefix);
    size_t at = count;
    while (at > 0 && slice_compare(tracked_prefix_name(tracker->prefixes[at - 1]),
                                   tracked_prefix_name(prefix)) > 0) {
        tracker->prefixes[at] = tracker->prefixes[at - 1];
        at--;
    }
    tracker->prefixes[at] = prefix;
    tracker->prefix_count++;
}

void tracked_prefixes_add(struct tracked_prefixes *prefixes, struct session *session,
                          struct slice name)
{
    struct tracked_prefix *prefix = find_or_add(prefixes, name);
    if (prefix->session_count == prefix->session_cap) {
        prefix->session_cap = prefix->session_cap ? prefix->session_cap * 2 : 2;
        prefix->sessions =
            mem_realloc(prefix->sessions, prefix->session_cap * sizeof *prefix->sessions);
    }
    prefix->sessions[prefix->session_count++] = session;
    put_in_order(session->tracker, prefix);
}

static void leave(struct tracked_prefixes *prefixes, struct tracked_prefix *prefix,
                  const struct session *session)
{
    size_t at = 0;
    while (prefix->sessions[at] != session)
        at++;
    prefix->sessions[at] = prefix->sessions[--prefix->session_count];
    if (prefix->session_count > 0)
        return;
    radix_remove(prefixes->by_name, tracked_prefix_name(prefix));
    if (prefix->touched)
        radix_free(prefix->touched, NULL);
    mem_free(prefix->sessions);
    mem_free(prefix);
}

void tracked_prefixes_forget(struct tracked_prefixes *prefixes, struct session *session)
{
    struct tracker *tracker = session->tracker;
    for (int i = 0; i < tracker->prefix_count; i++)
        leave(prefixes, tracker->prefixes[i], session);
    mem_free(tracker->prefixes);
    tracker->prefixes = NULL;
    tracker->prefix_count = 0;
}

/* ---- keys ---- */

static size_t common_len(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    size_t at = 0;
    while (at < len && a.data[at] == b.data[at])
        at++;
    return at;
}

/* The last prefix that is not above the key either begins it, or shows by what it has in common
 * with the key how long the others can be at most. */
void tracked_prefixes_touch(struct tracked_prefixes *prefixes, const struct session *writer,
                            struct slice key)
{
    struct slice rest = key;
    void *who = (void *)(writer ? (uintptr_t)writer->id : NO_WRITER);
    enum radix_seek how = RADIX_AT_MOST;
    while (radix_seek(prefixes->by_name, &prefixes->at, rest, how)) {
        struct tracked_prefix *prefix = prefixes->at.value;
        rest.len = common_len(prefixes->at.key, key);
        how = RADIX_AT_MOST;
        if (rest.len < prefix->len)
            continue;
        if (!prefix->touched)
            prefix->touched = radix_new(&prefixes->account);
        radix_set(prefix->touched, key, who);
        prefixes->any_touched = true;
        if (rest.len == 0)
            return;
        how = RADIX_BELOW;
    }
}

/* ---- messages ---- */

/* The array of the keys touched, without those that `except` (NO_WRITER: nobody) touched last. */
static size_t put_keys(struct tracked_prefix *prefix, uintptr_t except, struct buf *out)
{
    struct buf keys = {0};
    struct radix_at at = {0};
    size_t count = 0;
    for (bool more = radix_first(prefix->touched, &at); more;
         more = radix_next(prefix->touched, &at)) {
        if (except != NO_WRITER && (uintptr_t)at.value == except)
            continue;
        buf_printf(&keys, "$%zu\r\n", at.key.len);
        buf_append_slice(&keys, at.key);
        buf_append_text(&keys, "\r\n");
        count++;
    }
    buf_clear(out);
    buf_printf(out, "*%zu\r\n", count);
    buf_append_slice(out, buf_slice(&keys));
    buf_free(&keys);
    radix_at_free(&at);
    return count;
}

static void tell(struct tracked_prefix *prefix)
{
    struct buf all = {0}, some = {0};
    put_keys(prefix, NO_WRITER, &all);
    for (size_t i = 0; i < prefix->session_count; i++) {
        struct session *session = prefix->sessions[i];
        struct slice message = buf_slice(&all);
        if (session->tracker->options & TRACKER_NOLOOP) {
            if (put_keys(prefix, (uintptr_t)session->id, &some) == 0)
                continue;
            message = buf_slice(&some);
        }
        tracker_send(session, &message);
    }
    buf_free(&all);
    buf_free(&some);
    radix_free(prefix->touched, NULL);
    prefix->touched = NULL;
}

void tracked_prefixes_tell(struct tracked_prefixes *prefixes)
{
    if (likely(!prefixes->any_touched))
        return;
    prefixes->any_touched = false;
    for (bool more = radix_first(prefixes->by_name, &prefixes->at); more;
         more = radix_next(prefixes->by_name, &prefixes->at)) {
        struct tracked_prefix *prefix = prefixes->at.value;
        if (prefix->touched)
            tell(prefix);
    }
}
