/* DEBUG's subcommands about keys: digests, how values are stored, and many keys at once. */
#include <stdio.h>

#include "core/base/num.h"
#include "core/cmd/debug.h"
#include "core/ctx.h"
#include "core/ds/quicklist.h"
#include "core/evict.h"
#include "core/record.h"
#include "core/type/digest.h"
#include "core/type/hash.h"
#include "core/type/rdb.h"
#include "core/type/rdb_value.h"
#include "core/type/set.h"
#include "core/type/value.h"
#include "core/type/zset.h"

#define POPULATE_COMMIT_KEYS 1000 /* so many are whole in the log together */
#define POPULATE_KEYS_MAX 1000000000
#define LINE_BYTES 512

static const struct entry *find(struct ctx *ctx)
{
    const struct entry *entry = ctx_find(ctx, ctx->argv[2], LOOKUP_PEEK).entry;

    if (entry == NULL)
        reply_no_such_key(ctx);
    return entry;
}

/* --- Digests ---------------------------------------------------------------------------------- */

static void reply_digest(struct ctx *ctx, const struct digest *digest)
{
    char hex[DIGEST_HEX_CHARS + 1];

    digest_hex(digest, hex);
    hex[DIGEST_HEX_CHARS] = '\0';
    reply_simple(ctx, hex);
}

struct digesting {
    struct digest sum;
    int64_t now_ms;
    int db;
};

/* What is past its deadline is gone for whoever looks, whether it was deleted yet or not. */
static void digest_entry(void *env, struct entry *entry)
{
    struct digesting *digesting = env;
    struct digest item = digest_of_value(entry);
    int64_t deadline = entry_deadline(entry);

    if (deadline != ENTRY_NO_DEADLINE && deadline <= digesting->now_ms)
        return;
    digest_append_number(&item, (uint64_t)digesting->db);
    digest_append(&item, entry_key(entry));
    if (deadline != ENTRY_NO_DEADLINE)
        digest_append_number(&item, (uint64_t)deadline);
    digest_add(&digesting->sum, &item);
}

static void digest_run(struct ctx *ctx)
{
    struct digesting digesting = {.now_ms = ctx->now_ms};

    ctx_depends_on_all(ctx);
    for (; digesting.db < keyspace_databases(ctx->keyspace); digesting.db++)
        keyspace_each(ctx->keyspace, digesting.db, digest_entry, &digesting);
    reply_digest(ctx, &digesting.sum);
}

static void digest_value_run(struct ctx *ctx)
{
    reply_array(ctx, (size_t)ctx->argc - 2);
    for (int i = 2; i < ctx->argc; i++) {
        const struct entry *entry = ctx_find(ctx, ctx->argv[i], LOOKUP_PEEK).entry;
        struct digest digest = {0};

        if (entry != NULL)
            digest = digest_of_value(entry);
        reply_digest(ctx, &digest);
    }
}

/* --- How it is stored ------------------------------------------------------------------------- */

static size_t encoded_len(const struct ctx *ctx, const struct entry *entry)
{
    struct buf bytes = {0};
    struct rdb_out out = {.buf = &bytes,
                          .version = rdb_version_of(entry),
                          .compress = ctx->engine->settings->rdb_compression};
    size_t len;

    rdb_put_value(&out, entry);
    len = bytes.len;
    buf_free(&bytes);
    return len;
}

static void object_run(struct ctx *ctx)
{
    const struct entry *entry = find(ctx);
    char line[LINE_BYTES];
    int len;

    if (entry == NULL)
        return;
    len = snprintf(line, sizeof(line),
                   "Value at:%p refcount:1 encoding:%s serializedlength:%zu lru:%u "
                   "lru_seconds_idle:%llu",
                   (const void *)entry, encoding_name(entry_encoding(entry)),
                   encoded_len(ctx, entry), entry_access(entry),
                   (unsigned long long)evict_idle_seconds(ctx->engine, entry));
    if (entry_encoding(entry) == ENCODING_QUICKLIST) {
        const struct quicklist *list = entry_value(entry);
        size_t nodes = quicklist_nodes(list);

        snprintf(line + len, sizeof(line) - (size_t)len,
                 " ql_nodes:%zu ql_avg_node:%.2f ql_listpack_max:%lld ql_compressed:%d",
                 nodes, (double)quicklist_count(list) / (double)nodes,
                 (long long)ctx->engine->settings->limits.list_node_size,
                 ctx->engine->settings->limits.list_compress_depth > 0);
    }
    reply_simple(ctx, line);
}

