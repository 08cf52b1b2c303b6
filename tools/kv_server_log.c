/* The operator's log. A line is one write to a file opened for appending, so that lines of several
 * threads never mix. The formats, with log-timestamp-format in place of the time:
 *
 *   legacy   1234:M 20 Nov 2025 13:46:00.123 * text
 *   logfmt   pid=1234 role=primary timestamp="20 Nov 2025 13:46:00.123" level=notice message="text"
 *   json     {"pid":1234,"role":"primary","timestamp":"...","level":"notice","message":"text"}
 *
 * In the latter two quotes, backslashes and control characters of the text are escaped; in JSON
 * also bytes that are no UTF-8, as the characters of that number. */
#include "tools/kv_server_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/settings.h"

/* The end of a line that is cut must have room. */
#define LINE_ROOM (SERVER_LOG_LINE_BYTES - 16)

static void format_time(int how, int64_t now_us, char *out, size_t size)
{
    time_t seconds = (time_t)(now_us / 1000000);
    int ms = (int)(now_us / 1000 % 1000);
    struct tm local;
    char date[40], zone[8];
    localtime_r(&seconds, &local);
    switch (how) {
    case LOG_TIME_MILLISECONDS:
        snprintf(out, size, "%lld", (long long)(now_us / 1000));
        break;
    case LOG_TIME_ISO8601:
        strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &local);
        strftime(zone, sizeof(zone), "%z", &local);
        snprintf(out, size, "%s.%03d%.3s:%s", date, ms, zone, zone + 3);
        break;
    default:
        strftime(date, sizeof(date), "%d %b %Y %H:%M:%S", &local);
        snprintf(out, size, "%s.%03d", date, ms);
    }
}

/* How many bytes of a valid UTF-8 character of more than one byte begin here; 0 if none. */
static size_t utf8_bytes(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = at[0] >= 0xF0 && at[0] < 0xF5 ? 4
                 : (at[0] & 0xF0) == 0xE0      ? 3
                 : at[0] >= 0xC2 && at[0] < 0xE0 ? 2
                                                 : 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xF0 && at[1] < 0x90);
    bool none = (at[0] == 0xED && at[1] >= 0xA0) || (at[0] == 0xF4 && at[1] >= 0x90);
    return len > 0 && (overlong || none) ? 0 : len;
}

static size_t put_escaped(char *out, size_t at, const char *text, bool json)
{
    for (; *text && at < LINE_ROOM; text++) {
        unsigned char byte = (unsigned char)*text;
        size_t whole = byte >= 0x80 ? utf8_bytes(text) : 0;
        if (byte == '"' || byte == '\\')
            at += (size_t)sprintf(out + at, "\\%c", byte);
        else if (byte == '\n')
            at += (size_t)sprintf(out + at, "\\n");
        else if (byte < 0x20 || byte == 0x7F)
            at += (size_t)sprintf(out + at, json ? "\\u%04x" : "\\x%02x", byte);
        else if (json && byte >= 0x80 && whole == 0)
            at += (size_t)sprintf(out + at, "\\u%04x", byte);
        else
            out[at++] = (char)byte;
        for (; whole > 1; whole--)
            out[at++] = *++text;
    }
    return at;
}

size_t server_log_format(const struct settings *settings, enum host_level level, int64_t now_us,
                         const char *text, char out[static SERVER_LOG_LINE_BYTES])
{
    static const char marks[] = ".-*#";
    static const char *const names[] = {"debug", "info", "notice", "warning"};
    const struct settings_process *how = &settings->process;
    char time_text[64];
    size_t len;
    int pid = (int)getpid();
    format_time(how->log_time, now_us, time_text, sizeof(time_text));
    switch (how->log_format) {
    case LOG_LOGFMT:
        len = (size_t)sprintf(out, "pid=%d role=primary timestamp=\"%s\" level=%s message=\"", pid,
                              time_text, names[level]);
        len = put_escaped(out, len, text, false);
        return len + (size_t)sprintf(out + len, "\"\n");
    case LOG_JSON:
        len = (size_t)sprintf(out,
                              "{\"pid\":%d,\"role\":\"primary\",\"timestamp\":\"%s\","
                              "\"level\":\"%s\",\"message\":\"",
                              pid, time_text, names[level]);
        len = put_escaped(out, len, text, true);
        return len + (size_t)sprintf(out + len, "\"}\n");
    default:
        len = (size_t)snprintf(out, LINE_ROOM, "%d:M %s %c %s", pid, time_text, marks[level], text);
        if (len > LINE_ROOM - 1)
            len = LINE_ROOM - 1;
        out[len++] = '\n';
        return len;
    }
}

void server_log_init(struct server_log *log, const struct settings *settings)
{
    *log = (struct server_log){.settings = settings, .fd = STDOUT_FILENO};
}

int server_log_open(struct server_log *log, struct fault *fault)
{
    static const int facilities[] = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                     LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
    const struct settings_process *how = &log->settings->process;
    const char *path = log->settings->logfile;
    if (how->syslog)
        openlog(how->syslog_ident ? how->syslog_ident : "redis", LOG_PID | LOG_NDELAY | LOG_NOWAIT,
                facilities[how->syslog_facility]);
    if (!path || !path[0])
        return 0;
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return fault_errno(fault, path, -1, "open the log file");
    if (log->fd == STDOUT_FILENO) {
        log->fd = fd;
        return 0;
    }
    /* Under the same number: other threads may be about to write to it. */
    int code = dup3(fd, log->fd, O_CLOEXEC) < 0 ? fault_errno(fault, path, -1, "dup3") : 0;
    close(fd);
    return code;
}

void server_log_write(const struct server_log *log, enum host_level level, int64_t now_us,
                      const char *text)
{
    static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
    char line[SERVER_LOG_LINE_BYTES];
    size_t len = server_log_format(log->settings, level, now_us, text, line);
    ssize_t written = write(log->fd, line, len);
    (void)written; /* where should one say that the log can't be written */
    if (log->settings->process.syslog)
        syslog(priorities[level], "%s", text);
}
