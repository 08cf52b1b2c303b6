/* Connections over a socket pair, on a real engine with three commands and a journal whose marks
 * the test moves: what is held, what waits, what is released, and how connections end. */
#include "net/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/ctx.h"
#include "core/engine.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/settings.h"
#include "net/loop.h"
#include "tests/support/test.h"

struct fixture {
    struct settings settings;
    struct host host;
    struct journal journal;
    struct engine *engine;
    struct loop *loop;
    struct conns conns;
    uint64_t now_ns;
    int batches;
    int said;
    char heard[8192];
};

/* ---- commands ---- */

static void echo_run(struct ctx *ctx)
{
    reply_bulk(ctx, ctx->argv[1]);
}

static void put_run(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    ctx_put_string(ctx, &place, ctx->argv[2], ENTRY_NO_DEADLINE);
    reply_ok(ctx);
}

static void fetch_run(struct ctx *ctx)
{
    struct place place = ctx_find(ctx, ctx->argv[1], LOOKUP_READ);
    reply_int(ctx, place.entry != NULL);
}

static void leave_run(struct ctx *ctx)
{
    reply_ok(ctx);
    ctx->session->flags |= SESSION_CLOSE_AFTER_REPLY;
}

static void big_run(struct ctx *ctx)
{
    char *text = mem_alloc_zero(1 << 20);
    reply_bulk(ctx, (struct slice){text, 1 << 20});
    mem_free(text);
}

static void unblock(struct ctx *ctx, bool timed_out)
{
    reply_int(ctx, timed_out);
}

static void stall_run(struct ctx *ctx)
{
    session_block(ctx->session, ctx->engine->journal->sequence, 0, unblock);
}

static const struct command rows[] = {
    {.name = "echo", .run = echo_run, .arity = 2},
    {.name = "put",
     .run = put_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .keys = {{.flags = KEY_OW, .first = 1, .last = 0, .step = 1}}},
    {.name = "fetch",
     .run = fetch_run,
     .arity = 2,
     .flags = COMMAND_READONLY,
     .keys = {{.flags = KEY_RO, .first = 1, .last = 0, .step = 1}}},
    {.name = "leave", .run = leave_run, .arity = 1},
    {.name = "big", .run = big_run, .arity = 1},
    {.name = "stall", .run = stall_run, .arity = 1},
    {.name = NULL},
};
static const struct command *const tables[] = {rows, NULL};

/* ---- ports ---- */

static int64_t wall_us(void *self)
{
    struct fixture *f = self;
    return (int64_t)(f->now_ns / 1000) + 1700000000000000;
}

static uint64_t monotonic_ns(void *self)
{
    struct fixture *f = self;
    return f->now_ns += 1000;
}

static void random_bytes(unused void *self, void *out, size_t len)
{
    memset(out, 7, len);
}

static printf_like(3, 4) void log_line(unused void *self, unused enum host_level level,
                                       unused const char *format, ...)
{
}

static void close_session(unused void *self, struct session *session, bool after_output)
{
    conn_close(session->connection, after_output);
}

static void wake_session(unused void *self, struct session *session)
{
    conn_touch(session->connection);
}

static void journal_turn_end(struct journal *journal, unused int64_t now_ms)
{
    struct fixture *f = journal->store;
    f->batches++;
    buf_clear(&journal->open);
}

static void journal_report_none(unused struct journal *journal, struct journal_report *out)
{
    memset(out, 0, sizeof *out);
    strcpy(out->problem, "it is broken");
}

static const struct journal_ops ops = {.turn_end = journal_turn_end,
                                       .report = journal_report_none};

static void say(void *env, unused bool warning, unused const char *line)
{
    struct fixture *f = env;
    f->said++;
}

/* ---- the turn, as net.c has it ---- */

static void on_begin(void *env)
{
    struct fixture *f = env;
    engine_turn_begin(f->engine);
}

