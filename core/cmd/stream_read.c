/* XREAD and XREADGROUP: what comes behind an ID, in several streams at once, waiting for it if
 * asked to.
 *
 * A request is read anew each time a waiting client is served, so "$", which means the end of the
 * stream when the client came, is replaced by that ID before it waits; and so is "+", the last
 * entry, which waits if there is none.
 *
 * What XREADGROUP did is recorded as XCLAIM, with the time and the count that each pending entry
 * got, and as XGROUP SETID: these, too, take stock servers where we are.
 */
#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/cmd/stream_args.h"
#include "core/cmd/stream_claim.h"
#include "core/ctx.h"
#include "core/type/stream.h"
#include "core/type/stream_group.h"
#include "core/waiters.h"

struct stream_wanted {
    struct slice key;
    struct stream_id after;
    bool is_new;           /* ">": what the group has not been given */
    bool has;              /* there is something to answer */
};

struct stream_read {
    bool by_group, no_ack;
    bool blocks;
    int64_t timeout_ms;
    size_t most;
    int group_at;          /* the arguments that name the group and the consumer; 0: none */
    int keys_at, streams;
    struct stream_wanted *wanted;
};

static bool stream_read_timeout(struct ctx *ctx, struct slice arg, struct stream_read *read)
{
    const char *problem = NULL;

    if (!num_parse_i64(arg, &read->timeout_ms))
        problem = "ERR timeout is not an integer or out of range";
    else if (read->timeout_ms < 0)
        problem = "ERR timeout is negative";
    else if (read->timeout_ms > INT64_MAX - ctx->now_ms)
        problem = "ERR timeout is out of range";
    read->blocks = true;
    if (problem != NULL)
        reply_error(ctx, "%s", problem);
    return problem == NULL;
}

static bool stream_read_count(struct ctx *ctx, struct slice arg, struct stream_read *read)
{
    int64_t count;

    if (!arg_i64(ctx, arg, &count))
        return false;
    read->most = count <= 0 ? SIZE_MAX : (size_t)count;
    return true;
}

static bool stream_read_streams(struct ctx *ctx, int at, struct stream_read *read)
{
    int rest = ctx->argc - at;

    if (rest % 2 != 0) {
        reply_error(ctx, "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' "
                         "must be specified.");
        return false;
    }
    read->keys_at = at;
    read->streams = rest / 2;
    return true;
}

/* An option that XREAD alone does not have. */
static bool stream_group_only(struct ctx *ctx, const struct stream_read *read, const char *option)
{
    if (!read->by_group)
        reply_error(ctx, "ERR The %s option is only supported by XREADGROUP. You called XREAD "
                         "instead.",
                    option);
    return read->by_group;
}

static bool stream_read_options(struct ctx *ctx, struct stream_read *read)
{
    for (int at = 1; at < ctx->argc && read->keys_at == 0; at++) {
        int more = ctx->argc - at - 1;
        bool good = true;

        if (more > 0 && ctx_arg_is(ctx, at, "block")) {
            good = stream_read_timeout(ctx, ctx->argv[++at], read);
        } else if (more > 0 && ctx_arg_is(ctx, at, "count")) {
            good = stream_read_count(ctx, ctx->argv[++at], read);
        } else if (more > 0 && ctx_arg_is(ctx, at, "streams")) {
            good = stream_read_streams(ctx, at + 1, read);
        } else if (more > 1 && ctx_arg_is(ctx, at, "group")) {
            good = stream_group_only(ctx, read, "GROUP");
            read->group_at = at + 1;
            at += 2;
        } else if (ctx_arg_is(ctx, at, "noack")) {
            good = stream_group_only(ctx, read, "NOACK");
            read->no_ack = true;
        } else {
            reply_syntax_error(ctx);
            good = false;
        }
        if (!good)
            return false;
    }
    if (read->keys_at == 0) {
        reply_syntax_error(ctx);
        return false;
    }
    if (read->by_group && read->group_at == 0) {
        reply_error(ctx, "ERR Missing GROUP option for XREADGROUP");
        return false;
    }
    return true;
}

/* --- What there is to read -------------------------------------------------------------------- */

static void stream_no_group(struct ctx *ctx, const struct stream_read *read, struct slice key)
{
    struct slice group = ctx->argv[read->group_at];

    reply_error(ctx,
                "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP "
                "option",
                (int)key.len, key.data, (int)group.len, group.data);
}

