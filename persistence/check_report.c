/* The words of kv-check-aof.
 *
 * Lines that redis-check-aof of Redis 7 prints are printed as it prints them, since scripts look
 * for them: "Start checking ...", "AOF analyzed: ...", "... is valid", "... is not valid. Use
 * the --fix option to try fixing it.", "All AOF files and manifest are valid". `ok_up_to_line`
 * counts over all files, as there. */
#include "persistence/check_report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "persistence/check.h"
#include "persistence/keys.h"
#include "persistence/manifest.h"
#include "persistence/reader.h"
#include "persistence/salvage.h"
#include "persistence/walk.h"

#define KEYS_MAX 20
#define CHUNK_BYTES (256 * 1024)

/* --- Text and JSON -------------------------------------------------------------------------- */

static void put_json_text(struct buf *out, const char *text, size_t len)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c < ' ' || c > '~')
            buf_printf(out, "\\u%04x", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_char(out, '"');
}

void report_line(struct check_report *report, const char *format, ...)
{
    char line[2400];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    if (len >= (int)sizeof(line) - 1)
        len = sizeof(line) - 2;
    if (report->options->json) {
        if (report->messages.len > 0)
            buf_append_char(&report->messages, ',');
        put_json_text(&report->messages, line, (size_t)len);
        return;
    }
    line[len++] = '\n';
    report->options->print(report->options->env, (struct slice){line, (size_t)len});
}

static const char *verdict_text(const struct walk_file *file)
{
    switch (file->verdict) {
    case VERDICT_CLEAN:
        return "CLEAN";
    case VERDICT_TORN:
        return "TORN";
    case VERDICT_CORRUPT:
        return "CORRUPT";
    }
    return "";
}

/* --- One file ------------------------------------------------------------------------------- */

/* The report on one file. */
struct about {
    struct check_report *report;
    const struct walk_file *file;
    const char *name;
    struct buf drops; /* JSON objects */
};

static bool is_bad_snapshot(const struct walk_file *file)
{
    return file->snapshot && file->rdb.end == 0;
}

/* --fix mends it; else only --salvage does. */
static bool is_for_fix(const struct walk_file *file)
{
    if (is_bad_snapshot(file))
        return false;
    return file->verdict == VERDICT_TORN || (!file->has_header && !file->lost[0] && file->last);
}

static int say_drop(struct about *about, struct reader *reader, uint64_t from, uint64_t to)
{
    struct buf keys = {0};
    uint64_t commands = keys_name(reader, from, to, KEYS_MAX, &keys);
    bool torn = is_for_fix(about->file);
    buf_append(&keys, "", 1);
    if (about->drops.len > 0)
        buf_append_char(&about->drops, ',');
    buf_printf(&about->drops,
               "{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"commands\":%" PRIu64
               ",\"by\":\"%s\",\"keys\":",
               from, to, commands, torn ? "--fix" : "--salvage");
    put_json_text(&about->drops, keys.data, keys.len - 1);
    buf_append_char(&about->drops, '}');
    if (!about->report->options->json)
        report_line(about->report,
                    "  %s would drop the bytes %" PRIu64 " to %" PRIu64 " (%" PRIu64 "), %" PRIu64
                    " commands that can be read, keys: %s",
                    torn ? "--fix" : "--salvage", from, to, to - from, commands,
                    keys.data[0] ? keys.data : "none");
    buf_free(&keys);
    return 0;
}

static int pass_good(void *env unused, int file unused, struct reader *reader unused,
                     const struct reader_batch *batch unused, struct fault *fault unused)
{
    return 0;
}

static int take_gap(void *env, int file unused, struct reader *reader, uint64_t from, uint64_t to,
                    struct fault *fault unused)
{
    return say_drop(env, reader, from, to);
}

/* What mending would drop. */
static int say_drops(struct about *about, int index)
{
    const struct salvage_hooks hooks = {.env = about, .good = pass_good, .gap = take_gap};
    const struct walk_file *file = about->file;
    struct walk *walk = about->report->walk;
    struct reader reader;
    if (file->verdict == VERDICT_CLEAN || is_bad_snapshot(file))
        return 0;
    if (file->verdict == VERDICT_CORRUPT)
        return salvage_tour(walk, index, &about->report->above, &hooks, NULL);
    int status = reader_open(&reader, walk->disk, file->path, NULL);
    if (status < 0)
        return status;
    status = say_drop(about, &reader, file->good_to, file->size);
    reader_close(&reader);
    return status;
}

