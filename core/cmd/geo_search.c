/* Places near a point: GEOSEARCH, GEOSEARCHSTORE, and their elders of the name GEORADIUS. What is
 * stored is recorded as the members it consists of: it depends on sines that another machine may
 * round otherwise. */
#include <stdlib.h>

#include "core/base/num.h"
#include "core/cmd/geo.h"
#include "core/cmd/rows.h"
#include "core/cmd/zset.h"
#include "core/ctx.h"

enum geo_order { ORDER_NONE, ORDER_NEAR, ORDER_FAR };
enum geo_form { FORM_SEARCH, FORM_RADIUS, FORM_RADIUS_BY_MEMBER };

struct geo_found {
    struct slice member; /* in the arena */
    struct geo_point point;
    double score, distance_m;
};

struct geo_search {
    enum geo_form form;
    bool may_store;    /* GEORADIUS: takes STORE and STOREDIST */
    bool store_search; /* GEOSEARCHSTORE: the key is argument 1 */
    int source;        /* argument: of the key that is searched */
    struct geo_shape shape;
    bool has_centre, by_member, has_shape;
    bool coordinates, distances, hashes, any, store_distances;
    enum geo_order order;
    int64_t count; /* 0: all */
    const struct slice *target;
    struct place place;
    struct geo_found *found; /* in the arena */
    size_t found_count, room;
};

/* --- Arguments -------------------------------------------------------------------------------- */

static bool read_number(struct ctx *ctx, int at, const char *name, double *out)
{
    if (num_parse_double(ctx->argv[at], out))
        return true;
    reply_error(ctx, "ERR need numeric %s", name);
    return false;
}

static bool read_circle(struct ctx *ctx, int at, struct geo_shape *shape)
{
    if (!read_number(ctx, at, "radius", &shape->radius))
        return false;
    if (shape->radius < 0) {
        reply_error(ctx, "ERR radius cannot be negative");
        return false;
    }
    return geo_read_unit(ctx, ctx->argv[at + 1], &shape->unit_m);
}

static bool read_box(struct ctx *ctx, int at, struct geo_shape *shape)
{
    shape->is_box = true;
    if (!read_number(ctx, at, "width", &shape->width) ||
        !read_number(ctx, at + 1, "height", &shape->height))
        return false;
    if (shape->width < 0 || shape->height < 0) {
        reply_error(ctx, "ERR height or width cannot be negative");
        return false;
    }
    return geo_read_unit(ctx, ctx->argv[at + 2], &shape->unit_m);
}

/* A member of the set that is searched; anything will do where there is no set. */
static bool read_member(struct ctx *ctx, int at, struct geo_search *search)
{
    struct zset_spot spot;
    struct zset zset;

    if (search->place.entry == NULL)
        return true;
    zset = zset_of(search->place.entry);
    spot = zset_find(&zset, ctx->argv[at]);
    if (!spot.found) {
        reply_error(ctx, "ERR could not decode requested zset member");
        return false;
    }
    search->shape.centre = geo_decode_score(spot.score);
    return true;
}

static bool read_count(struct ctx *ctx, int at, struct geo_search *search)
{
    if (!arg_i64(ctx, ctx->argv[at], &search->count))
        return false;
    if (search->count > 0)
        return true;
    reply_error(ctx, "ERR COUNT must be > 0");
    return false;
}

/* The options of GEOSEARCH's form with arguments of their own: how many words the one at `at` has,
 * 0 if it is none of them, -1 if the error was replied. One may be repeated: the last counts. */
