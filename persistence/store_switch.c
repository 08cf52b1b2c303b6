/* Switching the log on while the server runs, for what is in memory.
 *
 *   1. turn_on    the log's directory is made, if need be; a name for a base is chosen that no
 *                 file has; a log of a new kvid is opened that no start finds yet: the manifest
 *                 that is there (else one that names nothing) calls its files history: log_birth.c
 *   2.            the caller cuts the snapshot that is to be its base; changes go into the log
 *   3. base_end   the sync thread keeps a copy of the old manifest; then one switch of the manifest
 *                 names the base and the new files, and nothing else: up to then the old log is
 *                 there, from then on the new one
 *   4.            the files of the old log are renamed: <name>.aside.<n>, as the kept manifest is
 *
 * What was set aside is never touched again: it is the operator's. A crash before 4 is done leaves
 * old files under their old names, named in the kept manifest only; a start says so.
 *
 * Given up before 3, the old manifest is stored once more, as nobody may know which one is on disk;
 * then the new files are deleted.
 */
#include "persistence/store_switch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "persistence/cut.h"
#include "persistence/file.h"
#include "persistence/log_birth.h"
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

/* What is gone for sure needs no line any more. */
static int forget_history(const struct store *store, struct manifest *manifest,
                          struct fault *fault)
{
    const struct disk *disk = store->disk;
    char path[STORE_PATH_MAX + MANIFEST_NAME_MAX + 2];
    int kept = 0, status;

    for (int i = 0; i < manifest->count; i++) {
        snprintf(path, sizeof path, "%s/%s", store->directory, manifest->files[i].name);
        if (manifest->files[i].type != MANIFEST_HISTORY || disk->exists(disk->self, path) != 0)
            manifest->files[kept++] = manifest->files[i];
    }
    if (kept == manifest->count)
        return 0;
    manifest->count = kept;
    status = disk->fsync_directory(disk->self, store->directory);
    return status < 0
        ? fault_status(fault, status, store->directory, -1, "sync of the directory") : 0;
}

static bool names_files(const struct manifest *manifest)
{
    for (int i = 0; i < manifest->count; i++)
        if (manifest->files[i].type != MANIFEST_HISTORY)
            return true;
    return false;
}

/* The sync thread, before the manifest names the new log. */
static int keep_manifest(void *env, struct fault *fault)
{
    struct store *store = env;
    struct store_switch *turning = store->turning;

    turning->kept[0] = '\0';
    if (!names_files(&turning->old))
        return 0;
    return cut_copy(store->disk, store->directory, strrchr(turning->manifest_path, '/') + 1,
                    ASIDE, turning->kept, fault);
}

/* And behind that: the old log's files, but for history. What can't be renamed keeps its name. */
static void set_aside(void *env)
{
    struct store *store = env;
    struct store_switch *turning = store->turning;
    const struct disk *disk = store->disk;
    char from[STORE_PATH_MAX + MANIFEST_NAME_MAX + 2], to[CUT_PATH_MAX];

    store_remove_off_mark(store);
    for (int i = 0; i < turning->old.count; i++) {
        const struct manifest_file *file = &turning->old.files[i];

        if (file->type == MANIFEST_HISTORY)
            continue;
        snprintf(from, sizeof from, "%s/%s", store->directory, file->name);
        if (cut_free_name(disk, store->directory, file->name, ASIDE, to, NULL) == 0 &&
            disk->rename(disk->self, from, to) == 0)
            turning->aside++;
    }
    if (turning->aside > 0)
        disk->fsync_directory(disk->self, store->directory);
}

static void make_kvid(const struct store_options *options, char kvid[static 33])
{
    unsigned char random[16];

    options->recovery.random_bytes(options->recovery.env, random, sizeof random);
    num_format_hex(kvid, random, sizeof random);
}

static void free_switch(struct store *store)
{
    if (store->turning)
        manifest_free(&store->turning->old);
    mem_free(store->turning);
    store->turning = NULL;
}

