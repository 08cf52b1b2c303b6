/* The reader, the search for evidence and the tour of salvage on any bytes. The first byte says
 * what they are:
 *
 *   0   a file, as it is
 *   1   what follows a good header
 *   2   instructions: write a log of good batches, then damage it. What is read afterwards is a
 *       beginning of what was written, and evidence is found only for batches that were.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "persistence/file.h"
#include "persistence/reader.h"
#include "persistence/verdict.h"
#include "tests/support/log_writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BATCHES_MAX 64

/* A disk that holds one file. */
static int file_open(void *self unused, const char *path unused, int flags unused,
                     mode_t mode unused)
{
    return 3;
}

static int file_close(void *self unused, int fd unused)
{
    return 0;
}

static int64_t file_size(void *self, int fd unused)
{
    const struct buf *file = self;
    return (int64_t)file->len;
}

static ssize_t file_pread(void *self, int fd unused, void *bytes, size_t len, off_t offset)
{
    const struct buf *file = self;
    if ((size_t)offset >= file->len)
        return 0;
    size_t left = file->len - (size_t)offset;
    if (len > left)
        len = left;
    if (len > 100)
        len = 100 + len % 7; /* reads come in pieces */
    if (len > left)
        len = left;
    memcpy(bytes, file->data + offset, len);
    return (ssize_t)len;
}

struct seen {
    uint64_t commands;
    uint32_t crc; /* over all words */
};

static int see(void *env, uint64_t offset unused, int argc, const struct slice *argv,
               struct fault *fault unused)
{
    struct seen *seen = env;
    seen->commands++;
    for (int i = 0; i < argc; i++)
        seen->crc = crc32_bytes(seen->crc, argv[i].data, argv[i].len);
    return 0;
}

/* What the written log comes to after each batch. */
struct written {
    struct log_writer writer;
    struct seen after[BATCHES_MAX + 1];
    int batches;
};

static void read_file(struct reader *reader, const struct written *written)
{
    struct reader_batch batch;
    struct seen seen = {0};
    struct evidence evidence;
    struct fault fault = {0};
    uint64_t at = reader->at;
    int status;
    while ((status = reader_next(reader, &batch, &fault)) == READER_GOOD) {
        kv_assert(batch.from == at);
        kv_assert(batch.to > at);
        at = batch.to;
        kv_assert(reader_each(reader, batch.from, batch.to, UINT64_MAX, see, &seen, &fault) == 0);
        if (written) {
            kv_assert((int)reader->batch <= written->batches);
            const struct seen *expected = &written->after[reader->batch];
            kv_assert(seen.crc == expected->crc);
            kv_assert(seen.commands == expected->commands);
        }
    }
    kv_assert(status == READER_END || status == READER_BAD);
    kv_assert(reader->at == at);
    int found = verdict_search(reader, reader->at, (int64_t)reader->batch, &evidence, &fault);
    kv_assert(found == 0 || found == 1 || found == KV_ELIMIT);
    if (found == 1) {
        kv_assert(evidence.durable_batch > reader->batch);
        kv_assert(!written || (int)evidence.batch <= written->batches);
        reader_resume(reader, evidence.from, evidence.batch, evidence.seed);
        status = reader_next(reader, &batch, &fault);
        kv_assert(!written || status == READER_GOOD);
    }
}

static void read_raw(struct reader *reader)
{
    struct reader_batch unit;
    struct seen seen = {0};
    struct fault fault = {0};
    uint64_t end;
    int status;
    while ((status = reader_next_raw(reader, reader->size, &unit, &fault)) == READER_GOOD)
        kv_assert(reader_each(reader, unit.from, unit.to, UINT64_MAX, see, &seen, &fault) == 0);
    kv_assert(status == READER_END || status == READER_BAD);
    kv_assert(reader_content_end(reader, 0, &end, &fault) == 0);
    status = reader_each(reader, 0, reader->size, 1 << 16, see, &seen, &fault);
    kv_assert(status == 0 || status == KV_EFORMAT);
}

static void write_log(struct written *written, const uint8_t **data, size_t *size)
{
    struct log_writer *writer = &written->writer;
    log_writer_begin(writer, NULL);
    while (*size > 1 && written->batches < BATCHES_MAX && **data != 0xff) {
        size_t len = **data % 64 < *size - 1 ? **data % 64 : *size - 1;
        struct slice argv[] = {SLICE("SET"), SLICE("k"), {(const char *)*data + 1, len}};
        bool seals = **data & 64;
        if (**data & 128)
            writer->durable = 0;
        log_writer_argv(writer, 3, argv);
        struct seen *now = &written->after[written->batches + 1];
        see(now, 0, 3, argv, NULL);
        if (seals) {
            log_writer_seal(writer);
            if (++written->batches < BATCHES_MAX)
                written->after[written->batches + 1] = *now;
        }
        *data += len + 1;
        *size -= len + 1;
    }
}

static void damage(struct buf *file, const uint8_t *data, size_t size)
{
    for (; size >= 4 && file->len > 0; data += 4, size -= 4) {
        size_t at = (size_t)(data[0] << 8 | data[1]) % file->len;
        if (data[2] == 0)
            file->len = at;
        else if (data[2] == 1)
            memset(file->data + at, 0, file->len - at < 512 ? file->len - at : 512);
        else
            file->data[at] = (char)(file->data[at] ^ data[3]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct log_writer none;
    struct written written = {.writer = none};
    struct buf *file = &written.writer.file;
    struct disk disk = {.self = file,
                        .open = file_open,
                        .close = file_close,
                        .size = file_size,
                        .pread = file_pread};
    struct reader reader;
    if (size < 1)
        return 0;
    int kind = data[0] % 3;
    data++;
    size--;
    if (kind == 1)
        log_writer_begin(&written.writer, NULL);
    if (kind == 2) {
        write_log(&written, &data, &size);
        damage(file, data, size);
    } else {
        buf_append(file, data, size);
    }
    kv_assert(reader_open(&reader, &disk, "fuzz", NULL) == 0);
    if (reader.has_header)
        read_file(&reader, kind == 2 ? &written : NULL);
    else
        read_raw(&reader);
    reader_close(&reader);
    buf_free(file);
    return 0;
}