static int read_search_option(struct ctx *ctx, struct geo_search *search, int at)
{
    int left = ctx->argc - at - 1;

    if (search->form != FORM_SEARCH)
        return 0;
    if (search->has_centre == search->by_member && left >= 1 &&
        ctx_arg_is(ctx, at, "frommember")) {
        search->has_centre = search->by_member = true;
        return read_member(ctx, at + 1, search) ? 2 : -1;
    }
    if (!search->by_member && left >= 2 && ctx_arg_is(ctx, at, "fromlonlat")) {
        search->has_centre = true;
        return geo_read_point(ctx, at + 1, &search->shape.centre) ? 3 : -1;
    }
    if (!search->shape.is_box && left >= 2 && ctx_arg_is(ctx, at, "byradius")) {
        search->has_shape = true;
        return read_circle(ctx, at + 1, &search->shape) ? 3 : -1;
    }
    if (search->has_shape == search->shape.is_box && left >= 3 && ctx_arg_is(ctx, at, "bybox")) {
        search->has_shape = true;
        return read_box(ctx, at + 1, &search->shape) ? 4 : -1;
    }
    return 0;
}

/* The same for those of both forms. */
static int read_option(struct ctx *ctx, struct geo_search *search, int at)
{
    int left = ctx->argc - at - 1;

    if (ctx_arg_is(ctx, at, "withdist"))
        search->distances = true;
    else if (ctx_arg_is(ctx, at, "withhash"))
        search->hashes = true;
    else if (ctx_arg_is(ctx, at, "withcoord"))
        search->coordinates = true;
    else if (ctx_arg_is(ctx, at, "any"))
        search->any = true;
    else if (ctx_arg_is(ctx, at, "asc"))
        search->order = ORDER_NEAR;
    else if (ctx_arg_is(ctx, at, "desc"))
        search->order = ORDER_FAR;
    else if (search->store_search && ctx_arg_is(ctx, at, "storedist"))
        search->store_distances = true;
    else if (left >= 1 && ctx_arg_is(ctx, at, "count"))
        return read_count(ctx, at + 1, search) ? 2 : -1;
    else if (search->may_store && left >= 1 &&
             (ctx_arg_is(ctx, at, "store") || ctx_arg_is(ctx, at, "storedist"))) {
        search->store_distances = ctx_arg_is(ctx, at, "storedist");
        search->target = &ctx->argv[at + 1];
        return 2;
    } else
        return read_search_option(ctx, search, at);
    return 1;
}

static bool check_options(struct ctx *ctx, struct geo_search *search)
{
    bool shows = search->coordinates || search->distances || search->hashes;

    if (search->target != NULL && shows)
        reply_error(ctx,
                    "ERR %s is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                    search->store_search ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS");
    else if (!search->has_centre)
        reply_error(ctx, "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for %.*s",
                    (int)ctx->argv[0].len, ctx->argv[0].data);
    else if (!search->has_shape)
        reply_error(ctx, "ERR exactly one of BYRADIUS and BYBOX can be specified for %.*s",
                    (int)ctx->argv[0].len, ctx->argv[0].data);
    else if (search->any && search->count == 0)
        reply_error(ctx, "ERR the ANY argument requires COUNT argument");
    else
        return true;
    return false;
}

/* False if the error was replied. */
static bool read_options(struct ctx *ctx, struct geo_search *search, int at)
{
    while (at < ctx->argc) {
        int words = read_option(ctx, search, at);

        if (words < 0)
            return false;
        if (words == 0) {
            reply_syntax_error(ctx);
            return false;
        }
        at += words;
    }
    if (!check_options(ctx, search))
        return false;
    if (search->order == ORDER_NONE && search->count > 0 && !search->any)
        search->order = ORDER_NEAR;
    return true;
}

/* Centre and circle of GEORADIUS and GEORADIUSBYMEMBER. */
static bool read_radius(struct ctx *ctx, struct geo_search *search, int *at)
{
    search->has_centre = search->has_shape = true;
    if (search->form == FORM_RADIUS) {
        *at = 6;
        return geo_read_point(ctx, 2, &search->shape.centre) &&
               read_circle(ctx, 4, &search->shape);
    }
    *at = 5;
    return search->place.entry == NULL ||
           (read_member(ctx, 2, search) && read_circle(ctx, 3, &search->shape));
}

/* --- Searching -------------------------------------------------------------------------------- */

static bool is_enough(const struct geo_search *search)
{
    return search->any && search->found_count >= (size_t)search->count;
}

