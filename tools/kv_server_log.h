/* The operator's log: how a line looks, and where it goes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/host.h"

struct fault;
struct settings;

#define SERVER_LOG_LINE_BYTES 4096

struct server_log {
    const struct settings *settings;
    int fd;
};

/* To standard output until server_log_open. */
void server_log_init(struct server_log *log, const struct settings *settings);
/* Open the file that `logfile` names, again after it was moved away; and the system's log if
 * syslog-enabled. Threads that write meanwhile lose no line. */
must_check int server_log_open(struct server_log *log, struct fault *fault);
/* From any thread. */
void server_log_write(const struct server_log *log, enum host_level level, int64_t now_us,
                      const char *text);
/* One line with its end, in the format of the settings; cut if it is too long. Returns its
 * length. */
size_t server_log_format(const struct settings *settings, enum host_level level, int64_t now_us,
                         const char *text, char out[static SERVER_LOG_LINE_BYTES]);
