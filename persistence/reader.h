/* One log file, read from front to back: checked batch by batch (or, where there are no trailers,
 * command by command), then visited command by command. Memory is a window of 256 KiB, and while
 * commands are visited the largest of them. Essay in reader.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "persistence/format.h"

struct disk;
struct fault;
struct resp_parser;

enum reader_status {
    READER_GOOD, /* a batch (or command) that is whole */
    READER_END,  /* the file ends behind the last one */
    READER_BAD,  /* reader->why, reader->bad_at; the reader stays behind the last good one */
};

enum reader_why {
    READER_CUT,     /* the file ends before the batch does */
    READER_ZEROS,   /* a zero byte where a command or line should begin */
    READER_GRAMMAR, /* neither a command nor a # line */
    READER_TRAILER, /* a #KVC line that is not one */
    READER_NUMBER,  /* the trailer's number is not the next */
    READER_PLACE,   /* its offset or length is not where it stands */
    READER_CRC,     /* its crc is not that of the batch */
    READER_SEQ,     /* all that holds, but the sequence does not: never a torn tail */
};

/* What is whole: the bytes from .. to, a trailer included. */
struct reader_batch {
    uint64_t from, to;
    uint64_t commands;             /* MULTI and EXEC not counted */
    uint64_t command_bytes;        /* what counts for the sequence: all but # lines */
    int64_t time;                  /* of the last #TS line in it; -1: none */
    bool has_mark;                 /* raw: a #KVC line is in it */
    bool origin;                   /* no data, but where it comes from: see salvage.c */
    struct format_trailer trailer; /* zero where there are none */
};

/* Called for a command some time before it is visited, twice: what it will need can be brought into
 * the processor's cache, in two steps (0, 1). Nothing may be changed. */
typedef void reader_soon(void *env, int step, int argc, const struct slice *argv);

struct reader {
    const struct disk *disk;
    char path[512];
    int fd;
    uint64_t size;
    /* the window: `len` bytes of the file from `window_at` */
    char *window;
    size_t window_cap, window_len;
    uint64_t window_at;
    /* behind the last good batch */
    uint64_t at;
    uint64_t batch, seq; /* its number and sequence */
    uint32_t crc;        /* of its trailer */
    uint32_t seed;       /* the crc with which the next batch begins */
    bool seq_known;
    bool has_header;
    struct format_header header;
    enum reader_why why;
    uint64_t bad_at;
    reader_soon *soon; /* of reader_each, with its env; may be set after reader_open */
    struct resp_parser *parsers;
};

/* Open `path` and read its header, if it begins with one: then `at` is behind it, and `size` is
 * where the content ends: filler behind it (log_fill.c) is not seen. A file without a good header
 * is opened all the same, has_header false. */
must_check int reader_open(struct reader *reader, const struct disk *disk, const char *path,
                           struct fault *fault);
void reader_close(struct reader *reader);

/* Check the batch at reader->at. On READER_GOOD `out` is filled in and the reader stands behind it.
 * Returns a reader_status or KV_EIO. */
must_check int reader_next(struct reader *reader, struct reader_batch *out, struct fault *fault);

/* The same where there are no trailers: one command, or all of MULTI ... EXEC, or one # line. Stops
 * at `end`, which is at most the file's size. reader->seq moves by the bytes of the commands. */
must_check int reader_next_raw(struct reader *reader, uint64_t end, struct reader_batch *out,
                               struct fault *fault);

/* Stand in front of a batch that the search for evidence found good: `number` is its own, `seed`
 * the crc with which it begins. */
void reader_resume(struct reader *reader, uint64_t at, uint64_t number, uint32_t seed);

/* Called for a command that begins at `offset`; a result other than 0 ends the visit. */
typedef int reader_visit(void *env, uint64_t offset, int argc, const struct slice *argv,
                         struct fault *fault);

/* Visit the commands between two offsets, MULTI and EXEC left out. Bytes that are no command, or
 * one of more than `command_bytes_max`: KV_EFORMAT at that offset. */
must_check int reader_each(struct reader *reader, uint64_t from, uint64_t to,
                           uint64_t command_bytes_max, reader_visit *visit, void *env,
                           struct fault *fault);

/* Up to `want` bytes from `offset`, fewer at the end of the file; good until the next call. */
must_check int reader_view(struct reader *reader, uint64_t offset, size_t want, struct slice *out,
                           struct fault *fault);

/* Where the zero bytes begin that the file ends with; its size if there are none. Not before
 * `from`. */
must_check int reader_content_end(struct reader *reader, uint64_t from, uint64_t *out,
                                  struct fault *fault);

/* "the checksum does not hold", ... */
const char *reader_why_text(enum reader_why why);
