/* Writing the file of a snapshot.
 *
 *   create    temp-<pid>.<n>.rdb in the directory of the file, O_EXCL: the head and the magic
 *   add       each frame is packed, summed up and appended; those of `side` to a second file, which
 *             has lost its name at once, so that no crash leaves it behind. Where `fetch` says so
 *             the frames of a value are appended from there
 *   finish    the side file's other frames are appended; the end with the CRC64; the footer of the
 *             LZ4 file; head and magic written again, now that version and size are known; sync. A
 *             base gets its .kvi: written aside, synced, renamed. Then the file itself is renamed,
 *             and the directory synced; only then is what had the name given back (file.c).
 *   discard   after a failure: the names that were made are deleted. Nothing is cut off of a file
 *             whose rename failed: a crash may find it done. The .kvi may have replaced
 *             that of an older base under the same name; it names its base's checksum, so nobody
 *             takes the one for the other.
 *
 * So up to the rename the old file is there as it was, and after it the new one is, whole and on
 * the medium. If the rename or the directory's sync fails, a crash may leave either.
 *
 * Each PIECE_BYTES are brought to the device before the next ones are written, and now and then
 * their pages are given up: so a sync of the log beside it finds a short queue, the last sync here
 * is short, and the page cache keeps what is read. They are not synced: that would make the file
 * system commit its journal again and again, which the log would wait for. A write or sync that
 * fails ends it all: nothing is tried again on that file.
 *
 * What a frame costs in processor time can be spent apart, by `pack`, from what waits for the disk.
 *
 * The CRC64 of the RDB is put together from those of its parts when their order is known. */
#include "persistence/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/crc64.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/slice.h"
#include "core/snapshot_sink.h"
#include "core/type/rdb.h"
#include "persistence/file.h"
#include "persistence/snapshot_format.h"

#define FILE_PATH_MAX 1024
#define PIECE_BYTES ((size_t)512 << 10)
#define DROP_BYTES ((uint64_t)8 << 20)
#define VERSION_MAX 9999
#define RDB_END 0xff

/* An open file, written from its beginning to its end. */
struct stretch {
    int fd; /* -1: none */
    char path[FILE_PATH_MAX];
    uint64_t at, raw;
    uint64_t kept; /* bytes whose pages may be in the cache */
};

struct snapshot_file {
    const struct disk *disk;
    enum snapshot_form form;
    bool compress;
    char path[FILE_PATH_MAX], directory[FILE_PATH_MAX];
    char kvi[FILE_PATH_MAX], kvi_aside[FILE_PATH_MAX];
    struct stretch main, side;
    bool main_made, kvi_made, kvi_named;
    bool offered; /* its name was asked for: a crash may find it there though that failed */
    struct snapshot_index index, side_index;
    uint64_t moved_bytes, moved_raw, moved_keys; /* of the side file, and in the main one now */
    int version;
    const struct snapshot_frame *ready; /* it is packed, summed up in `part` */
    struct snapshot_part part;
    struct buf packed;
    struct fault fault;
};

/* --- Names ---------------------------------------------------------------------------------- */

static bool make_names(struct snapshot_file *file, const char *path, unsigned number)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (strlen(path) + 64 > FILE_PATH_MAX)
        return false;
    snprintf(file->path, sizeof(file->path), "%s", path);
    snprintf(file->directory, sizeof(file->directory), "%.*s", slash ? (int)len : 1,
             slash ? path : ".");
    if (slash && len == 0)
        memcpy(file->directory, "/", 2);
    char stem[64];
    snprintf(stem, sizeof(stem), "temp-%d.%u.rdb", (int)getpid(), number);
    int dir = slash ? (int)len + 1 : 0;
    snprintf(file->main.path, FILE_PATH_MAX, "%.*s%s", dir, path, stem);
    snprintf(file->side.path, FILE_PATH_MAX, "%.*s%s.side", dir, path, stem);
    snprintf(file->kvi_aside, FILE_PATH_MAX, "%.*s%s" SNAPSHOT_INDEX_SUFFIX, dir, path, stem);
    snprintf(file->kvi, FILE_PATH_MAX, "%s" SNAPSHOT_INDEX_SUFFIX, path);
    return true;
}

