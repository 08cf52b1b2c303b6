/* The graph has four rows and in each three levels, so twelve heights between the lowest and the
 * highest sample. */
#include "core/cmd/latency_report.h"

#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/engine_state.h"
#include "core/latency.h"

#define GRAPH_ROWS 4
#define GRAPH_LEVELS 3
#define GRAPH_COLUMNS 80
#define AGE_BYTES 24

struct range {
    uint64_t low, high;
};

static struct range range_of(const struct latency_event *event)
{
    struct range range = {UINT64_MAX, 0};
    for (int i = 0; i < event->count; i++) {
        uint64_t ms = latency_sample_at(event, i)->ms;
        range.low = ms < range.low ? ms : range.low;
        range.high = ms > range.high ? ms : range.high;
    }
    return range;
}

static char glyph(struct range range, uint64_t ms, int row)
{
    int heights = GRAPH_ROWS * GRAPH_LEVELS, height = 0;
    if (range.high > range.low)
        height = (int)((double)(ms - range.low) * heights / (double)(range.high - range.low));
    if (height == heights)
        height--;
    int top = height / GRAPH_LEVELS;
    if (row != top)
        return row < top ? '|' : ' ';
    return "_o#"[height % GRAPH_LEVELS];
}

static void format_age(int64_t age_s, char out[static AGE_BYTES])
{
    if (age_s < 60)
        snprintf(out, AGE_BYTES, "%llds", (long long)age_s);
    else if (age_s < 3600)
        snprintf(out, AGE_BYTES, "%lldm", (long long)age_s / 60);
    else if (age_s < 86400)
        snprintf(out, AGE_BYTES, "%lldh", (long long)age_s / 3600);
    else
        snprintf(out, AGE_BYTES, "%lldd", (long long)age_s / 86400);
}

/* One letter of each sample's age; false if none has so many. */
static bool put_ages(const struct latency_event *event, int from, int until, int64_t now_s,
                     size_t letter, struct buf *out)
{
    char line[GRAPH_COLUMNS], age[AGE_BYTES];
    bool any = false;
    for (int i = from; i < until; i++) {
        format_age(now_s - latency_sample_at(event, i)->time_s, age);
        bool has = letter < strlen(age);
        line[i - from] = has ? age[letter] : ' ';
        any |= has;
    }
    if (any) {
        buf_append(out, line, (size_t)(until - from));
        buf_append_char(out, '\n');
    }
    return any;
}

static void put_columns(const struct latency_event *event, int from, int until, int64_t now_s,
                        struct buf *out)
{
    struct range range = range_of(event);
    for (int row = GRAPH_ROWS - 1; row >= 0; row--) {
        for (int i = from; i < until; i++)
            buf_append_char(out, glyph(range, latency_sample_at(event, i)->ms, row));
        buf_append_char(out, '\n');
    }
    for (int i = from; i < until; i++)
        buf_append_char(out, ' ');
    buf_append_char(out, '\n');
    for (size_t letter = 0; put_ages(event, from, until, now_s, letter, out);)
        letter++;
}

void latency_graph(const struct latency_event *event, int64_t now_s, struct buf *out)
{
    struct range range = range_of(event);
    buf_printf(out, "%s - high %llu ms, low %llu ms (all time high %llu ms)\n", event->name,
               (unsigned long long)range.high, (unsigned long long)range.low,
               (unsigned long long)event->max_ms);
    for (int i = 0; i < GRAPH_COLUMNS; i++)
        buf_append_char(out, '-');
    buf_append_char(out, '\n');
    for (int from = 0; from < event->count; from += GRAPH_COLUMNS) {
        int until = from + GRAPH_COLUMNS < event->count ? from + GRAPH_COLUMNS : event->count;
        if (from > 0)
            buf_append_char(out, '\n');
        put_columns(event, from, until, now_s, out);
    }
}

/* ---- the doctor ---- */

struct advice {
    const char *event, *text;
};

