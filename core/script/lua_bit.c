/* bit: operations on 32-bit integers. A number below 2^51 is taken modulo 2^32, rounded to the
 * nearest integer; of a larger one, what the addition of a large constant leaves in its lowest bits
 * counts, which means nothing but is the same everywhere. Results are signed. */
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "core/script/libraries.h"

#define SHIFT 6755399441055744.0 /* 2^52 + 2^51: added, it leaves the integer in the lowest bits */

static uint32_t read_bits(lua_State *lua, int index)
{
    double number = luaL_checknumber(lua, index) + SHIFT;
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return (uint32_t)bits;
}

static int push_bits(lua_State *lua, uint32_t bits)
{
    lua_pushnumber(lua, (double)(int32_t)bits);
    return 1;
}

static int bit_tobit(lua_State *lua)
{
    return push_bits(lua, read_bits(lua, 1));
}

static int bit_bnot(lua_State *lua)
{
    return push_bits(lua, ~read_bits(lua, 1));
}

static int bit_band(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    for (int i = lua_gettop(lua); i > 1; i--)
        bits &= read_bits(lua, i);
    return push_bits(lua, bits);
}

static int bit_bor(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    for (int i = lua_gettop(lua); i > 1; i--)
        bits |= read_bits(lua, i);
    return push_bits(lua, bits);
}

static int bit_bxor(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    for (int i = lua_gettop(lua); i > 1; i--)
        bits ^= read_bits(lua, i);
    return push_bits(lua, bits);
}

static uint32_t rotate(uint32_t bits, uint32_t by)
{
    by &= 31;
    return by ? bits << by | bits >> (32 - by) : bits;
}

static int bit_lshift(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    return push_bits(lua, bits << (read_bits(lua, 2) & 31));
}

static int bit_rshift(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    return push_bits(lua, bits >> (read_bits(lua, 2) & 31));
}

static int bit_arshift(lua_State *lua)
{
    int32_t bits = (int32_t)read_bits(lua, 1);
    return push_bits(lua, (uint32_t)(bits >> (read_bits(lua, 2) & 31)));
}

static int bit_rol(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    return push_bits(lua, rotate(bits, read_bits(lua, 2)));
}

static int bit_ror(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    return push_bits(lua, rotate(bits, 32 - (read_bits(lua, 2) & 31)));
}

static int bit_bswap(lua_State *lua)
{
    return push_bits(lua, __builtin_bswap32(read_bits(lua, 1)));
}

static int bit_tohex(lua_State *lua)
{
    uint32_t bits = read_bits(lua, 1);
    int32_t digits = lua_isnone(lua, 2) ? 8 : (int32_t)read_bits(lua, 2);
    const char *from = "0123456789abcdef";
    char text[8];
    if (digits < 0) {
        from = "0123456789ABCDEF";
        digits = digits == INT32_MIN ? INT32_MAX : -digits;
    }
    if (digits > 8)
        digits = 8;
    for (int i = digits; i-- > 0; bits >>= 4)
        text[i] = from[bits & 15];
    lua_pushlstring(lua, text, (size_t)digits);
    return 1;
}

void lua_add_bit(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"tobit", bit_tobit},   {"bnot", bit_bnot},     {"band", bit_band},
        {"bor", bit_bor},       {"bxor", bit_bxor},     {"lshift", bit_lshift},
        {"rshift", bit_rshift}, {"arshift", bit_arshift}, {"rol", bit_rol},
        {"ror", bit_ror},       {"bswap", bit_bswap},   {"tohex", bit_tohex},
        {NULL, NULL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
    lua_setfield(lua, LUA_GLOBALSINDEX, "bit");
}
