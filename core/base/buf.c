/* A growable run of bytes. */
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/num.h"

#define BUF_LEAST_BYTES 64

static cold void buf_grow(struct buf *buf, size_t more)
{
    size_t need = buf->len + more, cap = buf->cap * 2;

    kv_assert(need >= more);
    kv_assert(need <= SIZE_MAX / 4);
    if (cap < BUF_LEAST_BYTES)
        cap = BUF_LEAST_BYTES;
    if (cap < need)
        cap = need;
    cap = mem_class(cap);
    buf->data = mem_realloc(buf->data, cap);
    buf->cap = cap;
}

char *buf_reserve(struct buf *buf, size_t more)
{
    if (unlikely(buf->cap - buf->len < more || buf->data == NULL))
        buf_grow(buf, more);
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(buf, len), bytes, len);
    buf->len += len;
}

void buf_append_slice(struct buf *buf, struct slice slice)
{
    buf_append(buf, slice.data, slice.len);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c)
{
    *buf_reserve(buf, 1) = c;
    buf->len++;
}

void buf_append_i64(struct buf *buf, int64_t value)
{
    buf->len += num_format_i64(buf_reserve(buf, NUM_I64_MAX_CHARS), value);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    size_t room;
    int len;

    buf_reserve(buf, BUF_LEAST_BYTES);
    room = buf->cap - buf->len;
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(buf->data + buf->len, room, format, args);
    va_end(args);
    kv_assert(len >= 0);
    if ((size_t)len >= room)
        vsnprintf(buf_reserve(buf, (size_t)len + 1), (size_t)len + 1, format, again);
    va_end(again);
    buf->len += (size_t)len;
}

void buf_drop_front(struct buf *buf, size_t len)
{
    kv_assert(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0 && len > 0)
        memmove(buf->data, buf->data + len, buf->len);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

void buf_free(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){NULL, 0, 0};
}

void buf_swap(struct buf *a, struct buf *b)
{
    struct buf kept = *a;

    *a = *b;
    *b = kept;
}
