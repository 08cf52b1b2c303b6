/* What kv-check-aof does.
 *
 *   1. find      file, manifest or directory; take the data directory's lock, so that no server
 *                runs
 *   2. walk      every file, with the same rules and the same code as recovery
 *   3. report    per file: batches, commands, bytes, sequence, verdict; where damage is, what
 *                --fix or --salvage would drop, and which keys that concerns; and the lines that
 *                users of redis-check-aof know
 *   4. mend      after asking: --fix cuts a torn tail (of a stock server's log: all behind the
 *                last good command); --salvage, --truncate-to-timestamp and --new-id write the good
 *                part anew (salvage.c), or cut, where no file of kv's is concerned
 *
 * A file is checked alone only when it is named alone: then what was before it is not asked for.
 */
#include "persistence/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/text.h"
#include "core/base/mem.h"
#include "persistence/check_report.h"
#include "persistence/cut.h"
#include "persistence/durable.h"
#include "persistence/file.h"
#include "persistence/log_names.h"
#include "persistence/manifest.h"
#include "persistence/reader.h"
#include "persistence/salvage.h"
#include "persistence/snapshot_format.h"
#include "persistence/snapshot_salvage.h"
#include "persistence/walk.h"

#define PATH_BYTES 512
#define MANIFEST_END ".manifest"
#define LOCK_NAME "kv.lock"

struct check {
    const struct check_options *options;
    const struct disk *disk;
    char directory[PATH_BYTES], parent[PATH_BYTES]; /* of the log; the one it lies in */
    char name[MANIFEST_NAME_MAX + 1];               /* appendonly.aof, or the single file's name */
    char manifest_path[PATH_BYTES];                 /* "" for a single file */
    bool manifest_lost;
    int durable_slots; /* good ones; -1: no such file */
    struct manifest manifest;
    struct walk walk;
    struct check_report report;
    int lock_fd;
    struct fault fault;
};

static int call_failed(struct check *check, int64_t status, const char *path, const char *doing)
{
    return fault_status(&check->fault, status, path, -1, doing);
}

/* --- 1. Find -------------------------------------------------------------------------------- */

