/* Strings that are numbers: INCR and its relatives.
 *
 * Integers are recorded as the request: adding is exact. INCRBYFLOAT is recorded as the value it
 * stored, so that a log means the same on a machine whose long double is another. */
#include <limits.h>
#include <math.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

/* False if the string at `place` is no integer; a missing key is 0. */
static bool number_read(const struct place *place, int64_t *value)
{
    char digits[24];

    *value = 0;
    return place->entry == NULL || entry_int(place->entry, value) ||
           num_parse_i64(entry_string(place->entry, digits), value);
}

static void number_store(struct ctx *ctx, struct place *place, int64_t value)
{
    int64_t deadline_ms = ENTRY_NO_DEADLINE;

    if (place->entry != NULL && entry_encoding(place->entry) == ENCODING_INT) {
        struct entry *entry = place->entry;
        bool done;

        ctx_change_begin(ctx, place);
        done = entry_overwrite_int(entry, value);
        ctx_change_end(ctx, place, entry);
        kv_assert(done);
        return;
    }
    if (place->entry != NULL)
        deadline_ms = entry_deadline(place->entry);
    ctx_put(ctx, place, entry_new_int(place->key, value, deadline_ms));
}

static void number_add(struct ctx *ctx, int64_t increment)
{
    struct place place;
    int64_t value;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    if (!number_read(&place, &value)) {
        reply_not_integer(ctx);
        return;
    }
    if (__builtin_add_overflow(value, increment, &value)) {
        reply_error(ctx, "ERR increment or decrement would overflow");
        return;
    }
    number_store(ctx, &place, value);
    ctx_event(ctx, '$', "incrby", ctx->db, place.key);
    reply_int(ctx, value);
}

static void incr_run(struct ctx *ctx)
{
    number_add(ctx, 1);
}

static void decr_run(struct ctx *ctx)
{
    number_add(ctx, -1);
}

static void incrby_run(struct ctx *ctx)
{
    int64_t increment;

    if (arg_i64(ctx, ctx->argv[2], &increment))
        number_add(ctx, increment);
}

static void decrby_run(struct ctx *ctx)
{
    int64_t decrement;

    if (!arg_i64(ctx, ctx->argv[2], &decrement))
        return;
    if (decrement == INT64_MIN)
        reply_error(ctx, "ERR decrement would overflow");
    else
        number_add(ctx, -decrement);
}

static void incrbyfloat_run(struct ctx *ctx)
{
    char digits[24], text[NUM_LONG_DOUBLE_MAX_CHARS];
    int64_t deadline_ms = ENTRY_NO_DEADLINE;
    long double value = 0, increment;
    struct place place;
    struct slice stored;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    if ((place.entry != NULL &&
         !num_parse_long_double(entry_string(place.entry, digits), &value)) ||
        !num_parse_long_double(ctx->argv[2], &increment)) {
        reply_not_float(ctx);
        return;
    }
    value += increment;
    if (isnan(value) || isinf(value)) {
        reply_error(ctx, "ERR increment would produce NaN or Infinity");
        return;
    }
    stored = (struct slice){text, num_format_long_double(text, sizeof(text), value)};
    if (place.entry != NULL)
        deadline_ms = entry_deadline(place.entry);
    ctx_put_string(ctx, &place, stored, deadline_ms);
    ctx_effect(ctx, 4, (struct slice[]){SLICE("SET"), place.key, stored, SLICE("KEEPTTL")});
    ctx_event(ctx, '$', "incrbyfloat", ctx->db, place.key);
    reply_bulk(ctx, stored);
}

const struct command commands_string_number[] = {
    {.name = "incr",
     .run = incr_run,
     .arity = 2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Adds one to an integer; a missing key is 0.",
     .syntax = "key:key"},
    {.name = "decr",
     .run = decr_run,
     .arity = 2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Takes one from an integer; a missing key is 0.",
     .syntax = "key:key"},
    {.name = "incrby",
     .run = incrby_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Adds to an integer; a missing key is 0.",
     .syntax = "key:key increment:integer"},
    {.name = "decrby",
     .run = decrby_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Takes from an integer; a missing key is 0.",
     .syntax = "key:key decrement:integer"},
    {.name = "incrbyfloat",
     .run = incrbyfloat_run,
     .arity = 3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Adds to a number with a decimal point; a missing key is 0.",
     .syntax = "key:key increment:double"},
    {.name = NULL},
};
