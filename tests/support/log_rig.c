/* The essay stands in the header. */
#include "tests/support/log_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/hash.h"
#include "core/type/entry.h"
#include "persistence/format.h"
#include "persistence/manifest.h"
#include "persistence/store.h"

static void on_news(void *env)
{
    struct log_rig *rig = env;

    pthread_mutex_lock(&rig->lock);
    rig->news++;
    pthread_cond_signal(&rig->changed);
    pthread_mutex_unlock(&rig->lock);
}

void rig_init(struct log_rig *rig, struct faulty_disk *disk)
{
    memset(rig, 0, sizeof *rig);
    rig->disk = disk;
    pthread_mutex_init(&rig->lock, NULL);
    pthread_cond_init(&rig->changed, NULL);
    journal_off(&rig->journal);
    rig->options = (struct log_options){
        .disk = faulty_disk_port(disk), .directory = RIG_DIRECTORY, .name = "appendonly.aof",
        .policy = JOURNAL_ALWAYS, .retry_ms = 1, .news = on_news, .env = rig,
    };
}

void rig_free(struct log_rig *rig)
{
    if (rig->log)
        log_abandon(rig->log);
    if (rig->store)
        store_abandon(rig->store);
    rig->log = NULL;
    rig->store = NULL;
    pthread_cond_destroy(&rig->changed);
    pthread_mutex_destroy(&rig->lock);
}

void rig_make_directory(struct faulty_disk *disk)
{
    faulty_disk_put_directory(disk, "data");
    faulty_disk_put_directory(disk, RIG_DIRECTORY);
}

struct log_start rig_first_start(void)
{
    struct log_start start = {.next_file = 1};

    memcpy(start.kvid, RIG_KVID, sizeof start.kvid);
    return start;
}

int rig_open(struct log_rig *rig, const struct log_start *start)
{
    return log_open(&rig->options, start, &rig->journal, &rig->log, &rig->fault);
}

static void some_bytes(void *env unused, void *out, size_t len)
{
    memset(out, 0x5a, len);
}

/* Where commands go, and entries of a snapshot, as SET. */
struct sink {
    rig_apply *apply;
    void *env;
};

static int apply_through(void *env, int argc, const struct slice *argv, struct fault *fault)
{
    const struct sink *sink = env;

    return sink->apply(sink->env, argc, argv, fault);
}

static int put_through(void *env, int db unused, struct entry *entry, uint64_t hash unused,
                       struct fault *fault)
{
    char digits[24];
    struct slice argv[] = {SLICE("SET"), entry_key(entry), entry_string(entry, digits)};
    int status = apply_through(env, 3, argv, fault);

    entry_free(entry);
    return status;
}

static struct recovery_options recovery_options(struct faulty_disk *disk, struct sink *sink)
{
    struct recovery_options options = {
        .disk = faulty_disk_port(disk), .dir = "data", .append_dirname = "appendonlydir",
        .append_filename = "appendonly.aof", .db_filename = "dump.rdb", .env = sink,
        .apply = apply_through, .put = put_through, .random_bytes = some_bytes,
    };

    return options;
}

struct store_options rig_store_options(struct log_rig *rig)
{
    return (struct store_options){
        .recovery = recovery_options(rig->disk, NULL),
        .policy = rig->options.policy, .chunk_bytes = rig->options.chunk_bytes,
        .fill_bytes = rig->options.fill_bytes, .fill_pause_ms = rig->options.fill_pause_ms,
        .time_stamps = rig->options.time_stamps, .news = on_news, .news_env = rig,
    };
}

int rig_open_store(struct log_rig *rig, rig_apply *apply, void *env)
{
    struct store_options options = rig_store_options(rig);
    struct recovery_result result;
    struct sink sink = {.apply = apply, .env = env};

    options.recovery.env = &sink;
    return store_open(&options, &rig->journal, &rig->store, &result, &rig->fault);
}

int rig_recover(struct faulty_disk *disk, rig_apply *apply, void *env, struct fault *fault)
{
    struct sink sink = {.apply = apply, .env = env};
    struct recovery_options options = recovery_options(disk, &sink);
    struct recovery_result result;
    int status = recovery_run(&options, &result, fault);

    manifest_free(&result.start.manifest);
    return status;
}

void rig_append(struct log_rig *rig, const char *commands)
{
    buf_append_text(&rig->journal.open, commands);
    rig->journal.sequence += strlen(commands);
}

void rig_set(struct log_rig *rig, const char *key, const char *value)
{
    struct buf command = {0};

    if (rig->journal.open.len == 0)
        rig_append(rig, "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n");
    buf_printf(&command, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", strlen(key), key,
               strlen(value), value);
    buf_append_slice(&rig->journal.open, buf_slice(&command));
    rig->journal.sequence += command.len;
    buf_free(&command);
}

void rig_turn(struct log_rig *rig)
{
    rig->journal.ops->turn_end(&rig->journal, 1700000000000);
}

static uint64_t news_seen(struct log_rig *rig)
{
    uint64_t news;

    pthread_mutex_lock(&rig->lock);
    news = rig->news;
    pthread_mutex_unlock(&rig->lock);
    return news;
}

static void wait_news(struct log_rig *rig, uint64_t seen)
{
    pthread_mutex_lock(&rig->lock);
    while (rig->news == seen)
        pthread_cond_wait(&rig->changed, &rig->lock);
    pthread_mutex_unlock(&rig->lock);
}

bool rig_commit(struct log_rig *rig)
{
    for (;;) {
        uint64_t seen = news_seen(rig);

        rig_turn(rig);
        if (journal_confirmed(&rig->journal) >= rig->journal.sequence)
            return true;
        if (atomic_load(&rig->journal.state) == JOURNAL_FAILED)
            return false;
        wait_news(rig, seen);
    }
}

