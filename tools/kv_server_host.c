/* The host port. */
#include "tools/kv_server_host.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/journal.h"
#include "core/settings.h"
#include "net/net.h"
#include "persistence/file.h"
#include "tools/kv_server_crash.h"
#include "tools/kv_server_data.h"
#include "tools/kv_server_exchange.h"

#define HOST_FILE_BYTES_MAX (64 * 1024 * 1024)
#define HOST_LINGER_MS 500 /* for the last replies */

static int64_t wall_us(unused void *self)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t monotonic_ns(unused void *self)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void random_bytes(unused void *self, void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        kv_assert(got > 0 || errno == EINTR);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        }
    }
}

static printf_like(3, 4) void log_line(void *self, enum host_level level, const char *format, ...)
{
    const struct server_host *host = self;
    if ((int)level < host->settings->loglevel)
        return;
    char text[SERVER_LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    server_log_write(&host->log, level, wall_us(NULL), text);
}

/* There may be passwords in it: who could not read the old one can't read the new one. */
static int replace_file(unused void *self, const char *path, struct slice content,
                        struct fault *fault)
{
    bool renamed;
    struct stat old;
    mode_t mode = stat(path, &old) == 0 ? old.st_mode & 0777 : 0644;
    return file_replace_as(disk_real(), path, mode, content, &renamed, fault);
}

static int read_file(unused void *self, const char *path, char **content, size_t *len,
                     struct fault *fault)
{
    struct buf text = {0};
    int code = file_read_all(disk_real(), path, HOST_FILE_BYTES_MAX, &text, fault);
    if (code != 0) {
        buf_free(&text);
        return code;
    }
    *content = text.data;
    *len = text.len;
    return 0;
}

int server_host_match_files(const char *pattern, int (*found)(void *env, const char *path),
                            void *env)
{
    glob_t list;
    int code = 0;
    if (glob(pattern, 0, NULL, &list) != 0)
        return 0;
    for (size_t i = 0; i < list.gl_pathc && code == 0; i++)
        code = found(env, list.gl_pathv[i]);
    globfree(&list);
    return code;
}

static void close_session(void *self, struct session *session, bool after_output)
{
    struct server_host *host = self;
    net_close_session(host->net, session, after_output);
}

static void wake_session(void *self, struct session *session)
{
    struct server_host *host = self;
    net_wake_session(host->net, session);
}

static int setting_changed(void *self, const char *name, struct fault *fault)
{
    struct server_host *host = self;
    struct settings_process *process = &host->settings->process;
    if (strcmp(name, "crash-log-enabled") == 0)
        server_crash_report(process->crash_log);
    if (strcmp(name, "watchdog-period") == 0) {
        /* A tick sets it back: less than two of them would be false alarms. */
        int64_t least_ms = 2000 / (host->settings->hz > 0 ? host->settings->hz : 1);
        if (process->watchdog_ms > 0 && process->watchdog_ms < least_ms)
            process->watchdog_ms = least_ms;
        server_watchdog_set(process->watchdog_ms);
    }
    if (strcmp(name, "appendfsync") == 0 && host->journal->ops)
        host->journal->ops->set_policy(host->journal,
                                       (enum journal_policy)host->settings->appendfsync);
    if ((strcmp(name, "persistence") == 0 || strcmp(name, "appendonly") == 0) && host->data)
        return server_data_follow(host->data, fault);
    int code = host->net ? net_setting_changed(host->net, name, fault) : 0;
    return code == 0 ? server_process_changed(&host->process, name, fault) : code;
}

static int reload(void *self, enum host_reload what, struct fault *fault)
{
    struct server_host *host = self;
    return server_data_reload(host->data, what, fault);
}

static void stop(void *self, int exit_status)
{
    struct server_host *host = self;
    host->stopped = true;
    host->exit_status = exit_status;
    if (host->net)
        net_stop(host->net, HOST_LINGER_MS);
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void cpu(unused void *self, double *user_s, double *sys_s, double *user_main_s,
                double *sys_main_s)
{
    struct rusage all, own;
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_THREAD, &own);
    *user_s = seconds_of(all.ru_utime);
    *sys_s = seconds_of(all.ru_stime);
    *user_main_s = seconds_of(own.ru_utime);
    *sys_main_s = seconds_of(own.ru_stime);
}

static void facts(unused void *self, struct host_facts *out)
{
    struct utsname name;
    *out = (struct host_facts){.process_id = getpid()};
    if (uname(&name) == 0)
        snprintf(out->system, sizeof(out->system), "%.40s %.60s %.20s", name.sysname, name.release,
                 name.machine);
    long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && bytes > 0)
        out->memory_bytes = (uint64_t)pages * (uint64_t)bytes;
}

static void run_events(void *self)
{
    struct server_host *host = self;
    if (host->net)
        net_run_events(host->net);
}

static void sleep_us(unused void *self, int64_t us)
{
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

void server_host_init(struct server_host *host, struct settings *settings, struct journal *journal)
{
    *host = (struct server_host){
        .settings = settings,
        .journal = journal,
        .port = {
            .self = host,
            .wall_us = wall_us,
            .monotonic_ns = monotonic_ns,
            .random_bytes = random_bytes,
            .log = log_line,
            .replace_file = replace_file,
            .read_file = read_file,
            .close_session = close_session,
            .wake_session = wake_session,
            .setting_changed = setting_changed,
            .reload = reload,
            .stop = stop,
            .cpu = cpu,
            .facts = facts,
            .run_events = run_events,
            .sleep_us = sleep_us,
            .exchange = server_exchange,
        },
    };
    server_log_init(&host->log, settings);
}
