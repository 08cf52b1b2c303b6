/* IDs as clients write them, entries as they are shown to them. */
#include "core/cmd/stream_args.h"

#include <string.h>

#include "core/base/num.h"
#include "core/ctx.h"

#define ID_CHARS_MAX 127
#define ID_TEXT_MAX 48

/* A number as strtoull(3) takes it, but for a canonical one below zero: clients have always been
 * able to write "007" here. */
static bool stream_parse_part(struct slice text, uint64_t *out)
{
    bool negative = false;
    uint64_t value = 0;
    size_t i = 0;
    int64_t canonical;

    if (num_parse_i64(text, &canonical)) {
        *out = (uint64_t)canonical;
        return canonical >= 0;
    }
    while (i < text.len && (text.data[i] == ' ' || (text.data[i] >= '\t' && text.data[i] <= '\r')))
        i++;
    if (i < text.len && (text.data[i] == '+' || text.data[i] == '-'))
        negative = text.data[i++] == '-';
    if (i == text.len)
        return false;
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return false;
    }
    *out = negative ? 0 - value : value;
    return true;
}

bool stream_parse_id(struct slice arg, uint64_t missing_seq, bool *auto_seq, struct stream_id *id)
{
    struct slice ms = arg, seq;
    const char *dash;

    if (auto_seq != NULL)
        *auto_seq = false;
    if (arg.len == 0 || arg.len > ID_CHARS_MAX)
        return false;
    dash = memchr(arg.data, '-', arg.len);
    if (dash == NULL) {
        id->seq = missing_seq;
        return stream_parse_part(arg, &id->ms);
    }
    ms.len = (size_t)(dash - arg.data);
    seq = (struct slice){dash + 1, arg.len - ms.len - 1};
    if (!stream_parse_part(ms, &id->ms))
        return false;
    if (auto_seq != NULL && slice_equal(seq, SLICE("*"))) {
        *auto_seq = true;
        id->seq = 0;
        return true;
    }
    return stream_parse_part(seq, &id->seq);
}

static bool stream_bad_id(struct ctx *ctx)
{
    reply_error(ctx, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool stream_arg_id(struct ctx *ctx, struct slice arg, uint64_t missing_seq, bool *auto_seq,
                   struct stream_id *id)
{
    return stream_parse_id(arg, missing_seq, auto_seq, id) || stream_bad_id(ctx);
}

static bool stream_arg_bound(struct ctx *ctx, struct slice arg, uint64_t missing_seq,
                             bool *exclusive, struct stream_id *id)
{
    *exclusive = arg.len > 1 && arg.data[0] == '(';
    if (*exclusive)
        return stream_arg_id(ctx, (struct slice){arg.data + 1, arg.len - 1}, missing_seq, NULL, id);
    if (slice_equal(arg, SLICE("-"))) {
        *id = STREAM_ID_MIN;
        return true;
    }
    if (slice_equal(arg, SLICE("+"))) {
        *id = STREAM_ID_MAX;
        return true;
    }
    return stream_arg_id(ctx, arg, missing_seq, NULL, id);
}

bool stream_arg_start(struct ctx *ctx, struct slice arg, struct stream_id *id)
{
    bool exclusive;

    if (!stream_arg_bound(ctx, arg, 0, &exclusive, id))
        return false;
    if (!exclusive || stream_id_increment(id))
        return true;
    reply_error(ctx, "ERR invalid start ID for the interval");
    return false;
}

bool stream_arg_end(struct ctx *ctx, struct slice arg, struct stream_id *id)
{
    bool exclusive;

    if (!stream_arg_bound(ctx, arg, UINT64_MAX, &exclusive, id))
        return false;
    if (!exclusive || stream_id_decrement(id))
        return true;
    reply_error(ctx, "ERR invalid end ID for the interval");
    return false;
}

bool stream_find(struct ctx *ctx, struct slice key, bool to_change, struct place *place,
                 struct stream **stream)
{
    *stream = NULL;
    if (!ctx_find_type(ctx, key, to_change ? LOOKUP_WRITE : LOOKUP_READ, TYPE_STREAM, place))
        return false;
    if (place->entry != NULL)
        *stream = entry_value(place->entry);
    return true;
}

static size_t stream_format_id(char out[static ID_TEXT_MAX], struct stream_id id)
{
    size_t len = num_format_u64(out, id.ms);

    out[len++] = '-';
    return len + num_format_u64(out + len, id.seq);
}

struct slice stream_id_text(struct ctx *ctx, struct stream_id id)
{
    char *text = arena_alloc(ctx->arena, ID_TEXT_MAX);

    return (struct slice){text, stream_format_id(text, id)};
}

void stream_reply_id(struct ctx *ctx, struct stream_id id)
{
    char text[ID_TEXT_MAX];

    reply_bulk(ctx, (struct slice){text, stream_format_id(text, id)});
}

void stream_reply_entry(struct ctx *ctx, struct stream_walk *walk)
{
    char name_digits[24], value_digits[24];
    struct slice name, value;

    reply_array(ctx, 2);
    stream_reply_id(ctx, walk->id);
    reply_array(ctx, walk->fields * 2);
    for (size_t i = 0; i < walk->fields; i++) {
        stream_walk_field(walk, name_digits, value_digits, &name, &value);
        reply_bulk(ctx, name);
        reply_bulk(ctx, value);
    }
}

bool stream_reply_one(struct ctx *ctx, const struct stream *stream, struct stream_id id)
{
    struct stream_walk walk;
    bool found;

    stream_walk_begin(&walk, stream, id, id, false);
    found = stream_walk_next(&walk);
    if (found)
        stream_reply_entry(ctx, &walk);
    stream_walk_end(&walk);
    return found;
}

size_t stream_count_range(const struct stream *stream, struct stream_id from, struct stream_id to,
                          size_t most)
{
    struct stream_walk walk;
    size_t count = 0;

    if (stream_id_compare(from, stream->first_id) <= 0 &&
        stream_id_compare(to, stream->last_id) >= 0)
        return stream->length < most ? stream->length : most;
    stream_walk_begin(&walk, stream, from, to, false);
    while (count < most && stream_walk_next(&walk))
        count++;
    stream_walk_end(&walk);
    return count;
}

void stream_reply_range(struct ctx *ctx, const struct stream *stream, struct stream_id from,
                        struct stream_id to, bool backwards, size_t most)
{
    struct stream_walk walk;
    size_t count = stream_count_range(stream, from, to, most);

    reply_array(ctx, count);
    stream_walk_begin(&walk, stream, from, to, backwards);
    while (count-- > 0 && stream_walk_next(&walk))
        stream_reply_entry(ctx, &walk);
    stream_walk_end(&walk);
}

void stream_bad_subcommand(struct ctx *ctx, const char *name)
{
    reply_error(ctx,
                "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
                (int)ctx->argv[1].len, ctx->argv[1].data, name);
}
