/* The streaming reader of one log file.
 *
 * A batch is judged before any of it is used, and it may be larger than memory. So it is read
 * twice: reader_next walks over it and finds out whether it is good, reader_each hands out its
 * commands. The second reading comes out of the kernel's page cache, most often out of our own
 * window.
 *
 * The walk finds the trailer by grammar, not by looking for its text: commands are passed over by
 * the lengths they announce, so what a client put into a value is never looked at. Where lengths
 * are damaged the walk ends nowhere good, and the search for evidence (verdict.c) takes over.
 *
 *   position     bytes                 seen as
 *   start        #KVF... line          header; its bytes belong to the crc of the first batch
 *   in a batch   #TS:... or other #    a line of at most 1,023 bytes, passed over
 *                *<n> $<len> ...       a command; its bytes count for the sequence
 *                #KVC... line          the trailer: the batch ends here
 *
 * The grammar is stricter than a socket's: canonical numbers, \r\n everywhere, at least one
 * argument. Nothing that writes logs writes anything else.
 *
 * Invariants: `at`, `batch`, `seq`, `crc` and `seed` move only when a batch was found good, and
 * together. A length from the file is compared with what is left of the file before it is used.
 */
#include "persistence/reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/resp.h"
#include "persistence/file.h"

#define WINDOW_BYTES (256 * 1024)
#define WINDOW_KEPT (4 * 1024 * 1024) /* a window that grew beyond is given back */
#define LINE_ROOM 24                  /* a number's line with its type and \r\n */
#define NAME_ROOM 16
#define GATHER_MAX 16
#define FILLER_LOOK_BYTES 4096 /* of the end of a file that most often has none */
#define TRAILER_BEGIN "#KVC:"
#define ORIGIN_BEGIN "#KVR:"

/* A place in the window that moves forward. What it passes is added to `crc`, late: when the window
 * moves, or at a trailer. */
struct cursor {
    struct reader *reader;
    const char *at, *end;
    uint64_t limit; /* no byte of the file behind this is read */
    const char *crc_from;
    uint32_t crc;
    bool with_crc;
    struct fault *fault;
};

/* What a command is, as far as the walk cares. */
enum kind { KIND_OTHER, KIND_MULTI, KIND_EXEC };

static int call_failed(struct fault *fault, const struct reader *reader, int64_t status,
                       uint64_t offset, const char *doing)
{
    return fault_status(fault, status, reader->path, (int64_t)offset, doing);
}

static int bad(struct reader *reader, enum reader_why why, uint64_t at)
{
    reader->why = why;
    reader->bad_at = at;
    return READER_BAD;
}

static uint64_t position(const struct cursor *cursor)
{
    return cursor->reader->window_at + (uint64_t)(cursor->at - cursor->reader->window);
}

/* Fill the window with at least `want` bytes from `offset`, if the file has them. */
static int fill(struct reader *reader, uint64_t offset, size_t want, struct fault *fault)
{
    uint64_t end = reader->window_at + reader->window_len;
    size_t kept = 0;
    if (offset >= reader->window_at && offset < end) {
        if (offset + want <= end || end >= reader->size)
            return 0;
        size_t skip = (size_t)(offset - reader->window_at);
        kept = reader->window_len - skip;
        memmove(reader->window, reader->window + skip, kept);
    }
    reader->window_at = offset;
    reader->window_len = kept;
    if (want > reader->window_cap) {
        size_t cap = reader->window_cap * 2;
        reader->window_cap = want > cap ? want : cap;
        reader->window = mem_realloc(reader->window, reader->window_cap);
    } else if (reader->window_cap > WINDOW_KEPT && want < WINDOW_BYTES && kept < WINDOW_BYTES) {
        reader->window_cap = WINDOW_BYTES;
        reader->window = mem_realloc(reader->window, reader->window_cap);
    }
    while (reader->window_len < want && offset + reader->window_len < reader->size) {
        ssize_t got = reader->disk->pread(
            reader->disk->self, reader->fd, reader->window + reader->window_len,
            reader->window_cap - reader->window_len, (off_t)(offset + reader->window_len));
        if (got < 0)
            return call_failed(fault, reader, got, offset + reader->window_len, "read");
        if (got == 0)
            return fault_set(fault, KV_EIO, reader->path, (int64_t)(offset + reader->window_len),
                             "read: the file became shorter while it was read");
        reader->window_len += (size_t)got;
    }
    if (offset + reader->window_len > reader->size)
        reader->window_len = offset < reader->size ? (size_t)(reader->size - offset) : 0;
    return 0;
}

