/* struct: numbers and strings as C would lay them out. A format is a run of
 *
 *   < > =       little, big, the machine's byte order     ! n   align to at most n (a power of 2)
 *   b B h H l L T    integers of 1, 2, 8 bytes (T unsigned, 8)        i I n    of n bytes (4)
 *   f d         float, double                             x     a zero byte
 *   s           a string with a zero byte at its end      c n   n bytes; c0: as the number before
 */
#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/script/libraries.h"

#define ALIGN_DEFAULT 8
#define INTEGER_BYTES_MAX 32

struct layout {
    bool little;
    int align;
};

static int read_count(lua_State *lua, const char **format, int unset)
{
    if (!isdigit((unsigned char)**format))
        return unset;
    int count = 0;
    while (isdigit((unsigned char)**format)) {
        if (count > INT_MAX / 10 || count * 10 > INT_MAX - (**format - '0'))
            luaL_error(lua, "integral size overflow");
        count = count * 10 + (*(*format)++ - '0');
    }
    return count;
}

static size_t size_of(lua_State *lua, char option, const char **format)
{
    switch (option) {
    case 'B': case 'b': return 1;
    case 'H': case 'h': return 2;
    case 'L': case 'l': return 8;
    case 'T': return 8;
    case 'f': return 4;
    case 'd': return 8;
    case 'x': return 1;
    case 'c': return (size_t)read_count(lua, format, 1);
    case 'i': case 'I': {
        int size = read_count(lua, format, 4);
        if (size > INTEGER_BYTES_MAX)
            luaL_error(lua, "integral size %d is larger than limit of %d", size,
                       INTEGER_BYTES_MAX);
        return (size_t)size;
    }
    default: return 0;
    }
}

static size_t padding(size_t len, const struct layout *layout, char option, size_t size)
{
    if (size == 0 || option == 'c')
        return 0;
    if (size > (size_t)layout->align)
        size = (size_t)layout->align;
    return size > 1 ? (size - (len & (size - 1))) & (size - 1) : 0;
}

/* What stands for no value. */
static void control(lua_State *lua, char option, const char **format, struct layout *layout)
{
    switch (option) {
    case ' ': return;
    case '>': layout->little = false; return;
    case '<': layout->little = true; return;
    case '!': {
        int align = read_count(lua, format, ALIGN_DEFAULT);
        if (align == 0 || (align & (align - 1)) != 0)
            luaL_error(lua, "alignment %d is not a power of 2", align);
        layout->align = align;
        return;
    }
    default: {
        const char *text = lua_pushfstring(lua, "invalid format option '%c'", option);
        luaL_argerror(lua, 1, text);
    }
    }
}

static void put_integer(lua_State *lua, luaL_Buffer *out, int index, bool little, size_t size)
{
    double number = luaL_checknumber(lua, index);
    uint64_t value;
    if (number < 0)
        value = number >= -9223372036854775808.0 ? (uint64_t)(int64_t)number : 1ull << 63;
    else
        value = number < 18446744073709551616.0 ? (uint64_t)number : 0;
    char bytes[INTEGER_BYTES_MAX];
    for (size_t i = 0; i < size; i++) {
        bytes[little ? i : size - 1 - i] = (char)(value & 255);
        value >>= 8;
    }
    luaL_addlstring(out, bytes, size);
}

static void put_floating(lua_State *lua, luaL_Buffer *out, int index, bool little, size_t size)
{
    double number = luaL_checknumber(lua, index);
    float narrow = (float)number;
    char bytes[8], turned[8];
    memcpy(bytes, size == 4 ? (const void *)&narrow : &number, size);
    for (size_t i = 0; i < size; i++)
        turned[i] = bytes[little ? i : size - 1 - i];
    luaL_addlstring(out, turned, size);
}

static int struct_pack(lua_State *lua)
{
    luaL_Buffer out;
    const char *format = luaL_checkstring(lua, 1);
    struct layout layout = {.little = true, .align = 1};
    int index = 2;
    size_t total = 0;
    lua_pushnil(lua); /* separates the arguments from what the buffer keeps on the stack */
    luaL_buffinit(lua, &out);
    while (*format) {
        char option = *format++;
        size_t size = size_of(lua, option, &format);
        size_t pad = padding(total, &layout, option, size);
        total += pad;
        while (pad-- > 0)
            luaL_addchar(&out, '\0');
        switch (option) {
        case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I':
            put_integer(lua, &out, index++, layout.little, size);
            break;
        case 'x':
            luaL_addchar(&out, '\0');
            break;
        case 'f': case 'd':
            put_floating(lua, &out, index++, layout.little, size);
            break;
        case 'c': case 's': {
            size_t len;
            const char *text = luaL_checklstring(lua, index++, &len);
            if (size == 0)
                size = len;
            luaL_argcheck(lua, len >= size, index, "string too short");
            luaL_addlstring(&out, text, size);
            if (option == 's') {
                luaL_addchar(&out, '\0');
                size++;
            }
            break;
        }
        default:
            control(lua, option, &format, &layout);
        }
        total += size;
    }
    luaL_pushresult(&out);
    return 1;
}

