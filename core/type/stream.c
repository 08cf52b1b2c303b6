/* A stream is a radix tree of nodes; a node is a listpack of up to stream-node-max-entries entries.
 * The bytes are those of the documented format, so nodes go into RDB files as they are. Elements:
 *
 *   base     count  deleted  fields  name_1 .. name_n  0
 *   entry    flags  ms  seq  value_1 .. value_n  elements                 flags & 2: names as base
 *   entry    flags  ms  seq  fields  name_1 value_1 .. name_n value_n  elements
 *
 * `count` entries live, `deleted` have flag 1. ms and seq are relative to the node's ID (its key in
 * the tree), which is that of the entry it was made for. `elements` counts those of the entry in
 * front of it: the way backwards.
 *
 * Invariants: IDs ascend; a node has a live entry; `length` is the sum of all counts; first_id is
 * the ID of the first live entry, 0-0 without one; last_id is at least that of the last entry.
 */
#include "core/type/stream.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ds/listpack.h"
#include "core/type/stream_cut.h"
#include "core/type/stream_group.h"

#define ENTRY_IS_DELETED 1
#define ENTRY_HAS_BASE_FIELDS 2
#define NODE_BYTES_MAX ((size_t)1 << 30)

/* --- IDs -------------------------------------------------------------------------------------- */

int stream_id_compare(struct stream_id a, struct stream_id b)
{
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    if (a.seq != b.seq)
        return a.seq < b.seq ? -1 : 1;
    return 0;
}

bool stream_id_is_zero(struct stream_id id)
{
    return id.ms == 0 && id.seq == 0;
}

bool stream_id_increment(struct stream_id *id)
{
    if (++id->seq != 0 || ++id->ms != 0)
        return true;
    *id = STREAM_ID_MAX;
    return false;
}

bool stream_id_decrement(struct stream_id *id)
{
    if (id->seq-- != 0 || id->ms-- != 0)
        return true;
    *id = STREAM_ID_MIN;
    return false;
}

struct slice stream_id_key(struct stream_id id, char key[static STREAM_KEY_BYTES])
{
    uint64_t parts[2] = {__builtin_bswap64(id.ms), __builtin_bswap64(id.seq)};

    memcpy(key, parts, STREAM_KEY_BYTES);
    return (struct slice){key, STREAM_KEY_BYTES};
}

struct stream_id stream_id_of_key(struct slice key)
{
    uint64_t parts[2];

    kv_assert(key.len == STREAM_KEY_BYTES);
    memcpy(parts, key.data, STREAM_KEY_BYTES);
    return (struct stream_id){__builtin_bswap64(parts[0]), __builtin_bswap64(parts[1])};
}

/* --- The whole -------------------------------------------------------------------------------- */

struct stream *stream_new(void)
{
    struct stream *stream = mem_alloc_zero(sizeof(*stream));

    stream->nodes = radix_new(&stream->account);
    return stream;
}

static void stream_free_listpack(void *listpack)
{
    listpack_free(listpack);
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    stream_groups_free(stream);
    radix_free(stream->nodes, stream_free_listpack);
    mem_free(stream);
}

void stream_put_node(struct stream *stream, struct stream_id base, uint8_t *listpack)
{
    char key[STREAM_KEY_BYTES];
    void *old = radix_set(stream->nodes, stream_id_key(base, key), listpack);

    kv_assert(old == NULL);
    stream->account.bytes += listpack_memory(listpack);
    stream->account.blocks++;
}

struct stream *stream_copy(const struct stream *stream)
{
    struct stream *copy = stream_new();
    struct radix_at at = {0};

    for (bool more = radix_first(stream->nodes, &at); more; more = radix_next(stream->nodes, &at))
        stream_put_node(copy, stream_id_of_key(at.key), listpack_copy(at.value));
    radix_at_free(&at);
    copy->length = stream->length;
    copy->entries_added = stream->entries_added;
    copy->last_id = stream->last_id;
    copy->first_id = stream->first_id;
    copy->max_deleted_id = stream->max_deleted_id;
    stream_groups_copy(copy, stream);
    return copy;
}