int reader_view(struct reader *reader, uint64_t offset, size_t want, struct slice *out,
                struct fault *fault)
{
    uint64_t end = reader->window_at + reader->window_len;
    if (offset < reader->window_at || offset + want > end) {
        int status = fill(reader, offset, want, fault);
        if (status < 0)
            return status;
        end = reader->window_at + reader->window_len;
    }
    size_t len = (size_t)(end - offset);
    *out = (struct slice){reader->window + (offset - reader->window_at), len < want ? len : want};
    return 0;
}

static void cursor_add_crc(struct cursor *cursor, const char *to)
{
    if (cursor->with_crc)
        cursor->crc = crc32_bytes(cursor->crc, cursor->crc_from, (size_t)(to - cursor->crc_from));
    cursor->crc_from = to;
}

static void cursor_place(struct cursor *cursor, uint64_t offset)
{
    const struct reader *reader = cursor->reader;
    uint64_t end = reader->window_at + reader->window_len;
    cursor->at = reader->window + (offset - reader->window_at);
    cursor->end =
        reader->window + (((end < cursor->limit) ? end : cursor->limit) - reader->window_at);
    cursor->crc_from = cursor->at;
}

/* Have `want` bytes at the cursor, or all there are before the limit. */
static int refill(struct cursor *cursor, size_t want)
{
    uint64_t offset = position(cursor);
    cursor_add_crc(cursor, cursor->at);
    int status = fill(cursor->reader, offset, want, cursor->fault);
    cursor_place(cursor, offset);
    return status;
}

static inline int need(struct cursor *cursor, size_t want)
{
    return likely((size_t)(cursor->end - cursor->at) >= want) ? 0 : refill(cursor, want);
}

static int cursor_begin(struct cursor *cursor, struct reader *reader, uint64_t from, uint64_t limit,
                        struct fault *fault)
{
    *cursor = (struct cursor){.reader = reader, .limit = limit, .fault = fault};
    if (from < reader->window_at || from > reader->window_at + reader->window_len) {
        int status = fill(reader, from, from < limit ? 1 : 0, fault);
        if (status < 0)
            return status;
    }
    cursor_place(cursor, from);
    return 0;
}

/* Pass a line of a type byte, a number and \r\n. */
static inline int number_line(struct cursor *cursor, char type, uint64_t *out)
{
    int status = need(cursor, LINE_ROOM);
    if (unlikely(status < 0))
        return status;
    const char *digits = cursor->at + 1, *at = digits, *end = cursor->end;
    uint64_t value = 0;
    if (unlikely(cursor->at == end))
        return bad(cursor->reader, READER_CUT, cursor->limit);
    if (unlikely(*cursor->at != type))
        return bad(cursor->reader, *cursor->at ? READER_GRAMMAR : READER_ZEROS, position(cursor));
    while (at < end && (unsigned char)(*at - '0') <= 9 && at - digits < 19)
        value = value * 10 + (uint64_t)(*at++ - '0');
    if (unlikely(end - at < 2)) {
        if (at == end || *at == '\r')
            return bad(cursor->reader, READER_CUT, cursor->limit);
        return bad(cursor->reader, READER_GRAMMAR, position(cursor));
    }
    if (unlikely(at == digits || at[0] != '\r' || at[1] != '\n' ||
                 (*digits == '0' && at - digits > 1)))
        return bad(cursor->reader, READER_GRAMMAR, position(cursor));
    cursor->at = at + 2;
    *out = value;
    return 0;
}

/* Pass `len` bytes of an argument and its \r\n; the caller knows that the limit is behind them. */
static int pass_bytes(struct cursor *cursor, uint64_t len)
{
    while (unlikely((uint64_t)(cursor->end - cursor->at) < len)) {
        len -= (uint64_t)(cursor->end - cursor->at);
        cursor->at = cursor->end;
        int status = refill(cursor, 1);
        if (status < 0)
            return status;
    }
    cursor->at += len;
    int status = need(cursor, 2);
    if (unlikely(status < 0))
        return status;
    if (unlikely(cursor->at[0] != '\r' || cursor->at[1] != '\n'))
        return bad(cursor->reader, cursor->at[0] ? READER_GRAMMAR : READER_ZEROS, position(cursor));
    cursor->at += 2;
    return 0;
}

