/* OBJECT: how a value is stored, and when and how often it was used. Looks at keys without using
 * them. */
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/evict.h"
#include "core/type/value.h"

#define OBJECT_POLICY_CHANGED                                                                      \
    " Please note that when switching between policies at runtime LRU and LFU data will take "     \
    "some time to adjust."

/* NULL if nil was replied. */
static const struct entry *object_find(struct ctx *ctx)
{
    const struct entry *entry = ctx_find(ctx, ctx->argv[2], LOOKUP_INSPECT).entry;

    if (entry == NULL)
        reply_null(ctx);
    return entry;
}

static bool object_counts_uses(const struct ctx *ctx)
{
    int policy = ctx->engine->settings->maxmemory_policy;

    return policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU;
}

static void object_encoding_run(struct ctx *ctx)
{
    const struct entry *entry = object_find(ctx);

    if (entry != NULL)
        reply_text(ctx, encoding_name(entry_encoding(entry)));
}

static void object_freq_run(struct ctx *ctx)
{
    const struct entry *entry = object_find(ctx);

    if (entry == NULL)
        return;
    if (object_counts_uses(ctx))
        reply_int(ctx, evict_frequency(ctx->engine, entry));
    else
        reply_error(ctx, "ERR An LFU maxmemory policy is not selected, access frequency not "
                         "tracked." OBJECT_POLICY_CHANGED);
}

static void object_idletime_run(struct ctx *ctx)
{
    const struct entry *entry = object_find(ctx);

    if (entry == NULL)
        return;
    if (object_counts_uses(ctx))
        reply_error(ctx, "ERR An LFU maxmemory policy is selected, idle time not "
                         "tracked." OBJECT_POLICY_CHANGED);
    else
        reply_int(ctx, (int64_t)evict_idle_seconds(ctx->engine, entry));
}

static void object_refcount_run(struct ctx *ctx)
{
    /* Every key has its own value here. */
    if (object_find(ctx) != NULL)
        reply_int(ctx, 1);
}

static void object_help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "ENCODING <key>",
        "    Answer how the value of <key> is stored.",
        "FREQ <key>",
        "    Answer how often <key> was used: a counter that grows with the logarithm of the uses "
        "and",
        "    decays with time.",
        "IDLETIME <key>",
        "    Answer how many seconds ago <key> was used.",
        "REFCOUNT <key>",
        "    Answer how many references there are to the value of <key>: always one.",
    };

    reply_help(ctx, lines, sizeof(lines) / sizeof(lines[0]));
}

static const char *const object_tips[] = {"nondeterministic_output", NULL};

static const struct command object_subcommands[] = {
    {.name = "encoding",
     .run = object_encoding_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Answers how the value of a key is stored.",
     .syntax = "key:key",
     .tips = object_tips},
    {.name = "freq",
     .run = object_freq_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "generic",
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Answers how often a key was used, as a logarithmic counter.",
     .syntax = "key:key",
     .tips = object_tips},
    {.name = "idletime",
     .run = object_idletime_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Answers how many seconds ago a key was used.",
     .syntax = "key:key",
     .tips = object_tips},
    {.name = "refcount",
     .run = object_refcount_run,
     .arity = 3,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY | COMMAND_TOUCHES_NOTHING,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_SECOND(KEY_RO),
     .group = "generic",
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Answers how many references there are to the value of a key.",
     .syntax = "key:key",
     .tips = object_tips},
    {.name = "help",
     .run = object_help_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_LOADING | COMMAND_STALE,
     .categories = CATEGORY_KEYSPACE,
     .group = "generic",
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Explains the subcommands."},
    {.name = NULL},
};

const struct command commands_object[] = {
    {.name = "object",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "generic",
     .since = "2.2.3",
     .complexity = "That of the subcommand.",
     .summary = "Commands that look at how values are stored.",
     .subcommands = object_subcommands},
    {.name = NULL},
};