/* Key and value lie in one block, whose size is told for both. */
static void sdslen_run(struct ctx *ctx)
{
    const struct entry *entry = find(ctx);
    char line[LINE_BYTES];
    int64_t number;

    if (entry == NULL)
        return;
    if (entry_type(entry) != TYPE_STRING || entry_int(entry, &number)) {
        reply_error(ctx, "ERR Not an sds encoded string.");
        return;
    }
    snprintf(line, sizeof(line),
             "key_sds_len:%zu, key_sds_avail:0, key_zmalloc: %zu, val_sds_len:%zu, "
             "val_sds_avail:0, val_zmalloc: %zu",
             entry_key(entry).len, entry_memory(entry), entry_string_len(entry),
             entry_memory(entry));
    reply_simple(ctx, line);
}

static void reply_count(struct ctx *ctx, const struct entry *entry, uint64_t count)
{
    char line[LINE_BYTES];

    snprintf(line, sizeof(line), "encoding:%s elements:%llu bytes:%zu",
             encoding_name(entry_encoding(entry)), (unsigned long long)count, entry_memory(entry));
    reply_simple(ctx, line);
}

static void listpack_run(struct ctx *ctx)
{
    const struct entry *entry = find(ctx);

    if (entry == NULL)
        return;
    if (entry_encoding(entry) == ENCODING_LISTPACK)
        reply_count(ctx, entry, listpack_count(entry_value(entry)));
    else
        reply_error(ctx, "ERR Not a listpack encoded object.");
}

static void quicklist_run(struct ctx *ctx)
{
    const struct entry *entry = find(ctx);

    if (entry == NULL)
        return;
    if (entry_encoding(entry) == ENCODING_QUICKLIST)
        reply_count(ctx, entry, quicklist_count(entry_value(entry)));
    else
        reply_error(ctx, "ERR Not a quicklist encoded object.");
}

static void put_table(struct buf *out, const struct ctx *ctx, int db, bool deadlines)
{
    uint64_t count =
        deadlines ? keyspace_deadlines(ctx->keyspace, db) : keyspace_count(ctx->keyspace, db);
    size_t groups, longest;

    buf_append_text(out, deadlines ? "[Expires HT]\n" : "[Dictionary HT]\n");
    buf_append_text(out, "Hash table 0 stats (main hash table):\n");
    if (count == 0) {
        buf_append_text(out, "No stats available for empty dictionaries\n");
        return;
    }
    keyspace_figures(ctx->keyspace, db, deadlines, &groups, &longest);
    buf_printf(out,
               " table size: %zu\n number of elements: %llu\n longest group: %zu\n"
               " avg group length: %.2f\n bytes: %zu\n",
               groups, (unsigned long long)count, longest, (double)count / (double)groups,
               keyspace_overhead(ctx->keyspace, db, deadlines));
}

static void htstats_run(struct ctx *ctx)
{
    struct buf text = {0};
    int64_t db;

    if (!arg_i64(ctx, ctx->argv[2], &db))
        return;
    if (db < 0 || db >= keyspace_databases(ctx->keyspace)) {
        reply_error(ctx, "ERR Out of range database");
        return;
    }
    ctx_depends_on_all(ctx);
    put_table(&text, ctx, (int)db, false);
    put_table(&text, ctx, (int)db, true);
    reply_verbatim(ctx, buf_slice(&text), "txt");
    buf_free(&text);
}

static void htstats_key_run(struct ctx *ctx)
{
    const struct entry *entry = find(ctx);
    struct buf text = {0};
    uint64_t count;

    if (entry == NULL)
        return;
    if (entry_encoding(entry) != ENCODING_HASHTABLE && entry_encoding(entry) != ENCODING_SKIPLIST) {
        reply_error(ctx, "ERR The value stored at the specified key is not represented using an "
                         "hash table");
        return;
    }
    if (entry_type(entry) == TYPE_HASH) {
        count = hash_count(hash_of(entry));
    } else if (entry_type(entry) == TYPE_SET) {
        struct set set = set_of(entry);
        count = set_count(&set);
    } else {
        struct zset zset = zset_of(entry);
        count = zset_count(&zset);
    }
    buf_printf(&text,
               "Hash table 0 stats (main hash table):\n number of elements: %llu\n bytes: %zu\n",
               (unsigned long long)count, entry_memory(entry));
    reply_verbatim(ctx, buf_slice(&text), "txt");
    buf_free(&text);
}

