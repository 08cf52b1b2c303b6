/* Values of each type, and what is done to them while they are cut. */
#include "tests/support/cut_subjects.h"

#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/rng.h"
#include "core/type/hash.h"
#include "core/type/limits.h"
#include "core/type/list.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "core/type/set.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/zset.h"
#include "tests/support/test.h"

#define DEADLINE_MS 1700000000000
#define GROUPS 4   /* names of groups and consumers */
#define NAMES 3000 /* of fields and members that there may be */

const struct type_limits cut_limits = {
    .hash_entries = 8,
    .hash_value_bytes = 64,
    .set_intset_entries = 8,
    .set_entries = 8,
    .set_value_bytes = 64,
    .zset_entries = 8,
    .zset_value_bytes = 64,
    .list_node_size = 10,
    .stream_node_bytes = 300,
    .stream_node_entries = 10,
};

/* --- Hashes ----------------------------------------------------------------------------------- */

static struct slice any_name(struct rng *rng, char name[static 300])
{
    uint64_t number = rng_below(rng, NAMES);
    int len = snprintf(name, 300, "name:%llu", (unsigned long long)number);

    if (number % 16 == 0) {
        memset(name + len, 'x', (size_t)(300 - len));
        len = 300;
    }
    return (struct slice){name, (size_t)len};
}

static void hash_put(struct entry *entry, struct rng *rng, bool deadlines)
{
    struct hash hash = hash_of(entry);
    char name[300], value[80];
    size_t len = rng_below(rng, 70);
    int64_t deadline_ms = HASH_NO_DEADLINE;

    memset(value, (int)('a' + rng_below(rng, 26)), len);
    if (deadlines && rng_below(rng, 2) == 0)
        deadline_ms = DEADLINE_MS + (int64_t)rng_below(rng, 100000);
    hash_set(&hash, &cut_limits, any_name(rng, name), (struct slice){value, len}, deadline_ms);
    entry_set_value(entry, hash.encoding, hash.value);
}

static struct entry *make_hash(size_t count, struct rng *rng, bool deadlines)
{
    struct hash hash = hash_new();
    struct entry *entry;

    hash_convert(&hash);
    entry = entry_new_value(SLICE("hash"), TYPE_HASH, hash.encoding, hash.value,
                            ENTRY_NO_DEADLINE);
    for (size_t i = 0; i < count; i++)
        hash_put(entry, rng, deadlines);
    return entry;
}

static struct entry *make_plain_hash(size_t count, struct rng *rng)
{
    return make_hash(count, rng, false);
}

static struct entry *make_deadline_hash(size_t count, struct rng *rng)
{
    struct entry *entry = make_hash(count, rng, true);
    struct hash hash = hash_of(entry);

    hash_set(&hash, &cut_limits, SLICE("first"), SLICE("x"), DEADLINE_MS - 5);
    return entry;
}

static void change_hash(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct hash hash = hash_of(entry);
    char name[300];
    struct hash_item item;
    struct hash_walk walk;

    if (mood == MOOD_EMPTY) {
        hash_walk_start(&walk, hash);
        if (hash_walk_next(&walk, &item)) {
            memcpy(name, item.field.data, item.field.len);
            assert_true(hash_delete(&hash, (struct slice){name, item.field.len}));
        }
    } else if (mood == MOOD_SHRINK || (mood == MOOD_MIXED && rng_below(rng, 3) == 0)) {
        hash_delete(&hash, any_name(rng, name));
    } else if (mood != MOOD_GROW && rng_below(rng, 2) == 0) {
        int64_t deadline_ms = DEADLINE_MS - 1000 + (int64_t)rng_below(rng, 2000);

        if (rng_below(rng, 2) == 0)
            deadline_ms = HASH_NO_DEADLINE;
        hash_set_deadline(&hash, any_name(rng, name), deadline_ms);
    } else {
        hash_put(entry, rng, true);
    }
}

static size_t count_hash(const struct entry *entry)
{
    return hash_count(hash_of(entry));
}

static void check_hash(const struct entry *entry)
{
    hash_check(hash_of(entry));
}

static void same_hash(const struct entry *a, const struct entry *b)
{
    struct hash_item item, other;
    struct hash_walk walk;

    assert_int_equal(count_hash(a), count_hash(b));
    hash_walk_start(&walk, hash_of(a));
    while (hash_walk_next(&walk, &item)) {
        assert_true(hash_get(hash_of(b), item.field, &other));
        assert_true(slice_equal(item.value, other.value));
        assert_int_equal(item.deadline_ms, other.deadline_ms);
    }
}

