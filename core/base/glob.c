/* Glob patterns. One pass over the text with one place to go back to: when what follows the last *
 * does not fit, that * takes one byte more and matching begins again behind it. Going back to an
 * earlier * could gain nothing, as the last one can take any bytes that the earlier would have
 * left. So the work is at most pattern.len * text.len.
 *
 * Odd patterns mean what they mean to redis-server: a class that is not closed ends with the
 * pattern, so does an escape; the ends of a range may stand in either order and the upper one may
 * be any byte, also ]; an empty class matches nothing, and negated anything. */
#include "core/base/glob.h"

static inline unsigned char glob_fold(char c, bool nocase)
{
    return (unsigned char)(nocase && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* Match `c` with the class whose [ is at `at`; *end becomes the place behind it. */
static bool glob_match_class(struct slice pattern, size_t at, unsigned char c, bool nocase,
                             size_t *end)
{
    const char *p = pattern.data;
    bool negated = false, found = false;

    at++;
    if (at < pattern.len && p[at] == '^') {
        negated = true;
        at++;
    }
    while (at < pattern.len && p[at] != ']') {
        if (p[at] == '\\' && pattern.len - at >= 2) {
            found |= glob_fold(p[at + 1], nocase) == c;
            at += 2;
        } else if (pattern.len - at >= 3 && p[at + 1] == '-') {
            unsigned char low = glob_fold(p[at], nocase), high = glob_fold(p[at + 2], nocase);

            found |= low <= high ? low <= c && c <= high : high <= c && c <= low;
            at += 3;
        } else {
            found |= glob_fold(p[at], nocase) == c;
            at++;
        }
    }
    *end = at < pattern.len ? at + 1 : at;
    return found != negated;
}

/* Match one byte with the pattern at `at`, which is not a *. */
static inline bool glob_match_one(struct slice pattern, size_t at, char byte, bool nocase,
                                  size_t *end)
{
    unsigned char c = glob_fold(byte, nocase);

    switch (pattern.data[at]) {
    case '?':
        *end = at + 1;
        return true;
    case '[':
        return glob_match_class(pattern, at, c, nocase, end);
    case '\\':
        if (at + 1 < pattern.len)
            at++;
        break;
    default:
        break;
    }
    *end = at + 1;
    return glob_fold(pattern.data[at], nocase) == c;
}

static bool glob_run(struct slice pattern, struct slice text, bool nocase)
{
    size_t p = 0, t = 0;
    size_t star_p = 0, star_t = 0; /* behind the last *, and where its successor was last tried */
    bool star = false;

    while (t < text.len) {
        size_t next;

        if (p < pattern.len && pattern.data[p] == '*') {
            while (p < pattern.len && pattern.data[p] == '*')
                p++;
            if (p == pattern.len)
                return true;
            star = true;
            star_p = p;
            star_t = t;
        } else if (p < pattern.len &&
                   glob_match_one(pattern, p, text.data[t], nocase, &next)) {
            p = next;
            t++;
        } else if (star) {
            p = star_p;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

bool glob_match(struct slice pattern, struct slice text)
{
    return glob_run(pattern, text, false);
}

bool glob_match_nocase(struct slice pattern, struct slice text)
{
    return glob_run(pattern, text, true);
}

bool glob_is_literal(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        switch (pattern.data[i]) {
        case '*':
        case '?':
        case '[':
        case '\\':
            return false;
        default:
            break;
        }
    }
    return true;
}
