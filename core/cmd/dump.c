/* DUMP and RESTORE: values as clients carry them between servers.
 *
 * A payload is
 *
 *   tag       1 byte: how the value is written (core/type/rdb.h)
 *   value     to the end but for ten bytes
 *   version   u16, little-endian: of RDB. 80 and above is Valkey's: some tags mean other things
 *   sum       u64, little-endian: CRC-64/Jones of all before it
 *
 * It is written in the lowest version that holds the value, so that older servers take it, unless
 * rdb-version asks for another one (9 for Redis 6.2, which knows no deadlines of fields). Nobody
 * vouches for a payload that comes in: its sum proves nothing against malice, so that the value's
 * structure is verified in depth, and nothing may follow it.
 *
 * RESTORE is recorded with an absolute deadline. One that is over gives no key, but in replay
 * nothing expires: there the key is made, and goes when the load is complete.
 */
#include "core/cmd/dump.h"

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/cmd/rows.h"
#include "core/ctx.h"
#include "core/evict.h"
#include "core/settings.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"

#define FOOTER_BYTES 10
#define VERSION_BYTES 2
#define VALKEY_VERSION_LEAST 80
#define FREQUENCY_MAX 255

void dump_append(const struct ctx *ctx, const struct entry *entry, struct buf *payload)
{
    const struct settings *settings = ctx->engine->settings;
    struct rdb_out out = {.buf = payload, .compress = settings->rdb_compression};
    size_t from = payload->len;

    out.version = (int)settings->rdb_version;
    if (out.version == 0)
        out.version = rdb_version_of(entry);
    buf_append_char(payload, (char)rdb_tag_of(entry, out.version));
    rdb_put_value(&out, entry);
    buf_append_char(payload, (char)(out.version & 255));
    buf_append_char(payload, (char)(out.version >> 8));
    rdb_put_u64(&out, crc64_bytes(0, payload->data + from, payload->len - from));
}

static void dump_run(struct ctx *ctx)
{
    const struct entry *entry = ctx_find(ctx, ctx->argv[1], LOOKUP_READ).entry;
    struct buf payload = {0};

    if (entry == NULL) {
        reply_null(ctx);
        return;
    }
    dump_append(ctx, entry, &payload);
    reply_bulk(ctx, buf_slice(&payload));
    buf_free(&payload);
}

struct restore_options {
    bool replace, absolute;
    int64_t idle_seconds, frequency; /* -1: not given */
};

