/* Bits of strings: SETBIT, GETBIT, BITCOUNT, BITPOS.
 *
 * A range of bytes or bits becomes one of bits; its ends are masked off within their bytes, and
 * what lies between is taken by words of eight bytes. */
#include "core/cmd/bitmap.h"

#include <string.h>

#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/settings.h"

bool bitmap_offset(struct ctx *ctx, struct slice arg, int64_t bits, uint64_t *out)
{
    bool counted = bits > 0 && arg.len > 0 && arg.data[0] == '#';
    int64_t offset;

    if (counted)
        arg = (struct slice){arg.data + 1, arg.len - 1};
    if (!num_parse_i64(arg, &offset) ||
        (counted && __builtin_mul_overflow(offset, bits, &offset)) || offset < 0 ||
        (!ctx->replay && offset >> 3 >= ctx->engine->settings->bulk_bytes_max)) {
        reply_error(ctx, "ERR bit offset is not an integer or out of range");
        return false;
    }
    *out = (uint64_t)offset;
    return true;
}

bool bitmap_grows(const struct place *place, uint64_t offset)
{
    return place->entry == NULL || entry_string_len(place->entry) <= offset >> 3;
}

struct entry *bitmap_begin(struct ctx *ctx, struct place *place, uint64_t from, uint64_t offset)
{
    size_t len = (size_t)(offset >> 3) + 1, old_len;

    if (place->entry == NULL)
        ctx_put(ctx, place, entry_new_blank(place->key, 0, ENTRY_NO_DEADLINE));
    ctx_write_begin(ctx, place, (size_t)(from >> 3), len);
    if (entry_encoding(place->entry) == ENCODING_RAW && !bitmap_grows(place, offset))
        return place->entry;
    old_len = entry_string_len(place->entry);
    return entry_resize(place->entry, old_len > len ? old_len : len);
}

void bitmap_end(struct ctx *ctx, struct place *place, struct entry *entry)
{
    ctx_change_end(ctx, place, entry);
    ctx_event(ctx, '$', "setbit", ctx->db, place->key);
}