static void on_end(void *env)
{
    struct fixture *f = env;
    if (loop_woken(f->loop))
        conns_news(&f->conns);
    conns_resume(&f->conns);
    engine_turn_end(f->engine);
    conns_settle(&f->conns);
}

static void on_tick(unused void *env)
{
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->now_ns = 1000000000;
    settings_init(&f->settings);
    f->host = (struct host){
        .self = f,
        .wall_us = wall_us,
        .monotonic_ns = monotonic_ns,
        .random_bytes = random_bytes,
        .log = log_line,
        .close_session = close_session,
        .wake_session = wake_session,
    };
    journal_off(&f->journal);
    f->journal.ops = &ops;
    f->journal.store = f;
    atomic_store(&f->journal.state, JOURNAL_HEALTHY);
    struct engine_options options = {&f->settings, &f->host, &f->journal, tables};
    f->engine = engine_new(&options);
    struct loop_hooks hooks = {on_begin, on_end, on_tick, f};
    f->loop = loop_new(&hooks);
    struct conns_options conns_options = {f->loop, f->engine, &f->settings, NULL, say, f};
    conns_init(&f->conns, &conns_options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    conns_free(&f->conns);
    loop_free(f->loop);
    engine_free(f->engine);
    settings_free(&f->settings);
    buf_free(&f->journal.open);
    free(f);
    return 0;
}

/* ---- the client's side ---- */

static int join(struct fixture *f)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    struct conn_facts facts = {.fd = pair[0], .local = true, .address = "1.2.3.4:5"};
    conns_accept(&f->conns, &facts);
    return pair[1];
}

static void turns(struct fixture *f, int count)
{
    while (count-- > 0)
        loop_poll(f->loop);
}

static void tell(struct fixture *f, int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    turns(f, 2);
}

/* All that has come back and was not heard yet; "<end>" behind the last byte of the connection. */
static const char *hear(struct fixture *f, int fd)
{
    size_t len = 0;
    f->heard[0] = '\0';
    for (;;) {
        ssize_t got = read(fd, f->heard + len, sizeof f->heard - 16 - len);
        if (got == 0 || (got < 0 && errno == ECONNRESET))
            strcpy(f->heard + len, "<end>");
        if (got <= 0)
            return f->heard;
        len += (size_t)got;
        f->heard[len] = '\0';
    }
}

static void confirm(struct fixture *f)
{
    atomic_store(&f->journal.durable, f->journal.sequence);
    loop_wake(f->loop);
    turns(f, 2);
}

#define assert_hears(fd, text) assert_string_equal(hear(f, fd), text)

/* ---- tests ---- */

static void a_read_is_answered_in_the_same_turn(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "ECHO hello\r\n*2\r\n$4\r\necho\r\n$2\r\nab\r\n");
    assert_hears(fd, "$5\r\nhello\r\n$2\r\nab\r\n");
    assert_int_equal(f->batches, 0);
    close(fd);
}

static void a_write_waits_for_its_sync_and_no_longer(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\n");
    assert_int_equal(f->batches, 1);
    assert_hears(fd, "");
    turns(f, 5);
    assert_hears(fd, "");
    confirm(f);
    assert_hears(fd, "+OK\r\n");
    close(fd);
}

static void replies_behind_a_held_one_wait_with_it_in_order(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "ECHO x\r\nPUT a 1\r\nECHO y\r\n");
    assert_hears(fd, "$1\r\nx\r\n");
    tell(f, fd, "NOSUCH\r\n");
    assert_hears(fd, "");
    confirm(f);
    assert_hears(fd, "+OK\r\n$1\r\ny\r\n"
                     "-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
    close(fd);
}

static void a_read_of_an_unconfirmed_key_waits_one_of_another_does_not(void **state)
{
    struct fixture *f = *state;
    int writer = join(f), reader = join(f), other = join(f);
    tell(f, writer, "PUT a 1\r\n");
    tell(f, reader, "FETCH a\r\n");
    tell(f, other, "FETCH b\r\n");
    assert_hears(other, ":0\r\n");
    assert_hears(reader, "");
    confirm(f);
    assert_hears(reader, ":1\r\n");
    close(writer);
    close(reader);
    close(other);
}

