/* A cell of n steps is found by halving longitude and latitude n times each; bit 2i of its number
 * is one of the latitude, bit 2i + 1 one of the longitude. With 26 steps that is 52 bits, which a
 * double holds, and about 0.6 m. A shape is covered by the cell of its centre and the eight around
 * it, of a size that is at least the shape's. */
#include "core/cmd/geo_hash.h"

#include <math.h>

#define EARTH_RADIUS_M 6372797.560856
#define MERCATOR_MAX_M 20037726.37

struct area {
    double lon_min, lon_max, lat_min, lat_max;
};

static double radians(double degrees)
{
    return degrees * (M_PI / 180.0);
}

static double degrees(double radians_)
{
    return radians_ / (M_PI / 180.0);
}

/* --- Cells ------------------------------------------------------------------------------------ */

/* The 32 bits of `value`, a zero between each and the next. */
static uint64_t spread(uint32_t value)
{
    uint64_t bits = value;

    bits = (bits | bits << 16) & 0x0000ffff0000ffff;
    bits = (bits | bits << 8) & 0x00ff00ff00ff00ff;
    bits = (bits | bits << 4) & 0x0f0f0f0f0f0f0f0f;
    bits = (bits | bits << 2) & 0x3333333333333333;
    return (bits | bits << 1) & 0x5555555555555555;
}

static uint32_t gather(uint64_t bits)
{
    bits &= 0x5555555555555555;
    bits = (bits | bits >> 1) & 0x3333333333333333;
    bits = (bits | bits >> 2) & 0x0f0f0f0f0f0f0f0f;
    bits = (bits | bits >> 4) & 0x00ff00ff00ff00ff;
    bits = (bits | bits >> 8) & 0x0000ffff0000ffff;
    return (uint32_t)(bits | bits >> 16);
}

struct geo_cell geo_encode(struct geo_point point, double lat_max, unsigned steps)
{
    double lat = (point.lat + lat_max) / (2 * lat_max);
    double lon = (point.lon + GEO_LON_MAX) / (2 * GEO_LON_MAX);
    double cells = (double)((uint64_t)1 << steps);

    return (struct geo_cell){
        .bits = spread((uint32_t)(lat * cells)) | spread((uint32_t)(lon * cells)) << 1,
        .steps = steps,
    };
}

static struct area area_of(struct geo_cell cell)
{
    uint32_t lat = gather(cell.bits), lon = gather(cell.bits >> 1);
    double cells = (double)((uint64_t)1 << cell.steps);

    return (struct area){
        .lat_min = -GEO_LAT_MAX + lat * 1.0 / cells * (2 * GEO_LAT_MAX),
        .lat_max = -GEO_LAT_MAX + ((double)lat + 1) / cells * (2 * GEO_LAT_MAX),
        .lon_min = -GEO_LON_MAX + lon * 1.0 / cells * (2 * GEO_LON_MAX),
        .lon_max = -GEO_LON_MAX + ((double)lon + 1) / cells * (2 * GEO_LON_MAX),
    };
}

static double within(double value, double most)
{
    return value > most ? most : value < -most ? -most : value;
}

/* Any score may stand in a sorted set: those that are no cell are taken as stock servers do. */
static uint64_t bits_of_score(double score)
{
    if (score >= 0)
        return score < 18446744073709551616.0 ? (uint64_t)score : 0;
    return score > -9223372036854775808.0 ? (uint64_t)(int64_t)score : (uint64_t)1 << 63;
}

struct geo_point geo_decode_score(double score)
{
    struct area area = area_of((struct geo_cell){bits_of_score(score), GEO_STEPS});

    return (struct geo_point){
        .lon = within((area.lon_min + area.lon_max) / 2, GEO_LON_MAX),
        .lat = within((area.lat_min + area.lat_max) / 2, GEO_LAT_MAX),
    };
}

void geo_cell_scores(struct geo_cell cell, double *min, double *max)
{
    unsigned shift = 2 * (GEO_STEPS - cell.steps);

    *min = (double)(cell.bits << shift);
    *max = (double)((cell.bits + 1) << shift);
}

/* The cell so many to the east and the north, around the earth. A point on the very edge has a
 * number one too high for its steps: it is left so where nothing is added, since that is where such
 * points are in the set. */
static struct geo_cell beside(struct geo_cell cell, int east, int north)
{
    uint32_t mask = ((uint32_t)1 << cell.steps) - 1;
    uint32_t lat = gather(cell.bits), lon = gather(cell.bits >> 1);

    if (north != 0)
        lat = (lat + (uint32_t)north) & mask;
    if (east != 0)
        lon = (lon + (uint32_t)east) & mask;
    return (struct geo_cell){spread(lat) | spread(lon) << 1, cell.steps};
}

