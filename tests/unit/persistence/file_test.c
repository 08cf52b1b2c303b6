/* What is built from the disk's calls: replacing, reading, writing at an offset, copying aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "persistence/file.h"
#include "tests/support/faulty_disk.h"

static void content_is(struct faulty_disk *disk, const char *path, const char *expected)
{
    struct buf got = {0};

    assert_true(faulty_disk_get(disk, path, &got));
    assert_int_equal(got.len, strlen(expected));
    if (got.len)
        assert_memory_equal(got.data, expected, got.len);
    buf_free(&got);
}

static bool content_equals(struct faulty_disk *disk, const char *path, const char *expected)
{
    struct buf got = {0};
    bool equal = faulty_disk_get(disk, path, &got) && slice_equal(buf_slice(&got),
                                                                   slice_of(expected));

    buf_free(&got);
    return equal;
}

static struct faulty_disk *disk_with_old(void)
{
    struct faulty_disk *disk = faulty_disk_new();

    faulty_disk_put_directory(disk, "d");
    faulty_disk_put(disk, "d/f", SLICE("old"));
    return disk;
}

static void a_replaced_file_is_there_after_any_crash(void **state unused)
{
    struct faulty_disk *disk = disk_with_old();
    bool renamed;

    assert_int_equal(file_replace(faulty_disk_port(disk), "d/f", SLICE("new"), &renamed, NULL), 0);
    assert_true(renamed);
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct faulty_choice choice = {FAULTY_RANDOM, FAULTY_RANDOM, 0, seed};
        struct faulty_disk *after = faulty_disk_crash(disk, &choice);

        content_is(after, "d/f", "new");
        faulty_disk_free(after);
    }
    faulty_disk_free(disk);
}

/* Property: whatever call power fails at, the file is the old or the new one, whole. */
static void a_cut_replacement_leaves_the_old_or_the_new(void **state unused)
{
    for (uint64_t stop = 1; stop < 20; stop++) {
        struct faulty_disk *disk = disk_with_old();
        bool renamed;
        int status;

        faulty_disk_stop_at(disk, FAULTY_ANY, stop);
        status = file_replace(faulty_disk_port(disk), "d/f", SLICE("new"), &renamed, NULL);
        for (uint64_t seed = 0; seed < 50; seed++) {
            struct faulty_choice choice = {FAULTY_RANDOM, FAULTY_RANDOM, 0, seed};
            struct faulty_disk *after = faulty_disk_crash(disk, &choice);
            bool old = content_equals(after, "d/f", "old");

            assert_true(old || content_equals(after, "d/f", "new"));
            assert_true(!old || status < 0);
            assert_true(old || renamed);
            faulty_disk_free(after);
        }
        faulty_disk_free(disk);
    }
}

/* Property: a failed call is reported, and unless *renamed is set the old file stays. */
static void a_failed_replacement_keeps_the_old_file(void **state unused)
{
    static const enum faulty_error errors[] = {FAULTY_EIO, FAULTY_ENOSPC, FAULTY_SHORT};

    for (int error = 0; error < 3; error++) {
        for (uint64_t nth = 1; nth <= 6; nth++) {
            struct faulty_disk *disk = disk_with_old();
            struct faulty_choice choice = {FAULTY_KEEP, FAULTY_KEEP, 0, 0};
            struct faulty_disk *after;
            struct fault fault;
            bool renamed;
            int status;

            faulty_disk_fail_at(disk, FAULTY_CHANGE, nth, 1, errors[error]);
            status = file_replace(faulty_disk_port(disk), "d/f", SLICE("new"), &renamed, &fault);
            after = faulty_disk_crash(disk, &choice);
            if (status == 0)
                content_is(after, "d/f", "new");
            else if (!renamed)
                content_is(after, "d/f", "old");
            assert_true(status == 0 ? nth == 6 || renamed : fault.code == status);
            faulty_disk_free(after);
            faulty_disk_free(disk);
        }
    }
}

static void a_short_write_is_a_failure(void **state unused)
{
    struct faulty_disk *disk = faulty_disk_new();
    const struct disk *port = faulty_disk_port(disk);
    int fd = port->open(port->self, "f", O_RDWR | O_CREAT, 0644);
    struct iovec parts[2] = {{"abcd", 4}, {"efgh", 4}};
    struct fault fault;

    faulty_disk_fail_at(disk, FAULTY_WRITE, 1, 1, FAULTY_SHORT);
    assert_int_equal(file_append(port, fd, "f", parts, 2, 0, &fault), KV_EIO);
    faulty_disk_fail_at(disk, FAULTY_WRITE, 1, 1, FAULTY_SHORT);
    assert_int_equal(file_write_at(port, fd, "f", "xy", 2, 0, &fault), KV_EIO);
    faulty_disk_set_capacity(disk, 10);
    assert_int_equal(file_append(port, fd, "f", parts, 2, 4, &fault), KV_ENOSPACE);
    assert_string_equal(fault.path, "f");
    port->close(port->self, fd);
    faulty_disk_free(disk);
}

