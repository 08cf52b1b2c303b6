/* The sandbox.
 *
 * Scripts of different clients share one state, so nothing that one can reach may be changed for
 * the next: the globals and every library are stand-ins. A stand-in is an empty table; its
 * metatable finds everything in the table that it stands for, and refuses assignments. What would
 * go around a metatable is replaced: rawset, rawget, setmetatable, getmetatable, next, pairs,
 * table.insert know stand-ins (by PROTECTED in the metatable, a key that no script can name). So
 * the table behind it is never in a script's hands.
 *
 * What is not there: files, processes, modules, the clock, debug, environments (getfenv), print;
 * compiled code is not loaded, as a forged one could break out.
 *
 * Memory is counted by our allocator. Beyond the limit it fails, which Lua turns into an error of
 * the script. The limit holds only while a script runs: outside of a protected call nothing may
 * fail.
 */
#include "core/script/vm.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "core/base/attr.h"
#include "core/base/mem.h"

#define READONLY "Attempt to modify a readonly table"

/* Its address is the key. */
static const char PROTECTED[] = "protected";

/* ---- memory ---- */

static void *allocate(void *env, void *block, size_t old, size_t wanted)
{
    struct vm *vm = env;
    if (wanted == 0) {
        vm->bytes -= old;
        mem_free(block);
        return NULL;
    }
    if (unlikely(vm->limit > 0) && wanted > old && vm->bytes - old + wanted > vm->limit)
        return NULL;
    vm->bytes += wanted - old;
    return block ? mem_realloc(block, wanted) : mem_alloc(wanted);
}

struct vm *vm_of(lua_State *lua)
{
    void *env;
    lua_getallocf(lua, &env);
    return env;
}

/* ---- stand-ins ---- */

static int refuse_assignment(lua_State *lua)
{
    return luaL_error(lua, READONLY);
}

static int refuse_change(lua_State *lua)
{
    lua_pushliteral(lua, READONLY);
    return lua_error(lua);
}

/* If the value at `index` is a stand-in: push what it stands for. */
static bool push_original(lua_State *lua, int index)
{
    if (likely(!lua_getmetatable(lua, index)))
        return false;
    lua_pushlightuserdata(lua, (void *)PROTECTED);
    lua_rawget(lua, -2);
    lua_remove(lua, -2);
    if (!lua_isnil(lua, -1) && lua_istable(lua, index))
        return true;
    lua_pop(lua, 1);
    return false;
}

void vm_protect(lua_State *lua)
{
    lua_newtable(lua);                       /* real stand */
    lua_createtable(lua, 0, 3);              /* real stand meta */
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_assignment);
    lua_setfield(lua, -2, "__newindex");
    lua_pushlightuserdata(lua, (void *)PROTECTED);
    lua_pushvalue(lua, -4);
    lua_rawset(lua, -3);
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

void vm_show_globals(struct vm *vm)
{
    lua_State *lua = vm->lua;
    lua_getmetatable(lua, -1);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm->globals);
    lua_setfield(lua, -2, "__index");
    lua_pushlightuserdata(lua, (void *)PROTECTED);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm->globals);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

int vm_undefined(lua_State *lua)
{
    const char *name = lua_tostring(lua, 2);
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'",
                      name ? name : luaL_typename(lua, 2));
}

/* ---- what stands in front of the base library ---- */

static lua_CFunction original(lua_State *lua, enum vm_original which)
{
    return vm_of(lua)->originals[which];
}

static int base_rawset(lua_State *lua)
{
    return push_original(lua, 1) ? refuse_change(lua) : original(lua, VM_RAWSET)(lua);
}

static int base_setmetatable(lua_State *lua)
{
    return push_original(lua, 1) ? refuse_change(lua) : original(lua, VM_SETMETATABLE)(lua);
}

static int table_insert(lua_State *lua)
{
    return push_original(lua, 1) ? refuse_change(lua) : original(lua, VM_TABLE_INSERT)(lua);
}

static int base_rawget(lua_State *lua)
{
    if (push_original(lua, 1))
        lua_replace(lua, 1);
    return original(lua, VM_RAWGET)(lua);
}

