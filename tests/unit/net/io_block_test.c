/* However a stream of requests is cut into reads, the blocks hold the requests that the parser
 * finds in the whole of it, with the same arguments, and no byte twice or never. */
#include "net/io_block.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "tests/support/test.h"

struct link {
    struct io_input input;
    struct io_room *room;
    struct buf out, raw; /* requests in one form; what was not parsed */
    size_t bytes;        /* of the blocks */
    int requests;
    bool failed;
};

static const struct resp_limits LIMITS = {.bulk_bytes_max = 8 << 20, .authenticated = true};

static void open_link(struct link *link)
{
    *link = (struct link){.room = mem_alloc_zero(sizeof(struct io_room))};
    io_input_init(&link->input);
}

static void close_link(struct link *link)
{
    io_input_free(&link->input);
    arena_free(&link->room->arena);
    mem_free(link->room);
    buf_free(&link->out);
    buf_free(&link->raw);
}

/* What main does with blocks. */
static void take(struct link *link, struct io_block *list)
{
    for (const struct io_block *block = list; block; block = block->next) {
        assert_true(link->raw.len == 0);
        assert_true(block->memory >= block->len);
        link->bytes += block->len;
        if (block->count == 0)
            buf_append(&link->raw, block->bytes, block->len);
        else
            assert_int_equal(block->requests[block->count - 1].end, block->len);
        for (int i = 0; i < block->count; i++) {
            link->requests++;
            if (block->requests[i].argc > 0)
                resp_put_command(&link->out, block->requests[i].argc, block->requests[i].argv);
        }
    }
    io_blocks_free(list);
}

/* One read of at most `most` bytes; false when all is read or nothing more is parsed. */
static bool feed(struct link *link, struct slice *in, size_t most, const struct resp_limits *limits)
{
    size_t len;
    char *room = io_input_room(&link->input, link->room, &len);
    len = len < most ? len : most;
    len = len < in->len ? len : in->len;
    /* In an allocation of its own first, so that a byte read too far is seen. */
    memcpy(room, in->data, len);
    in->data += len;
    in->len -= len;
    take(link, io_input_parse(&link->input, link->room, len, limits, &link->failed));
    return in->len > 0 && !link->failed;
}

static void put(struct buf *out, int argc, size_t bytes)
{
    resp_put_array(out, argc);
    char *arg = mem_alloc(bytes + 1);
    for (int i = 0; i < argc; i++) {
        memset(arg, 'a' + i % 26, bytes);
        resp_put_bulk(out, (struct slice){arg, bytes});
    }
    mem_free(arg);
}

/* Requests of all kinds and sizes: `canonical` is what they are when they are put as commands. */
static void make_stream(struct buf *stream, struct buf *canonical, int count)
{
    static const int args[] = {1, 2, 3, 7, 8, 9, 32, 33, 130, 1023, 1024, 1025, 5000};
    static const size_t sizes[] = {0, 1, 3, 10, 100, 4000, 4096, 5000, 70000, 3000000};
    for (int i = 0; i < count; i++) {
        size_t begin = stream->len;
        int kind = rand() % 12;
        if (kind == 0) {
            buf_append_text(stream, "SET \"a \\x41b\" 'c d' e\r\n");
            struct slice words[] = {SLICE("SET"), SLICE("a Ab"), SLICE("c d"), SLICE("e")};
            resp_put_command(canonical, 4, words);
            continue;
        }
        if (kind == 1) {
            buf_append_text(stream, rand() % 2 ? "\r\n" : "*0\r\n");
            continue;
        }
        if (kind == 2)
            put(stream, args[rand() % 13], sizes[rand() % 4]);
        else if (kind == 3)
            put(stream, 1 + rand() % 3, sizes[rand() % 10]);
        else
            put(stream, 1 + rand() % 4, sizes[rand() % 5]);
        buf_append(canonical, stream->data + begin, stream->len - begin);
    }
}

static void any_cut_gives_the_same_requests(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 100, 4095, 4096, 4097, 65536, 1 << 20};
    srand(7);
    for (int round = 0; round < 45; round++) {
        struct buf stream = {0}, canonical = {0};
        struct link link;
        size_t piece = pieces[round % 9];
        open_link(&link);
        make_stream(&stream, &canonical, piece < 100 ? 8 : 200);
        struct slice in = buf_slice(&stream);
        while (feed(&link, &in, piece == 1 ? 1 : 1 + (size_t)rand() % piece, &LIMITS))
            continue;
        assert_false(link.failed);
        assert_int_equal(link.bytes, stream.len);
        assert_int_equal(link.out.len, canonical.len);
        assert_memory_equal(link.out.data, canonical.data, canonical.len);
        assert_int_equal(link.input.tail.cap, 0);
        close_link(&link);
        buf_free(&stream);
        buf_free(&canonical);
    }
}

static void what_is_no_request_is_handed_over_with_all_behind_it(void **state)
{
    (void)state;
    static const char text[] = "*1\r\n$4\r\nPING\r\n*1\r\n$x\r\nPING\r\nrest";
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct link link;
        struct slice in = {text, sizeof(text) - 1};
        open_link(&link);
        while (feed(&link, &in, piece, &LIMITS))
            continue;
        assert_true(link.failed);
        assert_int_equal(link.requests, 1);
        struct slice expected = {text + 14, sizeof(text) - 1 - 14 - in.len};
        assert_true(slice_equal(buf_slice(&link.raw), expected));
        assert_int_equal(link.input.tail.len, 0);
        assert_int_equal(link.input.parser.want_args, -1);
        close_link(&link);
    }
}

static void limits_of_strangers_hold(void **state)
{
    (void)state;
    struct resp_limits limits = {.bulk_bytes_max = 8 << 20};
    struct buf stream = {0};
    struct link link;
    open_link(&link);
    put(&stream, 10, 100);
    size_t good = stream.len;
    put(&stream, 11, 1);
    struct slice in = buf_slice(&stream);
    while (feed(&link, &in, 65536, &limits))
        continue;
    assert_true(link.failed);
    assert_int_equal(link.requests, 1);
    assert_int_equal(link.raw.len, stream.len - good);
    close_link(&link);
    buf_free(&stream);
}

/* The block of a large argument is the buffer into which it was read, and what follows it is not
 * moved along. */
static void a_large_argument_is_not_copied(void **state)
{
    (void)state;
    struct buf stream = {0};
    struct link link;
    open_link(&link);
    put(&stream, 2, 3000000);
    put(&stream, 1, 3);
    struct slice in = buf_slice(&stream);
    const char *where = NULL;
    while (in.len > 0) {
        size_t len;
        char *room = io_input_room(&link.input, link.room, &len);
        where = link.input.tail.data;
        len = len < in.len ? len : in.len;
        memcpy(room, in.data, len);
        in.data += len;
        in.len -= len;
        struct io_block *list = io_input_parse(&link.input, link.room, len, &LIMITS, &link.failed);
        if (list && link.requests == 0)
            assert_ptr_equal(list->own_bytes, where);
        assert_true(link.input.tail.cap < 2 * stream.len);
        take(&link, list);
    }
    assert_int_equal(link.requests, 2);
    close_link(&link);
    buf_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_gives_the_same_requests),
        cmocka_unit_test(what_is_no_request_is_handed_over_with_all_behind_it),
        cmocka_unit_test(limits_of_strangers_hold),
        cmocka_unit_test(a_large_argument_is_not_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
