/* Streams on their way into a snapshot: see value_cut.h. Who changes a node or a group tells the
 * cut before. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct cut_ops;
struct stream_group;
struct value_cut;

extern const struct cut_ops stream_cut_ops;

/* The node under `key` is about to change, or to go. */
void stream_cut_node(struct value_cut *cut, struct slice key, const uint8_t *listpack);
/* The group is about to change, or to go, or something that belongs to it. */
void stream_cut_group(struct value_cut *cut, struct stream_group *group);
