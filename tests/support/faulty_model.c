/* A model of a file system with a page cache.
 *
 * A file is an inode: what programs see (`seen`), what was on the medium at first (`base`), and the
 * list of changes since, in order. A directory is the list of entries programs see, the entries on
 * the medium at first, and the list of changes to names since. A change has one of three standings:
 *
 *   PENDING   made, and no sync has covered it: a crash may keep it or not
 *   SYNCED    a sync that covers it returned 0: it is there after any crash
 *   LIMBO     a sync that covered it failed: no later sync can make it safe, and none says so; a
 *             crash may keep it or not
 *
 * After a crash the base and all SYNCED changes are there, and of the others those that the choice
 * keeps. SYNCED changes with nothing before them are folded into the base.
 *
 * Nothing says that names are kept in order, nor that a file's name comes with its bytes: that is
 * what POSIX leaves open, and more than a journalling file system does.
 */
#include "tests/support/faulty_model.h"

#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/rng.h"

#define SECTOR_BYTES 512

static void bytes_write(struct buf *to, uint64_t offset, const char *bytes, uint64_t len)
{
    if (offset + len > to->len) {
        buf_reserve(to, offset + len - to->len);
        memset(to->data + to->len, 0, offset + len - to->len);
        to->len = offset + len;
    }
    if (len && bytes)
        memcpy(to->data + offset, bytes, len);
    else if (len)
        memset(to->data + offset, 0, len);
}

static void bytes_resize(struct buf *to, uint64_t len)
{
    if (len > to->len)
        bytes_write(to, len, NULL, 0);
    else
        to->len = len;
}

struct entry *faulty_entries_find(const struct entries *entries, const char *path)
{
    for (int i = 0; i < entries->count; i++)
        if (strcmp(entries->list[i].path, path) == 0)
            return &entries->list[i];
    return NULL;
}

static void entries_remove(struct entries *entries, const char *path)
{
    struct entry *entry = faulty_entries_find(entries, path);

    if (entry)
        *entry = entries->list[--entries->count];
}

void faulty_entries_set(struct entries *entries, const char *path, struct inode *inode)
{
    struct entry *entry = faulty_entries_find(entries, path);

    if (!entry) {
        if (entries->count == entries->cap) {
            entries->cap = entries->cap ? 2 * entries->cap : 8;
            entries->list = mem_realloc(entries->list, entries->cap * sizeof *entries->list);
        }
        entry = &entries->list[entries->count++];
        kv_assert(strlen(path) < PATH_BYTES_MAX);
        strcpy(entry->path, path);
    }
    entry->inode = inode;
}

void faulty_names_apply(struct entries *entries, const struct change *change)
{
    if (change->kind == CHANGE_RENAME)
        entries_remove(entries, change->from);
    if (change->kind == CHANGE_UNLINK)
        entries_remove(entries, change->path);
    else
        faulty_entries_set(entries, change->path, change->inode);
}

void faulty_data_apply(struct buf *to, const struct change *change)
{
    if (change->kind == CHANGE_WRITE)
        bytes_write(to, change->offset, change->bytes, change->len);
    else
        bytes_resize(to, change->len);
}

static struct change *changes_add(struct faulty_disk *disk, struct changes *changes,
                                  enum change_kind kind)
{
    struct change *change = mem_alloc_zero(sizeof *change);

    change->kind = kind;
    change->order = ++disk->order;
    if (changes->last)
        changes->last->next = change;
    else
        changes->first = change;
    changes->last = change;
    return change;
}

void faulty_changes_drop_first(struct changes *changes)
{
    struct change *first = changes->first;

    changes->first = first->next;
    if (!changes->first)
        changes->last = NULL;
    mem_free(first->bytes);
    mem_free(first->path);
    mem_free(first->from);
    mem_free(first);
}

