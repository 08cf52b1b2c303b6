/* INFO: what was done since the start or since CONFIG RESETSTAT, and what keys there are. */
#include <stdlib.h>

#include "core/base/buf.h"
#include "core/base/histogram.h"
#include "core/base/num.h"
#include "core/cmd/info.h"
#include "core/engine_state.h"
#include "core/host.h"
#include "core/keyspace.h"
#include "core/registry.h"
#include "core/scripting.h"
#include "core/settings.h"
#include "core/stats.h"
#include "core/pubsub.h"
#include "core/tracking.h"

#define TTL_SAMPLE 16

static void put_traffic(const struct stats *stats, struct buf *out)
{
    buf_printf(out,
               "# Stats\r\n"
               "total_connections_received:%llu\r\n"
               "total_commands_processed:%llu\r\n"
               "instantaneous_ops_per_sec:%llu\r\n"
               "total_net_input_bytes:%llu\r\n"
               "total_net_output_bytes:%llu\r\n"
               "total_net_repl_input_bytes:0\r\n"
               "total_net_repl_output_bytes:0\r\n"
               "instantaneous_input_kbps:%.2f\r\n"
               "instantaneous_output_kbps:%.2f\r\n"
               "instantaneous_input_repl_kbps:0.00\r\n"
               "instantaneous_output_repl_kbps:0.00\r\n"
               "rejected_connections:%llu\r\n"
               "sync_full:0\r\n"
               "sync_partial_ok:0\r\n"
               "sync_partial_err:0\r\n",
               (unsigned long long)stats->connections, (unsigned long long)stats->commands,
               (unsigned long long)stats_rate_now(&stats->rate_commands),
               (unsigned long long)stats->net_in, (unsigned long long)stats->net_out,
               (double)stats_rate_now(&stats->rate_in) / 1024,
               (double)stats_rate_now(&stats->rate_out) / 1024,
               (unsigned long long)stats->connections_rejected);
}

static void put_keys(const struct stats *stats, int64_t now_ms, uint64_t evicted_scripts,
                     struct buf *out)
{
    uint64_t exceeded_ms =
        stats->eviction_since_ms ? (uint64_t)(now_ms - stats->eviction_since_ms) : 0;
    buf_printf(out,
               "expired_keys:%llu\r\n"
               "expired_subkeys:%llu\r\n"
               "expired_stale_perc:%.2f\r\n"
               "expired_time_cap_reached_count:%llu\r\n"
               "expire_cycle_cpu_milliseconds:%llu\r\n"
               "evicted_keys:%llu\r\n"
               "evicted_clients:%llu\r\n"
               "evicted_scripts:%llu\r\n"
               "total_eviction_exceeded_time:%llu\r\n"
               "current_eviction_exceeded_time:%llu\r\n"
               "keyspace_hits:%llu\r\n"
               "keyspace_misses:%llu\r\n",
               (unsigned long long)stats->expired, (unsigned long long)stats->expired_fields,
               stats->expired_stale_percent,
               (unsigned long long)stats->expired_time_cap,
               (unsigned long long)stats->expire_cycle_us / 1000,
               (unsigned long long)stats->evicted, (unsigned long long)stats->evicted_clients,
               (unsigned long long)evicted_scripts,
               (unsigned long long)(stats->eviction_exceeded_ms + exceeded_ms),
               (unsigned long long)exceeded_ms, (unsigned long long)stats->hits,
               (unsigned long long)stats->misses);
}

static void put_traffic_behind(const struct stats *stats, struct buf *out)
{
    buf_printf(out,
               "unexpected_error_replies:%llu\r\n"
               "total_error_replies:%llu\r\n"
               "dump_payload_sanitizations:0\r\n"
               "total_reads_processed:%llu\r\n"
               "total_writes_processed:%llu\r\n"
               "io_threaded_reads_processed:0\r\n"
               "io_threaded_writes_processed:0\r\n"
               "io_threaded_freed_objects:0\r\n"
               "io_threaded_accept_processed:0\r\n"
               "io_threaded_poll_processed:0\r\n"
               "io_threaded_total_prefetch_batches:0\r\n"
               "io_threaded_total_prefetch_entries:0\r\n"
               "reply_buffer_shrinks:0\r\n"
               "reply_buffer_expands:0\r\n"
               "client_query_buffer_limit_disconnections:%llu\r\n"
               "client_output_buffer_limit_disconnections:%llu\r\n",
               (unsigned long long)stats->unexpected_errors, (unsigned long long)stats->errors,
               (unsigned long long)stats->reads, (unsigned long long)stats->writes,
               (unsigned long long)stats->query_limit_closed,
               (unsigned long long)stats->output_limit_closed);
}

/* What passed between two waits for the sockets, and of it what commands took. */
static void put_turns(const struct stats *stats, struct buf *out)
{
    uint64_t turns = stats_rate_now(&stats->rate_turns);
    buf_printf(out,
               "eventloop_cycles:%llu\r\n"
               "eventloop_duration_sum:%llu\r\n"
               "eventloop_duration_cmd_sum:%llu\r\n"
               "instantaneous_eventloop_cycles_per_sec:%llu\r\n"
               "instantaneous_eventloop_duration_usec:%llu\r\n",
               (unsigned long long)stats->turns, (unsigned long long)stats->turns_ns / 1000,
               (unsigned long long)stats->commands_us, (unsigned long long)turns,
               (unsigned long long)(turns ? stats_rate_now(&stats->rate_turns_us) / turns : 0));
}

