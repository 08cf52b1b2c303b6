/* The table of options: everything that Redis 7.2, Valkey 8 or kv itself has a name for.
 *
 * Each row gives the name, an older or newer name for the same thing, how its text is read, its
 * bounds and its default. Options with a field in struct settings are the real ones. The others
 * are kept as text so that CONFIG GET answers what CONFIG SET was told, and fall into three groups:
 *
 *   NO_EFFECT  tunes a mechanism that kv does not have (fork, defragmentation, ...)
 *   LATER      belongs to a feature that this version does not have yet
 *   REFUSED    the same, but going on without it would break a promise about data or access, so
 *              that only the value that switches it off is accepted
 */
#include "core/settings_rows.h"

#include <stdio.h>

#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/host.h"
#include "core/journal.h"
#include "core/settings.h"
#include "core/settings_special.h"
#include "core/snapshot_sink.h"

#define AT(field) offsetof(struct settings, field)
#define KEPT SETTING_KEPT
#define INT32 2147483647
#define INT64 INT64_MAX
#define UINT32 4294967295
#define MB (1024LL * 1024)

/* Shapes of rows: name, alias, flags, field, then what the kind needs. */
#define YES_NO(name, alias, flags, field, initial) \
    {name, alias, SETTING_BOOL, flags, field, 0, 0, initial, NULL, NULL, NULL}
#define NUMBER(name, alias, flags, field, min, max, initial) \
    {name, alias, SETTING_INT, flags, field, min, max, initial, NULL, NULL, NULL}
#define OCTAL(name, alias, flags, field, max, initial) \
    {name, alias, SETTING_OCTAL, flags, field, 0, max, initial, NULL, NULL, NULL}
#define MEMORY(name, alias, flags, field, min, max, initial) \
    {name, alias, SETTING_MEMORY, flags, field, min, max, initial, NULL, NULL, NULL}
#define CHOICE(name, alias, flags, field, words, initial) \
    {name, alias, SETTING_ENUM, flags, field, 0, 0, initial, words, NULL, NULL}
#define TEXT(name, alias, flags, field, initial) \
    {name, alias, SETTING_STRING, flags, field, 0, 0, initial, NULL, NULL, NULL}
#define SPECIAL(name, alias, flags, read, show, initial) \
    {name, alias, SETTING_SPECIAL, flags, KEPT, 0, 0, initial, NULL, read, show}

#define IMMUTABLE SETTING_IMMUTABLE
#define PROTECTED SETTING_PROTECTED
#define RESTART SETTING_RESTART
#define VOLATILE SETTING_VOLATILE
#define HIDDEN SETTING_HIDDEN
#define SECRET SETTING_SECRET
#define WORDS SETTING_WORDS
#define LINES (SETTING_LINES | SETTING_WORDS)
#define NOTHING SETTING_NO_EFFECT
#define LATER SETTING_LATER
#define REFUSED SETTING_REFUSED
#define DIRECTIVE (SETTING_FILE_ONLY | SETTING_WORDS | SETTING_LINES)
#define FILENAME (SETTING_NOT_EMPTY | SETTING_NO_SLASH)

