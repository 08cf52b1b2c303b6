/* A library is code that registers functions. The first line names it:
 *
 *     #!lua name=mylib
 *
 * While the code runs it finds nothing but `redis`, and there little besides register_function;
 * its functions find the globals when they are called. Both is the same table, the environment of
 * the code, which afterwards stands for the globals.
 */
#include "core/script/library.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/hash.h"
#include "core/base/mem.h"
#include "core/base/text.h"
#include "core/ds/table.h"
#include "core/script/libraries.h"
#include "core/script/run.h"
#include "core/script/scripts.h"
#include "core/script/vm.h"

#define LIBRARY_BYTES_MAX (64 * 1024 * 1024)
#define NAME_MAX_LEN 256

struct libraries {
    struct table *functions; /* by name, in lower case: FCALL finds it in any */
    struct library *first;
    uint64_t seed;
    size_t count, bytes;
};

/* ---- functions by name ---- */

static uint64_t hash_name(uint64_t seed, struct slice name)
{
    char lower[NAME_MAX_LEN];
    size_t len = name.len < NAME_MAX_LEN ? name.len : NAME_MAX_LEN;
    for (size_t i = 0; i < len; i++)
        lower[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32)
                                                              : name.data[i];
    return hash_bytes((struct slice){lower, len}, seed);
}

static bool same_name(const char *name, struct slice key)
{
    return strlen(name) == key.len && strncasecmp(name, key.data, key.len) == 0;
}

static uint64_t hash_function(const void *env, const void *item)
{
    return hash_name(((const struct libraries *)env)->seed,
                     slice_of(((const struct function *)item)->name));
}

static bool match_function(const void *env unused, const void *item, struct slice key)
{
    return same_name(((const struct function *)item)->name, key);
}

static const struct table_type function_type = {hash_function, match_function};

static struct table_slot *find_slot(const struct libraries *libraries, struct slice name)
{
    return table_find(libraries->functions, hash_name(libraries->seed, name), name);
}

struct function *libraries_function(const struct libraries *libraries, struct slice name)
{
    struct table_slot *slot = find_slot(libraries, name);
    return slot ? table_item(slot) : NULL;
}

/* ---- life ---- */

struct libraries *libraries_new(uint64_t seed)
{
    struct libraries *libraries = mem_alloc_zero(sizeof *libraries);
    libraries->functions = table_new(&function_type, libraries);
    libraries->seed = seed;
    return libraries;
}

static void free_library(struct library *library)
{
    while (library->functions) {
        struct function *function = library->functions;
        library->functions = function->next;
        mem_free(function->name);
        mem_free(function->description);
        mem_free(function);
    }
    mem_free(library->name);
    mem_free(library->code);
    mem_free(library);
}

void library_free(struct scripts *scripts, struct library *library)
{
    for (struct function *function = library->functions; function; function = function->next)
        luaL_unref(scripts->functions.lua, LUA_REGISTRYINDEX, function->reference);
    free_library(library);
}

void libraries_free(struct libraries *libraries)
{
    table_free(libraries->functions, NULL);
    while (libraries->first) {
        struct library *library = libraries->first;
        libraries->first = library->next;
        free_library(library);
    }
    mem_free(libraries);
}