static void put_denied(const struct stats *stats, struct buf *out)
{
    buf_printf(out,
               "acl_access_denied_auth:%llu\r\n"
               "acl_access_denied_cmd:%llu\r\n"
               "acl_access_denied_key:%llu\r\n"
               "acl_access_denied_channel:%llu\r\n",
               (unsigned long long)stats->acl_denied_auth,
               (unsigned long long)stats->acl_denied_command,
               (unsigned long long)stats->acl_denied_key,
               (unsigned long long)stats->acl_denied_channel);
}

void info_stats(struct engine *engine, struct buf *out)
{
    const struct stats *stats = &engine->stats;
    struct scripting_figures scripts;
    scripting_figures(engine, &scripts);
    put_traffic(stats, out);
    put_keys(stats, engine->now_ms, scripts.scripts_evicted, out);
    buf_printf(out,
               "pubsub_channels:%llu\r\n"
               "pubsub_patterns:%llu\r\n"
               "pubsubshard_channels:%llu\r\n",
               (unsigned long long)pubsub_names(engine, PUBSUB_CHANNEL),
               (unsigned long long)pubsub_names(engine, PUBSUB_PATTERN),
               (unsigned long long)pubsub_names(engine, PUBSUB_SHARD));
    buf_append_text(out, "latest_fork_usec:0\r\n"
                         "total_forks:0\r\n"
                         "migrate_cached_sockets:0\r\n"
                         "slave_expires_tracked_keys:0\r\n"
                         "active_defrag_hits:0\r\n"
                         "active_defrag_misses:0\r\n"
                         "active_defrag_key_hits:0\r\n"
                         "active_defrag_key_misses:0\r\n"
                         "total_active_defrag_time:0\r\n"
                         "current_active_defrag_time:0\r\n");
    buf_printf(out,
               "tracking_total_keys:%llu\r\n"
               "tracking_total_items:%llu\r\n"
               "tracking_total_prefixes:%llu\r\n",
               (unsigned long long)tracking_keys(engine),
               (unsigned long long)tracking_items(engine),
               (unsigned long long)tracking_prefixes(engine));
    put_traffic_behind(stats, out);
    put_turns(stats, out);
    put_denied(stats, out);
}

static void put_command(void *env, struct command_state *state)
{
    if (!state->calls && !state->rejected && !state->failed)
        return;
    buf_printf(env,
               "cmdstat_%s:calls=%llu,usec=%llu,usec_per_call=%.2f,rejected_calls=%llu,"
               "failed_calls=%llu\r\n",
               state->full_name, (unsigned long long)state->calls, (unsigned long long)state->usec,
               state->calls ? (double)state->usec / (double)state->calls : 0.0,
               (unsigned long long)state->rejected, (unsigned long long)state->failed);
}

void info_commandstats(struct engine *engine, struct buf *out)
{
    buf_append_text(out, "# Commandstats\r\n");
    registry_each(engine->registry, put_command, out);
}

void info_errorstats(struct engine *engine, struct buf *out)
{
    const struct stats *stats = &engine->stats;
    buf_append_text(out, "# Errorstats\r\n");
    for (int i = 0; i < stats->prefixes; i++)
        buf_printf(out, "errorstat_%s:count=%llu\r\n", stats->by_prefix[i].prefix,
                   (unsigned long long)stats->by_prefix[i].count);
}

struct latency_env {
    const char *percentiles; /* "50 99 99.9" */
    struct buf *out;
};

static void put_latency(void *env, struct command_state *state)
{
    const struct latency_env *latency = env;
    if (!state->histogram || !state->histogram->count)
        return;
    buf_printf(latency->out, "latency_percentiles_usec_%s:", state->full_name);
    const char *at = latency->percentiles;
    for (bool first = true; *at; first = false) {
        char *end;
        double percentile = strtod(at, &end);
        if (end == at)
            break;
        buf_printf(latency->out, "%sp%.*s=%.3f", first ? "" : ",", (int)(end - at), at,
                   (double)histogram_at(state->histogram, percentile));
        at = *end ? end + 1 : end;
    }
    buf_append_text(latency->out, "\r\n");
}

void info_latencystats(struct engine *engine, struct buf *out)
{
    struct latency_env latency = {engine->settings->latency_percentiles, out};
    buf_append_text(out, "# Latencystats\r\n");
    if (engine->settings->latency_tracking && latency.percentiles)
        registry_each(engine->registry, put_latency, &latency);
}

/* The average time to live, from a few keys. */
static int64_t average_ttl_ms(struct engine *engine, int db)
{
    struct entry *sample[TTL_SAMPLE];
    int64_t sum = 0;
    size_t count = keyspace_sample(engine->keyspace, db, true, &engine->rng, sample, TTL_SAMPLE);
    for (size_t i = 0; i < count; i++) {
        int64_t left_ms = entry_deadline(sample[i]) - engine->now_ms;
        sum += left_ms > 0 ? left_ms / (int64_t)count : 0;
    }
    return sum;
}

void info_keyspace(struct engine *engine, struct buf *out)
{
    buf_append_text(out, "# Keyspace\r\n");
    for (int db = 0; db < keyspace_databases(engine->keyspace); db++) {
        uint64_t keys = keyspace_count(engine->keyspace, db);
        uint64_t deadlines = keyspace_deadlines(engine->keyspace, db);
        if (keys)
            buf_printf(out, "db%d:keys=%llu,expires=%llu,avg_ttl=%lld\r\n", db,
                       (unsigned long long)keys, (unsigned long long)deadlines,
                       (long long)(deadlines ? average_ttl_ms(engine, db) : 0));
    }
}
