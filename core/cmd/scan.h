/* What SCAN, HSCAN, SSCAN and ZSCAN share: cursors and options. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;

#define SCAN_COUNT_DEFAULT 10
#define SCAN_COUNT_MAX 1000000 /* items looked at in one call, whatever COUNT asks for */
#define SCAN_EMPTY_STEPS 10    /* steps for each item of COUNT, where the table is nearly empty */

enum scan_kind { SCAN_KEYS, SCAN_SET, SCAN_HASH, SCAN_ZSET };

struct scan_options {
    struct slice pattern; /* data NULL: any */
    struct slice type;    /* data NULL: any; SCAN_KEYS alone */
    uint64_t count;
    bool names_only;      /* NOVALUES of SCAN_HASH, NOSCORES of SCAN_ZSET */
};

/* A cursor is any unsigned number, as strtoull reads it; false if the error was replied. */
must_check bool scan_read_cursor(struct ctx *ctx, struct slice arg, uint64_t *cursor);
/* The options from argument `first` on; false if the error was replied. */
must_check bool scan_read_options(struct ctx *ctx, int first, enum scan_kind kind,
                                  struct scan_options *out);
bool scan_matches(const struct scan_options *options, struct slice text);
/* The reply's frame and the next cursor: the array of what was found follows. */
void scan_reply_cursor(struct ctx *ctx, uint64_t cursor);
