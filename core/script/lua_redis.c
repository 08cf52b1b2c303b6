/* redis: what a script may ask of the server. What is the same for every script stands here;
 * redis.call is in call.c, redis.register_function in register.c. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/engine.h"
#include "core/script/call.h"
#include "core/script/libraries.h"
#include "core/script/run.h"
#include "core/script/scripts.h"
#include "core/script/vm.h"
#include "core/version.h"

#define LOG_LEVELS 4
#define REPL_AOF 1
#define REPL_REPLICA 2

static int redis_log(lua_State *lua)
{
    static const enum host_level levels[LOG_LEVELS] = {HOST_DEBUG, HOST_VERBOSE, HOST_NOTICE,
                                                       HOST_WARNING};
    int count = lua_gettop(lua);
    if (count < 2)
        return vm_raise(lua, "ERR redis.log() requires two arguments or more.");
    if (!lua_isnumber(lua, 1))
        return vm_raise(lua, "ERR First argument must be a number (log level).");
    lua_Number level = lua_tonumber(lua, 1);
    if (!(level >= 0 && level < LOG_LEVELS))
        return vm_raise(lua, "ERR Invalid debug level.");
    luaL_Buffer line;
    luaL_buffinit(lua, &line);
    for (int i = 2; i <= count; i++) {
        size_t len;
        const char *text = lua_tolstring(lua, i, &len);
        if (!text)
            continue;
        if (i > 2)
            luaL_addchar(&line, ' ');
        luaL_addlstring(&line, text, len);
    }
    luaL_pushresult(&line);
    struct host *host = vm_of(lua)->scripts->engine->host;
    host->log(host->self, levels[(int)level], "%s", lua_tostring(lua, -1));
    return 0;
}

static int redis_sha1hex(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return vm_raise(lua, "ERR wrong number of arguments");
    struct slice text = {"", 0};
    char digits[41];
    const char *data = lua_tolstring(lua, 1, &text.len);
    if (data)
        text.data = data;
    else
        text.len = 0;
    sha1_hex(text, digits);
    lua_pushstring(lua, digits);
    return 1;
}

/* {field = text}; a wrong argument is not raised but returned. */
static int return_field(lua_State *lua, const char *field)
{
    if (lua_gettop(lua) != 1 || lua_type(lua, -1) != LUA_TSTRING) {
        lua_settop(lua, 0);
        lua_pushliteral(lua, "ERR wrong number or type of arguments");
        field = "err";
    }
    lua_createtable(lua, 0, 1);
    lua_insert(lua, -2);
    lua_setfield(lua, -2, field);
    return 1;
}

static int redis_status_reply(lua_State *lua)
{
    return return_field(lua, "ok");
}

/* A dash in front is dropped; a single word is the text of an ERR. */
static int redis_error_reply(lua_State *lua)
{
    if (lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING) {
        const char *text = lua_tostring(lua, 1);
        text += *text == '-';
        if (strchr(text, ' '))
            lua_pushstring(lua, text);
        else
            lua_pushfstring(lua, "ERR %s", text);
        lua_replace(lua, 1);
    }
    return return_field(lua, "err");
}

static int redis_setresp(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return vm_raise(lua, "ERR redis.setresp() requires one argument.");
    lua_Number version = lua_tonumber(lua, 1);
    if (version != 2 && version != 3)
        return vm_raise(lua, "ERR RESP version must be 2 or 3.");
    struct run *run = vm_of(lua)->scripts->run;
    if (run)
        run->resp = (int)version;
    return 0;
}

/* Everything that a script changes is recorded whatever it asks for: what was acknowledged is on
 * disk. */
static int redis_set_repl(lua_State *lua)
{
    if (lua_gettop(lua) != 1)
        return vm_raise(lua, "ERR redis.set_repl() requires two arguments.");
    lua_Number flags = lua_tonumber(lua, 1);
    if (!(flags >= 0 && flags <= (REPL_AOF | REPL_REPLICA)))
        return vm_raise(lua, "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL "
                             "or REPL_NONE.");
    return 0;
}

static int redis_replicate_commands(lua_State *lua)
{
    lua_pushboolean(lua, 1);
    return 1;
}

/* There is no debugger. */
static int redis_breakpoint(lua_State *lua)
{
    lua_pushboolean(lua, 0);
    return 1;
}

static int redis_debug(lua_State *lua)
{
    (void)lua;
    return 0;
}

static void set_number(lua_State *lua, const char *name, int value)
{
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, name);
}

static void set_one_version(lua_State *lua, const char *version, const char *name,
                            const char *number)
{
    int parts[3] = {0};
    sscanf(version, "%d.%d.%d", &parts[0], &parts[1], &parts[2]);
    lua_pushstring(lua, version);
    lua_setfield(lua, -2, name);
    set_number(lua, number, parts[0] << 16 | parts[1] << 8 | parts[2]);
}

/* The version of Redis that we are like; and by the names of Valkey 8, our own. */
static void set_version(lua_State *lua)
{
    set_one_version(lua, KV_REDIS_VERSION, "REDIS_VERSION", "REDIS_VERSION_NUM");
    lua_pushliteral(lua, "kv");
    lua_setfield(lua, -2, "SERVER_NAME");
    set_one_version(lua, KV_VERSION, "SERVER_VERSION", "SERVER_VERSION_NUM");
}

void lua_push_redis_loading(lua_State *lua)
{
    lua_newtable(lua);
    lua_pushcfunction(lua, redis_log);
    lua_setfield(lua, -2, "log");
    set_number(lua, "LOG_DEBUG", 0);
    set_number(lua, "LOG_VERBOSE", 1);
    set_number(lua, "LOG_NOTICE", 2);
    set_number(lua, "LOG_WARNING", 3);
    set_version(lua);
}

void lua_add_redis(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"call", call_command},
        {"pcall", call_command_protected},
        {"acl_check_cmd", call_check_acl},
        {"sha1hex", redis_sha1hex},
        {"error_reply", redis_error_reply},
        {"status_reply", redis_status_reply},
        {"setresp", redis_setresp},
        {"set_repl", redis_set_repl},
        {"replicate_commands", redis_replicate_commands},
        {"breakpoint", redis_breakpoint},
        {"debug", redis_debug},
        {NULL, NULL},
    };
    lua_push_redis_loading(lua);
    luaL_register(lua, NULL, functions);
    set_number(lua, "REPL_NONE", 0);
    set_number(lua, "REPL_AOF", REPL_AOF);
    set_number(lua, "REPL_SLAVE", REPL_REPLICA);
    set_number(lua, "REPL_REPLICA", REPL_REPLICA);
    set_number(lua, "REPL_ALL", REPL_AOF | REPL_REPLICA);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, LUA_GLOBALSINDEX, "redis");
    lua_setfield(lua, LUA_GLOBALSINDEX, "server");
}
