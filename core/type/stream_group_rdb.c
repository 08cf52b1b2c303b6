/* The parts follow each other as the grammar wants them:
 *
 *   head -> pending, each -> the number of consumers -> consumer -> what is its -> consumer ... end
 */
#include "core/type/stream_group_rdb.h"

#include "core/type/rdb.h"
#include "core/type/stream_group.h"

void stream_group_write_begin(struct stream_group_writer *writer, const struct stream_group *group,
                              struct slice name)
{
    *writer = (struct stream_group_writer){.group = group, .name = name};
}

static void write_head(struct stream_group_writer *writer, struct rdb_out *out)
{
    const struct stream_group *group = writer->group;

    rdb_put_string(out, writer->name);
    rdb_put_len(out, group->last_id.ms);
    rdb_put_len(out, group->last_id.seq);
    if (out->version >= RDB_VERSION_USUAL)
        rdb_put_len(out, (uint64_t)group->entries_read);
    rdb_put_len(out, radix_count(group->pending));
    writer->more = radix_first(group->pending, &writer->at);
    writer->part = GROUP_PENDING;
}

static void write_pending(struct stream_group_writer *writer, struct rdb_out *out)
{
    const struct stream_group *group = writer->group;
    const struct stream_pending *pending = writer->at.value;

    if (writer->more) {
        rdb_put_bytes(out, writer->at.key.data, writer->at.key.len);
        rdb_put_u64(out, (uint64_t)pending->delivered_ms);
        rdb_put_len(out, pending->deliveries);
        writer->more = radix_next(group->pending, &writer->at);
        return;
    }
    rdb_put_len(out, radix_count(group->consumers));
    writer->part = radix_first(group->consumers, &writer->consumer) ? GROUP_CONSUMER : GROUP_END;
}

/* When it was last active is told from version 11 on only. */
static void write_consumer(struct stream_group_writer *writer, struct rdb_out *out)
{
    const struct stream_consumer *consumer = writer->consumer.value;

    rdb_put_string(out, writer->consumer.key);
    rdb_put_u64(out, (uint64_t)consumer->seen_ms);
    if (out->version > RDB_VERSION_USUAL)
        rdb_put_u64(out, (uint64_t)consumer->active_ms);
    rdb_put_len(out, radix_count(consumer->pending));
    writer->more = radix_first(consumer->pending, &writer->at);
    writer->part = GROUP_OWNED;
}

static void write_owned(struct stream_group_writer *writer, struct rdb_out *out)
{
    const struct stream_consumer *consumer = writer->consumer.value;
    bool another;

    if (writer->more) {
        rdb_put_bytes(out, writer->at.key.data, writer->at.key.len);
        writer->more = radix_next(consumer->pending, &writer->at);
        return;
    }
    another = radix_next(writer->group->consumers, &writer->consumer);
    writer->part = another ? GROUP_CONSUMER : GROUP_END;
}

bool stream_group_write(struct stream_group_writer *writer, struct rdb_out *out, size_t most)
{
    while (most-- > 0 && writer->part != GROUP_END) {
        switch (writer->part) {
        case GROUP_HEAD: write_head(writer, out); break;
        case GROUP_PENDING: write_pending(writer, out); break;
        case GROUP_CONSUMER: write_consumer(writer, out); break;
        case GROUP_OWNED: write_owned(writer, out); break;
        case GROUP_END: break;
        }
    }
    if (writer->part != GROUP_END)
        return true;
    stream_group_write_end(writer);
    return false;
}

void stream_group_write_end(struct stream_group_writer *writer)
{
    radix_at_free(&writer->consumer);
    radix_at_free(&writer->at);
}
