/* LOLWUT: a coast at night. A ridge of hills by a random walk, its mirror in the water below, and
 * the waves that blur it more the farther down they are. */
#include "core/base/buf.h"
#include "core/base/num.h"
#include "core/base/rng.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/version.h"

#define COLUMNS_MAX 160
#define ROWS_MAX 24

struct coast {
    int columns, rows; /* rows above the water; as many below */
    int heights[COLUMNS_MAX];
};

static void coast_make(struct coast *coast, struct rng *rng)
{
    int height = coast->rows / 3, slope = 0;
    for (int x = 0; x < coast->columns; x++) {
        slope += (int)rng_below(rng, 3) - 1;
        if (slope > 1 || slope < -1)
            slope = slope > 0 ? 1 : -1;
        height += slope;
        if (height < 1 || height > coast->rows - 2) {
            height = height < 1 ? 1 : coast->rows - 2;
            slope = 0;
        }
        coast->heights[x] = height;
    }
}

static void coast_draw(const struct coast *coast, struct rng *rng, struct buf *out)
{
    for (int y = coast->rows; y > 0; y--) {
        for (int x = 0; x < coast->columns; x++) {
            if (coast->heights[x] >= y)
                buf_append_text(out, "\u2588");
            else
                buf_append_text(out, rng_below(rng, 60) == 0 ? "." : " ");
        }
        buf_append_char(out, '\n');
    }
    for (int y = 1; y <= coast->rows; y++) {
        for (int x = 0; x < coast->columns; x++) {
            bool wave = (int)rng_below(rng, (uint64_t)coast->rows) < y;
            if (coast->heights[x] >= y)
                buf_append_text(out, wave ? "\u2591" : "\u2592");
            else
                buf_append_text(out, rng_below(rng, 12) == 0 ? "~" : " ");
        }
        buf_append_char(out, '\n');
    }
}

static int within(int64_t value, int most)
{
    return value < 4 ? 4 : value > most ? most : (int)value;
}

static void lolwut_run(struct ctx *ctx)
{
    struct coast coast = {.columns = 66, .rows = 8};
    struct buf out = {0};
    int64_t number;
    int at = 1;
    if (ctx->argc > 2 && ctx_arg_is(ctx, 1, "version")) {
        if (!arg_i64(ctx, ctx->argv[2], &number))
            return;
        at = 3;
    }
    if (ctx->argc > at && num_parse_i64(ctx->argv[at], &number))
        coast.columns = within(number, COLUMNS_MAX);
    if (ctx->argc > at + 1 && num_parse_i64(ctx->argv[at + 1], &number))
        coast.rows = within(number, ROWS_MAX);
    coast_make(&coast, &ctx->engine->rng);
    coast_draw(&coast, &ctx->engine->rng, &out);
    buf_append_text(&out, "\nWhat is on the disk stays. kv ver. " KV_VERSION "\n");
    reply_verbatim(ctx, buf_slice(&out), "txt");
    buf_free(&out);
}

const struct command commands_lolwut[] = {
    {.name = "lolwut",
     .run = lolwut_run,
     .arity = -1,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .group = "server",
     .since = "5.0.0",
     .complexity = "O(N) where N is the size of the picture",
     .summary = "Draws something, and tells the version.",
     .syntax = "[version:integer@VERSION]"},
    {.name = NULL},
};