/* "temp-<digits>.<digits>.rdb", perhaps with a suffix of ours. */
static bool is_temporary(const char *name)
{
    if (strncmp(name, "temp-", 5) != 0)
        return false;
    name += 5;
    size_t pid = strspn(name, "0123456789");
    size_t number = name[pid] == '.' ? strspn(name + pid + 1, "0123456789") : 0;
    if (pid == 0 || number == 0)
        return false;
    name += pid + 1 + number;
    return strcmp(name, ".rdb") == 0 || strcmp(name, ".rdb.side") == 0 ||
           strcmp(name, ".rdb" SNAPSHOT_INDEX_SUFFIX) == 0;
}

struct sweep {
    const struct disk *disk;
    const char *directory;
};

static void sweep_name(void *env, const char *name)
{
    const struct sweep *sweep = env;
    char path[FILE_PATH_MAX];
    if (is_temporary(name) &&
        snprintf(path, sizeof(path), "%s/%s", sweep->directory, name) < (int)sizeof(path))
        file_unlink(sweep->disk, path);
}

void snapshot_file_sweep(const struct disk *disk, const char *directory)
{
    struct sweep sweep = {disk, directory};
    disk->list(disk->self, directory, sweep_name, &sweep);
}

int snapshot_file_new(const struct disk *disk, const struct snapshot_order *order, unsigned number,
                      struct snapshot_file **out, struct fault *fault)
{
    struct snapshot_file *file = mem_alloc_zero(sizeof(*file));
    if (!make_names(file, order->path, number)) {
        mem_free(file);
        return fault_set(fault, KV_ELIMIT, order->path, -1, "the path is too long");
    }
    file->disk = disk;
    file->form = order->form;
    file->compress = order->compress;
    file->main.fd = file->side.fd = -1;
    file->version = RDB_VERSION_USUAL;
    snprintf(file->index.kvid, sizeof(file->index.kvid), "%s", order->kvid);
    file->index.seq = order->seq;
    file->fault.offset = -1;
    *out = file;
    return 0;
}

/* --- Bytes ---------------------------------------------------------------------------------- */

static int call_failed(struct snapshot_file *file, int64_t status, const char *path,
                       const char *doing)
{
    return fault_status(&file->fault, status, path, -1, doing);
}

static int make(struct snapshot_file *file, const char *path, int flags, int *fd)
{
    const struct disk *disk = file->disk;
    int status = disk->unlink(disk->self, path);
    if (status < 0 && status != -ENOENT)
        return call_failed(file, status, path, "delete");
    *fd = disk->open(disk->self, path, flags | O_CREAT | O_EXCL, 0644);
    return *fd < 0 ? call_failed(file, *fd, path, "create") : 0;
}

/* One piece: written, and brought to the device. */
static int append_piece(struct snapshot_file *file, struct stretch *stretch, struct slice bytes)
{
    const struct disk *disk = file->disk;
    struct iovec part = {(void *)(uintptr_t)bytes.data, bytes.len};
    int status = file_append(disk, stretch->fd, stretch->path, &part, 1, (int64_t)stretch->at,
                             &file->fault);
    if (status == 0 && bytes.len == PIECE_BYTES) {
        status = disk->write_out(disk->self, stretch->fd, (off_t)stretch->at, (off_t)bytes.len);
        if (status < 0)
            status = call_failed(file, status, stretch->path, "write");
    }
    stretch->at += bytes.len;
    stretch->kept += bytes.len;
    if (stretch->kept < DROP_BYTES)
        return status;
    stretch->kept = 0;
    disk->drop_cache(disk->self, stretch->fd);
    return status;
}

static int append(struct snapshot_file *file, struct stretch *stretch, struct slice bytes)
{
    int status = 0;
    do {
        size_t len = bytes.len < PIECE_BYTES ? bytes.len : PIECE_BYTES;
        status = append_piece(file, stretch, (struct slice){bytes.data, len});
        bytes = (struct slice){bytes.data + len, bytes.len - len};
    } while (status == 0 && bytes.len > 0);
    return status;
}

/* The bytes of a part, as they go into the file; its sums into `part`. */
static struct slice pack(struct snapshot_file *file, struct slice raw, struct snapshot_part *part,
                         bool compress)
{
    struct slice bytes = raw;
    if (file->form == SNAPSHOT_LZ4) {
        buf_clear(&file->packed);
        snapshot_frame_pack(raw, compress, &file->packed);
        bytes = buf_slice(&file->packed);
    }
    part->crc = crc32_bytes(0, bytes.data, bytes.len);
    part->sum = crc64_bytes(0, raw.data, raw.len);
    return bytes;
}

