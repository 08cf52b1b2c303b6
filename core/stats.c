/* Counters and rates; see stats.h. */
#include "core/stats.h"

#include <string.h>

void stats_rate_sample(struct stats_rate *rate, uint64_t value, int64_t now_ms)
{
    int64_t passed = now_ms - rate->last_ms;
    if (rate->last_ms != 0 && passed > 0) {
        uint64_t moved = value >= rate->last_value ? value - rate->last_value : 0;
        rate->samples[rate->next] = moved * 1000 / (uint64_t)passed;
        rate->next = (rate->next + 1) % STATS_SAMPLES;
    }
    rate->last_ms = now_ms;
    rate->last_value = value;
}

uint64_t stats_rate_now(const struct stats_rate *rate)
{
    uint64_t sum = 0;
    for (int i = 0; i < STATS_SAMPLES; i++)
        sum += rate->samples[i];
    return sum / STATS_SAMPLES;
}

static void count_overflow(struct stats *stats)
{
    struct stats_error *last = &stats->by_prefix[STATS_ERRORS_MAX];
    if (stats->prefixes == STATS_ERRORS_MAX) {
        *last = (struct stats_error){.prefix = "ERRORSTATS_OVERFLOW"};
        stats->prefixes++;
    }
    last->count++;
}

void stats_error(struct stats *stats, const char *text, unsigned long len)
{
    stats->errors++;
    unsigned long end = 0;
    while (end < len && text[end] != ' ' && end < sizeof stats->by_prefix[0].prefix - 1)
        end++;
    for (int i = 0; i < stats->prefixes; i++) {
        struct stats_error *known = &stats->by_prefix[i];
        if (strlen(known->prefix) == end && memcmp(known->prefix, text, end) == 0) {
            known->count++;
            return;
        }
    }
    if (stats->prefixes >= STATS_ERRORS_MAX) {
        count_overflow(stats);
        return;
    }
    struct stats_error new_one = {.count = 1};
    memcpy(new_one.prefix, text, end);
    int at = stats->prefixes++;
    for (; at > 0 && strcmp(stats->by_prefix[at - 1].prefix, new_one.prefix) > 0; at--)
        stats->by_prefix[at] = stats->by_prefix[at - 1];
    stats->by_prefix[at] = new_one;
}

void stats_reset(struct stats *stats)
{
    uint64_t peak = stats->memory_peak, at_start = stats->memory_at_start;
    struct stats_rate commands = stats->rate_commands, in = stats->rate_in, out = stats->rate_out;
    *stats = (struct stats){.memory_peak = peak, .memory_at_start = at_start};
    stats->rate_commands.last_ms = commands.last_ms;
    stats->rate_in.last_ms = in.last_ms;
    stats->rate_out.last_ms = out.last_ms;
    stats->rate_turns.last_ms = stats->rate_turns_us.last_ms = commands.last_ms;
}
