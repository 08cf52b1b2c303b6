/* INFO: what the server is, who is connected, what the processor did. */
#include <stdatomic.h>

#include "core/base/buf.h"
#include "core/cmd/info.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/pubsub.h"
#include "core/session.h"
#include "core/version.h"
#include "core/waiters.h"
#include "core/watch.h"

#define NEVER_FAILED_OVER "0000000000000000000000000000000000000000"

static void info_facts(struct engine *engine, struct buf *out)
{
    struct host_facts facts = {.process_id = 0};
    if (engine->host->facts)
        engine->host->facts(engine->host->self, &facts);
    buf_printf(out,
               "os:%s\r\n"
               "arch_bits:%d\r\n"
               "monotonic_clock:POSIX clock_gettime\r\n"
               "multiplexing_api:epoll\r\n"
               "atomicvar_api:c11-builtin\r\n"
               "gcc_version:%d.%d.%d\r\n"
               "process_id:%lld\r\n"
               "process_supervised:no\r\n",
               facts.system, (int)sizeof(void *) * 8, __GNUC__, __GNUC_MINOR__,
               __GNUC_PATCHLEVEL__, (long long)facts.process_id);
}

static void put_listener(const struct settings *settings, const char *name, int64_t port,
                         int number, struct buf *out)
{
    buf_printf(out, "listener%d:name=%s", number, name);
    for (int i = 0; i < settings->bind_count; i++)
        buf_printf(out, ",bind=%s", settings->bind[i]);
    buf_printf(out, ",port=%lld\r\n", (long long)port);
}

static void put_listeners(const struct settings *settings, struct buf *out)
{
    int number = 0;
    if (settings->port)
        put_listener(settings, "tcp", settings->port, number++, out);
    if (settings->unix_socket && *settings->unix_socket)
        buf_printf(out, "listener%d:name=unix,bind=%s\r\n", number++, settings->unix_socket);
    if (settings->tls.port)
        put_listener(settings, "tls", settings->tls.port, number, out);
}

void info_server(struct engine *engine, struct buf *out)
{
    const struct settings *settings = engine->settings;
    int64_t uptime_s = (engine->now_ms - engine->started_ms) / 1000;
    buf_printf(out,
               "# Server\r\n"
               "redis_version:" KV_REDIS_VERSION "\r\n"
               "redis_git_sha1:00000000\r\n"
               "redis_git_dirty:0\r\n"
               "redis_build_id:0\r\n"
               "server_name:kv\r\n"
               "kv_version:" KV_VERSION "\r\n"
               "redis_mode:standalone\r\n"
               "server_mode:standalone\r\n");
    info_facts(engine, out);
    buf_printf(out,
               "run_id:%s\r\n"
               "tcp_port:%lld\r\n"
               "server_time_usec:%lld\r\n"
               "uptime_in_seconds:%lld\r\n"
               "uptime_in_days:%lld\r\n"
               "hz:%lld\r\n"
               "configured_hz:%lld\r\n"
               "clients_hz:%lld\r\n"
               "lru_clock:%lld\r\n"
               "executable:%s\r\n"
               "config_file:%s\r\n"
               "io_threads_active:%d\r\n"
               "availability_zone:%s\r\n",
               engine->run_id, (long long)(settings->port ? settings->port : settings->tls.port),
               (long long)engine->host->wall_us(engine->host->self), (long long)uptime_s,
               (long long)uptime_s / 86400, (long long)settings->hz, (long long)settings->hz,
               (long long)settings->hz, (long long)(engine->now_ms / 1000 & 0xffffff),
               engine->executable ? engine->executable : "",
               settings->config_file ? settings->config_file : "", settings->io_threads > 1,
               settings->availability_zone ? settings->availability_zone : "");
    put_listeners(settings, out);
}