/* Append a part of the RDB, packed, and note it in `index`. */
static int append_part(struct snapshot_file *file, struct stretch *stretch,
                       struct snapshot_index *index, struct slice bytes, size_t raw_bytes,
                       struct snapshot_part part)
{
    part.offset = stretch->at;
    part.raw = stretch->raw;
    int status = append(file, stretch, bytes);
    stretch->raw += raw_bytes;
    index->raw_bytes = stretch->raw;
    index->bytes = stretch->at;
    index->keys += part.keys;
    snapshot_index_add(index, &part);
    return status;
}

/* The same for a few bytes that stay as they are. */
static int append_plain(struct snapshot_file *file, struct slice raw, struct snapshot_part part)
{
    struct slice bytes = pack(file, raw, &part, false);
    return append_part(file, &file->main, &file->index, bytes, raw.len, part);
}

static void put_magic(const struct snapshot_file *file, char out[static SNAPSHOT_MAGIC_BYTES + 1])
{
    kv_assert(file->version >= 0);
    kv_assert(file->version <= VERSION_MAX);
    snprintf(out, SNAPSHOT_MAGIC_BYTES + 1, "REDIS%04d", file->version % (VERSION_MAX + 1));
}

static void put_head(const struct snapshot_file *file, char out[static SNAPSHOT_HEAD_BYTES])
{
    struct snapshot_head head = {.seq = file->index.seq, .raw_bytes = file->main.raw};
    memcpy(head.kvid, file->index.kvid, sizeof(head.kvid));
    snapshot_head_put(&head, out);
}

int snapshot_file_create(struct snapshot_file *file)
{
    const struct snapshot_part part = {.db = -1, .flags = SNAPSHOT_PART_HEAD};
    char head[SNAPSHOT_HEAD_BYTES], magic[SNAPSHOT_MAGIC_BYTES + 1];
    int status = make(file, file->main.path, O_WRONLY, &file->main.fd);
    if (status < 0)
        return status;
    file->main_made = true;
    if (file->form == SNAPSHOT_LZ4) {
        put_head(file, head);
        status = append(file, &file->main, (struct slice){head, sizeof(head)});
    }
    put_magic(file, magic);
    if (status == 0)
        status = append_plain(file, (struct slice){magic, SNAPSHOT_MAGIC_BYTES}, part);
    return status;
}

/* A file without a name. */
static int open_side(struct snapshot_file *file)
{
    const struct disk *disk = file->disk;
    int status = make(file, file->side.path, O_RDWR, &file->side.fd);
    if (status < 0)
        return status;
    status = disk->unlink(disk->self, file->side.path);
    return status < 0 ? call_failed(file, status, file->side.path, "delete") : 0;
}

/* One part of the side file, which must come back as it was written. */
static int append_side_part(struct snapshot_file *file, size_t at)
{
    const struct disk *disk = file->disk;
    struct snapshot_part part = file->side_index.parts[at];
    size_t len = (size_t)snapshot_part_bytes(&file->side_index, at);
    uint64_t raw = snapshot_part_raw(&file->side_index, at);
    buf_clear(&file->packed);
    char *to = buf_reserve(&file->packed, len);
    for (size_t done = 0; done < len;) {
        ssize_t got = disk->pread(disk->self, file->side.fd, to + done, len - done,
                                  (off_t)(part.offset + done));
        if (got < 0)
            return call_failed(file, got, file->side.path, "read");
        if (got == 0)
            return fault_set(&file->fault, KV_EIO, file->side.path, (int64_t)(part.offset + done),
                             "read: the file ends here");
        done += (size_t)got;
    }
    if (crc32_bytes(0, to, len) != part.crc)
        return fault_set(&file->fault, KV_EIO, file->side.path, (int64_t)part.offset,
                         "what was written was not read back");
    part.offset = file->main.at;
    part.raw = file->main.raw;
    int status = append(file, &file->main, (struct slice){to, len});
    file->main.raw += raw;
    file->moved_raw += raw;
    file->moved_bytes += len;
    file->moved_keys += part.keys;
    file->index.keys += part.keys;
    file->index.bytes = file->main.at;
    file->index.raw_bytes = file->main.raw;
    snapshot_index_add(&file->index, &part);
    return status;
}