static void add_found(struct ctx *ctx, struct geo_search *search, const struct geo_found *found)
{
    if (search->found_count == search->room) {
        size_t room = search->room == 0 ? 32 : search->room * 2;
        struct geo_found *moved = arena_alloc(ctx->arena, room * sizeof(*moved));

        if (search->found_count > 0)
            memcpy(moved, search->found, search->found_count * sizeof(*moved));
        search->found = moved;
        search->room = room;
    }
    search->found[search->found_count] = *found;
    search->found[search->found_count++].member = arena_copy(ctx->arena, found->member);
}

static void search_cell(struct ctx *ctx, struct geo_search *search, const struct zset *zset,
                        struct geo_cell cell)
{
    struct zset_walk walk;
    struct zset_pair pair;
    double min, max;

    geo_cell_scores(cell, &min, &max);
    for (bool more = zset_walk_start(&walk, zset, zset_below_score(zset, min, false), &pair);
         more && pair.score < max && !is_enough(search); more = zset_walk_next(&walk, &pair)) {
        struct geo_found found = {.member = pair.member,
                                  .point = geo_decode_score(pair.score),
                                  .score = pair.score};

        if (geo_within(&search->shape, found.point, &found.distance_m))
            add_found(ctx, search, &found);
    }
}

static int compare_near(const void *a, const void *b)
{
    double x = ((const struct geo_found *)a)->distance_m;
    double y = ((const struct geo_found *)b)->distance_m;

    return (x > y) - (x < y);
}

static int compare_far(const void *a, const void *b)
{
    return compare_near(b, a);
}

static void search_all(struct ctx *ctx, struct geo_search *search)
{
    struct zset zset = zset_of(search->place.entry);
    struct geo_cell cells[GEO_CELLS];
    int last = 0;

    geo_cover(&search->shape, cells);
    for (int i = 0; i < GEO_CELLS && !is_enough(search); i++) {
        /* Cells that are as large as half the earth are their own neighbours. */
        if (cells[i].steps == 0 ||
            (i > 0 && cells[i].bits == cells[last].bits && cells[i].steps == cells[last].steps))
            continue;
        search_cell(ctx, search, &zset, cells[i]);
        last = i;
    }
    if (search->order != ORDER_NONE && search->found_count > 1)
        qsort(search->found, search->found_count, sizeof(*search->found),
              search->order == ORDER_NEAR ? compare_near : compare_far);
    if (search->count > 0 && search->found_count > (size_t)search->count)
        search->found_count = (size_t)search->count;
}

/* --- Replying and storing --------------------------------------------------------------------- */

static void reply_found(struct ctx *ctx, const struct geo_search *search)
{
    size_t parts = 1U + search->distances + search->hashes + search->coordinates;

    reply_array(ctx, search->found_count);
    for (size_t i = 0; i < search->found_count; i++) {
        const struct geo_found *found = &search->found[i];

        if (parts > 1)
            reply_array(ctx, parts);
        reply_bulk(ctx, found->member);
        if (search->distances)
            geo_reply_distance(ctx, found->distance_m / search->shape.unit_m);
        if (search->hashes)
            reply_int(ctx, (int64_t)found->score);
        if (search->coordinates)
            geo_reply_point(ctx, found->point);
    }
}

static void record_stored(struct ctx *ctx, struct slice key, const struct zset *zset)
{
    size_t count = (size_t)zset_count(zset);
    struct slice *words = arena_alloc(ctx->arena, (2 + 2 * count) * sizeof(*words));
    struct zset_walk walk;
    struct zset_pair pair;
    int argc = 0;

    words[argc++] = SLICE("ZADD");
    words[argc++] = key;
    for (bool more = zset_walk_start(&walk, zset, 0, &pair); more;
         more = zset_walk_next(&walk, &pair)) {
        char digits[NUM_DOUBLE_MAX_CHARS];
        size_t len = num_format_double(digits, pair.score);

        words[argc++] = arena_copy(ctx->arena, (struct slice){digits, len});
        words[argc++] = arena_copy(ctx->arena, pair.member);
    }
    ctx_effect(ctx, argc, words);
}

