/* Listeners.
 *
 * An address of `bind` is a name or number, "*" for all of IPv4, "::*" for all of IPv6; with a
 * leading '-' it may fail if the machine has no such address or protocol. IPv6 sockets take IPv6
 * only, so that "* ::*" is two listeners and no clash.
 *
 * A turn accepts at most ACCEPT_MAX clients of a listener; of a TLS port, where each costs the
 * processor a signature, as many as max-new-tls-connections-per-cycle allows. When the process has
 * no descriptor left, a client that waits in the queue would keep the loop awake for ever: one
 * descriptor is kept for that case, given up, used to take the client and tell him, and taken back.
 * When the system has no memory for a socket, accepting rests until the next tick of the clock.
 *
 * A service manager may hand over sockets that listen already. They take the place of all that the
 * settings name, so that clients who come while the server is restarted wait in the queue of the
 * socket, which lives on. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/settings.h"

#define ACCEPT_MAX 1000

struct listener {
    struct loop_io io;
    int fd;
    bool is_unix, is_tls;
    bool inherited; /* its Unix socket's name is not ours to remove */
    bool fresh; /* opened for the settings that are being applied */
    char text[160];
    char unix_path[108];
    struct listeners *listeners;
    struct listener *next;
};

void listeners_init(struct listeners *listeners)
{
    listeners->first = NULL;
    listeners->resting = false;
    listeners->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* ---- accepting ---- */

static void format_address(const struct sockaddr_storage *address,
                           char out[static SESSION_ADDRESS_BYTES])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        snprintf(out, SESSION_ADDRESS_BYTES, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        snprintf(out, SESSION_ADDRESS_BYTES, "%s:%u", host, ntohs(in->sin_port));
    }
}

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
    return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
}

static void set_option(int fd, int level, int option, int value)
{
    /* What a socket lacks makes it slower or later closed, no worse. */
    if (setsockopt(fd, level, option, &value, sizeof(value)) != 0)
        return;
}

static void prepare_tcp(int fd, int64_t keepalive_s)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_s <= 0)
        return;
    int probe_s = keepalive_s > 3 ? (int)(keepalive_s / 3) : 1;
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)keepalive_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_s);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static void hand_up(struct listener *listener, int fd, const struct sockaddr_storage *peer)
{
    struct listeners *listeners = listener->listeners;
    struct conn_facts facts = {.fd = fd, .local = true, .unix_socket = listener->is_unix,
                               .tls = listener->is_tls};
    if (listener->is_unix) {
        snprintf(facts.address, sizeof(facts.address), "%.107s:0", listener->unix_path);
        memcpy(facts.local_address, facts.address, sizeof(facts.local_address));
    } else {
        struct sockaddr_storage own = {.ss_family = AF_INET};
        socklen_t len = sizeof(own);
        if (getsockname(fd, (struct sockaddr *)&own, &len) == 0)
            format_address(&own, facts.local_address);
        format_address(peer, facts.address);
        facts.local = is_loopback(peer);
        prepare_tcp(fd, listeners->settings->tcp_keepalive);
    }
    listeners->accepted(listeners->accepted_env, &facts);
}

/* No descriptor is left: take one client with the spare one and tell him. */
static void refuse_with_spare(struct listener *listener)
{
    static const char text[] = "-ERR max number of clients reached\r\n";
    struct listeners *listeners = listener->listeners;
    if (listeners->spare_fd >= 0)
        close(listeners->spare_fd);
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        if (!listener->is_tls) {
            ssize_t sent = send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            (void)sent;
        }
        close(fd);
    }
    listeners->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void rest(struct listeners *listeners)
{
    if (!listeners->resting)
        listeners->say(listeners->env, true, "Accepting clients rests: the system refuses sockets");
    listeners->resting = true;
    for (struct listener *each = listeners->first; each; each = each->next)
        loop_io_want(listeners->loop, &each->io, 0);
}

static void on_ready(struct loop_io *io, unused int events)
{
    struct listener *listener = (struct listener *)(void *)io; /* its first member */
    int64_t most = listener->is_tls ? listener->listeners->settings->tls.accept_max : ACCEPT_MAX;
    for (int64_t i = 0; i < most; i++) {
        struct sockaddr_storage peer = {.ss_family = AF_INET};
        socklen_t len = sizeof(peer);
        int fd = accept4(listener->fd, (struct sockaddr *)&peer, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_up(listener, fd, &peer);
            continue;
        }
        int problem = errno;
        if (problem == EINTR || problem == ECONNABORTED)
            continue;
        if (problem == EMFILE || problem == ENFILE)
            refuse_with_spare(listener);
        if (problem == ENOBUFS || problem == ENOMEM || listener->listeners->spare_fd < 0)
            rest(listener->listeners);
        return;
    }
}

void listeners_tick(struct listeners *listeners)
{
    if (!listeners->resting)
        return;
    listeners->resting = false;
    if (listeners->spare_fd < 0)
        listeners->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (struct listener *each = listeners->first; each; each = each->next)
        loop_io_want(listeners->loop, &each->io, LOOP_READ);
}

