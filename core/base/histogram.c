/* Cells are exact up to 2^SUB_BITS; from there each doubling has 2^SUB_BITS cells of equal width.
 */
#include "core/base/histogram.h"

#include "core/base/attr.h"

#define HISTOGRAM_SUB_CELLS (1U << HISTOGRAM_SUB_BITS)

static unsigned histogram_cell(uint64_t us)
{
    if (us < HISTOGRAM_SUB_CELLS)
        return (unsigned)us;
    unsigned shift = 63U - (unsigned)__builtin_clzll(us) - HISTOGRAM_SUB_BITS;
    unsigned cell = ((shift + 1) << HISTOGRAM_SUB_BITS) +
                    ((unsigned)(us >> shift) & (HISTOGRAM_SUB_CELLS - 1));

    return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

/* The greatest value that falls into `cell`. */
static uint64_t histogram_cell_last(unsigned cell)
{
    if (cell < HISTOGRAM_SUB_CELLS)
        return cell;
    unsigned shift = (cell >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t first = (uint64_t)(HISTOGRAM_SUB_CELLS + (cell & (HISTOGRAM_SUB_CELLS - 1))) << shift;

    return first + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    histogram->count++;
    histogram->sum += us;
    if (us > histogram->max)
        histogram->max = us;
    histogram->cells[histogram_cell(us)]++;
}

uint64_t histogram_at(const struct histogram *histogram, double percent)
{
    if (histogram->count == 0)
        return 0;
    /* A little less, as 0.1 percent of 20,000 must not become 20.000000000000004. */
    double wanted = percent / 100 * (double)histogram->count * (1 - 1e-12);
    uint64_t seen = 0;

    for (unsigned cell = 0; cell < HISTOGRAM_CELLS - 1; cell++) {
        seen += histogram->cells[cell];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t last = histogram_cell_last(cell);

            return last < histogram->max ? last : histogram->max;
        }
    }
    return histogram->max;
}

uint64_t histogram_count_to(const struct histogram *histogram, uint64_t us)
{
    unsigned end = histogram_cell(us);
    uint64_t seen = 0;

    for (unsigned cell = 0; cell <= end; cell++)
        seen += histogram->cells[cell];
    return seen;
}
