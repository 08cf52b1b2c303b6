/* Values and deadlines of fields in one command: HGETDEL, HGETEX, HSETEX.
 *
 * Recorded is what was done, in commands that older servers know where they can: HSET, HDEL,
 * HPEXPIREAT, HPERSIST. */
#include "core/base/num.h"
#include "core/cmd/hash_expire.h"
#include "core/cmd/rows.h"

#define ARGUMENT_SHOWN_MAX 1024 /* of an unknown argument, in the error */

/* What HGETEX and HSETEX may be told, in any order. */
struct field_options {
    struct hash_fields fields; /* for HSETEX each with its value behind it */
    bool has_deadline, persist, keep, fnx, fxx;
    int64_t deadline_ms;
};

struct field_parser {
    struct ctx *ctx;
    bool sets; /* HSETEX */
    int at;
    struct field_options *options;
};

static bool parse_fields(struct field_parser *parser)
{
    struct ctx *ctx = parser->ctx;
    int64_t count, left = ctx->argc - parser->at - 2, words = parser->sets ? 2 : 1;

    if (parser->options->fields.names != NULL) {
        reply_error(ctx, "ERR multiple FIELDS arguments");
        return false;
    }
    if (left < 0 || !num_parse_i64(ctx->argv[parser->at + 1], &count) || count < 1) {
        reply_error(ctx, "ERR invalid number of fields");
        return false;
    }
    if (count > left / words) {
        reply_error(ctx, "ERR wrong number of arguments");
        return false;
    }
    parser->options->fields = (struct hash_fields){(int)count, ctx->argv + parser->at + 2};
    parser->at += 2 + (int)(count * words);
    return true;
}

static bool parse_deadline(struct field_parser *parser, enum deadline_unit unit,
                           enum deadline_from from)
{
    if (parser->at + 1 >= parser->ctx->argc) {
        reply_error(parser->ctx, "ERR missing expire time");
        return false;
    }
    parser->options->has_deadline = true;
    parser->at += 2;
    return hash_deadline(parser->ctx, parser->ctx->argv[parser->at - 1], unit, from,
                         &parser->options->deadline_ms);
}

static bool parse_when(struct field_parser *parser)
{
    struct field_options *options = parser->options;
    struct ctx *ctx = parser->ctx;
    int at = parser->at;

    if (options->has_deadline || options->persist || options->keep) {
        reply_error(ctx, "ERR Only one of EX, PX, EXAT, PXAT or %s arguments can be specified",
                    parser->sets ? "KEEPTTL" : "PERSIST");
        return false;
    }
    if (ctx_arg_is(ctx, at, "ex"))
        return parse_deadline(parser, DEADLINE_SECONDS, DEADLINE_FROM_NOW);
    if (ctx_arg_is(ctx, at, "px"))
        return parse_deadline(parser, DEADLINE_MILLISECONDS, DEADLINE_FROM_NOW);
    if (ctx_arg_is(ctx, at, "exat"))
        return parse_deadline(parser, DEADLINE_SECONDS, DEADLINE_ABSOLUTE);
    if (ctx_arg_is(ctx, at, "pxat"))
        return parse_deadline(parser, DEADLINE_MILLISECONDS, DEADLINE_ABSOLUTE);
    options->persist = !parser->sets;
    options->keep = parser->sets;
    parser->at++;
    return true;
}

static bool parse_condition(struct field_parser *parser)
{
    struct field_options *options = parser->options;

    if (options->fnx || options->fxx) {
        reply_error(parser->ctx, "ERR Only one of FXX or FNX arguments can be specified");
        return false;
    }
    options->fnx = ctx_arg_is(parser->ctx, parser->at, "fnx");
    options->fxx = !options->fnx;
    parser->at++;
    return true;
}

static bool says_when(const struct field_parser *parser)
{
    const struct ctx *ctx = parser->ctx;
    int at = parser->at;

    return ctx_arg_is(ctx, at, "ex") || ctx_arg_is(ctx, at, "px") || ctx_arg_is(ctx, at, "exat") ||
        ctx_arg_is(ctx, at, "pxat") || ctx_arg_is(ctx, at, parser->sets ? "keepttl" : "persist");
}