static void a_range_is_copied_into_a_new_file_only(void **state unused)
{
    struct faulty_disk *disk = faulty_disk_new();
    const struct disk *port = faulty_disk_port(disk);
    struct fault fault;
    int fd;

    faulty_disk_put(disk, "f", SLICE("0123456789"));
    fd = port->open(port->self, "f", O_RDONLY, 0);
    assert_int_equal(file_copy_range(port, fd, "f", 3, 4, "copy", &fault), 0);
    content_is(disk, "copy", "3456");
    assert_int_equal(file_copy_range(port, fd, "f", 3, 4, "copy", &fault), KV_EIO);
    content_is(disk, "copy", "3456");
    assert_int_equal(file_copy_range(port, fd, "f", 8, 4, "beyond", &fault), KV_EIO);
    assert_int_equal(port->exists(port->self, "beyond"), 0);
    port->close(port->self, fd);
    faulty_disk_free(disk);
}

static void a_file_larger_than_allowed_is_not_read(void **state unused)
{
    struct faulty_disk *disk = disk_with_old();
    struct buf got = {0};
    struct fault fault;

    assert_int_equal(file_read_all(faulty_disk_port(disk), "d/f", 2, &got, &fault), KV_ELIMIT);
    assert_int_equal(file_read_all(faulty_disk_port(disk), "d/f", 3, &got, &fault), 0);
    assert_int_equal(got.len, 3);
    assert_int_equal(file_read_all(faulty_disk_port(disk), "d/none", 3, &got, &fault), KV_EIO);
    buf_free(&got);
    faulty_disk_free(disk);
}

/* After a restore the log may use names again that are in the archive. */
static void a_name_in_the_archive_is_never_put_over(void **state unused)
{
    struct faulty_disk *disk = disk_with_old();
    const struct disk *port = faulty_disk_port(disk);

    for (const char *text = "abc"; *text != '\0'; text++) {
        faulty_disk_put(disk, "d/log", (struct slice){text, 1});
        assert_int_equal(file_retire(port, "d", "log", "d/archive"), 0);
        assert_int_equal(file_retire(port, "d", "log", "d/archive"), 0); /* it is gone */
        assert_int_equal(port->exists(port->self, "d/log"), 0);
    }
    content_is(disk, "d/archive/log", "a");
    content_is(disk, "d/archive/log.1", "b");
    content_is(disk, "d/archive/log.2", "c");
    faulty_disk_free(disk);
}

/* The archive's directories are made on the way, a call fails, it is tried again, the power goes:
 * the file is where it was, or in the archive. */
static void what_is_archived_is_never_in_a_place_that_a_crash_takes_back(void **state unused)
{
    bool failed = true;
    for (uint64_t call = 1; failed; call++) {
        struct faulty_disk *disk = disk_with_old();
        const struct disk *port = faulty_disk_port(disk);

        faulty_disk_fail_at(disk, FAULTY_CHANGE, call, 1, FAULTY_EIO);
        failed = file_retire(port, "d", "f", "d/archive/kvid") < 0;
        file_retire(port, "d", "f", "d/archive/kvid");
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct faulty_choice choice = {
                FAULTY_KEEP, seed ? FAULTY_RANDOM : FAULTY_DROP, 0, seed};
            struct faulty_disk *after = faulty_disk_crash(disk, &choice);

            assert_true(content_equals(after, "d/f", "old") ||
                        content_equals(after, "d/archive/kvid/f", "old"));
            faulty_disk_free(after);
        }
        faulty_disk_free(disk);
        assert_true(call < 20);
    }
}

