/* The wire grammar: requests in RESP (arrays of bulk strings) and inline form. Used for sockets
 * and for the log.
 *
 * The parser remembers how far it came, so that a request that arrives in a thousand pieces
 * costs as much as one that arrives whole: no byte is looked at twice. It copies nothing:
 * arguments are offsets from the start of the request until it is complete, and slices of the
 * caller's buffer then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/slice.h"

#define RESP_INLINE_MAX (64 * 1024)
#define RESP_ARGS_MAX INT32_MAX
#define RESP_ARGS_KEPT 32 /* room for more arguments than this is given back after the request */

enum resp_status {
    RESP_MORE,    /* not complete; resp_wanted() tells how many bytes at least */
    RESP_REQUEST, /* argc, argv and used are set; argc 0: an empty line or array, to be skipped */
    RESP_ERROR,   /* `error` goes behind "-ERR Protocol error: "; close the connection */
};

struct resp_limits {
    int64_t bulk_bytes_max; /* proto-max-bulk-len */
    bool authenticated;     /* before it: 10 arguments of 16 KB at most */
};

struct resp_parser {
    /* the request, when complete */
    int argc;
    struct slice *argv;
    size_t used;
    const char *error;
    /* where we are: offsets from the request's first byte */
    size_t at;
    size_t scanned;    /* no end of line before this */
    int32_t want_args; /* -1: at the start */
    int64_t want_bulk; /* -1: at a $ line */
    int argv_cap;
    char error_text[24];
};

void resp_init(struct resp_parser *parser);
void resp_free(struct resp_parser *parser);
/* Forget a request that is not complete. */
void resp_reset(struct resp_parser *parser);

/* Go on with the request that begins at bytes[0]. The caller passes the same bytes again, at
 * whatever address, with more behind them. After RESP_REQUEST, argv holds slices of `bytes` (of
 * `arena` for an inline request) and the next call begins a new request, at bytes + used. */
enum resp_status resp_parse(struct resp_parser *parser, struct slice bytes,
                            const struct resp_limits *limits, struct arena *arena);

/* After RESP_MORE: the bytes of the request that must be there at least for the next argument to
 * be complete: what to make room for at once when a large argument was announced. */
size_t resp_wanted(const struct resp_parser *parser);

/* Room for the next read behind `input`, a request that is not complete: `len` bytes. It grows to
 * what was announced, by doubling, so that nobody gets memory for bytes that were not sent. */
struct buf;
char *resp_room(const struct resp_parser *parser, struct buf *input, size_t *len);

/* Append a command in request form, as the log holds it. */
void resp_put_array(struct buf *out, int argc);
void resp_put_bulk(struct buf *out, struct slice bytes);
void resp_put_command(struct buf *out, int argc, const struct slice *argv);
/* SELECT db: what follows in the log is about this database. */
void resp_put_select(struct buf *out, int64_t db);