static bool parse_options(struct ctx *ctx, bool sets, struct field_options *options)
{
    struct field_parser parser = {ctx, sets, 2, options};
    bool good = true;

    *options = (struct field_options){.deadline_ms = HASH_NO_DEADLINE};
    while (good && parser.at < ctx->argc) {
        if (ctx_arg_is(ctx, parser.at, "fields")) {
            good = parse_fields(&parser);
        } else if (says_when(&parser)) {
            good = parse_when(&parser);
        } else if (sets && (ctx_arg_is(ctx, parser.at, "fnx") ||
                            ctx_arg_is(ctx, parser.at, "fxx"))) {
            good = parse_condition(&parser);
        } else {
            struct slice arg = ctx->argv[parser.at];

            reply_error(ctx, "ERR unknown argument: %.*s",
                        (int)(arg.len < ARGUMENT_SHOWN_MAX ? arg.len : ARGUMENT_SHOWN_MAX),
                        arg.data);
            return false;
        }
    }
    if (good && options->fields.names == NULL) {
        reply_error(ctx, "ERR missing FIELDS argument");
        return false;
    }
    return good;
}

static bool is_over(const struct ctx *ctx, const struct field_options *options)
{
    return options->has_deadline && options->deadline_ms <= ctx->now_ms && !ctx->replay;
}

/* --- HGETDEL, HGETEX -------------------------------------------------------------------------- */

static void hgetdel_run(struct ctx *ctx)
{
    struct hash_effect done = {.name = "HDEL", .deadline_ms = HASH_NO_DEADLINE};
    struct hash_found found;
    struct hash_fields fields;
    struct hash_item item;
    struct slice *deleted;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found) ||
        !hash_fields_at(ctx, 2, "ERR Number of fields must be a positive integer", &fields))
        return;
    deleted = arena_alloc(ctx->arena, (size_t)fields.count * sizeof(*deleted));
    done.fields = deleted;
    reply_array(ctx, (size_t)fields.count);
    for (int i = 0; i < fields.count; i++) {
        if (found.hash.value == NULL || !hash_get(found.hash, fields.names[i], &item)) {
            reply_null(ctx);
            continue;
        }
        reply_bulk(ctx, item.value);
        if (done.count == 0)
            hash_change_begin(ctx, &found);
        hash_delete(&found.hash, fields.names[i]);
        deleted[done.count++] = fields.names[i];
    }
    if (done.count > 0) {
        bool gone = hash_change_end(ctx, &found);

        hash_record_fields(ctx, &done);
        hash_deleted(ctx, gone);
    }
}

/* What HGETEX does to one field that is there; false: nothing. */
static bool getex_field(struct ctx *ctx, struct hash_found *found,
                        const struct field_options *options, const struct hash_item *item,
                        struct slice name, bool begin)
{
    if (!options->has_deadline &&
        !(options->persist && item->deadline_ms != HASH_NO_DEADLINE))
        return false;
    if (begin)
        hash_change_begin(ctx, found);
    if (is_over(ctx, options))
        hash_delete(&found->hash, name);
    else
        hash_set_deadline(&found->hash, name, options->deadline_ms);
    return true;
}

static void hgetex_run(struct ctx *ctx)
{
    struct hash_effect done = {.counted = true};
    struct field_options options;
    struct hash_found found;
    struct hash_item item;
    struct slice *changed;
    bool gone;

    if (!hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found) ||
        !parse_options(ctx, false, &options))
        return;
    done.counted = !is_over(ctx, &options);
    done.name = !done.counted ? "HDEL" : options.persist ? "HPERSIST" : "HPEXPIREAT";
    done.deadline_ms = done.counted ? options.deadline_ms : HASH_NO_DEADLINE;
    changed = arena_alloc(ctx->arena, (size_t)options.fields.count * sizeof(*changed));
    done.fields = changed;
    reply_array(ctx, (size_t)options.fields.count);
    for (int i = 0; i < options.fields.count; i++) {
        struct slice name = options.fields.names[i];

        if (!hash_look_up(ctx, found.hash, name, &item)) {
            reply_null(ctx);
            continue;
        }
        reply_bulk(ctx, item.value);
        if (getex_field(ctx, &found, &options, &item, name, done.count == 0))
            changed[done.count++] = name;
    }
    if (done.count == 0)
        return;
    gone = hash_change_end(ctx, &found);
    hash_record_fields(ctx, &done);
    if (!done.counted)
        hash_deleted(ctx, gone);
    else
        ctx_event(ctx, 'h', options.persist ? "hpersist" : "hexpire", ctx->db, ctx->argv[1]);
}

/* --- HSETEX ----------------------------------------------------------------------------------- */

static bool setex_allowed(const struct hash_found *found, const struct field_options *options)
{
    struct hash_item item;

    if (!options->fnx && !options->fxx)
        return true;
    for (int i = 0; i < options->fields.count; i++) {
        bool is_there = found->hash.value != NULL &&
            hash_get(found->hash, options->fields.names[2 * i], &item);

        if (is_there != options->fxx)
            return false;
    }
    return true;
}

