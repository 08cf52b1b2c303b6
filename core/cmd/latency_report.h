/* The texts of LATENCY GRAPH and LATENCY DOCTOR. */
#pragma once

#include <stdint.h>

struct buf;
struct engine;
struct latency_event;

/* A picture of the samples, a column each, the oldest on the left; below each how long ago it was.
 */
void latency_graph(const struct latency_event *event, int64_t now_s, struct buf *out);
/* What happened, and what one could do about it. */
void latency_doctor(const struct engine *engine, struct buf *out);
