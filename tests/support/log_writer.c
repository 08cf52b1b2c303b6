/* Log files made in memory. Follows persistence/format.h to the letter and nothing else. */
#include "tests/support/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/base/hash.h"
#include "core/resp.h"

void log_writer_begin(struct log_writer *writer, const struct log_writer *before)
{
    static const char kvid[] = LOG_WRITER_KVID;
    struct format_header header = {.salt = 0x1122334455667788, .first_batch = 1};
    if (before) {
        header.salt = before->header.salt + 1;
        header.first_batch = before->batch + 1;
        header.first_seq = before->seq;
        header.previous_crc = before->crc;
    }
    memcpy(header.kvid, kvid, sizeof(kvid));
    *writer = (struct log_writer){.header = header,
                                  .batch = header.first_batch - 1,
                                  .seq = header.first_seq,
                                  .crc = header.previous_crc,
                                  .durable = header.first_batch - 1};
    writer->file.len = format_put_header(buf_reserve(&writer->file, FORMAT_HEADER_MAX), &header);
    writer->batch_at = writer->file.len;
}

void log_writer_argv(struct log_writer *writer, int argc, const struct slice *argv)
{
    size_t before = writer->file.len;
    resp_put_command(&writer->file, argc, argv);
    writer->seq += writer->file.len - before;
}

void log_writer_command(struct log_writer *writer, const char *words)
{
    struct slice argv[64];
    int argc = 0;
    while (*words) {
        size_t len = strcspn(words, " ");
        argv[argc++] = (struct slice){words, len};
        words += len + (words[len] == ' ');
    }
    log_writer_argv(writer, argc, argv);
}

void log_writer_line(struct log_writer *writer, const char *line)
{
    buf_append_text(&writer->file, line);
}

void log_writer_seal(struct log_writer *writer)
{
    struct buf *file = &writer->file;
    bool first = writer->batch + 1 == writer->header.first_batch;
    uint64_t crc_from = first ? 0 : writer->batch_at;
    uint32_t crc = crc32_bytes(format_seed(writer->crc, writer->header.salt), file->data + crc_from,
                               file->len - crc_from);
    struct format_trailer trailer = {.batch = ++writer->batch,
                                     .seq = writer->seq,
                                     .offset = file->len,
                                     .len = file->len - writer->batch_at,
                                     .durable_batch = writer->durable};
    char *to = buf_reserve(file, FORMAT_TRAILER_MAX);
    file->len += format_put_trailer(to, &trailer, crc);
    writer->crc = trailer.crc;
    writer->batch_at = file->len;
    writer->durable = writer->batch;
}

void log_writer_batch(struct log_writer *writer, const char *words)
{
    log_writer_command(writer, words);
    log_writer_seal(writer);
}

void write_file(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    kv_assert(fd >= 0);
    kv_assert(write(fd, bytes.data, bytes.len) == (ssize_t)bytes.len);
    close(fd);
}

void log_writer_save(const struct log_writer *writer, const char *path)
{
    write_file(path, buf_slice(&writer->file));
}

void log_writer_free(struct log_writer *writer)
{
    buf_free(&writer->file);
}
