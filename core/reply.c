/* Short replies are put together in one reserved piece; long ones are appended in pieces. */
#include "core/reply.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/num.h"
#include "core/ctx.h"

#define HEAD_BYTES 32 /* a type byte, a number, a line end */

static bool resp3(const struct ctx *ctx)
{
    return ctx->session->resp == 3;
}

static void put_head(struct ctx *ctx, char type, int64_t number)
{
    char *out = output_reserve(ctx->output, HEAD_BYTES);
    out[0] = type;
    size_t len = 1;
    if (number >= 0 && number < 10)
        out[len++] = (char)('0' + number);
    else
        len += num_format_i64(out + 1, number);
    out[len++] = '\r';
    out[len++] = '\n';
    output_commit(ctx->output, len);
}

static void put_text(struct ctx *ctx, const char *text, size_t len)
{
    output_append(ctx->output, text, len);
}

#define PUT(ctx, literal) put_text(ctx, literal, sizeof(literal) - 1)

void reply_ok(struct ctx *ctx)
{
    char *out = output_reserve(ctx->output, 5);
    memcpy(out, "+OK\r\n", 5);
    output_commit(ctx->output, 5);
}

void reply_simple(struct ctx *ctx, const char *text)
{
    PUT(ctx, "+");
    put_text(ctx, text, strlen(text));
    PUT(ctx, "\r\n");
}

void reply_int(struct ctx *ctx, int64_t value)
{
    put_head(ctx, ':', value);
}

void reply_bulk(struct ctx *ctx, struct slice bytes)
{
    if (bytes.len > 512) {
        put_head(ctx, '$', (int64_t)bytes.len);
        put_text(ctx, bytes.data, bytes.len);
        PUT(ctx, "\r\n");
        return;
    }
    char *out = output_reserve(ctx->output, bytes.len + HEAD_BYTES);
    out[0] = '$';
    size_t len = 1 + num_format_u64(out + 1, bytes.len);
    out[len++] = '\r';
    out[len++] = '\n';
    if (bytes.len > 0)
        memcpy(out + len, bytes.data, bytes.len);
    len += bytes.len;
    out[len++] = '\r';
    out[len++] = '\n';
    output_commit(ctx->output, len);
}

void reply_text(struct ctx *ctx, const char *text)
{
    reply_bulk(ctx, slice_of(text));
}

void reply_bulk_i64(struct ctx *ctx, int64_t value)
{
    char digits[NUM_I64_MAX_CHARS];
    reply_bulk(ctx, (struct slice){digits, num_format_i64(digits, value)});
}

void reply_null(struct ctx *ctx)
{
    if (resp3(ctx))
        PUT(ctx, "_\r\n");
    else
        PUT(ctx, "$-1\r\n");
}

void reply_null_array(struct ctx *ctx)
{
    if (resp3(ctx))
        PUT(ctx, "_\r\n");
    else
        PUT(ctx, "*-1\r\n");
}

void reply_bool(struct ctx *ctx, bool value)
{
    if (!resp3(ctx))
        reply_int(ctx, value);
    else if (value)
        PUT(ctx, "#t\r\n");
    else
        PUT(ctx, "#f\r\n");
}

void reply_double(struct ctx *ctx, double value)
{
    char text[NUM_DOUBLE_MAX_CHARS];
    size_t len = num_format_double(text, value);
    if (!resp3(ctx)) {
        reply_bulk(ctx, (struct slice){text, len});
        return;
    }
    PUT(ctx, ",");
    put_text(ctx, text, len);
    PUT(ctx, "\r\n");
}

void reply_long_double(struct ctx *ctx, long double value)
{
    char *text = arena_alloc(ctx->arena, NUM_LONG_DOUBLE_MAX_CHARS);
    reply_bulk(ctx, (struct slice){
                        text, num_format_long_double(text, NUM_LONG_DOUBLE_MAX_CHARS, value)});
}

void reply_human_double(struct ctx *ctx, long double value)
{
    char *text;

    if (!resp3(ctx)) {
        reply_long_double(ctx, value);
        return;
    }
    text = arena_alloc(ctx->arena, NUM_LONG_DOUBLE_MAX_CHARS);
    PUT(ctx, ",");
    put_text(ctx, text, num_format_long_double(text, NUM_LONG_DOUBLE_MAX_CHARS, value));
    PUT(ctx, "\r\n");
}

