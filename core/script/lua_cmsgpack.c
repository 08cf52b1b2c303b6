/* cmsgpack: values as MessagePack (msgpack.org), in the form that Redis' scripts write: integers in
 * the shortest form, other numbers as float where nothing is lost, strings as raw bytes; a table
 * whose keys are 1 to n is an array, any other a map; what is nested too deep, or is no value, is
 * nil. */
#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/script/libraries.h"

#define NESTING_MAX 16
#define READ_NESTING_MAX 200 /* C calls of hostile input */

/* ---- packing ---- */

static void put_number(luaL_Buffer *out, unsigned char type, uint64_t value, int bytes)
{
    char text[9] = {(char)type};
    for (int i = bytes; i > 0; i--, value >>= 8)
        text[i] = (char)(value & 255);
    luaL_addlstring(out, text, (size_t)bytes + 1);
}

static void pack_integer(luaL_Buffer *out, int64_t value)
{
    if (value >= 0) {
        if (value <= 127)
            luaL_addchar(out, (char)value);
        else if (value <= 0xff)
            put_number(out, 0xcc, (uint64_t)value, 1);
        else if (value <= 0xffff)
            put_number(out, 0xcd, (uint64_t)value, 2);
        else if (value <= 0xffffffffLL)
            put_number(out, 0xce, (uint64_t)value, 4);
        else
            put_number(out, 0xcf, (uint64_t)value, 8);
    } else if (value >= -32) {
        luaL_addchar(out, (char)value);
    } else if (value >= -128) {
        put_number(out, 0xd0, (uint64_t)value, 1);
    } else if (value >= -32768) {
        put_number(out, 0xd1, (uint64_t)value, 2);
    } else if (value >= -2147483648LL) {
        put_number(out, 0xd2, (uint64_t)value, 4);
    } else {
        put_number(out, 0xd3, (uint64_t)value, 8);
    }
}

static void pack_number(luaL_Buffer *out, double number)
{
    if (number >= -9223372036854775808.0 && number < 9223372036854775808.0 &&
        number == (double)(int64_t)number) {
        pack_integer(out, (int64_t)number);
        return;
    }
    float narrow = (float)number;
    if (number == (double)narrow) {
        uint32_t bits;
        memcpy(&bits, &narrow, sizeof bits);
        put_number(out, 0xca, bits, 4);
    } else {
        uint64_t bits;
        memcpy(&bits, &number, sizeof bits);
        put_number(out, 0xcb, bits, 8);
    }
}

static void pack_string(luaL_Buffer *out, const char *text, size_t len)
{
    if (len < 32)
        luaL_addchar(out, (char)(0xa0 | len));
    else if (len <= 0xff)
        put_number(out, 0xd9, len, 1);
    else if (len <= 0xffff)
        put_number(out, 0xda, len, 2);
    else
        put_number(out, 0xdb, len, 4);
    luaL_addlstring(out, text, len);
}

/* The head of an array or a map. */
static void pack_head(luaL_Buffer *out, size_t count, unsigned char small, unsigned char large)
{
    if (count <= 15)
        luaL_addchar(out, (char)(small | count));
    else if (count <= 0xffff)
        put_number(out, large, count, 2);
    else
        put_number(out, (unsigned char)(large + 1), count, 4);
}

/* Are the keys of the table at `index` 1 to n, and how many are they? */
static bool is_array(lua_State *lua, int index, size_t *count)
{
    double largest = 0;
    bool integers = true;
    *count = 0;
    lua_pushnil(lua);
    while (lua_next(lua, index)) {
        lua_pop(lua, 1);
        double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : -1;
        if (key <= 0 || key != floor(key))
            integers = false;
        else if (key > largest)
            largest = key;
        ++*count;
    }
    return integers && largest == (double)*count;
}

/* The value at `index`. A buffer keeps pieces on the stack: values are addressed from below. */
static void pack_value(lua_State *lua, luaL_Buffer *out, int index, int level);

/* Lua's buffers put pieces on top of the stack, so what a table holds is fetched into its own slot
 * below them: `slot` and `slot + 1`. */
