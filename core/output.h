/* The output chain of a session: replies are built straight into it, and each waits for its
 * number.
 *
 * Bytes are appended by the reply functions; output_mark closes what one command appended and
 * stamps it with the sequence it depends on. Marks are released in order as the journal's
 * confirmed number rises; only released bytes may be sent. If the log fails, what is still held
 * is replaced, reply by reply, by an error.
 *
 *   sent <= released <= marked <= appended     absolute counts of bytes since the session began
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/base/slice.h"

#define OUTPUT_CHUNK_BYTES (16 * 1024)

struct output_chunk;
struct output_mark;

struct output {
    struct output_chunk *first, *last;
    char *next, *end;             /* room in the last chunk */
    size_t first_at;              /* bytes of the first chunk that were sent */
    /* appended = appended_before + next - start of last */
    uint64_t sent, released, marked, appended_before;
    struct output_mark *marks;    /* a ring of those not released */
    uint32_t mark_first, mark_count, mark_cap;
    size_t chunk_bytes;           /* memory held */
    /* appending beyond this many unsent bytes sets `overrun` and drops the bytes; 0 none */
    size_t limit;
    bool overrun;
};

void output_free(struct output *output);

/* Room for `len` bytes in one piece (at most 64 KiB); write there, then output_commit what was
 * written. */
static inline char *output_reserve(struct output *output, size_t len);
static inline void output_commit(struct output *output, size_t len);
/* Any length. */
void output_append(struct output *output, const void *bytes, size_t len);

/* Close what was appended since the last mark: it may leave when `sequence` is confirmed. 0: at
 * once (but never before what stands in front of it). `push`: dropped, not answered by an error,
 * when the log fails. */
void output_mark(struct output *output, uint64_t sequence, bool push);
/* Take back what was appended since the last mark. */
void output_rewind(struct output *output);
/* Bytes since the last mark. */
size_t output_unmarked(const struct output *output);

/* Release all marks up to `confirmed`; true if there is something to send that was not before. */
bool output_release(struct output *output, uint64_t confirmed);
/* The log failed: replace every held reply that depends on more than `confirmed` by `error`
 * ("-MISCONF ...\r\n"), and release. */
void output_fail(struct output *output, uint64_t confirmed, struct slice error);

/* Something is held: the last mark may wait for nothing itself, but for those before it. */
static inline bool output_holds(const struct output *output)
{
    return output->mark_count > 0;
}

size_t output_kept(const struct output *output);     /* of the chunk that stays when all is sent */
size_t output_unsent(const struct output *output);   /* all that was appended and not sent */
static inline size_t output_ready(const struct output *output);
/* Describe up to `most` runs of released bytes; returns how many. */
int output_parts(const struct output *output, struct iovec *parts, int most);
/* `bytes` of them were sent: gives chunks back (keeps one). */
void output_sent(struct output *output, size_t bytes);

/* ---- inline parts ---- */

struct output_chunk {
    struct output_chunk *next;
    size_t used, cap;
    char data[];
};

/* Slow path of output_reserve: a new chunk. */
char *output_grow(struct output *output, size_t len);

static inline char *output_reserve(struct output *output, size_t len)
{
    if ((size_t)(output->end - output->next) >= len && output->next)
        return output->next;
    return output_grow(output, len);
}

static inline void output_commit(struct output *output, size_t len)
{
    output->next += len;
}

static inline size_t output_ready(const struct output *output)
{
    return (size_t)(output->released - output->sent);
}
