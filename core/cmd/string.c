/* Strings as a whole: SET and its relatives, GET and its relatives.
 *
 * A deadline is recorded as wall-clock time, whatever form it was given in, so that the log means
 * the same whenever it is read: SET key value PXAT ms. What GETEX did is recorded as PEXPIREAT,
 * PERSIST or DEL. */
#include "core/base/attr.h"
#include "core/cmd/deadline.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

/* --- Options of SET and GETEX ---------------------------------------------------------------- */

enum expiration {
    EXPIRATION_NONE,
    EXPIRATION_EX,
    EXPIRATION_PX,
    EXPIRATION_EXAT,
    EXPIRATION_PXAT,
    EXPIRATION_KEEP,
    EXPIRATION_PERSIST,
};

struct string_options {
    enum expiration expiration;
    struct slice amount; /* of EX, PX, EXAT, PXAT */
    bool nx, xx, ifeq, get;
    struct slice comparison; /* of IFEQ */
};

/* Which option a word is, if it says when the key expires; EXPIRATION_NONE if it does not. `set`:
 * as SET knows them, else as GETEX does. */
static enum expiration string_expiration(const struct ctx *ctx, int at, bool set)
{
    if (ctx_arg_is(ctx, at, "ex"))
        return EXPIRATION_EX;
    if (ctx_arg_is(ctx, at, "px"))
        return EXPIRATION_PX;
    if (ctx_arg_is(ctx, at, "exat"))
        return EXPIRATION_EXAT;
    if (ctx_arg_is(ctx, at, "pxat"))
        return EXPIRATION_PXAT;
    if (set && ctx_arg_is(ctx, at, "keepttl"))
        return EXPIRATION_KEEP;
    if (!set && ctx_arg_is(ctx, at, "persist"))
        return EXPIRATION_PERSIST;
    return EXPIRATION_NONE;
}

/* Read the options from argument `at` on; false if the error was replied. The same option twice is
 * no error, the last one counts; but IFEQ is. */
static bool string_read_options(struct ctx *ctx, int at, bool set, struct string_options *options)
{
    *options = (struct string_options){0};
    for (; at < ctx->argc; at++) {
        enum expiration expiration = string_expiration(ctx, at, set);

        if (expiration != EXPIRATION_NONE) {
            if (options->expiration != EXPIRATION_NONE && options->expiration != expiration)
                break;
            options->expiration = expiration;
            if (expiration >= EXPIRATION_KEEP)
                continue;
            if (at + 1 == ctx->argc)
                break;
            options->amount = ctx->argv[++at];
        } else if (set && !options->xx && !options->ifeq && ctx_arg_is(ctx, at, "nx")) {
            options->nx = true;
        } else if (set && !options->nx && !options->ifeq && ctx_arg_is(ctx, at, "xx")) {
            options->xx = true;
        } else if (set && !options->nx && !options->xx && !options->ifeq && at + 1 < ctx->argc &&
                   ctx_arg_is(ctx, at, "ifeq")) {
            options->ifeq = true;
            options->comparison = ctx->argv[++at];
        } else if (set && ctx_arg_is(ctx, at, "get")) {
            options->get = true;
        } else {
            break;
        }
    }
    if (at < ctx->argc) {
        reply_syntax_error(ctx);
        return false;
    }
    return true;
}

/* ENTRY_NO_DEADLINE if the options give none; false if the error was replied. */
static bool string_deadline(struct ctx *ctx, const struct string_options *options,
                            int64_t *deadline_ms)
{
    enum deadline_unit unit = DEADLINE_MILLISECONDS;
    enum deadline_from from = DEADLINE_ABSOLUTE;

    *deadline_ms = ENTRY_NO_DEADLINE;
    if (options->expiration == EXPIRATION_NONE || options->expiration >= EXPIRATION_KEEP)
        return true;
    if (options->expiration == EXPIRATION_EX || options->expiration == EXPIRATION_EXAT)
        unit = DEADLINE_SECONDS;
    if (options->expiration == EXPIRATION_EX || options->expiration == EXPIRATION_PX)
        from = DEADLINE_FROM_NOW;
    return deadline_positive(ctx, options->amount, unit, from, deadline_ms);
}

