/* See the header. One source of chance for all, so that a seed repeats a run. */
#include "tests/support/random_values.h"

#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/type/hash.h"
#include "core/type/limits.h"
#include "core/type/list.h"
#include "core/type/set.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/value.h"
#include "core/type/zset.h"

static struct rng rng;
static const struct type_limits *limits;
static char letters[3 << 20];

void random_values_begin(uint64_t seed, const struct type_limits *its_limits)
{
    rng_seed(&rng, seed);
    limits = its_limits;
    memset(letters, 'x', sizeof(letters));
}

struct rng *random_source(void)
{
    return &rng;
}

uint64_t pick(uint64_t bound)
{
    return rng_below(&rng, bound);
}

struct slice random_word(char out[static 32], uint64_t bound)
{
    unsigned long long number = pick(bound);
    int len = snprintf(out, 32, pick(2) ? "%llu" : "element:%llu", number);

    return (struct slice){out, (size_t)len};
}

struct slice random_string(void)
{
    size_t len = pick(60) == 0 ? pick(sizeof(letters) / 8) : pick(100);

    for (size_t i = 0; i < len && i < 40; i++)
        letters[i] = (char)('a' + pick(26));
    return (struct slice){letters, len};
}

void random_hash(struct hash *hash, uint64_t count)
{
    char field[32], value[32];

    for (uint64_t i = 0; i < count; i++) {
        int64_t deadline = pick(8) ? HASH_NO_DEADLINE : (int64_t)(1 + pick(1000000));
        struct slice name = random_word(field, 100000);

        hash_set(hash, limits, name, random_word(value, 1000), deadline);
    }
}

void random_set(struct set *set, uint64_t count)
{
    char member[32];

    for (uint64_t i = 0; i < count; i++)
        set_add(set, random_word(member, 100000), limits);
}

void random_zset(struct zset *zset, uint64_t count)
{
    char text[32];

    for (uint64_t i = 0; i < count; i++) {
        struct slice member = random_word(text, 100000);
        struct zset_spot spot = zset_find(zset, member);

        zset_put(zset, &spot, member, (double)pick(1000) / 4, limits);
    }
}

void random_list(struct list *list, uint64_t count)
{
    char element[32];

    for (uint64_t i = 0; i < count; i++)
        list_push(list, pick(2), random_word(element, 100000));
}

void random_stream(struct stream *stream, uint64_t count)
{
    char name[32], value[32];
    struct stream_group *group;

    for (uint64_t i = 0; i < count; i++) {
        struct stream_id id = stream->last_id;
        struct slice words[2] = {random_word(name, 5), random_word(value, 1000)};

        id.ms += pick(3);
        id.seq += 1;
        stream_append(stream, id, 2, words, limits);
        if (pick(4) != 0)
            continue;
        group = stream_group_find(stream, SLICE("group"));
        if (group == NULL)
            group = stream_group_new(stream, SLICE("group"), STREAM_ID_MIN, STREAM_READ_UNKNOWN);
        struct slice who = random_word(name, 3);
        struct stream_consumer *consumer = stream_consumer_find(group, who);
        if (consumer == NULL)
            consumer = stream_consumer_new(stream, group, who, 77);
        stream_pending_give(stream, group, id, consumer)->delivered_ms = (int64_t)pick(99);
    }
}

struct entry *random_entry(struct slice key, uint64_t count, int64_t deadline)
{
    struct hash hash;
    struct set set;
    struct zset zset;
    struct list list;
    struct stream *stream;

    switch (pick(6)) {
    case 0:
        hash = hash_new();
        random_hash(&hash, count);
        return entry_new_value(key, TYPE_HASH, hash.encoding, hash.value, deadline);
    case 1:
        set = set_new_least();
        random_set(&set, count);
        return entry_new_value(key, TYPE_SET, set.encoding, set.value, deadline);
    case 2:
        zset = zset_new(false);
        random_zset(&zset, count);
        return entry_new_value(key, TYPE_ZSET, zset.encoding, zset.value, deadline);
    case 3:
        list = list_new(limits);
        random_list(&list, count);
        return entry_new_value(key, TYPE_LIST, list.encoding, list.value, deadline);
    case 4:
        stream = stream_new();
        random_stream(stream, count);
        return entry_new_value(key, TYPE_STREAM, ENCODING_STREAM, stream, deadline);
    default: return entry_new_string(key, random_string(), deadline);
    }
}
