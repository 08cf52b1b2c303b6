/* FUNCTION, FCALL.
 *
 * Libraries are data: FUNCTION LOAD, DELETE, FLUSH and RESTORE are recorded as they were sent,
 * raise the floor of the gate, and are applied again in replay; snapshots carry the code.
 *
 * A payload of FUNCTION DUMP is, for each library, the byte 245 and its code as a string of RDB;
 * then version (u16) and CRC-64 (u64) of all before, as in DUMP.
 */
#include <strings.h>

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/glob.h"
#include "core/cmd/rows.h"
#include "core/base/num.h"
#include "core/ctx.h"
#include "core/gate.h"
#include "core/script/library.h"
#include "core/script/run.h"
#include "core/script/scripts.h"
#include "core/settings.h"
#include "core/type/rdb.h"

#define OPCODE_FUNCTION 245
#define FOOTER_BYTES 10
#define RESTORE_LIBRARIES_MAX 65536
#define RDB_VERSION_NEWEST 12       /* of Redis */
#define RDB_VERSION_VALKEY_LEAST 80

/* What functions there are is news like any other. */
static void depend_on_functions(struct ctx *ctx)
{
    if (!ctx->replay && ctx->engine->gate_floor > ctx->depends)
        ctx->depends = ctx->engine->gate_floor;
}

static void changed(struct ctx *ctx)
{
    if (!ctx->replay)
        ctx->engine->touched_all++;
}

static void reply_why(struct ctx *ctx, struct buf *why)
{
    reply_error(ctx, "ERR %.*s", (int)why->len, why->data);
    buf_free(why);
}

/* ---- FCALL ---- */

static void fcall(struct ctx *ctx, bool read_only)
{
    struct scripts *scripts = scripts_of(ctx);
    depend_on_functions(ctx);
    const struct function *function = libraries_function(scripts->libraries, ctx->argv[1]);
    if (!function) {
        reply_error(ctx, "ERR Function not found");
        return;
    }
    int64_t keys;
    if (!num_parse_i64(ctx->argv[2], &keys)) {
        reply_error(ctx, "ERR Bad number of keys provided");
        return;
    }
    if (keys > ctx->argc - 3) {
        reply_error(ctx, "ERR Number of keys can't be greater than number of args");
        return;
    }
    if (keys < 0) {
        reply_error(ctx, "ERR Number of keys can't be negative");
        return;
    }
    if (run_refused(ctx, function->flags, read_only))
        return;
    uint32_t flags = function->flags | (read_only ? SCRIPT_NO_WRITES : 0);
    const struct slice *first = ctx->argv + 3;
    run_script(ctx, &scripts->functions, function->reference, slice_of(function->name), flags,
               (int)keys, first, ctx->argc - 3 - (int)keys, first + keys);
}

static void fcall_run(struct ctx *ctx)
{
    fcall(ctx, false);
}

static bool fcall_only_reads(struct ctx *ctx)
{
    const struct function *function =
        libraries_function(scripts_of(ctx)->libraries, ctx->argv[1]);
    return function && function->flags & SCRIPT_NO_WRITES;
}

static void fcall_ro_run(struct ctx *ctx)
{
    fcall(ctx, true);
}

/* ---- LOAD, DELETE, FLUSH ---- */

static void load_run(struct ctx *ctx)
{
    struct scripts *scripts = scripts_of(ctx);
    struct buf why = {0};
    bool replace = false;
    int at = 2;
    for (; at < ctx->argc - 1; at++) {
        if (!ctx_arg_is(ctx, at, "replace")) {
            reply_error(ctx, "ERR Unknown option given: %.*s",
                        ctx->argv[at].len > 128 ? 128 : (int)ctx->argv[at].len,
                        ctx->argv[at].data);
            return;
        }
        replace = true;
    }
    struct slice name, body;
    if (!library_read_name(ctx->arena, ctx->argv[at], &name, &body, &why)) {
        reply_why(ctx, &why);
        return;
    }
    if (!replace && libraries_find(scripts->libraries, name)) {
        reply_error(ctx, "ERR Library '%.*s' already exists", (int)name.len, name.data);
        return;
    }
    struct library *library = library_make(scripts, ctx->argv[at], &why);
    if (!library || !libraries_add(scripts, library, replace, &why)) {
        if (library)
            library_free(scripts, library);
        reply_why(ctx, &why);
        return;
    }
    changed(ctx);
    reply_text(ctx, library->name);
}