/* --- Sets ------------------------------------------------------------------------------------- */

static struct entry *make_set(size_t count, struct rng *rng)
{
    struct set set = set_new(SLICE("x"), count + 100, &cut_limits);
    char name[300];

    for (size_t i = 0; i < count; i++)
        set_add(&set, any_name(rng, name), &cut_limits);
    return entry_new_value(SLICE("set"), TYPE_SET, set.encoding, set.value, ENTRY_NO_DEADLINE);
}

static void change_set(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct set set = set_of(entry);
    char name[300], digits[SET_DIGITS];
    struct set_at at;

    if (mood == MOOD_EMPTY) {
        if (set_count(&set) > 0) {
            set_random(&set, rng, digits, &at);
            set_delete(&set, &at);
        }
    } else if (mood == MOOD_GROW || (mood != MOOD_SHRINK && rng_below(rng, 2) == 0)) {
        set_add(&set, any_name(rng, name), &cut_limits);
    } else if (set_find(&set, any_name(rng, name), &at)) {
        set_delete(&set, &at);
    }
}

static size_t count_set(const struct entry *entry)
{
    struct set set = set_of(entry);

    return set_count(&set);
}

static void check_set(const struct entry *entry)
{
    struct set set = set_of(entry);

    set_check(&set);
}

static void same_set(const struct entry *a, const struct entry *b)
{
    struct set set = set_of(a), other = set_of(b);
    struct set_walk walk;
    struct slice member;

    assert_int_equal(set_count(&set), set_count(&other));
    set_walk_start(&walk, &set);
    while (set_walk_next(&walk, &member))
        assert_true(set_has(&other, member));
}

/* --- Sorted sets ------------------------------------------------------------------------------ */

static void zset_add(struct zset *zset, struct rng *rng)
{
    static const double extremes[] = {-0.0, 0.0, 1.0 / 3, -1e300, 1e300};
    char name[300];
    struct slice member = any_name(rng, name);
    struct zset_spot spot = zset_find(zset, member);
    uint64_t kind = rng_below(rng, 4);
    double score = kind == 0 ? extremes[rng_below(rng, 5)] : (double)rng_below(rng, 200);

    zset_put(zset, &spot, member, score, &cut_limits);
}

static struct entry *make_zset(size_t count, struct rng *rng)
{
    struct zset zset = zset_new(true);

    for (size_t i = 0; i < count; i++)
        zset_add(&zset, rng);
    return entry_new_value(SLICE("zset"), TYPE_ZSET, zset.encoding, zset.value, ENTRY_NO_DEADLINE);
}

static void change_zset(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct zset zset = zset_of(entry);
    uint64_t count = zset_count(&zset);
    struct zset_spot spot;
    char name[300];

    if (mood == MOOD_GROW || (mood != MOOD_EMPTY && rng_below(rng, 2) == 0)) {
        zset_add(&zset, rng);
    } else if (mood == MOOD_EMPTY || rng_below(rng, 5) == 0) {
        uint64_t from = count == 0 ? 0 : rng_below(rng, count);

        zset_remove_range(&zset, from, count - from < 3 ? count - from : 3);
    } else {
        spot = zset_find(&zset, any_name(rng, name));
        if (spot.found)
            zset_remove(&zset, &spot);
    }
}

static size_t count_zset(const struct entry *entry)
{
    struct zset zset = zset_of(entry);

    return zset_count(&zset);
}

static void check_zset(const struct entry *entry)
{
    struct zset zset = zset_of(entry);

    zset_check(&zset);
}

