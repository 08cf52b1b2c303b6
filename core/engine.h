/* The engine: executes requests on the keyspace and records what they did.
 *
 * A request goes: lookup -> gate (arity, auth, loading, memory, state of the log) -> the
 * command's function on a ctx -> effects appended to the journal's open batch -> the reply
 * stamped with the sequence it depends on. Everything here runs on the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/engine_state.h"

struct engine_options {
    struct settings *settings;        /* all borrowed: they outlive the engine */
    struct host *host;
    struct journal *journal;
    const struct command *const *commands;
};

struct engine *engine_new(const struct engine_options *options);
void engine_free(struct engine *engine);

/* The journal is another one from here on: what the gate and the sessions know of its numbers is
 * forgotten. All that was held has been confirmed. */
void engine_forget_sequences(struct engine *engine);

enum engine_result {
    ENGINE_DONE,   /* executed or answered with an error; the reply is in the session's output */
    ENGINE_WAIT,   /* not now (back-pressure, CLIENT PAUSE): offer it again after the next news */
};

/* argv is borrowed for the call. */
enum engine_result engine_execute(struct engine *engine, struct session *session, int argc,
                                  const struct slice *argv);

/* After ENGINE_WAIT: may the request be offered again? Ask at each turn. */
bool engine_admits(const struct engine *engine, const struct session *session);

/* Read the clock: at the beginning of each turn. */
void engine_turn_begin(struct engine *engine);
/* Hand the open batch over. At the end of each turn, before replies are sent. */
void engine_turn_end(struct engine *engine);
/* Work that can wait, when everything else is done. In how many ns there shall be another turn for
 * more of it, at the latest; -1: none is left. */
int64_t engine_turn_spare(struct engine *engine);
/* The turn is over: count it, for INFO. */
void engine_turn_over(struct engine *engine);
/* A mark of the journal has risen, or its state has changed: serve who waits for it. */
void engine_news(struct engine *engine);
/* The bounded background work: expiry, blocked deadlines, samples for INFO. About ten times a
 * second (hz). */
void engine_tick(struct engine *engine);
/* How long the loop may sleep at most before it calls engine_tick. */
int64_t engine_tick_ms(const struct engine *engine);

/* SHUTDOWN's part that core knows: sync the log and ask the host to stop. False: refused, `why`
 * says so. */
bool engine_shutdown(struct engine *engine, bool save, bool no_save, bool force,
                     char why[static 512]);