/* A client that has waited finds the stream or the group gone. */
static void stream_went_away(struct ctx *ctx, bool stream_is_there)
{
    reply_error(ctx, stream_is_there
                         ? "NOGROUP the consumer group this client was blocked on no longer exists"
                         : "UNBLOCKED the stream key no longer exists");
}

/* The ID of the last entry; 0-0 if there is none. */
static struct stream_id stream_top(const struct stream *stream)
{
    struct stream_id top = STREAM_ID_MIN;
    struct stream_walk walk;

    stream_walk_begin(&walk, stream, STREAM_ID_MIN, STREAM_ID_MAX, true);
    if (stream_walk_next(&walk))
        top = walk.id;
    stream_walk_end(&walk);
    return top;
}

/* "$" and "+" ask for no place in the past, and a group knows nothing else. */
static bool stream_not_by_group(struct ctx *ctx, const struct stream_read *read, char id)
{
    if (read->by_group)
        reply_error(ctx, "ERR The %c ID is meaningless in the context of XREADGROUP: you want to "
                         "read the history of this consumer by specifying a proper ID, or use the "
                         "> ID to get new messages. The %c ID would just return an empty result "
                         "set.",
                    id, id);
    return !read->by_group;
}

static bool stream_read_id(struct ctx *ctx, const struct stream_read *read, struct slice arg,
                           const struct stream *stream, struct stream_wanted *wanted)
{
    if (slice_equal(arg, SLICE("$"))) {
        wanted->after = stream == NULL ? STREAM_ID_MIN : stream->last_id;
        return stream_not_by_group(ctx, read, '$');
    }
    /* The last entry; as "$" where there is none. */
    if (slice_equal(arg, SLICE("+"))) {
        wanted->after = stream == NULL ? STREAM_ID_MIN : stream->last_id;
        if (stream != NULL && stream->length > 0) {
            wanted->after = stream_top(stream);
            (void)stream_id_decrement(&wanted->after);
        }
        return stream_not_by_group(ctx, read, '+');
    }
    if (slice_equal(arg, SLICE(">"))) {
        if (!read->by_group)
            reply_error(ctx, "ERR The > ID can be specified only when calling XREADGROUP using the "
                             "GROUP <group> <consumer> option.");
        wanted->is_new = true;
        return read->by_group;
    }
    if (!stream_arg_id(ctx, arg, 0, NULL, &wanted->after))
        return false;
    /* The last ID of all has always meant ">" to groups. */
    wanted->is_new = read->by_group && stream_id_compare(wanted->after, STREAM_ID_MAX) == 0;
    return true;
}

/* Look at stream number `i`. False if an error was replied. */
static bool stream_look(struct ctx *ctx, const struct stream_read *read, int i)
{
    struct stream_wanted *wanted = &read->wanted[i];
    struct slice key = ctx->argv[read->keys_at + i];
    struct slice id = ctx->argv[read->keys_at + read->streams + i];
    const struct stream_group *group = NULL;
    struct stream *stream;
    struct place place;

    wanted->key = key;
    if (ctx->woken && read->by_group) {
        /* Whatever took its place, the stream is gone. */
        place = ctx_find(ctx, key, LOOKUP_READ);
        if (place.entry == NULL || entry_type(place.entry) != TYPE_STREAM) {
            stream_went_away(ctx, false);
            return false;
        }
        stream = entry_value(place.entry);
    } else if (!stream_find(ctx, key, false, &place, &stream)) {
        return false;
    }
    if (read->by_group) {
        group = stream == NULL ? NULL : stream_group_find(stream, ctx->argv[read->group_at]);
        if (group == NULL) {
            if (ctx->woken)
                stream_went_away(ctx, true);
            else
                stream_no_group(ctx, read, key);
            return false;
        }
    }
    if (!stream_read_id(ctx, read, id, stream, wanted))
        return false;
    if (wanted->is_new)
        wanted->after = group->last_id;
    wanted->has = (read->by_group && !wanted->is_new) ||
                  (stream != NULL && stream->length > 0 &&
                   stream_id_compare(stream_top(stream), wanted->after) > 0);
    /* Named twice: the first time takes all there is. */
    for (int j = 0; j < i && wanted->is_new && read->most == SIZE_MAX; j++)
        if (read->wanted[j].is_new && slice_equal(read->wanted[j].key, key))
            wanted->has = false;
    return true;
}

