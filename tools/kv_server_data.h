/* The server's data: from the files of the data directory into the engine at start, onto them while
 * it runs, by what the options `persistence` and `appendonly` say, which may change meanwhile.
 *
 *   persistence  appendonly   at start                   while it runs
 *   yes          yes          recovery of the log        each change into the log
 *   yes          no           the dump is loaded         snapshots when asked for
 *   no           -            nothing                    nothing
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/host.h"

struct engine;
struct fault;
struct journal;
struct server_data;
struct settings;

struct server_data_options {
    struct settings *settings; /* all borrowed */
    struct host *host;
    struct journal *journal;
    struct engine *engine;
    const char *folder;        /* the data directory: absolute */
    /* While something is loaded: clients are told so; called often. */
    void (*poll)(void *env);
    void (*loading)(void *env, double percent); /* with each line about it */
    /* From threads: the engine should look at journal and sink. */
    void (*news)(void *env);
    void *env;
};

struct server_data *server_data_new(const struct server_data_options *options);
/* Nothing is synced: see close. */
void server_data_free(struct server_data *data);

/* Load what there is, and connect journal and sink with the engine. */
must_check int server_data_open(struct server_data *data, struct fault *fault);
/* Sync and close. KV_E... if the log could not be closed well. */
must_check int server_data_close(struct server_data *data, struct fault *fault);
/* `persistence` or `appendonly` has changed: follow. On failure all is as it was. Blocks: turning
 * the log on writes a snapshot first. */
must_check int server_data_follow(struct server_data *data, struct fault *fault);
/* Forget what is in memory and load it from the files again: what a dump written just now holds, or
 * the log. */
must_check int server_data_reload(struct server_data *data, enum host_reload what,
                                  struct fault *fault);
