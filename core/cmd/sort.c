/* SORT and SORT_RO: the elements of a list, set or sorted set in order, or what other keys say
 * about them.
 *
 * A pattern ("weight_*", "user_*->age") names a key for each element; "#" is the element itself.
 * Elements that are equal by weight are ordered by their bytes, so that the order is total, except
 * where BY names no key: then the order is that of the value, and of a set any, unless it is
 * stored.
 *
 * Looking at other keys may delete them, if they are past their deadline, and so move places; the
 * elements and what is found are copied into the arena first. What is stored is recorded as the
 * deletion of the old key and pushes to the new: it depends on more keys than a replay should have
 * to look at again.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/acl_judge.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/settings.h"
#include "core/type/hash.h"
#include "core/type/list.h"
#include "core/type/set.h"
#include "core/type/zset.h"

#define PUSHED_AT_ONCE 1000

struct sort_item {
    struct slice element, text; /* text: what ALPHA compares; data NULL: the key is not there */
    double score;
};

struct sort {
    bool descending, alpha, unsorted, stores, by_pattern;
    int64_t offset, count; /* LIMIT; count negative: all */
    struct slice by, target;
    struct slice *get;
    size_t get_count;
    struct sort_item *items;
    size_t item_count;
    size_t from, until; /* of the items, what is answered */
};

/* --- Options ---------------------------------------------------------------------------------- */

/* Patterns lead to keys that nobody named: only for who may read all. */
static bool may_follow(struct ctx *ctx, const char *option)
{
    if (likely(acl_reads_all(ctx)))
        return true;
    reply_error(ctx, "ERR %s option of SORT denied due to insufficient ACL permissions.", option);
    return false;
}

/* The key to sort, and that of the last STORE: a word that belongs to another option is none. */
static int sort_keys(const struct command *command, int argc, const struct slice *argv,
                     int *positions, int *flags, int most)
{
    int target = 0, count = 0;
    for (int at = 2; at + 1 < argc; at++) {
        if (slice_is(argv[at], "limit"))
            at += 2;
        else if (slice_is(argv[at], "by") || slice_is(argv[at], "get"))
            at++;
        else if (slice_is(argv[at], "store"))
            target = ++at;
    }
    count += command_add_key(1, command->keys[0].flags, positions, flags, count, most);
    if (target)
        count += command_add_key(target, KEY_OW | KEY_UPDATE, positions, flags, count, most);
    return count;
}