static void stream_wait(struct ctx *ctx, const struct stream_read *read)
{
    struct slice *argv = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof(*argv));

    for (int i = 0; i < ctx->argc; i++)
        argv[i] = ctx->argv[i];
    for (int i = 0; i < read->streams; i++) {
        struct slice *id = &argv[read->keys_at + read->streams + i];

        if (slice_equal(*id, SLICE("$")) || slice_equal(*id, SLICE("+")))
            *id = stream_id_text(ctx, read->wanted[i].after);
    }
    ctx->argv = argv;
    waiters_block(ctx, read->streams, argv + read->keys_at, TYPE_STREAM, read->by_group,
                  read->timeout_ms, reply_null_array);
}

/* --- Reading for a group ---------------------------------------------------------------------- */

/* The group, the consumer and its stream, while they are changed. */
struct stream_reader {
    struct slice key, group_name, consumer_name;
    struct place place;
    struct stream *stream;
    struct stream_group *group;
    struct stream_consumer *consumer;
};

/* Answer what the group has not been given yet, and give it to the consumer. */
static void stream_deliver(struct ctx *ctx, const struct stream_read *read,
                           struct stream_reader *reader, struct stream_id from)
{
    size_t count = stream_count_range(reader->stream, from, STREAM_ID_MAX, read->most), given = 0;
    struct stream_id *ids = arena_alloc(ctx->arena, count * sizeof(*ids));
    struct stream_walk walk;

    reply_array(ctx, count);
    stream_walk_begin(&walk, reader->stream, from, STREAM_ID_MAX, false);
    while (given < count && stream_walk_next(&walk)) {
        ids[given++] = walk.id;
        stream_reply_entry(ctx, &walk);
        stream_group_advance(reader->stream, reader->group, walk.id);
        if (!read->no_ack) {
            struct stream_pending *pending = stream_pending_give(
                reader->stream, reader->group, walk.id, reader->consumer);

            pending->delivered_ms = ctx->now_ms;
            pending->deliveries = 1;
        }
    }
    stream_walk_end(&walk);
    if (!read->no_ack)
        stream_record_claim(ctx, reader->key, reader->group_name, reader->group, ids, count);
    stream_record_group(ctx, reader->key, reader->group_name, reader->group);
}

/* Answer again what is pending for the consumer. */
static void stream_recall(struct ctx *ctx, const struct stream_read *read,
                          struct stream_reader *reader, struct stream_id from)
{
    const struct radix *pending = reader->consumer->pending;
    struct radix_at at = {0};
    char key[STREAM_KEY_BYTES];
    size_t count = 0;

    for (bool more = radix_seek(pending, &at, stream_id_key(from, key), RADIX_AT_LEAST);
         more && count < read->most; more = radix_next(pending, &at))
        count++;
    reply_array(ctx, count);
    (void)radix_seek(pending, &at, stream_id_key(from, key), RADIX_AT_LEAST);
    for (; count-- > 0; (void)radix_next(pending, &at)) {
        struct stream_pending *one = at.value;
        struct stream_id id = stream_id_of_key(at.key);

        if (!stream_reply_one(ctx, reader->stream, id)) {
            reply_array(ctx, 2);
            stream_reply_id(ctx, id);
            reply_null_array(ctx);
            continue;
        }
        stream_pending_before(reader->stream, reader->group, at.key, one);
        one->delivered_ms = ctx->now_ms;
        one->deliveries++;
        stream_record_claim(ctx, reader->key, reader->group_name, reader->group, &id, 1);
    }
    radix_at_free(&at);
}

/* Whether anything that is pending for the consumer would be answered with its entry. */
static bool stream_recalls(const struct stream_reader *reader, struct stream_id from, size_t most)
{
    struct radix_at at = {0};
    char key[STREAM_KEY_BYTES];
    bool found = false;

    if (reader->consumer == NULL)
        return false;
    for (bool more = radix_seek(reader->consumer->pending, &at, stream_id_key(from, key),
                                RADIX_AT_LEAST);
         more && !found && most-- > 0; more = radix_next(reader->consumer->pending, &at))
        found = stream_has(reader->stream, stream_id_of_key(at.key));
    radix_at_free(&at);
    return found;
}

