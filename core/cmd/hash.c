/* Hashes: reading and writing fields. Deadlines of fields are in hash_expire.c, SCAN and chance in
 * hash_scan.c.
 *
 * All is recorded as the request but HINCRBYFLOAT, which is recorded as the value it stored, so
 * that a log means the same on a machine whose long double is another; since HSET takes a field's
 * deadline away, an HPEXPIREAT follows where there was one. */
#include "core/cmd/hash.h"

#include <math.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"

/* --- What is shared --------------------------------------------------------------------------- */

bool hash_find(struct ctx *ctx, struct slice key, enum lookup how, struct hash_found *found)
{
    if (!ctx_find_type(ctx, key, how, TYPE_HASH, &found->place))
        return false;
    found->hash = (struct hash){0};
    if (found->place.entry != NULL)
        found->hash = hash_of(found->place.entry);
    return true;
}

bool hash_shows(const struct ctx *ctx, const struct hash_item *item)
{
    return item->deadline_ms == HASH_NO_DEADLINE || item->deadline_ms > ctx->now_ms || ctx->replay;
}

bool hash_look_up(const struct ctx *ctx, struct hash hash, struct slice field,
                  struct hash_item *item)
{
    return hash.value != NULL && hash_get(hash, field, item) && hash_shows(ctx, item);
}

size_t hash_shown_count(const struct ctx *ctx, struct hash hash)
{
    if (hash.value == NULL)
        return 0;
    return hash_count(hash) - (ctx->replay ? 0 : hash_due(hash, ctx->now_ms));
}

void hash_change_begin(struct ctx *ctx, struct hash_found *found)
{
    if (found->place.entry != NULL)
        ctx_change_begin(ctx, &found->place);
    else
        found->hash = hash_new();
}

bool hash_change_end(struct ctx *ctx, struct hash_found *found)
{
    struct hash hash = found->hash;
    struct entry *entry = found->place.entry;

    if (entry == NULL) {
        kv_assert(hash_count(hash) > 0);
        ctx_put(ctx, &found->place,
                entry_new_value(found->place.key, TYPE_HASH, hash.encoding, hash.value,
                                ENTRY_NO_DEADLINE));
        return false;
    }
    entry_set_value(entry, hash.encoding, hash.value);
    ctx_change_end(ctx, &found->place, entry);
    if (hash_count(hash) > 0)
        return false;
    ctx_remove(ctx, &found->place, false);
    return true;
}

const struct type_limits *hash_limits(const struct ctx *ctx)
{
    return &ctx->engine->settings->limits;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* HSET and HMSET; -1 if the error was replied, else how many fields are new. */
static int64_t set_pairs(struct ctx *ctx)
{
    struct hash_found found;
    int64_t added = 0;

    if (ctx->argc % 2 != 0) {
        reply_wrong_arity(ctx);
        return -1;
    }
    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found))
        return -1;
    hash_change_begin(ctx, &found);
    for (int at = 2; at < ctx->argc; at += 2)
        added += hash_set(&found.hash, hash_limits(ctx), ctx->argv[at], ctx->argv[at + 1],
                          HASH_NO_DEADLINE);
    hash_change_end(ctx, &found);
    ctx_event(ctx, 'h', "hset", ctx->db, ctx->argv[1]);
    return added;
}

static void hset_run(struct ctx *ctx)
{
    int64_t added = set_pairs(ctx);

    if (added >= 0)
        reply_int(ctx, added);
}

static void hmset_run(struct ctx *ctx)
{
    if (set_pairs(ctx) >= 0)
        reply_ok(ctx);
}

static void hsetnx_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found))
        return;
    if (found.hash.value != NULL && hash_get(found.hash, ctx->argv[2], &item)) {
        reply_int(ctx, 0);
        return;
    }
    hash_change_begin(ctx, &found);
    hash_set(&found.hash, hash_limits(ctx), ctx->argv[2], ctx->argv[3], HASH_NO_DEADLINE);
    hash_change_end(ctx, &found);
    ctx_event(ctx, 'h', "hset", ctx->db, ctx->argv[1]);
    reply_int(ctx, 1);
}

