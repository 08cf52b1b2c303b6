/* Switching the log on while the server runs, for what is in memory.
 *
 *   1. prepare   the log's directory is made, if need be; a name for a base is chosen that no file
 *                has; the manifest that is there (else one that names nothing) gets a line that
 *                calls it history, so that a start deletes what a crash leaves of it
 *   2.           the caller writes the snapshot, complete and synced
 *   3. turn on   a copy of the old manifest is kept; then the log is opened, whose first switch of
 *                the manifest names the new base and the new file, of a new kvid, and nothing else:
 *                up to then the old log is there, from then on the new one
 *   4.           the files of the old log are renamed: <name>.aside.<n>, as the kept manifest is
 *
 * What was set aside is never touched again: it is the operator's. A crash before 4 is done leaves
 * old files under their old names, named in the kept manifest only; a start says so.
 */
#include "persistence/store_switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "persistence/cut.h"
#include "persistence/file.h"
#include "persistence/log_names.h"
#include "persistence/manifest.h"
#include "persistence/store_private.h"

#define ASIDE "aside"

static void manifest_path(const struct store *store, const struct store_options *options,
                          char out[static 2 * STORE_PATH_MAX])
{
    snprintf(out, 2 * STORE_PATH_MAX, "%s/%s.manifest", store->directory,
             options->recovery.append_filename);
}

static int make_directory(const struct store *store, const struct store_options *options,
                          struct fault *fault)
{
    const struct disk *disk = store->disk;
    const char *dir = options->recovery.dir;
    int status = disk->mkdir(disk->self, store->directory, 0755);

    if (status < 0 && status != -EEXIST)
        return fault_status(fault, status, store->directory, -1, "create the directory");
    status = disk->fsync_directory(disk->self, dir);
    return status < 0 ? fault_status(fault, status, dir, -1, "sync of the directory") : 0;
}

/* The manifest that is there, or an empty one. One that this server did not seal is not added to,
 * and neither are files without any. */
static int load_manifest(const struct store *store, const struct store_options *options,
                         const struct log_numbers *numbers, struct manifest *out,
                         struct fault *fault)
{
    const struct disk *disk = store->disk;
    char path[2 * STORE_PATH_MAX];
    int there, status = 0;

    *out = (struct manifest){0};
    manifest_path(store, options, path);
    there = disk->exists(disk->self, path);
    if (there < 0)
        return fault_status(fault, there, path, -1, "stat");
    if (there)
        status = manifest_load(disk, path, out, fault);
    if (status < 0)
        return status;
    if (there ? out->sealed : numbers->highest == 0)
        return 0;
    manifest_free(out);
    return fault_set(fault, KV_EREFUSED, store->directory, -1,
                     "there are files of another log that kv has not taken over. Nothing was "
                     "changed. Put them aside: mv '%s' '%s.aside'",
                     store->directory, store->directory);
}

int store_prepare(struct store *store, const struct store_options *options, struct store_base *out,
                  struct fault *fault)
{
    const struct disk *disk = store->disk;
    char path[2 * STORE_PATH_MAX];
    struct log_numbers numbers;
    struct manifest manifest;
    unsigned char random[16];
    bool renamed;
    int status = make_directory(store, options, fault);

    if (status == 0)
        status = log_numbers_read(disk, store->directory, options->recovery.append_filename,
                                  &numbers, fault);
    if (status == 0)
        status = load_manifest(store, options, &numbers, &manifest, fault);
    if (status < 0)
        return status;
    log_numbers_add(&numbers, &manifest);
    options->recovery.random_bytes(options->recovery.env, random, sizeof random);
    for (int i = 0; i < 16; i++)
        snprintf(out->kvid + 2 * i, 3, "%02x", random[i]);
    out->number = numbers.highest + 1;
    log_base_name(out->name, sizeof out->name, options->recovery.append_filename, out->number);
    snprintf(out->path, sizeof out->path, "%s/%s", store->directory, out->name);
    manifest_add(&manifest, MANIFEST_HISTORY, out->name, out->number);
    manifest_path(store, options, path);
    status = manifest_store(disk, path, &manifest, &renamed, fault);
    manifest_free(&manifest);
    return status;
}

/* The old log's files, but for history. What can't be renamed keeps its name. */
static int set_aside(const struct store *store, const struct manifest *old)
{
    const struct disk *disk = store->disk;
    char from[STORE_PATH_MAX + MANIFEST_NAME_MAX + 2], to[CUT_PATH_MAX];
    int count = 0;

    for (int i = 0; i < old->count; i++) {
        if (old->files[i].type == MANIFEST_HISTORY)
            continue;
        snprintf(from, sizeof from, "%s/%s", store->directory, old->files[i].name);
        if (cut_free_name(disk, store->directory, old->files[i].name, ASIDE, to, NULL) == 0 &&
            disk->rename(disk->self, from, to) == 0)
            count++;
    }
    disk->fsync_directory(disk->self, store->directory);
    return count;
}

static void say_aside(const struct store *store, const struct store_options *options,
                      const char *kept)
{
    char line[STORE_PATH_MAX + CUT_PATH_MAX + 100];

    snprintf(line, sizeof line, "the log that was in %s before is kept there as *.aside.*; its "
             "manifest is %s", store->directory, kept);
    if (options->recovery.say)
        options->recovery.say(options->recovery.env, true, line);
}

int store_turn_on(struct store *store, const struct store_options *options,
                  const struct store_base *base, struct journal *journal, struct fault *fault)
{
    struct log_start start = {.next_file = base->number + 1};
    struct log_options log = store_log_options(store, options);
    char path[2 * STORE_PATH_MAX], kept[CUT_PATH_MAX];
    struct manifest old = {0};
    struct manifest_file *file;
    int status;

    manifest_path(store, options, path);
    status = manifest_load(store->disk, path, &old, fault);
    if (status == 0 && old.count > 1)
        status = cut_copy(store->disk, store->directory, strrchr(path, '/') + 1, ASIDE, kept,
                          fault);
    if (status == 0) {
        file = manifest_add(&start.manifest, MANIFEST_BASE, base->name, base->number);
        memcpy(file->kvid, base->kvid, sizeof file->kvid);
        memcpy(start.kvid, base->kvid, sizeof start.kvid);
        status = log_open(&log, &start, journal, &store->log, fault);
    }
    if (status == 0) {
        store_remove_off_mark(store);
        if (set_aside(store, &old) > 0)
            say_aside(store, options, kept);
    }
    manifest_free(&start.manifest);
    manifest_free(&old);
    return status;
}
