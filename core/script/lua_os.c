/* os: of the library of that name only the time that the processor has spent, as in Valkey 8. */
#include <lauxlib.h>

#include "core/engine_state.h"
#include "core/script/libraries.h"
#include "core/script/scripts.h"
#include "core/script/vm.h"

static int os_clock(lua_State *lua)
{
    const struct host *host = vm_of(lua)->scripts->engine->host;
    double user = 0, sys = 0, user_main = 0, sys_main = 0;
    if (host->cpu)
        host->cpu(host->self, &user, &sys, &user_main, &sys_main);
    lua_pushnumber(lua, user + sys);
    return 1;
}

void lua_add_os(lua_State *lua)
{
    lua_createtable(lua, 0, 1);
    lua_pushcfunction(lua, os_clock);
    lua_setfield(lua, -2, "clock");
    lua_setfield(lua, LUA_GLOBALSINDEX, "os");
}