static enum kind kind_of(const char *name, size_t len)
{
    if (len == 5 && slice_is((struct slice){name, len}, "multi"))
        return KIND_MULTI;
    if (len == 4 && slice_is((struct slice){name, len}, "exec"))
        return KIND_EXEC;
    return KIND_OTHER;
}

/* Pass a command. */
static int pass_command(struct cursor *cursor, enum kind *kind)
{
    uint64_t args, len;
    int status = number_line(cursor, '*', &args);
    *kind = KIND_OTHER;
    if (unlikely(status != 0))
        return status;
    if (unlikely(args == 0 || args > RESP_ARGS_MAX))
        return bad(cursor->reader, READER_GRAMMAR, position(cursor));
    for (uint64_t i = 0; i < args; i++) {
        status = number_line(cursor, '$', &len);
        if (unlikely(status != 0))
            return status;
        uint64_t left = cursor->limit - position(cursor);
        if (unlikely(left < 2 || len > left - 2))
            return bad(cursor->reader, READER_CUT, cursor->limit);
        if (args == 1) {
            status = need(cursor, NAME_ROOM);
            if (status < 0)
                return status;
            *kind = kind_of(cursor->at, len);
        }
        status = pass_bytes(cursor, len);
        if (unlikely(status != 0))
            return status;
    }
    return 0;
}

/* Find the end of the # line at the cursor; it is not passed. */
static int find_line(struct cursor *cursor, struct slice *line)
{
    int status = need(cursor, FORMAT_ANNOTATION_MAX + 1);
    if (status < 0)
        return status;
    size_t len = (size_t)(cursor->end - cursor->at);
    size_t max = len < FORMAT_ANNOTATION_MAX + 1 ? len : FORMAT_ANNOTATION_MAX + 1;
    const char *end = memchr(cursor->at, '\n', max);
    if (!end && max == FORMAT_ANNOTATION_MAX + 1)
        return bad(cursor->reader, READER_GRAMMAR, position(cursor));
    if (!end)
        return bad(cursor->reader, memchr(cursor->at, 0, max) ? READER_ZEROS : READER_CUT,
                   position(cursor));
    *line = (struct slice){cursor->at, (size_t)(end - cursor->at) + 1};
    return 0;
}

static bool begins_with(struct slice line, const char *begin)
{
    size_t len = strlen(begin);
    return line.len > len && memcmp(line.data, begin, len) == 0;
}

static bool is_trailer(struct slice line)
{
    return begins_with(line, TRAILER_BEGIN);
}

static void pass_annotation(struct cursor *cursor, struct slice line, struct reader_batch *out)
{
    int64_t time;
    if (format_get_timestamp(line, &time))
        out->time = time;
    out->has_mark |= is_trailer(line);
    out->origin |= begins_with(line, ORIGIN_BEGIN);
    cursor->at += line.len;
}

/* The trailer at the cursor: is it that of the batch which began at reader->at? */
static int judge(struct cursor *cursor, struct slice line, struct reader_batch *out)
{
    struct reader *reader = cursor->reader;
    struct format_trailer *trailer = &out->trailer;
    uint64_t at = position(cursor);
    size_t digits;
    if (!format_get_trailer(line, trailer, &digits))
        return bad(reader, READER_TRAILER, at);
    if (trailer->batch != reader->batch + 1)
        return bad(reader, READER_NUMBER, at);
    if (trailer->offset != at || trailer->len != at - reader->at)
        return bad(reader, READER_PLACE, at);
    cursor_add_crc(cursor, cursor->at + digits);
    if (trailer->crc != cursor->crc)
        return bad(reader, READER_CRC, at);
    if (reader->seq_known && trailer->seq != reader->seq + out->command_bytes)
        return bad(reader, READER_SEQ, at);
    out->from = reader->at;
    out->to = at + line.len;
    reader->at = out->to;
    reader->batch = trailer->batch;
    reader->seq = trailer->seq;
    reader->seq_known = true;
    reader->crc = trailer->crc;
    reader->seed = format_seed(trailer->crc, reader->header.salt);
    return READER_GOOD;
}

