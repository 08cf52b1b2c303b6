/* A short talk with another server on a connection of its own: write, read lines, close.
 *
 * The thread stands still meanwhile, but never longer than the timeout without progress: bytes
 * that were written, or a line that came whole (a target that trickles bytes makes none). Lines
 * are at most LINE_BYTES_MAX. Reading goes on beside writing, so that a target whose answers
 * nobody takes can't stop it; and what it has answered before a connection breaks is taken.
 */
#include "tools/kv_server_exchange.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/num.h"

#define HOST_CHARS_MAX 255
#define PORT_MAX 65535
#define LINE_BYTES_MAX 4096
#define WRITE_BYTES_MAX (256 * 1024)

struct talk {
    const struct exchange *exchange;
    int fd;
    int64_t deadline_ms;
    struct slice unsent;
    bool rest_sent;        /* or on its way */
    bool ended;
    enum exchange_end end;
    size_t line_len;
    char line[LINE_BYTES_MAX];
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t deadline_from_now(const struct exchange *exchange)
{
    int64_t deadline_ms;
    if (__builtin_add_overflow(now_ms(), exchange->timeout_ms, &deadline_ms))
        return INT64_MAX;
    return deadline_ms;
}

/* Wait for one of `events`; 0 when the deadline is over. */
static short wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd watched = {.fd = fd, .events = events};
    for (;;) {
        int64_t left_ms = deadline_ms - now_ms();
        if (left_ms <= 0)
            return 0;
        int got = poll(&watched, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        if (got > 0)
            return watched.revents;
        if (got < 0 && errno != EINTR)
            return 0;
    }
}

/* A socket that is connected to one of the addresses, or -1. `refused`: one of them answered so. */
static int connect_to(const struct addrinfo *addresses, int64_t deadline_ms, bool *refused)
{
    for (const struct addrinfo *at = addresses; at; at = at->ai_next) {
        int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        at->ai_protocol);
        if (fd < 0)
            continue;
        int error = 0;
        socklen_t len = sizeof(error);
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0)
            error = errno;
        if (error == EINPROGRESS) {
            if (wait_for(fd, POLLOUT, deadline_ms) == 0)
                error = ETIMEDOUT;
            else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
                error = errno;
        }
        if (error == 0) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            return fd;
        }
        *refused |= error == ECONNREFUSED;
        close(fd);
    }
    return -1;
}

static int connect_by_name(const struct exchange *exchange, bool *refused)
{
    char host[HOST_CHARS_MAX + 1], port[NUM_I64_MAX_CHARS + 1];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *addresses;
    if (exchange->host.len > HOST_CHARS_MAX || memchr(exchange->host.data, 0, exchange->host.len))
        return -1;
    if (exchange->port < 0 || exchange->port > PORT_MAX) {
        *refused = exchange->port > PORT_MAX;
        return -1;
    }
    snprintf(host, sizeof(host), "%.*s", (int)exchange->host.len, exchange->host.data);
    snprintf(port, sizeof(port), "%d", (int)exchange->port);
    if (getaddrinfo(host, port, &hints, &addresses) != 0)
        return -1;
    int fd = connect_to(addresses, deadline_from_now(exchange), refused);
    freeaddrinfo(addresses);
    return fd;
}

static void finish(struct talk *talk, enum exchange_end end)
{
    talk->ended = true;
    talk->end = end;
}

/* The connection broke, or nothing moved for too long. */
static void give_up(struct talk *talk)
{
    finish(talk, talk->unsent.len > 0 ? EXCHANGE_NOT_WRITTEN : EXCHANGE_NOT_READ);
}

static void take_line(struct talk *talk, struct slice line)
{
    talk->deadline_ms = deadline_from_now(talk->exchange);
    switch (talk->exchange->take_line(talk->exchange->env, line)) {
    case EXCHANGE_WAIT:
        break;
    case EXCHANGE_GO_ON:
        if (!talk->rest_sent)
            talk->unsent = talk->exchange->rest;
        talk->rest_sent = true;
        break;
    case EXCHANGE_END:
        finish(talk, EXCHANGE_DONE);
        break;
    case EXCHANGE_BROKEN:
        finish(talk, EXCHANGE_NOT_READ);
        break;
    }
}

static void read_some(struct talk *talk)
{
    ssize_t got = recv(talk->fd, talk->line + talk->line_len, LINE_BYTES_MAX - talk->line_len, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        give_up(talk);
        return;
    }
    talk->line_len += (size_t)got;
    size_t from = 0;
    while (!talk->ended) {
        const char *end = memchr(talk->line + from, '\n', talk->line_len - from);
        if (!end)
            break;
        size_t at = (size_t)(end - talk->line), len = at - from;
        if (len > 0 && talk->line[at - 1] == '\r')
            len--;
        take_line(talk, (struct slice){talk->line + from, len});
        from = at + 1;
    }
    talk->line_len -= from;
    memmove(talk->line, talk->line + from, talk->line_len);
    if (!talk->ended && talk->line_len == LINE_BYTES_MAX)
        finish(talk, EXCHANGE_NOT_READ);
}

static void write_some(struct talk *talk)
{
    size_t len = talk->unsent.len < WRITE_BYTES_MAX ? talk->unsent.len : WRITE_BYTES_MAX;
    ssize_t sent = send(talk->fd, talk->unsent.data, len, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent <= 0) {
        give_up(talk);
        return;
    }
    talk->unsent.data += sent;
    talk->unsent.len -= (size_t)sent;
    talk->deadline_ms = deadline_from_now(talk->exchange);
}

enum exchange_end server_exchange(unused void *self, const struct exchange *exchange)
{
    bool refused = false;
    int fd = connect_by_name(exchange, &refused);
    if (fd < 0)
        return refused ? EXCHANGE_NOT_WRITTEN : EXCHANGE_NO_CONNECTION;
    struct talk talk = {
        .exchange = exchange,
        .fd = fd,
        .unsent = exchange->first,
        .deadline_ms = deadline_from_now(exchange),
    };
    while (!talk.ended) {
        short events = talk.unsent.len > 0 ? POLLIN | POLLOUT : POLLIN;
        short ready = wait_for(fd, events, talk.deadline_ms);
        if (ready == 0) {
            give_up(&talk);
            break;
        }
        /* Answers first: they count even if writing fails. */
        if (ready & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
            read_some(&talk);
        if (!talk.ended && ready & POLLOUT && talk.unsent.len > 0)
            write_some(&talk);
    }
    close(fd);
    return talk.end;
}
