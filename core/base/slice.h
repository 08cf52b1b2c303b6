/* A slice borrows bytes that somebody else owns: it never frees, and is good only as long as they
 * are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The lengths of so many, together. */
static inline size_t slices_bytes(int count, const struct slice *slices)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += slices[i].len;
    return bytes;
}

/* Order by bytes, the shorter first where one begins the other: negative, 0 or positive. */
int slice_compare(struct slice a, struct slice b);

/* Equal but for the case of ASCII letters. `lower` must be lower case already. */
bool slice_is(struct slice text, const char *lower);
