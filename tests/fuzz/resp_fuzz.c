/* The request parser on any bytes: a stream of requests read whole, and read again byte by byte
 * from blocks that end where the bytes do, gives the same requests and the same error; and what
 * was read is read back from what resp_put_command makes of it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a stream came to: each request again in one form, then the error. */
static void read_stream(struct slice in, bool in_pieces, const struct resp_limits *limits,
                        struct buf *out)
{
    struct resp_parser parser;
    struct arena arena = {0};
    resp_init(&parser);
    enum resp_status status = RESP_REQUEST;
    while (status == RESP_REQUEST && in.len > 0) {
        size_t len = in_pieces ? 0 : in.len;
        do {
            /* an allocation of its own: a byte read too far is seen, and so is a pointer kept */
            char *block = malloc(len ? len : 1);
            memcpy(block, in.data, len);
            status = resp_parse(&parser, (struct slice){block, len}, limits, &arena);
            if (status == RESP_REQUEST)
                resp_put_command(out, parser.argc, parser.argv);
            else if (status == RESP_MORE)
                kv_assert(resp_wanted(&parser) > 0);
            free(block);
        } while (status == RESP_MORE && ++len <= in.len);
        arena_reset(&arena);
        if (status != RESP_REQUEST)
            break;
        kv_assert(parser.used > 0);
        kv_assert(parser.used <= in.len);
        in.data += parser.used;
        in.len -= parser.used;
    }
    if (status == RESP_ERROR)
        buf_append_text(out, parser.error);
    resp_free(&parser);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 4096)
        return 0;
    struct resp_limits limits = {.bulk_bytes_max = 1 << 20, .authenticated = data[0] & 1};
    struct slice in = {(const char *)data + 1, size - 1};
    struct buf whole = {0}, pieces = {0};
    read_stream(in, false, &limits, &whole);
    read_stream(in, true, &limits, &pieces);
    kv_assert(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
