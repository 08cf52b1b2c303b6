/* Lists in the middle: LSET, LINSERT, LREM, LTRIM, and LPOS. */
#include "core/base/buf.h"
#include "core/base/num.h"
#include "core/cmd/list.h"
#include "core/cmd/rows.h"

static bool list_element_allowed(struct ctx *ctx, struct slice element)
{
    if (element.len <= LIST_ELEMENT_MAX)
        return true;
    reply_error(ctx, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static void lset_run(struct ctx *ctx)
{
    struct place place;
    uint64_t position;
    int64_t index;

    if (!list_element_allowed(ctx, ctx->argv[3]) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_no_such_key(ctx);
        return;
    }
    if (!arg_i64(ctx, ctx->argv[2], &index))
        return;
    struct list list = list_at(ctx, &place);
    if (!list_position(&list, index, &position)) {
        reply_out_of_range(ctx);
        return;
    }
    ctx_change_begin(ctx, &place);
    list_set(&list, position, ctx->argv[3]);
    entry_set_value(place.entry, list.encoding, list.value);
    ctx_change_end(ctx, &place, place.entry);
    ctx_event(ctx, 'l', "lset", ctx->db, place.key);
    reply_ok(ctx);
}

/* The number of the first element that equals `text`, or that of all. */
static uint64_t list_find(const struct list *list, struct slice text)
{
    struct list_cursor cursor;
    struct slice element;
    uint64_t index = 0;

    list_begin(&cursor, list, 0, false);
    while (list_next(&cursor, &element) && !slice_equal(element, text))
        index++;
    list_end(&cursor);
    return index;
}

static void linsert_run(struct ctx *ctx)
{
    struct place place;
    bool before = ctx_arg_is(ctx, 2, "before");

    if (!before && !ctx_arg_is(ctx, 2, "after")) {
        reply_syntax_error(ctx);
        return;
    }
    if (!list_element_allowed(ctx, ctx->argv[4]) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    struct list list = list_at(ctx, &place);
    uint64_t index = list_find(&list, ctx->argv[3]);
    if (index == list_count(&list)) {
        reply_int(ctx, -1);
        return;
    }
    ctx_change_begin(ctx, &place);
    list_insert(&list, before ? index : index + 1, ctx->argv[4]);
    entry_set_value(place.entry, list.encoding, list.value);
    ctx_change_end(ctx, &place, place.entry);
    ctx_event(ctx, 'l', "linsert", ctx->db, place.key);
    reply_int(ctx, (int64_t)list_count(&list));
}

/* Give back a list that was changed in place; without elements the key goes. */
static void list_changed(struct ctx *ctx, struct place *place, struct list *list,
                         const char *event)
{
    bool is_gone = list_count(list) == 0;

    entry_set_value(place->entry, list->encoding, list->value);
    ctx_change_end(ctx, place, place->entry);
    ctx_event(ctx, 'l', event, ctx->db, place->key);
    if (!is_gone)
        return;
    ctx_remove(ctx, place, false);
    ctx_event(ctx, 'g', "del", ctx->db, place->key);
}

static void lrem_run(struct ctx *ctx)
{
    struct place place;
    int64_t count;
    uint64_t most, removed;

    if (!arg_i64(ctx, ctx->argv[2], &count) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    struct list list = list_at(ctx, &place);
    if (list_find(&list, ctx->argv[3]) == list_count(&list)) {
        reply_int(ctx, 0);
        return;
    }
    most = count == 0 ? UINT64_MAX : count < 0 ? (uint64_t)0 - (uint64_t)count : (uint64_t)count;
    ctx_change_begin(ctx, &place);
    removed = list_remove(&list, ctx->argv[3], most, count < 0);
    list_changed(ctx, &place, &list, "lrem");
    reply_int(ctx, (int64_t)removed);
}

static void ltrim_run(struct ctx *ctx)
{
    struct place place;
    int64_t start, stop;

    if (!arg_i64(ctx, ctx->argv[2], &start) || !arg_i64(ctx, ctx->argv[3], &stop) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_ok(ctx);
        return;
    }
    struct list list = list_at(ctx, &place);
    int64_t len = (int64_t)list_count(&list);
    if (start < 0)
        start = start < -len ? 0 : start + len;
    if (stop < 0)
        stop = stop < -len ? -1 : stop + len;
    if (stop >= len)
        stop = len - 1;
    if (start > stop || start >= len) {
        ctx_event(ctx, 'l', "ltrim", ctx->db, place.key);
        ctx_remove(ctx, &place, false);
        ctx_event(ctx, 'g', "del", ctx->db, place.key);
    } else if (start > 0 || stop < len - 1) {
        ctx_change_begin(ctx, &place);
        list_delete(&list, (uint64_t)stop + 1, (uint64_t)(len - 1 - stop));
        list_delete(&list, 0, (uint64_t)start);
        list_changed(ctx, &place, &list, "ltrim");
    } else {
        ctx_event(ctx, 'l', "ltrim", ctx->db, place.key);
    }
    reply_ok(ctx);
}

/* ---- LPOS ---- */

struct lpos_options {
    int64_t rank, count, most; /* count -1: not given; most 0: compare all */
};

static bool lpos_parse(struct ctx *ctx, struct lpos_options *options)
{
    *options = (struct lpos_options){.rank = 1, .count = -1};
    for (int at = 3; at < ctx->argc; at += 2) {
        bool is_last = at + 1 == ctx->argc;
        if (ctx_arg_is(ctx, at, "rank") && !is_last) {
            if (!arg_i64_in(ctx, ctx->argv[at + 1], -INT64_MAX, INT64_MAX, &options->rank))
                return false;
            if (options->rank == 0) {
                reply_error(ctx,
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from "
                            "the second ... or use negative to start from the end of the list");
                return false;
            }
        } else if (ctx_arg_is(ctx, at, "count") && !is_last) {
            if (!num_parse_i64(ctx->argv[at + 1], &options->count) || options->count < 0) {
                reply_error(ctx, "ERR COUNT can't be negative");
                return false;
            }
        } else if (ctx_arg_is(ctx, at, "maxlen") && !is_last) {
            if (!num_parse_i64(ctx->argv[at + 1], &options->most) || options->most < 0) {
                reply_error(ctx, "ERR MAXLEN can't be negative");
                return false;
            }
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* Their numbers into `found` (int64_t). */
static void lpos_search(const struct list *list, struct slice text,
                        const struct lpos_options *options, struct buf *found)
{
    bool backwards = options->rank < 0;
    int64_t skip = (backwards ? -options->rank : options->rank) - 1;
    int64_t most = options->count < 0 ? 1 : options->count;
    int64_t len = (int64_t)list_count(list), matches = 0;
    struct list_cursor cursor;
    struct slice element;

    list_begin(&cursor, list, backwards ? (uint64_t)len - 1 : 0, backwards);
    for (int64_t i = 0; (options->most == 0 || i < options->most) && list_next(&cursor, &element);
         i++) {
        if (!slice_equal(element, text) || skip-- > 0)
            continue;
        int64_t index = backwards ? len - 1 - i : i;
        buf_append(found, &index, sizeof(index));
        if (++matches == most)
            break;
    }
    list_end(&cursor);
}

static void lpos_run(struct ctx *ctx)
{
    struct place place;
    struct lpos_options options;
    struct buf found = {0};

    if (!lpos_parse(ctx, &options) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_LIST, &place))
        return;
    if (place.entry != NULL) {
        struct list list = list_at(ctx, &place);
        lpos_search(&list, ctx->argv[2], &options, &found);
    }
    const int64_t *indexes = (const int64_t *)(const void *)found.data;
    size_t count = found.len / sizeof(*indexes);
    if (options.count >= 0) {
        reply_array(ctx, count);
        for (size_t i = 0; i < count; i++)
            reply_int(ctx, indexes[i]);
    } else if (count > 0) {
        reply_int(ctx, indexes[0]);
    } else {
        reply_null(ctx);
    }
    buf_free(&found);
}

const struct command commands_list_edit[] = {
    {.name = "lset",
     .run = lset_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_UPDATE),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N nodes up to it; O(1) at the ends.",
     .summary = "Replaces the element of a list at a position.",
     .syntax = "key:key index:integer element:string"},
    {.name = "linsert",
     .run = linsert_run,
     .arity = 5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "2.2.0",
     .complexity = "O(N) for N elements up to the one that is looked for.",
     .summary = "Puts an element before or behind the first that equals another.",
     .syntax = "key:key where(before=BEFORE|after=AFTER) pivot:string element:string"},
    {.name = "lrem",
     .run = lrem_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for a list of N elements.",
     .summary = "Deletes the elements of a list that equal another, from one end on.",
     .syntax = "key:key count:integer element:string"},
    {.name = "ltrim",
     .run = ltrim_run,
     .arity = 4,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_DELETE),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N nodes that go.",
     .summary = "Deletes all elements of a list but those between two positions.",
     .syntax = "key:key start:integer stop:integer"},
    {.name = "lpos",
     .run = lpos_run,
     .arity = -3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "list",
     .since = "6.0.6",
     .complexity = "O(N) for N elements compared.",
     .summary = "Answers where in a list an element is.",
     .syntax =
         "key:key element:string [rank:integer@RANK] [num-matches:integer@COUNT] "
         "[len:integer@MAXLEN]"},
    {.name = NULL},
};
