/* ACL: users and their rights, and the log of what was denied. */
#include "core/acl.h"

#include <string.h>

#include "core/acl_check.h"
#include "core/acl_file.h"
#include "core/acl_user.h"
#include "core/base/fault.h"
#include "core/category.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/gate.h"

#define GENPASS_BITS 256
#define GENPASS_BITS_MAX 4096
#define LOG_ENTRIES 10 /* shown unless a number is given */

static const char no_file[] =
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
    "configuration file set) in order to store users in the Redis configuration.";

static struct slice shown(struct slice text)
{
    return (struct slice){text.data, text.len > 128 ? 128 : text.len};
}

static void reply_wrong_use(struct ctx *ctx)
{
    struct slice sub = shown(ctx->argv[1]);
    reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                     "Try ACL HELP.",
                (int)sub.len, sub.data);
}

/* --- Users ----------------------------------------------------------------------------------- */

static void setuser_run(struct ctx *ctx)
{
    struct buf why = {0};
    if (!acl_rules_name_fits(ctx->argv[2]))
        reply_error(ctx, "ERR Usernames can't contain spaces or null characters");
    else if (acl_set_user(ctx, ctx->argv[2], ctx->argc - 3, ctx->argv + 3, &why))
        reply_ok(ctx);
    else
        reply_error(ctx, "ERR %.*s", (int)why.len, why.data);
    buf_free(&why);
}

/* As Redis hides them: all rules, whether they are passwords or not. */
static bool setuser_is_secret(int argc unused, const struct slice *argv unused, int index)
{
    return index >= 2;
}

static void deluser_run(struct ctx *ctx)
{
    int64_t deleted = 0;
    for (int i = 2; i < ctx->argc; i++)
        if (slice_equal(ctx->argv[i], SLICE("default"))) {
            reply_error(ctx, "ERR The 'default' user cannot be removed");
            return;
        }
    for (int i = 2; i < ctx->argc; i++)
        deleted += acl_delete_user(ctx->engine, ctx->argv[i], ctx->session);
    reply_int(ctx, deleted);
}


static void reply_selector(struct ctx *ctx, const struct acl_selector *selector)
{
    static const char *const names[] = {"commands", "keys", "channels"};
    static void (*const parts[])(const struct acl_selector *, struct buf *) = {
        acl_selector_show_commands, acl_selector_show_keys, acl_selector_show_channels};
    struct buf text = {0};
    for (int i = 0; i < 3; i++) {
        buf_clear(&text);
        parts[i](selector, &text);
        reply_text(ctx, names[i]);
        reply_bulk(ctx, buf_slice(&text));
    }
    buf_free(&text);
}

static void getuser_run(struct ctx *ctx)
{
    const struct acl_user *user = acl_find(ctx->engine->acl, ctx->argv[2]);
    if (!user) {
        reply_null(ctx);
        return;
    }
    const char *flags[4];
    int flag_count = acl_user_flag_names(user, flags);
    reply_map(ctx, 6);
    reply_text(ctx, "flags");
    reply_set(ctx, (size_t)flag_count);
    for (int i = 0; i < flag_count; i++)
        reply_text(ctx, flags[i]);
    reply_text(ctx, "passwords");
    reply_array(ctx, user->passwords.count);
    for (size_t i = 0; i < user->passwords.count; i++)
        reply_bulk(ctx, acl_text_slice(user->passwords.items[i]));
    reply_selector(ctx, user->selectors[0]);
    reply_text(ctx, "selectors");
    reply_array(ctx, user->selector_count - 1);
    for (size_t i = 1; i < user->selector_count; i++) {
        reply_map(ctx, 3);
        reply_selector(ctx, user->selectors[i]);
    }
}

static void list_run(struct ctx *ctx)
{
    const struct acl *acl = ctx->engine->acl;
    struct buf line = {0};
    reply_array(ctx, acl->count);
    for (size_t i = 0; i < acl->count; i++) {
        buf_clear(&line);
        acl_user_show(acl->users[i], &line);
        reply_bulk(ctx, buf_slice(&line));
    }
    buf_free(&line);
}

static void users_run(struct ctx *ctx)
{
    const struct acl *acl = ctx->engine->acl;
    reply_array(ctx, acl->count);
    for (size_t i = 0; i < acl->count; i++)
        reply_text(ctx, acl->users[i]->name);
}

