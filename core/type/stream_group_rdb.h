/* A group of consumers, with what is pending, into an RDB file: the grammar is in stream_rdb.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/type/stream.h"

struct rdb_out;
struct stream_group;
struct stream_pending;

/* All of it. */
void stream_group_write(const struct stream_group *group, struct slice name, struct rdb_out *out);

/* The same in parts: the head, each entry that is pending, how many consumers there are (by
 * rdb_put_len); and for each of them its head, and the IDs of what is pending for it. */
struct stream_group_head {
    struct slice name;
    struct stream_id last_id;
    int64_t entries_read;
    size_t pending;
};
void stream_group_write_head(const struct stream_group_head *head, struct rdb_out *out);
void stream_group_write_pending(struct slice key, const struct stream_pending *pending,
                                struct rdb_out *out);

struct stream_consumer_head {
    struct slice name;
    int64_t seen_ms, active_ms;
    size_t pending;
};
void stream_consumer_write_head(const struct stream_consumer_head *head, struct rdb_out *out);
