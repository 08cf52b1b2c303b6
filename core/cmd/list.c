/* Lists at their ends, and the ways to read them. Those that change the middle are in list_edit.c,
 * those that block in list_block.c. */
#include "core/cmd/list.h"

#include "core/base/num.h"
#include "core/cmd/rows.h"

struct list list_at(const struct ctx *ctx, const struct place *place)
{
    return list_of(place->entry, &ctx->engine->settings->limits);
}

/* ---- both ends ---- */

void list_reply_one(struct ctx *ctx, const struct place *place, bool front)
{
    struct list list = list_at(ctx, place);
    struct list_cursor cursor;
    struct slice element;

    list_begin(&cursor, &list, front ? 0 : list_count(&list) - 1, false);
    kv_assert(list_next(&cursor, &element));
    reply_bulk(ctx, element);
    list_end(&cursor);
}

void list_reply_many(struct ctx *ctx, const struct place *place, bool front, uint64_t count)
{
    struct list list = list_at(ctx, place);
    struct list_cursor cursor;
    struct slice element;

    if (count > list_count(&list))
        count = list_count(&list);
    reply_array(ctx, count);
    list_begin(&cursor, &list, front ? 0 : list_count(&list) - 1, !front);
    while (count-- > 0 && list_next(&cursor, &element))
        reply_bulk(ctx, element);
    list_end(&cursor);
}

static void list_events(struct ctx *ctx, struct slice key, const char *event, bool is_gone)
{
    ctx_event(ctx, 'l', event, ctx->db, key);
    if (is_gone)
        ctx_event(ctx, 'g', "del", ctx->db, key);
}

/* True if the key is gone. */
static bool list_delete_end(struct ctx *ctx, struct place *place, bool front, uint64_t count)
{
    struct list list = list_at(ctx, place);
    uint64_t len = list_count(&list);

    if (count >= len) {
        ctx_remove(ctx, place, false);
        return true;
    }
    ctx_change_begin(ctx, place);
    list_delete(&list, front ? 0 : len - count, count);
    entry_set_value(place->entry, list.encoding, list.value);
    ctx_change_end(ctx, place, place->entry);
    return false;
}

void list_take(struct ctx *ctx, struct place *place, bool front, uint64_t count)
{
    bool is_gone = list_delete_end(ctx, place, front, count);

    list_events(ctx, place->key, front ? "lpop" : "rpop", is_gone);
}

static void list_put_many(struct ctx *ctx, struct place *place, bool front,
                          const struct slice *elements, int count)
{
    bool is_new = place->entry == NULL;
    struct list list = is_new ? list_new(&ctx->engine->settings->limits) : list_at(ctx, place);

    if (!is_new)
        ctx_change_begin(ctx, place);
    list_expect(&list, elements, count);
    for (int i = 0; i < count; i++)
        list_push(&list, front, elements[i]);
    if (is_new) {
        ctx_put(ctx, place,
                entry_new_value(place->key, TYPE_LIST, list.encoding, list.value,
                                ENTRY_NO_DEADLINE));
    } else {
        entry_set_value(place->entry, list.encoding, list.value);
        ctx_change_end(ctx, place, place->entry);
    }
    ctx_event(ctx, 'l', front ? "lpush" : "rpush", ctx->db, place->key);
}

void list_put(struct ctx *ctx, struct place *place, bool front, struct slice element)
{
    list_put_many(ctx, place, front, &element, 1);
}

/* ---- LPUSH, LPOP ---- */

