/* LCS: the longest common subsequence of two strings, by the textbook's table: cell (i, j) is the
 * length for the first i bytes of one and the first j of the other. The table is read backwards
 * from its last cell; where both ways are as good, one byte of the second string is dropped, so
 * that of several longest ones the same is always chosen.
 *
 * The whole table is held, 4 bytes a cell, and bounded by proto-max-bulk-len like any string. */
#include "core/cmd/rows.h"
#include "core/ctx.h"

struct lcs_options {
    bool length, index, with_length;
    int64_t length_min;
};

struct lcs {
    struct slice a, b;
    uint32_t *cells; /* (a.len + 1) rows of (b.len + 1) */
};

/* A run of bytes that is in both: where it begins in each. */
struct lcs_run {
    size_t a, b, len;
};

static uint32_t *lcs_cell(const struct lcs *lcs, size_t i, size_t j)
{
    return &lcs->cells[i * (lcs->b.len + 1) + j];
}

static void lcs_fill(struct lcs *lcs)
{
    memset(lcs->cells, 0, (lcs->b.len + 1) * sizeof(*lcs->cells));
    for (size_t i = 1; i <= lcs->a.len; i++) {
        const uint32_t *above = lcs_cell(lcs, i - 1, 0);
        uint32_t *row = lcs_cell(lcs, i, 0);

        row[0] = 0;
        for (size_t j = 1; j <= lcs->b.len; j++) {
            if (lcs->a.data[i - 1] == lcs->b.data[j - 1])
                row[j] = above[j - 1] + 1;
            else
                row[j] = above[j] > row[j - 1] ? above[j] : row[j - 1];
        }
    }
}

/* Go from (*i, *j) back to the end of the next run and through it; false at the beginning of either
 * string. */
static bool lcs_run_before(const struct lcs *lcs, size_t *i, size_t *j, struct lcs_run *run)
{
    *run = (struct lcs_run){0};
    while (*i > 0 && *j > 0) {
        if (lcs->a.data[*i - 1] == lcs->b.data[*j - 1]) {
            *i -= 1;
            *j -= 1;
            *run = (struct lcs_run){*i, *j, run->len + 1};
            continue;
        }
        if (run->len > 0)
            return true;
        if (*lcs_cell(lcs, *i - 1, *j) > *lcs_cell(lcs, *i, *j - 1))
            *i -= 1;
        else
            *j -= 1;
    }
    return run->len > 0;
}

static void lcs_reply_text(struct ctx *ctx, const struct lcs *lcs)
{
    size_t len = *lcs_cell(lcs, lcs->a.len, lcs->b.len), i = lcs->a.len, j = lcs->b.len;
    char *text = arena_alloc(ctx->arena, len), *at = text + len;
    struct lcs_run run;

    while (lcs_run_before(lcs, &i, &j, &run)) {
        at -= run.len;
        memcpy(at, lcs->a.data + run.a, run.len);
    }
    kv_assert(at == text);
    reply_bulk(ctx, (struct slice){text, len});
}

static void lcs_reply_range(struct ctx *ctx, size_t start, size_t len)
{
    reply_array(ctx, 2);
    reply_int(ctx, (int64_t)start);
    reply_int(ctx, (int64_t)(start + len - 1));
}

/* The runs from the last to the first. They are counted first: the array's length stands before
 * them. */
static void lcs_reply_runs(struct ctx *ctx, const struct lcs *lcs,
                           const struct lcs_options *options)
{
    size_t i = lcs->a.len, j = lcs->b.len, count = 0;
    struct lcs_run run;

    while (lcs_run_before(lcs, &i, &j, &run))
        count += (int64_t)run.len >= options->length_min;
    reply_map(ctx, 2);
    reply_bulk(ctx, SLICE("matches"));
    reply_array(ctx, count);
    i = lcs->a.len;
    j = lcs->b.len;
    while (lcs_run_before(lcs, &i, &j, &run)) {
        if ((int64_t)run.len < options->length_min)
            continue;
        reply_array(ctx, options->with_length ? 3 : 2);
        lcs_reply_range(ctx, run.a, run.len);
        lcs_reply_range(ctx, run.b, run.len);
        if (options->with_length)
            reply_int(ctx, (int64_t)run.len);
    }
    reply_bulk(ctx, SLICE("len"));
    reply_int(ctx, *lcs_cell(lcs, lcs->a.len, lcs->b.len));
}

static bool lcs_read_options(struct ctx *ctx, struct lcs_options *options)
{
    *options = (struct lcs_options){0};
    for (int at = 3; at < ctx->argc; at++) {
        if (ctx_arg_is(ctx, at, "len")) {
            options->length = true;
        } else if (ctx_arg_is(ctx, at, "idx")) {
            options->index = true;
        } else if (ctx_arg_is(ctx, at, "withmatchlen")) {
            options->with_length = true;
        } else if (ctx_arg_is(ctx, at, "minmatchlen") && at + 1 < ctx->argc) {
            if (!arg_i64(ctx, ctx->argv[++at], &options->length_min))
                return false;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    if (options->length && options->index) {
        reply_error(ctx, "ERR If you want both the length and indexes, please just use IDX.");
        return false;
    }
    return true;
}

static void lcs_command(struct ctx *ctx)
{
    struct slice text[2];
    char digits[2][24];
    struct lcs_options options;
    struct lcs lcs;
    size_t cells, bytes;
    bool strings = true;

    for (int i = 0; i < 2; i++) {
        const struct entry *entry = ctx_find(ctx, ctx->argv[1 + i], LOOKUP_READ).entry;

        strings = strings && (entry == NULL || entry_type(entry) == TYPE_STRING);
        /* Good for both: if the second lookup deletes an expired key, no other entry moves. */
        text[i] = strings && entry != NULL ? entry_string(entry, digits[i]) : SLICE("");
    }
    if (!strings) {
        reply_error(ctx, "ERR The specified keys must contain string values");
        return;
    }
    if (!lcs_read_options(ctx, &options))
        return;
    lcs = (struct lcs){text[0], text[1], NULL};
    if (__builtin_mul_overflow(lcs.a.len + 1, lcs.b.len + 1, &cells) ||
        __builtin_mul_overflow(cells, sizeof(*lcs.cells), &bytes) ||
        bytes > (uint64_t)ctx->engine->settings->bulk_bytes_max) {
        reply_error(ctx,
                    "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return;
    }
    lcs.cells = arena_alloc(ctx->arena, bytes);
    lcs_fill(&lcs);
    if (options.index)
        lcs_reply_runs(ctx, &lcs, &options);
    else if (options.length)
        reply_int(ctx, *lcs_cell(&lcs, lcs.a.len, lcs.b.len));
    else
        lcs_reply_text(ctx, &lcs);
}

const struct command commands_string_lcs[] = {
    {.name = "lcs",
     .run = lcs_command,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     .keys = {KEYS_RANGE(KEY_RO | KEY_ACCESS, 1, 1, 1)},
     .group = "string",
     .since = "7.0.0",
     .complexity = "O(N*M) for strings of N and M bytes.",
     .summary = "Answers the longest common subsequence of two strings.",
     .syntax = "key1:key%0 key2:key%0 [len=LEN] [idx=IDX] [len:integer@MINMATCHLEN] "
               "[withmatchlen=WITHMATCHLEN]"},
    {.name = NULL},
};
