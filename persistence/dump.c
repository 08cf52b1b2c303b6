/* Which dump there is, and what it means beside a log.
 *
 *   log    kv.off   appendonly   what is loaded
 *   none   -        yes          the dump, as the base of a log (import.c)
 *   none   -        no           the dump
 *   yes    no       yes          the log; the dump is left as it is
 *   yes    no       no           nothing: refused, as the log would be left out
 *   yes    yes      no           the dump
 *   yes    yes      yes          the log, if no dump was made since it was switched off; else
 *                                refused: nobody but the operator knows which one is meant
 *
 * kv.off says when the log was switched off: a Unix time, and a line end.
 */
#include "persistence/dump.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/num.h"
#include "core/base/text.h"
#include "core/base/slice.h"
#include "persistence/file.h"
#include "persistence/rdb_load.h"
#include "persistence/recovery.h"
#include "persistence/snapshot_file.h"

#define PATH_BYTES 1024
#define MARK_BYTES_MAX 64
#define PACKED_ENDING ".lz4"

/* "a.rdb.lz4" and "a.rdb" are two names for one thing. */
static void sibling_of(const char *name, char out[static DUMP_NAME_MAX + 1])
{
    size_t len = strlen(name), ending = sizeof PACKED_ENDING - 1;

    if (text_ends_with(name, PACKED_ENDING))
        snprintf(out, DUMP_NAME_MAX + 1, "%.*s", (int)(len - ending), name);
    else
        snprintf(out, DUMP_NAME_MAX + 1, "%.*s" PACKED_ENDING, (int)(DUMP_NAME_MAX - ending),
                 name);
}

static int is_there(const struct disk *disk, const char *dir, const char *name,
                    struct fault *fault)
{
    char path[PATH_BYTES];
    int there;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    there = disk->exists(disk->self, path);
    return there < 0 ? fault_status(fault, there, path, -1, "stat") : there;
}

static int dump_made(const struct disk *disk, const char *dir, const char *name, int64_t *unix_s,
              struct fault *fault)
{
    char path[PATH_BYTES];
    struct rdb_load load = {.disk = disk, .path = path, .notes_only = true};
    struct rdb_found found;
    int status;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    status = rdb_load(&load, &found, fault);
    *unix_s = found.created;
    return status;
}

int dump_find(const struct disk *disk, const char *dir, const char *name,
              char out[static DUMP_NAME_MAX + 1], struct fault *fault)
{
    char sibling[DUMP_NAME_MAX + 1];
    int64_t made = 0, sibling_made = 0;
    int first, second, status = 0;

    out[0] = '\0';
    if (!name || !name[0])
        return 0;
    sibling_of(name, sibling);
    first = is_there(disk, dir, name, fault);
    second = first < 0 ? first : is_there(disk, dir, sibling, fault);
    if (second < 0)
        return second;
    if (first && second) {
        status = dump_made(disk, dir, name, &made, fault);
        if (status == 0)
            status = dump_made(disk, dir, sibling, &sibling_made, fault);
    }
    if (first || second)
        snprintf(out, DUMP_NAME_MAX + 1, "%s",
                 !first || (second && sibling_made > made) ? sibling : name);
    return status;
}

/* When the log in this directory was switched off; 0: it was not. */
static int switched_off(const struct recovery_options *options, int64_t *unix_s,
                        struct fault *fault)
{
    char path[PATH_BYTES];
    struct buf text = {0};
    int status;

    *unix_s = 0;
    snprintf(path, sizeof path, "%s/%s/" DUMP_OFF_MARK, options->dir, options->append_dirname);
    status = options->disk->exists(options->disk->self, path);
    if (status <= 0)
        return status < 0 ? fault_status(fault, status, path, -1, "stat") : 0;
    status = file_read_all(options->disk, path, MARK_BYTES_MAX, &text, fault);
    if (status == 0 && text.len > 0)
        text.len--;
    if (status == 0 && !num_parse_i64(buf_slice(&text), unix_s))
        *unix_s = 1; /* some time ago */
    buf_free(&text);
    return status;
}

int dump_check_log(const struct recovery_options *options, const char *dump, struct fault *fault)
{
    int64_t off, made = 0;
    int status = switched_off(options, &off, fault);

    if (status < 0 || off == 0 || !dump[0])
        return status;
    status = dump_made(options->disk, options->dir, dump, &made, fault);
    if (status < 0 || made < off)
        return status;
    return fault_set(fault, KV_EREFUSED, options->dir, -1,
                     "the log was switched off, and the dump %s was made afterwards: the log is "
                     "older than the data. Nothing was changed. To go on with the dump: mv %s/%s "
                     "%s/%s.aside ; to go on with the log: mv %s/%s %s/%s.aside",
                     dump, options->dir, options->append_dirname, options->dir,
                     options->append_dirname, options->dir, dump, options->dir, dump);
}

