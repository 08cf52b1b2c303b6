/* What the commands on deadlines of fields share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/cmd/deadline.h"
#include "core/cmd/hash.h"

struct ctx;

#define HASH_DEADLINE_MAX (((int64_t)1 << 46) - 1) /* as Redis 7.4: about the year 4199 */
#define HASH_NO_FIELD (-2)                        /* answered for a field that is not there */

/* The fields of a request. */
struct hash_fields {
    int count;
    const struct slice *names;
};

/* Wall-clock milliseconds from an argument; false if an error was replied. */
must_check bool hash_deadline(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                              enum deadline_from from, int64_t *deadline_ms);
/* FIELDS, their number and names, from argument `at` to the end. */
must_check bool hash_fields_at(struct ctx *ctx, int at, const char *count_error,
                               struct hash_fields *fields);

/* A command to record for fields of the key: its name, the key, a deadline if there is one, FIELDS
 * and the count if `counted`, the fields. */
struct hash_effect {
    const char *name;
    bool counted;
    int64_t deadline_ms; /* HASH_NO_DEADLINE: none */
    int count;           /* 0: nothing is recorded */
    const struct slice *fields;
};
void hash_record_fields(struct ctx *ctx, const struct hash_effect *effect);

/* The events of a deletion of fields; `gone`: the key went with the last of them. */
void hash_deleted(struct ctx *ctx, bool gone);