/* --- Setting --------------------------------------------------------------------------------- */

/* Store and record. `keep`: with the deadline that the key has. */
static void string_store(struct ctx *ctx, struct place *place, struct slice value,
                         int64_t deadline_ms, bool keep)
{
    struct slice effect[5] = {SLICE("SET"), place->key, value};
    bool new_deadline = !keep && deadline_ms != ENTRY_NO_DEADLINE;
    int count = 3;

    if (keep && place->entry != NULL)
        deadline_ms = entry_deadline(place->entry);
    if (keep) {
        effect[count++] = SLICE("KEEPTTL");
    } else if (new_deadline) {
        effect[count++] = SLICE("PXAT");
        effect[count++] = ctx_digits(ctx, deadline_ms);
    }
    ctx_put_string(ctx, place, value, deadline_ms);
    ctx_effect(ctx, count, effect);
    ctx_event(ctx, '$', "set", ctx->db, place->key);
    if (new_deadline)
        ctx_event(ctx, 'g', "expire", ctx->db, place->key);
}

static void string_reply_value(struct ctx *ctx, const struct entry *entry)
{
    char digits[24];

    if (entry == NULL)
        reply_null(ctx);
    else
        reply_bulk(ctx, entry_string(entry, digits));
}

static bool string_equals(const struct entry *entry, struct slice value)
{
    char digits[24];

    return entry != NULL && slice_equal(entry_string(entry, digits), value);
}

static bool set_is_refused(const struct string_options *options, const struct entry *entry)
{
    return (options->nx && entry != NULL) || (options->xx && entry == NULL) ||
           (options->ifeq && !string_equals(entry, options->comparison));
}

static void set_with_options(struct ctx *ctx)
{
    struct string_options options;
    struct place place;
    int64_t deadline_ms;
    bool refused;

    if (!string_read_options(ctx, 3, true, &options) ||
        !string_deadline(ctx, &options, &deadline_ms))
        return;
    if (!options.get && !options.ifeq)
        place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    else if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    refused = set_is_refused(&options, place.entry);
    if (options.get)
        string_reply_value(ctx, place.entry);
    else if (refused)
        reply_null(ctx);
    else
        reply_ok(ctx);
    if (!refused)
        string_store(ctx, &place, ctx->argv[2], deadline_ms, options.expiration == EXPIRATION_KEEP);
}

static hot void set_run(struct ctx *ctx)
{
    struct place place;

    if (unlikely(ctx->argc > 3)) {
        set_with_options(ctx);
        return;
    }
    place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    ctx_effect(ctx, 3, ctx->argv);
    ctx_event(ctx, '$', "set", ctx->db, place.key);
    reply_ok(ctx);
}

static void setnx_run(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);

    if (place.entry != NULL) {
        reply_int(ctx, 0);
        return;
    }
    string_store(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE, false);
    reply_int(ctx, 1);
}

static void string_set_for(struct ctx *ctx, enum deadline_unit unit)
{
    struct place place;
    int64_t deadline_ms;

    if (!deadline_positive(ctx, ctx->argv[2], unit, DEADLINE_FROM_NOW, &deadline_ms))
        return;
    place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    string_store(ctx, &place, ctx->argv[3], deadline_ms, false);
    reply_ok(ctx);
}

static void setex_run(struct ctx *ctx)
{
    string_set_for(ctx, DEADLINE_SECONDS);
}

static void psetex_run(struct ctx *ctx)
{
    string_set_for(ctx, DEADLINE_MILLISECONDS);
}

static void getset_run(struct ctx *ctx)
{
    struct place place;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    string_reply_value(ctx, place.entry);
    string_store(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE, false);
}

static void string_set_pairs(struct ctx *ctx)
{
    for (int i = 1; i < ctx->argc; i += 2) {
        struct place place = ctx_find(ctx, ctx->argv[i], LOOKUP_WRITE);

        ctx_put_string(ctx, &place, ctx->argv[i + 1], ENTRY_NO_DEADLINE);
        ctx_event(ctx, '$', "set", ctx->db, place.key);
    }
}