size_t stream_memory(const struct stream *stream)
{
    return mem_class(sizeof(*stream)) + stream->account.bytes;
}

/* --- Inside a node ---------------------------------------------------------------------------- */

static int64_t stream_int(const uint8_t *at)
{
    int64_t value;
    bool is_int = listpack_get_int(at, &value);

    kv_assert(is_int);
    return value;
}

static uint8_t *stream_skip(const uint8_t *listpack, uint8_t *at, size_t elements)
{
    while (elements-- > 0)
        at = listpack_next(listpack, at);
    return at;
}

/* Begin to read the node at walk->at. */
static void stream_enter_node(struct stream_walk *walk)
{
    uint8_t *at;

    walk->listpack = walk->at.value;
    walk->base = stream_id_of_key(walk->at.key);
    at = stream_skip(walk->listpack, listpack_first(walk->listpack), 2);
    walk->base_fields = (size_t)stream_int(at);
    walk->base_field = listpack_next(walk->listpack, at);
}

/* The entry whose flags are at walk->place. */
static void stream_read_entry(struct stream_walk *walk)
{
    uint8_t *at = walk->place;
    int64_t flags = stream_int(at);

    at = listpack_next(walk->listpack, at);
    walk->id.ms = walk->base.ms + (uint64_t)stream_int(at);
    at = listpack_next(walk->listpack, at);
    walk->id.seq = walk->base.seq + (uint64_t)stream_int(at);
    at = listpack_next(walk->listpack, at);
    walk->deleted = flags & ENTRY_IS_DELETED;
    walk->same = flags & ENTRY_HAS_BASE_FIELDS;
    if (walk->same) {
        walk->fields = walk->base_fields;
        walk->field = walk->base_field;
        walk->value = at;
    } else {
        walk->fields = (size_t)stream_int(at);
        walk->field = walk->value = listpack_next(walk->listpack, at);
    }
    walk->left = walk->fields;
}

/* The places of the first and last entry of the node; of the one behind and the one in front. NULL
 * if there is none. */
static uint8_t *stream_first_place(const struct stream_walk *walk)
{
    return stream_skip(walk->listpack, walk->base_field, walk->base_fields + 1);
}

static uint8_t *stream_next_place(const struct stream_walk *walk)
{
    size_t words = walk->left * (walk->same ? 1 : 2);
    uint8_t *at = walk->same ? walk->value : walk->field;

    return stream_skip(walk->listpack, at, words + 1);
}

static uint8_t *stream_back_from(const uint8_t *listpack, uint8_t *at)
{
    int64_t elements = stream_int(at);

    if (elements == 0)
        return NULL; /* the end of the base */
    while (elements-- > 0)
        at = listpack_previous(listpack, at);
    return at;
}

static uint8_t *stream_last_place(const struct stream_walk *walk)
{
    return stream_back_from(walk->listpack, listpack_last(walk->listpack));
}

static uint8_t *stream_previous_place(const struct stream_walk *walk)
{
    return stream_back_from(walk->listpack, listpack_previous(walk->listpack, walk->place));
}

/* --- Walks ------------------------------------------------------------------------------------ */

void stream_walk_begin(struct stream_walk *walk, const struct stream *stream,
                       struct stream_id from, struct stream_id to, bool backwards)
{
    *walk = (struct stream_walk){
        .stream = stream, .from = from, .to = to, .backwards = backwards};
}

/* Go to the entry to be looked at next; false at the end of the stream. */
static bool stream_step(struct stream_walk *walk)
{
    const struct radix *nodes = walk->stream->nodes;
    char key[STREAM_KEY_BYTES];
    bool more;

    if (walk->listpack == NULL) {
        more = radix_seek(nodes, &walk->at,
                          stream_id_key(walk->backwards ? walk->to : walk->from, key),
                          RADIX_AT_MOST);
        if (!more && !walk->backwards)
            more = radix_first(nodes, &walk->at);
    } else {
        walk->place = walk->backwards ? stream_previous_place(walk) : stream_next_place(walk);
        if (walk->place != NULL)
            return true;
        more = walk->backwards ? radix_previous(nodes, &walk->at) : radix_next(nodes, &walk->at);
    }
    if (!more)
        return false;
    stream_enter_node(walk);
    walk->place = walk->backwards ? stream_last_place(walk) : stream_first_place(walk);
    kv_assert(walk->place != NULL);
    return true;
}

