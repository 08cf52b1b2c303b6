/* Reading sets out of RDB files and DUMP payloads. Essay in set_rdb.c. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"
#include "core/type/entry.h"

struct rdb_in;

/* See type_ops.decode. */
must_check int set_rdb_decode(uint8_t tag, struct rdb_in *in, enum value_encoding *encoding,
                              void **value);
