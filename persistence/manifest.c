/* The manifest, read strictly and written whole.
 *
 *   line       content
 *   file ...   pairs of a key and a value: file <name> seq <n> type b|h|i, and kvid, kvseq, kvraw,
 *              kvholes of ours; keys that nobody here knows are passed over, as stock servers do
 *   # ...      a comment, to a stock server; the seal, if it begins with "# kv:v"
 *
 * As to a stock server, an empty line, a zero byte, a line that is too long and a last line without
 * its end are damage: nobody writes them.
 *
 * Who wrote it last can be told from two marks that must come together: the seal in the last line
 * and the history line that names an empty file <name>.kv. A stock server rewrites the manifest at
 * its start without either, and without our keys. So:
 *
 *   seal    history line   keys of ours   written by
 *   holds   any            any            kv
 *   none    none           none           a stock server
 *   other combinations                    nobody: the file is damaged
 *
 * The history line of ours is not kept in `files`; it is `kv_mark`, and always written.
 */
#include "persistence/manifest.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/text.h"
#include "persistence/file.h"

#define LINE_BYTES_MAX 1023 /* without its end */
#define SEAL_MARK "# kv:v"
#define SEAL_BEGIN "# kv:v1:"
#define SEAL_BYTES (sizeof(SEAL_BEGIN) - 1 + 8 + 1)
#define MARK_SUFFIX ".kv"
#define STEM_BYTES_MAX (MANIFEST_NAME_MAX - (sizeof(MARK_SUFFIX) - 1))

struct reading {
    const char *path;
    struct manifest *out;
    struct arena arena;
    struct fault *fault;
    int line;
    bool has_kv_keys;
};

void manifest_free(struct manifest *manifest)
{
    mem_free(manifest->files);
    *manifest = (struct manifest){0};
}

struct manifest_file *manifest_add(struct manifest *manifest, enum manifest_type type,
                                   const char *name, uint64_t seq)
{
    kv_assert(strlen(name) <= MANIFEST_NAME_MAX);
    if (manifest->count == manifest->cap) {
        manifest->cap = manifest->cap ? manifest->cap * 2 : 8;
        manifest->files =
            mem_realloc(manifest->files, (size_t)manifest->cap * sizeof(*manifest->files));
    }
    /* A stock server wants the base first. */
    int at = type == MANIFEST_BASE ? 0 : manifest->count;
    memmove(manifest->files + at + 1, manifest->files + at,
            (size_t)(manifest->count - at) * sizeof(*manifest->files));
    manifest->count++;
    manifest->files[at] = (struct manifest_file){.seq = seq, .type = type};
    snprintf(manifest->files[at].name, sizeof(manifest->files[at].name), "%s", name);
    return &manifest->files[at];
}

void manifest_copy(struct manifest *to, const struct manifest *from)
{
    *to = *from;
    to->cap = from->count;
    to->files = NULL;
    if (from->count > 0) {
        to->files = mem_alloc((size_t)from->count * sizeof(*to->files));
        memcpy(to->files, from->files, (size_t)from->count * sizeof(*to->files));
    }
}

const struct manifest_file *manifest_base(const struct manifest *manifest)
{
    for (int i = 0; i < manifest->count; i++)
        if (manifest->files[i].type == MANIFEST_BASE)
            return &manifest->files[i];
    return NULL;
}

const struct manifest_file *manifest_last_incr(const struct manifest *manifest)
{
    for (int i = manifest->count - 1; i >= 0; i--)
        if (manifest->files[i].type == MANIFEST_INCR)
            return &manifest->files[i];
    return NULL;
}

static int bad_line(const struct reading *reading, const char *what)
{
    return fault_set(reading->fault, KV_EFORMAT, reading->path, -1, "line %d of the manifest: %s",
                     reading->line, what);
}

static bool is_kvid(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr("0123456789abcdef", text.data[i], 16))
            return false;
    return text.len == 32;
}

