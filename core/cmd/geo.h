/* What the commands of places share. */
#pragma once

#include <stdbool.h>

#include "core/base/attr.h"
#include "core/base/slice.h"
#include "core/cmd/geo_hash.h"

struct ctx;

/* Longitude and latitude from arguments `at` and `at` + 1; false if the error was replied. */
must_check bool geo_read_point(struct ctx *ctx, int at, struct geo_point *point);
/* Metres of a unit, by its name; false if the error was replied. */
must_check bool geo_read_unit(struct ctx *ctx, struct slice name, double *unit_m);
void geo_reply_distance(struct ctx *ctx, double distance);
void geo_reply_point(struct ctx *ctx, struct geo_point point);
