/* A data directory for tests, on the real disk. */
#include "tests/support/data_directory.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/type/entry.h"
#include "persistence/file.h"

void data_directory_make(struct data_directory *directory)
{
    *directory = (struct data_directory){.path = "/tmp/kv-data-XXXXXX"};
    kv_assert(mkdtemp(directory->path));
    snprintf(directory->log, sizeof(directory->log), "%s/appendonlydir", directory->path);
    kv_assert(mkdir(directory->log, 0755) == 0);
}

static void remove_all(const char *path)
{
    DIR *opened = opendir(path);
    struct dirent *entry;
    while (opened && (entry = readdir(opened))) {
        char name[512];
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlink(name) != 0)
            remove_all(name);
    }
    if (opened)
        closedir(opened);
    rmdir(path);
}

void data_directory_remove(struct data_directory *directory)
{
    remove_all(directory->path);
    buf_free(&directory->applied);
    buf_free(&directory->said);
    manifest_free(&directory->result.start.manifest);
}

const char *data_directory_file(struct data_directory *directory, const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory->log, name);
    return path;
}

bool data_directory_has(struct data_directory *directory, const char *name)
{
    return access(data_directory_file(directory, name), F_OK) == 0;
}

void data_directory_save(struct data_directory *directory, const char *name, struct slice bytes)
{
    write_file(data_directory_file(directory, name), bytes);
}

void data_directory_manifest(struct data_directory *directory, struct log_writer *const *files,
                             int count)
{
    struct manifest manifest = {0};
    struct buf text = {0};
    if (directory->base.len > 0) {
        const char *name = "appendonly.aof.1.base.rdb";
        struct manifest_file *file = manifest_add(&manifest, MANIFEST_BASE, name, 1);
        memcpy(file->kvid, files[0]->header.kvid, sizeof(file->kvid));
        file->kvseq = files[0]->header.first_seq;
        data_directory_save(directory, name, directory->base);
    }
    for (int i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof(name), "appendonly.aof.%d.incr.aof", i + 1);
        struct manifest_file *file = manifest_add(&manifest, MANIFEST_INCR, name, (uint64_t)i + 1);
        memcpy(file->kvid, files[i]->header.kvid, sizeof(file->kvid));
        file->kvseq = files[i]->header.first_seq;
        log_writer_save(files[i], data_directory_file(directory, name));
    }
    manifest_format(&manifest, &text);
    data_directory_save(directory, "appendonly.aof.manifest", buf_slice(&text));
    data_directory_save(directory, "appendonly.aof.kv", SLICE(""));
    manifest_free(&manifest);
    buf_free(&text);
}

void data_directory_durable(struct data_directory *directory, uint64_t batch)
{
    struct durable durable = {.batch = batch, .kvid = LOG_WRITER_KVID};
    snprintf(durable.file, sizeof(durable.file), "appendonly.aof.1.incr.aof");
    kv_assert(durable_store(disk_real(), directory->log,
                            data_directory_file(directory, "kv.durable"), &durable, NULL) == 0);
}

static int apply(void *env, int argc, const struct slice *argv, struct fault *fault)
{
    struct data_directory *directory = env;
    if (directory->refuse && slice_is(argv[0], directory->refuse))
        return fault_set(fault, KV_EVERSION, NULL, -1, "unknown command");
    for (int i = 0; i < argc; i++) {
        if (i > 0)
            buf_append_char(&directory->applied, ' ');
        buf_append_slice(&directory->applied, argv[i]);
    }
    buf_append_char(&directory->applied, ';');
    return 0;
}

static int put(void *env, int db, struct entry *entry, uint64_t hash unused,
               struct fault *fault unused)
{
    struct data_directory *directory = env;
    char digits[24];
    struct slice key = entry_key(entry), text = entry_string(entry, digits);
    buf_printf(&directory->applied, "PUT %d %.*s %.*s;", db, (int)key.len, key.data, (int)text.len,
               text.data);
    entry_free(entry);
    return 0;
}

static void say(void *env, bool warning, const char *line)
{
    struct data_directory *directory = env;
    buf_printf(&directory->said, "%s%s\n", warning ? "warning: " : "", line);
}

static void random_bytes(void *env unused, void *out, size_t len)
{
    memset(out, 0xab, len);
}

int data_directory_recover(struct data_directory *directory)
{
    struct recovery_options options = {.disk = disk_real(),
                                       .dir = directory->path,
                                       .append_dirname = "appendonlydir",
                                       .append_filename = "appendonly.aof",
                                       .refuses_torn = directory->refuses_torn,
                                       .db_filename = "dump.rdb",
                                       .env = directory,
                                       .apply = apply,
                                       .put = put,
                                       .say = say,
                                       .random_bytes = random_bytes};
    buf_clear(&directory->applied);
    buf_clear(&directory->said);
    manifest_free(&directory->result.start.manifest);
    directory->fault = (struct fault){0};
    int status = recovery_run(&options, &directory->result, &directory->fault);
    buf_append_char(&directory->applied, '\0');
    buf_append_char(&directory->said, '\0');
    return status;
}
