/* Blocks of parsed requests.
 *
 * A thread reads into its room, parses there, and copies what is complete into a block of exactly
 * that size: header, requests, arguments, bytes, and the words of inline requests, in one
 * allocation that the main thread frees when it has executed them. What is not complete stays with
 * the link, in `tail`; one that grows beyond IO_TAIL_BYTES is read there, and when a large argument
 * is complete, its block takes that buffer as it is: nothing large is copied.
 *
 *   tail                        next read
 *   <= IO_TAIL_BYTES, and less  into the room, behind a copy of the tail
 *     than a read is wanted
 *   more                        behind the tail
 *
 * A block ends after IO_BLOCK_REQUESTS requests or IO_BLOCK_ARGS arguments; a request with more
 * takes the parser's own array along, as the last of its block.
 *
 * The thread never judges. Whether something is a protocol error may depend on what the requests
 * before it do (AUTH, RESET, CONFIG SET proto-max-bulk-len), and the reply goes behind theirs. So
 * what the parser refuses is handed over unparsed, with all behind it, and main parses it when its
 * turn has come, under the limits that hold then. */
#include "net/io_block.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

#define IO_KEPT_BYTES (64 * 1024) /* a larger tail is given along or given back */

void io_block_free(struct io_block *block)
{
    mem_free(block->own_bytes);
    mem_free(block->own_argv);
    mem_free(block);
}

void io_blocks_free(struct io_block *first)
{
    for (struct io_block *next; first; first = next) {
        next = first->next;
        io_block_free(first);
    }
}

struct io_block *io_block_raw(const char *bytes, size_t len)
{
    struct io_block *block = mem_alloc(sizeof(*block) + len);
    char *copy = (char *)block->requests;
    *block = (struct io_block){.len = len, .memory = sizeof(*block) + len, .bytes = copy};
    memcpy(copy, bytes, len);
    return block;
}

void io_input_init(struct io_input *input)
{
    resp_init(&input->parser);
    input->tail = (struct buf){0};
}

void io_input_free(struct io_input *input)
{
    resp_free(&input->parser);
    buf_free(&input->tail);
}

/* The next read goes into the thread's room. */
static bool is_small(const struct io_input *input)
{
    return input->tail.len <= IO_TAIL_BYTES && resp_wanted(&input->parser) <= IO_READ_BYTES;
}

char *io_input_room(struct io_input *input, struct io_room *room, size_t *len)
{
    if (unlikely(!is_small(input)))
        return resp_room(&input->parser, &input->tail, len);
    *len = IO_READ_BYTES;
    return room->bytes + input->tail.len;
}

/* Parse requests into the room until it is full or there is no further one; RESP_REQUEST if it is
 * full, or nothing is left. */
static enum resp_status parse(struct io_input *input, struct io_room *room, struct slice bytes,
                              const struct resp_limits *limits)
{
    struct resp_parser *parser = &input->parser;
    size_t at = 0;
    room->count = room->arg_count = room->own_argc = 0;
    room->own_argv = NULL;
    arena_reset(&room->arena);
    while (room->count < IO_BLOCK_REQUESTS && at < bytes.len) {
        struct slice rest = {bytes.data + at, bytes.len - at};
        enum resp_status status = resp_parse(parser, rest, limits, &room->arena);
        if (status != RESP_REQUEST)
            return status;
        at += parser->used;
        struct request *request = &room->requests[room->count++];
        *request = (struct request){parser->argc, NULL, at};
        if (unlikely(parser->argc > IO_BLOCK_ARGS - room->arg_count)) {
            room->own_argv = parser->argv;
            room->own_argc = parser->argc;
            parser->argv = NULL;
            parser->argv_cap = 0;
            break;
        }
        if (likely(parser->argc > 0))
            memcpy(room->args + room->arg_count, parser->argv,
                   (size_t)parser->argc * sizeof(*parser->argv));
        room->arg_count += parser->argc;
    }
    return RESP_REQUEST;
}

/* The words of inline requests lie in the arena: how many bytes. */
static size_t word_bytes(const struct io_room *room, const char *bytes)
{
    size_t total = 0, begin = 0;
    const struct slice *args = room->args;
    for (int i = 0; i < room->count; begin = room->requests[i++].end) {
        bool own = room->own_argv && i == room->count - 1;
        int argc = room->requests[i].argc;
        if (unlikely(bytes[begin] != '*'))
            for (int j = 0; j < argc; j++)
                total += own ? room->own_argv[j].len : args[j].len;
        args += own ? 0 : argc;
    }
    return total;
}