/* "<from>-<to>" */
static bool read_range(struct slice text, uint64_t *from, uint64_t *to)
{
    const char *dash = memchr(text.data, '-', text.len);
    if (!dash)
        return false;
    struct slice first = {text.data, (size_t)(dash - text.data)};
    struct slice second = {dash + 1, text.len - first.len - 1};
    return num_parse_u64(first, from) && num_parse_u64(second, to) && *from <= *to;
}

static int read_name(struct reading *reading, struct slice value, struct manifest_file *file)
{
    if (value.len == 0 || value.len > MANIFEST_NAME_MAX)
        return bad_line(reading, "a file name is empty or too long");
    if (memchr(value.data, '/', value.len) || memchr(value.data, '\0', value.len) ||
        slice_equal(value, SLICE(".")) || slice_equal(value, SLICE("..")))
        return bad_line(reading, "a file name must not lead out of the directory");
    memcpy(file->name, value.data, value.len);
    file->name[value.len] = '\0';
    return 0;
}

/* One pair of a key and its value. */
static int read_pair(struct reading *reading, struct slice key, struct slice value,
                     struct manifest_file *file)
{
    if (slice_is(key, "file"))
        return read_name(reading, value, file);
    if (slice_is(key, "seq")) {
        if (!num_parse_u64(value, &file->seq) || file->seq == 0 || file->seq > INT64_MAX)
            return bad_line(reading, "seq is not a number above 0");
    } else if (slice_is(key, "type")) {
        if (value.len != 1 || !memchr("bhi", value.data[0], 3))
            return bad_line(reading, "type is none of b, h, i");
        file->type = (enum manifest_type)value.data[0];
    } else if (slice_is(key, "kvid")) {
        if (!is_kvid(value))
            return bad_line(reading, "kvid is not 32 hex digits");
        memcpy(file->kvid, value.data, value.len);
    } else if (slice_is(key, "kvseq")) {
        if (!num_parse_u64(value, &file->kvseq) || file->kvseq > INT64_MAX)
            return bad_line(reading, "kvseq is not a number");
    } else if (slice_is(key, "kvraw")) {
        if (!read_range(value, &file->raw_from, &file->raw_to))
            return bad_line(reading, "kvraw is not <from>-<to>");
        file->raw = true;
    } else if (slice_is(key, "kvholes")) {
        file->holes = true;
    } else {
        return 0;
    }
    reading->has_kv_keys |= key.len > 2 && slice_is((struct slice){key.data, 2}, "kv");
    return 0;
}

static bool is_kv_mark(const struct manifest_file *file)
{
    size_t len = strlen(file->name);
    return file->type == MANIFEST_HISTORY && len >= sizeof(MARK_SUFFIX) - 1 &&
           strcmp(file->name + len - (sizeof(MARK_SUFFIX) - 1), MARK_SUFFIX) == 0;
}

static int add_read(struct reading *reading, const struct manifest_file *file)
{
    struct manifest *out = reading->out;
    for (int i = 0; i < out->count; i++) {
        const struct manifest_file *other = &out->files[i];
        if (strcmp(other->name, file->name) == 0)
            return bad_line(reading, "names a file for the second time");
        if (file->type != other->type || file->type == MANIFEST_HISTORY)
            continue;
        if (file->type == MANIFEST_BASE)
            return bad_line(reading, "names a second base");
        if (file->seq <= other->seq)
            return bad_line(reading, "seq is not above that of the incr file before");
    }
    if (out->count >= MANIFEST_FILES_MAX)
        return bad_line(reading, "more files than anybody writes");
    if (is_kv_mark(file))
        out->kv_mark = true;
    else
        *manifest_add(out, file->type, file->name, file->seq) = *file;
    return 0;
}