static void all_clients_of_a_turn_share_a_batch(void **state)
{
    struct fixture *f = *state;
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = join(f);
        assert_int_equal(write(fds[i], "PUT k v\r\n", 9), 9);
    }
    turns(f, 2);
    assert_int_equal(f->batches, 1);
    confirm(f);
    for (int i = 0; i < 20; i++) {
        assert_hears(fds[i], "+OK\r\n");
        close(fds[i]);
    }
}

static void a_failed_log_turns_held_replies_into_errors(void **state)
{
    struct fixture *f = *state;
    int writer = join(f), reader = join(f);
    tell(f, writer, "ECHO x\r\nPUT a 1\r\nECHO y\r\n");
    tell(f, reader, "FETCH a\r\n");
    assert_hears(writer, "$1\r\nx\r\n");
    atomic_store(&f->journal.state, JOURNAL_FAILED);
    loop_wake(f->loop);
    turns(f, 2);
    const char *said = hear(f, writer);
    assert_ptr_equal(strstr(said, "-MISCONF "), said);
    assert_non_null(strstr(said, "$1\r\ny\r\n"));
    said = hear(f, reader);
    assert_ptr_equal(strstr(said, "-MISCONF "), said);
    tell(f, writer, "PUT b 1\r\n");
    assert_hears(writer, "-MISCONF Errors writing to the AOF file: it is broken\r\n");
    tell(f, writer, "FETCH c\r\n");
    assert_hears(writer, ":0\r\n");
    close(writer);
    close(reader);
}

static void under_back_pressure_a_write_waits_in_place_and_reads_of_others_go_on(void **state)
{
    struct fixture *f = *state;
    int writer = join(f), reader = join(f);
    atomic_store(&f->journal.pending_bytes, (uint64_t)f->settings.log_backlog_bytes + 1);
    tell(f, writer, "ECHO 1\r\nPUT a 1\r\nECHO 2\r\n");
    assert_hears(writer, "$1\r\n1\r\n");
    tell(f, writer, "ECHO 3\r\nECHO");
    tell(f, reader, "FETCH a\r\n");
    assert_hears(reader, ":0\r\n");
    assert_hears(writer, "");
    assert_int_equal(f->journal.sequence, 0);
    atomic_store(&f->journal.pending_bytes, 0);
    loop_wake(f->loop);
    turns(f, 2);
    confirm(f);
    assert_hears(writer, "+OK\r\n$1\r\n2\r\n$1\r\n3\r\n");
    tell(f, writer, " 4\r\n");
    assert_hears(writer, "$1\r\n4\r\n");
    close(writer);
    close(reader);
}

static void a_waiting_client_is_not_read_without_bound(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    atomic_store(&f->journal.pending_bytes, (uint64_t)f->settings.log_backlog_bytes + 1);
    char piece[4096];
    memset(piece, '\n', sizeof piece);
    tell(f, fd, "PUT a 1\r\n");
    size_t sent = 0;
    for (int i = 0; i < 5000; i++) {
        ssize_t wrote = write(fd, piece, sizeof piece);
        sent += wrote > 0 ? (size_t)wrote : 0;
        turns(f, 1);
    }
    assert_true(sent < 1000000);
    struct conn *conn = f->engine->sessions->connection;
    assert_true(conn->input.len <= CONN_PARKED_BYTES + 16384);
    atomic_store(&f->journal.pending_bytes, 0);
    loop_wake(f->loop);
    turns(f, 200);
    confirm(f);
    assert_hears(fd, "+OK\r\n");
    close(fd);
}