/* --- Distances -------------------------------------------------------------------------------- */

static double distance_of_latitudes(double a, double b)
{
    return EARTH_RADIUS_M * fabs(radians(b) - radians(a));
}

double geo_distance(struct geo_point a, struct geo_point b)
{
    double lon_a = radians(a.lon), lon_b = radians(b.lon), lat_a, lat_b, u, v, h;

    v = sin((lon_b - lon_a) / 2);
    if (v == 0)
        return distance_of_latitudes(a.lat, b.lat);
    lat_a = radians(a.lat);
    lat_b = radians(b.lat);
    u = sin((lat_b - lat_a) / 2);
    h = u * u + cos(lat_a) * cos(lat_b) * v * v;
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(h));
}

bool geo_within(const struct geo_shape *shape, struct geo_point point, double *distance_m)
{
    struct geo_point centre = shape->centre, level = {centre.lon, point.lat};

    if (!shape->is_box) {
        *distance_m = geo_distance(centre, point);
        return *distance_m <= shape->radius * shape->unit_m;
    }
    if (distance_of_latitudes(point.lat, centre.lat) > shape->height * shape->unit_m / 2)
        return false;
    if (geo_distance(point, level) > shape->width * shape->unit_m / 2)
        return false;
    *distance_m = geo_distance(centre, point);
    return true;
}

/* --- Covering a shape ------------------------------------------------------------------------- */

static struct area bounds_of(const struct geo_shape *shape)
{
    double height = shape->unit_m * (shape->is_box ? shape->height / 2 : shape->radius);
    double width = shape->unit_m * (shape->is_box ? shape->width / 2 : shape->radius);
    struct geo_point centre = shape->centre;
    double lat = degrees(height / EARTH_RADIUS_M), lon;

    /* The side that is nearer to a pole spans more degrees. */
    if (centre.lat < 0)
        lon = degrees(width / EARTH_RADIUS_M / cos(radians(centre.lat - lat)));
    else
        lon = degrees(width / EARTH_RADIUS_M / cos(radians(centre.lat + lat)));
    return (struct area){centre.lon - lon, centre.lon + lon, centre.lat - lat, centre.lat + lat};
}

/* So many that a cell is at least as large as the shape, mostly; fewer near the poles. */
static unsigned steps_of(const struct geo_shape *shape)
{
    double radius = shape->radius, lat = fabs(shape->centre.lat);
    int steps = 1;

    if (shape->is_box)
        radius = sqrt(shape->width / 2 * (shape->width / 2) +
                      shape->height / 2 * (shape->height / 2));
    radius *= shape->unit_m;
    if (radius == 0)
        return GEO_STEPS;
    for (; radius < MERCATOR_MAX_M; radius *= 2)
        steps++;
    steps -= 2;
    if (lat > 66)
        steps--;
    if (lat > 80)
        steps--;
    return steps < 1 ? 1 : steps > GEO_STEPS ? GEO_STEPS : (unsigned)steps;
}

/* True if the bounds reach beyond the neighbours of the cell. */
static bool too_small(struct geo_cell cell, const struct area *bounds)
{
    return area_of(beside(cell, 0, 1)).lat_max < bounds->lat_max ||
           area_of(beside(cell, 0, -1)).lat_min > bounds->lat_min ||
           area_of(beside(cell, 1, 0)).lon_max < bounds->lon_max ||
           area_of(beside(cell, -1, 0)).lon_min > bounds->lon_min;
}

void geo_cover(const struct geo_shape *shape, struct geo_cell cells[static GEO_CELLS])
{
    static const int east[GEO_CELLS] = {0, 0, 0, 1, -1, 1, -1, 1, -1};
    static const int north[GEO_CELLS] = {0, 1, -1, 0, 0, 1, 1, -1, -1};
    struct area bounds = bounds_of(shape), area;
    unsigned steps = steps_of(shape);
    struct geo_cell centre = geo_encode(shape->centre, GEO_LAT_MAX, steps);

    if (steps > 1 && too_small(centre, &bounds))
        centre = geo_encode(shape->centre, GEO_LAT_MAX, --steps);
    area = area_of(centre);
    for (int i = 0; i < GEO_CELLS; i++) {
        cells[i] = beside(centre, east[i], north[i]);
        /* Where the centre's cell reaches beyond the bounds, those behind it are not needed. */
        if (steps >= 2 && ((north[i] < 0 && area.lat_min < bounds.lat_min) ||
                           (north[i] > 0 && area.lat_max > bounds.lat_max) ||
                           (east[i] < 0 && area.lon_min < bounds.lon_min) ||
                           (east[i] > 0 && area.lon_max > bounds.lon_max)))
            cells[i] = (struct geo_cell){0};
    }
}
