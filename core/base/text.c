/* Words and quotes. */
#include "core/base/text.h"

#include <stdbool.h>

static bool text_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static int text_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape within "...": `in` stands at the backslash. Returns how many bytes of `in` it takes.
 */
static size_t text_unescape(struct slice in, char *out)
{
    if (in.len >= 4 && in.data[1] == 'x' && text_hex_digit(in.data[2]) >= 0 &&
        text_hex_digit(in.data[3]) >= 0) {
        *out = (char)(text_hex_digit(in.data[2]) << 4 | text_hex_digit(in.data[3]));
        return 4;
    }
    switch (in.data[1]) {
    case 'n':
        *out = '\n';
        break;
    case 'r':
        *out = '\r';
        break;
    case 't':
        *out = '\t';
        break;
    case 'b':
        *out = '\b';
        break;
    case 'a':
        *out = '\a';
        break;
    default:
        *out = in.data[1];
        break;
    }
    return 2;
}

/* Read one word of `line` from *at on, which is no white space, into `out`, which has room for the
 * rest of the line. Returns its length, or -1 for bad quotes. */
static long text_read_word(struct slice line, size_t *at, char *out)
{
    size_t i = *at, len = 0;
    char quote = '\0';

    for (; i < line.len; i++) {
        char c = line.data[i];

        if (quote == '\0') {
            if (text_is_space(c))
                break;
            if (c == '"' || c == '\'')
                quote = c;
            else
                out[len++] = c;
        } else if (c == quote) {
            if (i + 1 < line.len && !text_is_space(line.data[i + 1]))
                return -1;
            quote = '\0';
        } else if (c == '\\' && quote == '"' && i + 1 < line.len) {
            i += text_unescape((struct slice){line.data + i, line.len - i}, &out[len++]) - 1;
        } else if (c == '\\' && quote == '\'' && i + 1 < line.len && line.data[i + 1] == '\'') {
            out[len++] = '\'';
            i++;
        } else {
            out[len++] = c;
        }
    }
    *at = i;
    return quote == '\0' ? (long)len : -1;
}

int text_split(struct arena *arena, struct slice line, struct slice **words)
{
    int count = 0, room = 8;
    size_t at = 0;
    /* No word is longer than what it is written as, so all of them fit into the length of the line.
     */
    char *out = arena_alloc(arena, line.len);

    *words = arena_alloc(arena, (size_t)room * sizeof(**words));
    for (;;) {
        long len;

        while (at < line.len && text_is_space(line.data[at]))
            at++;
        if (at == line.len)
            return count;
        len = text_read_word(line, &at, out);
        if (len < 0)
            return -1;
        if (count == room) {
            struct slice *more = arena_alloc(arena, (size_t)room * 2 * sizeof(*more));

            memcpy(more, *words, (size_t)room * sizeof(*more));
            *words = more;
            room *= 2;
        }
        (*words)[count++] = (struct slice){out, (size_t)len};
        out += len;
    }
}

struct slice text_quote(struct arena *arena, struct slice text)
{
    static const char digits[] = "0123456789abcdef";
    static const char named[] = "\n\r\t\a\b\\\"";
    static const char names[] = "nrtab\\\"";
    char *quoted = arena_alloc(arena, text.len * 4 + 2), *out = quoted;

    *out++ = '"';
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        const char *name = c == '\0' ? NULL : strchr(named, c);

        if (name != NULL) {
            *out++ = '\\';
            *out++ = names[name - named];
        } else if (c >= ' ' && c <= '~') {
            *out++ = c;
        } else {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = digits[(unsigned char)c >> 4];
            *out++ = digits[(unsigned char)c & 15];
        }
    }
    *out++ = '"';
    return (struct slice){quoted, (size_t)(out - quoted)};
}

bool text_ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}
