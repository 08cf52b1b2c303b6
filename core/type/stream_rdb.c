/* Streams in RDB files and DUMP payloads. Behind the tag:
 *
 *   nodes       count, then for each: ID of 16 bytes as a string, listpack as a string
 *   stream      length, last ID; from tag 19 on: first ID, greatest deleted ID, entries added
 *   groups      count, then for each: name, last ID; from tag 19 on: entries read; what is pending;
 *               consumers
 *   pending     count, then for each: ID of 16 bytes, time (8 bytes), deliveries
 *   consumers   count, then for each: name, time seen (8 bytes); with tag 21: time active (8
 *               bytes); count of what is pending for it, and IDs of 16 bytes
 *
 * An ID that is not 16 bytes is two lengths. A node's cursor is the upper half of its ID: nodes
 * with the same one, which are few, go together. Where a stream is cut, that is a number which
 * stays good whatever becomes of the node.
 */
#include "core/type/stream_rdb.h"

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/ds/listpack.h"
#include "core/type/rdb.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"

/* --- Out -------------------------------------------------------------------------------------- */

static uint8_t stream_tag(enum value_encoding encoding unused, const void *value unused,
                          int version)
{
    if (version <= RDB_VERSION_LEAST)
        return RDB_STREAM;
    return version == RDB_VERSION_USUAL ? RDB_STREAM_2 : RDB_STREAM_3;
}

/* When a consumer was last active is told from version 11 on only. */
static int stream_version(enum value_encoding encoding unused, const void *value)
{
    const struct stream *stream = value;
    struct radix_at at = {0};
    bool consumers = false;

    if (stream->groups == NULL)
        return RDB_VERSION_USUAL;
    for (bool more = radix_first(stream->groups, &at); more && !consumers;
         more = radix_next(stream->groups, &at)) {
        const struct stream_group *group = at.value;

        consumers = radix_count(group->consumers) > 0;
    }
    radix_at_free(&at);
    return consumers ? RDB_VERSION_USUAL + 1 : RDB_VERSION_USUAL;
}

static bool stream_encode_begin(enum value_encoding encoding unused, const void *value,
                                struct rdb_out *out)
{
    const struct stream *stream = value;

    rdb_put_len(out, radix_count(stream->nodes));
    return radix_count(stream->nodes) > 0;
}

static uint64_t stream_encode_node(enum value_encoding encoding unused, const void *value,
                                   uint64_t cursor, struct rdb_out *out)
{
    const struct stream *stream = value;
    struct radix_at at = {0};
    char key[STREAM_KEY_BYTES];
    uint64_t ms = 0;
    bool more = radix_seek(stream->nodes, &at, stream_id_key((struct stream_id){cursor, 0}, key),
                           RADIX_AT_LEAST);

    if (more)
        ms = stream_id_of_key(at.key).ms;
    for (; more; more = radix_next(stream->nodes, &at)) {
        if (stream_id_of_key(at.key).ms != ms) {
            ms = stream_id_of_key(at.key).ms;
            break;
        }
        rdb_put_string(out, at.key);
        rdb_put_string(out, (struct slice){at.value, listpack_bytes(at.value)});
    }
    radix_at_free(&at);
    return more ? ms : 0;
}

static void stream_put_id(struct rdb_out *out, struct stream_id id)
{
    rdb_put_len(out, id.ms);
    rdb_put_len(out, id.seq);
}

static void stream_put_pending(struct rdb_out *out, const struct radix *tree, bool all)
{
    struct radix_at at = {0};

    rdb_put_len(out, radix_count(tree));
    for (bool more = radix_first(tree, &at); more; more = radix_next(tree, &at)) {
        const struct stream_pending *pending = at.value;

        rdb_put_bytes(out, at.key.data, at.key.len);
        if (all) {
            rdb_put_u64(out, (uint64_t)pending->delivered_ms);
            rdb_put_len(out, pending->deliveries);
        }
    }
    radix_at_free(&at);
}

static void stream_put_group(struct rdb_out *out, struct slice name,
                             const struct stream_group *group)
{
    struct radix_at at = {0};

    rdb_put_string(out, name);
    stream_put_id(out, group->last_id);
    if (out->version >= RDB_VERSION_USUAL)
        rdb_put_len(out, (uint64_t)group->entries_read);
    stream_put_pending(out, group->pending, true);
    rdb_put_len(out, radix_count(group->consumers));
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at)) {
        const struct stream_consumer *consumer = at.value;

        rdb_put_string(out, at.key);
        rdb_put_u64(out, (uint64_t)consumer->seen_ms);
        if (out->version > RDB_VERSION_USUAL)
            rdb_put_u64(out, (uint64_t)consumer->active_ms);
        stream_put_pending(out, consumer->pending, false);
    }
    radix_at_free(&at);
}

