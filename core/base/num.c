/* Numbers to text and back.
 *
 * Doubles: the fast ways are exact, not approximate. A decimal of at most 15 digits and a power of
 * ten up to 10^22 are both doubles without error, so their product or quotient, which the processor
 * rounds correctly, is what strtod would give (Clinger, "How to read floating point numbers
 * accurately", 1990); and no two decimals of up to 15 digits are the same double, so one found that
 * way is the shortest and the nearest. Everything else is left to the C library. The program never
 * calls setlocale, so the point is a point. */
#include "core/base/num.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define NUM_TEXT_BYTES_MAX 5120 /* as long as a long double may be written */
#define NUM_POWERS 23
#define NUM_SHORT_DIGITS 15
#define NUM_SHORT_LIMIT 1e15

static const double num_powers[NUM_POWERS] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool num_parse_u64(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.len == 0 || text.len > 20)
        return false;
    if (text.data[0] == '0' && text.len > 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned char)text.data[i] - (unsigned)'0';

        if (digit > 9)
            return false;
        /* Only the twentieth digit can overflow. */
        if (i == 19 && (value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit))
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool num_parse_i64(struct slice text, int64_t *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    uint64_t value;

    if (negative)
        text = (struct slice){text.data + 1, text.len - 1};
    if (!num_parse_u64(text, &value))
        return false;
    if (negative) {
        if (value == 0 || value > (uint64_t)INT64_MAX + 1)
            return false;
        *out = (int64_t)(0 - value);
        return true;
    }
    if (value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

/* Decimals of up to 15 digits: true and *out, or false for strtod to judge. */
static bool num_parse_short_double(struct slice text, double *out)
{
    const char *at = text.data, *end = text.data + text.len;
    bool negative = at < end && *at == '-';
    uint64_t digits = 0;
    int count = 0, decimals = 0;

    at += negative;
    for (; at < end && *at >= '0' && *at <= '9'; at++, count++)
        digits = digits * 10 + (uint64_t)(*at - '0');
    if (at < end && *at == '.') {
        for (at++; at < end && *at >= '0' && *at <= '9'; at++, count++, decimals++)
            digits = digits * 10 + (uint64_t)(*at - '0');
    }
    if (at != end || count == 0 || count > NUM_SHORT_DIGITS)
        return false;
    *out = (double)digits / num_powers[decimals];
    if (negative)
        *out = -*out;
    return true;
}

/* strtod needs an end byte and skips space before the number: copy, and look at the first byte. */
static bool num_copy_text(struct slice text, char copy[static NUM_TEXT_BYTES_MAX])
{
    if (text.len == 0 || text.len >= NUM_TEXT_BYTES_MAX)
        return false;
    if (text.data[0] == ' ' || (text.data[0] >= '\t' && text.data[0] <= '\r'))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return true;
}

bool num_parse_double(struct slice text, double *out)
{
    char copy[NUM_TEXT_BYTES_MAX], *end;
    double value;

    if (text.len <= NUM_SHORT_DIGITS + 2 && num_parse_short_double(text, out))
        return true;
    if (!num_copy_text(text, copy))
        return false;
    errno = 0;
    value = strtod(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

bool num_parse_long_double(struct slice text, long double *out)
{
    char copy[NUM_TEXT_BYTES_MAX], *end;
    long double value;

    if (!num_copy_text(text, copy))
        return false;
    errno = 0;
    value = strtold(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || value == 0))
        return false;
    *out = value;
    return true;
}

bool num_parse_memory(struct slice text, int64_t *out)
{
    static const struct {
        const char *unit;
        int64_t bytes;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1000},
                 {"kb", 1 << 10},
                 {"m", 1000000},
                 {"mb", 1 << 20},
                 {"g", 1000000000},
                 {"gb", 1 << 30}};
    size_t digits = 0;
    struct slice unit;
    int64_t value = 0;

    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, text.data[digits] - '0', &value))
            return false;
        digits++;
    }
    if (digits == 0)
        return false;
    unit = (struct slice){text.data + digits, text.len - digits};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_is(unit, units[i].unit))
            return !__builtin_mul_overflow(value, units[i].bytes, out);
    }
    return false;
}

static const char num_pairs[201] = "00010203040506070809"
                                   "10111213141516171819"
                                   "20212223242526272829"
                                   "30313233343536373839"
                                   "40414243444546474849"
                                   "50515253545556575859"
                                   "60616263646566676869"
                                   "70717273747576777879"
                                   "80818283848586878889"
                                   "90919293949596979899";

