/* The request parser: what it takes, what it refuses and with which words (taken from a running
 * redis-server 7.0), and that nothing depends on how the bytes arrive. */
#include "core/resp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

#define PING "*1\r\n$4\r\nPING\r\n"
#define S(literal) SLICE(literal)

static const struct resp_limits open_limits = {.bulk_bytes_max = 512LL << 20,
                                               .authenticated = true};
static const struct resp_limits closed_limits = {.bulk_bytes_max = 512LL << 20,
                                                 .authenticated = false};

struct accepted {
    struct slice in;
    size_t used;
    int argc;
    struct slice argv[4];
};

static const struct accepted accepted[] = {
    {S(PING), 14, 1, {S("PING")}},
    {S("*2\r\n$3\r\nGET\r\n$0\r\n\r\n" PING), 19, 2, {S("GET"), S("")}},
    {S("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$10\r\n0123\r\n*789\r\n"),
     37,
     3,
     {S("SET"), S("a"), S("0123\r\n*789")}},
    {S("*1\r\n$3\r\na\0b\r\n"), 13, 1, {S("a\0b")}},
    /* nothing asked */
    {S("*0\r\n" PING), 4, 0, {{0}}},
    {S("*-1\r\n" PING), 5, 0, {{0}}},
    {S("*-5\r\n" PING), 5, 0, {{0}}},
    {S("*-10000000000\r\n" PING), 15, 0, {{0}}},
    {S("\r\n" PING), 2, 0, {{0}}},
    {S("\n" PING), 1, 0, {{0}}},
    {S("  \r\n" PING), 4, 0, {{0}}},
    /* the bytes behind a CR and behind an argument are skipped unseen */
    {S("*1\r$$4\r*PINGxx" PING), 14, 1, {S("PING")}},
    /* inline */
    {S("PING\r\n"), 6, 1, {S("PING")}},
    {S("PING a\n"), 7, 2, {S("PING"), S("a")}},
    {S("PING a\r\r\n"), 9, 2, {S("PING"), S("a")}},
    {S(" PING\r\n" PING), 7, 1, {S("PING")}},
    {S("PI\rNG\r\n"), 7, 2, {S("PI"), S("NG")}},
    {S("PING \"a\\x41\" 'b\\'c'\r\n"), 21, 3, {S("PING"), S("aA"), S("b'c")}},
};

struct refused {
    struct slice in;
    const char *error;
};

static const struct refused refused[] = {
    {S("*x\r\n"), "invalid multibulk length"},
    {S("*\r\n"), "invalid multibulk length"},
    {S("*1xx4\r\nPING\r\n"), "invalid multibulk length"},
    {S("*01\r\n"), "invalid multibulk length"},
    {S("*+1\r\n"), "invalid multibulk length"},
    {S("* 1\r\n"), "invalid multibulk length"},
    {S("*1 \r\n"), "invalid multibulk length"},
    {S("*-0\r\n"), "invalid multibulk length"},
    {S("*-x\r\n"), "invalid multibulk length"},
    {S("*2147483648\r\n"), "invalid multibulk length"},
    {S("*-9223372036854775809\r\n"), "invalid multibulk length"},
    {S("*99999999999999999999999\r\n"), "invalid multibulk length"},
    {S("*1\r\nx\r\n"), "expected '$', got 'x'"},
    {S("*1\r\n\r\n"), "expected '$', got ' '"},
    {S("*1\r\n \r\n"), "expected '$', got ' '"},
    {S("*1\r\n\xff\r\n"), "expected '$', got '\xff'"},
    {S("*1\r\n'\r\n"), "expected '$', got '''"},
    {S("*1\r\n$\r\n\r\n"), "invalid bulk length"},
    {S("*1\r\n$-1\r\n"), "invalid bulk length"},
    {S("*1\r\n$-0\r\n"), "invalid bulk length"},
    {S("*1\r\n$x\r\n"), "invalid bulk length"},
    {S("*1\r\n$04\r\n"), "invalid bulk length"},
    {S("*1\r\n$536870913\r\n"), "invalid bulk length"},
    {S("*1\r\n$9999999999999999999\r\n"), "invalid bulk length"},
    {S("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$-2\r\n"), "invalid bulk length"},
    {S("PING \"a\r\n"), "unbalanced quotes in request"},
    {S("PING 'a'b\r\n"), "unbalanced quotes in request"},
};

