/* Replies of commands become values of Lua, and what a script returns a reply. */
#pragma once

#include <lua.h>
#include <stdbool.h>

#include "core/base/slice.h"

struct ctx;

/* Push the reply that begins at `at`; returns where the next begins. The bytes are our own and
 * complete. Errors are tables with `counted` set: their replies are in the statistics already. May
 * raise an error of memory. */
const char *convert_push_reply(lua_State *lua, const char *at, int resp);
/* Reply with the value on top of the stack, and pop it. `resp` is what the script has chosen. Runs
 * outside of a protected call: calls no metamethods. */
void convert_reply(struct ctx *ctx, lua_State *lua, int resp);

/* An error reply of any length; line ends become spaces. `counted`: it is in the statistics. */
void convert_reply_error(struct ctx *ctx, struct slice text, bool counted);

/* A field of error tables: "they are counted". */
#define CONVERT_COUNTED "ignore_error_stats_update"
