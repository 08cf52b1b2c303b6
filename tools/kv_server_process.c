/* The process among others.
 *
 * The title is written over the strings of the command line and the environment, which lie behind
 * one another at the top of the stack and are what ps shows; the environment is copied first, and
 * stays valid. systemd is told in datagrams to the socket that NOTIFY_SOCKET names ('@' stands for
 * an abstract one). */
#include "tools/kv_server_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/settings.h"

#define TITLE_BYTES_MAX 2048
#define OOM_FILE "/proc/self/oom_score_adj"

/* Twice: what is taken out of the environment later is still held by the second half. */
static void keep_environment(void)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **copy = calloc(2 * count + 1, sizeof(*copy));
    for (size_t i = 0; copy && i < count; i++)
        copy[i] = copy[count + 1 + i] = strdup(environ[i]);
    if (copy)
        environ = copy;
}

void server_process_init(struct server_process *process, const struct settings *settings, int argc,
                         char **argv)
{
    *process = (struct server_process){.settings = settings, .program = strdup(argv[0])};
    char *end = argv[0];
    for (int i = 0; i < argc && argv[i] == end; i++)
        end += strlen(argv[i]) + 1;
    for (int i = 0; environ[i] && environ[i] == end; i++)
        end += strlen(environ[i]) + 1;
    char **before = environ;
    keep_environment();
    if (environ == before || !process->program)
        return; /* no memory: no title */
    process->title_at = argv[0];
    process->title_bytes = (size_t)(end - argv[0]);
    argv[0] = process->program; /* the C library names us by it in stack traces */
    program_invocation_name = process->program;
}

/* ---- background and pid file ---- */

static int supervisor(const struct settings *settings)
{
    int wanted = settings->process.supervised;
    if (wanted != SUPERVISED_AUTO)
        return wanted;
    if (getenv("UPSTART_JOB"))
        return SUPERVISED_UPSTART;
    return getenv("NOTIFY_SOCKET") ? SUPERVISED_SYSTEMD : SUPERVISED_NO;
}

