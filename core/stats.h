/* Counters that INFO shows; reset by CONFIG RESETSTAT where Redis resets them. */
#pragma once

#include <stdint.h>

#include "core/base/mem.h"

#define STATS_ERRORS_MAX 128 /* different error prefixes that are counted apart; then together */
#define STATS_SAMPLES 16

struct stats_rate {                 /* a rate per second over the last 16 samples */
    uint64_t last_value;
    int64_t last_ms;
    uint64_t samples[STATS_SAMPLES];
    int next;
};

struct stats_error {
    char prefix[32];
    uint64_t count;
};

struct stats {
    uint64_t connections, connections_rejected, commands, net_in, net_out, reads, writes;
    uint64_t key_events; /* changes of keys since the start: rdb_changes_since_last_save */
    uint64_t expired, expired_fields, expired_time_cap, expire_cycle_us;
    uint64_t evicted, evicted_clients, eviction_exceeded_ms;
    uint64_t hits, misses, unexpected_errors, errors, query_limit_closed, output_limit_closed;
    uint64_t acl_denied_auth, acl_denied_command, acl_denied_key, acl_denied_channel;
    uint64_t dump_payload_bad, log_waits, gate_waits, active_deadlines_us;
    uint64_t snapshot_waits; /* commands that waited because of a snapshot's memory */
    double expired_stale_percent;
    uint64_t memory_peak, loaded_keys;
    /* the allocator's figures, as INFO read them last: not once per command */
    struct mem_stats memory;
    uint64_t memory_read_ns, memory_at_start;
    uint64_t turns, turns_ns, commands_us; /* of the loop, without its waits; of commands in them */
    struct stats_rate rate_commands, rate_in, rate_out, rate_turns, rate_turns_us;
    struct stats_error by_prefix[STATS_ERRORS_MAX + 1];
    int prefixes;
    int64_t eviction_since_ms;
};

void stats_rate_sample(struct stats_rate *rate, uint64_t value, int64_t now_ms);
uint64_t stats_rate_now(const struct stats_rate *rate);
/* Count an error reply by its prefix: the first word of `text`. */
void stats_error(struct stats *stats, const char *text, unsigned long len);
/* CONFIG RESETSTAT. */
void stats_reset(struct stats *stats);
