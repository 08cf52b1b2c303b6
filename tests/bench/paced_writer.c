/* A writer at a steady pace: build/bench/paced_writer PORT set|hset ITEMS RATE CONNECTIONS.
 *
 * Sends RATE commands a second, spread over the connections in turn, until its standard input
 * ends; then writes a sample for each command to standard output: when it was sent (CLOCK_MONOTONIC
 * ns) and how long its reply took (ns), both u64. Open loop: a command is sent when it is due,
 * whatever earlier ones wait for, so a server that stands still is felt by all that come meanwhile.
 * Being woken late itself does not count: a command's time begins when it is sent.
 *
 *   set    SET string:<8 digits> <about 90 bytes>, of ITEMS keys
 *   hset   HSET big field:<8 digits> <22 digits>, of ITEMS fields and a tenth more that are new
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define WAITING_MAX 65536 /* a connection's commands without reply */

struct sample {
    uint64_t sent, took;
};

struct connection {
    size_t waiting[WAITING_MAX]; /* samples, a ring */
    size_t first, count;
};

struct writer {
    bool hash;
    uint64_t items, chance;
    int connections;
    struct pollfd ready[CONNECTIONS_MAX + 1]; /* the last one: standard input */
    struct connection *connection;
    struct sample *samples;
    size_t count, cap;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "paced_writer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static uint64_t random_number(struct writer *writer)
{
    writer->chance ^= writer->chance << 13;
    writer->chance ^= writer->chance >> 7;
    writer->chance ^= writer->chance << 17;
    return writer->chance;
}

static int make_command(struct writer *writer, char out[static 256])
{
    uint64_t chance = random_number(writer);
    char key[32], value[128];

    if (writer->hash) {
        snprintf(key, sizeof(key), "field:%08" PRIu64, chance % (writer->items * 11 / 10));
        snprintf(value, sizeof(value), "%022" PRIx64, random_number(writer));
        return snprintf(out, 256, "*4\r\n$4\r\nHSET\r\n$3\r\nbig\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n",
                        strlen(key), key, strlen(value), value);
    }
    snprintf(key, sizeof(key), "string:%08" PRIu64, chance % writer->items);
    snprintf(value, sizeof(value),
             "{\"id\":%" PRIu64 ",\"name\":\"user-%" PRIu64 "\",\"session\":\"%016" PRIx64
             "\",\"state\":\"active\"}",
             chance % writer->items, chance % 1000000, random_number(writer));
    return snprintf(out, 256, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key,
                    strlen(value), value);
}

static void send_command(struct writer *writer)
{
    size_t turn = writer->count % (size_t)writer->connections;
    struct connection *connection = &writer->connection[turn];
    char command[256];
    int len = make_command(writer, command);

    if (connection->count == WAITING_MAX) {
        errno = ENOBUFS;
        die("too many commands without reply");
    }
    if (writer->count == writer->cap) {
        writer->cap = writer->cap ? 2 * writer->cap : 1 << 20;
        writer->samples = realloc(writer->samples, writer->cap * sizeof(*writer->samples));
        if (!writer->samples)
            die("memory");
    }
    connection->waiting[(connection->first + connection->count++) % WAITING_MAX] = writer->count;
    writer->samples[writer->count++].sent = now_ns();
    if (send(writer->ready[turn].fd, command, (size_t)len, 0) != len)
        die("send");
}

/* Replies are of one line each. */
static void take_replies(struct writer *writer, int which)
{
    struct connection *connection = &writer->connection[which];
    char replies[16384];
    ssize_t len = recv(writer->ready[which].fd, replies, sizeof(replies), MSG_DONTWAIT);
    uint64_t now = now_ns();

    if (len <= 0)
        die("the server has hung up");
    if (memchr(replies, '-', (size_t)len)) {
        fprintf(stderr, "paced_writer: %.*s\n", (int)len, replies);
        exit(1);
    }
    for (ssize_t i = 0; i < len; i++) {
        if (replies[i] != '\n')
            continue;
        struct sample *sample = &writer->samples[connection->waiting[connection->first]];
        sample->took = now - sample->sent;
        connection->first = (connection->first + 1) % WAITING_MAX;
        connection->count--;
    }
}

/* False: standard input has ended. */
static bool wait_until(struct writer *writer, uint64_t due_ns)
{
    for (;;) {
        uint64_t now = now_ns(), wait_ns = due_ns > now ? due_ns - now : 0;
        struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
        int count = ppoll(writer->ready, (nfds_t)writer->connections + 1, &wait, NULL);

        if (count < 0)
            die("poll");
        for (int i = 0; count > 0 && i < writer->connections; i++)
            if (writer->ready[i].revents)
                take_replies(writer, i);
        if (writer->ready[writer->connections].revents)
            return false;
        if (wait_ns == 0)
            return true;
    }
}

int main(int argc, char **argv)
{
    static struct writer writer;
    uint64_t interval_ns, due_ns;

    if (argc != 6) {
        fprintf(stderr, "paced_writer PORT set|hset ITEMS RATE CONNECTIONS\n");
        return 2;
    }
    writer.hash = strcmp(argv[2], "hset") == 0;
    writer.items = strtoull(argv[3], NULL, 10);
    writer.chance = 88172645463325252u;
    interval_ns = 1000000000u / strtoull(argv[4], NULL, 10);
    writer.connections = atoi(argv[5]);
    if (writer.connections < 1 || writer.connections > CONNECTIONS_MAX)
        return 2;
    writer.connection = calloc((size_t)writer.connections, sizeof(*writer.connection));
    for (int i = 0; i < writer.connections; i++)
        writer.ready[i] =
            (struct pollfd){.fd = connect_to((uint16_t)atoi(argv[1])), .events = POLLIN};
    writer.ready[writer.connections] = (struct pollfd){.fd = 0, .events = POLLIN};
    prctl(PR_SET_TIMERSLACK, 1);
    due_ns = now_ns();
    while (wait_until(&writer, due_ns)) {
        uint64_t now = now_ns();

        send_command(&writer);
        due_ns = due_ns + interval_ns > now ? due_ns + interval_ns : now;
    }
    while (writer.count > 0 && writer.samples[writer.count - 1].took == 0)
        writer.count--; /* whose replies were not waited for */
    fwrite(writer.samples, sizeof(*writer.samples), writer.count, stdout);
    return 0;
}
