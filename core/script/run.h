/* The run of one script: its limits, the watch over its time, and its end. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

struct ctx;
struct scripts;
struct vm;

struct run {
    struct ctx *ctx;       /* of the command that runs the script; NULL: FUNCTION LOAD */
    struct vm *vm;
    struct slice name;     /* sha or function */
    uint32_t flags;        /* enum script_flag */
    int resp;              /* what redis.setresp has chosen */
    bool is_function;
    bool oom;              /* memory was above maxmemory when it began */
    bool wrote;            /* it has run a command that writes */
    bool killed;
    int64_t started_us;    /* wall clock: what TIME answers */
    uint64_t started_ns, patience_ns, events_ns;
    void *library;         /* FUNCTION LOAD: who registers */
};

/* Run the function `reference` of `vm` with keys and arguments: EVAL's are the globals KEYS and
 * ARGV, those of a function are passed. Replies. */
void run_script(struct ctx *ctx, struct vm *vm, int reference, struct slice name, uint32_t flags,
                int key_count, const struct slice *keys, int arg_count, const struct slice *args);
/* What a script with these flags may not do now: true if it was refused with an error.
 * `read_only`: EVAL_RO and its kin. */
bool run_refused(struct ctx *ctx, uint32_t flags, bool read_only);

/* Run the chunk on top of the stack, for FUNCTION LOAD. 0, or the error is on top. */
int run_chunk(struct scripts *scripts, struct vm *vm, void *library);

/* A script has been running for long: let others in, and end it if they want so. */
void run_watch(lua_State *lua);
void run_set_hook(lua_State *lua);

/* SCRIPT KILL and FUNCTION KILL. */
void run_kill(struct ctx *ctx, bool function);