static const struct advice advices[] = {
    {LATENCY_COMMAND, "SLOWLOG GET shows which commands took long. Those that go through all of a "
                      "large key, or through all keys, are the usual ones: SCAN and its kin do it "
                      "in pieces."},
    {LATENCY_FAST_COMMAND, "A command that takes no time took long: most likely the process did "
                           "not run. Look for other processes on the machine, swapping, and a "
                           "hypervisor that shares its processors."},
    {LATENCY_EXPIRE_CYCLE, "Many keys pass their deadline at once, or very large ones do. Spread "
                           "the deadlines, or set lazyfree-lazy-expire to yes."},
    {LATENCY_EXPIRE_DEL, "Large keys pass their deadline. Set lazyfree-lazy-expire to yes, or make "
                         "the keys smaller."},
    {LATENCY_EVICTION_CYCLE, "Much must be evicted at once. A larger maxmemory, or a lower "
                             "maxmemory-eviction-tenacity, makes the pauses shorter."},
    {LATENCY_EVICTION_DEL, "Large keys are evicted. Set lazyfree-lazy-eviction to yes, or make the "
                           "keys smaller."},
    {LATENCY_LOG_SYNC, "The disk took long to confirm a sync: with appendfsync always, replies to "
                       "writes wait for it. Look for other load on the disk; a device with a "
                       "protected write cache answers at once."},
    {LATENCY_SNAPSHOT_SLICE, "A snapshot took long in one turn. Very large keys, or a machine "
                             "that is short of processor time, may be why."},
    {LATENCY_COMPACTION, "So long it took to give the log a new base. No command waits for it; it "
                         "is as long as the keyspace is large and the disk slow."},
};

/* Average, and average distance from it. */
static void put_spikes(const struct latency_event *event, int number, struct buf *out)
{
    double sum = 0, distance = 0;
    for (int i = 0; i < event->count; i++)
        sum += (double)latency_sample_at(event, i)->ms;
    double average = sum / event->count;
    for (int i = 0; i < event->count; i++) {
        double off = (double)latency_sample_at(event, i)->ms - average;
        distance += off < 0 ? -off : off;
    }
    int64_t span_s = latency_sample_at(event, event->count - 1)->time_s -
                     latency_sample_at(event, 0)->time_s;
    buf_printf(out,
               "%d. %s: %d seconds with a spike (average %.0f ms, mean deviation %.0f ms, one in "
               "%.2f seconds). The worst one since the last reset took %llu ms.\n",
               number, event->name, event->count, average, distance / event->count,
               event->count > 1 ? (double)span_s / (event->count - 1) : 0.0,
               (unsigned long long)event->max_ms);
}

static void put_advice(const struct latency_event *event, struct buf *out)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (strcmp(advices[i].event, event->name) == 0)
            buf_printf(out, "- %s: %s\n", event->name, advices[i].text);
}

void latency_doctor(const struct engine *engine, struct buf *out)
{
    const struct settings *settings = engine->settings;
    const struct latency_event *event;
    if (!latency_at(engine->latency, 0)) {
        if (settings->latency_threshold_ms <= 0)
            buf_append_text(out, "Latency is not monitored. CONFIG SET latency-monitor-threshold "
                                 "<milliseconds> begins to note what takes as long or longer.\n");
        else
            buf_printf(out, "Nothing has taken %lld ms or longer since the last reset.\n",
                       (long long)settings->latency_threshold_ms);
        return;
    }
    buf_append_text(out, "These took longer than they should:\n\n");
    for (int i = 0; (event = latency_at(engine->latency, i)); i++)
        put_spikes(event, i + 1, out);
    buf_append_text(out, "\nWhat one can do:\n\n");
    if (settings->slowlog_slower_us < 0 ||
        settings->slowlog_slower_us / 1000 > settings->latency_threshold_ms)
        buf_append_text(out, "- The slow log notes less than the latency monitor: lower "
                             "slowlog-log-slower-than.\n");
    for (int i = 0; (event = latency_at(engine->latency, i)); i++)
        put_advice(event, out);
}