static void hdel_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;
    int64_t deleted = 0;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found))
        return;
    for (int at = 2; at < ctx->argc && found.hash.value != NULL; at++) {
        if (deleted == 0) {
            if (!hash_get(found.hash, ctx->argv[at], &item))
                continue;
            hash_change_begin(ctx, &found);
        }
        deleted += hash_delete(&found.hash, ctx->argv[at]);
    }
    if (deleted > 0) {
        bool gone = hash_change_end(ctx, &found);

        ctx_event(ctx, 'h', "hdel", ctx->db, ctx->argv[1]);
        if (gone)
            ctx_event(ctx, 'g', "del", ctx->db, ctx->argv[1]);
    }
    reply_int(ctx, deleted);
}

/* The field's value becomes `text`; its deadline stays. */
static void set_keeping_deadline(struct ctx *ctx, struct hash_found *found, struct slice field,
                                 struct slice text, int64_t deadline_ms)
{
    hash_change_begin(ctx, found);
    hash_set(&found->hash, hash_limits(ctx), field, text, deadline_ms);
    hash_change_end(ctx, found);
}

static void hincrby_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;
    int64_t increment, value = 0, deadline_ms = HASH_NO_DEADLINE;

    if (!arg_i64(ctx, ctx->argv[3], &increment) ||
        !hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found))
        return;
    if (found.hash.value != NULL && hash_get(found.hash, ctx->argv[2], &item)) {
        if (!num_parse_i64(item.value, &value)) {
            reply_error(ctx, "ERR hash value is not an integer");
            return;
        }
        deadline_ms = item.deadline_ms;
    }
    if (__builtin_add_overflow(value, increment, &value)) {
        reply_error(ctx, "ERR increment or decrement would overflow");
        return;
    }
    set_keeping_deadline(ctx, &found, ctx->argv[2], ctx_digits(ctx, value), deadline_ms);
    ctx_event(ctx, 'h', "hincrby", ctx->db, ctx->argv[1]);
    reply_int(ctx, value);
}

static void hincrbyfloat_run(struct ctx *ctx)
{
    struct slice key = ctx->argv[1], field = ctx->argv[2], stored;
    char text[NUM_LONG_DOUBLE_MAX_CHARS];
    int64_t deadline_ms = HASH_NO_DEADLINE;
    long double value = 0, increment;
    struct hash_found found;
    struct hash_item item;

    if (!num_parse_long_double(ctx->argv[3], &increment)) {
        reply_not_float(ctx);
        return;
    }
    if (isnan(increment) || isinf(increment)) {
        reply_error(ctx, "ERR value is NaN or Infinity");
        return;
    }
    if (!hash_find(ctx, key, LOOKUP_WRITE, &found))
        return;
    if (found.hash.value != NULL && hash_get(found.hash, field, &item)) {
        if (!num_parse_long_double(item.value, &value)) {
            reply_error(ctx, "ERR hash value is not a float");
            return;
        }
        deadline_ms = item.deadline_ms;
    }
    value += increment;
    if (isnan(value) || isinf(value)) {
        reply_error(ctx, "ERR increment would produce NaN or Infinity");
        return;
    }
    stored = (struct slice){text, num_format_long_double(text, sizeof(text), value)};
    set_keeping_deadline(ctx, &found, field, stored, deadline_ms);
    ctx_effect(ctx, 4, (struct slice[]){SLICE("HSET"), key, field, stored});
    if (deadline_ms != HASH_NO_DEADLINE)
        ctx_effect(ctx, 6, (struct slice[]){SLICE("HPEXPIREAT"), key, ctx_digits(ctx, deadline_ms),
                                            SLICE("FIELDS"), SLICE("1"), field});
    ctx_event(ctx, 'h', "hincrbyfloat", ctx->db, key);
    reply_bulk(ctx, stored);
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void hget_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    if (hash_look_up(ctx, found.hash, ctx->argv[2], &item))
        reply_bulk(ctx, item.value);
    else
        reply_null(ctx);
}

static void hmget_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int at = 2; at < ctx->argc; at++) {
        if (hash_look_up(ctx, found.hash, ctx->argv[at], &item))
            reply_bulk(ctx, item.value);
        else
            reply_null(ctx);
    }
}

static void hexists_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;

    if (hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        reply_int(ctx, hash_look_up(ctx, found.hash, ctx->argv[2], &item));
}

static void hstrlen_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    if (hash_look_up(ctx, found.hash, ctx->argv[2], &item))
        reply_int(ctx, (int64_t)item.value.len);
    else
        reply_int(ctx, 0);
}