/* A stand-in shows no metatable, but that of the globals one with the same __index as Redis'. */
static int base_getmetatable(lua_State *lua)
{
    if (lua_type(lua, 1) == LUA_TSTRING) {
        lua_getfield(lua, LUA_REGISTRYINDEX, "kv.string");
        return 1;
    }
    if (!push_original(lua, 1))
        return original(lua, VM_GETMETATABLE)(lua);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, vm_of(lua)->globals);
    if (lua_rawequal(lua, -1, -2))
        lua_getfield(lua, LUA_REGISTRYINDEX, "kv.globals");
    else
        lua_pushnil(lua);
    return 1;
}

static int next_of_original(lua_State *lua)
{
    lua_settop(lua, 2);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_replace(lua, 1);
    if (lua_next(lua, 1))
        return 2;
    lua_pushnil(lua);
    return 1;
}

static int base_next(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_settop(lua, 2);
    if (push_original(lua, 1))
        lua_replace(lua, 1);
    if (lua_next(lua, 1))
        return 2;
    lua_pushnil(lua);
    return 1;
}

static int base_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (push_original(lua, 1))
        lua_pushcclosure(lua, next_of_original, 1);
    else
        lua_pushvalue(lua, lua_upvalueindex(1));
    lua_pushvalue(lua, 1);
    lua_pushnil(lua);
    return 3;
}

/* An error that is a table is given to who catches it as its text. */
static int base_pcall(lua_State *lua)
{
    int results = original(lua, VM_PCALL)(lua);
    if (results == 2 && !lua_toboolean(lua, -2) && lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        if (lua_type(lua, -1) == LUA_TSTRING)
            lua_replace(lua, -2);
        else
            lua_pop(lua, 1);
    }
    return results;
}

/* What would last beyond the script does nothing. */
static int base_collectgarbage(lua_State *lua)
{
    static const char *const lasting[] = {"stop", "setpause", "setstepmul"};
    const char *option = luaL_optstring(lua, 1, "collect");
    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++) {
        if (strcmp(option, lasting[i]) == 0) {
            lua_pushinteger(lua, 0);
            return 1;
        }
    }
    return original(lua, VM_COLLECTGARBAGE)(lua);
}

struct chunk {
    const char *code;
    size_t len;
    bool begun;
};

/* A space in front makes compiled code a syntax error. */
static const char *read_chunk(lua_State *lua unused, void *env, size_t *len)
{
    struct chunk *chunk = env;
    if (!chunk->begun && chunk->len > 0 && chunk->code[0] == LUA_SIGNATURE[0]) {
        chunk->begun = true;
        *len = 1;
        return " ";
    }
    chunk->begun = true;
    *len = chunk->len;
    chunk->len = 0;
    return *len > 0 ? chunk->code : NULL;
}

int vm_compile(lua_State *lua, const char *code, size_t len, const char *name)
{
    struct chunk chunk = {code, len, false};
    return lua_load(lua, read_chunk, &chunk, name);
}

static int load_result(lua_State *lua, int status)
{
    if (status == 0)
        return 1;
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

static int base_loadstring(lua_State *lua)
{
    size_t len;
    const char *code = luaL_checklstring(lua, 1, &len);
    const char *name = luaL_optstring(lua, 2, code);
    return load_result(lua, vm_compile(lua, code, len, name));
}

struct pieces {
    bool begun, kept;
};

/* What the function at index 1 gives, piece by piece; the last one is kept at index 3. */
static const char *read_pieces(lua_State *lua, void *env, size_t *len)
{
    struct pieces *pieces = env;
    if (pieces->kept) {
        pieces->kept = false;
        return lua_tolstring(lua, 3, len);
    }
    luaL_checkstack(lua, 2, "too many nested functions");
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 1);
    *len = 0;
    if (lua_isnil(lua, -1))
        return NULL;
    if (!lua_isstring(lua, -1))
        luaL_error(lua, "reader function must return a string");
    lua_replace(lua, 3);
    const char *text = lua_tolstring(lua, 3, len);
    bool compiled = !pieces->begun && *len > 0 && text[0] == LUA_SIGNATURE[0];
    pieces->begun = true;
    if (!compiled)
        return text;
    pieces->kept = true;
    *len = 1;
    return " ";
}

