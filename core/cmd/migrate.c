/* MIGRATE: keys go to another server.
 *
 *   AUTH, SELECT  -->           <-- +OK, +OK      else nothing else is sent
 *   RESTORE ...   -->           <-- +OK for each key
 *
 * A key is deleted here only when the target said +OK to it, and that is recorded as DEL, so that
 * it is always in one of both places: a crash in between leaves it in both. For the same reason
 * nothing is sent that a crash could take back here: the log is synced first if it must be. Unlike
 * Redis, keys are not sent to a target that refused AUTH or SELECT (they would go to another
 * database), and an answer that is neither +OK nor an error deletes nothing.
 *
 * The server does nothing else meanwhile, as in Redis; see host.h for what limits that.
 */
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/cmd/dump.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/resp.h"

#define TIMEOUT_DEFAULT_MS 1000
#define REQUEST_BYTES_MAX ((size_t)2 << 30)
#define ERROR_SHOWN_MAX 1024
#define FIRST_OPTION 6
#define KEY_ARGUMENT 3

struct migrate {
    bool copy, replace;
    struct slice user, password; /* data NULL: not given */
    int64_t port, db, timeout_ms;
    const struct slice *keys;
    int key_count;
    /* those that are there, in the order of the answers */
    struct slice *sent;
    bool *accepted;
    int sent_count;
    /* the answers */
    int greetings, greetings_taken, answers_taken;
    struct slice refusal;        /* the first error; data NULL: none */
    struct arena *arena;
};

/* --- Arguments -------------------------------------------------------------------------------- */

/* The words behind an option that belong to it: not counted for KEYS, which takes all. */
static int option_words(struct slice option)
{
    return slice_is(option, "auth") ? 1 : slice_is(option, "auth2") ? 2 : 0;
}

/* Where KEYS is among the options; argc if it is not. */
static int keys_option(int argc, const struct slice *argv)
{
    int at = FIRST_OPTION;
    while (at < argc && !slice_is(argv[at], "keys"))
        at += 1 + option_words(argv[at]);
    return at < argc ? at : argc;
}

static int migrate_keys(const struct command *command, int argc, const struct slice *argv,
                        int *positions, int *flags, int most)
{
    int key_flags = command->keys[0].flags, option = keys_option(argc, argv), count = 0;
    if (argv[KEY_ARGUMENT].len > 0 || option == argc)
        return command_add_key(KEY_ARGUMENT, key_flags, positions, flags, 0, most);
    for (int at = option + 1; at < argc; at++)
        count += command_add_key(at, key_flags, positions, flags, count, most);
    return count;
}

static bool migrate_is_secret(int argc, const struct slice *argv, int index)
{
    int end = keys_option(argc, argv);
    for (int at = FIRST_OPTION; at < end && at <= index; at += 1 + option_words(argv[at]))
        if (index > at && index <= at + option_words(argv[at]))
            return true;
    return false;
}

