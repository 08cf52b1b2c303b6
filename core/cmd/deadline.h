/* Deadlines as clients give them: in seconds or milliseconds, from now or since 1970. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;

enum deadline_unit { DEADLINE_SECONDS, DEADLINE_MILLISECONDS };
enum deadline_from { DEADLINE_FROM_NOW, DEADLINE_ABSOLUTE };

/* Wall-clock milliseconds from an argument that must be a positive number; false if an error was
 * replied. */
must_check bool deadline_positive(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                                  enum deadline_from from, int64_t *deadline_ms);
/* The same for EXPIRE and its like, where zero and negative numbers mean a time that is over. */
must_check bool deadline_any(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                             enum deadline_from from, int64_t *deadline_ms);
/* How long a blocking command waits, from seconds with a fraction; 0 is for ever. */
must_check bool deadline_wait(struct ctx *ctx, struct slice arg, int64_t *timeout_ms);
