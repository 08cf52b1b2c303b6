/* The server's data: see the header. A change of the log is a change of the numbers that gate and
 * sessions know: whenever the journal becomes another one, they forget them. */
#include "tools/kv_server_data.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine.h"
#include "core/keyspace.h"
#include "core/record.h"
#include "core/replay.h"
#include "core/save.h"
#include "core/scripting.h"
#include "core/settings.h"
#include "persistence/dump.h"
#include "persistence/file.h"
#include "persistence/snapshot_file.h"
#include "persistence/snapshot_writer.h"
#include "persistence/store.h"
#include "persistence/store_switch.h"

#define PROGRESS_MS 2000 /* between lines about loading */

struct server_data {
    struct server_data_options options;
    struct store *store;             /* NULL: nothing is on disk */
    struct snapshot_writer *writer;
    int64_t progress_said_ms;
    bool within_command;             /* a client asked for what is being loaded */
    bool opened;                     /* the store, for the log that is being switched on */
    char kvid[33];                   /* of that */
};

static void say(void *env, bool warning, const char *line)
{
    struct host *host = ((struct server_data *)env)->options.host;
    host->log(host->self, warning ? HOST_WARNING : HOST_NOTICE, "%s", line);
}

/* ---- loading ---- */

static int apply(void *env, int argc, const struct slice *argv, struct fault *fault)
{
    struct server_data *data = env;
    return replay_command(data->options.engine, argc, argv, fault);
}

static void apply_soon(void *env, int step, int argc, const struct slice *argv)
{
    struct server_data *data = env;
    replay_soon(data->options.engine, step, argc, argv);
}

/* key-load-delay: others are answered meanwhile. */
static void delay_load(struct server_data *data)
{
    struct host *host = data->options.host;
    int64_t delay_us = data->options.settings->saving.load_delay_us;
    if (likely(delay_us <= 0))
        return;
    host->sleep_us(host->self, delay_us);
    if (!data->within_command)
        data->options.poll(data->options.env);
}

static int put_entry(void *env, int db, struct entry *entry, uint64_t hash, struct fault *fault)
{
    struct server_data *data = env;
    delay_load(data);
    return replay_entry(data->options.engine, db, entry, hash, fault);
}

static uint64_t hash_key(void *env, struct slice key)
{
    const struct server_data *data = env;
    return keyspace_hash(data->options.engine->keyspace, key);
}

static void put_soon(void *env, int db, int step, uint64_t hash)
{
    const struct server_data *data = env;
    replay_entry_soon(data->options.engine, db, step, hash);
}

static int add_function(void *env, struct slice code, struct fault *fault)
{
    struct server_data *data = env;
    return functions_load(data->options.engine, code, fault);
}

static void presize(void *env, int db, uint64_t keys)
{
    struct server_data *data = env;
    replay_presize(data->options.engine, db, keys);
}

static void on_progress(void *env, const struct recovery_progress *progress)
{
    struct server_data *data = env;
    struct engine *engine = data->options.engine;
    engine->loading_total = progress->bytes_total;
    engine->loading_done = progress->bytes_done;
    if (!data->within_command) /* which ends before others begin */
        data->options.poll(data->options.env);
    if (data->progress_said_ms == 0)
        data->progress_said_ms = engine->now_ms;
    if (engine->now_ms - data->progress_said_ms < PROGRESS_MS)
        return;
    data->progress_said_ms = engine->now_ms;
    char line[160];
    double percent = progress->bytes_total > 0 ? 100.0 * (double)progress->bytes_done /
                                                     (double)progress->bytes_total
                                               : 100.0;
    snprintf(line, sizeof(line), "Loading the data: %.1f%%, %llu keys, %llu commands", percent,
             (unsigned long long)progress->keys, (unsigned long long)progress->commands);
    say(data, false, line);
    data->options.loading(data->options.env, percent);
}

static void random_bytes(void *env, void *out, size_t len)
{
    struct host *host = ((struct server_data *)env)->options.host;
    host->random_bytes(host->self, out, len);
}

static struct store_options store_options(struct server_data *data)
{
    const struct settings *settings = data->options.settings;
    return (struct store_options){
        .recovery = {
            .disk = disk_real(),
            .dir = data->options.folder,
            .append_dirname = settings->append_dirname,
            .append_filename = settings->append_filename,
            .db_filename = settings_dump_name(settings),
            .archive = settings->archive_dir,
            .refuses_torn = !settings->aof_load_truncated,
            .env = data,
            .limits = &settings->limits,
            .apply = apply,
            .put = put_entry,
            .hash = hash_key,
            .put_soon = put_soon,
            .function = add_function,
            .presize = presize,
            .soon = apply_soon,
            .progress = on_progress,
            .say = say,
            .random_bytes = random_bytes,
        },
        .policy = (enum journal_policy)settings->appendfsync,
        .chunk_bytes = (uint64_t)settings->log_chunk_bytes,
        .fill_bytes = STORE_FILL_BYTES,
        .fill_pause_ms = STORE_FILL_PAUSE_MS,
        .time_stamps = settings->aof_timestamps,
        .news = data->options.news,
        .news_env = data->options.env,
    };
}

