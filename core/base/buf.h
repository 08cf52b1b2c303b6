/* A growable run of bytes in one block. Grows by doubling; zero-initialised is empty and valid. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct buf {
    char *data;
    size_t len, cap;
};

/* Room for `more` bytes behind len; returns where they go. Write, then add to len. */
char *buf_reserve(struct buf *buf, size_t more);
void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_slice(struct buf *buf, struct slice slice);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_append_i64(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...) printf_like(2, 3);
/* Drop the first `len` bytes, moving the rest down. */
void buf_drop_front(struct buf *buf, size_t len);
/* Keep the block, forget the bytes. */
void buf_clear(struct buf *buf);
/* Give the block back; the buf is empty and valid. */
void buf_free(struct buf *buf);
/* Exchange the contents of two bufs. */
void buf_swap(struct buf *a, struct buf *b);
static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->data, buf->len};
}
