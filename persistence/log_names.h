/* The files of a log by their names: <appendfilename>.<number>.incr.aof, .base.rdb with its index
 * beside it, and the like. A new file takes a number that no name in the directory has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;
struct manifest;

struct log_numbers {
    uint64_t highest; /* 0: there is none */
};

/* The name of a file, into `out` of `size` bytes; the length that it has, as snprintf tells it. */
int log_incr_name(char *out, size_t size, const char *append_filename, uint64_t number);
int log_base_name(char *out, size_t size, const char *append_filename, uint64_t number);
/* The number in "<append_filename>.<number>.", or 0. */
uint64_t log_number_in_name(const char *name, const char *append_filename);
must_check int log_numbers_read(const struct disk *disk, const char *directory,
                                const char *append_filename, struct log_numbers *out,
                                struct fault *fault);
/* Count in what the manifest names, even where the file is gone: its number is not free. */
void log_numbers_add(struct log_numbers *numbers, const struct manifest *manifest);

/* Where the archive keeps the files of one data set, whose numbers and sequences mean something
 * together: <archive>/<kvid>. False if there is no archive ("" or NULL), or no room. */
bool log_archive_path(char *out, size_t size, const char *archive, const char *kvid);

/* Part with a file, and with its index if it is a base: see file_retire. What stays is met again by
 * the next start. */
void log_retire(const struct disk *disk, const char *directory, const char *name,
                const char *archive, const char *kvid);
