/* The options of the process and of the operator's log, as tools/kv_server_*.c take them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum supervision { SUPERVISED_NO, SUPERVISED_UPSTART, SUPERVISED_SYSTEMD, SUPERVISED_AUTO };

enum oom_adjust { OOM_AS_IT_IS, OOM_RELATIVE, OOM_ABSOLUTE };

enum log_format { LOG_LEGACY, LOG_LOGFMT, LOG_JSON };

enum log_time { LOG_TIME_LEGACY, LOG_TIME_ISO8601, LOG_TIME_MILLISECONDS };

/* What a signal asks of the shutdown: a set. */
enum shutdown_how {
    SHUTDOWN_SAVE = 1 << 0,
    SHUTDOWN_NOSAVE = 1 << 1,
    SHUTDOWN_NOW = 1 << 2,
    SHUTDOWN_FORCE = 1 << 3,
};

/* All strings are mem_alloc'ed; NULL stands for the empty one. */
struct settings_process {
    int supervised;               /* enum supervision */
    bool set_title;
    char *title_template;         /* "{title} {listen-addr} {server-mode}" */
    int oom_adjust;               /* enum oom_adjust */
    int64_t oom_values[3];        /* of a master, a replica, a child; the first one counts */
    bool disable_thp;
    bool crash_log, hide_user_data;
    int64_t watchdog_ms;          /* 0: none */
    bool syslog;
    char *syslog_ident;
    int syslog_facility;          /* 0 user, 1 to 8 local0 to local7 */
    int log_format;               /* enum log_format */
    int log_time;                 /* enum log_time */
    uint32_t on_sigint, on_sigterm; /* enum shutdown_how */
};

/* The process' title from a template, up to `size` bytes with the zero. False if the template has
 * an unknown variable or an open brace. Values in the order of settings_title_names. */
enum title_part {
    TITLE_TITLE, TITLE_LISTEN_ADDR, TITLE_SERVER_MODE, TITLE_PORT, TITLE_TLS_PORT,
    TITLE_UNIX_SOCKET, TITLE_CONFIG_FILE, TITLE_PARTS,
};

bool settings_title(const char *template, const char *const values[TITLE_PARTS], char *out,
                    int size);
