/* What the header says, by the rules of the format written down once more. */
#include "tests/support/rdb_writer.h"

#include "core/base/attr.h"
#include "core/base/crc64.h"

#define SHORT_MAX 63
#define MEDIUM_MAX 16383

void rdb_writer_begin(struct buf *file, const char *magic)
{
    buf_append_text(file, magic);
}

void rdb_writer_select(struct buf *file, unsigned db)
{
    kv_assert(db <= SHORT_MAX);
    buf_append_char(file, '\xfe');
    buf_append_char(file, (char)db);
}

static void put_text(struct buf *file, struct slice text)
{
    kv_assert(text.len <= MEDIUM_MAX);
    if (text.len > SHORT_MAX)
        buf_append_char(file, (char)(0x40 | text.len >> 8));
    buf_append_char(file, (char)text.len);
    buf_append_slice(file, text);
}

void rdb_writer_string(struct buf *file, struct slice key, struct slice value)
{
    buf_append_char(file, '\0');
    put_text(file, key);
    put_text(file, value);
}

void rdb_writer_end(struct buf *file)
{
    buf_append_char(file, '\xff');
    uint64_t crc = crc64_bytes(0, file->data, file->len);
    for (int i = 0; i < 8; i++)
        buf_append_char(file, (char)(crc >> 8 * i));
}