static void a_blocked_client_executes_nothing_until_it_is_served(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\nSTALL\r\nECHO x\r\n");
    tell(f, fd, "ECHO y\r\n");
    assert_hears(fd, "");
    confirm(f);
    turns(f, 2);
    assert_hears(fd, "+OK\r\n:0\r\n$1\r\nx\r\n$1\r\ny\r\n");
    close(fd);
}

static void an_error_behind_a_blocked_request_waits_for_it(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\nECHO x\r\nSTALL\r\n*1\r\n$x\r\n");
    assert_hears(fd, "");
    confirm(f);
    turns(f, 2);
    assert_hears(fd, "+OK\r\n$1\r\nx\r\n:0\r\n"
                     "-ERR Protocol error: invalid bulk length\r\n<end>");
    close(fd);
}

static void who_stops_sending_gets_held_replies_first(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\nECHO x\r\n");
    shutdown(fd, SHUT_WR);
    turns(f, 3);
    assert_hears(fd, "");
    assert_int_equal(f->conns.count, 1);
    confirm(f);
    assert_hears(fd, "+OK\r\n$1\r\nx\r\n<end>");
    assert_int_equal(f->conns.count, 0);
    close(fd);
}

static void who_stops_sending_under_back_pressure_is_served_first(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    atomic_store(&f->journal.pending_bytes, (uint64_t)f->settings.log_backlog_bytes + 1);
    tell(f, fd, "PUT a 1\r\nECHO x\r\n");
    shutdown(fd, SHUT_WR);
    turns(f, 3);
    assert_int_equal(f->conns.count, 1);
    atomic_store(&f->journal.pending_bytes, 0);
    loop_wake(f->loop);
    turns(f, 2);
    confirm(f);
    assert_hears(fd, "+OK\r\n$1\r\nx\r\n<end>");
    close(fd);
}

static void who_is_gone_while_blocked_or_idle_is_forgotten(void **state)
{
    struct fixture *f = *state;
    int blocked = join(f), idle = join(f);
    tell(f, blocked, "PUT a 1\r\nSTALL\r\n");
    close(blocked);
    close(idle);
    turns(f, 4);
    assert_int_equal(f->conns.count, 0);
    assert_null(f->engine->sessions);
}

static void leaving_is_answered_and_nothing_behind_it_executed(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\nLEAVE\r\nPUT b 1\r\n");
    assert_hears(fd, "");
    confirm(f);
    assert_hears(fd, "+OK\r\n+OK\r\n<end>");
    int other = join(f);
    tell(f, other, "FETCH b\r\n");
    assert_hears(other, ":0\r\n");
    close(other);
    close(fd);
}

static void a_protocol_error_comes_behind_what_is_held_then_the_end(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\n*1\r\n$x\r\nECHO x\r\n");
    assert_hears(fd, "");
    confirm(f);
    assert_hears(fd, "+OK\r\n-ERR Protocol error: invalid bulk length\r\n<end>");
    close(fd);
}

static void a_closed_session_executes_nothing_more(void **state)
{
    struct fixture *f = *state;
    int fd = join(f), other = join(f);
    turns(f, 1);
    struct conn *conn = f->engine->sessions->connection;
    assert_int_equal(write(fd, "PUT a 1\r\n", 9), 9);
    conn_close(conn, false);
    turns(f, 2);
    assert_hears(fd, "<end>");
    assert_int_equal(f->journal.sequence, 0);
    assert_int_equal(f->conns.count, 1);
    close(fd);
    close(other);
}

static void an_unread_reply_beyond_the_limit_closes_the_client(void **state)
{
    struct fixture *f = *state;
    f->settings.output_limits[OUTPUT_NORMAL].hard_bytes = 3 << 20;
    int fd = join(f);
    tell(f, fd, "BIG\r\nBIG\r\n");
    assert_int_equal(f->conns.count, 1);
    tell(f, fd, "BIG\r\nBIG\r\nBIG\r\nBIG\r\n");
    turns(f, 2);
    assert_int_equal(f->conns.count, 0);
    assert_int_equal(f->engine->stats.output_limit_closed, 1);
    close(fd);
}