static void put_pause(const struct engine *engine, struct buf *out)
{
    int64_t left_ms = engine->paused_until_ms - engine->now_ms;
    bool paused = left_ms > 0;
    const char *actions = engine->paused_writes_only ? "write" : "all";
    buf_printf(out,
               "paused_reason:%s\r\n"
               "paused_actions:%s\r\n"
               "paused_timeout_milliseconds:%lld\r\n",
               paused ? "client_pause" : "none", paused ? actions : "none",
               paused ? (long long)left_ms : 0LL);
}

void info_clients(struct engine *engine, struct buf *out)
{
    size_t most_input = 0, most_output = 0, subscribers = 0, watchers = 0, held = 0;
    for (const struct session *session = engine->sessions; session; session = session->next) {
        size_t input = session->query_bytes + session->query_free;
        if (input > most_input)
            most_input = input;
        if (session->output.chunk_bytes > most_output)
            most_output = session->output.chunk_bytes;
        subscribers += pubsub_total(session) > 0;
        watchers += session->watches != NULL;
        held += (session->flags & SESSION_WAITS) != 0;
    }
    buf_printf(out,
               "# Clients\r\n"
               "connected_clients:%llu\r\n"
               "cluster_connections:0\r\n"
               "maxclients:%lld\r\n"
               "client_recent_max_input_buffer:%zu\r\n"
               "client_recent_max_output_buffer:%zu\r\n"
               "blocked_clients:%llu\r\n"
               "tracking_clients:%llu\r\n"
               "pubsub_clients:%zu\r\n"
               "watching_clients:%zu\r\n"
               "clients_in_timeout_table:%llu\r\n"
               "total_watched_keys:%zu\r\n"
               "total_blocking_keys:%llu\r\n"
               "total_blocking_keys_on_nokey:%llu\r\n",
               (unsigned long long)engine->session_count, (long long)engine->settings->maxclients,
               most_input, most_output,
               (unsigned long long)(engine->blocked_count + waiters_clients(engine) + held),
               (unsigned long long)engine->trackers, subscribers, watchers,
               (unsigned long long)waiters_timeouts(engine), watch_keys(engine),
               (unsigned long long)waiters_keys(engine),
               (unsigned long long)waiters_deletions(engine));
    put_pause(engine, out);
}

void info_replication(struct engine *engine, struct buf *out)
{
    buf_printf(out,
               "# Replication\r\n"
               "role:master\r\n"
               "connected_slaves:0\r\n"
               "replicas_waiting_psync:0\r\n"
               "master_failover_state:no-failover\r\n"
               "master_replid:%s\r\n"
               "master_replid2:" NEVER_FAILED_OVER "\r\n"
               "master_repl_offset:%llu\r\n"
               "second_repl_offset:-1\r\n"
               "repl_backlog_active:0\r\n"
               "repl_backlog_size:0\r\n"
               "repl_backlog_first_byte_offset:0\r\n"
               "repl_backlog_histlen:0\r\n",
               engine->repl_id, (unsigned long long)engine->journal->sequence);
}

void info_cpu(struct engine *engine, struct buf *out)
{
    double user = 0, sys = 0, user_main = 0, sys_main = 0;
    if (engine->host->cpu)
        engine->host->cpu(engine->host->self, &user, &sys, &user_main, &sys_main);
    buf_printf(out,
               "# CPU\r\n"
               "used_cpu_sys:%.6f\r\n"
               "used_cpu_user:%.6f\r\n"
               "used_cpu_sys_children:0.000000\r\n"
               "used_cpu_user_children:0.000000\r\n"
               "used_cpu_sys_main_thread:%.6f\r\n"
               "used_cpu_user_main_thread:%.6f\r\n",
               sys, user, sys_main, user_main);
}

void info_modules(struct engine *engine, struct buf *out)
{
    (void)engine;
    buf_append_text(out, "# Modules\r\n");
}

void info_cluster(struct engine *engine, struct buf *out)
{
    (void)engine;
    buf_append_text(out, "# Cluster\r\ncluster_enabled:0\r\n");
}
