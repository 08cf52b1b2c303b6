/* An entry of the keyspace: key, deadline and value in one allocation.
 *
 *   0   access:24 type:4 encoding:4   how it was used lately (LRU clock or LFU counter); what it is
 *   4   flags:8  key_len:8  value_len:16   (both lengths are in the wide part if one does not fit)
 *   8   deadline, 8 bytes              if ENTRY_DEADLINE
 *   ..  key_len:32 value_len:32        if ENTRY_WIDE
 *   ..  int64 or pointer, 8 bytes      if the encoding is ENCODING_INT, or the type is not a string
 *   ..  key, then the bytes of a string value
 *
 * A string of 16 + 32 bytes takes the 64-byte class, with or without a deadline. There is no
 * capacity field: a block that is larger than its content needs says so in its flags, and the
 * allocator knows by how much. That is what APPEND grows into.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

struct entry;

#define ENTRY_NO_DEADLINE INT64_MIN
#define ENTRY_EMBSTR_MAX 44 /* OBJECT ENCODING says embstr up to here, raw beyond */
#define ENTRY_ACCESS_MAX 0xffffffu

/* Numbers go to disk nowhere; the order is that of the table in value.c. */
enum value_type { TYPE_STRING, TYPE_LIST, TYPE_SET, TYPE_ZSET, TYPE_HASH, TYPE_STREAM, TYPE_COUNT };

enum value_encoding {
    ENCODING_RAW,
    ENCODING_EMBSTR,
    ENCODING_INT,
    ENCODING_LISTPACK,
    ENCODING_INTSET,
    ENCODING_HASHTABLE,
    ENCODING_SKIPLIST,
    ENCODING_QUICKLIST,
    ENCODING_STREAM,
    ENCODING_COUNT
};

/* The bytes are copied. A canonical integer of at most 20 characters is stored as ENCODING_INT.
 * `deadline_ms` is wall-clock time or ENTRY_NO_DEADLINE. A new entry's access field is 0. Lengths
 * are at most 2^32 - 1. */
struct entry *entry_new_string(struct slice key, struct slice value, int64_t deadline_ms);
struct entry *entry_new_int(struct slice key, int64_t value, int64_t deadline_ms);
/* A string with room for `len` bytes, all zero, never ENCODING_INT: filled in by the caller. */
struct entry *entry_new_blank(struct slice key, size_t len, int64_t deadline_ms);
/* Any other type: the value belongs to the entry from here on. */
struct entry *entry_new_value(struct slice key, enum value_type type, enum value_encoding encoding,
                              void *value, int64_t deadline_ms);
/* A copy under another key (which may be the same): deep, by the type's copy. The access field is
 * copied too. */
struct entry *entry_copy(const struct entry *entry, struct slice key, int64_t deadline_ms);
/* The same value, deadline and access under another key: the entry is given up for the one that is
 * returned. O(1) but for the bytes of a string. */
struct entry *entry_rename(struct entry *entry, struct slice key);
/* With the value. May take long for a big value: see value_effort. */
void entry_free(struct entry *entry);

struct slice entry_key(const struct entry *entry);
enum value_type entry_type(const struct entry *entry);
enum value_encoding entry_encoding(const struct entry *entry);
int64_t entry_deadline(const struct entry *entry);
uint32_t entry_access(const struct entry *entry);
void entry_set_access(struct entry *entry, uint32_t access);

/* The value of a string; one of ENCODING_INT is written as digits into `digits`. */
struct slice entry_string(const struct entry *entry, char digits[static 24]);
size_t entry_string_len(const struct entry *entry);
/* True if the string is stored as an integer. */
bool entry_int(const struct entry *entry, int64_t *out);
/* The bytes of a string that is not ENCODING_INT, to be changed in place. */
char *entry_bytes_of(struct entry *entry);
void *entry_value(const struct entry *entry);

/* These two may move the entry: the caller uses what is returned, and tells the keyspace. */
struct entry *entry_set_deadline(struct entry *entry, int64_t deadline_ms);
/* Change the length of a string (ENCODING_INT becomes bytes first); new bytes are zero; the
 * encoding becomes raw. Growing step by step costs linear time in all. */
struct entry *entry_resize(struct entry *entry, size_t len);
/* Overwrite the value (and deadline) of a string entry if the block has the room and would not
 * waste more than half. `value` lies elsewhere. */
enum entry_overwriting {
    ENTRY_UNTOUCHED,   /* it does not suit, or is no string: nothing was changed */
    ENTRY_SAME_SHAPE,  /* done; entry_memory, and whether there is a deadline, are as before */
    ENTRY_OTHER_SHAPE, /* done */
};
enum entry_overwriting entry_overwrite_string(struct entry *entry, struct slice value,
                                              int64_t deadline_ms);
bool entry_overwrite_int(struct entry *entry, int64_t value);
/* Replace the value of another type (a conversion of encodings). */
void entry_set_value(struct entry *entry, enum value_encoding encoding, void *value);

/* Bytes it takes in all, the value and the allocator's slack included. O(1). */
size_t entry_memory(const struct entry *entry);
/* Assert the invariants of one entry. */
void entry_check(const struct entry *entry);