/* Those of one value, or (0) the complete keys. */
static int append_side(struct snapshot_file *file, uint32_t value)
{
    int status = 0;
    for (size_t i = 0; status == 0 && i < file->side_index.count; i++)
        if (file->side_index.parts[i].value == value)
            status = append_side_part(file, i);
    return status;
}

void snapshot_file_pack(struct snapshot_file *file, const struct snapshot_frame *frame)
{
    if (frame->bytes.len == 0)
        return;
    file->part =
        (struct snapshot_part){.db = frame->db, .keys = frame->keys, .value = frame->value};
    if (frame->db < 0)
        file->part.flags = SNAPSHOT_PART_HEAD;
    else if (frame->continues)
        file->part.flags = SNAPSHOT_PART_CONTINUES;
    (void)pack(file, buf_slice(&frame->bytes), &file->part, file->compress);
    file->ready = frame;
}

int snapshot_file_add(struct snapshot_file *file, const struct snapshot_frame *frame)
{
    bool side = frame->side;
    int status = 0;
    if (frame->fetch)
        return append_side(file, frame->value);
    if (frame->version > file->version)
        file->version = frame->version;
    if (frame->bytes.len == 0)
        return 0;
    if (file->ready != frame)
        snapshot_file_pack(file, frame);
    file->ready = NULL;
    if (side && file->side.fd < 0)
        status = open_side(file);
    if (status < 0)
        return status;
    return append_part(file, side ? &file->side : &file->main,
                       side ? &file->side_index : &file->index,
                       buf_slice(file->form == SNAPSHOT_LZ4 ? &file->packed : &frame->bytes),
                       frame->bytes.len, file->part);
}

/* --- The end -------------------------------------------------------------------------------- */

/* The CRC64 of the whole, up to the byte that stands in front of it. */
static void sum_up(struct snapshot_file *file, const char *magic, uint8_t end_byte)
{
    struct snapshot_index *index = &file->index;
    uint64_t sum = crc64_bytes(0, magic, SNAPSHOT_MAGIC_BYTES);
    for (size_t i = 1; i < index->count; i++)
        sum = crc64_combine(sum, index->parts[i].sum, snapshot_part_raw(index, i));
    index->sum = crc64_bytes(sum, &end_byte, 1);
}

static int append_end(struct snapshot_file *file)
{
    const struct snapshot_part part = {.db = -1, .flags = SNAPSHOT_PART_END};
    char magic[SNAPSHOT_MAGIC_BYTES + 1], end[SNAPSHOT_END_BYTES] = {(char)RDB_END};
    put_magic(file, magic);
    sum_up(file, magic, RDB_END);
    for (int i = 0; i < 8; i++)
        end[1 + i] = (char)(file->index.sum >> 8 * i);
    int status = append_plain(file, (struct slice){end, sizeof(end)}, part);
    if (status < 0)
        return status;
    /* What stands at the beginning, as it will be. */
    buf_clear(&file->packed);
    if (file->form == SNAPSHOT_LZ4) {
        put_head(file, buf_reserve(&file->packed, SNAPSHOT_HEAD_BYTES));
        file->packed.len = SNAPSHOT_HEAD_BYTES;
        snapshot_frame_pack((struct slice){magic, SNAPSHOT_MAGIC_BYTES}, false, &file->packed);
    } else {
        buf_append(&file->packed, magic, SNAPSHOT_MAGIC_BYTES);
    }
    kv_assert(file->packed.len == file->index.parts[1].offset);
    uint64_t first = file->index.parts[0].offset;
    file->index.parts[0].crc =
        crc32_bytes(0, file->packed.data + first, file->packed.len - (size_t)first);
    return file_write_at(file->disk, file->main.fd, file->main.path, file->packed.data,
                         file->packed.len, 0, &file->fault);
}

static int append_footer(struct snapshot_file *file)
{
    buf_clear(&file->packed);
    snapshot_footer_put(&file->index, &file->packed);
    return append(file, &file->main, buf_slice(&file->packed));
}

static int sync_and_close(struct snapshot_file *file, int *fd, const char *path)
{
    const struct disk *disk = file->disk;
    int status = disk->fsync(disk->self, *fd);
    if (status < 0)
        return call_failed(file, status, path, "sync");
    disk->drop_cache(disk->self, *fd);
    status = disk->close(disk->self, *fd);
    *fd = -1;
    return status < 0 ? call_failed(file, status, path, "close") : 0;
}

static int rename_to(struct snapshot_file *file, const char *from, const char *to)
{
    int status = file->disk->rename(file->disk->self, from, to);
    return status < 0 ? call_failed(file, status, to, "rename") : 0;
}

