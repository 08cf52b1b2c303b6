/* Latency monitoring: for each kind of event, when one took latency-monitor-threshold milliseconds
 * or longer. Off (the default) it costs a comparison. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct engine;
struct latency;

/* Events. The first ones are Redis', */
#define LATENCY_COMMAND "command"               /* one that is not flagged `fast` */
#define LATENCY_FAST_COMMAND "fast-command"
#define LATENCY_EXPIRE_CYCLE "expire-cycle"
#define LATENCY_EXPIRE_DEL "expire-del"
#define LATENCY_EVICTION_CYCLE "eviction-cycle"
#define LATENCY_EVICTION_DEL "eviction-del"
/* the others kv's. */
#define LATENCY_LOG_SYNC "log-sync"             /* a sync of the log, on its own thread */
#define LATENCY_SNAPSHOT_SLICE "snapshot-slice" /* what a snapshot takes of one turn */
#define LATENCY_COMPACTION "compaction"         /* a new base of the log, from begin to end */

#define LATENCY_EVENTS_MAX 16
#define LATENCY_SAMPLES_MAX 160

struct latency_sample {
    int64_t time_s;
    uint64_t ms; /* the worst of this second */
};

struct latency_event {
    const char *name;
    uint64_t max_ms, sum_ms, times; /* since the last reset */
    int count, next; /* samples, and where the next one goes: a ring */
    struct latency_sample samples[LATENCY_SAMPLES_MAX];
};

struct latency *latency_new(void);
void latency_free(struct latency *latency);

/* An event took so long; `name` is kept. Nothing happens below the threshold. */
void latency_add(struct engine *engine, const char *name, uint64_t ms);

/* For what is timed only if somebody wants to know: the clock when it begins (0 without a
 * threshold), and latency_add of what it took since. */
uint64_t latency_begin(const struct engine *engine);
void latency_end(struct engine *engine, const char *name, uint64_t begun_ns);

/* The events that happened since the last reset: the one at `index`, NULL behind the last; by name,
 * NULL if it has no samples. */
const struct latency_event *latency_at(const struct latency *latency, int index);
const struct latency_event *latency_find(const struct latency *latency, const char *name,
                                         size_t len);
/* The oldest has index 0. */
const struct latency_sample *latency_sample_at(const struct latency_event *event, int index);
/* Forget the samples of one event, or of all if `name` is NULL; returns of how many there were. */
int latency_reset(struct latency *latency, const char *name, size_t len);