static const struct slice waiting[] = {
    S(""),
    S("*"),
    S("*1"),
    S("*1\r"),
    S("*1\r\r\n"),
    S("*1\r\n$4\r\nPI"),
    S("*1\r\n$4\r\nPING\r"),
    S("*1\n$4\nPING\n"),
    S("*2147483647\r\n"),
    S("*1\r\n$536870912\r\n"),
    S("PING"),
    S("PING\r"),
    /* a NUL hides the end of the line behind it */
    S("\0PING\r\n" PING),
    S("PING\0x\r\n" PING),
    S("*1\r\n\0\r\n"),
    S("*1\0\r\n"),
};

struct setting {
    struct resp_parser parser;
    struct arena arena;
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    resp_init(&setting->parser);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    resp_free(&setting->parser);
    arena_free(&setting->arena);
    free(setting);
    return 0;
}

static void check_request(const struct setting *setting, const struct accepted *expected)
{
    assert_int_equal(setting->parser.used, expected->used);
    assert_int_equal(setting->parser.argc, expected->argc);
    for (int i = 0; i < expected->argc; i++) {
        assert_int_equal(setting->parser.argv[i].len, expected->argv[i].len);
        assert_memory_equal(setting->parser.argv[i].data, expected->argv[i].data,
                            expected->argv[i].len);
    }
}

static enum resp_status parse(struct setting *setting, struct slice in)
{
    return resp_parse(&setting->parser, in, &open_limits, &setting->arena);
}

static void requests_are_read_as_redis_reads_them(void **state)
{
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
        assert_int_equal(parse(setting, accepted[i].in), RESP_REQUEST);
        check_request(setting, &accepted[i]);
    }
}

static void errors_are_those_of_redis(void **state)
{
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        resp_free(&setting->parser);
        assert_int_equal(parse(setting, refused[i].in), RESP_ERROR);
        assert_string_equal(setting->parser.error, refused[i].error);
    }
}

static void incomplete_requests_wait(void **state)
{
    struct setting *setting = *state;
    for (size_t i = 0; i < sizeof(waiting) / sizeof(*waiting); i++) {
        resp_free(&setting->parser);
        assert_int_equal(parse(setting, waiting[i]), RESP_MORE);
        assert_true(resp_wanted(&setting->parser) > 0);
    }
}

/* Feed a byte more each time, from a block of exactly that size at a new address, so that a
 * sanitizer sees each byte read too far and a test each pointer kept too long. */
static enum resp_status trickle(struct setting *setting, struct slice in, char **last)
{
    for (size_t len = 0; len <= in.len; len++) {
        char *copy = malloc(len + (len == 0));
        memcpy(copy, in.data, len);
        enum resp_status status = parse(setting, (struct slice){copy, len});
        if (status != RESP_MORE) {
            *last = copy;
            return status;
        }
        free(copy);
    }
    *last = NULL;
    return RESP_MORE;
}

static void it_does_not_matter_in_which_pieces_bytes_arrive(void **state)
{
    struct setting *setting = *state;
    char *last;
    for (size_t i = 0; i < sizeof(accepted) / sizeof(*accepted); i++) {
        assert_int_equal(trickle(setting, accepted[i].in, &last), RESP_REQUEST);
        check_request(setting, &accepted[i]);
        free(last);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        resp_free(&setting->parser);
        assert_int_equal(trickle(setting, refused[i].in, &last), RESP_ERROR);
        assert_string_equal(setting->parser.error, refused[i].error);
        free(last);
    }
    for (size_t i = 0; i < sizeof(waiting) / sizeof(*waiting); i++) {
        resp_free(&setting->parser);
        assert_int_equal(trickle(setting, waiting[i], &last), RESP_MORE);
    }
}

static void expect_of_run(struct setting *setting, const char *prefix, char fill, size_t len,
                          const char *error)
{
    struct buf in = {0};
    buf_append_text(&in, prefix);
    while (in.len < len)
        buf_append_char(&in, fill);
    resp_free(&setting->parser);
    enum resp_status status = parse(setting, buf_slice(&in));
    assert_int_equal(status, error ? RESP_ERROR : RESP_MORE);
    if (error)
        assert_string_equal(setting->parser.error, error);
    buf_free(&in);
}

