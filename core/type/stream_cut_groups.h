/* The groups of a stream that is being cut into a snapshot: see stream_cut_groups.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"

struct rdb_out;
struct stream;
struct stream_consumer;
struct stream_cut_groups;
struct stream_group;
struct stream_pending;

/* The groups as they are now; nothing is written. */
struct stream_cut_groups *stream_cut_groups_begin(struct stream *stream);
/* Write some 64 things; first of all how many groups there are. False: that was all. */
bool stream_cut_groups_step(struct stream_cut_groups *groups, struct rdb_out *out);
void stream_cut_groups_end(struct stream_cut_groups *groups);
/* Bytes that wait for their turn. */
size_t stream_cut_groups_held(const struct stream_cut_groups *groups);

/* What is about to change, or to go, is written to where it waits, if it is not in. `out` has the
 * version. */
void stream_cut_groups_head(struct stream_cut_groups *groups, struct stream_group *group);
void stream_cut_groups_consumer(struct stream_cut_groups *groups, struct stream_group *group,
                                struct stream_consumer *consumer);
void stream_cut_groups_pending(struct stream_cut_groups *groups, struct stream_group *group,
                               struct slice key, struct stream_pending *pending,
                               const struct rdb_out *out);
/* The consumer, for whom nothing is pending any more, goes. */
void stream_cut_groups_gone(struct stream_cut_groups *groups, struct stream_group *group,
                            struct stream_consumer *consumer);
/* The group goes, with all that is in it. */
void stream_cut_groups_all(struct stream_cut_groups *groups, struct stream_group *group,
                           const struct rdb_out *out);
