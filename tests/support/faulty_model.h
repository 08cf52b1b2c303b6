/* The model behind tests/support/faulty_disk.h: inodes, names, and changes that wait for a sync.
 * The essay stands in faulty_model.c. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "persistence/file.h"
#include "tests/support/faulty_disk.h"

#define PATH_BYTES_MAX 512
#define OPEN_FILES_MAX 256
#define FAILING_MAX 4

enum standing { PENDING, SYNCED, LIMBO };
enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME };

struct inode;

struct change {
    struct change *next;
    enum change_kind kind;
    enum standing standing;
    uint64_t order;
    uint64_t offset, len;               /* WRITE, TRUNCATE (len: the new size) */
    char *bytes;                        /* WRITE */
    char *path;                         /* names: what appears or vanishes */
    char *from;                         /* RENAME */
    struct inode *inode;                /* LINK, RENAME */
};

struct changes {
    struct change *first, *last;
};

struct inode {
    struct inode *next_of_all;
    bool directory;
    struct buf seen, base;
    struct changes changes;
    uint64_t allocated;
    uint64_t sync_errors; /* each is told to all who have the file open, once */
    int open_count;
    int locked_by; /* descriptor, 0 if none */
};

struct entry {
    char path[PATH_BYTES_MAX];
    struct inode *inode;
};

struct entries {
    struct entry *list;
    int count, cap;
};

struct open_file {
    struct inode *inode;
    uint64_t sync_errors; /* of the inode's, those it has heard of */
};

/* A call that is to fail: in `in` calls of these kinds, and `count` times; count 0: none. */
struct failing {
    unsigned kinds;
    uint64_t in, count;
    enum faulty_error error;
};

struct faulty_disk {
    struct disk port;
    pthread_mutex_t lock;
    struct inode *inodes;
    struct entries seen, base;
    struct changes names;
    struct open_file files[OPEN_FILES_MAX];
    uint64_t order;
    uint64_t capacity;
    bool allocate_works;
    uint64_t calls[16]; /* by bit of the kind */
    bool stopped;
    unsigned stop_kinds;
    uint64_t stop_in;   /* calls of these kinds until the stop; 0: none */
    struct failing failing[FAILING_MAX];
    enum faulty_error fail_error; /* of the call that fails now */
};

struct entry *faulty_entries_find(const struct entries *entries, const char *path);
void faulty_entries_set(struct entries *entries, const char *path, struct inode *inode);
/* Make a change of names in `entries`, of data in `to`. */
void faulty_names_apply(struct entries *entries, const struct change *change);
void faulty_data_apply(struct buf *to, const struct change *change);
void faulty_changes_drop_first(struct changes *changes);
void faulty_parent_of(const char *path, char out[static PATH_BYTES_MAX]);
struct inode *faulty_inode_new(struct faulty_disk *disk, bool directory);
struct inode *faulty_find(struct faulty_disk *disk, const char *path);
/* A change made by a program: seen at once, PENDING. */
void faulty_add_write(struct faulty_disk *disk, struct inode *inode, uint64_t offset,
                      const char *bytes, uint64_t len);
void faulty_add_truncate(struct faulty_disk *disk, struct inode *inode, uint64_t len);
struct change *faulty_add_name(struct faulty_disk *disk, enum change_kind kind, const char *path,
                               const char *from, struct inode *inode);
/* Changes that wait get this standing. */
void faulty_sync_inode(struct inode *inode, enum standing standing);
void faulty_sync_names(struct faulty_disk *disk, const char *directory, enum standing standing);
uint64_t faulty_free_space(const struct faulty_disk *disk);
/* Of `len` bytes at `offset`, how many find room. */
uint64_t faulty_room_for(const struct faulty_disk *disk, const struct inode *inode,
                         uint64_t offset, uint64_t len);
