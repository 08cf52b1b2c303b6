/* Tests of Lua libraries: each line is a chunk that must return true. */
#pragma once

#include <stddef.h>

struct lua_State;

/* A state with Lua's own libraries and what `add` adds. */
int lua_lines_open(void **state, void (*add)(struct lua_State *lua));
int lua_lines_close(void **state);
void lua_lines_check(void **state, const char *const *lines, size_t count);

#define CHECK(state, lines) lua_lines_check(state, lines, sizeof(lines) / sizeof((lines)[0]))
