/* kv.durable: the newest good slot counts, whatever happens to the other. */
#include "persistence/durable.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/fault.h"
#include "persistence/file.h"

struct setting {
    char directory[64], path[128];
};

static int set_up(void **state)
{
    struct setting *setting = calloc(1, sizeof(*setting));
    snprintf(setting->directory, sizeof(setting->directory), "/tmp/kv-durable-XXXXXX");
    if (!mkdtemp(setting->directory))
        return -1;
    snprintf(setting->path, sizeof(setting->path), "%s/kv.durable", setting->directory);
    *state = setting;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *setting = *state;
    unlink(setting->path);
    rmdir(setting->directory);
    free(setting);
    return 0;
}

static int load(const struct setting *setting, struct durable *out)
{
    int found;
    assert_int_equal(durable_load(disk_real(), setting->path, out, &found, NULL), 0);
    return found;
}

static void store(const struct setting *setting, struct durable *durable)
{
    assert_int_equal(durable_store(disk_real(), setting->directory, setting->path, durable, NULL),
                     0);
}

static struct durable example(void)
{
    struct durable durable = {.batch = 5, .seq = 700, .offset = 1234};
    snprintf(durable.kvid, sizeof(durable.kvid), "0123456789abcdef0123456789abcdef");
    snprintf(durable.file, sizeof(durable.file), "my log.1.incr.aof");
    return durable;
}

static void flip(const struct setting *setting, off_t offset, int bit)
{
    char byte;
    int fd = open(setting->path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte = (char)(byte ^ (1 << bit));
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void a_missing_file_holds_no_slot(void **state)
{
    struct durable durable;
    assert_int_equal(load(*state, &durable), 0);
}

static void the_newest_slot_is_read(void **state)
{
    struct durable durable = example(), again;
    for (uint64_t batch = 5; batch < 12; batch++) {
        uint64_t turn = durable.turn;
        durable.batch = batch;
        store(*state, &durable);
        assert_true(durable.turn > turn);
        assert_int_equal(load(*state, &again), 2);
        assert_memory_equal(&again, &durable, sizeof(again));
    }
}

/* A damaged slot is not read: what is found then is the slot of the turn before. */
static void any_flipped_bit_makes_a_slot_bad(void **state)
{
    struct durable durable = example(), again;
    store(*state, &durable);
    durable.batch = 6;
    store(*state, &durable);
    off_t slot = (off_t)(durable.turn % 2 * DURABLE_SLOT_BYTES);
    for (off_t at = 0; at < DURABLE_SLOT_BYTES; at++) {
        flip(*state, slot + at, (int)at % 8);
        assert_int_equal(load(*state, &again), 1);
        assert_int_equal(again.batch, 5);
        assert_int_equal(again.turn, durable.turn - 1);
        flip(*state, slot + at, (int)at % 8);
    }
    assert_int_equal(load(*state, &again), 2);
}

static void a_short_file_holds_what_is_whole(void **state)
{
    struct setting *setting = *state;
    struct durable durable = example(), again;
    store(setting, &durable);
    assert_int_equal(truncate(setting->path, 560), 0);
    assert_true(load(setting, &again) <= 1);
    assert_int_equal(truncate(setting->path, 50), 0);
    assert_int_equal(load(setting, &again), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_missing_file_holds_no_slot, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_newest_slot_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_flipped_bit_makes_a_slot_bad, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_short_file_holds_what_is_whole, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
