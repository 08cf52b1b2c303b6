/* kv-server: the composition root. It alone knows all parts: it reads the options, makes them,
 * wires each to the ports of the others, and runs the loop.
 *
 *   settings -> host -> engine -> net -> listeners -> data (recovery) -> run -> data closed
 *
 * Listeners are open before the log is read, so that clients are told LOADING instead of being
 * refused; the loop gets a turn from recovery's progress. Whatever fails is printed as one line
 * that says what to do, and ends in exit status 1 before the first client was served. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/cmd/commands.h"
#include "core/configure.h"
#include "core/engine.h"
#include "core/journal.h"
#include "core/script/scripts.h"
#include "core/settings.h"
#include "core/version.h"
#include "net/net.h"
#include "net/tls.h"
#include "tools/kv_server_crash.h"
#include "tools/kv_server_data.h"
#include "tools/kv_server_host.h"
#include "tools/kv_server_options.h"

#define SERVER_LOADING_US 60000000 /* asked of the supervisor with each line about loading */

/* Read by jemalloc at its start: pages that are free are given back by a thread of its own, never
 * within a command. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";

struct server {
    struct settings settings;
    struct server_host host;
    struct journal journal;
    struct engine *engine;
    struct scripts *scripts;
    struct net *net;
    struct server_data *data;
    struct crash_facts crash;
    bool asked_to_stop; /* once in vain */
    char folder[512];    /* where the data lies: absolute, for messages */
    char program[512];   /* our own path, for INFO */
    struct buf warnings; /* of the options, lines; said when the log is open */
};

static void say(void *env, bool warning, const char *line)
{
    struct server *server = env;
    server->host.port.log(&server->host, warning ? HOST_WARNING : HOST_NOTICE, "%s", line);
}

/* What net says of single clients is chatter unless it warns. */
static void say_of_client(void *env, bool warning, const char *line)
{
    struct server *server = env;
    server->host.port.log(&server->host, warning ? HOST_WARNING : HOST_VERBOSE, "%s", line);
}

static void on_tick(unused void *env)
{
    server_watchdog_feed();
}

static void keep_warning(void *env, const char *line)
{
    struct server *server = env;
    buf_append_text(&server->warnings, line);
    buf_append_char(&server->warnings, '\0');
}

/* Say what made the start impossible; returns the exit status. */
static int refuse(struct server *server, const char *doing, const struct fault *fault)
{
    char line[2048];
    say(server, true, doing);
    say(server, true, fault_line(fault, line, sizeof(line)));
    return 1;
}

/* ---- signals ---- */

static void on_stop_signal(void *env, int signal_number)
{
    struct server *server = env;
    char why[512] = "";
    say(server, true,
        signal_number == SIGINT ? "Received SIGINT scheduling shutdown..."
                                : "Received SIGTERM scheduling shutdown...");
    const struct settings_process *process = &server->settings.process;
    uint32_t how = signal_number == SIGINT ? process->on_sigint : process->on_sigterm;
    bool force = server->asked_to_stop || (how & SHUTDOWN_FORCE) != 0;
    server->asked_to_stop = true;
    if (engine_shutdown(server->engine, (how & SHUTDOWN_SAVE) != 0, (how & SHUTDOWN_NOSAVE) != 0,
                        force, why))
        return;
    char line[1024];
    snprintf(line, sizeof(line),
             "Not stopping: the log can't be synced, and what is in memory only would be lost: %s. "
             "Send the signal again to stop all the same.",
             why);
    say(server, true, line);
}

static void on_hangup(void *env, unused int signal_number)
{
    struct server *server = env;
    struct fault fault = {0};
    char line[2048];
    if (server_log_open(&server->host.log, &fault) != 0)
        say(server, true, fault_line(&fault, line, sizeof(line)));
    else
        say(server, false, "Log file reopened");
}

/* ---- loading ---- */

/* Clients get a turn: they are told LOADING. */
static void while_loading(void *env)
{
    struct server *server = env;
    net_poll(server->net);
    if (!server->host.stopped)
        return;
    say(server, true, "Stopped while loading; the files are as they were");
    server_process_remove_pidfile(&server->settings);
    exit(server->host.exit_status);
}

static void on_loading(void *env, double percent)
{
    struct server *server = env;
    char line[160];
    snprintf(line, sizeof(line), "EXTEND_TIMEOUT_USEC=%d\nSTATUS=kv is loading: %.1f%%\n",
             SERVER_LOADING_US, percent);
    server_process_notify(&server->host.process, line);
}

/* From other threads. */
static void on_news(void *env)
{
    struct server *server = env;
    net_wake(server->net);
}

