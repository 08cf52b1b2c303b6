/* A script's command goes the way of a client's behind the gate: it is looked up, checked, run on a
 * ctx of its own, and its effects are recorded with all others of the script. The gate's checks are
 * made here with the texts that scripts get.
 *
 * The arguments are Lua's own strings, not copied: no garbage is collected while the command runs.
 * Nothing here owns memory that an error of Lua (a long jump) would lose: what is needed belongs to
 * struct scripts and is used again by the next call.
 */
#include "core/script/call.h"

#include <lauxlib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/acl_judge.h"
#include "core/base/attr.h"
#include "core/base/mem.h"
#include "core/base/num.h"
#include "core/ctx.h"
#include "core/gate.h"
#include "core/run.h"
#include "core/script/convert.h"
#include "core/script/run.h"
#include "core/script/scripts.h"
#include "core/stats.h"

#define SCRIPT_ARGS_KEPT 1024        /* room for more arguments is given back */
#define SCRIPT_REPLY_KEPT (64 * 1024) /* and for a larger reply */
#define EXACT_INTEGER 1e15

static const char NO_ARGUMENT[] =
    "ERR Please specify at least one argument for this redis lib call";
static const char BAD_ARGUMENT[] =
    "ERR Lua redis lib command arguments must be strings or integers";

/* ---- arguments ---- */

static struct slice number_text(struct scripts *scripts, lua_Number number)
{
    char *text = arena_alloc(&scripts->arena, NUM_DOUBLE_MAX_CHARS);
    if (number > -EXACT_INTEGER && number < EXACT_INTEGER &&
        number == (lua_Number)(int64_t)number && (number != 0 || !signbit(number)))
        return (struct slice){text, num_format_i64(text, (int64_t)number)};
    int len = snprintf(text, NUM_DOUBLE_MAX_CHARS, "%.17g", number);
    return (struct slice){text, (size_t)len};
}

/* The arguments of the C function that runs, as a request; NULL, or the text of the error. */
static const char *read_arguments(struct scripts *scripts, lua_State *lua, int argc)
{
    if (argc == 0)
        return NO_ARGUMENT;
    if (unlikely(argc > scripts->argv_cap)) {
        scripts->argv_cap = argc;
        scripts->argv = mem_realloc(scripts->argv, (size_t)argc * sizeof *scripts->argv);
    }
    for (int i = 0; i < argc; i++) {
        struct slice *arg = &scripts->argv[i];
        int type = lua_type(lua, i + 1);
        if (likely(type == LUA_TSTRING))
            arg->data = lua_tolstring(lua, i + 1, &arg->len);
        else if (type == LUA_TNUMBER)
            *arg = number_text(scripts, lua_tonumber(lua, i + 1));
        else
            return BAD_ARGUMENT;
    }
    return NULL;
}

/* ---- what a script may not do ---- */

static const char *refuse_write(struct ctx *ctx, struct arena *arena)
{
    struct journal_report report;
    if (unlikely(!ctx->replay && gate_log_refuses(ctx->engine, ctx->command->flags, &report)))
        return arena_printf(arena, "MISCONF Errors writing to the AOF file: %s",
                            report.problem)
            .data;
    return NULL;
}

static const char *refuse_by_acl(struct ctx *ctx)
{
    switch (acl_judge(ctx, ACL_SCRIPT)) {
    case ACL_ALLOWED:
        return NULL;
    case ACL_DENIED_KEY:
        return "ERR The user executing the script can't access at least one of the keys mentioned "
               "in the command arguments";
    case ACL_DENIED_CHANNEL:
        return "ERR The user executing the script can't publish to the channel mentioned in the "
               "command";
    default:
        return "ERR The user executing the script can't run this command or subcommand";
    }
}

static const char *refuse_known(struct scripts *scripts, struct ctx *ctx)
{
    struct run *run = scripts->run;
    const struct command *command = ctx->command;
    if ((command->arity > 0 && ctx->argc != command->arity) || ctx->argc < -command->arity)
        return "ERR Wrong number of args calling Redis command from script";
    uint32_t flags = command->flags;
    if (flags & COMMAND_NOSCRIPT && !ctx->engine->scripts_unbound)
        return "ERR This Redis command is not allowed from script";
    const char *why = refuse_by_acl(ctx);
    if (why)
        return why;
    if (run->flags & SCRIPT_NO_WRITES && flags & (COMMAND_WRITE | COMMAND_MAY_REPLICATE))
        return "ERR Write commands are not allowed from read-only scripts.";
    if (flags & COMMAND_WRITE) {
        why = refuse_write(ctx, &scripts->arena);
        if (why)
            return why;
    }
    if (run->oom && flags & COMMAND_DENYOOM && !(run->flags & SCRIPT_ALLOW_OOM) && !run->wrote)
        return "OOM command not allowed when used memory > 'maxmemory'.";
    run->wrote |= (flags & COMMAND_WRITE) != 0;
    return NULL;
}

