/* Deadlines of fields: HEXPIRE and its relatives, HTTL and its relatives, HPERSIST. Commands that
 * read or write fields and deadlines in one are in hash_expire_values.c.
 *
 * A deadline is recorded as HPEXPIREAT with wall-clock milliseconds, for the fields that got it.
 * One that is over deletes the fields at once and is recorded as HDEL; but in replay nothing
 * expires, so there the deadline is set, and the fields go when the load is complete. A log with
 * HPEXPIREAT does not load on stock Redis before 7.4, which knows no deadlines of fields. */
#include "core/cmd/hash_expire.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"

/* --- What is shared --------------------------------------------------------------------------- */

bool hash_deadline(struct ctx *ctx, struct slice arg, enum deadline_unit unit,
                   enum deadline_from from, int64_t *deadline_ms)
{
    int64_t number, most = ctx->replay ? INT64_MAX : HASH_DEADLINE_MAX;
    int64_t base_ms = from == DEADLINE_FROM_NOW ? ctx->now_ms : 0;

    if (!arg_i64(ctx, arg, &number))
        return false;
    if (number < 0) {
        reply_error(ctx, "ERR invalid expire time, must be >= 0");
        return false;
    }
    if (number > (unit == DEADLINE_SECONDS ? most / 1000 : most) ||
        (unit == DEADLINE_SECONDS ? number * 1000 : number) > most - base_ms) {
        reply_invalid_expire(ctx);
        return false;
    }
    *deadline_ms = base_ms + (unit == DEADLINE_SECONDS ? number * 1000 : number);
    return true;
}

static bool read_count(struct ctx *ctx, int at, const char *error, struct hash_fields *fields)
{
    int64_t count;

    if (!num_parse_i64(ctx->argv[at], &count) || count < 1) {
        reply_error(ctx, "%s", error);
        return false;
    }
    if (count != ctx->argc - at - 1) {
        reply_error(ctx, "ERR The `numfields` parameter must match the number of arguments");
        return false;
    }
    fields->count = (int)count;
    fields->names = ctx->argv + at + 1;
    return true;
}

bool hash_fields_at(struct ctx *ctx, int at, const char *count_error, struct hash_fields *fields)
{
    if (at + 1 >= ctx->argc || !ctx_arg_is(ctx, at, "fields")) {
        reply_error(ctx,
                    "ERR Mandatory argument FIELDS is missing or not at the right position");
        return false;
    }
    return read_count(ctx, at + 1, count_error, fields);
}

void hash_record_fields(struct ctx *ctx, const struct hash_effect *effect)
{
    struct slice *words;
    int count = 0;

    if (effect->count == 0)
        return;
    words = arena_alloc(ctx->arena, ((size_t)effect->count + 5) * sizeof(*words));
    words[count++] = slice_of(effect->name);
    words[count++] = ctx->argv[1];
    if (effect->deadline_ms != HASH_NO_DEADLINE)
        words[count++] = ctx_digits(ctx, effect->deadline_ms);
    if (effect->counted) {
        words[count++] = SLICE("FIELDS");
        words[count++] = ctx_digits(ctx, effect->count);
    }
    memcpy(words + count, effect->fields, (size_t)effect->count * sizeof(*words));
    ctx_effect(ctx, count + effect->count, words);
}

void hash_deleted(struct ctx *ctx, bool gone)
{
    ctx_event(ctx, 'h', "hdel", ctx->db, ctx->argv[1]);
    if (gone)
        ctx_event(ctx, 'g', "del", ctx->db, ctx->argv[1]);
}

/* --- HEXPIRE and its relatives ---------------------------------------------------------------- */

enum condition { ALWAYS, NX, XX, GT, LT };

static enum condition read_condition(const struct ctx *ctx, int at)
{
    static const char *const words[] = {[NX] = "nx", [XX] = "xx", [GT] = "gt", [LT] = "lt"};

    for (int i = NX; i <= LT; i++) {
        if (ctx_arg_is(ctx, at, words[i]))
            return (enum condition)i;
    }
    return ALWAYS;
}

/* A field without a deadline lives for ever: later than any. */
static bool is_allowed(enum condition condition, int64_t old_ms, int64_t new_ms)
{
    bool has_old = old_ms != HASH_NO_DEADLINE;

    switch (condition) {
    case NX: return !has_old;
    case XX: return has_old;
    case GT: return has_old && new_ms > old_ms;
    case LT: return !has_old || new_ms < old_ms;
    default: return true;
    }
}