static int refuse_log(const struct recovery_options *options, struct fault *fault)
{
    return fault_set(fault, KV_EREFUSED, options->dir, -1,
                     "there is a log in %s/%s, and 'appendonly no' would start without what it "
                     "holds. Nothing was changed. Start with --appendonly yes (CONFIG SET "
                     "appendonly no then switches it off, SAVE keeps a dump), or put the log "
                     "aside: mv %s/%s %s/%s.aside",
                     options->dir, options->append_dirname, options->dir, options->append_dirname,
                     options->dir, options->append_dirname);
}

static int64_t size_of(const struct disk *disk, const char *path)
{
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    int64_t size = fd < 0 ? 0 : disk->size(disk->self, fd);

    if (fd >= 0)
        disk->close(disk->self, fd);
    return size > 0 ? size : 0;
}

struct loading {
    const struct recovery_options *options;
    struct recovery_progress progress;
};

static int put(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    const struct recovery_options *options = ((struct loading *)env)->options;

    return options->put(options->env, db, entry, hash, fault);
}

static uint64_t hash_key(void *env, struct slice key)
{
    const struct recovery_options *options = ((struct loading *)env)->options;

    return options->hash ? options->hash(options->env, key) : 0;
}

static int add_function(void *env, struct slice code, struct fault *fault)
{
    const struct recovery_options *options = ((struct loading *)env)->options;

    return options->function(options->env, code, fault);
}

static void put_soon(void *env, int db, int step, uint64_t hash)
{
    const struct recovery_options *options = ((struct loading *)env)->options;

    if (options->put_soon)
        options->put_soon(options->env, db, step, hash);
}

static void presize(void *env, int db, uint64_t keys)
{
    const struct recovery_options *options = ((struct loading *)env)->options;

    if (options->presize)
        options->presize(options->env, db, keys);
}

static void tell_progress(void *env, uint64_t bytes, uint64_t keys)
{
    struct loading *loading = env;

    loading->progress.bytes_done = bytes;
    loading->progress.keys = keys;
    if (loading->options->progress)
        loading->options->progress(loading->options->env, &loading->progress);
}

int dump_load(const struct recovery_options *options, struct recovery_result *out,
              struct fault *fault)
{
    char name[DUMP_NAME_MAX + 1], path[PATH_BYTES], line[PATH_BYTES + 300];
    struct loading loading = {.options = options};
    struct rdb_load load = {.disk = options->disk, .path = path, .limits = options->limits,
                            .env = &loading, .put = put, .hash = hash_key, .soon = put_soon,
                            .presize = presize,
                            .function = options->function ? add_function : NULL,
                            .progress = tell_progress};
    struct rdb_found found;
    int status = dump_find(options->disk, options->dir, options->db_filename, name, fault);

    if (status < 0 || !name[0])
        return status;
    snprintf(path, sizeof path, "%s/%s", options->dir, name);
    loading.progress.bytes_total = (uint64_t)size_of(options->disk, path);
    status = rdb_load(&load, &found, fault);
    if (status < 0)
        return status;
    out->keys = found.keys;
    if (found.problem[0]) {
        snprintf(line, sizeof line, "%s: %s: it was read as one stream, whose checksum holds", path,
                 found.problem);
        options->say(options->env, true, line);
    }
    snprintf(line, sizeof line, "the dump %s with %llu keys (RDB %d, %s) was loaded", path,
             (unsigned long long)found.keys, found.version,
             found.checked ? "its checksum holds" : "it has no checksum");
    options->say(options->env, false, line);
    return 0;
}

int dump_recover(const struct recovery_options *options, struct recovery_result *out,
                 struct fault *fault)
{
    char manifest[PATH_BYTES];
    int64_t off;
    int status = switched_off(options, &off, fault);

    snprintf(manifest, sizeof manifest, "%s/%s/%s.manifest", options->dir, options->append_dirname,
             options->append_filename);
    if (status == 0 && off == 0 && options->disk->exists(options->disk->self, manifest) != 0)
        status = refuse_log(options, fault);
    snapshot_file_sweep(options->disk, options->dir); /* what a crash has left */
    return status == 0 ? dump_load(options, out, fault) : status;
}
