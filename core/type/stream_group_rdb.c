/* See the header: one function for each thing in the grammar. */
#include "core/type/stream_group_rdb.h"

#include "core/ds/radix.h"
#include "core/type/rdb.h"
#include "core/type/stream_group.h"

void stream_group_write_head(const struct stream_group_head *head, struct rdb_out *out)
{
    rdb_put_string(out, head->name);
    rdb_put_len(out, head->last_id.ms);
    rdb_put_len(out, head->last_id.seq);
    if (out->version >= RDB_VERSION_USUAL)
        rdb_put_len(out, (uint64_t)head->entries_read);
    rdb_put_len(out, head->pending);
}

void stream_group_write_pending(struct slice key, const struct stream_pending *pending,
                                struct rdb_out *out)
{
    rdb_put_bytes(out, key.data, key.len);
    rdb_put_u64(out, (uint64_t)pending->delivered_ms);
    rdb_put_len(out, pending->deliveries);
}

/* When it was last active is told from version 11 on only. */
void stream_consumer_write_head(const struct stream_consumer_head *head, struct rdb_out *out)
{
    rdb_put_string(out, head->name);
    rdb_put_u64(out, (uint64_t)head->seen_ms);
    if (out->version > RDB_VERSION_USUAL)
        rdb_put_u64(out, (uint64_t)head->active_ms);
    rdb_put_len(out, head->pending);
}

static void write_consumer(const struct stream_consumer *consumer, struct rdb_out *out)
{
    struct radix_at at = {0};

    stream_consumer_write_head(
        &(struct stream_consumer_head){stream_consumer_name(consumer), consumer->seen_ms,
                                       consumer->active_ms, radix_count(consumer->pending)},
        out);
    for (bool more = radix_first(consumer->pending, &at); more;
         more = radix_next(consumer->pending, &at))
        rdb_put_bytes(out, at.key.data, at.key.len);
    radix_at_free(&at);
}

void stream_group_write(const struct stream_group *group, struct slice name, struct rdb_out *out)
{
    struct radix_at at = {0};

    stream_group_write_head(&(struct stream_group_head){name, group->last_id, group->entries_read,
                                                        radix_count(group->pending)},
                            out);
    for (bool more = radix_first(group->pending, &at); more;
         more = radix_next(group->pending, &at))
        stream_group_write_pending(at.key, at.value, out);
    rdb_put_len(out, radix_count(group->consumers));
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at))
        write_consumer(at.value, out);
    radix_at_free(&at);
}
