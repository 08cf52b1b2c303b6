/* COMMAND: the server describes its commands, from their rows and nothing else. */
#include "core/cmd/docs.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/glob.h"
#include "core/category.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"

struct word {
    uint32_t bit;
    const char *text;
};

static const struct word flag_words[] = {
    {COMMAND_WRITE, "write"},
    {COMMAND_READONLY, "readonly"},
    {COMMAND_DENYOOM, "denyoom"},
    {COMMAND_ADMIN, "admin"},
    {COMMAND_PUBSUB, "pubsub"},
    {COMMAND_NOSCRIPT, "noscript"},
    {COMMAND_BLOCKING, "blocking"},
    {COMMAND_LOADING, "loading"},
    {COMMAND_STALE, "stale"},
    {COMMAND_SKIP_MONITOR, "skip_monitor"},
    {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
    {COMMAND_ASKING, "asking"},
    {COMMAND_FAST, "fast"},
    {COMMAND_NO_AUTH, "no_auth"},
    {COMMAND_NO_ASYNC_LOADING, "no_async_loading"},
    {COMMAND_NO_MULTI, "no_multi"},
    {COMMAND_NO_MANDATORY_KEYS, "no_mandatory_keys"},
    {COMMAND_MOVABLE_KEYS, "movablekeys"},
    {COMMAND_ALLOW_BUSY, "allow_busy"},
    {0, NULL},
};
static const struct word key_flag_words[] = {
    {KEY_RO, "RO"},
    {KEY_RW, "RW"},
    {KEY_OW, "OW"},
    {KEY_RM, "RM"},
    {KEY_ACCESS, "access"},
    {KEY_UPDATE, "update"},
    {KEY_INSERT, "insert"},
    {KEY_DELETE, "delete"},
    {KEY_NOT_KEY, "not_key"},
    {KEY_INCOMPLETE, "incomplete"},
    {KEY_VARIABLE_FLAGS, "variable_flags"},
    {0, NULL},
};

static void reply_words(struct ctx *ctx, uint32_t bits, const struct word *words)
{
    size_t count = 0;
    for (const struct word *word = words; word->text; word++)
        count += (bits & word->bit) != 0;
    reply_set(ctx, count);
    for (const struct word *word = words; word->text; word++)
        if (bits & word->bit)
            reply_simple(ctx, word->text);
}

static void reply_categories(struct ctx *ctx, uint32_t bits)
{
    reply_set(ctx, (size_t)__builtin_popcount(bits));
    for (const struct category_word *word = category_words; word->name; word++)
        if (bits & word->bit)
            reply_simple(ctx, word->name);
}

/* ---- INFO ---- */

static int key_spec_count(const struct command *command)
{
    int count = 0;
    while (count < COMMAND_KEY_SPECS && command->keys[count].flags)
        count++;
    return count;
}

/* First key, last key and step, as clients older than key specifications want them: one range. */
static void reply_key_range(struct ctx *ctx, const struct command *command)
{
    int first = 0, last = 0, step = 0;
    for (int i = 0; i < key_spec_count(command); i++) {
        const struct key_spec *spec = &command->keys[i];
        if (spec->keyword || spec->keynum_step || spec->flags & KEY_UNKNOWN)
            continue;
        int until = spec->last >= 0 ? spec->first + spec->last : spec->last;
        if (first == 0) {
            first = spec->first, last = until, step = spec->step;
        } else if (last >= 0 && spec->first == last + 1) {
            last = until, step = 1;
        }
    }
    reply_int(ctx, first);
    reply_int(ctx, last);
    reply_int(ctx, step);
}

static void reply_pair(struct ctx *ctx, const char *name, int value)
{
    reply_text(ctx, name);
    reply_int(ctx, value);
}

static void reply_begin_search(struct ctx *ctx, const struct key_spec *spec)
{
    reply_text(ctx, "begin_search");
    reply_map(ctx, 2);
    reply_text(ctx, "type");
    reply_text(ctx, spec->keyword ? "keyword" : "index");
    reply_text(ctx, "spec");
    reply_map(ctx, spec->keyword ? 2 : 1);
    if (spec->keyword) {
        reply_text(ctx, "keyword");
        reply_text(ctx, spec->keyword);
    }
    reply_pair(ctx, spec->keyword ? "startfrom" : "index", spec->first);
}

static void reply_unknown(struct ctx *ctx, const char *name)
{
    reply_text(ctx, name);
    reply_map(ctx, 2);
    reply_text(ctx, "type");
    reply_text(ctx, "unknown");
    reply_text(ctx, "spec");
    reply_map(ctx, 0);
}

static void reply_key_spec(struct ctx *ctx, const struct key_spec *spec)
{
    reply_map(ctx, 3);
    reply_text(ctx, "flags");
    reply_words(ctx, spec->flags, key_flag_words);
    if (spec->flags & KEY_UNKNOWN) {
        reply_unknown(ctx, "begin_search");
        reply_unknown(ctx, "find_keys");
        return;
    }
    reply_begin_search(ctx, spec);
    reply_text(ctx, "find_keys");
    reply_map(ctx, 2);
    reply_text(ctx, "type");
    reply_text(ctx, spec->keynum_step ? "keynum" : "range");
    reply_text(ctx, "spec");
    reply_map(ctx, 3);
    if (spec->keynum_step) {
        reply_pair(ctx, "keynumidx", 0);
        reply_pair(ctx, "firstkey", spec->keynum_first);
        reply_pair(ctx, "keystep", spec->keynum_step);
    } else {
        reply_pair(ctx, "lastkey", spec->last);
        reply_pair(ctx, "keystep", spec->step);
        reply_pair(ctx, "limit", spec->limit);
    }
}

static void reply_tips(struct ctx *ctx, const struct command *command)
{
    size_t count = 0;
    while (command->tips && command->tips[count])
        count++;
    reply_set(ctx, count);
    for (size_t i = 0; i < count; i++)
        reply_text(ctx, command->tips[i]);
}

static void reply_info(struct ctx *ctx, const struct command_state *state)
{
    const struct command *command = state->command;
    int specs = key_spec_count(command);
    reply_array(ctx, 10);
    reply_text(ctx, state->full_name);
    reply_int(ctx, command->arity);
    reply_words(ctx, command->flags, flag_words);
    reply_key_range(ctx, command);
    reply_categories(ctx, category_of_command(command));
    reply_tips(ctx, command);
    reply_set(ctx, (size_t)specs);
    for (int i = 0; i < specs; i++)
        reply_key_spec(ctx, &command->keys[i]);
    if (!state->child_count)
        reply_set(ctx, 0);
    else
        reply_array(ctx, (size_t)state->child_count);
    for (int i = 0; i < state->child_count; i++)
        reply_info(ctx, &state->children[i]);
}

static void reply_all_info(struct ctx *ctx)
{
    int count;
    const struct command_state *states = registry_all(ctx->engine->registry, &count);
    reply_array(ctx, (size_t)count);
    for (int i = 0; i < count; i++)
        reply_info(ctx, &states[i]);
}

static void command_run(struct ctx *ctx)
{
    if (ctx->argc == 1)
        reply_all_info(ctx);
    else
        reply_error(ctx, "ERR unknown subcommand '%.*s'. Try COMMAND HELP.",
                    (int)(ctx->argv[1].len > 128 ? 128 : ctx->argv[1].len), ctx->argv[1].data);
}

static void info_run(struct ctx *ctx)
{
    if (ctx->argc == 2) {
        reply_all_info(ctx);
        return;
    }
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        const struct command_state *state = registry_find_full(ctx->engine->registry, ctx->argv[i]);
        if (state)
            reply_info(ctx, state);
        else
            reply_null(ctx);
    }
}