static char *copy_text(struct slice text)
{
    char *copy = mem_alloc(text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

static size_t bytes_of(const struct library *library)
{
    size_t bytes = mem_usable(library) + mem_usable(library->code) + mem_usable(library->name);
    for (const struct function *function = library->functions; function; function = function->next)
        bytes += mem_usable(function) + mem_usable(function->name) +
                 (function->description ? mem_usable(function->description) : 0);
    return bytes;
}

/* ---- the first line ---- */

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return name.len > 0;
}

#define BAD_NAME                                                                                   \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one " \
    "character long"

static bool read_word(struct slice word, struct slice *name, struct buf *error)
{
    if (word.len < 5 || strncasecmp(word.data, "name=", 5) != 0) {
        buf_printf(error, "Invalid metadata value given: %.*s",
                   word.len > 128 ? 128 : (int)word.len, word.data);
        return false;
    }
    if (name->data) {
        buf_append_text(error, "Invalid metadata value, name argument was given multiple times");
        return false;
    }
    *name = (struct slice){word.data + 5, word.len - 5};
    return true;
}

bool library_read_name(struct arena *arena, struct slice code, struct slice *name,
                       struct slice *body, struct buf *error)
{
    if (code.len < 2 || memcmp(code.data, "#!", 2) != 0) {
        buf_append_text(error, "Missing library metadata");
        return false;
    }
    const char *end = memchr(code.data, '\n', code.len);
    struct slice line = {code.data, end ? (size_t)(end - code.data) : 0}, *words;
    int count = end && line.len <= FIRST_LINE_MAX ? text_split(arena, line, &words) : -1;
    if (count < 1) { /* or a quote is not closed */
        buf_append_text(error, "Invalid library metadata");
        return false;
    }
    *body = (struct slice){end, code.len - (size_t)(end - code.data)};
    *name = (struct slice){NULL, 0};
    for (int i = 1; i < count; i++)
        if (!read_word(words[i], name, error))
            return false;
    if (!name->data)
        buf_append_text(error, "Library name was not given");
    else if (!is_name(*name))
        buf_append_text(error, BAD_NAME);
    else if (!slice_is(words[0], "#!lua"))
        buf_printf(error, "Engine '%.*s' not found",
                   words[0].len > 128 ? 126 : (int)words[0].len - 2, words[0].data + 2);
    return error->len == 0;
}

/* ---- registering ---- */

/* What redis.register_function was given. */
struct registration {
    struct slice name, description;
    bool has_description;
    uint32_t flags;
    int callback; /* index on the stack; 0: none */
};

static bool read_text(lua_State *lua, int index, struct slice *out)
{
    if (!lua_isstring(lua, index))
        return false;
    out->data = lua_tolstring(lua, index, &out->len);
    return true;
}

static const char *read_flags(lua_State *lua, int index, uint32_t *flags)
{
    if (!lua_istable(lua, index))
        return "ERR flags argument to redis.register_function must be a table representing "
               "function flags";
    for (int i = 1;; i++) {
        struct slice name;
        lua_rawgeti(lua, index, i);
        if (lua_isnil(lua, -1))
            break;
        uint32_t flag = 0;
        if (lua_type(lua, -1) == LUA_TSTRING && read_text(lua, -1, &name))
            flag = script_flag_of(name);
        if (flag == 0)
            return "ERR unknown flag given";
        *flags |= flag;
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    return NULL;
}

/* One field of the table form: its value is on top, and stays there. */
static const char *read_field(lua_State *lua, const char *key, struct registration *out)
{
    int index = lua_gettop(lua);
    if (strcmp(key, "function_name") == 0)
        return read_text(lua, index, &out->name)
                   ? NULL
                   : "ERR function_name argument given to redis.register_function must be a string";
    if (strcmp(key, "description") == 0) {
        out->has_description = true;
        return read_text(lua, index, &out->description)
                   ? NULL
                   : "ERR description argument given to redis.register_function must be a string";
    }
    if (strcmp(key, "callback") == 0) {
        if (!lua_isfunction(lua, index))
            return "ERR callback argument given to redis.register_function must be a function";
        out->callback = index;
        return NULL;
    }
    if (strcmp(key, "flags") == 0)
        return read_flags(lua, index, &out->flags);
    return "ERR unknown argument given to redis.register_function";
}

/* Values stay on the stack, in slots below the key that lua_next needs on top. */
static const char *read_table(lua_State *lua, struct registration *out)
{
    if (!lua_istable(lua, 1))
        return "ERR calling redis.register_function with a single argument is only applicable to "
               "Lua table (representing named arguments).";
    lua_pushnil(lua);
    while (lua_next(lua, 1)) {
        if (lua_type(lua, -2) != LUA_TSTRING)
            return "ERR unknown argument given to redis.register_function";
        if (!lua_checkstack(lua, 4))
            return "ERR unknown argument given to redis.register_function";
        const char *why = read_field(lua, lua_tostring(lua, -2), out);
        if (why)
            return why;
        lua_insert(lua, -2);
        if (out->callback == lua_gettop(lua))
            out->callback--;
    }
    if (!out->name.data)
        return "ERR redis.register_function must get a function name argument";
    if (out->callback == 0)
        return "ERR redis.register_function must get a callback argument";
    return NULL;
}

static const char *read_registration(lua_State *lua, struct registration *out)
{
    int count = lua_gettop(lua);
    if (count < 1 || count > 2)
        return "ERR wrong number of arguments to redis.register_function";
    if (count == 1)
        return read_table(lua, out);
    if (!read_text(lua, 1, &out->name))
        return "ERR first argument to redis.register_function must be a string";
    if (!lua_isfunction(lua, 2))
        return "ERR second argument to redis.register_function must be a function";
    out->callback = 2;
    return NULL;
}

int library_register(lua_State *lua)
{
    struct run *run = vm_of(lua)->scripts->run;
    struct library *library = run ? run->library : NULL;
    if (!library)
        return vm_raise(lua, "ERR redis.register_function can only be called on FUNCTION LOAD "
                             "command");
    struct registration given = {0};
    const char *why = read_registration(lua, &given);
    if (why)
        return vm_raise(lua, why);
    if (!is_name(given.name) || given.name.len > NAME_MAX_LEN)
        return vm_raise(lua, "ERR " BAD_NAME);
    for (struct function *other = library->functions; other; other = other->next)
        if (same_name(other->name, given.name))
            return vm_raise(lua, "ERR Function already exists in the library");
    lua_pushvalue(lua, given.callback);
    int reference = luaL_ref(lua, LUA_REGISTRYINDEX);
    struct function *function = mem_alloc_zero(sizeof *function);
    function->library = library;
    function->name = copy_text(given.name);
    function->description = given.has_description ? copy_text(given.description) : NULL;
    function->flags = given.flags;
    function->reference = reference;
    function->next = library->functions;
    library->functions = function;
    library->count++;
    return 0;
}

/* ---- making ---- */

/* Push the chunk's environment. */
static void push_environment(lua_State *lua)
{
    lua_newtable(lua);
    lua_push_redis_loading(lua);
    lua_pushcfunction(lua, library_register);
    lua_setfield(lua, -2, "register_function");
    lua_newtable(lua);
    lua_pushcfunction(lua, vm_undefined);
    lua_setfield(lua, -2, "__index");
    lua_pushvalue(lua, -1);
    lua_setmetatable(lua, -3);      /* env redis meta */
    lua_insert(lua, -2);            /* env meta redis */
    vm_protect(lua);
    lua_pushvalue(lua, -1);
    lua_setfield(lua, -4, "server");
    lua_setfield(lua, -3, "redis"); /* env meta */
    lua_setmetatable(lua, -2);
    vm_protect(lua);
}

/* Run the chunk on top in an environment of its own. The stack is as before, without the chunk. */
static bool run_code(struct scripts *scripts, struct library *library, struct buf *error)
{
    struct vm *vm = &scripts->functions;
    lua_State *lua = vm->lua;
    push_environment(lua);
    lua_pushvalue(lua, -1);
    lua_setfenv(lua, -3);
    lua_insert(lua, -2); /* env chunk */
    bool done = run_chunk(scripts, vm, library) == 0;
    if (!done) {
        buf_append_text(error, "Error registering functions: ");
        if (lua_istable(lua, -1))
            lua_getfield(lua, -1, "err");
        else
            lua_pushvalue(lua, -1);
        const char *why = lua_tostring(lua, -1);
        buf_append_text(error, why ? why : "unknown error");
    } else {
        vm_show_globals(vm);
    }
    lua_settop(lua, 0);
    return done;
}

struct library *library_make(struct scripts *scripts, struct slice code, struct buf *error)
{
    struct slice name, body;
    lua_State *lua = scripts->functions.lua;
    arena_reset(&scripts->arena);
    if (!library_read_name(&scripts->arena, code, &name, &body, error))
        return NULL;
    if (code.len > LIBRARY_BYTES_MAX) {
        buf_append_text(error, "The library is too large");
        return NULL;
    }
    kv_assert(lua_gettop(lua) == 0);
    if (vm_compile(lua, body.data, body.len, "@user_function") != 0) {
        buf_printf(error, "Error compiling function: %s", lua_tostring(lua, -1));
        lua_settop(lua, 0);
        return NULL;
    }
    struct library *library = mem_alloc_zero(sizeof *library);
    library->name = copy_text(name);
    library->code = copy_text(code);
    library->len = code.len;
    if (!run_code(scripts, library, error)) {
        library_free(scripts, library);
        return NULL;
    }
    if (library->count == 0) {
        buf_append_text(error, "No functions registered");
        library_free(scripts, library);
        return NULL;
    }
    library->bytes = bytes_of(library);
    return library;
}

/* ---- finding, adding, removing ---- */

struct library *libraries_find(const struct libraries *libraries, struct slice name)
{
    struct library *library = libraries->first;
    while (library && !slice_equal(slice_of(library->name), name))
        library = library->next;
    return library;
}

static void take_out(struct libraries *libraries, struct library *library)
{
    for (struct function *at = library->functions; at; at = at->next) {
        struct slice name = slice_of(at->name);
        table_remove(libraries->functions, hash_name(libraries->seed, name),
                     find_slot(libraries, name));
    }
    struct library **link = &libraries->first;
    while (*link != library)
        link = &(*link)->next;
    *link = library->next;
    libraries->count--;
    libraries->bytes -= library->bytes;
}

static void put_in(struct libraries *libraries, struct library *library)
{
    for (struct function *at = library->functions; at; at = at->next)
        table_insert(libraries->functions, hash_name(libraries->seed, slice_of(at->name)), at);
    struct library **link = &libraries->first;
    while (*link && strcmp((*link)->name, library->name) < 0)
        link = &(*link)->next;
    library->next = *link;
    *link = library;
    libraries->count++;
    libraries->bytes += library->bytes;
}

bool libraries_add(struct scripts *scripts, struct library *library, bool replace,
                   struct buf *error)
{
    struct libraries *libraries = scripts->libraries;
    struct library *old = libraries_find(libraries, slice_of(library->name));
    if (old && !replace) {
        buf_printf(error, "Library '%s' already exists", library->name);
        return false;
    }
    for (struct function *at = library->functions; at; at = at->next) {
        struct function *other = libraries_function(libraries, slice_of(at->name));
        if (other && other->library != old) {
            buf_printf(error, "Function %s already exists", at->name);
            return false;
        }
    }
    if (old)
        libraries_remove(scripts, old);
    put_in(libraries, library);
    return true;
}

void libraries_remove(struct scripts *scripts, struct library *library)
{
    take_out(scripts->libraries, library);
    library_free(scripts, library);
}

void libraries_clear(struct scripts *scripts)
{
    while (scripts->libraries->first)
        libraries_remove(scripts, scripts->libraries->first);
    lua_gc(scripts->functions.lua, LUA_GCCOLLECT, 0);
}

struct library *libraries_first(const struct libraries *libraries)
{
    return libraries->first;
}

size_t libraries_count(const struct libraries *libraries)
{
    return libraries->count;
}

size_t libraries_functions(const struct libraries *libraries)
{
    return table_count(libraries->functions);
}

size_t libraries_bytes(const struct libraries *libraries)
{
    return libraries->bytes + table_bytes(libraries->functions);
}

void libraries_each_code(const struct libraries *libraries,
                         void (*visit)(void *env, struct slice code), void *env)
{
    for (struct library *library = libraries->first; library; library = library->next)
        visit(env, (struct slice){library->code, library->len});
}

int libraries_load(struct scripts *scripts, struct slice code, struct fault *fault)
{
    struct buf error = {0};
    struct library *library = library_make(scripts, code, &error);
    if (library && libraries_add(scripts, library, false, &error))
        return 0;
    if (library)
        library_free(scripts, library);
    buf_append_char(&error, '\0');
    int result = fault_set(fault, KV_EFORMAT, "", -1, "a library of functions: %s", error.data);
    buf_free(&error);
    return result;
}
