/* The chain is a list of chunks: a small one first, which an idle session keeps, then of 16 KiB,
 * or as large as one value needs. Counts are absolute, so that a mark is two numbers and never
 * moves.
 */
#include "core/output.h"

#include "core/base/attr.h"
#include "core/base/mem.h"

#define OUTPUT_FIRST_BYTES 1024
#define MARKS_MIN 16
#define MARKS_KEPT 256 /* a ring larger than this is given back when it is empty */

struct output_mark {
    uint64_t end;
    uint64_t sequence : 63;
    uint64_t push : 1;
};

static uint64_t appended(const struct output *output)
{
    return output->last ? output->appended_before + (uint64_t)(output->next - output->last->data)
                        : output->appended_before;
}

static void free_chunks(struct output *output)
{
    struct output_chunk *chunk = output->first;
    while (chunk) {
        struct output_chunk *next = chunk->next;
        mem_free(chunk);
        chunk = next;
    }
    output->first = output->last = NULL;
    output->next = output->end = NULL;
    output->first_at = 0;
    output->chunk_bytes = 0;
}

static void free_marks(struct output *output)
{
    mem_free(output->marks);
    output->marks = NULL;
    output->mark_first = output->mark_count = output->mark_cap = 0;
}

void output_free(struct output *output)
{
    free_chunks(output);
    free_marks(output);
    *output = (struct output){0};
}

static void append_chunk(struct output *output, size_t room)
{
    struct output_chunk *chunk = mem_alloc(sizeof *chunk + room);
    output->appended_before = appended(output);
    chunk->next = NULL;
    chunk->used = 0;
    chunk->cap = room;
    if (output->last) {
        output->last->used = (size_t)(output->next - output->last->data);
        output->last->next = chunk;
    } else {
        output->first = chunk;
    }
    output->last = chunk;
    output->next = chunk->data;
    output->end = chunk->data + room;
    output->chunk_bytes += sizeof *chunk + room;
}

/* Nothing of this session will be sent any more: keep one chunk to write into, and nothing else. */
static void overrun(struct output *output, size_t room)
{
    uint64_t at = appended(output);
    free_chunks(output);
    free_marks(output);
    output->overrun = true;
    output->appended_before = output->sent = output->released = output->marked = at;
    append_chunk(output, room);
}

char *output_grow(struct output *output, size_t len)
{
    size_t room = output->last ? OUTPUT_CHUNK_BYTES - sizeof(struct output_chunk)
                               : OUTPUT_FIRST_BYTES - sizeof(struct output_chunk);
    size_t left = SIZE_MAX;
    if (output->limit) {
        size_t unsent = output_unsent(output);
        left = output->limit > unsent ? output->limit - unsent : 0;
    }
    if (room > left)
        room = left; /* so that this is asked again at the limit, not up to a chunk beyond */
    if (room < len)
        room = len;
    if (output->overrun || len > left)
        overrun(output, room);
    else
        append_chunk(output, room);
    return output->next;
}

void output_append(struct output *output, const void *bytes, size_t len)
{
    const char *from = bytes;
    size_t room = (size_t)(output->end - output->next);
    if (!output->next)
        room = 0;
    if (len > room) {
        if (output->overrun)
            return;
        if (room > 0) {
            memcpy(output->next, from, room);
            output->next += room;
            from += room;
            len -= room;
        }
        output_grow(output, len);
        if (output->overrun)
            return;
    }
    if (len > 0)
        memcpy(output->next, from, len);
    output->next += len;
}

static void push_mark(struct output *output, struct output_mark mark)
{
    if (output->mark_count == output->mark_cap) {
        uint32_t cap = output->mark_cap ? output->mark_cap * 2 : MARKS_MIN;
        struct output_mark *marks = mem_alloc(cap * sizeof *marks);
        for (uint32_t i = 0; i < output->mark_count; i++)
            marks[i] = output->marks[(output->mark_first + i) & (output->mark_cap - 1)];
        mem_free(output->marks);
        output->marks = marks;
        output->mark_first = 0;
        output->mark_cap = cap;
    }
    output->marks[(output->mark_first + output->mark_count) & (output->mark_cap - 1)] = mark;
    output->mark_count++;
}

void output_mark(struct output *output, uint64_t sequence, bool push)
{
    uint64_t end = appended(output);
    if (end == output->marked)
        return;
    if (output->overrun) {
        output_rewind(output);
        return;
    }
    output->marked = end;
    if (output->mark_count == 0 && sequence == 0)
        output->released = end;
    else
        push_mark(output, (struct output_mark){end, sequence & INT64_MAX, push});
}

