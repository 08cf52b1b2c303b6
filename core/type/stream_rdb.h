/* Streams among the types of values: memory, copying, and the RDB format. */
#pragma once

#include <stdint.h>

#include "core/base/slice.h"

struct rdb_out;
struct stream;
struct type_ops;

extern const struct type_ops stream_ops;

/* For stream_cut.c: a node under its key; length and IDs behind the nodes. */
void stream_write_node(struct rdb_out *out, struct slice key, const uint8_t *listpack);
void stream_write_numbers(struct rdb_out *out, const struct stream *numbers);
