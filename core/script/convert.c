/* Both directions, as Redis documents them:
 *
 *   reply             Lua, RESP2                     Lua, RESP3
 *   +text             {ok = text}                    the same
 *   -text             {err = text}                   the same
 *   :1                number                         the same
 *   $3                string                         the same
 *   *2                table                          the same
 *   $-1 *-1 _         false                          nil
 *   %1                                               {map = {key = value}}
 *   ~1                                               {set = {member = true}}
 *   #t                                               boolean
 *   ,1.5                                             {double = number}
 *   (12               string                         {big_number = string}
 *   =5 txt:a                                         {verbatim_string = {string, format}}
 *
 * and back; numbers lose their fraction, an array ends at its first nil.
 */
#include "core/script/convert.h"

#include <lauxlib.h>
#include <string.h>

#include "core/base/num.h"
#include "core/ctx.h"
#include "core/stats.h"

/* A table may hold itself, or one long string many times. */
#define REPLY_BYTES_MAX (512 * 1024 * 1024)

/* ---- reply to Lua ---- */

/* A number behind a type byte, and its line end. */
static const char *read_number(const char *at, int64_t *out)
{
    bool negative = *at == '-';
    uint64_t value = 0;
    at += negative;
    for (; *at != '\r'; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    *out = (int64_t)(negative ? 0 - value : value);
    return at + 2;
}

static const char *line_end(const char *at)
{
    while (*at != '\r')
        at++;
    return at;
}

static const char *push_text_field(lua_State *lua, const char *at, const char *field)
{
    const char *end = line_end(at);
    bool is_error = field[0] == 'e';
    lua_createtable(lua, 0, is_error ? 3 : 1);
    lua_pushlstring(lua, at, (size_t)(end - at));
    lua_setfield(lua, -2, field);
    if (is_error) {
        lua_pushboolean(lua, 1);
        lua_setfield(lua, -2, CONVERT_COUNTED);
    }
    return end + 2;
}

static void push_null(lua_State *lua, int resp)
{
    if (resp == 3)
        lua_pushnil(lua);
    else
        lua_pushboolean(lua, 0);
}

static const char *push_bulk(lua_State *lua, const char *at, int resp)
{
    int64_t len;
    at = read_number(at, &len);
    if (len < 0) {
        push_null(lua, resp);
        return at;
    }
    lua_pushlstring(lua, at, (size_t)len);
    return at + len + 2;
}

static const char *push_array(lua_State *lua, const char *at, int resp)
{
    int64_t count;
    at = read_number(at, &count);
    if (count < 0) {
        push_null(lua, resp);
        return at;
    }
    lua_createtable(lua, (int)count, 0);
    for (int64_t i = 1; i <= count; i++) {
        at = convert_push_reply(lua, at, resp);
        lua_rawseti(lua, -2, (int)i);
    }
    return at;
}

static const char *push_map(lua_State *lua, const char *at, int resp)
{
    int64_t count;
    at = read_number(at, &count);
    lua_createtable(lua, 0, 1);
    lua_newtable(lua); /* grown, not made to measure: that is the order pairs() has in Redis */
    for (int64_t i = 0; i < count; i++) {
        at = convert_push_reply(lua, at, resp);
        at = convert_push_reply(lua, at, resp);
        lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, "map");
    return at;
}

static const char *push_set(lua_State *lua, const char *at, int resp)
{
    int64_t count;
    at = read_number(at, &count);
    lua_createtable(lua, 0, 1);
    lua_newtable(lua); /* as in push_map */
    for (int64_t i = 0; i < count; i++) {
        at = convert_push_reply(lua, at, resp);
        lua_pushboolean(lua, 1);
        lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, "set");
    return at;
}

/* What stands before a reply and is no part of it: DEBUG PROTOCOL ATTRIB alone sends any. */
static const char *push_behind_attribute(lua_State *lua, const char *at, int resp)
{
    int64_t count;
    at = read_number(at, &count);
    for (int64_t i = 0; i < 2 * count; i++) {
        at = convert_push_reply(lua, at, resp);
        lua_pop(lua, 1);
    }
    return convert_push_reply(lua, at, resp);
}

static const char *push_double(lua_State *lua, const char *at)
{
    const char *end = line_end(at);
    double value = 0;
    if (!num_parse_double((struct slice){at, (size_t)(end - at)}, &value))
        value = 0.0 / 0.0;
    lua_createtable(lua, 0, 1);
    lua_pushnumber(lua, value);
    lua_setfield(lua, -2, "double");
    return end + 2;
}

static const char *push_verbatim(lua_State *lua, const char *at)
{
    int64_t len;
    at = read_number(at, &len);
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, 2);
    lua_pushlstring(lua, at, 3);
    lua_setfield(lua, -2, "format");
    lua_pushlstring(lua, at + 4, (size_t)len - 4);
    lua_setfield(lua, -2, "string");
    lua_setfield(lua, -2, "verbatim_string");
    return at + len + 2;
}

