/* Running one command on a ctx. For whoever runs a command that has passed the gate: the engine a
 * request, a transaction what is queued, a client that waited its request once more. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct engine;
struct session;

/* Run the command's function and record its effects. */
void run_command(struct ctx *ctx);
/* Put all effects recorded since the last time into the batch, whole, and stamp the reply of
 * ctx->session with what it depends on. */
void run_finish(struct ctx *ctx);
/* CLIENT REPLY OFF and SKIP: the reply is thrown away; true if it was. */
bool run_drop_reply(struct session *session);

/* The clock of what runs next: a reading of the monotonic clock, and at the time of the call. */
void run_clock_set(struct engine *engine, uint64_t now_ns);
void run_clock_read(struct engine *engine);