static void whoami_run(struct ctx *ctx)
{
    reply_text(ctx, ctx->session->user->name);
}

/* --- CAT ------------------------------------------------------------------------------------- */

struct members {
    struct ctx *ctx;
    uint32_t category;
    size_t count;
    bool replies; /* else it counts */
};

static void member(void *env, struct command_state *state)
{
    struct members *members = env;
    if (!(category_of_command(state->command) & members->category))
        return;
    members->count++;
    if (members->replies)
        reply_text(members->ctx, state->full_name);
}

static void cat_run(struct ctx *ctx)
{
    struct members members = {.ctx = ctx};
    size_t count = 0;
    if (ctx->argc > 3) {
        reply_wrong_use(ctx);
        return;
    }
    if (ctx->argc == 2) {
        while (category_words[count].name)
            count++;
        reply_array(ctx, count);
        for (size_t i = 0; i < count; i++)
            reply_text(ctx, category_words[i].name + 1);
        return;
    }
    members.category = category_find(ctx->argv[2]);
    if (!members.category) {
        struct slice name = shown(ctx->argv[2]);
        reply_error(ctx, "ERR Unknown category '%.*s'", (int)name.len, name.data);
        return;
    }
    registry_each(ctx->engine->registry, member, &members);
    reply_array(ctx, members.count);
    members.replies = true;
    registry_each(ctx->engine->registry, member, &members);
}

/* --- LOG ------------------------------------------------------------------------------------- */

static void reply_entry(struct ctx *ctx, const struct acl_entry *entry)
{
    reply_map(ctx, 10);
    reply_text(ctx, "count");
    reply_int(ctx, (int64_t)entry->count);
    reply_text(ctx, "reason");
    reply_text(ctx, acl_log_reason(entry->reason));
    reply_text(ctx, "context");
    reply_text(ctx, acl_log_context(entry->context));
    reply_text(ctx, "object");
    reply_bulk(ctx, (struct slice){entry->object, entry->object_len});
    reply_text(ctx, "username");
    reply_bulk(ctx, (struct slice){entry->username, entry->username_len});
    reply_text(ctx, "age-seconds");
    reply_double(ctx, (double)(ctx->now_ms - entry->updated_ms) / 1000);
    reply_text(ctx, "client-info");
    reply_bulk(ctx, (struct slice){entry->client, entry->client_len});
    reply_text(ctx, "entry-id");
    reply_int(ctx, (int64_t)entry->id);
    reply_text(ctx, "timestamp-created");
    reply_int(ctx, entry->created_ms);
    reply_text(ctx, "timestamp-last-updated");
    reply_int(ctx, entry->updated_ms);
}

static void log_run(struct ctx *ctx)
{
    struct acl_log *log = &ctx->engine->acl->log;
    int64_t most = LOG_ENTRIES;
    if (ctx->argc > 3) {
        reply_wrong_use(ctx);
        return;
    }
    if (ctx->argc == 3 && ctx_arg_is(ctx, 2, "reset")) {
        acl_log_trim(log, 0);
        reply_ok(ctx);
        return;
    }
    if (ctx->argc == 3 && !arg_i64(ctx, ctx->argv[2], &most))
        return;
    most = most < 0 ? 0 : most > log->count ? log->count : most;
    reply_array(ctx, (size_t)most);
    for (const struct acl_entry *entry = log->first; most > 0; entry = entry->next, most--)
        reply_entry(ctx, entry);
}

/* --- DRYRUN, GENPASS ------------------------------------------------------------------------- */

static void reply_denied(struct ctx *ctx, enum acl_verdict verdict,
                         const struct command_state *state, struct slice object)
{
    struct buf text = {0};
    if (verdict == ACL_DENIED_COMMAND) {
        buf_printf(&text, "This user has no permissions to run the '%s' command",
                   state->full_name);
    } else {
        buf_append_text(&text, "This user has no permissions to access the '");
        buf_append_slice(&text, object);
        buf_append_text(&text, verdict == ACL_DENIED_KEY ? "' key" : "' channel");
    }
    reply_bulk(ctx, buf_slice(&text));
    buf_free(&text);
}

