/* The network put together: the loop calls, listeners accept, connections talk to the engine.
 *
 * The end of a turn, in order; conn.c says why:
 *   news (if there are any) -> waiting requests -> the engine's turn ends -> news, if that brought
 *   some -> replies leave -> work that can wait. */
#include "net/net.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine.h"
#include "core/settings.h"
#include "net/conn.h"
#include "net/io.h"
#include "net/listen.h"
#include "net/loop.h"
#include "net/tls.h"

#define NET_OWN_FILES 64 /* descriptors that are not clients: log files, listeners, the loop */

struct net {
    struct net_options options;
    struct loop *loop;
    struct listeners listeners;
    struct conns conns;
    struct io_pool *pool; /* NULL: no I/O threads */
    uint64_t tick_at_ns; /* when the next tick is due */
    bool stopping;
    int64_t linger_ms;
};

/* ---- the turn ---- */

static void set_tick(struct net *net)
{
    int64_t ms = engine_tick_ms(net->options.engine);
    net->tick_at_ns = net->options.engine->now_ns + (uint64_t)ms * 1000000;
    loop_tick_in(net->loop, ms);
}

static void on_turn_begin(void *env)
{
    struct net *net = env;
    if (likely(!net->options.engine->busy))
        engine_turn_begin(net->options.engine);
}

static void on_turn_end(void *env)
{
    struct net *net = env;
    struct engine *engine = net->options.engine;
    struct conns *conns = &net->conns;
    conns_io(conns);
    if (unlikely(engine->busy_session)) {
        conns_settle_beside(conns);
        return;
    }
    uint64_t confirmed = journal_confirmed(engine->journal);
    if (loop_woken(net->loop) || confirmed != conns->confirmed || unlikely(engine->news_due)) {
        conns->confirmed = confirmed;
        conns_news(conns);
    }
    conns_resume(conns);
    if (!engine->loading)
        engine_turn_end(engine);
    confirmed = journal_confirmed(engine->journal);
    if (confirmed != conns->confirmed) { /* the log may have written the turn's batch at once */
        conns->confirmed = confirmed;
        conns_news(conns);
    }
    conns_settle(conns);
    int64_t again_ns = engine_turn_spare(engine);
    if (unlikely(again_ns >= 0))
        loop_again_in(net->loop, (uint64_t)again_ns);
    /* A command may have begun to wait with a deadline that is nearer than the next tick. */
    uint64_t tick_ns = (uint64_t)engine_tick_ms(engine) * 1000000;
    if (unlikely(engine->now_ns + tick_ns < net->tick_at_ns))
        set_tick(net);
    engine_turn_over(engine);
    if (unlikely(net->stopping)) {
        conns_linger(conns, net->linger_ms);
        loop_stop(net->loop);
    }
}

static void on_tick(void *env)
{
    struct net *net = env;
    if (net->options.engine->busy) {
        set_tick(net);
        return;
    }
    if (!net->options.engine->loading)
        engine_tick(net->options.engine);
    conns_tick(&net->conns);
    listeners_tick(&net->listeners);
    if (net->options.tick)
        net->options.tick(net->options.env);
    set_tick(net);
}

static void on_accepted(void *env, const struct conn_facts *facts)
{
    struct net *net = env;
    conns_accept(&net->conns, facts);
}

/* ---- life ---- */

static void limit_pool(struct net *net)
{
    const struct settings *settings = net->options.settings;
    if (net->pool)
        io_pool_limit(net->pool, settings->bulk_bytes_max, settings->query_buffer_limit);
}

struct net *net_new(const struct net_options *options)
{
    struct net *net = mem_alloc_zero(sizeof(*net));
    net->options = *options;
    struct loop_hooks hooks = {on_turn_begin, on_turn_end, on_tick, net};
    net->loop = loop_new(&hooks);
    if (!net->loop) {
        mem_free(net);
        return NULL;
    }
    int threads = (int)options->settings->io_threads - 1;
    if (threads > 0 && !(net->pool = io_pool_new(threads, net->loop))) {
        loop_free(net->loop);
        mem_free(net);
        return NULL;
    }
    net->listeners = (struct listeners){
        .loop = net->loop,
        .settings = options->settings,
        .accepted = on_accepted,
        .accepted_env = net,
        .say = options->say,
        .env = options->env,
    };
    listeners_init(&net->listeners);
    struct conns_options conns_options = {
        .loop = net->loop,
        .engine = options->engine,
        .settings = options->settings,
        .pool = net->pool,
        .say = options->say,
        .env = options->env,
    };
    conns_init(&net->conns, &conns_options);
    limit_pool(net);
    signal(SIGPIPE, SIG_IGN);
    set_tick(net);
    return net;
}

