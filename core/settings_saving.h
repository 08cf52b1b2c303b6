/* The options about snapshots, and about the growth of the log that makes one its base. A part of
 * struct settings. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_DUMP_LZ4 "dump.rdb.lz4" /* dbfilename, if nobody says otherwise */
#define SETTINGS_DUMP_RDB "dump.rdb"     /* the same with snapshot-format rdb */
#define SETTINGS_SAVE_MAX 16
#define SETTINGS_SAVE_WITHOUT_LOG "3600 1 300 100 60 10000"

struct settings;

enum settings_snapshot { SETTINGS_SNAPSHOT_LZ4, SETTINGS_SNAPSHOT_RDB };

struct save_point {
    int64_t seconds, changes;
};

struct settings_saving {
    struct save_point points[SETTINGS_SAVE_MAX];
    int count;
    int format;               /* enum settings_snapshot */
    int io_priority;          /* enum snapshot_io */
    bool stop_writes;         /* without a log, if the last snapshot failed */
    int64_t memory_limit;     /* beyond it writers wait; 0: the smaller of 64mb and a quarter of
                               * maxmemory */
    int64_t key_delay_us, load_delay_us; /* after each key, for test suites; below 0: none */
    int64_t rewrite_percent, rewrite_min_bytes, rewrite_max_bytes;
};

/* When all has been read: without a log, and where nothing is said of `save`, the save points of
 * Redis, so that a redis.conf keeps here what it keeps there. */
void settings_complete(struct settings *settings);