static int base_load(lua_State *lua)
{
    struct pieces pieces = {0};
    const char *name = luaL_optstring(lua, 2, "=(load)");
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 3);
    return load_result(lua, lua_load(lua, read_pieces, &pieces, name));
}

/* ---- chance: the same numbers in each process, as Redis' ---- */

static double draw(lua_State *lua)
{
    uint64_t *state = vm_of(lua)->random;
    *state = (0x5DEECE66Dull * *state + 0xB) & ((1ull << 48) - 1);
    return (double)((*state >> 17) % 0x7fffffff) / 0x7fffffff;
}

static int math_random(lua_State *lua)
{
    double number = draw(lua);
    switch (lua_gettop(lua)) {
    case 0:
        lua_pushnumber(lua, number);
        return 1;
    case 1: {
        int most = luaL_checkint(lua, 1);
        luaL_argcheck(lua, 1 <= most, 1, "interval is empty");
        lua_pushnumber(lua, (double)(int64_t)(number * most) + 1);
        return 1;
    }
    case 2: {
        int least = luaL_checkint(lua, 1);
        int most = luaL_checkint(lua, 2);
        luaL_argcheck(lua, least <= most, 2, "interval is empty");
        int64_t span = (int64_t)most - least + 1;
        lua_pushnumber(lua, (double)((int64_t)(number * (double)span) + least));
        return 1;
    }
    default:
        return luaL_error(lua, "wrong number of arguments");
    }
}

static int math_randomseed(lua_State *lua)
{
    uint32_t seed = (uint32_t)luaL_checkint(lua, 1);
    *vm_of(lua)->random = ((uint64_t)seed << 16) + 0x330E;
    return 0;
}

/* ---- errors ---- */

int vm_on_error(lua_State *lua)
{
    lua_Debug frame;
    bool known = lua_getstack(lua, 1, &frame) && lua_getinfo(lua, "Sl", &frame);
    if (known && frame.what[0] == 'C')
        known = lua_getstack(lua, 2, &frame) && lua_getinfo(lua, "Sl", &frame);
    lua_settop(lua, 1);
    if (!lua_istable(lua, 1)) {
        lua_newtable(lua);
        if (lua_isstring(lua, 1))
            lua_pushfstring(lua, "ERR %s", lua_tostring(lua, 1));
        else if (lua_isboolean(lua, 1))
            lua_pushfstring(lua, "ERR %s", lua_toboolean(lua, 1) ? "true" : "false");
        else if (lua_isnil(lua, 1))
            lua_pushliteral(lua, "ERR nil");
        else
            lua_pushfstring(lua, "ERR %s: %p", luaL_typename(lua, 1), lua_topointer(lua, 1));
        lua_setfield(lua, -2, "err");
    }
    if (known && !push_original(lua, -1)) {
        lua_pushstring(lua, "source");
        lua_pushstring(lua, frame.source);
        lua_rawset(lua, -3);
        lua_pushstring(lua, "line");
        lua_pushinteger(lua, frame.currentline);
        lua_rawset(lua, -3);
    }
    return 1;
}

int vm_raise(lua_State *lua, const char *text)
{
    lua_createtable(lua, 0, 3);
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, "err");
    return lua_error(lua);
}

/* ---- opening ---- */