void faulty_parent_of(const char *path, char out[static PATH_BYTES_MAX])
{
    const char *slash = strrchr(path, '/');

    snprintf(out, PATH_BYTES_MAX, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
}

struct inode *faulty_inode_new(struct faulty_disk *disk, bool directory)
{
    struct inode *inode = mem_alloc_zero(sizeof *inode);

    inode->directory = directory;
    inode->next_of_all = disk->inodes;
    disk->inodes = inode;
    return inode;
}

struct inode *faulty_find(struct faulty_disk *disk, const char *path)
{
    struct entry *entry = faulty_entries_find(&disk->seen, path);

    return entry ? entry->inode : NULL;
}

/* --- Changes as programs make them ---------------------------------------------------------- */

void faulty_add_write(struct faulty_disk *disk, struct inode *inode, uint64_t offset,
                      const char *bytes, uint64_t len)
{
    struct change *change;

    if (len == 0)
        return;
    change = changes_add(disk, &inode->changes, CHANGE_WRITE);
    change->offset = offset;
    change->len = len;
    change->bytes = mem_alloc(len);
    memcpy(change->bytes, bytes, len);
    faulty_data_apply(&inode->seen, change);
}

void faulty_add_truncate(struct faulty_disk *disk, struct inode *inode, uint64_t len)
{
    struct change *change = changes_add(disk, &inode->changes, CHANGE_TRUNCATE);

    change->len = len;
    faulty_data_apply(&inode->seen, change);
    inode->allocated = 0;
}

static char *copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;

    return memcpy(mem_alloc(bytes), text, bytes);
}

struct change *faulty_add_name(struct faulty_disk *disk, enum change_kind kind, const char *path,
                               const char *from, struct inode *inode)
{
    struct change *change = changes_add(disk, &disk->names, kind);

    change->path = copy_text(path);
    change->from = copy_text(from);
    change->inode = inode;
    return change;
}

void faulty_sync_inode(struct inode *inode, enum standing standing)
{
    for (struct change *change = inode->changes.first; change; change = change->next)
        if (change->standing == PENDING)
            change->standing = standing;
    while (inode->changes.first && inode->changes.first->standing == SYNCED) {
        faulty_data_apply(&inode->base, inode->changes.first);
        faulty_changes_drop_first(&inode->changes);
    }
}

void faulty_sync_names(struct faulty_disk *disk, const char *directory, enum standing standing)
{
    char parent[PATH_BYTES_MAX];

    for (struct change *change = disk->names.first; change; change = change->next) {
        faulty_parent_of(change->path, parent);
        if (change->standing == PENDING && strcmp(parent, directory) == 0)
            change->standing = standing;
    }
    while (disk->names.first && disk->names.first->standing == SYNCED) {
        faulty_names_apply(&disk->base, disk->names.first);
        faulty_changes_drop_first(&disk->names);
    }
}

uint64_t faulty_free_space(const struct faulty_disk *disk)
{
    uint64_t used = 0;

    if (!disk->capacity)
        return INT64_MAX;
    for (const struct inode *inode = disk->inodes; inode; inode = inode->next_of_all) {
        bool named = inode->open_count > 0;

        for (int i = 0; i < disk->seen.count && !named; i++)
            named = disk->seen.list[i].inode == inode;
        if (named)
            used += inode->allocated > inode->seen.len ? inode->allocated : inode->seen.len;
    }
    return used < disk->capacity ? disk->capacity - used : 0;
}

uint64_t faulty_room_for(const struct faulty_disk *disk, const struct inode *inode,
                         uint64_t offset, uint64_t len)
{
    uint64_t have = inode->allocated > inode->seen.len ? inode->allocated : inode->seen.len;
    uint64_t room;

    if (offset + len <= have)
        return len;
    room = have + faulty_free_space(disk);
    if (room <= offset)
        return 0;
    return offset + len <= room ? len : room - offset;
}

/* --- After a crash -------------------------------------------------------------------------- */

uint64_t faulty_disk_unsynced_bytes(struct faulty_disk *disk)
{
    uint64_t sum = 0;

    pthread_mutex_lock(&disk->lock);
    for (struct inode *inode = disk->inodes; inode; inode = inode->next_of_all)
        for (struct change *change = inode->changes.first; change; change = change->next)
            if (change->standing != SYNCED)
                sum += change->kind == CHANGE_WRITE ? change->len : 1;
    pthread_mutex_unlock(&disk->lock);
    return sum;
}

/* How many unsynced bytes were written before this change, in all files. */
static uint64_t bytes_before(const struct faulty_disk *disk, const struct change *limit)
{
    uint64_t sum = 0;

    for (const struct inode *inode = disk->inodes; inode; inode = inode->next_of_all)
        for (const struct change *change = inode->changes.first;
             change && change->order < limit->order; change = change->next)
            if (change->standing != SYNCED)
                sum += change->kind == CHANGE_WRITE ? change->len : 1;
    return sum;
}

