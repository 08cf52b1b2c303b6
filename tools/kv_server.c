/* kv-server: the composition root. It alone knows all parts: it reads the options, makes them,
 * wires each to the ports of the others, and runs the loop.
 *
 *   settings -> host -> engine -> net -> listeners -> store (recovery) -> run -> store closed
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
#include "core/engine.h"
#include "core/journal.h"
#include "core/settings.h"
#include "core/version.h"
#include "net/net.h"
#include "tools/kv_server_host.h"
#include "tools/kv_server_options.h"

/* Read by jemalloc at its start: pages that are free are given back by a thread of its own, never
 * within a command. */
extern const char *malloc_conf;
const char *malloc_conf = "background_thread:true,dirty_decay_ms:5000,muzzy_decay_ms:0";

struct server {
    struct settings settings;
    struct server_host host;
    struct journal journal;
    struct engine *engine;
    struct net *net;
    bool asked_to_stop; /* once in vain */
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
    bool force = server->asked_to_stop;
    server->asked_to_stop = true;
    if (engine_shutdown(server->engine, false, false, force, why))
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
    if (server_host_open_log(&server->host, &fault) != 0)
        say(server, true, fault_line(&fault, line, sizeof(line)));
    else
        say(server, false, "Log file reopened");
}

static void remove_pidfile(struct server *server)
{
    const char *pidfile = server->settings.pidfile;
    if (pidfile && pidfile[0])
        unlink(pidfile);
}

/* ---- start ---- */

static void say_version(void)
{
    printf("kv-server v=%s redis_version=%s malloc=%s bits=64\n", KV_VERSION, KV_REDIS_VERSION,
           mem_allocator_name());
}

/* Before there is a thread, a file or a socket. */
static int go_to_background(struct fault *fault)
{
    pid_t child = fork();
    if (child < 0)
        return fault_errno(fault, "", -1, "fork");
    if (child > 0)
        _exit(0);
    setsid();
    if (!freopen("/dev/null", "r", stdin) || !freopen("/dev/null", "w", stdout) ||
        !freopen("/dev/null", "w", stderr))
        return fault_errno(fault, "/dev/null", -1, "open");
    return 0;
}

static int enter_dir(const struct settings *settings, struct fault *fault)
{
    if (!settings->dir || !settings->dir[0] || chdir(settings->dir) == 0)
        return 0;
    if (errno == ENOENT)
        return fault_set(fault, KV_EIO, settings->dir, -1,
                         "the data directory does not exist: create it with  mkdir -p %s",
                         settings->dir);
    return fault_errno(fault, settings->dir, -1, "enter the data directory");
}

static int write_pidfile(const struct settings *settings, struct fault *fault)
{
    if (!settings->pidfile || !settings->pidfile[0])
        return 0;
    FILE *file = fopen(settings->pidfile, "w");
    if (!file)
        return fault_errno(fault, settings->pidfile, -1, "write the pid file");
    fprintf(file, "%d\n", (int)getpid());
    fclose(file);
    return 0;
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
                   KV_VERSION, (int)getpid(), file ? file : "none, all defaults");
    host->port.log(host, HOST_NOTICE, "PID: %d", (int)getpid());
    for (size_t at = 0; at < server->warnings.len; at += strlen(server->warnings.data + at) + 1)
        say(server, true, server->warnings.data + at);
    buf_free(&server->warnings);
    host->port.log(host, HOST_NOTICE, "Server initialized");
    if (!settings_durable(&server->settings))
        say(server, true,
            "In-memory mode: nothing is written to disk, and all data is lost when the server "
            "stops. For a durable store start it without --persistence no and --appendonly no.");
}

/* All but the log. */
static int make_parts(struct server *server, struct fault *fault)
{
    struct engine_options engine_options = {
        .settings = &server->settings,
        .host = &server->host.port,
        .journal = &server->journal,
        .commands = command_tables,
    };
    server->engine = engine_new(&engine_options);
    server->engine->executable = "/proc/self/exe";
    struct net_options net_options = {
        .settings = &server->settings,
        .engine = server->engine,
        .say = say_of_client,
        .env = server,
    };
    server->net = net_new(&net_options);
    if (!server->net)
        return fault_errno(fault, "", -1, "make the event loop");
    server->host.net = server->net;
    net_on_signal(server->net, SIGTERM, on_stop_signal, server);
    net_on_signal(server->net, SIGINT, on_stop_signal, server);
    net_on_signal(server->net, SIGHUP, on_hangup, server);
    return net_listen(server->net, fault);
}

static void free_parts(struct server *server)
{
    net_free(server->net);
    server->host.net = NULL;
#ifdef KV_DEBUG
    engine_free(server->engine); /* else the end of the process is faster */
    settings_free(&server->settings);
#endif
}

static int run(struct server *server)
{
    struct fault fault = {0};
    if (make_parts(server, &fault) != 0) {
        int status = refuse(server, "Could not listen:", &fault);
        free_parts(server);
        return status;
    }
    if (settings_durable(&server->settings)) {
        fault_set(&fault, KV_EREFUSED, "", -1, "start it with --persistence no");
        int status = refuse(server, "This build has no log:", &fault);
        free_parts(server);
        return status;
    }
    net_each_listener(server->net, say_listener, server);
    net_run(server->net);
    int status = server->host.exit_status;
    say(server, true, "kv is now ready to exit, bye bye...");
    free_parts(server);
    return status;
}

static int start(struct server *server)
{
    struct fault fault = {0};
    struct settings *settings = &server->settings;
    if (settings->daemonize && go_to_background(&fault) != 0)
        return refuse(server, "Could not go to the background:", &fault);
    if (server_host_open_log(&server->host, &fault) != 0)
        return refuse(server, "Could not open the log file:", &fault);
    if (enter_dir(settings, &fault) != 0)
        return refuse(server, "Could not start:", &fault);
    if (write_pidfile(settings, &fault) != 0)
        return refuse(server, "Could not start:", &fault);
    say_hello(server);
    fit_clients(server);
    int status = run(server);
    remove_pidfile(server);
    return status;
}

int main(int argc, char **argv)
{
    struct server server = {0};
    struct fault fault = {0};
    enum server_action action;
    char line[2048];
    settings_init(&server.settings);
    journal_off(&server.journal);
    server_host_init(&server.host, &server.settings, &server.journal);
    server.settings.read_file = server.host.port.read_file;
    server.settings.read_file_self = &server.host;
    int code = server_options_read(argc, argv, &server.settings, &action, keep_warning, &server,
                                   &fault);
    if (code == 0 && action == SERVER_RUN)
        code = settings_check(&server.settings, &fault);
    if (code != 0) {
        fprintf(stderr, "*** FATAL CONFIG FILE ERROR (kv %s) ***\n%s\n", KV_VERSION,
                fault_line(&fault, line, sizeof(line)));
        return 1;
    }
    switch (action) {
    case SERVER_SAY_VERSION:
        say_version();
        return 0;
    case SERVER_SAY_HELP:
        fputs(server_options_help, stdout);
        return 0;
    case SERVER_CHECK_CONFIG:
        puts("The configuration is good.");
        return 0;
    case SERVER_RUN:
        break;
    }
    return start(&server);
}