void rig_wait_state(struct log_rig *rig, enum journal_state state)
{
    for (;;) {
        uint64_t seen = news_seen(rig);

        rig_turn(rig);
        if (atomic_load(&rig->journal.state) == (int)state)
            return;
        wait_news(rig, seen);
    }
}

int rig_base_begin(struct log_rig *rig, struct journal_base *out)
{
    struct journal *journal = &rig->journal;
    uint64_t seen = news_seen(rig);
    int status = journal->ops->base_begin(journal, 0, out, &rig->fault);

    if (status == KV_EBUSY) {
        wait_news(rig, seen);
        status = journal->ops->base_begin(journal, 0, out, &rig->fault);
    }
    return status;
}

enum journal_base_state rig_wait_base(struct log_rig *rig)
{
    for (;;) {
        uint64_t seen = news_seen(rig);
        enum journal_base_state state;

        rig_turn(rig);
        state = rig->journal.ops->base_state(&rig->journal, NULL);
        if (state != JOURNAL_BASE_TURNING && state != JOURNAL_BASE_NAMING)
            return state;
        wait_news(rig, seen);
    }
}

/* --- Reading back --------------------------------------------------------------------------- */

static size_t line_end(struct slice text, size_t from)
{
    const char *end = memchr(text.data + from, '\n', text.len - from);

    return end ? (size_t)(end - text.data) + 1 : 0;
}

/* The commands in front of a trailer, without time stamps. */
static void take_commands(struct slice body, struct buf *out)
{
    int64_t seconds;
    size_t end;

    if (body.len && body.data[0] == '#') {
        end = line_end(body, 0);
        assert_true(end);
        assert_true(format_get_timestamp((struct slice){body.data, end}, &seconds));
        body.data += end;
        body.len -= end;
    }
    buf_append_slice(out, body);
}

/* Batches of one file up to `last` (its successor's first, less one); what is behind is dead. */
static void read_file(struct slice text, uint64_t last, bool is_last, struct rig_content *out)
{
    struct format_header header;
    struct format_trailer trailer;
    size_t at = line_end(text, 0), begin, digits;
    uint32_t running;

    assert_true(at);
    assert_true(format_get_header((struct slice){text.data, at}, &header));
    assert_string_equal(header.kvid, RIG_KVID);
    assert_int_equal(header.first_batch, out->last_batch + 1);
    assert_int_equal(header.first_seq, out->seq);
    assert_int_equal(header.previous_crc, out->crc);
    running = crc32_bytes(format_seed(header.previous_crc, header.salt), text.data, at);
    while (at < text.len && out->last_batch < last) {
        size_t before = out->commands.len;
        const char *mark = memmem(text.data + at, text.len - at, "#KVC:", 5);

        if (!mark && is_last)
            break;
        assert_non_null(mark);
        begin = at;
        at = line_end(text, (size_t)(mark - text.data));
        if (!at && is_last)
            break;
        assert_true(at);
        assert_true(format_get_trailer(
            (struct slice){mark, (size_t)(text.data + at - mark)}, &trailer, &digits));
        assert_int_equal(trailer.batch, out->last_batch + 1);
        assert_int_equal(trailer.offset, mark - text.data);
        assert_int_equal(trailer.len, trailer.offset - begin);
        assert_true(trailer.durable_batch < trailer.batch);
        running = crc32_bytes(running, text.data + begin, trailer.offset - begin + digits);
        assert_int_equal(running, trailer.crc);
        take_commands((struct slice){text.data + begin, trailer.len}, &out->commands);
        assert_true(out->commands.len > before);
        out->seq += out->commands.len - before;
        assert_int_equal(trailer.seq, out->seq);
        out->last_batch++;
        out->batches++;
        out->crc = trailer.crc;
        running = format_seed(trailer.crc, header.salt);
    }
}

/* The first batch of the next file of the manifest, UINT64_MAX if there is none. */
static uint64_t first_batch_after(struct faulty_disk *disk, const struct manifest *manifest, int i)
{
    struct buf text = {0};
    struct format_header header = {0};
    char path[512];

    if (i + 1 >= manifest->count)
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/%s", RIG_DIRECTORY, manifest->files[i + 1].name);
    assert_true(faulty_disk_get(disk, path, &text));
    assert_true(format_get_header((struct slice){text.data, line_end(buf_slice(&text), 0)},
                                  &header));
    buf_free(&text);
    return header.first_batch;
}

void rig_read(struct faulty_disk *disk, struct rig_content *out)
{
    struct manifest manifest = {0};
    struct fault fault;

    memset(out, 0, sizeof *out);
    assert_int_equal(manifest_load(faulty_disk_port(disk),
                                   RIG_DIRECTORY "/appendonly.aof.manifest", &manifest, &fault),
                     0);
    assert_true(manifest.sealed);
    for (int i = 0; i < manifest.count; i++) {
        uint64_t next = first_batch_after(disk, &manifest, i);
        struct buf text = {0};
        char path[512];

        if (manifest.files[i].type != MANIFEST_INCR)
            continue;
        assert_int_equal(manifest.files[i].kvseq, out->seq);
        assert_string_equal(manifest.files[i].kvid, RIG_KVID);
        snprintf(path, sizeof path, "%s/%s", RIG_DIRECTORY, manifest.files[i].name);
        assert_true(faulty_disk_get(disk, path, &text));
        read_file(buf_slice(&text), next - 1, next == UINT64_MAX, out);
        buf_free(&text);
        out->files++;
    }
    manifest_free(&manifest);
}

void rig_content_free(struct rig_content *content)
{
    buf_free(&content->commands);
}
