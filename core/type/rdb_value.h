/* Whole values in the grammar of RDB: each type's functions, called by the value's tag. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct entry;
struct rdb_in;
struct rdb_out;

/* The tag with which the entry's value is written in this version. */
uint8_t rdb_tag_of(const struct entry *entry, int version);
/* The lowest version that holds the value: 10 for nearly all, 11 for streams with consumers, 12 for
 * hash fields that expire. */
int rdb_version_of(const struct entry *entry);
/* The value behind its tag, all of it. */
void rdb_put_value(struct rdb_out *out, const struct entry *entry);
/* Read the value behind `tag` into a new entry. KV_EVERSION for a tag that is not known. On failure
 * nothing is left behind. *empty is set, and *entry NULL, for a collection without elements. */
must_check int rdb_get_value(struct rdb_in *in, uint8_t tag, struct slice key, int64_t deadline_ms,
                             struct entry **entry, bool *empty);
