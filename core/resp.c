/* The request grammar, as redis-server 7.0 takes it, odd inputs included
 * (tests/unit/core/resp_test.c has the table that was taken from a running one):
 *
 *   request = "*" count CR any { "$" length CR any bytes any any }
 *           | a line of words, up to LF
 *
 *   - The byte behind a CR, and the two behind an argument, are skipped unseen, whatever they
 *     are.
 *   - A count of 0 or less is an empty request. A length below 0 is an error.
 *   - Numbers are canonical: no plus, no leading zero, no "-0".
 *   - The end of a line is looked for up to a NUL byte only: a NUL before it makes the line wait
 *     for ever, until it is longer than 64 KiB. An announced number is judged when its line is
 *     complete, not before.
 *
 * State between calls: want_args is -1 before the count is known, want_bulk is -1 before a
 * length is known; `at` is the first byte not taken yet, `scanned` the first byte in which the
 * end of the current line may still stand. argv[i].data holds an offset until the request is
 * complete: the buffer may move while it grows. */
#include "core/resp.h"

#include <stdio.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/text.h"

#define FAST_DIGITS 18 /* as many digits can't overflow */
#define UNAUTHENTICATED_ARGS_MAX 10
#define UNAUTHENTICATED_BULK_MAX 16384
#define ARGS_FIRST 8
#define ROOM_MIN (16 * 1024)               /* of a read behind an unfinished request */
#define ROOM_STEP_MIN (1024 * 1024 + 4096) /* a large argument's buffer begins with this */

enum line { LINE_MORE, LINE_NUMBER, LINE_BAD, LINE_TOO_LONG };

void resp_init(struct resp_parser *parser)
{
    *parser = (struct resp_parser){.want_args = -1, .want_bulk = -1};
}

void resp_free(struct resp_parser *parser)
{
    mem_free(parser->argv);
    resp_init(parser);
}

void resp_reset(struct resp_parser *parser)
{
    parser->argc = 0;
    parser->at = parser->scanned = 0;
    parser->want_args = -1;
    parser->want_bulk = -1;
}

/* Find `end` from parser->scanned on. NULL if it is not there, or stands behind a NUL. */
static const char *find_line_end(struct resp_parser *parser, struct slice bytes, char end)
{
    const char *from = bytes.data + parser->scanned;
    size_t len = bytes.len - parser->scanned;
    const char *found = memchr(from, end, len);
    const char *nul = memchr(from, 0, found ? (size_t)(found - from) : len);
    if (nul) {
        parser->scanned = (size_t)(nul - bytes.data); /* every later search ends here at once */
        return NULL;
    }
    if (!found)
        parser->scanned = bytes.len;
    return found;
}

/* Read the number of the header line at `at`, whose first byte is its type. On LINE_NUMBER, `at`
 * stands behind it. */
static enum line number_line_slow(struct resp_parser *parser, struct slice bytes, int64_t *out)
{
    if (parser->scanned < parser->at)
        parser->scanned = parser->at;
    const char *line = bytes.data + parser->at;
    const char *end = find_line_end(parser, bytes, '\r');
    if (!end)
        return bytes.len - parser->at > RESP_INLINE_MAX ? LINE_TOO_LONG : LINE_MORE;
    if (end + 1 >= bytes.data + bytes.len) {
        parser->scanned = (size_t)(end - bytes.data);
        return LINE_MORE;
    }
    parser->at = (size_t)(end - bytes.data) + 2;
    struct slice digits = {line + 1, (size_t)(end - line) - 1};
    return end > line && num_parse_i64(digits, out) ? LINE_NUMBER : LINE_BAD;
}