/* Every field at its turn: what to answer is in `answers`, what was done in `done`. */
static void expire_each(struct ctx *ctx, struct hash_found *found, const struct hash_fields *fields,
                        enum condition condition, int64_t deadline_ms, int64_t *answers,
                        struct hash_effect *done)
{
    bool is_over = deadline_ms <= ctx->now_ms && !ctx->replay;
    struct slice *changed = arena_alloc(ctx->arena, (size_t)fields->count * sizeof(*changed));
    struct hash_item item;

    *done = (struct hash_effect){.name = is_over ? "HDEL" : "HPEXPIREAT",
                                 .counted = !is_over,
                                 .deadline_ms = is_over ? HASH_NO_DEADLINE : deadline_ms,
                                 .fields = changed};
    for (int i = 0; i < fields->count; i++) {
        struct slice name = fields->names[i];

        if (found->hash.value == NULL || !hash_get(found->hash, name, &item)) {
            answers[i] = HASH_NO_FIELD;
            continue;
        }
        answers[i] = 0;
        if (!is_allowed(condition, item.deadline_ms, deadline_ms))
            continue;
        if (done->count == 0)
            hash_change_begin(ctx, found);
        if (is_over)
            hash_delete(&found->hash, name);
        else
            hash_set_deadline(&found->hash, name, deadline_ms);
        changed[done->count++] = name;
        answers[i] = is_over ? 2 : 1;
    }
}

static void reply_answers(struct ctx *ctx, const struct hash_fields *fields, const int64_t *answers)
{
    reply_array(ctx, (size_t)fields->count);
    for (int i = 0; i < fields->count; i++)
        reply_int(ctx, answers[i]);
}

static void expire_fields(struct ctx *ctx, enum deadline_unit unit, enum deadline_from from)
{
    struct hash_found found;
    struct hash_fields fields;
    struct hash_effect done;
    enum condition condition;
    int64_t deadline_ms, *answers;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found) ||
        !hash_deadline(ctx, ctx->argv[2], unit, from, &deadline_ms))
        return;
    condition = read_condition(ctx, 3);
    if (!hash_fields_at(ctx, condition == ALWAYS ? 3 : 4,
                        "ERR Parameter `numFields` should be greater than 0", &fields))
        return;
    answers = arena_alloc(ctx->arena, (size_t)fields.count * sizeof(*answers));
    expire_each(ctx, &found, &fields, condition, deadline_ms, answers, &done);
    if (done.count > 0) {
        bool gone = hash_change_end(ctx, &found);

        hash_record_fields(ctx, &done);
        if (done.counted)
            ctx_event(ctx, 'h', "hexpire", ctx->db, ctx->argv[1]);
        else
            hash_deleted(ctx, gone);
    }
    reply_answers(ctx, &fields, answers);
}

static void hexpire_run(struct ctx *ctx)
{
    expire_fields(ctx, DEADLINE_SECONDS, DEADLINE_FROM_NOW);
}

static void hpexpire_run(struct ctx *ctx)
{
    expire_fields(ctx, DEADLINE_MILLISECONDS, DEADLINE_FROM_NOW);
}

static void hexpireat_run(struct ctx *ctx)
{
    expire_fields(ctx, DEADLINE_SECONDS, DEADLINE_ABSOLUTE);
}

static void hpexpireat_run(struct ctx *ctx)
{
    expire_fields(ctx, DEADLINE_MILLISECONDS, DEADLINE_ABSOLUTE);
}

/* --- HTTL and its relatives, HPERSIST --------------------------------------------------------- */

static void reply_deadlines(struct ctx *ctx, enum deadline_unit unit, enum deadline_from from)
{
    int64_t base_ms = from == DEADLINE_FROM_NOW ? ctx->now_ms : 0;
    struct hash_found found;
    struct hash_fields fields;
    struct hash_item item;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_READ, &found) ||
        !hash_fields_at(ctx, 2, "ERR Number of fields must be a positive integer", &fields))
        return;
    reply_array(ctx, (size_t)fields.count);
    for (int i = 0; i < fields.count; i++) {
        if (!hash_look_up(ctx, found.hash, fields.names[i], &item))
            reply_int(ctx, HASH_NO_FIELD);
        else if (item.deadline_ms == HASH_NO_DEADLINE)
            reply_int(ctx, -1);
        else if (unit == DEADLINE_MILLISECONDS)
            reply_int(ctx, item.deadline_ms - base_ms);
        else /* a second that has begun counts */
            reply_int(ctx, (item.deadline_ms - base_ms) / 1000 +
                               ((item.deadline_ms - base_ms) % 1000 > 0));
    }
}

