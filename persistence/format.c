/* The # lines of a kv log file. Stock servers skip them; we live by them.
 *
 * A log file is a header and then batches; a batch is perhaps a time stamp, commands in RESP,
 * and one trailer:
 *
 *   #KVF:v1:<kvid>:<salt>:<first batch>:<first seq>:<previous crc>:<crc32 of this line>\r\n
 *   #TS:<unix seconds>\r\n
 *   #KVR:v1:<unix seconds>:<kvid, or ->\r\n    in a first batch: made out of other data (salvage.c)
 *   *2\r\n$6\r\nSELECT ... the commands ...
 *   #KVC:v1:<batch>:<seq>:<offset>:<len>:<durable batch>:<crc32>\r\n
 *
 *   field        of the   is
 *   kvid         header   32 characters: which data set
 *   salt         header   16 hex digits, random for each file
 *   first batch  header   number of the first batch that counts here: the file before
 *                         ends, as far as the log goes, with the batch before it, whatever
 *                         bytes follow there
 *   first seq    header   stream offset before that batch
 *   previous crc header   crc of the last trailer before this file, 0 if there is none
 *   batch        trailer  counts every seal, over all files, without a gap
 *   seq          trailer  stream offset behind this batch; counts bytes of commands, none of
 *                         a # line
 *   offset       trailer  of this line's # in the file
 *   len          trailer  bytes from the end of the trailer (or header) before to this line's #
 *   durable      trailer  the last batch confirmed on stable storage when this line was
 *                         made
 *   crc32        both     of all bytes since the trailer before (header: since the line's
 *                         start) up to its own digits
 *
 * The crc of a batch does not begin at zero but at format_seed(crc of the trailer before, salt);
 * the first batch of a file covers the header too and begins at format_seed(previous crc, salt).
 * So a batch is good only behind the very batch it was written behind, in the very file: a copy
 * of another part of the log, an old version of the same file or a value that a client sent with
 * a forged trailer in it never fits, since nobody outside knows the salt.
 *
 * A line is read strictly: what we would not have written so is not such a line. The reader
 * therefore takes the fields apart, then writes the line again from them and compares.
 */
#include "persistence/format.h"

#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/num.h"

#define HEADER_MARK "#KVF:v1:"
#define TRAILER_MARK "#KVC:v1:"
#define TIMESTAMP_MARK "#TS:"
#define CRC_CHARS 8
#define SALT_CHARS 16

static const char hex_digits[] = "0123456789abcdef";

static char *put_bytes(char *to, const char *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

/* Every number of a line fits 19 digits: that keeps a trailer within its 120 bytes. */
static char *put_number(char *to, uint64_t value)
{
    kv_assert(value <= INT64_MAX);
    to += num_format_u64(to, value);
    *to++ = ':';
    return to;
}

static char *put_hex(char *to, uint64_t value, int chars)
{
    for (int i = chars - 1; i >= 0; i--) {
        to[i] = hex_digits[value & 15];
        value >>= 4;
    }
    return to + chars;
}

size_t format_put_header(char out[static FORMAT_HEADER_MAX], const struct format_header *header)
{
    char *to = put_bytes(out, HEADER_MARK, sizeof HEADER_MARK - 1);

    kv_assert(strlen(header->kvid) == FORMAT_KVID_CHARS);
    to = put_bytes(to, header->kvid, FORMAT_KVID_CHARS);
    *to++ = ':';
    to = put_hex(to, header->salt, SALT_CHARS);
    *to++ = ':';
    to = put_number(to, header->first_batch);
    to = put_number(to, header->first_seq);
    to = put_hex(to, header->previous_crc, CRC_CHARS);
    *to++ = ':';
    to = put_hex(to, crc32_bytes(0, out, (size_t)(to - out)), CRC_CHARS);
    to = put_bytes(to, "\r\n", 2);
    return (size_t)(to - out);
}

/* All of a trailer up to its crc digits. */
static char *put_trailer_fields(char *to, const struct format_trailer *trailer)
{
    to = put_bytes(to, TRAILER_MARK, sizeof TRAILER_MARK - 1);
    to = put_number(to, trailer->batch);
    to = put_number(to, trailer->seq);
    to = put_number(to, trailer->offset);
    to = put_number(to, trailer->len);
    return put_number(to, trailer->durable_batch);
}

size_t format_put_trailer(char out[static FORMAT_TRAILER_MAX], struct format_trailer *trailer,
                          uint32_t body_crc)
{
    char *to = put_trailer_fields(out, trailer);

    trailer->crc = crc32_bytes(body_crc, out, (size_t)(to - out));
    to = put_hex(to, trailer->crc, CRC_CHARS);
    to = put_bytes(to, "\r\n", 2);
    return (size_t)(to - out);
}

size_t format_put_timestamp(char out[static FORMAT_TIMESTAMP_MAX], int64_t unix_seconds)
{
    char *to = put_bytes(out, TIMESTAMP_MARK, sizeof TIMESTAMP_MARK - 1);

    to += num_format_i64(to, unix_seconds);
    to = put_bytes(to, "\r\n", 2);
    return (size_t)(to - out);
}

void format_put_filler(char *out, uint64_t offset, size_t len)
{
    kv_assert(len > 0);
    for (size_t i = 0; i < len; i++)
        out[i] = format_filler(offset + i);
    out[0] = '#';
}

uint32_t format_seed(uint32_t previous_crc, uint64_t salt)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(salt >> (8 * i));
    return crc32_bytes(previous_crc, bytes, sizeof bytes);
}

