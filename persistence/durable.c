/* kv.durable: proof of the last durable batch.
 *
 *   offset   bytes
 *   0        slot 0 (even turns)
 *   512      slot 1 (odd turns)
 *
 *   slot     "KVD1 " kvid " " turn " " batch " " seq " " file " " offset " " crc "\n", then zeros;
 *            crc is zlib's crc32 of all before it, in 8 hex digits. A file name may hold spaces: it
 *            is what stands between the fifth space and the last but one.
 *
 * The slots are written in turn, so that a write that is cut short leaves the other one. A slot is
 * taken whole or not at all: one that the writer would not have written so is bad. A new file gets
 * both slots, so that a bad one afterwards is worth a warning.
 */
#include "persistence/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/num.h"
#include "persistence/file.h"

static void slot_format(char out[static DURABLE_SLOT_BYTES], const struct durable *durable)
{
    memset(out, 0, DURABLE_SLOT_BYTES);
    int len = snprintf(out, DURABLE_SLOT_BYTES, "KVD1 %s %llu %llu %llu %s %llu ", durable->kvid,
                       (unsigned long long)durable->turn, (unsigned long long)durable->batch,
                       (unsigned long long)durable->seq, durable->file,
                       (unsigned long long)durable->offset);
    kv_assert(len > 0 && len < DURABLE_SLOT_BYTES - 10);
    snprintf(out + len, 10, "%08x\n", crc32_bytes(0, out, (size_t)len));
}

static struct slice take_word(struct slice *rest)
{
    const char *space = rest->len ? memchr(rest->data, ' ', rest->len) : NULL;
    struct slice word = {rest->data, space ? (size_t)(space - rest->data) : 0};
    if (space) {
        rest->data += word.len + 1;
        rest->len -= word.len + 1;
    }
    return word;
}

/* Take the fields apart, then write the slot again and compare: nothing else is accepted. */
static bool slot_parse(const char *bytes, struct durable *out)
{
    char again[DURABLE_SLOT_BYTES];
    const char *end = memchr(bytes, '\n', DURABLE_SLOT_BYTES);
    *out = (struct durable){0};
    if (!end || end - bytes < 9)
        return false;
    struct slice rest = {bytes, (size_t)(end - bytes) - 9}; /* without " <crc>" */
    take_word(&rest);
    struct slice kvid = take_word(&rest);
    if (kvid.len >= sizeof(out->kvid) || memchr(kvid.data, 0, kvid.len))
        return false;
    memcpy(out->kvid, kvid.data, kvid.len);
    if (!num_parse_u64(take_word(&rest), &out->turn) ||
        !num_parse_u64(take_word(&rest), &out->batch) ||
        !num_parse_u64(take_word(&rest), &out->seq))
        return false;
    const char *last = rest.len ? memrchr(rest.data, ' ', rest.len) : NULL;
    if (!last)
        return false;
    size_t name_len = (size_t)(last - rest.data);
    if (name_len >= sizeof(out->file) || memchr(rest.data, 0, name_len))
        return false;
    memcpy(out->file, rest.data, name_len);
    struct slice offset = {last + 1, rest.len - name_len - 1};
    if (!num_parse_u64(offset, &out->offset))
        return false;
    if (strlen(out->kvid) + strlen(out->file) > DURABLE_SLOT_BYTES - 120)
        return false;
    slot_format(again, out);
    return memcmp(again, bytes, DURABLE_SLOT_BYTES) == 0;
}

int durable_load(const struct disk *disk, const char *path, struct durable *out, int *found,
                 struct fault *fault)
{
    char bytes[2 * DURABLE_SLOT_BYTES] = {0};
    size_t len = 0;
    int status = 0;
    *out = (struct durable){0};
    *found = 0;
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fault_status(fault, fd, path, -1, "open");
    while (len < sizeof(bytes)) {
        ssize_t got = disk->pread(disk->self, fd, bytes + len, sizeof(bytes) - len, (off_t)len);
        if (got < 0)
            status = fault_status(fault, got, path, -1, "read");
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    disk->close(disk->self, fd);
    for (int i = 0; status == 0 && i < 2; i++) {
        struct durable slot;
        if (!slot_parse(bytes + i * DURABLE_SLOT_BYTES, &slot) || slot.turn % 2 != (uint64_t)i)
            continue;
        if (*found == 0 || slot.turn > out->turn)
            *out = slot;
        ++*found;
    }
    return status;
}

static int write_slot(const struct disk *disk, int fd, const char *path,
                      const struct durable *durable, struct fault *fault)
{
    char slot[DURABLE_SLOT_BYTES];
    slot_format(slot, durable);
    int status = file_write_at(disk, fd, path, slot, sizeof(slot),
                               (off_t)(durable->turn % 2 * DURABLE_SLOT_BYTES), fault);
    if (status < 0)
        return status;
    status = disk->fdatasync(disk->self, fd);
    return status < 0 ? fault_status(fault, status, path, -1, "sync") : 0;
}

int durable_store(const struct disk *disk, const char *directory, const char *path,
                  struct durable *durable, struct fault *fault)
{
    struct durable next = *durable;
    int fd = disk->open(disk->self, path, O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        return fault_status(fault, fd, path, -1, "open");
    int64_t size = disk->size(disk->self, fd);
    int status = size < 0 ? fault_status(fault, size, path, -1, "stat") : 0;
    for (int slots = size < 2 * DURABLE_SLOT_BYTES ? 2 : 1; status == 0 && slots > 0; slots--) {
        next.turn++;
        status = write_slot(disk, fd, path, &next, fault);
    }
    int closed = disk->close(disk->self, fd);
    if (status == 0 && closed < 0)
        status = fault_status(fault, closed, path, -1, "close");
    if (status == 0 && size < 2 * DURABLE_SLOT_BYTES) {
        status = disk->fsync_directory(disk->self, directory);
        if (status < 0)
            status = fault_status(fault, status, directory, -1, "sync of the directory");
    }
    if (status == 0)
        durable->turn = next.turn;
    return status;
}