/* The log is opened, but not named. */
static int open_log(struct store *store, const struct store_options *options,
                    struct journal *journal, struct journal_base *out, struct fault *fault)
{
    struct store_switch *turning = store->turning;
    struct log_birth birth = {.base_number = turning->number, .old = &turning->old,
                              .before = keep_manifest, .after = set_aside, .env = store};
    struct log_start start = {.next_file = turning->number + 1, .birth = &birth};
    struct log_options log = store_log_options(store, options);

    log_base_name(birth.base, sizeof birth.base, options->recovery.append_filename,
                  turning->number);
    make_kvid(options, start.kvid);
    memcpy(out->kvid, start.kvid, sizeof out->kvid);
    out->seq = 0;
    snprintf(out->path, sizeof out->path, "%s/%s", store->directory, birth.base);
    return log_open(&log, &start, journal, &store->log, fault);
}

int store_turn_on(struct store *store, const struct store_options *options,
                  struct journal *journal, struct journal_base *out, struct fault *fault)
{
    struct store_switch *turning = mem_alloc_zero(sizeof *turning);
    struct log_numbers numbers;
    int status = make_directory(store, options, fault);

    kv_assert(!store->log);
    kv_assert(!store->turning);
    store->turning = turning;
    if (status == 0)
        status = log_birth_sweep(store->disk, store->directory,
                                 options->recovery.append_filename, fault);
    if (status == 0)
        status = log_numbers_read(store->disk, store->directory,
                                  options->recovery.append_filename, &numbers, fault);
    if (status == 0)
        status = load_manifest(store, options, &numbers, &turning->old, fault);
    if (status == 0) {
        manifest_path(store, options, turning->manifest_path);
        snprintf(turning->name, sizeof turning->name, "%s", options->recovery.append_filename);
        log_numbers_add(&numbers, &turning->old);
        turning->number = numbers.highest + 1;
        status = forget_history(store, &turning->old, fault);
    }
    if (status == 0)
        status = open_log(store, options, journal, out, fault);
    if (status < 0)
        free_switch(store);
    return status;
}

void store_turned_on(struct store *store, const struct store_options *options)
{
    char line[STORE_PATH_MAX + CUT_PATH_MAX + 100];

    snprintf(line, sizeof line, "the log that was in %s before is kept there as *.aside.*; its "
             "manifest is %s", store->directory, store->turning->kept);
    if (store->turning->aside > 0 && options->recovery.say)
        options->recovery.say(options->recovery.env, true, line);
    free_switch(store);
}

/* What was written of the log that is not wanted: first, no manifest must name it but as history.
 * Those lines stay until it is sure that the files are gone. */
static int undo(struct store *store, struct fault *fault)
{
    const struct disk *disk = store->disk;
    struct store_switch *turning = store->turning;
    struct manifest *manifest = &turning->old;
    struct log_numbers numbers = {0};
    char name[MANIFEST_NAME_MAX + 1];
    int first = manifest->count;
    bool renamed;
    int status = log_numbers_read(disk, store->directory, turning->name, &numbers, fault);

    log_base_name(name, sizeof name, turning->name, turning->number);
    manifest_add(manifest, MANIFEST_HISTORY, name, turning->number);
    for (uint64_t number = turning->number + 1; number <= numbers.highest; number++) {
        log_incr_name(name, sizeof name, turning->name, number);
        manifest_add(manifest, MANIFEST_HISTORY, name, number);
    }
    if (status == 0)
        status = manifest_store(disk, turning->manifest_path, manifest, &renamed, fault);
    for (int i = first; status == 0 && i < manifest->count; i++)
        log_retire(disk, store->directory, manifest->files[i].name, NULL, NULL);
    return status;
}

bool store_turn_on_give_up(struct store *store, int *status, struct fault *fault)
{
    if (!log_birth_give_up(store->log))
        return false;
    store->log = NULL;
    *status = undo(store, fault);
    free_switch(store);
    return true;
}
