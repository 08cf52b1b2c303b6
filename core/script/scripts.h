/* Scripts: what the server keeps of them, and the run of one. Made once by tools/kv_server.c, which
 * hands its port to the engine. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/slice.h"
#include "core/output.h"
#include "core/scripting.h"
#include "core/script/vm.h"
#include "core/session.h"

struct cache;
struct command;
struct ctx;
struct engine;
struct libraries;
struct run;

/* Bytes of a first line that begins with #!, which is split into words. */
#define FIRST_LINE_MAX (64 * 1024)

enum script_flag {
    SCRIPT_NO_WRITES = 1 << 0,
    SCRIPT_ALLOW_OOM = 1 << 1,
    SCRIPT_ALLOW_STALE = 1 << 2,
    SCRIPT_NO_CLUSTER = 1 << 3,
    SCRIPT_CROSS_SLOT = 1 << 4,
    SCRIPT_OLD = 1 << 5, /* EVAL without #!: its flags are not known */
};

struct scripts {
    struct scripting port;
    struct engine *engine;
    struct vm eval, functions;
    struct cache *cache;         /* of EVAL */
    struct libraries *libraries; /* of functions */
    uint64_t random;             /* of math.random */
    struct run *run;             /* the script that runs; NULL */
    /* what redis.call uses: a session without a connection, its output, memory */
    struct session session;
    struct arena arena;
    struct buf reply;            /* a reply that came in several pieces */
    struct slice *argv;
    int argv_cap;
};

struct scripts *scripts_new(struct engine *engine);
/* Before the engine is freed. */
void scripts_free(struct scripts *scripts);
/* Those of a ctx; there are always some. */
struct scripts *scripts_of(const struct ctx *ctx);
/* Begin again with an empty EVAL state. */
void scripts_reset_eval(struct scripts *scripts);

/* The names of flags, as #!lua flags= and register_function have them. Returns 0 if unknown. */
uint32_t script_flag_of(struct slice name);
/* By index, from 0 to SCRIPT_FLAG_NAMES - 1. */
#define SCRIPT_FLAG_NAMES 5
const char *script_flag_name(int index);