static void list_push_command(struct ctx *ctx, bool front, bool only_existing)
{
    struct place place;

    for (int i = 2; i < ctx->argc; i++) {
        if (ctx->argv[i].len > LIST_ELEMENT_MAX) {
            reply_error(ctx, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
            return;
        }
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL && only_existing) {
        reply_int(ctx, 0);
        return;
    }
    list_put_many(ctx, &place, front, ctx->argv + 2, ctx->argc - 2);
    struct list list = list_at(ctx, &place);
    reply_int(ctx, (int64_t)list_count(&list));
}

static void lpush_run(struct ctx *ctx)
{
    list_push_command(ctx, true, false);
}

static void rpush_run(struct ctx *ctx)
{
    list_push_command(ctx, false, false);
}

static void lpushx_run(struct ctx *ctx)
{
    list_push_command(ctx, true, true);
}

static void rpushx_run(struct ctx *ctx)
{
    list_push_command(ctx, false, true);
}

static void list_pop_command(struct ctx *ctx, bool front)
{
    struct place place;
    bool with_count = ctx->argc == 3;
    int64_t count = 1;

    if (ctx->argc > 3) {
        reply_wrong_arity(ctx);
        return;
    }
    if (with_count && (!num_parse_i64(ctx->argv[2], &count) || count < 0)) {
        reply_error(ctx, "ERR value is out of range, must be positive");
        return;
    }
    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_WRITE, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        if (with_count)
            reply_null_array(ctx);
        else
            reply_null(ctx);
        return;
    }
    if (with_count)
        list_reply_many(ctx, &place, front, (uint64_t)count);
    else
        list_reply_one(ctx, &place, front);
    if (count > 0)
        list_take(ctx, &place, front, (uint64_t)count);
}

static void lpop_run(struct ctx *ctx)
{
    list_pop_command(ctx, true);
}

static void rpop_run(struct ctx *ctx)
{
    list_pop_command(ctx, false);
}

/* ---- LMPOP ---- */

bool list_arg_end(struct ctx *ctx, int index, bool *front)
{
    *front = ctx_arg_is(ctx, index, "left");
    if (*front || ctx_arg_is(ctx, index, "right"))
        return true;
    reply_syntax_error(ctx);
    return false;
}

bool list_arg_mpop(struct ctx *ctx, int at, struct list_mpop *out)
{
    int64_t keys;

    if (!num_parse_i64(ctx->argv[at], &keys) || keys <= 0) {
        reply_error(ctx, "ERR numkeys should be greater than 0");
        return false;
    }
    if (keys >= ctx->argc - at - 1) {
        reply_syntax_error(ctx);
        return false;
    }
    *out = (struct list_mpop){.keys_at = at + 1, .keys = (int)keys, .count = 1};
    at += (int)keys + 1;
    if (!list_arg_end(ctx, at, &out->front))
        return false;
    if (ctx->argc == at + 1)
        return true;
    if (ctx->argc < at + 3 || !ctx_arg_is(ctx, at + 1, "count")) {
        reply_syntax_error(ctx);
        return false;
    }
    if (!num_parse_i64(ctx->argv[at + 2], &out->count) || out->count <= 0) {
        reply_error(ctx, "ERR count should be greater than 0");
        return false;
    }
    if (ctx->argc == at + 3)
        return true;
    reply_syntax_error(ctx);
    return false;
}

/* Recorded as what it did to the one key. */
static void list_record_pop(struct ctx *ctx, struct slice key, bool front, uint64_t count)
{
    struct slice words[] = {front ? SLICE("LPOP") : SLICE("RPOP"), key,
                            ctx_digits(ctx, (int64_t)count)};

    ctx_effect(ctx, count > 1 ? 3 : 2, words);
}

bool list_pop_first(struct ctx *ctx, const struct list_mpop *which, bool with_count)
{
    uint64_t count = (uint64_t)which->count, len;

    for (int i = 0; i < which->keys; i++) {
        struct place place = ctx_find(ctx, ctx->argv[which->keys_at + i], LOOKUP_WRITE);
        if (place.entry == NULL || (ctx->woken && entry_type(place.entry) != TYPE_LIST))
            continue;
        if (entry_type(place.entry) != TYPE_LIST) {
            reply_wrong_type(ctx);
            return true;
        }
        struct list list = list_at(ctx, &place);
        len = list_count(&list);
        if (count > len)
            count = len;
        reply_array(ctx, 2);
        reply_bulk(ctx, place.key);
        if (with_count)
            list_reply_many(ctx, &place, which->front, count);
        else
            list_reply_one(ctx, &place, which->front);
        list_take(ctx, &place, which->front, count);
        list_record_pop(ctx, place.key, which->front, count);
        return true;
    }
    return false;
}