static void make_data(struct server *server)
{
    struct server_data_options options = {
        .settings = &server->settings,
        .host = &server->host.port,
        .journal = &server->journal,
        .engine = server->engine,
        .folder = server->folder,
        .poll = while_loading,
        .loading = on_loading,
        .news = on_news,
        .env = server,
    };
    server->data = server_data_new(&options);
    server->host.data = server->data;
}

/* ---- start ---- */

static void say_version(void)
{
    printf("kv-server v=%s redis_version=%s malloc=%s bits=64\n", KV_VERSION, KV_REDIS_VERSION,
           mem_allocator_name());
}

/* CONFIG GET tells where the data lies, so from here on the option holds the whole path. */
static void set_dir(struct settings *settings, const char *folder)
{
    size_t bytes = strlen(folder) + 1;
    mem_free(settings->dir);
    settings->dir = mem_alloc(bytes);
    memcpy(settings->dir, folder, bytes);
}

static int enter_dir(struct server *server, struct fault *fault)
{
    struct settings *settings = &server->settings;
    if (!settings->dir || !settings->dir[0] || chdir(settings->dir) == 0) {
        if (getcwd(server->folder, sizeof(server->folder))) {
            set_dir(settings, server->folder);
            return 0;
        }
        return fault_errno(fault, settings->dir ? settings->dir : ".", -1, "name the directory");
    }
    if (errno == ENOENT)
        return fault_set(fault, KV_EIO, settings->dir, -1,
                         "the data directory does not exist: create it with  mkdir -p %s",
                         settings->dir);
    return fault_errno(fault, settings->dir, -1, "enter the data directory");
}

static void fit_clients(struct server *server)
{
    struct settings *settings = &server->settings;
    int64_t possible = net_clients_possible(settings->maxclients);
    if (possible >= settings->maxclients)
        return;
    server->host.port.log(&server->host, HOST_WARNING,
                          "maxclients lowered from %lld to %lld: the process may not open more "
                          "files; raise it with  ulimit -n",
                          (long long)settings->maxclients, (long long)possible);
    settings->maxclients = possible;
}

static void say_listener(void *env, const char *text)
{
    struct server *server = env;
    server->host.port.log(&server->host, HOST_NOTICE, "Ready to accept connections %s", text);
}

static void say_hello(struct server *server)
{
    struct server_host *host = &server->host;
    const char *file = server->settings.config_file;
    host->port.log(host, HOST_NOTICE, "kv %s is starting, 64 bit, PID: %d, config file: %s",
                   KV_VERSION, (int)getpid(), file ? file : "none");
    host->port.log(host, HOST_NOTICE, "PID: %d", (int)getpid());
    for (size_t at = 0; at < server->warnings.len; at += strlen(server->warnings.data + at) + 1)
        say(server, true, server->warnings.data + at);
    buf_free(&server->warnings);
    host->port.log(host, HOST_NOTICE, "Server initialized");
    if (!server->settings.persistence)
        say(server, true,
            server->settings.saving.count > 0
                ? "In-memory mode: nothing is written to disk, snapshots (save) neither, and all "
                  "data is lost when the server stops. For a durable store start it without "
                  "--persistence no."
                : "In-memory mode: nothing is written to disk, and all data is lost when the "
                  "server stops. For a durable store start it without --persistence no.");
    else if (!server->settings.appendonly)
        say(server, true,
            "There is no log (appendonly no): what changes is lost when the server stops, but for "
            "what SAVE, BGSAVE and save points have written.");
}

static void make_engine(struct server *server)
{
    struct engine_options engine_options = {
        .settings = &server->settings,
        .host = &server->host.port,
        .journal = &server->journal,
        .commands = command_tables,
    };
    server->engine = engine_new(&engine_options);
    server->scripts = scripts_new(server->engine);
    server->engine->executable = server->program;
}

static int inherit(void *env, int fd, const char *name, struct fault *fault)
{
    struct server *server = env;
    return net_inherit(server->net, fd, name, fault);
}

static int make_net(struct server *server, struct fault *fault)
{
    struct net_options net_options = {
        .settings = &server->settings,
        .engine = server->engine,
        .say = say_of_client,
        .tick = on_tick,
        .env = server,
    };
    server->net = net_new(&net_options);
    if (!server->net)
        return fault_errno(fault, "", -1, "make the event loop");
    server->host.net = server->net;
    net_on_signal(server->net, SIGTERM, on_stop_signal, server);
    net_on_signal(server->net, SIGINT, on_stop_signal, server);
    net_on_signal(server->net, SIGHUP, on_hangup, server);
    int code = server_process_sockets(inherit, server, fault);
    return code == 0 ? net_listen(server->net, fault) : code;
}

static void free_parts(struct server *server)
{
    server->host.data = NULL;
    server_data_free(server->data); /* first: its threads have news for net */
    if (server->net)
        net_free(server->net);
    server->host.net = NULL;
#ifdef KV_DEBUG
    scripts_free(server->scripts);
    engine_free(server->engine); /* else the end of the process is faster */
    server->engine = NULL;
#endif
}