void reply_verbatim(struct ctx *ctx, struct slice text, const char kind[static 4])
{
    if (!resp3(ctx)) {
        reply_bulk(ctx, text);
        return;
    }
    put_head(ctx, '=', (int64_t)text.len + 4);
    put_text(ctx, kind, 3);
    PUT(ctx, ":");
    put_text(ctx, text.data, text.len);
    PUT(ctx, "\r\n");
}

void reply_array(struct ctx *ctx, size_t items)
{
    put_head(ctx, '*', (int64_t)items);
}

void reply_map(struct ctx *ctx, size_t pairs)
{
    if (resp3(ctx))
        put_head(ctx, '%', (int64_t)pairs);
    else
        put_head(ctx, '*', (int64_t)pairs * 2);
}

void reply_set(struct ctx *ctx, size_t items)
{
    put_head(ctx, resp3(ctx) ? '~' : '*', (int64_t)items);
}

void reply_push(struct ctx *ctx, size_t items)
{
    put_head(ctx, resp3(ctx) ? '>' : '*', (int64_t)items);
}

void reply_error(struct ctx *ctx, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = wanted < 0 ? 0 : (size_t)wanted;
    if (len > sizeof text - 1)
        len = sizeof text - 1;
    while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == '\n'))
        len--;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    PUT(ctx, "-");
    put_text(ctx, text, len);
    PUT(ctx, "\r\n");
    ctx->failed = true;
    if (!ctx->replay)
        stats_error(&ctx->engine->stats, text, len);
}

void reply_wrong_type(struct ctx *ctx)
{
    reply_error(ctx, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void reply_syntax_error(struct ctx *ctx)
{
    reply_error(ctx, "ERR syntax error");
}

void reply_not_integer(struct ctx *ctx)
{
    reply_error(ctx, "ERR value is not an integer or out of range");
}

void reply_not_float(struct ctx *ctx)
{
    reply_error(ctx, "ERR value is not a valid float");
}

void reply_no_such_key(struct ctx *ctx)
{
    reply_error(ctx, "ERR no such key");
}

void reply_out_of_range(struct ctx *ctx)
{
    reply_error(ctx, "ERR index out of range");
}

void reply_invalid_expire(struct ctx *ctx)
{
    reply_error(ctx, "ERR invalid expire time in '%s' command", ctx->state->full_name);
}

void reply_wrong_arity(struct ctx *ctx)
{
    reply_error(ctx, "ERR wrong number of arguments for '%s' command", ctx->state->full_name);
}

void reply_help(struct ctx *ctx, const char *const *lines, size_t count)
{
    const struct command_state *container = ctx->state->parent ? ctx->state->parent : ctx->state;
    char name[64];
    size_t len = strlen(container->full_name);
    for (size_t i = 0; i <= len; i++) {
        char c = container->full_name[i];
        name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    reply_array(ctx, count + 3);
    PUT(ctx, "+");
    put_text(ctx, name, len);
    PUT(ctx, " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n");
    for (size_t i = 0; i < count; i++)
        reply_simple(ctx, lines[i]);
    reply_simple(ctx, "HELP");
    reply_simple(ctx, "    Print this help.");
}

bool arg_i64(struct ctx *ctx, struct slice arg, int64_t *out)
{
    if (num_parse_i64(arg, out))
        return true;
    reply_not_integer(ctx);
    return false;
}

bool arg_i64_in(struct ctx *ctx, struct slice arg, int64_t min, int64_t max, int64_t *out)
{
    if (!arg_i64(ctx, arg, out))
        return false;
    if (*out >= min && *out <= max)
        return true;
    if (min == 0 && max == INT64_MAX)
        reply_error(ctx, "ERR value is out of range, must be positive");
    else
        reply_error(ctx, "ERR value is out of range, value must between %ld and %ld", (long)min,
                    (long)max);
    return false;
}

bool arg_double(struct ctx *ctx, struct slice arg, double *out)
{
    if (num_parse_double(arg, out))
        return true;
    reply_not_float(ctx);
    return false;
}

bool arg_db(struct ctx *ctx, struct slice arg, int *out)
{
    int64_t number;
    if (!arg_i64_in(ctx, arg, INT_MIN, INT_MAX, &number))
        return false;
    if (number < 0 || number >= keyspace_databases(ctx->keyspace)) {
        reply_error(ctx, "ERR DB index is out of range");
        return false;
    }
    *out = (int)number;
    return true;
}
