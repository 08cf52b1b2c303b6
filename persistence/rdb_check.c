/* What kv-check-rdb does: read the file as the server does (rdb_load.c), with all checksums, count
 * what it holds, and say so; in words that users of redis-check-rdb know where it has any, since
 * scripts look for them: "[offset 0] Checking RDB file", "\o/ RDB looks OK! \o/", "--- RDB ERROR
 * DETECTED ---", "[info] 3 keys read".
 *
 * A file whose index can't be used is not good, though it loads: all its data was read and checked
 * as one stream, and --to-rdb saves it. */
#include "persistence/rdb_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/type/entry.h"
#include "core/type/value.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/rdb_source.h"

#define DATABASES_MAX 1024 /* those above are counted together */
#define BIGGEST_MAX 10
#define KEY_BYTES_SHOWN 200
#define FLUSH_BYTES (64 * 1024)

struct count {
    uint64_t keys, expiring, bytes;
};

struct big_key {
    struct buf key;
    int db;
    enum value_type type;
    enum value_encoding encoding;
    size_t bytes;
};

struct rdb_check {
    const struct rdb_check_options *options;
    struct buf out;
    uint64_t size;
    uint64_t expired, functions, listed;
    struct count databases[DATABASES_MAX + 1];
    struct count kinds[TYPE_COUNT][ENCODING_COUNT];
    struct big_key biggest[BIGGEST_MAX]; /* the biggest first */
    struct rdb_found found;
    struct fault fault;
    bool good;
};

/* --- Text ----------------------------------------------------------------------------------- */

static void flush(struct rdb_check *check)
{
    if (check->out.len > 0)
        check->options->print(check->options->env, buf_slice(&check->out));
    buf_clear(&check->out);
}

