/* What the commands of streams share: reading IDs, and replying with entries. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/keyspace.h"
#include "core/type/stream.h"

struct ctx;

/* Read an ID, or reply that it is none. Of "5" the second part is `missing_seq`. With `auto_seq`
 * "5-*" is an ID, too, and *auto_seq tells of it. */
must_check bool stream_arg_id(struct ctx *ctx, struct slice arg, uint64_t missing_seq,
                              bool *auto_seq, struct stream_id *id);
/* The same without a reply. */
bool stream_parse_id(struct slice arg, uint64_t missing_seq, bool *auto_seq,
                     struct stream_id *id);
/* An end of an interval: "-", "+", an ID, or one behind '(' that does not belong to it. */
must_check bool stream_arg_start(struct ctx *ctx, struct slice arg, struct stream_id *id);
must_check bool stream_arg_end(struct ctx *ctx, struct slice arg, struct stream_id *id);

/* NULL if the key is not there. False if the wrong type error was replied. */
must_check bool stream_find(struct ctx *ctx, struct slice key, bool to_change,
                            struct place *place, struct stream **stream);

/* Text of an ID, in the arena. */
struct slice stream_id_text(struct ctx *ctx, struct stream_id id);
void stream_reply_id(struct ctx *ctx, struct stream_id id);
/* The entry where the walk stands. */
void stream_reply_entry(struct ctx *ctx, struct stream_walk *walk);
/* One entry by its ID; false, and nothing was replied, if there is none. */
bool stream_reply_one(struct ctx *ctx, const struct stream *stream, struct stream_id id);
/* How many entries there are between two IDs, at most `most`. */
size_t stream_count_range(const struct stream *stream, struct stream_id from, struct stream_id to,
                          size_t most);
/* An array of at most `most` entries. */
void stream_reply_range(struct ctx *ctx, const struct stream *stream, struct stream_id from,
                        struct stream_id to, bool backwards, size_t most);

/* -ERR unknown subcommand or wrong number of arguments, of the container `name`. */
void stream_bad_subcommand(struct ctx *ctx, const char *name);
