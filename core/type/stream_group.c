/* What is pending is one struct, in the group's tree and in its consumer's: invariant. All memory
 * is counted in the stream's account.
 *
 * entries_read is a counter that is right as long as nothing behind the group's place is deleted:
 * where that can't be known, it is set anew from the ends of the stream, where counting is
 * possible, or is unknown.
 */
#include "core/type/stream_group.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

static void *stream_block(struct stream *stream, size_t bytes)
{
    stream->account.bytes += mem_class(bytes);
    stream->account.blocks++;
    return mem_alloc_zero(bytes);
}

static void stream_block_free(struct stream *stream, void *block, size_t bytes)
{
    stream->account.bytes -= mem_class(bytes);
    stream->account.blocks--;
    mem_free(block);
}

/* --- Groups ----------------------------------------------------------------------------------- */

struct stream_group *stream_group_find(const struct stream *stream, struct slice name)
{
    return stream->groups == NULL ? NULL : radix_get(stream->groups, name);
}

struct stream_group *stream_group_new(struct stream *stream, struct slice name,
                                      struct stream_id last_id, int64_t entries_read)
{
    struct stream_group *group;

    if (stream_group_find(stream, name) != NULL)
        return NULL;
    if (stream->groups == NULL)
        stream->groups = radix_new(&stream->account);
    group = stream_block(stream, sizeof(*group));
    group->last_id = last_id;
    group->entries_read = entries_read;
    group->pending = radix_new(&stream->account);
    group->consumers = radix_new(&stream->account);
    radix_set(stream->groups, name, group);
    return group;
}

static void stream_consumer_free(struct stream *stream, struct stream_consumer *consumer)
{
    radix_free(consumer->pending, NULL);
    stream_block_free(stream, consumer, sizeof(*consumer) + consumer->name_len);
}

static void stream_group_free(struct stream *stream, struct stream_group *group)
{
    struct radix_at at = {0};
    size_t pending = radix_count(group->pending);

    while (radix_first(group->consumers, &at)) {
        radix_remove(group->consumers, at.key);
        stream_consumer_free(stream, at.value);
    }
    radix_at_free(&at);
    stream->account.bytes -= pending * mem_class(sizeof(struct stream_pending));
    stream->account.blocks -= pending;
    radix_free(group->pending, mem_free);
    radix_free(group->consumers, NULL);
    stream_block_free(stream, group, sizeof(*group));
}

bool stream_group_remove(struct stream *stream, struct slice name)
{
    struct stream_group *group =
        stream->groups == NULL ? NULL : radix_remove(stream->groups, name);

    if (group == NULL)
        return false;
    if (unlikely(stream->cut != NULL))
        stream_cut_group_gone(stream->cut, group);
    stream_group_free(stream, group);
    return true;
}

void stream_groups_free(struct stream *stream)
{
    struct radix_at at = {0};

    if (stream->groups == NULL)
        return;
    while (radix_first(stream->groups, &at)) {
        radix_remove(stream->groups, at.key);
        stream_group_free(stream, at.value);
    }
    radix_at_free(&at);
    radix_free(stream->groups, NULL);
    stream->groups = NULL;
}

static void stream_group_copy(struct stream *to, struct stream_group *group,
                              const struct stream_group *from)
{
    struct radix_at consumer = {0}, at = {0};

    for (bool more = radix_first(from->consumers, &consumer); more;
         more = radix_next(from->consumers, &consumer)) {
        const struct stream_consumer *old = consumer.value;
        struct stream_consumer *copy = stream_consumer_new(to, group, consumer.key, old->seen_ms);

        copy->active_ms = old->active_ms;
        for (bool again = radix_first(old->pending, &at); again;
             again = radix_next(old->pending, &at)) {
            const struct stream_pending *pending = at.value;
            struct stream_pending *same =
                stream_pending_give(to, group, stream_id_of_key(at.key), copy);

            same->delivered_ms = pending->delivered_ms;
            same->deliveries = pending->deliveries;
        }
    }
    radix_at_free(&consumer);
    radix_at_free(&at);
}

void stream_groups_copy(struct stream *to, const struct stream *from)
{
    struct radix_at at = {0};

    if (from->groups == NULL)
        return;
    for (bool more = radix_first(from->groups, &at); more; more = radix_next(from->groups, &at)) {
        const struct stream_group *group = at.value;

        stream_group_copy(to, stream_group_new(to, at.key, group->last_id, group->entries_read),
                          group);
    }
    radix_at_free(&at);
}

/* --- Consumers -------------------------------------------------------------------------------- */

struct slice stream_consumer_name(const struct stream_consumer *consumer)
{
    return (struct slice){consumer->name, consumer->name_len};
}

struct stream_consumer *stream_consumer_find(const struct stream_group *group, struct slice name)
{
    return radix_get(group->consumers, name);
}

struct stream_consumer *stream_consumer_new(struct stream *stream, struct stream_group *group,
                                            struct slice name, int64_t seen_ms)
{
    struct stream_consumer *consumer;

    if (stream_consumer_find(group, name) != NULL)
        return NULL;
    stream_group_before(stream, group);
    consumer = stream_block(stream, sizeof(*consumer) + name.len);
    consumer->seen_ms = seen_ms;
    consumer->active_ms = -1;
    consumer->pending = radix_new(&stream->account);
    consumer->cut = stream->cuts;
    consumer->name_len = name.len;
    if (name.len > 0)
        memcpy(consumer->name, name.data, name.len);
    radix_set(group->consumers, name, consumer);
    return consumer;
}