static void pack_table(lua_State *lua, luaL_Buffer *out, int index, int level)
{
    size_t count;
    luaL_Buffer inner;
    luaL_checkstack(lua, LUA_MINSTACK + 4, "in function mp_encode_lua_table");
    bool array = is_array(lua, index, &count);
    lua_pushnil(lua); /* the key */
    lua_pushnil(lua); /* the value */
    int slot = lua_gettop(lua) - 1;
    luaL_buffinit(lua, &inner);
    pack_head(&inner, count, array ? 0x90 : 0x80, array ? 0xdc : 0xde);
    for (size_t i = 1; array && i <= count; i++) {
        lua_rawgeti(lua, index, (int)i);
        lua_replace(lua, slot + 1);
        pack_value(lua, &inner, slot + 1, level + 1);
    }
    while (!array) {
        lua_pushvalue(lua, slot);
        if (!lua_next(lua, index))
            break;
        lua_replace(lua, slot + 1);
        lua_replace(lua, slot);
        pack_value(lua, &inner, slot, level + 1);
        pack_value(lua, &inner, slot + 1, level + 1);
    }
    luaL_pushresult(&inner);
    lua_replace(lua, slot);
    lua_settop(lua, slot);
    luaL_addvalue(out);
}

static void pack_value(lua_State *lua, luaL_Buffer *out, int index, int level)
{
    size_t len;
    const char *text;
    switch (lua_type(lua, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, index, &len);
        pack_string(out, text, len);
        break;
    case LUA_TBOOLEAN:
        luaL_addchar(out, lua_toboolean(lua, index) ? (char)0xc3 : (char)0xc2);
        break;
    case LUA_TNUMBER:
        pack_number(out, lua_tonumber(lua, index));
        break;
    case LUA_TTABLE:
        if (level < NESTING_MAX) {
            pack_table(lua, out, index, level);
            break;
        }
        /* fall through */
    default:
        luaL_addchar(out, (char)0xc0);
    }
}

static int cmsgpack_pack(lua_State *lua)
{
    int count = lua_gettop(lua);
    luaL_Buffer out;
    if (count == 0)
        return luaL_argerror(lua, 0, "MessagePack pack needs input.");
    luaL_checkstack(lua, LUA_MINSTACK, "Too many arguments for MessagePack pack.");
    luaL_buffinit(lua, &out);
    for (int i = 1; i <= count; i++)
        pack_value(lua, &out, i, 0);
    luaL_pushresult(&out);
    return 1;
}

/* ---- unpacking ---- */

struct source {
    const unsigned char *at, *end;
    int depth;
};

static void missing(lua_State *lua)
{
    luaL_error(lua, "Missing bytes in input.");
}

static void bad(lua_State *lua)
{
    luaL_error(lua, "Bad data format in input.");
}

static void need(lua_State *lua, const struct source *in, uint64_t bytes)
{
    if ((uint64_t)(in->end - in->at) < bytes)
        missing(lua);
}

/* A big-endian number behind the type byte. */
static uint64_t take_number(lua_State *lua, struct source *in, int bytes)
{
    uint64_t value = 0;
    need(lua, in, (uint64_t)bytes + 1);
    for (int i = 1; i <= bytes; i++)
        value = value << 8 | in->at[i];
    in->at += bytes + 1;
    return value;
}

static void unpack_value(lua_State *lua, struct source *in);

static void unpack_string(lua_State *lua, struct source *in, uint64_t len)
{
    need(lua, in, len);
    lua_pushlstring(lua, (const char *)in->at, (size_t)len);
    in->at += len;
}

/* Each item takes at least one byte: room for more is not asked for ahead. */
static void unpack_array(lua_State *lua, struct source *in, uint64_t count)
{
    lua_newtable(lua);
    luaL_checkstack(lua, 4, "in function mp_decode_to_lua_array");
    for (uint64_t i = 1; i <= count; i++) {
        unpack_value(lua, in);
        lua_rawseti(lua, -2, (int)i);
    }
}

static void unpack_map(lua_State *lua, struct source *in, uint64_t count)
{
    lua_newtable(lua);
    luaL_checkstack(lua, 4, "in function mp_decode_to_lua_hash");
    for (uint64_t i = 0; i < count; i++) {
        unpack_value(lua, in);
        unpack_value(lua, in);
        lua_settable(lua, -3);
    }
}

static void unpack_float(lua_State *lua, struct source *in)
{
    uint32_t bits = (uint32_t)take_number(lua, in, 4);
    float number;
    memcpy(&number, &bits, sizeof number);
    lua_pushnumber(lua, number);
}

static void unpack_double(lua_State *lua, struct source *in)
{
    uint64_t bits = take_number(lua, in, 8);
    double number;
    memcpy(&number, &bits, sizeof number);
    lua_pushnumber(lua, number);
}