/* --- Many keys -------------------------------------------------------------------------------- */

/* Read a count from an argument; false if the error was replied. */
static bool get_count(struct ctx *ctx, int index, int64_t most, int64_t *out)
{
    if (num_parse_i64(ctx->argv[index], out) && *out >= 0 && *out <= most)
        return true;
    reply_error(ctx, "ERR value is out of range, must be positive");
    return false;
}

/* value:<number>, or what `bytes` of it are, zeros behind it. */
static struct slice populate_value(char digits[static 32], int64_t number, struct slice wide)
{
    int len = snprintf(digits, 32, "value:%lld", (long long)number);

    if (wide.data == NULL)
        return (struct slice){digits, (size_t)len};
    memcpy((char *)(uintptr_t)wide.data, digits, (size_t)len < wide.len ? (size_t)len : wide.len);
    return wide;
}

static bool log_takes_writes(struct ctx *ctx)
{
    if (ctx->engine->loading) {
        reply_error(ctx, "LOADING Redis is loading the dataset in memory");
        return false;
    }
    if (journal_takes_writes(ctx->engine->journal))
        return true;
    reply_error(ctx, "MISCONF Errors writing to the AOF file: the log is not healthy");
    return false;
}

/* The keys that are there already stay. */
static void populate(struct ctx *ctx, struct slice prefix, int64_t count, struct slice wide)
{
    char *name = arena_alloc(ctx->arena, prefix.len + 32);

    for (int64_t i = 0; i < count; i++) {
        int digits = snprintf(name + prefix.len, 32, ":%lld", (long long)i);
        struct slice key = {name, prefix.len + (size_t)digits};
        struct place place;
        char text[32];

        memcpy(name, prefix.data, prefix.len);
        place = ctx_find(ctx, key, LOOKUP_PEEK);
        if (place.entry != NULL)
            continue;
        /* One effect at least is left for whoever runs the command to commit. */
        if (ctx->engine->effect_count >= POPULATE_COMMIT_KEYS && !ctx->may_not_block)
            record_commit(ctx->engine);
        struct slice words[] = {SLICE("SET"), key, populate_value(text, i, wide)};
        ctx_put_string(ctx, &place, words[2], ENTRY_NO_DEADLINE);
        ctx_effect(ctx, 3, words);
    }
}

static void populate_run(struct ctx *ctx)
{
    struct slice prefix = ctx->argc > 3 ? ctx->argv[3] : SLICE("key"), wide = {0};
    int64_t count, bytes = 0;

    if (!get_count(ctx, 2, POPULATE_KEYS_MAX, &count))
        return;
    if (ctx->argc > 4 && !get_count(ctx, 4, ctx->engine->settings->bulk_bytes_max, &bytes))
        return;
    if (!log_takes_writes(ctx))
        return;
    if (bytes > 0) {
        wide = (struct slice){arena_alloc(ctx->arena, (size_t)bytes), (size_t)bytes};
        memset((char *)(uintptr_t)wide.data, 0, wide.len);
    }
    populate(ctx, prefix, count, wide);
    reply_ok(ctx);
}

const struct debug_subcommand debug_values[] = {
    {"digest", 2, 2, digest_run, "", "A signature of all databases: equal for equal contents."},
    {"digest-value", 2, 0, digest_value_run, "<key> [<key> ...]", "Signatures of values."},
    {"htstats", 3, 3, htstats_run, "<dbid>", "Figures of a database's tables."},
    {"htstats-key", 3, 3, htstats_key_run, "<key>", "Figures of the table in a value."},
    {"listpack", 3, 3, listpack_run, "<key>", "Figures of the listpack in a value."},
    {"object", 3, 4, object_run, "<key>", "How the value is stored."},
    {"populate", 3, 5, populate_run, "<count> [<prefix>] [<size>]",
     "Make <count> strings named <prefix>:<number> (key:<number>), but for those that are there."},
    {"quicklist", 3, 4, quicklist_run, "<key>", "Figures of the quicklist in a value."},
    {"sdslen", 3, 3, sdslen_run, "<key>", "Lengths of key and value, and the bytes of both."},
    {0},
};
