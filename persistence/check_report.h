/* What kv-check-aof says: lines as users of redis-check-aof know them and lines of our own, or one
 * JSON object. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"

struct check_options;
struct fault;
struct walk;

struct check_report {
    const struct check_options *options;
    struct walk *walk;
    struct buf files, messages; /* JSON: what stands between the brackets of the arrays */
    uint64_t lines;             /* ends of lines in the files so far, as redis-check-aof counts */
    uint64_t above;             /* batches toured */
    bool begun, incr_begun;
    bool invalid;     /* a file is torn or damaged */
    bool damaged;     /* not only torn */
    uint64_t keys;    /* of a snapshot */
    bool snapshot;    /* a file is one, or begins with one */
    bool snapshot_bad;
    bool end_missing; /* kv.durable proves more than there is */
};

void report_begin(struct check_report *report, struct walk *walk);

/* After a file was walked; `fault` says what was found if its verdict is CORRUPT. Reads the file
 * again to say which keys are concerned: KV_EIO. */
must_check int report_file(struct check_report *report, struct walk *walk, int file,
                           const struct fault *fault);
void report_end_missing(struct check_report *report, const struct fault *fault);

/* The closing word on the log as it was found; and after it was mended. */
void report_verdict(struct check_report *report);
void report_mended(struct check_report *report);

void report_line(struct check_report *report, const char *format, ...) printf_like(2, 3);

/* JSON: print it. Frees what the report holds. */
void report_finish(struct check_report *report, bool valid);