void stream_consumer_remove(struct stream *stream, struct stream_group *group,
                            struct stream_consumer *consumer)
{
    struct radix_at at = {0};

    stream_consumer_before(stream, group, consumer);
    while (radix_first(consumer->pending, &at))
        stream_pending_remove(stream, group, stream_id_of_key(at.key));
    radix_at_free(&at);
    if (unlikely(stream->cut != NULL))
        stream_cut_consumer_gone(stream->cut, group, consumer);
    radix_remove(group->consumers, stream_consumer_name(consumer));
    stream_consumer_free(stream, consumer);
}

/* --- What is pending -------------------------------------------------------------------------- */

struct stream_pending *stream_pending_find(const struct stream_group *group, struct stream_id id)
{
    char key[STREAM_KEY_BYTES];

    return radix_get(group->pending, stream_id_key(id, key));
}

struct stream_pending *stream_pending_give(struct stream *stream, struct stream_group *group,
                                           struct stream_id id, struct stream_consumer *consumer)
{
    char bytes[STREAM_KEY_BYTES];
    struct slice key = stream_id_key(id, bytes);
    struct stream_pending *pending;

    pending = radix_get(group->pending, key);
    if (pending == NULL) {
        stream_group_before(stream, group);
        pending = stream_block(stream, sizeof(*pending));
        pending->listed = pending->owned = stream->cuts;
        radix_set(group->pending, key, pending);
    } else if (pending->consumer != NULL) {
        stream_pending_before(stream, group, key, pending);
    }
    if (pending->consumer == consumer)
        return pending;
    if (consumer != NULL)
        stream_consumer_before(stream, group, consumer);
    if (pending->consumer != NULL)
        radix_remove(pending->consumer->pending, key);
    pending->consumer = consumer;
    radix_set(consumer->pending, key, pending);
    return pending;
}

bool stream_pending_remove(struct stream *stream, struct stream_group *group, struct stream_id id)
{
    char bytes[STREAM_KEY_BYTES];
    struct slice key = stream_id_key(id, bytes);
    struct stream_pending *pending;

    pending = radix_get(group->pending, key);
    if (pending == NULL)
        return false;
    stream_pending_before(stream, group, key, pending);
    radix_remove(group->pending, key);
    radix_remove(pending->consumer->pending, key);
    stream_block_free(stream, pending, sizeof(*pending));
    return true;
}

/* --- How much was read ------------------------------------------------------------------------ */

bool stream_has_gap(const struct stream *stream, struct stream_id from)
{
    /* What was deleted in front of the first entry was taken off, and leaves no gap. */
    if (stream->length == 0 || stream_id_compare(stream->max_deleted_id, stream->first_id) < 0)
        return false;
    return stream_id_compare(from, stream->max_deleted_id) <= 0;
}

int64_t stream_entries_upto(const struct stream *stream, struct stream_id id)
{
    int64_t added = (int64_t)stream->entries_added, length = (int64_t)stream->length;
    int to_last = stream_id_compare(id, stream->last_id);
    int to_first = stream_id_compare(id, stream->first_id);

    if (added == 0)
        return 0;
    if (length == 0 && to_last <= 0)
        return added;
    if (to_last == 0)
        return added;
    if (to_last > 0)
        return STREAM_READ_UNKNOWN;
    /* All that was deleted was deleted at the front. */
    if (stream_id_compare(stream->max_deleted_id, stream->first_id) < 0) {
        if (to_first < 0)
            return added - length;
        if (to_first == 0)
            return added - length + 1;
    }
    return STREAM_READ_UNKNOWN;
}

void stream_group_advance(const struct stream *stream, struct stream_group *group,
                          struct stream_id id)
{
    stream_group_before(stream, group);
    if (group->entries_read != STREAM_READ_UNKNOWN && !stream_has_gap(stream, id))
        group->entries_read++;
    else if (stream->entries_added > 0)
        group->entries_read = stream_entries_upto(stream, id);
    group->last_id = id;
}

bool stream_group_lag(const struct stream *stream, const struct stream_group *group,
                      int64_t *lag)
{
    int64_t added = (int64_t)stream->entries_added, read = group->entries_read;

    *lag = 0;
    if (added == 0)
        return true;
    if (read == STREAM_READ_UNKNOWN || stream_has_gap(stream, group->last_id))
        read = stream_entries_upto(stream, group->last_id);
    *lag = added - read;
    return read != STREAM_READ_UNKNOWN;
}

void stream_groups_check(const struct stream *stream)
{
    struct radix_at group_at = {0}, at = {0}, one = {0};

    if (stream->groups == NULL)
        return;
    radix_check(stream->groups);
    for (bool more = radix_first(stream->groups, &group_at); more;
         more = radix_next(stream->groups, &group_at)) {
        const struct stream_group *group = group_at.value;
        size_t pending = 0;

        radix_check(group->pending);
        radix_check(group->consumers);
        for (more = radix_first(group->consumers, &at); more;
             more = radix_next(group->consumers, &at)) {
            const struct stream_consumer *consumer = at.value;

            kv_assert(slice_equal(at.key, stream_consumer_name(consumer)));
            radix_check(consumer->pending);
            pending += radix_count(consumer->pending);
            for (bool has = radix_first(consumer->pending, &one); has;
                 has = radix_next(consumer->pending, &one)) {
                const struct stream_pending *its = one.value;

                kv_assert(its->consumer == consumer);
                kv_assert(radix_get(group->pending, one.key) == its);
            }
        }
        kv_assert(pending == radix_count(group->pending));
    }
    radix_at_free(&group_at);
    radix_at_free(&at);
    radix_at_free(&one);
}