/* The file itself gets its name; what had the name before is given back once that is durable. */
static int take_over(struct snapshot_file *file)
{
    const struct disk *disk = file->disk;
    int old = file_open_old(disk, file->path);
    file->offered = true;
    int status = rename_to(file, file->main.path, file->path);

    if (status == 0) {
        file->main_made = false;
        status = disk->fsync_directory(disk->self, file->directory);
        if (status < 0)
            status = call_failed(file, status, file->directory, "sync of the directory");
    }
    if (old >= 0 && status == 0)
        disk->give_back(disk->self, old);
    else if (old >= 0)
        disk->close(disk->self, old);
    return status;
}

static int write_kvi(struct snapshot_file *file)
{
    int fd = -1;
    int status = make(file, file->kvi_aside, O_WRONLY, &fd);
    if (status < 0)
        return status;
    file->kvi_made = true;
    buf_clear(&file->packed);
    snapshot_index_put(&file->index, &file->packed);
    status = file_write_at(file->disk, fd, file->kvi_aside, file->packed.data, file->packed.len, 0,
                           &file->fault);
    if (status == 0)
        status = sync_and_close(file, &fd, file->kvi_aside);
    if (fd >= 0)
        file->disk->close(file->disk->self, fd);
    if (status == 0)
        status = rename_to(file, file->kvi_aside, file->kvi);
    file->kvi_named = status == 0;
    return status;
}

int snapshot_file_finish(struct snapshot_file *file, const _Atomic bool *cancelled)
{
    int status = *cancelled ? KV_EREFUSED : append_side(file, 0);
    if (status == 0)
        status = append_end(file);
    if (status == 0 && file->form == SNAPSHOT_LZ4)
        status = append_footer(file);
    if (status == 0)
        status = sync_and_close(file, &file->main.fd, file->main.path);
    if (status == 0 && *cancelled)
        status = KV_EREFUSED;
    if (status == 0 && file->form == SNAPSHOT_BASE)
        status = write_kvi(file);
    return status < 0 ? status : take_over(file);
}

static void close_all(struct snapshot_file *file)
{
    const struct disk *disk = file->disk;
    if (file->main.fd >= 0)
        disk->close(disk->self, file->main.fd);
    if (file->side.fd >= 0)
        disk->give_back(disk->self, file->side.fd);
    file->main.fd = file->side.fd = -1;
}

void snapshot_file_discard(struct snapshot_file *file)
{
    const struct disk *disk = file->disk;
    close_all(file);
    if (file->main_made) {
        if (file->offered)
            disk->unlink(disk->self, file->main.path);
        else
            file_unlink(disk, file->main.path);
        if (file->kvi_named)
            disk->unlink(disk->self, file->kvi);
    }
    if (file->kvi_made && !file->kvi_named)
        disk->unlink(disk->self, file->kvi_aside);
    file->main_made = file->kvi_made = false;
}

void snapshot_file_progress(const struct snapshot_file *file, struct snapshot_result *out)
{
    out->raw_bytes = file->main.raw + file->side.raw - file->moved_raw;
    out->file_bytes = file->main.at + file->side.at - file->moved_bytes;
    out->keys = file->index.keys + file->side_index.keys - file->moved_keys;
}

void snapshot_file_problem(const struct snapshot_file *file, char *out, size_t out_bytes)
{
    char line[sizeof(file->fault.path) + sizeof(file->fault.text) + 64];
    const struct disk *disk = file->disk;
    fault_line(&file->fault, line, sizeof(line));
    if (file->fault.code != KV_ENOSPACE) {
        snprintf(out, out_bytes, "%.*s", (int)out_bytes - 1, line);
        return;
    }
    int64_t there = disk->free_bytes(disk->self, file->directory);
    snprintf(out, out_bytes,
             "%.*s. The snapshot needs more than %" PRIu64 " bytes in %.*s, where %" PRId64
             " are free now: free some space there, or give it another dir",
             (int)(out_bytes / 3), line, file->main.at + file->side.at, (int)(out_bytes / 3),
             file->directory, there > 0 ? there : 0);
}

void snapshot_file_free(struct snapshot_file *file)
{
    close_all(file);
    buf_free(&file->packed);
    snapshot_index_free(&file->index);
    snapshot_index_free(&file->side_index);
    mem_free(file);
}
