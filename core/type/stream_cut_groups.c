/* Groups go out one after the other, each in the order of the grammar (stream_rdb.c):
 *
 *   HEAD       its place, and how much is pending
 *   LISTED     the entries that are pending, by their IDs; those that were written before their
 *              turn (`listed`) come behind
 *   CONSUMERS  how many there are, then each:
 *   OWNED      its head, and the IDs of what is pending for it; those that were written before
 *              (`owned`) behind
 *
 * An entry that is pending goes out twice so, and has two marks: the numbers of the cuts that it is
 * in. Each cut of a stream has another number, so at the beginning all are out, and nothing is
 * touched. The same holds for consumers. What is new is born in. Before an entry changes, its two
 * parts are written to where they wait; before a consumer does, its head is kept; before a group
 * does, its own. So a command writes down what it changes, and nothing else; XGROUP DESTROY and
 * DELCONSUMER write what they delete, which takes as long as deleting it.
 *
 * A group knows its place in the list as long as it is out (`place`).
 */
#include "core/type/stream_cut_groups.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/ds/radix.h"
#include "core/type/rdb.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/stream_group_rdb.h"

#define STEP_THINGS 64
#define STEP_HELD_BYTES 65536

enum part { PART_HEAD, PART_LISTED, PART_LISTED_HELD, PART_CONSUMERS, PART_OWNED,
            PART_OWNED_HELD };

/* A consumer that has changed, or whose turn it is. */
struct stream_cut_consumer {
    struct stream_cut_consumer *next;
    struct stream_consumer *consumer; /* NULL: it is gone */
    struct stream_consumer_head head;
    struct buf owned;
    char name[];
};

struct group_cut {
    struct stream_group *group; /* NULL: it is gone */
    char *name;                 /* a copy; that of `head` */
    bool begun;                 /* the next ones are as they were at the beginning */
    struct stream_group_head head;
    size_t consumers;
    struct buf listed;
    struct stream_cut_consumer *first, **last;
};

struct stream_cut_groups {
    const struct stream *stream;
    size_t held;
    size_t count, at;
    bool counted;                         /* their number is written */
    struct group_cut *list;
    enum part part;                       /* of the group at `at` */
    bool walking;                         /* `pending_at` is somewhere */
    struct radix_at pending_at, consumer_at;
    struct stream_cut_consumer *consumer; /* whose turn it is */
    size_t drained;                       /* bytes of what waited */
};

/* --- The beginning ---------------------------------------------------------------------------- */

struct stream_cut_groups *stream_cut_groups_begin(struct stream *stream)
{
    struct stream_cut_groups *groups = mem_alloc_zero(sizeof(*groups));
    struct radix_at at = {0};
    size_t i = 0;

    if (++stream->cuts == 0)
        stream->cuts = 1;
    groups->stream = stream;
    groups->count = stream->groups == NULL ? 0 : radix_count(stream->groups);
    if (groups->count == 0)
        return groups;
    kv_assert(groups->count < UINT32_MAX);
    groups->list = mem_alloc_zero(groups->count * sizeof(*groups->list));
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at)) {
        struct group_cut *one = &groups->list[i++];

        one->group = at.value;
        one->group->place = (uint32_t)i;
        one->last = &one->first;
        one->name = mem_alloc(at.key.len);
        if (at.key.len > 0)
            memcpy(one->name, at.key.data, at.key.len);
        one->head.name = (struct slice){one->name, at.key.len};
    }
    radix_at_free(&at);
    groups->held = groups->count * sizeof(*groups->list);
    return groups;
}

size_t stream_cut_groups_held(const struct stream_cut_groups *groups)
{
    return groups->held;
}

/* --- Ahead of its turn ------------------------------------------------------------------------ */

/* NULL: it is in, or new. */
static struct group_cut *group_of(const struct stream_cut_groups *groups,
                                  const struct stream_group *group)
{
    return group->place == 0 ? NULL : &groups->list[group->place - 1];
}

static void keep_head(struct group_cut *one)
{
    if (one->begun)
        return;
    one->begun = true;
    one->head.last_id = one->group->last_id;
    one->head.entries_read = one->group->entries_read;
    one->head.pending = radix_count(one->group->pending);
    one->consumers = radix_count(one->group->consumers);
}

static void keep_consumer(struct stream_cut_groups *groups, struct group_cut *one,
                          struct stream_consumer *consumer)
{
    struct slice name = stream_consumer_name(consumer);
    struct stream_cut_consumer *kept;

