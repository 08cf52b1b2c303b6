/* Settings: one row an option in settings_rows.c, with its type, bounds and default; read from a
 * file, the command line and CONFIG SET, shown by CONFIG GET, written back by CONFIG REWRITE
 * (settings_rewrite.h). Directives of Redis 7.2 and Valkey 8 are all accepted; those that mean
 * nothing here warn when they are given another value than their default, and those that would
 * promise safety or data that this version can't give are refused. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/buf.h"
#include "core/base/slice.h"
#include "core/settings_process.h"
#include "core/settings_saving.h"
#include "core/settings_tls.h"
#include "core/type/limits.h"

struct fault;

enum setting_policy_eviction {
    EVICT_NONE, EVICT_ALLKEYS_LRU, EVICT_ALLKEYS_LFU, EVICT_ALLKEYS_RANDOM,
    EVICT_VOLATILE_LRU, EVICT_VOLATILE_LFU, EVICT_VOLATILE_RANDOM, EVICT_VOLATILE_TTL,
};

enum output_class { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB, OUTPUT_CLASSES };

struct output_limit {
    int64_t hard_bytes, soft_bytes, soft_seconds;
};

#define SETTINGS_BIND_MAX 16

#define SETTINGS_KEPT_MAX 256
#define SETTINGS_INCLUDE_DEPTH 8

/* A line of a directive that is no option (`user`, `rename-command`), word by word. */
struct setting_line {
    struct setting_line *next;
    const char *name;     /* of its row */
    char *path;           /* the file, or NULL: the command line */
    int number, count;
    struct slice words[]; /* behind the name */
};

/* All strings are mem_alloc'ed; NULL stands for the empty one. */
struct settings {
    /* network */
    char *bind[SETTINGS_BIND_MAX];
    int bind_count;
    int64_t port, tcp_backlog, tcp_keepalive, timeout_s, maxclients, unix_socket_perm,
        io_threads; /* the main one included */
    char *unix_socket;
    bool protected_mode, import_mode;
    int64_t query_buffer_limit, bulk_bytes_max, tracking_keys_max;
    struct output_limit output_limits[OUTPUT_CLASSES];
    struct settings_tls tls;
    struct settings_process process;
    /* general */
    int64_t databases, hz;
    int64_t latency_threshold_ms; /* latency-monitor-threshold; 0: off */
    int64_t slowlog_slower_us, slowlog_max_len; /* -1: nothing is slow, */
    int64_t large_request_bytes, large_request_max_len, large_reply_bytes, large_reply_max_len;
    bool daemonize, latency_tracking;
    bool lazyfree_user_del, lazyfree_user_flush, lazyfree_expire, lazyfree_eviction;
    int loglevel; /* enum host_level */
    char *logfile, *pidfile, *dir, *availability_zone, *aclfile;
    struct buf requirepass;
    int64_t acllog_max_len;
    int acl_all_channels; /* acl-pubsub-default */
    int enable_debug_command, enable_protected_configs; /* 0 no, 1 local, 2 yes */
    uint32_t notify_events; /* notify_bit */
    char *latency_percentiles; /* "50 99 99.9" */
    struct type_limits limits;
    bool rdb_compression;         /* long strings by LZF */
    int64_t rdb_version;          /* of what is written; 0: the lowest that holds the value */
    /* memory */
    /* maxmemory_clients: bytes; negative: percent of maxmemory */
    int64_t maxmemory, maxmemory_clients, maxmemory_samples, maxmemory_eviction_tenacity,
        lfu_log_factor, lfu_decay_time, active_expire_effort;
    int maxmemory_policy;
    /* durability */
    bool persistence, appendonly, aof_timestamps, aof_load_truncated;
    int appendfsync; /* enum journal_policy */
    char *append_filename, *append_dirname, *db_filename, *archive_dir;
    int64_t log_chunk_bytes;      /* log-preallocate: space taken ahead at a time */
    int64_t busy_reply_threshold_ms, script_memory_limit; /* of a script */
    int64_t log_backlog_bytes;    /* log-backlog-limit: beyond it writers wait */
    struct settings_saving saving;
    /* where they came from */
    char *config_file;            /* absolute path, or NULL */
    /* `include` reads files with this, as host->read_file; NULL: include is refused. Set before
     * loading. */
    int (*read_file)(void *self, const char *path, char **content, size_t *len,
                     struct fault *fault);
    void *read_file_self;
    /* `include` of a pattern: call `found` for each file that matches, in their order, until it
     * answers another value than 0, which is returned. Set with read_file. */
    int (*match_files)(const char *pattern, int (*found)(void *env, const char *path), void *env);
    int include_depth;
    bool given[SETTINGS_KEPT_MAX]; /* by row: a line has set it; another one may add to it */
    struct setting_line *lines; /* in their order, for core/configure.c */
    /* by row: the text of an option that has no field of its own; never NULL where there is one */
    char *kept[SETTINGS_KEPT_MAX];
};

/* Defaults; settings_free gives back what they own. */
void settings_init(struct settings *settings);
void settings_free(struct settings *settings);

/* Read a config file's text. On an error: KV_EFORMAT with file and line in `fault`. `warn` is
 * called with one line for each directive that means nothing here. */
must_check int settings_load(struct settings *settings, struct slice text, const char *path,
                             void (*warn)(void *env, const char *line), void *env,
                             struct fault *fault);
/* One directive with its words, as on the command line after "--". */
must_check int settings_load_words(struct settings *settings, int count, const struct slice *words,
                                   void (*warn)(void *env, const char *line), void *env,
                                   struct fault *fault);

/* True if changes are recorded in a log: `persistence` and `appendonly` are both on. */
bool settings_durable(const struct settings *settings);
/* The name of the file that a dump is written to: dbfilename, whose ending says in which form;
 * where that is left at its default, snapshot-format says. */
const char *settings_dump_name(const struct settings *settings);

/* CONFIG SET: all pairs or none. `local`: it is asked from this machine, for
 * enable-protected-configs. On failure *failed is the index of the bad pair's name and `why`
 * its reason, in Redis' words; KV_EFORMAT stands for a name that is unknown, KV_EREFUSED for
 * one that can't be set or is there twice, KV_ELIMIT for a value. `changed(env, name)` is called
 * for each row whose value became another; if it returns nonzero, all are put back (and changed is
 * called again for those it had been called for). */
must_check int settings_set(struct settings *settings, int pairs, const struct slice *names_values,
                            bool local,
                            int (*changed)(void *env, const char *name, struct fault *fault),
                            void *env, int *failed, char why[static 512]);

/* The option holds a password or the like: its value is not to be shown to others. */
bool settings_is_secret(struct slice name);

/* One line if setting this option to another value than its default has no effect; "" if it has, or
 * is unknown. */
void settings_warning(const char *name, char line[static 160]);

/* CONFIG GET: call for each option whose name matches any of the patterns, once each. Values of
 * secrets are shown. */
void settings_get(const struct settings *settings, int patterns, const struct slice *pattern,
                  void (*found)(void *env, const char *name, struct slice value), void *env);