void output_rewind(struct output *output)
{
    uint64_t start = output->sent - output->first_at; /* absolute offset of the first chunk */
    struct output_chunk *chunk = output->first;
    if (!chunk)
        return;
    while (chunk->next && start + chunk->used < output->marked) {
        start += chunk->used;
        chunk = chunk->next;
    }
    struct output_chunk *extra = chunk->next;
    while (extra) {
        struct output_chunk *next = extra->next;
        output->chunk_bytes -= sizeof *extra + extra->cap;
        mem_free(extra);
        extra = next;
    }
    chunk->next = NULL;
    output->last = chunk;
    output->appended_before = start;
    output->next = chunk->data + (output->marked - start);
    output->end = chunk->data + chunk->cap;
}

size_t output_unmarked(const struct output *output)
{
    return (size_t)(appended(output) - output->marked);
}

size_t output_kept(const struct output *output)
{
    const struct output_chunk *first = output->first;
    return first && first->cap <= OUTPUT_FIRST_BYTES ? sizeof *first + first->cap : 0;
}

size_t output_unsent(const struct output *output)
{
    return (size_t)(appended(output) - output->sent);
}

bool output_release(struct output *output, uint64_t confirmed)
{
    bool more = false;
    while (output->mark_count > 0) {
        struct output_mark *mark = &output->marks[output->mark_first];
        if (mark->sequence > confirmed)
            break;
        output->released = mark->end;
        output->mark_first = (output->mark_first + 1) & (output->mark_cap - 1);
        output->mark_count--;
        more = true;
    }
    if (output->mark_count == 0 && output->mark_cap > MARKS_KEPT)
        free_marks(output);
    return more;
}

/* Read `len` bytes on from *chunk and *at of an old chain into `to` (or nowhere, if NULL). */
static void copy_on(struct output_chunk **chunk, size_t *at, uint64_t len, struct output *to)
{
    while (len > 0) {
        size_t here = (*chunk)->used - *at;
        if (here == 0) {
            *chunk = (*chunk)->next;
            *at = 0;
            continue;
        }
        if (here > len)
            here = len;
        if (to)
            output_append(to, (*chunk)->data + *at, here);
        *at += here;
        len -= here;
    }
}

void output_fail(struct output *output, uint64_t confirmed, struct slice error)
{
    kv_assert(output_unmarked(output) == 0);
    if (output->mark_count == 0)
        return;
    struct output fresh = {.limit = output->limit};
    struct output_chunk *chunk = output->first;
    size_t at = output->first_at;
    output->last->used = (size_t)(output->next - output->last->data);
    copy_on(&chunk, &at, output->released - output->sent, &fresh);
    uint64_t from = output->released;
    for (uint32_t i = 0; i < output->mark_count; i++) {
        struct output_mark mark =
            output->marks[(output->mark_first + i) & (output->mark_cap - 1)];
        bool keep = mark.sequence <= confirmed;
        copy_on(&chunk, &at, mark.end - from, keep ? &fresh : NULL);
        if (!keep && !mark.push)
            output_append(&fresh, error.data, error.len);
        from = mark.end;
    }
    fresh.marked = fresh.released = appended(&fresh);
    fresh.overrun |= output->overrun;
    output_free(output);
    *output = fresh;
}

int output_parts(const struct output *output, struct iovec *parts, int most)
{
    size_t ready = output_ready(output);
    size_t at = output->first_at;
    int count = 0;
    for (struct output_chunk *chunk = output->first; chunk && ready > 0 && count < most;
         chunk = chunk->next) {
        size_t used =
            chunk == output->last ? (size_t)(output->next - chunk->data) : chunk->used;
        size_t here = used - at < ready ? used - at : ready;
        if (here > 0)
            parts[count++] = (struct iovec){chunk->data + at, here};
        ready -= here;
        at = 0;
    }
    return count;
}

void output_sent(struct output *output, size_t bytes)
{
    output->sent += bytes;
    output->first_at += bytes;
    while (output->first != output->last && output->first_at >= output->first->used) {
        struct output_chunk *chunk = output->first;
        output->first_at -= chunk->used;
        output->first = chunk->next;
        output->chunk_bytes -= sizeof *chunk + chunk->cap;
        mem_free(chunk);
    }
    if (output->sent != appended(output) || !output->first)
        return;
    output->appended_before = output->sent;
    output->first_at = 0;
    if (output->last->cap > OUTPUT_FIRST_BYTES)
        free_chunks(output);
    else
        output->next = output->last->data;
}