static double get_integer(const char *bytes, bool little, bool is_signed, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (unsigned char)bytes[little ? size - 1 - i : i];
    if (!is_signed)
        return (double)value;
    if (size > 0 && size < 8 && value >> (size * 8 - 1) != 0)
        value |= ~0ull << (size * 8);
    return (double)(int64_t)value;
}

static double get_floating(const char *bytes, bool little, size_t size)
{
    char turned[8];
    float narrow;
    double number;
    for (size_t i = 0; i < size; i++)
        turned[i] = bytes[little ? i : size - 1 - i];
    if (size == 8) {
        memcpy(&number, turned, 8);
        return number;
    }
    memcpy(&narrow, turned, 4);
    return narrow;
}

/* A value of variable length; returns its bytes in the data. */
static size_t push_string(lua_State *lua, char option, const char *data, size_t left, size_t size,
                          int *results)
{
    if (option == 's') {
        const char *end = memchr(data, '\0', left);
        if (!end)
            luaL_error(lua, "unfinished string in data");
        size_t len = (size_t)(end - data);
        lua_pushlstring(lua, data, len);
        ++*results;
        return len + 1;
    }
    if (size == 0) {
        if (*results == 0 || !lua_isnumber(lua, -1))
            luaL_error(lua, "format 'c0' needs a previous size");
        double wanted = lua_tonumber(lua, -1);
        size = wanted > -1 && wanted < 1e18 ? (size_t)wanted : SIZE_MAX;
        lua_pop(lua, 1);
        --*results;
        luaL_argcheck(lua, size <= left, 2, "data string too short");
    }
    lua_pushlstring(lua, data, size);
    ++*results;
    return size;
}

static int struct_unpack(lua_State *lua)
{
    struct layout layout = {.little = true, .align = 1};
    const char *format = luaL_checkstring(lua, 1);
    size_t len;
    const char *data = luaL_checklstring(lua, 2, &len);
    size_t at = (size_t)luaL_optinteger(lua, 3, 1);
    luaL_argcheck(lua, at > 0, 3, "offset must be 1 or greater");
    at--;
    int results = 0;
    lua_settop(lua, 2);
    while (*format) {
        char option = *format++;
        size_t size = size_of(lua, option, &format);
        at += padding(at, &layout, option, size);
        luaL_argcheck(lua, size <= len && at <= len - size, 2, "data string too short");
        luaL_checkstack(lua, 2, "too many results");
        switch (option) {
        case 'b': case 'B': case 'h': case 'H': case 'l': case 'L': case 'T': case 'i': case 'I':
            lua_pushnumber(lua, get_integer(data + at, layout.little,
                                            islower((unsigned char)option) != 0, size));
            results++;
            break;
        case 'x':
            break;
        case 'f': case 'd':
            lua_pushnumber(lua, get_floating(data + at, layout.little, size));
            results++;
            break;
        case 'c': case 's':
            size = push_string(lua, option, data + at, len - at, size, &results);
            break;
        default:
            control(lua, option, &format, &layout);
        }
        at += size;
    }
    lua_pushinteger(lua, (lua_Integer)at + 1);
    return results + 1;
}

static int struct_size(lua_State *lua)
{
    struct layout layout = {.little = true, .align = 1};
    const char *format = luaL_checkstring(lua, 1);
    size_t total = 0;
    while (*format) {
        char option = *format++;
        size_t size = size_of(lua, option, &format);
        total += padding(total, &layout, option, size);
        if (option == 's')
            luaL_argerror(lua, 1, "option 's' has no fixed size");
        if (option == 'c' && size == 0)
            luaL_argerror(lua, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)option))
            control(lua, option, &format, &layout);
        total += size;
    }
    lua_pushinteger(lua, (lua_Integer)total);
    return 1;
}

void lua_add_struct(lua_State *lua)
{
    static const luaL_Reg functions[] = {
        {"pack", struct_pack},
        {"unpack", struct_unpack},
        {"size", struct_size},
        {NULL, NULL},
    };
    lua_newtable(lua);
    luaL_register(lua, NULL, functions);
    lua_setfield(lua, LUA_GLOBALSINDEX, "struct");
}