static bool migrate_read_options(struct ctx *ctx, struct migrate *migrate)
{
    migrate->keys = &ctx->argv[KEY_ARGUMENT];
    migrate->key_count = 1;
    for (int at = FIRST_OPTION; at < ctx->argc; at++) {
        int left = ctx->argc - 1 - at;

        if (ctx_arg_is(ctx, at, "copy")) {
            migrate->copy = true;
        } else if (ctx_arg_is(ctx, at, "replace")) {
            migrate->replace = true;
        } else if (ctx_arg_is(ctx, at, "auth") && left >= 1) {
            migrate->password = ctx->argv[++at];
        } else if (ctx_arg_is(ctx, at, "auth2") && left >= 2) {
            migrate->user = ctx->argv[++at];
            migrate->password = ctx->argv[++at];
        } else if (ctx_arg_is(ctx, at, "keys")) {
            if (ctx->argv[KEY_ARGUMENT].len > 0) {
                reply_error(ctx, "ERR When using MIGRATE KEYS option, the key argument must be "
                                 "set to the empty string");
                return false;
            }
            migrate->keys = &ctx->argv[at + 1];
            migrate->key_count = left;
            break;
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* Digits at the start, as in Redis; none: 0, where nobody listens. */
static int64_t migrate_read_port(struct slice text)
{
    int64_t port = 0;
    bool negative = text.len > 0 && text.data[0] == '-';
    for (size_t i = negative; i < text.len && i < 10; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            break;
        port = port * 10 + (text.data[i] - '0');
    }
    return negative ? -port : port;
}

static bool migrate_read(struct ctx *ctx, struct migrate *migrate)
{
    *migrate = (struct migrate){.arena = ctx->arena, .port = migrate_read_port(ctx->argv[2])};
    if (!migrate_read_options(ctx, migrate) ||
        !arg_i64(ctx, ctx->argv[5], &migrate->timeout_ms) ||
        !arg_i64(ctx, ctx->argv[4], &migrate->db))
        return false;
    if (migrate->timeout_ms <= 0)
        migrate->timeout_ms = TIMEOUT_DEFAULT_MS;
    return true;
}

/* --- What is sent ----------------------------------------------------------------------------- */

static void put_greeting(struct ctx *ctx, struct migrate *migrate, struct buf *out)
{
    if (migrate->password.data) {
        bool named = migrate->user.data != NULL;
        resp_put_array(out, named ? 3 : 2);
        resp_put_bulk(out, SLICE("AUTH"));
        if (named)
            resp_put_bulk(out, migrate->user);
        resp_put_bulk(out, migrate->password);
        migrate->greetings++;
    }
    resp_put_command(out, 2, (struct slice[]){SLICE("SELECT"), ctx_digits(ctx, migrate->db)});
    migrate->greetings++;
}

static void put_restore(struct ctx *ctx, const struct migrate *migrate, const struct place *place,
                        struct buf *payload, struct buf *out)
{
    int64_t deadline_ms = entry_deadline(place->entry), ttl_ms = 0;
    if (deadline_ms != ENTRY_NO_DEADLINE)
        ttl_ms = deadline_ms - ctx->now_ms > 1 ? deadline_ms - ctx->now_ms : 1;
    buf_clear(payload);
    dump_append(ctx, place->entry, payload);
    resp_put_array(out, migrate->replace ? 5 : 4);
    resp_put_bulk(out, SLICE("RESTORE"));
    resp_put_bulk(out, place->key);
    resp_put_bulk(out, ctx_digits(ctx, ttl_ms));
    resp_put_bulk(out, buf_slice(payload));
    if (migrate->replace)
        resp_put_bulk(out, SLICE("REPLACE"));
}

/* All keys that are there; false if an error was replied. */
static bool put_keys(struct ctx *ctx, struct migrate *migrate, struct buf *out)
{
    struct buf payload = {0};
    size_t room = (size_t)migrate->key_count + 1;

    migrate->sent = arena_alloc(ctx->arena, room * sizeof *migrate->sent);
    migrate->accepted = arena_alloc_zero(ctx->arena, room * sizeof *migrate->accepted);
    for (int i = 0; i < migrate->key_count && out->len <= REQUEST_BYTES_MAX; i++) {
        struct place place = ctx_find(ctx, migrate->keys[i], LOOKUP_READ);
        if (place.entry == NULL)
            continue;
        put_restore(ctx, migrate, &place, &payload, out);
        migrate->sent[migrate->sent_count++] = migrate->keys[i];
    }
    buf_free(&payload);
    if (out->len > REQUEST_BYTES_MAX)
        reply_error(ctx, "ERR MIGRATE sends 2 GiB at most: name fewer keys");
    return out->len <= REQUEST_BYTES_MAX;
}

/* What the target is about to get must be durable here: false if an error was replied. */
static bool sync_first(struct ctx *ctx)
{
    struct journal *journal = ctx->engine->journal;
    struct fault fault;
    if (ctx->depends <= journal_confirmed(journal) || !journal->ops)
        return true;
    if (journal->ops->sync(journal, &fault) == 0)
        return true;
    reply_error(ctx, "MISCONF MIGRATE sent nothing: the log failed. %.512s", fault.text);
    return false;
}

/* --- The answers ------------------------------------------------------------------------------ */

/* The first is kept, without the dash. */
static void note_refusal(struct migrate *migrate, struct slice line)
{
    size_t len = line.len - 1 < ERROR_SHOWN_MAX ? line.len - 1 : ERROR_SHOWN_MAX;
    if (migrate->refusal.data)
        return;
    char *text = arena_alloc(migrate->arena, len + 1);
    memcpy(text, line.data + 1, len);
    migrate->refusal = (struct slice){text, len};
}

static enum exchange_step take_line(void *env, struct slice line)
{
    struct migrate *migrate = env;
    bool good = slice_equal(line, SLICE("+OK"));
    if (!good && (line.len == 0 || line.data[0] != '-'))
        return EXCHANGE_BROKEN;
    if (!good)
        note_refusal(migrate, line);
    if (migrate->greetings_taken < migrate->greetings) {
        migrate->greetings_taken++;
        if (!good)
            return EXCHANGE_END;
        return migrate->greetings_taken < migrate->greetings ? EXCHANGE_WAIT : EXCHANGE_GO_ON;
    }
    migrate->accepted[migrate->answers_taken++] = good;
    return migrate->answers_taken < migrate->sent_count ? EXCHANGE_WAIT : EXCHANGE_END;
}

static void delete_accepted(struct ctx *ctx, const struct migrate *migrate)
{
    for (int i = 0; i < migrate->sent_count; i++) {
        if (!migrate->accepted[i])
            continue;
        struct place place = ctx_find(ctx, migrate->sent[i], LOOKUP_PEEK);
        if (place.entry == NULL) /* named twice */
            continue;
        ctx_remove(ctx, &place, false);
        ctx_effect_delete(ctx, ctx->db, migrate->sent[i]);
        ctx_event(ctx, 'g', "del", ctx->db, migrate->sent[i]);
    }
}

static void reply_end(struct ctx *ctx, const struct migrate *migrate, enum exchange_end end)
{
    if (migrate->refusal.data)
        reply_error(ctx, "ERR Target instance replied with error: %.*s",
                    (int)migrate->refusal.len, migrate->refusal.data);
    else if (end == EXCHANGE_NO_CONNECTION)
        reply_error(ctx, "IOERR error or timeout connecting to the client");
    else if (end == EXCHANGE_NOT_WRITTEN)
        reply_error(ctx, "IOERR error or timeout writing to target instance");
    else if (end == EXCHANGE_NOT_READ)
        reply_error(ctx, "IOERR error or timeout reading to target instance");
    else
        reply_ok(ctx);
}

static void migrate_run(struct ctx *ctx)
{
    struct host *host = ctx->engine->host;
    struct migrate migrate;
    struct buf first = {0}, rest = {0};

    if (!migrate_read(ctx, &migrate))
        return;
    if (!host->exchange || ctx->replay) {
        reply_error(ctx, "ERR this server can't talk to others");
        return;
    }
    if (!put_keys(ctx, &migrate, &rest))
        goto out;
    if (migrate.sent_count == 0) {
        reply_simple(ctx, "NOKEY");
        goto out;
    }
    if (!sync_first(ctx))
        goto out;
    put_greeting(ctx, &migrate, &first);
    struct exchange exchange = {
        .host = ctx->argv[1],
        .port = migrate.port,
        .timeout_ms = migrate.timeout_ms,
        .first = buf_slice(&first),
        .rest = buf_slice(&rest),
        .take_line = take_line,
        .env = &migrate,
    };
    enum exchange_end end = host->exchange(host->self, &exchange);
    if (!migrate.copy)
        delete_accepted(ctx, &migrate);
    reply_end(ctx, &migrate, end);
out:
    buf_free(&first);
    buf_free(&rest);
}

static const char *const migrate_tips[] = {"nondeterministic_output", NULL};
static const char *const migrate_history[] = {
    "3.0.0", "The options `COPY` and `REPLACE`.", "3.0.6", "The option `KEYS`.",
    "4.0.7", "The option `AUTH`.", "6.0.0", "The option `AUTH2`.", NULL};

#define MIGRATE_KEY_FLAGS (KEY_RW | KEY_ACCESS | KEY_DELETE)

const struct command commands_migrate[] = {
    {.name = "migrate",
     .run = migrate_run,
     .arity = -6,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_MOVABLE_KEYS | COMMAND_DELETES | COMMAND_PARTIAL,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .keys = {KEYS_RANGE(MIGRATE_KEY_FLAGS, 3, 0, 1),
              {.flags = MIGRATE_KEY_FLAGS | KEY_INCOMPLETE,
               .keyword = "KEYS", .first = -2, .last = -1, .step = 1}},
     .is_secret = migrate_is_secret,
     .find_keys = migrate_keys,
     .group = "generic",
     .since = "2.6.0",
     .complexity = "That of DUMP and DEL here and of RESTORE there, and O(N) for N bytes sent.",
     .summary = "Moves keys to another server, each deleted here when it is there.",
     .syntax = "host:string port:integer key_or_empty_string(key:key|empty_string=\"\") "
               "destination-db:integer timeout:integer [copy=COPY] [replace=REPLACE] "
               "[authentication([password:string@AUTH]|"
               "[username_password{username:string password:string}@AUTH2])] "
               "[key:key@KEYS...]",
     .tips = migrate_tips,
     .history = migrate_history},
    {.name = NULL},
};