/* False if an error was replied. */
static bool sort_read(struct ctx *ctx, bool read_only, struct sort *sort)
{
    *sort = (struct sort){.count = -1};
    sort->get = arena_alloc(ctx->arena, (size_t)ctx->argc * sizeof *sort->get);
    for (int at = 2; at < ctx->argc; at++) {
        int more = ctx->argc - at - 1;

        if (ctx_arg_is(ctx, at, "asc")) {
            sort->descending = false;
        } else if (ctx_arg_is(ctx, at, "desc")) {
            sort->descending = true;
        } else if (ctx_arg_is(ctx, at, "alpha")) {
            sort->alpha = true;
        } else if (ctx_arg_is(ctx, at, "limit") && more >= 2) {
            if (!arg_i64(ctx, ctx->argv[at + 1], &sort->offset) ||
                !arg_i64(ctx, ctx->argv[at + 2], &sort->count))
                return false;
            at += 2;
        } else if (ctx_arg_is(ctx, at, "store") && more >= 1 && !read_only) {
            sort->target = ctx->argv[++at];
            sort->stores = true;
        } else if (ctx_arg_is(ctx, at, "by") && more >= 1) {
            sort->by = ctx->argv[++at];
            sort->by_pattern = memchr(sort->by.data, '*', sort->by.len) != NULL;
            /* Once a pattern without a star is there, no later one makes it sort again. */
            sort->unsorted |= !sort->by_pattern;
            if (sort->by_pattern && !may_follow(ctx, "BY"))
                return false;
        } else if (ctx_arg_is(ctx, at, "get") && more >= 1) {
            if (!may_follow(ctx, "GET"))
                return false;
            sort->get[sort->get_count++] = ctx->argv[++at];
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* --- Other keys ------------------------------------------------------------------------------- */

static bool field_value(struct ctx *ctx, const struct entry *entry, struct slice field,
                        struct slice *out)
{
    struct hash_item item;

    if (entry_type(entry) != TYPE_HASH || !hash_get(hash_of(entry), field, &item))
        return false;
    if (item.deadline_ms != HASH_NO_DEADLINE && item.deadline_ms <= ctx->now_ms && !ctx->replay)
        return false;
    *out = arena_copy(ctx->arena, item.value);
    return true;
}

/* What `pattern` says about the element, in the arena; false if there is no such thing. */
static bool sort_lookup(struct ctx *ctx, struct slice pattern, struct slice element,
                        struct slice *out)
{
    const char *end = pattern.data + pattern.len, *star, *arrow;
    struct slice field = {NULL, 0}, key;
    const struct entry *entry;
    char *bytes, digits[24];

    if (slice_equal(pattern, SLICE("#"))) {
        *out = element;
        return true;
    }
    star = pattern.len == 0 ? NULL : memchr(pattern.data, '*', pattern.len);
    if (star == NULL)
        return false;
    arrow = memmem(star + 1, (size_t)(end - star - 1), "->", 2);
    if (arrow != NULL && arrow + 2 < end) {
        field = (struct slice){arrow + 2, (size_t)(end - arrow - 2)};
        end = arrow;
    }
    key.len = (size_t)(end - pattern.data) - 1 + element.len;
    key.data = bytes = arena_alloc(ctx->arena, key.len + 1);
    memcpy(bytes, pattern.data, (size_t)(star - pattern.data));
    bytes += star - pattern.data;
    if (element.len > 0)
        memcpy(bytes, element.data, element.len);
    memcpy(bytes + element.len, star + 1, (size_t)(end - star - 1));
    entry = ctx_find(ctx, key, LOOKUP_READ).entry;
    if (entry == NULL)
        return false;
    if (field.data != NULL)
        return field_value(ctx, entry, field, out);
    if (entry_type(entry) != TYPE_STRING)
        return false;
    *out = arena_copy(ctx->arena, entry_string(entry, digits));
    return true;
}

/* --- Elements --------------------------------------------------------------------------------- */

/* Which elements are answered, as redis-server reckons it. */
static void sort_range(struct sort *sort, size_t total)
{
    size_t start = sort->offset < 0 ? 0 : (size_t)sort->offset;

    if (start > total)
        start = total;
    sort->from = start;
    sort->until = total;
    if (sort->count >= 0 && (size_t)sort->count < total - start)
        sort->until = start + (size_t)sort->count;
}

static void sort_add(struct ctx *ctx, struct sort *sort, struct slice element)
{
    sort->items[sort->item_count++] =
        (struct sort_item){.element = arena_copy(ctx->arena, element)};
}

static void load_list(struct ctx *ctx, struct sort *sort, const struct list *list)
{
    uint64_t total = list_count(list);
    bool backwards = sort->unsorted && sort->descending;
    struct list_cursor cursor;
    struct slice element;

    if (total == 0)
        return;
    list_begin(&cursor, list, backwards ? total - 1 : 0, backwards);
    while (sort->item_count < total && list_next(&cursor, &element))
        sort_add(ctx, sort, element);
    list_end(&cursor);
}

static void load_set(struct ctx *ctx, struct sort *sort, const struct set *set)
{
    struct set_walk walk;
    struct slice element;

    set_walk_start(&walk, set);
    while (set_walk_next(&walk, &element))
        sort_add(ctx, sort, element);
}

static void load_zset(struct ctx *ctx, struct sort *sort, const struct zset *zset)
{
    uint64_t total = zset_count(zset);
    bool backwards = sort->unsorted && sort->descending, more;
    struct zset_walk walk;
    struct zset_pair pair;

    for (more = zset_walk_start(&walk, zset, backwards ? total - 1 : 0, &pair); more;
         more = backwards ? zset_walk_previous(&walk, &pair) : zset_walk_next(&walk, &pair))
        sort_add(ctx, sort, pair.member);
}

/* The elements of the value, copied; false if the wrong type error was replied. */
static bool sort_load(struct ctx *ctx, struct sort *sort, const struct entry *entry)
{
    struct list list;
    struct set set;
    struct zset zset;
    size_t total = 0;

    if (entry == NULL)
        return true;
    switch (entry_type(entry)) {
    case TYPE_LIST:
        list = list_of(entry, &ctx->engine->settings->limits);
        total = (size_t)list_count(&list);
        sort->items = arena_alloc(ctx->arena, total * sizeof *sort->items);
        load_list(ctx, sort, &list);
        break;
    case TYPE_SET:
        set = set_of(entry);
        total = set_count(&set);
        sort->items = arena_alloc(ctx->arena, total * sizeof *sort->items);
        /* What is stored must not depend on the order in a table. */
        if (sort->unsorted && sort->stores) {
            sort->unsorted = sort->by_pattern = false;
            sort->alpha = true;
        }
        load_set(ctx, sort, &set);
        break;
    case TYPE_ZSET:
        zset = zset_of(entry);
        total = (size_t)zset_count(&zset);
        sort->items = arena_alloc(ctx->arena, total * sizeof *sort->items);
        load_zset(ctx, sort, &zset);
        break;
    default:
        reply_wrong_type(ctx);
        return false;
    }
    kv_assert(sort->item_count == total);
    return true;
}

/* --- Order ------------------------------------------------------------------------------------ */

/* A number as strtod reads it, spaces in front and nothing at all included. */
static bool score_of(struct slice text, double *out)
{
    char short_text[64], *end, *copy = short_text;
    bool good;

    if (text.len >= sizeof short_text)
        copy = mem_alloc(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = strtod(copy, &end);
    good = *end == '\0' && errno != ERANGE && !isnan(*out);
    if (copy != short_text)
        mem_free(copy);
    return good;
}

/* What each element is compared by; false if an error was replied. */
static bool sort_weigh(struct ctx *ctx, struct sort *sort)
{
    bool good = true;

    for (size_t i = 0; i < sort->item_count; i++) {
        struct sort_item *item = &sort->items[i];

        item->text = item->element;
        if (sort->by_pattern && !sort_lookup(ctx, sort->by, item->element, &item->text))
            item->text = (struct slice){NULL, 0};
        else if (!sort->alpha)
            good &= score_of(item->text, &item->score);
    }
    if (!good)
        reply_error(ctx, "ERR One or more scores can't be converted into double");
    return good;
}

static int compare_items(const void *first, const void *second, void *env)
{
    const struct sort_item *a = first, *b = second;
    const struct sort *sort = env;
    int order;

    if (!sort->alpha)
        order = (a->score > b->score) - (a->score < b->score);
    else if (a->text.data == NULL || b->text.data == NULL)
        order = (a->text.data != NULL) - (b->text.data != NULL);
    else
        order = slice_compare(a->text, b->text);
    if (order == 0)
        order = slice_compare(a->element, b->element);
    return sort->descending ? -order : order;
}

/* --- What comes of it ------------------------------------------------------------------------- */

static void sort_reply(struct ctx *ctx, const struct sort *sort)
{
    size_t columns = sort->get_count > 0 ? sort->get_count : 1;
    struct slice text;

    reply_array(ctx, (sort->until - sort->from) * columns);
    for (size_t i = sort->from; i < sort->until; i++) {
        if (sort->get_count == 0)
            reply_bulk(ctx, sort->items[i].element);
        for (size_t j = 0; j < sort->get_count; j++) {
            if (sort_lookup(ctx, sort->get[j], sort->items[i].element, &text))
                reply_bulk(ctx, text);
            else
                reply_null(ctx);
        }
    }
}

static void sort_record(struct ctx *ctx, struct slice target, bool replaces,
                        const struct slice *values, size_t count)
{
    if (replaces)
        ctx_effect_delete(ctx, ctx->db, target);
    for (size_t at = 0; at < count; at += PUSHED_AT_ONCE) {
        size_t most = count - at < PUSHED_AT_ONCE ? count - at : PUSHED_AT_ONCE;
        struct slice *words = arena_alloc(ctx->arena, (most + 2) * sizeof *words);

        words[0] = SLICE("RPUSH");
        words[1] = target;
        memcpy(words + 2, values + at, most * sizeof *words);
        ctx_effect(ctx, (int)most + 2, words);
    }
}

static void sort_store(struct ctx *ctx, const struct sort *sort)
{
    size_t columns = sort->get_count > 0 ? sort->get_count : 1, count = 0;
    size_t most = (sort->until - sort->from) * columns;
    struct slice *values = arena_alloc(ctx->arena, (most + 1) * sizeof *values);
    struct place place;
    bool replaces;

    for (size_t i = sort->from; i < sort->until; i++) {
        if (sort->get_count == 0)
            values[count++] = sort->items[i].element;
        for (size_t j = 0; j < sort->get_count; j++) {
            if (!sort_lookup(ctx, sort->get[j], sort->items[i].element, &values[count]))
                values[count] = SLICE("");
            count++;
        }
    }
    place = ctx_find(ctx, sort->target, LOOKUP_WRITE);
    replaces = place.entry != NULL;
    if (count > 0) {
        struct list list = list_new(&ctx->engine->settings->limits);

        list_expect(&list, values, (int)count);
        for (size_t i = 0; i < count; i++)
            list_push(&list, false, values[i]);
        ctx_put(ctx, &place,
                entry_new_value(sort->target, TYPE_LIST, list.encoding, list.value,
                                ENTRY_NO_DEADLINE));
        ctx_event(ctx, 'l', "sortstore", ctx->db, sort->target);
    } else if (replaces) {
        ctx_remove(ctx, &place, false);
        ctx_event(ctx, 'g', "del", ctx->db, sort->target);
    }
    sort_record(ctx, sort->target, replaces, values, count);
    reply_int(ctx, (int64_t)count);
}

static void sort_do(struct ctx *ctx, bool read_only)
{
    const struct entry *entry;
    struct sort sort;

    if (!sort_read(ctx, read_only, &sort))
        return;
    entry = ctx_find(ctx, ctx->argv[1], LOOKUP_READ).entry;
    if (!sort_load(ctx, &sort, entry))
        return;
    sort_range(&sort, sort.item_count);
    if (!sort.unsorted) {
        if (!sort_weigh(ctx, &sort))
            return;
        if (sort.item_count > 1)
            qsort_r(sort.items, sort.item_count, sizeof *sort.items, compare_items, &sort);
    }
    if (sort.stores)
        sort_store(ctx, &sort);
    else
        sort_reply(ctx, &sort);
}

static void sort_run(struct ctx *ctx)
{
    sort_do(ctx, false);
}

static void sort_ro_run(struct ctx *ctx)
{
    sort_do(ctx, true);
}

#define SORT_OPTIONS                                                                               \
    "key:key [pattern:pattern@BY%1] [offset_count{offset:integer count:integer}@LIMIT] "           \
    "[pattern:pattern@GET%1]...+ [order(asc=ASC|desc=DESC)] [sorting=ALPHA]"

const struct command commands_sort[] = {
    {.name = "sort",
     .run = sort_run,
     .arity = -2,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SET | CATEGORY_SORTEDSET | CATEGORY_LIST | CATEGORY_DANGEROUS,
     .keys = {KEYS_RANGE(KEY_RO | KEY_ACCESS, 1, 0, 1),
              {.flags = KEY_RO | KEY_ACCESS | KEY_UNKNOWN},
              {.flags = KEY_OW | KEY_UPDATE | KEY_UNKNOWN, .keyword = "STORE", .first = -2}},
     .find_keys = sort_keys,
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N+M*log(M)) for N elements, M of them sorted; O(N) where they are not.",
     .summary = "Answers or stores the elements of a list, set or sorted set in order.",
     .syntax = SORT_OPTIONS " [destination:key@STORE%2]"},
    {.name = "sort_ro",
     .run = sort_ro_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_MOVABLE_KEYS,
     .categories = CATEGORY_SET | CATEGORY_SORTEDSET | CATEGORY_LIST | CATEGORY_DANGEROUS,
     .keys = {KEYS_RANGE(KEY_RO | KEY_ACCESS, 1, 0, 1),
              {.flags = KEY_RO | KEY_ACCESS | KEY_UNKNOWN}},
     .group = "generic",
     .since = "7.0.0",
     .complexity = "O(N+M*log(M)) for N elements, M of them sorted; O(N) where they are not.",
     .summary = "Answers the elements of a list, set or sorted set in order.",
     .syntax = SORT_OPTIONS},
    {.name = NULL},
};
