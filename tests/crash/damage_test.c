/* Damage to files at rest: each byte flipped, each 512-byte page zeroed, pages written to the
 * wrong place, ends lost, anywhere in log, manifest or kv.durable. The log is recorded through
 * the store itself, in three lives, on the disk in memory. After each damage recovery must do
 * one of these:
 *
 *   refuse                           the damage was found
 *   serve all that was acknowledged  the damage did not touch what counts
 *   serve all but the end of it      only where nothing that is left can prove the end:
 *   kv.durable is
 *                                    not there, and no good batch names the lost one as durable
 *
 * and never: serve a value that was not stored, or lack one in the middle.
 *
 * DAMAGE_ROUNDS=n tries n times as many random damages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/num.h"
#include "core/base/rng.h"
#include "persistence/file.h"
#include "persistence/store.h"
#include "tests/support/log_rig.h"

#define LIVES 3
#define BATCHES 6 /* a life */
#define FILES_MAX 16
#define PAGE 512
#define RANDOM_DAMAGES 2000

struct recorded {
    char path[128];
    struct buf content;
};

/* A data directory as a life left it. */
struct record {
    struct recorded files[FILES_MAX];
    int count;
    int commands;     /* acknowledged */
    bool has_durable; /* kv.durable proves the last batch */
};

struct seen {
    int count;
    bool bad;
};

struct tally {
    int refused, whole, shortened;
};

static int see(void *env, int argc, const struct slice *argv, struct fault *fault unused)
{
    struct seen *seen = env;
    int64_t number;
    if (slice_equal(argv[0], SLICE("SELECT")))
        return 0;
    seen->bad |=
        argc != 3 || !slice_equal(argv[0], SLICE("SET")) || argv[2].len != 60 ||
        !num_parse_i64((struct slice){argv[2].data, strcspn(argv[2].data, ":")}, &number) ||
        number != seen->count;
    for (size_t i = 10; !seen->bad && i < 60; i++)
        seen->bad |= argv[2].data[i] != 'a' + seen->count % 26;
    seen->count++;
    return 0;
}

static void put_command(struct log_rig *rig, int number)
{
    char value[61];
    memset(value, 'a' + number % 26, 60);
    value[60] = '\0';
    value[num_format_i64(value, number)] = ':';
    rig_set(rig, "key", value);
}

static void live(struct faulty_disk *disk, struct record *record, bool close)
{
    struct log_rig rig;
    struct seen seen = {0};
    rig_init(&rig, disk);
    assert_int_equal(rig_open_store(&rig, see, &seen), 0);
    assert_false(seen.bad);
    assert_int_equal(seen.count, record->commands);
    for (int i = 0; i < BATCHES; i++) {
        for (int j = 0; j <= i % 3; j++)
            put_command(&rig, record->commands++);
        assert_true(rig_commit(&rig));
    }
    if (close) {
        struct store *store = rig.store;
        rig.store = NULL;
        assert_int_equal(store_close(store, &rig.fault), 0);
    }
    rig_free(&rig);
}

struct listing {
    struct record *record;
    const char *directory;
};

static void take_name(void *env, const char *name)
{
    struct listing *listing = env;
    struct recorded *file = &listing->record->files[listing->record->count++];
    assert_true(listing->record->count < FILES_MAX);
    snprintf(file->path, sizeof(file->path), "%s/%s", listing->directory, name);
}

static void record_lives(struct record *record, bool has_durable)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct listing listing = {.record = record, .directory = RIG_DIRECTORY};
    *record = (struct record){.has_durable = has_durable};
    faulty_disk_put_directory(disk, "data");
    for (int i = 0; i < LIVES; i++)
        live(disk, record, has_durable);
    const struct disk *port = faulty_disk_port(disk);
    assert_int_equal(port->list(port->self, RIG_DIRECTORY, take_name, &listing), 0);
    for (int i = 0; i < record->count; i++) {
        struct recorded *file = &record->files[i];
        assert_true(faulty_disk_get(disk, file->path, &file->content));
        if (!has_durable && strstr(file->path, "kv.durable")) {
            buf_free(&file->content);
            record->files[i--] = record->files[--record->count];
        }
    }
    faulty_disk_free(disk);
}

static void record_free(struct record *record)
{
    for (int i = 0; i < record->count; i++)
        buf_free(&record->files[i].content);
}

/* Commands that batches before the last `count` ones hold. */
static int commands_before_last(const struct record *record, int count)
{
    int commands = record->commands;
    for (int i = 0; i < count; i++)
        commands -= (BATCHES - 1 - i) % 3 + 1;
    return commands;
}

/* Recover from the record as it now is. `unproven`: how many batches at the end may be lost where
 * there is no kv.durable. */
