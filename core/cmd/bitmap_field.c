/* BITFIELD and BITFIELD_RO: integers of 1 to 64 bits anywhere in a string.
 *
 * All operations are read before the first is done. Where one writes, the string is made long
 * enough for all of them at once, whether or not OVERFLOW FAIL then refuses. A sum is taken in 128
 * bits, so that whether it fits is a comparison, whatever the width. */
#include <string.h>

#include "core/base/num.h"
#include "core/cmd/bitmap.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCREASE };
enum field_overflow { OVERFLOW_WRAP, OVERFLOW_SATURATE, OVERFLOW_FAIL };

struct field_operation {
    enum field_verb verb;
    enum field_overflow overflow;
    bool is_signed;
    unsigned bits;
    uint64_t offset;
    int64_t value; /* to set, or to increase by */
};

struct field_request {
    struct field_operation *operations;
    size_t count;
    bool writes;
    uint64_t last_bit; /* of what is written */
};

static bool read_width(struct ctx *ctx, struct slice arg, struct field_operation *operation)
{
    int64_t bits;

    operation->is_signed = arg.len > 0 && arg.data[0] == 'i';
    if (arg.len == 0 || (!operation->is_signed && arg.data[0] != 'u') ||
        !num_parse_i64((struct slice){arg.data + 1, arg.len - 1}, &bits) || bits < 1 ||
        bits > (operation->is_signed ? 64 : 63)) {
        reply_error(ctx, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                         "not supported but i64 is.");
        return false;
    }
    operation->bits = (unsigned)bits;
    return true;
}