/* Set to be over at once: what is there goes, nothing comes. */
static void setex_over(struct ctx *ctx, struct hash_found *found,
                       const struct field_options *options)
{
    struct hash_effect done = {.name = "HDEL", .deadline_ms = HASH_NO_DEADLINE};
    struct slice *deleted =
        arena_alloc(ctx->arena, (size_t)options->fields.count * sizeof(*deleted));
    struct hash_item item;

    done.fields = deleted;
    for (int i = 0; i < options->fields.count && found->hash.value != NULL; i++) {
        struct slice name = options->fields.names[2 * i];

        if (!hash_get(found->hash, name, &item))
            continue;
        if (done.count == 0)
            hash_change_begin(ctx, found);
        hash_delete(&found->hash, name);
        deleted[done.count++] = name;
    }
    if (done.count > 0) {
        bool gone = hash_change_end(ctx, found);

        hash_record_fields(ctx, &done);
        hash_deleted(ctx, gone);
    }
}

static void setex_record(struct ctx *ctx, const struct hash_found *found,
                         const struct field_options *options)
{
    const struct hash_fields *fields = &options->fields;
    struct slice *names = arena_alloc(ctx->arena, (size_t)fields->count * sizeof(*names));
    struct hash_effect set = {"HSET", false, HASH_NO_DEADLINE, 2 * fields->count, fields->names};
    struct hash_item item;

    hash_record_fields(ctx, &set);
    for (int i = 0; i < fields->count; i++) {
        names[i] = fields->names[2 * i];
        if (options->keep && hash_get(found->hash, names[i], &item) &&
            item.deadline_ms != HASH_NO_DEADLINE)
            hash_record_fields(ctx, &(struct hash_effect){"HPEXPIREAT", true, item.deadline_ms, 1,
                                                          &names[i]});
    }
    if (options->has_deadline)
        hash_record_fields(ctx, &(struct hash_effect){"HPEXPIREAT", true, options->deadline_ms,
                                                      fields->count, names});
}

static void setex_set(struct ctx *ctx, struct hash_found *found,
                      const struct field_options *options)
{
    struct hash_item item;

    hash_change_begin(ctx, found);
    for (int i = 0; i < options->fields.count; i++) {
        const struct slice *pair = options->fields.names + 2 * i;
        int64_t deadline_ms = options->deadline_ms;

        if (options->keep && hash_get(found->hash, pair[0], &item))
            deadline_ms = item.deadline_ms;
        hash_set(&found->hash, hash_limits(ctx), pair[0], pair[1], deadline_ms);
    }
    hash_change_end(ctx, found);
    setex_record(ctx, found, options);
    ctx_event(ctx, 'h', "hset", ctx->db, ctx->argv[1]);
    if (options->has_deadline)
        ctx_event(ctx, 'h', "hexpire", ctx->db, ctx->argv[1]);
}

static void hsetex_run(struct ctx *ctx)
{
    struct field_options options;
    struct hash_found found;

    if (!parse_options(ctx, true, &options) ||
        !hash_find(ctx, ctx->argv[1], LOOKUP_WRITE, &found))
        return;
    if (!setex_allowed(&found, &options)) {
        reply_int(ctx, 0);
        return;
    }
    if (is_over(ctx, &options))
        setex_over(ctx, &found, &options);
    else
        setex_set(ctx, &found, &options);
    reply_int(ctx, 1);
}

#define FIELD_TIMES                                                                                \
    "seconds:integer@EX|milliseconds:integer@PX|unix-time-seconds:unix-time@EXAT|"                 \
    "unix-time-milliseconds:unix-time@PXAT"

const struct command commands_hash_expire_values[] = {
    {.name = "hgetdel",
     .run = hgetdel_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "hash",
     .since = "8.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers the values of fields of a hash and deletes the fields.",
     .syntax = "key:key fields{numfields:integer field:string...}@FIELDS"},
    {.name = "hgetex",
     .run = hgetex_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "hash",
     .since = "8.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Answers the values of fields of a hash and sets or takes their deadlines.",
     .syntax = "key:key [expiration(" FIELD_TIMES "|persist=PERSIST)] "
               "fields{numfields:integer field:string...}@FIELDS"},
    {.name = "hsetex",
     .run = hsetex_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HASH,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "hash",
     .since = "8.0.0",
     .complexity = "O(N) for N fields.",
     .summary = "Sets fields of a hash, with a deadline.",
     .syntax = "key:key [condition(fnx=FNX|fxx=FXX)] [expiration(" FIELD_TIMES
               "|keepttl=KEEPTTL)] fields{numfields:integer data{field:string value:string}...}"
               "@FIELDS"},
    {.name = NULL},
};
