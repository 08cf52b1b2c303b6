/* The command line, as redis-server reads it. The first word, if it does not begin with '-', is the
 * config file; "-" as the first or the last word reads one from standard input. All others make
 * directives, which are read last and so win over the files:
 *
 *   --port 7000                a word that begins with "--" begins a directive; its values follow
 *   "--port 7000" "--save 60 1"    ... or stand in the same word, quoted as in a config file
 *   --requirepass --secret     behind a name alone, even a word with "--" is a value
 *   --save --port 7000         ... but not behind --save, which may stand alone: no save points
 */
#include "tools/kv_server_options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/settings.h"
#include "persistence/file.h"

#define CONFIG_BYTES_MAX (64 * 1024 * 1024)

const char server_options_help[] =
    "kv-server, a durable store that speaks the Redis protocol\n"
    "\n"
    "usage: kv-server [FILE] [--DIRECTIVE VALUE ...] [-]\n"
    "       kv-server --check-config [FILE] [--DIRECTIVE VALUE ...]\n"
    "       kv-server --version | --help\n"
    "\n"
    "FILE is a config file in the syntax of redis.conf, - reads it from standard input. Every\n"
    "directive of the file can be given as an option, and then wins over the file.\n"
    "\n"
    "examples:\n"
    "  kv-server                                  durable, on port 6379, data in this directory\n"
    "  kv-server /etc/kv/kv.conf --port 7000\n"
    "  kv-server --dir /var/lib/kv --appendfsync everysec\n"
    "  kv-server --persistence no                 in memory: writes no file\n";

struct warning_sink {
    void (*warn)(void *env, const char *line);
    void *env;
};

static int read_stdin(struct buf *text, struct fault *fault)
{
    for (;;) {
        char *room = buf_reserve(text, 65536);
        ssize_t got = read(STDIN_FILENO, room, 65536);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_errno(fault, "standard input", -1, "read");
        if (got == 0)
            return 0;
        text->len += (size_t)got;
        if (text->len > CONFIG_BYTES_MAX)
            return fault_set(fault, KV_ELIMIT, "standard input", -1, "longer than 64 MiB");
    }
}

static int read_config(const char *name, struct settings *settings, struct warning_sink *sink,
                       struct fault *fault)
{
    struct buf text = {0};
    char *path = NULL;
    int code;
    if (strcmp(name, "-") == 0) {
        code = read_stdin(&text, fault);
    } else {
        path = realpath(name, NULL);
        code = path ? file_read_all(disk_real(), path, CONFIG_BYTES_MAX, &text, fault)
                    : fault_set(fault, KV_EIO, "", -1,
                                "Fatal error, can't open config file '%s': %s", name,
                                strerror(errno));
    }
    if (code == 0)
        code = settings_load(settings, buf_slice(&text), path ? path : "standard input",
                             sink->warn, sink->env, fault);
    if (code == 0 && path) {
        settings->config_file = mem_alloc(strlen(path) + 1); /* what CONFIG REWRITE writes to */
        memcpy(settings->config_file, path, strlen(path) + 1);
    }
    buf_free(&text);
    free(path);
    return code;
}

static bool begins_directive(const char *word)
{
    return word[0] == '-' && word[1] == '-';
}

/* Take the words of the directive that begins at argv[at] into `words`, which has room for all;
 * their number, or -1 for quotes that are not closed. *next is where the one behind it begins. */
static int take_directive(int argc, char **argv, int at, struct arena *arena, struct slice *words,
                          int *next)
{
    int count = 0;
    bool value_due = false;
    if (begins_directive(argv[at])) {
        struct slice *parts;
        count = text_split(arena, slice_of(argv[at++] + 2), &parts);
        for (int i = 0; i < count; i++)
            words[i] = parts[i];
        value_due = count == 1 && !slice_is(words[0], "save");
    }
    while (count >= 0 && at < argc && (value_due || !begins_directive(argv[at]))) {
        words[count++] = slice_of(argv[at++]);
        value_due = false;
    }
    if (count == 1 && slice_is(words[0], "save"))
        words[count++] = SLICE("");
    *next = at;
    return count;
}

static int read_directives(int argc, char **argv, int at, struct settings *settings,
                           struct warning_sink *sink, struct fault *fault)
{
    struct arena arena = {0};
    int code = 0, most = argc;
    for (int i = at; i < argc; i++)
        most += (int)strlen(argv[i]) + 1;
    struct slice *words = mem_alloc((size_t)most * sizeof(*words));
    while (at < argc && code == 0) {
        int from = at;
        int count = take_directive(argc, argv, from, &arena, words, &at);
        if (count < 0)
            code = fault_set(fault, KV_EFORMAT, "", -1,
                             "'%.40s...': Unbalanced quotes in configuration line", argv[from]);
        else if (count > 0)
            code = settings_load_words(settings, count, words, sink->warn, sink->env, fault);
    }
    mem_free(words);
    arena_free(&arena);
    return code;
}

static bool is_one_of(const char *word, const char *one, const char *other)
{
    return strcmp(word, one) == 0 || strcmp(word, other) == 0;
}

int server_options_read(int argc, char **argv, struct settings *settings,
                        enum server_action *action, void (*warn)(void *env, const char *line),
                        void *env, struct fault *fault)
{
    struct warning_sink sink = {warn, env};
    int at = 1;
    *action = SERVER_RUN;
    if (argc > 1 && is_one_of(argv[1], "-v", "--version")) {
        *action = SERVER_SAY_VERSION;
        return 0;
    }
    if (argc > 1 && is_one_of(argv[1], "-h", "--help")) {
        *action = SERVER_SAY_HELP;
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--check-config") == 0) {
        *action = SERVER_CHECK_CONFIG;
        at++;
    }
    if (at < argc && (argv[at][0] != '-' || argv[at][1] == '\0')) {
        int code = read_config(argv[at++], settings, &sink, fault);
        if (code != 0)
            return code;
    }
    if (at < argc && strcmp(argv[argc - 1], "-") == 0) {
        int code = read_config(argv[--argc], settings, &sink, fault);
        if (code != 0)
            return code;
    }
    int code = read_directives(argc, argv, at, settings, &sink, fault);
    settings_complete(settings);
    return code;
}