static void open_library(lua_State *lua, const char *name, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

/* The function `name` of the table on top is replaced; the one that was there is kept. */
static void wrap(struct vm *vm, const char *name, enum vm_original which, lua_CFunction function)
{
    lua_getfield(vm->lua, -1, name);
    vm->originals[which] = lua_tocfunction(vm->lua, -1);
    kv_assert(vm->originals[which]);
    lua_pop(vm->lua, 1);
    lua_pushcfunction(vm->lua, function);
    lua_setfield(vm->lua, -2, name);
}

static void set(lua_State *lua, const char *name, lua_CFunction function)
{
    lua_pushcfunction(lua, function);
    lua_setfield(lua, -2, name);
}

static void wrap_libraries(struct vm *vm)
{
    lua_State *lua = vm->lua;
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    wrap(vm, "pcall", VM_PCALL, base_pcall);
    wrap(vm, "rawget", VM_RAWGET, base_rawget);
    wrap(vm, "rawset", VM_RAWSET, base_rawset);
    wrap(vm, "setmetatable", VM_SETMETATABLE, base_setmetatable);
    wrap(vm, "getmetatable", VM_GETMETATABLE, base_getmetatable);
    wrap(vm, "collectgarbage", VM_COLLECTGARBAGE, base_collectgarbage);
    set(lua, "loadstring", base_loadstring);
    set(lua, "load", base_load);
    set(lua, "next", base_next);
    lua_getfield(lua, -1, "next");
    lua_pushcclosure(lua, base_pairs, 1);
    lua_setfield(lua, -2, "pairs");
    lua_getfield(lua, -1, "table");
    wrap(vm, "insert", VM_TABLE_INSERT, table_insert);
    lua_pop(lua, 1);
    lua_getfield(lua, -1, "math");
    set(lua, "random", math_random);
    set(lua, "randomseed", math_randomseed);
    lua_pop(lua, 2);
}

static const char *const allowed[] = {
    "string", "table", "math", "coroutine", "_VERSION", "assert", "collectgarbage", "error",
    "gcinfo", "getmetatable", "ipairs", "load", "loadstring", "next", "pairs", "pcall", "rawequal",
    "rawget", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack",
    "xpcall",
};

static bool is_allowed(const char *name)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        if (strcmp(allowed[i], name) == 0)
            return true;
    return false;
}

static void remove_others(lua_State *lua)
{
    lua_pushnil(lua);
    while (lua_next(lua, LUA_GLOBALSINDEX)) {
        lua_pop(lua, 1);
        if (lua_type(lua, -1) != LUA_TSTRING || is_allowed(lua_tostring(lua, -1)))
            continue;
        lua_pushvalue(lua, -1);
        lua_pushnil(lua);
        lua_rawset(lua, LUA_GLOBALSINDEX);
    }
}

/* Every table among the globals becomes a stand-in, and then the globals. */
static void protect_all(struct vm *vm)
{
    lua_State *lua = vm->lua;
    lua_pushnil(lua);
    while (lua_next(lua, LUA_GLOBALSINDEX)) {
        if (lua_istable(lua, -1)) {
            vm_protect(lua);
            lua_pushvalue(lua, -2);
            lua_insert(lua, -2);
            lua_rawset(lua, LUA_GLOBALSINDEX);
        } else {
            lua_pop(lua, 1);
        }
    }
    /* what getmetatable shows of strings and of the globals */
    lua_newtable(lua);
    lua_getfield(lua, LUA_GLOBALSINDEX, "string");
    lua_setfield(lua, -2, "__index");
    vm_protect(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "kv.string");
    lua_newtable(lua);
    set(lua, "__index", vm_undefined);
    lua_pushvalue(lua, -1);
    vm_protect(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "kv.globals");
    lua_setmetatable(lua, LUA_GLOBALSINDEX);

    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    vm->globals = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    vm_protect(lua);
    lua_pushliteral(lua, "_G");
    lua_pushvalue(lua, -2);
    lua_rawset(lua, LUA_GLOBALSINDEX);
    lua_pushvalue(lua, -1);
    vm->protected = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_replace(lua, LUA_GLOBALSINDEX);
}

void vm_open(struct vm *vm, struct scripts *scripts, uint64_t *random,
             void (*add)(lua_State *lua))
{
    *vm = (struct vm){.scripts = scripts, .random = random};
    lua_State *lua = vm->lua = lua_newstate(allocate, vm);
    kv_assert(lua);
    open_library(lua, "", luaopen_base);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    remove_others(lua);
    wrap_libraries(vm);
    add(lua);
    kv_assert(lua_gettop(lua) == 0);
    protect_all(vm);
    lua_pushcfunction(lua, vm_on_error);
    vm->on_error = luaL_ref(lua, LUA_REGISTRYINDEX);
    kv_assert(lua_gettop(lua) == 0);
}

void vm_close(struct vm *vm)
{
    if (vm->lua)
        lua_close(vm->lua);
    kv_assert(vm->bytes == 0);
    *vm = (struct vm){0};
}