static int run(struct server *server)
{
    struct server_process *process = &server->host.process;
    struct fault fault = {.offset = -1};
    make_engine(server);
    if (configure_engine(server->engine, &fault) != 0) {
        int status = refuse(server, "Could not start:", &fault);
        free_parts(server);
        return status;
    }
    if (make_net(server, &fault) != 0) {
        int status = refuse(server, "Could not listen:", &fault);
        free_parts(server);
        return status;
    }
    make_data(server);
    if (server_data_open(server->data, &fault) != 0) {
        int status = refuse(server, "Could not open the data:", &fault);
        free_parts(server);
        return status;
    }
    net_each_listener(server->net, say_listener, server);
    server_process_notify(process, "READY=1\nSTATUS=Ready to accept connections\n");
    if (server->settings.process.watchdog_ms > 0)
        server_watchdog_set(server->settings.process.watchdog_ms);
    net_run(server->net);
    server_watchdog_set(0);
    server_process_notify(process, "STOPPING=1\nSTATUS=kv is stopping\n");
    int status = server->host.exit_status;
    if (server_data_close(server->data, &fault) != 0)
        status = refuse(server, "The log was not closed well:", &fault);
    say(server, true, "kv is now ready to exit, bye bye...");
    free_parts(server);
    return status;
}

static int start(struct server *server)
{
    struct fault fault = {0};
    struct settings *settings = &server->settings;
    struct server_process *process = &server->host.process;
    if (enter_dir(server, &fault) != 0) /* in there are logfile and pidfile, if not absolute */
        return refuse(server, "Could not start:", &fault);
    if (server_process_background(process, &fault) != 0)
        return refuse(server, "Could not go to the background:", &fault);
    if (server_log_open(&server->host.log, &fault) != 0)
        return refuse(server, "Could not open the log file:", &fault);
    if (server_process_write_pidfile(settings, &fault) != 0)
        return refuse(server, "Could not start:", &fault);
    server_crash_init(&server->crash);
    server_crash_report(settings->process.crash_log);
    say_hello(server);
    server_process_apply(process, say, server);
    server_process_notify(process, "STATUS=kv is loading...\n");
    fit_clients(server);
    int status = run(server);
    server_process_remove_pidfile(settings);
    return status;
}

/* Users, renamed commands and TLS are judged, too; files are looked for where the server would, if
 * its directory is there. */
static int check_config(struct server *server)
{
    struct fault fault = {.offset = -1};
    char line[2048];
    if (enter_dir(server, &fault) != 0)
        fault = (struct fault){.offset = -1};
    make_engine(server);
    struct tls *tls = NULL;
    int code = configure_engine(server->engine, &fault);
    if (code == 0 && server->settings.tls.port != 0)
        code = tls_new(&server->settings.tls, &tls, &fault);
    if (tls)
        tls_free(tls);
    if (code == 0)
        puts("The configuration is good.");
    else
        fprintf(stderr, "%s\n", fault_line(&fault, line, sizeof(line)));
    free_parts(server);
    return code == 0 ? 0 : 1;
}

static int answer(struct server *server, enum server_action action)
{
    switch (action) {
    case SERVER_SAY_VERSION: say_version(); return 0;
    case SERVER_SAY_HELP: fputs(server_options_help, stdout); return 0;
    case SERVER_CHECK_CONFIG: return check_config(server);
    case SERVER_RUN: break;
    }
    return start(server);
}

int main(int argc, char **argv)
{
    struct server server = {0};
    struct fault fault = {0};
    enum server_action action;
    char line[2048];
    ssize_t len = readlink("/proc/self/exe", server.program, sizeof(server.program) - 1);
    server.program[len > 0 ? len : 0] = '\0';
    server.crash = (struct crash_facts){.log_fd = &server.host.log.fd,
                                         .program = server.program,
                                         .journal = &server.journal,
                                         .settings = &server.settings,
                                         .engine = &server.engine};
    settings_init(&server.settings);
    journal_off(&server.journal);
    server_host_init(&server.host, &server.settings, &server.journal);
    server.settings.read_file = server.host.port.read_file;
    server.settings.read_file_self = &server.host;
    server.settings.match_files = server_host_match_files;
    int status = 1;
    int code = server_options_read(argc, argv, &server.settings, &action, keep_warning, &server,
                                   &fault);
    server_process_init(&server.host.process, &server.settings, argc, argv);
    if (code == 0)
        status = answer(&server, action);
    else
        fprintf(stderr, "*** FATAL CONFIG FILE ERROR (kv %s) ***\n%s\n", KV_VERSION,
                fault_line(&fault, line, sizeof(line)));
    buf_free(&server.warnings);
    settings_free(&server.settings);
    return status;
}