int reader_next(struct reader *reader, struct reader_batch *out, struct fault *fault)
{
    struct cursor cursor;
    *out = (struct reader_batch){.time = -1};
    int status = cursor_begin(&cursor, reader, reader->at, reader->size, fault);
    cursor.with_crc = true;
    cursor.crc = reader->seed;
    while (status == 0) {
        status = need(&cursor, 1);
        if (status < 0)
            return status;
        if (cursor.at == cursor.end)
            return reader->at == reader->size ? READER_END : bad(reader, READER_CUT, reader->size);
        if (likely(*cursor.at == '*')) {
            uint64_t before = position(&cursor);
            enum kind kind;
            status = pass_command(&cursor, &kind);
            out->command_bytes += position(&cursor) - before;
            out->commands += kind == KIND_OTHER;
        } else if (*cursor.at == '#') {
            struct slice line;
            status = find_line(&cursor, &line);
            if (status != 0)
                return status;
            if (is_trailer(line))
                return judge(&cursor, line, out);
            pass_annotation(&cursor, line, out);
        } else {
            return bad(reader, *cursor.at ? READER_GRAMMAR : READER_ZEROS, position(&cursor));
        }
    }
    return status;
}

int reader_next_raw(struct reader *reader, uint64_t end, struct reader_batch *out,
                    struct fault *fault)
{
    struct cursor cursor;
    bool in_multi = false;
    *out = (struct reader_batch){.from = reader->at, .time = -1};
    int status = cursor_begin(&cursor, reader, reader->at, end, fault);
    while (status == 0) {
        status = need(&cursor, 1);
        if (status < 0)
            return status;
        if (cursor.at == cursor.end)
            return reader->at == end ? READER_END : bad(reader, READER_CUT, end);
        uint64_t before = position(&cursor);
        enum kind kind = KIND_OTHER;
        if (*cursor.at == '*') {
            status = pass_command(&cursor, &kind);
            out->command_bytes += position(&cursor) - before;
            out->commands += kind == KIND_OTHER;
        } else if (*cursor.at == '#') {
            struct slice line;
            status = find_line(&cursor, &line);
            if (status != 0)
                return status;
            pass_annotation(&cursor, line, out);
        } else {
            return bad(reader, *cursor.at ? READER_GRAMMAR : READER_ZEROS, before);
        }
        if (status != 0)
            return status;
        if (kind == KIND_MULTI ? in_multi : kind == KIND_EXEC && !in_multi)
            return bad(reader, READER_GRAMMAR, before);
        in_multi = kind == KIND_MULTI || (in_multi && kind != KIND_EXEC);
        if (!in_multi)
            break;
    }
    if (status != 0)
        return status;
    out->to = reader->at = position(&cursor);
    reader->seq += out->command_bytes;
    return READER_GOOD;
}

void reader_resume(struct reader *reader, uint64_t at, uint64_t number, uint32_t seed)
{
    reader->at = at;
    reader->batch = number - 1;
    reader->seed = seed;
    reader->seq_known = false;
}

/* Commands that are parsed before the first of them is visited. */
struct gathered {
    struct resp_parser *parsers;
    uint64_t offsets[GATHER_MAX];
    int count;
    uint64_t bytes_max; /* of one command */
};

/* Parse the command at the cursor. 1, or 0 if it must be gathered alone: not all of it is in the
 * window, and the window must not move while commands that lie in it are gathered. */