static void judge(const struct record *record, int unproven, struct tally *tally, const char *what,
                  size_t at)
{
    struct faulty_disk *disk = faulty_disk_new();
    struct seen seen = {0};
    struct fault fault = {0};
    faulty_disk_put_directory(disk, "data");
    faulty_disk_put_directory(disk, RIG_DIRECTORY);
    for (int i = 0; i < record->count; i++)
        faulty_disk_put(disk, record->files[i].path, buf_slice(&record->files[i].content));
    int status = rig_recover(disk, see, &seen, &fault);
    faulty_disk_free(disk);
    if (seen.bad)
        fail_msg("%s at %zu: wrong data was served", what, at);
    if (status != 0) {
        if (!fault.text[0] || !fault.path[0])
            fail_msg("%s at %zu: refused without a word", what, at);
        tally->refused++;
        return;
    }
    int least = commands_before_last(record, record->has_durable ? 0 : unproven);
    if (seen.count < least || seen.count > record->commands)
        fail_msg("%s at %zu: %d commands are there, %d were acknowledged", what, at, seen.count,
                 record->commands);
    if (seen.count < record->commands)
        tally->shortened++;
    else
        tally->whole++;
}

static void report(const struct record *record, const char *what, const struct tally *tally)
{
    print_message(
        "%s, %s kv.durable: %d refused, %d whole, %d without an end that nothing proves\n", what,
        record->has_durable ? "with" : "without", tally->refused, tally->whole, tally->shortened);
    assert_true(tally->refused > 0);
}

static void flip_bytes(struct record *record)
{
    struct tally tally = {0};
    for (int i = 0; i < record->count; i++) {
        struct recorded *file = &record->files[i];
        for (size_t at = 0; at < file->content.len; at++) {
            int bit = 1 << at % 8;
            file->content.data[at] = (char)(file->content.data[at] ^ bit);
            judge(record, 1, &tally, file->path, at);
            file->content.data[at] = (char)(file->content.data[at] ^ bit);
        }
    }
    report(record, "flipped bits", &tally);
}

static void zero_pages(struct record *record)
{
    struct tally tally = {0};
    char kept[PAGE];
    for (int i = 0; i < record->count; i++) {
        struct buf *content = &record->files[i].content;
        for (size_t at = 0; at < content->len; at += PAGE) {
            size_t len = content->len - at < PAGE ? content->len - at : PAGE;
            memcpy(kept, content->data + at, len);
            memset(content->data + at, 0, len);
            judge(record, 4, &tally, record->files[i].path, at);
            memcpy(content->data + at, kept, len);
        }
    }
    report(record, "zeroed pages", &tally);
}

/* A file that lost its end, at any byte: kv.durable or the successor proves it; otherwise the file
 * is as a crash might have left it, and what is whole of it is served. */
static void lose_ends(struct record *record)
{
    struct tally tally = {0};
    for (int i = 0; i < record->count; i++) {
        struct buf *content = &record->files[i].content;
        size_t len = content->len;
        for (content->len = 0; content->len < len; content->len++)
            judge(record, BATCHES, &tally, record->files[i].path, content->len);
    }
    report(record, "lost ends", &tally);
}

/* One of: some bytes at random; a page that went elsewhere; bytes put in or taken out. */
static void damage_at_random(struct buf *content, struct rng *rng)
{
    size_t at = rng_below(rng, content->len), from = rng_below(rng, content->len);
    size_t len = 1 + rng_below(rng, rng_below(rng, 4) ? 16 : PAGE);
    if (len > content->len - at)
        len = content->len - at;
    if (len > content->len - from)
        len = content->len - from;
    switch (rng_below(rng, 4)) {
    case 0:
        for (size_t i = 0; i < len; i++)
            content->data[at + i] = (char)rng_next(rng);
        break;
    case 1:
        memmove(content->data + at, content->data + from, len);
        break;
    case 2:
        memmove(content->data + at, content->data + at + len, content->len - at - len);
        content->len -= len;
        break;
    default:
        buf_reserve(content, len);
        memmove(content->data + at + len, content->data + at, content->len - at);
        content->len += len;
    }
}

static void damage_all_ways(struct record *record)
{
    const char *rounds = getenv("DAMAGE_ROUNDS");
    int count = RANDOM_DAMAGES * (rounds && atoi(rounds) > 0 ? atoi(rounds) : 1);
    struct tally tally = {0};
    struct rng rng;
    rng_seed(&rng, 20240607);
    for (int i = 0; i < count; i++) {
        struct recorded *file = &record->files[rng_below(&rng, (uint64_t)record->count)];
        if (file->content.len == 0)
            continue;
        struct buf kept = {0};
        buf_append_slice(&kept, buf_slice(&file->content));
        damage_at_random(&file->content, &rng);
        judge(record, BATCHES, &tally, file->path, (size_t)i);
        buf_swap(&kept, &file->content);
        buf_free(&kept);
    }
    report(record, "random damages", &tally);
}

static void damage_is_found_or_does_not_count(void **state unused)
{
    struct record record;
    record_lives(&record, true);
    flip_bytes(&record);
    zero_pages(&record);
    lose_ends(&record);
    damage_all_ways(&record);
    record_free(&record);
}

/* As a crash leaves it within the second after the last write: only the batches prove each
 * other. */
static void without_kv_durable_batches_prove_those_before_them(void **state unused)
{
    struct record record;
    record_lives(&record, false);
    flip_bytes(&record);
    zero_pages(&record);
    lose_ends(&record);
    damage_all_ways(&record);
    record_free(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_is_found_or_does_not_count),
        cmocka_unit_test(without_kv_durable_batches_prove_those_before_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
