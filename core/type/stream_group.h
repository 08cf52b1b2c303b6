/* Groups of consumers of a stream: what each has been given, and has not acknowledged yet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/ds/radix.h"
#include "core/type/stream.h"
#include "core/type/stream_cut.h"

#define STREAM_READ_UNKNOWN (-1) /* of entries_read */

struct stream_group {
    struct stream_id last_id;   /* the last that was delivered */
    int64_t entries_read;       /* how many in the stream's life that was; or STREAM_READ_UNKNOWN */
    struct radix *pending;      /* ID, big-endian -> struct stream_pending */
    struct radix *consumers;    /* name -> struct stream_consumer */
    uint32_t place;             /* of stream_cut.c; 0: it is not to be written */
};

struct stream_consumer {
    int64_t seen_ms, active_ms; /* it asked; it was given something. -1: never */
    struct radix *pending;      /* its part of the group's: the same struct stream_pending */
    struct stream_cut_consumer *kept; /* of stream_cut_groups.c, as is the next */
    uint32_t cut;
    size_t name_len;
    char name[];
};

struct stream_pending {
    int64_t delivered_ms;
    uint64_t deliveries;
    struct stream_consumer *consumer; /* NULL only while it is made */
    uint32_t listed, owned;           /* of stream_cut_groups.c */
};

/* Whoever is about to change a member of these structs calls one of these before; the functions
 * below do so by themselves. */
static inline void stream_group_before(const struct stream *stream, struct stream_group *group)
{
    if (unlikely(stream->cut != NULL))
        stream_cut_group(stream->cut, group);
}

static inline void stream_consumer_before(const struct stream *stream, struct stream_group *group,
                                          struct stream_consumer *consumer)
{
    if (unlikely(stream->cut != NULL))
        stream_cut_consumer(stream->cut, group, consumer);
}

static inline void stream_pending_before(const struct stream *stream, struct stream_group *group,
                                         struct slice key, struct stream_pending *pending)
{
    if (unlikely(stream->cut != NULL))
        stream_cut_pending(stream->cut, group, key, pending);
}

/* NULL: there is none. */
struct stream_group *stream_group_find(const struct stream *stream, struct slice name);
/* NULL: the name is taken. */
struct stream_group *stream_group_new(struct stream *stream, struct slice name,
                                      struct stream_id last_id, int64_t entries_read);
/* False if there is none. */
bool stream_group_remove(struct stream *stream, struct slice name);

struct stream_consumer *stream_consumer_find(const struct stream_group *group, struct slice name);
/* NULL: the name is taken. */
struct stream_consumer *stream_consumer_new(struct stream *stream, struct stream_group *group,
                                            struct slice name, int64_t seen_ms);
/* With all that is pending for it. */
void stream_consumer_remove(struct stream *stream, struct stream_group *group,
                            struct stream_consumer *consumer);
struct slice stream_consumer_name(const struct stream_consumer *consumer);

struct stream_pending *stream_pending_find(const struct stream_group *group, struct stream_id id);
/* `id` belongs to `consumer` from now on, whomever it belonged to before; new if it was nobody's.
 * The caller sets the time and the count. */
struct stream_pending *stream_pending_give(struct stream *stream, struct stream_group *group,
                                           struct stream_id id, struct stream_consumer *consumer);
/* Acknowledged, or the entry is gone. False if it was not pending. */
bool stream_pending_remove(struct stream *stream, struct stream_group *group, struct stream_id id);

/* How many entries there were in the stream's life up to `id`, or STREAM_READ_UNKNOWN. */
int64_t stream_entries_upto(const struct stream *stream, struct stream_id id);
/* Something behind `from` was deleted, so that counting does not tell what was read. */
bool stream_has_gap(const struct stream *stream, struct stream_id from);
/* The group is given `id`, behind its last. */
void stream_group_advance(const struct stream *stream, struct stream_group *group,
                          struct stream_id id);
/* Entries that the group has still to be given; false if that is not known. Negative where XGROUP
 * SETID claimed more than there were. */
bool stream_group_lag(const struct stream *stream, const struct stream_group *group,
                      int64_t *lag);

/* For stream.c. */
void stream_groups_free(struct stream *stream);
void stream_groups_copy(struct stream *to, const struct stream *from);
void stream_groups_check(const struct stream *stream);
