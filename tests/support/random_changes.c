/* See the header. */
#include "tests/support/random_changes.h"

#include <stdio.h>

#include "core/keyspace.h"
#include "core/type/hash.h"
#include "core/type/list.h"
#include "core/type/set.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/value.h"
#include "core/type/zset.h"
#include "tests/support/random_values.h"
#include "tests/support/test.h"

#define KEYS 300
#define DATABASES RANDOM_CHANGES_DATABASES
#define LARGE 4000 /* elements: more than a value that is written whole has */

static char letters[3 << 20];

static struct place find(struct keyspace *keyspace, int db, struct slice key)
{
    return keyspace_find(keyspace, db, key, keyspace_hash(keyspace, key));
}

static struct slice key_any(char out[static 32])
{
    int len = snprintf(out, 32, "key:%d", (int)pick(KEYS));

    return (struct slice){out, (size_t)len};
}

static int64_t deadline_any(void)
{
    return pick(3) ? ENTRY_NO_DEADLINE : (int64_t)pick(100000);
}

static uint64_t count_any(void)
{
    return pick(12) == 0 ? LARGE + pick(LARGE) : 1 + pick(40);
}

static bool hash_change(struct entry *entry)
{
    struct hash hash = hash_of(entry);
    char field[32];

    for (uint64_t i = pick(30); i > 0; i--)
        hash_delete(&hash, random_word(field, 100000));
    random_hash(&hash, pick(3) == 0 ? pick(600) : pick(8));
    for (struct hash_item item; pick(40) != 0 && hash_random(hash, random_source(), &item);)
        hash_delete(&hash, item.field);
    entry_set_value(entry, hash.encoding, hash.value);
    return hash_count(hash) > 0;
}

static bool set_change(struct entry *entry)
{
    struct set set = set_of(entry);
    char digits[SET_DIGITS];
    struct set_at at;

    random_set(&set, pick(3) == 0 ? pick(600) : pick(8));
    while (set_count(&set) > 0 && pick(40) != 0) {
        set_random(&set, random_source(), digits, &at);
        set_delete(&set, &at);
    }
    entry_set_value(entry, set.encoding, set.value);
    return set_count(&set) > 0;
}

static bool zset_change(struct entry *entry)
{
    struct zset zset = zset_of(entry);
    uint64_t count;

    random_zset(&zset, pick(3) == 0 ? pick(600) : pick(8));
    count = zset_count(&zset);
    if (count > 0 && pick(2)) {
        uint64_t from = pick(count), most = count - from;

        zset_remove_range(&zset, from, 1 + pick(most < 50 || pick(20) == 0 ? most : 50));
    }
    entry_set_value(entry, zset.encoding, zset.value);
    return zset_count(&zset) > 0;
}

static bool list_change(struct entry *entry, const struct type_limits *limits)
{
    struct list list = list_of(entry, limits);
    char element[32];
    uint64_t count;

    random_list(&list, pick(3) == 0 ? pick(600) : pick(8));
    count = list_count(&list);
    if (count > 0 && pick(2)) {
        uint64_t from = pick(3) == 0 ? 0 : pick(count), most = count - from;

        list_delete(&list, from, 1 + pick(most < 50 || pick(20) == 0 ? most : 50));
    }
    count = list_count(&list);
    if (count > 0)
        list_set(&list, pick(count), random_word(element, 9));
    if (count > 0)
        list_insert(&list, pick(count + 1), random_word(element, 9));
    entry_set_value(entry, list.encoding, list.value);
    return list_count(&list) > 0;
}

static bool stream_change(struct entry *entry)
{
    struct stream *stream = entry_value(entry);
    struct stream_walk walk;
    struct stream_trim trim = {.by = STREAM_TRIM_LENGTH};

    random_stream(stream, pick(30));
    if (pick(3) == 0) {
        trim.length = stream->length - pick(stream->length + 1) / 3;
        stream_trim(stream, &trim);
    }
    if (pick(3) == 0 && stream->length > 0) {
        stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, pick(2));
        stream_walk_next(&walk);
        struct stream_id id = walk.id;
        stream_walk_end(&walk);
        stream_delete(stream, id);
    }
    if (pick(10) == 0)
        stream_group_remove(stream, SLICE("group"));
    return true;
}

static struct entry *string_change(struct entry *entry)
{
    size_t len;

    if (pick(3) == 0)
        return entry_set_deadline(entry, deadline_any());
    len = entry_string_len(entry) + pick(2000);
    if (len > sizeof(letters))
        len = 10;
    entry = entry_resize(entry, len);
    if (len > 0)
        entry_bytes_of(entry)[pick(len)] = '!';
    return entry;
}