static int read_line(struct reading *reading, struct slice line)
{
    struct manifest_file file = {0};
    struct slice *words;
    if (line.len > 0 && line.data[line.len - 1] == '\r')
        line.len--;
    if (line.len == 0)
        return bad_line(reading, "is empty");
    if (line.data[0] == '#')
        return 0;
    int count = text_split(&reading->arena, line, &words);
    if (count < 6 || count % 2 != 0)
        return bad_line(reading, "is not `file <name> seq <number> type <letter>`");
    for (int i = 0; i < count; i += 2) {
        for (int j = 0; j < i; j += 2)
            if (slice_equal(words[i], words[j]))
                return bad_line(reading, "has a key twice");
        int status = read_pair(reading, words[i], words[i + 1], &file);
        if (status < 0)
            return status;
    }
    if (file.name[0] == '\0' || file.seq == 0 || file.type == 0)
        return bad_line(reading, "file, seq or type is missing");
    return add_read(reading, &file);
}

/* Look for the seal and check it; cut it off `text`. */
static int take_seal(struct reading *reading, struct slice *text)
{
    struct slice all = *text;
    size_t at = 0;
    while (at < all.len) {
        const char *end = memchr(all.data + at, '\n', all.len - at);
        size_t next = end ? (size_t)(end - all.data) + 1 : all.len;
        if (next - at >= sizeof(SEAL_MARK) - 1 &&
            memcmp(all.data + at, SEAL_MARK, sizeof(SEAL_MARK) - 1) == 0)
            break;
        at = next;
    }
    if (at == all.len)
        return 0;
    if (all.len - at > 6 && all.data[at + 6] > '1' && all.data[at + 6] <= '9')
        return fault_set(reading->fault, KV_EVERSION, reading->path, (int64_t)at,
                         "the manifest was written by a newer kv");
    char seal[SEAL_BYTES + 1];
    snprintf(seal, sizeof(seal), SEAL_BEGIN "%08x\n", crc32_bytes(0, all.data, at));
    if (!slice_equal((struct slice){all.data + at, all.len - at}, slice_of(seal)))
        return fault_set(reading->fault, KV_ECORRUPT, reading->path, (int64_t)at,
                         "the seal of the manifest does not hold: the file is damaged or was "
                         "edited");
    reading->out->sealed = true;
    text->len = at;
    return 0;
}

static int read_all(struct reading *reading, struct slice text)
{
    if (text.len > MANIFEST_BYTES_MAX)
        return fault_set(reading->fault, KV_ELIMIT, reading->path, -1,
                         "a manifest of %zu bytes is none", text.len);
    int status = take_seal(reading, &text);
    if (status < 0)
        return status;
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        struct slice line = {text.data, end ? (size_t)(end - text.data) : text.len};
        reading->line++;
        if (line.len > LINE_BYTES_MAX)
            return bad_line(reading, "is too long");
        if (!end)
            return bad_line(reading, "has no end: the file was cut");
        if (memchr(line.data, '\0', line.len))
            return bad_line(reading, "has a zero byte");
        status = read_line(reading, line);
        if (status < 0)
            return status;
        text.data += line.len + 1;
        text.len -= line.len + 1;
    }
    const struct manifest *out = reading->out;
    if (!out->sealed && (out->kv_mark || reading->has_kv_keys))
        return fault_set(reading->fault, KV_ECORRUPT, reading->path, -1,
                         "the manifest was written by kv, but its seal is missing: the file is "
                         "damaged or was edited");
    if (!out->sealed && out->count == 0)
        return fault_set(reading->fault, KV_EFORMAT, reading->path, -1,
                         "the manifest names no file");
    return 0;
}

int manifest_parse(struct slice text, const char *path, struct manifest *out, struct fault *fault)
{
    struct reading reading = {.path = path, .out = out, .fault = fault};
    *out = (struct manifest){0};
    int status = read_all(&reading, text);
    arena_free(&reading.arena);
    if (status < 0)
        manifest_free(out);
    return status;
}

/* What stands before ".<number>." in a name, or all of it; cut where the suffix must still fit. */
static struct slice stem(const struct manifest *manifest)
{
    const struct manifest_file *file = manifest_last_incr(manifest);
    if (!file && manifest->count > 0)
        file = &manifest->files[0];
    if (!file)
        return SLICE("appendonly.aof");
    char middle[NUM_I64_MAX_CHARS + 3];
    snprintf(middle, sizeof(middle), ".%llu.", (unsigned long long)file->seq);
    const char *at = strstr(file->name, middle);
    size_t len = at ? (size_t)(at - file->name) : strlen(file->name);
    return (struct slice){file->name, len < STEM_BYTES_MAX ? len : STEM_BYTES_MAX};
}

