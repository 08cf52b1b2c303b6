/* Switching the log on while the server runs, for what is in memory.
 *
 *   1. prepare   <appendonlydir>.new is made, empty; the caller writes a snapshot there, complete
 *                and synced
 *   2. turn on   a manifest that names it as base, of a new kvid, is stored beside it: the new
 *                directory is a log that starts
 *                <appendonlydir>, if there is one      -> <appendonlydir>.aside.<n>
 *                <appendonlydir>.new                   -> <appendonlydir>
 *                the data directory is synced, and the log opened there
 *
 * A crash in between finds the old log, or, between the two renames, none: then the next start
 * finishes the second one (store_finish_switch). A new directory without a manifest is none. What
 * was set aside is never touched again: it is the operator's.
 */
#include "persistence/store_switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "persistence/cut.h"
#include "persistence/file.h"
#include "persistence/manifest.h"
#include "persistence/store_private.h"

#define BASE_NUMBER 1

static int call_failed(struct fault *fault, int status, const char *path, const char *doing)
{
    errno = -status;
    return fault_errno(fault, path, -1, doing);
}

static void new_directory(const struct store *store, char out[static STORE_PATH_MAX])
{
    snprintf(out, STORE_PATH_MAX, "%.*s.new", STORE_PATH_MAX - 16, store->directory);
}

struct emptying {
    const struct disk *disk;
    const char *directory;
};

static void remove_entry(void *env, const char *name)
{
    const struct emptying *emptying = env;
    char path[STORE_PATH_MAX + DUMP_NAME_MAX + 2];

    snprintf(path, sizeof path, "%s/%s", emptying->directory, name);
    emptying->disk->unlink(emptying->disk->self, path);
}

int store_prepare(struct store *store, const struct store_options *options, struct store_base *out,
                  struct fault *fault)
{
    const struct disk *disk = store->disk;
    char directory[STORE_PATH_MAX];
    struct emptying emptying = {disk, directory};
    unsigned char random[16];
    int status;

    new_directory(store, directory);
    status = disk->mkdir(disk->self, directory, 0755);
    if (status == -EEXIST)
        status = disk->list(disk->self, directory, remove_entry, &emptying);
    if (status < 0)
        return call_failed(fault, status, directory, "make the directory");
    options->recovery.random_bytes(options->recovery.env, random, sizeof random);
    for (int i = 0; i < 16; i++)
        snprintf(out->kvid + 2 * i, 3, "%02x", random[i]);
    snprintf(out->name, sizeof out->name, "%.200s.%d.base.rdb", options->recovery.append_filename,
             BASE_NUMBER);
    snprintf(out->path, sizeof out->path, "%s/%s", directory, out->name);
    return 0;
}

/* The new directory becomes a log that starts. */
static int store_manifest(const struct store *store, const struct store_options *options,
                          const struct store_base *base, struct manifest *manifest,
                          struct fault *fault)
{
    char directory[STORE_PATH_MAX], path[2 * STORE_PATH_MAX];
    struct manifest_file *file;
    bool renamed;

    file = manifest_add(manifest, MANIFEST_BASE, base->name, BASE_NUMBER);
    memcpy(file->kvid, base->kvid, sizeof file->kvid);
    new_directory(store, directory);
    snprintf(path, sizeof path, "%s/%s.manifest", directory, options->recovery.append_filename);
    return manifest_store(store->disk, path, manifest, &renamed, fault);
}

/* The old log goes aside, the new one takes its name. */
static int exchange(const struct store *store, const struct store_options *options,
                    struct fault *fault)
{
    const struct disk *disk = store->disk;
    char directory[STORE_PATH_MAX], aside[CUT_PATH_MAX] = "";
    const char *dir = options->recovery.dir;
    int status = disk->exists(disk->self, store->directory);

    new_directory(store, directory);
    if (status > 0) {
        status = cut_free_name(disk, dir, options->recovery.append_dirname, "aside", aside, fault);
        if (status < 0)
            return status;
        status = disk->rename(disk->self, store->directory, aside);
    }
    if (status < 0)
        return call_failed(fault, status, store->directory, "set the old log aside");
    status = disk->rename(disk->self, directory, store->directory);
    if (status < 0) {
        if (aside[0])
            disk->rename(disk->self, aside, store->directory);
        return call_failed(fault, status, directory, "rename");
    }
    if (aside[0]) {
        char line[STORE_PATH_MAX + CUT_PATH_MAX + 64];

        snprintf(line, sizeof line, "the log that was in %s is kept in %s", store->directory,
                 aside);
        options->recovery.say(options->recovery.env, true, line);
    }
    status = disk->fsync_directory(disk->self, dir);
    return status < 0 ? call_failed(fault, status, dir, "sync of the directory") : 0;
}

int store_turn_on(struct store *store, const struct store_options *options,
                  const struct store_base *base, struct journal *journal, struct fault *fault)
{
    struct log_start start = {.next_file = BASE_NUMBER + 1};
    struct log_options log = store_log_options(store, options);
    int status = store_manifest(store, options, base, &start.manifest, fault);

    memcpy(start.kvid, base->kvid, sizeof start.kvid);
    if (status == 0)
        status = exchange(store, options, fault);
    if (status == 0)
        status = log_open(&log, &start, journal, &store->log, fault);
    manifest_free(&start.manifest);
    return status;
}

int store_finish_switch(const struct store *store, const struct recovery_options *options,
                        struct fault *fault)
{
    const struct disk *disk = store->disk;
    char directory[STORE_PATH_MAX], manifest[2 * STORE_PATH_MAX];
    int status = disk->exists(disk->self, store->directory);

    if (status != 0)
        return status < 0 ? call_failed(fault, status, store->directory, "stat") : 0;
    new_directory(store, directory);
    snprintf(manifest, sizeof manifest, "%s/%s.manifest", directory, options->append_filename);
    status = disk->exists(disk->self, manifest);
    if (status > 0) {
        status = disk->rename(disk->self, directory, store->directory);
        if (status == 0)
            status = disk->fsync_directory(disk->self, options->dir);
    }
    return status < 0 ? call_failed(fault, status, directory, "rename") : 0;
}
