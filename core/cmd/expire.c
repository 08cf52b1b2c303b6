/* Deadlines of keys: EXPIRE and its relatives, TTL and its relatives, PERSIST.
 *
 * A deadline is recorded as PEXPIREAT with wall-clock milliseconds. One that is over deletes the
 * key at once and is recorded as DEL; but in replay nothing expires, so there the deadline is set,
 * and the key goes when the load is complete. */
#include "core/cmd/deadline.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

#define OPTION_SHOWN_MAX 1024 /* of an unknown option, in the error */

struct expire_conditions {
    bool nx, xx, gt, lt;
};

static bool expire_read_conditions(struct ctx *ctx, struct expire_conditions *conditions)
{
    *conditions = (struct expire_conditions){0};
    for (int at = 3; at < ctx->argc; at++) {
        if (ctx_arg_is(ctx, at, "nx")) {
            conditions->nx = true;
        } else if (ctx_arg_is(ctx, at, "xx")) {
            conditions->xx = true;
        } else if (ctx_arg_is(ctx, at, "gt")) {
            conditions->gt = true;
        } else if (ctx_arg_is(ctx, at, "lt")) {
            conditions->lt = true;
        } else {
            reply_error(
                ctx, "ERR Unsupported option %.*s",
                (int)(ctx->argv[at].len < OPTION_SHOWN_MAX ? ctx->argv[at].len : OPTION_SHOWN_MAX),
                ctx->argv[at].data);
            return false;
        }
    }
    if (conditions->nx && (conditions->xx || conditions->gt || conditions->lt)) {
        reply_error(ctx, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (conditions->gt && conditions->lt) {
        reply_error(ctx, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without a deadline lives for ever: later than any. */
static bool expire_allowed(const struct expire_conditions *conditions, int64_t old_ms,
                           int64_t new_ms)
{
    bool has_old = old_ms != ENTRY_NO_DEADLINE;

    if (conditions->nx && has_old)
        return false;
    if (conditions->xx && !has_old)
        return false;
    if (conditions->gt && (!has_old || new_ms <= old_ms))
        return false;
    return !(conditions->lt && has_old && new_ms >= old_ms);
}

static void expire_key(struct ctx *ctx, enum deadline_unit unit, enum deadline_from from)
{
    struct expire_conditions conditions;
    struct slice key = ctx->argv[1];
    struct place place;
    int64_t deadline_ms;

    if (!expire_read_conditions(ctx, &conditions) ||
        !deadline_any(ctx, ctx->argv[2], unit, from, &deadline_ms))
        return;
    place = ctx_find(ctx, key, LOOKUP_WRITE);
    if (place.entry == NULL ||
        !expire_allowed(&conditions, entry_deadline(place.entry), deadline_ms)) {
        reply_int(ctx, 0);
        return;
    }
    if (deadline_ms <= ctx->now_ms && !ctx->replay && !ctx->engine->settings->import_mode) {
        ctx_remove(ctx, &place, ctx->engine->settings->lazyfree_expire);
        ctx_effect_delete(ctx, ctx->db, key);
        ctx_event(ctx, 'g', "del", ctx->db, key);
    } else {
        ctx_set_deadline(ctx, &place, deadline_ms);
        ctx_effect(ctx, 3, (struct slice[]){SLICE("PEXPIREAT"), key, ctx_digits(ctx, deadline_ms)});
        ctx_event(ctx, 'g', "expire", ctx->db, key);
    }
    reply_int(ctx, 1);
}

static void expire_run(struct ctx *ctx)
{
    expire_key(ctx, DEADLINE_SECONDS, DEADLINE_FROM_NOW);
}

static void pexpire_run(struct ctx *ctx)
{
    expire_key(ctx, DEADLINE_MILLISECONDS, DEADLINE_FROM_NOW);
}

static void expireat_run(struct ctx *ctx)
{
    expire_key(ctx, DEADLINE_SECONDS, DEADLINE_ABSOLUTE);
}

static void pexpireat_run(struct ctx *ctx)
{
    expire_key(ctx, DEADLINE_MILLISECONDS, DEADLINE_ABSOLUTE);
}

static void persist_run(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);

    if (place.entry == NULL || entry_deadline(place.entry) == ENTRY_NO_DEADLINE) {
        reply_int(ctx, 0);
        return;
    }
    ctx_set_deadline(ctx, &place, ENTRY_NO_DEADLINE);
    ctx_event(ctx, 'g', "persist", ctx->db, place.key);
    reply_int(ctx, 1);
}

/* Rounded to the nearest second, without overflow. */
static int64_t expire_in_unit(int64_t ms, enum deadline_unit unit)
{
    return unit == DEADLINE_SECONDS ? ms / 1000 + (ms % 1000 >= 500) : ms;
}

static void expire_reply_deadline(struct ctx *ctx, enum deadline_unit unit, enum deadline_from from)
{
    const struct entry *entry = ctx_find(ctx, ctx->argv[1], LOOKUP_VIEW).entry;
    int64_t ms;

    if (entry == NULL) {
        reply_int(ctx, -2);
        return;
    }
    ms = entry_deadline(entry);
    if (ms == ENTRY_NO_DEADLINE) {
        reply_int(ctx, -1);
        return;
    }
    if (from == DEADLINE_FROM_NOW)
        ms = ms > ctx->now_ms ? ms - ctx->now_ms : 0;
    reply_int(ctx, expire_in_unit(ms, unit));
}

static void ttl_run(struct ctx *ctx)
{
    expire_reply_deadline(ctx, DEADLINE_SECONDS, DEADLINE_FROM_NOW);
}

static void pttl_run(struct ctx *ctx)
{
    expire_reply_deadline(ctx, DEADLINE_MILLISECONDS, DEADLINE_FROM_NOW);
}

static void expiretime_run(struct ctx *ctx)
{
    expire_reply_deadline(ctx, DEADLINE_SECONDS, DEADLINE_ABSOLUTE);
}

static void pexpiretime_run(struct ctx *ctx)
{
    expire_reply_deadline(ctx, DEADLINE_MILLISECONDS, DEADLINE_ABSOLUTE);
}

static const char *const expire_history[] = {"7.0.0", "Options `NX`, `XX`, `GT` and `LT`.", NULL};
static const char *const ttl_history[] = {"2.8.0", "The reply -2 for a missing key.", NULL};
static const char *const ttl_tips[] = {"nondeterministic_output", NULL};

#define EXPIRE_CONDITION " [condition(nx=NX|xx=XX|gt=GT|lt=LT)^7.0.0]"

const struct command commands_expire[] = {
    {.name = "expire",
     .run = expire_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Lets a key expire after some seconds.",
     .syntax = "key:key seconds:integer" EXPIRE_CONDITION,
     .history = expire_history},
    {.name = "pexpire",
     .run = pexpire_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Lets a key expire after some milliseconds.",
     .syntax = "key:key milliseconds:integer" EXPIRE_CONDITION,
     .history = expire_history},
    {.name = "expireat",
     .run = expireat_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "generic",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Lets a key expire at a Unix time in seconds.",
     .syntax = "key:key unix-time-seconds:unix-time" EXPIRE_CONDITION,
     .history = expire_history},
    {.name = "pexpireat",
     .run = pexpireat_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Lets a key expire at a Unix time in milliseconds.",
     .syntax = "key:key unix-time-milliseconds:unix-time" EXPIRE_CONDITION,
     .history = expire_history},
    {.name = "persist",
     .run = persist_run,
     .arity = 2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "generic",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Takes the deadline from a key.",
     .syntax = "key:key"},
    {.name = "ttl",
     .run = ttl_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many seconds a key has to live.",
     .syntax = "key:key",
     .history = ttl_history,
     .tips = ttl_tips},
    {.name = "pttl",
     .run = pttl_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Answers how many milliseconds a key has to live.",
     .syntax = "key:key",
     .history = ttl_history,
     .tips = ttl_tips},
    {.name = "expiretime",
     .run = expiretime_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "generic",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Answers the Unix time in seconds at which a key expires.",
     .syntax = "key:key"},
    {.name = "pexpiretime",
     .run = pexpiretime_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "generic",
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Answers the Unix time in milliseconds at which a key expires.",
     .syntax = "key:key"},
    {.name = NULL},
};
