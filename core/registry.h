/* The registry: every command by its name, with the statistics of each, built once from the rows.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/command.h"

struct histogram;
struct slice;

/* What is kept for each row: its statistics, and whose subcommand it is. */
struct command_state {
    const struct command *command;
    struct command_state *parent;   /* NULL at the top */
    struct command_state *children; /* array, child_count long */
    int child_count;
    int id;
    bool renamed;                   /* by rename-command, it or its parent */
    char full_name[48];             /* "client|list" */
    const char *called;             /* the row's name, or what rename-command made of it */
    uint64_t calls, usec, rejected, failed;
    struct histogram *histogram;    /* microseconds; NULL before the first call */
};

struct registry;

/* `tables` is a NULL-terminated list of arrays of rows, each ended by a row whose name is NULL. */
struct registry *registry_new(const struct command *const *tables);
void registry_free(struct registry *registry);

/* How many ids there are: they are 0 and up. */
int registry_ids(const struct registry *registry);

/* rename-command: `command` is known as `name` only, or to nobody if that is empty. False if there
 * is no such command, or `name` is another one's. */
bool registry_rename(struct registry *registry, struct slice command, struct slice name);

/* By the name that clients call it, any case; NULL if unknown. */
struct command_state *registry_find(struct registry *registry, const char *name,
                                    unsigned long len);
/* By the name of its row: in the log, and in ACL rules. */
struct command_state *registry_find_declared(struct registry *registry, const char *name,
                                             unsigned long len);
struct command_state *registry_find_child(struct command_state *parent, const char *name,
                                          unsigned long len);

/* By its full name, "client|list". */
struct command_state *registry_find_full(struct registry *registry, struct slice name);

/* The top-level commands in the order of their rows. */
struct command_state *registry_all(struct registry *registry, int *count);

/* Call for each command and each subcommand. */
void registry_each(struct registry *registry,
                   void (*visit)(void *env, struct command_state *state), void *env);
void registry_reset_stats(struct registry *registry);