static void stream_encode_end(enum value_encoding encoding unused, const void *value,
                              struct rdb_out *out)
{
    const struct stream *stream = value;
    struct radix_at at = {0};

    rdb_put_len(out, stream->length);
    stream_put_id(out, stream->last_id);
    if (out->version >= RDB_VERSION_USUAL) {
        stream_put_id(out, stream->first_id);
        stream_put_id(out, stream->max_deleted_id);
        rdb_put_len(out, stream->entries_added);
    }
    rdb_put_len(out, stream->groups == NULL ? 0 : radix_count(stream->groups));
    if (stream->groups == NULL)
        return;
    for (bool more = radix_first(stream->groups, &at); more; more = radix_next(stream->groups, &at))
        stream_put_group(out, at.key, at.value);
    radix_at_free(&at);
}

/* --- In --------------------------------------------------------------------------------------- */

static int stream_get_id(struct rdb_in *in, struct stream_id *id)
{
    int code = rdb_get_len(in, &id->ms);

    return code != 0 ? code : rdb_get_len(in, &id->seq);
}

static int stream_get_raw_id(struct rdb_in *in, struct stream_id *id)
{
    struct slice key;
    int code = rdb_get_raw(in, STREAM_KEY_BYTES, &key);

    if (code == 0)
        *id = stream_id_of_key(key);
    return code;
}

static int stream_get_node(struct rdb_in *in, struct stream *stream, struct stream_id *last)
{
    struct stream_id base;
    struct slice text;
    const uint8_t *listpack;
    uint64_t live;
    int code;

    if ((code = rdb_get_string(in, &text)) != 0)
        return code;
    if (text.len != STREAM_KEY_BYTES)
        return rdb_bad(in, "stream: the ID of a node has %zu bytes", text.len);
    base = stream_id_of_key(text);
    if ((code = rdb_get_string(in, &text)) != 0)
        return code;
    listpack = (const uint8_t *)text.data;
    if (!listpack_valid(listpack, text.len, true))
        return rdb_bad(in, "stream: a node is no listpack");
    if (stream->length > 0 && stream_id_compare(base, *last) <= 0)
        return rdb_bad(in, "stream: nodes are not in order");
    if (!stream_node_valid(listpack, base, *last, last, &live))
        return rdb_bad(in, "stream: the entries of a node make no sense");
    if (live > 0)
        stream_put_node(stream, base, listpack_copy(listpack));
    stream->length += live;
    return 0;
}

static int stream_get_nodes(struct rdb_in *in, struct stream *stream)
{
    struct stream_id last = STREAM_ID_MIN;
    uint64_t nodes, length;
    int code;

    if ((code = rdb_get_len(in, &nodes)) != 0)
        return code;
    while (nodes-- > 0)
        if ((code = stream_get_node(in, stream, &last)) != 0)
            return code;
    if ((code = rdb_get_len(in, &length)) != 0 ||
        (code = stream_get_id(in, &stream->last_id)) != 0)
        return code;
    if (length != stream->length)
        return rdb_bad(in, "stream: %llu entries instead of %llu",
                       (unsigned long long)stream->length, (unsigned long long)length);
    if (stream_id_compare(last, stream->last_id) > 0)
        return rdb_bad(in, "stream: the last ID is not the greatest");
    stream_find_first(stream);
    stream->entries_added = stream->length;
    return 0;
}

static int stream_get_pending(struct rdb_in *in, struct stream *stream,
                              struct stream_group *group)
{
    uint64_t count, delivered;
    int code;

    if ((code = rdb_get_len(in, &count)) != 0)
        return code;
    for (uint64_t i = 0; i < count; i++) {
        struct stream_pending *pending;
        struct stream_id id;

        if ((code = stream_get_raw_id(in, &id)) != 0 || (code = rdb_get_u64(in, &delivered)) != 0)
            return code;
        pending = stream_pending_give(stream, group, id, NULL);
        if (radix_count(group->pending) != i + 1)
            return rdb_bad(in, "stream: an entry is pending twice");
        pending->delivered_ms = (int64_t)delivered;
        if ((code = rdb_get_len(in, &pending->deliveries)) != 0)
            return code;
    }
    return 0;
}

/* Returns the IDs that are pending for the consumer in *owned. */
static int stream_get_consumer(struct rdb_in *in, uint8_t tag, struct stream *stream,
                               struct stream_group *group, uint64_t *owned)
{
    struct stream_consumer *consumer;
    struct slice name;
    uint64_t seen, active;
    int code;

