/* Keys of any type: DEL, EXISTS, TYPE, RENAME, COPY, MOVE. All are recorded as the request: with
 * the expired keys deleted in the log before, it does there what it did here. */
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/type/value.h"

static void generic_delete(struct ctx *ctx, bool background)
{
    int64_t count = 0;

    for (int i = 1; i < ctx->argc; i++) {
        struct place place = ctx_find(ctx, ctx->argv[i], LOOKUP_WRITE);

        if (place.entry == NULL)
            continue;
        ctx_remove(ctx, &place, background);
        ctx_event(ctx, 'g', "del", ctx->db, ctx->argv[i]);
        count++;
    }
    reply_int(ctx, count);
}

static void del_run(struct ctx *ctx)
{
    generic_delete(ctx, ctx->engine->settings->lazyfree_user_del);
}

static void unlink_run(struct ctx *ctx)
{
    generic_delete(ctx, true);
}

static void generic_count(struct ctx *ctx, enum lookup how)
{
    int64_t count = 0;

    for (int i = 1; i < ctx->argc; i++)
        count += ctx_find(ctx, ctx->argv[i], how).entry != NULL;
    reply_int(ctx, count);
}

static void exists_run(struct ctx *ctx)
{
    generic_count(ctx, LOOKUP_VIEW);
}

/* Whatever CLIENT NO-TOUCH says. */
static void touch_run(struct ctx *ctx)
{
    uint32_t no_touch = ctx->session->flags & SESSION_NO_TOUCH;

    ctx->session->flags ^= no_touch;
    generic_count(ctx, LOOKUP_READ);
    ctx->session->flags ^= no_touch;
}

static void type_run(struct ctx *ctx)
{
    const struct entry *entry = ctx_find(ctx, ctx->argv[1], LOOKUP_VIEW).entry;

    reply_simple(ctx, entry == NULL ? "none" : type_name(entry_type(entry)));
}

/* Do it, or find out that it can't be done: 1, 0 (the new key exists), -1 (an error was replied).
 */
static int generic_rename(struct ctx *ctx, bool only_new)
{
    struct slice from = ctx->argv[1], to = ctx->argv[2];
    struct place source = ctx_find(ctx, from, LOOKUP_WRITE), target;
    struct entry *entry;

    if (source.entry == NULL) {
        reply_no_such_key(ctx);
        return -1;
    }
    if (slice_equal(from, to))
        return 0;
    target = ctx_find(ctx, to, LOOKUP_WRITE);
    if (only_new && target.entry != NULL)
        return 0;
    /* That lookup may have deleted an expired key: the first place is not good any more. */
    source = keyspace_find(ctx->keyspace, ctx->db, from, source.hash);
    entry = entry_rename(ctx_take(ctx, &source), to);
    target = keyspace_find(ctx->keyspace, ctx->db, to, target.hash);
    ctx_put_anew(ctx, &target, entry);
    ctx_event(ctx, 'g', "rename_from", ctx->db, from);
    ctx_event(ctx, 'g', "rename_to", ctx->db, to);
    return 1;
}

static void rename_run(struct ctx *ctx)
{
    if (generic_rename(ctx, false) >= 0)
        reply_ok(ctx);
}

static void renamenx_run(struct ctx *ctx)
{
    int renamed = generic_rename(ctx, true);

    if (renamed >= 0)
        reply_int(ctx, renamed);
}

static void generic_same_object(struct ctx *ctx)
{
    reply_error(ctx, "ERR source and destination objects are the same");
}

static void copy_run(struct ctx *ctx)
{
    struct slice from = ctx->argv[1], to = ctx->argv[2];
    struct place source, target;
    struct entry *entry;
    bool replace = false;
    int db = ctx->db;

    for (int at = 3; at < ctx->argc; at++) {
        if (ctx_arg_is(ctx, at, "replace")) {
            replace = true;
        } else if (ctx_arg_is(ctx, at, "db") && at + 1 < ctx->argc) {
            if (!arg_db(ctx, ctx->argv[++at], &db))
                return;
        } else {
            reply_syntax_error(ctx);
            return;
        }
    }
    if (db == ctx->db && slice_equal(from, to)) {
        generic_same_object(ctx);
        return;
    }
    /* In this order, because the second lookup may delete an expired key and so move the first
     * place. */
    target = ctx_find_in(ctx, db, to, LOOKUP_WRITE);
    source = ctx_find(ctx, from, LOOKUP_READ);
    if (source.entry == NULL || (target.entry != NULL && !replace)) {
        reply_int(ctx, 0);
        return;
    }
    entry = entry_copy(source.entry, to, entry_deadline(source.entry));
    target = keyspace_find(ctx->keyspace, db, to, target.hash);
    ctx_put_anew(ctx, &target, entry);
    ctx_event(ctx, 'g', "copy_to", db, to);
    reply_int(ctx, 1);
}

