/* Places on the earth as numbers: longitude and latitude in turns, bit by bit, so that what is near
 * has numbers that are near. And what lies how far from what. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GEO_STEPS 26 /* bits of each, in a score */
#define GEO_LON_MAX 180.0
#define GEO_LAT_MAX 85.05112878 /* of the Mercator projection's square */
#define GEO_CELLS 9

struct geo_point {
    double lon, lat;
};

/* A cell: `steps` bits of each. */
struct geo_cell {
    uint64_t bits;
    unsigned steps; /* 0: no cell */
};

struct geo_shape {
    struct geo_point centre;
    bool is_box;
    double radius;        /* in units, like the sides */
    double width, height;
    double unit_m;
};

/* The latitude goes from -lat_max to lat_max; the point lies within. */
struct geo_cell geo_encode(struct geo_point point, double lat_max, unsigned steps);
/* The middle of the cell that a score stands for. */
struct geo_point geo_decode_score(double score);
/* Scores from *min on and below *max are those of the cell. */
void geo_cell_scores(struct geo_cell cell, double *min, double *max);

/* Metres, on a ball. */
double geo_distance(struct geo_point a, struct geo_point b);
/* True, and how far from its centre in metres. */
bool geo_within(const struct geo_shape *shape, struct geo_point point, double *distance_m);
/* Cells that cover the shape, some of them without steps: to be passed over. */
void geo_cover(const struct geo_shape *shape, struct geo_cell cells[static GEO_CELLS]);