bool stream_walk_next(struct stream_walk *walk)
{
    while (stream_step(walk)) {
        bool above_from, below_to;

        stream_read_entry(walk);
        above_from = stream_id_compare(walk->id, walk->from) >= 0;
        below_to = stream_id_compare(walk->id, walk->to) <= 0;
        if (walk->backwards ? !above_from : !below_to)
            return false;
        if (above_from && below_to && !walk->deleted)
            return true;
    }
    return false;
}

void stream_walk_end(struct stream_walk *walk)
{
    radix_at_free(&walk->at);
}

void stream_walk_field(struct stream_walk *walk, char name_digits[static 24],
                       char value_digits[static 24], struct slice *name, struct slice *value)
{
    const uint8_t *listpack = walk->listpack;

    kv_assert(walk->left > 0);
    walk->left--;
    *name = listpack_get(walk->field, name_digits);
    if (walk->same) {
        *value = listpack_get(walk->value, value_digits);
        walk->field = listpack_next(listpack, walk->field);
        walk->value = listpack_next(listpack, walk->value);
    } else {
        walk->value = listpack_next(listpack, walk->field);
        *value = listpack_get(walk->value, value_digits);
        walk->field = listpack_next(listpack, walk->value);
    }
}

bool stream_has(const struct stream *stream, struct stream_id id)
{
    struct stream_walk walk;
    bool has;

    stream_walk_begin(&walk, stream, id, id, false);
    has = stream_walk_next(&walk);
    stream_walk_end(&walk);
    return has;
}

void stream_find_first(struct stream *stream)
{
    struct stream_walk walk;

    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, false);
    stream->first_id = stream_walk_next(&walk) ? walk.id : STREAM_ID_MIN;
    stream_walk_end(&walk);
}

/* --- Changes ---------------------------------------------------------------------------------- */

static uint8_t *stream_put_int(uint8_t *listpack, uint8_t **at, int64_t value)
{
    char digits[NUM_I64_MAX_CHARS];

    return listpack_replace(listpack, at,
                            (struct slice){digits, num_format_i64(digits, value)});
}

/* Entries that live and entries that are deleted, at the start of a node. */
static uint8_t *stream_add_counts(uint8_t *listpack, int64_t live, int64_t deleted)
{
    uint8_t *at = listpack_first(listpack);

    listpack = stream_put_int(listpack, &at, stream_int(at) + live);
    at = listpack_next(listpack, at);
    if (deleted != 0)
        listpack = stream_put_int(listpack, &at, stream_int(at) + deleted);
    return listpack;
}

static uint8_t *stream_node_new(size_t words, const struct slice *argv)
{
    uint8_t *listpack = listpack_new(0);

    listpack = listpack_append_int(listpack, 0);
    listpack = listpack_append_int(listpack, 0);
    listpack = listpack_append_int(listpack, (int64_t)(words / 2));
    for (size_t i = 0; i < words; i += 2)
        listpack = listpack_append(listpack, argv[i]);
    return listpack_append_int(listpack, 0);
}

static bool stream_same_fields(const struct stream_walk *walk, size_t words,
                               const struct slice *argv)
{
    uint8_t *at = walk->base_field;

    if (walk->base_fields != words / 2)
        return false;
    for (size_t i = 0; i < words; i += 2, at = listpack_next(walk->listpack, at))
        if (!listpack_equal(at, argv[i]))
            return false;
    return true;
}

