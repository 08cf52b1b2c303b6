/* Streams on their way into a snapshot: see value_cut.h. Who changes a node or a group tells the
 * cut before. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct cut_ops;
struct stream_consumer;
struct stream_group;
struct stream_pending;
struct value_cut;

extern const struct cut_ops stream_cut_ops;

/* The node under `key` is about to change, or to go. */
void stream_cut_node(struct value_cut *cut, struct slice key, const uint8_t *listpack);
/* The group's place is about to change, or which consumers it has. */
void stream_cut_group(struct value_cut *cut, struct stream_group *group);
/* When the consumer was here, or what is pending for it. */
void stream_cut_consumer(struct value_cut *cut, struct stream_group *group,
                         struct stream_consumer *consumer);
/* An entry that is pending, or for whom it is, or it goes. */
void stream_cut_pending(struct value_cut *cut, struct stream_group *group, struct slice key,
                        struct stream_pending *pending);
/* The consumer goes; nothing is pending for it. */
void stream_cut_consumer_gone(struct value_cut *cut, struct stream_group *group,
                              struct stream_consumer *consumer);
/* The group goes. */
void stream_cut_group_gone(struct value_cut *cut, struct stream_group *group);
