/* The manifest: stock servers' and ours, and what is not taken for one. */
#include "persistence/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "persistence/file.h"

#define KVID "0123456789abcdef0123456789abcdef"

static int parse(const char *text, struct manifest *out)
{
    struct fault fault = {0};
    return manifest_parse(slice_of(text), "m", out, &fault);
}

static void a_manifest_of_a_stock_server_is_read(void **state unused)
{
    struct manifest manifest;
    assert_int_equal(parse("# by hand\n"
                           "file appendonly.aof.2.base.rdb seq 2 type b\n"
                           "file \"my \\x66ile.1.incr.aof\" seq 1 type h\r\n"
                           "file appendonly.aof.2.incr.aof seq 2 type i startoffset 7\n"
                           "file appendonly.aof.3.incr.aof type i seq 3\n",
                           &manifest),
                     0);
    assert_false(manifest.sealed);
    assert_false(manifest.kv_mark);
    assert_int_equal(manifest.count, 4);
    assert_string_equal(manifest_base(&manifest)->name, "appendonly.aof.2.base.rdb");
    assert_string_equal(manifest.files[1].name, "my file.1.incr.aof");
    assert_int_equal(manifest.files[1].type, MANIFEST_HISTORY);
    assert_int_equal(manifest_last_incr(&manifest)->seq, 3);
    manifest_free(&manifest);
}

static void fill(struct manifest *manifest)
{
    *manifest = (struct manifest){0};
    struct manifest_file *incr =
        manifest_add(manifest, MANIFEST_INCR, "appendonly.aof.7.incr.aof", 7);
    incr->kvseq = 81920;
    snprintf(incr->kvid, sizeof(incr->kvid), KVID);
    incr = manifest_add(manifest, MANIFEST_INCR, "appendonly.aof.9.incr.aof", 9);
    incr->raw = true;
    incr->raw_from = 100;
    incr->raw_to = 4000000000000;
    snprintf(incr->kvid, sizeof(incr->kvid), KVID);
    manifest_add(manifest, MANIFEST_BASE, "appendonly.aof.3.base.rdb", 3);
}

static void what_is_written_is_read_back(void **state unused)
{
    struct manifest manifest, again;
    struct buf text = {0};
    fill(&manifest);
    manifest_format(&manifest, &text);
    buf_append_char(&text, '\0');
    assert_non_null(strstr(text.data,
                           "file appendonly.aof.kv seq 1 type h\n"
                           "file appendonly.aof.3.base.rdb seq 3 type b\n"
                           "file appendonly.aof.7.incr.aof seq 7 type i kvid " KVID " kvseq 81920\n"
                           "file appendonly.aof.9.incr.aof seq 9 type i kvid " KVID
                           " kvseq 0 kvraw 100-4000000000000\n# kv:v1:"));
    assert_int_equal(parse(text.data, &again), 0);
    assert_true(again.sealed);
    assert_true(again.kv_mark);
    assert_int_equal(again.count, manifest.count);
    assert_memory_equal(again.files, manifest.files, sizeof(*again.files) * (size_t)again.count);
    buf_free(&text);
    manifest_free(&manifest);
    manifest_free(&again);
}

static void a_name_with_spaces_survives(void **state unused)
{
    struct manifest manifest = {0}, again;
    struct buf text = {0};
    manifest_add(&manifest, MANIFEST_INCR, "my \"log\" \x01.1.incr.aof", 1);
    manifest_format(&manifest, &text);
    assert_int_equal(manifest_parse(buf_slice(&text), "m", &again, NULL), 0);
    assert_string_equal(again.files[0].name, manifest.files[0].name);
    buf_free(&text);
    manifest_free(&manifest);
    manifest_free(&again);
}

/* Flip each bit of each byte, and cut at each length: no damaged manifest is taken for a good one,
 * nor for one of a stock server. */
static void survives(const char *name)
{
    struct manifest manifest = {0}, again;
    struct buf text = {0};
    manifest_add(&manifest, MANIFEST_INCR, name, 1);
    manifest_format(&manifest, &text);
    assert_int_equal(manifest_parse(buf_slice(&text), "m", &again, NULL), 0);
    assert_true(again.kv_mark);
    assert_int_equal(again.count, 1);
    assert_string_equal(again.files[0].name, name);
    manifest_free(&again);
    manifest_free(&manifest);
    buf_free(&text);
}

/* Both found by the fuzzer: the name of the history file is made from what stands before the
 * number, which may be nothing, or so long that no suffix fits behind it. */