static void a_line_without_end_is_refused_beyond_64_kib(void **state)
{
    struct setting *setting = *state;
    expect_of_run(setting, "", 'a', 65536, NULL);
    expect_of_run(setting, "", 'a', 65537, "too big inline request");
    expect_of_run(setting, "*", '1', 65536, NULL);
    expect_of_run(setting, "*", '1', 65537, "too big mbulk count string");
    expect_of_run(setting, "*1\r\n$", '1', 65540, NULL);
    expect_of_run(setting, "*1\r\n$", '1', 65541, "too big bulk count string");
}

static void little_is_taken_before_authentication(void **state)
{
    struct setting *setting = *state;
    struct resp_parser *parser = &setting->parser;
    assert_int_equal(resp_parse(parser, S("*10\r\n"), &closed_limits, &setting->arena), RESP_MORE);
    resp_free(parser);
    assert_int_equal(resp_parse(parser, S("*11\r\n"), &closed_limits, &setting->arena), RESP_ERROR);
    assert_string_equal(parser->error, "unauthenticated multibulk length");
    resp_free(parser);
    assert_int_equal(resp_parse(parser, S("*1\r\n$16384\r\n"), &closed_limits, &setting->arena),
                     RESP_MORE);
    resp_free(parser);
    assert_int_equal(resp_parse(parser, S("*1\r\n$16385\r\n"), &closed_limits, &setting->arena),
                     RESP_ERROR);
    assert_string_equal(parser->error, "unauthenticated bulk length");
    resp_free(parser);
    assert_int_equal(resp_parse(parser, S("*1\r\n$536870913\r\n"), &closed_limits, &setting->arena),
                     RESP_ERROR);
    assert_string_equal(parser->error, "invalid bulk length");
}

static void the_room_an_announced_argument_needs_is_known(void **state)
{
    struct setting *setting = *state;
    assert_int_equal(parse(setting, S("*2\r\n$3\r\nGET\r\n$1000000\r\nabc")), RESP_MORE);
    assert_int_equal(resp_wanted(&setting->parser), 13 + 10 + 1000000 + 2);
}

static void many_arguments_are_read_and_their_array_given_back(void **state)
{
    struct setting *setting = *state;
    enum { COUNT = 100000 };
    struct buf in = {0};
    resp_put_array(&in, COUNT);
    for (int i = 0; i < COUNT; i++)
        resp_put_bulk(&in, (struct slice){(const char *)&i, sizeof(i)});
    /* in pieces, so that the offsets survive the moves of the buffer */
    for (size_t len = 1000; len < in.len; len += 99991)
        assert_int_equal(parse(setting, (struct slice){in.data, len}), RESP_MORE);
    assert_int_equal(parse(setting, buf_slice(&in)), RESP_REQUEST);
    assert_int_equal(setting->parser.used, in.len);
    assert_int_equal(setting->parser.argc, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_memory_equal(setting->parser.argv[i].data, &i, sizeof(i));
    assert_int_equal(parse(setting, S(PING)), RESP_REQUEST);
    assert_true(setting->parser.argv_cap <= RESP_ARGS_KEPT);
    buf_free(&in);
}

static void what_is_written_is_read_back(void **state)
{
    struct setting *setting = *state;
    struct buf out = {0};
    struct slice argv[] = {S("SET"), S(""), S("0123456789\r\n*1")};
    resp_put_command(&out, 3, argv);
    assert_true(slice_equal(buf_slice(&out),
                            S("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$14\r\n0123456789\r\n*1\r\n")));
    struct accepted expected = {buf_slice(&out), out.len, 3, {argv[0], argv[1], argv[2]}};
    assert_int_equal(parse(setting, buf_slice(&out)), RESP_REQUEST);
    check_request(setting, &expected);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_read_as_redis_reads_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(errors_are_those_of_redis, set_up, tear_down),
        cmocka_unit_test_setup_teardown(incomplete_requests_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_does_not_matter_in_which_pieces_bytes_arrive, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_refused_beyond_64_kib, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(little_is_taken_before_authentication, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_room_an_announced_argument_needs_is_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_arguments_are_read_and_their_array_given_back, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
