/* A link that main closes is let go of once, and is on no list any more by then, whatever the
 * thread is doing at that moment: main tells it of bytes to send, closes the link a moment later,
 * and takes what is finished; many times, with all moments in between. */
#include "net/io.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/io_block.h"
#include "net/loop.h"
#include "tests/support/test.h"

#define ROUNDS 20000

struct main_side {
    struct loop *loop;
    struct io_pool *pool;
};

static void on_event(void *env)
{
    (void)env;
}

static void open_pool(struct main_side *side)
{
    struct loop_hooks hooks = {on_event, on_event, on_event, NULL};
    side->loop = loop_new(&hooks);
    assert_non_null(side->loop);
    side->pool = io_pool_new(1, side->loop);
    assert_non_null(side->pool);
    io_pool_limit(side->pool, 1 << 20, 1 << 20);
}

static void close_pool(struct main_side *side)
{
    io_pool_free(side->pool, 1000);
    loop_free(side->loop);
}

static void on_news(void *owner)
{
    (void)owner;
}

static void wait_a_moment(int steps)
{
    for (volatile int i = 0; i < steps; i++)
        continue;
}

/* The lowest that is free: what is not closed moves it. */
static int free_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static void take_until_closed(struct io_pool *pool, int fd)
{
    char reply[8];
    for (ssize_t got = -1; got != 0; got = recv(fd, reply, sizeof(reply), MSG_DONTWAIT)) {
        assert_true(got == -1 || got == 5);
        io_pool_take(pool, on_news);
    }
}

static void a_link_is_let_go_of_at_any_moment(void **state)
{
    (void)state;
    struct main_side side;
    int before = free_descriptor();
    open_pool(&side);
    for (int round = 0; round < ROUNDS; round++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        struct io_link *link = io_link_new(side.pool, pair[0], NULL, true, &side);
        struct iovec part = {"+OK\r\n", 5};
        wait_a_moment(round % 1000);
        assert_int_equal(io_writev(link, &part, 1, 5), 5);
        wait_a_moment(round % 7000);
        io_link_close(link, round % 2);
        take_until_closed(side.pool, pair[1]);
        close(pair[1]);
    }
    close_pool(&side);
    assert_int_equal(free_descriptor(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_is_let_go_of_at_any_moment),
    };
    return cmocka_run_group_tests_name("net/io", tests, NULL, NULL);
}
