/* DEBUG's subcommands, in several files. */
#pragma once

struct ctx;

struct debug_subcommand {
    const char *name;            /* lower case; NULL ends a list */
    int least, most;             /* words, DEBUG and the name included; most 0: any number */
    void (*run)(struct ctx *ctx);
    const char *arguments, *help; /* for DEBUG HELP */
};

extern const struct debug_subcommand debug_values[]; /* debug_value.c: about keys and values */
extern const struct debug_subcommand debug_disk[];   /* debug_disk.c: to disk and back */
