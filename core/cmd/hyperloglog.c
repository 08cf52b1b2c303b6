/* PFADD, PFCOUNT, PFMERGE, and what looks inside: PFDEBUG, PFSELFTEST.
 *
 * Values are strings (core/ds/hll.h), edited in a copy where they are sparse, which is short, and
 * in place where they are dense.
 *
 * PFCOUNT is a read to who calls it: its row says so, in Redis as here; it is never refused as a
 * write, but waits where one would (`may_replicate`). For with one key it keeps the estimate in the
 * value's header, where GET shows it. That is a change like any other, also in Redis: recorded as
 * the request, so that a replay gives the same bytes. Where no write would be taken at the moment,
 * the estimate is just answered, and kept another time.
 */
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/ds/hll.h"
#include "core/gate.h"
#include "core/journal.h"
#include "core/settings.h"

#define SELF_TEST_ELEMENTS 20000

static void reply_damaged(struct ctx *ctx)
{
    reply_error(ctx, "INVALIDOBJ Corrupted HLL object detected");
}

/* The key's value, if it is there; false if an error was replied. */
static bool hll_find(struct ctx *ctx, struct slice key, enum lookup how, struct place *place,
                     struct slice *value)
{
    char digits[24];

    *value = (struct slice){NULL, 0};
    if (!ctx_find_type(ctx, key, how, TYPE_STRING, place))
        return false;
    if (place->entry == NULL)
        return true;
    /* Digits are no value: the slice does not outlive this function in that case. */
    *value = entry_string(place->entry, digits);
    if (hll_is(*value))
        return true;
    reply_error(ctx, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    return false;
}

/* Store `value`, its cached estimate out of date, in place of what is there, if anything. */
static void hll_store(struct ctx *ctx, struct place *place, struct buf *value)
{
    struct entry *entry;

    hll_forget_cached(value->data);
    if (place->entry == NULL) {
        entry = entry_new_blank(place->key, 0, ENTRY_NO_DEADLINE);
        entry = entry_resize(entry, value->len);
        memcpy(entry_bytes_of(entry), value->data, value->len);
        ctx_put(ctx, place, entry);
        return;
    }
    ctx_change_begin(ctx, place);
    entry = entry_resize(place->entry, value->len);
    memcpy(entry_bytes_of(entry), value->data, value->len);
    ctx_change_end(ctx, place, entry);
}

/* PFADD to a dense value; true if something changed. */
static bool add_in_place(struct ctx *ctx, struct place *place)
{
    char *value = entry_bytes_of(place->entry);
    bool changed = false;
    uint8_t rank;

    for (int i = 2; i < ctx->argc; i++) {
        unsigned index = hll_register_of(ctx->argv[i], &rank);

        if (!changed && hll_dense_rank(value, index) >= rank)
            continue;
        if (!changed)
            ctx_change_begin(ctx, place);
        changed = true;
        hll_dense_raise(value, index, rank);
    }
    if (changed) {
        hll_forget_cached(value);
        ctx_change_end(ctx, place, place->entry);
    }
    return changed;
}

/* PFADD to a sparse value, or to none. */
static enum hll_result add_in_copy(struct ctx *ctx, struct place *place, struct slice value)
{
    size_t sparse_bytes = (size_t)ctx->engine->settings->limits.hll_sparse_bytes;
    enum hll_result result = HLL_SAME;
    struct buf copy = {0};
    uint8_t rank;

