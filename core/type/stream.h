/* Streams: entries in the order of their IDs, each a list of fields and values. Groups of
 * consumers that read a stream are in stream_group.h.
 *
 * Whoever changes a stream in a keyspace does it between ctx_change_begin and ctx_change_end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/ds/radix.h"
#include "core/type/limits.h"

struct value_cut;

#define STREAM_KEY_BYTES 16

struct stream_id {
    uint64_t ms, seq;
};

struct stream {
    struct radix_account account;  /* of all that belongs to the stream, but for this struct */
    struct radix *nodes;           /* ID of the node's first entry, big-endian -> listpack */
    struct radix *groups;          /* name -> struct stream_group; NULL: there never was one */
    uint64_t length, entries_added;
    struct stream_id last_id, first_id, max_deleted_id; /* first_id: of the first entry, or 0-0 */
    struct value_cut *cut;         /* into a snapshot; NULL: none */
    uint32_t cuts;                 /* the number of the cut that runs, or of the last one */
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

int stream_id_compare(struct stream_id a, struct stream_id b);
bool stream_id_is_zero(struct stream_id id);
/* The next or previous ID; false if there is none. */
bool stream_id_increment(struct stream_id *id);
bool stream_id_decrement(struct stream_id *id);
/* As a key, in the order of the IDs. */
struct slice stream_id_key(struct stream_id id, char key[static STREAM_KEY_BYTES]);
struct stream_id stream_id_of_key(struct slice key);

struct stream *stream_new(void);
void stream_free(struct stream *stream);
struct stream *stream_copy(const struct stream *stream);
size_t stream_memory(const struct stream *stream);

/* Append an entry; `id` is above last_id. `words` are fields and values in turn. */
void stream_append(struct stream *stream, struct stream_id id, size_t words,
                   const struct slice *argv, const struct type_limits *limits);
/* False if there is no such entry. */
bool stream_delete(struct stream *stream, struct stream_id id);
bool stream_has(const struct stream *stream, struct stream_id id);

enum stream_trim_by { STREAM_TRIM_NOT, STREAM_TRIM_LENGTH, STREAM_TRIM_ID };

struct stream_trim {
    enum stream_trim_by by;
    bool whole_nodes;      /* only what is cheap to remove */
    uint64_t length;       /* of what stays */
    struct stream_id id;   /* the first that stays */
    uint64_t limit;        /* with whole_nodes: remove no more than this; 0: no limit */
};

/* Remove entries from the front; returns how many. */
uint64_t stream_trim(struct stream *stream, const struct stream_trim *trim);
/* It would remove some. */
bool stream_would_trim(const struct stream *stream, const struct stream_trim *trim);

/* Entries from one ID to another, both included, in either direction. The stream does not change
 * meanwhile. */
struct stream_walk {
    /* the entry; the fields by stream_walk_field */
    struct stream_id id;
    size_t fields;
    /* of stream.c */
    const struct stream *stream;
    struct stream_id from, to;
    bool backwards;
    struct radix_at at;
    const uint8_t *listpack;
    struct stream_id base;
    uint8_t *base_field, *field, *value, *place;
    size_t base_fields, left; /* fields of the base; those of the entry not asked for yet */
    bool deleted, same;
};

void stream_walk_begin(struct stream_walk *walk, const struct stream *stream,
                       struct stream_id from, struct stream_id to, bool backwards);
bool stream_walk_next(struct stream_walk *walk);
void stream_walk_end(struct stream_walk *walk);
/* The next field of the entry, walk->fields times; digits may be written into the two arrays. */
void stream_walk_field(struct stream_walk *walk, char name_digits[static 24],
                       char value_digits[static 24], struct slice *name, struct slice *value);

/* Read the bytes of a node, which begins at `base`. They are a listpack already. False if they are
 * not a node whose entries are all above `after`. *last becomes the ID of the last entry, *live
 * how many there are that are not deleted. */
bool stream_node_valid(const uint8_t *listpack, struct stream_id base, struct stream_id after,
                       struct stream_id *last, uint64_t *live);
/* Take over a listpack that is valid as the node behind all others; does not change length and
 * IDs. */
void stream_put_node(struct stream *stream, struct stream_id base, uint8_t *listpack);
/* Find first_id anew. */
void stream_find_first(struct stream *stream);
/* Assert the invariants; O(bytes). */
void stream_check(const struct stream *stream);