static void httl_run(struct ctx *ctx)
{
    reply_deadlines(ctx, DEADLINE_SECONDS, DEADLINE_FROM_NOW);
}

static void hpttl_run(struct ctx *ctx)
{
    reply_deadlines(ctx, DEADLINE_MILLISECONDS, DEADLINE_FROM_NOW);
}

static void hexpiretime_run(struct ctx *ctx)
{
    reply_deadlines(ctx, DEADLINE_SECONDS, DEADLINE_ABSOLUTE);
}

static void hpexpiretime_run(struct ctx *ctx)
{
    reply_deadlines(ctx, DEADLINE_MILLISECONDS, DEADLINE_ABSOLUTE);
}

static void hpersist_run(struct ctx *ctx)
{
    struct hash_found found;
    struct hash_fields fields;
    struct hash_item item;
    bool changed = false;
    int64_t *answers;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found) ||
        !hash_fields_at(ctx, 2, "ERR Number of fields must be a positive integer", &fields))
        return;
    answers = arena_alloc(ctx->arena, (size_t)fields.count * sizeof(*answers));
    for (int i = 0; i < fields.count; i++) {
        answers[i] = HASH_NO_FIELD;
        if (found.hash.value == NULL || !hash_get(found.hash, fields.names[i], &item))
            continue;
        answers[i] = -1;
        if (item.deadline_ms == HASH_NO_DEADLINE)
            continue;
        if (!changed)
            hash_change_begin(ctx, &found);
        changed = true;
        hash_set_deadline(&found.hash, fields.names[i], HASH_NO_DEADLINE);
        answers[i] = 1;
    }
    if (changed) {
        hash_change_end(ctx, &found);
        ctx_event(ctx, 'h', "hpersist", ctx->db, ctx->argv[1]);
    }
    reply_answers(ctx, &fields, answers);
}

static const char *const hash_ttl_tips[] = {"nondeterministic_output", NULL};

#define HASH_EXPIRE_CONDITION " [condition(nx=NX|xx=XX|gt=GT|lt=LT)] "
#define HASH_FIELDS "fields{numfields:integer field:string...}@FIELDS"

const struct command commands_hash_expire[] = {
    {.name = "hexpire",
     .run = hexpire_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Lets fields of a hash expire after some seconds.",
     .syntax = "key:key seconds:integer" HASH_EXPIRE_CONDITION HASH_FIELDS},
    {.name = "hpexpire",
     .run = hpexpire_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Lets fields of a hash expire after some milliseconds.",
     .syntax = "key:key milliseconds:integer" HASH_EXPIRE_CONDITION HASH_FIELDS},
    {.name = "hexpireat",
     .run = hexpireat_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Lets fields of a hash expire at a Unix time in seconds.",
     .syntax = "key:key unix-time-seconds:unix-time" HASH_EXPIRE_CONDITION HASH_FIELDS},
    {.name = "hpexpireat",
     .run = hpexpireat_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Lets fields of a hash expire at a Unix time in milliseconds.",
     .syntax = "key:key unix-time-milliseconds:unix-time" HASH_EXPIRE_CONDITION HASH_FIELDS},
    {.name = "hpersist",
     .run = hpersist_run,
     .arity = -5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Takes the deadline from fields of a hash.",
     .syntax = "key:key " HASH_FIELDS},
    {.name = "httl",
     .run = httl_run,
     .arity = -5,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers how many seconds fields of a hash have to live.",
     .syntax = "key:key " HASH_FIELDS,
     .tips = hash_ttl_tips},
    {.name = "hpttl",
     .run = hpttl_run,
     .arity = -5,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers how many milliseconds fields of a hash have to live.",
     .syntax = "key:key " HASH_FIELDS,
     .tips = hash_ttl_tips},
    {.name = "hexpiretime",
     .run = hexpiretime_run,
     .arity = -5,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers the Unix time in seconds at which fields of a hash expire.",
     .syntax = "key:key " HASH_FIELDS},
    {.name = "hpexpiretime",
     .run = hpexpiretime_run,
     .arity = -5,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "hash",
     .since = "7.4.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers the Unix time in milliseconds at which fields of a hash expire.",
     .syntax = "key:key " HASH_FIELDS},
    {.name = NULL},
};