static const struct setting_word words_policy[] = {
    {"volatile-lru", EVICT_VOLATILE_LRU},
    {"volatile-lfu", EVICT_VOLATILE_LFU},
    {"volatile-random", EVICT_VOLATILE_RANDOM},
    {"volatile-ttl", EVICT_VOLATILE_TTL},
    {"allkeys-lru", EVICT_ALLKEYS_LRU},
    {"allkeys-lfu", EVICT_ALLKEYS_LFU},
    {"allkeys-random", EVICT_ALLKEYS_RANDOM},
    {"noeviction", EVICT_NONE},
    {NULL, 0},
};
static const struct setting_word words_fsync[] = {
    {"everysec", JOURNAL_EVERYSEC}, {"always", JOURNAL_ALWAYS}, {"no", JOURNAL_NO}, {NULL, 0},
};
static const struct setting_word words_snapshot[] = {
    {"lz4", SETTINGS_SNAPSHOT_LZ4}, {"rdb", SETTINGS_SNAPSHOT_RDB}, {NULL, 0},
};
static const struct setting_word words_io[] = {
    {"normal", SNAPSHOT_IO_NORMAL}, {"low", SNAPSHOT_IO_LOW}, {"idle", SNAPSHOT_IO_IDLE}, {NULL, 0},
};
static const struct setting_word words_loglevel[] = {
    {"debug", HOST_DEBUG},     {"verbose", HOST_VERBOSE}, {"notice", HOST_NOTICE},
    {"warning", HOST_WARNING}, {"nothing", HOST_WARNING + 1}, {NULL, 0},
};
static const struct setting_word words_local[] = {
    {"no", 0}, {"yes", 2}, {"local", 1}, {NULL, 0},
};
static const struct setting_word words_supervised[] = {
    {"upstart", SUPERVISED_UPSTART}, {"systemd", SUPERVISED_SYSTEMD}, {"auto", SUPERVISED_AUTO},
    {"no", SUPERVISED_NO},           {NULL, 0},
};
static const struct setting_word words_facility[] = {
    {"user", 0},   {"local0", 1}, {"local1", 2}, {"local2", 3}, {"local3", 4},
    {"local4", 5}, {"local5", 6}, {"local6", 7}, {"local7", 8}, {NULL, 0},
};
static const struct setting_word words_diskless_load[] = {
    {"disabled", 0}, {"on-empty-db", 1}, {"swapdb", 2}, {"flush-before-load", 3}, {NULL, 0},
};
static const struct setting_word words_channels[] = {
    {"allchannels", 1}, {"resetchannels", 0}, {NULL, 0},
};
static const struct setting_word words_sanitize[] = {
    {"no", 0}, {"yes", 1}, {"clients", 2}, {NULL, 0},
};
static const struct setting_word words_tls_clients[] = {
    {"no", TLS_CLIENTS_ANY},
    {"yes", TLS_CLIENTS_VERIFIED},
    {"optional", TLS_CLIENTS_OPTIONAL},
    {NULL, 0},
};
static const struct setting_word words_oom[] = {
    {"no", OOM_AS_IT_IS}, {"yes", OOM_RELATIVE}, {"relative", OOM_RELATIVE},
    {"absolute", OOM_ABSOLUTE}, {NULL, 0},
};
static const struct setting_word words_endpoint[] = {
    {"ip", 0}, {"hostname", 1}, {"unknown-endpoint", 2}, {NULL, 0},
};
static const struct setting_word words_propagation[] = {
    {"ignore", 0}, {"panic", 1}, {"panic-on-replicas", 2}, {NULL, 0},
};
static const struct setting_word words_version_check[] = {
    {"strict", 0}, {"relaxed", 1}, {NULL, 0},
};
static const struct setting_word words_log_format[] = {
    {"legacy", LOG_LEGACY}, {"logfmt", LOG_LOGFMT}, {"json", LOG_JSON}, {NULL, 0},
};
static const struct setting_word words_log_time[] = {
    {"legacy", LOG_TIME_LEGACY}, {"iso8601", LOG_TIME_ISO8601},
    {"milliseconds", LOG_TIME_MILLISECONDS}, {NULL, 0},
};