    keep_head(one);
    if (consumer->cut == groups->stream->cuts)
        return;
    consumer->cut = groups->stream->cuts;
    kept = mem_alloc_zero(sizeof(*kept) + name.len);
    kept->consumer = consumer;
    if (name.len > 0)
        memcpy(kept->name, name.data, name.len);
    kept->head = (struct stream_consumer_head){{kept->name, name.len}, consumer->seen_ms,
                                               consumer->active_ms,
                                               radix_count(consumer->pending)};
    consumer->kept = kept;
    *one->last = kept;
    one->last = &kept->next;
    groups->held += sizeof(*kept) + name.len;
}

static void hold_listed(struct stream_cut_groups *groups, struct group_cut *one, struct slice key,
                        struct stream_pending *pending, const struct rdb_out *out)
{
    struct rdb_out held = *out;

    groups->held -= one->listed.cap;
    held.buf = &one->listed;
    stream_group_write_pending(key, pending, &held);
    groups->held += one->listed.cap;
    pending->listed = groups->stream->cuts;
}

static void hold_owned(struct stream_cut_groups *groups, struct group_cut *one, struct slice key,
                       struct stream_pending *pending)
{
    struct buf *owned;

    keep_consumer(groups, one, pending->consumer);
    owned = &pending->consumer->kept->owned;
    groups->held -= owned->cap;
    buf_append_slice(owned, key);
    groups->held += owned->cap;
    pending->owned = groups->stream->cuts;
}

void stream_cut_groups_head(struct stream_cut_groups *groups, struct stream_group *group)
{
    struct group_cut *one = group_of(groups, group);

    if (one != NULL)
        keep_head(one);
}

void stream_cut_groups_consumer(struct stream_cut_groups *groups, struct stream_group *group,
                                struct stream_consumer *consumer)
{
    struct group_cut *one = group_of(groups, group);

    if (one != NULL)
        keep_consumer(groups, one, consumer);
}

void stream_cut_groups_pending(struct stream_cut_groups *groups, struct stream_group *group,
                               struct slice key, struct stream_pending *pending,
                               const struct rdb_out *out)
{
    struct group_cut *one = group_of(groups, group);

    if (one == NULL)
        return;
    keep_head(one);
    if (pending->listed != groups->stream->cuts)
        hold_listed(groups, one, key, pending, out);
    if (pending->owned != groups->stream->cuts)
        hold_owned(groups, one, key, pending);
}

void stream_cut_groups_gone(struct stream_cut_groups *groups, struct stream_group *group,
                            struct stream_consumer *consumer)
{
    stream_cut_groups_consumer(groups, group, consumer);
    if (group->place != 0 && consumer->kept != NULL)
        consumer->kept->consumer = NULL;
}

void stream_cut_groups_all(struct stream_cut_groups *groups, struct stream_group *group,
                           const struct rdb_out *out)
{
    struct group_cut *one = group_of(groups, group);
    struct radix_at at = {0};

    if (one == NULL)
        return;
    keep_head(one);
    for (bool more = radix_first(group->pending, &at); more; more = radix_next(group->pending, &at))
        stream_cut_groups_pending(groups, group, at.key, at.value, out);
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at))
        stream_cut_groups_gone(groups, group, at.value);
    radix_at_free(&at);
    one->group = NULL;
    group->place = 0;
}

/* --- Its turn --------------------------------------------------------------------------------- */

/* The next in the tree; false behind the last. */
static bool walk_on(struct stream_cut_groups *groups, const struct radix *pending)
{
    groups->walking = groups->walking ? radix_next(pending, &groups->pending_at)
                                      : radix_first(pending, &groups->pending_at);
    return groups->walking;
}

/* What waited follows, some of it. False: that was all. */
static bool drain(struct stream_cut_groups *groups, struct buf *held, struct rdb_out *out)
{
    size_t left = held->len - groups->drained;
    size_t now = left < STEP_HELD_BYTES ? left : STEP_HELD_BYTES;

    if (now > 0)
        buf_append(out->buf, held->data + groups->drained, now);
    groups->drained += now;
    if (now < left)
        return true;
    groups->drained = 0;
    groups->held -= held->cap;
    buf_free(held);
    return false;
}

static void step_head(struct stream_cut_groups *groups, struct group_cut *one,
                      struct rdb_out *out)
{
    keep_head(one);
    stream_group_write_head(&one->head, out);
    groups->part = PART_LISTED;
}

static void step_listed(struct stream_cut_groups *groups, struct group_cut *one,
                        struct rdb_out *out)
{
    struct stream_pending *pending;