static void delete_run(struct ctx *ctx)
{
    struct scripts *scripts = scripts_of(ctx);
    struct library *library = libraries_find(scripts->libraries, ctx->argv[2]);
    if (!library) {
        depend_on_functions(ctx);
        reply_error(ctx, "ERR Library not found");
        return;
    }
    libraries_remove(scripts, library);
    changed(ctx);
    reply_ok(ctx);
}

static void reply_count_error(struct ctx *ctx)
{
    reply_error(ctx, "ERR unknown subcommand or wrong number of arguments for '%.*s'. "
                     "Try FUNCTION HELP.",
                (int)ctx->argv[1].len, ctx->argv[1].data);
}

static void flush_run(struct ctx *ctx)
{
    if (ctx->argc > 3) {
        reply_count_error(ctx);
        return;
    }
    if (ctx->argc == 3 && !ctx_arg_is(ctx, 2, "sync") && !ctx_arg_is(ctx, 2, "async")) {
        reply_error(ctx, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
        return;
    }
    libraries_clear(scripts_of(ctx));
    changed(ctx);
    reply_ok(ctx);
}

/* ---- LIST, STATS ---- */

static void reply_flags(struct ctx *ctx, uint32_t flags)
{
    reply_set(ctx, (size_t)__builtin_popcount(flags));
    for (int i = 0; i < SCRIPT_FLAG_NAMES; i++)
        if (flags & (1u << i))
            reply_simple(ctx, script_flag_name(i));
}

static void reply_library(struct ctx *ctx, const struct library *library, bool with_code)
{
    reply_map(ctx, with_code ? 4 : 3);
    reply_text(ctx, "library_name");
    reply_text(ctx, library->name);
    reply_text(ctx, "engine");
    reply_text(ctx, "LUA");
    reply_text(ctx, "functions");
    reply_array(ctx, (size_t)library->count);
    for (const struct function *at = library->functions; at; at = at->next) {
        reply_map(ctx, 3);
        reply_text(ctx, "name");
        reply_text(ctx, at->name);
        reply_text(ctx, "description");
        if (at->description)
            reply_text(ctx, at->description);
        else
            reply_null(ctx);
        reply_text(ctx, "flags");
        reply_flags(ctx, at->flags);
    }
    if (!with_code)
        return;
    reply_text(ctx, "library_code");
    reply_bulk(ctx, (struct slice){library->code, library->len});
}

static void list_run(struct ctx *ctx)
{
    const struct libraries *libraries = scripts_of(ctx)->libraries;
    const struct slice *pattern = NULL;
    bool with_code = false;
    depend_on_functions(ctx);
    for (int at = 2; at < ctx->argc; at++) {
        if (!with_code && ctx_arg_is(ctx, at, "withcode")) {
            with_code = true;
        } else if (!pattern && ctx_arg_is(ctx, at, "libraryname")) {
            if (at + 1 == ctx->argc) {
                reply_error(ctx, "ERR library name argument was not given");
                return;
            }
            pattern = &ctx->argv[++at];
        } else {
            reply_error(ctx, "ERR Unknown argument %.*s",
                        ctx->argv[at].len > 128 ? 128 : (int)ctx->argv[at].len,
                        ctx->argv[at].data);
            return;
        }
    }
    size_t count = 0;
    for (struct library *at = libraries_first(libraries); at; at = at->next)
        count += !pattern || glob_match_nocase(*pattern, slice_of(at->name));
    reply_array(ctx, count);
    for (struct library *at = libraries_first(libraries); at; at = at->next)
        if (!pattern || glob_match_nocase(*pattern, slice_of(at->name)))
            reply_library(ctx, at, with_code);
}

static void reply_running(struct ctx *ctx, const struct run *run)
{
    const struct ctx *outer = run->ctx;
    struct host *host = ctx->engine->host;
    uint64_t took_ns = host->monotonic_ns(host->self) - run->started_ns;
    reply_map(ctx, 3);
    reply_text(ctx, "name");
    reply_bulk(ctx, run->name);
    reply_text(ctx, "command");
    reply_array(ctx, (size_t)outer->argc);
    for (int i = 0; i < outer->argc; i++)
        reply_bulk(ctx, outer->argv[i]);
    reply_text(ctx, "duration_ms");
    reply_int(ctx, (int64_t)(took_ns / 1000000));
}

static void stats_run(struct ctx *ctx)
{
    const struct scripts *scripts = scripts_of(ctx);
    const struct run *run = scripts->run;
    if (run && !run->is_function) {
        gate_reply_busy(ctx);
        return;
    }
    depend_on_functions(ctx);
    reply_map(ctx, 2);
    reply_text(ctx, "running_script");
    if (run)
        reply_running(ctx, run);
    else
        reply_null(ctx);
    reply_text(ctx, "engines");
    reply_map(ctx, 1);
    reply_text(ctx, "LUA");
    reply_map(ctx, 2);
    reply_text(ctx, "libraries_count");
    reply_int(ctx, (int64_t)libraries_count(scripts->libraries));
    reply_text(ctx, "functions_count");
    reply_int(ctx, (int64_t)libraries_functions(scripts->libraries));
}

static void kill_run(struct ctx *ctx)
{
    run_kill(ctx, true);
}

/* ---- DUMP, RESTORE ---- */

static void dump_run(struct ctx *ctx)
{
    struct buf payload = {0};
    struct rdb_out out = {
        .buf = &payload,
        .version = RDB_VERSION_USUAL,
        .compress = ctx->engine->settings->rdb_compression,
    };
    depend_on_functions(ctx);
    const struct libraries *libraries = scripts_of(ctx)->libraries;
    for (struct library *at = libraries_first(libraries); at; at = at->next) {
        buf_append_char(&payload, (char)OPCODE_FUNCTION);
        rdb_put_string(&out, (struct slice){at->code, at->len});
    }
    buf_append_char(&payload, (char)RDB_VERSION_USUAL);
    buf_append_char(&payload, 0);
    rdb_put_u64(&out, crc64_bytes(0, payload.data, payload.len));
    reply_bulk(ctx, buf_slice(&payload));
    buf_free(&payload);
}

static bool has_good_footer(struct slice payload)
{
    if (payload.len < FOOTER_BYTES)
        return false;
    const uint8_t *end = (const uint8_t *)payload.data + payload.len;
    int version = end[-10] | end[-9] << 8;
    uint64_t sum = 0;
    for (int i = 1; i <= 8; i++)
        sum = sum << 8 | end[-i];
    bool known = version <= RDB_VERSION_NEWEST || version >= RDB_VERSION_VALKEY_LEAST;
    return known && (sum == 0 || crc64_bytes(0, payload.data, payload.len - 8) == sum);
}

/* The libraries of a payload, in a list; NULL with `why` if one is none. */
static bool read_payload(struct ctx *ctx, struct slice payload, struct library **first,
                         struct buf *why)
{
    struct scripts *scripts = scripts_of(ctx);
    struct fault fault = {0};
    const uint8_t *bytes = (const uint8_t *)payload.data;
    size_t len = payload.len - FOOTER_BYTES;
    struct rdb_in in = {.at = bytes, .end = bytes + len, .offset = len, .fault = &fault,
                        .version = RDB_VERSION_USUAL, .foreign = true};
    bool good = true;
    int count = 0;
    while (good && in.at < in.end) {
        uint8_t opcode;
        struct slice code;
        if (rdb_get_byte(&in, &opcode) != 0 || opcode != OPCODE_FUNCTION) {
            buf_append_text(why, "given type is not a function");
            good = false;
        } else if (rdb_get_string(&in, &code) != 0 || ++count > RESTORE_LIBRARIES_MAX) {
            buf_append_text(why, "Failed loading library data");
            good = false;
        } else {
            struct library *library = library_make(scripts, code, why);
            good = library != NULL;
            if (library) {
                library->next = *first;
                *first = library;
            }
        }
    }
    rdb_in_free(&in);
    return good;
}

static void free_list(struct scripts *scripts, struct library *first)
{
    while (first) {
        struct library *next = first->next;
        library_free(scripts, first);
        first = next;
    }
}

enum restore_policy { RESTORE_APPEND, RESTORE_REPLACE, RESTORE_FLUSH };

static bool is_listed(const struct library *first, const char *name)
{
    while (first && strcmp(first->name, name) != 0)
        first = first->next;
    return first != NULL;
}

/* Two libraries of one payload must have nothing in common. */
static bool meet(const struct library *a, const struct library *b, struct buf *why)
{
    if (strcmp(a->name, b->name) == 0) {
        buf_printf(why, "Library %s already exists", a->name);
        return true;
    }
    for (const struct function *f = a->functions; f; f = f->next) {
        for (const struct function *g = b->functions; g; g = g->next) {
            if (strcasecmp(f->name, g->name) == 0) {
                buf_printf(why, "Function %s already exists", f->name);
                return true;
            }
        }
    }
    return false;
}

/* Would all of them be taken? Looks only, so that a refusal changes nothing. */
static bool fits(struct ctx *ctx, const struct library *first, enum restore_policy policy,
                 struct buf *why)
{
    const struct libraries *there = scripts_of(ctx)->libraries;
    for (const struct library *at = first; at; at = at->next) {
        if (policy == RESTORE_APPEND && libraries_find(there, slice_of(at->name))) {
            buf_printf(why, "Library %s already exists", at->name);
            return false;
        }
        for (const struct library *other = first; other != at; other = other->next)
            if (meet(other, at, why))
                return false;
        for (const struct function *f = at->functions; f && policy != RESTORE_FLUSH; f = f->next) {
            const struct function *old = libraries_function(there, slice_of(f->name));
            if (!old || is_listed(first, old->library->name))
                continue;
            buf_printf(why, "Function %s already exists", f->name);
            return false;
        }
    }
    return true;
}

static void restore_run(struct ctx *ctx)
{
    struct scripts *scripts = scripts_of(ctx);
    struct library *first = NULL;
    struct buf why = {0};
    enum restore_policy policy = RESTORE_APPEND;
    if (ctx->argc > 4) {
        reply_count_error(ctx);
        return;
    }
    if (ctx->argc == 4 && ctx_arg_is(ctx, 3, "replace")) {
        policy = RESTORE_REPLACE;
    } else if (ctx->argc == 4 && ctx_arg_is(ctx, 3, "flush")) {
        policy = RESTORE_FLUSH;
    } else if (ctx->argc == 4 && !ctx_arg_is(ctx, 3, "append")) {
        reply_error(ctx, "ERR Wrong restore policy given, value should be either FLUSH, APPEND or "
                         "REPLACE.");
        return;
    }
    if (!has_good_footer(ctx->argv[2])) {
        reply_error(ctx, "ERR DUMP payload version or checksum are wrong");
        return;
    }
    if (!read_payload(ctx, ctx->argv[2], &first, &why) || !fits(ctx, first, policy, &why)) {
        free_list(scripts, first);
        reply_why(ctx, &why);
        return;
    }
    if (policy == RESTORE_FLUSH)
        libraries_clear(scripts);
    for (const struct library *at = first; at; at = at->next) {
        struct library *old = libraries_find(scripts->libraries, slice_of(at->name));
        if (old)
            libraries_remove(scripts, old);
    }
    while (first) {
        struct library *next = first->next;
        bool added = libraries_add(scripts, first, false, &why);
        kv_assert(added);
        first = next;
    }
    changed(ctx);
    reply_ok(ctx);
}

static void help_run(struct ctx *ctx)
{
    static const char *const lines[] = {
        "DELETE <library>",
        "    Remove a library and its functions.",
        "DUMP",
        "    Answer all libraries as one payload for RESTORE.",
        "FLUSH [ASYNC|SYNC]",
        "    Remove all libraries.",
        "KILL",
        "    End the function that runs, if it has written nothing.",
        "LIST [LIBRARYNAME <pattern>] [WITHCODE]",
        "    Describe the libraries and their functions.",
        "LOAD [REPLACE] <code>",
        "    Add a library: its first line is  #!lua name=<library>",
        "RESTORE <payload> [FLUSH|APPEND|REPLACE]",
        "    Add the libraries of a payload.",
        "STATS",
        "    Tell of the function that runs, and how many there are.",
    };
    reply_help(ctx, lines, sizeof lines / sizeof lines[0]);
}

/* --- Rows ------------------------------------------------------------------------------------ */

#define FCALL_FLAGS                                                                                \
    (COMMAND_NOSCRIPT | COMMAND_STALE | COMMAND_SKIP_MONITOR | COMMAND_NO_MANDATORY_KEYS |         \
     COMMAND_MOVABLE_KEYS | COMMAND_RUNS_SCRIPT)
#define FCALL_ROW(row_name, row_run, row_reads, row_flags, row_keys, row_summary)                  \
    {.name = row_name, .run = row_run, .only_reads = row_reads, .arity = -3,                       \
     .record = RECORD_EFFECTS,                                                                     \
     .flags = FCALL_FLAGS | (row_flags), .categories = CATEGORY_SCRIPTING,                         \
     .keys = {{.flags = (row_keys), .first = 2, .keynum_first = 1, .keynum_step = 1}},             \
     .group = "scripting", .since = "7.0.0", .complexity = "That of what the function does.",      \
     .summary = row_summary, .syntax = "function:string numkeys:integer [key:key...] "             \
                                       "[arg:string...]"}
#define WRITE_FLAGS (COMMAND_WRITE | COMMAND_NOSCRIPT)
#define FUNCTION_ROW(row_name, row_run, row_arity, row_record, row_flags, row_complexity,          \
                     row_summary, row_syntax, row_tips)                                            \
    {.name = row_name, .run = row_run, .arity = row_arity, .record = row_record,                   \
     .flags = row_flags, .categories = CATEGORY_SCRIPTING, .group = "scripting",                   \
     .since = "7.0.0", .complexity = row_complexity, .summary = row_summary,                       \
     .syntax = row_syntax, .tips = row_tips}