static inline enum line number_line(struct resp_parser *parser, struct slice bytes, int64_t *out)
{
    size_t left = bytes.len - parser->at;
    const char *digits = bytes.data + parser->at + 1;
    if (left > 3 && digits[1] == '\r' && digits[0] >= '0' && digits[0] <= '9') {
        parser->at += 4; /* most numbers have one digit */
        *out = digits[0] - '0';
        return LINE_NUMBER;
    }
    int64_t value = 0;
    size_t i = 0;
    size_t max = left < FAST_DIGITS + 3 ? left : FAST_DIGITS + 3;
    for (; i + 1 < max; i++) {
        unsigned digit = (unsigned char)digits[i] - (unsigned)'0';
        if (digit > 9)
            break;
        if (unlikely(i >= FAST_DIGITS))
            return number_line_slow(parser, bytes, out);
        value = value * 10 + (int64_t)digit;
    }
    if (unlikely(i == 0 || i + 2 >= left || digits[i] != '\r' || (digits[0] == '0' && i > 1)))
        return number_line_slow(parser, bytes, out);
    parser->at += i + 3;
    *out = value;
    return LINE_NUMBER;
}

static enum resp_status fail(struct resp_parser *parser, const char *error)
{
    parser->error = error;
    return RESP_ERROR;
}

static enum resp_status complete(struct resp_parser *parser, size_t used)
{
    parser->used = used;
    parser->at = parser->scanned = 0;
    parser->want_args = -1;
    parser->want_bulk = -1;
    return RESP_REQUEST;
}

static void grow_argv(struct resp_parser *parser, int32_t wanted)
{
    int64_t cap = parser->argv_cap ? (int64_t)parser->argv_cap * 2 : ARGS_FIRST;
    if (cap > wanted && wanted > RESP_ARGS_KEPT)
        cap = wanted;
    parser->argv = mem_realloc(parser->argv, (size_t)cap * sizeof(*parser->argv));
    parser->argv_cap = (int)cap;
}

static void begin(struct resp_parser *parser)
{
    parser->argc = 0;
    if (unlikely(parser->argv_cap > RESP_ARGS_KEPT)) {
        mem_free(parser->argv);
        parser->argv = NULL;
        parser->argv_cap = 0;
    }
}

static enum resp_status parse_inline(struct resp_parser *parser, struct slice bytes,
                                     struct arena *arena)
{
    const char *end = find_line_end(parser, bytes, '\n');
    if (!end)
        return bytes.len > RESP_INLINE_MAX ? fail(parser, "too big inline request") : RESP_MORE;
    struct slice line = {bytes.data, (size_t)(end - bytes.data)};
    size_t used = line.len + 1;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    struct slice *words = NULL;
    int count = text_split(arena, line, &words);
    if (count < 0)
        return fail(parser, "unbalanced quotes in request");
    while (parser->argv_cap < count)
        grow_argv(parser, count);
    for (int i = 0; i < count; i++)
        parser->argv[i] = words[i];
    parser->argc = count;
    return complete(parser, used);
}

static enum resp_status expected_dollar(struct resp_parser *parser, char got)
{
    if (got == '\r' || got == '\n')
        got = ' '; /* it must not end the line of the reply */
    snprintf(parser->error_text, sizeof(parser->error_text), "expected '$', got '%c'", got);
    return fail(parser, parser->error_text);
}

/* Read the length of the next argument. RESP_REQUEST stands for "there it is". */
static inline enum resp_status parse_length(struct resp_parser *parser, struct slice bytes,
                                            const struct resp_limits *limits)
{
    if (parser->at >= bytes.len)
        return RESP_MORE;
    char type = bytes.data[parser->at];
    int64_t length = 0;
    enum line line = likely(type == '$') ? number_line(parser, bytes, &length)
                                         : number_line_slow(parser, bytes, &length);
    if (line == LINE_MORE)
        return RESP_MORE;
    if (unlikely(line == LINE_TOO_LONG))
        return fail(parser, "too big bulk count string");
    if (unlikely(type != '$'))
        return expected_dollar(parser, type);
    if (unlikely(line == LINE_BAD || length < 0 || length > limits->bulk_bytes_max))
        return fail(parser, "invalid bulk length");
    if (unlikely(!limits->authenticated && length > UNAUTHENTICATED_BULK_MAX))
        return fail(parser, "unauthenticated bulk length");
    parser->want_bulk = length;
    return RESP_REQUEST;
}