/* Ends of lines in the first `to` bytes; those of a snapshot are none. */
static int count_lines(struct about *about, uint64_t to, uint64_t *out)
{
    struct reader reader;
    int status = reader_open(&reader, about->report->walk->disk, about->file->path, NULL);
    if (status < 0)
        return status;
    *out = 0;
    for (uint64_t at = about->file->rdb.end; status == 0 && at < to;) {
        struct slice bytes;
        uint64_t left = to - at;
        status =
            reader_view(&reader, at, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, &bytes, NULL);
        const char *from = bytes.data, *end = bytes.data + bytes.len;
        while (status == 0 && (from = memchr(from, '\n', (size_t)(end - from)))) {
            ++*out;
            from++;
        }
        at += bytes.len;
    }
    reader_close(&reader);
    return status;
}

static void say_heading(struct check_report *report, bool base, bool snapshot)
{
    if (report->walk->alone)
        return;
    if (base)
        report_line(report, "Start to check BASE AOF (%s format).", snapshot ? "RDB" : "RESP");
    else if (!report->incr_begun)
        report_line(report, "Start to check INCR files.");
    report->incr_begun |= !base;
}

static void say_facts(struct about *about, const struct fault *fault)
{
    const struct walk_file *file = about->file;
    char fault_text[2048];
    if (file->snapshot && file->rdb.end > 0) {
        report_line(about->report, "[info] %" PRIu64 " keys read", file->rdb.keys);
        report_line(about->report, "[info] %" PRIu64 " expires", file->rdb.expiring);
        report_line(about->report, "%s: a snapshot of %" PRIu64 " bytes, RDB version %d, %s",
                    about->name, file->rdb.end, file->rdb.version,
                    file->rdb.checked ? "its checksum holds" : "which has no checksum");
        if (file->rdb.problem[0])
            report_line(about->report, "  %s: it loads more slowly, and nothing is lost",
                        file->rdb.problem);
        report_line(about->report, "RDB preamble is OK, proceeding with AOF tail...");
    }
    report_line(about->report,
                "%s: %s, %" PRIu64 " batches (%" PRIu64 " to %" PRIu64 "), %" PRIu64
                " commands, %" PRIu64 " bytes, seq %" PRIu64 " to %" PRIu64,
                about->name, verdict_text(file), file->batches, file->batch_from, file->batch_to,
                file->commands, file->size, file->seq_from, file->seq_to);
    uint64_t raw_from = file->snapshot ? file->rdb.end : file->raw_from;
    if (file->raw && (!file->snapshot || raw_from < file->raw_to))
        report_line(about->report,
                    "  bytes %" PRIu64 " to %" PRIu64
                    " were written by a stock server: no checksum protects them",
                    raw_from, file->raw_to);
    if (file->verdict == VERDICT_TORN)
        report_line(about->report, "  torn tail of %" PRIu64 " bytes at offset %" PRIu64 " (%s)%s",
                    file->size - file->good_to, file->good_to, file->why,
                    file->raw ? "" : "; it was never acknowledged");
    if (file->verdict == VERDICT_CORRUPT)
        report_line(about->report, "  %s", fault_line(fault, fault_text, sizeof(fault_text)));
}

static void say_validity(struct about *about, bool base)
{
    struct check_report *report = about->report;
    const struct walk_file *file = about->file;
    const char *kind = report->walk->alone ? "" : base ? "BASE " : "INCR ";
    bool fixing = report->options->mode == CHECK_FIX;
    if (is_bad_snapshot(file))
        report_line(report,
                    "AOF %s is not valid. The snapshot (RDB) in it is damaged: a good copy of the "
                    "file helps, and --salvage tells what else can be done.",
                    about->name);
    else if (file->size == 0 && !file->lost[0])
        report_line(report, "%sAOF %s is empty", kind, about->name);
    else if (file->verdict == VERDICT_CLEAN)
        report_line(report, "%sAOF %s is valid", kind, about->name);
    else if (!is_for_fix(file))
        report_line(report,
                    "AOF %s is not valid. What was acknowledged is damaged: the --salvage option "
                    "goes on without it.",
                    about->name);
    else if (!fixing)
        report_line(report, "AOF %s is not valid. Use the --fix option to try fixing it.",
                    about->name);
}