static void split_path(const char *path, char directory[static PATH_BYTES],
                       char name[static PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    snprintf(name, PATH_BYTES, "%s", slash ? slash + 1 : path);
    if (!slash)
        snprintf(directory, PATH_BYTES, ".");
    else
        snprintf(directory, PATH_BYTES, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

struct find {
    char manifest[PATH_BYTES];
    char log[PATH_BYTES]; /* a file whose name tells the log's */
    bool has_append_dir;
};

static void see_name(void *env, const char *name)
{
    struct find *find = env;
    const char *incr = strstr(name, ".incr.aof");
    if (text_ends_with(name, MANIFEST_END))
        snprintf(find->manifest, sizeof(find->manifest), "%s", name);
    else if (incr && text_ends_with(name, ".incr.aof"))
        snprintf(find->log, sizeof(find->log), "%.*s", (int)(incr - name), name);
    find->has_append_dir |= strcmp(name, "appendonlydir") == 0;
}

/* A directory: the log's, or the one that holds it. 1 if it is no directory. */
static int find_in_directory(struct check *check, const char *path)
{
    struct find find = {.has_append_dir = false};
    int status = check->disk->list(check->disk->self, path, see_name, &find);
    if (status == -ENOTDIR)
        return 1;
    if (status < 0)
        return call_failed(check, status, path, "open");
    if (!find.manifest[0] && !find.log[0] && find.has_append_dir) {
        char inner[PATH_BYTES];
        snprintf(inner, sizeof(inner), "%.480s/appendonlydir", path);
        return find_in_directory(check, inner);
    }
    snprintf(check->directory, sizeof(check->directory), "%s", path);
    size_t len = strlen(check->directory);
    while (len > 1 && check->directory[len - 1] == '/')
        check->directory[--len] = '\0';
    if (find.manifest[0]) {
        snprintf(check->name, sizeof(check->name), "%.*s",
                 (int)(strlen(find.manifest) - strlen(MANIFEST_END)), find.manifest);
    } else if (find.log[0]) {
        char *number = strrchr(find.log, '.');
        if (number)
            *number = '\0';
        snprintf(check->name, sizeof(check->name), "%.250s", find.log);
    } else {
        return fault_set(&check->fault, KV_EREFUSED, path, -1, "there is no log in this directory");
    }
    return 0;
}

static int find_subject(struct check *check)
{
    const char *path = check->options->path;
    char name[PATH_BYTES];
    if (strlen(path) > PATH_BYTES - 64)
        return fault_set(&check->fault, KV_ELIMIT, NULL, -1, "the path is too long");
    int status = find_in_directory(check, path);
    if (status < 0)
        return status;
    if (status > 0) {
        split_path(path, check->directory, name);
        if (text_ends_with(name, MANIFEST_END))
            name[strlen(name) - strlen(MANIFEST_END)] = '\0';
        else
            check->walk.alone = true;
        snprintf(check->name, sizeof(check->name), "%.255s", name);
    }
    if (!check->walk.alone)
        snprintf(check->manifest_path, sizeof(check->manifest_path), "%.400s/%.90s" MANIFEST_END,
                 check->directory, check->name);
    snprintf(check->parent, sizeof(check->parent), "%.480s/..", check->directory);
    return 0;
}

/* The lock is in the data directory: the log's own, or the one above. */
static int take_lock(struct check *check)
{
    const char *const places[] = {check->parent, check->directory};
    for (int i = 0; i < 2 && check->lock_fd < 0; i++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof(path), "%.500s/" LOCK_NAME, places[i]);
        int fd = check->disk->open(check->disk->self, path, O_RDWR, 0);
        if (fd < 0)
            continue;
        int status = check->disk->lock(check->disk->self, fd);
        if (status == 0) {
            check->lock_fd = fd;
            continue;
        }
        check->disk->close(check->disk->self, fd);
        if (status == -EWOULDBLOCK)
            return fault_set(&check->fault, KV_EBUSY, path, -1,
                             "a server is running on this data; stop it first");
        return call_failed(check, status, path, "lock");
    }
    return 0;
}

static int load_manifest(struct check *check)
{
    if (check->walk.alone) {
        struct reader reader;
        int status = reader_open(&reader, check->disk, check->options->path, &check->fault);
        if (status < 0)
            return status;
        check->manifest.sealed = reader.has_header;
        manifest_add(&check->manifest, MANIFEST_INCR, check->name, 1);
        reader_close(&reader);
        return 0;
    }
    int found = 0, status;
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%.480s/kv.durable", check->directory);
    status = durable_load(check->disk, path, &check->walk.slot, &found, &check->fault);
    if (status < 0)
        return status;
    check->durable_slots = check->disk->exists(check->disk->self, path) > 0 ? found : -1;
    status = manifest_load(check->disk, check->manifest_path, &check->manifest, &check->fault);
    if (status == 0 || status == KV_EVERSION)
        return status;
    if (check->options->mode != CHECK_SALVAGE)
        return status;
    report_line(&check->report, "%s: %s", check->manifest_path, check->fault.text);
    report_line(&check->report, "Going on with the files that are there.");
    check->manifest_lost = true;
    return salvage_manifest(check->disk, check->directory, check->name, &check->manifest,
                            &check->fault);
}

/* --- 2. and 3. Walk and report -------------------------------------------------------------- */

static void count_keys(void *env, uint64_t offset, uint64_t keys unused)
{
    struct check *check = env;
    uint64_t total = 0;
    for (int i = 0; i < check->walk.count; i++)
        total += check->walk.files[i].size;
    if (check->options->progress)
        check->options->progress(check->options->env, offset, total);
}

static int count_progress(void *env, int file, struct reader *reader unused,
                          const struct reader_batch *batch, struct fault *fault unused)
{
    struct check *check = env;
    uint64_t total = 0, done = batch->to;
    if (!check->options->progress || (batch->to >> 22) == (batch->from >> 22))
        return 0;
    for (int i = 0; i < check->walk.count; i++) {
        total += check->walk.files[i].size;
        done += i < file ? check->walk.files[i].size : 0;
    }
    check->options->progress(check->options->env, done, total);
    return 0;
}

static void begin_walk(struct check *check)
{
    check->walk = (struct walk){.disk = check->disk,
                                .directory = check->directory,
                                .parent = check->parent,
                                .manifest = &check->manifest,
                                .alone = check->walk.alone,
                                .slot = check->walk.slot,
                                .keep_going = true,
                                .env = check,
                                .good = count_progress,
                                .rdb = {.progress = count_keys}};
}

static int walk_all(struct check *check)
{
    struct walk *walk = &check->walk;
    int status = walk_open(walk, &check->fault);
    if (status < 0)
        return status;
    report_begin(&check->report, walk);
    for (int i = 0; i < walk->count; i++) {
        struct walk_file *file = &walk->files[i];
        struct fault fault = {.offset = -1};
        if (file->lost[0]) {
            fault_set(&fault, KV_ECORRUPT, file->path, -1, "%s", file->lost);
        } else {
            status = walk_file(walk, i, &fault);
            if (status == KV_ECORRUPT)
                file->verdict = VERDICT_CORRUPT;
            else if (status < 0) {
                check->fault = fault;
                return status;
            }
        }
        status = report_file(&check->report, walk, i, &fault);
        if (status < 0)
            return status;
    }
    if (!walk->broken && !check->walk.alone && walk_end(walk, &check->fault) < 0)
        report_end_missing(&check->report, &check->fault);
    return 0;
}

/* --- 4. Mend -------------------------------------------------------------------------------- */

static bool ask(struct check *check, const char *format, ...) printf_like(2, 3);

static bool ask(struct check *check, const char *format, ...)
{
    char question[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(question, sizeof(question), format, args);
    va_end(args);
    if (check->options->ask(check->options->env, question))
        return true;
    report_line(&check->report, "Aborting...");
    return false;
}

/* kv.durable again, as the log now is. */
static int write_durable(struct check *check)
{
    const struct walk *walk = &check->walk;
    const struct walk_file *file = walk->count ? &walk->files[walk->count - 1] : NULL;
    struct durable durable = {.turn = walk->slot.turn, .batch = walk->batch, .seq = walk->seq};
    char path[PATH_BYTES];
    if (!file)
        return 0;
    if (!ask(check, "This will write kv.durable again: %s",
             check->durable_slots < 0 ? "it is missing" : "it is damaged"))
        return KV_EREFUSED;
    memcpy(durable.kvid, walk->kvid, sizeof(durable.kvid));
    snprintf(durable.file, sizeof(durable.file), "%s", walk->manifest->files[file->entry].name);
    durable.offset = file->good_to;
    snprintf(path, sizeof(path), "%.480s/kv.durable", check->directory);
    /* both slots */
    for (int i = 0; i < 2; i++) {
        int status = durable_store(check->disk, check->directory, path, &durable, &check->fault);
        if (status < 0)
            return status;
    }
    report_line(&check->report, "kv.durable was written again");
    return 0;
}

static int cut_at(struct check *check, const struct walk_file *file, uint64_t offset)
{
    const char *name = check->manifest.files[file->entry].name;
    char copy[CUT_PATH_MAX];
    if (!ask(check,
             "This will shrink the AOF %s from %" PRIu64 " bytes, with %" PRIu64
             " bytes, to %" PRIu64 " bytes",
             name, file->size, file->size - offset, offset))
        return KV_EREFUSED;
    int status =
        cut_tail(check->disk, check->directory, name, file->path, offset, copy, &check->fault);
    if (status < 0)
        return status;
    report_line(&check->report, "Successfully truncated AOF %s", name);
    if (copy[0])
        report_line(&check->report, "What was cut is in %s", copy);
    return 0;
}

#define REFUSED_BASE \
    "the log begins with a snapshot (RDB), which is damaged: nothing was changed. Put a good " \
    "copy of that file in its place, or restore a backup (kv-restore)"

static int refuse_snapshot(struct check *check)
{
    return fault_set(&check->fault, KV_EREFUSED, check->directory, -1, REFUSED_BASE);
}

/* --fix. Damage in kv's own batches is not for it. */
static int fix(struct check *check)
{
    struct walk *walk = &check->walk;
    int status = 0;
    if (check->report.snapshot_bad)
        return refuse_snapshot(check);
    if (check->report.end_missing)
        return fault_set(&check->fault, KV_EREFUSED, check->directory, -1,
                         "--fix does not drop what was acknowledged; --salvage does");
    for (int i = 0; i < walk->count; i++) {
        const struct walk_file *file = &walk->files[i];
        if (file->verdict == VERDICT_CORRUPT && (file->lost[0] || file->has_header || !file->last))
            return fault_set(&check->fault, KV_EREFUSED, file->path, -1,
                             "--fix does not drop what was acknowledged; --salvage does");
    }
    for (int i = 0; status == 0 && i < walk->count; i++)
        if (walk->files[i].verdict != VERDICT_CLEAN)
            status = cut_at(check, &walk->files[i], walk->files[i].good_to);
    if (status == 0 && !walk->alone && walk->chained && check->durable_slots < 2)
        status = write_durable(check);
    return status;
}

static int rewrite(struct check *check)
{
    const struct salvage_options options = {.name = check->name,
                                            .to_time = check->options->mode == CHECK_TO_TIME,
                                            .time = check->options->time,
                                            .damaged = check->options->mode == CHECK_SALVAGE,
                                            .now = check->options->now,
                                            .env = check->options->env,
                                            .random_bytes = check->options->random_bytes};
    struct salvage_result result;
    if (!ask(check,
             "This will write what is kept into a new file, as new data (a new kvid), and rename "
             "the old files in %s to *.damaged.<n>",
             check->directory))
        return KV_EREFUSED;
    int status = salvage_run(&check->walk, &options, &result, &check->fault);
    if (status < 0)
        return status;
    report_line(&check->report,
                "Wrote %" PRIu64 " batches with %" PRIu64 " commands (%" PRIu64
                " bytes) into %s; dropped %" PRIu64 " bytes; the old files are kept as *.damaged.*",
                result.batches, result.commands, result.bytes, result.file, result.dropped);
    return 0;
}

static int refuse_invalid(struct check *check)
{
    return fault_set(&check->fault, KV_EREFUSED, check->options->path, -1,
                     "the log is not valid: use --fix or --salvage first");
}

static void say_lost(void *env, const char *line)
{
    struct check *check = env;
    report_line(&check->report, "  %s", line);
}

/* What of the base holds, and whether it may be kept without the rest. */
static int judge_base(struct check *check, const char *path)
{
    struct snapshot_salvaged found;
    int status = snapshot_salvage(check->disk, path, NULL, say_lost, check, &found, &check->fault);
    if (status == KV_EREFUSED)
        return fault_set(&check->fault, KV_EREFUSED, path, -1, "%s. " REFUSED_BASE,
                         check->fault.text);
    if (status < 0 || check->options->damaged_base)
        return status;
    return fault_set(&check->fault, KV_EREFUSED, path, -1,
                     REFUSED_BASE ". To go on with the %" PRIu64 " keys of it that hold, without "
                     "the other %" PRIu64 ": kv-check-aof --salvage --damaged-base %s",
                     found.keys, found.keys_lost, check->directory);
}

/* Walk the log as if `name` were its base. */
static int walk_with_base(struct check *check, const char *name, uint64_t number)
{
    struct walk *walk = &check->walk;
    struct manifest_file *base = &check->manifest.files[walk->files[0].entry];
    snprintf(base->name, sizeof(base->name), "%s", name);
    base->seq = number;
    walk_close(walk);
    begin_walk(check);
    int status = walk_open(walk, &check->fault);
    for (int i = 0; status == 0 && i < walk->count; i++) {
        struct fault fault = {.offset = -1};
        status = walk->files[i].lost[0] ? KV_ECORRUPT : walk_file(walk, i, &fault);
        if (status == KV_ECORRUPT && i > 0)
            status = 0; /* known already: the tour finds what is good */
        else if (status < 0)
            check->fault = fault;
    }
    walk->good = NULL;
    return status;
}

/* The damaged file, which nobody names any more, and its index. */
static int put_base_aside(struct check *check, const char *name)
{
    const char *const suffixes[] = {"", SNAPSHOT_INDEX_SUFFIX};
    for (int i = 0; i < 2; i++) {
        char old[MANIFEST_NAME_MAX + 8], from[PATH_BYTES + sizeof(old)], to[CUT_PATH_MAX];
        snprintf(old, sizeof(old), "%s%s", name, suffixes[i]);
        snprintf(from, sizeof(from), "%.510s/%s", check->directory, old);
        int status = cut_free_name(check->disk, check->directory, old, "damaged", to,
                                   &check->fault);
        if (status < 0)
            return status;
        status = check->disk->rename(check->disk->self, from, to);
        if (status < 0 && status != -ENOENT)
            return call_failed(check, status, from, "rename");
    }
    int status = check->disk->fsync_directory(check->disk->self, check->directory);
    return status < 0 ? call_failed(check, status, check->directory, "sync of the directory") : 0;
}

/* Go on with what holds of the base, in a file of its own. Until the manifest is switched nothing
 * has changed but that there is that file. */
static int salvage_base(struct check *check)
{
    const struct walk_file *file = &check->walk.files[0];
    struct snapshot_salvaged found;
    struct log_numbers numbers;
    char old[MANIFEST_NAME_MAX + 1], name[MANIFEST_NAME_MAX + 1], to[PATH_BYTES];
    int status = judge_base(check, file->path);
    if (status == 0)
        status = log_numbers_read(check->disk, check->directory, check->name, &numbers,
                                  &check->fault);
    if (status < 0)
        return status;
    log_numbers_add(&numbers, &check->manifest);
    snprintf(old, sizeof(old), "%s", check->manifest.files[file->entry].name);
    log_base_name(name, sizeof(name), check->name, numbers.highest + 1);
    if (snprintf(to, sizeof(to), "%s/%s", check->directory, name) >= (int)sizeof(to))
        return fault_set(&check->fault, KV_ELIMIT, check->directory, -1, "the path is too long");
    status = snapshot_salvage(check->disk, file->path, to, NULL, NULL, &found, &check->fault);
    if (status < 0)
        return status;
    status = walk_with_base(check, name, numbers.highest + 1);
    if (status == 0)
        status = rewrite(check);
    if (status < 0) {
        check->disk->unlink(check->disk->self, to);
        return status;
    }
    report_line(&check->report, "Kept %" PRIu64 " keys of the snapshot in %s, and lost %" PRIu64,
                found.keys, name, found.keys_lost);
    return put_base_aside(check, old);
}

static int salvage(struct check *check)
{
    if (check->walk.alone)
        return fault_set(&check->fault, KV_EREFUSED, check->options->path, -1,
                         "--salvage needs the whole log: give it the directory or the manifest");
    if (!check->report.invalid && !check->manifest_lost) {
        report_line(&check->report, "Nothing is damaged: there is nothing to salvage.");
        return 0;
    }
    return check->report.snapshot_bad ? salvage_base(check) : rewrite(check);
}

/* For a copy that goes on beside the data it was made of. */
static int new_id(struct check *check)
{
    if (check->report.invalid)
        return refuse_invalid(check);
    if (check->walk.alone)
        return fault_set(&check->fault, KV_EREFUSED, check->options->path, -1,
                         "--new-id needs the whole log: give it the directory or the manifest");
    return rewrite(check);
}

/* Where the first batch later than the time begins. */
struct later {
    const struct check *check;
    int file;
    uint64_t at, kept; /* commands before it, and keys */
    bool found;
};

static int find_later(void *env, int file, struct reader *reader unused,
                      const struct reader_batch *batch, struct fault *fault unused)
{
    struct later *later = env;
    if (batch->time <= later->check->options->time) {
        later->kept += batch->origin ? 0 : batch->commands;
        return 0;
    }
    later->file = file;
    later->at = batch->from;
    later->found = true;
    return 1;
}

static int to_time(struct check *check)
{
    struct walk *walk = &check->walk;
    struct later later = {.check = check, .kept = check->report.keys};
    const struct salvage_hooks hooks = {.env = &later, .good = find_later};
    uint64_t above = 0;
    int status = 0;
    if (check->report.invalid)
        return refuse_invalid(check);
    for (int i = 0; status == 0 && i < walk->count; i++)
        status = salvage_tour(walk, i, &above, &hooks, &check->fault);
    if (status < 0)
        return status;
    long long time = (long long)check->options->time;
    if (!later.found) {
        report_line(&check->report, "Truncate nothing in AOF %s to timestamp %lld", check->name,
                    time);
        return 0;
    }
    const struct walk_file *file = &walk->files[later.file];
    if (later.kept == 0)
        return fault_set(&check->fault, KV_EREFUSED, file->path, -1,
                         "AOF %s has nothing before timestamp %lld, aborting...", check->name,
                         time);
    bool kv = false;
    for (int i = 0; i < walk->count; i++)
        kv |= walk->files[i].has_header || walk->manifest->sealed;
    if (kv && walk->alone)
        return fault_set(&check->fault, KV_EREFUSED, file->path, -1,
                         "--truncate-to-timestamp needs the whole log: give it the directory or "
                         "the manifest");
    if (!kv && !file->last)
        return fault_set(&check->fault, KV_EREFUSED, file->path, -1,
                         "the time is not in the last file, and only that can be cut");
    status = kv ? rewrite(check) : cut_at(check, file, later.at);
    if (status == 0)
        report_line(&check->report, "Successfully truncated AOF %s to timestamp %lld", check->name,
                    time);
    return status;
}

static int mend(struct check *check)
{
    switch (check->options->mode) {
    case CHECK_FIX:
        return fix(check);
    case CHECK_SALVAGE:
        return salvage(check);
    case CHECK_TO_TIME:
        return to_time(check);
    case CHECK_NEW_ID:
        return new_id(check);
    case CHECK_REPORT:
        break;
    }
    return 0;
}

/* Say why it came to nothing, unless the report or the operator's own no says it. */
static void complain(struct check *check, int status)
{
    char line[2048];
    if (status < 0 && check->fault.code == status)
        check->options->complain(check->options->env,
                                 fault_line(&check->fault, line, sizeof(line)));
}

int check_run(const struct check_options *options)
{
    struct check *check = mem_alloc_zero(sizeof(*check));
    check->options = options;
    check->disk = options->disk;
    check->lock_fd = -1;
    check->durable_slots = -1;
    check->report.options = options;
    check->fault.offset = -1;
    int status = find_subject(check);
    begin_walk(check);
    if (status == 0)
        status = take_lock(check);
    if (status == 0)
        status = load_manifest(check);
    if (status == 0)
        status = walk_all(check);
    check->walk.good = NULL;
    if (status == 0) {
        report_verdict(&check->report);
        check->fault.code = 0;
        status = mend(check);
        if (status == 0 && options->mode != CHECK_REPORT)
            report_mended(&check->report);
    }
    complain(check, status);
    bool valid = status == 0 && (options->mode != CHECK_REPORT || !check->report.invalid);
    report_finish(&check->report, valid);
    if (check->lock_fd >= 0)
        check->disk->close(check->disk->self, check->lock_fd);
    walk_close(&check->walk);
    manifest_free(&check->manifest);
    mem_free(check);
    return valid ? 0 : 1;
}