static void say_loaded(struct server_data *data, const struct recovery_result *result,
                       int64_t took_ms)
{
    char line[1024];
    snprintf(line, sizeof(line), "DB loaded from %s: %llu keys, %llu commands, %.3f seconds",
             settings_durable(data->options.settings) ? "the log" : "disk",
             (unsigned long long)result->keys, (unsigned long long)result->commands,
             (double)took_ms / 1000.0);
    say(data, false, line);
    if (result->imported)
        say(data, false, "What a stock server wrote was taken over");
    if (result->torn_bytes > 0) {
        snprintf(line, sizeof(line),
                 "The log had a torn tail of %llu bytes that were never acknowledged: cut, kept "
                 "in %.512s",
                 (unsigned long long)result->torn_bytes, result->torn_copy);
        say(data, true, line);
    }
}

static void set_kvid(struct server_data *data, const char *kvid)
{
    struct engine *engine = data->options.engine;
    snprintf(engine->kvid, sizeof(engine->kvid), "%s", kvid);
}

/* Open the store and load what it holds. */
static int load(struct server_data *data, struct fault *fault)
{
    struct store_options options = store_options(data);
    struct engine *engine = data->options.engine;
    struct recovery_result result = {0};
    int64_t started_ms = engine->now_ms;
    int code;
    replay_loading(engine, true);
    if (settings_durable(data->options.settings))
        code = store_open(&options, data->options.journal, &data->store, &result, fault);
    else
        code = store_open_dump(&options, &data->store, &result, fault);
    replay_loading(engine, false);
    if (code != 0) {
        data->store = NULL;
        return code;
    }
    set_kvid(data, result.start.kvid);
    engine->stats.loaded_keys = result.keys;
    say_loaded(data, &result, engine->now_ms - started_ms);
    return 0;
}

/* ---- open and close ---- */

struct server_data *server_data_new(const struct server_data_options *options)
{
    struct server_data *data = mem_alloc_zero(sizeof *data);
    data->options = *options;
    data->writer = snapshot_writer_new(disk_real(), options->news, options->env);
    return data;
}

void server_data_free(struct server_data *data)
{
    if (data == NULL)
        return;
    data->options.engine->sink = NULL;
    snapshot_writer_free(data->writer);
    mem_free(data);
}

/* What crashes have left of snapshots that were never complete. */
static void sweep_leftovers(struct server_data *data)
{
    char directory[1024];
    snprintf(directory, sizeof directory, "%s/%s", data->options.folder,
             data->options.settings->append_dirname);
    snapshot_file_sweep(disk_real(), data->options.folder);
    snapshot_file_sweep(disk_real(), directory);
}

int server_data_open(struct server_data *data, struct fault *fault)
{
    if (!data->options.settings->persistence)
        return 0;
    int code = load(data, fault);
    if (code != 0)
        return code;
    sweep_leftovers(data);
    data->options.engine->sink = snapshot_writer_sink(data->writer);
    save_loaded(data->options.engine);
    return 0;
}

int server_data_close(struct server_data *data, struct fault *fault)
{
    save_stop(data->options.engine);
    if (data->store == NULL)
        return 0;
    int code = store_close(data->store, fault);
    data->store = NULL;
    return code;
}

/* ---- changes while it runs ---- */

/* The engine's replies and gate knew sequences of a log that is no more. */
static void forget_sequences(struct server_data *data)
{
    engine_forget_sequences(data->options.engine);
}

/* The end of a turn: the log is opened, to become the log when its base is written. */
static int begin_log(void *env, struct journal_base *out, struct fault *fault)
{
    struct server_data *data = env;
    struct engine *engine = data->options.engine;
    struct store_options options = store_options(data);
    int code = 0;
    data->opened = data->store == NULL;
    if (data->opened)
        code = store_open_bare(&options, &data->store, fault);
    if (code != 0)
        return code;
    engine->sink = snapshot_writer_sink(data->writer);
    record_commit(engine);
    code = store_turn_on(data->store, &options, data->options.journal, out, fault);
    if (code != 0)
        return code;
    forget_sequences(data);
    memcpy(data->kvid, out->kvid, sizeof data->kvid);
    return 0;
}

static void log_is_on(struct server_data *data)
{
    struct store_options options = store_options(data);
    store_turned_on(data->store, &options);
    set_kvid(data, data->kvid);
    say(data, false, "The log is on: what was in memory is its base");
}

