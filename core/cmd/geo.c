/* Places, one by one: GEOADD, GEOPOS, GEODIST, GEOHASH. They are members of a sorted set whose
 * scores are the numbers of their cells. */
#include "core/cmd/geo.h"

#include <stdio.h>

#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/ctx.h"

#define GEOHASH_CHARS 11

bool geo_read_point(struct ctx *ctx, int at, struct geo_point *point)
{
    if (!arg_double(ctx, ctx->argv[at], &point->lon) ||
        !arg_double(ctx, ctx->argv[at + 1], &point->lat))
        return false;
    if (point->lon >= -GEO_LON_MAX && point->lon <= GEO_LON_MAX && point->lat >= -GEO_LAT_MAX &&
        point->lat <= GEO_LAT_MAX)
        return true;
    reply_error(ctx, "ERR invalid longitude,latitude pair %f,%f", point->lon, point->lat);
    return false;
}

bool geo_read_unit(struct ctx *ctx, struct slice name, double *unit_m)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (slice_is(name, units[i].name)) {
            *unit_m = units[i].metres;
            return true;
        }
    }
    reply_error(ctx, "ERR unsupported unit provided. please use M, KM, FT, MI");
    return false;
}

void geo_reply_distance(struct ctx *ctx, double distance)
{
    char text[400];
    int len = snprintf(text, sizeof(text), "%.4f", distance);

    reply_bulk(ctx, (struct slice){text, (size_t)len});
}

void geo_reply_point(struct ctx *ctx, struct geo_point point)
{
    reply_array(ctx, 2);
    reply_human_double(ctx, point.lon);
    reply_human_double(ctx, point.lat);
}

static void geoadd_run(struct ctx *ctx)
{
    struct zset_add add = {.first = 2, .step = 3};

    for (; add.first < ctx->argc; add.first++) {
        if (ctx_arg_is(ctx, add.first, "nx"))
            add.nx = true;
        else if (ctx_arg_is(ctx, add.first, "xx"))
            add.xx = true;
        else if (ctx_arg_is(ctx, add.first, "ch"))
            add.ch = true;
        else
            break;
    }
    add.count = (size_t)(ctx->argc - add.first) / 3;
    if (add.count == 0 || (ctx->argc - add.first) % 3 != 0 || (add.nx && add.xx)) {
        reply_syntax_error(ctx);
        return;
    }
    add.scores = arena_alloc(ctx->arena, add.count * sizeof(*add.scores));
    for (size_t i = 0; i < add.count; i++) {
        struct geo_point point;

        if (!geo_read_point(ctx, add.first + (int)i * 3, &point))
            return;
        add.scores[i] = (double)geo_encode(point, GEO_LAT_MAX, GEO_STEPS).bits;
    }
    zset_add(ctx, &add);
}

/* The score of a member; false if it, or the set, is not there. */
static bool find_score(const struct entry *entry, struct slice member, double *score)
{
    struct zset_spot spot;
    struct zset zset;

    if (entry == NULL)
        return false;
    zset = zset_of(entry);
    spot = zset_find(&zset, member);
    *score = spot.score;
    return spot.found;
}

static void geopos_run(struct ctx *ctx)
{
    struct place place;
    double score;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        if (find_score(place.entry, ctx->argv[i], &score))
            geo_reply_point(ctx, geo_decode_score(score));
        else
            reply_null_array(ctx);
    }
}

static void geodist_run(struct ctx *ctx)
{
    struct place place;
    double unit_m = 1, a, b;

    if (ctx->argc > 5) {
        reply_syntax_error(ctx);
        return;
    }
    if ((ctx->argc == 5 && !geo_read_unit(ctx, ctx->argv[4], &unit_m)) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    if (find_score(place.entry, ctx->argv[2], &a) && find_score(place.entry, ctx->argv[3], &b))
        geo_reply_distance(ctx, geo_distance(geo_decode_score(a), geo_decode_score(b)) / unit_m);
    else
        reply_null(ctx);
}

/* The usual text of such a number, as on geohash.org: there the latitude goes to 90 degrees. */
static void reply_geohash(struct ctx *ctx, double score)
{
    static const char alphabet[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    uint64_t bits = geo_encode(geo_decode_score(score), 90, GEO_STEPS).bits;
    char text[GEOHASH_CHARS];

    for (unsigned i = 0; i < GEOHASH_CHARS - 1; i++)
        text[i] = alphabet[bits >> (2 * GEO_STEPS - (i + 1) * 5) & 31];
    text[GEOHASH_CHARS - 1] = '0'; /* 52 bits are no more than ten characters */
    reply_bulk(ctx, (struct slice){text, GEOHASH_CHARS});
}

static void geohash_run(struct ctx *ctx)
{
    struct place place;
    double score;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_ZSET, &place))
        return;
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        if (find_score(place.entry, ctx->argv[i], &score))
            reply_geohash(ctx, score);
        else
            reply_null(ctx);
    }
}

static const char *const geoadd_history[] = {
    "6.2.0", "Options `NX`, `XX` and `CH`.",
    NULL,
};

const struct command commands_geo[] = {
    {.name = "geoadd",
     .run = geoadd_run,
     .arity = -5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(log N) for each place added, with N members in the set.",
     .summary = "Adds places by longitude and latitude to a sorted set.",
     .syntax = "key:key [condition(nx=NX|xx=XX)^6.2.0] [change=CH^6.2.0] "
               "longitude_latitude_member{longitude:double latitude:double member:string}...",
     .history = geoadd_history},
    {.name = "geopos",
     .run = geopos_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(1) for each member.",
     .summary = "Answers longitude and latitude of members.",
     .syntax = "key:key member:string..."},
    {.name = "geodist",
     .run = geodist_run,
     .arity = -4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Answers how far two members are from each other.",
     .syntax = "key:key member1:string member2:string [unit(m=M|km=KM|ft=FT|mi=MI)]"},
    {.name = "geohash",
     .run = geohash_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(1) for each member.",
     .summary = "Answers the geohash texts of members.",
     .syntax = "key:key member:string..."},
    {.name = NULL},
};