static void move_run(struct ctx *ctx)
{
    struct slice key = ctx->argv[1];
    struct place source, target;
    int db;

    if (!arg_db(ctx, ctx->argv[2], &db))
        return;
    if (db == ctx->db) {
        generic_same_object(ctx);
        return;
    }
    source = ctx_find(ctx, key, LOOKUP_WRITE);
    target = ctx_find_in(ctx, db, key, LOOKUP_WRITE);
    if (source.entry == NULL || target.entry != NULL) {
        reply_int(ctx, 0);
        return;
    }
    ctx_put(ctx, &target, ctx_take(ctx, &source));
    ctx_event(ctx, 'g', "move_from", ctx->db, key);
    ctx_event(ctx, 'g', "move_to", db, key);
    reply_int(ctx, 1);
}

static const char *const sum_tips[] = {"request_policy:multi_shard", "response_policy:agg_sum",
                                       NULL};
static const char *const exists_history[] = {"3.0.3", "More than one key.", NULL};
static const char *const renamenx_history[] = {"3.2.0", "The same name twice is no error.", NULL};

const struct command commands_generic[] = {
    {.name = "del",
     .run = del_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DELETES,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_EACH(KEY_RM | KEY_DELETE),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N) for N keys; what is big is given back in the background.",
     .summary = "Deletes keys.",
     .syntax = "key:key...",
     .tips = sum_tips},
    {.name = "unlink",
     .run = unlink_run,
     .arity = -2,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST | COMMAND_DELETES,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_EACH(KEY_RM | KEY_DELETE),
     .group = "generic",
     .since = "4.0.0",
     .complexity = "O(1) for each key; memory is given back by another thread.",
     .summary = "Deletes keys and gives their memory back in the background.",
     .syntax = "key:key...",
     .tips = sum_tips},
    {.name = "exists",
     .run = exists_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_EACH(KEY_RO),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(N) for N keys.",
     .summary = "Counts how many of the keys exist; one named twice counts twice.",
     .syntax = "key:key...",
     .history = exists_history,
     .tips = sum_tips},
    {.name = "touch",
     .run = touch_run,
     .arity = -2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_EACH(KEY_RO),
     .group = "generic",
     .since = "3.2.1",
     .complexity = "O(N) for N keys.",
     .summary = "Marks keys as used now and counts those that exist.",
     .syntax = "key:key...",
     .tips = sum_tips},
    {.name = "type",
     .run = type_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_FAST | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Answers the type of the value under a key.",
     .syntax = "key:key"},
    {.name = "rename",
     .run = rename_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_OW | KEY_UPDATE),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Gives a key another name, in place of what had that name.",
     .syntax = "key:key newkey:key"},
    {.name = "renamenx",
     .run = renamenx_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_OW | KEY_INSERT),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Gives a key another name, if no key has that name.",
     .syntax = "key:key newkey:key",
     .history = renamenx_history},
    {.name = "copy",
     .run = copy_run,
     .arity = -3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_TWO(KEY_RO | KEY_ACCESS, KEY_OW | KEY_UPDATE),
     .group = "generic",
     .since = "6.2.0",
     .complexity = "O(1) for strings, O(N) for N items of other types.",
     .summary = "Copies the value of a key, with its deadline, to another key or database.",
     .syntax = "source:key destination:key [destination-db:integer@DB] [replace=REPLACE]"},
    {.name = "move",
     .run = move_run,
     .arity = 3,
     .record = RECORD_REQUEST,
     .flags = COMMAND_WRITE | COMMAND_FAST,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RW | KEY_ACCESS | KEY_UPDATE),
     .group = "generic",
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Moves a key to another database, if it does not exist there.",
     .syntax = "key:key db:integer"},
    {.name = NULL},
};