const char *convert_push_reply(lua_State *lua, const char *at, int resp)
{
    int64_t number;
    if (unlikely(!lua_checkstack(lua, 6)))
        luaL_error(lua, "reached lua stack limit");
    switch (*at++) {
    case '+': return push_text_field(lua, at, "ok");
    case '-': return push_text_field(lua, at, "err");
    case '$': return push_bulk(lua, at, resp);
    case '*': case '>': return push_array(lua, at, resp);
    case '%': return push_map(lua, at, resp);
    case '~': return push_set(lua, at, resp);
    case ',': return push_double(lua, at);
    case '(': return push_text_field(lua, at, "big_number");
    case '=': return push_verbatim(lua, at);
    case '|': return push_behind_attribute(lua, at, resp);
    case ':':
        at = read_number(at, &number);
        lua_pushnumber(lua, (lua_Number)number);
        return at;
    case '#':
        lua_pushboolean(lua, *at == 't');
        return at + 3;
    default: /* _ */
        lua_pushnil(lua);
        return at + 2;
    }
}

/* ---- Lua to reply ---- */

struct conversion {
    struct ctx *ctx;
    int resp;
    bool over; /* the reply is too large: the client is closed */
};

static void reply_value(struct conversion *to, lua_State *lua);

/* Push field `name` of the table on top, if it has the type; else nothing. */
static bool push_field(lua_State *lua, const char *name, int type)
{
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return true;
    lua_pop(lua, 1);
    return false;
}

static struct slice text_at_top(lua_State *lua)
{
    struct slice text;
    text.data = lua_tolstring(lua, -1, &text.len);
    return text;
}

/* In the arena, with line ends as spaces and an end byte. */
static struct slice one_line(struct ctx *ctx, struct slice text)
{
    char *copy = arena_alloc(ctx->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.data[i] == '\r' || text.data[i] == '\n' ? ' ' : text.data[i];
    copy[text.len] = '\0';
    return (struct slice){copy, text.len};
}

static void put(struct ctx *ctx, const char *bytes, size_t len)
{
    output_append(ctx->output, bytes, len);
}

/* As for Redis a zero byte ends the text of a status or an error, and line ends at the end of an
 * error are dropped. */
static void put_line(struct ctx *ctx, char type, struct slice text)
{
    if (type != '(' && text.len > 0)
        text.len = strnlen(text.data, text.len);
    while (type == '-' && text.len > 0 &&
           (text.data[text.len - 1] == '\r' || text.data[text.len - 1] == '\n'))
        text.len--;
    struct slice line = one_line(ctx, text);
    put(ctx, &type, 1);
    put(ctx, line.data, line.len);
    put(ctx, "\r\n", 2);
}

void convert_reply_error(struct ctx *ctx, struct slice text, bool counted)
{
    put_line(ctx, '-', text);
    ctx->failed = true;
    if (!counted && !ctx->replay)
        stats_error(&ctx->engine->stats, text.data, text.len);
}

static void reply_number(struct ctx *ctx, lua_Number number)
{
    bool fits = number > -9223372036854775808.0 && number < 9223372036854775808.0;
    reply_int(ctx, fits ? (int64_t)number : INT64_MIN);
}

static void reply_boolean(struct ctx *ctx, lua_State *lua, int resp)
{
    bool value = lua_toboolean(lua, -1);
    if (resp == 3)
        reply_bool(ctx, value);
    else if (value)
        reply_int(ctx, 1);
    else
        reply_null(ctx);
}

static size_t pairs_of(lua_State *lua)
{
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
        count++;
    return count;
}

/* The table on top is popped. */
static void reply_pairs(struct conversion *to, lua_State *lua, bool is_map)
{
    struct ctx *ctx = to->ctx;
    size_t count = pairs_of(lua);
    if (is_map)
        reply_map(ctx, count);
    else
        reply_set(ctx, count);
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pushvalue(lua, -2);
        reply_value(to, lua);
        if (is_map)
            reply_value(to, lua);
        else
            lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
}

static void reply_verbatim_string(struct ctx *ctx, lua_State *lua)
{
    char kind[4] = "   ";
    if (push_field(lua, "format", LUA_TSTRING)) {
        struct slice format = text_at_top(lua);
        memcpy(kind, format.data, format.len < 3 ? format.len : 3);
        lua_pop(lua, 1);
    }
    push_field(lua, "string", LUA_TSTRING);
    reply_verbatim(ctx, text_at_top(lua), kind);
    lua_pop(lua, 1);
}

static bool is_verbatim(lua_State *lua)
{
    bool both = push_field(lua, "format", LUA_TSTRING);
    if (both)
        lua_pop(lua, 1);
    both = push_field(lua, "string", LUA_TSTRING) && both;
    if (both)
        lua_pop(lua, 1);
    return both;
}

static void reply_array_of(struct conversion *to, lua_State *lua)
{
    int count = 0;
    for (bool more = true; more; count += more) {
        lua_rawgeti(lua, -1, count + 1);
        more = !lua_isnil(lua, -1);
        lua_pop(lua, 1);
    }
    reply_array(to->ctx, (size_t)count);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, i);
        reply_value(to, lua);
    }
}

