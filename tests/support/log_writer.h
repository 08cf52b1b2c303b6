/* Log files as kv writes them, made in memory byte by byte, so that a test can damage them where it
 * likes. */
#pragma once

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/slice.h"
#include "persistence/format.h"

#define LOG_WRITER_KVID "0123456789abcdef0123456789abcdef"

struct log_writer {
    struct buf file;
    struct format_header header;
    uint64_t batch, seq; /* of the last batch */
    uint32_t crc;
    uint64_t batch_at; /* where the open batch begins */
    uint64_t durable;  /* what the next trailer says; log_writer_seal raises it to its batch */
};

/* Begin a file that goes on behind `before` (NULL: the first file of a log). */
void log_writer_begin(struct log_writer *writer, const struct log_writer *before);
/* Add a command to the open batch: words separated by single spaces. */
void log_writer_command(struct log_writer *writer, const char *words);
void log_writer_argv(struct log_writer *writer, int argc, const struct slice *argv);
/* Add bytes that do not count for the sequence. */
void log_writer_line(struct log_writer *writer, const char *line);
void log_writer_seal(struct log_writer *writer);
/* A command and its seal. */
void log_writer_batch(struct log_writer *writer, const char *words);
void log_writer_save(const struct log_writer *writer, const char *path);
void log_writer_free(struct log_writer *writer);
/* Replace a file's content. */
void write_file(const char *path, struct slice bytes);