/* ---- opening ---- */

static void listener_close(struct listeners *listeners, struct listener *listener)
{
    loop_io_close(listeners->loop, &listener->io);
    close(listener->fd);
    if (listener->is_unix && !listener->inherited)
        unlink(listener->unix_path);
    mem_free(listener);
}

void listeners_close(struct listeners *listeners)
{
    while (listeners->first) {
        struct listener *listener = listeners->first;
        listeners->first = listener->next;
        listener_close(listeners, listener);
    }
    if (listeners->spare_fd >= 0)
        close(listeners->spare_fd);
    listeners->spare_fd = -1;
}

/* ---- sockets of a service manager ---- */

static bool is_listening(int fd)
{
    int type = 0, listens = 0;
    socklen_t len = sizeof(type), listens_len = sizeof(listens);
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
           getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &listens_len) == 0 && listens;
}

static void name_unix(struct listener *listener, const struct sockaddr_un *address, size_t len)
{
    size_t path_len = len - offsetof(struct sockaddr_un, sun_path);
    if (path_len >= sizeof(listener->unix_path))
        path_len = sizeof(listener->unix_path) - 1;
    listener->is_unix = true;
    memcpy(listener->unix_path, address->sun_path, path_len);
    if (path_len > 0 && listener->unix_path[0] == '\0')
        listener->unix_path[0] = '@'; /* without a place among the files */
    snprintf(listener->text, sizeof(listener->text), "unix %s", listener->unix_path);
}

int listeners_inherit(struct listeners *listeners, int fd, bool is_tls, struct fault *fault)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    char host[SESSION_ADDRESS_BYTES];
    socklen_t len = sizeof(address);
    bool known = is_listening(fd) && getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
                 (address.ss_family == AF_UNIX || address.ss_family == AF_INET ||
                  address.ss_family == AF_INET6);
    if (!known)
        return fault_set(fault, KV_EREFUSED, "", -1,
                         "descriptor %d, handed over in LISTEN_FDS, is no stream socket that "
                         "listens",
                         fd);
    struct listener *listener = mem_alloc_zero(sizeof(*listener));
    listener->fd = fd;
    listener->inherited = true;
    listener->listeners = listeners;
    if (address.ss_family == AF_UNIX) {
        name_unix(listener, (const struct sockaddr_un *)(const void *)&address, len);
    } else {
        format_address(&address, host);
        listener->is_tls = is_tls;
        snprintf(listener->text, sizeof(listener->text), "%s %s", is_tls ? "tls" : "tcp", host);
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
        mem_free(listener);
        return fault_errno(fault, "", -1, "use a socket of LISTEN_FDS");
    }
    loop_io_open(listeners->loop, &listener->io, fd, on_ready);
    loop_io_want(listeners->loop, &listener->io, LOOP_READ);
    listener->next = listeners->first;
    listeners->first = listener;
    listeners->inherited = true;
    return 0;
}

/* The list that is being made: what is reused is moved over, what is new is opened. */
struct opening {
    struct listeners *listeners;
    struct listener *first, **end;
};

static void add(struct opening *opening, struct listener *listener)
{
    listener->next = NULL;
    *opening->end = listener;
    opening->end = &listener->next;
}

/* True if a listener of that text is open, on the old list or the new one. */
static bool reuse(struct opening *opening, const char *text)
{
    for (struct listener *each = opening->first; each; each = each->next)
        if (strcmp(each->text, text) == 0)
            return true;
    for (struct listener **at = &opening->listeners->first; *at; at = &(*at)->next) {
        struct listener *listener = *at;
        if (strcmp(listener->text, text) == 0) {
            *at = listener->next;
            add(opening, listener);
            return true;
        }
    }
    return false;
}

static struct listener *begin(struct opening *opening, int fd, const char *text)
{
    struct listener *listener = mem_alloc_zero(sizeof(*listener));
    listener->fd = fd;
    listener->fresh = true;
    listener->listeners = opening->listeners;
    snprintf(listener->text, sizeof(listener->text), "%s", text);
    loop_io_open(opening->listeners->loop, &listener->io, fd, on_ready);
    loop_io_want(opening->listeners->loop, &listener->io, LOOP_READ);
    add(opening, listener);
    return listener;
}

static int open_address(struct opening *opening, const struct addrinfo *info, const char *text,
                        bool is_tls, struct fault *fault)
{
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                    info->ai_protocol);
    if (fd < 0)
        return fault_errno(fault, text, -1, "socket");
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (info->ai_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    int code = 0;
    if (bind(fd, info->ai_addr, info->ai_addrlen) != 0)
        code = fault_errno(fault, text, -1, "bind");
    else if (listen(fd, (int)opening->listeners->settings->tcp_backlog) != 0)
        code = fault_errno(fault, text, -1, "listen");
    if (code != 0) {
        close(fd);
        return code;
    }
    begin(opening, fd, text)->is_tls = is_tls;
    return 0;
}