int server_process_background(struct server_process *process, struct fault *fault)
{
    int by = supervisor(process->settings);
    process->supervised = by == SUPERVISED_SYSTEMD && getenv("NOTIFY_SOCKET");
    if (by == SUPERVISED_UPSTART && getenv("UPSTART_JOB")) {
        raise(SIGSTOP); /* upstart waits for this, and goes on with us */
        unsetenv("UPSTART_JOB");
    }
    if (!process->settings->daemonize || by != SUPERVISED_NO)
        return 0;
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

int server_process_write_pidfile(const struct settings *settings, struct fault *fault)
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

void server_process_remove_pidfile(const struct settings *settings)
{
    if (settings->pidfile && settings->pidfile[0])
        unlink(settings->pidfile);
}

/* ---- title ---- */

static void set_title(struct server_process *process)
{
    const struct settings *settings = process->settings;
    if (!settings->process.set_title || !process->title_at)
        return;
    char title[TITLE_BYTES_MAX], listens[512], port[24], tls_port[24];
    int64_t first = settings->port ? settings->port : settings->tls.port;
    const char *unix_socket = settings->unix_socket ? settings->unix_socket : "";
    const char *host = settings->bind_count > 0 && settings->bind[0][0] ? settings->bind[0] : "*";
    if (first == 0 && unix_socket[0])
        snprintf(listens, sizeof(listens), "%s", unix_socket);
    else
        snprintf(listens, sizeof(listens), "%s:%lld", host, (long long)first);
    snprintf(port, sizeof(port), "%lld", (long long)settings->port);
    snprintf(tls_port, sizeof(tls_port), "%lld", (long long)settings->tls.port);
    const char *values[TITLE_PARTS] = {
        [TITLE_TITLE] = process->program,
        [TITLE_LISTEN_ADDR] = listens,
        [TITLE_SERVER_MODE] = "",
        [TITLE_PORT] = port,
        [TITLE_TLS_PORT] = tls_port,
        [TITLE_UNIX_SOCKET] = unix_socket,
        [TITLE_CONFIG_FILE] = settings->config_file ? settings->config_file : "",
    };
    if (!settings_title(settings->process.title_template, values, title, sizeof(title)))
        return;
    memset(process->title_at, 0, process->title_bytes);
    strncpy(process->title_at, title, process->title_bytes - 1);
}

/* ---- what the kernel does when memory runs out, and huge pages ---- */

static int write_oom(long value, struct fault *fault)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%ld", value);
    int fd = open(OOM_FILE, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return fault_errno(fault, OOM_FILE, -1, "open");
    int code = write(fd, text, (size_t)len) == len ? 0 : fault_errno(fault, "", -1,
                                                                     "write to " OOM_FILE);
    close(fd);
    return code;
}

static int adjust_oom(struct server_process *process, struct fault *fault)
{
    const struct settings_process *how = &process->settings->process;
    if (how->oom_adjust == OOM_AS_IT_IS) {
        if (!process->oom_adjusted)
            return 0;
        process->oom_adjusted = false;
        return write_oom(process->oom_before, fault);
    }
    if (!process->oom_adjusted) {
        FILE *file = fopen(OOM_FILE, "r");
        bool read = file && fscanf(file, "%ld", &process->oom_before) == 1;
        if (file)
            fclose(file);
        if (!read)
            return fault_set(fault, KV_EIO, "", -1, "%s can't be read", OOM_FILE);
    }
    long value = (long)how->oom_values[0];
    if (how->oom_adjust == OOM_RELATIVE)
        value += process->oom_before;
    value = value > 1000 ? 1000 : value < -1000 ? -1000 : value;
    process->oom_adjusted = true;
    return write_oom(value, fault);
}

void server_process_apply(struct server_process *process,
                          void (*say)(void *env, bool warning, const char *line), void *env)
{
    struct fault fault = {0};
    char line[2048];
    set_title(process);
    if (adjust_oom(process, &fault) != 0)
        say(env, true, fault_line(&fault, line, sizeof(line)));
    if (process->settings->process.disable_thp && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        say(env, true, "Huge pages can't be switched off for this process");
}

int server_process_changed(struct server_process *process, const char *name, struct fault *fault)
{
    if (strncmp(name, "oom-score-adj", strlen("oom-score-adj")) == 0)
        return adjust_oom(process, fault);
    if (strcmp(name, "proc-title-template") == 0 || strcmp(name, "bind") == 0 ||
        strcmp(name, "port") == 0 || strcmp(name, "tls-port") == 0)
        set_title(process);
    return 0;
}

/* ---- the supervisor ---- */

#define LISTEN_FD_FIRST 3 /* by systemd's protocol (sd_listen_fds) */
#define LISTEN_FDS_MAX 1024

int server_process_sockets(int (*take)(void *env, int fd, const char *name, struct fault *fault),
                           void *env, struct fault *fault)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    char name[64];
    int code = 0;
    if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    long fds = strtol(count, NULL, 10);
    for (long i = 0; i < fds && i < LISTEN_FDS_MAX && code == 0; i++) {
        size_t len = names ? strcspn(names, ":") : 0;
        snprintf(name, sizeof(name), "%.*s", (int)len, names ? names : "");
        names = names && names[len] ? names + len + 1 : NULL;
        code = take(env, LISTEN_FD_FIRST + (int)i, name, fault);
    }
    unsetenv("LISTEN_PID"); /* nobody whom we start shall take them for his */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return code;
}

void server_process_notify(const struct server_process *process, const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!process->supervised || !path || !path[0] || strlen(path) >= sizeof(address.sun_path))
        return;
    size_t len = strlen(path);
    memcpy(address.sun_path, path, len);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)sent; /* a supervisor that does not listen misses it */
    close(fd);
}
