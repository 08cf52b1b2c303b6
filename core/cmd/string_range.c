/* Parts of strings: APPEND, SETRANGE, GETRANGE, STRLEN. */
#include "core/cmd/rows.h"
#include "core/ctx.h"

/* False if the error was replied. */
static bool string_length_allowed(struct ctx *ctx, uint64_t len)
{
    if (len <= (uint64_t)ctx->engine->settings->bulk_bytes_max)
        return true;
    reply_error(ctx, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

/* Make the string at `place` `len` bytes long, at least as long as it is, and write `bytes` at
 * `offset`. */
static void string_write_at(struct ctx *ctx, struct place *place, size_t len, size_t offset,
                            struct slice bytes)
{
    struct entry *entry;

    ctx_write_begin(ctx, place, offset, offset + bytes.len);
    entry = entry_resize(place->entry, len);
    if (bytes.len > 0)
        memcpy(entry_bytes_of(entry) + offset, bytes.data, bytes.len);
    ctx_change_end(ctx, place, entry);
}

static void append_run(struct ctx *ctx)
{
    struct slice more = ctx->argv[2];
    struct place place;
    size_t len = 0;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    if (place.entry != NULL)
        len = entry_string_len(place.entry);
    if (!string_length_allowed(ctx, (uint64_t)len + more.len))
        return;
    if (place.entry != NULL)
        string_write_at(ctx, &place, len + more.len, len, more);
    else
        ctx_put_string(ctx, &place, more, ENTRY_NO_DEADLINE);
    ctx_event(ctx, '$', "append", ctx->db, place.key);
    reply_int(ctx, (int64_t)(len + more.len));
}

static void setrange_run(struct ctx *ctx)
{
    struct slice bytes = ctx->argv[3];
    struct place place;
    int64_t offset;
    size_t len = 0, end;

    if (!arg_i64(ctx, ctx->argv[2], &offset))
        return;
    if (offset < 0) {
        reply_error(ctx, "ERR offset is out of range");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_STRING, &place))
        return;
    if (place.entry != NULL)
        len = entry_string_len(place.entry);
    if (bytes.len == 0) {
        reply_int(ctx, (int64_t)len);
        return;
    }
    if (!string_length_allowed(ctx, (uint64_t)offset + bytes.len))
        return;
    end = (size_t)offset + bytes.len;
    if (end > len)
        len = end;
    if (place.entry != NULL) {
        string_write_at(ctx, &place, len, (size_t)offset, bytes);
    } else {
        struct entry *entry = entry_resize(entry_new_blank(place.key, 0, ENTRY_NO_DEADLINE), len);

        memcpy(entry_bytes_of(entry) + offset, bytes.data, bytes.len);
        ctx_put(ctx, &place, entry);
    }
    ctx_event(ctx, '$', "setrange", ctx->db, place.key);
    reply_int(ctx, (int64_t)len);
}

/* What start and end, both inclusive and negative from the end, select. */
static struct slice string_part(struct slice text, int64_t start, int64_t end)
{
    int64_t len = (int64_t)text.len;

    if (start < 0 && end < 0 && start > end)
        return (struct slice){text.data, 0};
    if (start < 0)
        start = start < -len ? 0 : start + len;
    if (end < 0)
        end = end < -len ? 0 : end + len;
    if (end >= len)
        end = len - 1;
    if (start > end)
        return (struct slice){text.data, 0};
    return (struct slice){text.data + start, (size_t)(end - start + 1)};
}

static void getrange_run(struct ctx *ctx)
{
    char digits[24];
    struct place place;
    int64_t start, end;

    if (!arg_i64(ctx, ctx->argv[2], &start) || !arg_i64(ctx, ctx->argv[3], &end) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        return;
    if (place.entry == NULL)
        reply_bulk(ctx, SLICE(""));
    else
        reply_bulk(ctx, string_part(entry_string(place.entry, digits), start, end));
}

static void strlen_run(struct ctx *ctx)
{
    struct place place;

    if (ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_STRING, &place))
        reply_int(ctx, place.entry == NULL ? 0 : (int64_t)entry_string_len(place.entry));
}

const struct command commands_string_range[] = {
    {.name = "append",
     .run = append_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "string",
     .since = "2.0.0",
     .complexity =
         "O(1) on average for short values: the room for a string grows by more than is asked for.",
     .summary = "Adds bytes to the end of a string; a missing key is an empty string.",
     .syntax = "key:key value:string"},
    {.name = "setrange",
     .run = setrange_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "string",
     .since = "2.2.0",
     .complexity = "O(M) for a value of M bytes.",
     .summary = "Overwrites bytes of a string from an offset on, padding with zero bytes where it "
                "ends before.",
     .syntax = "key:key offset:integer value:string"},
    {.name = "getrange",
     .run = getrange_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "string",
     .since = "2.4.0",
     .complexity = "O(N) for N bytes answered.",
     .summary = "Answers the bytes of a string between two positions.",
     .syntax = "key:key start:integer end:integer"},
    {.name = "substr",
     .run = getrange_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "string",
     .since = "1.0.0",
     .complexity = "O(N) for N bytes answered.",
     .summary = "Answers the bytes of a string between two positions.",
     .deprecated_since = "2.0.0",
     .replaced_by = "`GETRANGE`",
     .syntax = "key:key start:integer end:integer"},
    {.name = "strlen",
     .run = strlen_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_STRING,
     .keys = KEYS_ONE(KEY_RO),
     .group = "string",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Answers the length of a string in bytes.",
     .syntax = "key:key"},
    {.name = NULL},
};
