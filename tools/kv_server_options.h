/* The command line of kv-server: `[config file | -] [--directive value ...]`, as redis-server takes
 * it. */
#pragma once

#include "core/base/attr.h"

struct fault;
struct settings;

enum server_action {
    SERVER_RUN,
    SERVER_CHECK_CONFIG, /* --check-config: say whether the options are good, and leave */
    SERVER_SAY_VERSION,
    SERVER_SAY_HELP,
};

/* Read the config file and the directives behind it into `settings`, which holds the defaults. What
 * `warn` is told goes to the log once that is open. 0, or KV_E... with `fault` naming file and line
 * or the directive. */
must_check int server_options_read(int argc, char **argv, struct settings *settings,
                                   enum server_action *action,
                                   void (*warn)(void *env, const char *line), void *env,
                                   struct fault *fault);
extern const char server_options_help[];