static void store_found(struct ctx *ctx, const struct geo_search *search)
{
    const struct type_limits *limits = &ctx->engine->settings->limits;
    struct zset result = zset_new(true);

    for (size_t i = 0; i < search->found_count; i++) {
        const struct geo_found *found = &search->found[i];
        struct zset_spot spot = zset_find(&result, found->member);

        zset_put(&result, &spot, found->member,
                 search->store_distances ? found->distance_m / search->shape.unit_m
                                         : found->score,
                 limits);
    }
    zset_settle(&result, limits);
    if (ctx_find(ctx, *search->target, LOOKUP_PEEK).entry != NULL)
        ctx_effect_delete(ctx, ctx->db, *search->target);
    if (zset_count(&result) > 0)
        record_stored(ctx, *search->target, &result);
    zset_store(ctx, *search->target, &result,
               search->store_search ? "geosearchstore" : "georadiusstore");
}

static void search_go(struct ctx *ctx, struct geo_search *search)
{
    int at;

    search->source = search->store_search ? 2 : 1;
    if (search->store_search)
        search->target = &ctx->argv[1];
    at = search->source + 1;
    if (!ctx_find_type(ctx, ctx->argv[search->source], LOOKUP_READ, TYPE_ZSET, &search->place))
        return;
    if (search->form != FORM_SEARCH && !read_radius(ctx, search, &at))
        return;
    if (!read_options(ctx, search, at))
        return;
    if (search->place.entry != NULL)
        search_all(ctx, search);
    if (search->target != NULL)
        store_found(ctx, search);
    else
        reply_found(ctx, search);
}

static void geosearch_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_SEARCH});
}

static void geosearchstore_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_SEARCH, .store_search = true});
}

static void georadius_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_RADIUS, .may_store = true});
}

static void georadius_ro_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_RADIUS});
}

static void georadiusbymember_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_RADIUS_BY_MEMBER, .may_store = true});
}

static void georadiusbymember_ro_run(struct ctx *ctx)
{
    search_go(ctx, &(struct geo_search){.form = FORM_RADIUS_BY_MEMBER});
}

/* The place's key, and those of all STORE and STOREDIST, of which the last one counts. */
static int radius_keys(const struct command *command, int argc, const struct slice *argv,
                       int *positions, int *flags, int most)
{
    int count = command_add_key(1, command->keys[0].flags, positions, flags, 0, most);
    for (int at = -command->arity; at + 1 < argc; at++)
        if (slice_is(argv[at], "store") || slice_is(argv[at], "storedist"))
            count += command_add_key(++at, KEY_OW | KEY_UPDATE, positions, flags, count, most);
    return count;
}

static const char *const geosearch_history[] = {
    "7.0.0", "Units in upper case.",
    NULL,
};
static const char *const geosearchstore_history[] = {
    "7.0.0", "Units in upper case.",
    NULL,
};
static const char *const georadius_history[] = {
    "6.2.0", "`ANY` behind `COUNT`.",
    "7.0.0", "Units in upper case.",
    NULL,
};
static const char *const georadius_ro_history[] = {
    "6.2.0", "`ANY` behind `COUNT`.",
    NULL,
};
static const char *const georadiusbymember_history[] = {
    "7.0.0", "Units in upper case.",
    NULL,
};

