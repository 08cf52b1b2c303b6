/* The run of a script.
 *
 *   begin -> runs -> its reply, or its error
 *              |  for longer than busy-reply-threshold: engine->busy                run_watch
 *              |     others are answered BUSY; SCRIPT KILL ends it, if it wrote nothing
 *              |     SHUTDOWN NOSAVE, or a signal, ends it and what it has written
 *
 * Lua calls the hook every so many instructions; redis.call looks at the time too, for scripts
 * whose commands are slow. Within the hook the loop takes a turn (host->run_events): what it
 * executes is only what has COMMAND_ALLOW_BUSY, and touches no key, so that a script is alone with
 * the keyspace from its beginning to its end.
 *
 * A script that catches errors must not catch its end: once it is killed the hook raises it again
 * at each line.
 */
#include "core/script/run.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/ctx.h"
#include "core/evict.h"
#include "core/gate.h"
#include "core/record.h"
#include "core/run.h"
#include "core/script/convert.h"
#include "core/script/scripts.h"

#define HOOK_INSTRUCTIONS 100000
#define EVENTS_NS 5000000            /* between two turns of the loop */
#define LOAD_NS 500000000            /* FUNCTION LOAD may take so long */
#define COLLECT_BYTES (32u << 20)    /* a state that is larger is tidied up behind the script */

/* ---- the watch ---- */

static void on_count(lua_State *lua, lua_Debug *frame unused)
{
    run_watch(lua);
}

void run_set_hook(lua_State *lua)
{
    lua_sethook(lua, on_count, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
}

static void end_now(lua_State *lua, const char *why)
{
    lua_sethook(lua, on_count, LUA_MASKLINE, 0);
    vm_raise(lua, why);
}

static void let_others_in(struct run *run)
{
    struct engine *engine = run->ctx->engine;
    struct host *host = engine->host;
    if (!engine->busy)
        host->log(host->self, HOST_WARNING,
                  "Slow script detected: still in execution after %lld milliseconds. You can try "
                  "killing the script using the %s command. Script name is: %.*s.",
                  (long long)(run->patience_ns / 1000000),
                  run->is_function ? "FUNCTION KILL" : "SCRIPT KILL", (int)run->name.len,
                  run->name.data);
    engine->busy = true;
    engine->busy_session = run->ctx->session;
    host->run_events(host->self);
    run->killed |= engine->stopping;
}

void run_watch(lua_State *lua)
{
    struct scripts *scripts = vm_of(lua)->scripts;
    struct run *run = scripts->run;
    if (!run)
        return;
    struct host *host = scripts->engine->host;
    uint64_t now_ns = host->monotonic_ns(host->self);
    if (!run->ctx) {
        if (now_ns - run->started_ns > LOAD_NS)
            end_now(lua, "ERR FUNCTION LOAD timeout");
        return;
    }
    if (now_ns - run->started_ns > run->patience_ns && now_ns >= run->events_ns && !run->killed) {
        let_others_in(run);
        run->events_ns = host->monotonic_ns(host->self) + EVENTS_NS;
    }
    if (run->killed)
        end_now(lua, "ERR Script killed by user with SCRIPT KILL...");
}

void run_kill(struct ctx *ctx, bool function)
{
    struct run *run = scripts_of(ctx)->run;
    if (!run || !ctx->engine->busy) {
        reply_error(ctx, "NOTBUSY No scripts in execution right now.");
    } else if (run->wrote) {
        reply_error(ctx, "UNKILLABLE Sorry the script already executed write commands against the "
                         "dataset. You can either wait the script termination or kill the server "
                         "in a hard way using the SHUTDOWN NOSAVE command.");
    } else if (run->is_function != function) {
        gate_reply_busy(ctx);
    } else {
        struct host *host = ctx->engine->host;
        run->killed = true;
        host->log(host, HOST_NOTICE, "Lua script killed by user with %s KILL.",
                  function ? "FUNCTION" : "SCRIPT");
        reply_ok(ctx);
    }
}

/* ---- before ---- */

bool run_refused(struct ctx *ctx, uint32_t flags, bool read_only)
{
    if (flags & SCRIPT_OLD || ctx->replay)
        return false;
    if (read_only && !(flags & SCRIPT_NO_WRITES)) {
        reply_error(ctx, "ERR Can not execute a script with write flag using *_ro command.");
        return true;
    }
    if (flags & SCRIPT_NO_WRITES)
        return false;
    struct journal_report report;
    if (gate_log_refuses(ctx->engine, COMMAND_WRITE, &report)) {
        reply_error(ctx, "MISCONF Errors writing to the AOF file: %s", report.problem);
        return true;
    }
    if (!(flags & SCRIPT_ALLOW_OOM) && ctx->engine->settings->maxmemory != 0 &&
        !evict_to_fit(ctx->engine)) {
        reply_error(ctx, "OOM command not allowed when used memory > 'maxmemory'.");
        return true;
    }
    return false;
}

static void begin(struct run *run)
{
    struct ctx *ctx = run->ctx;
    struct engine *engine = ctx->engine;
    struct scripts *scripts = run->vm->scripts;
    struct session *session = &scripts->session;
    kv_assert(!scripts->run);
    run->resp = 2;
    run->started_ns = engine->now_ns;
    run->started_us = (int64_t)(engine->now_ns / 1000) + engine->wall_offset_ms * 1000;
    run->patience_ns = UINT64_MAX;
    int64_t threshold_ms = engine->settings->busy_reply_threshold_ms;
    if (threshold_ms > 0 && engine->host->run_events && !ctx->replay)
        run->patience_ns = (uint64_t)threshold_ms * 1000000;
    run->oom = engine->settings->maxmemory != 0 && !ctx->replay && !evict_to_fit(engine);
    session->db = ctx->db;
    session->user = ctx->session->user;
    session->flags = SESSION_INTERNAL | SESSION_AUTHENTICATED |
                     (ctx->session->flags & (SESSION_NO_TOUCH | SESSION_RESTRICTED));
    scripts->run = run;
    run->vm->limit = (size_t)engine->settings->script_memory_limit;
    run_set_hook(run->vm->lua);
}

/* ---- after ---- */

/* A field of the error table on top. */
static bool push_field(lua_State *lua, const char *name)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_isstring(lua, -1))
        return true;
    lua_pop(lua, 1);
    return false;
}