static void put_name(struct buf *out, struct slice name)
{
    bool plain = true;
    for (size_t i = 0; i < name.len; i++)
        plain &= name.data[i] > ' ' && name.data[i] < 127 && !strchr("\"'\\", name.data[i]);
    if (plain) {
        buf_append_slice(out, name);
        return;
    }
    struct arena arena = {0};
    buf_append_slice(out, text_quote(&arena, name));
    arena_free(&arena);
}

static void put_file(struct buf *out, const struct manifest_file *file)
{
    buf_append_text(out, "file ");
    put_name(out, slice_of(file->name));
    buf_printf(out, " seq %llu type %c", (unsigned long long)file->seq, (char)file->type);
}

void manifest_format_stock(const struct manifest *manifest, struct buf *out)
{
    for (int i = 0; i < manifest->count; i++) {
        put_file(out, &manifest->files[i]);
        buf_append_char(out, '\n');
    }
}

void manifest_format(const struct manifest *manifest, struct buf *out)
{
    size_t begin = out->len;
    struct manifest_file mark = {.seq = 1, .type = MANIFEST_HISTORY};
    struct slice name = stem(manifest);
    snprintf(mark.name, sizeof(mark.name), "%.*s" MARK_SUFFIX, (int)name.len, name.data);
    put_file(out, &mark);
    buf_append_char(out, '\n');
    for (int i = 0; i < manifest->count; i++) {
        const struct manifest_file *file = &manifest->files[i];
        put_file(out, file);
        if (file->kvid[0])
            buf_printf(out, " kvid %s kvseq %llu", file->kvid, (unsigned long long)file->kvseq);
        if (file->raw)
            buf_printf(out, " kvraw %llu-%llu", (unsigned long long)file->raw_from,
                       (unsigned long long)file->raw_to);
        if (file->holes)
            buf_append(out, " kvholes 1", 10);
        buf_append_char(out, '\n');
    }
    buf_printf(out, SEAL_BEGIN "%08x\n", crc32_bytes(0, out->data + begin, out->len - begin));
}

int manifest_load(const struct disk *disk, const char *path, struct manifest *out,
                  struct fault *fault)
{
    struct buf text = {0};
    int status = file_read_all(disk, path, MANIFEST_BYTES_MAX, &text, fault);
    if (status == 0)
        status = manifest_parse(buf_slice(&text), path, out, fault);
    buf_free(&text);
    return status;
}

/* The empty file that a stock server is to delete. Its entry in the directory becomes durable with
 * the manifest's. */
static int make_mark(const struct disk *disk, const char *path, const struct manifest *manifest,
                     struct fault *fault)
{
    const char *slash = strrchr(path, '/');
    struct slice name = stem(manifest);
    struct buf mark = {0};
    buf_append(&mark, path, slash ? (size_t)(slash - path) + 1 : 0);
    buf_append_slice(&mark, name);
    buf_append(&mark, MARK_SUFFIX, sizeof(MARK_SUFFIX));
    int status = disk->exists(disk->self, mark.data);
    if (status == 0) {
        int fd = disk->open(disk->self, mark.data, O_WRONLY | O_CREAT, 0644);
        status = fd < 0 ? fd : disk->close(disk->self, fd);
    }
    if (status < 0)
        status = fault_status(fault, status, mark.data, -1, "create");
    buf_free(&mark);
    return status < 0 ? status : 0;
}

int manifest_store(const struct disk *disk, const char *path, const struct manifest *manifest,
                   bool *renamed, struct fault *fault)
{
    struct buf text = {0};
    *renamed = false;
    int status = make_mark(disk, path, manifest, fault);
    if (status == 0) {
        manifest_format(manifest, &text);
        status = file_replace(disk, path, buf_slice(&text), renamed, fault);
    }
    buf_free(&text);
    return status;
}