static void put_file(struct about *about, bool base, const struct fault *fault)
{
    const struct walk_file *file = about->file;
    struct buf *out = &about->report->files;
    buf_append_text(out, out->len > 0 ? ",{\"name\":" : "{\"name\":");
    put_json_text(out, about->name, strlen(about->name));
    buf_printf(out,
               ",\"type\":\"%s\",\"verdict\":\"%s\",\"bytes\":%" PRIu64 ",\"ok_up_to\":%" PRIu64,
               base ? "base" : "incr", verdict_text(file), file->size, file->good_to);
    buf_printf(out, ",\"batches\":%" PRIu64 ",\"batch_from\":%" PRIu64 ",\"batch_to\":%" PRIu64,
               file->batches, file->batch_from, file->batch_to);
    buf_printf(out, ",\"commands\":%" PRIu64 ",\"seq_from\":%" PRIu64 ",\"seq_to\":%" PRIu64,
               file->commands, file->seq_from, file->seq_to);
    if (file->snapshot)
        buf_printf(out, ",\"keys\":%" PRIu64 ",\"rdb_to\":%" PRIu64, file->rdb.keys,
                   file->rdb.end);
    if (file->raw)
        buf_printf(out, ",\"raw_from\":%" PRIu64 ",\"raw_to\":%" PRIu64, file->raw_from,
                   file->raw_to);
    if (file->verdict != VERDICT_CLEAN) {
        bool torn = file->verdict == VERDICT_TORN;
        const char *problem = torn ? file->why : fault->text;
        int64_t at = torn || fault->offset < 0 ? (int64_t)file->good_to : fault->offset;
        buf_printf(out, ",\"bad_offset\":%" PRIi64 ",\"problem\":", at);
        put_json_text(out, problem, strlen(problem));
    }
    buf_append_text(out, ",\"drops\":[");
    buf_append_slice(out, buf_slice(&about->drops));
    buf_append_text(out, "]}");
}

int report_file(struct check_report *report, struct walk *walk, int index,
                const struct fault *fault)
{
    const struct walk_file *file = &walk->files[index];
    const struct manifest_file *entry = &walk->manifest->files[file->entry];
    struct about about = {.report = report, .file = file, .name = entry->name};
    bool base = entry->type == MANIFEST_BASE;
    uint64_t lines = 0;
    say_heading(report, base, file->snapshot);
    say_facts(&about, fault);
    int status = file->size > 0 ? say_drops(&about, index) : 0;
    if (status == 0 && file->size > 0)
        status = count_lines(&about, file->good_to, &lines);
    if (status < 0) {
        buf_free(&about.drops);
        return status;
    }
    report->lines += lines;
    report_line(report,
                "AOF analyzed: filename=%s, size=%" PRIu64 ", ok_up_to=%" PRIu64
                ", ok_up_to_line=%" PRIu64 ", diff=%" PRIu64,
                about.name, file->size, file->good_to, report->lines + 1,
                file->size - (file->good_to < file->size ? file->good_to : file->size));
    report->keys += file->rdb.keys;
    report->snapshot |= file->snapshot;
    report->snapshot_bad |= is_bad_snapshot(file);
    report->invalid |= file->verdict != VERDICT_CLEAN;
    report->damaged |= file->verdict == VERDICT_CORRUPT;
    if (file->batch_to > report->above)
        report->above = file->batch_to;
    say_validity(&about, base);
    put_file(&about, base, fault);
    buf_free(&about.drops);
    return 0;
}

/* --- The log -------------------------------------------------------------------------------- */

void report_begin(struct check_report *report, struct walk *walk)
{
    report->walk = walk;
    report->begun = true;
    report_line(report,
                walk->alone ? "Start checking Old-Style AOF" : "Start checking Multi Part AOF");
}

void report_end_missing(struct check_report *report, const struct fault *fault)
{
    report->invalid = report->damaged = report->end_missing = true;
    report_line(report, "%s", fault->text);
}

void report_verdict(struct check_report *report)
{
    if (!report->invalid && !report->walk->alone)
        report_line(report, "All AOF files and manifest are valid");
}

void report_mended(struct check_report *report)
{
    if (report->invalid && !report->walk->alone)
        report_line(report, "All AOF files and manifest are valid");
}

void report_finish(struct check_report *report, bool valid)
{
    if (report->options->json) {
        struct buf out = {0};
        buf_append_text(&out, "{\"path\":");
        put_json_text(&out, report->options->path, strlen(report->options->path));
        buf_printf(&out, ",\"valid\":%s,\"kvid\":\"%s\",\"files\":[", valid ? "true" : "false",
                   report->walk ? report->walk->kvid : "");
        buf_append_slice(&out, buf_slice(&report->files));
        buf_append_text(&out, "],\"messages\":[");
        buf_append_slice(&out, buf_slice(&report->messages));
        buf_append_text(&out, "]}\n");
        report->options->print(report->options->env, buf_slice(&out));
        buf_free(&out);
    }
    buf_free(&report->files);
    buf_free(&report->messages);
}
