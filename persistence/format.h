/* The lines of a kv log file: header, commit mark (trailer) and time stamp; design and reasons
 * stand in format.c.
 *
 *   #KVF:v1:<kvid>:<salt>:<first batch>:<first seq>:<previous crc>:<crc32 of this line>\r\n
 *   #KVC:v1:<batch>:<seq>:<offset>:<len>:<durable batch>:<crc32>\r\n
 *   #TS:<unix seconds>\r\n
 *
 * Numbers are decimal without leading zeros, salt is 16, crcs are 8 lower-case hex digits, kvid
 * is 32.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

#define FORMAT_KVID_CHARS 32
#define FORMAT_HEADER_MAX 192
#define FORMAT_TRAILER_MAX 120
#define FORMAT_TIMESTAMP_MAX 32
#define FORMAT_ANNOTATION_MAX 1023 /* longest # line a stock server skips */
#define FORMAT_FILLER_LINE 512
#define FORMAT_MARK_MAX 1024       /* filler that is written with a batch: two lines */

struct format_header {
    char kvid[FORMAT_KVID_CHARS + 1];
    uint64_t salt;
    uint64_t first_batch, first_seq;
    uint32_t previous_crc; /* of the last trailer of the file before; 0 for the first file */
};

struct format_trailer {
    uint64_t batch, seq;    /* seq: at the end of this batch */
    uint64_t offset;        /* of this line's # in the file */
    uint64_t len;           /* of the batch before this line, back to the # line before it */
    uint64_t durable_batch; /* the last batch known to be durable when this line was made */
    uint32_t crc;
};

/* Write the line; returns its length. */
size_t format_put_header(char out[static FORMAT_HEADER_MAX], const struct format_header *header);

/* Write the line for a batch whose bytes have the running crc `body_crc` (seeded with
 * format_seed); the crc over the line's own beginning is added here and stored in trailer->crc.
 * Returns its length. */
size_t format_put_trailer(char out[static FORMAT_TRAILER_MAX], struct format_trailer *trailer,
                          uint32_t body_crc);

size_t format_put_timestamp(char out[static FORMAT_TIMESTAMP_MAX], int64_t unix_seconds);

/* Filler for `len` bytes at `offset`, where it begins: log_fill.c. */
void format_put_filler(char *out, uint64_t offset, size_t len);
/* Of filler that began before: the byte at `offset`. */
static inline char format_filler(uint64_t offset)
{
    uint64_t at = offset % FORMAT_FILLER_LINE;

    return at == 0 ? '#' : at == FORMAT_FILLER_LINE - 1 ? '\n' : '.';
}

/* The crc32 from which a batch's crc is continued: that of the trailer before it, mixed with the
 * salt. */
uint32_t format_seed(uint32_t previous_crc, uint64_t salt);

/* Read a line with its \r\n. False if it is not exactly such a line (header: its crc is checked
 * too). `digits` is set to the offset in the line at which the trailer's crc digits begin (the
 * crc covers what stands before). */
must_check bool format_get_header(struct slice line, struct format_header *out);
must_check bool format_get_trailer(struct slice line, struct format_trailer *out, size_t *digits);
must_check bool format_get_timestamp(struct slice line, int64_t *unix_seconds);