size_t num_format_u64(char out[static NUM_I64_MAX_CHARS], uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    while (value >= 100) {
        unsigned pair = (unsigned)(value % 100) * 2;

        value /= 100;
        at -= 2;
        memcpy(digits + at, num_pairs + pair, 2);
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, num_pairs + value * 2, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    memcpy(out, digits + at, sizeof(digits) - at);
    return sizeof(digits) - at;
}

void num_format_hex(char *out, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    for (size_t i = 0; i < len; i++) {
        *out++ = "0123456789abcdef"[from[i] >> 4];
        *out++ = "0123456789abcdef"[from[i] & 15];
    }
    *out = '\0';
}

size_t num_format_i64(char out[static NUM_I64_MAX_CHARS], int64_t value)
{
    char digits[NUM_I64_MAX_CHARS];
    size_t len;

    if (value >= 0)
        return num_format_u64(out, (uint64_t)value);
    len = num_format_u64(digits, 0 - (uint64_t)value);
    out[0] = '-';
    memcpy(out + 1, digits, len);
    return len + 1;
}

/* `value` (positive, 1e-4 at least, below 1e15) if 15 digits are enough for it; else 0. */
static size_t num_format_short_double(char *out, double value)
{
    for (int decimals = 1; decimals < NUM_POWERS; decimals++) {
        double scaled = value * num_powers[decimals];
        uint64_t digits, power;
        size_t len;

        if (scaled >= NUM_SHORT_LIMIT - 1)
            return 0;
        digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / num_powers[decimals] != value)
            continue;
        /* No trailing zero can be there: one decimal less would have done. */
        if (decimals > 19)
            return 0;
        power = (uint64_t)num_powers[decimals];
        len = num_format_u64(out, digits / power);
        out[len++] = '.';
        digits %= power;
        for (int i = decimals - 1; i >= 0; i--, digits /= 10)
            out[len + (size_t)i] = (char)('0' + digits % 10);
        return len + (size_t)decimals;
    }
    return 0;
}

size_t num_format_double(char out[static NUM_DOUBLE_MAX_CHARS], double value)
{
    size_t sign = 0, len;

    if (isnan(value)) {
        memcpy(out, "nan", 3);
        return 3;
    }
    if (signbit(value)) {
        *out++ = '-';
        value = -value;
        sign = 1;
    }
    if (isinf(value)) {
        memcpy(out, "inf", 3);
        return sign + 3;
    }
    /* Where %.17g would write an integer without an exponent. */
    if (value < 1e17 && (double)(uint64_t)value == value) {
        char digits[NUM_I64_MAX_CHARS];

        len = num_format_u64(digits, (uint64_t)value);
        memcpy(out, digits, len);
        return sign + len;
    }
    if (value >= 1e-4 && value < NUM_SHORT_LIMIT) {
        len = num_format_short_double(out, value);
        if (len > 0)
            return sign + len;
    }
    for (int precision = value < DBL_MIN ? 1 : NUM_SHORT_DIGITS; precision < 17; precision++) {
        len = (size_t)snprintf(out, NUM_DOUBLE_MAX_CHARS - 1, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            return sign + len;
    }
    return sign + (size_t)snprintf(out, NUM_DOUBLE_MAX_CHARS - 1, "%.17g", value);
}

size_t num_format_long_double(char *out, size_t cap, long double value)
{
    char text[NUM_LONG_DOUBLE_MAX_CHARS];
    size_t len;

    if (isinf(value))
        len = (size_t)snprintf(text, sizeof(text), "%s", value > 0 ? "inf" : "-inf");
    else
        len = (size_t)snprintf(text, sizeof(text), "%.17Lf", value);
    if (memchr(text, '.', len) != NULL) {
        while (text[len - 1] == '0')
            len--;
        if (text[len - 1] == '.')
            len--;
    }
    if (len == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        len = 1;
    }
    if (len > cap)
        return 0;
    memcpy(out, text, len);
    return len;
}

size_t num_format_human(char out[static 32], uint64_t bytes)
{
    static const char units[] = "KMGTPE";
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024)
        return (size_t)snprintf(out, 32, "%lluB", (unsigned long long)bytes);
    while (value >= 1024 && units[unit + 1] != '\0') {
        value /= 1024;
        unit++;
    }
    return (size_t)snprintf(out, 32, "%.2f%c", value, units[unit]);
}
