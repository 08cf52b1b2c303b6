/* Streams that came from elsewhere, and then live on: read from a payload of any bytes, walked both
 * ways, appended to, trimmed, their groups changed, while they are cut into a snapshot or not.
 * Never a crash; the invariants hold after each change; what was cut is what was read. The first
 * byte is
 * the tag, the second the seed of what is done. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/rng.h"
#include "core/type/entry.h"
#include "core/type/limits.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/value_cut.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHANGES 24

static const struct type_limits limits = {.stream_node_bytes = 200, .stream_node_entries = 4};

static struct entry *read_stream(const uint8_t *bytes, size_t size, uint8_t tag)
{
    struct fault fault = {0};
    struct rdb_in in = {.at = bytes,
                        .end = bytes + size,
                        .offset = size,
                        .version = RDB_VERSION_USUAL,
                        .foreign = true,
                        .limits = &limits,
                        .fault = &fault};
    struct entry *entry;
    bool empty;
    int code = rdb_get_value(&in, tag, SLICE("key"), ENTRY_NO_DEADLINE, &entry, &empty);

    rdb_in_free(&in);
    return code == 0 ? entry : NULL;
}

/* Each entry and each field; returns how many entries. */
static uint64_t walk_all(const struct stream *stream, bool backwards)
{
    char name_digits[24], value_digits[24];
    struct slice name, value;
    struct stream_walk walk;
    uint64_t count = 0;

    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, backwards);
    while (stream_walk_next(&walk)) {
        for (size_t i = 0; i < walk.fields; i++)
            stream_walk_field(&walk, name_digits, value_digits, &name, &value);
        count++;
    }
    stream_walk_end(&walk);
    return count;
}

static struct stream_id any_id(const struct stream *stream, struct rng *rng)
{
    struct stream_walk walk;
    uint64_t steps = rng_below(rng, 8);

    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, rng_below(rng, 2) == 0);
    while (stream_walk_next(&walk) && steps > 0)
        steps--;
    stream_walk_end(&walk);
    return walk.id;
}

static void change_groups(struct stream *stream, struct rng *rng)
{
    struct radix_at at = {0}, consumer = {0};
    struct stream_id id = any_id(stream, rng);
    struct stream_group *group = stream_group_new(stream, SLICE("fuzz"), id, 0);

    if (group == NULL && stream->groups != NULL && radix_first(stream->groups, &at))
        group = at.value;
    if (group != NULL && rng_below(rng, 8) == 0) {
        stream_group_remove(stream, at.value == NULL ? SLICE("fuzz") : at.key);
    } else if (group != NULL) {
        if (!radix_first(group->consumers, &consumer))
            consumer.value = stream_consumer_new(stream, group, SLICE("one"), 1);
        stream_group_advance(stream, group, id);
        stream_pending_give(stream, group, id, consumer.value);
        if (rng_below(rng, 2) == 0)
            stream_pending_remove(stream, group, any_id(stream, rng));
        if (rng_below(rng, 8) == 0)
            stream_consumer_remove(stream, group, consumer.value);
    }
    radix_at_free(&at);
    radix_at_free(&consumer);
}

static void change(struct stream *stream, struct rng *rng)
{
    struct slice argv[] = {SLICE("field"), SLICE("1"), SLICE("name"), SLICE("value")};
    struct stream_trim trim = {.whole_nodes = rng_below(rng, 2) == 0};
    struct stream_id id = stream->last_id;

    switch (rng_below(rng, 5)) {
    case 0:
        if (stream_id_increment(&id))
            stream_append(stream, id, 2 + 2 * (size_t)rng_below(rng, 2), argv, &limits);
        break;
    case 1: stream_delete(stream, any_id(stream, rng)); break;
    case 2:
        trim.by = STREAM_TRIM_LENGTH;
        trim.length = stream->length == 0 ? 0 : rng_below(rng, stream->length);
        kv_assert(stream_trim(stream, &trim) == 0 || stream->length >= trim.length);
        break;
    case 3:
        trim.by = STREAM_TRIM_ID;
        trim.id = any_id(stream, rng);
        stream_trim(stream, &trim);
        break;
    default: change_groups(stream, rng); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t tags[] = {RDB_STREAM, RDB_STREAM_2, RDB_STREAM_3};
    struct buf before = {0}, written = {0}, again = {0};
    struct rdb_out out = {.buf = &before, .version = 11}, cut_out = {&written, 11, false};
    struct value_cut *cut = NULL;
    struct entry *entry, *back;
    struct stream *stream;
    struct rng rng;

    if (size < 2 || size > 1 << 16)
        return 0;
    entry = read_stream(data + 2, size - 2, tags[data[0] % 3]);
    if (entry == NULL)
        return 0;
    stream = entry_value(entry);
    rng_seed(&rng, data[1]);
    rdb_put_value(&out, entry);
    if (data[1] % 2 != 0)
        cut = value_cut_begin(entry, &cut_out);
    for (int i = 0; i < CHANGES; i++) {
        change(stream, &rng);
        stream_check(stream);
        kv_assert(walk_all(stream, false) == stream->length);
        kv_assert(walk_all(stream, true) == stream->length);
    }
    if (cut != NULL) {
        while (value_cut_step(cut))
            change(stream, &rng);
        value_cut_end(cut);
        back = read_stream((const uint8_t *)written.data, written.len, RDB_STREAM_3);
        kv_assert(back != NULL);
        out.buf = &again;
        rdb_put_value(&out, back);
        kv_assert(slice_equal(buf_slice(&before), buf_slice(&again)));
        entry_free(back);
    }
    entry_free(entry);
    buf_free(&before);
    buf_free(&written);
    buf_free(&again);
    return 0;
}