static int gather_command(struct cursor *cursor, struct gathered *gathered)
{
    static const struct resp_limits limits = {.bulk_bytes_max = INT64_MAX / 2,
                                              .authenticated = true};
    struct resp_parser *parser = &gathered->parsers[gathered->count];
    uint64_t offset = position(cursor);
    for (;;) {
        struct slice bytes = {cursor->at, (size_t)(cursor->end - cursor->at)};
        enum resp_status status = resp_parse(parser, bytes, &limits, NULL);
        if (likely(status == RESP_REQUEST))
            break;
        if (gathered->count > 0) {
            resp_reset(parser);
            return 0;
        }
        size_t wanted = resp_wanted(parser);
        if (wanted <= bytes.len)
            wanted = bytes.len + 1;
        if (status == RESP_ERROR || wanted > cursor->limit - offset ||
            wanted > gathered->bytes_max) {
            resp_reset(parser);
            return fault_set(cursor->fault, KV_EFORMAT, cursor->reader->path, (int64_t)offset,
                             "not a command, or not all of one");
        }
        int filled = refill(cursor, wanted);
        if (filled < 0)
            return filled;
    }
    cursor->at += parser->used;
    gathered->offsets[gathered->count] = offset;
    if (parser->argc > 1 ||
        (parser->argc == 1 && kind_of(parser->argv[0].data, parser->argv[0].len) == KIND_OTHER))
        gathered->count++;
    return 1;
}

/* Parse commands, and pass # lines, as far as the window goes. 0, or what makes the visit end. */
static int gather(struct cursor *cursor, struct gathered *gathered)
{
    int status = need(cursor, 1);
    gathered->count = 0;
    while (status >= 0 && gathered->count < GATHER_MAX && cursor->at < cursor->end) {
        if (likely(*cursor->at == '*')) {
            status = gather_command(cursor, gathered);
            if (status <= 0)
                return status;
            continue;
        }
        struct slice line;
        size_t left = (size_t)(cursor->end - cursor->at);
        if (gathered->count > 0 && left <= FORMAT_ANNOTATION_MAX && *cursor->at == '#')
            return 0; /* to find its end may move the window */
        status = *cursor->at == '#' ? find_line(cursor, &line) : READER_BAD;
        if (status > 0)
            return gathered->count > 0
                       ? 0
                       : fault_set(cursor->fault, KV_EFORMAT, cursor->reader->path,
                                   (int64_t)position(cursor), "neither a command nor a # line");
        if (status == 0)
            cursor->at += line.len;
    }
    return status < 0 ? status : 0;
}

static void announce(const struct reader *reader, const struct gathered *gathered, void *env)
{
    for (int step = 0; step < 2; step++)
        for (int i = 0; i < gathered->count; i++)
            reader->soon(env, step, gathered->parsers[i].argc, gathered->parsers[i].argv);
}

int reader_each(struct reader *reader, uint64_t from, uint64_t to, uint64_t command_bytes_max,
                reader_visit *visit, void *env, struct fault *fault)
{
    struct gathered gathered = {.bytes_max = command_bytes_max};
    struct cursor cursor;
    int status = cursor_begin(&cursor, reader, from, to, fault);
    if (!reader->parsers) {
        reader->parsers = mem_alloc(GATHER_MAX * sizeof(*reader->parsers));
        for (int i = 0; i < GATHER_MAX; i++)
            resp_init(&reader->parsers[i]);
    }
    gathered.parsers = reader->parsers;
    while (status == 0 && position(&cursor) < to) {
        status = gather(&cursor, &gathered);
        if (status < 0 || (gathered.count == 0 && cursor.at == cursor.end))
            break;
        if (reader->soon && gathered.count > 1)
            announce(reader, &gathered, env);
        for (int i = 0; status == 0 && i < gathered.count; i++) {
            const struct resp_parser *parser = &gathered.parsers[i];
            status = visit(env, gathered.offsets[i], parser->argc, parser->argv, fault);
        }
    }
    return status;
}

int reader_content_end(struct reader *reader, uint64_t from, uint64_t *out, struct fault *fault)
{
    for (*out = reader->size; *out > from;) {
        struct slice bytes;
        uint64_t len = *out - from < WINDOW_BYTES ? *out - from : WINDOW_BYTES;
        int status = reader_view(reader, *out - len, (size_t)len, &bytes, fault);
        if (status < 0)
            return status;
        for (size_t i = bytes.len; i > 0; i--, --*out)
            if (bytes.data[i - 1])
                return 0;
    }
    return 0;
}