static enum resp_status parse_count(struct resp_parser *parser, struct slice bytes,
                                    const struct resp_limits *limits)
{
    int64_t count = 0;
    switch (number_line(parser, bytes, &count)) {
    case LINE_MORE:
        return RESP_MORE;
    case LINE_TOO_LONG:
        return fail(parser, "too big mbulk count string");
    case LINE_BAD:
        return fail(parser, "invalid multibulk length");
    case LINE_NUMBER:
        break;
    }
    if (count > RESP_ARGS_MAX)
        return fail(parser, "invalid multibulk length");
    if (!limits->authenticated && count > UNAUTHENTICATED_ARGS_MAX)
        return fail(parser, "unauthenticated multibulk length");
    parser->want_args = count > 0 ? (int32_t)count : 0;
    return RESP_REQUEST;
}

hot enum resp_status resp_parse(struct resp_parser *parser, struct slice bytes,
                                const struct resp_limits *limits, struct arena *arena)
{
    if (parser->want_args < 0) {
        if (bytes.len == 0)
            return RESP_MORE;
        begin(parser);
        if (unlikely(bytes.data[0] != '*'))
            return parse_inline(parser, bytes, arena);
        enum resp_status status = parse_count(parser, bytes, limits);
        if (unlikely(status != RESP_REQUEST))
            return status;
    }
    while (parser->argc < parser->want_args) {
        if (parser->want_bulk < 0) {
            enum resp_status status = parse_length(parser, bytes, limits);
            if (unlikely(status != RESP_REQUEST))
                return status;
        }
        size_t length = (size_t)parser->want_bulk;
        if (unlikely(bytes.len - parser->at < length + 2))
            return RESP_MORE;
        if (unlikely(parser->argc == parser->argv_cap))
            grow_argv(parser, parser->want_args);
        parser->argv[parser->argc++] = (struct slice){(const char *)(uintptr_t)parser->at, length};
        parser->at += length + 2;
        parser->want_bulk = -1;
    }
    for (int i = 0; i < parser->argc; i++)
        parser->argv[i].data = bytes.data + (uintptr_t)parser->argv[i].data;
    return complete(parser, parser->at);
}

size_t resp_wanted(const struct resp_parser *parser)
{
    return parser->want_bulk < 0 ? parser->at + 1 : parser->at + (size_t)parser->want_bulk + 2;
}

char *resp_room(const struct resp_parser *parser, struct buf *input, size_t *len)
{
    size_t wanted = resp_wanted(parser);
    size_t more = ROOM_MIN;
    if (wanted > input->len + more) {
        size_t step = input->cap * 2 > ROOM_STEP_MIN ? input->cap * 2 : ROOM_STEP_MIN;
        size_t aim = wanted < step ? wanted : step;
        more = aim > input->len ? aim - input->len : more;
    }
    if (input->cap - input->len < ROOM_MIN)
        buf_reserve(input, more);
    *len = input->cap - input->len;
    return input->data + input->len;
}

static void put_header(struct buf *out, char type, uint64_t number)
{
    char *at = buf_reserve(out, NUM_I64_MAX_CHARS + 3);
    size_t len = 0;
    at[len++] = type;
    if (number < 10)
        at[len++] = (char)('0' + number);
    else
        len += num_format_u64(at + len, number);
    at[len++] = '\r';
    at[len++] = '\n';
    out->len += len;
}

void resp_put_array(struct buf *out, int argc)
{
    put_header(out, '*', (uint64_t)argc);
}

void resp_put_bulk(struct buf *out, struct slice bytes)
{
    put_header(out, '$', bytes.len);
    char *at = buf_reserve(out, bytes.len + 2);
    if (bytes.len > 0)
        memcpy(at, bytes.data, bytes.len);
    at[bytes.len] = '\r';
    at[bytes.len + 1] = '\n';
    out->len += bytes.len + 2;
}

void resp_put_command(struct buf *out, int argc, const struct slice *argv)
{
    resp_put_array(out, argc);
    for (int i = 0; i < argc; i++)
        resp_put_bulk(out, argv[i]);
}

void resp_put_select(struct buf *out, int64_t db)
{
    char digits[NUM_I64_MAX_CHARS];
    struct slice argv[] = {SLICE("SELECT"), {digits, num_format_i64(digits, db)}};
    resp_put_command(out, 2, argv);
}
