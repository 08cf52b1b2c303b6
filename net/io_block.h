/* What an I/O thread makes of the bytes it receives: blocks of parsed requests, which the main
 * thread executes as they are. Pure: no socket, no lock. Essay in io_block.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/slice.h"
#include "core/resp.h"

#define IO_BLOCK_REQUESTS 256
#define IO_BLOCK_ARGS 1024
#define IO_READ_BYTES (64 * 1024) /* read at a time */
#define IO_TAIL_BYTES 4096        /* an unfinished request up to this is moved to the room */

/* A request with its arguments; argc 0: an empty one, to be skipped. */
struct request {
    int argc;
    const struct slice *argv;
    size_t end; /* offset behind it, from the first byte of all that were parsed together */
};

/* Requests with all they point to; or, if `count` is 0, bytes that main has to parse itself. */
struct io_block {
    struct io_block *next;
    int count, done;       /* requests, and how many of them main is done with */
    size_t len;            /* bytes that came in */
    size_t at;             /* how many of them main is done with */
    size_t memory;         /* all it holds */
    const char *bytes;
    char *own_bytes;       /* NULL: they stand behind it, in the same block */
    struct slice *own_argv; /* the arguments of a request that has many */
    struct request requests[];
};

void io_block_free(struct io_block *block);
void io_blocks_free(struct io_block *first);
/* Bytes that are handed over as they are. */
struct io_block *io_block_raw(const char *bytes, size_t len);

/* Room in which a thread reads and parses for one link after the other. */
struct io_room {
    struct request requests[IO_BLOCK_REQUESTS];
    struct slice args[IO_BLOCK_ARGS];
    int count, arg_count;
    struct slice *own_argv;
    int own_argc;
    struct arena arena;
    char bytes[IO_TAIL_BYTES + IO_READ_BYTES];
};

/* A link's: a request that is not complete. */
struct io_input {
    struct resp_parser parser;
    struct buf tail;
};

void io_input_init(struct io_input *input);
void io_input_free(struct io_input *input);
/* Where the next read goes, and how much of it. */
char *io_input_room(struct io_input *input, struct io_room *room, size_t *len);
/* `got` bytes were read there: the requests that are complete now, as a list (NULL: none). If
 * something is no request under these limits, the list ends with all that was read from there on,
 * unparsed, `failed` is set and the input is empty. */
struct io_block *io_input_parse(struct io_input *input, struct io_room *room, size_t got,
                                const struct resp_limits *limits, bool *failed);