const struct command commands_geo_search[] = {
    {.name = "geosearch",
     .run = geosearch_run,
     .arity = -7,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "6.2.0",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Answers the members of a sorted set that lie in a circle or a box.",
     .syntax = "key:key from(member:string@FROMMEMBER|longitude_latitude{longitude:double "
               "latitude:double}@FROMLONLAT) by(circle{radius:double@BYRADIUS "
               "unit(m=M|km=KM|ft=FT|mi=MI)}|box{width:double@BYBOX height:double "
               "unit(m=M|km=KM|ft=FT|mi=MI)}) [order(asc=ASC|desc=DESC)] "
               "[count{count:integer@COUNT [any=ANY]}] [withcoord=WITHCOORD] [withdist=WITHDIST] "
               "[withhash=WITHHASH]",
     .history = geosearch_history},
    {.name = "geosearchstore",
     .run = geosearchstore_run,
     .arity = -8,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_GEO,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 1, 0, 1), KEYS_RANGE(KEY_RO | KEY_ACCESS, 2, 0, 1)},
     .group = "geo",
     .since = "6.2.0",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Stores the members that lie in a circle or a box at a key.",
     .syntax = "destination:key source:key "
               "from(member:string@FROMMEMBER|longitude_latitude{longitude:double "
               "latitude:double}@FROMLONLAT) by(circle{radius:double@BYRADIUS "
               "unit(m=M|km=KM|ft=FT|mi=MI)}|box{width:double@BYBOX height:double "
               "unit(m=M|km=KM|ft=FT|mi=MI)}) [order(asc=ASC|desc=DESC)] "
               "[count{count:integer@COUNT [any=ANY]}] [storedist=STOREDIST]",
     .history = geosearchstore_history},
    {.name = "georadius",
     .run = georadius_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_GEO,
     .keys = {KEYS_RANGE(KEY_RO | KEY_ACCESS, 1, 0, 1),
              {.flags = KEY_OW | KEY_UPDATE, .first = 6, .last = 0, .step = 1, .keyword = "STORE"},
              {.flags = KEY_OW | KEY_UPDATE, .first = 6,
               .last = 0, .step = 1, .keyword = "STOREDIST"}},
     .find_keys = radius_keys,
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Answers or stores the members that lie in a circle around a point.",
     .syntax = "key:key longitude:double latitude:double radius:double unit(m=M|km=KM|ft=FT|mi=MI)"
               " [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] "
               "[count{count:integer@COUNT [any=ANY^6.2.0]}] [order(asc=ASC|desc=DESC)] "
               "[key:key@STORE] [key:key@STOREDIST]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     .history = georadius_history},
    {.name = "georadius_ro",
     .run = georadius_ro_run,
     .arity = -6,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "3.2.10",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Answers the members that lie in a circle around a point.",
     .syntax = "key:key longitude:double latitude:double radius:double unit(m=M|km=KM|ft=FT|mi=MI)"
               " [withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] "
               "[count{count:integer@COUNT [any=ANY^6.2.0]}] [order(asc=ASC|desc=DESC)]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
     .history = georadius_ro_history},
    {.name = "georadiusbymember",
     .run = georadiusbymember_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_GEO,
     .keys = {KEYS_RANGE(KEY_RO | KEY_ACCESS, 1, 0, 1),
              {.flags = KEY_OW | KEY_UPDATE, .first = 5, .last = 0, .step = 1, .keyword = "STORE"},
              {.flags = KEY_OW | KEY_UPDATE, .first = 5,
               .last = 0, .step = 1, .keyword = "STOREDIST"}},
     .find_keys = radius_keys,
     .group = "geo",
     .since = "3.2.0",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Answers or stores the members that lie in a circle around one of them.",
     .syntax = "key:key member:string radius:double unit(m=M|km=KM|ft=FT|mi=MI) "
               "[withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] "
               "[count{count:integer@COUNT [any=ANY]}] [order(asc=ASC|desc=DESC)] [key:key@STORE] "
               "[key:key@STOREDIST]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` "
                    "arguments",
     .history = georadiusbymember_history},
    {.name = "georadiusbymember_ro",
     .run = georadiusbymember_ro_run,
     .arity = -5,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_GEO,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "geo",
     .since = "3.2.10",
     .complexity = "O(N + log M) for N places in the cells around the centre, and M in the set.",
     .summary = "Answers the members that lie in a circle around one of them.",
     .syntax = "key:key member:string radius:double unit(m=M|km=KM|ft=FT|mi=MI) "
               "[withcoord=WITHCOORD] [withdist=WITHDIST] [withhash=WITHHASH] "
               "[count{count:integer@COUNT [any=ANY]}] [order(asc=ASC|desc=DESC)]",
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments"},
    {.name = NULL},
};