static void same_zset(const struct entry *a, const struct entry *b)
{
    struct zset zset = zset_of(a), other = zset_of(b);
    struct zset_walk walk, other_walk;
    struct zset_pair pair, other_pair;
    bool more = zset_walk_start(&walk, &zset, 0, &pair);

    assert_int_equal(zset_count(&zset), zset_count(&other));
    zset_walk_start(&other_walk, &other, 0, &other_pair);
    while (more) {
        assert_true(slice_equal(pair.member, other_pair.member));
        assert_memory_equal(&pair.score, &other_pair.score, sizeof(double));
        more = zset_walk_next(&walk, &pair);
        zset_walk_next(&other_walk, &other_pair);
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

static struct slice any_element(struct rng *rng, char text[static 300])
{
    size_t len = rng_below(rng, 30) == 0 ? rng_below(rng, 300) : rng_below(rng, 40);

    memset(text, (int)('a' + rng_below(rng, 4)), len);
    return (struct slice){text, len};
}

/* Packed in the middle, in every other list. */
static struct list list_in(const struct entry *entry, struct type_limits *own)
{
    *own = cut_limits;
    own->list_compress_depth = entry_access(entry);
    return list_of(entry, own);
}

static struct entry *make_list(size_t count, struct rng *rng)
{
    struct type_limits own = cut_limits;
    struct list list;
    struct slice elements[20];
    char text[300];
    struct entry *entry;

    for (size_t i = 0; i < 20; i++)
        elements[i] = SLICE("0123456789012345678901234567890123456789");
    own.list_compress_depth = (int64_t)rng_below(rng, 2);
    list = list_new(&own);
    list_expect(&list, elements, 20);
    assert_int_equal(list.encoding, ENCODING_QUICKLIST);
    for (size_t i = 0; i < count; i++)
        list_push(&list, rng_below(rng, 2) == 0, any_element(rng, text));
    entry = entry_new_value(SLICE("list"), TYPE_LIST, list.encoding, list.value,
                            ENTRY_NO_DEADLINE);
    entry_set_access(entry, (uint32_t)own.list_compress_depth);
    return entry;
}

static void change_list(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct type_limits own;
    struct list list = list_in(entry, &own);
    uint64_t count = list_count(&list), index = count == 0 ? 0 : rng_below(rng, count);
    uint64_t what = rng_below(rng, 8), reach = mood == MOOD_SHRINK ? 20 : 2;
    char text[300];

    if (mood == MOOD_GROW || count == 0)
        what %= 3;
    else if (mood == MOOD_SHRINK)
        what = 4 + what % 3;
    else if (mood == MOOD_CHANGE)
        what = what % 2 == 0 ? 3 : 7;
    else if (mood == MOOD_EMPTY)
        what = 4;
    if (what == 0)
        list_push(&list, true, any_element(rng, text));
    else if (what == 1)
        list_push(&list, false, any_element(rng, text));
    else if (what == 2)
        list_insert(&list, index, any_element(rng, text));
    else if (what == 3)
        list_set(&list, index, any_element(rng, text));
    else if (what == 4)
        list_delete(&list, 0, 1);
    else if (what == 5)
        list_delete(&list, count - 1, 1);
    else if (what == 6)
        list_delete(&list, index, count - index < reach ? count - index : reach);
    else
        list_remove(&list, any_element(rng, text), 3, rng_below(rng, 2) == 0);
    entry_set_value(entry, list.encoding, list.value);
}

static size_t count_list(const struct entry *entry)
{
    struct list list = list_of(entry, &cut_limits);

    return list_count(&list);
}

static void check_list(const struct entry *entry)
{
    if (entry_encoding(entry) == ENCODING_QUICKLIST)
        quicklist_check(entry_value(entry));
}

static void same_list(const struct entry *a, const struct entry *b)
{
    struct list list = list_of(a, &cut_limits), other = list_of(b, &cut_limits);
    struct list_cursor cursor, other_cursor;
    struct slice element, other_element;

    assert_int_equal(list_count(&list), list_count(&other));
    if (list_count(&list) == 0)
        return;
    list_begin(&cursor, &list, 0, false);
    list_begin(&other_cursor, &other, 0, false);
    while (list_next(&cursor, &element)) {
        assert_true(list_next(&other_cursor, &other_element));
        assert_true(slice_equal(element, other_element));
    }
    list_end(&cursor);
    list_end(&other_cursor);
}

/* --- Streams ---------------------------------------------------------------------------------- */

static void stream_add(struct stream *stream, struct rng *rng)
{
    struct slice argv[4] = {SLICE("field"), SLICE("value"), SLICE("other"), SLICE("12345")};
    struct stream_id id = stream->last_id;

    if (rng_below(rng, 3) == 0) {
        id.ms += 1 + rng_below(rng, 2);
        id.seq = rng_below(rng, 2);
    } else {
        id.seq++;
    }
    stream_append(stream, id, rng_below(rng, 4) == 0 ? 2 : 4, argv, &cut_limits);
}

static struct slice group_name(uint64_t number)
{
    static const char *const names[GROUPS] = {"", "group", "of consumers", "late"};

    return slice_of(names[number]);
}

/* Something happens to a group, or a consumer, or an entry that is pending. */
static void change_group(struct stream *stream, struct rng *rng)
{
    struct slice name = group_name(rng_below(rng, GROUPS));
    struct slice who = group_name(rng_below(rng, GROUPS));
    struct stream_group *group = stream_group_find(stream, name);
    struct stream_id id = {rng_below(rng, stream->last_id.ms + 1), rng_below(rng, 4)};
    struct stream_consumer *consumer;
    struct stream_pending *pending;
    uint64_t what = rng_below(rng, 40);

    if (group == NULL) {
        (void)stream_group_new(stream, name, id, 0);
        return;
    }
    if (what == 0) {
        assert_true(stream_group_remove(stream, name));
        return;
    }
    if (what < 8) {
        stream_group_advance(stream, group, id);
        return;
    }
    if (what < 18) {
        (void)stream_pending_remove(stream, group, id);
        return;
    }
    consumer = stream_consumer_find(group, who);
    if (consumer == NULL)
        consumer = stream_consumer_new(stream, group, who, (int64_t)what);
    if (what == 18) {
        stream_consumer_remove(stream, group, consumer);
        return;
    }
    pending = stream_pending_give(stream, group, id, consumer);
    pending->delivered_ms = (int64_t)rng_below(rng, 100000);
    pending->deliveries++;
    consumer->active_ms = (int64_t)rng_below(rng, 1000);
}

static struct entry *make_stream(size_t count, struct rng *rng)
{
    struct stream *stream = stream_new();
    bool groups = rng_below(rng, 3) != 0;

    for (size_t i = 0; i < count; i++)
        stream_add(stream, rng);
    for (size_t i = 0; i < count && groups; i++)
        change_group(stream, rng);
    return entry_new_value(SLICE("stream"), TYPE_STREAM, ENCODING_STREAM, stream,
                           ENTRY_NO_DEADLINE);
}

static struct stream_id any_entry(const struct stream *stream, struct rng *rng)
{
    struct stream_id from = {rng_below(rng, stream->last_id.ms + 1), 0};
    struct stream_walk walk;

    stream_walk_begin(&walk, stream, from, STREAM_ID_MAX, false);
    for (uint64_t steps = rng_below(rng, 10); stream_walk_next(&walk) && steps > 0;)
        steps--;
    stream_walk_end(&walk);
    return walk.id;
}

static void change_stream(struct entry *entry, enum mood mood, struct rng *rng)
{
    struct stream *stream = entry_value(entry);
    uint64_t what = rng_below(rng, 8);
    struct stream_trim trim = {.by = STREAM_TRIM_LENGTH, .whole_nodes = rng_below(rng, 2) == 0};

    if (mood == MOOD_GROW || (mood == MOOD_MIXED && what < 4)) {
        stream_add(stream, rng);
    } else if (mood == MOOD_EMPTY) {
        (void)stream_delete(stream, stream->first_id);
        if (stream->length == 0)
            for (uint64_t i = 0; i < GROUPS; i++)
                (void)stream_group_remove(stream, group_name(i));
    } else if (mood == MOOD_SHRINK && what == 0) {
        trim.length = stream->length < 15 ? 0 : stream->length - 15;
        (void)stream_trim(stream, &trim);
    } else if (what < 5) {
        (void)stream_delete(stream, any_entry(stream, rng));
    } else {
        change_group(stream, rng);
    }
}

static size_t count_stream(const struct entry *entry)
{
    return ((const struct stream *)entry_value(entry))->length;
}

static void check_stream(const struct entry *entry)
{
    stream_check(entry_value(entry));
}

static void same_stream(const struct entry *a, const struct entry *b)
{
    struct buf bytes = {0}, other_bytes = {0};
    struct rdb_out out = {.buf = &bytes, .version = 11}, other = {&other_bytes, 11, false};

    rdb_put_value(&out, a);
    rdb_put_value(&other, b);
    assert_int_equal(bytes.len, other_bytes.len);
    assert_memory_equal(bytes.data, other_bytes.data, bytes.len);
    buf_free(&bytes);
    buf_free(&other_bytes);
}

const struct cut_subject cut_subjects[CUT_SUBJECTS] = {
    {"hash", TYPE_HASH, make_plain_hash, change_hash, count_hash, check_hash, same_hash, 0},
    {"hash with deadlines", TYPE_HASH, make_deadline_hash, change_hash, count_hash, check_hash,
     same_hash, 0},
    {"set", TYPE_SET, make_set, change_set, count_set, check_set, same_set, 0},
    {"zset", TYPE_ZSET, make_zset, change_zset, count_zset, check_zset, same_zset, 0},
    {"list", TYPE_LIST, make_list, change_list, count_list, check_list, same_list, 0},
    {"list in version 9", TYPE_LIST, make_list, change_list, count_list, check_list, same_list, 9},
    {"stream", TYPE_STREAM, make_stream, change_stream, count_stream, check_stream, same_stream,
     11},
};