static void unpack_typed(lua_State *lua, struct source *in)
{
    switch (in->at[0]) {
    case 0xcc: lua_pushnumber(lua, (double)take_number(lua, in, 1)); break;
    case 0xcd: lua_pushnumber(lua, (double)take_number(lua, in, 2)); break;
    case 0xce: lua_pushnumber(lua, (double)take_number(lua, in, 4)); break;
    case 0xcf: lua_pushnumber(lua, (double)(int64_t)take_number(lua, in, 8)); break;
    case 0xd0: lua_pushnumber(lua, (double)(int8_t)take_number(lua, in, 1)); break;
    case 0xd1: lua_pushnumber(lua, (double)(int16_t)take_number(lua, in, 2)); break;
    case 0xd2: lua_pushnumber(lua, (double)(int32_t)take_number(lua, in, 4)); break;
    case 0xd3: lua_pushnumber(lua, (double)(int64_t)take_number(lua, in, 8)); break;
    case 0xc0: lua_pushnil(lua); in->at++; break;
    case 0xc2: lua_pushboolean(lua, 0); in->at++; break;
    case 0xc3: lua_pushboolean(lua, 1); in->at++; break;
    case 0xca: unpack_float(lua, in); break;
    case 0xcb: unpack_double(lua, in); break;
    case 0xd9: unpack_string(lua, in, take_number(lua, in, 1)); break;
    case 0xda: unpack_string(lua, in, take_number(lua, in, 2)); break;
    case 0xdb: unpack_string(lua, in, take_number(lua, in, 4)); break;
    case 0xdc: unpack_array(lua, in, take_number(lua, in, 2)); break;
    case 0xdd: unpack_array(lua, in, take_number(lua, in, 4)); break;
    case 0xde: unpack_map(lua, in, take_number(lua, in, 2)); break;
    case 0xdf: unpack_map(lua, in, take_number(lua, in, 4)); break;
    default: bad(lua);
    }
}

static void unpack_value(lua_State *lua, struct source *in)
{
    need(lua, in, 1);
    luaL_checkstack(lua, 1, "too many return values at once; use unpack_one or unpack_limit "
                            "instead.");
    if (++in->depth > READ_NESTING_MAX)
        bad(lua);
    unsigned char type = in->at[0];
    if (type <= 0x7f) {
        lua_pushnumber(lua, type);
        in->at++;
    } else if (type >= 0xe0) {
        lua_pushnumber(lua, (int8_t)type);
        in->at++;
    } else if ((type & 0xe0) == 0xa0) {
        in->at++;
        unpack_string(lua, in, type & 31);
    } else if ((type & 0xf0) == 0x90) {
        in->at++;
        unpack_array(lua, in, type & 15);
    } else if ((type & 0xf0) == 0x80) {
        in->at++;
        unpack_map(lua, in, type & 15);
    } else {
        unpack_typed(lua, in);
    }
    in->depth--;
}

/* `limit` values from `offset` on (0: all); the offset of the next, -1 at the end, stands in front
 * of them if there is a limit. */
static int unpack_values(lua_State *lua, int limit, int offset)
{
    size_t len;
    const char *data = luaL_checklstring(lua, 1, &len);
    if (offset < 0 || limit < 0)
        return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.",
                          offset, (int)len);
    if ((size_t)offset > len)
        return luaL_error(lua, "Start offset %d greater than input length %d.", offset, (int)len);
    struct source in = {(const unsigned char *)data + offset, (const unsigned char *)data + len, 0};
    bool all = limit == 0;
    int count = 0;
    lua_settop(lua, 1);
    while (in.at < in.end && (all || count < limit)) {
        unpack_value(lua, &in);
        count++;
    }
    if (all)
        return count;
    int next = in.at == in.end ? -1 : (int)((const char *)in.at - data);
    luaL_checkstack(lua, 1, "in function mp_unpack_full");
    lua_pushinteger(lua, next);
    lua_insert(lua, 2);
    return count + 1;
}

static int cmsgpack_unpack(lua_State *lua)
{
    return unpack_values(lua, 0, 0);
}

static int cmsgpack_unpack_one(lua_State *lua)
{
    return unpack_values(lua, 1, luaL_optint(lua, 2, 0));
}

static int cmsgpack_unpack_limit(lua_State *lua)
{
    int limit = luaL_checkint(lua, 2);
    return unpack_values(lua, limit, luaL_optint(lua, 3, 0));
}

void lua_add_cmsgpack(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"pack", cmsgpack_pack},
        {"unpack", cmsgpack_unpack},
        {"unpack_one", cmsgpack_unpack_one},
        {"unpack_limit", cmsgpack_unpack_limit},
        {NULL, NULL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
    lua_pushliteral(lua, "cmsgpack");
    lua_setfield(lua, -2, "_NAME");
    lua_pushliteral(lua, "lua-cmsgpack 0.4.0");
    lua_setfield(lua, -2, "_VERSION");
    lua_pushliteral(lua, "MessagePack for scripts");
    lua_setfield(lua, -2, "_DESCRIPTION");
    lua_setfield(lua, LUA_GLOBALSINDEX, "cmsgpack");
}