/* ---- DOCS ---- */

static void reply_field(struct ctx *ctx, const char *name, struct slice value)
{
    if (!value.len)
        return;
    reply_text(ctx, name);
    reply_bulk(ctx, value);
}

static void reply_arguments(struct ctx *ctx, const struct doc_argument *first, int count);

static void reply_argument(struct ctx *ctx, const struct doc_argument *argument)
{
    size_t flags = (size_t)argument->optional + argument->multiple + argument->multiple_token;
    reply_map(ctx, 2 + (argument->key_spec >= 0) + (argument->token.data != NULL) +
                       (argument->since.len > 0) + (argument->deprecated.len > 0) + (flags > 0) +
                       (argument->child_count > 0));
    reply_field(ctx, "name", argument->name);
    reply_field(ctx, "type", argument->type);
    if (argument->key_spec >= 0)
        reply_pair(ctx, "key_spec_index", argument->key_spec);
    if (argument->token.data) { /* it may be empty */
        reply_text(ctx, "token");
        reply_bulk(ctx, argument->token);
    }
    reply_field(ctx, "since", argument->since);
    reply_field(ctx, "deprecated_since", argument->deprecated);
    if (flags) {
        reply_text(ctx, "flags");
        reply_set(ctx, flags);
        if (argument->optional)
            reply_simple(ctx, "optional");
        if (argument->multiple)
            reply_simple(ctx, "multiple");
        if (argument->multiple_token)
            reply_simple(ctx, "multiple_token");
    }
    if (argument->child_count)
        reply_arguments(ctx, argument->children, argument->child_count);
}

