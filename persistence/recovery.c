/* Recovery: what a data directory holds becomes an applied stream of commands.
 *
 *   1. choose      manifest; else a single-file log; else a dump; else nothing at all. Files that
 *                  prove that there was data, but don't say what belongs to it: refuse.
 *   2. settle      sync manifest, files and directories, then drop their pages from the cache:
 *                  after a failed sync, clean pages can lie, and what is served must be on the
 *                  medium.
 *   3. read        walk the files (walk.c): the entries of a snapshot are put (rdb_load.c); each
 *                  batch is judged, then applied; of a large log a thread judges (ahead.c).
 *   4. cut         a torn tail is copied aside, synced, and cut off, synced.
 *   5. hand over   where the stream stands, and the manifest with which the log goes on. The log
 *                  makes a new file and switches the manifest; only then is anything served.
 *
 * Each step may be repeated after a crash in the middle: 2 and 3 change nothing; 4 at worst
 * leaves a copy of a tail that is cut, again, later; the files made by a step 5 that was cut
 * short hold no batch, are named nowhere and are removed by the next recovery. Verdicts:
 *
 *   CLEAN     go on
 *   TORN      what was never acknowledged is cut; how much, and where the copy is, is said
 *   CORRUPT   refused, with file, offset, batch, keys and the command that mends it
 */
#include "persistence/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/base/text.h"
#include "persistence/ahead.h"
#include "persistence/cut.h"
#include "persistence/dump.h"
#include "persistence/file.h"
#include "persistence/import.h"
#include "persistence/log_names.h"
#include "persistence/manifest.h"
#include "persistence/reader.h"
#include "persistence/snapshot_file.h"
#include "persistence/snapshot_format.h"
#include "persistence/walk.h"

#define PATH_MAX_BYTES 512
#define PROGRESS_BYTES (2 * 1024 * 1024)
#define PROGRESS_COMMANDS 4096
#define AHEAD_BYTES_LEAST (1024 * 1024) /* a smaller log is not worth a thread */

struct recovery {
    const struct recovery_options *options;
    const struct disk *disk;
    struct recovery_result *out;
    struct fault *fault;
    char directory[PATH_MAX_BYTES], manifest_path[PATH_MAX_BYTES];
    char dump[DUMP_NAME_MAX + 1];               /* its name; "" if there is none */
    struct manifest manifest;
    struct walk walk;
    struct recovery_progress progress;
    uint64_t progress_bytes, progress_commands; /* at the last call */
    uint64_t bytes_before;                      /* of the files before the one that is read */
    bool holes;                                 /* the file that is applied was salvaged, */
    uint64_t passed_over;                       /* so many commands missed what was lost, */
    char first_passed_over[256];                /* of which this is one */
};

static void say(struct recovery *recovery, bool warning, const char *format, ...) printf_like(3, 4);