/* NULL: it may run; else the text of the error. */
static const char *refused(struct scripts *scripts, struct ctx *ctx)
{
    ctx->state = gate_lookup(ctx->engine, ctx->argc, ctx->argv);
    if (!ctx->state)
        return "ERR Unknown Redis command called from script";
    ctx->command = ctx->state->command;
    const char *why = refuse_known(scripts, ctx);
    if (why)
        ctx->state->rejected++;
    return why;
}

/* ---- the reply ---- */

static void push_error(lua_State *lua, const char *text, bool counted)
{
    lua_createtable(lua, 0, 4);
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, "err");
    if (counted) {
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, CONVERT_COUNTED);
    }
}

/* The reply in one piece. */
static const char *whole_reply(struct scripts *scripts)
{
    struct output *output = &scripts->session.output;
    struct output_chunk *chunk = output->first;
    if (likely(chunk == output->last))
        return chunk->data;
    buf_clear(&scripts->reply);
    for (; chunk; chunk = chunk->next)
        buf_append(&scripts->reply, chunk->data,
                   chunk == output->last ? (size_t)(output->next - chunk->data) : chunk->used);
    return scripts->reply.data;
}

/* What the last call has left, if it was much. */
static void forget_last(struct scripts *scripts)
{
    struct output *output = &scripts->session.output;
    if (unlikely(output->chunk_bytes > SCRIPT_REPLY_KEPT))
        output_free(output);
    else
        output_rewind(output);
    if (unlikely(scripts->reply.cap > SCRIPT_REPLY_KEPT))
        buf_free(&scripts->reply);
    if (unlikely(scripts->argv_cap > SCRIPT_ARGS_KEPT)) {
        mem_free(scripts->argv);
        scripts->argv = NULL;
        scripts->argv_cap = 0;
    }
    arena_reset(&scripts->arena);
}

static void run_inner(struct scripts *scripts, struct ctx *ctx)
{
    struct ctx *outer = scripts->run->ctx;
    run_clock_read(ctx->engine);
    run_command(ctx);
    outer->depends = ctx->depends;
    outer->changed |= ctx->changed;
}

/* Push the reply of one command; true if it is an error. */
static bool call(lua_State *lua)
{
    struct scripts *scripts = vm_of(lua)->scripts;
    struct run *run = scripts->run;
    int argc = lua_gettop(lua);
    if (unlikely(!run || !run->ctx))
        return luaL_error(lua, "redis.call/pcall can only be called inside a script invocation");
    forget_last(scripts);
    const char *why = read_arguments(scripts, lua, argc);
    if (unlikely(why)) {
        push_error(lua, why, false);
        return true;
    }
    struct session *session = &scripts->session;
    session->resp = (uint8_t)run->resp;
    struct ctx ctx = *run->ctx;
    ctx.session = session;
    ctx.output = &session->output;
    ctx.arena = &scripts->arena;
    ctx.argc = argc;
    ctx.argv = scripts->argv;
    ctx.db = session->db;
    ctx.script_us = run->started_us;
    ctx.failed = ctx.changed = ctx.woken = false;
    ctx.may_not_block = true;
    why = refused(scripts, &ctx);
    if (unlikely(why)) {
        if (!ctx.replay)
            stats_error(&ctx.engine->stats, why, strlen(why));
        push_error(lua, why, true);
        return true;
    }
    run_inner(scripts, &ctx);
    const char *reply = whole_reply(scripts);
    convert_push_reply(lua, reply, run->resp);
    if (unlikely(ctx.engine->now_ns - run->started_ns > run->patience_ns))
        run_watch(lua);
    return *reply == '-';
}

int call_command(lua_State *lua)
{
    return call(lua) ? lua_error(lua) : 1;
}

int call_command_protected(lua_State *lua)
{
    call(lua);
    return 1;
}

int call_check_acl(lua_State *lua)
{
    struct scripts *scripts = vm_of(lua)->scripts;
    forget_last(scripts);
    int argc = lua_gettop(lua);
    const char *why = read_arguments(scripts, lua, argc);
    if (why)
        return vm_raise(lua, why);
    const struct command_state *state = gate_lookup(scripts->engine, argc, scripts->argv);
    if (!state)
        return vm_raise(lua, "ERR Invalid command passed to redis.acl_check_cmd()");
    const struct session *session = &scripts->session;
    int position;
    bool allowed = !(session->flags & SESSION_RESTRICTED) ||
                   acl_check(session->user, state, argc, scripts->argv, &position) == ACL_ALLOWED;
    if (allowed)
        lua_pushboolean(lua, 1);
    else
        lua_pushnil(lua);
    return 1;
}