static void held_output_counts_for_the_limit(void **state)
{
    struct fixture *f = *state;
    f->settings.output_limits[OUTPUT_NORMAL].hard_bytes = 3 << 20;
    int fd = join(f);
    tell(f, fd, "PUT a 1\r\nBIG\r\nBIG\r\n");
    assert_int_equal(f->conns.count, 1);
    tell(f, fd, "BIG\r\nBIG\r\n");
    turns(f, 2);
    assert_int_equal(f->conns.count, 0);
    close(fd);
}

static void one_client_too_many_is_refused(void **state)
{
    struct fixture *f = *state;
    f->settings.maxclients = 1;
    int fd = join(f), other = join(f);
    assert_hears(other, "-ERR max number of clients reached\r\n<end>");
    close(fd);
    turns(f, 2);
    int third = join(f);
    tell(f, third, "ECHO x\r\n");
    assert_hears(third, "$1\r\nx\r\n");
    close(other);
    close(third);
}

static void a_deep_pipeline_takes_several_turns(void **state)
{
    struct fixture *f = *state;
    int deep = join(f), other = join(f);
    size_t len = 28000; /* of empty requests */
    char *text = malloc(len);
    memset(text, '\n', len);
    assert_int_equal(write(deep, text, len), len);
    assert_int_equal(write(deep, "ECHO z\r\n", 8), 8);
    assert_int_equal(write(other, "ECHO x\r\n", 8), 8);
    loop_poll(f->loop);
    assert_hears(other, "$1\r\nx\r\n");
    assert_hears(deep, "");
    turns(f, 60);
    assert_hears(deep, "$1\r\nz\r\n");
    free(text);
    close(deep);
    close(other);
}

static void an_idle_connection_gives_its_memory_back(void **state)
{
    struct fixture *f = *state;
    int fd = join(f);
    tell(f, fd, "ECHO x\r\n");
    struct conn *conn = f->engine->sessions->connection;
    assert_non_null(conn->session.output.first);
    f->now_ns += 10ull * 1000000000;
    engine_turn_begin(f->engine);
    conns_tick(&f->conns);
    assert_null(conn->session.output.first);
    assert_null(conn->parser.argv);
    assert_null(conn->input.data);
    tell(f, fd, "ECHO y\r\n");
    assert_hears(fd, "$1\r\nx\r\n$1\r\ny\r\n");
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_read_is_answered_in_the_same_turn),
        TEST(a_write_waits_for_its_sync_and_no_longer),
        TEST(replies_behind_a_held_one_wait_with_it_in_order),
        TEST(a_read_of_an_unconfirmed_key_waits_one_of_another_does_not),
        TEST(all_clients_of_a_turn_share_a_batch),
        TEST(a_failed_log_turns_held_replies_into_errors),
        TEST(under_back_pressure_a_write_waits_in_place_and_reads_of_others_go_on),
        TEST(a_waiting_client_is_not_read_without_bound),
        TEST(a_blocked_client_executes_nothing_until_it_is_served),
        TEST(an_error_behind_a_blocked_request_waits_for_it),
        TEST(who_stops_sending_gets_held_replies_first),
        TEST(who_stops_sending_under_back_pressure_is_served_first),
        TEST(who_is_gone_while_blocked_or_idle_is_forgotten),
        TEST(leaving_is_answered_and_nothing_behind_it_executed),
        TEST(a_protocol_error_comes_behind_what_is_held_then_the_end),
        TEST(a_closed_session_executes_nothing_more),
        TEST(an_unread_reply_beyond_the_limit_closes_the_client),
        TEST(held_output_counts_for_the_limit),
        TEST(one_client_too_many_is_refused),
        TEST(a_deep_pipeline_takes_several_turns),
        TEST(an_idle_connection_gives_its_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
