/* Lists that are waited for. Each of these commands tries, and waits if there is nothing; it runs
 * again when one of its keys has got a list. What it then did is recorded as the command that does
 * not block.
 *
 * While it waits, a key may get a value of another type: that is not what it waits for. Only when
 * it comes is it an error. */
#include "core/cmd/deadline.h"
#include "core/cmd/list.h"
#include "core/cmd/rows.h"
#include "core/waiters.h"

static void list_block(struct ctx *ctx, int keys_at, int keys, int64_t timeout_ms)
{
    waiters_block(ctx, keys, ctx->argv + keys_at, TYPE_LIST, false, timeout_ms, reply_null_array);
}

static void blocking_pop(struct ctx *ctx, bool front)
{
    struct list_mpop which = {.keys_at = 1, .keys = ctx->argc - 2, .front = front, .count = 1};
    int64_t timeout_ms;

    if (deadline_wait(ctx, ctx->argv[ctx->argc - 1], &timeout_ms) &&
        !list_pop_first(ctx, &which, false))
        list_block(ctx, which.keys_at, which.keys, timeout_ms);
}

static void blpop_run(struct ctx *ctx)
{
    blocking_pop(ctx, true);
}

static void brpop_run(struct ctx *ctx)
{
    blocking_pop(ctx, false);
}

static void blmpop_run(struct ctx *ctx)
{
    struct list_mpop which;
    int64_t timeout_ms;

    if (list_arg_mpop(ctx, 2, &which) && deadline_wait(ctx, ctx->argv[1], &timeout_ms) &&
        !list_pop_first(ctx, &which, true))
        list_block(ctx, which.keys_at, which.keys, timeout_ms);
}

static void block_for_move(struct ctx *ctx, int64_t timeout_ms)
{
    if (ctx->may_not_block)
        reply_null(ctx);
    else
        list_block(ctx, 1, 1, timeout_ms);
}

static void blmove_run(struct ctx *ctx)
{
    bool from_front, to_front;
    int64_t timeout_ms;

    if (!list_arg_end(ctx, 3, &from_front) || !list_arg_end(ctx, 4, &to_front) ||
        !deadline_wait(ctx, ctx->argv[5], &timeout_ms))
        return;
    if (!list_move(ctx, ctx->argv[1], ctx->argv[2], from_front, to_front)) {
        block_for_move(ctx, timeout_ms);
        return;
    }
    if (!ctx->failed) {
        struct slice words[] = {SLICE("LMOVE"), ctx->argv[1], ctx->argv[2], ctx->argv[3],
                                ctx->argv[4]};
        ctx_effect(ctx, 5, words);
    }
}

static void brpoplpush_run(struct ctx *ctx)
{
    int64_t timeout_ms;

    if (!deadline_wait(ctx, ctx->argv[3], &timeout_ms))
        return;
    if (!list_move(ctx, ctx->argv[1], ctx->argv[2], false, true)) {
        block_for_move(ctx, timeout_ms);
        return;
    }
    if (!ctx->failed) {
        struct slice words[] = {SLICE("RPOPLPUSH"), ctx->argv[1], ctx->argv[2]};
        ctx_effect(ctx, 3, words);
    }
}

static const char *const timeout_history[] = {"6.0.0", "The timeout may have a fraction.", NULL};

const struct command commands_list_block[] = {
    {.name = "blpop",
     .run = blpop_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS | KEY_DELETE, 1, -2, 1)},
     .group = "list",
     .since = "2.0.0",
     .complexity = "O(N) for N keys.",
     .summary =
         "Takes the first element off the first of several lists that has any, and "
         "waits for one if there is none.",
     .syntax = "key:key... timeout:double",
     .history = timeout_history},
    {.name = "brpop",
     .run = brpop_run,
     .arity = -3,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = {KEYS_RANGE(KEY_RW | KEY_ACCESS | KEY_DELETE, 1, -2, 1)},
     .group = "list",
     .since = "2.0.0",
     .complexity = "O(N) for N keys.",
     .summary =
         "Takes the last element off the first of several lists that has any, and "
         "waits for one if there is none.",
     .syntax = "key:key... timeout:double",
     .history = timeout_history},
    {.name = "blmpop",
     .run = blmpop_run,
     .arity = -5,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_BLOCKING | COMMAND_MOVABLE_KEYS | COMMAND_DELETES,
     .categories = CATEGORY_LIST,
     .keys = {{.flags = KEY_RW | KEY_ACCESS | KEY_DELETE,
               .first = 2,
               .keynum_first = 1,
               .keynum_step = 1}},
     .group = "list",
     .since = "7.0.0",
     .complexity = "O(N+M) for N keys and M elements.",
     .summary =
         "Takes elements off the first of several lists that has any, and waits if "
         "there are none.",
     .syntax =
         "timeout:double numkeys:integer key:key... where(left=LEFT|right=RIGHT) "
         "[count:integer@COUNT]"},
    {.name = "blmove",
     .run = blmove_run,
     .arity = 6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_BLOCKING,
     .categories = CATEGORY_LIST,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary =
         "Moves an element between the ends of lists, and waits for one if there is "
         "none.",
     .syntax =
         "source:key destination:key wherefrom(left=LEFT|right=RIGHT) "
         "whereto(left=LEFT|right=RIGHT) timeout:double"},
    {.name = "brpoplpush",
     .run = brpoplpush_run,
     .arity = 4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_BLOCKING,
     .categories = CATEGORY_LIST,
     .keys = KEYS_TWO(KEY_RW | KEY_ACCESS | KEY_DELETE, KEY_RW | KEY_INSERT),
     .group = "list",
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary =
         "Moves the last element of a list to the front of another, and waits for one "
         "if there is none.",
     .syntax = "source:key destination:key timeout:double",
     .deprecated_since = "6.2.0",
     .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
     .history = timeout_history},
    {.name = NULL},
};