static const char *const all_shards[] = {"request_policy:all_shards",
                                         "response_policy:all_succeeded", NULL};
static const char *const one_shard[] = {"request_policy:all_shards",
                                        "response_policy:one_succeeded", NULL};
static const char *const special[] = {"nondeterministic_output", "request_policy:all_shards",
                                      "response_policy:special", NULL};
static const char *const any_order[] = {"nondeterministic_output_order", NULL};

static const struct command subcommands[] = {
    FUNCTION_ROW("load", load_run, -3, RECORD_REQUEST, WRITE_FLAGS | COMMAND_DENYOOM,
                 "O(1) besides compiling.", "Adds a library.",
                 "[replace=REPLACE] function-code:string", all_shards),
    FUNCTION_ROW("delete", delete_run, 3, RECORD_REQUEST, WRITE_FLAGS | COMMAND_DELETES, "O(1)",
                 "Removes a library.", "library-name:string", all_shards),
    FUNCTION_ROW("list", list_run, -2, RECORD_NOTHING, COMMAND_NOSCRIPT,
                 "O(N) for N functions.", "Describes the libraries.",
                 "[library-name-pattern:string@LIBRARYNAME] [withcode=WITHCODE]", any_order),
    FUNCTION_ROW("stats", stats_run, 2, RECORD_NOTHING, COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY,
                 "O(1)", "Tells of the function that runs.", NULL, special),
    FUNCTION_ROW("dump", dump_run, 2, RECORD_NOTHING, COMMAND_NOSCRIPT, "O(N) for N functions.",
                 "Answers all libraries as one payload.", NULL, NULL),
    FUNCTION_ROW("restore", restore_run, -3, RECORD_REQUEST, WRITE_FLAGS | COMMAND_DENYOOM,
                 "O(N) for N functions of the payload.", "Adds the libraries of a payload.",
                 "serialized-value:string [policy(flush=FLUSH|append=APPEND|replace=REPLACE)]",
                 all_shards),
    FUNCTION_ROW("flush", flush_run, -2, RECORD_REQUEST, WRITE_FLAGS | COMMAND_DELETES,
                 "O(N) for N functions.", "Removes all libraries.",
                 "[async(async=ASYNC|sync=SYNC)]", all_shards),
    FUNCTION_ROW("kill", kill_run, 2, RECORD_NOTHING,
                 COMMAND_NOSCRIPT | COMMAND_ALLOW_BUSY | COMMAND_NO_HOLD, "O(1)",
                 "Ends the function that runs.", NULL, one_shard),
    FUNCTION_ROW("help", help_run, 2, RECORD_NOTHING, COMMAND_LOADING | COMMAND_STALE, "O(1)",
                 "Explains the subcommands.", NULL, NULL),
    {.name = NULL},
};

const struct command commands_function[] = {
    FCALL_ROW("fcall", fcall_run, fcall_only_reads, 0, KEY_RW | KEY_ACCESS | KEY_UPDATE,
              "Calls a function."),
    FCALL_ROW("fcall_ro", fcall_ro_run, NULL, COMMAND_READONLY, KEY_RO | KEY_ACCESS,
              "Calls a function that may not write."),
    {.name = "function",
     .arity = -2,
     .record = RECORD_NOTHING,
     .group = "scripting",
     .since = "7.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "Commands that manage functions.",
     .subcommands = subcommands},
    {.name = NULL},
};
