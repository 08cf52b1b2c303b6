/* Snapshots of any bytes. The first byte says how the disk gives them out, and whether the checksum
 * is made to hold:
 *
 *   bit 0   reads come in pieces
 *   bit 1   a read fails at the end
 *   bit 2   the checksum at the end is put right: then what was read is good, and is read again
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/type/entry.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    const uint8_t *bytes;
    size_t len;
    bool pieces, fails;
    uint64_t keys;
};

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
    const struct fuzz *file = self;
    return (int64_t)file->len;
}

static ssize_t file_pread(void *self, int fd unused, void *bytes, size_t len, off_t offset)
{
    const struct fuzz *file = self;
    size_t left = (size_t)offset < file->len ? file->len - (size_t)offset : 0;
    if (left == 0)
        return file->fails ? -EIO : 0;
    if (file->pieces && len > 100)
        len = 100 + len % 7;
    if (len > left)
        len = left;
    memcpy(bytes, file->bytes + offset, len);
    return (ssize_t)len;
}

/* No index beside it. */
static int file_exists(void *self unused, const char *path unused)
{
    return 0;
}

static int put(void *env, int db, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    struct fuzz *file = env;
    kv_assert(db >= 0);
    entry_check(entry);
    entry_free(entry);
    file->keys++;
    return 0;
}

static int read_all(struct fuzz *file, struct rdb_found *found, struct fault *fault)
{
    const struct disk disk = {.self = file,
                              .open = file_open,
                              .close = file_close,
                              .size = file_size,
                              .pread = file_pread,
                              .exists = file_exists};
    const struct rdb_load load = {.disk = &disk, .path = "snapshot", .env = file, .put = put};
    file->keys = 0;
    int status = rdb_load(&load, found, fault);
    kv_assert(file->keys == found->keys);
    kv_assert(found->expiring <= found->keys);
    if (status == 0) {
        kv_assert(found->end <= file->len);
        return 0;
    }
    kv_assert(status == KV_ECORRUPT || status == KV_EVERSION || status == KV_EIO);
    kv_assert(fault->code == status);
    kv_assert(status == KV_EIO || (fault->offset >= 0 && (uint64_t)fault->offset <= file->len));
    kv_assert(found->end == 0);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rdb_found found;
    struct fault fault = {0};
    if (size == 0)
        return 0;
    uint8_t how = data[0];
    struct buf copy = {0};
    buf_append(&copy, data + 1, size - 1);
    if ((how & 4) && copy.len >= 8) {
        uint64_t crc = crc64_bytes(0, copy.data, copy.len - 8);
        for (int i = 0; i < 8; i++)
            copy.data[copy.len - 8 + (size_t)i] = (char)(crc >> 8 * i);
    }
    struct fuzz file = {.bytes = (const uint8_t *)copy.data,
                        .len = copy.len,
                        .pieces = how & 1,
                        .fails = how & 2};
    int status = read_all(&file, &found, &fault);
    if (status == 0) {
        struct rdb_found again;
        file.pieces = !file.pieces;
        kv_assert(read_all(&file, &again, &fault) == 0);
        kv_assert(again.end == found.end);
        kv_assert(again.keys == found.keys);
    }
    buf_free(&copy);
    return 0;
}
