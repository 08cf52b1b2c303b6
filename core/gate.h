/* The gate in front of every command: known, complete, allowed, and possible at this moment? */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct ctx;
struct journal_report;
struct command_state;
struct engine;

enum gate_verdict {
    GATE_RUN,     /* ctx->state and ctx->command are set */
    GATE_QUEUE,   /* the same, but a transaction is open: it belongs into its queue */
    GATE_REFUSED, /* an error was replied */
    GATE_WAIT,    /* not at present: nothing was replied or counted */
};

enum gate_verdict gate_check(struct ctx *ctx);

/* The command of a request, the subcommand of a container; NULL if there is none of that name. */
struct command_state *gate_lookup(struct engine *engine, int argc, const struct slice *argv);
/* The same by the names of the rows, whatever rename-command says: for the log. */
struct command_state *gate_lookup_declared(struct engine *engine, int argc,
                                           const struct slice *argv);

/* What the gate says to scripts, whose commands do not pass it: true if the log takes no changes
 * by a command with these flags now; the report says why. */
bool gate_log_refuses(const struct engine *engine, uint32_t flags, struct journal_report *report);
/* A command with these flags may write, itself or by what it runs. */
bool gate_may_write(uint32_t flags);
/* The BUSY error. */
void gate_reply_busy(struct ctx *ctx);

/* Whether a request that was told to wait would still have to. */
bool gate_waits(const struct engine *engine, bool is_write);
