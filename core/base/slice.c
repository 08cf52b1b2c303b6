/* Comparing borrowed bytes. */
#include "core/base/slice.h"

int slice_compare(struct slice a, struct slice b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    int order = least == 0 ? 0 : memcmp(a.data, b.data, least);

    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

bool slice_is(struct slice text, const char *lower)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        /* The end byte of `lower` differs from every byte but NUL, which is no letter of a name. */
        if (lower[i] == '\0' || c != lower[i])
            return false;
    }
    return lower[text.len] == '\0';
}