static void the_real_disk_does_the_same(void **state unused)
{
    const struct disk *disk = disk_real();
    char directory[] = "/tmp/kv-file-test-XXXXXX", path[64];
    struct buf got = {0};
    struct fault fault;
    bool renamed;
    int fd;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/f", directory);
    assert_int_equal(file_replace(disk, path, SLICE("one"), &renamed, &fault), 0);
    assert_int_equal(file_replace(disk, path, SLICE("three"), &renamed, &fault), 0);
    assert_int_equal(file_read_all(disk, path, 100, &got, &fault), 0);
    assert_true(slice_equal(buf_slice(&got), SLICE("three")));
    assert_int_equal(disk->exists(disk->self, path), 1);
    fd = disk->open(disk->self, path, O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(disk->size(disk->self, fd), 5);
    disk->allocate(disk->self, fd, 0, 4096); /* where it is known */
    assert_int_equal(disk->size(disk->self, fd), 5);
    assert_int_equal(disk->truncate(disk->self, fd, 2), 0);
    assert_int_equal(disk->write_out(disk->self, fd, 0, 2), 0);
    assert_int_equal(disk->fdatasync(disk->self, fd), 0);
    assert_int_equal(disk->drop_cache(disk->self, fd), 0);
    assert_int_equal(disk->lock(disk->self, fd), 0);
    assert_int_equal(disk->close(disk->self, fd), 0);
    assert_int_equal(disk->unlink(disk->self, path), 0);
    assert_int_equal(disk->open(disk->self, path, O_RDONLY, 0), -2);
    assert_true(disk->free_bytes(disk->self, directory) > 0);
    rmdir(directory);
    buf_free(&got);
}

/* --- Giving back ---------------------------------------------------------------------------- */

#define OLD_BYTES (1 << 20)

/* A file of OLD_BYTES in a directory of its own, open to be given back, its name taken away. */
static int open_nameless(char directory[static 32], const char *other_name)
{
    const struct disk *disk = disk_real();
    char path[64], other[64];
    int fd;

    strcpy(directory, "/tmp/kv-give-XXXXXX");
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/f", directory);
    fd = disk->open(disk->self, path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    for (int at = 0; at < OLD_BYTES; at += 4)
        assert_int_equal(disk->pwrite(disk->self, fd, "kept", 4, at), 4);
    disk->close(disk->self, fd);
    if (other_name) {
        snprintf(other, sizeof other, "%s/%s", directory, other_name);
        assert_int_equal(link(path, other), 0);
    }
    fd = file_open_old(disk, path);
    assert_true(fd >= 0);
    assert_int_equal(disk->unlink(disk->self, path), 0);
    return fd;
}

static void end_with(int fd, const char *directory)
{
    const struct disk *disk = disk_real();
    char bytes[4];

    assert_int_equal(disk->size(disk->self, fd), OLD_BYTES);
    assert_int_equal(disk->pread(disk->self, fd, bytes, 4, OLD_BYTES - 4), 4);
    assert_memory_equal(bytes, "kept", 4);
    disk->close(disk->self, fd);
    disk->rmdir(disk->self, directory);
}

static void who_still_reads_an_old_file_finds_all_of_it(void **state unused)
{
    char directory[32];
    int fd = open_nameless(directory, NULL), reader;
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    reader = open(path, O_RDONLY);
    if (reader < 0) {
        close(fd);
        skip();
    }
    disk_real()->give_back(disk_real()->self, fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed at once, no thread works on it */
    end_with(reader, directory);
}

static void a_file_with_another_name_is_left_whole(void **state unused)
{
    char directory[32], path[64];
    int fd = open_nameless(directory, "g");

    disk_real()->give_back(disk_real()->self, fd);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    snprintf(path, sizeof path, "%s/g", directory);
    fd = open(path, O_RDONLY);
    unlink(path);
    end_with(fd, directory);
}

/* Whether a thread does it or the kernel at once: the descriptor is closed in the end. */
static void an_old_file_is_closed_in_the_end(void **state unused)
{
    char directory[32];
    int fd = open_nameless(directory, NULL);

    disk_real()->give_back(disk_real()->self, fd);
    while (fcntl(fd, F_GETFD) >= 0)
        usleep(1000);
    rmdir(directory);
}

static void a_pipe_with_the_name_of_an_old_file_holds_up_nobody(void **state unused)
{
    char directory[] = "/tmp/kv-give-XXXXXX", path[64];

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/f", directory);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_unlink(disk_real(), path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replaced_file_is_there_after_any_crash),
        cmocka_unit_test(a_cut_replacement_leaves_the_old_or_the_new),
        cmocka_unit_test(a_failed_replacement_keeps_the_old_file),
        cmocka_unit_test(a_short_write_is_a_failure),
        cmocka_unit_test(a_range_is_copied_into_a_new_file_only),
        cmocka_unit_test(a_file_larger_than_allowed_is_not_read),
        cmocka_unit_test(a_name_in_the_archive_is_never_put_over),
        cmocka_unit_test(what_is_archived_is_never_in_a_place_that_a_crash_takes_back),
        cmocka_unit_test(the_real_disk_does_the_same),
        cmocka_unit_test(who_still_reads_an_old_file_finds_all_of_it),
        cmocka_unit_test(a_file_with_another_name_is_left_whole),
        cmocka_unit_test(an_old_file_is_closed_in_the_end),
        cmocka_unit_test(a_pipe_with_the_name_of_an_old_file_holds_up_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
