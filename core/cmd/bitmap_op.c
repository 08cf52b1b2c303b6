/* BITOP: bitwise operations between whole strings. The shorter ones go on with zero bytes. */
#include <string.h>

#include "core/cmd/rows.h"
#include "core/ctx.h"

enum bit_operation { BITS_AND, BITS_OR, BITS_XOR, BITS_NOT };

static bool operation_read(struct ctx *ctx, enum bit_operation *out)
{
    static const char *const names[] = {"and", "or", "xor", "not"};

    for (int i = 0; i < 4; i++) {
        if (ctx_arg_is(ctx, 1, names[i])) {
            *out = (enum bit_operation)i;
            return true;
        }
    }
    reply_syntax_error(ctx);
    return false;
}

/* Fold `from` into `into`, which is `len` bytes long and at least as long. */
static void fold(enum bit_operation operation, uint8_t *restrict into, size_t len,
                 struct slice from)
{
    const uint8_t *restrict bytes = (const uint8_t *)from.data;

    switch (operation) {
    case BITS_AND:
        for (size_t i = 0; i < from.len; i++)
            into[i] &= bytes[i];
        memset(into + from.len, 0, len - from.len);
        break;
    case BITS_OR:
        for (size_t i = 0; i < from.len; i++)
            into[i] |= bytes[i];
        break;
    case BITS_XOR:
        for (size_t i = 0; i < from.len; i++)
            into[i] ^= bytes[i];
        break;
    case BITS_NOT:
        for (size_t i = 0; i < from.len; i++)
            into[i] = (uint8_t)~bytes[i];
        break;
    }
}

/* The sources' strings, in the arena; a missing key is an empty one. False if an error was
 * replied. Digits of integers are copied: a lookup may move nothing else. */
static bool sources_find(struct ctx *ctx, struct slice *sources, size_t *longest)
{
    *longest = 0;
    for (int i = 3; i < ctx->argc; i++) {
        struct place place;
        char digits[24];

        if (!ctx_find_type(ctx, ctx->argv[i], LOOKUP_READ, TYPE_STRING, &place))
            return false;
        sources[i - 3] = SLICE("");
        if (place.entry != NULL) {
            sources[i - 3] = entry_string(place.entry, digits);
            if (entry_encoding(place.entry) == ENCODING_INT)
                sources[i - 3] = arena_copy(ctx->arena, sources[i - 3]);
        }
        if (sources[i - 3].len > *longest)
            *longest = sources[i - 3].len;
    }
    return true;
}

static void bitop_run(struct ctx *ctx)
{
    int count = ctx->argc - 3;
    enum bit_operation operation;
    struct slice *sources;
    struct entry *entry;
    struct place target;
    size_t longest;

    if (!operation_read(ctx, &operation))
        return;
    if (operation == BITS_NOT && count != 1) {
        reply_error(ctx, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    sources = arena_alloc(ctx->arena, (size_t)count * sizeof *sources);
    if (!sources_find(ctx, sources, &longest))
        return;
    if (longest == 0) {
        target = ctx_find(ctx, ctx->argv[2], LOOKUP_WRITE);
        if (target.entry != NULL) {
            ctx_remove(ctx, &target, false);
            ctx_event(ctx, 'g', "del", ctx->db, target.key);
        }
        reply_int(ctx, 0);
        return;
    }
    entry = entry_resize(entry_new_blank(ctx->argv[2], 0, ENTRY_NO_DEADLINE), longest);
    if (operation != BITS_NOT)
        memcpy(entry_bytes_of(entry), sources[0].data, sources[0].len);
    for (int i = operation == BITS_NOT ? 0 : 1; i < count; i++)
        fold(operation, (uint8_t *)entry_bytes_of(entry), longest, sources[i]);
    target = ctx_find(ctx, ctx->argv[2], LOOKUP_WRITE);
    ctx_put(ctx, &target, entry);
    ctx_event(ctx, '$', "set", ctx->db, ctx->argv[2]);
    reply_int(ctx, (int64_t)longest);
}

const struct command commands_bitmap_op[] = {
    {.name = "bitop",
     .run = bitop_run,
     .arity = -4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     .keys = {KEYS_RANGE(KEY_OW | KEY_UPDATE, 2, 0, 1), KEYS_RANGE(KEY_RO | KEY_ACCESS, 3, -1, 1)},
     .group = "bitmap",
     .since = "2.6.0",
     .complexity = "O(N) for N bytes in all.",
     .summary = "Stores the result of a bitwise operation between strings.",
     .syntax = "operation:string destkey:key key:key..."},
    {.name = NULL},
};
