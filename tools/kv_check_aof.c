/* kv-check-aof: the command line of persistence/check.c. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/attr.h"
#include "core/base/num.h"
#include "persistence/check.h"
#include "persistence/file.h"
#include "tools/kv_check_console.h"

static const char usage[] =
    "Usage: kv-check-aof [--fix | --salvage [--damaged-base] |\n"
    "                     --truncate-to-timestamp <unix seconds> | --new-id]\n"
    "                    [--json] [--yes] <file.aof | file.manifest | directory>\n"
    "\n"
    "Checks a log of kv, or of a stock server: each batch's checksum, the files against one\n"
    "another, and what kv.durable proves. Changes nothing unless told to, and asks before it "
    "does.\n"
    "The server must be stopped.\n"
    "\n"
    "  --fix        cut a tail that a crash tore, which was never acknowledged; what is cut is\n"
    "               kept as <file>.torn.<n>. In a stock server's log: all behind the last good\n"
    "               command\n"
    "  --salvage    go on without what is damaged: everything else is written into a new file, as\n"
    "               new data; the old files are kept as <file>.damaged.<n>\n"
    "  --damaged-base\n"
    "               with --salvage: if the snapshot that the log begins with is damaged, keep the\n"
    "               keys of its frames that hold, and lose the others\n"
    "  --truncate-to-timestamp <unix seconds>\n"
    "               drop what is later (the log must hold time stamps: aof-timestamp-enabled)\n"
    "  --new-id     make it other data than what it is a copy of (a new kvid), so that an archive\n"
    "               keeps the two apart; kv-restore does it\n"
    "  --json       print one JSON object\n"
    "  --yes        do not ask\n"
    "\n"
    "Exit status: 0 if the log is valid, or is now; 1 if not.\n";

struct tool {
    struct console console; /* first: see kv_check_console.h */
    bool yes;
};

static bool ask(void *env, const char *question)
{
    struct tool *tool = env;
    char answer[16] = "";
    console_end_progress(&tool->console);
    if (tool->yes)
        return true;
    printf("%s\nContinue? [y/N]: ", question);
    fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void random_bytes(void *env unused, void *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) {
        perror("getrandom");
        exit(1);
    }
}

/* Returns false if the command line is none of ours. */
static bool read_arguments(int argc, char **argv, struct check_options *options, struct tool *tool)
{
    int modes = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--fix") == 0) {
            options->mode = CHECK_FIX;
            modes++;
        } else if (strcmp(argv[i], "--salvage") == 0) {
            options->mode = CHECK_SALVAGE;
            modes++;
        } else if (strcmp(argv[i], "--new-id") == 0) {
            options->mode = CHECK_NEW_ID;
            modes++;
        } else if (strcmp(argv[i], "--truncate-to-timestamp") == 0) {
            options->mode = CHECK_TO_TIME;
            modes++;
            if (++i == argc || !num_parse_i64(slice_of(argv[i]), &options->time) ||
                options->time <= 0)
                return false;
        } else if (strcmp(argv[i], "--damaged-base") == 0) {
            options->damaged_base = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[i], "--yes") == 0) {
            tool->yes = true;
        } else if (argv[i][0] == '-' && argv[i][1] == '-') {
            return false;
        } else if (options->path) {
            return false;
        } else {
            options->path = argv[i];
        }
    }
    if (options->damaged_base && options->mode != CHECK_SALVAGE)
        return false;
    return options->path && modes <= 1;
}

int main(int argc, char **argv)
{
    struct tool tool = {0};
    struct check_options options = {.disk = disk_real(),
                                    .env = &tool,
                                    .now = time(NULL),
                                    .print = console_print,
                                    .complain = console_complain,
                                    .ask = ask,
                                    .random_bytes = random_bytes};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
    }
    if (!read_arguments(argc, argv, &options, &tool)) {
        fputs(usage, stderr);
        return 1;
    }
    if (isatty(STDERR_FILENO) && !options.json)
        options.progress = console_progress;
    int status = check_run(&options);
    console_end_progress(&tool.console);
    return status;
}
