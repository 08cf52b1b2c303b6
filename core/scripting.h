/* The port to scripts: what core asks of core/script, which stands beside the commands. NULL in
 * engine->scripting: there are none (tests, tools). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/attr.h"
#include "core/base/slice.h"

struct ctx;
struct engine;
struct fault;
struct session;

/* For INFO. */
struct scripting_figures {
    uint64_t vm_eval_bytes, vm_functions_bytes; /* in use by Lua */
    uint64_t scripts, script_bytes;             /* cached by EVAL and SCRIPT LOAD */
    uint64_t scripts_evicted;
    uint64_t functions, libraries, function_bytes;
};

struct scripting {
    void *self;
    void (*figures)(void *self, struct scripting_figures *out);
    /* Call for the code of each library, in the order of their names. */
    void (*each_library)(void *self, void (*visit)(void *env, struct slice code), void *env);
    /* Add a library of a snapshot. 0, or KV_EFORMAT if it is none, or is there already. */
    int (*load_library)(void *self, struct slice code, struct fault *fault);
    /* The text of the error while engine->busy, behind "BUSY ". */
    const char *(*busy_text)(void *self);
};

/* For who writes and reads snapshots: the code of each library of functions, as it was given to
 * FUNCTION LOAD. In an RDB file each is an opcode 245 and a string. Cheap when there are none. */
void functions_each(struct engine *engine, void (*visit)(void *env, struct slice code), void *env);
must_check int functions_load(struct engine *engine, struct slice code, struct fault *fault);
/* For INFO: zeros if there are no scripts. */
void scripting_figures(struct engine *engine, struct scripting_figures *out);