    if (one->group == NULL || !walk_on(groups, one->group->pending)) {
        groups->walking = false;
        groups->part = PART_LISTED_HELD;
        return;
    }
    pending = groups->pending_at.value;
    if (pending->listed != groups->stream->cuts)
        stream_group_write_pending(groups->pending_at.key, pending, out);
    pending->listed = groups->stream->cuts;
}

/* A consumer that is out becomes the last of those that are kept. */
static void find_consumer(struct stream_cut_groups *groups, struct group_cut *one)
{
    struct radix_at *at = &groups->consumer_at;
    const struct radix *consumers = one->group->consumers;

    for (int i = 0; i < STEP_THINGS && one->first == NULL; i++) {
        bool more = at->value == NULL ? radix_first(consumers, at) : radix_next(consumers, at);

        kv_assert(more);
        keep_consumer(groups, one, at->value);
    }
}

static void consumer_free(struct stream_cut_groups *groups, struct stream_cut_consumer *kept)
{
    if (kept->consumer != NULL)
        kept->consumer->kept = NULL;
    groups->held -= sizeof(*kept) + kept->head.name.len + kept->owned.cap;
    buf_free(&kept->owned);
    mem_free(kept);
}

static void group_done(struct stream_cut_groups *groups, struct group_cut *one)
{
    if (one->group != NULL)
        one->group->place = 0;
    radix_at_free(&groups->consumer_at);
    groups->consumer_at = (struct radix_at){0};
    groups->part = PART_HEAD;
    groups->at++;
}

static void step_consumers(struct stream_cut_groups *groups, struct group_cut *one,
                           struct rdb_out *out)
{
    if (one->consumers == 0) {
        kv_assert(one->first == NULL);
        group_done(groups, one);
        return;
    }
    if (one->first == NULL) {
        kv_assert(one->group != NULL);
        find_consumer(groups, one);
    }
    if (one->first == NULL)
        return; /* none yet */
    groups->consumer = one->first;
    one->first = groups->consumer->next;
    if (one->first == NULL)
        one->last = &one->first;
    one->consumers--;
    stream_consumer_write_head(&groups->consumer->head, out);
    groups->part = PART_OWNED;
}

static void step_owned(struct stream_cut_groups *groups, struct rdb_out *out)
{
    const struct stream_consumer *consumer = groups->consumer->consumer;
    struct stream_pending *pending;

    if (consumer == NULL || !walk_on(groups, consumer->pending)) {
        groups->walking = false;
        groups->part = PART_OWNED_HELD;
        return;
    }
    pending = groups->pending_at.value;
    if (pending->owned != groups->stream->cuts)
        rdb_put_bytes(out, groups->pending_at.key.data, groups->pending_at.key.len);
    pending->owned = groups->stream->cuts;
}

static void step_one(struct stream_cut_groups *groups, struct rdb_out *out)
{
    struct group_cut *one = &groups->list[groups->at];

    switch (groups->part) {
    case PART_HEAD: step_head(groups, one, out); return;
    case PART_LISTED: step_listed(groups, one, out); return;
    case PART_LISTED_HELD:
        if (drain(groups, &one->listed, out))
            return;
        rdb_put_len(out, one->consumers);
        groups->part = PART_CONSUMERS;
        return;
    case PART_CONSUMERS: step_consumers(groups, one, out); return;
    case PART_OWNED: step_owned(groups, out); return;
    case PART_OWNED_HELD:
        if (drain(groups, &groups->consumer->owned, out))
            return;
        consumer_free(groups, groups->consumer);
        groups->consumer = NULL;
        groups->part = PART_CONSUMERS;
        return;
    }
}

bool stream_cut_groups_step(struct stream_cut_groups *groups, struct rdb_out *out)
{
    size_t from = out->buf->len;

    if (!groups->counted)
        rdb_put_len(out, groups->count);
    groups->counted = true;
    for (int i = 0; i < STEP_THINGS && groups->at < groups->count; i++) {
        step_one(groups, out);
        if (out->buf->len - from > STEP_HELD_BYTES)
            break;
    }
    return groups->at < groups->count;
}

void stream_cut_groups_end(struct stream_cut_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        struct group_cut *one = &groups->list[i];
        struct stream_cut_consumer *next;

        for (struct stream_cut_consumer *kept = one->first; kept != NULL; kept = next) {
            next = kept->next;
            consumer_free(groups, kept);
        }
        buf_free(&one->listed);
        mem_free(one->name);
    }
    if (groups->consumer != NULL)
        consumer_free(groups, groups->consumer);
    radix_at_free(&groups->pending_at);
    radix_at_free(&groups->consumer_at);
    mem_free(groups->list);
    mem_free(groups);
}