/* What is left of a line that is being taken apart. `good` falls and stays fallen at the first
 * field that is none. */
struct fields {
    struct slice rest;
    bool good;
};

static void take_mark(struct fields *fields, struct slice mark)
{
    if (fields->rest.len < mark.len || memcmp(fields->rest.data, mark.data, mark.len) != 0) {
        fields->good = false;
        return;
    }
    fields->rest.data += mark.len;
    fields->rest.len -= mark.len;
}

/* The bytes up to the next separator, which is taken too. */
static struct slice take_field(struct fields *fields, char separator)
{
    const char *end = fields->rest.len ? memchr(fields->rest.data, separator, fields->rest.len)
        : NULL;
    struct slice field = {fields->rest.data, 0};

    if (!end) {
        fields->good = false;
        return field;
    }
    field.len = (size_t)(end - field.data);
    fields->rest.data += field.len + 1;
    fields->rest.len -= field.len + 1;
    return field;
}

static uint64_t take_number(struct fields *fields)
{
    uint64_t value = 0;

    if (!num_parse_u64(take_field(fields, ':'), &value) || value > INT64_MAX) {
        fields->good = false;
        return 0;
    }
    return value;
}

static uint64_t take_hex(struct fields *fields, size_t chars, char separator)
{
    struct slice field = take_field(fields, separator);
    uint64_t value = 0;

    if (field.len != chars) {
        fields->good = false;
        return 0;
    }
    for (size_t i = 0; i < chars; i++) {
        const char *digit = field.data[i] ? strchr(hex_digits, field.data[i]) : NULL;

        if (!digit) {
            fields->good = false;
            return 0;
        }
        value = value << 4 | (uint64_t)(digit - hex_digits);
    }
    return value;
}

bool format_get_header(struct slice line, struct format_header *out)
{
    struct fields fields = {line, line.len <= FORMAT_HEADER_MAX};
    struct slice kvid;
    char again[FORMAT_HEADER_MAX];

    take_mark(&fields, SLICE(HEADER_MARK));
    kvid = take_field(&fields, ':');
    fields.good = fields.good && kvid.len == FORMAT_KVID_CHARS && !memchr(kvid.data, '\0',
                                                                          kvid.len);
    if (!fields.good)
        return false;
    memcpy(out->kvid, kvid.data, kvid.len);
    out->kvid[kvid.len] = '\0';
    out->salt = take_hex(&fields, SALT_CHARS, ':');
    out->first_batch = take_number(&fields);
    out->first_seq = take_number(&fields);
    out->previous_crc = (uint32_t)take_hex(&fields, CRC_CHARS, ':');
    if (!fields.good)
        return false;
    return slice_equal(line, (struct slice){again, format_put_header(again, out)});
}

bool format_get_trailer(struct slice line, struct format_trailer *out, size_t *digits)
{
    struct fields fields = {line, line.len <= FORMAT_TRAILER_MAX};
    char again[FORMAT_TRAILER_MAX];
    char *to;

    take_mark(&fields, SLICE(TRAILER_MARK));
    out->batch = take_number(&fields);
    out->seq = take_number(&fields);
    out->offset = take_number(&fields);
    out->len = take_number(&fields);
    out->durable_batch = take_number(&fields);
    out->crc = (uint32_t)take_hex(&fields, CRC_CHARS, '\r');
    if (!fields.good)
        return false;
    to = put_trailer_fields(again, out);
    *digits = (size_t)(to - again);
    to = put_hex(to, out->crc, CRC_CHARS);
    to = put_bytes(to, "\r\n", 2);
    return slice_equal(line, (struct slice){again, (size_t)(to - again)});
}

bool format_get_timestamp(struct slice line, int64_t *unix_seconds)
{
    struct fields fields = {line, true};
    struct slice digits;

    take_mark(&fields, SLICE(TIMESTAMP_MARK));
    digits = take_field(&fields, '\r');
    return fields.good && slice_equal(fields.rest, SLICE("\n")) && num_parse_i64(digits,
                                                                                 unix_seconds);
}
