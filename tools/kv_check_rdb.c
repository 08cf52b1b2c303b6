/* kv-check-rdb: the command line of persistence/rdb_check.c. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "persistence/file.h"
#include "persistence/rdb_check.h"
#include "tools/kv_check_console.h"

static const char usage[] =
    "Usage: kv-check-rdb [--json] [--keys] [--to-rdb <new file>] <file>\n"
    "\n"
    "Checks a snapshot: dump.rdb.lz4, the base of a log (with its index, .kvi), or an RDB of a\n"
    "stock server: frames, index, structure and every checksum. Says what it holds, by database,\n"
    "type and encoding, and which keys are the biggest. The file is not changed.\n"
    "\n"
    "  --keys       list all keys\n"
    "  --json       print one JSON object\n"
    "  --to-rdb <new file>\n"
    "               write it as an RDB that stock servers load; the file must not exist\n"
    "\n"
    "Exit status: 0 if the snapshot is good; 1 if not.\n";

/* Returns false if the command line is none of ours. */
static bool read_arguments(int argc, char **argv, struct rdb_check_options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[i], "--keys") == 0) {
            options->keys = true;
        } else if (strcmp(argv[i], "--to-rdb") == 0) {
            if (++i == argc || options->to_rdb)
                return false;
            options->to_rdb = argv[i];
        } else if ((argv[i][0] == '-' && argv[i][1] == '-') || options->path) {
            return false;
        } else {
            options->path = argv[i];
        }
    }
    return options->path != NULL;
}

int main(int argc, char **argv)
{
    struct console console = {0};
    struct timespec now;
    struct rdb_check_options options = {
        .disk = disk_real(), .env = &console, .print = console_print, .complain = console_complain};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
    }
    if (!read_arguments(argc, argv, &options)) {
        fputs(usage, stderr);
        return 1;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    options.now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (isatty(STDERR_FILENO) && !options.json && !options.keys)
        options.progress = console_progress;
    int status = rdb_check_run(&options);
    console_end_progress(&console);
    if (fflush(stdout) != 0) {
        perror("kv-check-rdb");
        return 1;
    }
    return status;
}