static void put_text(struct buf *out, struct slice text, size_t most, const char *quote)
{
    buf_append_text(out, quote);
    for (size_t i = 0; i < text.len && i < most; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            buf_printf(out, *quote ? "\\u%04x" : "\\x%02x", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_text(out, quote);
}

static void put_json(struct buf *out, const char *text)
{
    put_text(out, slice_of(text), SIZE_MAX, "\"");
}

/* --- Counting ------------------------------------------------------------------------------- */

static void add(struct count *count, size_t bytes, bool expires)
{
    count->keys++;
    count->expiring += expires;
    count->bytes += bytes;
}

/* Of two of a size the one that sorts first is the bigger one: keys come in any order. */
static bool is_bigger(const struct entry *entry, size_t bytes, const struct big_key *key)
{
    if (bytes != key->bytes)
        return bytes > key->bytes;
    return slice_compare(entry_key(entry), buf_slice(&key->key)) < 0;
}

static void keep_if_big(struct rdb_check *check, int db, const struct entry *entry, size_t bytes)
{
    struct big_key *biggest = check->biggest, key = biggest[BIGGEST_MAX - 1];
    int at = BIGGEST_MAX - 1;
    if (!is_bigger(entry, bytes, &key))
        return;
    buf_clear(&key.key);
    buf_append_slice(&key.key, entry_key(entry));
    key.db = db;
    key.type = entry_type(entry);
    key.encoding = entry_encoding(entry);
    key.bytes = bytes;
    for (; at > 0 && is_bigger(entry, bytes, &biggest[at - 1]); at--)
        biggest[at] = biggest[at - 1];
    biggest[at] = key;
}

static void list_key(struct rdb_check *check, int db, const struct entry *entry, size_t bytes)
{
    struct buf *out = &check->out;
    const char *type = type_name(entry_type(entry)), *encoding =
        encoding_name(entry_encoding(entry));
    int64_t deadline = entry_deadline(entry);
    bool expires = deadline != ENTRY_NO_DEADLINE;
    if (check->options->json) {
        buf_printf(out, "%s{\"db\":%d,\"type\":\"%s\",\"encoding\":\"%s\",\"bytes\":%zu",
                   check->listed > 0 ? "," : "", db, type, encoding, bytes);
        if (expires)
            buf_printf(out, ",\"expires_ms\":%" PRId64, deadline);
        buf_append_text(out, ",\"key\":");
        put_text(out, entry_key(entry), SIZE_MAX, "\"");
        buf_append_char(out, '}');
    } else {
        buf_printf(out, "db%d %s %s %zu bytes", db, type, encoding, bytes);
        if (expires)
            buf_printf(out, " expires %" PRId64, deadline);
        buf_append_char(out, ' ');
        put_text(out, entry_key(entry), KEY_BYTES_SHOWN, "");
        buf_append_char(out, '\n');
    }
    check->listed++;
    if (out->len >= FLUSH_BYTES)
        flush(check);
}

static int put(void *env, int db, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    struct rdb_check *check = env;
    size_t bytes = entry_memory(entry);
    int64_t deadline = entry_deadline(entry);
    bool expires = deadline != ENTRY_NO_DEADLINE;
    add(&check->databases[db < DATABASES_MAX ? db : DATABASES_MAX], bytes, expires);
    add(&check->kinds[entry_type(entry)][entry_encoding(entry)], bytes, expires);
    check->expired += expires && deadline < check->options->now_ms;
    keep_if_big(check, db, entry, bytes);
    if (check->options->keys)
        list_key(check, db, entry, bytes);
    entry_free(entry);
    return 0;
}

static int count_function(void *env, struct slice code unused, struct fault *fault unused)
{
    struct rdb_check *check = env;
    check->functions++;
    return 0;
}

static void show_progress(void *env, uint64_t bytes, uint64_t keys unused)
{
    struct rdb_check *check = env;
    if (check->options->progress)
        check->options->progress(check->options->env, bytes, check->size);
}

/* --- Lines ---------------------------------------------------------------------------------- */

static void say_file(struct rdb_check *check)
{
    const struct rdb_found *found = &check->found;
    struct buf *out = &check->out;
    if (found->server[0])
        buf_printf(out, "[info] written by server version %s, RDB version %d\n", found->server,
                   found->version);
    if (found->packed)
        buf_printf(out, "[info] LZ4: %" PRIu64 " bytes for an RDB of %" PRIu64 " bytes\n",
                   check->size, found->raw_bytes);
    if (found->parts > 0)
        buf_printf(out, "[info] %" PRIu64 " frames, each with its checksum, and an index\n",
                   found->parts);
    if (found->kvid[0])
        buf_printf(out, "[info] kvid %s, seq %" PRIu64 "\n", found->kvid, found->kvseq);
}

static void say_counts(struct rdb_check *check)
{
    struct buf *out = &check->out;
    buf_printf(out, "[info] %" PRIu64 " keys read\n", check->found.keys);
    buf_printf(out, "[info] %" PRIu64 " expires\n", check->found.expiring);
    buf_printf(out, "[info] %" PRIu64 " already expired\n", check->expired);
    if (check->functions > 0)
        buf_printf(out, "[info] %" PRIu64 " libraries of functions\n", check->functions);
    for (int db = 0; db <= DATABASES_MAX; db++) {
        const struct count *count = &check->databases[db];
        if (count->keys > 0)
            buf_printf(out,
                       "[db%s%d] %" PRIu64 " keys, %" PRIu64 " expire, %" PRIu64
                       " bytes in memory\n",
                       db == DATABASES_MAX ? " from " : "", db, count->keys, count->expiring,
                       count->bytes);
    }
    for (int type = 0; type < TYPE_COUNT; type++) {
        for (int encoding = 0; encoding < ENCODING_COUNT; encoding++) {
            const struct count *count = &check->kinds[type][encoding];
            if (count->keys > 0)
                buf_printf(out,
                           "[%s %s] %" PRIu64 " keys, %" PRIu64 " expire, %" PRIu64
                           " bytes in memory\n",
                           type_name(type), encoding_name(encoding), count->keys, count->expiring,
                           count->bytes);
        }
    }
    for (int i = 0; i < BIGGEST_MAX && check->biggest[i].bytes > 0; i++) {
        const struct big_key *big = &check->biggest[i];
        buf_printf(out, "[biggest %d] db%d %s %s %zu bytes ", i + 1, big->db,
                   type_name(big->type), encoding_name(big->encoding), big->bytes);
        put_text(out, buf_slice(&big->key), KEY_BYTES_SHOWN, "");
        buf_append_char(out, '\n');
    }
}

static void say(struct rdb_check *check, int status)
{
    struct buf *out = &check->out;
    const struct rdb_found *found = &check->found;
    if (status < 0) {
        buf_append_text(out, "--- RDB ERROR DETECTED ---\n");
        buf_printf(out, "[offset %" PRId64 "] %s\n", check->fault.offset, check->fault.text);
        say_file(check);
        say_counts(check);
        return;
    }
    say_file(check);
    if (found->checked)
        buf_printf(out, "[offset %" PRIu64 "] Checksum OK\n", found->end);
    else
        buf_printf(out, "[offset %" PRIu64 "] RDB file was saved with checksum disabled: no check "
                   "performed.\n", found->end);
    if (check->good)
        buf_printf(out, "[offset %" PRIu64 "] \\o/ RDB looks OK! \\o/\n", found->end);
    else
        buf_printf(out,
                   "[warning] the data is whole, but %s: --to-rdb makes a good file of it\n",
                   found->problem);
    if (found->end < check->size)
        buf_printf(out,
                   "[info] %" PRIu64 " bytes behind the snapshot were not looked at (a log?)\n",
                   check->size - found->end);
    say_counts(check);
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void put_count(struct buf *out, const struct count *count)
{
    buf_printf(out, "\"keys\":%" PRIu64 ",\"expires\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
               count->keys, count->expiring, count->bytes);
}

static void put_counts(struct rdb_check *check)
{
    struct buf *out = &check->out;
    const char *comma = "";
    buf_append_text(out, ",\"databases\":[");
    for (int db = 0; db <= DATABASES_MAX; db++) {
        if (check->databases[db].keys == 0)
            continue;
        buf_printf(out, "%s{\"db\":%d,", comma, db);
        put_count(out, &check->databases[db]);
        comma = ",";
    }
    buf_append_text(out, "],\"types\":[");
    comma = "";
    for (int type = 0; type < TYPE_COUNT; type++) {
        for (int encoding = 0; encoding < ENCODING_COUNT; encoding++) {
            if (check->kinds[type][encoding].keys == 0)
                continue;
            buf_printf(out, "%s{\"type\":\"%s\",\"encoding\":\"%s\",", comma, type_name(type),
                       encoding_name(encoding));
            put_count(out, &check->kinds[type][encoding]);
            comma = ",";
        }
    }
    buf_append_text(out, "],\"biggest\":[");
    for (int i = 0; i < BIGGEST_MAX && check->biggest[i].bytes > 0; i++) {
        const struct big_key *big = &check->biggest[i];
        buf_printf(out, "%s{\"db\":%d,\"type\":\"%s\",\"encoding\":\"%s\",\"bytes\":%zu,\"key\":",
                   i > 0 ? "," : "", big->db, type_name(big->type), encoding_name(big->encoding),
                   big->bytes);
        put_text(out, buf_slice(&big->key), SIZE_MAX, "\"");
        buf_append_char(out, '}');
    }
    buf_append_text(out, "]");
}

static void put_object(struct rdb_check *check, int status)
{
    const struct rdb_found *found = &check->found;
    struct buf *out = &check->out;
    buf_append_text(out, check->options->keys ? "],\"path\":" : "{\"path\":");
    put_json(out, check->options->path);
    buf_printf(out, ",\"valid\":%s,\"bytes\":%" PRIu64 ",\"end\":%" PRIu64,
               check->good ? "true" : "false", check->size, found->end);
    if (status < 0) {
        buf_printf(out, ",\"offset\":%" PRId64 ",\"error\":", check->fault.offset);
        put_json(out, check->fault.text);
    }
    if (found->problem[0]) {
        buf_append_text(out, ",\"warning\":");
        put_json(out, found->problem);
    }
    buf_printf(out, ",\"lz4\":%s,\"rdb_bytes\":%" PRIu64 ",\"frames\":%" PRIu64,
               found->packed ? "true" : "false", found->raw_bytes > 0 ? found->raw_bytes :
               found->end, found->parts);
    buf_printf(out, ",\"rdb_version\":%d,\"checksum\":%s,\"server\":", found->version,
               found->checked ? "true" : "false");
    put_json(out, found->server);
    buf_append_text(out, ",\"kvid\":");
    put_json(out, found->kvid);
    buf_printf(out, ",\"kvseq\":%" PRIu64 ",\"created\":%" PRId64 ",\"keys_read\":%" PRIu64
               ",\"expires\":%" PRIu64 ",\"already_expired\":%" PRIu64 ",\"functions\":%" PRIu64,
               found->kvseq, found->created, found->keys, found->expiring, check->expired,
               check->functions);
    put_counts(check);
    buf_append_text(out, "}\n");
}

/* --- All of it ------------------------------------------------------------------------------ */

static int make_rdb(struct rdb_check *check)
{
    const struct rdb_check_options *options = check->options;
    const struct rdb_found *found = &check->found;
    char line[2048];
    int status = rdb_source_copy(options->disk, options->path, found->packed,
                                 found->packed ? found->raw_bytes : found->end, options->to_rdb,
                                 &check->fault);
    if (status < 0)
        options->complain(options->env, fault_line(&check->fault, line, sizeof(line)));
    else if (!options->json)
        buf_printf(&check->out, "[info] %s is a stock RDB of it\n", options->to_rdb);
    return status;
}

static uint64_t size_of(const struct disk *disk, const char *path)
{
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    int64_t size = fd < 0 ? 0 : disk->size(disk->self, fd);
    if (fd >= 0)
        disk->close(disk->self, fd);
    return size > 0 ? (uint64_t)size : 0;
}

static int run(struct rdb_check *check)
{
    const struct rdb_check_options *options = check->options;
    const struct rdb_load load = {.disk = options->disk,
                                  .path = options->path,
                                  .env = check,
                                  .put = put,
                                  .function = count_function,
                                  .sum_all = true,
                                  .progress = show_progress};
    char line[2048];
    if (!options->json)
        buf_printf(&check->out, "[offset 0] Checking RDB file %s\n", options->path);
    else if (options->keys)
        buf_append_text(&check->out, "{\"keys\":[");
    flush(check);
    check->size = size_of(options->disk, options->path);
    int status = rdb_load(&load, &check->found, &check->fault);
    check->good = status == 0 && !check->found.problem[0];
    if (options->json)
        put_object(check, status);
    else
        say(check, status);
    flush(check);
    if (status < 0)
        options->complain(options->env, fault_line(&check->fault, line, sizeof(line)));
    if (status == 0 && options->to_rdb)
        status = make_rdb(check);
    flush(check);
    return status;
}

int rdb_check_run(const struct rdb_check_options *options)
{
    struct rdb_check check = {.options = options, .fault = {.offset = -1}};
    int status = run(&check);
    for (int i = 0; i < BIGGEST_MAX; i++)
        buf_free(&check.biggest[i].key);
    buf_free(&check.out);
    return status == 0 && check.good ? 0 : 1;
}