void net_free(struct net *net)
{
    if (!net)
        return;
    listeners_close(&net->listeners);
    conns_free(&net->conns);
    io_pool_free(net->pool, net->linger_ms);
    tls_free(net->conns.tls);
    loop_free(net->loop);
    mem_free(net);
}

/* Read certificates and the rest anew, for connections to come; on failure the old ones stay. */
static int reload_tls(struct net *net, struct fault *fault)
{
    struct tls *tls = NULL;
    if (net->options.settings->tls.port == 0)
        return 0;
    int code = tls_new(&net->options.settings->tls, &tls, fault);
    if (code != 0)
        return code;
    tls_free(net->conns.tls);
    net->conns.tls = tls;
    return 0;
}

int net_listen(struct net *net, struct fault *fault)
{
    if (!net->conns.tls) {
        int code = reload_tls(net, fault);
        if (code != 0)
            return code;
    }
    return listeners_open(&net->listeners, fault);
}

static bool has_port(int fd, int64_t port)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(address);
    if (port == 0 || getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    if (address.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)&address)->sin_port) == port;
    return address.ss_family == AF_INET6 &&
           ntohs(((const struct sockaddr_in6 *)(const void *)&address)->sin6_port) == port;
}

int net_inherit(struct net *net, int fd, const char *name, struct fault *fault)
{
    const struct settings_tls *tls = &net->options.settings->tls;
    bool is_tls = (name && strcmp(name, "tls") == 0) || has_port(fd, tls->port);
    if (is_tls && tls->port == 0)
        return fault_set(fault, KV_EREFUSED, "", -1,
                         "a socket of the name tls was handed over, but tls-port is 0");
    return listeners_inherit(&net->listeners, fd, is_tls, fault);
}

void net_each_listener(struct net *net, void (*visit)(void *env, const char *text), void *env)
{
    listeners_each(&net->listeners, visit, env);
}

void net_run(struct net *net)
{
    loop_run(net->loop);
}

void net_poll(struct net *net)
{
    loop_poll(net->loop);
}

void net_run_events(struct net *net)
{
    struct conns_beside beside;
    conns_beside_begin(&net->conns, &beside);
    loop_poll(net->loop);
    conns_beside_end(&net->conns, &beside);
}

void net_stop(struct net *net, int64_t linger_ms)
{
    net->stopping = true;
    net->linger_ms = linger_ms;
    listeners_close(&net->listeners);
    loop_again(net->loop);
}

void net_wake(struct net *net)
{
    loop_wake(net->loop);
}

void net_on_signal(struct net *net, int signal_number,
                   void (*handler)(void *env, int signal_number), void *env)
{
    loop_on_signal(net->loop, signal_number, handler, env);
}

/* ---- the host port's part ---- */

void net_close_session(unused struct net *net, struct session *session, bool after_output)
{
    if (session->connection)
        conn_close(session->connection, after_output);
}

void net_wake_session(unused struct net *net, struct session *session)
{
    if (session->connection)
        conn_touch(session->connection);
}

int net_setting_changed(struct net *net, const char *name, struct fault *fault)
{
    const struct settings *settings = net->options.settings;
    if (strcmp(name, "bind") == 0 || strcmp(name, "port") == 0)
        return net_listen(net, fault);
    if (strncmp(name, "tls-", 4) == 0) {
        int code = reload_tls(net, fault);
        return code == 0 && strcmp(name, "tls-port") == 0 ? net_listen(net, fault) : code;
    }
    if (strcmp(name, "proto-max-bulk-len") == 0 || strcmp(name, "client-query-buffer-limit") == 0)
        limit_pool(net);
    if (strcmp(name, "client-output-buffer-limit") == 0)
        conns_apply_limits(&net->conns);
    if (strcmp(name, "maxclients") == 0 &&
        net_clients_possible(settings->maxclients) < settings->maxclients)
        return fault_set(fault, KV_ELIMIT, "", -1,
                         "The operating system is not able to handle the specified number of "
                         "clients, try with %lld",
                         (long long)net_clients_possible(settings->maxclients));
    return 0;
}

int64_t net_clients_possible(int64_t wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return wanted;
    rlim_t needed = (rlim_t)wanted + NET_OWN_FILES;
    if (limit.rlim_cur < needed) {
        struct rlimit higher = {.rlim_cur = needed, .rlim_max = limit.rlim_max};
        if (higher.rlim_max < needed)
            higher.rlim_max = needed; /* root may */
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            return wanted;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            return wanted;
    }
    if (limit.rlim_cur >= needed)
        return wanted;
    return limit.rlim_cur > NET_OWN_FILES ? (int64_t)limit.rlim_cur - NET_OWN_FILES : 1;
}
