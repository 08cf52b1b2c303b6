/* Snapshots of kv of any bytes: an LZ4 file, or a base with its index beside it. The first byte
 * says which, and what is put right first, so that more than checksums is looked at:
 *
 *   bit 0   a base: two bytes with the length of the .kvi, the .kvi, the base; else an LZ4 file
 *   bit 1   the crc32 of the index, and of the LZ4 file's head and tail
 *   bit 2   the crc32 of each part that lies in the file, in the index, and its end's checksum
 *   bit 3   decoded by threads
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/type/entry.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/snapshot_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INDEX_FIXED 88
#define PART_BYTES 36

/* Descriptors: 3 is the snapshot, 4 its index. */
struct fuzz {
    uint8_t *file, *kvi;
    size_t len, kvi_len;
    bool base;
};

static int file_open(void *self unused, const char *path, int flags unused, mode_t mode unused)
{
    return strstr(path, ".kvi") ? 4 : 3;
}

static int file_close(void *self unused, int fd unused)
{
    return 0;
}

static int64_t file_size(void *self, int fd)
{
    const struct fuzz *fuzz = self;
    return (int64_t)(fd == 4 ? fuzz->kvi_len : fuzz->len);
}

static int file_exists(void *self, const char *path unused)
{
    const struct fuzz *fuzz = self;
    return fuzz->base;
}

static ssize_t file_pread(void *self, int fd, void *bytes, size_t len, off_t offset)
{
    const struct fuzz *fuzz = self;
    const uint8_t *from = fd == 4 ? fuzz->kvi : fuzz->file;
    size_t all = fd == 4 ? fuzz->kvi_len : fuzz->len;
    if ((uint64_t)offset >= all)
        return 0;
    if (len > all - (size_t)offset)
        len = all - (size_t)offset;
    memcpy(bytes, from + offset, len);
    return (ssize_t)len;
}

static int put(void *env, int db unused, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    entry_check(entry);
    entry_free(entry);
    ++*(uint64_t *)env;
    return 0;
}

static uint64_t fetch(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static void store(uint8_t *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

/* Put the sums of the parts right, as far as they lie in the file. */
static void mend_parts(const struct fuzz *fuzz, uint8_t *index, size_t len)
{
    size_t count = (len - INDEX_FIXED - 4) / PART_BYTES;
    uint64_t end = fetch(index + 56, 8);
    for (size_t i = count; i-- > 0;) {
        uint8_t *part = index + INDEX_FIXED + i * PART_BYTES;
        uint64_t from = fetch(part, 8);
        if (from < end && end <= fuzz->len)
            store(part + 28, crc32_bytes(0, fuzz->file + from, (size_t)(end - from)), 4);
        end = from;
    }
    end = fetch(index + 56, 8);
    if (fuzz->base && end >= 8 && end <= fuzz->len)
        memcpy(index + 80, fuzz->file + end - 8, 8);
}

static void mend(const struct fuzz *fuzz, unsigned how)
{
    uint8_t *index = fuzz->kvi;
    size_t len = fuzz->kvi_len;
    if (!fuzz->base) {
        if (fuzz->len < SNAPSHOT_HEAD_BYTES + SNAPSHOT_TAIL_BYTES)
            return;
        store(fuzz->file + 68, crc32_bytes(0, fuzz->file + 8, 60), 4);
        uint8_t *tail = fuzz->file + fuzz->len - SNAPSHOT_TAIL_BYTES;
        uint64_t footer = fetch(tail, 8);
        store(tail + 8, crc32_bytes(0, tail, 8), 4);
        if (footer + 8 + SNAPSHOT_TAIL_BYTES > fuzz->len || footer > fuzz->len)
            return;
        index = fuzz->file + footer + 8;
        len = fuzz->len - (size_t)footer - 8 - SNAPSHOT_TAIL_BYTES;
    }
    if (len < SNAPSHOT_INDEX_LEAST)
        return;
    if (how & 4)
        mend_parts(fuzz, index, len);
    store(index + len - 4, crc32_bytes(0, index, len - 4), 4);
}

static uint8_t *copy_of(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, bytes, len);
    return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz fuzz = {0};
    struct disk disk = {.self = &fuzz,
                        .open = file_open,
                        .close = file_close,
                        .pread = file_pread,
                        .size = file_size,
                        .exists = file_exists};
    uint64_t puts = 0;
    struct rdb_load load = {.disk = &disk, .path = "file", .env = &puts, .put = put};
    struct rdb_found found;
    struct fault fault;
    if (size < 3)
        return 0;
    unsigned how = data[0];
    data++;
    size--;
    fuzz.base = how & 1;
    if (fuzz.base) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        fuzz.kvi_len = len < size ? len : size;
        fuzz.kvi = copy_of(data, fuzz.kvi_len);
        data += fuzz.kvi_len;
        size -= fuzz.kvi_len;
    }
    fuzz.len = size;
    fuzz.file = copy_of(data, size);
    if (how & 2)
        mend(&fuzz, how);
    load.threads = how & 8 ? 2 : RDB_THREADS_NONE;
    load.sum_all = how & 16;
    int status = rdb_load(&load, &found, &fault);
    if (status == 0 && (puts != found.keys || found.end == 0))
        abort();
    if (status < 0 && (fault.code != status || !fault.text[0]))
        abort();
    free(fuzz.file);
    free(fuzz.kvi);
    return 0;
}