/* The last node has no room for the words. */
static bool stream_is_full(const uint8_t *listpack, size_t words, const struct slice *argv,
                           const struct type_limits *limits)
{
    size_t bytes = listpack_bytes(listpack), most = NODE_BYTES_MAX;
    uint8_t *first = listpack_first(listpack);

    if (limits->stream_node_bytes > 0 && (uint64_t)limits->stream_node_bytes < most)
        most = (size_t)limits->stream_node_bytes;
    for (size_t i = 0; i < words; i++)
        bytes += argv[i].len;
    if (bytes >= most)
        return true;
    return limits->stream_node_entries > 0 &&
           stream_int(first) + stream_int(listpack_next(listpack, first)) >=
               limits->stream_node_entries;
}

static uint8_t *stream_append_entry(uint8_t *listpack, const struct stream_walk *node,
                                    struct stream_id id, size_t words, const struct slice *argv)
{
    bool same = stream_same_fields(node, words, argv);
    size_t elements = same ? words / 2 + 3 : words + 4;

    listpack = listpack_append_int(listpack, same ? ENTRY_HAS_BASE_FIELDS : 0);
    listpack = listpack_append_int(listpack, (int64_t)(id.ms - node->base.ms));
    listpack = listpack_append_int(listpack, (int64_t)(id.seq - node->base.seq));
    if (!same)
        listpack = listpack_append_int(listpack, (int64_t)(words / 2));
    for (size_t i = same; i < words; i += 1 + same)
        listpack = listpack_append(listpack, argv[i]);
    listpack = listpack_append_int(listpack, (int64_t)elements);
    return stream_add_counts(listpack, 1, 0);
}

/* The node at `key` is about to change, or to go. */
static inline void stream_before(struct stream *stream, struct slice key, const uint8_t *listpack)
{
    if (unlikely(stream->cut != NULL))
        stream_cut_node(stream->cut, key, listpack);
}

/* The listpack at `key` has become `listpack`. */
static void stream_set_node(struct stream *stream, struct slice key, size_t memory_before,
                            uint8_t *listpack)
{
    radix_set(stream->nodes, key, listpack);
    stream->account.bytes += listpack_memory(listpack);
    stream->account.bytes -= memory_before;
}

void stream_append(struct stream *stream, struct stream_id id, size_t words,
                   const struct slice *argv, const struct type_limits *limits)
{
    struct stream_walk node = {.stream = stream};
    uint8_t *listpack;
    size_t memory;

    kv_assert(stream_id_compare(id, stream->last_id) > 0);
    if (!radix_last(stream->nodes, &node.at) ||
        stream_is_full(node.at.value, words, argv, limits)) {
        char key[STREAM_KEY_BYTES];

        if (node.at.value != NULL) {
            memory = listpack_memory(node.at.value);
            stream_set_node(stream, node.at.key, memory, listpack_shrink(node.at.value));
        }
        stream_put_node(stream, id, stream_node_new(words, argv));
        radix_seek(stream->nodes, &node.at, stream_id_key(id, key), RADIX_AT_LEAST);
    }
    stream_before(stream, node.at.key, node.at.value);
    stream_enter_node(&node);
    listpack = node.at.value;
    memory = listpack_memory(listpack);
    listpack = stream_append_entry(listpack, &node, id, words, argv);
    stream_set_node(stream, node.at.key, memory, listpack);
    radix_at_free(&node.at);
    if (stream->length++ == 0)
        stream->first_id = id;
    stream->entries_added++;
    stream->last_id = id;
}

static void stream_remove_node(struct stream *stream, struct slice key)
{
    uint8_t *listpack = radix_remove(stream->nodes, key);

    stream_before(stream, key, listpack);
    stream->account.bytes -= listpack_memory(listpack);
    stream->account.blocks--;
    listpack_free(listpack);
}