static void stream_serve_group(struct ctx *ctx, const struct stream_read *read,
                               const struct stream_wanted *wanted, struct stream_id from)
{
    struct stream_reader reader = {.key = wanted->key,
                                   .group_name = ctx->argv[read->group_at],
                                   .consumer_name = ctx->argv[read->group_at + 1]};
    bool changes;

    reader.place = ctx_find(ctx, reader.key, LOOKUP_PEEK);
    reader.stream = entry_value(reader.place.entry);
    reader.group = stream_group_find(reader.stream, reader.group_name);
    reader.consumer = stream_consumer_find(reader.group, reader.consumer_name);
    changes =
        wanted->is_new || reader.consumer == NULL || stream_recalls(&reader, from, read->most);
    if (changes) {
        ctx_change_begin(ctx, &reader.place);
        stream_group_before(reader.stream, reader.group);
        if (reader.consumer != NULL)
            stream_consumer_before(reader.stream, reader.group, reader.consumer);
    }
    if (reader.consumer == NULL)
        reader.consumer = stream_new_consumer(ctx, reader.stream, reader.key, reader.group_name,
                                              reader.group, reader.consumer_name);
    reader.consumer->seen_ms = ctx->now_ms;
    if (wanted->is_new && stream_id_compare(from, reader.group->last_id) <= 0) {
        from = reader.group->last_id;
        (void)stream_id_increment(&from);
    }
    if (wanted->is_new)
        stream_deliver(ctx, read, &reader, from);
    else
        stream_recall(ctx, read, &reader, from);
    if (changes) {
        reader.consumer->active_ms = ctx->now_ms;
        ctx_change_end(ctx, &reader.place, reader.place.entry);
    }
}

static void stream_serve(struct ctx *ctx, const struct stream_read *read,
                         const struct stream_wanted *wanted)
{
    struct stream_id from = wanted->after;
    bool more = stream_id_increment(&from);

    if (read->by_group) {
        stream_serve_group(ctx, read, wanted, from);
    } else {
        struct place place = ctx_find(ctx, wanted->key, LOOKUP_PEEK);

        kv_assert(more);
        stream_reply_range(ctx, entry_value(place.entry), from, STREAM_ID_MAX, false, read->most);
    }
}

static void stream_read_run(struct ctx *ctx, bool by_group)
{
    struct stream_read read = {.by_group = by_group, .most = SIZE_MAX};
    size_t served = 0;

    if (!stream_read_options(ctx, &read))
        return;
    read.wanted = arena_alloc_zero(ctx->arena, (size_t)read.streams * sizeof(*read.wanted));
    for (int i = 0; i < read.streams; i++) {
        if (!stream_look(ctx, &read, i))
            return;
        served += read.wanted[i].has;
    }
    if (served == 0) {
        if (read.blocks)
            stream_wait(ctx, &read);
        else
            reply_null_array(ctx);
        return;
    }
    if (ctx->session->resp == 3)
        reply_map(ctx, served);
    else
        reply_array(ctx, served);
    for (int i = 0; i < read.streams; i++) {
        if (!read.wanted[i].has)
            continue;
        if (ctx->session->resp != 3)
            reply_array(ctx, 2);
        reply_bulk(ctx, read.wanted[i].key);
        stream_serve(ctx, &read, &read.wanted[i]);
    }
}

static void xread_run(struct ctx *ctx)
{
    stream_read_run(ctx, false);
}

static void xreadgroup_run(struct ctx *ctx)
{
    stream_read_run(ctx, true);
}

#define STREAM_KEYS(from)                                                                          \
    {{.flags = KEY_RO | KEY_ACCESS, .keyword = "STREAMS", .first = from, .last = -1, .step = 1,    \
      .limit = 2}}

const struct command commands_stream_read[] = {
    {.name = "xread",
     .run = xread_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_BLOCKING | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_STREAM,
     .keys = STREAM_KEYS(1),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries in the answer.",
     .summary = "Answers what comes behind an ID in each of several streams, and waits for it.",
     .syntax = "[count:integer@COUNT] [milliseconds:integer@BLOCK] "
               "streams{key:key... id:string...}@STREAMS"},
    {.name = "xreadgroup",
     .run = xreadgroup_run,
     .arity = -7,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_STREAM,
     .keys = STREAM_KEYS(4),
     .group = "stream",
     .since = "5.0.0",
     .complexity = "O(N) for N entries in the answer.",
     .summary = "Gives a consumer what its group has not been given yet, or what it was given "
                "before, and waits for it.",
     .syntax = "group_consumer{group:string consumer:string}@GROUP [count:integer@COUNT] "
               "[milliseconds:integer@BLOCK] [noack=NOACK] "
               "streams{key:key... id:string...}@STREAMS"},
    {.name = NULL},
};