static void reply_arguments(struct ctx *ctx, const struct doc_argument *first, int count)
{
    reply_text(ctx, "arguments");
    reply_array(ctx, (size_t)count);
    for (; first; first = first->next)
        reply_argument(ctx, first);
}

static void reply_history(struct ctx *ctx, const char *const *history)
{
    size_t pairs = 0;
    while (history[2 * pairs])
        pairs++;
    reply_text(ctx, "history");
    reply_set(ctx, pairs);
    for (size_t i = 0; i < pairs; i++) {
        reply_array(ctx, 2);
        reply_text(ctx, history[2 * i]);
        reply_text(ctx, history[2 * i + 1]);
    }
}

static struct slice text_or_empty(const char *text)
{
    return text ? slice_of(text) : SLICE("");
}

static void reply_docs(struct ctx *ctx, const struct command_state *state)
{
    const struct command *command = state->command;
    struct doc_argument *arguments;
    int count, at;
    bool good = docs_parse(ctx->arena, command->syntax, &arguments, &count, &at);
    kv_assert(good);
    reply_text(ctx, state->full_name);
    reply_map(ctx, (size_t)(3 + (command->complexity != NULL) +
                            (command->deprecated_since ? 3 : 0) + (command->history != NULL) +
                            (count > 0) + (state->child_count > 0)));
    reply_field(ctx, "summary", text_or_empty(command->summary));
    reply_field(ctx, "since", text_or_empty(command->since));
    reply_field(ctx, "group", text_or_empty(command->group));
    reply_field(ctx, "complexity", text_or_empty(command->complexity));
    if (command->deprecated_since) {
        reply_text(ctx, "doc_flags");
        reply_set(ctx, 1);
        reply_simple(ctx, "deprecated");
        reply_field(ctx, "deprecated_since", slice_of(command->deprecated_since));
        reply_field(ctx, "replaced_by", text_or_empty(command->replaced_by));
    }
    if (command->history)
        reply_history(ctx, command->history);
    if (count)
        reply_arguments(ctx, arguments, count);
    if (state->child_count) {
        reply_text(ctx, "subcommands");
        reply_map(ctx, (size_t)state->child_count);
        for (int i = 0; i < state->child_count; i++)
            reply_docs(ctx, &state->children[i]);
    }
}

