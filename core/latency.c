/* Events are few and their names constants: a list that is searched. Of the events of one second
 * only the worst is kept, so that a storm does not wipe out the past. */
#include "core/latency.h"

#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/engine_state.h"

struct latency {
    int count;
    struct latency_event *events[LATENCY_EVENTS_MAX];
};

struct latency *latency_new(void)
{
    return mem_alloc_zero(sizeof(struct latency));
}

void latency_free(struct latency *latency)
{
    latency_reset(latency, NULL, 0);
    mem_free(latency);
}

static int index_of(const struct latency *latency, const char *name, size_t len)
{
    for (int i = 0; i < latency->count; i++)
        if (strlen(latency->events[i]->name) == len &&
            memcmp(latency->events[i]->name, name, len) == 0)
            return i;
    return -1;
}

static struct latency_event *find_or_add(struct latency *latency, const char *name)
{
    int index = index_of(latency, name, strlen(name));
    if (index >= 0)
        return latency->events[index];
    kv_assert(latency->count < LATENCY_EVENTS_MAX);
    struct latency_event *event = mem_alloc_zero(sizeof *event);
    event->name = name;
    latency->events[latency->count++] = event;
    return event;
}

void latency_add(struct engine *engine, const char *name, uint64_t ms)
{
    int64_t threshold_ms = engine->settings->latency_threshold_ms;
    int64_t now_s = engine->now_ms / 1000;
    if (likely(threshold_ms <= 0 || ms < (uint64_t)threshold_ms))
        return;
    struct latency_event *event = find_or_add(engine->latency, name);
    event->sum_ms += ms;
    event->times++;
    if (ms > event->max_ms)
        event->max_ms = ms;
    if (event->count > 0) {
        int last = (event->next + LATENCY_SAMPLES_MAX - 1) % LATENCY_SAMPLES_MAX;
        if (event->samples[last].time_s == now_s) {
            if (ms > event->samples[last].ms)
                event->samples[last].ms = ms;
            return;
        }
    }
    event->samples[event->next] = (struct latency_sample){now_s, ms};
    event->next = (event->next + 1) % LATENCY_SAMPLES_MAX;
    event->count += event->count < LATENCY_SAMPLES_MAX;
}

static bool is_wanted(const struct engine *engine)
{
    return unlikely(engine->settings->latency_threshold_ms > 0);
}

uint64_t latency_begin(const struct engine *engine)
{
    return is_wanted(engine) ? engine->host->monotonic_ns(engine->host->self) : 0;
}

void latency_end(struct engine *engine, const char *name, uint64_t begun_ns)
{
    if (is_wanted(engine))
        latency_add(engine, name, (latency_begin(engine) - begun_ns) / 1000000);
}

const struct latency_event *latency_at(const struct latency *latency, int index)
{
    return index < latency->count ? latency->events[index] : NULL;
}

const struct latency_event *latency_find(const struct latency *latency, const char *name,
                                         size_t len)
{
    int index = index_of(latency, name, len);
    return index >= 0 ? latency->events[index] : NULL;
}

const struct latency_sample *latency_sample_at(const struct latency_event *event, int index)
{
    int first = event->next + LATENCY_SAMPLES_MAX - event->count;
    return &event->samples[(first + index) % LATENCY_SAMPLES_MAX];
}

int latency_reset(struct latency *latency, const char *name, size_t len)
{
    int dropped = 0;
    for (int i = latency->count - 1; i >= 0; i--) {
        if (name && i != index_of(latency, name, len))
            continue;
        mem_free(latency->events[i]);
        latency->events[i] = latency->events[--latency->count];
        dropped++;
    }
    return dropped;
}
