/* See digest.h. Three hashes of 64 bits under different seeds; a sequence is hashed link by link,
 * an unordered collection is the sum over its items. */
#include "core/type/digest.h"

#include <string.h>

#include "core/base/hash.h"
#include "core/type/hash.h"
#include "core/type/list.h"
#include "core/type/set.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/type/value.h"
#include "core/type/zset.h"

#define WORDS 3

static const uint64_t seeds[WORDS] = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0};

void digest_append(struct digest *digest, struct slice bytes)
{
    for (int i = 0; i < WORDS; i++) {
        uint64_t link[2] = {digest->words[i], hash_bytes(bytes, seeds[i])};

        digest->words[i] = hash_bytes((struct slice){(const char *)link, sizeof(link)}, seeds[i]);
    }
}

void digest_append_number(struct digest *digest, uint64_t number)
{
    digest_append(digest, (struct slice){(const char *)&number, sizeof(number)});
}

void digest_add(struct digest *digest, const struct digest *item)
{
    for (int i = 0; i < WORDS; i++)
        digest->words[i] += item->words[i];
}

static void add_list(struct digest *digest, const struct entry *entry)
{
    struct type_limits limits = {.list_node_size = -2};
    struct list list = list_of(entry, &limits);
    struct list_cursor cursor;
    struct slice element;

    list_begin(&cursor, &list, 0, false);
    while (list_next(&cursor, &element))
        digest_append(digest, element);
    list_end(&cursor);
}

static void add_set(struct digest *digest, const struct entry *entry)
{
    struct set set = set_of(entry);
    struct set_walk walk;
    struct slice member;

    set_walk_start(&walk, &set);
    while (set_walk_next(&walk, &member)) {
        struct digest item = {0};

        digest_append(&item, member);
        digest_add(digest, &item);
    }
}

static void add_zset(struct digest *digest, const struct entry *entry)
{
    struct zset zset = zset_of(entry);
    struct zset_walk walk;
    struct zset_pair pair;

    for (bool more = zset_walk_start(&walk, &zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair)) {
        struct digest item = {0};
        double score = pair.score + 0.0; /* -0 is 0 */
        uint64_t bits;

        memcpy(&bits, &score, sizeof(bits));
        digest_append(&item, pair.member);
        digest_append_number(&item, bits);
        digest_add(digest, &item);
    }
}

static void add_hash(struct digest *digest, const struct entry *entry)
{
    struct hash_walk walk;
    struct hash_item field;

    hash_walk_start(&walk, hash_of(entry));
    while (hash_walk_next(&walk, &field)) {
        struct digest item = {0};

        digest_append(&item, field.field);
        digest_append(&item, field.value);
        if (field.deadline_ms != HASH_NO_DEADLINE)
            digest_append_number(&item, (uint64_t)field.deadline_ms);
        digest_add(digest, &item);
    }
}

static void append_id(struct digest *digest, struct stream_id id)
{
    digest_append_number(digest, id.ms);
    digest_append_number(digest, id.seq);
}

static void append_pending(struct digest *digest, const struct stream_group *group)
{
    struct radix_at at = {0};

    for (bool more = radix_first(group->pending, &at); more;
         more = radix_next(group->pending, &at)) {
        const struct stream_pending *pending = at.value;

        digest_append(digest, at.key);
        digest_append_number(digest, (uint64_t)pending->delivered_ms);
        digest_append_number(digest, pending->deliveries);
        digest_append(digest, stream_consumer_name(pending->consumer));
    }
    for (bool more = radix_first(group->consumers, &at); more;
         more = radix_next(group->consumers, &at)) {
        const struct stream_consumer *consumer = at.value;

        digest_append(digest, at.key);
        digest_append_number(digest, (uint64_t)consumer->seen_ms);
        digest_append_number(digest, (uint64_t)consumer->active_ms);
    }
    radix_at_free(&at);
}

static void append_groups(struct digest *digest, const struct stream *stream)
{
    struct radix_at at = {0};

    if (stream->groups == NULL)
        return;
    for (bool more = radix_first(stream->groups, &at); more;
         more = radix_next(stream->groups, &at)) {
        const struct stream_group *group = at.value;

        digest_append(digest, at.key);
        append_id(digest, group->last_id);
        digest_append_number(digest, (uint64_t)group->entries_read);
        append_pending(digest, group);
    }
    radix_at_free(&at);
}

static void add_stream(struct digest *digest, const struct entry *entry)
{
    const struct stream *stream = entry_value(entry);
    struct stream_walk walk;

    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, false);
    while (stream_walk_next(&walk)) {
        append_id(digest, walk.id);
        for (size_t left = walk.fields; left > 0; left--) {
            char name_digits[24], value_digits[24];
            struct slice name, value;

            stream_walk_field(&walk, name_digits, value_digits, &name, &value);
            digest_append(digest, name);
            digest_append(digest, value);
        }
    }
    stream_walk_end(&walk);
    append_id(digest, stream->last_id);
    append_id(digest, stream->max_deleted_id);
    digest_append_number(digest, stream->entries_added);
    append_groups(digest, stream);
}

struct digest digest_of_value(const struct entry *entry)
{
    struct digest digest = {0};
    char digits[24];

    switch (entry_type(entry)) {
    case TYPE_STRING: digest_append(&digest, entry_string(entry, digits)); break;
    case TYPE_LIST: add_list(&digest, entry); break;
    case TYPE_SET: add_set(&digest, entry); break;
    case TYPE_ZSET: add_zset(&digest, entry); break;
    case TYPE_HASH: add_hash(&digest, entry); break;
    case TYPE_STREAM: add_stream(&digest, entry); break;
    case TYPE_COUNT: break;
    }
    digest_append(&digest, slice_of(type_name(entry_type(entry))));
    return digest;
}

void digest_hex(const struct digest *digest, char out[static DIGEST_HEX_CHARS])
{
    static const char hex[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_HEX_CHARS; i++)
        out[i] = hex[digest->words[i / 16] >> (60 - i % 16 * 4) & 15];
}
