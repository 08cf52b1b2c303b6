/* Streams: adding, removing and reading entries by their IDs.
 *
 * What is recorded: XADD with the ID that the entry got; a trim by the length that it left, since
 * what it removes by itself depends on how entries lie in nodes. */
#include "core/cmd/rows.h"
#include "core/cmd/stream_args.h"
#include "core/ctx.h"
#include "core/type/stream.h"

#define STREAM_WORDS_BYTES_MAX ((size_t)1 << 30)
#define STREAM_LIMIT_NODES 100 /* nodes that a trim by "~" looks at, unless told otherwise */
#define STREAM_LIMIT_MOST 1000000
#define STREAM_LIMIT_USUAL 10000

/* The options of XADD and XTRIM. */
struct stream_options {
    bool adding;            /* XADD */
    bool only_existing;     /* NOMKSTREAM */
    bool any_id, auto_seq;  /* "*", "5-*" */
    bool limit_given;
    int id_at;              /* the argument that is the ID */
    struct stream_id id;
    struct stream_trim trim;
};

static bool stream_read_strategy(struct ctx *ctx, int *at, struct stream_options *options)
{
    bool by_length = ctx_arg_is(ctx, *at, "maxlen");
    int64_t length;

    if (options->trim.by != STREAM_TRIM_NOT) {
        reply_error(ctx, "ERR syntax error, MAXLEN and MINID options at the same time are not "
                         "compatible");
        return false;
    }
    options->trim.by = by_length ? STREAM_TRIM_LENGTH : STREAM_TRIM_ID;
    if (ctx->argc - *at > 2 && slice_equal(ctx->argv[*at + 1], SLICE("~"))) {
        options->trim.whole_nodes = true;
        ++*at;
    } else if (ctx->argc - *at > 2 && slice_equal(ctx->argv[*at + 1], SLICE("="))) {
        ++*at;
    }
    ++*at;
    if (!by_length)
        return stream_arg_id(ctx, ctx->argv[*at], 0, NULL, &options->trim.id);
    if (!arg_i64(ctx, ctx->argv[*at], &length))
        return false;
    if (length < 0) {
        reply_error(ctx, "ERR The MAXLEN argument must be >= 0.");
        return false;
    }
    options->trim.length = (uint64_t)length;
    return true;
}

static bool stream_read_limit(struct ctx *ctx, struct slice arg, struct stream_options *options)
{
    int64_t limit;

    if (!arg_i64(ctx, arg, &limit))
        return false;
    if (limit < 0) {
        reply_error(ctx, "ERR The LIMIT argument must be >= 0.");
        return false;
    }
    options->limit_given = true;
    options->trim.limit = (uint64_t)limit;
    return true;
}

static bool stream_settle_limit(struct ctx *ctx, struct stream_options *options)
{
    int64_t usual = ctx->engine->settings->limits.stream_node_entries;

    if (options->trim.limit > 0 && options->trim.by == STREAM_TRIM_NOT) {
        reply_error(ctx, "ERR syntax error, LIMIT cannot be used without specifying a trimming "
                         "strategy");
        return false;
    }
    if (!options->adding && options->trim.by == STREAM_TRIM_NOT) {
        reply_error(ctx, "ERR syntax error, XTRIM must be called with a trimming "
                         "strategy");
        return false;
    }
    if (ctx->replay) {
        /* The trim was cut short where it was made, and is recorded as what it left. */
        options->trim.limit = 0;
        return true;
    }
    if (options->limit_given && !options->trim.whole_nodes) {
        reply_error(ctx,
                    "ERR syntax error, LIMIT cannot be used without the special ~ option");
        return false;
    }
    if (!options->limit_given && options->trim.whole_nodes) {
        int64_t limit = usual > STREAM_LIMIT_MOST ? STREAM_LIMIT_MOST : usual * STREAM_LIMIT_NODES;

        if (limit <= 0)
            limit = STREAM_LIMIT_USUAL;
        options->trim.limit =
            (uint64_t)(limit > STREAM_LIMIT_MOST ? STREAM_LIMIT_MOST : limit);
    }
    return true;
}