static void change(struct keyspace *keyspace, const struct type_limits *limits,
                   struct place *place)
{
    struct entry *entry = place->entry;
    bool left = true;

    keyspace_before_change(keyspace, place);
    switch (entry_type(entry)) {
    case TYPE_HASH: left = hash_change(entry); break;
    case TYPE_SET: left = set_change(entry); break;
    case TYPE_ZSET: left = zset_change(entry); break;
    case TYPE_LIST: left = list_change(entry, limits); break;
    case TYPE_STREAM: left = stream_change(entry); break;
    default: entry = string_change(entry); break;
    }
    keyspace_after_change(keyspace, place, entry);
    if (!left)
        keyspace_remove(keyspace, place, false);
}

static void carry(struct keyspace *keyspace, struct place *from)
{
    char text[32];
    struct slice key = key_any(text);
    bool same = pick(2);
    struct entry *entry = keyspace_take(keyspace, from);
    struct place to;

    if (same) {
        key = entry_key(entry);
        to = find(keyspace, (int)pick(DATABASES), key);
        if (to.entry != NULL)
            keyspace_remove(keyspace, &to, pick(2));
        to = find(keyspace, to.db, key);
        keyspace_put(keyspace, &to, entry);
        return;
    }
    to = find(keyspace, (int)pick(DATABASES), key);
    keyspace_put(keyspace, &to, entry_rename(entry, key));
}

struct entry *random_large(struct slice key, int number, uint64_t count)
{
    struct entry *entry;

    for (;;) {
        entry = random_entry(key, count, ENTRY_NO_DEADLINE);
        if (entry_type(entry) == (enum value_type)(TYPE_STRING + 1 + number % 4))
            return entry;
        entry_free(entry);
    }
}

void random_change_all(struct keyspace *keyspace, const struct type_limits *limits,
                       struct place *place)
{
    struct entry *entry = place->entry;

    keyspace_before_change(keyspace, place);
    if (entry_type(entry) == TYPE_HASH) {
        struct hash hash = hash_of(entry);

        random_hash(&hash, 40000);
        entry_set_value(entry, hash.encoding, hash.value);
    } else if (entry_type(entry) == TYPE_ZSET) {
        struct zset zset = zset_of(entry);

        random_zset(&zset, 40000);
        entry_set_value(entry, zset.encoding, zset.value);
    } else if (entry_type(entry) == TYPE_LIST) {
        struct list list = list_of(entry, limits);
        char element[32];

        for (uint64_t i = list_count(&list); i > 0; i--)
            list_set(&list, i - 1, random_word(element, 9));
        entry_set_value(entry, list.encoding, list.value);
    }
    keyspace_after_change(keyspace, place, entry);
}

/* COPY, of what may be half written. */
static void copy(struct keyspace *keyspace, const struct place *from)
{
    char text[32];
    struct slice key = key_any(text);
    struct place to = find(keyspace, (int)pick(DATABASES), key);

    if (to.entry != from->entry)
        keyspace_put(keyspace, &to, entry_copy(from->entry, key, deadline_any()));
}

void random_change(struct keyspace *keyspace, const struct type_limits *limits)
{
    char text[32];
    struct slice key = key_any(text);
    struct place place = find(keyspace, (int)pick(DATABASES), key);

    if (pick(8) == 0 && place.entry != NULL)
        place.entry = pick(2) ? place.entry : NULL; /* one that is hidden, in half of the cases */
    switch (pick(place.entry != NULL ? 11 : 3)) {
    case 0: keyspace_put_string(keyspace, &place, random_string(), deadline_any()); break;
    case 1: keyspace_put(keyspace, &place, random_entry(key, count_any(), deadline_any())); break;
    case 2:
        if (pick(400) == 0)
            keyspace_flush(keyspace, pick(2) ? -1 : (int)pick(DATABASES), pick(2));
        else if (pick(20) == 0)
            keyspace_swap(keyspace, (int)pick(DATABASES), (int)pick(DATABASES));
        break;
    case 3: keyspace_remove(keyspace, &place, pick(2)); break;
    case 4: keyspace_set_deadline(keyspace, &place, deadline_any()); break;
    case 5:
    case 6: carry(keyspace, &place); break;
    case 7: copy(keyspace, &place); break;
    default: change(keyspace, limits, &place); break;
    }
}

void random_fill(struct keyspace *keyspace, int keys)
{
    for (int i = 0; i < keys; i++) {
        char text[32];
        struct slice key = key_any(text);
        struct place place = find(keyspace, (int)pick(DATABASES), key);

        keyspace_put(keyspace, &place,
                     random_entry(key, count_any(), deadline_any()));
    }
}
