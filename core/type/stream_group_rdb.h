/* A group of consumers, with what is pending, into an RDB file, piece by piece: the grammar is in
 * stream_rdb.c. The group does not change meanwhile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/slice.h"
#include "core/ds/radix.h"

struct rdb_out;
struct stream_group;

enum stream_group_part { GROUP_HEAD, GROUP_PENDING, GROUP_CONSUMER, GROUP_OWNED, GROUP_END };

struct stream_group_writer {
    const struct stream_group *group;
    struct slice name;
    enum stream_group_part part;
    bool more; /* there is something at `at` */
    struct radix_at consumer, at;
};

/* `name` is borrowed until the end. */
void stream_group_write_begin(struct stream_group_writer *writer, const struct stream_group *group,
                              struct slice name);
/* Write up to `most` things: what is pending, and consumers. False at the end: nothing is left to
 * be given back. */
bool stream_group_write(struct stream_group_writer *writer, struct rdb_out *out, size_t most);
/* Before that: the rest is not wanted. */
void stream_group_write_end(struct stream_group_writer *writer);