static void say(struct recovery *recovery, bool warning, const char *format, ...)
{
    char line[1200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (recovery->options->say)
        recovery->options->say(recovery->options->env, warning, line);
}

static int path_in(struct recovery *recovery, char out[static PATH_MAX_BYTES],
                   const char *directory, const char *name)
{
    int len = snprintf(out, PATH_MAX_BYTES, "%s/%s", directory, name);
    if (len < 0 || len >= PATH_MAX_BYTES - 64)
        return fault_set(recovery->fault, KV_ELIMIT, directory, -1, "the path is too long");
    return 0;
}

/* 1 if dir/name exists. */
static int exists(struct recovery *recovery, const char *path)
{
    int there = recovery->disk->exists(recovery->disk->self, path);
    return there < 0 ? fault_status(recovery->fault, there, path, -1, "stat") : there;
}

/* --- 1. Choose ------------------------------------------------------------------------------ */

/* What stands in the log's directory. */
struct inventory {
    struct recovery *recovery;
    uint64_t number_max;
    char data[MANIFEST_NAME_MAX + 1]; /* a file that holds data, or might */
    struct buf orphans;               /* names, each with its end byte: no batch, named nowhere */
    int status;
};

/* A file that was made and never written to: empty, or a header, or as much of one as a crash left;
 * zero bytes behind it do not count. 1, 0 or KV_EIO. */
static int holds_nothing(struct recovery *recovery, const char *path)
{
    struct reader reader;
    uint64_t content;
    struct slice begin;
    int status = reader_open(&reader, recovery->disk, path, recovery->fault);
    if (status < 0)
        return status;
    status = reader_content_end(&reader, 0, &content, recovery->fault);
    if (status == 0)
        status =
            reader_view(&reader, 0, (size_t)(content < 8 ? content : 8), &begin, recovery->fault);
    if (status == 0) {
        bool header_begins = memcmp(begin.data, "#KVF:v1:", begin.len) == 0;
        uint64_t header = reader.has_header ? reader.at : FORMAT_HEADER_MAX;
        status = header_begins && content <= header;
    }
    reader_close(&reader);
    return status;
}

static bool is_named(const struct manifest *manifest, const char *name)
{
    for (int i = 0; i < manifest->count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return true;
    return false;
}

static void take_name(void *env, const char *name)
{
    struct inventory *inventory = env;
    struct recovery *recovery = inventory->recovery;
    const char *stem = recovery->options->append_filename;
    char path[PATH_MAX_BYTES];
    uint64_t number = log_number_in_name(name, stem);
    if (number > inventory->number_max)
        inventory->number_max = number;
    if (inventory->status < 0 || strncmp(name, stem, strlen(stem)) != 0 ||
        strlen(name) > MANIFEST_NAME_MAX || is_named(&recovery->manifest, name) ||
        strstr(name, ".torn.") || strstr(name, ".damaged.") ||
        strstr(name, ".aside.") || text_ends_with(name, ".tmp") ||
        text_ends_with(name, SNAPSHOT_INDEX_SUFFIX) ||
        text_ends_with(name, ".manifest"))
        return;
    inventory->status = path_in(recovery, path, recovery->directory, name);
    if (inventory->status < 0)
        return;
    /* What can't be read may be data. */
    int nothing = holds_nothing(recovery, path);
    if (nothing <= 0)
        snprintf(inventory->data, sizeof(inventory->data), "%s", name);
    else if (number > 0 && text_ends_with(name, ".incr.aof"))
        buf_append(&inventory->orphans, name, strlen(name) + 1);
}

/* The archive may be ahead of a log that was copied back. */
static void number_past_archive(const struct recovery *recovery, struct inventory *inventory)
{
    char path[PATH_MAX_BYTES];
    struct log_numbers archived;
    struct fault none = {0};
    if (log_archive_path(path, sizeof(path), recovery->options->archive, recovery->walk.kvid) &&
        log_numbers_read(recovery->disk, path, recovery->options->append_filename, &archived,
                         &none) == 0 &&
        archived.highest > inventory->number_max)
        inventory->number_max = archived.highest;
}

static int take_inventory(struct recovery *recovery, struct inventory *inventory)
{
    *inventory = (struct inventory){.recovery = recovery};
    int status =
        recovery->disk->list(recovery->disk->self, recovery->directory, take_name, inventory);
    if (status < 0)
        return fault_status(recovery->fault, status, recovery->directory, -1, "list");
    for (int i = 0; i < recovery->manifest.count; i++)
        if (recovery->manifest.files[i].seq > inventory->number_max)
            inventory->number_max = recovery->manifest.files[i].seq;
    number_past_archive(recovery, inventory);
    return inventory->status;
}

/* No manifest: nothing here may hold data. */
static int refuse_data(struct recovery *recovery)
{
    struct inventory inventory;
    int status = take_inventory(recovery, &inventory);
    buf_free(&inventory.orphans);
    if (status == 0 && inventory.data[0])
        status = fault_set(recovery->fault, KV_EREFUSED, recovery->manifest_path, -1,
                           "the manifest is missing, but there is %s/%s: this was a log, and "
                           "without its manifest nobody knows which files make it up. Nothing was "
                           "changed. Restore the manifest, or see what the files hold with: "
                           "kv-check-aof %s ; to begin empty, move %s away",
                           recovery->directory, inventory.data, recovery->directory,
                           recovery->directory);
    return status;
}

/* kv.durable without a log. */
static int refuse_durable(struct recovery *recovery)
{
    if (recovery->walk.slot.batch == 0)
        return 0;
    return fault_set(recovery->fault, KV_EREFUSED, recovery->manifest_path, -1,
                     "the manifest and the log are missing, but kv.durable names batch %llu as "
                     "durable: there was data. Nothing was changed. Restore the files, or move %s "
                     "away to begin empty",
                     (unsigned long long)recovery->walk.slot.batch, recovery->directory);
}

/* A directory whose name could not be synced is taken back: a later sync of the same name would
 * say that all is well, and not make it so. */
static int make_directory(struct recovery *recovery)
{
    const struct disk *disk = recovery->disk;
    int made = disk->mkdir(disk->self, recovery->directory, 0755);
    if (made < 0 && made != -EEXIST)
        return fault_status(recovery->fault, made, recovery->directory, -1, "create the directory");
    int status = disk->fsync_directory(disk->self, recovery->options->dir);
    if (status == 0)
        return 0;
    if (made == 0)
        disk->rmdir(disk->self, recovery->directory);
    return fault_status(recovery->fault, status, recovery->options->dir, -1,
                        "sync of the directory");
}

/* A dump beside the log's directory: left alone if there is a log, else its base. */
static int note_dump(struct recovery *recovery, bool has_log)
{
    const struct recovery_options *options = recovery->options;
    char path[PATH_MAX_BYTES], *name = recovery->dump;
    int status = dump_find(recovery->disk, options->dir, options->db_filename, name,
                           recovery->fault);
    if (status == 0 && has_log)
        status = dump_check_log(options, name, recovery->fault);
    if (status < 0 || !name[0])
        return status;
    status = path_in(recovery, path, options->dir, name);
    if (status < 0)
        return status;
    if (has_log && !is_named(&recovery->manifest, name)) {
        say(recovery, false, "the log is loaded; the snapshot %s beside it is left as it is", path);
    } else if (!has_log) {
        say(recovery, false, "there is no log: importing the snapshot %s", path);
        import_single(&recovery->manifest, name);
    }
    return 0;
}

/* Fill in recovery->manifest. */
static int choose(struct recovery *recovery)
{
    const struct recovery_options *options = recovery->options;
    char single[PATH_MAX_BYTES];
    int has_manifest = exists(recovery, recovery->manifest_path);
    int status = path_in(recovery, single, options->dir, options->append_filename);
    int has_single = status == 0 ? exists(recovery, single) : status;
    if (has_manifest < 0 || has_single < 0)
        return has_manifest < 0 ? has_manifest : has_single;
    if (has_manifest) {
        status = manifest_load(recovery->disk, recovery->manifest_path, &recovery->manifest,
                               recovery->fault);
        if (status == KV_ECORRUPT || status == KV_EFORMAT)
            status = fault_set(recovery->fault, KV_ECORRUPT, recovery->manifest_path,
                               recovery->fault ? recovery->fault->offset : -1,
                               "%s. Nothing was changed. Restore the manifest, or go on with the "
                               "files that are there: kv-check-aof --salvage %s",
                               recovery->fault ? recovery->fault->text : "", recovery->directory);
        if (status == 0 && has_single && !is_named(&recovery->manifest, options->append_filename))
            say(recovery, true, "%s is not part of the log, which is %s: it is left as it is",
                single, recovery->manifest_path);
        return status == 0 ? note_dump(recovery, true) : status;
    }
    status = refuse_data(recovery);
    if (status == 0)
        status = refuse_durable(recovery);
    if (status == 0)
        status = note_dump(recovery, has_single);
    if (status == 0 && has_single) {
        say(recovery, false, "importing the log of a stock server, %s", single);
        import_single(&recovery->manifest, options->append_filename);
    }
    return status;
}

/* --- 2. Settle ------------------------------------------------------------------------------ */

static int settle_file(struct recovery *recovery, const char *path)
{
    const struct disk *disk = recovery->disk;
    int fd = disk->open(disk->self, path, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fault_status(recovery->fault, fd, path, -1, "open");
    int status = disk->fsync(disk->self, fd);
    if (status < 0)
        status = fault_status(recovery->fault, status, path, -1, "sync");
    else
        disk->drop_cache(disk->self, fd); /* where that can't be done, the cache is all there is */
    disk->close(disk->self, fd);
    return status;
}

static int settle_log(struct recovery *recovery)
{
    int status = 0;
    for (int i = 0; status == 0 && i < recovery->walk.count; i++) {
        status = settle_file(recovery, recovery->walk.files[i].path);
        recovery->progress.bytes_total += recovery->walk.files[i].size;
    }
    return status;
}

/* Sync what says which files there are, and load kv.durable. */
static int settle_directory(struct recovery *recovery)
{
    const struct disk *disk = recovery->disk;
    char path[PATH_MAX_BYTES];
    int found, status = make_directory(recovery);
    if (status == 0)
        status = settle_file(recovery, recovery->manifest_path);
    if (status < 0)
        return status;
    status = disk->fsync_directory(disk->self, recovery->directory);
    if (status < 0)
        return fault_status(recovery->fault, status, recovery->directory, -1,
                            "sync of the directory");
    status = path_in(recovery, path, recovery->directory, "kv.durable");
    if (status == 0)
        status = settle_file(recovery, path);
    if (status == 0)
        status = durable_load(recovery->disk, path, &recovery->walk.slot, &found, recovery->fault);
    if (status == 0 && found == 1)
        say(recovery, true, "%s: one of its two slots is bad; the next write mends it", path);
    int there = status == 0 && found == 0 ? exists(recovery, path) : status;
    if (there > 0)
        say(recovery, true, "%s holds no good slot: the last batches of the log can't be proven",
            path);
    return there < 0 ? there : 0;
}

/* --- 3. Read -------------------------------------------------------------------------------- */

static void report_progress(struct recovery *recovery, uint64_t offset, bool now)
{
    struct recovery_progress *progress = &recovery->progress;
    progress->bytes_done = recovery->bytes_before + offset;
    if (!now && progress->bytes_done - recovery->progress_bytes < PROGRESS_BYTES &&
        progress->commands - recovery->progress_commands < PROGRESS_COMMANDS)
        return;
    recovery->progress_bytes = progress->bytes_done;
    recovery->progress_commands = progress->commands;
    if (recovery->options->progress)
        recovery->options->progress(recovery->options->env, progress);
}

static int apply_command(void *env, uint64_t offset, int argc, const struct slice *argv,
                         struct fault *fault)
{
    struct recovery *recovery = env;
    int status = recovery->options->apply(recovery->options->env, argc, argv, fault);
    recovery->progress.commands++;
    report_progress(recovery, offset, false);
    if (status == KV_EFORMAT && recovery->holes) {
        if (recovery->passed_over++ == 0)
            snprintf(recovery->first_passed_over, sizeof(recovery->first_passed_over), "%.250s",
                     fault->text);
        return 0;
    }
    if (status < 0 && fault && fault->offset < 0)
        fault->offset = (int64_t)offset;
    return status;
}

/* Apply the commands between two offsets of a file that were found good. */
static int apply_part(struct recovery *recovery, int file, struct reader *reader, uint64_t from,
                      uint64_t to, struct fault *fault)
{
    int entry = recovery->walk.files[file].entry;
    recovery->holes = entry < recovery->manifest.count && recovery->manifest.files[entry].holes;
    int status = reader_each(reader, from, to, UINT64_MAX, apply_command, recovery, fault);
    if (status < 0 && fault && !fault->path[0])
        snprintf(fault->path, sizeof(fault->path), "%s", recovery->walk.files[file].path);
    return status;
}

static int put_entry(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    const struct recovery_options *options = ((struct recovery *)env)->options;
    return options->put(options->env, db, entry, hash, fault);
}

static uint64_t hash_key(void *env, struct slice key)
{
    const struct recovery_options *options = ((struct recovery *)env)->options;
    return options->hash ? options->hash(options->env, key) : 0;
}

static int add_function(void *env, struct slice code, struct fault *fault)
{
    struct recovery *recovery = env;
    return recovery->options->function(recovery->options->env, code, fault);
}

static void presize(void *env, int db, uint64_t keys)
{
    struct recovery *recovery = env;
    if (recovery->options->presize)
        recovery->options->presize(recovery->options->env, db, keys);
}

static void put_soon(void *env, int db, int step, uint64_t hash)
{
    const struct recovery_options *options = ((struct recovery *)env)->options;
    if (options->put_soon)
        options->put_soon(options->env, db, step, hash);
}

static void count_keys(void *env, uint64_t offset, uint64_t keys)
{
    struct recovery *recovery = env;
    recovery->progress.keys = keys;
    report_progress(recovery, offset, false);
}

static void apply_soon(void *env, int step, int argc, const struct slice *argv)
{
    const struct recovery_options *options = ((struct recovery *)env)->options;
    options->soon(options->env, step, argc, argv);
}

static int apply_batch(void *env, int file, struct reader *reader, const struct reader_batch *batch,
                       struct fault *fault)
{
    return apply_part(env, file, reader, batch->from, batch->to, fault);
}

static void enter_file(struct recovery *recovery, int file)
{
    recovery->bytes_before = 0;
    for (int i = 0; i < file; i++)
        recovery->bytes_before += recovery->walk.files[i].size;
    report_progress(recovery, 0, true);
}

/* The files from one on: a thread checks, this one applies. */
static int read_ahead(struct recovery *recovery, int from)
{
    struct reader reader = {.fd = -1};
    struct ahead_part part;
    struct ahead *ahead;
    int file = -1;
    int status = ahead_start(&recovery->walk, from, &ahead, recovery->fault);
    if (status < 0)
        return status;
    while (status == 0 && ahead_next(ahead, &part)) {
        if (part.file != file) {
            file = part.file;
            reader_close(&reader);
            enter_file(recovery, file);
            status = reader_open(&reader, recovery->disk, recovery->walk.files[file].path,
                                 recovery->fault);
            reader.soon = recovery->options->soon ? apply_soon : NULL;
        }
        if (status == 0)
            status = apply_part(recovery, file, &reader, part.from, part.to, recovery->fault);
    }
    reader_close(&reader);
    int walked = ahead_stop(ahead, status == 0 ? recovery->fault : NULL);
    return status == 0 ? walked : status;
}

/* In turn what begins with a snapshot, which has threads of its own, and what is not worth one. */
static int read_log(struct recovery *recovery)
{
    struct walk *walk = &recovery->walk;
    bool ahead = false;
    int status = 0;
    if (recovery->fault)
        *recovery->fault = (struct fault){.offset = -1};
    for (int i = 0; status == 0 && !ahead && i < walk->count; i++) {
        enter_file(recovery, i);
        ahead = !walk->files[i].snapshot &&
                recovery->progress.bytes_total - recovery->bytes_before >= AHEAD_BYTES_LEAST;
        status = ahead ? read_ahead(recovery, i) : walk_file(walk, i, recovery->fault);
    }
    if (status < 0)
        return status;
    enter_file(recovery, walk->count);
    return walk_end(walk, recovery->fault);
}

/* --- 4. Cut --------------------------------------------------------------------------------- */

static int cut(struct recovery *recovery, const struct walk_file *file)
{
    struct recovery_result *out = recovery->out;
    if (recovery->options->refuses_torn)
        return fault_set(recovery->fault, KV_EREFUSED, file->path, (int64_t)file->good_to,
                         "the tail was torn by a crash (%s), and aof-load-truncated is no. Cut it "
                         "with: kv-check-aof --fix %s",
                         file->why, recovery->directory);
    int status =
        cut_tail(recovery->disk, recovery->directory, recovery->manifest.files[file->entry].name,
                 file->path, file->good_to, out->torn_copy, recovery->fault);
    if (status < 0)
        return status;
    out->torn_bytes = file->size - file->good_to;
    say(recovery, true,
        "%s: the tail was torn by a crash (%s). Cut %llu bytes at offset %llu%s%s%s", file->path,
        file->why, (unsigned long long)out->torn_bytes, (unsigned long long)file->good_to,
        file->raw ? "" : " that were never acknowledged",
        out->torn_copy[0] ? "; a copy is in " : "", out->torn_copy);
    return 0;
}

static int cut_tails(struct recovery *recovery)
{
    int status = 0;
    for (int i = 0; status == 0 && i < recovery->walk.count; i++)
        if (recovery->walk.files[i].verdict == VERDICT_TORN)
            status = cut(recovery, &recovery->walk.files[i]);
    return status;
}

/* --- 5. Hand over --------------------------------------------------------------------------- */

static void remove_file(struct recovery *recovery, const char *name)
{
    char path[PATH_MAX_BYTES];
    if (path_in(recovery, path, recovery->directory, name) == 0)
        recovery->disk->unlink(recovery->disk->self, path); /* if it stays, the next one tries */
}

static void drop_entry(struct manifest *manifest, int at)
{
    manifest->count--;
    memmove(manifest->files + at, manifest->files + at + 1,
            (size_t)(manifest->count - at) * sizeof(*manifest->files));
}

/* Files that hold nothing, those that a finished compaction left to be removed, and snapshots that
 * were cut short. */
static void remove_leftovers(struct recovery *recovery, const struct inventory *inventory)
{
    const char *orphan = inventory->orphans.data;
    const char *end = orphan + inventory->orphans.len;
    for (; orphan < end; orphan += strlen(orphan) + 1)
        remove_file(recovery, orphan);
    struct manifest *manifest = &recovery->manifest;
    for (int i = manifest->count - 1; i >= 0; i--) {
        if (manifest->files[i].type != MANIFEST_HISTORY)
            continue;
        log_retire(recovery->disk, recovery->directory, manifest->files[i].name,
                   recovery->options->archive, recovery->walk.kvid);
        drop_entry(manifest, i);
    }
    snapshot_file_sweep(recovery->disk, recovery->directory);
    snapshot_file_sweep(recovery->disk, recovery->options->dir);
    if (inventory->data[0])
        say(recovery, true, "%s/%s is not named in the manifest: it is left as it is",
            recovery->directory, inventory->data);
}

/* A last file without a batch is replaced, not joined. */
static void drop_empty(struct recovery *recovery)
{
    struct walk *walk = &recovery->walk;
    while (walk->count > 0) {
        const struct walk_file *file = &walk->files[walk->count - 1];
        if (!file->has_header || file->batches > 0 || file->raw)
            return;
        drop_entry(&recovery->manifest, file->entry);
        walk->count--;
    }
}

static void make_kvid(struct recovery *recovery)
{
    unsigned char bytes[16];
    recovery->options->random_bytes(recovery->options->env, bytes, sizeof(bytes));
    num_format_hex(recovery->walk.kvid, bytes, sizeof(bytes));
}

static void say_taken_over(struct recovery *recovery, const struct walk_file *file)
{
    uint64_t from = file->snapshot ? file->rdb.end : file->raw_from;
    if (file->snapshot)
        say(recovery, false, "%s: a snapshot%s%s with %llu keys (RDB %d, %s) is the log's base",
            file->path, file->rdb.server[0] ? " by server version " : "", file->rdb.server,
            (unsigned long long)file->rdb.keys, file->rdb.version,
            file->rdb.checked ? "its checksum holds" : "it has no checksum");
    if (file->raw && file->raw_to > from)
        say(recovery, true,
            "%s: %llu bytes from offset %llu were written by a stock server. They are taken over, "
            "but no checksum protects them until the log is rewritten",
            file->path, (unsigned long long)(file->raw_to - from), (unsigned long long)from);
}

static int hand_over(struct recovery *recovery)
{
    struct inventory inventory;
    struct walk *walk = &recovery->walk;
    struct recovery_result *out = recovery->out;
    int status = import_move(walk, recovery->options->append_filename, recovery->fault);
    if (status == 0)
        status = take_inventory(recovery, &inventory);
    if (status < 0)
        return status;
    out->imported = walk->count > 0 && !recovery->manifest.sealed;
    if (!walk->kvid[0])
        make_kvid(recovery);
    for (int i = 0; i < walk->count; i++) {
        out->batches += walk->files[i].batches;
        out->commands += walk->files[i].commands;
        out->keys += walk->files[i].rdb.keys;
        if (walk->files[i].rdb.problem[0])
            say(recovery, true, "%s: %s: it was read as one stream, whose checksum holds",
                walk->files[i].path, walk->files[i].rdb.problem);
        if (out->imported)
            say_taken_over(recovery, &walk->files[i]);
    }
    drop_empty(recovery);
    import_mark(walk, &recovery->manifest);
    remove_leftovers(recovery, &inventory);
    buf_free(&inventory.orphans);
    struct log_start *start = &out->start;
    memcpy(start->kvid, walk->kvid, sizeof(start->kvid));
    start->seq = walk->seq;
    start->batch = walk->batch;
    start->crc = walk->crc;
    start->next_file = inventory.number_max + 1;
    start->durable_turn = walk->slot.turn;
    start->manifest = recovery->manifest;
    recovery->manifest = (struct manifest){0};
    return 0;
}

static int run(struct recovery *recovery)
{
    int status = settle_directory(recovery);
    if (status == 0)
        status = choose(recovery);
    if (status == 0)
        status = walk_open(&recovery->walk, recovery->fault);
    if (status == 0)
        status = settle_log(recovery);
    if (status == 0)
        status = read_log(recovery);
    if (status == 0)
        status = cut_tails(recovery);
    return status == 0 ? hand_over(recovery) : status;
}

int recovery_run(const struct recovery_options *options, struct recovery_result *out,
                 struct fault *fault)
{
    struct recovery recovery = {
        .options = options, .disk = options->disk, .out = out, .fault = fault};
    char name[MANIFEST_NAME_MAX + 1];
    *out = (struct recovery_result){0};
    snprintf(name, sizeof(name), "%s.manifest", options->append_filename);
    int status = path_in(&recovery, recovery.directory, options->dir, options->append_dirname);
    if (status == 0)
        status = path_in(&recovery, recovery.manifest_path, recovery.directory, name);
    recovery.walk = (struct walk){.disk = options->disk,
                                  .directory = recovery.directory,
                                  .parent = options->dir,
                                  .manifest = &recovery.manifest,
                                  .dump = recovery.dump,
                                  .env = &recovery,
                                  .good = apply_batch,
                                  .rdb = {.limits = options->limits,
                                          .put = put_entry, .hash = hash_key,
                                          .function = options->function ? add_function : NULL,
                                          .soon = put_soon,
                                          .presize = presize,
                                          .progress = count_keys}};
    if (status == 0)
        status = run(&recovery);
    if (recovery.passed_over)
        say(&recovery, true,
            "%llu commands of the salvaged log need what was lost, and were passed over; the "
            "first: %s", (unsigned long long)recovery.passed_over, recovery.first_passed_over);
    walk_close(&recovery.walk);
    manifest_free(&recovery.manifest);
    return status;
}
