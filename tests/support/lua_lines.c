/* See the header. */
#include "tests/support/lua_lines.h"

#include <lauxlib.h>
#include <lualib.h>

#include "tests/support/test.h"

int lua_lines_open(void **state, void (*add)(struct lua_State *lua))
{
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    add(lua);
    *state = lua;
    return 0;
}

int lua_lines_close(void **state)
{
    lua_close(*state);
    return 0;
}

void lua_lines_check(void **state, const char *const *lines, size_t count)
{
    lua_State *lua = *state;
    for (size_t i = 0; i < count; i++) {
        if (luaL_dostring(lua, lines[i]) != 0)
            fail_msg("%s: %s", lines[i], lua_tostring(lua, -1));
        if (!lua_toboolean(lua, -1))
            fail_msg("%s: does not hold", lines[i]);
        lua_settop(lua, 0);
    }
}
