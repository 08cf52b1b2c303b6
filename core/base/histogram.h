/* A histogram of microseconds with a relative error below 1/16, from 0 to 2^36 us (19 hours); 4
 * KiB. After HdrHistogram. */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 4
#define HISTOGRAM_CELLS ((36 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_add(struct histogram *histogram, uint64_t us);
/* The value at or below which `percent` (0..100) of the values lie; 0 if there are none. */
uint64_t histogram_at(const struct histogram *histogram, double percent);
/* How many values are at or below `us` (to the cell). */
uint64_t histogram_count_to(const struct histogram *histogram, uint64_t us);