/* Nothing more is written. */
static int leave_disk(struct server_data *data, struct fault *fault)
{
    save_stop(data->options.engine);
    int code = data->store ? store_close(data->store, fault) : 0;
    data->store = NULL;
    data->options.engine->sink = NULL;
    say(data, true, "In-memory mode: nothing is written to disk from now on");
    return code;
}

/* All is as it was. What was asked for meanwhile stands. */
static void log_stays_off(struct server_data *data, const char *problem)
{
    struct settings *settings = data->options.settings;
    struct fault fault = {.offset = -1};
    char line[640];
    forget_sequences(data);
    if (settings_durable(settings) && data->opened)
        settings->persistence = false;
    else if (settings_durable(settings))
        settings->appendonly = false;
    snprintf(line, sizeof line, "The log could not be switched on: %s", problem);
    say(data, true, line);
    if (data->opened && data->store && leave_disk(data, &fault) != 0)
        say(data, true, fault.text);
}

static void end_log(void *env, const char *problem)
{
    struct server_data *data = env;
    struct fault fault = {.offset = -1};
    int code = 0;
    record_commit(data->options.engine); /* of a transaction that switches it off, so far */
    if (!problem || (data->store && store_has_log(data->store) &&
                     !store_turn_on_give_up(data->store, &code, &fault))) {
        log_is_on(data);
        return;
    }
    log_stays_off(data, problem);
    if (code != 0) {
        char line[2048];
        snprintf(line, sizeof line, "What was written of it stays, and the next start may take it "
                 "for the log: %s: %s", fault.path, fault.text);
        say(data, true, line);
    }
}

static int turn_off(struct server_data *data, struct fault *fault)
{
    save_stop(data->options.engine);
    record_commit(data->options.engine); /* of a transaction, so far */
    int code = store_turn_off(data->store, data->options.engine->now_ms / 1000, fault);
    if (code != 0)
        return code;
    forget_sequences(data);
    set_kvid(data, "");
    say(data, true, "The log is off: what changes from now on is kept by snapshots alone");
    return 0;
}

/* `persistence` or `appendonly` say that there is to be a log. */
static void turn_on_soon(struct server_data *data)
{
    struct engine *engine = data->options.engine;
    struct save_birth birth = {begin_log, end_log, data};
    if (save_turning_on(engine))
        return;
    data->opened = false;
    save_turn_on(engine, &birth);
}

int server_data_follow(struct server_data *data, struct fault *fault)
{
    const struct settings *settings = data->options.settings;
    int code = 0;
    if (data->options.engine->loading)
        return fault_set(fault, KV_EBUSY, "", -1, "the data is being loaded");
    if (!settings_durable(settings) && save_turning_on(data->options.engine))
        save_turn_on_cancel(data->options.engine);
    bool has_log = data->store && store_has_log(data->store);
    if (settings_durable(settings)) {
        if (!has_log)
            turn_on_soon(data);
        return 0;
    }
    if (has_log)
        code = turn_off(data, fault);
    if (code != 0)
        return code;
    if (!settings->persistence && data->store)
        return leave_disk(data, fault);
    if (settings->persistence && data->store == NULL) {
        struct store_options options = store_options(data);
        code = store_open_bare(&options, &data->store, fault);
        if (code == 0)
            data->options.engine->sink = snapshot_writer_sink(data->writer);
    }
    return code;
}

/* What is in memory is dropped, and comes back from the disk. */
static int load_again(struct server_data *data, struct fault *fault)
{
    struct engine *engine = data->options.engine;
    record_commit(engine);
    int code = data->store ? store_close(data->store, fault) : 0;
    data->store = NULL;
    if (code != 0)
        return code;
    replay_forget_all(engine);
    data->within_command = true;
    code = load(data, fault);
    data->within_command = false;
    forget_sequences(data);
    return code;
}

int server_data_reload(struct server_data *data, enum host_reload what, struct fault *fault)
{
    struct engine *engine = data->options.engine;
    struct store_options options = store_options(data);
    struct recovery_result result = {0};
    if (data->store == NULL)
        return fault_set(fault, KV_EREFUSED, "", -1, "this server writes no file to load from");
    if (save_turning_on(engine))
        return fault_set(fault, KV_EBUSY, "", -1, "the log is being switched on");
    save_stop(engine);
    if (what == HOST_RELOAD_LOG)
        return store_has_log(data->store)
            ? load_again(data, fault)
            : fault_set(fault, KV_EREFUSED, "", -1, "there is no log to load from");
    replay_forget_all(engine);
    replay_loading(engine, true);
    data->within_command = true;
    int code = dump_load(&options.recovery, &result, fault);
    data->within_command = false;
    replay_loading(engine, false);
    return code;
}
