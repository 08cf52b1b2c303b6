/* cjson: the system's library (Debian: lua-cjson), linked. */
#include <lauxlib.h>
#include <lua-cjson.h>

#include "core/script/libraries.h"

void lua_add_cjson(lua_State *lua)
{
    lua_pushcfunction(lua, luaopen_cjson);
    lua_call(lua, 0, 1);
    lua_setfield(lua, LUA_GLOBALSINDEX, "cjson");
}