const struct setting_row setting_rows[] = {
    /* network */
    SPECIAL("bind", NULL, WORDS, setting_read_bind, setting_show_bind, "127.0.0.1 -::1"),
    NUMBER("port", NULL, 0, AT(port), 0, 65535, "6379"),
    NUMBER("tcp-backlog", NULL, IMMUTABLE, AT(tcp_backlog), 0, INT32, "511"),
    NUMBER("tcp-keepalive", NULL, 0, AT(tcp_keepalive), 0, INT32, "300"),
    NUMBER("timeout", NULL, 0, AT(timeout_s), 0, INT32, "0"),
    NUMBER("maxclients", NULL, 0, AT(maxclients), 1, UINT32, "10000"),
    TEXT("unixsocket", NULL, IMMUTABLE, AT(unix_socket), ""),
    OCTAL("unixsocketperm", NULL, IMMUTABLE, AT(unix_socket_perm), 0777, "0"),
    YES_NO("protected-mode", NULL, 0, AT(protected_mode), "yes"),
    MEMORY("client-query-buffer-limit", NULL, 0, AT(query_buffer_limit), MB, INT64, "1gb"),
    MEMORY("proto-max-bulk-len", NULL, 0, AT(bulk_bytes_max), MB, INT64, "512mb"),
    SPECIAL("client-output-buffer-limit", NULL, LINES, setting_read_output, setting_show_output,
            "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    TEXT("bind-source-addr", NULL, NOTHING, KEPT, ""),
    NUMBER("socket-mark-id", NULL, IMMUTABLE | NOTHING, KEPT, 0, UINT32, "0"),
    NUMBER("io-threads", NULL, IMMUTABLE, AT(io_threads), 1, 128, "1"),
    YES_NO("io-threads-do-reads", NULL, IMMUTABLE | NOTHING, KEPT, "no"),
    NUMBER("events-per-io-thread", NULL, NOTHING, KEPT, 0, INT32, "2"),
    NUMBER("min-io-threads-avoid-copy-reply", NULL, NOTHING, KEPT, 0, INT32, "7"),
    NUMBER("prefetch-batch-max-size", NULL, NOTHING, KEPT, 0, 128, "16"),
    NUMBER("max-new-connections-per-cycle", NULL, NOTHING, KEPT, 1, 1000, "10"),
    TEXT("unixsocketgroup", NULL, IMMUTABLE | REFUSED, KEPT, ""),
    YES_NO("mptcp", NULL, IMMUTABLE | NOTHING, KEPT, "no"),
    YES_NO("repl-mptcp", NULL, NOTHING, KEPT, "no"),
    TEXT("rdma-bind", NULL, WORDS | REFUSED, KEPT, ""),
    NUMBER("rdma-port", NULL, REFUSED, KEPT, 0, 65535, "0"),
    NUMBER("rdma-rx-size", NULL, IMMUTABLE | NOTHING, KEPT, 65536, 16 * MB, "1048576"),
    NUMBER("rdma-completion-vector", NULL, IMMUTABLE | NOTHING, KEPT, -1, 1024, "-1"),

    /* general */
    NUMBER("databases", NULL, IMMUTABLE, AT(databases), 1, 65536, "16"),
    SPECIAL("hz", NULL, 0, setting_read_hz, setting_show_hz, "10"),
    YES_NO("dynamic-hz", NULL, NOTHING, KEPT, "yes"),
    YES_NO("daemonize", NULL, IMMUTABLE, AT(daemonize), "no"),
    YES_NO("always-show-logo", NULL, IMMUTABLE | NOTHING, KEPT, "no"),
    YES_NO("set-proc-title", NULL, IMMUTABLE, AT(process.set_title), "yes"),
    SPECIAL("proc-title-template", NULL, 0, setting_read_title, setting_show_title,
            "{title} {listen-addr} {server-mode}"),
    CHOICE("loglevel", NULL, 0, AT(loglevel), words_loglevel, "notice"),
    TEXT("logfile", NULL, IMMUTABLE, AT(logfile), ""),
    TEXT("pidfile", NULL, IMMUTABLE, AT(pidfile), ""),
    TEXT("dir", NULL, PROTECTED | RESTART | SETTING_NOT_EMPTY, AT(dir), "."),
    SPECIAL("requirepass", NULL, SECRET, setting_read_password, setting_show_password, ""),
    CHOICE("enable-debug-command", NULL, IMMUTABLE, AT(enable_debug_command), words_local, "no"),
    CHOICE("enable-protected-configs", NULL, IMMUTABLE, AT(enable_protected_configs), words_local,
           "no"),
    CHOICE("enable-module-command", NULL, IMMUTABLE | NOTHING, KEPT, words_local, "no"),
    YES_NO("enable-debug-assert", NULL, IMMUTABLE | NOTHING | HIDDEN, KEPT, "no"),
    YES_NO("latency-tracking", NULL, 0, AT(latency_tracking), "yes"),
    SPECIAL("latency-tracking-info-percentiles", NULL, WORDS, setting_read_percentiles,
            setting_show_percentiles, "50 99 99.9"),
    NUMBER("slowlog-log-slower-than", "commandlog-execution-slower-than", 0,
           AT(slowlog_slower_us), -1, INT64, "10000"),
    NUMBER("slowlog-max-len", "commandlog-slow-execution-max-len", 0, AT(slowlog_max_len), 0,
           INT64, "128"),
    NUMBER("commandlog-request-larger-than", NULL, 0, AT(large_request_bytes), -1, INT64,
           "1048576"),
    NUMBER("commandlog-large-request-max-len", NULL, 0, AT(large_request_max_len), 0, INT64,
           "128"),
    NUMBER("commandlog-reply-larger-than", NULL, 0, AT(large_reply_bytes), -1, INT64, "1048576"),
    NUMBER("commandlog-large-reply-max-len", NULL, 0, AT(large_reply_max_len), 0, INT64, "128"),
    NUMBER("latency-monitor-threshold", NULL, 0, AT(latency_threshold_ms), 0, INT64, "0"),
    SPECIAL("notify-keyspace-events", NULL, 0, setting_read_events, setting_show_events, ""),
    YES_NO("crash-log-enabled", NULL, 0, AT(process.crash_log), "yes"),
    YES_NO("hide-user-data-from-log", NULL, 0, AT(process.hide_user_data), "yes"),
    YES_NO("crash-memcheck-enabled", NULL, NOTHING, KEPT, "yes"),
    YES_NO("disable-thp", NULL, IMMUTABLE, AT(process.disable_thp), "no"),
    CHOICE("supervised", NULL, IMMUTABLE, AT(process.supervised), words_supervised, "no"),
    YES_NO("syslog-enabled", NULL, IMMUTABLE, AT(process.syslog), "no"),
    TEXT("syslog-ident", NULL, IMMUTABLE, AT(process.syslog_ident), "redis"),
    CHOICE("syslog-facility", NULL, IMMUTABLE, AT(process.syslog_facility), words_facility,
           "local0"),
    CHOICE("log-format", NULL, 0, AT(process.log_format), words_log_format, "legacy"),
    CHOICE("log-timestamp-format", NULL, 0, AT(process.log_time), words_log_time, "legacy"),
    YES_NO("extended-redis-compatibility", NULL, NOTHING, KEPT, "no"),
    TEXT("availability-zone", NULL, 0, AT(availability_zone), ""),
    TEXT("locale-collate", NULL, NOTHING, KEPT, ""),
    TEXT("ignore-warnings", NULL, NOTHING, KEPT, ""),
    TEXT("server_cpulist", "server-cpulist", IMMUTABLE | NOTHING, KEPT, ""),
    TEXT("bio_cpulist", "bio-cpulist", IMMUTABLE | NOTHING, KEPT, ""),
    TEXT("aof_rewrite_cpulist", "aof-rewrite-cpulist", IMMUTABLE | NOTHING, KEPT, ""),
    TEXT("bgsave_cpulist", "bgsave-cpulist", IMMUTABLE | NOTHING, KEPT, ""),
    CHOICE("oom-score-adj", NULL, 0, AT(process.oom_adjust), words_oom, "no"),
    SPECIAL("oom-score-adj-values", NULL, WORDS, setting_read_oom_values,
            setting_show_oom_values, "0 200 800"),
    SPECIAL("shutdown-on-sigint", NULL, WORDS, setting_read_sigint, setting_show_sigint,
            "default"),
    SPECIAL("shutdown-on-sigterm", NULL, WORDS, setting_read_sigterm, setting_show_sigterm,
            "default"),
    NUMBER("shutdown-timeout", NULL, NOTHING, KEPT, 0, INT32, "10"),
    CHOICE("propagation-error-behavior", NULL, NOTHING, KEPT, words_propagation, "ignore"),
    NUMBER("watchdog-period", NULL, 0, AT(process.watchdog_ms), 0, INT32, "0"),
    YES_NO("import-mode", NULL, 0, AT(import_mode), "no"),

    /* memory */
    MEMORY("maxmemory", NULL, 0, AT(maxmemory), 0, INT64, "0"),
    CHOICE("maxmemory-policy", NULL, 0, AT(maxmemory_policy), words_policy, "noeviction"),
    NUMBER("maxmemory-samples", NULL, 0, AT(maxmemory_samples), 1, INT32, "5"),
    NUMBER("maxmemory-eviction-tenacity", NULL, 0, AT(maxmemory_eviction_tenacity), 0, 100, "10"),
    SPECIAL("maxmemory-clients", NULL, 0, setting_read_clients, NULL, "0"),
    NUMBER("lfu-log-factor", NULL, 0, AT(lfu_log_factor), 0, INT32, "10"),
    NUMBER("lfu-decay-time", NULL, 0, AT(lfu_decay_time), 0, INT32, "1"),
    NUMBER("active-expire-effort", NULL, 0, AT(active_expire_effort), 1, 10, "1"),
    YES_NO("lazyfree-lazy-eviction", NULL, 0, AT(lazyfree_eviction), "no"),
    YES_NO("lazyfree-lazy-expire", NULL, 0, AT(lazyfree_expire), "no"),
    YES_NO("lazyfree-lazy-server-del", NULL, NOTHING, KEPT, "no"),
    YES_NO("lazyfree-lazy-user-del", NULL, 0, AT(lazyfree_user_del), "no"),
    YES_NO("lazyfree-lazy-user-flush", NULL, 0, AT(lazyfree_user_flush), "no"),
    YES_NO("activedefrag", NULL, NOTHING, KEPT, "no"),
    YES_NO("activerehashing", NULL, NOTHING, KEPT, "yes"),
    YES_NO("jemalloc-bg-thread", NULL, NOTHING, KEPT, "yes"),
    NUMBER("active-defrag-cycle-max", NULL, NOTHING, KEPT, 1, 99, "25"),
    NUMBER("active-defrag-cycle-min", NULL, NOTHING, KEPT, 1, 99, "1"),
    NUMBER("active-defrag-cycle-us", NULL, NOTHING, KEPT, 0, 100000, "500"),
    MEMORY("active-defrag-ignore-bytes", NULL, NOTHING, KEPT, 1, INT64, "100mb"),
    NUMBER("active-defrag-max-scan-fields", NULL, NOTHING, KEPT, 1, INT64, "1000"),
    NUMBER("active-defrag-threshold-lower", NULL, NOTHING, KEPT, 0, 1000, "10"),
    NUMBER("active-defrag-threshold-upper", NULL, NOTHING, KEPT, 0, 1000, "100"),
    NUMBER("tracking-table-max-keys", NULL, 0, AT(tracking_keys_max), 0, INT64, "1000000"),

    /* types */
    NUMBER("hash-max-listpack-entries", "hash-max-ziplist-entries", 0,
           AT(limits.hash_entries), 0, INT64, "512"),
    MEMORY("hash-max-listpack-value", "hash-max-ziplist-value", 0,
           AT(limits.hash_value_bytes), 0, INT64, "64"),
    NUMBER("set-max-intset-entries", NULL, 0, AT(limits.set_intset_entries), 0, INT64, "512"),
    NUMBER("set-max-listpack-entries", NULL, 0, AT(limits.set_entries), 0, INT64, "128"),
    NUMBER("set-max-listpack-value", NULL, 0, AT(limits.set_value_bytes), 0, INT64, "64"),
    NUMBER("zset-max-listpack-entries", "zset-max-ziplist-entries", 0,
           AT(limits.zset_entries), 0, INT64, "128"),
    MEMORY("zset-max-listpack-value", "zset-max-ziplist-value", 0,
           AT(limits.zset_value_bytes), 0, INT64, "64"),
    NUMBER("list-max-listpack-size", "list-max-ziplist-size", 0,
           AT(limits.list_node_size), INT32_MIN, INT32, "-2"),
    NUMBER("list-compress-depth", NULL, 0, AT(limits.list_compress_depth), 0, INT32, "0"),
    MEMORY("stream-node-max-bytes", NULL, 0, AT(limits.stream_node_bytes), 0, INT64, "4096"),
    NUMBER("stream-node-max-entries", NULL, 0, AT(limits.stream_node_entries), 0, INT64, "100"),
    MEMORY("hll-sparse-max-bytes", NULL, 0, AT(limits.hll_sparse_bytes), 0, INT64, "3000"),

    /* durability */
    YES_NO("persistence", NULL, 0, AT(persistence), "yes"),
    YES_NO("appendonly", NULL, 0, AT(appendonly), "yes"),
    CHOICE("appendfsync", NULL, 0, AT(appendfsync), words_fsync, "always"),
    TEXT("appendfilename", NULL, IMMUTABLE | FILENAME, AT(append_filename), "appendonly.aof"),
    TEXT("appenddirname", NULL, IMMUTABLE | FILENAME, AT(append_dirname), "appendonlydir"),
    TEXT("dbfilename", NULL, PROTECTED | FILENAME, AT(db_filename), SETTINGS_DUMP_LZ4),
    CHOICE("snapshot-format", NULL, 0, AT(saving.format), words_snapshot, "lz4"),
    TEXT("aof-archive-dir", NULL, IMMUTABLE, AT(archive_dir), ""),
    YES_NO("aof-timestamp-enabled", NULL, 0, AT(aof_timestamps), "yes"),
    YES_NO("aof-load-truncated", NULL, 0, AT(aof_load_truncated), "yes"),
    MEMORY("log-preallocate", NULL, IMMUTABLE, AT(log_chunk_bytes), 0, 1024 * MB, "16mb"),
    MEMORY("log-backlog-limit", NULL, 0, AT(log_backlog_bytes), MB, INT64, "64mb"),
    CHOICE("snapshot-io-priority", NULL, 0, AT(saving.io_priority), words_io, "low"),
    MEMORY("snapshot-memory-limit", NULL, 0, AT(saving.memory_limit), 0, INT64, "0"),
    SPECIAL("save", NULL, LINES | SETTING_BARE, setting_read_save, setting_show_save, ""),
    YES_NO("aof-use-rdb-preamble", NULL, NOTHING, KEPT, "yes"),
    YES_NO("aof-rewrite-incremental-fsync", NULL, NOTHING, KEPT, "yes"),
    YES_NO("aof-disable-auto-gc", NULL, NOTHING, KEPT, "no"),
    YES_NO("no-appendfsync-on-rewrite", NULL, NOTHING, KEPT, "no"),
    NUMBER("auto-aof-rewrite-percentage", NULL, 0, AT(saving.rewrite_percent), 0, INT32, "100"),
    MEMORY("auto-aof-rewrite-min-size", NULL, 0, AT(saving.rewrite_min_bytes), 0, INT64, "64mb"),
    MEMORY("auto-aof-rewrite-max-growth", NULL, 0, AT(saving.rewrite_max_bytes), 0, INT64, "16gb"),
    YES_NO("rdbchecksum", NULL, IMMUTABLE | NOTHING, KEPT, "yes"),
    YES_NO("rdbcompression", NULL, 0, AT(rdb_compression), "yes"),
    NUMBER("rdb-version", NULL, 0, AT(rdb_version), 0, 12, "0"),
    YES_NO("rdb-save-incremental-fsync", NULL, NOTHING, KEPT, "yes"),
    YES_NO("rdb-del-sync-files", NULL, NOTHING, KEPT, "no"),
    CHOICE("rdb-version-check", NULL, NOTHING, KEPT, words_version_check, "strict"),
    CHOICE("sanitize-dump-payload", NULL, NOTHING, KEPT, words_sanitize, "no"),
    NUMBER("rdb-key-save-delay", NULL, HIDDEN, AT(saving.key_delay_us), INT32_MIN, INT32, "0"),
    NUMBER("key-load-delay", NULL, HIDDEN, AT(saving.load_delay_us), INT32_MIN, INT32, "0"),
    YES_NO("use-exit-on-panic", NULL, NOTHING | HIDDEN, KEPT, "no"),
    YES_NO("stop-writes-on-bgsave-error", NULL, 0, AT(saving.stop_writes), "yes"),

    /* access */
    TEXT("aclfile", NULL, IMMUTABLE, AT(aclfile), ""),
    TEXT("user", NULL, DIRECTIVE | SETTING_LINE_KEPT | SECRET, KEPT, ""),
    TEXT("rename-command", NULL, DIRECTIVE | SETTING_LINE_KEPT, KEPT, ""),
    NUMBER("acllog-max-len", NULL, 0, AT(acllog_max_len), 0, INT64, "128"),
    CHOICE("acl-pubsub-default", NULL, 0, AT(acl_all_channels), words_channels, "resetchannels"),
    TEXT("tls-auth-clients-user", NULL, REFUSED, KEPT, ""),

    /* TLS */
    NUMBER("tls-port", NULL, 0, AT(tls.port), 0, 65535, "0"),
    TEXT("tls-cert-file", NULL, VOLATILE, AT(tls.cert_file), ""),
    TEXT("tls-key-file", NULL, VOLATILE, AT(tls.key_file), ""),
    TEXT("tls-key-file-pass", NULL, SECRET, AT(tls.key_file_pass), ""),
    TEXT("tls-ca-cert-file", NULL, VOLATILE, AT(tls.ca_cert_file), ""),
    TEXT("tls-ca-cert-dir", NULL, VOLATILE, AT(tls.ca_cert_dir), ""),
    TEXT("tls-dh-params-file", NULL, VOLATILE, AT(tls.dh_params_file), ""),
    CHOICE("tls-auth-clients", NULL, 0, AT(tls.auth_clients), words_tls_clients, "yes"),
    TEXT("tls-protocols", NULL, 0, AT(tls.protocols), ""),
    TEXT("tls-ciphers", NULL, 0, AT(tls.ciphers), ""),
    TEXT("tls-ciphersuites", NULL, 0, AT(tls.ciphersuites), ""),
    YES_NO("tls-prefer-server-ciphers", NULL, 0, AT(tls.prefer_server_ciphers), "no"),
    YES_NO("tls-session-caching", NULL, 0, AT(tls.session_caching), "yes"),
    NUMBER("tls-session-cache-size", NULL, 0, AT(tls.session_cache_size), 0, INT32, "20480"),
    NUMBER("tls-session-cache-timeout", NULL, 0, AT(tls.session_cache_timeout_s), 0, INT32,
           "300"),
    NUMBER("tls-handshake-timeout", NULL, 0, AT(tls.handshake_timeout_s), 1, 3600, "10"),
    NUMBER("max-new-tls-connections-per-cycle", NULL, 0, AT(tls.accept_max), 1, 1000, "1"),
    YES_NO("tls-replication", NULL, NOTHING, KEPT, "no"),
    YES_NO("tls-cluster", NULL, NOTHING, KEPT, "no"),
    TEXT("tls-client-cert-file", NULL, NOTHING, KEPT, ""),
    TEXT("tls-client-key-file", NULL, NOTHING, KEPT, ""),
    TEXT("tls-client-key-file-pass", NULL, SECRET | NOTHING, KEPT, ""),

    /* modules and scripts */
    TEXT("loadmodule", NULL, DIRECTIVE | REFUSED, KEPT, ""),
    TEXT("include", NULL, DIRECTIVE, KEPT, ""),
    NUMBER("busy-reply-threshold", "lua-time-limit", 0, AT(busy_reply_threshold_ms), 0, INT64,
           "5000"),
    MEMORY("script-memory-limit", NULL, 0, AT(script_memory_limit), MB, INT64, "256mb"),
    YES_NO("lua-enable-deprecated-api", NULL, IMMUTABLE | NOTHING, KEPT, "no"),
    YES_NO("lua-enable-insecure-api", NULL, IMMUTABLE | NOTHING, KEPT, "no"),

    /* replication */
    SPECIAL("replicaof", "slaveof", IMMUTABLE | WORDS | REFUSED, setting_read_replicaof, NULL, ""),
    TEXT("masterauth", "primaryauth", SECRET | LATER, KEPT, ""),
    TEXT("masteruser", "primaryuser", SECRET | LATER, KEPT, ""),
    NUMBER("min-replicas-to-write", "min-slaves-to-write", REFUSED, KEPT, 0, INT32, "0"),
    NUMBER("min-replicas-max-lag", "min-slaves-max-lag", LATER, KEPT, 0, INT32, "10"),
    TEXT("replica-announce-ip", "slave-announce-ip", LATER, KEPT, ""),
    NUMBER("replica-announce-port", "slave-announce-port", LATER, KEPT, 0, 65535, "0"),
    YES_NO("replica-announced", NULL, LATER, KEPT, "yes"),
    YES_NO("replica-ignore-disk-write-errors", NULL, NOTHING, KEPT, "no"),
    YES_NO("replica-ignore-maxmemory", "slave-ignore-maxmemory", LATER, KEPT, "yes"),
    YES_NO("replica-lazy-flush", "slave-lazy-flush", LATER, KEPT, "no"),
    NUMBER("replica-priority", "slave-priority", LATER, KEPT, 0, INT32, "100"),
    YES_NO("replica-read-only", "slave-read-only", LATER, KEPT, "yes"),
    YES_NO("replica-serve-stale-data", "slave-serve-stale-data", LATER, KEPT, "yes"),
    MEMORY("repl-backlog-size", NULL, LATER, KEPT, 1, INT64, "1mb"),
    NUMBER("repl-backlog-ttl", NULL, LATER, KEPT, 0, INT64, "3600"),
    YES_NO("repl-disable-tcp-nodelay", NULL, LATER, KEPT, "no"),
    CHOICE("repl-diskless-load", NULL, LATER, KEPT, words_diskless_load, "disabled"),
    YES_NO("repl-diskless-sync", NULL, LATER, KEPT, "yes"),
    NUMBER("repl-diskless-sync-delay", NULL, LATER, KEPT, 0, INT32, "5"),
    NUMBER("repl-diskless-sync-max-replicas", NULL, LATER, KEPT, 0, INT32, "0"),
    NUMBER("repl-ping-replica-period", "repl-ping-slave-period", LATER, KEPT, 1, INT32, "10"),
    NUMBER("repl-timeout", NULL, LATER, KEPT, 1, INT32, "60"),
    YES_NO("dual-channel-replication-enabled", NULL, LATER, KEPT, "no"),

    /* cluster */
    YES_NO("cluster-enabled", NULL, IMMUTABLE | REFUSED, KEPT, "no"),
    TEXT("cluster-config-file", NULL, IMMUTABLE | NOTHING, KEPT, "nodes.conf"),
    NUMBER("cluster-port", NULL, IMMUTABLE | NOTHING, KEPT, 0, 65535, "0"),
    YES_NO("cluster-allow-pubsubshard-when-down", NULL, NOTHING, KEPT, "yes"),
    YES_NO("cluster-allow-reads-when-down", NULL, NOTHING, KEPT, "no"),
    YES_NO("cluster-allow-replica-migration", NULL, NOTHING, KEPT, "yes"),
    NUMBER("cluster-announce-bus-port", NULL, NOTHING, KEPT, 0, 65535, "0"),
    TEXT("cluster-announce-hostname", NULL, NOTHING, KEPT, ""),
    TEXT("cluster-announce-human-nodename", NULL, NOTHING, KEPT, ""),
    TEXT("cluster-announce-ip", NULL, NOTHING, KEPT, ""),
    TEXT("cluster-announce-client-ipv4", NULL, NOTHING, KEPT, ""),
    TEXT("cluster-announce-client-ipv6", NULL, NOTHING, KEPT, ""),
    NUMBER("cluster-announce-port", NULL, NOTHING, KEPT, 0, 65535, "0"),
    NUMBER("cluster-announce-tls-port", NULL, NOTHING, KEPT, 0, 65535, "0"),
    NUMBER("cluster-blacklist-ttl", NULL, NOTHING, KEPT, 0, INT32, "60"),
    MEMORY("cluster-link-sendbuf-limit", NULL, NOTHING, KEPT, 0, INT64, "0"),
    NUMBER("cluster-manual-failover-timeout", NULL, NOTHING, KEPT, 1, INT64, "5000"),
    NUMBER("cluster-migration-barrier", NULL, NOTHING, KEPT, 0, INT32, "1"),
    NUMBER("cluster-node-timeout", NULL, NOTHING, KEPT, 0, INT64, "15000"),
    NUMBER("cluster-ping-interval", NULL, NOTHING, KEPT, 1, INT32, "1000"),
    CHOICE("cluster-preferred-endpoint-type", NULL, NOTHING, KEPT, words_endpoint, "ip"),
    YES_NO("cluster-replica-no-failover", "cluster-slave-no-failover", NOTHING, KEPT, "no"),
    NUMBER("cluster-replica-validity-factor", "cluster-slave-validity-factor", NOTHING, KEPT, 0,
           INT32, "10"),
    YES_NO("cluster-require-full-coverage", NULL, NOTHING, KEPT, "yes"),
    YES_NO("cluster-slot-stats-enabled", NULL, NOTHING, KEPT, "no"),

    {NULL, NULL, SETTING_BOOL, 0, KEPT, 0, 0, NULL, NULL, NULL, NULL},
};
_Static_assert(sizeof setting_rows / sizeof setting_rows[0] <= SETTINGS_KEPT_MAX, "room to keep");

const struct setting_row *setting_row_find(struct slice name)
{
    for (const struct setting_row *row = setting_rows; row->name; row++)
        if (slice_is(name, row->name) || (row->alias && slice_is(name, row->alias)))
            return row;
    return NULL;
}

bool settings_is_secret(struct slice name)
{
    const struct setting_row *row = setting_row_find(name);
    return row && row->flags & SETTING_SECRET;
}

static bool setting_wrong_range(const struct setting_row *row, char why[static 512])
{
    if (row->kind == SETTING_OCTAL)
        snprintf(why, 512, "argument must be between %llo and %llo inclusive",
                 (unsigned long long)row->min, (unsigned long long)row->max);
    else
        snprintf(why, 512, "argument must be between %lld and %lld inclusive",
                 (long long)row->min, (long long)row->max);
    return false;
}

static bool setting_parse_octal(struct slice text, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '7' || *out > INT64_MAX / 8 - 8)
            return false;
        *out = *out * 8 + (text.data[i] - '0');
    }
    return text.len > 0;
}