static void dryrun_run(struct ctx *ctx)
{
    const struct acl_user *user = acl_find(ctx->engine->acl, ctx->argv[2]);
    int argc = ctx->argc - 3, at;
    const struct slice *argv = ctx->argv + 3;
    struct slice name = shown(user ? argv[0] : ctx->argv[2]);
    if (!user) {
        reply_error(ctx, "ERR User '%.*s' not found", (int)name.len, name.data);
        return;
    }
    const struct command_state *state = gate_lookup(ctx->engine, argc, argv);
    if (!state) {
        reply_error(ctx, "ERR Command '%.*s' not found", (int)name.len, name.data);
        return;
    }
    int arity = state->command->arity;
    if ((arity > 0 && argc != arity) || argc < -arity) {
        reply_error(ctx, "ERR wrong number of arguments for '%s' command", state->full_name);
        return;
    }
    enum acl_verdict verdict = acl_check(user, state, argc, argv, &at);
    if (verdict == ACL_ALLOWED)
        reply_ok(ctx);
    else
        reply_denied(ctx, verdict, state, argv[at]);
}

static void genpass_run(struct ctx *ctx)
{
    static const char hex[] = "0123456789abcdef";
    struct host *host = ctx->engine->host;
    uint8_t bytes[GENPASS_BITS_MAX / 8];
    char digits[GENPASS_BITS_MAX / 4];
    int64_t bits = GENPASS_BITS;
    if (ctx->argc > 3) {
        reply_wrong_use(ctx);
        return;
    }
    if (ctx->argc == 3 && !arg_i64(ctx, ctx->argv[2], &bits))
        return;
    if (bits <= 0 || bits > GENPASS_BITS_MAX) {
        reply_error(ctx, "ERR ACL GENPASS argument must be the number of bits for the output "
                         "password, a positive number up to 4096");
        return;
    }
    size_t count = (size_t)(bits + 3) / 4;
    host->random_bytes(host->self, bytes, (count + 1) / 2);
    for (size_t i = 0; i < count; i++)
        digits[i] = hex[bytes[i / 2] >> (i % 2 ? 4 : 0) & 15];
    reply_bulk(ctx, (struct slice){digits, count});
    explicit_bzero(bytes, sizeof bytes);
    explicit_bzero(digits, sizeof digits);
}

/* --- LOAD, SAVE ------------------------------------------------------------------------------ */

static void load_run(struct ctx *ctx)
{
    struct engine *engine = ctx->engine;
    struct buf why = {0};
    struct fault fault = {.offset = -1};
    if (!engine->settings->aclfile) {
        reply_error(ctx, "%s", no_file);
        return;
    }
    int code = acl_file_load(engine, ctx->session, &why, &fault);
    if (code == 0)
        reply_ok(ctx);
    else if (code == KV_EFORMAT)
        reply_error(ctx,
                    "ERR %.*sWARNING: ACL errors detected, no change to the previously active ACL "
                    "rules was performed",
                    (int)why.len, why.data);
    else
        reply_error(ctx, "ERR Error loading ACLs, opening file '%s': %s",
                    engine->settings->aclfile,
                    fault.system_errno ? strerror(fault.system_errno) : fault.text);
    buf_free(&why);
}

static void save_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    struct fault fault = {.offset = -1};
    char line[1024];
    if (!ctx->engine->settings->aclfile) {
        reply_error(ctx, "%s", no_file);
        return;
    }
    if (acl_file_save(ctx->engine, &fault) == 0) {
        reply_ok(ctx);
        return;
    }
    host->log(host->self, HOST_WARNING, "ACL SAVE: %s", fault_line(&fault, line, sizeof line));
    reply_error(ctx, "ERR There was an error trying to save the ACLs. Please check the server logs "
                     "for more information");
}

static const char *const help_lines[] = {
    "CAT [<category>]",
    "    Tell the names of all categories of commands, or the commands in one.",
    "DELUSER <username> [<username> ...]",
    "    Delete users, and close their connections.",
    "DRYRUN <username> <command> [<arg> ...]",
    "    Tell whether a user may run a command, without running it.",
    "GENPASS [<bits>]",
    "    Make up a password that nobody can guess: of 256 bits, or of <bits>.",
    "GETUSER <username>",
    "    Describe a user.",
    "LIST",
    "    Describe all users, in the form of an ACL file.",
    "LOAD",
    "    Put the users of the ACL file in place of those there are.",
    "LOG [<count>|RESET]",
    "    Tell what was denied last, or forget it.",
    "SAVE",
    "    Write all users into the ACL file.",
    "SETUSER <username> [<rule> ...]",
    "    Make a user, or change what one may do.",
    "USERS",
    "    Tell the names of all users.",
    "WHOAMI",
    "    Tell whose this connection is.",
};