static void setbit_run(struct ctx *ctx)
{
    struct place place;
    uint64_t offset;
    int64_t bit;
    char digits[24], mask;
    int old = 0;

    if (!bitmap_offset(ctx, ctx->argv[2], 0, &offset))
        return;
    if (!num_parse_i64(ctx->argv[3], &bit) || (bit & ~1) != 0) {
        reply_error(ctx, "ERR bit is not an integer or out of range");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    mask = (char)(0x80 >> (offset & 7));
    if (place.entry != NULL && offset >> 3 < entry_string_len(place.entry))
        old = (entry_string(place.entry, digits).data[offset >> 3] & mask) != 0;
    if (old != bit || bitmap_grows(&place, offset)) {
        struct entry *entry = bitmap_begin(ctx, &place, offset, offset);
        char *byte = entry_bytes_of(entry) + (offset >> 3);

        *byte = (char)(bit ? *byte | mask : *byte & ~mask);
        bitmap_end(ctx, &place, entry);
    }
    reply_int(ctx, old);
}

static void getbit_run(struct ctx *ctx)
{
    struct slice text = SLICE("");
    struct place place;
    uint64_t offset;
    char digits[24];

    if (!bitmap_offset(ctx, ctx->argv[2], 0, &offset) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    if (place.entry != NULL)
        text = entry_string(place.entry, digits);
    reply_int(ctx, offset >> 3 < text.len && (text.data[offset >> 3] & 0x80 >> (offset & 7)) != 0);
}

/* --- Ranges ----------------------------------------------------------------------------------- */

/* Bits `from` to `to`, both included; none if to < from. */
struct bit_range {
    int64_t from, to;
    bool end_given;
};

/* Arguments `at` and on: [start [end [BYTE|BIT]]]; `counts`: for BITCOUNT. False if an error was
 * replied. */
static bool range_read(struct ctx *ctx, int at, bool counts, size_t len,
                       struct bit_range *range)
{
    int64_t start = 0, end = 0, total = (int64_t)len;
    bool bits = false;

    *range = (struct bit_range){0, total * 8 - 1, ctx->argc > at + 1};
    if (ctx->argc == at)
        return true;
    if (ctx->argc > at + 3) {
        reply_syntax_error(ctx);
        return false;
    }
    if (!arg_i64(ctx, ctx->argv[at], &start))
        return false;
    if (range->end_given && !arg_i64(ctx, ctx->argv[at + 1], &end))
        return false;
    /* BITCOUNT alone, and as in redis-server before the unit is looked at: once both are moved into
     * the string they may meet. */
    if (counts && start < 0 && end < 0 && start > end) {
        *range = (struct bit_range){0, -1, true};
        return true;
    }
    if (ctx->argc == at + 3) {
        bits = ctx_arg_is(ctx, at + 2, "bit");
        if (!bits && !ctx_arg_is(ctx, at + 2, "byte")) {
            reply_syntax_error(ctx);
            return false;
        }
    }
    if (bits)
        total *= 8;
    if (!range->end_given)
        end = total - 1;
    if (start < 0)
        start = start < -total ? 0 : start + total;
    if (end < 0)
        end = end < -total ? 0 : end + total;
    if (end >= total)
        end = total - 1;
    if (start > end) {
        range->from = 0;
        range->to = -1;
    } else {
        range->from = bits ? start : start * 8;
        range->to = bits ? end : end * 8 + 7;
    }
    return true;
}

/* The byte at `at` with the bits outside of the range zero. */
static uint8_t byte_within(uint8_t byte, const struct bit_range *range, int64_t at)
{
    unsigned mask = byte;

    if (at == range->from >> 3)
        mask &= 0xffu >> (range->from & 7);
    if (at == range->to >> 3)
        mask &= 0xff00u >> ((range->to & 7) + 1);
    return (uint8_t)mask;
}

#if defined(__x86_64__)
#define COUNTS_IN_HARDWARE __attribute__((target("popcnt")))
#else
#define COUNTS_IN_HARDWARE
#endif

static inline __attribute__((always_inline)) uint64_t count_words(const uint8_t *bytes,
                                                                  size_t words)
{
    uint64_t count[4] = {0}, word[4];

    for (; words >= 4; words -= 4, bytes += 32) {
        memcpy(word, bytes, 32);
        for (int i = 0; i < 4; i++)
            count[i] += (uint64_t)__builtin_popcountll(word[i]);
    }
    for (; words > 0; words--, bytes += 8) {
        memcpy(word, bytes, 8);
        count[0] += (uint64_t)__builtin_popcountll(word[0]);
    }
    return count[0] + count[1] + count[2] + count[3];
}

COUNTS_IN_HARDWARE static uint64_t count_words_fast(const uint8_t *bytes, size_t words)
{
    return count_words(bytes, words);
}

static uint64_t count_bits(const uint8_t *bytes, const struct bit_range *range)
{
    int64_t first = range->from >> 3, last = range->to >> 3, middle = last - first - 1;
    uint64_t count;
    size_t words;

    if (range->to < range->from)
        return 0;
    count = (uint64_t)__builtin_popcount(byte_within(bytes[first], range, first));
    if (last == first)
        return count;
    count += (uint64_t)__builtin_popcount(byte_within(bytes[last], range, last));
    words = (size_t)middle / 8;
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("popcnt"))
        count += count_words(bytes + first + 1, words);
    else
#endif
        count += count_words_fast(bytes + first + 1, words);
    for (int64_t at = first + 1 + (int64_t)words * 8; at < last; at++)
        count += (uint64_t)__builtin_popcount(bytes[at]);
    return count;
}

static void bitcount_run(struct ctx *ctx)
{
    struct bit_range range;
    struct place place;
    struct slice text;
    char digits[24];

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    text = entry_string(place.entry, digits);
    if (range_read(ctx, 2, true, text.len, &range))
        reply_int(ctx, (int64_t)count_bits((const uint8_t *)text.data, &range));
}

/* The first bit that is `bit` within the range, -1 if there is none. */
static int64_t find_bit(const uint8_t *bytes, const struct bit_range *range, int bit)
{
    int64_t first = range->from >> 3, last = range->to >> 3;
    const uint8_t flip = bit ? 0 : 0xff;
    const uint64_t none = bit ? 0 : UINT64_MAX;

    if (range->to < range->from)
        return -1;
    for (int64_t at = first; at <= last; at++) {
        uint8_t byte = (uint8_t)(bytes[at] ^ flip);
        uint64_t word;

        if (at == first || at == last)
            byte = byte_within(byte, range, at);
        if (byte != 0)
            return at * 8 + __builtin_clz(byte) - 24;
        while (last - at > 8) {
            memcpy(&word, bytes + at + 1, 8);
            if (word != none)
                break;
            at += 8;
        }
    }
    return -1;
}

static void bitpos_run(struct ctx *ctx)
{
    struct bit_range range;
    struct place place;
    struct slice text;
    char digits[24];
    int64_t bit, at;

    if (!arg_i64(ctx, ctx->argv[2], &bit))
        return;
    if (bit != 0 && bit != 1) {
        reply_error(ctx, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, bit ? -1 : 0);
        return;
    }
    text = entry_string(place.entry, digits);
    if (!range_read(ctx, 3, false, text.len, &range))
        return;
    at = find_bit((const uint8_t *)text.data, &range, (int)bit);
    /* Without an end the string goes on with zero bits. */
    if (at < 0 && bit == 0 && !range.end_given && range.to >= range.from)
        at = (int64_t)text.len * 8;
    reply_int(ctx, at);
}

static const char *const unit_history[] = {"7.0.0", "The units `BYTE` and `BIT`.", NULL};

const struct command commands_bitmap[] = {
    {.name = "setbit",
     .run = setbit_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "bitmap",
     .since = "2.2.0",
     .complexity = "O(1), beside the bytes that the string grows by.",
     .summary = "Sets or clears one bit of a string and answers what it was.",
     .syntax = "key:key offset:integer value:integer"},
    {.name = "getbit",
     .run = getbit_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "bitmap",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Answers one bit of a string.",
     .syntax = "key:key offset:integer"},
    {.name = "bitcount",
     .run = bitcount_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "bitmap",
     .since = "2.6.0",
     .complexity = "O(N) for N bytes.",
     .summary = "Counts the bits that are set in a string, or in a part of it.",
     .syntax = "key:key [index{start:integer [end_index{end:integer "
               "[index_unit(byte=BYTE|bit=BIT)]^7.0.0}]^8.0.0}]",
     .history = unit_history},
    {.name = "bitpos",
     .run = bitpos_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "bitmap",
     .since = "2.8.7",
     .complexity = "O(N) for N bytes.",
     .summary = "Answers where the first set or clear bit of a string is.",
     .syntax = "key:key bit:integer [index{start:integer [end_index{end:integer "
               "[index_unit(byte=BYTE|bit=BIT)]^7.0.0}]}]",
     .history = unit_history},
    {.name = NULL},
};