static void lmpop_run(struct ctx *ctx)
{
    struct list_mpop which;

    if (list_arg_mpop(ctx, 1, &which) && !list_pop_first(ctx, &which, true))
        reply_null_array(ctx);
}

/* ---- LMOVE ---- */

bool list_move(struct ctx *ctx, struct slice from, struct slice to, bool from_front, bool to_front)
{
    struct place source, target;
    struct list_cursor cursor;
    struct slice element;
    bool is_gone, is_same = slice_equal(from, to);

    if (!ctx_find_type(ctx, from, LOOKUP_WRITE, TYPE_LIST, &source))
        return true;
    if (source.entry == NULL)
        return false;
    if (!ctx_find_type(ctx, to, LOOKUP_WRITE, TYPE_LIST, &target))
        return true;
    /* That lookup may have deleted an expired key: the first place is not good any more. */
    source = keyspace_find(ctx->keyspace, ctx->db, from, source.hash);
    struct list list = list_at(ctx, &source);
    list_begin(&cursor, &list, from_front ? 0 : list_count(&list) - 1, false);
    kv_assert(list_next(&cursor, &element));
    element = arena_copy(ctx->arena, element);
    list_end(&cursor);
    if (is_same) {
        ctx_change_begin(ctx, &source);
        list_delete(&list, from_front ? 0 : list_count(&list) - 1, 1);
        list_push(&list, to_front, element);
        entry_set_value(source.entry, list.encoding, list.value);
        ctx_change_end(ctx, &source, source.entry);
        ctx_event(ctx, 'l', to_front ? "lpush" : "rpush", ctx->db, to);
        is_gone = false;
    } else {
        bool is_new = target.entry == NULL;
        is_gone = list_delete_end(ctx, &source, from_front, 1);
        target = keyspace_find(ctx->keyspace, ctx->db, to, target.hash);
        if (is_new)
            target.entry = NULL;
        list_put(ctx, &target, to_front, element);
    }
    reply_bulk(ctx, element);
    list_events(ctx, from, from_front ? "lpop" : "rpop", is_gone);
    return true;
}

static void lmove_run(struct ctx *ctx)
{
    bool from_front, to_front;

    if (list_arg_end(ctx, 3, &from_front) && list_arg_end(ctx, 4, &to_front) &&
        !list_move(ctx, ctx->argv[1], ctx->argv[2], from_front, to_front))
        reply_null(ctx);
}

static void rpoplpush_run(struct ctx *ctx)
{
    if (!list_move(ctx, ctx->argv[1], ctx->argv[2], false, true))
        reply_null(ctx);
}

/* ---- reading ---- */

static void llen_run(struct ctx *ctx)
{
    struct place place;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_int(ctx, 0);
        return;
    }
    struct list list = list_at(ctx, &place);
    reply_int(ctx, (int64_t)list_count(&list));
}

bool list_position(const struct list *list, int64_t index, uint64_t *position)
{
    int64_t len = (int64_t)list_count(list);

    if (index < -len || index >= len)
        return false;
    *position = (uint64_t)(index < 0 ? index + len : index);
    return true;
}

static void lindex_run(struct ctx *ctx)
{
    struct place place;
    struct list_cursor cursor;
    struct slice element;
    uint64_t position;
    int64_t index;

    if (!ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_null(ctx);
        return;
    }
    if (!arg_i64(ctx, ctx->argv[2], &index))
        return;
    struct list list = list_at(ctx, &place);
    if (!list_position(&list, index, &position)) {
        reply_null(ctx);
        return;
    }
    list_begin(&cursor, &list, position, false);
    kv_assert(list_next(&cursor, &element));
    reply_bulk(ctx, element);
    list_end(&cursor);
}