static void the_shortest_and_the_longest_name_survive(void **state unused)
{
    char longest[MANIFEST_NAME_MAX + 1];
    memset(longest, 'x', MANIFEST_NAME_MAX);
    longest[MANIFEST_NAME_MAX] = '\0';
    survives(".1.incr.aof");
    survives("x");
    survives(longest);
}

static void every_damage_of_ours_is_found(void **state unused)
{
    struct manifest manifest, again;
    struct buf text = {0};
    fill(&manifest);
    manifest_format(&manifest, &text);
    for (size_t i = 0; i < text.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
            assert_true(manifest_parse(buf_slice(&text), "m", &again, NULL) < 0);
            text.data[i] = (char)(text.data[i] ^ (1 << bit));
        }
        assert_true(manifest_parse((struct slice){text.data, i}, "m", &again, NULL) < 0);
    }
    buf_append_text(&text, "\n");
    assert_int_equal(manifest_parse(buf_slice(&text), "m", &again, NULL), KV_ECORRUPT);
    buf_free(&text);
    manifest_free(&manifest);
}

static void what_is_no_manifest_is_refused(void **state unused)
{
    static const char *const bad[] = {
        "",
        "# only a comment\n",
        "\nfile a seq 1 type i\n",
        "file a seq 1 type i\n\r\nfile b seq 2 type i\n",
        "file a seq 1 type i\n\n",
        "file a seq 1 type i",
        "file a seq 1\n",
        "file a seq 1 type i kvid\n",
        "file a seq 0 type i\n",
        "file a seq -1 type i\n",
        "file a seq x type i\n",
        "file a seq 1 type x\n",
        "file a seq 1 type ii\n",
        "file a/b seq 1 type i\n",
        "file .. seq 1 type i\n",
        "file \"\" seq 1 type i\n",
        "file \"a seq 1 type i\n",
        "file a file b seq 1 type i type i\n",
        "file a seq 1 type b\nfile b seq 2 type b\n",
        "file a seq 1 type i\nfile a seq 2 type i\n",
        "file a seq 1 type i\nfile b seq 1 type i\n",
        "file a seq 2 type i\nfile b seq 1 type i\n",
        "file a.kv seq 1 type h\nfile a seq 1 type i\n",
        "file a seq 1 type i kvid " KVID "\n",
        "file a seq 1 type i kvraw 5-4\n",
        "file a seq 1 type i kvid 12\n",
        "file a seq 1 type i\n# kv:v1:00000000\n",
    };
    struct manifest manifest;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_true(parse(bad[i], &manifest) < 0);
    assert_int_equal(parse("file a seq 1 type i\n# kv:v2:00000000\n", &manifest), KV_EVERSION);
    struct slice zero = SLICE("file a seq 1 type i\n#\0\n");
    assert_true(manifest_parse(zero, "m", &manifest, NULL) < 0);
}

static void a_line_has_1023_bytes_at_most(void **state unused)
{
    char text[1200] = "file a seq 1 type i\n";
    struct manifest manifest;
    size_t at = strlen(text);
    memset(text + at, '#', 1024);
    text[at + 1024] = '\n';
    assert_true(parse(text, &manifest) < 0);
    text[at + 1023] = '\n';
    text[at + 1024] = '\0';
    assert_int_equal(parse(text, &manifest), 0);
    manifest_free(&manifest);
}

static void a_stored_manifest_has_its_history_file(void **state unused)
{
    char directory[] = "/tmp/kv-manifest-XXXXXX", path[64], mark[64];
    struct manifest manifest, again;
    bool renamed;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/appendonly.aof.manifest", directory);
    snprintf(mark, sizeof(mark), "%s/appendonly.aof.kv", directory);
    fill(&manifest);
    assert_int_equal(manifest_store(disk_real(), path, &manifest, &renamed, NULL), 0);
    assert_true(renamed);
    assert_int_equal(access(mark, F_OK), 0);
    assert_int_equal(manifest_load(disk_real(), path, &again, NULL), 0);
    assert_int_equal(again.count, manifest.count);
    manifest_free(&manifest);
    manifest_free(&again);
    unlink(path);
    unlink(mark);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_of_a_stock_server_is_read),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_name_with_spaces_survives),
        cmocka_unit_test(the_shortest_and_the_longest_name_survive),
        cmocka_unit_test(every_damage_of_ours_is_found),
        cmocka_unit_test(what_is_no_manifest_is_refused),
        cmocka_unit_test(a_line_has_1023_bytes_at_most),
        cmocka_unit_test(a_stored_manifest_has_its_history_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