static void help_run(struct ctx *ctx)
{
    reply_help(ctx, help_lines, sizeof help_lines / sizeof help_lines[0]);
}

static const char *const setuser_history[] = {
    "6.2.0", "Patterns of channels.", "7.0.0", "Selectors, and patterns of keys by permission.",
    NULL};
static const char *const getuser_history[] = {
    "6.2.0", "Patterns of channels.",
    "7.0.0", "Selectors; keys and channels are told as rules instead of as lists.", NULL};
static const char *const log_history[] = {
    "7.2.0", "The fields `entry-id`, `timestamp-created` and `timestamp-last-updated`.", NULL};

#define OPEN_FLAGS (COMMAND_NOSCRIPT | COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD)
#define ADMIN_FLAGS (OPEN_FLAGS | COMMAND_ADMIN)
#define ACL_ROW(row_name, row_run, row_arity, row_flags, row_since, row_complexity)                \
    .name = row_name, .run = row_run, .arity = row_arity, .flags = row_flags, .group = "server",   \
    .since = row_since, .complexity = row_complexity
#define PER_USER "O(N) where N is the number of users"

static const struct command acl_rows[] = {
    {ACL_ROW("cat", cat_run, -2, OPEN_FLAGS, "6.0.0", "O(1)"),
     .summary = "Answers the categories of commands, or the commands in one of them.",
     .syntax = "[categoryname:string]"},
    {ACL_ROW("deluser", deluser_run, -3, ADMIN_FLAGS, "6.0.0", "O(N) where N is the number of "
             "connections"),
     .summary = "Deletes users and closes their connections.",
     .syntax = "username:string..."},
    {ACL_ROW("dryrun", dryrun_run, -4, ADMIN_FLAGS, "7.0.0", "O(1)"),
     .summary = "Tells whether a user may run a command.",
     .syntax = "username:string command:string [arg:string...]"},
    {ACL_ROW("genpass", genpass_run, -2, OPEN_FLAGS, "6.0.0", "O(1)"),
     .summary = "Makes up a password.",
     .syntax = "[bits:integer]"},
    {ACL_ROW("getuser", getuser_run, 3, ADMIN_FLAGS, "6.0.0",
             "O(N) where N is the number of the user's rules"),
     .summary = "Describes a user.",
     .syntax = "username:string",
     .history = getuser_history},
    {ACL_ROW("help", help_run, 2, COMMAND_LOADING | COMMAND_STALE | COMMAND_NO_HOLD, "6.0.0",
             "O(1)"),
     .summary = "Tells what the subcommands do."},
    {ACL_ROW("list", list_run, 2, ADMIN_FLAGS, "6.0.0", PER_USER),
     .summary = "Describes all users, in the form of an ACL file."},
    {ACL_ROW("load", load_run, 2, ADMIN_FLAGS, "6.0.0", PER_USER),
     .summary = "Takes the users from the ACL file."},
    {ACL_ROW("log", log_run, -2, ADMIN_FLAGS, "6.0.0", "O(N) where N is the number of entries"),
     .summary = "Answers what was denied last.",
     .syntax = "[operation(count:integer|reset=RESET)]",
     .history = log_history},
    {ACL_ROW("save", save_run, 2, ADMIN_FLAGS, "6.0.0", PER_USER),
     .summary = "Writes all users into the ACL file."},
    {ACL_ROW("setuser", setuser_run, -3, ADMIN_FLAGS, "6.0.0",
             "O(N) where N is the number of rules"),
     .summary = "Makes a user, or changes one.",
     .syntax = "username:string [rule:string...]",
     .history = setuser_history,
     .is_secret = setuser_is_secret},
    {ACL_ROW("users", users_run, 2, ADMIN_FLAGS, "6.0.0", PER_USER),
     .summary = "Answers the names of all users."},
    {ACL_ROW("whoami", whoami_run, 2, OPEN_FLAGS, "6.0.0", "O(1)"),
     .summary = "Answers whose this connection is."},
    {.name = NULL},
};

const struct command commands_acl[] = {
    {.name = "acl",
     .arity = -2,
     .group = "server",
     .since = "6.0.0",
     .complexity = "That of the subcommand.",
     .summary = "The commands about users and their rights.",
     .subcommands = acl_rows},
    {.name = NULL},
};
