/* See the header. */
#include "persistence/log_names.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/num.h"
#include "persistence/file.h"
#include "persistence/manifest.h"
#include "persistence/snapshot_format.h"

#define ARCHIVE_PATH_BYTES 4096

static int put_name(char *out, size_t size, const char *append_filename, uint64_t number,
                    const char *kind)
{
    return snprintf(out, size, "%s.%llu.%s", append_filename, (unsigned long long)number, kind);
}

int log_incr_name(char *out, size_t size, const char *append_filename, uint64_t number)
{
    return put_name(out, size, append_filename, number, "incr.aof");
}

int log_base_name(char *out, size_t size, const char *append_filename, uint64_t number)
{
    return put_name(out, size, append_filename, number, "base.rdb");
}

uint64_t log_number_in_name(const char *name, const char *append_filename)
{
    size_t stem = strlen(append_filename);
    uint64_t number = 0;
    if (strncmp(name, append_filename, stem) != 0 || name[stem] != '.')
        return 0;
    const char *digits = name + stem + 1, *end = strchr(digits, '.');
    if (!end || !num_parse_u64((struct slice){digits, (size_t)(end - digits)}, &number) ||
        number > INT64_MAX)
        return 0;
    return number;
}

struct reading {
    const char *append_filename;
    struct log_numbers *out;
};

static void take_name(void *env, const char *name)
{
    const struct reading *reading = env;
    uint64_t number = log_number_in_name(name, reading->append_filename);
    if (number > reading->out->highest)
        reading->out->highest = number;
}

int log_numbers_read(const struct disk *disk, const char *directory, const char *append_filename,
                     struct log_numbers *out, struct fault *fault)
{
    struct reading reading = {append_filename, out};
    *out = (struct log_numbers){0};
    int status = disk->list(disk->self, directory, take_name, &reading);
    return status == 0 ? 0 : fault_status(fault, status, directory, -1, "list");
}

void log_numbers_add(struct log_numbers *numbers, const struct manifest *manifest)
{
    for (int i = 0; i < manifest->count; i++)
        if (manifest->files[i].seq > numbers->highest)
            numbers->highest = manifest->files[i].seq;
}

bool log_archive_path(char *out, size_t size, const char *archive, const char *kvid)
{
    if (!archive || !archive[0] || !kvid[0])
        return false;
    int len = snprintf(out, size, "%s/%s", archive, kvid);
    return len > 0 && (size_t)len < size;
}

void log_retire(const struct disk *disk, const char *directory, const char *name,
                const char *archive, const char *kvid)
{
    char index[MANIFEST_NAME_MAX + sizeof SNAPSHOT_INDEX_SUFFIX];
    char path[ARCHIVE_PATH_BYTES];
    bool kept = archive && archive[0];
    if (kept && !log_archive_path(path, sizeof path, archive, kvid))
        return;
    snprintf(index, sizeof index, "%s" SNAPSHOT_INDEX_SUFFIX, name);
    file_retire(disk, directory, index, kept ? path : NULL);
    file_retire(disk, directory, name, kept ? path : NULL);
}
