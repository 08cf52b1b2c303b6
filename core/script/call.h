/* redis.call and redis.pcall: one command of a script. */
#pragma once

#include <lua.h>

int call_command(lua_State *lua);
int call_command_protected(lua_State *lua);
int call_check_acl(lua_State *lua);