/* Set the flag of the entry at walk->place; the walk can go on behind it. */
static void stream_mark_deleted(struct stream *stream, struct stream_walk *walk)
{
    uint8_t *listpack = walk->at.value;
    size_t memory = listpack_memory(listpack), offset = 0;
    int64_t flags = stream_int(walk->place);

    stream_before(stream, walk->at.key, listpack);
    listpack = stream_put_int(listpack, &walk->place, flags | ENTRY_IS_DELETED);
    offset = listpack_bytes(listpack) - (size_t)(walk->place - listpack);
    listpack = stream_add_counts(listpack, -1, 1);
    /* What lies in front of the place may have changed its length, what lies behind has not. */
    walk->place = listpack + listpack_bytes(listpack) - offset;
    stream_set_node(stream, walk->at.key, memory, listpack);
    walk->at.value = listpack;
    stream_enter_node(walk);
    stream_read_entry(walk);
    stream->length--;
}

bool stream_delete(struct stream *stream, struct stream_id id)
{
    struct stream_walk walk;
    bool found;

    stream_walk_begin(&walk, stream, id, id, false);
    found = stream_walk_next(&walk);
    if (found) {
        if (stream_int(listpack_first(walk.listpack)) == 1) {
            stream_remove_node(stream, walk.at.key);
            stream->length--;
        } else {
            stream_mark_deleted(stream, &walk);
        }
        if (stream_id_compare(id, stream->max_deleted_id) > 0)
            stream->max_deleted_id = id;
        if (stream_id_compare(id, stream->first_id) == 0)
            stream_find_first(stream);
    }
    stream_walk_end(&walk);
    return found;
}

/* The last entry of the node at walk->at lies in front of what stays. */
static bool stream_may_remove(const struct stream *stream, struct stream_walk *walk,
                              uint64_t count, const struct stream_trim *trim)
{
    if (trim->by == STREAM_TRIM_LENGTH)
        return stream->length - count >= trim->length;
    walk->place = stream_last_place(walk);
    stream_read_entry(walk);
    return stream_id_compare(walk->id, trim->id) < 0;
}

/* Delete entries of the node one by one. */
static uint64_t stream_trim_inside(struct stream *stream, struct stream_walk *walk,
                                   const struct stream_trim *trim)
{
    uint64_t deleted = 0;
    bool is_empty;

    for (walk->place = stream_first_place(walk); walk->place != NULL;
         walk->place = stream_next_place(walk)) {
        stream_read_entry(walk);
        if (trim->by == STREAM_TRIM_LENGTH ? stream->length <= trim->length
                                           : stream_id_compare(walk->id, trim->id) >= 0)
            break;
        if (!walk->deleted) {
            stream_mark_deleted(stream, walk);
            deleted++;
        }
    }
    is_empty = stream_int(listpack_first(walk->listpack)) == 0;
    if (is_empty)
        stream_remove_node(stream, walk->at.key);
    return deleted;
}

/* walk->at is the first node: how many entries may go with it, 0 if it stays as a whole. */
static uint64_t stream_removable(const struct stream *stream, struct stream_walk *walk,
                                 uint64_t deleted, const struct stream_trim *trim)
{
    uint64_t count;

    stream_enter_node(walk);
    count = (uint64_t)stream_int(listpack_first(walk->listpack));
    if (trim->whole_nodes && trim->limit > 0 && deleted + count > trim->limit)
        return 0;
    return stream_may_remove(stream, walk, count, trim) ? count : 0;
}

bool stream_would_trim(const struct stream *stream, const struct stream_trim *trim)
{
    struct stream_walk walk = {.stream = stream};
    bool would = false;

    if (trim->by == STREAM_TRIM_NOT || stream->length == 0)
        return false;
    if (trim->by == STREAM_TRIM_LENGTH ? stream->length <= trim->length
                                       : stream_id_compare(stream->first_id, trim->id) >= 0)
        return false;
    if (!trim->whole_nodes)
        return true;
    if (radix_first(stream->nodes, &walk.at))
        would = stream_removable(stream, &walk, 0, trim) > 0;
    radix_at_free(&walk.at);
    return would;
}