static bool setting_wrong_word(const struct setting_row *row, char why[static 512])
{
    size_t len = (size_t)snprintf(why, 512, "argument(s) must be one of the following: ");
    for (const struct setting_word *word = row->words; word->word; word++)
        len += (size_t)snprintf(why + len, 512 - len, "%s%s", word == row->words ? "" : ", ",
                                word->word);
    return false;
}

/* Kinds whose value is a number: the text as a number, within its bounds. */
static bool setting_read_number(const struct setting_row *row, struct slice text, int64_t *out,
                                char why[static 512])
{
    const struct setting_word *word = row->words;
    switch (row->kind) {
    case SETTING_BOOL:
        *out = slice_is(text, "yes");
        if (*out || slice_is(text, "no"))
            return true;
        snprintf(why, 512, "argument must be 'yes' or 'no'");
        return false;
    case SETTING_ENUM:
        while (word->word && !slice_is(text, word->word))
            word++;
        *out = word->value;
        return word->word || setting_wrong_word(row, why);
    case SETTING_OCTAL:
        if (setting_parse_octal(text, out))
            break;
        snprintf(why, 512, "argument couldn't be parsed as an octal number");
        return false;
    case SETTING_MEMORY:
        *out = 0;
        if (!text.len || (num_parse_memory(text, out) && *out >= 0))
            break;
        snprintf(why, 512, "argument must be a memory value");
        return false;
    default:
        if (num_parse_i64(text, out))
            break;
        snprintf(why, 512, "argument couldn't be parsed into an integer");
        return false;
    }
    return (*out >= row->min && *out <= row->max) || setting_wrong_range(row, why);
}