static bool stream_read_options(struct ctx *ctx, struct stream_options *options)
{
    int at = 2;

    for (; at < ctx->argc; at++) {
        bool more = at + 1 < ctx->argc;

        if (options->adding && slice_equal(ctx->argv[at], SLICE("*"))) {
            options->any_id = true;
            break;
        }
        if (more && (ctx_arg_is(ctx, at, "maxlen") || ctx_arg_is(ctx, at, "minid"))) {
            if (!stream_read_strategy(ctx, &at, options))
                return false;
        } else if (more && ctx_arg_is(ctx, at, "limit")) {
            if (!stream_read_limit(ctx, ctx->argv[++at], options))
                return false;
        } else if (options->adding && ctx_arg_is(ctx, at, "nomkstream")) {
            options->only_existing = true;
        } else if (options->adding) {
            if (!stream_arg_id(ctx, ctx->argv[at], 0, &options->auto_seq, &options->id))
                return false;
            break;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    options->id_at = at;
    return stream_settle_limit(ctx, options);
}

/* --- XADD, XTRIM ------------------------------------------------------------------------------ */

/* The ID that a new entry gets. False if an error was replied. */
static bool stream_next_id(struct ctx *ctx, const struct stream *stream,
                           const struct stream_options *options, struct stream_id *id)
{
    struct stream_id last = stream == NULL ? STREAM_ID_MIN : stream->last_id;

    if (stream_id_compare(last, STREAM_ID_MAX) == 0) {
        reply_error(ctx, "ERR The stream has exhausted the last possible ID, unable to add more "
                         "items");
        return false;
    }
    *id = options->id;
    if (options->any_id) {
        *id = last;
        if ((uint64_t)ctx->now_ms > last.ms)
            *id = (struct stream_id){(uint64_t)ctx->now_ms, 0};
        else
            (void)stream_id_increment(id);
    } else if (options->auto_seq && id->ms == last.ms) {
        id->seq = last.seq == UINT64_MAX ? last.seq : last.seq + 1;
    }
    if (stream_id_compare(*id, last) > 0)
        return true;
    reply_error(ctx,
                "ERR The ID specified in XADD is equal or smaller than the target stream top item");
    return false;
}

static void xadd_record(struct ctx *ctx, const struct stream *stream, struct slice id,
                        const struct stream_options *options, bool trimmed)
{
    int words = ctx->argc - options->id_at - 1, count = 0;
    struct slice *argv = arena_alloc(ctx->arena, ((size_t)words + 6) * sizeof(*argv));

    argv[count++] = SLICE("XADD");
    argv[count++] = ctx->argv[1];
    if (trimmed) {
        argv[count++] = SLICE("MAXLEN");
        argv[count++] = SLICE("=");
        argv[count++] = ctx_digits(ctx, (int64_t)stream->length);
    }
    argv[count++] = id;
    for (int i = 0; i < words; i++)
        argv[count++] = ctx->argv[options->id_at + 1 + i];
    ctx_effect(ctx, count, argv);
}

/* False if an error was replied. */
static bool xadd_check(struct ctx *ctx, const struct stream_options *options)
{
    int words = ctx->argc - options->id_at - 1;

    if (words < 2 || words % 2 == 1) {
        reply_wrong_arity(ctx);
        return false;
    }
    if (!options->any_id && !options->auto_seq && stream_id_is_zero(options->id)) {
        reply_error(ctx, "ERR The ID specified in XADD must be greater than 0-0");
        return false;
    }
    return true;
}

static bool xadd_fits(struct ctx *ctx, const struct stream_options *options)
{
    size_t bytes = 0;

    for (int i = options->id_at + 1; i < ctx->argc; i++)
        bytes += ctx->argv[i].len;
    if (bytes <= STREAM_WORDS_BYTES_MAX / 2)
        return true;
    reply_error(ctx, "ERR Elements are too large to be stored");
    return false;
}

static void xadd_run(struct ctx *ctx)
{
    struct stream_options options = {.adding = true};
    struct slice key = ctx->argv[1];
    struct stream *stream;
    struct stream_id id;
    struct place place;
    bool trimmed;

    if (!stream_read_options(ctx, &options) || !xadd_check(ctx, &options) ||
        !stream_find(ctx, key, true, &place, &stream))
        return;
    if (stream == NULL && options.only_existing) {
        reply_null(ctx);
        return;
    }
    if (!stream_next_id(ctx, stream, &options, &id) || !xadd_fits(ctx, &options))
        return;
    if (stream == NULL) {
        stream = stream_new();
        ctx_put(ctx, &place,
                entry_new_value(key, TYPE_STREAM, ENCODING_STREAM, stream, ENTRY_NO_DEADLINE));
    }
    ctx_change_begin(ctx, &place);
    stream_append(stream, id, (size_t)(ctx->argc - options.id_at - 1),
                  ctx->argv + options.id_at + 1, &ctx->engine->settings->limits);
    trimmed = stream_trim(stream, &options.trim) > 0;
    ctx_change_end(ctx, &place, place.entry);
    ctx_event(ctx, 't', "xadd", ctx->db, key);
    if (trimmed)
        ctx_event(ctx, 't', "xtrim", ctx->db, key);
    stream_reply_id(ctx, id);
    xadd_record(ctx, stream, stream_id_text(ctx, id), &options, trimmed);
}

static void xtrim_record(struct ctx *ctx, const struct stream *stream)
{
    struct slice argv[] = {SLICE("XTRIM"), ctx->argv[1], SLICE("MAXLEN"), SLICE("="),
                           ctx_digits(ctx, (int64_t)stream->length)};

    ctx_effect(ctx, sizeof(argv) / sizeof(argv[0]), argv);
}

static void xtrim_run(struct ctx *ctx)
{
    struct stream_options options = {.adding = false};
    struct stream *stream;
    struct place place;
    uint64_t deleted;

    if (!stream_read_options(ctx, &options) ||
        !stream_find(ctx, ctx->argv[1], true, &place, &stream))
        return;
    if (stream == NULL || !stream_would_trim(stream, &options.trim)) {
        reply_int(ctx, 0);
        return;
    }
    ctx_change_begin(ctx, &place);
    deleted = stream_trim(stream, &options.trim);
    ctx_change_end(ctx, &place, place.entry);
    ctx_event(ctx, 't', "xtrim", ctx->db, ctx->argv[1]);
    reply_int(ctx, (int64_t)deleted);
    xtrim_record(ctx, stream);
}

/* --- XDEL, XSETID ----------------------------------------------------------------------------- */

static void xdel_run(struct ctx *ctx)
{
    struct stream_id *ids = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof(*ids));
    struct stream *stream;
    struct place place;
    int64_t deleted = 0;

    if (!stream_find(ctx, ctx->argv[1], true, &place, &stream))
        return;
    if (stream == NULL) {
        reply_int(ctx, 0);
        return;
    }
    for (int i = 2; i < ctx->argc; i++)
        if (!stream_arg_id(ctx, ctx->argv[i], 0, NULL, &ids[i]))
            return;
    for (int i = 2; i < ctx->argc; i++) {
        if (!stream_has(stream, ids[i]))
            continue;
        if (deleted++ == 0)
            ctx_change_begin(ctx, &place);
        (void)stream_delete(stream, ids[i]);
    }
    if (deleted > 0) {
        ctx_change_end(ctx, &place, place.entry);
        ctx_event(ctx, 't', "xdel", ctx->db, ctx->argv[1]);
    }
    reply_int(ctx, deleted);
}

/* What XSETID sets; -1: not given. */
struct stream_setting {
    struct stream_id last_id, max_deleted_id;
    int64_t entries_added;
};

static bool xsetid_read(struct ctx *ctx, struct stream_setting *setting)
{
    if (!stream_arg_id(ctx, ctx->argv[2], 0, NULL, &setting->last_id))
        return false;
    for (int at = 3; at < ctx->argc; at += 2) {
        bool more = at + 1 < ctx->argc;

        if (more && ctx_arg_is(ctx, at, "entriesadded")) {
            if (!arg_i64(ctx, ctx->argv[at + 1], &setting->entries_added))
                return false;
            if (setting->entries_added < 0) {
                reply_error(ctx, "ERR entries_added must be positive");
                return false;
            }
        } else if (more && ctx_arg_is(ctx, at, "maxdeletedid")) {
            if (!stream_arg_id(ctx, ctx->argv[at + 1], 0, NULL, &setting->max_deleted_id))
                return false;
            if (stream_id_compare(setting->last_id, setting->max_deleted_id) < 0) {
                reply_error(ctx, "ERR The ID specified in XSETID is smaller than the provided "
                                 "max_deleted_entry_id");
                return false;
            }
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

static const char *xsetid_refusal(const struct stream *stream,
                                  const struct stream_setting *setting)
{
    struct stream_walk walk;
    bool below;

    if (stream->length == 0)
        return NULL;
    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, true);
    below = stream_walk_next(&walk) && stream_id_compare(setting->last_id, walk.id) < 0;
    stream_walk_end(&walk);
    if (below)
        return "ERR The ID specified in XSETID is smaller than the target stream top item";
    if (setting->entries_added >= 0 && (uint64_t)setting->entries_added < stream->length)
        return "ERR The entries_added specified in XSETID is smaller than the target stream length";
    return NULL;
}

static void xsetid_run(struct ctx *ctx)
{
    struct stream_setting setting = {.entries_added = -1};
    struct stream *stream;
    struct place place;
    const char *refusal;

    if (!xsetid_read(ctx, &setting) || !stream_find(ctx, ctx->argv[1], true, &place, &stream))
        return;
    if (stream == NULL) {
        reply_no_such_key(ctx);
        return;
    }
    refusal = xsetid_refusal(stream, &setting);
    if (refusal != NULL) {
        reply_error(ctx, "%s", refusal);
        return;
    }
    ctx_change_begin(ctx, &place);
    stream->last_id = setting.last_id;
    if (setting.entries_added >= 0)
        stream->entries_added = (uint64_t)setting.entries_added;
    if (!stream_id_is_zero(setting.max_deleted_id))
        stream->max_deleted_id = setting.max_deleted_id;
    ctx_change_end(ctx, &place, place.entry);
    ctx_event(ctx, 't', "xsetid", ctx->db, ctx->argv[1]);
    reply_ok(ctx);
}

/* --- XLEN, XRANGE, XREVRANGE ------------------------------------------------------------------ */

static void xlen_run(struct ctx *ctx)
{
    struct stream *stream;
    struct place place;

    if (stream_find(ctx, ctx->argv[1], false, &place, &stream))
        reply_int(ctx, stream == NULL ? 0 : (int64_t)stream->length);
}

static void stream_range(struct ctx *ctx, bool backwards)
{
    struct stream_id from, to;
    struct stream *stream;
    struct place place;
    int64_t count = INT64_MAX;

    if (!stream_arg_start(ctx, ctx->argv[backwards ? 3 : 2], &from) ||
        !stream_arg_end(ctx, ctx->argv[backwards ? 2 : 3], &to))
        return;
    for (int at = 4; at < ctx->argc; at += 2) {
        if (at + 1 == ctx->argc || !ctx_arg_is(ctx, at, "count")) {
            reply_syntax_error(ctx);
            return;
        }
        if (!arg_i64(ctx, ctx->argv[at + 1], &count))
            return;
    }
    if (!stream_find(ctx, ctx->argv[1], false, &place, &stream))
        return;
    if (stream == NULL)
        reply_array(ctx, 0);
    else if (count <= 0)
        reply_null_array(ctx);
    else
        stream_reply_range(ctx, stream, from, to, backwards, (size_t)count);
}

static void xrange_run(struct ctx *ctx)
{
    stream_range(ctx, false);
}

static void xrevrange_run(struct ctx *ctx)
{
    stream_range(ctx, true);
}

#define STREAM_TRIM_SYNTAX                                                                         \
    "trim{strategy(maxlen=MAXLEN|minid=MINID^6.2.0) [operator(equal==|approximately=~)] "          \
    "threshold:string [count:integer@LIMIT^6.2.0]}"

static const char *const stream_chance[] = {"nondeterministic_output", NULL};
static const char *const xadd_history[] = {
    "6.2.0", "NOMKSTREAM, MINID and LIMIT.", "7.0.0", "IDs of which only the second part is "
    "chosen by the server: `<ms>-*`.", NULL};
static const char *const xtrim_history[] = {"6.2.0", "MINID and LIMIT.", NULL};
static const char *const xrange_history[] = {"6.2.0", "Ends that do not belong to the range.",
                                             NULL};
static const char *const xsetid_history[] = {"7.0.0", "ENTRIESADDED and MAXDELETEDID.", NULL};

const struct command commands_stream[] = {
    {.name = "xadd",
     .run = xadd_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1), and O(N) for N entries that are trimmed.",
     .summary = "Appends an entry to a stream, which is created if it is not there.",
     .syntax = "key:key [nomkstream=NOMKSTREAM^6.2.0] [" STREAM_TRIM_SYNTAX
               "] id_or_auto(auto_id=*|id:string) field_value{field:string value:string}...",
     .history = xadd_history,
     .tips = stream_chance},
    {.name = "xtrim",
     .run = xtrim_run,
     .arity = -4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries that are removed, most of them a whole node at once.",
     .summary = "Removes entries from the front of a stream.",
     .syntax = "key:key " STREAM_TRIM_SYNTAX,
     .history = xtrim_history,
     .tips = stream_chance},
    {.name = "xdel",
     .run = xdel_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1) for each ID.",
     .summary = "Removes entries from a stream by their IDs and answers how many there were.",
     .syntax = "key:key id:string..."},
    {.name = "xsetid",
     .run = xsetid_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Sets the last ID of a stream, and what it counts.",
     .syntax = "key:key last-id:string [entries_added:integer@ENTRIESADDED^7.0.0] "
               "[max_deleted_entry_id:string@MAXDELETEDID^7.0.0]",
     .history = xsetid_history},
    {.name = "xlen",
     .run = xlen_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RO),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many entries a stream has.",
     .syntax = "key:key"},
    {.name = "xrange",
     .run = xrange_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries in the answer.",
     .summary = "Answers the entries of a stream between two IDs.",
     .syntax = "key:key start:string end:string [count:integer@COUNT]",
     .history = xrange_history},
    {.name = "xrevrange",
     .run = xrevrange_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STREAM,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries in the answer.",
     .summary = "Answers the entries of a stream between two IDs, the last one first.",
     .syntax = "key:key end:string start:string [count:integer@COUNT]",
     .history = xrange_history},
    {.name = NULL},
};