    if ((code = rdb_get_string(in, &name)) != 0)
        return code;
    consumer = stream_consumer_new(stream, group, name, 0);
    if (consumer == NULL)
        return rdb_bad(in, "stream: a consumer is there twice");
    if ((code = rdb_get_u64(in, &seen)) != 0)
        return code;
    active = seen;
    if (tag == RDB_STREAM_3 && (code = rdb_get_u64(in, &active)) != 0)
        return code;
    consumer->seen_ms = (int64_t)seen;
    consumer->active_ms = (int64_t)active;
    if ((code = rdb_get_len(in, owned)) != 0)
        return code;
    for (uint64_t i = 0; i < *owned; i++) {
        struct stream_pending *pending;
        struct stream_id id;

        if ((code = stream_get_raw_id(in, &id)) != 0)
            return code;
        pending = stream_pending_find(group, id);
        if (pending == NULL || pending->consumer != NULL)
            return rdb_bad(in, "stream: an entry is pending for a consumer, not for its group");
        stream_pending_give(stream, group, id, consumer);
    }
    return 0;
}

static int stream_get_group(struct rdb_in *in, uint8_t tag, struct stream *stream)
{
    struct stream_group *group;
    struct slice name;
    uint64_t read, consumers, owned, all = 0;
    int code;

    if ((code = rdb_get_string(in, &name)) != 0)
        return code;
    group = stream_group_new(stream, name, STREAM_ID_MIN, STREAM_READ_UNKNOWN);
    if (group == NULL)
        return rdb_bad(in, "stream: a group is there twice");
    if ((code = stream_get_id(in, &group->last_id)) != 0)
        return code;
    if (tag == RDB_STREAM) {
        group->entries_read = stream_entries_upto(stream, group->last_id);
    } else {
        if ((code = rdb_get_len(in, &read)) != 0)
            return code;
        group->entries_read = (int64_t)read < 0 ? STREAM_READ_UNKNOWN : (int64_t)read;
    }
    if ((code = stream_get_pending(in, stream, group)) != 0 ||
        (code = rdb_get_len(in, &consumers)) != 0)
        return code;
    while (consumers-- > 0) {
        if ((code = stream_get_consumer(in, tag, stream, group, &owned)) != 0)
            return code;
        all += owned;
    }
    if (all != radix_count(group->pending))
        return rdb_bad(in, "stream: an entry is pending for nobody");
    return 0;
}

static int stream_get(struct rdb_in *in, uint8_t tag, struct stream *stream)
{
    struct stream_id first;
    uint64_t groups;
    int code;

    if ((code = stream_get_nodes(in, stream)) != 0)
        return code;
    if (tag != RDB_STREAM) {
        if ((code = stream_get_id(in, &first)) != 0 ||
            (code = stream_get_id(in, &stream->max_deleted_id)) != 0 ||
            (code = rdb_get_len(in, &stream->entries_added)) != 0)
            return code;
        if (stream->entries_added < stream->length || stream->entries_added > INT64_MAX)
            return rdb_bad(in, "stream: fewer entries were added than there are");
    }
    if ((code = rdb_get_len(in, &groups)) != 0)
        return code;
    while (groups-- > 0)
        if ((code = stream_get_group(in, tag, stream)) != 0)
            return code;
    return 0;
}

static int stream_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding,
                         void **value)
{
    struct stream *stream = stream_new();
    int code = stream_get(in, tag, stream);

    *encoding = ENCODING_STREAM;
    *value = code == 0 ? stream : NULL;
    if (code != 0)
        stream_free(stream);
    return code;
}

/* --- The row ---------------------------------------------------------------------------------- */

static void stream_ops_free(enum value_encoding encoding unused, void *value)
{
    stream_free(value);
}

static void *stream_ops_copy(enum value_encoding encoding unused, const void *value)
{
    return stream_copy(value);
}

static size_t stream_ops_memory(enum value_encoding encoding unused, const void *value)
{
    return stream_memory(value);
}

static size_t stream_ops_effort(enum value_encoding encoding unused, const void *value)
{
    const struct stream *stream = value;

    return stream->account.blocks + 1;
}

const struct type_ops stream_ops = {
    .name = "stream",
    .free = stream_ops_free,
    .copy = stream_ops_copy,
    .memory = stream_ops_memory,
    .effort = stream_ops_effort,
    .tag = stream_tag,
    .version = stream_version,
    .encode_begin = stream_encode_begin,
    .encode_node = stream_encode_node,
    .encode_end = stream_encode_end,
    .decode = stream_decode,
};