/* True if an address that may fail has failed because it is not there. */
static bool is_absent(int system_errno)
{
    return system_errno == EADDRNOTAVAIL || system_errno == EAFNOSUPPORT ||
           system_errno == EPROTONOSUPPORT || system_errno == ESOCKTNOSUPPORT ||
           system_errno == EPFNOSUPPORT || system_errno == ENOPROTOOPT;
}

static int open_tcp(struct opening *opening, const char *address, bool is_tls,
                    struct fault *fault)
{
    const struct listeners *listeners = opening->listeners;
    bool may_fail = address[0] == '-';
    if (may_fail)
        address++;
    const char *host = address;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (strcmp(address, "*") == 0) {
        host = "0.0.0.0";
        hints.ai_family = AF_INET;
    } else if (strcmp(address, "::*") == 0) {
        host = "::";
        hints.ai_family = AF_INET6;
    }
    char text[160], port[16];
    snprintf(port, sizeof(port), "%d",
             (int)(is_tls ? listeners->settings->tls.port : listeners->settings->port));
    snprintf(text, sizeof(text), strchr(host, ':') ? "%s [%.120s]:%s" : "%s %.120s:%s",
             is_tls ? "tls" : "tcp", host, port);
    if (reuse(opening, text))
        return 0;
    struct addrinfo *info = NULL;
    int unknown = getaddrinfo(host, port, &hints, &info);
    if (unknown != 0)
        return may_fail ? 0
                        : fault_set(fault, KV_EIO, text, -1, "bind: %s", gai_strerror(unknown));
    struct fault own = {0};
    int code = open_address(opening, info, text, is_tls, &own);
    freeaddrinfo(info);
    if (code != 0 && may_fail && is_absent(own.system_errno))
        return 0;
    if (code != 0 && fault)
        *fault = own;
    return code;
}

static int open_unix(struct opening *opening, const char *path, struct fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char text[160];
    if (strlen(path) >= sizeof(address.sun_path))
        return fault_set(fault, KV_ELIMIT, path, -1,
                         "the path of a Unix socket has at most %zu bytes",
                         sizeof(address.sun_path) - 1);
    snprintf(text, sizeof(text), "unix %s", path);
    if (reuse(opening, text))
        return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fault_errno(fault, path, -1, "socket");
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path); /* left behind by a server that was killed */
    int code = 0;
    int64_t mode = opening->listeners->settings->unix_socket_perm;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        code = fault_errno(fault, path, -1, "bind");
    else if (mode > 0 && chmod(path, (mode_t)mode) != 0)
        code = fault_errno(fault, path, -1, "chmod");
    else if (listen(fd, (int)opening->listeners->settings->tcp_backlog) != 0)
        code = fault_errno(fault, path, -1, "listen");
    if (code != 0) {
        close(fd);
        return code;
    }
    struct listener *listener = begin(opening, fd, text);
    listener->is_unix = true;
    memcpy(listener->unix_path, address.sun_path, sizeof(listener->unix_path));
    return 0;
}

/* Back to what was: the fresh ones are closed, the others join those left on the old list. */
static void take_back(struct listeners *listeners, struct listener *list)
{
    while (list) {
        struct listener *each = list;
        list = each->next;
        if (each->fresh) {
            listener_close(listeners, each);
        } else {
            each->next = listeners->first;
            listeners->first = each;
        }
    }
}

int listeners_open(struct listeners *listeners, struct fault *fault)
{
    const struct settings *settings = listeners->settings;
    struct opening opening = {.listeners = listeners};
    opening.end = &opening.first;
    int code = 0;
    if (listeners->inherited) {
        if (listeners->settled)
            return fault_set(fault, KV_EREFUSED, "", -1,
                             "the sockets are those of the service manager");
        listeners->settled = true;
        return 0;
    }
    for (int i = 0; settings->port > 0 && i < settings->bind_count && code == 0; i++)
        if (settings->bind[i][0])
            code = open_tcp(&opening, settings->bind[i], false, fault);
    for (int i = 0; settings->tls.port > 0 && i < settings->bind_count && code == 0; i++)
        if (settings->bind[i][0])
            code = open_tcp(&opening, settings->bind[i], true, fault);
    if (code == 0 && settings->unix_socket && settings->unix_socket[0])
        code = open_unix(&opening, settings->unix_socket, fault);
    if (code != 0) {
        take_back(listeners, opening.first);
        return code;
    }
    while (listeners->first) {
        struct listener *each = listeners->first;
        listeners->first = each->next;
        listener_close(listeners, each);
    }
    listeners->first = opening.first;
    for (struct listener *each = listeners->first; each; each = each->next)
        each->fresh = false;
    return 0;
}

void listeners_each(const struct listeners *listeners, void (*visit)(void *env, const char *text),
                    void *env)
{
    for (const struct listener *each = listeners->first; each; each = each->next)
        visit(env, each->text);
}