static void mset_run(struct ctx *ctx)
{
    if (ctx->argc % 2 == 0) {
        reply_wrong_arity(ctx);
        return;
    }
    string_set_pairs(ctx);
    reply_ok(ctx);
}

static void msetnx_run(struct ctx *ctx)
{
    if (ctx->argc % 2 == 0) {
        reply_wrong_arity(ctx);
        return;
    }
    for (int i = 1; i < ctx->argc; i += 2) {
        if (ctx_find(ctx, ctx->argv[i], LOOKUP_WRITE).entry != NULL) {
            reply_int(ctx, 0);
            return;
        }
    }
    string_set_pairs(ctx);
    reply_int(ctx, 1);
}

/* --- Getting --------------------------------------------------------------------------------- */

static hot void get_run(struct ctx *ctx)
{
    struct place place;

    if (ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        string_reply_value(ctx, place.entry);
}

static void mget_run(struct ctx *ctx)
{
    reply_array(ctx, (size_t)(ctx->argc - 1));
    for (int i = 1; i < ctx->argc; i++) {
        const struct entry *entry = ctx_find(ctx, ctx->argv[i], LOOKUP_READ).entry;

        /* Another type is answered like a missing key: the other values are worth having. */
        string_reply_value(ctx, entry != NULL && entry_type(entry) == TYPE_STRING ? entry : NULL);
    }
}

static void string_delete(struct ctx *ctx, struct place *place)
{
    struct slice key = place->key;

    ctx_remove(ctx, place, ctx->engine->settings->lazyfree_user_del);
    ctx_effect_delete(ctx, ctx->db, key);
    ctx_event(ctx, 'g', "del", ctx->db, key);
}

static void getdel_run(struct ctx *ctx)
{
    struct place place;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    string_reply_value(ctx, place.entry);
    if (place.entry != NULL)
        string_delete(ctx, &place);
}

static void delifeq_run(struct ctx *ctx)
{
    struct place place;
    bool equal;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    equal = string_equals(place.entry, ctx->argv[2]);
    reply_int(ctx, equal);
    if (equal)
        string_delete(ctx, &place);
}

static void getex_run(struct ctx *ctx)
{
    struct string_options options;
    struct place place;
    int64_t deadline_ms;

    if (!string_read_options(ctx, 2, false, &options) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    if (place.entry == NULL) {
        reply_null(ctx);
        return;
    }
    if (!string_deadline(ctx, &options, &deadline_ms))
        return;
    string_reply_value(ctx, place.entry);
    if (deadline_ms != ENTRY_NO_DEADLINE && deadline_ms <= ctx->now_ms && !ctx->replay) {
        string_delete(ctx, &place);
    } else if (deadline_ms != ENTRY_NO_DEADLINE) {
        ctx_set_deadline(ctx, &place, deadline_ms);
        ctx_effect(ctx, 3,
                   (struct slice[]){SLICE("PEXPIREAT"), place.key, ctx_digits(ctx, deadline_ms)});
        ctx_event(ctx, 'g', "expire", ctx->db, place.key);
    } else if (options.expiration == EXPIRATION_PERSIST &&
               entry_deadline(place.entry) != ENTRY_NO_DEADLINE) {
        ctx_set_deadline(ctx, &place, ENTRY_NO_DEADLINE);
        ctx_effect(ctx, 2, (struct slice[]){SLICE("PERSIST"), place.key});
        ctx_event(ctx, 'g', "persist", ctx->db, place.key);
    }
}

/* --- Rows ------------------------------------------------------------------------------------ */

static const char *const set_history[] = {
    "2.6.12", "Options `EX`, `PX`, `NX` and `XX`.",
    "6.0.0",  "Option `KEEPTTL`.",
    "6.2.0",  "Options `GET`, `EXAT` and `PXAT`.",
    "7.0.0",  "`NX` and `GET` may be used together.",
    NULL,
};
static const char *const tips_multi_shard[] = {"request_policy:multi_shard", NULL};
static const char *const mset_tips[] = {"request_policy:multi_shard",
                                        "response_policy:all_succeeded", NULL};
static const char *const msetnx_tips[] = {"request_policy:multi_shard", "response_policy:agg_min",
                                          NULL};

/* GET answers the old value, IFEQ tells about it; without them nothing is read. */
static int set_keys(const struct command *command unused, int argc, const struct slice *argv,
                    int *positions, int *flags, int most)
{
    int key_flags = KEY_OW | KEY_UPDATE;
    for (int at = 3; at < argc; at++)
        if (slice_is(argv[at], "get") || slice_is(argv[at], "ifeq"))
            key_flags = KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return command_add_key(1, key_flags, positions, flags, 0, most);
}

const struct command commands_string[] = {
    {.name = "set",
     .run = set_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .find_keys = set_keys,
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Stores a string under a key, whatever was there before.",
     .syntax =
         "key:key value:string [condition(nx=NX|xx=XX|comparison-value:string@IFEQ^8.1.0)^2.6.12] "
         "[get=GET^6.2.0] "
         "[expiration(seconds:integer@EX^2.6.12|milliseconds:integer@PX^2.6.12|"
         "unix-time-seconds:unix-time@EXAT^6.2.0|unix-time-milliseconds:unix-time@PXAT^6.2.0|"
         "keepttl=KEEPTTL^6.0.0)]",
     .history = set_history},
    {.name = "get",
     .run = get_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers the string stored under a key.",
     .syntax = "key:key"},
    {.name = "setnx",
     .run = setnx_run,
     .arity = 3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_OW | KEY_INSERT),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Stores a string under a key that does not exist yet.",
     .syntax = "key:key value:string"},
    {.name = "setex",
     .run = setex_run,
     .arity = 4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .group = "string",
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Stores a string that expires after some seconds.",
     .syntax = "key:key seconds:integer value:string"},
    {.name = "psetex",
     .run = psetex_run,
     .arity = 4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .group = "string",
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Stores a string that expires after some milliseconds.",
     .syntax = "key:key milliseconds:integer value:string"},
    {.name = "getset",
     .run = getset_run,
     .arity = 3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Stores a string and answers the one it replaces.",
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `GET` option",
     .syntax = "key:key value:string"},
    {.name = "mset",
     .run = mset_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_PAIRS(KEY_OW | KEY_UPDATE),
     .group = "string",
     .since = "1.0.1",
     .complexity = "O(N) for N keys.",
     .summary = "Stores several strings at once.",
     .syntax = "key_value{key:key value:string}...",
     .tips = mset_tips},
    {.name = "msetnx",
     .run = msetnx_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_PAIRS(KEY_OW | KEY_INSERT),
     .group = "string",
     .since = "1.0.1",
     .complexity = "O(N) for N keys.",
     .summary = "Stores several strings at once, if none of the keys exists yet.",
     .syntax = "key_value{key:key value:string}...",
     .tips = msetnx_tips},
    {.name = "mget",
     .run = mget_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_EACH(KEY_RO | KEY_ACCESS),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(N) for N keys.",
     .summary = "Answers the strings stored under several keys.",
     .syntax = "key:key...",
     .tips = tips_multi_shard},
    {.name = "getdel",
     .run = getdel_run,
     .arity = 2,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "string",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Answers the string stored under a key and deletes the key.",
     .syntax = "key:key"},
    {.name = "delifeq",
     .run = delifeq_run,
     .arity = 3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RM | KEY_DELETE),
     .group = "string",
     .since = "9.0.0",
     .complexity = "O(1)",
     .summary = "Deletes a key if its string is the one that is given.",
     .syntax = "key:key value:string"},
    {.name = "getex",
     .run = getex_run,
     .arity = -2,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "string",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Answers the string stored under a key and sets or removes its deadline.",
     .syntax = "key:key [expiration(seconds:integer@EX|milliseconds:integer@PX|"
               "unix-time-seconds:unix-time@EXAT|unix-time-milliseconds:unix-time@PXAT|persist="
               "PERSIST)]"},
    {.name = NULL},
};