static int read_header(struct reader *reader, struct fault *fault)
{
    struct slice bytes;
    int status = reader_view(reader, 0, FORMAT_HEADER_MAX, &bytes, fault);
    if (status < 0)
        return status;
    const char *end = bytes.len ? memchr(bytes.data, '\n', bytes.len) : NULL;
    if (!end)
        return 0;
    struct slice line = {bytes.data, (size_t)(end - bytes.data) + 1};
    if (!format_get_header(line, &reader->header) || reader->header.first_batch == 0)
        return 0;
    reader->has_header = true;
    reader->at = line.len;
    reader->batch = reader->header.first_batch - 1;
    reader->seq = reader->header.first_seq;
    reader->crc = reader->header.previous_crc;
    reader->seed = crc32_bytes(format_seed(reader->header.previous_crc, reader->header.salt),
                               line.data, line.len);
    return 0;
}

/* Where the filler begins that the scan found to reach from `from` on: it passed the end of the
 * trailer if that looks like filler, and not the # behind it if that does not. */
static int filler_begin(struct reader *reader, uint64_t from, uint64_t *out, struct fault *fault)
{
    struct slice bytes;
    int status = reader_view(reader, from - 1, 2, &bytes, fault);
    *out = from;
    if (status == 0 && bytes.data[0] == '#')
        *out = from - 1;
    else if (status == 0 && bytes.data[0] == '\r' && bytes.len > 1 && bytes.data[1] == '\n')
        *out = from + 1;
    return status;
}

/* Let the file end where filler (log_fill.c) begins, or what a crash left of it: zero bytes may
 * stand in its place, but not alone. */
static int hide_filler(struct reader *reader, struct fault *fault)
{
    uint64_t end = reader->size;
    size_t chunk = FILLER_LOOK_BYTES;
    bool seen = false, ended = false;
    int status = 0;
    while (status == 0 && !ended && end > reader->at) {
        struct slice bytes;
        size_t len = end - reader->at < chunk ? (size_t)(end - reader->at) : chunk;
        status = reader_view(reader, end - len, len, &bytes, fault);
        for (size_t i = bytes.len; status == 0 && i > 0 && !ended; i--) {
            char byte = bytes.data[i - 1];
            ended = byte && byte != format_filler(end - 1);
            seen |= !ended && byte == '.';
            end -= !ended;
        }
        chunk = WINDOW_BYTES;
    }
    if (status < 0 || !seen)
        return status;
    status = filler_begin(reader, end, &reader->size, fault);
    reader->window_len = 0;
    return status;
}

int reader_open(struct reader *reader, const struct disk *disk, const char *path,
                struct fault *fault)
{
    *reader = (struct reader){.disk = disk, .fd = -1, .seq_known = true};
    if (strlen(path) >= sizeof(reader->path))
        return fault_set(fault, KV_ELIMIT, path, -1, "the path is too long");
    memcpy(reader->path, path, strlen(path) + 1);
    reader->fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (reader->fd < 0)
        return call_failed(fault, reader, reader->fd, 0, "open");
    int64_t size = disk->size(disk->self, reader->fd);
    int status = size < 0 ? call_failed(fault, reader, size, 0, "stat") : 0;
    reader->size = size < 0 ? 0 : (uint64_t)size;
    reader->window_cap = WINDOW_BYTES;
    reader->window = mem_alloc(WINDOW_BYTES);
    if (status == 0)
        status = read_header(reader, fault);
    if (status == 0 && reader->has_header)
        status = hide_filler(reader, fault);
    if (status < 0)
        reader_close(reader);
    return status;
}

void reader_close(struct reader *reader)
{
    if (reader->fd >= 0)
        reader->disk->close(reader->disk->self, reader->fd);
    for (int i = 0; reader->parsers && i < GATHER_MAX; i++)
        resp_free(&reader->parsers[i]);
    mem_free(reader->parsers);
    reader->parsers = NULL;
    mem_free(reader->window);
    reader->fd = -1;
    reader->window = NULL;
}

const char *reader_why_text(enum reader_why why)
{
    switch (why) {
    case READER_CUT:
        return "it is not complete";
    case READER_ZEROS:
        return "it holds zero bytes where a command or line should begin";
    case READER_GRAMMAR:
        return "it holds bytes that are neither a command nor a # line";
    case READER_TRAILER:
        return "its commit mark can't be read";
    case READER_NUMBER:
        return "its commit mark has the wrong number";
    case READER_PLACE:
        return "its commit mark is not where it says it stands";
    case READER_CRC:
        return "its checksum does not hold";
    case READER_SEQ:
        return "its sequence does not follow that of the batch before";
    }
    return "";
}
