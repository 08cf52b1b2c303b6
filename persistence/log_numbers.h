/* The numbers in the names of a log's files: <appendfilename>.<number>.incr.aof and the like. A new
 * file takes one that no name in the directory has. */
#pragma once

#include <stdint.h>

#include "core/base/attr.h"

struct disk;
struct fault;

struct log_numbers {
    uint64_t highest; /* 0: there is none */
};

/* The number in "<append_filename>.<number>.", or 0. */
uint64_t log_number_in_name(const char *name, const char *append_filename);
must_check int log_numbers_read(const struct disk *disk, const char *directory,
                                const char *append_filename, struct log_numbers *out,
                                struct fault *fault);