/* The error on top of the stack, as a line. */
static void reply_failure(struct ctx *ctx, lua_State *lua, struct slice name)
{
    struct buf text = {0};
    bool counted = false;
    if (!lua_istable(lua, -1)) {
        const char *why = lua_tostring(lua, -1);
        buf_printf(&text, "ERR %s script: %.*s", why ? why : "unknown error", (int)name.len,
                   name.data);
        convert_reply_error(ctx, buf_slice(&text), false);
        buf_free(&text);
        return;
    }
    if (push_field(lua, "err")) {
        struct slice why;
        why.data = lua_tolstring(lua, -1, &why.len);
        why.len = strnlen(why.data, why.len);
        buf_append_slice(&text, why);
        lua_pop(lua, 1);
    } else {
        buf_append_text(&text, "ERR unknown error");
    }
    lua_pushliteral(lua, CONVERT_COUNTED);
    lua_rawget(lua, -2);
    counted = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    if (push_field(lua, "source")) {
        const char *source = lua_tostring(lua, -1);
        lua_getfield(lua, -2, "line");
        buf_printf(&text, " script: %.*s, on %s:%d.", (int)name.len, name.data, source,
                   (int)lua_tointeger(lua, -1));
        lua_pop(lua, 2);
    }
    convert_reply_error(ctx, buf_slice(&text), counted);
    buf_free(&text);
}

static void end(struct run *run)
{
    struct scripts *scripts = run->vm->scripts;
    struct engine *engine = scripts->engine;
    run->vm->limit = 0;
    scripts->run = NULL;
    if (!engine->busy)
        return;
    engine->busy_session = NULL;
    if (engine->stopping)
        record_abandon(engine); /* nobody has seen what it wrote, and nobody will */
    else
        engine->busy = false;
}

static void tidy_up(struct vm *vm, int status)
{
    if (unlikely(status == LUA_ERRMEM || vm->bytes > COLLECT_BYTES))
        lua_gc(vm->lua, LUA_GCCOLLECT, 0);
}

/* ---- the run ---- */

static void push_table(lua_State *lua, int count, const struct slice *items)
{
    lua_createtable(lua, count, 0);
    for (int i = 0; i < count; i++) {
        lua_pushlstring(lua, items[i].data, items[i].len);
        lua_rawseti(lua, -2, i + 1);
    }
}

/* The globals of EVAL; returns how many arguments are passed. */
static int set_arguments(struct vm *vm, bool is_function, int key_count, const struct slice *keys,
                         int arg_count, const struct slice *args)
{
    lua_State *lua = vm->lua;
    if (is_function) {
        push_table(lua, key_count, keys);
        push_table(lua, arg_count, args);
        return 2;
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm->globals);
    lua_pushliteral(lua, "KEYS");
    push_table(lua, key_count, keys);
    lua_rawset(lua, -3);
    lua_pushliteral(lua, "ARGV");
    push_table(lua, arg_count, args);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
    return 0;
}

void run_script(struct ctx *ctx, struct vm *vm, int reference, struct slice name, uint32_t flags,
                int key_count, const struct slice *keys, int arg_count, const struct slice *args)
{
    lua_State *lua = vm->lua;
    struct run run = {
        .ctx = ctx,
        .vm = vm,
        .name = name,
        .flags = flags,
        .is_function = vm == &vm->scripts->functions,
    };
    kv_assert(lua_gettop(lua) == 0);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm->on_error);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, reference);
    int passed = set_arguments(vm, run.is_function, key_count, keys, arg_count, args);
    begin(&run);
    int status = lua_pcall(lua, passed, 1, 1);
    end(&run);
    if (status == 0)
        convert_reply(ctx, lua, run.resp);
    else
        reply_failure(ctx, lua, name);
    lua_settop(lua, 0);
    tidy_up(vm, status);
    run_clock_set(ctx->engine, run.started_ns);
}

int run_chunk(struct scripts *scripts, struct vm *vm, void *library)
{
    struct engine *engine = scripts->engine;
    lua_State *lua = vm->lua;
    struct run run = {
        .vm = vm,
        .started_ns = engine->host->monotonic_ns(engine->host->self),
        .library = library,
        .is_function = true,
    };
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm->on_error);
    lua_insert(lua, -2);
    kv_assert(!scripts->run);
    scripts->run = &run;
    vm->limit = (size_t)engine->settings->script_memory_limit;
    run_set_hook(lua);
    int status = lua_pcall(lua, 0, 0, -2);
    vm->limit = 0;
    scripts->run = NULL;
    lua_remove(lua, status == 0 ? -1 : -2);
    tidy_up(vm, status);
    return status;
}