static void lrange_run(struct ctx *ctx)
{
    struct place place;
    struct list_cursor cursor;
    struct slice element;
    int64_t start, stop;

    if (!arg_i64(ctx, ctx->argv[2], &start) || !arg_i64(ctx, ctx->argv[3], &stop) ||
        !ctx_find_type(ctx, ctx->argv[1], LOOKUP_READ, TYPE_LIST, &place))
        return;
    if (place.entry == NULL) {
        reply_array(ctx, 0);
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
    if (start > stop) {
        reply_array(ctx, 0);
        return;
    }
    reply_array(ctx, (size_t)(stop - start + 1));
    list_begin(&cursor, &list, (uint64_t)start, false);
    for (int64_t i = start; i <= stop && list_next(&cursor, &element); i++)
        reply_bulk(ctx, element);
    list_end(&cursor);
}

/* ---- rows ---- */

static const char *const push_history[] = {"2.4.0", "More than one element.", NULL};
static const char *const pushx_history[] = {"4.0.0", "More than one element.", NULL};
static const char *const pop_history[] = {"6.2.0", "A count of elements.", NULL};

const struct command commands_list[] = {
    {.name = "lpush",
     .run = lpush_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N elements.",
     .summary =
         "Puts elements in front of a list, one after the other; a missing key is an "
         "empty list.",
     .syntax = "key:key element:string...",
     .history = push_history},
    {.name = "rpush",
     .run = rpush_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N elements.",
     .summary = "Puts elements behind the end of a list; a missing key is an empty list.",
     .syntax = "key:key element:string...",
     .history = push_history},
    {.name = "lpushx",
     .run = lpushx_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "2.2.0",
     .complexity = "O(N) for N elements.",
     .summary = "Puts elements in front of a list, if there is one.",
     .syntax = "key:key element:string...",
     .history = pushx_history},
    {.name = "rpushx",
     .run = rpushx_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_FAST,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "2.2.0",
     .complexity = "O(N) for N elements.",
     .summary = "Puts elements behind the end of a list, if there is one.",
     .syntax = "key:key element:string...",
     .history = pushx_history},
    {.name = "lpop",
     .run = lpop_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N elements.",
     .summary = "Takes the first elements off a list and answers them.",
     .syntax = "key:key [count:integer]^6.2.0",
     .history = pop_history},
    {.name = "rpop",
     .run = rpop_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_DELETE),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N elements.",
     .summary = "Takes the last elements off a list and answers them.",
     .syntax = "key:key [count:integer]^6.2.0",
     .history = pop_history},
    {.name = "lmpop",
     .run = lmpop_run,
     .arity = -4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_MOVABLE_KEYS | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE,
               .first = 1,
               .keynum_first = 1,
               .keynum_step = 1}},
     .group = "list",
     .since = "7.0.0",
     .complexity = "O(N+M) for N keys and M elements.",
     .summary = "Takes elements off the first of several lists that has any.",
     .syntax =
         "numkeys:integer key:key... where(left=LEFT|right=RIGHT) "
         "[count:integer@COUNT]"},
    {.name = "lmove",
     .run = lmove_run,
     .arity = 5,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_LIST,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary =
         "Moves an element from an end of one list to an end of another, or of the "
         "same.",
     .syntax =
         "source:key destination:key wherefrom(left=LEFT|right=RIGHT) "
         "whereto(left=LEFT|right=RIGHT)"},
    {.name = "rpoplpush",
     .run = rpoplpush_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_LIST,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Moves the last element of a list to the front of another.",
     .syntax = "source:key destination:key",
     .deprecated_since = "6.2.0",
     .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments"},
    {.name = "llen",
     .run = llen_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RO),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers how many elements a list has.",
     .syntax = "key:key"},
    {.name = "lindex",
     .run = lindex_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(N) for N nodes and elements of a node up to it; O(1) at the ends.",
     .summary = "Answers the element of a list at a position.",
     .syntax = "key:key index:integer"},
    {.name = "lrange",
     .run = lrange_run,
     .arity = 4,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_LIST,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "list",
     .since = "1.0.0",
     .complexity = "O(S+N) for S nodes before the first and N elements answered.",
     .summary = "Answers the elements of a list between two positions.",
     .syntax = "key:key start:integer stop:integer"},
    {.name = NULL},
};