uint64_t stream_trim(struct stream *stream, const struct stream_trim *trim)
{
    struct stream_walk walk = {.stream = stream};
    uint64_t deleted = 0;

    if (trim->by == STREAM_TRIM_NOT)
        return 0;
    while ((trim->by == STREAM_TRIM_ID || stream->length > trim->length) &&
           radix_first(stream->nodes, &walk.at)) {
        uint64_t count = stream_removable(stream, &walk, deleted, trim);

        if (count > 0) {
            stream_remove_node(stream, walk.at.key);
            stream->length -= count;
            deleted += count;
            continue;
        }
        if (!trim->whole_nodes)
            deleted += stream_trim_inside(stream, &walk, trim);
        break;
    }
    radix_at_free(&walk.at);
    if (deleted > 0)
        stream_find_first(stream);
    return deleted;
}

/* --- What came from elsewhere ----------------------------------------------------------------- */

/* Reads elements in order; `good` falls and stays down when one is not what it should be. */
struct stream_reader {
    const uint8_t *listpack;
    uint8_t *at;
    bool good;
};

static int64_t stream_take_int(struct stream_reader *reader, int64_t least, int64_t most)
{
    int64_t value = 0;

    if (!reader->good || reader->at == NULL || !listpack_get_int(reader->at, &value) ||
        value < least || value > most) {
        reader->good = false;
        return least;
    }
    reader->at = listpack_next(reader->listpack, reader->at);
    return value;
}

static void stream_take_any(struct stream_reader *reader, int64_t elements)
{
    while (reader->good && elements-- > 0) {
        if (reader->at == NULL)
            reader->good = false;
        else
            reader->at = listpack_next(reader->listpack, reader->at);
    }
}

bool stream_node_valid(const uint8_t *listpack, struct stream_id base, struct stream_id after,
                       struct stream_id *last, uint64_t *live)
{
    struct stream_reader reader = {listpack, listpack_first(listpack), true};
    int64_t most = (int64_t)listpack_bytes(listpack), count, deleted, base_fields;

    count = stream_take_int(&reader, 0, most);
    deleted = stream_take_int(&reader, 0, most);
    base_fields = stream_take_int(&reader, 0, most);
    stream_take_any(&reader, base_fields);
    stream_take_int(&reader, 0, 0);
    *live = (uint64_t)count;
    *last = after;
    while (reader.good && reader.at != NULL) {
        int64_t flags = stream_take_int(&reader, 0, 3), fields, elements;
        struct stream_id id = base;

        id.ms += (uint64_t)stream_take_int(&reader, 0, INT64_MAX);
        id.seq += (uint64_t)stream_take_int(&reader, INT64_MIN, INT64_MAX);
        if (flags & ENTRY_HAS_BASE_FIELDS) {
            elements = base_fields + 3;
            stream_take_any(&reader, base_fields);
        } else {
            fields = stream_take_int(&reader, 0, most);
            elements = fields * 2 + 4;
            stream_take_any(&reader, fields * 2);
        }
        stream_take_int(&reader, elements, elements);
        if (flags & ENTRY_IS_DELETED)
            deleted--;
        else
            count--;
        if (id.ms < base.ms || stream_id_compare(id, *last) <= 0)
            return false;
        *last = id;
    }
    return reader.good && count == 0 && deleted == 0;
}

void stream_check(const struct stream *stream)
{
    struct radix_at at = {0};
    struct stream_id last = STREAM_ID_MIN, first = stream->first_id;
    size_t bytes = 0;
    uint64_t length = 0;

    radix_check(stream->nodes);
    for (bool more = radix_first(stream->nodes, &at); more; more = radix_next(stream->nodes, &at)) {
        struct stream_id base = stream_id_of_key(at.key);
        uint64_t live;
        bool valid = listpack_valid(at.value, listpack_bytes(at.value), true) &&
                     stream_node_valid(at.value, base, last, &last, &live);

        kv_assert(valid);
        kv_assert(live > 0);
        length += live;
        bytes += listpack_memory(at.value);
    }
    radix_at_free(&at);
    kv_assert(length == stream->length);
    kv_assert(bytes <= stream->account.bytes);
    kv_assert(stream_id_compare(last, stream->last_id) <= 0);
    kv_assert(length > 0 || stream_id_is_zero(first));
    kv_assert(length == 0 || stream_has(stream, first));
    stream_groups_check(stream);
}
