/* See fake_world.h. */
#include "tests/support/fake_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/rng.h"
#include "core/run.h"

static int64_t wall_us(void *self)
{
    return ((struct fake_world *)self)->now_us;
}

static uint64_t monotonic_ns(void *self)
{
    return (uint64_t)((struct fake_world *)self)->now_us * 1000;
}

static void random_bytes(void *self, void *out, size_t len)
{
    struct fake_world *world = self;
    struct rng rng;
    rng_seed(&rng, world->seed++);
    for (size_t i = 0; i < len; i++)
        ((char *)out)[i] = (char)rng_next(&rng);
}

static void log_line(void *self, enum host_level level, const char *format, ...)
{
    struct fake_world *world = self;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_printf(&world->said, "%d %s\n", (int)level, line);
}

static void close_session(void *self, struct session *session, bool after_output)
{
    (void)self;
    session->flags |= after_output ? SESSION_CLOSE_AFTER_REPLY : SESSION_CLOSE_NOW;
}

static void wake_session(void *self, struct session *session)
{
    (void)self;
    (void)session;
}

static int setting_changed(void *self, const char *name, struct fault *fault)
{
    (void)self;
    (void)name;
    (void)fault;
    return 0;
}

static void stop(void *self, int exit_status)
{
    (void)exit_status;
    ((struct fake_world *)self)->stopped++;
}

static void turn_end(struct journal *journal, int64_t now_ms)
{
    struct fake_world *world = journal->store;
    (void)now_ms;
    if (world->busy)
        return;
    buf_append_slice(&world->stream, buf_slice(&journal->open));
    buf_clear(&journal->open);
    world->batches++;
}

static void set_policy(struct journal *journal, enum journal_policy policy)
{
    atomic_store(&journal->policy, policy);
}

static void report(struct journal *journal, struct journal_report *out)
{
    *out = (struct journal_report){.durable = atomic_load(&journal->durable)};
    snprintf(out->problem, sizeof out->problem, "the test says so");
}

static int sync_all(struct journal *journal, struct fault *fault)
{
    (void)fault;
    turn_end(journal, 0);
    atomic_store(&journal->written, journal->sequence);
    atomic_store(&journal->durable, journal->sequence);
    return 0;
}

static void retry(struct journal *journal)
{
    (void)journal;
}

static const struct journal_ops fake_ops = {
    .turn_end = turn_end,
    .set_policy = set_policy,
    .report = report,
    .sync = sync_all,
    .retry = retry,
};

void fake_world_open(struct fake_world *world, const struct command *const *tables)
{
    *world = (struct fake_world){.now_us = 1700000000000000, .seed = 1};
    world->host = (struct host){
        .self = world,
        .wall_us = wall_us,
        .monotonic_ns = monotonic_ns,
        .random_bytes = random_bytes,
        .log = log_line,
        .close_session = close_session,
        .wake_session = wake_session,
        .setting_changed = setting_changed,
        .stop = stop,
    };
    world->journal = (struct journal){.ops = &fake_ops, .store = world};
    atomic_store(&world->journal.state, JOURNAL_HEALTHY);
    atomic_store(&world->journal.policy, JOURNAL_ALWAYS);
    settings_init(&world->settings);
    struct engine_options options = {&world->settings, &world->host, &world->journal, tables};
    world->engine = engine_new(&options);
}

void fake_world_close(struct fake_world *world)
{
    engine_free(world->engine);
    settings_free(&world->settings);
    buf_free(&world->stream);
    buf_free(&world->journal.open);
    buf_free(&world->said);
}

void fake_session_open(struct fake_world *world, struct session *session)
{
    *session = (struct session){.fd = -1, .flags = SESSION_AUTHENTICATED};
    session_open(world->engine, session);
}

enum engine_result fake_request(struct session *session, const char *word, ...)
{
    struct slice argv[64];
    int argc = 0;
    va_list args;
    va_start(args, word);
    for (; word && argc < 64; word = va_arg(args, const char *))
        argv[argc++] = slice_of(word);
    va_end(args);
    run_clock_read(session->engine);
    return engine_execute(session->engine, session, argc, argv);
}

const char *fake_stream(struct fake_world *world)
{
    *buf_reserve(&world->stream, 1) = 0;
    return world->stream.data;
}

const char *fake_sent(struct session *session)
{
    static char text[1 << 16];
    size_t len = 0;
    session_settle(session);
    struct iovec parts[64];
    int count = output_parts(&session->output, parts, 64);
    for (int i = 0; i < count && len + parts[i].iov_len < sizeof text; i++) {
        memcpy(text + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    output_sent(&session->output, len);
    text[len] = 0;
    return text;
}

void fake_world_sync(struct fake_world *world)
{
    world->busy = false;
    turn_end(&world->journal, 0);
    atomic_store(&world->journal.written, world->journal.sequence);
    atomic_store(&world->journal.durable, world->journal.sequence);
    engine_news(world->engine);
}
