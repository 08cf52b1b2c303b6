/* What scripts find in their sandbox besides Lua's own libraries: each puts its table into the
 * globals. */
#pragma once

#include <lua.h>

void lua_add_bit(lua_State *lua);
void lua_add_cmsgpack(lua_State *lua);
void lua_add_struct(lua_State *lua);
void lua_add_cjson(lua_State *lua);
void lua_add_os(lua_State *lua);
/* `redis`, and `server`, which is the same. */
void lua_add_redis(lua_State *lua);
/* The functions of `redis` for a library that is being loaded: a writable table is pushed, without
 * register_function. */
void lua_push_redis_loading(lua_State *lua);