static void docs_run(struct ctx *ctx)
{
    int count;
    if (ctx->argc == 2) {
        const struct command_state *states = registry_all(ctx->engine->registry, &count);
        reply_map(ctx, (size_t)count);
        for (int i = 0; i < count; i++)
            reply_docs(ctx, &states[i]);
        return;
    }
    count = 0;
    for (int i = 2; i < ctx->argc; i++)
        count += registry_find_full(ctx->engine->registry, ctx->argv[i]) != NULL;
    reply_map(ctx, (size_t)count);
    for (int i = 2; i < ctx->argc; i++) {
        const struct command_state *state = registry_find_full(ctx->engine->registry, ctx->argv[i]);
        if (state)
            reply_docs(ctx, state);
    }
}

/* ---- COUNT, LIST ---- */

static void count_run(struct ctx *ctx)
{
    int count;
    registry_all(ctx->engine->registry, &count);
    reply_int(ctx, count);
}

struct listing {
    struct ctx *ctx;
    const struct slice *pattern;  /* NULL: any name */
    uint32_t categories;          /* 0: any */
    bool nothing;
    size_t count;
    bool count_only;
};

static void list_one(void *env, struct command_state *state)
{
    struct listing *listing = env;
    if (listing->nothing ||
        (listing->categories && !(category_of_command(state->command) & listing->categories)) ||
        (listing->pattern && !glob_match_nocase(*listing->pattern, slice_of(state->full_name))))
        return;
    listing->count++;
    if (!listing->count_only)
        reply_text(listing->ctx, state->full_name);
}

static void list_run(struct ctx *ctx)
{
    struct listing listing = {.ctx = ctx, .count_only = true};
    if (ctx->argc != 2 && (ctx->argc != 5 || !ctx_arg_is(ctx, 2, "filterby"))) {
        reply_syntax_error(ctx);
        return;
    }
    if (ctx->argc == 5 && ctx_arg_is(ctx, 3, "pattern")) {
        listing.pattern = &ctx->argv[4];
    } else if (ctx->argc == 5 && ctx_arg_is(ctx, 3, "aclcat")) {
        listing.categories = category_find(ctx->argv[4]);
        listing.nothing = listing.categories == 0;
    } else if (ctx->argc == 5 && ctx_arg_is(ctx, 3, "module")) {
        listing.nothing = true; /* there are no modules */
    } else if (ctx->argc == 5) {
        reply_syntax_error(ctx);
        return;
    }
    registry_each(ctx->engine->registry, list_one, &listing);
    reply_array(ctx, listing.count);
    listing.count_only = false;
    registry_each(ctx->engine->registry, list_one, &listing);
}

/* ---- GETKEYS ---- */

static bool arity_fits(const struct command *command, int argc)
{
    return command->arity >= 0 ? argc == command->arity : argc >= -command->arity;
}

/* Channels of shards stand where keys stand, but are none. */
static bool has_keys(const struct command *command)
{
    return key_spec_count(command) && !(command->keys[0].flags & KEY_NOT_KEY);
}

static void get_keys(struct ctx *ctx, bool with_flags)
{
    int argc = ctx->argc - 2;
    const struct slice *argv = ctx->argv + 2;
    struct command_state *state =
        registry_find(ctx->engine->registry, argv[0].data, argv[0].len);
    if (state && state->child_count && argc > 1)
        state = registry_find_child(state, argv[1].data, argv[1].len);
    if (!state) {
        reply_error(ctx, "ERR Invalid command specified");
        return;
    }
    if (!has_keys(state->command)) {
        reply_error(ctx, "ERR The command has no key arguments");
        return;
    }
    if (!arity_fits(state->command, argc)) {
        reply_error(ctx, "ERR Invalid number of arguments specified for command");
        return;
    }
    int *positions = arena_alloc(ctx->arena, sizeof(int) * 2 * (size_t)argc);
    int *flags = positions + argc;
    int count = command_keys(state->command, argc, argv, positions, flags, argc);
    if (count <= 0 && !(state->command->flags & COMMAND_NO_MANDATORY_KEYS)) {
        reply_error(ctx, "ERR Invalid arguments specified for command");
        return;
    }
    reply_array(ctx, count < 0 ? 0 : (size_t)count);
    for (int i = 0; i < count; i++) {
        if (with_flags)
            reply_array(ctx, 2);
        reply_bulk(ctx, argv[positions[i]]);
        if (with_flags)
            reply_words(ctx, (uint32_t)flags[i], key_flag_words);
    }
}