static bool restore_read_options(struct ctx *ctx, struct restore_options *options)
{
    *options = (struct restore_options){.idle_seconds = -1, .frequency = -1};
    for (int at = 4; at < ctx->argc; at++) {
        bool more = at + 1 < ctx->argc;

        if (ctx_arg_is(ctx, at, "replace")) {
            options->replace = true;
        } else if (ctx_arg_is(ctx, at, "absttl")) {
            options->absolute = true;
        } else if (ctx_arg_is(ctx, at, "idletime") && more && options->frequency < 0) {
            if (!arg_i64(ctx, ctx->argv[++at], &options->idle_seconds))
                return false;
            if (options->idle_seconds < 0) {
                reply_error(ctx, "ERR Invalid IDLETIME value, must be >= 0");
                return false;
            }
        } else if (ctx_arg_is(ctx, at, "freq") && more && options->idle_seconds < 0) {
            if (!arg_i64(ctx, ctx->argv[++at], &options->frequency))
                return false;
            if (options->frequency < 0 || options->frequency > FREQUENCY_MAX) {
                reply_error(ctx, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                return false;
            }
        } else {
            reply_syntax_error(ctx);
            return false;
        }
    }
    return true;
}

/* The deadline that is asked for; ENTRY_NO_DEADLINE for 0. */
static bool restore_read_deadline(struct ctx *ctx, bool absolute, int64_t *deadline_ms)
{
    int64_t ttl_ms;

    if (!arg_i64(ctx, ctx->argv[2], &ttl_ms))
        return false;
    if (ttl_ms < 0) {
        reply_error(ctx, "ERR Invalid TTL value, must be >= 0");
        return false;
    }
    if (ttl_ms == 0)
        *deadline_ms = ENTRY_NO_DEADLINE;
    else if (absolute)
        *deadline_ms = ttl_ms;
    else if (__builtin_add_overflow(ttl_ms, ctx->now_ms, deadline_ms))
        *deadline_ms = INT64_MAX;
    return true;
}

/* The entry that the payload holds; NULL if an error was replied. */
static struct entry *restore_decode(struct ctx *ctx, int64_t deadline_ms)
{
    const uint8_t *bytes = (const uint8_t *)ctx->argv[3].data;
    size_t len = ctx->argv[3].len;
    struct rdb_in in = {.foreign = true, .limits = &ctx->engine->settings->limits};
    struct entry *entry = NULL;
    uint64_t sum = 0;
    bool empty = false;
    uint8_t tag;

    for (size_t i = 0; i < 8 && len >= FOOTER_BYTES; i++)
        sum |= (uint64_t)bytes[len - 8 + i] << 8 * i;
    if (len < FOOTER_BYTES ||
        (!ctx->engine->payloads_unchecked && crc64_bytes(0, bytes, len - 8) != sum)) {
        reply_error(ctx, "ERR DUMP payload version or checksum are wrong");
        return NULL;
    }
    in.at = bytes;
    in.end = bytes + len - FOOTER_BYTES;
    in.offset = len - FOOTER_BYTES;
    in.version = in.end[0] | in.end[1] << 8;
    in.valkey = in.version >= VALKEY_VERSION_LEAST;
    if (rdb_get_byte(&in, &tag) != 0 ||
        rdb_get_value(&in, tag, ctx->argv[1], deadline_ms, &entry, &empty) != 0 || empty ||
        in.at != in.end) {
        if (entry != NULL)
            entry_free(entry);
        entry = NULL;
        reply_error(ctx, "ERR Bad data format");
    }
    rdb_in_free(&in);
    return entry;
}

static void restore_record(struct ctx *ctx, const struct restore_options *options,
                           int64_t deadline_ms)
{
    struct slice words[6] = {SLICE("RESTORE"), ctx->argv[1]};
    int count = 4;

    words[2] = ctx_digits(ctx, deadline_ms == ENTRY_NO_DEADLINE ? 0 : deadline_ms);
    words[3] = ctx->argv[3];
    words[count++] = SLICE("ABSTTL");
    if (options->replace)
        words[count++] = SLICE("REPLACE");
    ctx_effect(ctx, count, words);
}

static void restore_set_use(struct ctx *ctx, const struct restore_options *options,
                            struct entry *entry)
{
    int policy = ctx->engine->settings->maxmemory_policy;
    bool counts_uses = policy == EVICT_ALLKEYS_LFU || policy == EVICT_VOLATILE_LFU;

    if (counts_uses && options->frequency >= 0)
        evict_set_frequency(ctx->engine, entry, (uint32_t)options->frequency);
    else if (!counts_uses && options->idle_seconds >= 0)
        evict_set_idle(ctx->engine, entry, (uint64_t)options->idle_seconds);
}

static void restore_run(struct ctx *ctx)
{
    struct restore_options options;
    struct place place;
    struct entry *entry;
    int64_t deadline_ms;

    if (!restore_read_options(ctx, &options))
        return;
    place = ctx_find(ctx, ctx->argv[1], LOOKUP_WRITE);
    if (place.entry != NULL && !options.replace) {
        reply_error(ctx, "BUSYKEY Target key name already exists.");
        return;
    }
    if (!restore_read_deadline(ctx, options.absolute, &deadline_ms))
        return;
    entry = restore_decode(ctx, deadline_ms);
    if (entry == NULL)
        return;
    if (deadline_ms != ENTRY_NO_DEADLINE && deadline_ms <= ctx->now_ms && !ctx->replay) {
        entry_free(entry);
        if (place.entry != NULL) {
            ctx_remove(ctx, &place, false);
            ctx_effect_delete(ctx, ctx->db, ctx->argv[1]);
            ctx_event(ctx, 'g', "del", ctx->db, ctx->argv[1]);
        }
        reply_ok(ctx);
        return;
    }
    ctx_put_anew(ctx, &place, entry);
    restore_set_use(ctx, &options, place.entry);
    restore_record(ctx, &options, deadline_ms);
    ctx_event(ctx, 'g', "restore", ctx->db, ctx->argv[1]);
    reply_ok(ctx);
}

static const char *const dump_tips[] = {"nondeterministic_output", NULL};
static const char *const restore_history[] = {
    "3.0.0", "The option `REPLACE`.", "5.0.0", "The option `ABSTTL`.",
    "5.0.0", "The options `IDLETIME` and `FREQ`.", NULL};

#define RESTORE_SYNTAX                                                                             \
    "key:key ttl:integer serialized-value:string [replace=REPLACE] [absttl=ABSTTL] "               \
    "[seconds:integer@IDLETIME] [frequency:integer@FREQ]"

const struct command commands_dump[] = {
    {.name = "dump",
     .run = dump_run,
     .arity = 2,
     .record = RECORD_NOTHING,
     .flags = COMMAND_READONLY,
     .categories = CATEGORY_KEYSPACE,
     .keys = KEYS_ONE(KEY_RO | KEY_ACCESS),
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) for a value of N bytes.",
     .summary = "Answers a value as bytes that `RESTORE` takes, here or at another server.",
     .syntax = "key:key",
     .tips = dump_tips},
    {.name = "restore",
     .run = restore_run,
     .arity = -4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .group = "generic",
     .since = "2.6.0",
     .complexity = "O(N) for a value of N bytes; sorted sets add O(log(M)) for each of M members.",
     .summary = "Makes a key from the bytes that `DUMP` gave.",
     .syntax = RESTORE_SYNTAX,
     .history = restore_history},
    {.name = "restore-asking",
     .run = restore_run,
     .arity = -4,
     .record = RECORD_EFFECTS,
     .flags = COMMAND_WRITE | COMMAND_DENYOOM | COMMAND_ASKING,
     .categories = CATEGORY_KEYSPACE | CATEGORY_DANGEROUS,
     .keys = KEYS_ONE(KEY_OW | KEY_UPDATE),
     .group = "server",
     .since = "3.0.0",
     .complexity = "That of RESTORE.",
     .summary = "RESTORE, as nodes of a cluster send it.",
     .syntax = RESTORE_SYNTAX,
     .history = restore_history},
    {.name = NULL},
};
