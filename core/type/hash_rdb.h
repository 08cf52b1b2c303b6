/* How hashes stand in RDB files and DUMP payloads: the functions of hash_ops that write and read
 * them (see value.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/type/entry.h"

struct rdb_in;
struct rdb_out;

/* In a version before 12 there are no deadlines of fields: they are left out. */
uint8_t hash_rdb_tag(enum value_encoding encoding, const void *value, int version);
int hash_rdb_version(enum value_encoding encoding, const void *value);
bool hash_rdb_begin(enum value_encoding encoding, const void *value, struct rdb_out *out);
uint64_t hash_rdb_node(enum value_encoding encoding, const void *value, uint64_t cursor,
                       struct rdb_out *out);
/* One field with its value, behind its deadline in the kind that has them. */
void hash_rdb_put(struct rdb_out *out, struct slice field, struct slice value, bool with_deadline,
                  int64_t deadline_ms, int64_t first_ms);
must_check int hash_rdb_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding,
                               void **value);
