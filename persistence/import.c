/* Logs of stock servers.
 *
 *   what is found                what it becomes
 *   dir/appendonly.aof           the base, appendonlydir/appendonly.aof
 *   no log, but dir/dump.rdb     the base, a copy in appendonlydir/dump.rdb
 *   a stock server's manifest    the same files, each with `kvraw` over the bytes that have no
 *                                trailers, and the kvid that the data has from now on
 *
 * Nothing is written into those files. They stay as they are until a new base replaces them.
 */
#include "persistence/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "persistence/file.h"
#include "persistence/walk.h"

void import_single(struct manifest *out, const char *name)
{
    *out = (struct manifest){0};
    manifest_add(out, MANIFEST_BASE, name, 1);
}

/* The manifest as a stock server writes it in this case; whoever starts next goes on from it. */
static int store_stock_manifest(const struct walk *walk, const char *append_filename,
                                const char *name, struct fault *fault)
{
    char path[512];
    struct buf text = {0};
    bool renamed;
    snprintf(path, sizeof(path), "%s/%s.manifest", walk->directory, append_filename);
    int there = walk->disk->exists(walk->disk->self, path);
    if (there != 0)
        return there < 0 ? fault_status(fault, there, path, -1, "stat") : 0;
    struct manifest single;
    import_single(&single, name);
    manifest_format_stock(&single, &text);
    int status = file_replace(walk->disk, path, buf_slice(&text), &renamed, fault);
    manifest_free(&single);
    buf_free(&text);
    return status;
}

/* A copy under another name, complete and synced: what has the right name is whole. */
static int copy_aside(const struct disk *disk, const char *from, const char *to,
                      struct fault *fault)
{
    int status = disk->unlink(disk->self, to); /* of a start that was cut short */
    if (status < 0 && status != -ENOENT)
        return fault_status(fault, status, to, -1, "delete");
    int fd = disk->open(disk->self, from, O_RDONLY, 0);
    if (fd < 0)
        return fault_status(fault, fd, from, -1, "open");
    int64_t size = disk->size(disk->self, fd);
    if (size < 0)
        status = fault_status(fault, (int)size, from, -1, "stat");
    else
        status = file_copy_range(disk, fd, from, 0, (off_t)size, to, fault);
    disk->close(disk->self, fd);
    return status;
}

int import_move(const struct walk *walk, const char *append_filename, struct fault *fault)
{
    const struct disk *disk = walk->disk;
    const struct walk_file *file = walk->files;
    char to[512], aside[520];
    if (walk->count == 0 || !file->moving)
        return 0;
    const char *name = walk->manifest->files[file->entry].name;
    int status = store_stock_manifest(walk, append_filename, name, fault);
    snprintf(to, sizeof(to), "%s/%s", walk->directory, name);
    snprintf(aside, sizeof(aside), "%s.tmp", to);
    if (status == 0 && file->dump)
        status = copy_aside(disk, file->path, aside, fault);
    if (status < 0)
        return status;
    const char *from = file->dump ? aside : file->path;
    status = disk->rename(disk->self, from, to);
    if (status < 0)
        return fault_status(fault, status, from, -1, "rename");
    status = disk->fsync_directory(disk->self, walk->directory);
    if (status == 0)
        status = disk->fsync_directory(disk->self, walk->parent);
    return status < 0 ? fault_status(fault, status, walk->directory, -1,
                                     "sync of the directory") : 0;
}

void import_mark(const struct walk *walk, struct manifest *manifest)
{
    for (int i = 0; i < walk->count; i++) {
        const struct walk_file *file = &walk->files[i];
        struct manifest_file *entry = &manifest->files[file->entry];
        memcpy(entry->kvid, walk->kvid, sizeof(entry->kvid));
        entry->kvseq = file->seq_from;
        entry->raw = file->raw;
        entry->raw_from = file->raw_from;
        entry->raw_to = file->raw_to;
    }
}