    if (place->entry == NULL) {
        hll_init(&copy);
        result = HLL_CHANGED;
    } else {
        buf_append_slice(&copy, value);
    }
    for (int i = 2; i < ctx->argc && result != HLL_DAMAGED; i++) {
        unsigned index = hll_register_of(ctx->argv[i], &rank);
        enum hll_result step = hll_raise(&copy, index, rank, sparse_bytes);

        if (step != HLL_SAME)
            result = step;
    }
    if (result == HLL_CHANGED)
        hll_store(ctx, place, &copy);
    buf_free(&copy);
    return result;
}

static void pfadd_run(struct ctx *ctx)
{
    enum hll_result result;
    struct place place;
    struct slice value;

    if (!hll_find(ctx, ctx->argv[1], LOOKUP_WRITE, &place, &value))
        return;
    if (place.entry != NULL && hll_is_dense(value))
        result = add_in_place(ctx, &place) ? HLL_CHANGED : HLL_SAME;
    else
        result = add_in_copy(ctx, &place, value);
    if (result == HLL_DAMAGED) {
        reply_damaged(ctx);
        return;
    }
    if (result == HLL_CHANGED)
        ctx_event(ctx, '$', "pfadd", ctx->db, ctx->argv[1]);
    reply_int(ctx, result == HLL_CHANGED);
}

/* Merge the values of the keys from argument `from` on. *dense: one of them is. False if an error
 * was replied. */
static bool merge_keys(struct ctx *ctx, int from, uint8_t *registers, bool *dense)
{
    struct place place;
    struct slice value;

    *dense = false;
    for (int i = from; i < ctx->argc; i++) {
        if (!hll_find(ctx, ctx->argv[i], LOOKUP_READ, &place, &value))
            return false;
        if (place.entry == NULL)
            continue;
        *dense |= hll_is_dense(value);
        if (!hll_merge_into(registers, value)) {
            reply_damaged(ctx);
            return false;
        }
    }
    return true;
}

static bool may_keep_estimate(struct ctx *ctx)
{
    if (ctx->replay)
        return true;
    return journal_takes_writes(ctx->engine->journal) && !gate_waits(ctx->engine, true);
}

static void count_one(struct ctx *ctx)
{
    struct place place;
    struct slice value;
    uint64_t estimate;

    if (!hll_find(ctx, ctx->argv[1], LOOKUP_READ, &place, &value))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    if (!hll_cached(value, &estimate)) {
        if (!hll_estimate(value, &estimate)) {
            reply_damaged(ctx);
            return;
        }
        if (may_keep_estimate(ctx)) {
            ctx_change_begin(ctx, &place);
            hll_cache(entry_bytes_of(place.entry), estimate);
            ctx_change_end(ctx, &place, place.entry);
        }
    }
    reply_int(ctx, (int64_t)estimate);
}

static void pfcount_run(struct ctx *ctx)
{
    uint8_t *registers;
    bool dense;

    if (ctx->argc == 2) {
        count_one(ctx);
        return;
    }
    registers = arena_alloc_zero(ctx->arena, HLL_REGISTERS);
    if (merge_keys(ctx, 1, registers, &dense))
        reply_int(ctx, (int64_t)hll_estimate_of(registers));
}

static void pfmerge_run(struct ctx *ctx)
{
    size_t sparse_bytes = (size_t)ctx->engine->settings->limits.hll_sparse_bytes;
    uint8_t *registers = arena_alloc_zero(ctx->arena, HLL_REGISTERS);
    bool dense, good = true;
    struct place place;
    struct slice value;
    struct buf merged = {0};

    if (!merge_keys(ctx, 1, registers, &dense) ||
        !hll_find(ctx, ctx->argv[1], LOOKUP_WRITE, &place, &value))
        return;
    if (place.entry == NULL)
        hll_init(&merged);
    else
        buf_append_slice(&merged, value);
    if (dense)
        good = hll_to_dense(&merged);
    for (unsigned i = 0; i < HLL_REGISTERS && good; i++) {
        if (registers[i] > 0)
            good = hll_raise(&merged, i, registers[i], sparse_bytes) != HLL_DAMAGED;
    }
    /* What is there was merged above: it is not damaged. */
    kv_assert(good);
    hll_store(ctx, &place, &merged);
    buf_free(&merged);
    ctx_event(ctx, '$', "pfadd", ctx->db, ctx->argv[1]);
    reply_ok(ctx);
}

/* --- Inside ----------------------------------------------------------------------------------- */

/* Make the key's value dense; false if an error was replied. */
static bool debug_to_dense(struct ctx *ctx, struct place *place, struct slice value, bool *changed)
{
    struct buf copy = {0};
    bool good;

    *changed = !hll_is_dense(value);
    if (!*changed)
        return true;
    buf_append_slice(&copy, value);
    good = hll_to_dense(&copy);
    if (good) {
        struct entry *entry;

        ctx_change_begin(ctx, place);
        entry = entry_resize(place->entry, copy.len);
        memcpy(entry_bytes_of(entry), copy.data, copy.len);
        ctx_change_end(ctx, place, entry);
    } else {
        reply_damaged(ctx);
    }
    buf_free(&copy);
    return good;
}

static void debug_registers(struct ctx *ctx, struct place *place, struct slice value)
{
    uint8_t *registers = arena_alloc_zero(ctx->arena, HLL_REGISTERS);
    bool changed;

    if (!debug_to_dense(ctx, place, value, &changed))
        return;
    if (!hll_merge_into(registers, (struct slice){entry_bytes_of(place->entry), HLL_DENSE_BYTES})) {
        reply_damaged(ctx);
        return;
    }
    reply_array(ctx, HLL_REGISTERS);
    for (unsigned i = 0; i < HLL_REGISTERS; i++)
        reply_int(ctx, registers[i]);
}

static void debug_decode(struct ctx *ctx, struct slice value)
{
    struct buf text = {0};

    if (hll_is_dense(value))
        reply_error(ctx, "ERR HLL encoding is not sparse");
    else if (!hll_describe(value, &text))
        reply_damaged(ctx);
    else
        reply_bulk(ctx, buf_slice(&text));
    buf_free(&text);
}

static void pfdebug_run(struct ctx *ctx)
{
    struct place place;
    struct slice value;
    bool changed;

    if (!hll_find(ctx, ctx->argv[2], LOOKUP_WRITE, &place, &value))
        return;
    if (place.entry == NULL)
        reply_error(ctx, "ERR The specified key does not exist");
    else if (ctx_arg_is(ctx, 1, "getreg"))
        debug_registers(ctx, &place, value);
    else if (ctx_arg_is(ctx, 1, "decode"))
        debug_decode(ctx, value);
    else if (ctx_arg_is(ctx, 1, "encoding"))
        reply_simple(ctx, hll_is_dense(value) ? "dense" : "sparse");
    else if (!ctx_arg_is(ctx, 1, "todense"))
        reply_error(ctx, "ERR Unknown PFDEBUG subcommand '%.*s'",
                    (int)(ctx->argv[1].len < 128 ? ctx->argv[1].len : 128), ctx->argv[1].data);
    else if (debug_to_dense(ctx, &place, value, &changed))
        reply_int(ctx, changed);
}

/* A sparse and a dense value that were given the same elements have the same registers, and the
 * estimate is off by less than six standard errors (0.81% each). */
static void pfselftest_run(struct ctx *ctx)
{
    struct buf sparse = {0}, dense = {0};
    uint64_t from_sparse = 0, from_dense = 1;
    double off;
    bool good;

    hll_init(&sparse);
    hll_init(&dense);
    good = hll_to_dense(&dense);
    for (uint64_t i = 0; i < SELF_TEST_ELEMENTS && good; i++) {
        struct slice element = {(const char *)&i, sizeof i};
        uint8_t rank;
        unsigned index = hll_register_of(element, &rank);

        good = hll_raise(&sparse, index, rank, SIZE_MAX) ==
            (hll_dense_raise(dense.data, index, rank) ? HLL_CHANGED : HLL_SAME);
    }
    good = good && hll_estimate(buf_slice(&sparse), &from_sparse) &&
        hll_estimate(buf_slice(&dense), &from_dense);
    off = ((double)from_dense - SELF_TEST_ELEMENTS) / SELF_TEST_ELEMENTS;
    if (good && from_sparse == from_dense && off < 0.05 && off > -0.05)
        reply_ok(ctx);
    else
        reply_error(ctx, "TESTFAILED sparse %llu, dense %llu", (unsigned long long)from_sparse,
                    (unsigned long long)from_dense);
    buf_free(&sparse);
    buf_free(&dense);
}

const struct command commands_hyperloglog[] = {
    {.name = "pfadd",
     .run = pfadd_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_HYPERLOGLOG,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1) for each element.",
     .summary = "Adds elements to a HyperLogLog.",
     .syntax = "key:key [element:string]..."},
    {.name = "pfcount",
     .run = pfcount_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_READONLY | COMMAND_MAY_REPLICATE,
     .categories = CATEGORY_HYPERLOGLOG,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS, 1, -1, 1)},
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1) for one key, whose estimate is kept; O(N) for the union of N keys.",
     .summary = "Estimates how many different elements HyperLogLogs were given.",
     .syntax = "key:key..."},
    {.name = "pfmerge",
     .run = pfmerge_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_HYPERLOGLOG,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS | KEY_INSERT, 1, 0, 1),
              KEYS_RANGE(KEY_RO | KEY_ACCESS, 2, -1, 1)},
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(N) for N HyperLogLogs.",
     .summary = "Merges HyperLogLogs into one.",
     .syntax = "destkey:key sourcekey:key..."},
    {.name = "pfdebug",
     .run = pfdebug_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_ADMIN,
     .categories = CATEGORY_HYPERLOGLOG,
     .keys = KEYS_SECOND(KEY_RW | KEY_ACCESS),
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1)",
     .summary = "Shows how a HyperLogLog is stored.",
     .syntax = "subcommand:string key:key"},
    {.name = "pfselftest",
     .run = pfselftest_run,
     .arity = 1,
     .record = RECORD_NOTHING,
     .flags = COMMAND_ADMIN,
     .categories = CATEGORY_HYPERLOGLOG,
     .group = "hyperloglog",
     .since = "2.8.9",
     .complexity = "O(1)",
     .summary = "Checks the code of HyperLogLogs against itself."},
    {.name = NULL},
};