/* Let the arguments point to where the bytes are now; the words are copied to `words`. */
static char *point(struct slice *args, int argc, const char *from, const char *to, char *words,
                   bool is_inline)
{
    for (int i = 0; i < argc; i++) {
        if (likely(!is_inline)) {
            args[i].data = to + (args[i].data - from);
            continue;
        }
        memcpy(words, args[i].data, args[i].len);
        args[i].data = words;
        words += args[i].len;
    }
    return words;
}

/* A block of the requests in the room, which were parsed at `bytes`; `own`: it takes that buffer
 * along. */
static struct io_block *pack(struct io_room *room, const char *bytes, struct buf *own)
{
    size_t count = (size_t)room->count, arg_count = (size_t)room->arg_count;
    size_t len = room->requests[count - 1].end;
    size_t size = sizeof(struct io_block) + count * sizeof(struct request) +
                  arg_count * sizeof(struct slice) + (own ? 0 : len) + word_bytes(room, bytes);
    struct io_block *block = mem_alloc(size);
    struct slice *args = (struct slice *)(void *)(block->requests + count);
    char *copy = (char *)(args + arg_count);
    *block = (struct io_block){
        .count = room->count,
        .len = len,
        .memory = size + (own ? own->cap : 0) + (size_t)room->own_argc * sizeof(struct slice),
        .bytes = own ? own->data : copy,
        .own_bytes = own ? own->data : NULL,
        .own_argv = room->own_argv,
    };
    memcpy(args, room->args, arg_count * sizeof(*args));
    if (!own)
        memcpy(copy, bytes, len);
    char *words = own ? copy : copy + len;
    size_t begin = 0;
    for (size_t i = 0; i < count; begin = room->requests[i++].end) {
        struct request request = room->requests[i];
        bool has_own = room->own_argv && i == count - 1;
        struct slice *argv = has_own ? room->own_argv : args;
        words = point(argv, request.argc, bytes, block->bytes, words, bytes[begin] != '*');
        request.argv = argv;
        block->requests[i] = request;
        args += has_own ? 0 : request.argc;
    }
    if (own)
        *own = (struct buf){0};
    return block;
}

/* Keep the `len` bytes at `rest`; they may lie in the tail. */
static void keep(struct io_input *input, const char *rest, size_t len)
{
    struct buf *tail = &input->tail;
    bool within = tail->len > 0 && rest >= tail->data && rest < tail->data + tail->len;
    if (len == 0) {
        buf_free(tail);
    } else if (!within) {
        buf_clear(tail);
        buf_append(tail, rest, len);
    } else if (tail->cap > IO_KEPT_BYTES && len <= IO_TAIL_BYTES) {
        struct buf small = {0};
        buf_append(&small, rest, len);
        buf_free(tail);
        *tail = small;
    } else {
        buf_drop_front(tail, (size_t)(rest - tail->data));
    }
}

struct io_block *io_input_parse(struct io_input *input, struct io_room *room, size_t got,
                                const struct resp_limits *limits, bool *failed)
{
    struct io_block *first = NULL, **last = &first;
    struct buf *tail = &input->tail;
    bool in_room = is_small(input);
    struct slice rest = {room->bytes, tail->len + got};
    if (unlikely(!in_room)) {
        tail->len += got;
        rest = buf_slice(tail);
    } else if (tail->len > 0) {
        memcpy(room->bytes, tail->data, tail->len);
    }
    enum resp_status status = RESP_REQUEST;
    while (status == RESP_REQUEST && rest.len > 0) {
        status = parse(input, room, rest, limits);
        if (room->count == 0)
            break;
        size_t used = room->requests[room->count - 1].end;
        struct buf large = {0};
        const char *bytes = rest.data;
        rest = (struct slice){bytes + used, rest.len - used};
        if (!in_room && bytes == tail->data && used > IO_KEPT_BYTES && used > rest.len) {
            large = *tail;
            *tail = (struct buf){0};
            buf_append(tail, rest.data, rest.len);
            rest = buf_slice(tail);
        }
        *last = pack(room, bytes, large.data ? &large : NULL);
        last = &(*last)->next;
    }
    *failed = status == RESP_ERROR;
    if (unlikely(*failed)) {
        *last = io_block_raw(rest.data, rest.len);
        rest.len = 0;
        resp_free(&input->parser);
    }
    keep(input, rest.data, rest.len);
    return first;
}