static void setting_show_number(const struct setting_row *row, int64_t value, struct buf *out)
{
    const struct setting_word *word = row->words;
    switch (row->kind) {
    case SETTING_BOOL:
        buf_append_text(out, value ? "yes" : "no");
        break;
    case SETTING_ENUM:
        while (word->word && word->value != value)
            word++;
        buf_append_text(out, word->word ? word->word : "unknown");
        break;
    case SETTING_OCTAL:
        buf_printf(out, "%llo", (unsigned long long)value);
        break;
    default:
        buf_append_i64(out, value);
    }
}

static int64_t setting_field(const struct settings *settings, const struct setting_row *row)
{
    const char *at = (const char *)settings + row->field;
    if (row->kind == SETTING_BOOL)
        return *(const bool *)at;
    if (row->kind == SETTING_ENUM)
        return *(const int *)at;
    return *(const int64_t *)at;
}

static void setting_set_field(struct settings *settings, const struct setting_row *row,
                              int64_t value)
{
    char *at = (char *)settings + row->field;
    if (row->kind == SETTING_BOOL)
        *(bool *)at = value != 0;
    else if (row->kind == SETTING_ENUM)
        *(int *)at = (int)value;
    else
        *(int64_t *)at = value;
}

static char *setting_copy(struct slice text)
{
    char *copy = mem_alloc(text.len + 1);
    if (text.len)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

void setting_show(const struct settings *settings, const struct setting_row *row, struct buf *out)
{
    if (row->show) {
        row->show(settings, out);
    } else if (row->field == SETTING_KEPT) {
        buf_append_text(out, settings->kept[row - setting_rows]);
    } else if (row->kind == SETTING_STRING) {
        const char *text = *(char *const *)((const char *)settings + row->field);
        buf_append_text(out, text ? text : "");
    } else {
        setting_show_number(row, setting_field(settings, row), out);
    }
}

static bool setting_check_string(const struct setting_row *row, struct slice text,
                                 char why[static 512])
{
    if (memchr(text.data ? text.data : "", '\0', text.len))
        snprintf(why, 512, "argument must not contain a zero byte");
    else if (row->flags & SETTING_NOT_EMPTY && !text.len)
        snprintf(why, 512, "%s can't be empty", row->name);
    else if (row->flags & SETTING_NO_SLASH && memchr(text.data, '/', text.len))
        snprintf(why, 512, "%s can't be a path, just a %s", row->name,
                 row->field == AT(append_dirname) ? "dirname" : "filename");
    else
        return true;
    return false;
}

/* A value without a field: its canonical form, if it is allowed at all. */
static bool setting_keep(struct settings *settings, const struct setting_row *row,
                         struct slice value, char why[static 512])
{
    char **kept = &settings->kept[row - setting_rows];
    if (row->flags & SETTING_REFUSED && !slice_equal(value, slice_of(row->initial))) {
        snprintf(why, 512, "'%s' does not work in this version of kv: take it out", row->name);
        return false;
    }
    mem_free(*kept);
    *kept = setting_copy(value);
    return true;
}

bool setting_read(struct settings *settings, const struct setting_row *row, struct slice text,
                  bool add, char why[static 512])
{
    struct buf value = {0};
    int64_t number = 0;
    bool good = false;
    if (row->kind == SETTING_SPECIAL) {
        good = row->read(settings, text, add, &value, why) &&
               (row->show || setting_keep(settings, row, buf_slice(&value), why));
    } else if (row->kind == SETTING_STRING) {
        good = setting_check_string(row, text, why);
        if (good && row->field == SETTING_KEPT) {
            good = setting_keep(settings, row, text, why);
        } else if (good) {
            char **field = (char **)((char *)settings + row->field);
            mem_free(*field);
            *field = text.len ? setting_copy(text) : NULL;
        }
    } else if (setting_read_number(row, text, &number, why)) {
        setting_show_number(row, number, &value);
        good = row->field != SETTING_KEPT || setting_keep(settings, row, buf_slice(&value), why);
        if (good && row->field != SETTING_KEPT)
            setting_set_field(settings, row, number);
    }
    buf_free(&value);
    return good;
}