static bool read_overflow(struct ctx *ctx, int at, enum field_overflow *out)
{
    if (ctx_arg_is(ctx, at, "wrap")) {
        *out = OVERFLOW_WRAP;
    } else if (ctx_arg_is(ctx, at, "sat")) {
        *out = OVERFLOW_SATURATE;
    } else if (ctx_arg_is(ctx, at, "fail")) {
        *out = OVERFLOW_FAIL;
    } else {
        reply_error(ctx, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

static bool field_read(struct ctx *ctx, struct field_request *request)
{
    enum field_overflow overflow = OVERFLOW_WRAP;

    *request = (struct field_request){0};
    request->operations = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof(*request->operations));
    for (int at = 2; at < ctx->argc;) {
        struct field_operation *operation = &request->operations[request->count];
        int more = ctx->argc - at - 1;

        *operation = (struct field_operation){.overflow = overflow};
        if (ctx_arg_is(ctx, at, "get") && more >= 2) {
            operation->verb = FIELD_GET;
        } else if (ctx_arg_is(ctx, at, "set") && more >= 3) {
            operation->verb = FIELD_SET;
        } else if (ctx_arg_is(ctx, at, "incrby") && more >= 3) {
            operation->verb = FIELD_INCREASE;
        } else if (ctx_arg_is(ctx, at, "overflow") && more >= 1) {
            if (!read_overflow(ctx, at + 1, &overflow))
                return false;
            at += 2;
            continue;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
        if (!read_width(ctx, ctx->argv[at + 1], operation) ||
            !bitmap_offset(ctx, ctx->argv[at + 2], operation->bits, &operation->offset))
            return false;
        at += 3;
        if (operation->verb != FIELD_GET) {
            uint64_t last = operation->offset + operation->bits - 1;

            if (!arg_i64(ctx, ctx->argv[at++], &operation->value))
                return false;
            if (!request->writes || last > request->last_bit)
                request->last_bit = last;
            request->writes = true;
        }
        request->count++;
    }
    return true;
}

/* The bits as they are, zero beyond the end; in the low end of the result. */
static uint64_t bits_get(struct slice text, uint64_t offset, unsigned bits)
{
    unsigned __int128 window = 0;
    size_t first = (size_t)(offset >> 3);
    unsigned behind = 72 - (unsigned)(offset & 7) - bits;

    for (size_t i = 0; i < 9; i++)
        window = window << 8 | (first + i < text.len ? (uint8_t)text.data[first + i] : 0u);
    window >>= behind;
    return (uint64_t)window & (bits == 64 ? UINT64_MAX : (1ull << bits) - 1);
}

static void bits_set(char *bytes, uint64_t offset, unsigned bits, uint64_t value)
{
    for (unsigned i = 0; i < bits; i++, offset++) {
        char mask = (char)(0x80 >> (offset & 7)), *byte = bytes + (offset >> 3);
        bool on = value >> (bits - 1 - i) & 1;

        *byte = (char)(on ? *byte | mask : *byte & ~mask);
    }
}

static int64_t with_sign(uint64_t value, const struct field_operation *operation)
{
    unsigned spare = 64 - operation->bits;

    return operation->is_signed ? (int64_t)(value << spare) >> spare : (int64_t)value;
}

/* What is to be written in place of `old`; false if OVERFLOW FAIL refuses it. */
static bool field_result(const struct field_operation *operation, int64_t old, int64_t *result)
{
    unsigned value_bits = operation->bits - operation->is_signed;
    __int128 most = ((__int128)1 << value_bits) - 1;
    __int128 least = operation->is_signed ? -most - 1 : 0;
    __int128 exact = (__int128)old + operation->value;

    if (operation->verb == FIELD_SET)
        exact = operation->is_signed ? (__int128)operation->value
                                     : (__int128)(uint64_t)operation->value;
    if (exact < least || exact > most) {
        switch (operation->overflow) {
        case OVERFLOW_FAIL:
            return false;
        case OVERFLOW_SATURATE:
            exact = exact < least ? least : most;
            break;
        case OVERFLOW_WRAP:
            exact &= operation->bits == 64 ? UINT64_MAX : (1ull << operation->bits) - 1;
            break;
        }
    }
    *result = with_sign((uint64_t)exact, operation);
    return true;
}

/* The lowest bit that it may write. */
static uint64_t field_first_bit(const struct field_request *request)
{
    uint64_t first = request->last_bit;

    for (size_t i = 0; i < request->count; i++)
        if (request->operations[i].verb != FIELD_GET && request->operations[i].offset < first)
            first = request->operations[i].offset;
    return first;
}

/* One operation that writes; what it changes begins the change (*changed is set) where that has not
 * been done. */
static void field_write(struct ctx *ctx, const struct field_request *request,
                        const struct field_operation *operation, struct place *place,
                        struct entry **changed)
{
    const struct entry *entry = *changed != NULL ? *changed : place->entry;
    char digits[24];
    int64_t old, result;

    old = with_sign(
        bits_get(entry_string(entry, digits), operation->offset, operation->bits), operation);
    if (!field_result(operation, old, &result)) {
        reply_null(ctx);
        return;
    }
    reply_int(ctx, operation->verb == FIELD_SET ? old : result);
    if (result == old)
        return;
    if (*changed == NULL)
        *changed = bitmap_begin(ctx, place, field_first_bit(request), request->last_bit);
    bits_set(entry_bytes_of(*changed), operation->offset, operation->bits, (uint64_t)result);
}

static void field_get(struct ctx *ctx, const struct field_operation *operation,
                      const struct entry *entry)
{
    struct slice text = SLICE("");
    char digits[24];

    if (entry != NULL)
        text = entry_string(entry, digits);
    reply_int(ctx, with_sign(bits_get(text, operation->offset, operation->bits), operation));
}

static void field_do(struct ctx *ctx, bool read_only)
{
    struct entry *changed = NULL;
    struct field_request request;
    struct place place;

    if (!field_read(ctx, &request))
        return;
    if (request.writes && read_only) {
        reply_error(ctx, "ERR BITFIELD_RO only supports the GET subcommand");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], request.writes ? LOOKUP_WRITE : LOOKUP_READ, TYPE_STRING,
                       &place))
        return;
    if (request.writes && bitmap_grows(&place, request.last_bit))
        changed = bitmap_begin(ctx, &place, field_first_bit(&request), request.last_bit);
    reply_array(ctx, request.count);
    for (size_t i = 0; i < request.count; i++) {
        const struct field_operation *operation = &request.operations[i];

        if (operation->verb == FIELD_GET)
            field_get(ctx, operation, changed != NULL ? changed : place.entry);
        else
            field_write(ctx, &request, operation, &place, &changed);
    }
    if (changed != NULL)
        bitmap_end(ctx, &place, changed);
}

static void bitfield_run(struct ctx *ctx)
{
    field_do(ctx, false);
}

static void bitfield_ro_run(struct ctx *ctx)
{
    field_do(ctx, true);
}

/* With GET alone nothing is written. */
static int field_keys(const struct command *command unused, int argc, const struct slice *argv,
                      int *positions, int *flags, int most)
{
    bool reads = true;
    for (int at = 2; at < argc && reads; at++) {
        int more = argc - at - 1;
        if (slice_is(argv[at], "get") && more >= 2)
            at += 2;
        else if (slice_is(argv[at], "overflow") && more >= 1)
            at++;
        else
            reads = false;
    }
    int key_flags = reads ? KEY_RO | KEY_ACCESS : KEY_RW | KEY_ACCESS | KEY_UPDATE;
    return command_add_key(1, key_flags, positions, flags, 0, most);
}

const struct command commands_bitmap_field[] = {
    {.name = "bitfield",
     .run = bitfield_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS),
     .find_keys = field_keys,
     .group = "bitmap",
     .since = "3.2.0",
     .complexity = "O(1) for each operation.",
     .summary = "Reads, writes and counts up integers of any width within a string.",
     .syntax = "key:key [operation(encoding_offset{encoding:string offset:integer}@GET|"
               "write{[wrap_sat_fail(wrap=WRAP|sat=SAT|fail=FAIL)@OVERFLOW] "
               "write_operation(encoding_offset_value{encoding:string offset:integer "
               "value:integer}@SET|encoding_offset_increment{encoding:string offset:integer "
               "increment:integer}@INCRBY)})]..."},
    {.name = "bitfield_ro",
     .run = bitfield_ro_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_BITMAP,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "bitmap",
     .since = "6.0.0",
     .complexity = "O(1) for each operation.",
     .summary = "Reads integers of any width within a string.",
     .syntax = "key:key [encoding_offset{encoding:string offset:integer}@GET]...+"},
    {.name = NULL},
};