static void crash_write_sectors(struct buf *to, const struct change *change, struct rng *rng)
{
    uint64_t done = 0, how = rng_below(rng, 4);

    if (how == 0)
        return;
    if (how < 3) { /* the size grew, whatever came of the bytes */
        bytes_write(to, change->offset + change->len, NULL, 0);
    }
    while (done < change->len) {
        uint64_t left = SECTOR_BYTES - (change->offset + done) % SECTOR_BYTES;
        uint64_t len = change->len - done < left ? change->len - done : left;

        if (how == 1 || rng_below(rng, 2))
            bytes_write(to, change->offset + done, change->bytes + done, len);
        done += len;
    }
}

/* A change that no sync has confirmed meets its fate. */
static void crash_change(const struct faulty_disk *disk, struct buf *to,
                         const struct change *change, const struct faulty_choice *choice,
                         struct rng *rng)
{
    uint64_t len = change->kind == CHANGE_WRITE ? change->len : 1;
    uint64_t before, left;

    switch (choice->data) {
    case FAULTY_KEEP:
        faulty_data_apply(to, change);
        break;
    case FAULTY_DROP:
        break;
    case FAULTY_PREFIX:
    case FAULTY_ZEROS:
        before = bytes_before(disk, change);
        left = choice->bytes > before ? choice->bytes - before : 0;
        if (change->kind == CHANGE_TRUNCATE) {
            if (left)
                faulty_data_apply(to, change);
            break;
        }
        if (left)
            bytes_write(to, change->offset, change->bytes, left < len ? left : len);
        if (left < len && choice->data == FAULTY_ZEROS)
            bytes_write(to, change->offset + left, NULL, len - left);
        break;
    case FAULTY_RANDOM:
        if (change->kind == CHANGE_WRITE)
            crash_write_sectors(to, change, rng);
        else if (rng_below(rng, 2))
            faulty_data_apply(to, change);
        break;
    }
}

static void crash_names(struct faulty_disk *disk, struct entries *out,
                        const struct faulty_choice *choice, struct rng *rng)
{
    char parent[PATH_BYTES_MAX];
    bool again = true;

    for (int i = 0; i < disk->base.count; i++)
        faulty_entries_set(out, disk->base.list[i].path, disk->base.list[i].inode);
    for (struct change *change = disk->names.first; change; change = change->next) {
        bool keep = change->standing == SYNCED || choice->names == FAULTY_KEEP;

        if (!keep && choice->names == FAULTY_RANDOM)
            keep = rng_below(rng, 2);
        if (keep)
            faulty_names_apply(out, change);
    }
    while (again) { /* what lies in a directory that is not there is lost */
        again = false;
        for (int i = 0; i < out->count && !again; i++) {
            faulty_parent_of(out->list[i].path, parent);
            if (strcmp(parent, ".") != 0 && !faulty_entries_find(out, parent)) {
                entries_remove(out, out->list[i].path);
                again = true;
            }
        }
    }
}

struct faulty_disk *faulty_disk_crash(struct faulty_disk *disk, const struct faulty_choice *choice)
{
    struct faulty_disk *after = faulty_disk_new();
    struct entries entries = {0};
    struct rng rng;

    rng_seed(&rng, choice->seed);
    pthread_mutex_lock(&disk->lock);
    after->capacity = disk->capacity;
    after->allocate_works = disk->allocate_works;
    crash_names(disk, &entries, choice, &rng);
    for (int i = 0; i < entries.count; i++) {
        const struct inode *old = entries.list[i].inode;
        struct inode *inode = faulty_inode_new(after, old->directory);

        buf_append_slice(&inode->base, buf_slice(&old->base));
        for (struct change *change = old->changes.first; change; change = change->next)
            if (change->standing == SYNCED)
                faulty_data_apply(&inode->base, change);
            else
                crash_change(disk, &inode->base, change, choice, &rng);
        buf_append_slice(&inode->seen, buf_slice(&inode->base));
        faulty_entries_set(&after->base, entries.list[i].path, inode);
        faulty_entries_set(&after->seen, entries.list[i].path, inode);
    }
    pthread_mutex_unlock(&disk->lock);
    mem_free(entries.list);
    return after;
}