static void hlen_run(struct ctx *ctx)
{
    struct hash_found found;

    if (hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        reply_int(ctx, (int64_t)hash_shown_count(ctx, found.hash));
}

static void reply_all(struct ctx *ctx, bool fields, bool values)
{
    struct hash_found found;
    struct hash_walk walk;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found))
        return;
    if (fields && values)
        reply_map(ctx, hash_shown_count(ctx, found.hash));
    else
        reply_array(ctx, hash_shown_count(ctx, found.hash));
    if (found.hash.value == NULL)
        return;
    hash_walk_start(&walk, found.hash);
    while (hash_walk_next(&walk, &item)) {
        if (!hash_shows(ctx, &item))
            continue;
        if (fields)
            reply_bulk(ctx, item.field);
        if (values)
            reply_bulk(ctx, item.value);
    }
}

static void hgetall_run(struct ctx *ctx)
{
    reply_all(ctx, true, true);
}

static void hkeys_run(struct ctx *ctx)
{
    reply_all(ctx, true, false);
}

static void hvals_run(struct ctx *ctx)
{
    reply_all(ctx, false, true);
}

static const char *const hdel_history[] = {"2.4.0", "Several fields in one call.", NULL};
static const char *const hset_history[] = {"4.0.0", "Several fields in one call.", NULL};
static const char *const any_order_tips[] = {"nondeterministic_output_order", NULL};

#define HASH_WRITE (COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST)
#define HASH_READ (COMMAND_READONLY | COMMAND_FAST)

const struct command commands_hash[] = {
    {.name = "hset",
     .run = hset_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = HASH_WRITE,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Sets fields of a hash.",
     .syntax = "key:key field_value{field:string value:string}...",
     .history = hset_history},
    {.name = "hmset",
     .run = hmset_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = HASH_WRITE,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Sets fields of a hash and answers OK.",
     .syntax = "key:key field_value{field:string value:string}...",
     .deprecated_since = "4.0.0",
     .replaced_by = "`HSET` with several fields"},
    {.name = "hsetnx",
     .run = hsetnx_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = HASH_WRITE,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Sets a field of a hash if it is not there.",
     .syntax = "key:key field:string value:string"},
    {.name = "hdel",
     .run = hdel_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Deletes fields of a hash, and the hash with the last of them.",
     .syntax = "key:key field:string...",
     .history = hdel_history},
    {.name = "hincrby",
     .run = hincrby_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = HASH_WRITE,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Adds to an integer in a field; a missing field is 0.",
     .syntax = "key:key field:string increment:integer"},
    {.name = "hincrbyfloat",
     .run = hincrbyfloat_run,
     .arity = 4,
     .record = RECORD_EFFECTS,
     .flags = HASH_WRITE,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "hash",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Adds to a number with a decimal point in a field; a missing field is 0.",
     .syntax = "key:key field:string increment:double"},
    {.name = "hget",
     .run = hget_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = HASH_READ,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Answers the value of a field.",
     .syntax = "key:key field:string"},
    {.name = "hmget",
     .run = hmget_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = HASH_READ,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers the values of fields.",
     .syntax = "key:key field:string..."},
    {.name = "hexists",
     .run = hexists_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = HASH_READ,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Answers whether a field is there.",
     .syntax = "key:key field:string"},
    {.name = "hstrlen",
     .run = hstrlen_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = HASH_READ,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO),
     .group = "hash",
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Answers how long the value of a field is.",
     .syntax = "key:key field:string"},
    {.name = "hlen",
     .run = hlen_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = HASH_READ,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many fields a hash has.",
     .syntax = "key:key"},
    {.name = "hgetall",
     .run = hgetall_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields in the hash.",
     .summary = "Answers all fields of a hash with their values.",
     .syntax = "key:key",
     .tips = any_order_tips},
    {.name = "hkeys",
     .run = hkeys_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields in the hash.",
     .summary = "Answers all fields of a hash.",
     .syntax = "key:key",
     .tips = any_order_tips},
    {.name = "hvals",
     .run = hvals_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "2.0.0",
     .complexity = "O(N) for N fields in the hash.",
     .summary = "Answers all values of a hash.",
     .syntax = "key:key",
     .tips = any_order_tips},
    {.name = NULL},
};