/* A table with one of the fields that have a meaning; false if it is an array. */
static bool reply_marked(struct conversion *to, lua_State *lua)
{
    struct ctx *ctx = to->ctx;
    if (push_field(lua, "err", LUA_TSTRING)) {
        bool counted = false;
        lua_insert(lua, -2);
        if (push_field(lua, CONVERT_COUNTED, LUA_TBOOLEAN)) {
            counted = lua_toboolean(lua, -1);
            lua_pop(lua, 1);
        }
        lua_insert(lua, -2);
        convert_reply_error(ctx, text_at_top(lua), counted);
    } else if (push_field(lua, "ok", LUA_TSTRING)) {
        put_line(ctx, '+', text_at_top(lua));
    } else if (push_field(lua, "double", LUA_TNUMBER)) {
        reply_double(ctx, lua_tonumber(lua, -1));
    } else if (push_field(lua, "map", LUA_TTABLE)) {
        reply_pairs(to, lua, true);
        return true;
    } else if (push_field(lua, "set", LUA_TTABLE)) {
        reply_pairs(to, lua, false);
        return true;
    } else if (push_field(lua, "big_number", LUA_TSTRING)) {
        if (ctx->session->resp == 3)
            put_line(ctx, '(', text_at_top(lua));
        else
            reply_bulk(ctx, one_line(ctx, text_at_top(lua)));
    } else if (push_field(lua, "verbatim_string", LUA_TTABLE)) {
        bool is_one = is_verbatim(lua);
        if (is_one)
            reply_verbatim_string(ctx, lua);
        lua_pop(lua, 1);
        return is_one;
    } else {
        return false;
    }
    lua_pop(lua, 1);
    return true;
}

/* Pops the value. */
static void reply_value(struct conversion *to, lua_State *lua)
{
    struct ctx *ctx = to->ctx;
    to->over |= output_unmarked(ctx->output) > REPLY_BYTES_MAX;
    if (unlikely(to->over)) {
        lua_pop(lua, 1);
        return;
    }
    if (unlikely(!lua_checkstack(lua, 6))) {
        /* The depth of what is returned is bounded by Lua's stack. */
        reply_error(ctx, "ERR reached lua stack limit");
        lua_pop(lua, 1);
        return;
    }
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        reply_bulk(ctx, text_at_top(lua));
        break;
    case LUA_TNUMBER:
        reply_number(ctx, lua_tonumber(lua, -1));
        break;
    case LUA_TBOOLEAN:
        reply_boolean(ctx, lua, to->resp);
        break;
    case LUA_TTABLE:
        if (!reply_marked(to, lua))
            reply_array_of(to, lua);
        break;
    default:
        reply_null(ctx);
    }
    lua_pop(lua, 1);
}

void convert_reply(struct ctx *ctx, lua_State *lua, int resp)
{
    struct conversion to = {.ctx = ctx, .resp = resp};
    reply_value(&to, lua);
    if (unlikely(to.over) && ctx->session->connection)
        ctx->engine->host->close_session(ctx->engine->host->self, ctx->session, false);
}
