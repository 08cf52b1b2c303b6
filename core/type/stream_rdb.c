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
 * An ID that is not 16 bytes is two lengths. Nodes come in any order: in a snapshot of a stream
 * that was being changed, those that changed come first.
 */
#include "core/type/stream_rdb.h"

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/ds/listpack.h"
#include "core/type/rdb.h"
#include "core/type/stream.h"
#include "core/type/stream_cut.h"
#include "core/type/stream_group.h"
#include "core/type/stream_group_rdb.h"
#include "core/type/value.h"

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

void stream_write_node(struct rdb_out *out, struct slice key, const uint8_t *listpack)
{
    rdb_put_string(out, key);
    rdb_put_string(out, (struct slice){(const char *)listpack, listpack_bytes(listpack)});
}

static void stream_put_id(struct rdb_out *out, struct stream_id id)
{
    rdb_put_len(out, id.ms);
    rdb_put_len(out, id.seq);
}

void stream_write_numbers(struct rdb_out *out, const struct stream *numbers)
{
    rdb_put_len(out, numbers->length);
    stream_put_id(out, numbers->last_id);
    if (out->version >= RDB_VERSION_USUAL) {
        stream_put_id(out, numbers->first_id);
        stream_put_id(out, numbers->max_deleted_id);
        rdb_put_len(out, numbers->entries_added);
    }
}

static void stream_write_groups(struct rdb_out *out, const struct stream *stream)
{
    struct radix_at at = {0};

    rdb_put_len(out, stream->groups == NULL ? 0 : radix_count(stream->groups));
    if (stream->groups == NULL)
        return;
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at))
        stream_group_write(at.value, at.key, out);
    radix_at_free(&at);
}

/* All of it: what is too much for one go is cut (stream_cut.c). */
static bool stream_encode(enum value_encoding encoding unused, const void *value,
                          struct rdb_out *out)
{
    const struct stream *stream = value;
    struct radix_at at = {0};

    rdb_put_len(out, radix_count(stream->nodes));
    for (bool more = radix_first(stream->nodes, &at); more; more = radix_next(stream->nodes, &at))
        stream_write_node(out, at.key, at.value);
    radix_at_free(&at);
    stream_write_numbers(out, stream);
    stream_write_groups(out, stream);
    return false;
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

/* What is known of the nodes that were read. */
struct stream_nodes {
    struct stream_id last; /* the greatest ID */
    bool in_order;
};

static int stream_get_node(struct rdb_in *in, struct stream *stream, struct stream_nodes *nodes)
{
    struct stream_id base, last;
    char key[STREAM_KEY_BYTES];
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
    if (!stream_node_valid(listpack, base, STREAM_ID_MIN, &last, &live))
        return rdb_bad(in, "stream: the entries of a node make no sense");
    if (radix_get(stream->nodes, stream_id_key(base, key)) != NULL)
        return rdb_bad(in, "stream: a node is there twice");
    if (live == 0)
        return 0;
    if (stream->length > 0 && stream_id_compare(base, nodes->last) <= 0)
        nodes->in_order = false;
    if (stream_id_compare(last, nodes->last) > 0)
        nodes->last = last;
    stream_put_node(stream, base, listpack_copy(listpack));
    stream->length += live;
    return 0;
}

/* No node reaches into the one behind it. */
static bool stream_nodes_are_apart(const struct stream *stream)
{
    struct stream_id last = STREAM_ID_MIN;
    struct radix_at at = {0};
    bool apart = true;
    uint64_t live;

    for (bool more = radix_first(stream->nodes, &at); more && apart;
         more = radix_next(stream->nodes, &at))
        apart = stream_node_valid(at.value, stream_id_of_key(at.key), last, &last, &live);
    radix_at_free(&at);
    return apart;
}

static int stream_get_nodes(struct rdb_in *in, struct stream *stream)
{
    struct stream_nodes nodes = {STREAM_ID_MIN, true};
    uint64_t count, length;
    int code;

    if ((code = rdb_get_len(in, &count)) != 0)
        return code;
    while (count-- > 0)
        if ((code = stream_get_node(in, stream, &nodes)) != 0)
            return code;
    if (!nodes.in_order && !stream_nodes_are_apart(stream))
        return rdb_bad(in, "stream: the entries of a node are in another one");
    if ((code = rdb_get_len(in, &length)) != 0 ||
        (code = stream_get_id(in, &stream->last_id)) != 0)
        return code;
    if (length != stream->length)
        return rdb_bad(in, "stream: %llu entries instead of %llu",
                       (unsigned long long)stream->length, (unsigned long long)length);
    if (stream_id_compare(nodes.last, stream->last_id) > 0)
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
    .encode_begin = stream_encode,
    .decode = stream_decode,
    .cut = &stream_cut_ops,
};