static void getkeys_run(struct ctx *ctx)
{
    get_keys(ctx, false);
}

static void getkeysandflags_run(struct ctx *ctx)
{
    get_keys(ctx, true);
}

static const char *const help_lines[] = {
    "(no subcommand)",
    "    Describe all commands, as INFO does.",
    "COUNT",
    "    Tell how many commands there are.",
    "DOCS [<command-name> ...]",
    "    Tell what commands do and which arguments they take: those named, or all.",
    "GETKEYS <full-command>",
    "    Tell which arguments of a command are keys.",
    "GETKEYSANDFLAGS <full-command>",
    "    Tell the same, and what the command does with each key.",
    "INFO [<command-name> ...]",
    "    Describe commands for programs: those named, or all.",
    "LIST [FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>)]",
    "    Tell the names of all commands, or of some.",
};

static void help_run(struct ctx *ctx)
{
    reply_help(ctx, help_lines, sizeof help_lines / sizeof help_lines[0]);
}

static const char *const order_tips[] = {"nondeterministic_output_order", NULL};
static const char *const info_history[] = {"7.0.0", "Without a name it tells about all.", NULL};

#define COMMAND_ROW(row_name, row_run, row_arity, row_since, row_complexity)                       \
    .name = row_name, .run = row_run, .arity = row_arity,                                          \
    .flags = COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD,                                    \
    .categories = CATEGORY_CONNECTION, .group = "server", .since = row_since,                      \
    .complexity = row_complexity
#define PER_COMMAND "O(N) where N is the number of commands"

static const struct command command_rows[] = {
    {COMMAND_ROW("count", count_run, 2, "2.8.13", "O(1)"),
     .summary = "Answers how many commands there are."},
    {COMMAND_ROW("docs", docs_run, -2, "7.0.0", PER_COMMAND),
     .summary = "Tells what commands do and which arguments they take.",
     .syntax = "[command-name:string...]",
     .tips = order_tips},
    {COMMAND_ROW("getkeys", getkeys_run, -4, "2.8.13", "O(N) where N is the number of arguments"),
     .summary = "Answers which arguments of a command are keys."},
    {COMMAND_ROW("getkeysandflags", getkeysandflags_run, -4, "7.0.0",
                 "O(N) where N is the number of arguments"),
     .summary = "Answers which arguments of a command are keys, and how it uses each."},
    {COMMAND_ROW("help", help_run, 2, "5.0.0", "O(1)"),
     .summary = "Tells what the subcommands do."},
    {COMMAND_ROW("info", info_run, -2, "2.8.13", PER_COMMAND),
     .summary = "Describes commands for programs.",
     .syntax = "[command-name:string...]",
     .history = info_history,
     .tips = order_tips},
    {COMMAND_ROW("list", list_run, -2, "7.0.0", PER_COMMAND),
     .summary = "Answers the names of commands.",
     .syntax = "[filterby(module-name:string@MODULE|category:string@ACLCAT|"
               "pattern:pattern@PATTERN)@FILTERBY]",
     .tips = order_tips},
    {.name = NULL},
};

const struct command commands_command[] = {
    {COMMAND_ROW("command", command_run, -1, "2.8.13", PER_COMMAND),
     .summary = "Describes all commands for programs.",
     .tips = order_tips,
     .subcommands = command_rows},
    {.name = NULL},
};
